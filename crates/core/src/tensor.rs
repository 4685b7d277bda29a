//! Dense tensors with (N, C, spatial...) axes, and the order in which an engine keeps them in memory.

use std::fmt;

/// The order in which an engine keeps a tensor in memory. Some engines compute other codes in another order.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Layout {
    /// Row-major in the logical order of the axes.
    Contiguous,
    /// Channels (axis 1) innermost, the other axes in their logical order.
    ChannelsLast,
    /// Part of a larger tensor's memory, or its axes in another order: what PyTorch calls a view.
    Strided(Strides),
}

/// Distances in memory, in elements, between neighbours along each axis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Strides {
    axes: usize,
    distances: [usize; Strides::MOST_AXES],
}

impl Strides {
    /// Tensors of more axes are taken to be contiguous.
    const MOST_AXES: usize = 8;

    /// `None` for more axes than there are places for.
    pub fn new(distances: &[usize]) -> Option<Self> {
        let mut places = [0; Self::MOST_AXES];
        places.get_mut(..distances.len())?.copy_from_slice(distances);
        Some(Self { axes: distances.len(), distances: places })
    }

    /// One distance per axis.
    pub fn as_slice(&self) -> &[usize] {
        self.distances.get(..self.axes).unwrap_or_default()
    }
}

impl Layout {
    /// Distances in memory between neighbours along each axis of a tensor of this shape.
    pub fn strides(self, shape: &[usize]) -> Vec<usize> {
        match self {
            Self::Strided(strides) if strides.axes == shape.len() => strides.as_slice().to_vec(),
            Self::ChannelsLast if shape.len() >= 3 => {
                let order: Vec<usize> = [0].into_iter().chain(2..shape.len()).chain([1]).collect();
                let mut result = vec![1; shape.len()];
                let mut distance = 1;
                for axis in order.into_iter().rev() {
                    result[axis] = distance;
                    distance *= shape[axis];
                }
                result
            }
            Self::Contiguous | Self::ChannelsLast | Self::Strided(_) => strides(shape),
        }
    }

    /// The layout with these distances for a tensor of this shape.
    pub fn of_strides(distances: &[usize], shape: &[usize]) -> Self {
        let agrees = |layout: Self| {
            let own = layout.strides(shape);
            (0..shape.len()).all(|axis| shape[axis] == 1 || own[axis] == distances[axis])
        };
        match (agrees(Self::Contiguous), agrees(Self::ChannelsLast), Strides::new(distances)) {
            // Both orders are the same: PyTorch looks at the distances along axes of size 1 nevertheless.
            (true, true, Some(own)) => Self::Strided(own).dense(shape),
            (true, ..) | (_, _, None) => Self::Contiguous,
            // Channels last, but for a distance along an axis of size 1: what is made from it is contiguous nevertheless.
            (false, true, Some(own)) if Self::Strided(own).dense(shape) == Self::ChannelsLast => {
                Self::ChannelsLast
            }
            (false, _, Some(own)) => Self::Strided(own),
        }
    }

    /// The layout without gaps that PyTorch gives a result made from a tensor of this layout and shape: channels last where
    /// the distances are in that order (`suggest_memory_format`).
    #[must_use]
    pub fn dense(self, shape: &[usize]) -> Self {
        if !matches!(shape.len(), 4 | 5) {
            return Self::Contiguous;
        }
        let Self::Strided(own) = &self else { return self };
        let own = own.as_slice();
        if own[1] == 0 {
            return Self::Contiguous;
        }
        let mut least = 0;
        for axis in [1].into_iter().chain((2..shape.len()).rev()).chain([0]) {
            if shape[axis] == 0 || own[axis] < least || (axis == 0 && least == own[1]) {
                return Self::Contiguous;
            }
            least = own[axis] * if shape[axis] > 1 { shape[axis] } else { 1 };
        }
        Self::ChannelsLast
    }
}

/// Elements in row-major order of `shape`, whatever `layout` says of the engine's memory.
#[derive(Debug, Clone, PartialEq)]
pub struct Tensor<T> {
    shape: Vec<usize>,
    layout: Layout,
    elements: Vec<T>,
}

/// Integer codes, one per element.
pub type Codes = Tensor<i32>;

/// A tensor whose number of elements is not that of its shape.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WrongLength {
    /// Sizes of the axes.
    pub shape: Vec<usize>,
    /// Number of elements given.
    pub found: usize,
}

impl fmt::Display for WrongLength {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "has {} elements, which is not what the shape {:?} holds", self.found, self.shape)
    }
}

impl std::error::Error for WrongLength {}

impl<T> Tensor<T> {
    /// A contiguous tensor of elements in row-major order.
    ///
    /// # Errors
    /// The number of elements is not the product of `shape`.
    pub fn new(shape: Vec<usize>, elements: Vec<T>) -> Result<Self, WrongLength> {
        if element_count(&shape) == Some(elements.len()) {
            Ok(Self { shape, layout: Layout::Contiguous, elements })
        } else {
            Err(WrongLength { shape, found: elements.len() })
        }
    }

    /// A tensor whose element at each row-major index is `make(index)`.
    pub fn build(shape: Vec<usize>, layout: Layout, make: impl FnMut(usize) -> T) -> Self {
        let count = element_count(&shape).unwrap_or(0);
        Self { shape, layout, elements: (0..count).map(make).collect() }
    }

    /// The same elements under another layout.
    #[must_use]
    pub fn with_layout(mut self, layout: Layout) -> Self {
        self.layout = layout;
        self
    }

    /// Sizes of the axes.
    pub fn shape(&self) -> &[usize] {
        &self.shape
    }

    /// The engine's layout.
    pub fn layout(&self) -> Layout {
        self.layout
    }

    /// Elements in row-major order.
    pub fn elements(&self) -> &[T] {
        &self.elements
    }

    /// The elements alone.
    pub fn into_elements(self) -> Vec<T> {
        self.elements
    }

    /// Element-wise function of the same shape, without gaps.
    pub(crate) fn map<U>(&self, f: impl FnMut(&T) -> U) -> Tensor<U> {
        Tensor {
            shape: self.shape.clone(),
            layout: self.dense_layout(),
            elements: self.elements.iter().map(f).collect(),
        }
    }

    /// The layout without gaps that a result made from it has.
    pub fn dense_layout(&self) -> Layout {
        self.layout.dense(&self.shape)
    }

    /// True if the bytes are in channels-last order: also where both orders are the same.
    pub fn is_channels_last(&self) -> bool {
        self.has_order(Layout::ChannelsLast)
    }

    /// True if the bytes are in row-major order: also where both orders are the same.
    pub fn is_contiguous(&self) -> bool {
        self.has_order(Layout::Contiguous)
    }

    fn has_order(&self, order: Layout) -> bool {
        match self.layout {
            Layout::Strided(own) => {
                let distances = order.strides(&self.shape);
                let mut axes = self.shape.iter().zip(own.as_slice()).zip(distances);
                axes.all(|((&size, &own), distance)| size == 1 || own == distance)
            }
            layout => layout == order || self.orders_agree(),
        }
    }

    fn orders_agree(&self) -> bool {
        self.shape.len() < 3
            || self.shape.get(1) == Some(&1)
            || self.shape.iter().skip(2).all(|&size| size == 1)
    }

    /// Place in the engine's memory, made dense where it has gaps, of the element at a row-major index.
    pub fn memory_index(&self, index: usize) -> usize {
        if self.dense_layout() == Layout::Contiguous || self.shape.len() < 3 {
            return index;
        }
        let channels = self.shape[1];
        let area: usize = self.shape[2..].iter().product();
        let (batch, rest) = (index / (channels * area), index % (channels * area));
        (batch * area + rest % area) * channels + rest / area
    }
}

/// Product of sizes; `None` if it overflows.
pub fn element_count(shape: &[usize]) -> Option<usize> {
    shape.iter().try_fold(1usize, |product, &size| product.checked_mul(size))
}

/// Distance in elements between neighbours along each axis of a row-major tensor.
pub fn strides(shape: &[usize]) -> Vec<usize> {
    let mut strides = vec![1; shape.len()];
    for axis in (1..shape.len()).rev() {
        strides[axis - 1] = strides[axis] * shape[axis];
    }
    strides
}

/// The coordinates of a row-major index.
pub fn coordinates(mut index: usize, shape: &[usize]) -> Vec<usize> {
    let mut result = vec![0; shape.len()];
    for (coordinate, &size) in result.iter_mut().zip(shape).rev() {
        *coordinate = index % size;
        index /= size;
    }
    result
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shape_must_hold_its_elements() {
        assert!(Tensor::new(vec![2, 3], vec![0; 6]).is_ok());
        let error = Tensor::new(vec![2, 3], vec![0; 5]).unwrap_err();
        assert_eq!(error, WrongLength { shape: vec![2, 3], found: 5 });
        assert!(Tensor::new(vec![usize::MAX, 2], Vec::<i32>::new()).is_err());
    }

    #[test]
    fn channels_last_memory_has_channels_innermost() {
        // (1, 2, 2, 2): channel 0 is 0..4, channel 1 is 4..8; in memory they alternate.
        let tensor = Tensor::build(vec![1, 2, 2, 2], Layout::ChannelsLast, |i| i);
        let places: Vec<usize> = (0..8).map(|i| tensor.memory_index(i)).collect();
        assert_eq!(places, [0, 2, 4, 6, 1, 3, 5, 7]);
    }

    #[test]
    fn one_channel_is_in_both_orders() {
        let tensor = Tensor::build(vec![4, 1, 3, 3], Layout::Contiguous, |i| i);
        assert!(tensor.is_channels_last() && tensor.is_contiguous());
    }
}
