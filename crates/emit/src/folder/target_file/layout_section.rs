//! The `[layout]` section of a target file.

use toml::Spanned;
use toml::de::DeValue;

use super::reader::{Reader, Section};
use crate::memory::layout::{BankOrder, ByteOrder, Order, Side};
use crate::memory::{FieldPlan, Kind, Memory, Packing, TablePlan};

/// The name of the table that activations have.
const ACTIVATION: &str = "activation";

/// Reads the section. `usual` is what is written unless it says otherwise.
pub(super) fn read(reader: &mut Reader<'_>, section: &mut Section<'_>, usual: &[Kind]) -> Memory {
    let image = reader.flag(section, "image").unwrap_or(false);
    let common = packing(reader, section, Packing::default());
    let mut tables: Vec<TablePlan> =
        Kind::ALL.into_iter().map(|kind| table(reader, section, kind, &common)).collect();
    let activation = activation(reader, section, &common);
    let mut records = reader.section(section, "record");
    let mut in_records = Vec::new();
    for name in records.keys() {
        let offset = records.offset(name);
        if name.is_empty() || !name.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_')
        {
            reader.fault(
                offset,
                format!("record {name:?}: expected lower-case letters, digits and _ in its name"),
            );
        }
        if name == ACTIVATION || Kind::ALL.iter().any(|kind| kind.name() == name) {
            reader.fault(offset, format!("record {name:?} has the name of a kind of number"));
        }
        if let Some(record) = record(reader, &mut records, name, &common) {
            in_records.extend(record.fields.iter().map(|field| field.kind));
            tables.push(record);
        }
    }
    reader.finish(records);

    // Unless listed: the usual kinds that no record holds, and all records.
    let listed = reader.texts(section, "write");
    let tables = match listed {
        None => tables
            .into_iter()
            .filter(|table| match table.fields.as_slice() {
                [FieldPlan { kind, .. }] if kind.name() == table.name => {
                    usual.contains(kind) && !in_records.contains(kind)
                }
                _ => true,
            })
            .collect(),
        Some(listed) => {
            let mut chosen: Vec<TablePlan> = Vec::new();
            for (offset, name) in listed {
                match tables.iter().find(|table| table.name == name) {
                    Some(_) if chosen.iter().any(|table| table.name == name) => {
                        reader.fault(offset, format!("layout.write: {name:?} stands twice"));
                    }
                    Some(table) => chosen.push(table.clone()),
                    None => {
                        let known: Vec<_> = tables.iter().map(|table| table.name.as_str()).collect();
                        let text =
                            format!("layout.write: found {name:?}, expected one of {}", known.join(", "));
                        reader.fault(offset, text);
                    }
                }
            }
            chosen
        }
    };
    let memory = Memory { tables, activation, image };
    if image {
        check_image(reader, section, &memory);
    }
    memory
}

/// The keys that say how words are filled, in `[layout]` for all tables and in each table for itself.
fn packing(reader: &mut Reader<'_>, section: &mut Section<'_>, common: Packing) -> Packing {
    Packing {
        order: common.order,
        lanes: reader.size(section, "lanes", 1..=1 << 16).unwrap_or(common.lanes),
        word_bits: reader.size(section, "word_bits", 8..=1024).or(common.word_bits),
        first_lane: reader
            .choice(section, "first_lane", &[("right", Side::Right), ("left", Side::Left)])
            .unwrap_or(common.first_lane),
        byte_order: reader
            .choice(section, "byte_order", &[("little", ByteOrder::Little), ("big", ByteOrder::Big)])
            .unwrap_or(common.byte_order),
        banks: reader.size(section, "banks", 1..=4096).unwrap_or(common.banks),
        bank_order: reader
            .choice(
                section,
                "bank_order",
                &[("round-robin", BankOrder::RoundRobin), ("blocked", BankOrder::Blocked)],
            )
            .unwrap_or(common.bank_order),
        align: reader.size(section, "align", 1..=1 << 24).unwrap_or(common.align),
    }
}

/// An order, which must have the axes of what it orders.
fn order(reader: &mut Reader<'_>, section: &mut Section<'_>, axes: &str, least: &str) -> Option<Order> {
    let offset = section.offset("order");
    let order: Order = reader.parsed(section, "order", str::parse)?;
    let has = |axis: char| order.loops().iter().any(|this| this.axis == axis);
    let stranger = order.loops().iter().find(|this| !axes.contains(this.axis));
    if let Some(stranger) = stranger {
        let name = section.name("order");
        reader.fault(
            offset,
            format!("{name}: {order} has the axis {}, expected those of {axes}", stranger.axis),
        );
    }
    if let Some(missing) = least.chars().find(|&axis| !has(axis)) {
        let name = section.name("order");
        reader.fault(offset, format!("{name}: {order} lacks the axis {missing}"));
    }
    Some(order)
}

fn table(reader: &mut Reader<'_>, layout: &mut Section<'_>, kind: Kind, common: &Packing) -> TablePlan {
    let mut section = reader.section(layout, kind.name());
    let mut packing = packing(reader, &mut section, common.clone());
    // Convolutions without weights of so many axes, and linear layers, use what they have of it.
    let least = match kind {
        Kind::Weight => "OI",
        Kind::Threshold => "OT",
        _ => "O",
    };
    packing.order = order(reader, &mut section, kind.axes(), least);
    let field = FieldPlan {
        kind,
        bits: reader.size(&mut section, "bits", 1..=64),
        signed: reader.flag(&mut section, "signed"),
    };
    reader.finish(section);
    TablePlan { name: kind.name().to_owned(), fields: vec![field], packing }
}

fn activation(reader: &mut Reader<'_>, layout: &mut Section<'_>, common: &Packing) -> Option<Packing> {
    let mut section = reader.section(layout, ACTIVATION);
    let there = section.is_there();
    let mut packing = packing(reader, &mut section, common.clone());
    packing.order = order(reader, &mut section, "NCDHW", "C");
    reader.finish(section);
    (there || *common != Packing::default()).then_some(packing)
}

fn record(
    reader: &mut Reader<'_>,
    records: &mut Section<'_>,
    name: &str,
    common: &Packing,
) -> Option<TablePlan> {
    const EXPECTED: &str = "{ number = \"bias\", bits = 40 }";
    let mut section = reader.section(records, name);
    let mut packing = packing(reader, &mut section, common.clone());
    packing.order = order(reader, &mut section, "O", "O");
    let entries = reader.array(&mut section, "fields", &format!("a list of {EXPECTED}"));
    if entries.as_ref().is_none_or(Vec::is_empty) {
        let path = section.name("fields");
        reader.fault(records.offset(name), format!("{path}: expected a list of {EXPECTED}"));
    }
    let fields: Vec<_> = entries
        .into_iter()
        .flatten()
        .filter_map(|entry: &Spanned<DeValue<'_>>| {
            let mut field = reader.entry(&section, "fields", entry, EXPECTED)?;
            let kinds: Vec<_> =
                Kind::ALL.into_iter().filter(|kind| kind.axes() == "O").map(|k| (k.name(), k)).collect();
            let named = field.keys().contains(&"number");
            let kind = reader.choice(&mut field, "number", &kinds);
            let bits = reader.size(&mut field, "bits", 1..=64);
            let signed = reader.flag(&mut field, "signed");
            reader.finish(field);
            if !named {
                reader.fault(entry.span().start, format!("a field without number, expected {EXPECTED}"));
            }
            Some(FieldPlan { kind: kind?, bits, signed })
        })
        .collect();
    reader.finish(section);
    (!fields.is_empty()).then(|| TablePlan { name: name.to_owned(), fields, packing })
}

/// The tables of an image share words and banks.
fn check_image(reader: &mut Reader<'_>, section: &Section<'_>, memory: &Memory) {
    let shared = |plan: &TablePlan| (plan.packing.word_bits, plan.packing.banks, plan.packing.byte_order);
    let offset = section.offset("image");
    if memory.tables.iter().any(|table| table.packing.word_bits.is_none()) {
        reader.fault(offset, "layout.image: one image has words of one width; give layout.word_bits");
    } else if memory.tables.windows(2).any(|pair| shared(&pair[0]) != shared(&pair[1])) {
        let text = "layout.image: all tables of one image have the same word_bits, banks and byte_order";
        reader.fault(offset, text);
    }
}
