//! JSON for people: two spaces of indent, and a list of numbers on one line.

use std::io::{self, Write};

use serde_json::Value;

/// Writes `value` and a newline.
pub(crate) fn write(out: &mut (impl Write + ?Sized), value: &Value) -> io::Result<()> {
    write_value(out, value, 0)?;
    out.write_all(b"\n")
}

fn write_value(out: &mut (impl Write + ?Sized), value: &Value, depth: usize) -> io::Result<()> {
    match value {
        Value::Object(fields) if !fields.is_empty() => {
            out.write_all(b"{")?;
            for (index, (name, field)) in fields.iter().enumerate() {
                begin_line(out, index, depth + 1)?;
                serde_json::to_writer(&mut *out, name)?;
                out.write_all(b": ")?;
                write_value(out, field, depth + 1)?;
            }
            end_lines(out, depth)?;
            out.write_all(b"}")
        }
        Value::Array(entries) if entries.iter().all(Value::is_number) => {
            out.write_all(b"[")?;
            for (index, entry) in entries.iter().enumerate() {
                let before = if index == 0 { "" } else { ", " };
                write!(out, "{before}{entry}")?;
            }
            out.write_all(b"]")
        }
        Value::Array(entries) => {
            out.write_all(b"[")?;
            for (index, entry) in entries.iter().enumerate() {
                begin_line(out, index, depth + 1)?;
                write_value(out, entry, depth + 1)?;
            }
            end_lines(out, depth)?;
            out.write_all(b"]")
        }
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) | Value::Object(_) => {
            serde_json::to_writer(out, value).map_err(Into::into)
        }
    }
}

fn begin_line(out: &mut (impl Write + ?Sized), index: usize, depth: usize) -> io::Result<()> {
    write!(out, "{}\n{:indent$}", if index == 0 { "" } else { "," }, "", indent = 2 * depth)
}

fn end_lines(out: &mut (impl Write + ?Sized), depth: usize) -> io::Result<()> {
    write!(out, "\n{:indent$}", "", indent = 2 * depth)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn numbers_share_a_line_and_nothing_else_does() {
        let value = json!({
            "z": [1, -2, 0.1], "a": {"name": "a \"b\"\n", "none": null, "empty": {}, "list": []},
            "rows": [{"x": true}, "text"],
        });
        let mut text = Vec::new();
        write(&mut text, &value).unwrap();
        let expected = r#"{
  "z": [1, -2, 0.1],
  "a": {
    "name": "a \"b\"\n",
    "none": null,
    "empty": {},
    "list": []
  },
  "rows": [
    {
      "x": true
    },
    "text"
  ]
}
"#;
        assert_eq!(String::from_utf8(text).unwrap(), expected);
    }
}
