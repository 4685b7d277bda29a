//! A whole network as one C99 header and source: integers only, no allocation, nothing of a library but `memcpy`.
//!
//! ```text
//! NAME.h    sizes, scales, the one function
//! NAME.c    the kernels that the network takes (the files of the folder `c`), its numbers, the function, and with
//!           -DGEN_PARAMS_TEST a main that computes known answers
//! ```
//!
//! Codes are bytes, (C, spatial...) row-major, in a static arena that is shared by activations that do not live together.
//! Nothing relies on undefined or implementation-defined behaviour: every register is shown to hold what can reach it, or
//! wraps and saturates as the target says; negative numbers are never shifted.

mod kernels;
mod known_answer;
mod layer;
mod operator;
mod plan;
mod range;
pub(crate) mod text;

use std::fmt::Write as _;
use std::path::Path;

use gen_params_core::error::Reason;
use gen_params_core::hardware::Target;
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::network::{EdgeId, Node};
use gen_params_core::ops::{Op, Shape};
use gen_params_core::parameters::{CodeType, Parameters};
use gen_params_core::tensor::Codes;

use crate::names::{Identifiers, Language, identifier_prefix};
use crate::{Error, Existing, FileToWrite, Formats, Manifest, SourceFile, write_folder};
use kernels::{Kernel, Kernels};
use plan::{Place, Plan};
use range::Registers;

pub use known_answer::KnownAnswer;

/// The language, in messages.
const LANGUAGE: &str = "C";

/// A network, to be written.
#[derive(Debug, Clone, Copy)]
pub struct Program<'a> {
    /// The network in the arithmetic of a target.
    pub machine: &'a Machine<'a>,
    /// The shape of one image for each input of the network, (C, spatial...).
    pub images: &'a [Vec<usize>],
    /// Name of the files, and prefix of all that they declare.
    pub name: &'a str,
    /// Inputs and what they give.
    pub known_answers: &'a [KnownAnswer],
}

/// Files and what they take.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Name of the files, without extension.
    pub name: String,
    /// The header.
    pub header: String,
    /// The source.
    pub source: String,
    /// Bytes of the arena, the gathered codes of one window included.
    pub arena_bytes: usize,
    /// Bytes of weights, biases, multipliers, shifts and tables.
    pub constant_bytes: usize,
}

/// Writes header, source and manifest into `directory`.
///
/// Returns what was written. See [`write_folder`] for what happens to a folder that is there already.
///
/// # Errors
/// [`Error::Unsupported`] with every node that cannot be written in C; otherwise as [`write_folder`].
pub fn write(
    directory: &Path,
    program: &Program<'_>,
    parameters: &Parameters,
    source: Option<SourceFile>,
    existing: Existing,
) -> Result<Written, Error> {
    let written = render(program)?;
    let files = [
        FileToWrite::new(format!("{}.h", written.name), |out| out.write_all(written.header.as_bytes())),
        FileToWrite::new(format!("{}.c", written.name), |out| out.write_all(written.source.as_bytes())),
    ];
    let manifest = Manifest::describe(parameters, source, &Formats::none());
    write_folder(directory, &files, manifest, existing)?;
    drop(files);
    Ok(written)
}

/// The header and the source.
///
/// # Errors
/// [`Error::Unsupported`] with every node that cannot be written in C.
pub fn render(program: &Program<'_>) -> Result<Written, Error> {
    Network::new(program)?.render(program)
}

/// A name as an identifier in lower case.
pub(crate) fn identifier(name: &str) -> String {
    identifier_prefix(name).to_ascii_lowercase()
}

/// A network while it is written.
struct Network<'a> {
    machine: &'a Machine<'a>,
    target: Target,
    /// By edge, (1, C, spatial...).
    shapes: Vec<Vec<usize>>,
    /// The same, as operators take them.
    known: Vec<Option<Vec<usize>>>,
    plan: Plan,
    registers: Registers,
    /// By node.
    identifiers: Vec<String>,
}

impl<'a> Network<'a> {
    fn new(program: &Program<'a>) -> Result<Self, Error> {
        let machine = program.machine;
        let refuse = |place: &str, text: String| Error::Unsupported {
            what: LANGUAGE,
            reasons: vec![Reason { place: place.to_owned(), text }],
        };
        let Arithmetic::Target(target) = machine.arithmetic() else {
            return Err(refuse(
                "",
                format!("the arithmetic of {} is not one of integers", machine.arithmetic()),
            ));
        };
        let images: Vec<Vec<usize>> = program
            .images
            .iter()
            .map(|image| [1].into_iter().chain(image.iter().copied()).collect())
            .collect();
        let shapes = machine
            .shapes(&images)
            .map_err(|error| Error::Unsupported { what: LANGUAGE, reasons: error.reasons })?;
        let wide = machine
            .network()
            .edges
            .iter()
            .filter(|edge| edge.activation.is_some_and(|activation| activation.code_type.is_wide()));
        let wide =
            wide.map(|edge| Reason { place: edge.name.clone(), text: "codes of 16 bits, expected 8".into() });
        let mut reasons = machine.network().states_as_reasons();
        reasons.extend(wide);
        if !reasons.is_empty() {
            return Err(Error::Unsupported { what: LANGUAGE, reasons });
        }
        let plan = Plan::new(machine, target, &shapes).map_err(|text| refuse("", text))?;
        let registers =
            Registers::new(machine).map_err(|reasons| Error::Unsupported { what: LANGUAGE, reasons })?;
        let mut taken = Identifiers::of(Language::C);
        let identifiers = machine.network().nodes.iter().enumerate().map(|(index, node)| {
            if plan.is_alias(index) { String::new() } else { taken.claim(&identifier(&node.name)) }
        });
        let identifiers = identifiers.collect();
        let known = shapes.iter().cloned().map(Some).collect();
        Ok(Self { machine, target, shapes, known, plan, registers, identifiers })
    }

    /// What the names of everything that belongs to a node begin with.
    fn identifier(&self, node: &Node) -> Result<&str, String> {
        let place = self.machine.network().nodes.iter().position(|other| std::ptr::eq(other, node));
        let own = place.and_then(|index| self.identifiers.get(index)).filter(|own| !own.is_empty());
        own.map(String::as_str).ok_or_else(|| "a node without a name in C".into())
    }

    fn render(&self, program: &Program<'_>) -> Result<Written, Error> {
        let network = self.machine.network();
        let name = identifier(program.name);
        let mut kernels = Kernels::default();
        let mut data = String::new();
        let mut body = String::new();
        let mut reasons = Vec::new();
        let mut constant_bytes = 0;
        for (index, &id) in network.inputs.iter().enumerate() {
            if let Some(step) = self.receive(index, id, &mut kernels) {
                body.push_str(&step);
            }
        }
        for (index, node) in network.nodes.iter().enumerate() {
            if self.plan.is_alias(index) {
                continue;
            }
            match self.node(index, node, &mut kernels) {
                Ok(step) => {
                    data.push_str(&step.data);
                    let _ = write!(body, "\n    /* {} */\n{}", self.comment(node), step.calls);
                    constant_bytes += step.constant_bytes;
                }
                Err(text) => reasons.push(Reason { place: node.name.clone(), text }),
            }
        }
        if !reasons.is_empty() {
            return Err(Error::Unsupported { what: LANGUAGE, reasons });
        }
        for (index, &id) in network.outputs.iter().enumerate() {
            let size = text::count(&self.shapes[id.0]);
            let _ = write!(
                body,
                "\n    memcpy({}, {}, {size});\n",
                self.argument("output", index, network.outputs.len()),
                self.pointer(id)
            );
        }
        let patch = if kernels.contains(Kernel::Layer) { self.registers.largest_taps } else { 0 };
        let arena_bytes = self.plan.arena + 2 * patch;
        let header = self.header(&name, arena_bytes, constant_bytes);
        let mut source = format!(
            "/* {:?} in integers, written by gen_params; {}.h says how it is called. */\n#include \"{name}.h\"\n\n\
             #include <stddef.h>\n#include <string.h>\n\n",
            program.name, name
        );
        source.push_str(&kernels.text(self.target, &self.registers, patch));
        let _ = writeln!(
            source,
            "/* Activations; those that do not live together share their places. */\nstatic uint8_t arena[{}];\n",
            self.plan.arena.max(1)
        );
        source.push_str(&data);
        let _ = write!(source, "{}\n{{{body}}}\n", self.prototype(&name));
        if !program.known_answers.is_empty() {
            source.push_str(&self.known_answer_test(&name, program.known_answers));
        }
        Ok(Written { name, header, source, arena_bytes, constant_bytes })
    }

    /// `conv1: conv2d, (1, 28, 28) -> (16, 28, 28)`, quoted so that no name can end the comment.
    fn comment(&self, node: &Node) -> String {
        let shapes = |ids: &[EdgeId]| {
            let shapes = ids.iter().map(|&id| text::shape(self.shapes[id.0].get(1..).unwrap_or_default()));
            shapes.collect::<Vec<_>>().join(", ")
        };
        let name = text::in_comment(&node.name);
        format!("{name}: {}, {} -> {}", node.op.name(), shapes(&node.inputs), shapes(&node.outputs))
    }

    /// Whether the codes of an edge are signed as the target has them.
    fn is_signed(&self, id: EdgeId) -> bool {
        self.activation(id).is_some_and(|activation| {
            activation.code_type == CodeType::I8 || self.target.code_shift(activation.code_type) != 0
        })
    }

    /// The C type of the codes of an edge.
    fn element(&self, id: EdgeId) -> &'static str {
        if self.is_signed(id) { "int8_t" } else { "uint8_t" }
    }

    /// What `load` takes for an edge.
    fn flip(&self, id: EdgeId) -> i32 {
        if self.is_signed(id) { 128 } else { 0 }
    }

    /// The name of an argument of the function.
    fn argument(&self, what: &str, index: usize, count: usize) -> String {
        if count == 1 { what.to_owned() } else { format!("{what}_{index}") }
    }

    /// An expression for the first byte of an edge.
    fn pointer(&self, id: EdgeId) -> String {
        let network = self.machine.network();
        match self.plan.place(id) {
            Place::Input(index) => {
                let name = self.argument("input", index, network.inputs.len());
                if self.is_signed(network.inputs[index]) { format!("(const uint8_t *){name}") } else { name }
            }
            Place::Arena(offset) => format!("&arena[{offset}]"),
        }
    }

    /// Clamps an input to the codes that the target can have, where it cannot have all.
    fn receive(&self, index: usize, id: EdgeId, kernels: &mut Kernels) -> Option<String> {
        let range = self.plan.received(id)?;
        kernels.add(Kernel::Clamp);
        let name = self.argument("input", index, self.machine.network().inputs.len());
        let cast = if self.is_signed(id) { "(const uint8_t *)" } else { "" };
        Some(format!(
            "\n    /* Codes that the target has. */\n    run_clamp({}, {}, {}, {}, {cast}{name}, {});\n",
            self.flip(id),
            range.min,
            range.max,
            text::count(&self.shapes[id.0]),
            self.pointer(id)
        ))
    }

    /// Numbers and calls of a node.
    fn node(&self, index: usize, node: &Node, kernels: &mut Kernels) -> Result<Step, String> {
        if let Op::Constant(codes) = &node.op {
            return self.constant(node, codes);
        }
        match self.machine.integer_op(index, &self.known).map_err(|error| error.to_string())? {
            Some(form) => self.form(node, &form, kernels),
            None => Err(format!("{} of reals inside of the network", node.op.name())),
        }
    }

    /// Codes that the file holds.
    fn constant(&self, node: &Node, codes: &Codes) -> Result<Step, String> {
        let &[output] = node.outputs.as_slice() else { return Err("other than one result".into()) };
        let activation = self.activation(output).ok_or("codes whose scale and zero point are not known")?;
        let held = codes.elements().iter().map(|&code| self.target.receive(code, activation.code_type));
        let held: Vec<i32> = held.collect();
        let name = format!("{}_codes", self.identifier(node)?);
        let comment = self.comment(node);
        let data = format!("/* {comment} */\n{}\n", text::array("uint8_t", &name, &text::bytes(&held)));
        let calls = format!("    memcpy({}, {name}, {});\n", self.pointer(output), held.len());
        Ok(Step { data, constant_bytes: held.len(), calls })
    }

    fn prototype(&self, name: &str) -> String {
        let network = self.machine.network();
        let pointer =
            |id: EdgeId, name: String, constant: &str| format!("{constant}{} *{name}", self.element(id));
        let inputs =
            network.inputs.iter().enumerate().map(|(index, &id)| {
                pointer(id, self.argument("input", index, network.inputs.len()), "const ")
            });
        let outputs = network
            .outputs
            .iter()
            .enumerate()
            .map(|(index, &id)| pointer(id, self.argument("output", index, network.outputs.len()), ""));
        format!("void {name}_run({})", inputs.chain(outputs).collect::<Vec<_>>().join(", "))
    }

    fn header(&self, name: &str, arena_bytes: usize, constant_bytes: usize) -> String {
        let network = self.machine.network();
        let upper = name.to_ascii_uppercase();
        let mut text = format!(
            "/* A quantized network in integers, written by gen_params.\n\n   {name}_run computes one image. Codes are \
             in (C, spatial...) order, the last axis innermost; the real number\n   of a code is SCALE * (code - \
             ZERO_POINT). It keeps {arena_bytes} bytes of activations in static memory and so must not\n   run twice \
             at the same time; {constant_bytes} bytes are constant. */\n#ifndef {upper}_H\n#define {upper}_H\n\n\
             #include <stdint.h>\n\n#define {upper}_ARENA_BYTES {arena_bytes}\n"
        );
        let mut port = |what: &str, index: usize, count: usize, id: EdgeId| {
            let prefix = format!("{upper}_{}", self.argument(what, index, count)).to_ascii_uppercase();
            let edge = network.edge(id);
            let shape = text::shape(self.shapes[id.0].get(1..).unwrap_or_default());
            let size = text::count(&self.shapes[id.0]);
            let _ = writeln!(
                text,
                "\n/* {}: {shape} */\n#define {prefix}_SIZE {size}",
                text::in_comment(&edge.name)
            );
            if let Some(activation) = self.activation(id) {
                let zero_point = activation.zero_point - self.target.code_shift(activation.code_type);
                let _ = writeln!(
                    text,
                    "#define {prefix}_SCALE {:?}\n#define {prefix}_ZERO_POINT ({zero_point})",
                    activation.scale
                );
            }
        };
        for (index, &id) in network.inputs.iter().enumerate() {
            port("input", index, network.inputs.len(), id);
        }
        for (index, &id) in network.outputs.iter().enumerate() {
            port("output", index, network.outputs.len(), id);
        }
        let _ = write!(text, "\n{};\n\n#endif\n", self.prototype(name));
        text
    }

    /// S and Z of an edge, or of the codes that its reals are made from or become.
    fn activation(&self, id: EdgeId) -> Option<gen_params_core::parameters::Activation> {
        let network = self.machine.network();
        let dequantized = || {
            let node = network.nodes.iter().find(|n| n.op == Op::Dequantize && n.outputs.contains(&id))?;
            network.edge(*node.inputs.first()?).activation
        };
        self.machine.input_activation(id).or_else(dequantized)
    }
}

/// What a node adds to the source.
#[derive(Debug, Default)]
struct Step {
    /// Constants, at file scope.
    data: String,
    /// Bytes of them that are numbers of the network.
    constant_bytes: usize,
    /// Statements.
    calls: String,
}

/// True for nodes whose results are the codes of their input, in the same order.
fn is_alias(machine: &Machine<'_>, node: &Node) -> bool {
    match &node.op {
        // A `quantize` of codes passes them, and every edge of the program holds codes.
        Op::Quantize | Op::Dequantize => true,
        Op::Shape(
            Shape::Flatten { .. }
            | Shape::Reshape(_)
            | Shape::Squeeze(_)
            | Shape::Unsqueeze(_)
            | Shape::InMemory { .. },
        ) => machine.network().edge(node.inputs[0]).activation.is_some(),
        _ => false,
    }
}
