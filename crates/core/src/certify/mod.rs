//! Proof over every reachable accumulator that the hardware's requantization equals a contract's, or the exact count of
//! differences.
//!
//! From accumulator to output code, both are step functions that never fall: with at most 256 codes they have at most
//! 255 steps. Two such functions are equal if and only if their steps are, and each accumulator between two positions of
//! one step is a difference. So nothing is sampled and next to nothing is evaluated: a step is found by bisection.
//!
//! Why they never fall. Rounding to float32 never reverses an order: of two reals the larger has the larger or the same
//! nearest float. So the conversion of the accumulator, the addition of a constant, the multiplication by a positive
//! constant, a fused multiply-add with constants, rounding to integers, saturation and clamping each keep the order, and
//! so does any chain of them. On the hardware's side the product with M0 >= 0 and each [rounding](crate::hardware::Rounding)
//! do. Double rounding does as well: each of its two roundings keeps the order, so their chain does; it goes wrong at more
//! ties, never backwards. So LiteRT's fixed-point arithmetic is decided as the others are. Where a chain leaves that ground, because a value leaves 32 bits and jumps to the smallest code, or a register of
//! the hardware overflows, the ends of the reachable range show it and the channel is [refused](Refusal).
//!
//! From these positions everything else follows: the [narrowest multiplier](narrowest) that is equal, the [trade](Trade) of
//! width against differing accumulators, multiplications [without a multiplier](nearest_with_digits). What a narrower
//! accumulator does is counted from [partial sums](Partial); [operators without weights](certify_operators) are evaluated
//! over everything that can enter them.
//!
//! Which accumulators occur between the smallest and the largest is known from the weights, nearly always exactly: where
//! they are all even, no odd one is counted, and none is named. Where it is not known, all of the interval count, and
//! [`Ranks::exact`] says so.
//!
//! Accumulators are `sum((x - Z1) * (w - Z2))` throughout, as the contracts have them. The hardware's
//! `sum(x * (w - Z2)) + folded_bias` is this accumulator plus `bias`.

mod alternatives;
mod certificate;
mod channel;
mod file;
mod integer;
mod operators;
mod optimum;
mod overflow;
mod real;
mod search;
mod thresholds;
mod trade;

pub use crate::hardware::reach::{Ranks, Run, Sums};
pub use crate::hardware::steps::{Difference, Steps, Witness};
pub use alternatives::{Digits, nearest_with_digits};
pub use certificate::{Certificate, CertifiedChannel, CertifiedLayer, Summary};
pub use channel::{Channel, Refusal, layer_channels};
pub use file::{CertificateFile, Checked, Fault, FaultKind, FileSubject, LayerNumbers, check, digest_of};
pub use operators::{Case, Counted, OperatorProof, certify_operators};
pub use overflow::Partial;
pub use real::Real;
pub use search::{Constant, Narrowest, Problem, narrowest};
pub use thresholds::thresholds;
pub use trade::{Chosen, Equal, Freedom, Trade};
