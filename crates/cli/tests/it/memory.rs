//! Golden values and dumps in the layout of a machine's memory. The files that are expected are made by `layouts.py`.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::command::gen_params;

const MODEL: &str = "tests/fixtures/layers/conv2d_fbgemm/script.pt";
const INPUT: &str = "--input tests/fixtures/target/planted/input.npy";

/// Name of the layout in `layouts.py`, and the target that describes it.
const LAYOUTS: [(&str, &str); 2] = [
    ("tiles", "[layout.activation]\norder = \"NHWC4c\"\nlanes = 4\n"),
    (
        "banks",
        "[layout.activation]\norder = \"HWC\"\nlanes = 3\nword_bits = 32\nfirst_lane = \"left\"\nbyte_order = \"big\"\nbanks \
         = 2\nalign = 8\n",
    ),
];

/// What the script prints; `None`, saying so, without Python.
fn python(arguments: &[&str]) -> Option<String> {
    let script = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/it/layouts.py");
    let output = Command::new("python3").arg(script).args(arguments).output();
    let output = output.inspect_err(|error| println!("not checked by Python: {error}")).ok()?;
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    Some(String::from_utf8(output.stdout).unwrap())
}

/// A folder with golden values in a layout, and the target in `target.toml`.
fn golden(target: &str) -> tempfile::TempDir {
    let place = tempfile::tempdir().unwrap();
    fs::write(place.path().join("target.toml"), target).unwrap();
    let words = format!(
        "run {MODEL} {INPUT} --contract target --target FOLDER/target.toml --golden FOLDER/golden --stages --json \
         --format hex,raw,list"
    );
    let done = gen_params(place.path(), &words);
    assert_eq!(done.code, 0, "{}", done.stderr);
    place
}

fn compare(place: &Path, options: &str) -> (i32, serde_json::Value, String) {
    let words =
        format!("compare {MODEL} --dump FOLDER/dump {INPUT} --target FOLDER/target.toml --json {options}");
    let done = gen_params(place, &words);
    (done.code, serde_json::from_str(&done.stdout).unwrap_or_default(), done.stderr)
}

#[test]
fn golden_codes_lie_as_the_target_says() {
    for (name, target) in LAYOUTS {
        let place = golden(target);
        let folder = place.path().display().to_string();
        let Some(found) = python(&["check", &folder, name]) else { return };
        assert!(found.ends_with("files are as they should be\n") && !found.starts_with("0 "), "{found}");
        // They say themselves how they lie: without the target, too, they are what they should be.
        let words = format!("compare {MODEL} --dump FOLDER/golden");
        let done = gen_params(place.path(), &words);
        assert_eq!((done.code, done.stderr.as_str()), (0, ""), "{}", done.stdout);
    }
}

#[test]
fn dumps_are_read_in_the_layout_of_the_memory() {
    let formats = ["hex", "bin", "coe", "mif", "raw", "ihex", "dec", "csv", "npy"];
    let mut failures = Vec::new();
    for (name, target) in LAYOUTS {
        let place = golden(target);
        let folder = place.path().display().to_string();
        for format in formats {
            let dump = place.path().join("dump");
            if python(&["write", &folder, name, format]).is_none() {
                return;
            }
            let (code, report, error) = compare(place.path(), "");
            if code != 0 {
                failures.push(format!("{name}, {format}: {report} {error}"));
            }
            // One code of the second image is wrong.
            python(&["write", &folder, name, format, "conv2_output", "1", "2", "0", "1"]).unwrap();
            let (code, report, error) = compare(place.path(), "");
            let found = (&report["layer"], &report["stage"], &report["first"], &report["mismatches"]);
            let expected = ("conv2".into(), "output".into(), vec![1, 2, 0, 1].into(), 1.into());
            if code != 1 || found != (&expected.0, &expected.1, &expected.2, &expected.3) {
                failures.push(format!("{name}, {format}: {report} {error}"));
            }
            fs::remove_dir_all(dump).unwrap();
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn a_dump_in_another_layout_is_told() {
    let (name, target) = LAYOUTS[0];
    let place = golden(target);
    let folder = place.path().display().to_string();
    if python(&["write", &folder, name, "hex"]).is_none() {
        return;
    }
    let others = [
        ("first_lane = \"left\"", "the first lane of each word is in its lowest bits and not in its highest"),
        ("banks = 1", ""),
    ];
    for (line, cause) in others {
        fs::write(place.path().join("target.toml"), format!("{target}{line}\n")).unwrap();
        let (code, report, error) = compare(place.path(), "");
        let expected = if cause.is_empty() { 0 } else { 1 };
        assert_eq!(code, expected, "{report} {error}");
        assert_eq!(report["causes"][0].as_str().unwrap_or_default(), cause, "{report}");
    }
    let screen = |target: &str| {
        fs::write(place.path().join("target.toml"), target).unwrap();
        let words = format!("compare {MODEL} --dump FOLDER/dump {INPUT} --target FOLDER/target.toml");
        gen_params(place.path(), &words).text(place.path())
    };
    insta::assert_snapshot!("other_lanes", screen("[layout.activation]\norder = \"NHWC8c\"\nlanes = 8\n"));
    insta::assert_snapshot!(
        "reversed_lanes",
        screen("[layout.activation]\norder = \"NHWC4c\"\nlanes = 4\nfirst_lane = \"left\"\n")
    );
}

#[test]
fn formats_without_values_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let words = format!("run {MODEL} {INPUT} --contract target --golden FOLDER/golden --format svh");
    let done = gen_params(place.path(), &words);
    assert_eq!(done.code, 2);
    assert!(done.stderr.contains("files of svh hold constants"), "{}", done.stderr);
}
