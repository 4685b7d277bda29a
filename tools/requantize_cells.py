#!/usr/bin/env python3
"""Writes docs/requantize_cells.md: what requantization costs, synthesized by Yosys, by multiplier width and rounding.

    python3 tools/requantize_cells.py            takes some minutes
"""
import pathlib
import re
import subprocess
import tempfile

ROOT = pathlib.Path(__file__).resolve().parent.parent
SOURCES = [ROOT / "crates/emit/sv" / f"gp_{name}.sv" for name in ("requantize", "resize", "round")]
ROUNDINGS = ["half-up", "half-even", "half-away", "floor", "toward-zero", "double"]
WIDTHS = [8, 16, 18, 25, 27, 32]
ACCUMULATOR_BITS = 24

# Only what leaves is counted: the stages are not connected.
# A FIXED_SHIFT of 64 stands for none.
TOP = """
module top #(parameter int ROUNDING = 0, parameter int BITS = 8, parameter int FIXED_SHIFT = 64) (
    input wire logic signed [{acc}-1:0] accumulator, folded_bias,
    input wire logic [BITS-1:0] multiplier,
    input wire logic [5:0] shift,
    output logic [7:0] code
);
  gp_requantize #(
      .ROUNDING(ROUNDING), .ACCUMULATOR_BITS({acc}), .BIAS_BITS({acc}), .BIASED_BITS({acc}), .MULTIPLIER_BITS(BITS),
      .PRODUCT_BITS({acc} + BITS), .SHIFT_BITS(6), .ZERO_POINT(64), .PIPELINE(0)
  ) unit (
      .clk(1'b0), .reset(1'b0), .valid(1'b1), .tag(1'b0), .accumulator, .folded_bias, .multiplier,
      .shift(FIXED_SHIFT < 64 ? 6'(FIXED_SHIFT) : shift), .code
  );
endmodule
""".format(acc=ACCUMULATOR_BITS)


def synthesize(width, rounding, fixed_shift, top):
    """Cells of one variant."""
    script = (
        f"read_verilog -sv -defer {' '.join(map(str, SOURCES))} {top}; hierarchy -check -top top -chparam BITS {width} "
        f"-chparam ROUNDING {rounding} -chparam FIXED_SHIFT {fixed_shift}; synth -flatten; check -assert; stat"
    )
    text = subprocess.run(["yosys", "-p", script], check=True, capture_output=True, text=True).stdout
    return int(re.findall(r"Number of cells:\s+(\d+)", text)[-1])


def table(cells):
    lines = ["| rounding | " + " | ".join(f"{width} bits" for width in WIDTHS) + " |", "|---" * (len(WIDTHS) + 1) + "|"]
    for name in ROUNDINGS:
        lines.append(f"| {name} | " + " | ".join(f"{cells[name, width]:,}" for width in WIDTHS) + " |")
    return "\n".join(lines)


def variants(shift_of, top):
    return {
        (name, width): synthesize(width, index, shift_of(width), top)
        for index, name in enumerate(ROUNDINGS)
        for width in WIDTHS
    }


def versus(cells, name):
    """How much more than half-up, over all widths."""
    more = [cells[name, width] / cells["half-up", width] - 1 for width in WIDTHS]
    return f"{min(more):+.0%} to {max(more):+.0%}"


def main():
    with tempfile.TemporaryDirectory() as folder:
        top = pathlib.Path(folder) / "top.sv"
        top.write_text(TOP)
        # With M0 normalised to `width` bits and M near 2^-9, n = width + 9.
        fixed = variants(lambda width: width + 9, top)
        free = variants(lambda width: 64, top)
    version = subprocess.run(["yosys", "-V"], check=True, capture_output=True, text=True).stdout.split(" (")[0]
    text = f"""# What requantization costs

Cells of `gp_requantize` (bias, multiplier, rounded shift, zero point, clamp; combinational) after `synth -flatten` of
{version}, which knows no DSP blocks: two-input gates and multiplexers, a measure of area that does not depend on a vendor.
Accumulator and folded bias of {ACCUMULATOR_BITS} bits, multiplier M0 of the given width, product of {ACCUMULATOR_BITS} bits more, 8-bit codes.
Written by `python3 tools/requantize_cells.py`.

One shift for all channels, n = width + 9, in wires (`CONSTANT`, or `FIXED_SHIFT` in `gp_convolution`):

{table(fixed)}

A shift per channel of 6 bits, with a barrel shifter:

{table(free)}

What it means:

- The multiplier is most of it: halving its width nearly halves the area. `gen_params certify --search` finds the narrowest
  M0 that is proven equal.
- Rounding half up costs one adder over `floor`. `double`, gemmlowp's two roundings, costs {versus(fixed, "double")} more than
  half-up with a fixed shift (nothing up to n = 31, where both are the same), and {versus(free, "double")} with a shift per channel,
  where the second division is a second barrel shifter; it is also further from the real product. Take it only to be equal
  to an engine that does it.
- `half-even` and `half-away` look at all bits below the result: {versus(fixed, "half-even")} and {versus(fixed, "half-away")} with a
  fixed shift, {versus(free, "half-even")} and {versus(free, "half-away")} with a shift per channel.
- A shift per channel costs a barrel shifter over the whole product; a shift for all costs nothing.
"""
    (ROOT / "docs").mkdir(exist_ok=True)
    (ROOT / "docs" / "requantize_cells.md").write_text(text)


if __name__ == "__main__":
    main()
