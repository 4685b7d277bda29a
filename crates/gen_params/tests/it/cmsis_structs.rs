//! The structs for CMSIS-NN, compiled against a header of the same fields and computed by a plain C reference of its
//! published arithmetic, give the codes of `run --contract target --rounding double`.

use std::collections::HashMap;
use std::fmt::Write as _;
use std::fs;

use gen_params::derive::{self, Options};
use gen_params::emit::programs::c::KnownAnswer;
use gen_params::emit::programs::cmsis_nn::{self, Design, Written};
use gen_params::hardware::{Rounding, Target};
use gen_params::machine::{Arithmetic, Machine};
use gen_params::network::{EdgeId, IntNetwork};
use gen_params_test_support::needs;

use crate::support::{self, assert_no_failures, fixtures, network};

/// Images of each network.
const IMAGES: usize = 20;

/// Structs and fields under their public names.
const HEADER: &str = include_str!("cmsis_structs/arm_nnfunctions.h");

/// A plain reference of what the functions compute.
const REFERENCE: &str = include_str!("cmsis_structs/reference.c");

/// What is written, and what to expect of it.
struct Sample {
    written: Written,
    /// Inputs and what the target makes of them, in the model's types.
    answers: Vec<KnownAnswer>,
    /// By edge, (1, C, spatial...).
    shapes: Vec<Vec<usize>>,
}

fn write(network: &IntNetwork, image: &[usize]) -> Result<Sample, String> {
    let rounding = Rounding::Double;
    let options = Options { target: Target { rounding, ..Target::default() }, ..Options::default() };
    let parameters = derive::derive(network, &options).map_err(|error| error.to_string())?;
    let images = [image.to_vec()];
    let machine = |signed_activations| {
        let target = Target { rounding, signed_activations, ..Target::default() };
        Machine::new(network, &parameters, Arithmetic::Target(target)).map_err(|error| error.to_string())
    };
    let signed = machine(true)?;
    let design = Design { machine: &signed, parameters: &parameters, images: &images, name: "net" };
    let written = cmsis_nn::render(&design).map_err(|error| error.to_string())?;
    let batch: Vec<usize> = [1].into_iter().chain(image.iter().copied()).collect();
    let shapes = signed.shapes(&[batch]).map_err(|error| format!("{error:?}"))?;
    let answers = KnownAnswer::of_arbitrary(&machine(false)?, &images, IMAGES).map_err(|e| e.to_string())?;
    Ok(Sample { written, answers, shapes })
}

/// The nodes with structs, from the header: name to prefix and function.
fn calls(header: &str) -> HashMap<String, (String, String)> {
    let lines: Vec<&str> = header.lines().collect();
    let pairs = lines.windows(2).filter_map(|pair| {
        let comment = pair[0].strip_prefix("/* ")?.strip_suffix(" */")?;
        let prefix = pair[1].strip_prefix("extern const ")?.split(' ').nth(1)?.strip_suffix("_params;")?;
        let (name, function) = (comment.split(": ").next()?, comment.rsplit(": ").next()?);
        Some((name.to_owned(), (prefix.to_owned(), function.to_owned())))
    });
    pairs.collect()
}

/// (C, spatial...) to channels-last, as int8.
fn channels_last(codes: &[i32], shape: &[usize], shift: i32) -> Vec<i32> {
    let channels = shape.get(1).copied().unwrap_or(1);
    let area = codes.len() / channels;
    (0..codes.len()).map(|i| codes[i % channels * area + i / channels] - shift).collect()
}

/// What 128 is subtracted from: the unsigned codes of an edge, or those before its reals or after them.
fn shift(network: &IntNetwork, id: EdgeId) -> i32 {
    let around = network.nodes.iter().find(|node| node.inputs.contains(&id) || node.outputs.contains(&id));
    let ids = around.map(|node| [node.inputs.clone(), node.outputs.clone()].concat()).unwrap_or_default();
    let known = [id].into_iter().chain(ids).find_map(|id| network.edge(id).activation).unwrap();
    if known.code_type.name() == "uint8" { 128 } else { 0 }
}

/// A program that calls the reference for every node and compares.
fn driver(network: &IntNetwork, written: &Written, answers: &[KnownAnswer], shapes: &[Vec<usize>]) -> String {
    let calls = calls(&written.header);
    let size = |id: EdgeId| shapes[id.0].iter().product::<usize>();
    let mut text = String::from(
        "#include <stdio.h>\n#include <string.h>\n#include \"net.h\"\n#include \"reference.h\"\n",
    );
    for index in 0..network.edges.len() {
        let _ = writeln!(text, "static int8_t edge_{index}[{}];", size(EdgeId(index)));
    }
    let ports = [("input", network.inputs[0]), ("output", network.outputs[0])];
    for (what, id) in ports {
        let _ = writeln!(text, "static const int8_t {what}[{}][{}] = {{", answers.len(), size(id));
        for answer in answers {
            let codes = if what == "input" { &answer.inputs[0] } else { &answer.outputs[0] };
            let codes = channels_last(codes, &shapes[id.0], shift(network, id));
            let codes: Vec<String> = codes.iter().map(i32::to_string).collect();
            let _ = writeln!(text, "{{{}}},", codes.join(","));
        }
        text.push_str("};\n");
    }
    let (input, output) = (network.inputs[0].0, network.outputs[0].0);
    let _ = writeln!(
        text,
        "int main(void) {{ int differing = 0; for (int image = 0; image < {}; image++) {{\nmemcpy(edge_{input}, \
         input[image], sizeof edge_{input});",
        answers.len()
    );
    for node in &network.nodes {
        let (from, to) = (node.inputs[0].0, node.outputs[0].0);
        let Some((prefix, function)) = calls.get(&node.name) else {
            let _ = writeln!(text, "memcpy(edge_{to}, edge_{from}, sizeof edge_{to});");
            continue;
        };
        let p = prefix;
        let _ = if function.contains("pool") {
            writeln!(
                text,
                "{function}(&{p}_params, &{p}_input_dims, edge_{from}, &{p}_filter_dims, &{p}_output_dims, edge_{to});"
            )
        } else {
            writeln!(
                text,
                "{function}(&{p}_params, &{p}_quant_params, &{p}_input_dims, edge_{from}, &{p}_filter_dims, {p}_weight, \
                 &{p}_bias_dims, {p}_bias, &{p}_output_dims, edge_{to});"
            )
        };
    }
    let _ = writeln!(
        text,
        "for (unsigned i = 0; i < sizeof edge_{output}; i++) differing += edge_{output}[i] != output[image][i];\n}}\n\
         printf(\"%d differ\\n\", differing); return differing != 0; }}"
    );
    text
}

fn compile_and_run(written: &Written, driver: &str) -> Result<(), String> {
    let folder = tempfile::tempdir().unwrap();
    let mut declarations = String::from("#include \"arm_nnfunctions.h\"\n");
    let functions: String = REFERENCE
        .lines()
        .filter(|line| line.starts_with("void arm_") && line.ends_with(')'))
        .map(|line| format!("{line};\n"))
        .collect();
    declarations.push_str(&functions);
    let files = [
        ("net.h", written.header.as_str()),
        ("net.c", &written.source),
        ("arm_nnfunctions.h", HEADER),
        ("reference.h", &declarations),
        ("reference.c", REFERENCE),
        ("main.c", driver),
    ];
    for (name, text) in files {
        fs::write(folder.path().join(name), text).unwrap();
    }
    support::compile_and_run(folder.path(), &["net.c", "reference.c", "main.c"])
}

#[needs(gcc)]
fn structs_give_the_codes_of_the_target() {
    let examples = fixtures().join("../../examples/fashion_mnist");
    let mut models = vec![(examples.join("lenet_script.pt"), vec![1, 28, 28])];
    for entry in fs::read_dir(fixtures().join("layers")).unwrap() {
        let folder = entry.unwrap().path();
        let Ok(mut archive) = gen_params_test_support::npz::NpzArchive::open(folder.join("golden.npz"))
        else {
            continue;
        };
        let Ok(Some(file)) = archive.by_name("input_f32") else { continue };
        let image = file.shape()[1..].iter().map(|&size| size.try_into().unwrap()).collect();
        if folder.join("script.pt").is_file() {
            models.push((folder.join("script.pt"), image));
        }
    }
    models.sort();
    let (mut failures, mut equal) = (Vec::new(), 0);
    for (path, image) in models {
        let folder = path.parent().unwrap().file_name().unwrap().to_string_lossy().into_owned();
        let network = network(&path);
        let verdict = match write(&network, &image) {
            Err(text) => text.replace('\n', " "),
            Ok(Sample { written, .. }) if !written.left_out.is_empty() => {
                format!("left out: {}", written.left_out.join(", "))
            }
            Ok(Sample { written, answers, shapes }) => {
                match compile_and_run(&written, &driver(&network, &written, &answers, &shapes)) {
                    Ok(()) => {
                        equal += 1;
                        format!("{} structs, equal", written.nodes)
                    }
                    Err(text) => {
                        failures.push(format!("{folder}: {text}"));
                        text
                    }
                }
            }
        };
        println!("{folder:<28} {verdict}");
    }
    assert_no_failures(&failures, equal);
}

/// The members of the structs in their order, as `Include/arm_nn_types.h` of ARM-software/CMSIS-NN declares them at commit
/// 075474cccc464c58418810fe5d7935baa16ca1ec (V.3.6.0).
const MEMBERS: &[(&str, &[&str])] = &[
    ("cmsis_nn_tile", &["w", "h"]),
    ("cmsis_nn_dims", &["n", "h", "w", "c"]),
    ("cmsis_nn_activation", &["min", "max"]),
    ("cmsis_nn_per_channel_quant_params", &["multiplier", "shift"]),
    ("cmsis_nn_per_tensor_quant_params", &["multiplier", "shift"]),
    (
        "cmsis_nn_conv_params",
        &["input_offset", "output_offset", "stride", "padding", "dilation", "activation"],
    ),
    (
        "cmsis_nn_dw_conv_params",
        &["input_offset", "output_offset", "ch_mult", "stride", "padding", "dilation", "activation"],
    ),
    ("cmsis_nn_fc_params", &["input_offset", "filter_offset", "output_offset", "activation"]),
    ("cmsis_nn_pool_params", &["stride", "padding", "activation"]),
];

#[test]
fn the_structs_have_the_members_of_the_public_header() {
    let words = |text: &str| {
        let split = text.split(|c: char| !(c.is_ascii_alphanumeric() || c == '_'));
        split.filter(|word| !word.is_empty()).map(str::to_owned).collect::<Vec<_>>()
    };
    let mut found = Vec::new();
    for part in HEADER.split("typedef struct {").skip(1) {
        let (body, rest) = part.split_once('}').unwrap();
        // Of each declaration, what follows its type.
        let members = body.split(';').flat_map(|line| words(line).into_iter().skip(1)).collect::<Vec<_>>();
        found.push((words(rest)[0].clone(), members));
    }
    let expected: Vec<(String, Vec<String>)> = MEMBERS
        .iter()
        .map(|(name, members)| {
            ((*name).to_owned(), members.iter().map(|&member| member.to_owned()).collect())
        })
        .collect();
    assert_eq!(found, expected);
}
