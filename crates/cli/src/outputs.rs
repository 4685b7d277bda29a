//! The codes that leave a network, for people and machines.

use std::io::{self, Write};
use std::ops::RangeBounds;

use comfy_table::{CellAlignment, ContentArrangement, LineStyle, Table, TableStyle, presets};
use serde_json::{Value as Json, json};

use gen_params::{Input, Output, largest};

/// More images than this are printed one a line without a table, and not at all beside an accuracy.
pub(crate) const FEW_IMAGES: usize = 20;

/// More classes than this are not all printed.
const FEW_CLASSES: usize = 12;

/// Prints the codes of an output, one line per image.
pub(crate) fn print(
    output: &Output,
    out: &mut impl Write,
    input: &Input,
    labels: Option<&[usize]>,
    several_outputs: bool,
) -> io::Result<()> {
    if several_outputs {
        writeln!(out, "{}:", output.name)?;
    }
    let name = |image: usize| match &input.names {
        Some(names) => names.get(image).cloned().unwrap_or_default(),
        None => image.to_string(),
    };
    let is_classifier = output.shape.len() == 1;
    if input.images() > FEW_IMAGES || !is_classifier {
        for (image, codes) in output.images().enumerate() {
            let class = if is_classifier { format!("{}\t", largest(codes)) } else { String::new() };
            writeln!(out, "{}\t{class}{}", name(image), join(codes))?;
        }
        return Ok(());
    }
    let mut table = Table::new();
    table.load_style(presets::UTF8_HORIZONTAL_ONLY).set_content_arrangement(ContentArrangement::Disabled);
    let all = output.values_per_image() <= FEW_CLASSES;
    let what = if all {
        "code, and real = S*(code - Z), of each class"
    } else {
        "class: code = real, largest first"
    };
    let mut header = vec!["image".to_owned(), "class".into()];
    header.extend(labels.map(|_| "label".to_owned()));
    if all {
        header.extend((0..output.values_per_image()).map(|class| class.to_string()));
    } else {
        header.push(what.into());
    }
    table.set_header(header);
    for (image, codes) in output.images().enumerate() {
        let mut row = vec![name(image), largest(codes).to_string()];
        row.extend(labels.and_then(|labels| labels.get(image)).map(ToString::to_string));
        if all {
            row.extend(codes.iter().map(|&code| format!("{code}\n{:.3}", output.real(code))));
        } else {
            row.push(best(output, codes));
        }
        table.add_row(row);
    }
    align_right(&mut table, 0..);
    writeln!(out, "{what}; S = {}, Z = {}", output.activation.scale, output.activation.zero_point)?;
    writeln!(out, "{table}")
}

/// The five largest codes.
fn best(output: &Output, codes: &[i32]) -> String {
    let mut order: Vec<(usize, i32)> = codes.iter().copied().enumerate().collect();
    order.sort_by_key(|&(class, code)| (std::cmp::Reverse(code), class));
    let best =
        order.iter().take(5).map(|&(class, code)| format!("{class}: {code} = {:.3}", output.real(code)));
    best.collect::<Vec<_>>().join("   ")
}

/// Codes by image.
pub(crate) fn to_json(output: &Output) -> Json {
    json!({
        "name": output.name,
        "scale": output.activation.scale,
        "zero_point": output.activation.zero_point,
        "dtype": output.activation.code_type.name(),
        "shape": output.shape,
        "codes": output.images().collect::<Vec<_>>(),
    })
}

/// A table whose rows are one line each: ruled above, below and under the header, not between rows.
pub(crate) fn ruled() -> Table {
    const STYLE: TableStyle = TableStyle::new()
        .top_border(LineStyle::none().fill('─').junction('─'))
        .header_separator(LineStyle::none().fill('═').junction('═'))
        .bottom_border(LineStyle::none().fill('─').junction('─'));
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table
}

/// Puts the numbers of some columns to the right.
pub(crate) fn align_right(table: &mut Table, columns: impl RangeBounds<usize>) {
    for (_, column) in table.column_iter_mut().enumerate().filter(|(index, _)| columns.contains(index)) {
        column.set_cell_alignment(CellAlignment::Right);
    }
}

fn join(codes: &[i32]) -> String {
    codes.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ")
}
