//! Numbers and places in the words of messages, tables and reports.

/// Four significant digits.
pub fn short(x: f64) -> String {
    match x.abs() {
        magnitude if !(1e-4..1e4).contains(&magnitude) => format!("{x:.3e}"),
        magnitude if magnitude >= 1e3 => format!("{x:.0}"),
        magnitude if magnitude >= 1e2 => format!("{x:.1}"),
        magnitude if magnitude >= 1e1 => format!("{x:.2}"),
        magnitude if magnitude >= 1e0 => format!("{x:.3}"),
        magnitude if magnitude >= 1e-1 => format!("{x:.4}"),
        magnitude if magnitude >= 1e-2 => format!("{x:.5}"),
        magnitude if magnitude >= 1e-3 => format!("{x:.6}"),
        _ => format!("{x:.7}"),
    }
}

/// A number with commas.
pub fn thousands(n: usize) -> String {
    let digits = n.to_string();
    let mut text = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            text.push(',');
        }
        text.push(digit);
    }
    text
}

/// An index of (N, C, spatial...) in words.
pub fn position(index: &[usize]) -> String {
    match index {
        [image] => format!("image {image}"),
        [image, channel] => format!("image {image}, channel {channel}"),
        [image, channel, place @ ..] => {
            let place = place.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ");
            format!("image {image}, channel {channel}, position ({place})")
        }
        [] => "its only value".into(),
    }
}
