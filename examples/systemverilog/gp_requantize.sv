// A requantization of one's own in the place of gen_params': rounds half up by adding 2^(n-1) to the product, which a DSP
// block does in its own adder, and takes two register stages instead of three.
//
// It has the name, the parameters and the ports of rtl/gp_requantize.sv; what is not needed here is left unused. Codes leave
// with code_valid and their tag, so that the number of register stages is free.

`default_nettype none

/* verilator lint_off UNUSEDPARAM */
module gp_requantize #(
    parameter int ROUNDING = 0,  // 0, half-up, is what this one can do
    parameter int ACCUMULATOR_BITS = 32,
    parameter int FRACTION_BITS = 0,
    parameter int BIAS_BITS = 32,
    parameter int BIASED_BITS = 33,
    parameter int MULTIPLIER_BITS = 31,
    parameter int PRODUCT_BITS = 64,
    parameter int SHIFT_BITS = 6,
    parameter int SATURATE = 0,
    parameter int ZERO_POINT = 0,
    parameter int CLAMP_MIN = 0,
    parameter int CLAMP_MAX = 255,
    parameter int PIPELINE = 1,
    parameter int TAG_BITS = 1,
    parameter int CODE_BITS = 8  // of the output
) (
    input wire logic clk,
    input wire logic reset,

    input wire logic valid,
    input wire logic [TAG_BITS-1:0] tag,
    input wire logic signed [ACCUMULATOR_BITS-1:0] accumulator,
    input wire logic signed [BIAS_BITS-1:0] folded_bias,
    input wire logic [MULTIPLIER_BITS-1:0] multiplier,
    input wire logic [SHIFT_BITS-1:0] shift,

    output logic code_valid,
    output logic [TAG_BITS-1:0] code_tag,
    output logic [CODE_BITS-1:0] code,

    output logic signed [ACCUMULATOR_BITS-1:0] stage_accumulator,
    output logic signed [BIASED_BITS-1:0] stage_biased,
    output logic signed [PRODUCT_BITS-1:0] stage_product,
    output logic signed [PRODUCT_BITS-1:0] stage_shifted,
    output logic signed [PRODUCT_BITS-1:0] stage_offset
);
  /* verilator lint_on UNUSEDPARAM */

  generate
    if (ROUNDING != 0 || SATURATE != 0) begin : not_here
      initial $error("this gp_requantize rounds half up, in registers that are wide enough");
    end
  endgenerate

  // The product with the rounding constant; codes and zero points have one bit more than a code, with their sign.
  localparam int SUM_BITS = (PRODUCT_BITS > CODE_BITS + 1 ? PRODUCT_BITS : CODE_BITS + 1) + 1;

  // Clock 1: bias, and the multiplication.
  logic valid_1;
  logic [TAG_BITS-1:0] tag_1;
  logic [SHIFT_BITS-1:0] shift_1;
  logic signed [ACCUMULATOR_BITS-1:0] accumulator_1;
  logic signed [BIASED_BITS-1:0] biased_1;
  logic signed [PRODUCT_BITS-1:0] product_1;
  wire signed [BIASED_BITS-1:0] biased =
      (BIASED_BITS'(accumulator) <<< FRACTION_BITS) + BIASED_BITS'(folded_bias);
  always_ff @(posedge clk) begin
    valid_1 <= valid && !reset;
    tag_1 <= tag;
    shift_1 <= shift;
    accumulator_1 <= accumulator;
    biased_1 <= biased;
    product_1 <= PRODUCT_BITS'(biased) * PRODUCT_BITS'($signed({1'b0, multiplier}));
  end

  // Clock 2: the rounding constant, the shift, Z3 and the clamp.
  wire signed [SUM_BITS-1:0] half = SUM_BITS'($signed({1'b0, shift_1 != '0})) <<< (shift_1 - 1'b1);
  wire signed [SUM_BITS-1:0] shifted = (SUM_BITS'(product_1) + half) >>> shift_1;
  wire signed [SUM_BITS-1:0] offset = shifted + SUM_BITS'(ZERO_POINT);
  always_ff @(posedge clk) begin
    code_valid <= valid_1 && !reset;
    code_tag <= tag_1;
    code <= offset < SUM_BITS'(CLAMP_MIN) ? CODE_BITS'(CLAMP_MIN)
        : offset > SUM_BITS'(CLAMP_MAX) ? CODE_BITS'(CLAMP_MAX)
        : offset[CODE_BITS-1:0];
    stage_accumulator <= accumulator_1;
    stage_biased <= biased_1;
    stage_product <= product_1;
    stage_shifted <= shifted[PRODUCT_BITS-1:0];
    stage_offset <= offset[PRODUCT_BITS-1:0];
  end

endmodule

`default_nettype wire
