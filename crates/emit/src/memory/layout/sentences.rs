//! A layout in words, for the head of a file.

use super::{BankOrder, ByteOrder, Description, Side};

/// What lies in a memory and how, one sentence a line.
pub fn sentences(description: &Description) -> Vec<String> {
    let Description { layer, name, axes, shape, fields, order, lanes, word_bits, .. } = description;
    let sizes = shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
    let of_layer = if layer.is_empty() { String::new() } else { format!(" of layer {layer:?}") };
    let mut lines = vec![format!("{name}{of_layer}: {axes} {sizes}.")];
    let first = match description.first_lane {
        Side::Right => "lowest",
        Side::Left => "highest",
    };
    let widths: Vec<String> = fields
        .iter()
        .map(|field| {
            let sign = if field.signed { "signed" } else { "unsigned" };
            format!("{} {sign} {} bits", field.name, field.bits)
        })
        .collect();
    match widths.as_slice() {
        [one] => lines.push(format!("Each element: {one}.")),
        _ => lines.push(format!("Each element: {}; the first in the {first} bits.", widths.join(", "))),
    }
    if shape.len() > 1 || !order.is_row_major(axes) {
        let loops: Vec<String> = order
            .loops()
            .iter()
            .map(|this| match this.block {
                Some(block) => format!("{block} of {}", this.axis),
                None if order
                    .loops()
                    .iter()
                    .any(|other| other.axis == this.axis && other.block.is_some()) =>
                {
                    format!("blocks of {}", this.axis)
                }
                None => this.axis.to_string(),
            })
            .collect();
        let has_blocks = order.loops().iter().any(|this| this.block.is_some());
        lines.push(format!(
            "Order {order}: {}; the last runs fastest{}.",
            loops.join(", "),
            if has_blocks { "; what a block lacks is 0" } else { "" }
        ));
    }
    let cell_bits: u32 = fields.iter().map(|field| field.bits).sum();
    let entry_bits = u64::from(*lanes) * u64::from(cell_bits);
    let words_per_entry = entry_bits.div_ceil(u64::from((*word_bits).max(1)));
    let unused = words_per_entry * u64::from(*word_bits) - entry_bits;
    let elements = if *lanes == 1 {
        "one element".to_owned()
    } else {
        format!("{lanes} elements, the first in the {first} bits")
    };
    let words = match (words_per_entry, description.byte_order) {
        (1, _) => format!("Each word of {word_bits} bits holds {elements}"),
        (count, ByteOrder::Little) => {
            format!("{count} words of {word_bits} bits, the lowest first, hold {elements}")
        }
        (count, ByteOrder::Big) => {
            format!("{count} words of {word_bits} bits, the highest first, hold {elements}")
        }
    };
    match unused {
        0 => lines.push(format!("{words}.")),
        1 => lines.push(format!("{words}; the highest bit is 0.")),
        _ => lines.push(format!("{words}; the highest {unused} bits are 0.")),
    }
    if description.banks > 1 {
        let banks = description.banks;
        lines.push(match description.bank_order {
            BankOrder::RoundRobin => format!("{banks} banks take turns."),
            BankOrder::Blocked => format!("{banks} banks, each with as many that follow each other."),
        });
    }
    if description.align > 1 {
        lines.push(format!("Filled up with 0 to a multiple of {} words.", description.align));
    }
    lines
}
