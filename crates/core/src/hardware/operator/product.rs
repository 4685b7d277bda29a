//! Products of two tensors, element by element or as matrices: `clamp(round(M0*sum((a - Za)*(b - Zb)) * 2^-n) + Z3)`.

use super::scale::{Choice, centred, clamped, count, narrowest, ratio};
use super::sum::pairs;
use crate::exact::Ratio;
use crate::hardware::steps::Steps;
use crate::parameters::{Activation, Agreement, OperatorArithmetic, Range, Scale};

/// The narrowest multiplier, against the exact product of all pairs of codes.
pub(super) fn derive(
    a: Activation,
    b: Activation,
    output: Activation,
    clamp: Range<i32>,
    choice: Choice,
) -> Option<(OperatorArithmetic, Agreement)> {
    let factor = ratio(&[a.scale, b.scale], output.scale)?;
    let (x, y) = (centred(a), centred(b));
    let ends = [x.min * y.min, x.min * y.max, x.max * y.min, x.max * y.max];
    let range = Range { min: *ends.iter().min()?, max: *ends.iter().max()? };
    let exact = Steps::of(range, clamp, |product| {
        let real = factor.times(&Ratio::from_i64(product));
        let rounded = real.round_scaled(0).unwrap_or(if product < 0 { i128::MIN } else { i128::MAX });
        clamped(rounded.saturating_add(i128::from(output.zero_point)), clamp)
    });
    let products: Vec<(i64, i32)> = pairs(a, b)
        .into_iter()
        .map(|(x, y)| i64::from(x * y))
        .map(|product| (product, exact.code(product)))
        .collect();
    let (([multiplier], shift), differing) =
        narrowest(choice.candidates([&factor]), |&([multiplier], shift), limit| {
            let ours = choice.rescale(Scale { multiplier, shift }, output.zero_point, clamp);
            let differs = products.iter().map(|&(product, expected)| ours.code(product) != expected);
            count(differs, limit)
        })?;
    let agreement = Agreement { cases: products.len() as u64, differing };
    Some((OperatorArithmetic::Product(Scale { multiplier, shift }), agreement))
}

/// The multiplier of a matrix product, as wide as the form allows: how many products are summed is not known.
pub(super) fn derive_matrix(
    a: Activation,
    b: Activation,
    output: Activation,
    choice: Choice,
) -> Option<OperatorArithmetic> {
    choice.widest(&ratio(&[a.scale, b.scale], output.scale)?).map(OperatorArithmetic::MatrixProduct)
}
