//! Where the fields of a TFLite file are: slots, operator codes and option tables, as far as they are read.
//!
//! Source: TensorFlow Lite's schema, version 3 (`tensorflow/compiler/mlir/lite/schema/schema.fbs`).

use super::flatbuffer::Field;
use crate::tensor::DType;

/// `Model`.
pub(super) mod model {
    use super::Field;
    pub(in super::super) const VERSION: Field = Field::new(0, "version");
    pub(in super::super) const OPERATOR_CODES: Field = Field::new(1, "operator_codes");
    pub(in super::super) const SUBGRAPHS: Field = Field::new(2, "subgraphs");
    pub(in super::super) const BUFFERS: Field = Field::new(4, "buffers");
    pub(in super::super) const SIGNATURES: Field = Field::new(7, "signature_defs");
}

/// `OperatorCode`. Codes below 127 stand in the byte that older files have, later ones in the integer.
pub(super) mod operator_code {
    use super::Field;
    pub(in super::super) const DEPRECATED: Field = Field::new(0, "deprecated_builtin_code");
    pub(in super::super) const CUSTOM: Field = Field::new(1, "custom_code");
    pub(in super::super) const BUILTIN: Field = Field::new(3, "builtin_code");
}

/// `SubGraph`.
pub(super) mod subgraph {
    use super::Field;
    pub(in super::super) const TENSORS: Field = Field::new(0, "tensors");
    pub(in super::super) const INPUTS: Field = Field::new(1, "subgraph inputs");
    pub(in super::super) const OUTPUTS: Field = Field::new(2, "subgraph outputs");
    pub(in super::super) const OPERATORS: Field = Field::new(3, "operators");
}

/// `Tensor`.
pub(super) mod tensor {
    use super::Field;
    pub(in super::super) const SHAPE: Field = Field::new(0, "tensor shape");
    pub(in super::super) const TYPE: Field = Field::new(1, "tensor type");
    pub(in super::super) const BUFFER: Field = Field::new(2, "tensor buffer");
    pub(in super::super) const NAME: Field = Field::new(3, "tensor name");
    pub(in super::super) const QUANTIZATION: Field = Field::new(4, "quantization");
    pub(in super::super) const SPARSITY: Field = Field::new(6, "sparsity");
    pub(in super::super) const EXTERNAL: Field = Field::new(10, "external_buffer");
}

/// `QuantizationParameters`.
pub(super) mod quantization {
    use super::Field;
    pub(in super::super) const SCALE: Field = Field::new(2, "scale");
    pub(in super::super) const ZERO_POINT: Field = Field::new(3, "zero_point");
    pub(in super::super) const AXIS: Field = Field::new(6, "quantized_dimension");
}

/// `Buffer`: bytes inside the FlatBuffer, or, in files beyond 2 GiB, behind it.
pub(super) mod buffer {
    use super::Field;
    pub(in super::super) const DATA: Field = Field::new(0, "buffer data");
    pub(in super::super) const OFFSET: Field = Field::new(1, "buffer offset");
    pub(in super::super) const SIZE: Field = Field::new(2, "buffer size");
}

/// `Operator`.
pub(super) mod operator {
    use super::Field;
    pub(in super::super) const CODE: Field = Field::new(0, "opcode_index");
    pub(in super::super) const INPUTS: Field = Field::new(1, "operator inputs");
    pub(in super::super) const OUTPUTS: Field = Field::new(2, "operator outputs");
    pub(in super::super) const OPTIONS_TYPE: Field = Field::new(3, "builtin_options_type");
    pub(in super::super) const OPTIONS: Field = Field::new(4, "builtin_options");
    pub(in super::super) const INTERMEDIATES: Field = Field::new(8, "intermediates");
}

/// `SignatureDef`.
pub(super) mod signature {
    use super::Field;
    pub(in super::super) const INPUTS: Field = Field::new(0, "signature inputs");
    pub(in super::super) const KEY: Field = Field::new(2, "signature_key");
    pub(in super::super) const SUBGRAPH: Field = Field::new(4, "subgraph_index");
}

/// `TensorMap`.
pub(super) mod tensor_map {
    use super::Field;
    pub(in super::super) const NAME: Field = Field::new(0, "name");
    pub(in super::super) const INDEX: Field = Field::new(1, "tensor_index");
}

/// An element type: its name, how elements are stored, and how many bits each has.
pub(super) struct ElementType {
    pub(super) name: &'static str,
    /// As elements are handed on; `None` for what is no number of ours.
    pub(super) dtype: Option<DType>,
    /// Elements in one byte of the file, for types below 8 bits.
    pub(super) packed: usize,
}

/// Element types by their number.
#[rustfmt::skip]
const ELEMENT_TYPES: [ElementType; 23] = [
    whole("FLOAT32", Some(DType::F32)), whole("FLOAT16", Some(DType::F16)), whole("INT32", Some(DType::I32)),
    whole("UINT8", Some(DType::U8)), whole("INT64", Some(DType::I64)), whole("STRING", None),
    whole("BOOL", Some(DType::Bool)), whole("INT16", Some(DType::I16)), whole("COMPLEX64", None),
    whole("INT8", Some(DType::I8)), whole("FLOAT64", Some(DType::F64)), whole("COMPLEX128", None),
    whole("UINT64", None), whole("RESOURCE", None), whole("VARIANT", None), whole("UINT32", None),
    whole("UINT16", None), packed("INT4", DType::I8, 2), whole("BFLOAT16", Some(DType::BF16)),
    packed("INT2", DType::I8, 4), packed("UINT4", DType::U8, 2), whole("FLOAT8_E4M3FN", None),
    whole("FLOAT8_E5M2", None),
];

const fn whole(name: &'static str, dtype: Option<DType>) -> ElementType {
    ElementType { name, dtype, packed: 1 }
}

const fn packed(name: &'static str, dtype: DType, packed: usize) -> ElementType {
    ElementType { name, dtype: Some(dtype), packed }
}

/// The element type of a number.
pub(super) fn element_type(number: u8) -> Option<&'static ElementType> {
    ELEMENT_TYPES.get(usize::from(number))
}

/// The operator code that says that the operator is named by text.
pub(super) const CUSTOM: i32 = 32;

/// The name of an operator code.
pub(super) fn operator_name(code: i32) -> Option<&'static str> {
    OPERATORS.get(usize::try_from(code).ok()?).copied()
}

/// Operators by their code.
#[rustfmt::skip]
const OPERATORS: [&str; 210] = [
    "ADD", "AVERAGE_POOL_2D", "CONCATENATION", "CONV_2D", "DEPTHWISE_CONV_2D", "DEPTH_TO_SPACE", "DEQUANTIZE",
    "EMBEDDING_LOOKUP", "FLOOR", "FULLY_CONNECTED", "HASHTABLE_LOOKUP", "L2_NORMALIZATION", "L2_POOL_2D",
    "LOCAL_RESPONSE_NORMALIZATION", "LOGISTIC", "LSH_PROJECTION", "LSTM", "MAX_POOL_2D", "MUL", "RELU",
    "RELU_N1_TO_1", "RELU6", "RESHAPE", "RESIZE_BILINEAR", "RNN", "SOFTMAX", "SPACE_TO_DEPTH", "SVDF", "TANH",
    "CONCAT_EMBEDDINGS", "SKIP_GRAM", "CALL", "CUSTOM", "EMBEDDING_LOOKUP_SPARSE", "PAD",
    "UNIDIRECTIONAL_SEQUENCE_RNN", "GATHER", "BATCH_TO_SPACE_ND", "SPACE_TO_BATCH_ND", "TRANSPOSE", "MEAN", "SUB",
    "DIV", "SQUEEZE", "UNIDIRECTIONAL_SEQUENCE_LSTM", "STRIDED_SLICE", "BIDIRECTIONAL_SEQUENCE_RNN", "EXP",
    "TOPK_V2", "SPLIT", "LOG_SOFTMAX", "DELEGATE", "BIDIRECTIONAL_SEQUENCE_LSTM", "CAST", "PRELU", "MAXIMUM",
    "ARG_MAX", "MINIMUM", "LESS", "NEG", "PADV2", "GREATER", "GREATER_EQUAL", "LESS_EQUAL", "SELECT", "SLICE",
    "SIN", "TRANSPOSE_CONV", "SPARSE_TO_DENSE", "TILE", "EXPAND_DIMS", "EQUAL", "NOT_EQUAL", "LOG", "SUM", "SQRT",
    "RSQRT", "SHAPE", "POW", "ARG_MIN", "FAKE_QUANT", "REDUCE_PROD", "REDUCE_MAX", "PACK", "LOGICAL_OR",
    "ONE_HOT", "LOGICAL_AND", "LOGICAL_NOT", "UNPACK", "REDUCE_MIN", "FLOOR_DIV", "REDUCE_ANY", "SQUARE",
    "ZEROS_LIKE", "FILL", "FLOOR_MOD", "RANGE", "RESIZE_NEAREST_NEIGHBOR", "LEAKY_RELU", "SQUARED_DIFFERENCE",
    "MIRROR_PAD", "ABS", "SPLIT_V", "UNIQUE", "CEIL", "REVERSE_V2", "ADD_N", "GATHER_ND", "COS", "WHERE", "RANK",
    "ELU", "REVERSE_SEQUENCE", "MATRIX_DIAG", "QUANTIZE", "MATRIX_SET_DIAG", "ROUND", "HARD_SWISH", "IF", "WHILE",
    "NON_MAX_SUPPRESSION_V4", "NON_MAX_SUPPRESSION_V5", "SCATTER_ND", "SELECT_V2", "DENSIFY", "SEGMENT_SUM",
    "BATCH_MATMUL", "PLACEHOLDER_FOR_GREATER_OP_CODES", "CUMSUM", "CALL_ONCE", "BROADCAST_TO", "RFFT2D",
    "CONV_3D", "IMAG", "REAL", "COMPLEX_ABS", "HASHTABLE", "HASHTABLE_FIND", "HASHTABLE_IMPORT", "HASHTABLE_SIZE",
    "REDUCE_ALL", "CONV_3D_TRANSPOSE", "VAR_HANDLE", "READ_VARIABLE", "ASSIGN_VARIABLE", "BROADCAST_ARGS",
    "RANDOM_STANDARD_NORMAL", "BUCKETIZE", "RANDOM_UNIFORM", "MULTINOMIAL", "GELU", "DYNAMIC_UPDATE_SLICE",
    "RELU_0_TO_1", "UNSORTED_SEGMENT_PROD", "UNSORTED_SEGMENT_MAX", "UNSORTED_SEGMENT_SUM", "ATAN2",
    "UNSORTED_SEGMENT_MIN", "SIGN", "BITCAST", "BITWISE_XOR", "RIGHT_SHIFT", "STABLEHLO_LOGISTIC",
    "STABLEHLO_ADD", "STABLEHLO_DIVIDE", "STABLEHLO_MULTIPLY", "STABLEHLO_MAXIMUM", "STABLEHLO_RESHAPE",
    "STABLEHLO_CLAMP", "STABLEHLO_CONCATENATE", "STABLEHLO_BROADCAST_IN_DIM", "STABLEHLO_CONVOLUTION",
    "STABLEHLO_SLICE", "STABLEHLO_CUSTOM_CALL", "STABLEHLO_REDUCE", "STABLEHLO_ABS", "STABLEHLO_AND",
    "STABLEHLO_COSINE", "STABLEHLO_EXPONENTIAL", "STABLEHLO_FLOOR", "STABLEHLO_LOG", "STABLEHLO_MINIMUM",
    "STABLEHLO_NEGATE", "STABLEHLO_OR", "STABLEHLO_POWER", "STABLEHLO_REMAINDER", "STABLEHLO_RSQRT",
    "STABLEHLO_SELECT", "STABLEHLO_SUBTRACT", "STABLEHLO_TANH", "STABLEHLO_SCATTER", "STABLEHLO_COMPARE",
    "STABLEHLO_CONVERT", "STABLEHLO_DYNAMIC_SLICE", "STABLEHLO_DYNAMIC_UPDATE_SLICE", "STABLEHLO_PAD",
    "STABLEHLO_IOTA", "STABLEHLO_DOT_GENERAL", "STABLEHLO_REDUCE_WINDOW", "STABLEHLO_SORT", "STABLEHLO_WHILE",
    "STABLEHLO_GATHER", "STABLEHLO_TRANSPOSE", "DILATE", "STABLEHLO_RNG_BIT_GENERATOR", "REDUCE_WINDOW",
    "STABLEHLO_COMPOSITE", "STABLEHLO_SHIFT_LEFT", "STABLEHLO_CBRT", "STABLEHLO_CASE",
];

/// The operator that runs another subgraph before the first run, and the option that says which.
pub(super) const CALL_ONCE: &str = "CALL_ONCE";
const INIT_SUBGRAPH: Field = option(0, "init_subgraph_index");

/// What an option is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Kind {
    /// An integer, with the schema's default.
    Int(i32),
    /// A truth, with the schema's default.
    Bool(bool),
    /// A binary32 number, 0 by default.
    Float,
    /// A byte that stands for a name, the first by default.
    Name(&'static [&'static str]),
    /// A list of integers.
    Ints,
    /// A text, empty by default.
    Text,
}

/// The options of an operator: the number of their table in the union, and their fields.
pub(super) struct Options {
    pub(super) number: u8,
    pub(super) fields: &'static [(Field, Kind)],
}

/// How windows reach beyond the input.
const PADDING: Kind = Kind::Name(&["SAME", "VALID"]);

/// What follows the operator inside of it.
const ACTIVATION: Kind = Kind::Name(&["NONE", "RELU", "RELU_N1_TO_1", "RELU6", "TANH", "SIGN_BIT"]);

const WEIGHTS_FORMAT: Kind = Kind::Name(&["DEFAULT", "SHUFFLED4x16INT8"]);

const fn option(slot: usize, name: &'static str) -> Field {
    Field::new(slot, name)
}

/// The names of the fields are those of the keywords of a [`Node`](crate::source::Node).
#[rustfmt::skip]
const OPTIONS: &[(&[&str], Options)] = &[
    (&["CONV_2D"], Options { number: 1, fields: &[
        (option(0, "padding"), PADDING), (option(1, "stride_w"), Kind::Int(0)), (option(2, "stride_h"), Kind::Int(0)),
        (option(3, "fused_activation_function"), ACTIVATION),
        (option(4, "dilation_w_factor"), Kind::Int(1)), (option(5, "dilation_h_factor"), Kind::Int(1)),
    ] }),
    (&["DEPTHWISE_CONV_2D"], Options { number: 2, fields: &[
        (option(0, "padding"), PADDING), (option(1, "stride_w"), Kind::Int(0)), (option(2, "stride_h"), Kind::Int(0)),
        (option(3, "depth_multiplier"), Kind::Int(0)), (option(4, "fused_activation_function"), ACTIVATION),
        (option(5, "dilation_w_factor"), Kind::Int(1)), (option(6, "dilation_h_factor"), Kind::Int(1)),
    ] }),
    (&["TRANSPOSE_CONV"], Options { number: 49, fields: &[
        (option(0, "padding"), PADDING), (option(1, "stride_w"), Kind::Int(0)), (option(2, "stride_h"), Kind::Int(0)),
        (option(3, "fused_activation_function"), ACTIVATION),
    ] }),
    (&["AVERAGE_POOL_2D", "MAX_POOL_2D"], Options { number: 5, fields: &[
        (option(0, "padding"), PADDING), (option(1, "stride_w"), Kind::Int(0)), (option(2, "stride_h"), Kind::Int(0)),
        (option(3, "filter_width"), Kind::Int(0)), (option(4, "filter_height"), Kind::Int(0)),
        (option(5, "fused_activation_function"), ACTIVATION),
    ] }),
    (&["FULLY_CONNECTED"], Options { number: 8, fields: &[
        (option(0, "fused_activation_function"), ACTIVATION), (option(1, "weights_format"), WEIGHTS_FORMAT),
        (option(2, "keep_num_dims"), Kind::Bool(false)),
        (option(3, "asymmetric_quantize_inputs"), Kind::Bool(false)),
    ] }),
    (&["SVDF"], Options { number: 6, fields: &[
        (option(0, "rank"), Kind::Int(0)), (option(1, "fused_activation_function"), ACTIVATION),
    ] }),
    (&["UNIDIRECTIONAL_SEQUENCE_LSTM"], Options { number: 71, fields: &[
        (option(0, "fused_activation_function"), ACTIVATION), (option(1, "cell_clip"), Kind::Float),
        (option(2, "proj_clip"), Kind::Float), (option(3, "time_major"), Kind::Bool(false)),
        (option(5, "diagonal_recurrent_tensors"), Kind::Bool(false)),
    ] }),
    (&[CALL_ONCE], Options { number: 103, fields: &[(INIT_SUBGRAPH, Kind::Int(0))] }),
    (&["VAR_HANDLE"], Options { number: 111, fields: &[
        (option(0, "container"), Kind::Text), (option(1, "shared_name"), Kind::Text),
    ] }),
    (&["SOFTMAX"], Options { number: 9, fields: &[(option(0, "beta"), Kind::Float)] }),
    (&["CONCATENATION"], Options { number: 10, fields: &[
        (option(0, "axis"), Kind::Int(0)), (option(1, "fused_activation_function"), ACTIVATION),
    ] }),
    (&["ADD"], Options { number: 11, fields: &[
        (option(0, "fused_activation_function"), ACTIVATION), (option(1, "pot_scale_int16"), Kind::Bool(true)),
    ] }),
    (&["SUB"], Options { number: 28, fields: &[
        (option(0, "fused_activation_function"), ACTIVATION), (option(1, "pot_scale_int16"), Kind::Bool(true)),
    ] }),
    (&["MUL"], Options { number: 21, fields: &[(option(0, "fused_activation_function"), ACTIVATION)] }),
    (&["RESHAPE"], Options { number: 17, fields: &[(option(0, "new_shape"), Kind::Ints)] }),
    (&["SQUEEZE"], Options { number: 30, fields: &[(option(0, "squeeze_dims"), Kind::Ints)] }),
    (&["MEAN", "SUM", "REDUCE_MAX", "REDUCE_MIN"], Options { number: 27, fields: &[
        (option(0, "keep_dims"), Kind::Bool(false)),
    ] }),
    (&["STRIDED_SLICE"], Options { number: 32, fields: &[
        (option(0, "begin_mask"), Kind::Int(0)), (option(1, "end_mask"), Kind::Int(0)),
        (option(2, "ellipsis_mask"), Kind::Int(0)), (option(3, "new_axis_mask"), Kind::Int(0)),
        (option(4, "shrink_axis_mask"), Kind::Int(0)), (option(5, "offset"), Kind::Bool(false)),
    ] }),
    (&["LEAKY_RELU"], Options { number: 75, fields: &[(option(0, "alpha"), Kind::Float)] }),
    (&["RESIZE_NEAREST_NEIGHBOR"], Options { number: 74, fields: &[
        (option(0, "align_corners"), Kind::Bool(false)), (option(1, "half_pixel_centers"), Kind::Bool(false)),
    ] }),
    (&["PACK"], Options { number: 59, fields: &[
        (option(0, "values_count"), Kind::Int(0)), (option(1, "axis"), Kind::Int(0)),
    ] }),
    (&["UNPACK"], Options { number: 64, fields: &[
        (option(0, "num"), Kind::Int(0)), (option(1, "axis"), Kind::Int(0)),
    ] }),
];

/// The options of an operator; `None` for those without any that are read.
pub(super) fn options(operator: &str) -> Option<&'static Options> {
    OPTIONS.iter().find(|(operators, _)| operators.contains(&operator)).map(|(_, options)| options)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_of_operators() {
        for (operators, options) in OPTIONS {
            assert!(!options.fields.is_empty());
            for operator in *operators {
                assert!(OPERATORS.contains(operator), "{operator}");
            }
        }
        assert_eq!(operator_name(CUSTOM), Some("CUSTOM"));
    }
}
