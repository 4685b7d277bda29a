//! The generated testbenches: one for every block, and one for the network.

use std::fmt::{self, Write as _};

use gen_params_core::hardware::Stage;

use super::modules::{STAGES, output_name};
use super::parts::{Block, Buffer, Plan};
use crate::folder::golden::{GoldenTensor, INPUT, Width, stem};

/// The folder of golden values.
pub(super) const GOLDEN: &str = "golden";

/// The golden values that testbenches compare with.
pub(super) struct Golden<'a> {
    pub(super) tensors: &'a [GoldenTensor],
    pub(super) images: usize,
}

impl Golden<'_> {
    fn of(&self, node: Option<&str>, stage: Stage) -> Option<&GoldenTensor> {
        self.tensors.iter().find(|tensor| tensor.node.as_deref() == node && tensor.stage == stage)
    }

    /// The file with a buffer's codes.
    pub(super) fn file(&self, buffer: &Buffer) -> Option<String> {
        let node = buffer.node.as_deref();
        // The network's input, and selections with several results, have no node.
        if node.is_none() && buffer.id != INPUT {
            return None;
        }
        self.of(node, Stage::Output)?;
        Some(format!("{GOLDEN}/{}.hex", stem(node, Stage::Output)))
    }
}

const CLOCK: &str = "\
  logic clk = 0;
  initial forever #5 clk = !clk;

  logic reset = 1;
  logic start = 0;
  logic ended = 0;
  logic stages = 0;
  int image = 0;
  wire done;

";

const USE: &str = "\
// Compares every code; with +stages every stage of the layers, too, where gen_params wrote them. +images=N takes the first N
// images only. Ends with PASS, or with FAIL, the first difference, and an exit code that is not 0.
";

/// The testbench of the network.
pub(super) fn network(plan: &Plan, golden: &Golden<'_>) -> Result<String, fmt::Error> {
    let mut text = format!("// Testbench of the network, written by gen_params.\n//\n{USE}");
    writeln!(text, "\n`default_nettype none\n\nmodule network_tb;\n")?;
    text += CLOCK;
    let inputs = plan.buffers.get(..plan.inputs).unwrap_or_default();
    for input in inputs {
        let (id, address, code) = (&input.id, input.address_bits() - 1, input.code_bits() - 1);
        writeln!(
            text,
            "  logic {id}_write = 0;\n  logic [{address}:0] {id}_address = '0;\n  logic [{code}:0] {id}_data = '0;"
        )?;
    }
    for (index, &output) in plan.outputs.iter().enumerate() {
        let name = output_name(plan, index);
        let (address, code) = (plan.buffers[output].address_bits() - 1, plan.buffers[output].code_bits() - 1);
        writeln!(text, "  logic [{address}:0] {name}_address = '0;\n  wire [{code}:0] {name}_data;")?;
    }
    write!(text, "\n  network dut (\n      .clk,\n      .reset,\n      .start,\n      .done")?;
    for Buffer { id, .. } in inputs {
        write!(text, ",\n      .{id}_write,\n      .{id}_address,\n      .{id}_data")?;
    }
    for index in 0..plan.outputs.len() {
        let name = output_name(plan, index);
        write!(text, ",\n      .{name}_address,\n      .{name}_data")?;
    }
    writeln!(text, "\n  );")?;
    let mut codes = 0;
    for block in &plan.blocks {
        if check(&mut text, plan, block, golden, "dut.")? {
            codes += plan.buffers[block.output].elements();
        }
    }
    if plan.blocks.is_empty() {
        writeln!(text, "\n  wire unused = ended;  // by monitors of blocks")?;
    }
    for (index, &output) in plan.outputs.iter().enumerate() {
        memory(&mut text, &format!("expected_{index}"), &plan.buffers[output], golden)?;
    }
    for input in inputs {
        memory(&mut text, &format!("all_{}", input.id), input, golden)?;
    }
    task_begin(&mut text, golden, plan.blocks.iter().map(Block::clocks).sum())?;
    for input in inputs {
        load(&mut text, &format!("all_{}", input.id), &input.id, input)?;
    }
    run(&mut text)?;
    // The output ports, too: what the user of the network sees.
    for (index, &output) in plan.outputs.iter().enumerate() {
        let name = output_name(plan, index);
        let buffer = &plan.buffers[output];
        if golden.file(buffer).is_some() {
            read_back(&mut text, &format!("expected_{index}"), &name, buffer)?;
        }
    }
    let blocks = plan.blocks.len();
    let outputs: usize = plan.outputs.iter().map(|&output| plan.buffers[output].elements()).sum();
    task_end(&mut text, &format!("{outputs} outputs and {codes} codes of {blocks} blocks"))?;
    writeln!(text, "\nendmodule\n\n`default_nettype wire")?;
    Ok(text)
}

/// The testbench of one block.
pub(super) fn block(plan: &Plan, block: &Block, golden: &Golden<'_>) -> Result<String, fmt::Error> {
    let mut text = format!(
        "// Testbench of {:?} alone, written by gen_params. -D{} puts user_{} in the place of {}.\n//\n{USE}",
        block.name,
        block.socket(),
        block.id,
        block.module()
    );
    writeln!(text, "\n`default_nettype none\n\nmodule {}_tb;\n", block.id)?;
    text += CLOCK;
    text += &block.wires(plan);
    writeln!(text, "  assign {0}_start = start;\n  assign done = {0}_done;\n", block.id)?;
    text += &block.instance();
    for (index, &input) in block.inputs.iter().enumerate() {
        let buffer = &plan.buffers[input];
        let (bits, code_bits) = (buffer.address_bits(), buffer.code_bits());
        let id = &block.id;
        writeln!(
            text,
            "\n  logic input_{index}_write = 0;\n  logic [{0}:0] input_{index}_address = '0;\n  logic [{2}:0] \
             input_{index}_data = '0;\n  gp_memory #(\n      .DEPTH({1}),\n      .ADDRESS_BITS({bits}),\n      \
             .CODE_BITS({code_bits})\n  ) memory_{index} (\n      .clk,\n      \
             .write(input_{index}_write),\n      .write_address(input_{index}_address),\n      \
             .write_data(input_{index}_data),\n      .read(1'b1),\n      .read_address({id}_read_address_{index}),\n      \
             .read_data({id}_read_data_{index})\n  );",
            bits - 1,
            buffer.elements(),
            code_bits - 1
        )?;
        memory(&mut text, &format!("inputs_{index}"), buffer, golden)?;
    }
    check(&mut text, plan, block, golden, "")?;
    task_begin(&mut text, golden, block.clocks())?;
    for (index, &input) in block.inputs.iter().enumerate() {
        load(&mut text, &format!("inputs_{index}"), &format!("input_{index}"), &plan.buffers[input])?;
    }
    run(&mut text)?;
    task_end(&mut text, &format!("{} codes", plan.buffers[block.output].elements()))?;
    writeln!(text, "\nendmodule\n\n`default_nettype wire")?;
    Ok(text)
}

/// Whether a block can be tested alone: everything it reads and writes has golden values.
pub(super) fn is_testable(plan: &Plan, block: &Block, golden: &Golden<'_>) -> bool {
    block.inputs.iter().chain([&block.output]).all(|&buffer| golden.file(&plan.buffers[buffer]).is_some())
}

/// The golden codes of a buffer, for all images.
fn memory(text: &mut String, name: &str, buffer: &Buffer, golden: &Golden<'_>) -> fmt::Result {
    let Some(file) = golden.file(buffer) else { return Ok(()) };
    let elements = golden.images * buffer.elements();
    writeln!(
        text,
        "\n  logic [{}:0] {name}[0:{}];\n  initial $readmemh(\"{file}\", {name});",
        buffer.code_bits() - 1,
        elements.max(1) - 1
    )
}

/// The monitor of a block; whether there is anything to compare with.
fn check(
    text: &mut String,
    plan: &Plan,
    block: &Block,
    golden: &Golden<'_>,
    scope: &str,
) -> Result<bool, fmt::Error> {
    let buffer = &plan.buffers[block.output];
    let Some(file) = golden.file(buffer) else { return Ok(false) };
    let (channels, height, width) = match buffer.shape.as_slice() {
        [] => (1, 1, 1),
        [channels] => (*channels, 1, 1),
        [channels, width] => (*channels, 1, *width),
        [channels, height @ .., width] => (*channels, height.iter().product(), *width),
    };
    let id = &block.id;
    let stages = block.stages.is_some()
        && STAGES
            .iter()
            .all(|name| stage(name).is_some_and(|s| golden.of(buffer.node.as_deref(), s).is_some()));
    writeln!(
        text,
        "\n  gp_check #(\n      .NAME({:?}),\n      .IMAGES({}),\n      .CHANNELS({channels}),\n      .HEIGHT({height}),\n      \
         .WIDTH({width}),\n      .IS_SIGNED({}),\n      .CODE_BITS({}),",
        printable(&block.name),
        golden.images,
        i32::from(buffer.is_signed()),
        buffer.code_bits()
    )?;
    if stages {
        writeln!(text, "      .STAGES(1),")?;
        for name in STAGES {
            let Some(tensor) = stage(name).and_then(|s| golden.of(buffer.node.as_deref(), s)) else {
                continue;
            };
            let upper = name.to_ascii_uppercase();
            if !["shifted", "offset"].contains(&name) {
                writeln!(text, "      .{upper}_BITS({}),", bits(tensor.width))?;
            }
            writeln!(text, "      .{upper}_FILE(\"{GOLDEN}/{}.hex\"),", tensor.file_stem())?;
        }
    }
    writeln!(
        text,
        "      .OUTPUT_FILE(\"{file}\")\n  ) check_{id} (\n      .clk,\n      .image,\n      .stages,\n      .ended,"
    )?;
    writeln!(
        text,
        "      .write({scope}{id}_write),\n      .address(32'({scope}{id}_write_address)),\n      .data({scope}{id}_write_data),"
    )?;
    for (index, name) in STAGES.iter().enumerate() {
        let value =
            if block.stages.is_some() { format!("{scope}{id}_stage_{name}") } else { "64'sd0".into() };
        let comma = if index + 1 < STAGES.len() { "," } else { "" };
        writeln!(text, "      .{name}({value}){comma}")?;
    }
    writeln!(text, "  );")?;
    Ok(true)
}

/// A name in a string literal: quotes and control characters would end it.
fn printable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_graphic() && c != '"' && c != '\\' { c } else { '_' }).collect()
}

fn stage(name: &str) -> Option<Stage> {
    Stage::ALL.into_iter().find(|stage| stage.name() == name)
}

/// Width of a golden file's values.
fn bits(width: Width) -> u32 {
    match width {
        Width::Uint8 | Width::Int8 => 8,
        Width::Int16 => 16,
        Width::Int32 => 32,
        Width::Int64 => 64,
    }
}

/// The process up to the first image.
fn task_begin(text: &mut String, golden: &Golden<'_>, clocks: u64) -> fmt::Result {
    writeln!(
        text,
        "
  localparam int LIMIT = {1};

  initial begin : test
    int images;
    int clocks;
    images = {0};
    if ($value$plusargs(\"images=%d\", images) && (images < 1 || images > {0})) begin
      $display(\"+images: expected 1 to {0}\");
      $fatal(1, \"FAIL\");
    end
    if ($test$plusargs(\"stages\") != 0) stages = 1;
    repeat (4) @(negedge clk);
    reset = 0;
    clocks = 0;
    for (image = 0; image < images; image = image + 1) begin",
        golden.images,
        limit(clocks)
    )?;
    writeln!(text, "      clocks = 0;")
}

/// Clocks after which a simulation is given up: twice the estimate.
fn limit(clocks: u64) -> u64 {
    clocks.saturating_mul(2).saturating_add(1000).min(1 << 30)
}

/// Writes one image's codes into a memory.
fn load(text: &mut String, source: &str, port: &str, buffer: &Buffer) -> fmt::Result {
    let (elements, bits) = (buffer.elements(), buffer.address_bits());
    writeln!(
        text,
        "      for (int i = 0; i < {elements}; i = i + 1) begin
        @(negedge clk);
        {port}_write = 1;
        {port}_address = i[{}:0];
        {port}_data = {source}[image*{elements}+i];
      end
      @(negedge clk);
      {port}_write = 0;",
        bits - 1
    )
}

/// Runs one image.
fn run(text: &mut String) -> fmt::Result {
    writeln!(
        text,
        "      start = 1;
      @(negedge clk);
      start = 0;
      while (!done) begin
        @(negedge clk);
        clocks = clocks + 1;
        if (clocks > LIMIT) begin
          $display(\"FAIL: image %0d is not done after %0d clocks\", image, clocks);
          $fatal(1, \"FAIL\");
        end
      end
      @(negedge clk);
      ended = 1;
      @(negedge clk);
      ended = 0;"
    )
}

/// Reads one image's outputs at the network's port.
fn read_back(text: &mut String, source: &str, port: &str, buffer: &Buffer) -> fmt::Result {
    let (elements, bits) = (buffer.elements(), buffer.address_bits());
    writeln!(
        text,
        "      for (int i = 0; i < {elements}; i = i + 1) begin
        {port}_address = i[{}:0];
        @(negedge clk);
        if ({port}_data !== {source}[image*{elements}+i]) begin
          $display(\"FAIL: image %0d, {port} %0d: expected %0d, found %0d\", image, i, {source}[image*{elements}+i],
                   {port}_data);
          $fatal(1, \"FAIL\");
        end
      end",
        bits - 1
    )
}

/// The end of the process.
fn task_end(text: &mut String, what: &str) -> fmt::Result {
    writeln!(
        text,
        "    end
    $display(\"PASS: %0d images, {what} each, %0d clocks for the last%0s\", images, clocks, stages ? \", with stages\" : \"\");
    $finish;
  end"
    )
}
