//! `params.h`: a C99 header with every constant and the weights.

use std::fmt::Display;
use std::io::{self, Write};

use gen_params_core::parameters::{CodeType, LayerParameters, Parameters};

use crate::constants::{Constant, TERMS, Value, constants, description};
use crate::names::identifier_prefix;
use crate::nested::{self, Punctuation};

const TITLE: &str = "// Constants of a quantized network, written by gen_params.\n//\n";

const HEAD: &str = "\
//
// Include it in one source file: every file that includes it has its own copy of the tables that it uses. A compiler
// drops, without a warning, those that it does not use.
#ifndef GEN_PARAMS_PARAMS_H
#define GEN_PARAMS_PARAMS_H

#include <stdint.h>
";

const TAIL: &str = "\n#endif // GEN_PARAMS_PARAMS_H\n";

const C: Punctuation = Punctuation { open: b'{', close: b'}', between_outermost: ",\n    " };

/// Writes the header.
///
/// Multipliers are `int32_t` where every one of the network fits, as kernels for Q31 numbers take them, and `uint32_t`
/// otherwise.
pub(crate) fn write(out: &mut (impl Write + ?Sized), parameters: &Parameters) -> io::Result<()> {
    let multipliers = parameters.layers.iter().flat_map(|layer| layer.multiplier.iter().flatten());
    let multiplier_type = if multipliers.max().is_none_or(|&largest| i32::try_from(largest).is_ok()) {
        "int32_t"
    } else {
        "uint32_t"
    };
    write!(out, "{TITLE}{TERMS}{HEAD}")?;
    for layer in &parameters.layers {
        write_layer(out, layer, multiplier_type)?;
    }
    for table in &parameters.tables {
        let element = match table.output.code_type {
            CodeType::U8 => "uint8_t",
            CodeType::I8 => "int8_t",
            CodeType::I16 => "int16_t",
        };
        writeln!(
            out,
            "\n// {:?}: {} by the arithmetic `{}`, one entry per input code from {} on.",
            table.name,
            table.function,
            table.contract,
            table.input.code_type.range().0
        )?;
        write_table(out, element, &format!("{}_TABLE", identifier_prefix(&table.name)), &table.codes)?;
    }
    out.write_all(TAIL.as_bytes())
}

fn write_layer(
    out: &mut (impl Write + ?Sized),
    layer: &LayerParameters,
    multiplier_type: &str,
) -> io::Result<()> {
    let prefix = identifier_prefix(&layer.name);
    writeln!(out)?;
    for line in description(layer) {
        writeln!(out, "// {line}")?;
    }
    for Constant { suffix, value } in constants(layer) {
        let name = format!("{prefix}_{suffix}");
        match value {
            Value::Integer(value) if value < 0 => writeln!(out, "#define {name} ({value})")?,
            Value::Integer(value) => writeln!(out, "#define {name} {value}")?,
            Value::Signed(values) => write_table(out, "int32_t", &name, &values)?,
            Value::Unsigned(values) => write_table(out, multiplier_type, &name, values)?,
            Value::Short(values) => write_table(out, "int8_t", &name, values)?,
            Value::Wide(values) => {
                // No decimal constant of C99 is the smallest.
                let decimal = |value: &i64| match value {
                    &i64::MIN => "INT64_MIN".to_owned(),
                    value => value.to_string(),
                };
                write_table(out, "int64_t", &name, &values.iter().map(decimal).collect::<Vec<_>>())?;
            }
            Value::Unknown(why) => writeln!(out, "// {name} is unknown: {why}")?,
        }
    }
    let element = if layer.weight.offset > 0 { "uint8_t" } else { "int8_t" };
    write!(out, "static const {element} {prefix}_WEIGHT")?;
    for size in &layer.weight.shape {
        write!(out, "[{size}]")?;
    }
    out.write_all(b" = ")?;
    nested::write(out, &layer.weight, &C)?;
    out.write_all(b";\n")
}

fn write_table(
    out: &mut (impl Write + ?Sized),
    element: &str,
    name: &str,
    values: &[impl Display],
) -> io::Result<()> {
    write!(out, "static const {element} {name}[{}] = {{", values.len())?;
    for (index, value) in values.iter().enumerate() {
        let before = match index {
            0 => "\n    ",
            _ if index % 8 == 0 => ",\n    ",
            _ => ", ",
        };
        // Without suffixes: C99 gives a decimal constant the first type that holds it, so that none of these overflows,
        // INT32_MIN and multipliers above INT32_MAX included.
        write!(out, "{before}{value}")?;
    }
    out.write_all(b"\n};\n")
}
