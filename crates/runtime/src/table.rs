//! Operations on single codes or on pairs of codes, as tables of all of them, filled by the reference.

use gen_params_core::parameters::CodeType;
use gen_params_core::tensor::Layout;

use crate::error::Result;
use crate::memory::{to_byte, to_integer};
use crate::oracle::Oracle;

/// Elements that PyTorch's vectorised loops take at a time. What is left at the end of a tensor goes one by one, and some
/// operations then round once more.
pub(crate) const VECTOR: usize = 64;

/// The results of an operation on `codes`, by the bytes of its operands, first operand outermost.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Table {
    /// For elements in whole vectors.
    pub(crate) body: Box<[u8]>,
    /// For the elements after them, where they differ.
    pub(crate) tail: Option<Box<[u8]>>,
}

/// All bytes.
const BYTES: usize = 256;

impl Table {
    /// Asks for every code, or every pair of codes, that the operands' types have.
    ///
    /// `layouts` are the operands': an engine may round differently where they differ.
    pub(crate) fn new(oracle: &Oracle, layouts: &[Layout]) -> Result<Self> {
        let types = (0..layouts.len())
            .map(|index| Ok(oracle.input(index)?.code_type))
            .collect::<Result<Vec<CodeType>>>()?;
        let count = BYTES.pow(u32::try_from(layouts.len()).unwrap_or(u32::MAX));
        let operands: Vec<Vec<i32>> = types
            .iter()
            .enumerate()
            .map(|(index, &code_type)| {
                let inner = BYTES.pow(u32::try_from(layouts.len() - 1 - index).unwrap_or(u32::MAX));
                let integer = to_integer(code_type);
                (0..count).map(|entry| integer((entry / inner % BYTES).to_le_bytes()[0])).collect()
            })
            .collect();
        // Two channels and two positions, so that the two orders are not the same.
        let ask = |from: usize, to: usize| -> Result<Vec<u8>> {
            let shape = vec![(to - from) / 4, 2, 1, 2];
            let tensors = operands
                .iter()
                .zip(layouts)
                .map(|(operand, &layout)| oracle.tensor(shape.clone(), layout, operand[from..to].to_vec()));
            let result = oracle.ask_one(tensors.collect::<Result<_>>()?, &[])?;
            Ok(result.elements().iter().map(|&code| to_byte(code)).collect())
        };
        let body = ask(0, count)?;
        let mut tail = Vec::with_capacity(count);
        let step = VECTOR / 2;
        for from in (0..count).step_by(step) {
            tail.extend(ask(from, from + step)?);
        }
        let tail = (tail != body).then(|| tail.into_boxed_slice());
        Ok(Self { body: body.into_boxed_slice(), tail })
    }
}
