// Requantization: an accumulator to an output code, in integers.
//
//   biased  = (accumulator << FRACTION_BITS) + folded_bias
//   product = biased * multiplier                      M0, unsigned
//   shifted = product * 2^-shift, rounded              n (+ FRACTION_BITS)
//   offset  = shifted + ZERO_POINT                     Z3
//   code    = offset clamped to CLAMP_MIN..CLAMP_MAX
//
// ROUNDING  name         the quotient product / 2^shift is rounded
//   0       half-up      to the nearest, ties towards +infinity: one more adder, the bit below the result
//   1       half-even    to the nearest, ties to even
//   2       half-away    to the nearest, ties away from zero
//   3       floor        towards -infinity: the shift alone
//   4       toward-zero  towards zero
//   5       double       as gemmlowp does: by min(shift, 31) half-up, then by the rest half-away; two adders
//
// biased, product and offset are held in registers of BIASED_BITS and PRODUCT_BITS. Where those are proven wide enough
// nothing is lost; where they are not, SATURATE says what happens. shift = 0 is exact; negative shifts do not exist here.
//
// With PIPELINE = 0 the module is combinational; with PIPELINE = 1 it has three register stages (biased; product; code) and
// takes a value on every clock. `tag` goes along with its value. The stages leave with their code, for observation; what is
// not connected costs nothing.

`default_nettype none

module gp_requantize #(
    parameter int ROUNDING = 0,
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
    input wire logic reset,  // synchronous: no code is valid after it

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

  // The accumulator with its fraction, and one bit more than the wider of the two terms.
  localparam int SCALED_BITS = ACCUMULATOR_BITS + FRACTION_BITS;
  localparam int SUM_BITS = (SCALED_BITS > BIAS_BITS ? SCALED_BITS : BIAS_BITS) + 1;
  localparam int EXACT_BITS = BIASED_BITS + MULTIPLIER_BITS + 1;
  // Codes and zero points have one bit more with their sign.
  localparam int WIDE_BITS = (PRODUCT_BITS > CODE_BITS + 1 ? PRODUCT_BITS : CODE_BITS + 1) + 1;

  // Stage 1: the bias.
  wire signed [SUM_BITS-1:0] sum = (SUM_BITS'(accumulator) <<< FRACTION_BITS) + SUM_BITS'(folded_bias);
  wire signed [BIASED_BITS-1:0] biased;
  gp_resize #(.FROM(SUM_BITS), .TO(BIASED_BITS), .SATURATE(SATURATE)) hold_biased (
      .value(sum),
      .held(biased)
  );

  logic valid_1;
  logic [TAG_BITS-1:0] tag_1;
  logic signed [ACCUMULATOR_BITS-1:0] accumulator_1;
  logic signed [BIASED_BITS-1:0] biased_1;
  logic [MULTIPLIER_BITS-1:0] multiplier_1;
  logic [SHIFT_BITS-1:0] shift_1;

  // Stage 2: the product.
  wire signed [EXACT_BITS-1:0] exact = EXACT_BITS'(biased_1) * EXACT_BITS'($signed({1'b0, multiplier_1}));
  wire signed [PRODUCT_BITS-1:0] product;
  gp_resize #(.FROM(EXACT_BITS), .TO(PRODUCT_BITS), .SATURATE(SATURATE)) hold_product (
      .value(exact),
      .held(product)
  );

  logic valid_2;
  logic [TAG_BITS-1:0] tag_2;
  logic signed [ACCUMULATOR_BITS-1:0] accumulator_2;
  logic signed [BIASED_BITS-1:0] biased_2;
  logic signed [PRODUCT_BITS-1:0] product_2;
  logic [SHIFT_BITS-1:0] shift_2;

  // Stage 3: the rounded shift, the zero point, the clamp.
  wire signed [PRODUCT_BITS-1:0] shifted;
  gp_round #(.BITS(PRODUCT_BITS), .SHIFT_BITS(SHIFT_BITS), .ROUNDING(ROUNDING)) round (
      .value(product_2),
      .shift(shift_2),
      .rounded(shifted)
  );
  wire signed [WIDE_BITS-1:0] wide = WIDE_BITS'(shifted) + WIDE_BITS'(ZERO_POINT);
  wire signed [PRODUCT_BITS-1:0] offset;
  gp_resize #(.FROM(WIDE_BITS), .TO(PRODUCT_BITS), .SATURATE(SATURATE)) hold_offset (
      .value(wide),
      .held(offset)
  );
  localparam signed [WIDE_BITS-1:0] LOWEST = WIDE_BITS'(CLAMP_MIN);
  localparam signed [WIDE_BITS-1:0] HIGHEST = WIDE_BITS'(CLAMP_MAX);
  wire signed [WIDE_BITS-1:0] unclamped = WIDE_BITS'(offset);
  wire below = unclamped < LOWEST;
  wire above = unclamped > HIGHEST;
  wire [CODE_BITS-1:0] clamped = below ? LOWEST[CODE_BITS-1:0] : above ? HIGHEST[CODE_BITS-1:0] : unclamped[CODE_BITS-1:0];

  generate
    if (PIPELINE != 0) begin : registers
      wire enable = reset || valid || valid_1 || valid_2 || code_valid;
      always_ff @(posedge clk) begin
        if (enable) begin
          {valid_1, valid_2, code_valid} <= reset ? 3'b000 : {valid, valid_1, valid_2};
          if (valid) begin
            tag_1 <= tag;
            accumulator_1 <= accumulator;
            biased_1 <= biased;
            multiplier_1 <= multiplier;
            shift_1 <= shift;
          end
          if (valid_1) begin
            tag_2 <= tag_1;
            accumulator_2 <= accumulator_1;
            biased_2 <= biased_1;
            product_2 <= product;
            shift_2 <= shift_1;
          end
          if (valid_2) begin
            code_tag <= tag_2;
            code <= clamped;
            stage_accumulator <= accumulator_2;
            stage_biased <= biased_2;
            stage_product <= product_2;
            stage_shifted <= shifted;
            stage_offset <= offset;
          end
        end
      end
    end else begin : wires
      assign valid_1 = valid;
      assign valid_2 = valid_1;
      assign code_valid = valid_2;
      assign tag_1 = tag;
      assign tag_2 = tag_1;
      assign code_tag = tag_2;
      assign accumulator_1 = accumulator;
      assign accumulator_2 = accumulator_1;
      assign stage_accumulator = accumulator_2;
      assign biased_1 = biased;
      assign biased_2 = biased_1;
      assign stage_biased = biased_2;
      assign multiplier_1 = multiplier;
      assign shift_1 = shift;
      assign shift_2 = shift_1;
      assign product_2 = product;
      assign stage_product = product_2;
      assign stage_shifted = shifted;
      assign stage_offset = offset;
      assign code = clamped;
      wire unused = &{1'b0, clk, reset};
    end
  endgenerate

endmodule

`default_nettype wire
