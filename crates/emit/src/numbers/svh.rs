//! `params.svh`: a SystemVerilog include with every constant but the weights.
//!
//! A table is declared twice: as an unpacked array, and, with `_PACKED` appended to its name, as one vector with
//! channel 0 in its lowest bits. Icarus Verilog (through 12) and Yosys have no array parameters; there only the vector
//! is declared. Only the array keeps its sign: a part of a vector is unsigned in SystemVerilog.

use std::fmt::{Display, from_fn};
use std::io::{self, Write};

use gen_params_core::parameters::Parameters;

use crate::memory::Kind;
use crate::memory::layer_file;
use crate::names::table_file;
use crate::numbers::constants::{Constant, Section, TERMS, Value};

const TITLE: &str = "\
// Constants of a quantized network, written by gen_params. Include it once, in a package or in a module: the second
// time it is empty.
//
";

const HEAD: &str = "\
//
// NAME_BIAS[c] is the bias of output channel c. $signed(NAME_BIAS_PACKED[32*c +: 32]) is the same number, for tools
// that have no array parameters; NAME_SHIFT_PACKED has 8 bits per channel, NAME_TABLE_PACKED as many as a code.
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
        let section = Section::of_layer(layer);
        write_section(out, &section)?;
        if hex {
            write_file_name(out, &section, "WEIGHT_FILE", &layer_file(&layer.name, Kind::Weight, "hex"))?;
        }
    }
    for section in Section::of_operators(parameters) {
        write_section(out, &section)?;
        if hex && section.constants.iter().any(|constant| matches!(constant.value, Value::Codes(..))) {
            write_file_name(out, &section, "TABLE_FILE", &table_file(section.name, "hex"))?;
        }
    }
    out.write_all(TAIL.as_bytes())
}

fn write_file_name(
    out: &mut (impl Write + ?Sized),
    section: &Section<'_>,
    suffix: &str,
    file: &str,
) -> io::Result<()> {
    // Without a type: Icarus Verilog has no string parameters, and $readmemh takes either.
    writeln!(out, "localparam {} = \"{file}\";", section.identifier(suffix))
}

fn write_section(out: &mut (impl Write + ?Sized), section: &Section<'_>) -> io::Result<()> {
    writeln!(out)?;
    for line in &section.head {
        writeln!(out, "// {line}")?;
    }
    for Constant { suffix, value } in &section.constants {
        let name = section.identifier(suffix);
        match value {
            Value::Integer(value) => writeln!(out, "localparam int {name} = {value};")?,
            Value::Signed(values) => write_integers(out, &name, 32, true, wide(values))?,
            Value::Wide(values) => write_integers(out, &name, 64, true, values.iter().copied())?,
            Value::Unsigned(values) => write_integers(out, &name, 32, false, wide(values))?,
            Value::Short(values) => write_integers(out, &name, 8, true, wide(values))?,
            Value::Codes(values, code_type) => {
                let signed = code_type.range().0 < 0;
                write_integers(out, &name, code_type.bits(), signed, wide(values))?;
            }
            Value::Unknown(why) => writeln!(out, "// {name} is unknown: {why}")?,
        }
    }
    Ok(())
}

fn wide<T: Copy + Into<i64>>(
    values: &[T],
) -> impl ExactSizeIterator<Item = i64> + DoubleEndedIterator + Clone + '_ {
    values.iter().map(|&value| value.into())
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

/// An array of literals, and the vector of their bits.
fn write_integers(
    out: &mut (impl Write + ?Sized),
    name: &str,
    width: u32,
    is_signed: bool,
    values: impl ExactSizeIterator<Item = i64> + DoubleEndedIterator + Clone,
) -> io::Result<()> {
    let count = values.len();
    let sign = if is_signed { "signed " } else { "" };
    let literals = values.clone().map(|value| {
        from_fn(move |f| match is_signed {
            true => write!(f, "{}", signed(width, value)),
            false => write!(f, "{width}'d{value}"),
        })
    });
    let digits = width as usize / 4;
    let mask = u64::MAX >> (64 - width);
    let bits = values
        .map(|value| from_fn(move |f| write!(f, "{width}'h{:0digits$x}", value.cast_unsigned() & mask)));
    // Gathered in memory: a number is too small a piece to write.
    let mut text = Vec::new();
    writeln!(text, "`ifndef GEN_PARAMS_NO_ARRAYS")?;
    write!(text, "localparam logic {sign}[{}:0] {name} [0:{}] = '{{", width - 1, count - 1)?;
    write_list(&mut text, literals)?;
    writeln!(text, "}};\n`endif")?;
    write!(text, "localparam logic [{}:0] {name}_PACKED = {{", count * width as usize - 1)?;
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
