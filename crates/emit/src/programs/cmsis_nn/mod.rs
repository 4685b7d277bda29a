//! A network's numbers as CMSIS-NN's parameter structs: what its int8 functions take, layer by layer.
//!
//! ```text
//! NAME.h    declares the structs of every layer and pooling, and says which function takes them
//! NAME.c    the numbers
//! ```
//!
//! CMSIS-NN keeps codes in int8 (unsigned ones 128 less) and tensors channels-last; it adds `input_offset` = -Z1 to every
//! code itself, so that the biases are not folded. `M = multiplier * 2^(shift - 31)`.
//!
//! Sources: CMSIS-NN `arm_nn_types.h` (the structs), `arm_nnfunctions.h` (orders of axes), `arm_nnsupportfunctions.h`
//! (`arm_nn_requantize`). The files include the user's own.

mod layer;
mod order;
mod pool;

use std::fmt::Write as _;
use std::path::Path;

use gen_params_core::error::Reason;
use gen_params_core::hardware::{Rounding, Target};
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::network::Node;
use gen_params_core::ops::Op;
use gen_params_core::parameters::{CodeType, Parameters};

use crate::names::NameSpace;
use crate::programs::c::{identifier, text};
use crate::{Error, Existing, FileToWrite, Formats, Manifest, SourceFile, write_folder};
use order::Orders;

/// The interface, in messages.
const INTERFACE: &str = "CMSIS-NN's structs";

/// What the reader of the header must know of average pooling. Source: CMSIS-NN `arm_avgpool_s8.c`.
const AVERAGE_NOTE: &str = "
/* arm_avgpool_s8 divides the sum of the codes as they are and rounds ties away from zero; means of `run --contract target`
   round as its layers do. Where the mean of a window is negative and halfway between two codes, the two differ by one. */
";

/// A network, to be written.
#[derive(Debug, Clone, Copy)]
pub struct Design<'a> {
    /// The network in an arithmetic that CMSIS-NN has.
    pub machine: &'a Machine<'a>,
    /// The parameters that the machine was made from.
    pub parameters: &'a Parameters,
    /// The shape of one image for each input of the network, (C, spatial...).
    pub images: &'a [Vec<usize>],
    /// Name of the files, and prefix of all that they declare.
    pub name: &'a str,
}

/// Files and what they hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Name of the files, without extension.
    pub name: String,
    /// The header.
    pub header: String,
    /// The source.
    pub source: String,
    /// Layers and poolings that have structs.
    pub nodes: usize,
    /// Nodes that have none: `softmax (softmax)`.
    pub left_out: Vec<String>,
}

/// Writes header, source and manifest into `directory`.
///
/// Returns what was written. See [`write_folder`] for what happens to a folder that is there already.
///
/// # Errors
/// As [`render`] and [`write_folder`].
pub fn write(
    directory: &Path,
    design: &Design<'_>,
    source: Option<SourceFile>,
    existing: Existing,
) -> Result<Written, Error> {
    let written = render(design)?;
    let files = [
        FileToWrite::new(format!("{}.h", written.name), |out| out.write_all(written.header.as_bytes())),
        FileToWrite::new(format!("{}.c", written.name), |out| out.write_all(written.source.as_bytes())),
    ];
    let manifest = Manifest::describe(design.parameters, source, &Formats::none());
    write_folder(directory, &files, manifest, existing)?;
    drop(files);
    Ok(written)
}

/// The header and the source.
///
/// # Errors
/// [`Error::Unsupported`] with every layer that CMSIS-NN's int8 functions cannot compute, and for an arithmetic that is not
/// theirs; [`Error::SameName`] for nodes that would share an identifier.
pub fn render(design: &Design<'_>) -> Result<Written, Error> {
    let unsupported = |reasons: Vec<Reason>| Error::Unsupported { what: INTERFACE, reasons };
    let machine = design.machine;
    let network = machine.network();
    let rounding =
        rounding(machine).map_err(|text| unsupported(vec![Reason { place: String::new(), text }]))?;
    let images: Vec<Vec<usize>> =
        design.images.iter().map(|image| [1].into_iter().chain(image.iter().copied()).collect()).collect();
    let shapes = machine.shapes(&images).map_err(|error| unsupported(error.reasons))?;
    let orders = Orders::new(network, &shapes);

    let name = identifier(design.name);
    let mut names = NameSpace::default();
    let (mut reasons, mut left_out) = (Vec::new(), Vec::new());
    let (mut declarations, mut definitions) = (String::new(), String::new());
    let (mut nodes, mut averages) = (0, false);
    for (index, node) in network.nodes.iter().enumerate() {
        let scope = Scope { design, shapes: &shapes, orders: &orders, node, index };
        match scope.structs() {
            Ok(None) => {}
            Ok(Some(structs)) => {
                nodes += 1;
                averages |= structs.function == pool::AVERAGE;
                let prefix = format!("{name}_{}", identifier(&node.name));
                names.claim(&prefix, &node.name)?;
                let comment = scope.comment(structs.function);
                let (declared, defined) = structs.text(&prefix);
                let _ = write!(declarations, "\n/* {comment} */\n{declared}");
                let _ = write!(definitions, "\n/* {comment} */\n{defined}");
            }
            Err(Refusal::LeftOut(text)) => left_out.push(format!("{} ({text})", node.name)),
            Err(Refusal::Refused(text)) => reasons.push(Reason { place: node.name.clone(), text }),
        }
    }
    if !reasons.is_empty() {
        return Err(unsupported(reasons));
    }
    let notes = if averages { AVERAGE_NOTE } else { "" };
    let header = header(design, &name, rounding, &left_out, &format!("{notes}{declarations}"));
    let source = format!(
        "/* Written by gen_params; {name}.h says what it is. */\n#include \"{name}.h\"\n{definitions}"
    );
    Ok(Written { name, header, source, nodes, left_out })
}

/// The rounding, if the arithmetic is one that CMSIS-NN can be compiled with.
fn rounding(machine: &Machine<'_>) -> Result<Rounding, String> {
    let Arithmetic::Target(target) = machine.arithmetic() else {
        return Err(format!("found the arithmetic of {}, expected that of a target", machine.arithmetic()));
    };
    if !matches!(target.rounding, Rounding::Double | Rounding::HalfUp) {
        return Err(format!(
            "found the rounding {}, expected double, or half-up for CMSIS_NN_USE_SINGLE_ROUNDING",
            target.rounding
        ));
    }
    let expected = Target {
        rounding: target.rounding,
        on_overflow: target.on_overflow,
        activation_range: target.activation_range,
        signed_activations: true,
        ..Target::default()
    };
    if target != expected {
        return Err("found another arithmetic, expected signed activations, accumulators of 32 bits, products of 64 and \
                    an integer bias"
            .into());
    }
    let wide = |code_type: CodeType| code_type.is_wide();
    let edges = &machine.network().edges;
    match edges.iter().find(|edge| edge.activation.is_some_and(|activation| wide(activation.code_type))) {
        Some(edge) => Err(format!("{}: found codes of 16 bits, expected 8", edge.name)),
        None => Ok(target.rounding),
    }
}

/// Why a node has no structs.
enum Refusal {
    /// There are none for it: the rest of the network is still of use.
    LeftOut(String),
    /// It has weights that CMSIS-NN cannot compute with.
    Refused(String),
}

/// One node, and what is known around it.
struct Scope<'a> {
    design: &'a Design<'a>,
    /// By edge, (1, C, spatial...).
    shapes: &'a [Vec<usize>],
    orders: &'a Orders,
    node: &'a Node,
    index: usize,
}

impl Scope<'_> {
    /// What is declared for the node; `None` for those that change no codes.
    fn structs(&self) -> Result<Option<Structs>, Refusal> {
        if let Some(layer) = self.design.machine.layer(self.index) {
            return self.layer(layer).map(Some).map_err(Refusal::Refused);
        }
        let node = self.node;
        match &node.op {
            Op::Quantize | Op::Dequantize => Ok(None),
            _ if self.orders.free[self.index] => Ok(None),
            Op::MaxPool(_) | Op::AveragePool(_) | Op::AdaptiveAveragePool { .. } | Op::Mean { .. } => {
                self.pool().map(Some).map_err(|text| Refusal::LeftOut(format!("{}: {text}", node.op.name())))
            }
            op => Err(Refusal::LeftOut(op.name().into())),
        }
    }

    /// `conv1: conv2d, (1, 28, 28) -> (16, 28, 28): arm_convolve_wrapper_s8`.
    fn comment(&self, function: &str) -> String {
        let shape = |ids: &[gen_params_core::network::EdgeId]| {
            let sizes = ids.first().and_then(|id| self.shapes.get(id.0)).and_then(|sizes| sizes.get(1..));
            text::shape(sizes.unwrap_or_default())
        };
        let node = self.node;
        format!(
            "{}: {}, {} -> {}: {function}",
            text::in_comment(&node.name),
            node.op.name(),
            shape(&node.inputs),
            shape(&node.outputs)
        )
    }
}

/// Sizes as CMSIS-NN has them: n, h, w, c.
type Dims = [usize; 4];

/// Height and width.
type Tile = [usize; 2];

/// `{.w = 3, .h = 2}`.
fn tile([height, width]: Tile) -> String {
    format!("{{.w = {width}, .h = {height}}}")
}

/// What is declared for one node.
struct Structs {
    /// The function that takes them.
    function: &'static str,
    /// The type of the parameters.
    params: &'static str,
    /// Their fields.
    fields: String,
    /// The type of the requantization's parameters, and its numbers.
    requantization: Option<(Requantization, Vec<i32>, Vec<i32>)>,
    /// Weights and biases.
    weights: Option<(Vec<i8>, Vec<i32>)>,
    /// `input`, `filter`, ... and their sizes.
    dims: Vec<(&'static str, Dims)>,
}

/// Which of CMSIS-NN's two structs.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Requantization {
    PerChannel,
    PerTensor,
}

impl Structs {
    /// Declarations and definitions.
    fn text(&self, prefix: &str) -> (String, String) {
        let (mut declared, mut defined) = (String::new(), String::new());
        let mut structure = |kind: &str, name: &str, fields: &str| {
            let _ = writeln!(declared, "extern const {kind} {prefix}_{name};");
            let _ = writeln!(defined, "const {kind} {prefix}_{name} = {{{fields}}};");
        };
        structure(self.params, "params", &self.fields);
        for (name, [n, h, w, c]) in &self.dims {
            let fields = format!(".n = {n}, .h = {h}, .w = {w}, .c = {c}");
            structure("cmsis_nn_dims", &format!("{name}_dims"), &fields);
        }
        if let Some((weight, bias)) = &self.weights {
            let _ = writeln!(declared, "extern const int8_t {prefix}_weight[{}];", weight.len());
            let _ = writeln!(declared, "extern const int32_t {prefix}_bias[{}];", bias.len());
            let bias: Vec<String> = bias.iter().copied().map(constant).collect();
            defined.push_str(&global_array("int8_t", &format!("{prefix}_weight"), weight));
            defined.push_str(&global_array("int32_t", &format!("{prefix}_bias"), &bias));
        }
        match &self.requantization {
            None => {}
            Some((Requantization::PerTensor, multiplier, shift)) => {
                let kind = "cmsis_nn_per_tensor_quant_params";
                let first = |values: &[i32]| values.first().copied().unwrap_or(0);
                let (multiplier, shift) = (first(multiplier), first(shift));
                let _ = writeln!(declared, "extern const {kind} {prefix}_quant_params;");
                let _ = writeln!(
                    defined,
                    "const {kind} {prefix}_quant_params = {{.multiplier = {multiplier}, .shift = {shift}}};"
                );
            }
            Some((Requantization::PerChannel, multiplier, shift)) => {
                let kind = "cmsis_nn_per_channel_quant_params";
                let _ = writeln!(declared, "extern const {kind} {prefix}_quant_params;");
                defined.push_str(&text::array("int32_t", &format!("{prefix}_multiplier"), multiplier));
                defined.push_str(&text::array("int32_t", &format!("{prefix}_shift"), shift));
                // The struct has pointers to what may change; CMSIS-NN only reads.
                let _ = writeln!(
                    defined,
                    "const {kind} {prefix}_quant_params = {{\n    .multiplier = (int32_t *){prefix}_multiplier, .shift = \
                     (int32_t *){prefix}_shift\n}};"
                );
            }
        }
        (declared, defined)
    }
}

/// An array that other files see.
fn global_array(element: &str, name: &str, values: &[impl std::fmt::Display]) -> String {
    let text = text::array(element, name, values);
    text.strip_prefix("static ").map_or_else(|| text.clone(), str::to_owned)
}

/// The smallest of 32 bits has no literal.
fn constant(value: i32) -> String {
    if value == i32::MIN { "INT32_MIN".into() } else { value.to_string() }
}

fn header(
    design: &Design<'_>,
    name: &str,
    rounding: Rounding,
    left_out: &[String],
    declarations: &str,
) -> String {
    let machine = design.machine;
    let network = machine.network();
    let upper = name.to_ascii_uppercase();
    let compiled = match rounding {
        Rounding::HalfUp => "compiled with CMSIS_NN_USE_SINGLE_ROUNDING",
        _ => "compiled without CMSIS_NN_USE_SINGLE_ROUNDING",
    };
    let mut text = format!(
        "/* Parameters of a quantized network for CMSIS-NN, written by gen_params.\n\n   Tensors are int8 and channels-last. \
         Weights are OHWI, of depthwise convolutions 1HWC, of fully connected layers OI\n   with I in the order of their \
         channels-last input; biases are as CMSIS-NN takes them, without input offsets. Multipliers\n   and shifts are for a \
         CMSIS-NN {compiled}. */\n"
    );
    if !left_out.is_empty() {
        text.push_str("\n/* Not here, and yours to call:\n");
        for node in left_out {
            let _ = writeln!(text, "     {}", text::in_comment(node));
        }
        text.push_str("*/\n");
    }
    let _ = write!(
        text,
        "#ifndef {upper}_H\n#define {upper}_H\n\n#include <stdint.h>\n\n#include \"arm_nnfunctions.h\"\n\n#ifdef \
         __cplusplus\nextern \"C\" {{\n#endif\n"
    );
    let Arithmetic::Target(target) = machine.arithmetic() else { return text };
    let scales = [("INPUT", &network.inputs), ("OUTPUT", &network.outputs)];
    for (what, ids) in scales {
        for (index, &id) in ids.iter().enumerate() {
            let dequantize = network.nodes.iter().find(|n| n.op == Op::Dequantize && n.outputs.contains(&id));
            let codes = dequantize.and_then(|node| node.inputs.first().copied()).unwrap_or(id);
            let Some(activation) = machine.input_activation(id).or(network.edge(codes).activation) else {
                continue;
            };
            let prefix =
                if ids.len() == 1 { format!("{upper}_{what}") } else { format!("{upper}_{what}_{index}") };
            let _ = write!(
                text,
                "\n/* {}: real = SCALE * (code - ZERO_POINT) */\n#define {prefix}_SCALE {:?}\n#define {prefix}_ZERO_POINT \
                 ({})\n",
                text::in_comment(&network.edge(id).name),
                activation.scale,
                activation.zero_point - target.code_shift(activation.code_type)
            );
        }
    }
    text.push_str(declarations);
    text.push_str("\n#ifdef __cplusplus\n}\n#endif\n\n#endif\n");
    text
}
