//! Numbers and names as C writes them.

use std::fmt::{Display, Write as _};

/// Number of elements of a shape.
pub(crate) fn count(shape: &[usize]) -> usize {
    shape.iter().product()
}

/// `(16, 28, 28)`.
pub(crate) fn shape(sizes: &[usize]) -> String {
    format!("({})", sizes.iter().map(usize::to_string).collect::<Vec<_>>().join(", "))
}

/// A name that cannot end the comment it stands in.
pub(crate) fn in_comment(name: &str) -> String {
    name.escape_debug().to_string().replace("*/", "* /").replace("/*", "/ *")
}

/// `static const TYPE NAME[N] = {...};`, sixteen numbers a line.
pub(crate) fn array(element: &str, name: &str, values: &[impl Display]) -> String {
    let mut text = format!("static const {element} {name}[{}] = {{", values.len());
    list(&mut text, values);
    text.push_str("\n};\n");
    text
}

/// Appends numbers, sixteen a line.
pub(crate) fn list(text: &mut String, values: &[impl Display]) {
    for (index, value) in values.iter().enumerate() {
        let before = match index {
            0 => "\n    ",
            _ if index % 16 == 0 => ",\n    ",
            _ => ", ",
        };
        let _ = write!(text, "{before}{value}");
    }
}

/// One-dimensional arrays that are all the same number are still arrays: kernels index them.
pub(crate) fn bytes(values: &[i32]) -> Vec<u8> {
    values.iter().map(|value| value.to_le_bytes()[0]).collect()
}
