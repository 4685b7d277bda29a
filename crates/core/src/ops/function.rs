//! Element-wise functions: tables of 256 codes.

use super::context::{Context, OpError};
use super::fixed_function::{CoarseLeakyRelu, HardSwish, LeakyRelu, Requantization};
use super::iteration::Vectors;
use super::wide_function::WideFunction;
use crate::contract::Contract;
use crate::parameters::{Activation, CodeType};
use crate::quantize::{dequantize, dequantize_fused, offset, quantize, quantize_as, table_entry};
use crate::tensor::{Codes, Layout, Tensor};

/// Element-wise functions.
#[derive(Debug, Clone, Copy, PartialEq)]
pub enum Function {
    /// 1 / (1 + exp(-x)).
    Sigmoid,
    /// tanh(x).
    Tanh,
    /// x * min(max(x + 3, 0), 6) / 6.
    Hardswish,
    /// min(max(x + 3, 0), 6) / 6.
    Hardsigmoid,
    /// x for x > 0, slope * x else.
    LeakyRelu(
        /// Slope.
        f64,
    ),
    /// x for x > 0, alpha * (exp(x) - 1) else.
    Elu(
        /// alpha.
        f64,
    ),
    /// x * Phi(x).
    Gelu,
    /// x / (1 + exp(-x)).
    Silu,
    /// min(max(x, min), max): the same reals under another S and Z, or a ReLU whose result has its own.
    Requantize {
        /// Smallest result; minus infinity for none.
        min: f64,
        /// Largest result; infinity for none.
        max: f64,
    },
}

/// The codes of a function for the codes `min..=max` of its input, in this order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Table {
    /// What nearly all elements get.
    pub codes: [i32; 256],
    /// What the last elements get, those after the last full 64 of a tensor in memory: PyTorch's loop over single
    /// elements rounds once more than its vectorised one. The same as `codes` for most scales.
    pub tail: [i32; 256],
}

impl Function {
    /// The names of those without a number of their own, as graph files and certificates have them.
    pub const PLAIN: [&'static str; 6] = ["sigmoid", "tanh", "hardswish", "hardsigmoid", "gelu", "silu"];

    /// The names of those with a number of their own.
    pub const WITH_NUMBER: [&'static str; 2] = ["leaky_relu", "elu"];

    /// The name of the one that has bounds.
    pub const WITH_BOUNDS: &'static str = "requantize";

    /// Whether this is the name of a function.
    pub fn is_name(name: &str) -> bool {
        Self::PLAIN.contains(&name) || Self::WITH_NUMBER.contains(&name) || name == Self::WITH_BOUNDS
    }

    /// The function of a name without a number of its own.
    pub fn plain(name: &str) -> Option<Self> {
        Some(match name {
            "sigmoid" => Self::Sigmoid,
            "tanh" => Self::Tanh,
            "hardswish" => Self::Hardswish,
            "hardsigmoid" => Self::Hardsigmoid,
            "gelu" => Self::Gelu,
            "silu" => Self::Silu,
            _ => return None,
        })
    }

    /// The function of a name with a number of its own.
    pub fn with_number(name: &str, number: f64) -> Option<Self> {
        Some(match name {
            "leaky_relu" => Self::LeakyRelu(number),
            "elu" => Self::Elu(number),
            _ => return None,
        })
    }

    /// The name in graph files and certificates.
    pub fn name(self) -> &'static str {
        match self {
            Self::Sigmoid => "sigmoid",
            Self::Tanh => "tanh",
            Self::Hardswish => "hardswish",
            Self::Hardsigmoid => "hardsigmoid",
            Self::LeakyRelu(_) => "leaky_relu",
            Self::Elu(_) => "elu",
            Self::Gelu => "gelu",
            Self::Silu => "silu",
            Self::Requantize { .. } => Self::WITH_BOUNDS,
        }
    }

    /// The slope or alpha.
    pub fn number(self) -> Option<f64> {
        match self {
            Self::LeakyRelu(number) | Self::Elu(number) => Some(number),
            _ => None,
        }
    }

    /// The smallest and the largest result that it is limited to; none is infinite.
    pub fn bounds(self) -> Option<(f64, f64)> {
        match self {
            Self::Requantize { min, max } => Some((min, max)),
            _ => None,
        }
    }

    /// S and Z of its result where the file says `own`, and its input has `input`; `None` where the file has to say.
    pub fn result(self, own: Option<Activation>, input: Option<Activation>) -> Option<Activation> {
        let fixed = |scale: f64, above: i32| {
            move |a: Activation| Activation { scale, zero_point: a.code_type.range().0 + above, ..a }
        };
        own.or(match self {
            // PyTorch fixes 1/256 and the smallest code, and 1/128 and the middle code.
            Self::Sigmoid | Self::Hardsigmoid => input.map(fixed(1.0 / 256.0, 0)),
            Self::Tanh => input.map(fixed(1.0 / 128.0, 128)),
            Self::LeakyRelu(_) | Self::Elu(_) | Self::Gelu | Self::Silu => input,
            Self::Hardswish | Self::Requantize { .. } => None,
        })
    }

    /// The function of a float32, as the engines write it. Exponentials are rounded correctly, which theirs are but for
    /// the last bit.
    #[allow(clippy::cast_possible_truncation, reason = "PyTorch computes in float32")]
    fn of_f32(self, x: f32) -> f32 {
        let exp = |x: f32| f64::from(x).exp() as f32;
        match self {
            Self::Sigmoid => 1.0 / (1.0 + exp(-x)),
            Self::Tanh => f64::from(x).tanh() as f32,
            Self::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Hardsigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::LeakyRelu(slope) => {
                if x > 0.0 {
                    x
                } else {
                    x * slope as f32
                }
            }
            Self::Elu(alpha) => {
                if x > 0.0 {
                    x
                } else {
                    (exp(x) - 1.0) * alpha as f32
                }
            }
            Self::Gelu => x * 0.5 * (1.0 + error_function(f64::from(x * 0.707_106_77)) as f32),
            Self::Silu => x / (1.0 + exp(-x)),
            Self::Requantize { min, max } => x.max(min as f32).min(max as f32),
        }
    }

    /// The function of a float32 as the ONNX operators define it.
    fn of_f32_in_onnx(self, x: f32) -> f32 {
        let gate = || (x * (1.0 / 6.0) + 0.5).clamp(0.0, 1.0);
        match self {
            Self::Hardsigmoid => gate(),
            Self::Hardswish => x * gate(),
            Self::Sigmoid => mlas_sigmoid(x),
            Self::Tanh => mlas_tanh(x),
            Self::LeakyRelu(_) | Self::Elu(_) | Self::Gelu | Self::Silu | Self::Requantize { .. } => {
                self.of_f32(x)
            }
        }
    }

    /// The function of a float32 as XNNPACK's table has it.
    #[allow(clippy::cast_possible_truncation, reason = "XNNPACK narrows the result to float32")]
    fn of_f32_in_xnnpack(self, x: f32) -> f32 {
        match self {
            Self::Sigmoid if x > 100.0 => 1.0,
            Self::Sigmoid if x < -100.0 => 0.0,
            Self::Sigmoid => {
                let power = f64::from(x).exp();
                (power / (1.0 + power)) as f32
            }
            _ => self.of_f32(x),
        }
    }

    /// An entry of TFLite's tables: `round(f(S1*(code - Z1)) * (1/S3)) + Z3` in float32, ties away from zero.
    ///
    /// Source: TFLite `kernels/internal/common.h`, `LUTPopulateInt8`.
    #[allow(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "TFLite computes in float32; the cast saturates"
    )]
    fn of_litert(self, code: i32, input: Activation, output: Activation) -> i32 {
        let x = input.scale as f32 * (code - input.zero_point) as f32;
        let rescaled = (self.of_f32(x) * (1.0 / output.scale as f32)).round();
        offset(rescaled, output)
    }

    /// The function of a real number.
    fn of_f64(self, x: f64) -> f64 {
        match self {
            Self::Sigmoid => 1.0 / (1.0 + (-x).exp()),
            Self::Tanh => x.tanh(),
            Self::Silu => x / (1.0 + (-x).exp()),
            Self::Hardswish => x * (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::Hardsigmoid => (x + 3.0).clamp(0.0, 6.0) / 6.0,
            Self::LeakyRelu(slope) => {
                if x > 0.0 {
                    x
                } else {
                    x * slope
                }
            }
            Self::Elu(alpha) => {
                if x > 0.0 {
                    x
                } else {
                    x.exp_m1() * alpha
                }
            }
            Self::Gelu => x * 0.5 * (1.0 + error_function(x * std::f64::consts::FRAC_1_SQRT_2)),
            Self::Requantize { min, max } => x.max(min).min(max),
        }
    }

    /// The table of an engine.
    ///
    /// # Errors
    /// The engine does not have the function for these scales.
    pub fn table(self, contract: Contract, input: Activation, output: Activation) -> Result<Table, OpError> {
        if input.code_type.is_wide() {
            return Err(OpError::new(
                "codes of 16 bits or more",
                "codes of 8 bits, which a table of 256 entries holds",
            ));
        }
        let qnnpack = contract == Contract::Qnnpack && input.code_type == CodeType::U8;
        if qnnpack && self == Self::Sigmoid && output.scale != 1.0 / 256.0 {
            return Err(OpError::new(
                format!("a sigmoid whose output has scale {}", output.scale),
                "1/256, the only one that QNNPACK has",
            ));
        }
        let (first, _) = input.code_type.range();
        let table = |entry: &dyn Fn(i32) -> i32| {
            let mut codes = [0; 256];
            for (slot, code) in codes.iter_mut().zip(first..) {
                *slot = entry(code);
            }
            codes
        };
        let vectorised = |code| quantize(self.of_f32(dequantize_fused(code, input)), output);
        let single = |code| quantize(self.of_f32(dequantize(code, input)), output);
        let same = |codes: [i32; 256]| (codes, codes);
        let far = || OpError::new("scales too far apart", "quotients that the engine can hold");
        let (codes, tail) = match (contract, self) {
            (Contract::Exact, _) => same(table(&|code| self.exact(code, input, output))),
            (Contract::Onnxruntime, _) => same(table(&|code| {
                quantize_as(contract, self.of_f32_in_onnx(dequantize(code, input)), output)
            })),
            (Contract::Litert | Contract::LitertBuiltin, Self::Sigmoid | Self::Tanh) => {
                same(table(&|code| self.of_litert(code, input, output)))
            }
            (Contract::LitertXnnpack, Self::Sigmoid | Self::Tanh) => {
                same(table(&|code| table_entry(self.of_f32_in_xnnpack(dequantize(code, input)), output)))
            }
            (Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin, Self::Hardswish) => {
                let hardswish = HardSwish::new(input, output).ok_or_else(far)?;
                same(table(&|code| hardswish.code(code, input, output)))
            }
            (
                Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin,
                Self::Requantize { min, max },
            ) => {
                let requantization =
                    Requantization::new(contract, [min, max], input, output).ok_or_else(far)?;
                same(table(&|code| requantization.code(code, input, output)))
            }
            (Contract::LitertXnnpack, Self::LeakyRelu(slope)) => {
                let relu = CoarseLeakyRelu::new(slope, input, output).ok_or_else(far)?;
                same(table(&|code| relu.code(code, input, output)))
            }
            (Contract::Litert | Contract::LitertBuiltin, Self::LeakyRelu(slope)) => {
                let relu = LeakyRelu::new(slope, input, output).ok_or_else(far)?;
                same(table(&|code| relu.code(code, input, output)))
            }
            (
                Contract::Litert | Contract::LitertXnnpack | Contract::LitertBuiltin,
                Self::Hardsigmoid | Self::Elu(_) | Self::Gelu | Self::Silu,
            ) => {
                return Err(OpError::no_formula(self.name(), contract));
            }
            (_, Self::Hardswish) if qnnpack => {
                let codes = table(&|code| table_entry(self.of_f32(dequantize(code, input)), output));
                (codes, codes)
            }
            (_, Self::Sigmoid | Self::Tanh | Self::Gelu | Self::Silu | Self::Requantize { .. }) => {
                let codes = table(&single);
                (codes, codes)
            }
            (_, Self::Hardsigmoid) if qnnpack => {
                let codes = table(&single);
                (codes, codes)
            }
            (_, Self::Hardswish | Self::Hardsigmoid | Self::LeakyRelu(_) | Self::Elu(_)) => {
                (table(&vectorised), table(&single))
            }
        };
        Ok(Table { codes, tail })
    }

    /// f(S1*(code - Z1))/S3 + Z3 in binary64, rounded once at the end, ties to even.
    #[allow(clippy::cast_possible_truncation, reason = "the cast saturates before the clamp")]
    fn exact(self, code: i32, input: Activation, output: Activation) -> i32 {
        let x = f64::from(code - input.zero_point) * input.scale;
        let rounded = (self.of_f64(x) / output.scale).round_ties_even() as i64;
        let (min, max) = output.code_type.range();
        let code = rounded.saturating_add(i64::from(output.zero_point));
        i32::try_from(code.clamp(i64::from(min), i64::from(max))).unwrap_or(min)
    }

    /// The order of memory in which PyTorch's loop meets an input: leaky ReLU makes it dense before.
    pub fn read_layout(self, shape: &[usize], layout: Layout) -> Layout {
        match self {
            Self::LeakyRelu(_) => layout.dense(shape),
            _ => layout,
        }
    }

    fn result_layout(self, input: &Codes, contract: Contract) -> Layout {
        match self {
            Self::Elu(_) if contract.is_pytorch() => Layout::Contiguous,
            _ => input.dense_layout(),
        }
    }

    /// Applies the table.
    pub(super) fn apply(self, input: &Codes, context: &Context<'_>) -> Result<Codes, OpError> {
        let activation = context.input(0)?;
        if activation.code_type.is_wide() {
            return self.apply_wide(input, context.contract, activation, context.output()?);
        }
        let table = self.table(context.contract, activation, context.output()?)?;
        let (first, last) = activation.code_type.range();
        let elements = input.elements();
        let layout = self.result_layout(input, context.contract);
        let vectors = Vectors::new(
            input.shape(),
            layout,
            &[(input.shape(), self.read_layout(input.shape(), input.layout()))],
        );
        if let Some(code) = elements.iter().find(|c| !(first..=last).contains(c)) {
            return Err(OpError::new(format!("code {code}"), format!("{first}..={last}")));
        }
        Ok(Tensor::build(input.shape().to_vec(), layout, |i| {
            let table = if vectors.contains(i) { &table.codes } else { &table.tail };
            usize::try_from(elements[i] - first).ok().and_then(|e| table.get(e).copied()).unwrap_or(first)
        }))
    }
}

impl Function {
    /// Codes of 16 bits, each by itself: a table would have 65,536 entries.
    fn apply_wide(
        self,
        input: &Codes,
        contract: Contract,
        from: Activation,
        to: Activation,
    ) -> Result<Codes, OpError> {
        let far = || OpError::new("scales too far apart", "quotients that the engine can hold");
        Ok(match (contract, self) {
            (Contract::Exact, _) => input.map(|&code| self.exact(code, from, to)),
            (Contract::Litert | Contract::LitertBuiltin, Self::LeakyRelu(slope)) => {
                let relu = LeakyRelu::new(slope, from, to).ok_or_else(far)?;
                input.map(|&code| relu.code(code, from, to))
            }
            (Contract::Litert | Contract::LitertBuiltin, Self::Sigmoid | Self::Tanh) => {
                let function =
                    WideFunction::new(self == Self::Tanh, contract == Contract::LitertBuiltin, from, to)?;
                input.map(|&code| function.code(code))
            }
            (Contract::Litert | Contract::LitertBuiltin, Self::Requantize { min, max }) => {
                let requantization = Requantization::new(contract, [min, max], from, to).ok_or_else(far)?;
                input.map(|&code| requantization.code(code, from, to))
            }
            _ => return Err(OpError::no_formula(self.name(), contract)),
        })
    }
}

/// A polynomial, its highest power first, by fused multiply-adds.
fn polynomial(x: f32, coefficients: &[f32]) -> f32 {
    coefficients.iter().copied().reduce(|sum, next| sum.mul_add(x, next)).unwrap_or(0.0)
}

/// 1 / (1 + exp(-x)) as ONNX Runtime computes it: a quotient of polynomials.
///
/// Source: MLAS `logistic.cpp`; 0 of 100,015 float32 differ from ONNX Runtime 1.32's, where the correctly rounded function
/// differs in 31,811.
fn mlas_sigmoid(x: f32) -> f32 {
    let x = x.clamp(-18.0, 18.0);
    let square = x * x;
    let numerator =
        polynomial(square, &[4.370_31e-11, 1.156_273_2e-7, 6.085_749e-5, 8.513_771e-3, 2.482_879_5e-1]) * x;
    let denominator = polynomial(
        square,
        &[6.102_473_7e-13, 5.761_021_4e-9, 6.291_068e-6, 1.701_988_2e-3, 1.168_176_5e-1, 9.931_519e-1],
    );
    (numerator / denominator + 0.5).clamp(0.0, 1.0)
}

/// tanh(x) as ONNX Runtime computes it: a quotient of polynomials.
///
/// Source: MLAS `tanh.cpp`; 0 of 100,015 float32 differ from ONNX Runtime 1.32's, where the correctly rounded function
/// differs in 60,064.
fn mlas_tanh(x: f32) -> f32 {
    let x = x.clamp(-9.0, 9.0);
    let square = x * x;
    let numerator = polynomial(
        square,
        &[
            -2.760_768_4e-16,
            2.000_188e-13,
            -8.604_672e-11,
            5.122_297_3e-8,
            1.485_722_35e-5,
            6.372_619_5e-4,
            4.893_524_6e-3,
        ],
    ) * x;
    let denominator = polynomial(square, &[1.198_258_4e-6, 1.185_347_1e-4, 2.268_434_7e-3, 4.893_525e-3]);
    numerator / denominator
}

/// erf(x), by its series near zero and its continued fraction far from it; about 1e-15.
fn error_function(x: f64) -> f64 {
    let magnitude = x.abs();
    let value = if magnitude < 3.0 {
        // erf(x) = 2/sqrt(pi) * exp(-x^2) * sum of x * (2x^2)^n / (1*3*5*...*(2n+1)).
        let mut term = magnitude;
        let mut sum = term;
        let mut odd = 1.0;
        while term > sum * 1e-17 && term > 0.0 {
            odd += 2.0;
            term *= 2.0 * magnitude * magnitude / odd;
            sum += term;
        }
        std::f64::consts::FRAC_2_SQRT_PI * (-magnitude * magnitude).exp() * sum
    } else {
        // erfc(x) = exp(-x^2)/sqrt(pi) / (x + (1/2)/(x + 1/(x + (3/2)/(x + ...)))).
        let fraction = (1..=60).rev().fold(magnitude, |tail, n| magnitude + f64::from(n) / 2.0 / tail);
        1.0 - (-magnitude * magnitude).exp() * std::f64::consts::FRAC_2_SQRT_PI / 2.0 / fraction
    };
    value.copysign(x)
}
