//! Pooling windows and means over axes.

use super::call::Call;
use super::{Lowering, Order};
use gen_params_core::error::Result;
use gen_params_core::ops::{Op, Pool};

/// What stands before and after an axis.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Side {
    pub(super) before: u32,
    pub(super) after: u32,
}

/// The padding `SAME`: as many windows as steps fit into the input, the odd position after it. `None` beyond 32 bits.
///
/// Source: TFLite `ComputePaddingWithOffset`.
pub(super) fn same(size: usize, kernel: usize, stride: u32, dilation: u32) -> Option<Side> {
    let (size, kernel) = (u64::try_from(size).ok()?, u64::try_from(kernel).ok()?);
    let windows = size.div_ceil(u64::from(stride.max(1)));
    let reach = kernel.checked_sub(1)?.checked_mul(dilation.into())?.checked_add(1)?;
    let last = windows.checked_sub(1)?.checked_mul(stride.into())?;
    let missing = last.checked_add(reach)?.saturating_sub(size);
    let before = u32::try_from(missing / 2).ok()?;
    Some(Side { before, after: u32::try_from(missing).ok()? - before })
}

/// `AVERAGE_POOL_2D` and `MAX_POOL_2D`: padding never wins, and is not counted.
pub(super) fn pool(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let shape = lowering.image(call, input)?;
    let kernel = [call.size("filter_height")?, call.size("filter_width")?];
    let stride = [call.size("stride_h")?, call.size("stride_w")?];
    let mut sides = [Side::default(); 2];
    if call.text("padding")? == "SAME" {
        for axis in 0..2 {
            let window = usize::try_from(kernel[axis]).unwrap_or(usize::MAX);
            sides[axis] = same(shape[axis + 1], window, stride[axis], 1)
                .ok_or_else(|| call.refuse("has a window beyond all sizes"))?;
        }
    }
    let wide = |sizes: [u32; 2]| sizes.map(i64::from).to_vec();
    let (padding, padding_end) = (wide(sides.map(|side| side.before)), wide(sides.map(|side| side.after)));
    let pool = Pool {
        kernel: wide(kernel),
        stride: wide(stride),
        padding_end: (padding_end != padding).then_some(padding_end),
        padding,
        dilation: vec![1, 1],
        ceil_mode: false,
        count_include_pad: false,
        divisor: None,
    };
    if lowering.activation(call, input)? != lowering.activation(call, call.output(0)?)? {
        return Err(call.refuse("changes the scale or zero point, which pooling cannot"));
    }
    let op = if call.operator == "MAX_POOL_2D" { Op::MaxPool(pool) } else { Op::AveragePool(pool) };
    let edge = lowering.ordered(call, input, Order::ChannelsFirst)?;
    lowering.define_with(call, op, &[edge], Order::ChannelsFirst, call.fused()?)
}

/// `MEAN` over axes that are a constant.
pub(super) fn mean(lowering: &mut Lowering<'_>, call: &Call<'_>) -> Result<()> {
    let input = call.input(0)?;
    let rank = lowering.shape(input)?.len();
    let keep = call.flag("keep_dims")?;
    let reduced = lowering.axes(call, 1, rank)?;
    let (_, mut order) = lowering.natural(call, input)?;
    // Where an axis is lost, what is left has to stand in the order of the file.
    let left: Vec<usize> =
        (0..rank).filter(|axis| !reduced.contains(axis)).map(|axis| order.place(axis, rank)).collect();
    if !keep && !left.is_sorted() {
        order = Order::File;
    }
    let axes = reduced.iter().filter_map(|&axis| i64::try_from(order.place(axis, rank)).ok()).collect();
    let edge = lowering.ordered(call, input, order)?;
    let result = if keep { order } else { Order::File };
    lowering.define(call, Op::Mean { axes, keep }, &[edge], result)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Worked out by hand: out = ceil(in / stride), missing = (out - 1)*stride + reach - in.
    #[test]
    fn odd_padding_stands_after() {
        for ((size, kernel, stride, dilation), expected) in [
            ((5, 3, 1, 1), (1, 1)),
            ((6, 3, 2, 1), (0, 1)),
            ((5, 3, 2, 1), (1, 1)),
            ((4, 2, 1, 1), (0, 1)),
            ((7, 3, 1, 2), (2, 2)),
            ((4, 1, 4, 1), (0, 0)),
            ((49, 10, 2, 1), (4, 5)),
        ] {
            let side = same(size, kernel, stride, dilation).unwrap();
            assert_eq!((side.before, side.after), expected, "{size} {kernel} {stride} {dilation}");
        }
        assert!(same(0, 3, 1, 1).is_none());
    }
}
