//! SystemVerilog of a whole network: the library's modules, one module per layer with its numbers, testbenches with golden
//! values, and a Makefile that runs them under Icarus Verilog, Verilator and Yosys.
//!
//! ```text
//! rtl/gp_*.sv           the library: requantization, convolution, pooling, ...; the same in every folder
//! rtl/layer_NAME.sv     one node: an instance of the library with its geometry, widths and files
//! rtl/network.sv        all of them in sequence, and the memories between them
//! data/*.hex            weights, folded biases, multipliers, shifts, tables
//! golden/*.hex          input and expected values
//! golden/memory/*       the same codes as the target's memories have them, where it says how
//! tb/NAME_tb.sv         one self-checking testbench per node; tb/network_tb.sv for all
//! Makefile              make icarus, make verilator, make lint, make synth
//! ```

mod bench;
mod block;
mod geometry;
mod modules;
mod operator;
mod parts;
mod plan;
mod widths;

use std::path::Path;

use gen_params_core::machine::Machine;
use gen_params_core::parameters::Parameters;

use crate::folder::golden::{GoldenFiles, GoldenTensor, input_node, tensor_files};
use crate::numbers::hex;
use crate::output::FileToWrite;
use crate::{Error, Existing, Formats, Manifest, SourceFile, write_folder};
use bench::{GOLDEN, Golden};
use parts::{Data, Plan};

pub use parts::Options;

/// The library: every file with its text.
const LIBRARY: [(&str, &str); 20] = [
    ("gp_average_pool", include_str!("../../../sv/gp_average_pool.sv")),
    ("gp_axis", include_str!("../../../sv/gp_axis.sv")),
    ("gp_axis_step", include_str!("../../../sv/gp_axis_step.sv")),
    ("gp_channel_scale", include_str!("../../../sv/gp_channel_scale.sv")),
    ("gp_constant", include_str!("../../../sv/gp_constant.sv")),
    ("gp_convolution", include_str!("../../../sv/gp_convolution.sv")),
    ("gp_copy", include_str!("../../../sv/gp_copy.sv")),
    ("gp_counter", include_str!("../../../sv/gp_counter.sv")),
    ("gp_elementwise", include_str!("../../../sv/gp_elementwise.sv")),
    ("gp_gather", include_str!("../../../sv/gp_gather.sv")),
    ("gp_matrix_product", include_str!("../../../sv/gp_matrix_product.sv")),
    ("gp_max_pool", include_str!("../../../sv/gp_max_pool.sv")),
    ("gp_memory", include_str!("../../../sv/gp_memory.sv")),
    ("gp_requantize", include_str!("../../../sv/gp_requantize.sv")),
    ("gp_resize", include_str!("../../../sv/gp_resize.sv")),
    ("gp_round", include_str!("../../../sv/gp_round.sv")),
    ("gp_table", include_str!("../../../sv/gp_table.sv")),
    ("gp_taps", include_str!("../../../sv/gp_taps.sv")),
    ("gp_walk", include_str!("../../../sv/gp_walk.sv")),
    ("gp_window", include_str!("../../../sv/gp_window.sv")),
];

/// The monitor of the testbenches.
const CHECK: &str = include_str!("../../../sv/gp_check.sv");

const MAKEFILE: &str = include_str!("../../../sv/Makefile");

/// A network and what it computed, to be written.
#[derive(Debug, Clone, Copy)]
pub struct Design<'a> {
    /// The network in the arithmetic of a target.
    pub machine: &'a Machine<'a>,
    /// Its integers.
    pub parameters: &'a Parameters,
    /// What it computed for some images, (N, C, spatial...): the input, and the output of every node; stages, where
    /// testbenches are to compare them.
    pub golden: &'a [GoldenTensor],
    /// How the target's memories have codes: written beside those that the testbenches read, if it says so.
    pub memory: &'a GoldenFiles,
    /// How it is built.
    pub options: Options,
}

/// Writes a network in SystemVerilog, and the manifest, into `directory`.
///
/// Returns the manifest as written. See [`write_folder`] for what happens to a folder that is there already.
///
/// # Errors
///
/// [`Error::Unsupported`] with everything that has no module, [`Error::SameName`] for nodes that would share a file and
/// [`Error::Golden`] without golden input, before anything is written; otherwise as [`write_folder`].
pub fn write(
    directory: &Path,
    design: &Design<'_>,
    source: Option<SourceFile>,
    existing: Existing,
) -> Result<Manifest, Error> {
    let inputs = design.machine.network().inputs.len();
    let mut images = 0;
    let mut shapes = Vec::with_capacity(inputs);
    for index in 0..inputs {
        let node = input_node(index, inputs);
        let Some(input) = design.golden.iter().find(|tensor| tensor.node == node) else {
            return Err(Error::Golden { found: "not every input among them".into() });
        };
        let mut shape = input.shape.clone();
        images = shape.first_mut().map_or(0, |images| std::mem::replace(images, 1));
        shapes.push(shape);
    }
    let plan = Plan::new(design.machine, &shapes, design.options)?;
    let golden = Golden { tensors: design.golden, images };

    let mut files = sources(&plan, &golden)?;
    let constants = plan.buffers.iter().filter_map(|buffer| buffer.constant.as_ref());
    for (name, data) in plan.blocks.iter().flat_map(|block| &block.data).chain(constants) {
        files.push(FileToWrite::new(name, move |out| match data {
            Data::Bytes(values) => hex::write_i8(out, values),
            Data::Signed16(values) => hex::write_i16(out, values),
            Data::Unsigned32(values) => hex::write_u32(out, values),
            Data::Signed32(values) => hex::write_i32(out, values),
            Data::Signed64(values) => hex::write_i64(out, values),
        }));
    }
    let mut manifest = Manifest::describe(design.parameters, source, &Formats::none());
    let layouts = &mut manifest.layouts;
    for tensor in design.golden {
        files.extend(tensor_files(&format!("{GOLDEN}/"), tensor, &GoldenFiles::default(), layouts)?);
        if design.memory.activation.is_some() && tensor.is_codes() {
            files.extend(tensor_files(&format!("{GOLDEN}/memory/"), tensor, design.memory, layouts)?);
        }
    }
    write_folder(directory, &files, manifest, existing)
}

/// Modules, testbenches and the Makefile.
fn sources(plan: &Plan, golden: &Golden<'_>) -> Result<Vec<FileToWrite<'static>>, Error> {
    let text = |name: String, text: String| FileToWrite::new(name, move |out| out.write_all(text.as_bytes()));
    let failed = |_| Error::Golden { found: "a module could not be rendered".into() };
    let mut files = vec![
        text("Makefile".into(), MAKEFILE.into()),
        text("tb/gp_check.sv".into(), CHECK.into()),
        text("rtl/network.sv".into(), modules::network(plan).map_err(failed)?),
        text("tb/network_tb.sv".into(), bench::network(plan, golden).map_err(failed)?),
    ];
    for (name, module) in LIBRARY {
        files.push(text(format!("rtl/{name}.sv"), module.into()));
    }
    for block in &plan.blocks {
        let module = modules::block(plan, block).map_err(failed)?;
        files.push(text(format!("rtl/{}.sv", block.module()), module));
        if bench::is_testable(plan, block, golden) {
            let bench = bench::block(plan, block, golden).map_err(failed)?;
            files.push(text(format!("tb/{}_tb.sv", block.id), bench));
        }
    }
    Ok(files)
}
