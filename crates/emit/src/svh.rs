//! `params.svh`: a SystemVerilog include with every constant but the weights.
//!
//! A table is declared twice: as an unpacked array, and, with `_PACKED` appended to its name, as one vector with
//! channel 0 in its lowest bits. Icarus Verilog (through 12) and Yosys have no array parameters; there only the vector
//! is declared. Only the array keeps its sign: a part of a vector is unsigned in SystemVerilog.

use std::fmt::{Display, from_fn};
use std::io::{self, Write};

use gen_params_core::parameters::{LayerParameters, Parameters};

use crate::constants::{Constant, TERMS, Value, constants, description};
use crate::files::layer_file;
use crate::memory::Kind;
use crate::names::identifier_prefix;

const TITLE: &str = "\
// Constants of a quantized network, written by gen_params. Include it once, in a package or in a module: the second
// time it is empty.
//
";

const HEAD: &str = "\
//
// NAME_BIAS[c] is the bias of output channel c. $signed(NAME_BIAS_PACKED[32*c +: 32]) is the same number, for tools
// that have no array parameters; NAME_SHIFT_PACKED has 8 bits per channel.
`ifndef GEN_PARAMS_PARAMS_SVH
`define GEN_PARAMS_PARAMS_SVH
`ifdef __ICARUS__
`define GEN_PARAMS_NO_ARRAYS
`elsif YOSYS
`define GEN_PARAMS_NO_ARRAYS
`endif
/* verilator lint_save */
/* verilator lint_off UNUSEDPARAM */
";

const TAIL: &str = "
/* verilator lint_restore */
`endif // GEN_PARAMS_PARAMS_SVH
";

/// Writes the include file. `hex` says whether the hex files are written beside it, so that it can name them.
pub(crate) fn write(out: &mut (impl Write + ?Sized), parameters: &Parameters, hex: bool) -> io::Result<()> {
    write!(out, "{TITLE}{TERMS}{HEAD}")?;
    for layer in &parameters.layers {
        write_layer(out, layer, hex)?;
    }
    out.write_all(TAIL.as_bytes())
}

fn write_layer(out: &mut (impl Write + ?Sized), layer: &LayerParameters, hex: bool) -> io::Result<()> {
    let prefix = identifier_prefix(&layer.name);
    writeln!(out)?;
    for line in description(layer) {
        writeln!(out, "// {line}")?;
    }
    for Constant { suffix, value } in constants(layer) {
        let name = format!("{prefix}_{suffix}");
        match value {
            Value::Integer(value) => writeln!(out, "localparam int {name} = {value};")?,
            Value::Signed(values) => {
                let literals = values.iter().map(|&value| signed(32, value.into()));
                let bits = values.iter().map(|value| from_fn(move |f| write!(f, "32'h{value:08x}")));
                write_table(out, &name, "logic signed [31:0]", 32, literals, bits)?;
            }
            Value::Wide(values) => {
                let literals = values.iter().map(|&value| signed(64, value));
                let bits = values.iter().map(|value| from_fn(move |f| write!(f, "64'h{value:016x}")));
                write_table(out, &name, "logic signed [63:0]", 64, literals, bits)?;
            }
            Value::Unsigned(values) => {
                let literals = values.iter().map(|value| from_fn(move |f| write!(f, "32'd{value}")));
                let bits = values.iter().map(|value| from_fn(move |f| write!(f, "32'h{value:08x}")));
                write_table(out, &name, "logic [31:0]", 32, literals, bits)?;
            }
            Value::Short(values) => {
                let literals = values.iter().map(|&value| signed(8, value.into()));
                let bits = values.iter().map(|value| from_fn(move |f| write!(f, "8'h{:02x}", value & 0xff)));
                write_table(out, &name, "logic signed [7:0]", 8, literals, bits)?;
            }
            Value::Unknown(why) => writeln!(out, "// {name} is unknown: {why}")?,
        }
    }
    if hex {
        let file = layer_file(&layer.name, Kind::Weight, "hex");
        // Without a type: Icarus Verilog has no string parameters, and $readmemh takes either.
        writeln!(out, "localparam {prefix}_WEIGHT_FILE = \"{file}\";")?;
    }
    Ok(())
}

/// A signed literal. The smallest has no positive counterpart to negate, so its bits are written.
fn signed(width: u32, value: i64) -> impl Display {
    from_fn(move |f| {
        let magnitude = value.unsigned_abs();
        if value == i64::MIN >> (64 - width) {
            write!(f, "{width}'sh{magnitude:x}")
        } else {
            write!(f, "{}{width}'sd{magnitude}", if value < 0 { "-" } else { "" })
        }
    })
}

fn write_table<L: Display, B: Display>(
    out: &mut (impl Write + ?Sized),
    name: &str,
    element: &str,
    width: usize,
    literals: impl ExactSizeIterator<Item = L>,
    bits: impl DoubleEndedIterator<Item = B>,
) -> io::Result<()> {
    let count = literals.len();
    // Gathered in memory: a number is too small a piece to write.
    let mut text = Vec::new();
    writeln!(text, "`ifndef GEN_PARAMS_NO_ARRAYS")?;
    write!(text, "localparam {element} {name} [0:{}] = '{{", count - 1)?;
    write_list(&mut text, literals)?;
    writeln!(text, "}};\n`endif")?;
    write!(text, "localparam logic [{}:0] {name}_PACKED = {{", count * width - 1)?;
    write_list(&mut text, bits.rev())?;
    writeln!(text, "}};")?;
    out.write_all(&text)
}

/// Appends the items, eight a line, with commas between them.
fn write_list(text: &mut Vec<u8>, items: impl Iterator<Item = impl Display>) -> io::Result<()> {
    for (index, item) in items.enumerate() {
        let before = match index {
            0 => "\n    ",
            _ if index % 8 == 0 => ",\n    ",
            _ => ", ",
        };
        write!(text, "{before}{item}")?;
    }
    writeln!(text)
}
