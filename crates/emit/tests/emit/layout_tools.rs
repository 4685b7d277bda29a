//! Laid-out words in the hands of the tools that they are for: simulators, compilers, Python.

use std::fmt::Write as _;
use std::fs;

use gen_params_core::parameters::Weight;
use gen_params_emit::folder::target_file::TargetFile;
use gen_params_emit::{Existing, Format, Formats, write_for_target};
use gen_params_test_support::needs;
use tempfile::TempDir;

use crate::sample::{conv, network};
use crate::tools::run;

/// Output channels, input channels, rows and columns of the kernel.
const SHAPE: [usize; 4] = [3, 2, 2, 2];

fn code(o: usize, i: usize, h: usize, w: usize) -> i8 {
    let index = ((o * SHAPE[1] + i) * SHAPE[2] + h) * SHAPE[3] + w;
    i8::try_from(index * 11 % 256).unwrap_or(-1 - i8::try_from(index).unwrap())
}

/// Both input channels of a position in a word of 16 bits, channels last.
const TARGET: &str = "[layout]\nwrite = ['weight']\n[layout.weight]\norder = 'OHWI'\nlanes = 2\n";

/// The words of that layout, by plain loops.
fn expected() -> String {
    let mut text = String::new();
    for o in 0..SHAPE[0] {
        for h in 0..SHAPE[2] {
            for w in 0..SHAPE[3] {
                let word = u16::from_le_bytes([
                    code(o, 0, h, w).to_le_bytes()[0],
                    code(o, 1, h, w).to_le_bytes()[0],
                ]);
                writeln!(text, "{word}").unwrap();
            }
        }
    }
    text
}

fn written() -> TempDir {
    let place = tempfile::tempdir().unwrap();
    let mut layer = conv();
    let mut codes = Vec::new();
    for o in 0..SHAPE[0] {
        for i in 0..SHAPE[1] {
            for h in 0..SHAPE[2] {
                codes.extend((0..SHAPE[3]).map(|w| code(o, i, h, w)));
            }
        }
    }
    layer.weight = Weight::of_bytes(SHAPE.to_vec(), codes.into(), vec![0.5; 3], vec![0; 3]);
    let target = TargetFile::parse(TARGET).unwrap();
    let formats = Formats::from_iter(Format::ALL);
    let parameters = network(vec![layer]);
    write_for_target(place.path(), &parameters, None, &formats, &target, Existing::Replace).unwrap();
    place
}

#[needs(iverilog)]
fn a_verilog_simulator_reads_hexadecimal_and_binary_words() {
    let place = written();
    let text = "module print;\nreg [15:0] hex [0:11], bin [0:11];\ninteger i;\ninitial begin\n\
        $readmemh(\"conv1_weight.hex\", hex);\n$readmemb(\"conv1_weight.bin\", bin);\n\
        for (i = 0; i < 12; i = i + 1) begin\n$display(\"%0d\", hex[i]);\n\
        if (hex[i] !== bin[i]) $display(\"%0d in binary\", bin[i]);\nend\nend\nendmodule\n";
    fs::write(place.path().join("print.sv"), text).unwrap();
    let arguments = ["-g2012", "-Wall", "-Wno-timescale", "-o", "print.vvp", "print.sv"];
    run("iverilog", &arguments, place.path());
    assert_eq!(run("vvp", &["-n", "print.vvp"], place.path()), expected());
}

#[needs(gcc)]
fn a_c_compiler_reads_the_words() {
    let place = written();
    let text = "#include <stdio.h>\n#include \"params.h\"\nint main(void) {\n\
        for (int i = 0; i < 12; i++) printf(\"%u\\n\", (unsigned)CONV1_WEIGHT[i]);\n\
        return CONV1_CHANNELS != 3 || sizeof CONV1_WEIGHT != 24;\n}\n";
    fs::write(place.path().join("print.c"), text).unwrap();
    let arguments = ["-std=c99", "-Wall", "-Wextra", "-Werror", "-pedantic", "-o", "print_c", "print.c"];
    run("gcc", &arguments, place.path());
    let program = place.path().join("print_c");
    assert_eq!(run(program.to_str().unwrap(), &[], place.path()), expected());
}

#[test]
fn the_rust_compiler_reads_the_words() {
    let place = written();
    let text = "mod params;\nfn main() {\n    assert_eq!(params::CONV1_CHANNELS, 3);\n    \
        for word in params::CONV1_WEIGHT { println!(\"{}\", word); }\n}\n";
    fs::write(place.path().join("print.rs"), text).unwrap();
    let arguments = ["--edition", "2021", "-A", "dead_code", "-o", "print_rs", "print.rs"];
    run("rustc", &arguments, place.path());
    let program = place.path().join("print_rs");
    assert_eq!(run(program.to_str().unwrap(), &[], place.path()), expected());
}

#[needs(verilator)]
fn verilator_reads_the_package() {
    let place = written();
    let mut text = "module check;\ngenerate\n".to_owned();
    for (index, word) in expected().lines().enumerate() {
        writeln!(text, "if (gen_params_pkg::CONV1_WEIGHT[{index}] != 16'd{word}) $error(\"word {index}\");")
            .unwrap();
    }
    text.push_str("if (gen_params_pkg::CONV1_CHANNELS != 3) $error(\"channels\");\nendgenerate\nendmodule\n");
    fs::write(place.path().join("check.sv"), text).unwrap();
    let arguments =
        ["--lint-only", "-Wall", "-Wno-DECLFILENAME", "--top-module", "check", "params_pkg.sv", "check.sv"];
    run("verilator", &arguments, place.path());
}

#[needs(ghdl)]
fn a_vhdl_simulator_reads_the_package() {
    let place = written();
    let mut text =
        "library ieee;\nuse ieee.numeric_std.all;\nuse work.gen_params_pkg.all;\nentity check is end;\n\
        architecture only of check is\nbegin\nprocess begin\nassert CONV1_CHANNELS = 3 severity failure;\n"
            .to_owned();
    for (index, word) in expected().lines().enumerate() {
        writeln!(text, "assert to_integer(unsigned(CONV1_WEIGHT({index}))) = {word} severity failure;")
            .unwrap();
    }
    text.push_str("wait;\nend process;\nend;\n");
    fs::write(place.path().join("check.vhd"), text).unwrap();
    run("ghdl", &["-a", "params_pkg.vhd", "check.vhd"], place.path());
    run("ghdl", &["-e", "check"], place.path());
    run("ghdl", &["-r", "check"], place.path());
}

/// Reads every other format as its own specification says, and prints the words.
const PYTHON: &str = r#"
import ast, csv, json, re, struct, sys
def text(ending): return open('conv1_weight.' + ending).read()
def npy():
    data = open('conv1_weight.npy', 'rb').read()
    assert data[:6] == b'\x93NUMPY'
    size, start = (struct.unpack('<H', data[8:10])[0], 10) if data[6] == 1 else (struct.unpack('<I', data[8:12])[0], 12)
    header = ast.literal_eval(data[start:start + size].decode())
    assert header['descr'] == '<u2' and header['shape'] == (12,) and not header['fortran_order'], header
    return struct.unpack('<12H', data[start + size:])
def ihex():
    memory, upper = b'', 0
    for line in text('ihex').split():
        record = bytes.fromhex(line[1:])
        assert line[0] == ':' and sum(record) % 256 == 0 and len(record) == record[0] + 5, line
        address, kind, data = record[1] << 8 | record[2], record[3], record[4:-1]
        if kind == 0:
            assert upper + address == len(memory)
            memory += data
        elif kind == 4: upper = (data[0] << 8 | data[1]) << 16
        else: assert kind == 1
    return struct.unpack('<12H', memory)
def coe():
    body = '\n'.join(line for line in text('coe').splitlines() if not line.startswith(';'))
    radix, vector = re.fullmatch(r'memory_initialization_radix=(\d+);\s*memory_initialization_vector=\s*([^;]*);\s*', body).groups()
    return [int(word, int(radix)) for word in vector.split(',')]
def mif(ending):
    body = re.sub(r'--.*', '', text(ending))
    keys = dict(re.findall(r'(\w+)=(\w+);', body))
    radix = {'HEX': 16, 'UNS': 10, 'DEC': 10, 'BIN': 2}[keys['DATA_RADIX']]
    assert keys['WIDTH'] == '16' and keys['DEPTH'] == '12' and keys['ADDRESS_RADIX'] == 'UNS', keys
    pairs = re.findall(r'(\d+)\s*:\s*(-?\w+);', re.search(r'CONTENT BEGIN(.*)END;', body, re.S).group(1))
    assert [int(address) for address, _ in pairs] == list(range(12))
    return [int(word, radix) for _, word in pairs]
rows = list(csv.reader(line for line in open('conv1_weight.csv') if not line.startswith('#')))
assert rows[0] == ['address', 'word'] and [int(row[0]) for row in rows[1:]] == list(range(12))
found = {
    'npy': npy(), 'ihex': ihex(), 'coe': coe(), 'mif': mif('mif'), 'dec.mif': mif('dec.mif'), 'bin.mif': mif('bin.mif'),
    'raw': struct.unpack('<12H', open('conv1_weight.raw', 'rb').read()),
    'dec': [int(line) for line in text('dec').splitlines() if not line.startswith('#')],
    'csv': [int(row[1]) for row in rows[1:]],
    'json': [int(word, 16) for word in json.load(open('params.json'))['memories'][0]['words']],
}
for name, words in found.items():
    assert list(words) == list(found['dec']), (name, words)
print(*found['dec'], sep='\n')
"#;

#[needs(python3)]
fn python_reads_all_other_formats() {
    let place = written();
    let found = run("python3", &["-c", PYTHON], place.path());
    assert_eq!(found, expected());
}
