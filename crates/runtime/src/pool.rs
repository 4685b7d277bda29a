//! Pooling: the largest code of each window, and means that depend on nothing but the sum of all codes of a channel.

use gen_params_core::ops::{PaddingMode, Pool};
use gen_params_core::parameters::CodeType;
use gen_params_core::tensor::Layout;
use gen_params_kernels::{Kernel, Operation};

use crate::error::Result;
use crate::geometry::{AXES, Axis, Windows};
use crate::layer::{Scratch, pad};
use crate::memory::{Order, to_byte};
use crate::oracle::Oracle;

/// The largest code of each window.
#[derive(Debug)]
pub(crate) struct MaxPool {
    windows: Windows,
    input: Order,
    code_type: CodeType,
}

impl MaxPool {
    /// For images of shape `input`, (C, spatial...); `None` for more spatial axes than there are.
    pub(crate) fn new(pool: &Pool, input: &[usize], output: &[usize], code_type: CodeType) -> Option<Self> {
        let absent = AXES.checked_sub(pool.kernel.len())?;
        let size = |sizes: &[i64], index: usize| sizes.get(index).and_then(|&s| usize::try_from(s).ok());
        let mut axes = [Axis::ABSENT; AXES];
        for (index, axis) in axes[absent..].iter_mut().enumerate() {
            *axis = Axis {
                input: input[index + 1],
                output: output[index + 1],
                kernel: size(&pool.kernel, index)?,
                stride: size(&pool.stride, index)?,
                padding: size(&pool.padding, index)?,
                padding_end: size(pool.padding_end(), index)?,
                dilation: size(&pool.dilation, index)?,
                transposed: false,
            };
        }
        let windows = Windows::new(&axes, input[0], PaddingMode::Zeros);
        Some(Self { windows, input: Order::of(input), code_type })
    }

    /// Output codes of `count` images.
    pub(crate) fn run(
        &self,
        kernel: Kernel,
        count: usize,
        input: &[u8],
        output: &mut [u8],
        scratch: &mut Scratch,
    ) {
        let (input_length, channels) = (self.input.length(), self.input.channels);
        let output_length = self.windows.starts.len() * channels;
        let in_place = self.windows.reads_input_in_place(input_length);
        // Padding never wins: it is the smallest code.
        let padding = to_byte(self.code_type.range().0);
        for image in 0..count {
            let input = &input[image * input_length..];
            let source = if in_place {
                input
            } else {
                pad(&self.windows, 1, input_length, padding, input, &mut scratch.padded)
            };
            let output = &mut output[image * output_length..][..output_length];
            kernel.vectorize(Largest {
                windows: &self.windows,
                channels,
                code_type: self.code_type,
                source,
                output,
            });
        }
    }
}

struct Largest<'a> {
    windows: &'a Windows,
    channels: usize,
    code_type: CodeType,
    source: &'a [u8],
    output: &'a mut [u8],
}

impl Operation for Largest<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        match self.code_type {
            CodeType::U8 => self.with(u8::max),
            // A plan has codes of 8 bits only.
            CodeType::I8 | CodeType::I16 | CodeType::I32 => {
                self.with(|a, b| a.cast_signed().max(b.cast_signed()).cast_unsigned())
            }
        }
    }
}

impl Largest<'_> {
    #[inline(always)]
    fn with(self, larger: impl Fn(u8, u8) -> u8) {
        let Some((&first, rest)) = self.windows.taps.split_first() else { return };
        let outputs = self.output.chunks_exact_mut(self.channels.max(1));
        for (&start, output) in self.windows.starts.iter().zip(outputs) {
            output.copy_from_slice(&self.source[start + first..][..self.channels]);
            for &tap in rest {
                for (code, &other) in output.iter_mut().zip(&self.source[start + tap..][..self.channels]) {
                    *code = larger(*code, other);
                }
            }
        }
    }
}

/// Largest number of different sums that a table is made for.
const MOST_SUMS: usize = 1 << 20;

/// A mean over all positions of a channel: a table of the sums of its codes.
#[derive(Debug)]
pub(crate) struct SumPool {
    input: Order,
    code_type: CodeType,
    /// The code for each sum, from the smallest sum on.
    table: Vec<u8>,
}

impl SumPool {
    /// For images of shape `image`, (C, spatial...), whose positions the node averages to one. `None` where the sums are
    /// too many.
    pub(crate) fn new(oracle: &Oracle, image: &[usize], layout: Layout) -> Result<Option<Self>> {
        let order = Order::of(image);
        let activation = oracle.input(0)?;
        let (min, max) = activation.code_type.range();
        let steps = usize::try_from(max - min).unwrap_or(0);
        let sums = order.area * steps + 1;
        // With one channel or one position both layouts are the same, which a table with many channels is not.
        if sums > MOST_SUMS || order.channels < 2 || order.area < 2 {
            return Ok(None);
        }
        // A channel for every sum: its codes are the smallest, but for as many as the sum needs.
        let mut codes = Vec::with_capacity(sums * order.area);
        for sum in 0..sums {
            let (full, rest) = (sum / steps, sum % steps);
            codes.extend((0..order.area).map(|position| match position.cmp(&full) {
                std::cmp::Ordering::Less => max,
                std::cmp::Ordering::Equal => min + i32::try_from(rest).unwrap_or(0),
                std::cmp::Ordering::Greater => min,
            }));
        }
        let mut shape = vec![1, sums];
        shape.extend(&image[1..]);
        let result = oracle.ask_one(vec![oracle.tensor(shape, layout, codes)?], &[])?;
        let table = result.elements().iter().map(|&code| to_byte(code)).collect();
        Ok(Some(Self { input: order, code_type: activation.code_type, table }))
    }

    /// Output codes of `count` images.
    pub(crate) fn run(
        &self,
        kernel: Kernel,
        count: usize,
        input: &[u8],
        output: &mut [u8],
        scratch: &mut Scratch,
    ) {
        let channels = self.input.channels;
        scratch.sums.resize(scratch.sums.len().max(channels), 0);
        let sums = &mut scratch.sums[..channels];
        let images = input.chunks_exact(self.input.length()).zip(output.chunks_exact_mut(channels));
        for (image, output) in images.take(count) {
            kernel.vectorize(Sum { image, sums, code_type: self.code_type });
            for (code, &sum) in output.iter_mut().zip(&*sums) {
                *code = usize::try_from(sum).ok().and_then(|sum| self.table.get(sum).copied()).unwrap_or(0);
            }
        }
    }
}

/// Sums of `code - smallest code` per channel.
struct Sum<'a> {
    image: &'a [u8],
    sums: &'a mut [i32],
    code_type: CodeType,
}

impl Operation for Sum<'_> {
    type Output = ();

    #[inline(always)]
    fn run(self) {
        // A signed code minus -128 is its byte with the top bit flipped.
        let flip = match self.code_type {
            CodeType::U8 => 0,
            CodeType::I8 | CodeType::I16 | CodeType::I32 => 0x80,
        };
        self.sums.fill(0);
        for position in self.image.chunks_exact(self.sums.len()) {
            for (sum, &code) in self.sums.iter_mut().zip(position) {
                *sum += i32::from(code ^ flip);
            }
        }
    }
}
