//! How an edge's codes lie in memory, and which edges share it.

use gen_params_core::parameters::CodeType;

/// The codes of one image: channels innermost, whatever the engine does that is reproduced.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Order {
    pub(crate) channels: usize,
    pub(crate) area: usize,
}

impl Order {
    /// Of an image (C, spatial...).
    pub(crate) fn of(image: &[usize]) -> Self {
        match image {
            [] => Self { channels: 1, area: 1 },
            [channels, spatial @ ..] => Self { channels: *channels, area: spatial.iter().product() },
        }
    }

    pub(crate) fn length(self) -> usize {
        self.channels * self.area
    }

    /// Place of the element at a row-major index (C, spatial...).
    pub(crate) fn place(self, index: usize) -> usize {
        index % self.area * self.channels + index / self.area
    }

    /// Row-major index of the element at a place.
    pub(crate) fn index(self, place: usize) -> usize {
        place % self.channels * self.area + place / self.channels
    }

    /// Puts row-major elements where they lie, by a function of the element.
    pub(crate) fn store<T: Copy, U>(self, elements: &[T], memory: &mut [U], stored: impl Fn(T) -> U) {
        for (channel, elements) in elements.chunks_exact(self.area.max(1)).enumerate() {
            for (to, &element) in memory[channel..].iter_mut().step_by(self.channels).zip(elements) {
                *to = stored(element);
            }
        }
    }

    /// Appends row-major elements of what lies in memory, by a function of it.
    pub(crate) fn load<T: Copy, U>(self, memory: &[T], elements: &mut Vec<U>, element: impl Fn(T) -> U) {
        for channel in 0..self.channels {
            elements
                .extend(memory[channel..].iter().step_by(self.channels).take(self.area).map(|&m| element(m)));
        }
    }
}

/// The integer that a byte holds.
pub(crate) fn to_integer(code_type: CodeType) -> fn(u8) -> i32 {
    match code_type {
        CodeType::U8 => i32::from,
        // A plan has codes of 8 bits only.
        CodeType::I8 | CodeType::I16 | CodeType::I32 => |byte| i32::from(byte.cast_signed()),
    }
}

/// The byte that holds a code.
pub(crate) fn to_byte(code: i32) -> u8 {
    code.to_le_bytes()[0]
}

/// Buffers for edges: edges that are not alive at the same time share one.
#[derive(Debug, Default)]
pub(crate) struct Buffers {
    /// Bytes of each buffer, for one image.
    pub(crate) lengths: Vec<usize>,
    free: Vec<usize>,
}

impl Buffers {
    /// A buffer of at least this many bytes: the free one that fits best, or the largest free one, made larger.
    pub(crate) fn take(&mut self, length: usize) -> usize {
        let fits = |buffer: &usize| self.lengths[*buffer] >= length;
        let best = self.free.iter().copied().filter(fits).min_by_key(|&buffer| self.lengths[buffer]);
        match best.or_else(|| self.free.iter().copied().max_by_key(|&buffer| self.lengths[buffer])) {
            Some(buffer) => {
                self.free.retain(|&other| other != buffer);
                self.lengths[buffer] = self.lengths[buffer].max(length);
                buffer
            }
            None => {
                self.lengths.push(length);
                self.lengths.len() - 1
            }
        }
    }

    /// Gives a buffer back.
    pub(crate) fn give(&mut self, buffer: usize) {
        self.free.push(buffer);
    }
}
