//! A network in hardware: memories for its tensors, blocks that compute them one after another, and their numbers.

use gen_params_core::parameters::{Activation, CodeType, Range};

use super::widths::{Widths, address_bits};

/// A network in hardware.
#[derive(Debug)]
pub(super) struct Plan {
    /// Tensors with a memory; the first are the network's inputs.
    pub(super) buffers: Vec<Buffer>,
    /// How many inputs there are.
    pub(super) inputs: usize,
    /// Blocks in execution order.
    pub(super) blocks: Vec<Block>,
    /// Buffers with the network's outputs, in order.
    pub(super) outputs: Vec<usize>,
}

impl Plan {
    /// Whether a block, or the network's user, reads a buffer.
    pub(super) fn is_read(&self, buffer: usize) -> bool {
        self.outputs.contains(&buffer) || self.blocks.iter().any(|block| block.inputs.contains(&buffer))
    }

    /// Leaves out blocks whose results nobody reads; what only they read is not read then, either.
    pub(super) fn remove_unread(&mut self) {
        for index in (0..self.blocks.len()).rev() {
            if !self.is_read(self.blocks[index].output) {
                self.blocks.remove(index);
            }
        }
    }
}

/// One activation tensor of one image.
#[derive(Debug)]
pub(super) struct Buffer {
    /// Identifier in SystemVerilog.
    pub(super) id: String,
    /// (C, spatial...), without the batch.
    pub(super) shape: Vec<usize>,
    /// S, Z and type, as the target has them.
    pub(super) activation: Activation,
    /// The codes that the target can have here.
    pub(super) codes: Range<i32>,
    /// What its golden values are those of, see [`GoldenTensor::node`](crate::GoldenTensor::node).
    pub(super) node: Option<String>,
    /// Name and codes of its file, where it is the same for all images.
    pub(super) constant: Option<(String, Data)>,
}

impl Buffer {
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }

    pub(super) fn is_signed(&self) -> bool {
        self.activation.code_type != CodeType::U8
    }

    /// Bits of a code.
    pub(super) fn code_bits(&self) -> u32 {
        self.activation.code_type.bits()
    }

    /// Bits of an address.
    pub(super) fn address_bits(&self) -> u32 {
        address_bits(self.elements())
    }
}

/// What computes one tensor.
#[derive(Debug)]
pub(super) struct Block {
    /// Identifier in SystemVerilog.
    pub(super) id: String,
    /// The node's name in the model.
    pub(super) name: String,
    /// What the node is.
    pub(super) op: &'static str,
    /// Buffers that are read.
    pub(super) inputs: Vec<usize>,
    /// The buffer that is written.
    pub(super) output: usize,
    /// What computes it: one instance, or one per input, one after another.
    pub(super) instances: Vec<Instance>,
    /// Widths of the stages, for layers with weights.
    pub(super) stages: Option<Widths>,
    /// Files that the instances read.
    pub(super) data: Vec<(String, Data)>,
}

impl Block {
    /// Clocks from start to done, roughly.
    pub(super) fn clocks(&self) -> u64 {
        self.instances.iter().map(|instance| instance.clocks).sum()
    }
}

/// One of the library's modules with its parameters.
#[derive(Debug)]
pub(super) struct Instance {
    pub(super) module: &'static str,
    pub(super) parameters: Vec<(&'static str, Value)>,
    pub(super) clocks: u64,
}

/// A parameter's value.
#[derive(Debug, Clone)]
pub(super) enum Value {
    Integer(i64),
    File(String),
}

/// A size, or another number, as a parameter.
pub(super) fn number(value: impl TryInto<i64>) -> Value {
    // Sizes that do not fit stand for tensors that could not have been computed either.
    Value::Integer(value.try_into().unwrap_or(i64::MAX))
}

/// 1 or 0.
pub(super) fn flag(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

/// The values of a file.
#[derive(Debug)]
pub(super) enum Data {
    Bytes(Vec<i8>),
    Signed16(Vec<i16>),
    Unsigned32(Vec<u32>),
    Signed32(Vec<i32>),
    Signed64(Vec<i64>),
}

impl Data {
    /// Codes of a type, or those that the target has in their place.
    pub(super) fn codes(code_type: CodeType, codes: impl Iterator<Item = i32>) -> Self {
        let low_bytes = |code: i32| [code.to_le_bytes()[0], code.to_le_bytes()[1]];
        match code_type {
            CodeType::U8 | CodeType::I8 => {
                Self::Bytes(codes.map(|code| low_bytes(code)[0].cast_signed()).collect())
            }
            CodeType::I16 => Self::Signed16(codes.map(|code| i16::from_le_bytes(low_bytes(code))).collect()),
            CodeType::I32 => Self::Signed32(codes.collect()),
        }
    }
}

/// How it is built.
#[derive(Debug, Clone, Copy)]
pub struct Options {
    /// Clocks that an output of a layer may take, where its output channels can be computed side by side.
    pub clocks_per_output: usize,
    /// Three register stages in the requantization, or none.
    pub pipeline: bool,
}
