//! Layers may have any name: what is written for them is still what compilers and simulators read.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use gen_params::derive::{self, Options};
use gen_params::emit::folder::files as parameter_files;
use gen_params::emit::programs::c::{self as c_program, Program};
use gen_params::emit::programs::systemverilog::{self, Design};
use gen_params::emit::write_folder;
use gen_params::emit::{Error, Existing, Formats, GoldenFiles, GoldenTensor, Manifest, Width};
use gen_params::hardware::{Stage, Target};
use gen_params::machine::{Arithmetic, Machine};
use gen_params::network::IntNetwork;

use gen_params_test_support::needs;

use crate::support::{assert_no_failures, fixtures, network};

/// Keywords of SystemVerilog, VHDL, C, C++ and Rust.
const KEYWORDS: &str = "
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins binsof bit
break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const constraint context
continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge else end endcase
endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive
endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect export extends extern final
first_match for force foreach forever fork forkjoin function generate genvar global highz0 highz1 if iff ifnone ignore_bins
illegal_bins implements implies import incdir include initial inout input inside instance int integer interconnect interface
intersect join join_any join_none large let liblist library local localparam logic longint macromodule matches medium
modport module nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output package packed
parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup pure rand randc randcase
randsequence rcmos real realtime ref reg reject_on release repeat restrict return rnmos rpmos rtran s_always s_until
scalared sequence shortint shortreal showcancelled signed small soft solve specify specparam static string strong strong0
strong1 struct super supply0 supply1 table tagged task this throughout time timeprecision timeunit tran tri tri0 tri1 triand
trior trireg type typedef union unique unique0 unsigned until untyped use uwire var vectored virtual void wait wait_order wand
weak weak0 weak1 while wildcard wire with within wor xnor xor abs access after all architecture array attribute block body
buffer bus component configuration constant disconnect downto elsif entity exit file generic group guarded impure in inertial
is label linkage literal loop map mod next of on open others out port postponed procedure process pure range record register
reject rem report rol ror select severity signal shared sla sll sra srl subtype then to transport unaffected units variable
when auto char double extern float goto inline long register restrict short sizeof switch typedef volatile bool catch delete
explicit friend mutable namespace operator private public template throw try typename using as async await crate dyn enum fn
impl match mod move mut pub self Self trait unsafe where abstract become box do final macro override priv yield";

/// What our own text declares, or could.
const OWN: &str = "
clk reset start done write running changes input output input_data input_address input_write output_data output_address network
network_tb gp_convolution gp_memory gp_requantize gp_round gp_check dut clocks ended image images stage stages all_input
expected_0 conv1_start conv1_done conv1_write conv1_codes conv1_memory conv1_read_address_0 conv1_read_data_0 conv1_write_data
conv1_running conv1_stage_product layer_conv1 user_conv1 layer user address_0 data_0 dones writes part_0 block run round floor
box copy dot test gather hold load store place clamp sum source arena memcpy main axis pair span mean product rescale selection
channel_scale matrix_product max_pool run_layer round_shift uint8_t int8_t NULL test_input test_output weight bias multiplier
shift params GEN_PARAMS stdint string stddef";

/// What is no identifier, and what would end a comment, a string or a path.
const TEXTS: &[&str] = &[
    "",
    "_",
    "__",
    "___a",
    "a__b",
    "0",
    "1conv",
    "42.7",
    "a b",
    "a/../b",
    "..",
    "/",
    "/abs/olute",
    "größe",
    "層",
    "🦀",
    "*/",
    "/*",
    "// x",
    "\"",
    "\\",
    "\\\"",
    "'",
    "`define x",
    "$display",
    "#1",
    "x\ny",
    "x\r\ny",
    "x\ty",
    "-- x",
    "a;b",
    "a);b",
    "{a}",
    "\u{202e}fc1",
    "fc\u{2066}1",
    "\u{feff}",
    "\u{1b}[31m",
    "\u{7f}",
    "\u{85}x",
    "\u{2028}x",
    "a\u{0}b",
    "%s%n",
    "${HOME}",
    "$(ls)",
    "conv1",
    "CONV1",
    "Conv1",
    "conv1_node",
    "cell_node",
    "cell_node_2",
    "CON",
    "nul",
    "aux.h",
    "conv1.weight",
    "conv1/weight",
];

fn names() -> Vec<String> {
    let words = KEYWORDS.split_whitespace().chain(OWN.split_whitespace()).map(str::to_owned);
    let capitals = ["CELL", "Final", "INPUT", "Run"].map(str::to_owned);
    words.chain(TEXTS.iter().map(|&text| text.to_owned())).chain(capitals).collect()
}

/// What cannot stand in one folder: file names do not tell such names apart.
fn stem(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_lowercase() } else { '_' }).collect()
}

/// The names in groups of at most `size`, each without two of one stem.
fn groups(size: usize) -> Vec<Vec<String>> {
    let mut groups: Vec<Vec<String>> = Vec::new();
    for name in names() {
        let free = groups
            .iter_mut()
            .find(|group| group.len() < size && group.iter().all(|other| stem(other) != stem(&name)));
        match free {
            Some(group) => group.push(name),
            None => groups.push(vec![name]),
        }
    }
    groups
}

/// Runs a tool in a folder; what it says where it fails.
fn run(folder: &Path, program: &str, arguments: &[&str], sources: &[PathBuf]) -> Option<String> {
    let done = Command::new(program).args(arguments).args(sources).current_dir(folder).output().unwrap();
    let said = String::from_utf8_lossy(&done.stderr).into_owned() + &String::from_utf8_lossy(&done.stdout);
    (!done.status.success())
        .then(|| format!("{program}: {}", said.lines().take(6).collect::<Vec<_>>().join(" / ")))
}

fn sources(folder: &Path, ending: &str) -> Vec<PathBuf> {
    gen_params_test_support::files(folder, &[ending])
}

/// Values of one point, all zero: nothing is simulated.
fn golden(node: Option<&str>, shape: &[usize]) -> GoldenTensor {
    let axes = ["", "N", "NC", "NCW", "NCHW"][shape.len()].to_owned();
    GoldenTensor {
        node: node.map(str::to_owned),
        stage: Stage::Output,
        axes,
        shape: shape.to_vec(),
        width: Width::Uint8,
        values: vec![0; shape.iter().product()],
    }
}

/// Everything that is written for a network, in a folder.
fn write_all(network: &IntNetwork, image: &[usize], folder: &Path) -> Result<(), Error> {
    let parameters = derive::derive(network, &Options::default()).unwrap();
    let machine = Machine::new(network, &parameters, Arithmetic::Target(Target::default())).unwrap();
    let shape: Vec<usize> = [1].into_iter().chain(image.iter().copied()).collect();
    let shapes = machine.shapes(std::slice::from_ref(&shape)).unwrap();

    let program = Program { machine: &machine, images: &[image.to_vec()], name: "net", known_answers: &[] };
    let written = c_program::render(&program)?;
    fs::create_dir_all(folder.join("c")).unwrap();
    fs::write(folder.join("c/net.h"), written.header).unwrap();
    fs::write(folder.join("c/net.c"), written.source).unwrap();

    let formats: Formats = "hex,h,svh,rs,sv,vhdl".parse().unwrap();
    let files = parameter_files(&parameters, &formats)?;
    let manifest = Manifest::describe(&parameters, None, &formats);
    write_folder(&folder.join("params"), &files, manifest, Existing::forced(false))?;

    let mut points = vec![golden(None, &shape)];
    points.extend(network.nodes.iter().filter_map(|node| {
        let &[output] = node.outputs.as_slice() else { return None };
        network.edge(output).activation?;
        (output != network.inputs[0]).then(|| golden(Some(&node.name), &shapes[output.0]))
    }));
    let memory = GoldenFiles::default();
    let design = Design {
        machine: &machine,
        parameters: &parameters,
        golden: &points,
        memory: &memory,
        options: systemverilog::Options { clocks_per_output: 8, pipeline: true },
    };
    systemverilog::write(&folder.join("sv"), &design, None, Existing::forced(false))?;
    Ok(())
}

#[needs(gcc, ghdl, iverilog)]
fn whatever_layers_are_called_compilers_and_simulators_read_it() {
    let plain = network(&fixtures().join("layers/branches_fbgemm/script.pt"));
    let mut failures = Vec::new();
    let mut checked = 0;
    // All of them take ten minutes; the gate takes one group in eight.
    let every = if std::env::var_os("GEN_PARAMS_ALL_NAMES").is_some() { 1 } else { 8 };
    for names in groups(plain.nodes.len()).into_iter().step_by(every) {
        let mut hostile = plain.clone();
        for (node, name) in hostile.nodes.iter_mut().zip(&names) {
            node.name.clone_from(name);
        }
        let folder = tempfile::tempdir().unwrap();
        let place = folder.path();
        checked += names.len();
        if let Err(error) = write_all(&hostile, &[3, 5, 5], place) {
            failures.push(format!("{names:?}: {error}"));
            continue;
        }
        // Packages alone are nothing that a simulator begins with.
        fs::write(place.join("params/top.sv"), "module top; endmodule\n").unwrap();
        let c = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-Wno-unused", "-fsyntax-only"];
        let rows: [(&str, &[&str], Vec<PathBuf>); 6] = [
            ("gcc", &c, vec![place.join("c/net.c")]),
            ("gcc", &["-std=c99", "-fsyntax-only", "-x", "c"], vec![place.join("params/params.h")]),
            ("iverilog", &["-g2012", "-tnull"], sources(&place.join("sv"), ".sv")),
            ("iverilog", &["-g2012", "-tnull"], sources(&place.join("params"), ".sv")),
            ("ghdl", &["-a", "--std=08"], sources(&place.join("params"), ".vhd")),
            (
                "rustc",
                &["--crate-type", "lib", "--edition", "2021", "--emit", "metadata", "-A", "warnings"],
                vec![place.join("params/params.rs")],
            ),
        ];
        for (program, arguments, sources) in &rows {
            assert!(!sources.is_empty(), "{program} has nothing to read");
            if let Some(said) = run(place, program, arguments, sources) {
                failures.push(format!("{names:?}: {said}"));
            }
        }
    }
    println!("{checked} names");
    assert_no_failures(&failures, checked);
}
