//! The constants of operators without weights, in every file that has them, in the hands of the tools that these are for.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;

use gen_params_core::parameters::{
    Activation, CodeType, OperatorArithmetic, OperatorParameters, Parameters, Range, Scale, TableParameters,
};
use gen_params_emit::folder::target_file::TargetFile;
use gen_params_emit::{Existing, Format, Formats, write_for_target};
use gen_params_test_support::needs;
use tempfile::TempDir;

use crate::sample::{conv, network};
use crate::tools::run;

fn quantized(zero_point: i32) -> Activation {
    Activation { scale: 0.5, zero_point, code_type: CodeType::U8 }
}

fn operator(
    name: &str,
    op: &'static str,
    zero_points: &[i32],
    arithmetic: OperatorArithmetic,
) -> OperatorParameters {
    OperatorParameters {
        name: name.to_owned(),
        op,
        inputs: zero_points.iter().map(|&zero_point| quantized(zero_point)).collect(),
        output: quantized(7),
        clamp: Range { min: 7, max: 200 },
        arithmetic,
        agreement: None,
    }
}

fn table(name: &str, code_type: CodeType, codes: Vec<i32>) -> TableParameters {
    let activation = Activation { scale: 0.25, zero_point: 1, code_type };
    TableParameters {
        name: name.to_owned(),
        function: "sigmoid",
        contract: "exact",
        input: activation,
        output: activation,
        codes,
    }
}

/// One of each arithmetic, with the extreme values of each type.
fn parameters() -> Parameters {
    let scale = |multiplier, shift| Scale { multiplier, shift };
    let sum = OperatorArithmetic::Sum { multipliers: [u32::MAX, 1], shift: -128 };
    let batch_norm =
        OperatorArithmetic::ChannelScale { multipliers: vec![i32::MIN, 4], offsets: vec![-9, 9], shift: 20 };
    let mean = OperatorArithmetic::Mean(vec![(49, scale(21, 10)), (1 << 40, scale(3, 41))]);
    let concatenation = OperatorArithmetic::Concatenation(vec![None, Some(scale(77, 6))]);
    let mut parameters = network(vec![conv()]);
    parameters.operators = vec![
        operator("block.0.add", "add", &[3, 128], sum),
        operator("mul", "mul", &[0, 1], OperatorArithmetic::Product(scale(5, 127))),
        operator("cat", "cat", &[7, 9], concatenation),
        operator("pool", "avg_pool", &[2], mean),
        operator("norm", "batch_norm", &[2], batch_norm),
        operator("relu", "relu", &[7], OperatorArithmetic::Clamp),
        operator("max", "max_pool", &[7], OperatorArithmetic::Largest),
    ];
    parameters.tables = vec![
        table("gate", CodeType::U8, (0..256).rev().collect()),
        table("tail", CodeType::I8, (-128..128).collect()),
    ];
    parameters
}

/// Names and values, by hand: an integer is a list of one that is no array.
fn expected() -> Vec<(&'static str, bool, Vec<i64>)> {
    let one = |name, value| (name, false, vec![value]);
    let list = |name, values: &[i64]| (name, true, values.to_vec());
    vec![
        list("BLOCK_0_ADD_INPUT_ZERO_POINT", &[3, 128]),
        one("BLOCK_0_ADD_OUTPUT_ZERO_POINT", 7),
        one("BLOCK_0_ADD_CLAMP_MIN", 7),
        one("BLOCK_0_ADD_CLAMP_MAX", 200),
        list("BLOCK_0_ADD_MULTIPLIER", &[4_294_967_295, 1]),
        list("BLOCK_0_ADD_SHIFT", &[-128]),
        list("MUL_INPUT_ZERO_POINT", &[0, 1]),
        list("MUL_MULTIPLIER", &[5]),
        list("MUL_SHIFT", &[127]),
        list("CAT_MULTIPLIER", &[1, 77]),
        list("CAT_SHIFT", &[0, 6]),
        one("POOL_INPUT_ZERO_POINT", 2),
        list("POOL_DIVISOR", &[49, 1_099_511_627_776]),
        list("POOL_MULTIPLIER", &[21, 3]),
        list("POOL_SHIFT", &[10, 41]),
        list("NORM_MULTIPLIER", &[-2_147_483_648, 4]),
        list("NORM_OFFSET", &[-9, 9]),
        list("NORM_SHIFT", &[20]),
        one("RELU_CLAMP_MIN", 7),
        one("RELU_CLAMP_MAX", 200),
        one("GATE_INPUT_MIN", 0),
        one("GATE_INPUT_ZERO_POINT", 1),
        list("GATE_TABLE", &(0..256).rev().collect::<Vec<_>>()),
        one("TAIL_INPUT_MIN", -128),
        list("TAIL_TABLE", &(-128..128).collect::<Vec<_>>()),
    ]
}

/// Every format, in a layout where `packages` says so: only then all languages have packages.
fn written(packages: bool) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let target = TargetFile::parse(if packages { "[layout]\nlanes = 2\n" } else { "" }).unwrap();
    let formats = Formats::from_iter(Format::ALL);
    write_for_target(place.path(), &parameters(), None, &formats, &target, Existing::Replace).unwrap();
    place
}

/// What programs print: a line for each name.
fn lines() -> String {
    let line = |(name, _, values): &(&str, bool, Vec<i64>)| {
        values.iter().fold((*name).to_owned(), |line, value| format!("{line} {value}")) + "\n"
    };
    expected().iter().map(line).collect()
}

#[needs(gcc)]
fn c_compilers_read_both_headers() {
    for packages in [false, true] {
        let place = written(packages);
        let mut text = "#include <stdio.h>\n#include \"params.h\"\nint main(void) {\n".to_owned();
        for (name, is_list, _) in expected() {
            let (count, entry) = match is_list {
                true => (format!("sizeof {name} / sizeof {name}[0]"), format!("{name}[i]")),
                false => ("1".to_owned(), name.to_owned()),
            };
            writeln!(
                text,
                "printf(\"{name}\"); for (unsigned i = 0; i < {count}; i++) printf(\" %lld\", (long long){entry}); \
                 printf(\"\\n\");"
            )
            .unwrap();
        }
        text.push_str("return 0; }\n");
        fs::write(place.path().join("print.c"), text).unwrap();
        let arguments = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", "print_c", "print.c"];
        run("gcc", &arguments, place.path());
        let program = place.path().join("print_c");
        assert_eq!(run(program.to_str().unwrap(), &[], place.path()), lines());
    }
}

#[test]
fn the_rust_compiler_reads_the_module() {
    let place = written(true);
    let mut text = "mod params;\nfn main() {\n".to_owned();
    for (name, is_list, _) in expected() {
        match is_list {
            true => writeln!(
                text,
                "print!(\"{name}\"); for v in params::{name} {{ print!(\" {{v}}\"); }} println!();"
            ),
            false => writeln!(text, "println!(\"{name} {{}}\", params::{name});"),
        }
        .unwrap();
    }
    text.push_str("}\n");
    fs::write(place.path().join("print.rs"), text).unwrap();
    let arguments = ["--edition", "2021", "-A", "dead_code", "-o", "print_rs", "print.rs"];
    run("rustc", &arguments, place.path());
    let program = place.path().join("print_rs");
    assert_eq!(run(program.to_str().unwrap(), &[], place.path()), lines());
}

#[needs(iverilog)]
fn icarus_verilog_reads_the_vectors_of_the_include_file() {
    let place = written(false);
    let mut text = "module print;\n`include \"params.svh\"\ninteger i;\ninitial begin\n".to_owned();
    for (name, is_list, values) in expected() {
        if !is_list {
            writeln!(text, "$display(\"{name} %0d\", {name});").unwrap();
            continue;
        }
        let signed = if values.iter().any(|&value| value < 0) { "$signed" } else { "" };
        let width = format!("$bits({name}_PACKED) / {}", values.len());
        writeln!(
            text,
            "$write(\"{name}\"); for (i = 0; i < {}; i = i + 1) $write(\" %0d\", {signed}({name}_PACKED[({width})*i +: \
             {width}])); $write(\"\\n\");",
            values.len()
        )
        .unwrap();
    }
    text.push_str("$finish(0);\nend\nendmodule\n");
    fs::write(place.path().join("print.sv"), text).unwrap();
    let arguments = ["-g2012", "-Wall", "-Wno-timescale", "-o", "print.vvp", "print.sv"];
    run("iverilog", &arguments, place.path());
    assert_eq!(run("vvp", &["-n", "print.vvp"], place.path()), lines());
}

#[needs(verilator)]
fn verilator_reads_the_arrays_of_include_file_and_package() {
    for (packages, prefix) in [(false, ""), (true, "gen_params_pkg::")] {
        let place = written(packages);
        // Elaborated as constants: a wrong entry is an error before anything runs.
        let include = if packages { "" } else { "`include \"params.svh\"\n" };
        let mut text = format!("module check;\n{include}generate\n");
        for (name, is_list, values) in expected() {
            for (index, value) in values.iter().enumerate() {
                let entry =
                    if is_list { format!("{prefix}{name}[{index}]") } else { format!("{prefix}{name}") };
                writeln!(
                    text,
                    "if (64'({entry}) != 64'(signed'(64'd{}))) $error(\"{name} {index}\");",
                    value.cast_unsigned()
                )
                .unwrap();
            }
        }
        text.push_str("endgenerate\nendmodule\n");
        fs::write(place.path().join("check.sv"), text).unwrap();
        let mut arguments =
            vec!["--lint-only", "-Wall", "-Wno-DECLFILENAME", "-Wno-WIDTH", "--top-module", "check"];
        arguments.extend(packages.then_some("params_pkg.sv"));
        arguments.push("check.sv");
        run("verilator", &arguments, place.path());
    }
}

#[needs(ghdl)]
fn a_vhdl_simulator_reads_the_package() {
    let place = written(true);
    let mut text =
        "library ieee;\nuse ieee.std_logic_1164.all;\nuse ieee.numeric_std.all;\nuse work.gen_params_pkg.all;\n\
        entity check is end;\narchitecture only of check is\nbegin\nprocess begin\n"
            .to_owned();
    for (name, is_list, values) in expected() {
        let is_wide = values.iter().any(|&value| i32::try_from(value).is_err());
        for (index, value) in values.iter().enumerate() {
            // A decimal literal of VHDL's integers has no sign of its own, and their smallest none at all.
            let condition = match (is_list, is_wide) {
                (true, true) => format!("{name}({index}) = std_logic_vector'(x\"{value:016x}\")"),
                (true, false) if *value == i64::from(i32::MIN) => {
                    format!("{name}({index}) + 1 = -2147483647")
                }
                (true, false) => format!("{name}({index}) = {value}"),
                (false, _) => format!("{name} = {value}"),
            };
            writeln!(text, "assert {condition} report \"{name} {index}\" severity failure;").unwrap();
        }
    }
    text.push_str("wait;\nend process;\nend;\n");
    fs::write(place.path().join("check.vhd"), text).unwrap();
    run("ghdl", &["-a", "params_pkg.vhd", "check.vhd"], place.path());
    run("ghdl", &["-e", "check"], place.path());
    run("ghdl", &["-r", "check"], place.path());
}

#[needs(python3)]
fn python_reads_json() {
    let place = written(true);
    let script = "\
import json, sys
constants = json.load(open('params.json'))['constants']
for name in sys.argv[1:]:
    value = constants[name]
    print(name, *(value if isinstance(value, list) else [value]))
";
    let names: Vec<&str> = expected().iter().map(|(name, _, _)| *name).collect();
    let found = run("python3", &[&["-c", script], names.as_slice()].concat(), place.path());
    assert_eq!(found, lines());
}

#[test]
fn operators_that_share_an_identifier_are_refused() {
    let place = tempfile::tempdir().unwrap();
    let mut parameters = parameters();
    parameters.operators[1].name = "block_0.add".to_owned();
    let write = |formats: &str| {
        let formats: Formats = formats.parse().unwrap();
        let folder: &Path = place.path();
        let target = TargetFile::default();
        write_for_target(folder, &parameters, None, &formats, &target, Existing::Replace)
    };
    let error = write("h").unwrap_err().to_string();
    assert!(error.contains("block.0.add") && error.contains("block_0.add"), "{error}");
    assert!(write("hex").is_ok());
}
