//! Whatever is written, in any layout and format, is read back to the numbers that it was made from.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use gen_params_core::parameters::{LayerParameters, Parameters};
use gen_params_emit::folder::read_back::read_tables;
use gen_params_emit::folder::target_file::{Preset, TargetFile};
use gen_params_emit::{Existing, Format, Formats, Manifest, write_for_target};

use crate::sample::{conv, depthwise, linear, network, sample, transposed};

/// A network whose numbers fit into every preset's fields.
fn modest() -> Parameters {
    let mut first = conv();
    first.bias = Some(vec![-17, 0, 1 << 20]);
    first.folded_bias = Some(vec![-(1 << 24), -390, (1 << 24) - 1]);
    first.multiplier = Some(vec![1, 77_777, (1 << 17) - 1]);
    first.shift = Some(vec![0, 17, 63]);
    // As many as there are steps from 0 to 255.
    first.thresholds = Some((-300..465).collect());
    let mut second = depthwise();
    second.multiplier = Some(vec![1 << 16; 2]);
    second.shift = Some(vec![37; 2]);
    let third = LayerParameters { multiplier: second.multiplier.clone(), ..transposed() };
    network(vec![first, second, linear(), third])
}

/// The numbers of every layer by kind, as a reader of the model knows them.
fn source(parameters: &Parameters) -> BTreeMap<(String, String), Vec<i64>> {
    let mut numbers = BTreeMap::new();
    for layer in &parameters.layers {
        let mut add = |kind: &str, values: Option<Vec<i64>>| {
            numbers.extend(values.map(|values| ((layer.name.clone(), kind.to_owned()), values)));
        };
        let wide = |values: &[i32]| values.iter().map(|&value| i64::from(value)).collect::<Vec<_>>();
        let offset = i64::from(layer.weight.offset);
        add("weight", Some(layer.weight.codes.iter().map(|&code| i64::from(code) + offset).collect()));
        add("bias", layer.bias.clone());
        add("weight_sum", layer.file_weight_sum().as_deref().map(wide));
        add("rounding_constant", layer.rounding_constant.clone());
        add("threshold", layer.thresholds.clone());
        add("folded_bias", layer.folded_bias.clone());
        add(
            "multiplier",
            layer.multiplier.as_ref().map(|values| values.iter().map(|&value| value.into()).collect()),
        );
        add("shift", layer.shift.as_deref().map(wide));
        add("exponent", layer.shift.as_ref().map(|shift| shift.iter().map(|n| i64::from(31 - n)).collect()));
    }
    numbers
}

fn write(directory: &Path, parameters: &Parameters, target: &TargetFile) -> Manifest {
    let formats = Formats::from_iter(Format::ALL);
    write_for_target(directory, parameters, None, &formats, target, Existing::KeepForeign).unwrap()
}

/// Reads every file of words of a folder; every number must be that of the source, and each kind be in every format.
fn check(
    directory: &Path,
    parameters: &Parameters,
    target: &TargetFile,
    failures: &mut Vec<String>,
) -> usize {
    let expected = source(parameters);
    let mut read = 0;
    for entry in fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        let nested = target.memory.is_usual() && name == "params.h";
        if nested
            || ["manifest.json", "params.npz", "params.svh"].contains(&name.as_str())
            || name.ends_with(".txt")
        {
            continue;
        }
        let tables = match read_tables(&path) {
            Ok(tables) => tables,
            Err(error) => {
                failures.push(format!("{name}: {error}"));
                continue;
            }
        };
        read += 1;
        for table in &tables {
            for (field, numbers) in table.description.fields.iter().zip(&table.numbers) {
                let key = (table.description.layer.clone(), field.name.clone());
                if expected.get(&key) != Some(numbers) {
                    failures.push(format!("{name}: {key:?}: {numbers:?}, expected {:?}", expected.get(&key)));
                }
            }
        }
    }
    read
}

#[test]
fn every_preset_is_read_back_from_every_format() {
    let place = tempfile::tempdir().unwrap();
    let parameters = modest();
    let mut failures = Vec::new();
    println!("{:<14} {:>6} {:>6}", "preset", "files", "read");
    for preset in Preset::ALL {
        let target = preset.read().unwrap();
        let directory = place.path().join(preset.name);
        let manifest = write(&directory, &parameters, &target);
        let read = check(&directory, &parameters, &target, &mut failures);
        println!("{:<14} {:>6} {read:>6}", preset.name, manifest.files.len());
        assert!(read > 50, "{}: {read} files", preset.name);
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

/// Layouts that no preset has.
const LAYOUTS: [(&str, &str); 6] = [
    (
        "a PE array: tiles of 16 by 16, one row of it a word",
        "[layout]\nlanes = 16\nword_bits = 128\n[layout.weight]\norder = 'OIHW16i16o'\n[layout.shift]\nlanes = 8\n",
    ),
    ("banks in turn", "[layout]\nbanks = 3\nalign = 4\nlanes = 2\nbyte_order = 'big'\n"),
    ("banks in blocks", "[layout]\nbanks = 4\nbank_order = 'blocked'\nfirst_lane = 'left'\nlanes = 3\n"),
    (
        "one image of bytes",
        "[layout]\nword_bits = 8\nimage = true\nalign = 64\n[layout.weight]\norder = 'OHWI'\n",
    ),
    ("one image in two banks", "[layout]\nword_bits = 36\nimage = true\nbanks = 2\nalign = 8\nlanes = 4\n"),
    (
        "a record of 10 bytes, and words wider than any integer",
        "[layout]\nwrite = ['weight', 'channel']\n[layout.weight]\nword_bits = 1024\nlanes = 20\n\
         [layout.record.channel]\nword_bits = 8\nbyte_order = 'big'\nfields = [{ number = 'bias', bits = 40 }, \
         { number = 'multiplier', bits = 32 }, { number = 'shift', bits = 6, signed = false }]\n",
    ),
];

#[test]
fn every_layout_is_read_back_from_every_format() {
    let place = tempfile::tempdir().unwrap();
    let parameters = modest();
    let mut failures = Vec::new();
    for (index, (what, toml)) in LAYOUTS.iter().enumerate() {
        let target = TargetFile::parse(toml).unwrap_or_else(|error| panic!("{what}: {error}"));
        let directory = place.path().join(index.to_string());
        let files = write(&directory, &parameters, &target).files.len();
        let read = check(&directory, &parameters, &target, &mut failures);
        println!("{what}: {files} files, {read} read");
        assert!(read >= 14, "{what}: {read} files");
    }
    assert!(failures.is_empty(), "{failures:#?}");
}

#[test]
fn damaged_files_are_refused_and_never_panic() {
    let place = tempfile::tempdir().unwrap();
    let target = TargetFile::parse(LAYOUTS[1].1).unwrap();
    let parameters = modest();
    write(place.path().join("weight").as_path(), &parameters, &target);
    let mut changed = 0;
    for entry in fs::read_dir(place.path().join("weight")).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if !(name.starts_with("conv1_weight_bank0") || name.starts_with("params")) {
            continue;
        }
        let bytes = fs::read(&path).unwrap();
        for cut in [0, 1, bytes.len() / 3, bytes.len() / 2, bytes.len() - 2] {
            fs::write(&path, &bytes[..cut]).unwrap();
            // Any answer but a panic.
            changed += usize::from(read_tables(&path).is_err());
        }
        for position in (0..bytes.len()).step_by(bytes.len() / 40 + 1) {
            let mut damaged = bytes.clone();
            damaged[position] ^= 0x15;
            fs::write(&path, damaged).unwrap();
            changed += usize::from(read_tables(&path).is_err());
        }
        fs::write(&path, bytes).unwrap();
    }
    assert!(changed > 100, "{changed} refused");
}

#[test]
fn a_number_that_does_not_fit_is_an_error_that_names_it() {
    let place = tempfile::tempdir().unwrap();
    let target = TargetFile::parse("[layout.weight]\nbits = 4\n").unwrap();
    let error = write_for_target(
        &place.path().join("weight"),
        &network(vec![conv()]),
        None,
        &Formats::default(),
        &target,
        Existing::KeepForeign,
    )
    .unwrap_err();
    let expected =
        "layer \"conv1\": table weight: weight: -128 at element 0 does not fit in 4 bits with a sign";
    assert_eq!(error.to_string(), expected);
    assert!(!place.path().join("weight").exists());
}

#[test]
fn faults_of_a_target_file_are_all_listed_with_their_lines() {
    let text = "\
[multiplier]
bits = 99
shift = 'chanel'

[product]
roundng = 'half-up'

[activation]
range = [127, 0]
zero_point = 'before-rounding'

[layout]
word_bits = 4
write = ['weight', 'weights']

[layout.weight]
order = 'OHW'
lanes = '16'

[layout.record.pair]
fields = [{ number = 'bais' }]
";
    let found = TargetFile::parse(text).unwrap_err().with_file("my.toml");
    let expected = "\
my.toml:2: multiplier.bits: found 99, expected 1 to 32
my.toml:3: multiplier.shift: found \"chanel\", expected \"channel\", \"layer\", \"network\"
my.toml:6: unknown key \"roundng\" in [product]; the nearest known is \"rounding\", of: bits, rounding
my.toml:9: activation.range: found a value of type array, expected [min, max] within -128 to 255
my.toml:13: layout.word_bits: found 4, expected 8 to 1024
my.toml:14: layout.write: found \"weights\", expected one of weight, bias, weight_sum, folded_bias, multiplier, shift, \
exponent, rounding_constant, threshold
my.toml:17: layout.weight.order: OHW lacks the axis I
my.toml:18: layout.weight.lanes: found \"16\", expected 1 to 65536
my.toml:21: layout.record.pair.fields.number: found \"bais\", expected \"bias\", \"weight_sum\", \"folded_bias\", \
\"multiplier\", \"shift\", \"exponent\", \"rounding_constant\"";
    assert_eq!(found, expected);

    let half_even = "[product]\nrounding = 'half-even'\n[activation]\nzero_point = 'before-rounding'\n";
    let found = TargetFile::parse(half_even).unwrap_err().with_file("my.toml");
    assert!(found.starts_with("my.toml:4: activation.zero_point: with rounding half-even"), "{found}");
    let found = TargetFile::parse("[multiplier\n").unwrap_err().with_file("my.toml");
    assert!(found.starts_with("my.toml:1: "), "{found}");
    let found = TargetFile::parse("[layout]\nimage = true\n").unwrap_err().with_file("my.toml");
    assert!(found.contains("give layout.word_bits"), "{found}");
}

#[test]
fn the_first_preset_says_what_is_so_without_any() {
    let mut q31 = Preset::named("q31").unwrap().read().unwrap();
    assert_eq!(q31.formats, Some(Formats::default()));
    q31.description.clear();
    q31.formats = None;
    assert_eq!(q31, TargetFile::default());
}

/// Identifiers of the layers of [`sample`].
const PREFIXES: [&str; 4] = ["CONV1", "FEATURES_0_DEPTH_WISE", "LAYER_1", "UP_____"];

#[test]
fn the_plain_header_is_read_back() {
    let parameters = sample();
    let place = tempfile::tempdir().unwrap();
    let folder = place.path().join("weight");
    write(&folder, &parameters, &TargetFile::default());
    let found = read_tables(&folder.join("params.h")).unwrap();
    let mut found: BTreeMap<String, _> =
        found.into_iter().map(|table| (table.description.name.clone(), table)).collect();
    let usual = ["weight", "bias", "weight_sum", "folded_bias", "multiplier", "shift", "rounding_constant"];
    let mut failures = Vec::new();
    for ((layer, kind), numbers) in source(&parameters) {
        if !usual.contains(&kind.as_str()) {
            continue;
        }
        let index = parameters.layers.iter().position(|known| known.name == layer).unwrap();
        let name = format!("{}_{}", PREFIXES[index], kind.to_uppercase());
        let layer = &parameters.layers[index];
        let shape = if kind == "weight" { layer.weight.shape.clone() } else { vec![layer.channels] };
        let axes = if kind == "weight" { layer.kind.axes() } else { "O" };
        match found.remove(&name) {
            Some(table)
                if table.numbers == [numbers]
                    && table.description.shape == shape
                    && table.description.axes == axes => {}
            other => failures.push(format!("{name}: {other:?}")),
        }
    }
    // Of what is no kind of number, only zero points per channel are arrays here.
    let others: Vec<&String> = found.keys().collect();
    assert_eq!(others, ["UP______WEIGHT_ZERO_POINT"]);
    assert!(failures.is_empty(), "{}", failures.join("\n"));

    let text = fs::read_to_string(folder.join("params.h")).unwrap();
    let damaged = [
        ("static const int8_t CONV1_WEIGHT[3]", "static const int8_t CONV1_WEIGHT[4]", "12 numbers"),
        ("static const int8_t CONV1_WEIGHT[3]", "static const float CONV1_WEIGHT[3]", "float CONV1_WEIGHT"),
        ("{{{{-128, ", "{{{{-129, ", "beyond its type"),
        ("{{{{-128, ", "{{{{-12x, ", "-12x"),
        ("CONV1_WEIGHT[3][1]", "CONV1_WEIGHT[18446744073709551615][18446744073709551615]", "beyond its type"),
    ];
    for (sound, other, expected) in damaged {
        assert!(text.contains(sound), "{sound}");
        fs::write(folder.join("params.h"), text.replacen(sound, other, 1)).unwrap();
        let error = read_tables(&folder.join("params.h")).unwrap_err().to_string();
        assert!(error.contains(expected), "{other}: {error}");
    }
}
