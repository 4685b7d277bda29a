//! Packed words worked out by hand, and the inverse on random layouts.

use proptest::prelude::*;

use super::*;

fn field(name: &str, bits: u32, signed: bool) -> Field {
    Field { name: name.to_owned(), bits, signed }
}

fn description(fields: Vec<Field>, axes: &str, shape: &[usize]) -> Description {
    let plain = Description::plain("conv1", fields[0].clone(), axes, shape);
    Description { fields, ..plain }
}

fn hex(words: &Words) -> Vec<String> {
    words.iter().map(|word| word.iter().rev().map(|byte| format!("{byte:02x}")).collect()).collect()
}

#[test]
fn words_are_those_worked_by_hand() {
    let plain = description(vec![field("weight", 8, true)], "OI", &[2, 3]);
    let codes = [1_i64, -2, 3, -4, 5, -6];
    let rows: [(&str, Description, Vec<Vec<&str>>); 9] = [
        ("plain", plain.clone(), vec![vec!["01", "fe", "03", "fc", "05", "fa"]]),
        (
            "lanes from the right",
            Description { lanes: 4, word_bits: 32, ..plain.clone() },
            vec![vec!["fc03fe01", "0000fa05"]],
        ),
        (
            "lanes from the left",
            Description { lanes: 4, word_bits: 32, first_lane: Side::Left, ..plain.clone() },
            vec![vec!["01fe03fc", "05fa0000"]],
        ),
        (
            "four bits, two a byte",
            Description { fields: vec![field("weight", 4, true)], lanes: 2, ..plain.clone() },
            vec![vec!["e1", "c3", "a5"]],
        ),
        (
            "transposed, tiles",
            Description { order: "IO2o".parse().unwrap(), lanes: 2, word_bits: 16, ..plain.clone() },
            vec![vec!["fc01", "05fe", "fa03"]],
        ),
        (
            "words of 18 bits",
            Description { lanes: 2, word_bits: 18, first_lane: Side::Left, ..plain.clone() },
            vec![vec!["0001fe", "0003fc", "0005fa"]],
        ),
        (
            "two banks in turn",
            Description { banks: 2, align: 4, ..plain.clone() },
            vec![vec!["01", "03", "05", "00"], vec!["fe", "fc", "fa", "00"]],
        ),
        (
            "four banks in blocks",
            Description { banks: 4, bank_order: BankOrder::Blocked, ..plain.clone() },
            vec![vec!["01", "fe"], vec!["03", "fc"], vec!["05", "fa"], vec!["00", "00"]],
        ),
        (
            "twelve bits over bytes, big end first",
            Description {
                fields: vec![field("weight", 12, true)],
                byte_order: ByteOrder::Big,
                ..plain.clone()
            },
            vec![vec!["00", "01", "0f", "fe", "00", "03", "0f", "fc", "00", "05", "0f", "fa"]],
        ),
    ];
    let mut failures = Vec::new();
    for (what, description, expected) in rows {
        let banks = pack(&description, &[&codes]).unwrap();
        let found: Vec<_> = banks.iter().map(hex).collect();
        if found != expected {
            failures.push(format!("{what}: {found:?}, expected {expected:?}"));
        }
        assert_eq!(unpack(&description, &banks).unwrap(), [codes], "{what}");
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn a_record_takes_ten_bytes() {
    let fields = vec![field("bias", 40, true), field("multiplier", 32, false), field("shift", 6, false)];
    let record = Description { word_bits: 8, ..description(fields, "O", &[2]) };
    let numbers: [&[i64]; 3] = [&[-2, 1 << 36], &[0x8000_0001, 3], &[63, 1]];
    let banks = pack(&record, &numbers).unwrap();
    // Of the first: bias ff_ffff_fffe, multiplier 8000_0001, shift 3f, from the lowest bit on.
    let first = ["fe", "ff", "ff", "ff", "ff", "01", "00", "00", "80", "3f"];
    let second = ["00", "00", "00", "00", "10", "03", "00", "00", "00", "01"];
    assert_eq!(hex(&banks[0]), [first, second].concat());
    assert_eq!(unpack(&record, &banks).unwrap(), numbers);

    // As one word, the bias on the left.
    let wide = Description { word_bits: 80, first_lane: Side::Left, ..record };
    let banks = pack(&wide, &numbers).unwrap();
    // 0xfffffffffe << 38 | 0x80000001 << 6 | 63
    assert_eq!(hex(&banks[0])[0], format!("{:020x}", (0xff_ffff_fffe_u128 << 38) | (0x8000_0001 << 6) | 63));
    assert_eq!(unpack(&wide, &banks).unwrap(), numbers);
}

#[test]
fn what_does_not_fit_is_refused() {
    let signed = description(vec![field("shift", 6, true)], "O", &[2]);
    let error = pack(&signed, &[&[31, 37]]).unwrap_err().to_string();
    assert_eq!(error, "shift: 37 at element 1 does not fit in 6 bits with a sign");
    let unsigned = description(vec![field("shift", 6, false)], "O", &[2]);
    assert!(pack(&unsigned, &[&[0, -1]]).is_err());
    assert!(pack(&unsigned, &[&[0, 64]]).is_err());
    assert!(pack(&unsigned, &[&[0]]).is_err());
    assert!(pack(&Description { word_bits: 7, ..unsigned.clone() }, &[&[0, 1]]).is_err());
    assert!(pack(&Description { lanes: 0, ..unsigned.clone() }, &[&[0, 1]]).is_err());
    assert!(pack(&Description { lanes: 1 << 15, ..unsigned }, &[&[0, 1]]).is_err());
}

#[test]
fn words_that_packing_does_not_write_are_refused() {
    let layout = Description {
        lanes: 2,
        word_bits: 18,
        align: 4,
        ..description(vec![field("weight", 8, true)], "O", &[3])
    };
    let good = pack(&layout, &[&[1, 2, 3]]).unwrap().remove(0);
    assert!(unpack(&layout, std::slice::from_ref(&good)).is_ok());
    // An unused bit, the padding of the last entry, and the fill.
    for (word, bits) in [(0, [0, 0, 1]), (1, [0, 1, 0]), (3, [1, 0, 0])] {
        let mut bad = Words::new(18);
        for (index, old) in good.iter().enumerate() {
            let set: Vec<u8> =
                old.iter().zip(bits).map(|(o, b)| if index == word { o | b } else { *o }).collect();
            bad.push(&set).unwrap();
        }
        let error = unpack(&layout, &[bad]).unwrap_err().to_string();
        assert!(error.contains("not zero"), "{error}");
    }
    assert!(unpack(&layout, &[good.slice(0..3).unwrap()]).is_err());
    assert!(unpack(&layout, &[Words::new(18)]).is_err());
    assert!(unpack(&layout, &[]).is_err());
}

#[test]
fn a_description_of_more_than_there_is_allocates_nothing() {
    let huge = description(vec![field("weight", 8, true)], "OIHW", &[1 << 30, 1 << 30, 1, 1]);
    assert!(unpack(&huge, &[Words::new(8)]).is_err());
    let huger = description(vec![field("weight", 8, true)], "OIHW", &[usize::MAX, 2, 1, 1]);
    assert!(unpack(&huger, &[Words::new(8)]).is_err());
}

/// Any layout of a small tensor, with as many numbers as it holds.
fn any_layout() -> impl Strategy<Value = (Description, Vec<Vec<i64>>)> {
    let shapes = prop_oneof![
        (1_usize..9).prop_map(|o| ("O", vec![o])),
        (1_usize..6, 1_usize..6).prop_map(|(o, i)| ("OI", vec![o, i])),
        (1_usize..5, 1_usize..4, 1_usize..4, 1_usize..4).prop_map(|(o, i, h, w)| ("OIHW", vec![o, i, h, w])),
    ];
    let order = Just("OIHW".chars().collect::<Vec<_>>()).prop_shuffle();
    let blocks =
        proptest::collection::vec((proptest::sample::select(vec!['o', 'i', 'h', 'w']), 2_u32..6), 0..3);
    let field = (1_u32..=64, any::<bool>());
    let packing = (1_u32..6, 8_u32..=1024, any::<bool>(), any::<bool>(), 1_u32..5, any::<bool>(), 1_u32..7);
    (shapes, order, blocks, proptest::collection::vec(field, 1..4), packing).prop_flat_map(
        |((axes, shape), order, blocks, widths, (lanes, word_bits, left, big, banks, blocked, align))| {
            let blocks: String = blocks.iter().map(|(axis, size)| format!("{size}{axis}")).collect();
            let order = format!("{}{blocks}", order.into_iter().collect::<String>());
            let fields: Vec<Field> = widths
                .iter()
                .enumerate()
                .map(|(index, &(bits, signed))| Field { name: format!("field{index}"), bits, signed })
                .collect();
            let elements = shape.iter().product::<usize>();
            let numbers: Vec<_> = fields
                .iter()
                .map(|field| {
                    let (min, max) = match (field.signed, field.bits) {
                        (true, bits) => (i64::MIN >> (64 - bits), i64::MAX >> (64 - bits)),
                        (false, bits) => (0, i64::MAX >> (63_u32.saturating_sub(bits))),
                    };
                    proptest::collection::vec(min..=max, elements)
                })
                .collect();
            let description = Description {
                layer: "layer".to_owned(),
                name: "record".to_owned(),
                axes: axes.to_owned(),
                shape,
                fields,
                order: order.parse().unwrap(),
                lanes,
                word_bits,
                first_lane: if left { Side::Left } else { Side::Right },
                byte_order: if big { ByteOrder::Big } else { ByteOrder::Little },
                banks,
                bank_order: if blocked { BankOrder::Blocked } else { BankOrder::RoundRobin },
                align,
            };
            (Just(description), numbers)
        },
    )
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(1000))]

    #[test]
    fn unpacking_is_the_inverse_of_packing((description, numbers) in any_layout()) {
        let lists: Vec<&[i64]> = numbers.iter().map(Vec::as_slice).collect();
        let banks = pack(&description, &lists).unwrap();
        prop_assert!(banks.iter().all(|bank| bank.len() == description.words_per_bank().unwrap()));
        prop_assert_eq!(unpack(&description, &banks).unwrap(), numbers);
        let text = serde_json::to_string(&description).unwrap();
        prop_assert_eq!(serde_json::from_str::<Description>(&text).unwrap(), description);
    }
}
