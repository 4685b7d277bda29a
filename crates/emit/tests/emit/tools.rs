//! The files in the hands of the tools that they are for: Python, a C compiler, a Verilog simulator.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use gen_params_core::parameters::LayerParameters;
use gen_params_emit::{Existing, Format, Formats, write_parameters};
use gen_params_test_support::needs;
use tempfile::TempDir;

use crate::sample::{conv, depthwise, network, sample};

/// Runs a program and returns what it prints.
pub(crate) fn run(program: &str, arguments: &[&str], folder: &Path) -> String {
    let output = Command::new(program).args(arguments).current_dir(folder).output();
    let output = output.unwrap_or_else(|error| panic!("{program}: {error}"));
    let talk = String::from_utf8_lossy(&output.stderr);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && talk.is_empty(), "{program} {arguments:?}\n{text}\n{talk}");
    text
}

/// A folder with every format in `weight`.
fn written(parameters: &gen_params_core::parameters::Parameters) -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let formats = Formats::from_iter(Format::ALL);
    write_parameters(&place.path().join("weight"), parameters, None, &formats, Existing::KeepForeign)
        .unwrap();
    place
}

fn join(values: impl IntoIterator<Item = impl ToString>) -> String {
    values.into_iter().map(|value| value.to_string()).collect::<Vec<_>>().join(" ")
}

/// The prefix that the identifiers of the layers of [`sample`] have.
fn prefix(layer: &LayerParameters) -> &'static str {
    match layer.name.as_str() {
        "conv1" => "CONV1",
        "features.0.depth-wise" => "FEATURES_0_DEPTH_WISE",
        "1" => "LAYER_1",
        "up */\n\\" => "UP_____",
        other => panic!("{other}"),
    }
}

/// The integers of a layer by identifier, unknown ones left out.
fn integers(layer: &LayerParameters) -> Vec<(&'static str, i64)> {
    let mut list = vec![("CHANNELS", i64::try_from(layer.channels).unwrap())];
    let mut add = |name, value: Option<i32>| list.extend(value.map(|value| (name, i64::from(value))));
    add("INPUT_ZERO_POINT", layer.input.map(|input| input.zero_point));
    add("INPUT_MIN", layer.input_range.map(|range| range.min));
    add("INPUT_MAX", layer.input_range.map(|range| range.max));
    add("PADDING_VALUE", layer.padding_value);
    add("OUTPUT_ZERO_POINT", layer.output.map(|output| output.zero_point));
    add("CLAMP_MIN", layer.clamp.map(|clamp| clamp.min));
    add("CLAMP_MAX", layer.clamp.map(|clamp| clamp.max));
    add("ACCUMULATOR_BITS", layer.accumulator.map(|reach| reach.bits.cast_signed()));
    add("BIASED_BITS", layer.biased.map(|reach| reach.bits.cast_signed()));
    if layer.name == "conv1" {
        list.extend([
            ("WEIGHT_O", 3),
            ("WEIGHT_I", 1),
            ("WEIGHT_H", 2),
            ("WEIGHT_W", 2),
            ("WEIGHT_ZERO_POINT", 0),
        ]);
        list.extend([("STRIDE_H", 2), ("STRIDE_W", 1), ("PADDING_H", 0), ("PADDING_W", 1), ("GROUPS", 1)]);
        list.extend([("DILATION_H", 1), ("DILATION_W", 1)]);
    }
    if prefix(layer) == "UP_____" {
        list.extend([("OUTPUT_PADDING_H", 1), ("OUTPUT_PADDING_W", 0), ("GROUPS", 1)]);
    }
    list
}

/// The tables of a layer by identifier, with bits and sign of an entry, unknown ones left out.
fn tables(layer: &LayerParameters) -> Vec<(&'static str, usize, bool, Vec<i64>)> {
    let wide = |values: &[i32]| values.iter().map(|&value| i64::from(value)).collect::<Vec<_>>();
    let mut list = vec![("WEIGHT_SUM", 32, true, wide(&layer.weight_sum))];
    list.extend(layer.bias.as_ref().map(|values| ("BIAS", 32, true, values.clone())));
    list.extend(layer.folded_bias.as_ref().map(|values| ("FOLDED_BIAS", 32, true, values.clone())));
    list.extend(layer.shift.as_ref().map(|values| ("SHIFT", 8, true, wide(values))));
    list.extend(layer.rounding_constant.iter().map(|values| ("ROUNDING_CONSTANT", 64, true, values.clone())));
    list.extend(
        layer
            .multiplier
            .as_ref()
            .map(|values| ("MULTIPLIER", 32, false, values.iter().map(|&value| i64::from(value)).collect())),
    );
    if prefix(layer) == "UP_____" {
        list.push(("WEIGHT_ZERO_POINT", 32, true, vec![1, -2]));
    }
    list
}

#[needs(python3)]
fn python_reads_the_lists() {
    let parameters = sample();
    let place = written(&parameters);
    let script = "\
import ast, pathlib
def flat(x):
    return [x] if isinstance(x, int) else [v for e in x for v in flat(e)]
def shape(x):
    return [] if isinstance(x, int) else [len(x)] + shape(x[0])
for path in sorted(pathlib.Path('weight').glob('*.txt')):
    value = ast.literal_eval(path.read_text())
    assert str(value) + '\\n' == path.read_text(), path
    print(path.name, 'x'.join(map(str, shape(value))), *flat(value))
";
    let found = run("python3", &["-c", script], place.path());
    let mut expected = Vec::new();
    for (layer, stem) in parameters.layers.iter().zip(["conv1", "features_0_depth_wise", "1", "up_____"]) {
        let shape = layer.weight.shape.iter().map(usize::to_string).collect::<Vec<_>>().join("x");
        expected.push(format!("{stem}_weight.txt {shape} {}", join(layer.weight.codes.iter())));
        for (name, _, _, values) in tables(layer).into_iter().filter(|table| table.0 != "WEIGHT_ZERO_POINT") {
            expected.push(format!("{stem}_{}.txt {} {}", name.to_lowercase(), layer.channels, join(values)));
        }
    }
    let sorted = |mut lines: Vec<String>| {
        lines.sort();
        lines
    };
    assert_eq!(sorted(found.lines().map(str::to_owned).collect()), sorted(expected));
}

#[needs(gcc)]
fn a_c_compiler_reads_the_header() {
    let mut q31 = conv();
    q31.multiplier = Some(vec![1 << 30, i32::MAX.cast_unsigned(), 0]);
    for (parameters, multiplier) in [(sample(), "uint32_t"), (network(vec![q31, depthwise()]), "int32_t")] {
        let place = written(&parameters);
        let header = fs::read_to_string(place.path().join("weight/params.h")).unwrap();
        assert!(header.contains(&format!("static const {multiplier} CONV1_MULTIPLIER[3] = {{")), "{header}");

        // Included alone, unused: no warning.
        let flags = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic"];
        fs::write(
            place.path().join("unused.c"),
            "#include \"weight/params.h\"\nint main(void) { return 0; }\n",
        )
        .unwrap();
        let arguments = [&flags[..], &["-o", "unused", "unused.c"]].concat();
        run("gcc", &arguments, place.path());

        let mut program = "#include <stdio.h>\n#include \"weight/params.h\"\n#include \"weight/params.h\"\n\
            #define TABLE(name, first) do { printf(#name \" %d\", (int)sizeof (first)); \\\n\
            for (unsigned i = 0; i < sizeof name / sizeof (first); i++) \
            { printf(\" %lld\", (long long)(&(first))[i]); } printf(\"\\n\"); } while (0)\n\
            int main(void) {\n"
            .to_owned();
        let mut expected = String::new();
        for layer in &parameters.layers {
            let prefix = prefix(layer);
            for (name, value) in integers(layer) {
                writeln!(program, "printf(\"%lld\\n\", (long long){prefix}_{name} * 1);").unwrap();
                writeln!(expected, "{value}").unwrap();
            }
            for (name, bits, _, values) in tables(layer) {
                writeln!(program, "TABLE({prefix}_{name}, {prefix}_{name}[0]);").unwrap();
                writeln!(expected, "{prefix}_{name} {} {}", bits / 8, join(values)).unwrap();
            }
            let first = "[0]".repeat(layer.weight.shape.len());
            writeln!(program, "TABLE({prefix}_WEIGHT, {prefix}_WEIGHT{first});").unwrap();
            writeln!(expected, "{prefix}_WEIGHT 1 {}", join(layer.weight.codes.iter())).unwrap();
        }
        // Nested like the shape, not only as long.
        program.push_str("printf(\"%d\\n\", CONV1_WEIGHT[2][0][1][0]);\nreturn 0; }\n");
        expected.push_str("99\n");
        fs::write(place.path().join("print.c"), program).unwrap();
        run("gcc", &[&flags[..], &["-o", "print", "print.c"]].concat(), place.path());
        let path = place.path().join("print");
        assert_eq!(run(path.to_str().unwrap(), &[], place.path()), expected);
    }
}

#[needs(iverilog)]
fn a_verilog_simulator_reads_the_include_and_the_hex_files() {
    let parameters = sample();
    let place = written(&parameters);
    let mut module = "module print;\n`include \"weight/params.svh\"\n`include \"weight/params.svh\"\n\
        integer i;\nreg signed [7:0] codes [0:17];\nreg signed [31:0] biases [0:2];\ninitial begin\n"
        .to_owned();
    let mut expected = String::new();
    for layer in &parameters.layers {
        let prefix = prefix(layer);
        for (name, value) in integers(layer) {
            writeln!(module, "$display(\"%0d\", {prefix}_{name});").unwrap();
            writeln!(expected, "{value}").unwrap();
        }
        for (name, bits, signed, values) in tables(layer) {
            let sign = if signed { "$signed" } else { "" };
            writeln!(
                module,
                "for (i = 0; i < {}; i = i + 1) $display(\"%0d\", {sign}({prefix}_{name}_PACKED[{bits}*i +: {bits}]));",
                values.len()
            )
            .unwrap();
            values.iter().for_each(|value| writeln!(expected, "{value}").unwrap());
        }
        let codes = &layer.weight.codes;
        writeln!(
            module,
            "$readmemh({{\"weight/\", {prefix}_WEIGHT_FILE}}, codes, 0, {0} - 1);\n\
            for (i = 0; i < {0}; i = i + 1) $display(\"%0d\", codes[i]);",
            codes.len()
        )
        .unwrap();
        codes.iter().for_each(|code| writeln!(expected, "{code}").unwrap());
    }
    module.push_str(
        "$readmemh(\"weight/conv1_folded_bias.hex\", biases);\n\
        for (i = 0; i < 3; i = i + 1) $display(\"%0d\", biases[i]);\n$finish(0);\nend\nendmodule\n",
    );
    expected.push_str("-2147483648\n-390\n2147483635\n");
    fs::write(place.path().join("print.sv"), module).unwrap();
    let arguments = ["-g2012", "-Wall", "-Wno-timescale", "-o", "print.vvp", "print.sv"];
    run("iverilog", &arguments, place.path());
    assert_eq!(run("vvp", &["-n", "print.vvp"], place.path()), expected);
}

#[needs(verilator)]
fn verilator_reads_the_arrays() {
    let parameters = sample();
    let place = written(&parameters);
    // Elaborated as constants: a wrong entry is an error before anything runs.
    let mut module = "module check;\n`include \"weight/params.svh\"\ngenerate\n".to_owned();
    for layer in &parameters.layers {
        let prefix = prefix(layer);
        for (name, _, signed, values) in tables(layer) {
            for (index, value) in values.iter().enumerate() {
                let value = if signed {
                    format!("64'({prefix}_{name}[{index}]) != 64'(signed'(64'd{}))", value.cast_unsigned())
                } else {
                    format!("{prefix}_{name}[{index}] != 32'd{value}")
                };
                writeln!(module, "if ({value}) $error(\"{prefix}_{name}[{index}]\");").unwrap();
            }
        }
    }
    module.push_str("endgenerate\nendmodule\n");
    fs::write(place.path().join("check.sv"), module).unwrap();
    run("verilator", &["--lint-only", "-Wall", "--top-module", "check", "check.sv"], place.path());
}
