//! Pooling, and sizes of planes.

use gen_params_core::ops::{Op, Pool};

use super::{Dims, Scope, Structs, Tile};

/// The function of averages.
pub(super) const AVERAGE: &str = "arm_avgpool_s8";

/// Height and width of up to two spatial axes; an axis that is not there has size 1.
pub(super) fn plane(sizes: &[usize]) -> Tile {
    match sizes {
        [] => [1, 1],
        [width] => [1, *width],
        [height, width, ..] => [*height, *width],
    }
}

/// (1, C, spatial...) as n, h, w, c.
pub(super) fn dims(shape: &[usize]) -> Dims {
    let [height, width] = plane(shape.get(2..).unwrap_or_default());
    let size = |axis: usize| shape.get(axis).copied().unwrap_or(1);
    [size(0), height, width, size(1)]
}

/// A window on a plane.
struct Window {
    kernel: Tile,
    stride: Tile,
    padding: Tile,
}

impl Window {
    fn of(pool: &Pool, mean: bool) -> Result<Self, String> {
        if pool.dilation.iter().any(|&step| step != 1) {
            return Err("dilation".into());
        }
        let padded = pool.padding.iter().chain(pool.padding_end.iter().flatten()).any(|&size| size != 0);
        if mean && (pool.divisor.is_some() || (pool.count_include_pad && padded)) {
            return Err("a divisor that is not the number of codes".into());
        }
        let tile = |sizes: &[i64]| -> Result<Tile, String> {
            let sizes: Vec<usize> = sizes
                .iter()
                .map(|&size| usize::try_from(size).map_err(|error| error.to_string()))
                .collect::<Result<_, _>>()?;
            Ok(plane(&sizes))
        };
        let mut padding = tile(&pool.padding)?;
        if pool.padding.len() < 2 {
            padding[0] = 0;
        }
        Ok(Self { kernel: tile(&pool.kernel)?, stride: tile(&pool.stride)?, padding })
    }

    /// The whole of a plane.
    fn whole(plane: Tile) -> Self {
        Self { kernel: plane, stride: plane, padding: [0, 0] }
    }
}

impl Scope<'_> {
    /// The structs of a pooling: CMSIS-NN keeps scale and zero point.
    pub(super) fn pool(&self) -> Result<Structs, String> {
        let node = self.node;
        let ([input], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else {
            return Err("other than one input and one output".into());
        };
        let network = self.design.machine.network();
        let (before, after) = (network.edge(*input).activation, network.edge(*output).activation);
        if before.is_none() || before != after {
            return Err("scale and zero point change".into());
        }
        let (from, to) = (&self.shapes[input.0], &self.shapes[output.0]);
        if !matches!(from.len(), 3 | 4) {
            return Err(format!("{} axes, expected a line or a plane", from.len().saturating_sub(2)));
        }
        let whole = to.iter().skip(2).all(|&size| size == 1) && to.get(1) == from.get(1);
        let plane = plane(&from[2..]);
        let (function, window) = match &node.op {
            Op::MaxPool(pool) => ("arm_max_pool_s8", Window::of(pool, false)?),
            Op::AveragePool(pool) => (AVERAGE, Window::of(pool, true)?),
            Op::AdaptiveAveragePool { .. } | Op::Mean { .. } if whole => (AVERAGE, Window::whole(plane)),
            _ => return Err("it is no window of one size".into()),
        };
        let operator = self.design.machine.operator(self.index).ok_or("its integers are not known")?;
        let range = operator.output.range;
        let [height, width] = window.kernel;
        Ok(Structs {
            function,
            params: "cmsis_nn_pool_params",
            fields: format!(
                "\n    .stride = {}, .padding = {},\n    .activation = {{.min = {}, .max = {}}}\n",
                super::tile(window.stride),
                super::tile(window.padding),
                range.min,
                range.max
            ),
            requantization: None,
            weights: None,
            dims: vec![("input", dims(from)), ("filter", [1, height, width, 1]), ("output", dims(to))],
        })
    }
}
