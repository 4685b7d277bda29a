//! No `.pt2` archive makes the reader panic, hang, or allocate much more than the file itself.

use std::io::Write as _;
use std::panic::catch_unwind;
use std::time::Duration;

use gen_params_formats::read;
use gen_params_test_support::processor_time;
use zip::CompressionMethod;

use crate::{ALLOCATOR, alone};

const MOST_MEMORY: usize = 64 << 20;
const MOST_TIME: Duration = Duration::from_secs(2);

fn archive(entries: &[(&str, &[u8])], compression: CompressionMethod) -> Vec<u8> {
    let options = zip::write::SimpleFileOptions::default().compression_method(compression);
    let mut writer = zip::ZipWriter::new(std::io::Cursor::new(Vec::new()));
    for (name, bytes) in entries {
        writer.start_file(*name, options).unwrap();
        writer.write_all(bytes).unwrap();
    }
    writer.finish().unwrap().into_inner()
}

/// A program of these input specs, nodes and output specs.
fn program(inputs: &str, nodes: &str, outputs: &str) -> String {
    format!(
        r#"{{"graph_module": {{"graph": {{"nodes": [{nodes}]}}, "signature": {{"input_specs": [{inputs}], "output_specs": [{outputs}]}}}}, "schema_version": {{"major": 8, "minor": 14}}}}"#
    )
}

/// An archive of a program and a list of tensors, whose only bytes are eight zeros.
fn file(program: &str, config: &str) -> Vec<u8> {
    let entries: [(&str, &[u8]); 6] = [
        ("m/archive_format", b"pt2"),
        ("m/byteorder", b"little"),
        ("m/models/model.json", program.as_bytes()),
        ("m/data/weights/model_weights_config.json", config.as_bytes()),
        ("m/data/weights/weight_0", &[0; 8]),
        ("m/data/constants/model_constants_config.json", br#"{"config": {}}"#),
    ];
    archive(&entries, CompressionMethod::Stored)
}

const X: &str = r#"{"user_input": {"arg": {"as_tensor": {"name": "x"}}}}"#;
const W: &str = r#"{"parameter": {"arg": {"name": "w"}, "parameter_name": "a.w"}}"#;
const NO_TENSORS: &str = r#"{"config": {}}"#;

/// A list of one tensor `a.w`.
fn config(dtype: u32, sizes: &str, strides: &str, offset: &str) -> String {
    format!(
        r#"{{"config": {{"a.w": {{"path_name": "weight_0", "use_pickle": false, "tensor_meta": {{"dtype": {dtype}, "sizes": [{sizes}], "strides": [{strides}], "storage_offset": {offset}}}}}}}}}"#
    )
}

fn two_floats() -> String {
    config(7, r#"{"as_int": 2}"#, r#"{"as_int": 1}"#, r#"{"as_int": 0}"#)
}

/// A call with one argument.
fn node(argument: &str, output: &str) -> String {
    format!(
        r#"{{"target": "torch.ops.aten.relu.default", "inputs": [{{"name": "self", "arg": {argument}, "kind": 1}}], "outputs": [{output}], "metadata": {{}}}}"#
    )
}

/// An archive of PyTorch 2.4 with this file of tensors.
fn old(state_dict: &[u8], compression: CompressionMethod) -> Vec<u8> {
    let program = program(X, "", "").replace("\"major\": 8, \"minor\": 14", "\"major\": 5, \"minor\": 3");
    let entries: [(&str, &[u8]); 3] = [
        ("serialized_exported_program.json", program.as_bytes()),
        ("serialized_state_dict.pt", state_dict),
        ("serialized_constants.pt", b""),
    ];
    archive(&entries, compression)
}

/// The entries of an archive with this one.
fn named(name: &str) -> [(&str, &[u8]); 2] {
    [("m/archive_format", b"pt2"), (name, b"{}")]
}

const Y: &str = r#"{"as_tensor": {"name": "y"}}"#;

#[test]
fn crafted_archives_cost_little_and_are_refused_in_words() {
    let _alone = alone();
    const MANY: usize = 2_000_000;
    let one = |argument: &str| file(&program(X, &node(argument, Y), ""), NO_TENSORS);
    let weight = |config: &str| file(&program(W, "", ""), config);
    let int = |number: &str| format!(r#"{{"as_int": {number}}}"#);
    let many = |item: &str, count: usize| vec![item; count].join(",");
    let dimensions = many(&int("1"), 64);
    let wide = config(7, &dimensions, &dimensions, &int("0"));
    let reference = r#"{"name": "w"}"#;
    let bomb = archive(&[("a/data.pkl", &vec![b']'; 80 << 20])], CompressionMethod::Deflated);
    let shared: Vec<String> = (0..5_000)
        .map(|i| format!(r#""{i}": {{"path_name": "weight_0", "tensor_meta": {{"dtype": 7, "sizes": [{{"as_int": 2}}], "strides": [{{"as_int": 1}}], "storage_offset": {{"as_int": 0}}}}}}"#))
        .collect();
    let shared = format!(r#"{{"config": {{{}}}}}"#, shared.join(","));
    let version = |major: &str| program(X, "", "").replace("\"major\": 8", &format!("\"major\": {major}"));
    let table: Vec<(&str, Vec<u8>, &str)> = vec![
        ("no JSON", file("graph", NO_TENSORS), "expected value at line 1"),
        (
            "no UTF-8",
            {
                let mut bytes = file(&program(X, &node(r#"{"as_string": "~~"}"#, Y), ""), NO_TENSORS);
                let at = memchr::memmem::find(&bytes, b"~~").unwrap();
                bytes[at] = 0xff;
                bytes
            },
            "checksum",
        ),
        ("JSON that ends", file(&program(X, "", "")[..80], NO_TENSORS), "EOF"),
        ("no graph", file(r#"{"schema_version": {"major": 8, "minor": 0}}"#, NO_TENSORS), "missing field"),
        ("an old schema", file(&version("4"), NO_TENSORS), "schema version 4.14"),
        ("a new schema", file(&version("9"), NO_TENSORS), "schema version 9.14"),
        ("a negative schema", file(&version("-1"), NO_TENSORS), "invalid value"),
        ("deep lists", one(&format!(r#"{{"as_ints": {}}}"#, "[".repeat(MANY))), "expected value"),
        (
            "deep lists that end",
            one(&format!(r#"{{"as_ints": {}{}}}"#, "[".repeat(MANY), "]".repeat(MANY))),
            "expand far beyond",
        ),
        ("an empty union", one("{}"), "an empty object"),
        ("a union of two", one(r#"{"as_int": 1, "as_float": 2.0}"#), "several entries"),
        ("a huge integer", one(&int("99999999999999999999")), "as_int"),
        ("a fraction for an integer", one(&int("1.5")), "as_int"),
        ("a number beyond binary64", one(r#"{"as_float": 1e999}"#), "number out of range"),
        ("text for a number", one(r#"{"as_float": "many"}"#), "text for a number"),
        ("a value that nobody makes", one(r#"{"as_tensor": {"name": "z"}}"#), "the value \"z\""),
        ("a value of its own", one(Y), "the value \"y\""),
        (
            "a value made twice",
            file(
                &program(X, &node(r#"{"as_none": true}"#, r#"{"as_tensor": {"name": "x"}}"#), ""),
                NO_TENSORS,
            ),
            "\"x\" a second time",
        ),
        (
            "an output that nobody makes",
            file(&program(X, "", r#"{"user_output": {"arg": {"as_tensor": {"name": "z"}}}}"#), NO_TENSORS),
            "the value \"z\"",
        ),
        (
            "an input that is an object",
            file(&program(r#"{"custom_obj": {}}"#, "", ""), NO_TENSORS),
            "custom_obj",
        ),
        ("a weight that is not there", weight(NO_TENSORS), "the input \"a.w\""),
        (
            "bytes that are not there",
            weight(&two_floats().replace("weight_0", "../../weight_9")),
            "no such entry",
        ),
        ("a tensor past its bytes", weight(&config(7, &int("3"), &int("1"), &int("0"))), "sizes [3]"),
        ("a tensor behind its bytes", weight(&config(7, &int("2"), &int("1"), &int("1"))), "offset 1"),
        (
            "sizes that overflow",
            weight(&config(7, &many(&int("4611686018427387904"), 4), &many(&int("0"), 4), &int("0"))),
            "sizes",
        ),
        ("a negative size", weight(&config(7, &int("-1"), &int("1"), &int("0"))), "as_int"),
        ("a symbol for a size", weight(&config(7, r#"{"as_expr": {}}"#, &int("1"), &int("0"))), "as_expr"),
        ("sizes without strides", weight(&config(7, &int("2"), "", &int("0"))), "1 sizes and 0 strides"),
        (
            "65 dimensions",
            weight(&config(7, &many(&int("1"), 65), &many(&int("1"), 65), &int("0"))),
            "65 dimensions",
        ),
        (
            "a flood of nodes",
            file(&program(X, &many(r#"{"target":"","inputs":[],"outputs":[]}"#, MANY / 4), ""), NO_TENSORS),
            "expand far beyond",
        ),
        (
            "a flood of integers",
            one(&format!(r#"{{"as_ints": [{}]}}"#, many("1", MANY))),
            "expand far beyond",
        ),
        (
            "a flood of references",
            file(
                &program(W, &node(&format!(r#"{{"as_tensors": [{}]}}"#, many(reference, MANY / 10)), Y), ""),
                &wide,
            ),
            "expand far beyond",
        ),
        (
            "a flood of tensors",
            weight(&format!(
                r#"{{"config": {{{}}}}}"#,
                (0..MANY / 4).map(|i| format!(r#""{i}":{{"path_name":""}}"#)).collect::<Vec<_>>().join(",")
            )),
            "expand far beyond",
        ),
        (
            "two models",
            archive(
                &[&named("m/models/a.json")[..], &named("m/models/b.json")[1..]].concat(),
                CompressionMethod::Stored,
            ),
            "2 models: a, b",
        ),
        (
            "a compiled model",
            archive(&named("m/data/aotinductor/model/a.so"), CompressionMethod::Stored),
            "AOTInductor",
        ),
        (
            "tensors that are no archive",
            old(b"tensors", CompressionMethod::Stored),
            "serialized_state_dict.pt",
        ),
        (
            "an archive in an archive in an archive",
            old(&old(b"", CompressionMethod::Stored), CompressionMethod::Stored),
            "data.pkl",
        ),
        ("a bomb in an archive", old(&bomb, CompressionMethod::Stored), "expand far beyond"),
        ("a bomb of a bomb", old(&bomb, CompressionMethod::Deflated), "expand far beyond"),
        ("a bomb", old(&vec![0; 80 << 20], CompressionMethod::Deflated), "expand far beyond"),
    ];
    let accepted = [
        ("nothing", file(&program("", "", ""), NO_TENSORS)),
        ("a relu", file(&program(X, &node(r#"{"as_tensor": {"name": "x"}}"#, Y), ""), NO_TENSORS)),
        ("a weight", weight(&two_floats())),
        ("a weight of 64 dimensions", weight(&wide)),
        ("many weights on the same bytes", file(&program("", "", ""), &shared)),
        ("infinity", one(r#"{"as_float": "-Infinity"}"#)),
        (
            "an argument of the future",
            one(&format!(r#"{{"as_anything": {}{}}}"#, "[".repeat(MANY), "]".repeat(MANY))),
        ),
        ("an empty file of tensors", old(b"", CompressionMethod::Deflated)),
    ];
    let mut wrong = Vec::new();
    let mut slowest = Duration::ZERO;
    let mut attempt = |name: &str, bytes: Vec<u8>| {
        println!("{name}");
        // An allocation beyond the limit aborts the test; `--nocapture` then shows which file it was.
        ALLOCATOR.set_limit(ALLOCATOR.allocated() + bytes.len() + MOST_MEMORY).unwrap();
        let start = processor_time();
        let result = catch_unwind(|| read(bytes.into()).map(drop).map_err(|error| error.to_string()));
        ALLOCATOR.set_limit(usize::MAX).unwrap();
        slowest = slowest.max(processor_time() - start);
        result.unwrap_or_else(|_| Err("panic".into()))
    };
    for (name, bytes, expected) in table {
        match attempt(name, bytes) {
            Err(error) if error.contains(expected) && !error.contains("panic") => println!("    {error}"),
            other => wrong.push(format!("{name}: {other:?}, expected {expected:?}")),
        }
    }
    for (name, bytes) in accepted {
        if let Err(error) = attempt(name, bytes) {
            wrong.push(format!("{name}: {error}"));
        }
    }
    println!("slowest {slowest:?}");
    if slowest > MOST_TIME {
        wrong.push(format!("slowest {slowest:?}"));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
