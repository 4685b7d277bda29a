//! `gen_params layout`: the numbers in a file of words, as the layout in its head says.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::{Context, Result};
use serde_json::{Map, Value, json};

use gen_params::emit::folder::read_back::{ReadTable, read_tables};
use gen_params::emit::memory::layout::sentences;
use gen_params::emit::numbers::npz::Archive;

use crate::arguments::Layout;
use crate::terminal;

pub(crate) fn run(arguments: &Layout) -> Result<()> {
    let tables = read_tables(&arguments.file)?;
    if let Some(path) = &arguments.npz {
        return write_npz(path, &tables).with_context(|| path.display().to_string());
    }
    let mut stdout = BufWriter::new(terminal::out());
    if arguments.json {
        let tables: Vec<Value> = tables.iter().map(to_json).collect::<Result<_>>()?;
        writeln!(stdout, "{}", json!({"schema": 1, "tables": tables}))?;
        return Ok(stdout.flush()?);
    }
    for table in &tables {
        for line in sentences(&table.description) {
            writeln!(stdout, "# {line}")?;
        }
        print(&mut stdout, table)?;
    }
    Ok(stdout.flush()?)
}

/// The numbers in row-major order, the last axis on one line behind the indices of the others.
fn print(out: &mut impl Write, table: &ReadTable) -> Result<()> {
    let shape = &table.description.shape;
    let fields = table.description.fields.iter().zip(&table.numbers);
    let row = shape.last().copied().unwrap_or(1).max(1);
    for (field, numbers) in fields {
        for (index, row) in numbers.chunks(row).enumerate() {
            let mut rest = index;
            let mut place: Vec<usize> = shape
                .iter()
                .rev()
                .skip(1)
                .map(|&size| {
                    let position = rest % size;
                    rest /= size;
                    position
                })
                .collect();
            place.reverse();
            let place: String = place.iter().map(|position| format!("[{position}]")).collect();
            let row = row.iter().map(ToString::to_string).collect::<Vec<_>>().join(" ");
            writeln!(out, "{}{place}: {row}", field.name)?;
        }
    }
    Ok(())
}

fn to_json(table: &ReadTable) -> Result<Value> {
    let fields = table.description.fields.iter().zip(&table.numbers);
    let numbers: Map<String, Value> =
        fields.map(|(field, numbers)| (field.name.clone(), json!(numbers))).collect();
    Ok(json!({"layout": serde_json::to_value(&table.description)?, "numbers": numbers}))
}

/// One array of 64-bit integers per field, under LAYER/FIELD.
fn write_npz(path: &Path, tables: &[ReadTable]) -> Result<()> {
    let mut archive = Archive::new(BufWriter::new(File::create(path)?));
    for table in tables {
        let description = &table.description;
        for (field, numbers) in description.fields.iter().zip(&table.numbers) {
            archive.array(&format!("{}/{}", description.layer, field.name), &description.shape, numbers)?;
        }
    }
    Ok(archive.finish()?)
}
