//! The operations of an [`IntNetwork`](crate::network::IntNetwork): a closed set, one file each with its rule for shapes
//! and its scalar reference; adding one is one variant here and the match arms that the compiler then asks for.
//!
//! The references are the specification: plain loops over integers, each beside its equation. Everything fast is tested
//! for equality with them.

mod add;
mod apply;
mod axes;
mod batch_norm;
mod clamp;
mod concatenate;
mod constants;
mod context;
mod convolution;
mod delegated;
mod edge;
mod extremum;
mod facts;
mod fixed_function;
mod float_layer;
mod float_mean;
mod function;
mod fusion;
mod gates;
mod iteration;
mod layer;
mod layer_norm;
mod lstm;
mod matmul;
mod op;
mod peculiarity;
mod pool;
mod product;
mod requantizer;
mod shape;
mod signed;
mod softmax;
mod svdf;
#[cfg(test)]
mod tests;
mod weighted_sum;
mod wide_function;
mod wide_softmax;
mod window;

pub(crate) use axes::axis_of;
pub use batch_norm::BatchNorm;
pub use context::{Context, OpError, Value};
pub use edge::EdgeId;
pub use extremum::Extremum;
pub use facts::{Facts, ResultScale};
pub use function::{Function, Table};
pub use fusion::{Fusion, Unfused};
pub use iteration::Vectors;
pub use layer::{Bias, Geometry, Layer, MissingGeometry, PaddingMode};
pub use layer_norm::LayerNorm;
pub use lstm::{GATE_SCALE, GATES, Gate, Lstm, LstmKernel};
pub use op::Op;
pub use pool::Pool;
pub use product::Product;
pub use shape::{Extent, Shape, Shapes, Sources};
pub use svdf::Svdf;
pub use window::Span;
pub(crate) use window::adaptive_spans;
