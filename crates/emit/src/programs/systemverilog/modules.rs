//! The generated modules: one per block with its numbers, and the network that connects them.

use std::fmt::{self, Write as _};

use gen_params_core::parameters::Range;

use super::parts::{Block, Buffer, Instance, Plan, Value};
use super::widths::unsigned_bits;

/// Names of the values that a block with weights shows beside its codes, with the width that each has in the library's module.
pub(super) const STAGES: [&str; 5] = ["accumulator", "biased", "product", "shifted", "offset"];

/// The ports of a block that reads `inputs` tensors: what the user's own module must have, too.
fn ports(plan: &Plan, block: &Block) -> String {
    let mut text = String::from(
        "    input wire logic clk,\n    input wire logic reset,  // synchronous, for one clock at least\n\n    \
         input wire logic start,  // for one clock, when the inputs are complete\n    \
         output logic done,       // for one clock, with the last code or after it\n\n",
    );
    for (index, &input) in block.inputs.iter().enumerate() {
        let buffer = &plan.buffers[input];
        text += &format!(
            "    // {}.\n    output logic [{}:0] read_address_{index},\n    input wire logic [{}:0] read_data_{index},  // one \
             clock after its address\n\n",
            describe(buffer),
            buffer.address_bits() - 1,
            buffer.code_bits() - 1
        );
    }
    let output = &plan.buffers[block.output];
    text += &format!(
        "    // {}.\n    output logic write,\n    output logic [{}:0] write_address,\n    output logic [{}:0] write_data",
        describe(output),
        output.address_bits() - 1,
        output.code_bits() - 1
    );
    if block.stages.is_some() {
        text += ",\n\n    // The stages of the code that is written, for observation.";
        for (index, stage) in STAGES.iter().enumerate() {
            let comma = if index + 1 < STAGES.len() { "," } else { "" };
            text += &format!("\n    output logic signed [63:0] stage_{stage}{comma}");
        }
    }
    text.push('\n');
    text
}

/// What a memory holds, in words.
fn describe(buffer: &Buffer) -> String {
    let shape = buffer.shape.iter().map(usize::to_string).collect::<Vec<_>>().join(" x ");
    let name = buffer.node.as_ref().map_or("the network's input".to_owned(), |name| format!("{name:?}"));
    let code_type = buffer.activation.code_type;
    let Range { min, max } = buffer.codes;
    let range = if (min, max) == code_type.range() { String::new() } else { format!(", {min} to {max}") };
    format!(
        "{name}: {shape} codes of {}{range}, row-major, zero point {}",
        code_type.name(),
        buffer.activation.zero_point
    )
}

/// The module of a block.
pub(super) fn block(plan: &Plan, block: &Block) -> Result<String, fmt::Error> {
    let mut text = String::new();
    let module = block.module();
    writeln!(text, "// {:?}: {}. About {} clocks.", block.name, block.op, block.clocks())?;
    writeln!(
        text,
        "// Written by gen_params; a module with these ports can stand in its place (see network.sv).\n"
    )?;
    writeln!(text, "`default_nettype none\n\nmodule {module} (\n{});\n", ports(plan, block))?;
    if let [instance] = block.instances.as_slice() {
        single(&mut text, block, instance)?;
    } else {
        in_turn(&mut text, plan, block)?;
    }
    writeln!(text, "\nendmodule\n\n`default_nettype wire")?;
    Ok(text)
}

/// An instance with all ports of its block.
fn single(text: &mut String, block: &Block, instance: &Instance) -> fmt::Result {
    if let Some(widths) = block.stages {
        let bits = [widths.accumulator, widths.biased, widths.product, widths.product, widths.product];
        for (stage, bits) in STAGES.iter().zip(bits) {
            writeln!(
                text,
                "  wire signed [{}:0] {stage};\n  assign stage_{stage} = 64'({stage});",
                bits - 1
            )?;
        }
        writeln!(text)?;
    }
    parameters(text, instance, "block")?;
    writeln!(text, "      .clk,\n      .reset,\n      .start,\n      .done,")?;
    let suffixes: &[&str] = if block.inputs.len() == 2 { &["_a", "_b"] } else { &[""] };
    for (index, suffix) in suffixes.iter().enumerate() {
        for port in ["read_address", "read_data"] {
            writeln!(text, "      .{port}{suffix}({port}_{index}),")?;
        }
    }
    write!(text, "      .write,\n      .write_address,\n      .write_data")?;
    if block.stages.is_some() {
        for stage in STAGES {
            write!(text, ",\n      .stage_{stage}({stage})")?;
        }
    }
    writeln!(text, "\n  );")?;
    Ok(())
}

/// One instance per input, each started by the one before it.
fn in_turn(text: &mut String, plan: &Plan, block: &Block) -> fmt::Result {
    let output = &plan.buffers[block.output];
    let count = block.instances.len();
    writeln!(text, "  // One input after the other.")?;
    writeln!(text, "  wire [{}:0] dones, writes;", count - 1)?;
    for index in 0..count {
        let (address, code) = (output.address_bits() - 1, output.code_bits() - 1);
        writeln!(text, "  wire [{address}:0] address_{index};\n  wire [{code}:0] data_{index};")?;
    }
    for (index, instance) in block.instances.iter().enumerate() {
        let start = if index == 0 { "start".to_owned() } else { format!("dones[{}]", index - 1) };
        writeln!(text)?;
        parameters(text, instance, &format!("part_{index}"))?;
        writeln!(
            text,
            "      .clk,\n      .reset,\n      .start({start}),\n      .done(dones[{index}]),\n      \
             .read_address(read_address_{index}),\n      .read_data(read_data_{index}),\n      .write(writes[{index}]),\n      \
             .write_address(address_{index}),\n      .write_data(data_{index})\n  );"
        )?;
    }
    writeln!(text, "\n  assign done = dones[{}];\n  assign write = |writes;", count - 1)?;
    for (port, wire) in [("write_address", "address"), ("write_data", "data")] {
        let choices: String = (0..count - 1).map(|i| format!("writes[{i}] ? {wire}_{i} : ")).collect();
        writeln!(text, "  assign {port} = {choices}{wire}_{};", count - 1)?;
    }
    Ok(())
}

/// The beginning of an instance, up to its ports.
fn parameters(text: &mut String, instance: &Instance, name: &str) -> fmt::Result {
    writeln!(text, "  {} #(", instance.module)?;
    for (index, (parameter, value)) in instance.parameters.iter().enumerate() {
        let comma = if index + 1 < instance.parameters.len() { "," } else { "" };
        match value {
            Value::Integer(value) => writeln!(text, "      .{parameter}({value}){comma}")?,
            Value::File(file) => writeln!(text, "      .{parameter}(\"{file}\"){comma}")?,
        }
    }
    writeln!(text, "  ) {name} (")
}

impl Block {
    /// The name of its module.
    pub(super) fn module(&self) -> String {
        format!("layer_{}", self.id)
    }

    /// The macro that puts the user's module in its place.
    pub(super) fn socket(&self) -> String {
        format!("USER_{}", self.id.to_ascii_uppercase())
    }

    /// Declarations of the wires at the block's ports.
    pub(super) fn wires(&self, plan: &Plan) -> String {
        let id = &self.id;
        let mut text = format!("  wire {id}_start, {id}_done, {id}_write;\n");
        for (index, &input) in self.inputs.iter().enumerate() {
            let (address, code) =
                (plan.buffers[input].address_bits() - 1, plan.buffers[input].code_bits() - 1);
            text += &format!("  wire [{address}:0] {id}_read_address_{index};\n");
            text += &format!("  wire [{code}:0] {id}_read_data_{index};\n");
        }
        let (address, code) =
            (plan.buffers[self.output].address_bits() - 1, plan.buffers[self.output].code_bits() - 1);
        text += &format!("  wire [{address}:0] {id}_write_address;\n  wire [{code}:0] {id}_write_data;\n");
        if self.stages.is_some() {
            let names = STAGES.map(|stage| format!("{id}_stage_{stage}")).join(", ");
            text += &format!(
                "  /* verilator lint_off UNUSEDSIGNAL */  // for testbenches\n  wire signed [63:0] {names};\n  \
                 /* verilator lint_on UNUSEDSIGNAL */\n"
            );
        }
        text
    }

    /// The instance, or the user's own in its place.
    pub(super) fn instance(&self) -> String {
        let id = &self.id;
        let mut text = format!(
            "`ifdef {}\n  user_{id} {id} (\n`else\n  {} {id} (\n`endif\n      .clk,\n      .reset,\n      .start({id}_start),\n      \
             .done({id}_done),\n",
            self.socket(),
            self.module()
        );
        for index in 0..self.inputs.len() {
            text += &format!("      .read_address_{index}({id}_read_address_{index}),\n");
            text += &format!("      .read_data_{index}({id}_read_data_{index}),\n");
        }
        text += &format!(
            "      .write({id}_write),\n      .write_address({id}_write_address),\n      .write_data({id}_write_data)"
        );
        if self.stages.is_some() {
            for stage in STAGES {
                text += &format!(",\n      .stage_{stage}({id}_stage_{stage})");
            }
        }
        text + "\n  );\n"
    }
}

const NETWORK: &str = "\
// The network: its blocks one after another, and a memory for every tensor between them. Written by gen_params.
//
//   1. write the input's codes, in row-major order of (channel, row, column), through input_*
//   2. start, for one clock
//   3. when done, read the output's codes through output_*, one clock after their address
//
// A block is replaced by a module of yours, user_NAME with the ports of layer_NAME, when USER_NAME is defined:
";

/// The network's module.
pub(super) fn network(plan: &Plan) -> Result<String, fmt::Error> {
    let mut text = String::from(NETWORK);
    for block in &plan.blocks {
        writeln!(text, "//   {:<24} {:?}, {}", block.socket(), block.name, block.op)?;
    }
    let clocks: u64 = plan.blocks.iter().map(Block::clocks).sum();
    writeln!(text, "//\n// About {clocks} clocks per image.\n\n`default_nettype none\n\nmodule network (")?;
    writeln!(
        text,
        "    input wire logic clk,\n    input wire logic reset,  // synchronous, for one clock at least\n\n    \
         input wire logic start,\n    output logic done,\n"
    )?;
    for input in plan.buffers.iter().take(plan.inputs) {
        let id = &input.id;
        writeln!(
            text,
            "    // {}.\n    input wire logic {id}_write,\n    input wire logic [{}:0] {id}_address,\n    input wire logic \
             [{}:0] {id}_data,\n",
            describe(input),
            input.address_bits() - 1,
            input.code_bits() - 1
        )?;
    }
    for (index, &output) in plan.outputs.iter().enumerate() {
        let buffer = &plan.buffers[output];
        let prefix = output_name(plan, index);
        let comma = if index + 1 < plan.outputs.len() { ",\n" } else { "" };
        writeln!(
            text,
            "    // {}.\n    input wire logic [{}:0] {prefix}_address,\n    output logic [{}:0] {prefix}_data{comma}",
            describe(buffer),
            buffer.address_bits() - 1,
            buffer.code_bits() - 1
        )?;
    }
    writeln!(text, ");\n")?;
    for block in &plan.blocks {
        writeln!(text, "{}", block.wires(plan))?;
    }
    sequence(&mut text, plan)?;
    for (index, buffer) in plan.buffers.iter().enumerate().filter(|(index, _)| plan.is_read(*index)) {
        writeln!(text)?;
        memory(&mut text, plan, index, buffer)?;
    }
    for block in &plan.blocks {
        write!(text, "\n{}", block.instance())?;
    }
    writeln!(text, "\nendmodule\n\n`default_nettype wire")?;
    Ok(text)
}

/// The prefix of an output's ports.
pub(super) fn output_name(plan: &Plan, index: usize) -> String {
    if plan.outputs.len() == 1 { "output".into() } else { format!("output_{index}") }
}

/// Who starts whom, and which block has the memories.
fn sequence(text: &mut String, plan: &Plan) -> fmt::Result {
    if plan.blocks.is_empty() {
        return writeln!(
            text,
            "  // There is nothing to compute: the output is the input in another shape.\n  always_ff @(posedge clk) done <= start && \
             !reset;"
        );
    }
    writeln!(text, "  // Each block is started by the one before it.")?;
    let mut before = "start".to_owned();
    for block in &plan.blocks {
        writeln!(text, "  assign {}_start = {before};", block.id)?;
        before = format!("{}_done", block.id);
    }
    writeln!(text, "  assign done = {before};\n")?;
    let bits = unsigned_bits(plan.blocks.len() as u64);
    writeln!(text, "  logic [{}:0] running;  // counted from 1; 0: none", bits - 1)?;
    for (index, block) in plan.blocks.iter().enumerate() {
        writeln!(text, "  wire {}_running = running == {bits}'d{};", block.id, index + 1)?;
    }
    let starts: String = plan.blocks.iter().map(|block| format!(" || {}_start", block.id)).collect();
    writeln!(
        text,
        "  wire changes = reset || done{starts};\n  always_ff @(posedge clk) begin\n    if (changes) running <= reset ? '0 : \
         start ? {bits}'d1 : done ? '0 : running + 1'b1;\n  end"
    )
}

/// A buffer's memory, with its read port at whoever runs.
fn memory(text: &mut String, plan: &Plan, index: usize, buffer: &Buffer) -> fmt::Result {
    let id = &buffer.id;
    let (bits, code_bits) = (buffer.address_bits(), buffer.code_bits());
    let mut choices = String::new();
    let mut readers = Vec::new();
    for block in &plan.blocks {
        if let Some(port) = block.inputs.iter().position(|&input| input == index) {
            choices += &format!("{0}_running ? {0}_read_address_{port} : ", block.id);
            readers.push(format!("{}_running", block.id));
        }
    }
    let outputs: Vec<usize> = (0..plan.outputs.len()).filter(|&i| plan.outputs[i] == index).collect();
    let rest = outputs.first().map_or("'0".to_owned(), |&i| format!("{}_address", output_name(plan, i)));
    // Inputs are written by the network's user.
    let prefix = if index < plan.inputs { id.clone() } else { format!("{id}_write") };
    let (write, address, data) =
        (format!("{id}_write"), format!("{prefix}_address"), format!("{prefix}_data"));
    writeln!(text, "  wire [{}:0] {id}_read_address = {choices}{rest};", bits - 1)?;
    // The user may read outputs at any time.
    let read = if outputs.is_empty() { readers.join(" || ") } else { "1'b1".to_owned() };
    writeln!(text, "  wire [{}:0] {id}_codes;", code_bits - 1)?;
    let depth = buffer.elements();
    match &buffer.constant {
        Some((file, _)) => writeln!(
            text,
            "  gp_constant #(\n      .DEPTH({depth}),\n      .ADDRESS_BITS({bits}),\n      .CODE_BITS({code_bits}),\n      .CODE_FILE(\"{file}\")\n  ) \
             {id}_memory (\n      .clk,\n      .read_address({id}_read_address),\n      .read_data({id}_codes)\n  );"
        )?,
        None => writeln!(
            text,
            "  gp_memory #(\n      .DEPTH({depth}),\n      .ADDRESS_BITS({bits}),\n      .CODE_BITS({code_bits})\n  ) {id}_memory (\n      .clk,\n      \
             .write({write}),\n      .write_address({address}),\n      .write_data({data}),\n      \
             .read({read}),\n      .read_address({id}_read_address),\n      .read_data({id}_codes)\n  );"
        )?,
    }
    for block in &plan.blocks {
        for (port, _) in block.inputs.iter().enumerate().filter(|(_, input)| **input == index) {
            writeln!(text, "  assign {}_read_data_{port} = {id}_codes;", block.id)?;
        }
    }
    for output in outputs {
        writeln!(text, "  assign {}_data = {id}_codes;", output_name(plan, output))?;
    }
    Ok(())
}
