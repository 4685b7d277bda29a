//! One code after another: affine functions by channel, joined tensors, tables, clamps, selections.

use super::Operand;
use crate::hardware::Rescale;
use crate::ops::Sources;
use crate::parameters::Range;

/// `rescale(M0*(x - Z1) + B)`.
#[derive(Debug, Clone, PartialEq)]
pub struct ChannelAffine<'a> {
    /// x, (N, C, spatial...).
    pub input: Operand,
    /// M0, per channel.
    pub multipliers: &'a [i32],
    /// B, per channel.
    pub offsets: &'a [i32],
    /// Of the sum; its own M0 is 1.
    pub rescale: Rescale,
}

impl ChannelAffine<'_> {
    /// Elements of one channel of one image.
    pub fn area(&self) -> usize {
        self.input.shape.iter().skip(2).product()
    }

    pub(super) fn apply(&self, codes: &[i32]) -> Vec<i32> {
        let channels = self.multipliers.iter().zip(self.offsets).cycle();
        let planes = codes.chunks(self.area().max(1)).zip(channels);
        let code = |(plane, (&multiplier, &offset)): (&[i32], (&i32, &i32))| {
            let value = |&code| i64::from(multiplier) * self.input.centre(code) + i64::from(offset);
            plane.iter().map(value).map(|value| self.rescale.code(value)).collect::<Vec<i32>>()
        };
        planes.flat_map(code).collect()
    }
}

/// Tensors one behind the other along an axis.
#[derive(Debug, Clone, PartialEq)]
pub struct Join {
    /// What is joined, in order.
    pub parts: Vec<Part>,
    /// Sizes of the result's axes.
    pub shape: Vec<usize>,
    /// Product of the axes before the joined one.
    pub rows: usize,
    /// Elements of a row of the result: of the joined axis and those behind it.
    pub length: usize,
    /// Of the codes that pass as they are.
    pub clamp: Range<i32>,
}

/// One of the tensors that are joined.
#[derive(Debug, Clone, PartialEq)]
pub struct Part {
    /// x.
    pub input: Operand,
    /// Elements of one of its rows.
    pub length: usize,
    /// Where they begin in a row of the result.
    pub offset: usize,
    /// Of x - Z1; `None` where its codes pass as they are.
    pub rescale: Option<Rescale>,
}

impl Join {
    pub(super) fn apply(&self, inputs: &[&[i32]]) -> Vec<i32> {
        let code = |part: &Part, code: i32| match &part.rescale {
            None => code.clamp(self.clamp.min, self.clamp.max),
            Some(rescale) => rescale.code(part.input.centre(code)),
        };
        let parts = |row: usize| {
            self.parts.iter().zip(inputs).flat_map(move |(part, codes)| {
                codes[row * part.length..][..part.length].iter().map(move |&this| code(part, this))
            })
        };
        (0..self.rows).flat_map(parts).collect()
    }
}

/// A code for each code.
#[derive(Debug, Clone, PartialEq)]
pub struct Table<'a> {
    /// x.
    pub input: Operand,
    /// The output codes of the input codes in ascending order, 256 of them.
    pub codes: &'a [i32],
}

impl Table<'_> {
    pub(super) fn apply(&self, codes: &[i32]) -> Vec<i32> {
        let first = self.input.port.first_code();
        let entry = |&code: &i32| self.codes.get(usize::try_from(code - first).ok()?).copied();
        codes.iter().map(|code| entry(code).unwrap_or_default()).collect()
    }
}

/// The code itself, within limits.
#[derive(Debug, Clone, PartialEq)]
pub struct Clamp {
    /// x.
    pub input: Operand,
    /// The limits.
    pub range: Range<i32>,
}

impl Clamp {
    pub(super) fn apply(&self, codes: &[i32]) -> Vec<i32> {
        codes.iter().map(|&code| code.clamp(self.range.min, self.range.max)).collect()
    }
}

/// Codes in other places.
#[derive(Debug, Clone, PartialEq)]
pub struct Select {
    /// x.
    pub input: Operand,
    /// By result: its sizes, and for each of its elements the one of the input; `None` for padding.
    pub parts: Vec<Sources>,
    /// The code of padding.
    pub filling: i32,
}

impl Select {
    pub(super) fn apply(&self, codes: &[i32]) -> Vec<Vec<i32>> {
        let result = |(_, sources): &Sources| {
            sources.iter().map(|source| source.map_or(self.filling, |index| codes[index])).collect()
        };
        self.parts.iter().map(result).collect()
    }
}
