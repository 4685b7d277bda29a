//! Integers that are known before the network runs: constants of the file, sizes, and what is computed from them.

use gen_params_formats::ValueId;

use super::Lowering;
use super::call::Call;
use gen_params_core::error::Result;

/// More integers than any list of sizes, axes or indices has.
const MOST: usize = 1 << 16;

impl Lowering<'_> {
    /// The integers of a tensor, where they are known.
    pub(super) fn known(&self, id: ValueId) -> Option<Vec<i64>> {
        if let Some(integers) = self.folded.get(&id) {
            return Some(integers.clone());
        }
        self.constant(id).filter(|constant| constant.len() <= MOST)?.to_i64()
    }

    /// The integers of an input of an operator.
    pub(super) fn integers(&self, call: &Call<'_>, index: usize) -> Result<Vec<i64>> {
        let id = call.input(index)?;
        self.known(id).ok_or_else(|| call.refuse(&format!("has an input {index} that is no constant")))
    }

    /// The only integer of an input of an operator.
    pub(super) fn integer(&self, call: &Call<'_>, index: usize) -> Result<i64> {
        match self.integers(call, index)?.as_slice() {
            [integer] => Ok(*integer),
            other => {
                Err(call.refuse(&format!("has {} integers in input {index}, expected one", other.len())))
            }
        }
    }

    /// The integers of several tensors, one after the other, where all are known.
    pub(super) fn joined(&self, call: &Call<'_>, ids: &[ValueId]) -> Result<Option<Vec<i64>>> {
        let mut all = Vec::new();
        for &id in ids {
            let Some(integers) = self.known(id) else { return Ok(None) };
            if all.len() + integers.len() > MOST {
                return Err(call.refuse(&format!("joins more than {MOST} integers that are known")));
            }
            all.extend(integers);
        }
        Ok(Some(all))
    }

    /// Notes integers that an operator gives.
    pub(super) fn fold(&mut self, call: &Call<'_>, integers: Vec<i64>) -> Result<()> {
        self.builder.hold(&call.place(), integers.len())?;
        self.folded.insert(call.output(0)?, integers);
        Ok(())
    }
}
