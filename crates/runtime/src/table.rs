//! Operations on single codes or on pairs of codes, as tables of all of them, filled by the reference.

use gen_params_core::parameters::CodeType;
use gen_params_core::tensor::Layout;

use crate::error::Result;
use crate::memory::{to_byte, to_integer};
use crate::oracle::Oracle;

/// Fewer elements than PyTorch's vectorised loops take at a time: these go one by one, and some operations then round once
/// more.
const PIECE: usize = 32;

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
    pub(crate) fn new(oracle: &Oracle, operands: usize) -> Result<Self> {
        let types = (0..operands)
            .map(|index| Ok(oracle.input(index)?.code_type))
            .collect::<Result<Vec<CodeType>>>()?;
        let count = BYTES.pow(u32::try_from(operands).unwrap_or(u32::MAX));
        let codes: Vec<Vec<i32>> = types
            .iter()
            .enumerate()
            .map(|(index, &code_type)| {
                let inner = BYTES.pow(u32::try_from(operands - 1 - index).unwrap_or(u32::MAX));
                let integer = to_integer(code_type);
                (0..count).map(|entry| integer((entry / inner % BYTES).to_le_bytes()[0])).collect()
            })
            .collect();
        let ask = |from: usize, to: usize| -> Result<Vec<u8>> {
            let tensors = codes
                .iter()
                .map(|codes| oracle.tensor(vec![to - from], Layout::Contiguous, codes[from..to].to_vec()));
            let result = oracle.ask_one(tensors.collect::<Result<_>>()?, &[])?;
            Ok(result.elements().iter().map(|&code| to_byte(code)).collect())
        };
        let body = ask(0, count)?;
        let mut tail = Vec::with_capacity(count);
        for from in (0..count).step_by(PIECE) {
            tail.extend(ask(from, from + PIECE)?);
        }
        let tail = (tail != body).then(|| tail.into_boxed_slice());
        Ok(Self { body: body.into_boxed_slice(), tail })
    }
}
