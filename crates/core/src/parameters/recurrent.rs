//! The integers of operators that keep a state: SVDF and LSTM, as the engine whose kernel they follow has them.

use std::sync::Arc;

use super::Activation;

/// Everything hardware needs to compute one recurrent operator in integers.
#[derive(Debug, Clone, PartialEq)]
pub struct RecurrentParameters {
    /// Name in the model, with dots.
    pub name: String,
    /// The operator: `svdf` or `lstm`.
    pub op: &'static str,
    /// Its states, in order, by name: codes that begin at the zero point.
    pub states: Vec<(String, Activation)>,
    /// Its matrix products, in the order in which they are computed.
    pub products: Vec<ProductParameters>,
    /// Its element-wise factors.
    pub factors: Vec<FactorParameters>,
    /// The largest magnitude of a cell's code; `None` without cells, and where nothing is clipped.
    pub cell_clip: Option<i32>,
}

/// One matrix product: `round(M0 * (sum(w_q * x_q) + folded_bias) * 2^-n) + Z3`, within the codes of the output.
///
/// TFLite rounds twice: the product divided by 2^31, ties up, then by the rest of 2^n, ties away from zero.
#[derive(Debug, Clone, PartialEq)]
pub struct ProductParameters {
    /// Name of the operator, a dot, and what it is: `feature`, `time`, `input_gate.input`, `input_gate.recurrent`, ...
    pub name: String,
    /// S1, Z1: the input's, or a state's.
    pub input: Activation,
    /// Results, and what each of them sums.
    pub weight_shape: [usize; 2],
    /// Row-major codes, whose zero point is 0.
    pub weight: Arc<[i16]>,
    /// Width of a weight: 8 or 16.
    pub weight_bits: u32,
    /// S2.
    pub weight_scale: f64,
    /// Products that are added up to one result: 1, or the rank of SVDF's.
    pub rank: usize,
    /// At scale S1*S2, per result; zeros where there is none.
    pub bias: Vec<i64>,
    /// `bias - Z1*sum(w_q)`, per result.
    pub folded_bias: Vec<i64>,
    /// M = S1*S2/S3 as the engine holds it.
    pub real_multiplier: f64,
    /// M0.
    pub multiplier: u32,
    /// n.
    pub shift: i32,
    /// S3, Z3: a state's, the result's, or those of a gate.
    pub output: Activation,
}

impl ProductParameters {
    /// The weights, where they have 8 bits.
    pub fn bytes(&self) -> Option<Vec<i8>> {
        if self.weight_bits > 8 {
            return None;
        }
        self.weight.iter().map(|&weight| i8::try_from(weight).ok()).collect()
    }
}

/// An element-wise factor, M0 * 2^-n.
#[derive(Debug, Clone, PartialEq)]
pub struct FactorParameters {
    /// What it multiplies: `forget_to_cell`, `input_to_cell`, `output`.
    pub name: &'static str,
    /// M0.
    pub multiplier: u32,
    /// n.
    pub shift: i32,
}
