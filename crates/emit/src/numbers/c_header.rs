//! `params.h`: a C99 header with every constant and the weights, written and read back.

use std::fmt::Display;
use std::io::{self, Write};

use gen_params_core::parameters::{CodeType, LayerParameters, Parameters};
use rayon::prelude::*;

use crate::memory::formats::ReadError;
use crate::memory::layout::{Description, Field};
use crate::names::identifier_prefix;
use crate::numbers::constants::{Constant, Section, TERMS, Value};
use crate::numbers::nested::{self, Punctuation};

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
    let multiplier_type = multiplier_type(parameters);
    write!(out, "{TITLE}{TERMS}{HEAD}")?;
    for layers in batches(&parameters.layers) {
        let render = |layer: &LayerParameters| {
            let mut text = Vec::new();
            write_layer(&mut text, layer, multiplier_type)?;
            Ok(text)
        };
        let texts: Vec<Vec<u8>> = layers.par_iter().with_max_len(1).map(render).collect::<io::Result<_>>()?;
        texts.iter().try_for_each(|text| out.write_all(text))?;
    }
    for section in Section::of_operators(parameters) {
        write_section(out, &section, multiplier_type)?;
    }
    for product in parameters.recurrent.iter().flat_map(|recurrent| &recurrent.products) {
        let ([rows, columns], bits) = (product.weight_shape, product.weight_bits);
        let name = identifier_prefix(&product.name);
        write!(out, "static const int{bits}_t {name}_WEIGHT[{rows}][{columns}] = {{")?;
        for (index, row) in product.weight.chunks(columns.max(1)).enumerate() {
            let row: Vec<String> = row.iter().map(i16::to_string).collect();
            write!(out, "{}{{{}}}", if index > 0 { ",\n    " } else { "" }, row.join(","))?;
        }
        out.write_all(b"};\n")?;
    }
    out.write_all(TAIL.as_bytes())
}

/// Weights of layers whose texts are held in memory at once, unless one layer has more.
const BATCH: usize = 1 << 22;

/// Layers that follow each other, in parts that are rendered side by side.
fn batches(layers: &[LayerParameters]) -> impl Iterator<Item = &[LayerParameters]> {
    let mut rest = layers;
    std::iter::from_fn(move || {
        let mut weights = 0_usize;
        let fits = |layer: &&LayerParameters| {
            weights += layer.weight.codes.len();
            weights <= BATCH
        };
        let count = rest.iter().take_while(fits).count().max(1).min(rest.len());
        let (batch, others) = rest.split_at(count);
        rest = others;
        (!batch.is_empty()).then_some(batch)
    })
}

/// The type that holds every multiplier.
fn multiplier_type(parameters: &Parameters) -> &'static str {
    let sections = parameters.layers.iter().map(Section::of_layer).chain(Section::of_operators(parameters));
    let fits = |constant: &Constant<'_>| match &constant.value {
        Value::Unsigned(values) => values.iter().all(|&value| i32::try_from(value).is_ok()),
        _ => true,
    };
    let all_fit = sections.flat_map(|section| section.constants).all(|constant| fits(&constant));
    if all_fit { "int32_t" } else { "uint32_t" }
}

fn write_layer(
    out: &mut (impl Write + ?Sized),
    layer: &LayerParameters,
    multiplier_type: &str,
) -> io::Result<()> {
    let section = Section::of_layer(layer);
    write_section(out, &section, multiplier_type)?;
    let element = if layer.weight.offset > 0 { "uint8_t" } else { "int8_t" };
    write!(out, "static const {element} {}", section.identifier("WEIGHT"))?;
    for size in &layer.weight.shape {
        write!(out, "[{size}]")?;
    }
    out.write_all(b" = ")?;
    nested::write(out, &layer.weight, &C)?;
    out.write_all(b";\n")
}

fn write_section(
    out: &mut (impl Write + ?Sized),
    section: &Section<'_>,
    multiplier_type: &str,
) -> io::Result<()> {
    writeln!(out)?;
    for line in &section.head {
        writeln!(out, "// {line}")?;
    }
    for Constant { suffix, value } in &section.constants {
        let name = section.identifier(suffix);
        match value {
            Value::Integer(value) if *value < 0 => writeln!(out, "#define {name} ({value})")?,
            Value::Integer(value) => writeln!(out, "#define {name} {value}")?,
            Value::Signed(values) => write_table(out, "int32_t", &name, values)?,
            Value::Unsigned(values) => write_table(out, multiplier_type, &name, values)?,
            Value::Short(values) => write_table(out, "int8_t", &name, values)?,
            Value::Codes(values, code_type) => write_table(out, code_element(*code_type), &name, values)?,
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
    Ok(())
}

fn code_element(code_type: CodeType) -> &'static str {
    match code_type {
        CodeType::U8 => "uint8_t",
        CodeType::I8 => "int8_t",
        CodeType::I16 => "int16_t",
        CodeType::I32 => "int32_t",
    }
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

/// The arrays of a header, as it declares them: each with its identifier, and its numbers in row-major order.
///
/// # Errors
/// The line of the first array that is not as [`write`] writes them.
pub(crate) fn read(text: &str) -> Result<Vec<(Description, Vec<i64>)>, ReadError> {
    const DECLARES: &str = "static const ";
    let mut arrays = Vec::new();
    let (mut axes, mut start) = (String::new(), 0);
    while let Some(line) = text[start..].split_inclusive('\n').next() {
        let place = || 1 + text[..start].lines().count();
        if let Some((_, weight)) = line.rsplit_once(", weight ").filter(|_| line.starts_with("// Layer ")) {
            weight.split(' ').next().unwrap_or_default().clone_into(&mut axes);
        }
        let Some(declared) = text[start..].strip_prefix(DECLARES) else {
            start += line.len();
            continue;
        };
        let wrong = |found: &str| ReadError::at_line(place(), found, "an array: TYPE NAME[SIZE] = {...};");
        let (declared, _) = declared.split_once(';').ok_or_else(|| wrong("no semicolon"))?;
        let (head, body) = declared.split_once(" = ").ok_or_else(|| wrong(line))?;
        let description = declaration(head, &axes).ok_or_else(|| wrong(head))?;
        let numbers = numbers(body).map_err(|token| wrong(&format!("{token:?}")))?;
        let count = description.shape.iter().try_fold(1_usize, |count, &size| count.checked_mul(size));
        let holds = |&number: &i64| description.fields.iter().all(|field| field.holds(number));
        if count != Some(numbers.len()) || !numbers.iter().all(holds) {
            let found = format!("{} numbers, or one beyond its type", numbers.len());
            return Err(ReadError::at_line(place(), found, format!("those of {head}")));
        }
        start += DECLARES.len() + declared.len();
        arrays.push((description, numbers));
    }
    Ok(arrays)
}

/// What stands before the numbers: `int8_t CONV1_WEIGHT[16][1][5][5]`. `axes` are those of weights.
fn declaration(head: &str, axes: &str) -> Option<Description> {
    let (element, rest) = head.split_once(' ')?;
    let (signed, bits) = match element.strip_prefix('u') {
        Some(bits) => (false, bits),
        None => (true, element),
    };
    let bits = bits
        .strip_prefix("int")?
        .strip_suffix("_t")?
        .parse()
        .ok()
        .filter(|bits| [8, 16, 32, 64].contains(bits))?;
    let (name, sizes) = rest.split_once('[')?;
    let sizes = sizes.strip_suffix(']')?.split("][").map(|size| size.parse().ok());
    let shape = sizes.collect::<Option<Vec<usize>>>()?;
    let axes = if shape.len() == axes.len() && name.ends_with("_WEIGHT") { axes } else { "O" };
    let field = Field { name: name.to_owned(), bits, signed };
    (shape.len() == axes.len()).then(|| Description::plain("", field, axes, &shape))
}

/// Decimal numbers between braces and commas; the error is the token that is none.
fn numbers(body: &str) -> Result<Vec<i64>, &str> {
    let is_separator = |c: char| c.is_ascii_whitespace() || ['{', '}', ','].contains(&c);
    let tokens = body.split(is_separator).filter(|token| !token.is_empty());
    tokens
        .map(|token| if token == "INT64_MIN" { Ok(i64::MIN) } else { token.parse().map_err(|_| token) })
        .collect()
}
