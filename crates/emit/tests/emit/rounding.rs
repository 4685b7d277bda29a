//! `gp_round` under Icarus Verilog, in all six modes, against the definitions of the roundings and gemmlowp's own code.

use std::fmt::Write as _;
use std::fs;
use std::path::Path;
use std::process::Command;

use gen_params_test_support::needs;

/// The quotient rounded to the nearest; `tie` says whether a tie goes up.
fn nearest(value: i128, n: u32, tie: impl Fn(i128) -> bool) -> i128 {
    let unit = 1_i128 << n;
    let (floor, rest) = (value.div_euclid(unit), value.rem_euclid(unit));
    floor + i128::from(2 * rest > unit || (2 * rest == unit && tie(floor)))
}

/// gemmlowp's `SaturatingRoundingDoublingHighMul` after its multiplication: nudged, divided by 2^31, truncated.
fn doubling_high(product: i128) -> i128 {
    let nudge = if product >= 0 { 1 << 30 } else { 1 - (1 << 30) };
    (product + nudge) / (1 << 31)
}

/// gemmlowp's `RoundingDivideByPOT`.
fn divide_by_power(x: i128, exponent: u32) -> i128 {
    let mask = (1_i128 << exponent) - 1;
    let threshold = (mask >> 1) + i128::from(x < 0);
    (x >> exponent) + i128::from(x & mask > threshold)
}

/// In the order of the module's modes.
fn expected(value: i128, n: u32) -> [i128; 6] {
    let unit = 1_i128 << n;
    let double =
        if n >= 31 { divide_by_power(doubling_high(value), n - 31) } else { nearest(value, n, |_| true) };
    [
        nearest(value, n, |_| true),
        nearest(value, n, |floor| floor % 2 != 0),
        nearest(value, n, |floor| floor >= 0),
        value.div_euclid(unit),
        value / unit,
        double,
    ]
}

/// Ties, their neighbours, both ends, and a walk over all magnitudes, that fit in so many bits.
fn values(bits: u32) -> Vec<i128> {
    let (min, max) = (-(1_i128 << (bits - 1)), (1_i128 << (bits - 1)) - 1);
    let mut all = vec![0, min, min + 1, max, max - 1];
    for power in 0..bits - 1 {
        for factor in [1, 3, 5] {
            for near in -1..=1 {
                all.extend([(factor << power) + near, -(factor << power) + near]);
            }
        }
    }
    let mut state = 0x9e37_79b9_7f4a_7c15_u64;
    for step in 0..200 {
        // Xorshift, of Marsaglia.
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        all.push(i128::from(state.cast_signed()) >> (step % bits));
    }
    all.retain(|value| (min..=max).contains(value));
    all
}

fn bench(bits: u32, shift_bits: u32, count: usize) -> String {
    let mut text = format!(
        "module bench;
  logic signed [{0}:0] values[0:{1}];
  logic [7:0] shifts[0:{1}];
  logic signed [{0}:0] expected[0:{2}];
  initial begin
    $readmemh(\"values.hex\", values);
    $readmemh(\"shifts.hex\", shifts);
    $readmemh(\"expected.hex\", expected);
  end
  logic signed [{0}:0] value;
  logic [{3}:0] shift;
  wire signed [{0}:0] rounded[0:5];
  genvar mode;
  generate
    for (mode = 0; mode < 6; mode = mode + 1) begin : modes
      wire signed [{0}:0] result;
      gp_round #(.BITS({bits}), .SHIFT_BITS({shift_bits}), .ROUNDING(mode)) round (.value, .shift, .rounded(result));
      assign rounded[mode] = result;
    end
  endgenerate
  initial begin
    int wrong;
    wrong = 0;
    #1;
    for (int i = 0; i <= {1}; i = i + 1) begin
      value = values[i];
      shift = shifts[i][{3}:0];
      #1;
",
        bits - 1,
        count - 1,
        6 * count - 1,
        shift_bits - 1
    );
    for mode in 0..6 {
        let _ = writeln!(
            text,
            "      if (rounded[{mode}] !== expected[6*i+{mode}]) begin
        wrong = wrong + 1;
        $display(\"mode {mode}: %0d >> %0d: expected %0d, found %0d\", value, shift, expected[6*i+{mode}], rounded[{mode}]);
      end"
        );
    }
    text + "    end\n    $display(\"wrong: %0d\", wrong);\n    $finish;\n  end\nendmodule\n"
}

#[needs(iverilog)]
fn the_rounding_module_rounds_as_defined() {
    let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("sv");
    let mut failures = Vec::new();
    for (bits, shift_bits) in [(64, 7), (12, 5), (40, 6)] {
        let place = tempfile::tempdir().unwrap();
        let values = values(bits);
        let shifts = [0, 1, 2, 3, 7, 11, 12, 13, 30, 31, 32, 33, 39, 40, 62, 63, 64, 65, 100];
        let shifts: Vec<u32> = shifts.into_iter().filter(|&n| n < 1 << shift_bits).collect();
        let (mut lines, mut count) = ([String::new(), String::new(), String::new()], 0);
        let mask = (1_i128 << bits) - 1;
        for (index, &value) in values.iter().enumerate() {
            for (place, &n) in shifts.iter().enumerate() {
                // A part of the pairs is as good as all, and Icarus Verilog is slow.
                if (index + place) % 3 != 0 {
                    continue;
                }
                count += 1;
                let _ = writeln!(lines[0], "{:x}", value & mask);
                let _ = writeln!(lines[1], "{n:02x}");
                for result in expected(value, n) {
                    let _ = writeln!(lines[2], "{:x}", result & mask);
                }
            }
        }
        for (name, text) in ["values.hex", "shifts.hex", "expected.hex"].iter().zip(&lines) {
            fs::write(place.path().join(name), text).unwrap();
        }
        fs::write(place.path().join("bench.sv"), bench(bits, shift_bits, count)).unwrap();
        let run = |program: &str, arguments: &[&str]| {
            Command::new(program).args(arguments).current_dir(place.path()).output()
        };
        let module = sources.join("gp_round.sv");
        let compile = ["-g2012", "-s", "bench", "-o", "bench.vvp", &module.to_string_lossy(), "bench.sv"];
        let compiled = run("iverilog", &compile).unwrap();
        assert!(compiled.status.success(), "{}", String::from_utf8_lossy(&compiled.stderr));
        let text = String::from_utf8(run("vvp", &["-n", "bench.vvp"]).unwrap().stdout).unwrap();
        println!("{bits} bits: {count} pairs in 6 modes, {}", text.lines().last().unwrap_or_default());
        if !text.ends_with("wrong: 0\n") {
            failures.push(text);
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
