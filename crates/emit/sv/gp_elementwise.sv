// Sum or product of two tensors, one output per clock:
//   OPERATION 0: round((MULTIPLIER_A * (a - Z1a) + MULTIPLIER_B * (b - Z1b)) * 2^-SHIFT) + Z3
//   OPERATION 1: round(MULTIPLIER_A * (a - Z1a) * (b - Z1b) * 2^-SHIFT) + Z3
//
// The outputs are four loops, the last innermost; an operand that is repeated along a loop has a step of 0 there. Of equal
// shapes SIZE_3 counts all elements and both steps are 1.

`default_nettype none

module gp_elementwise #(
    parameter int OPERATION = 0,
    parameter int SIZE_0 = 1,
    parameter int SIZE_1 = 1,
    parameter int SIZE_2 = 1,
    parameter int SIZE_3 = 1,
    parameter int A_STEP_0 = 0,
    parameter int A_STEP_1 = 0,
    parameter int A_STEP_2 = 0,
    parameter int A_STEP_3 = 1,
    parameter int B_STEP_0 = 0,
    parameter int B_STEP_1 = 0,
    parameter int B_STEP_2 = 0,
    parameter int B_STEP_3 = 1,
    parameter int A_SIGNED = 0,
    parameter int B_SIGNED = 0,
    parameter int A_ZERO_POINT = 0,
    parameter int B_ZERO_POINT = 0,
    parameter int MULTIPLIER_A = 1,
    parameter int MULTIPLIER_B = 1,
    parameter int SHIFT = 0,
    parameter int ACCUMULATOR_BITS = 32,
    parameter int MULTIPLIER_BITS = 31,
    parameter int PRODUCT_BITS = 64,
    parameter int SHIFT_BITS = 6,
    parameter int ROUNDING = 0,
    parameter int ZERO_POINT = 0,  // Z3
    parameter int CLAMP_MIN = 0,
    parameter int CLAMP_MAX = 255,
    parameter int PIPELINE = 1,
    parameter int READ_A_BITS = 10,
    parameter int READ_B_BITS = 10,
    parameter int WRITE_BITS = 10
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,
    output logic done,

    output logic [READ_A_BITS-1:0] read_address_a,
    input wire logic [7:0] read_data_a,
    output logic [READ_B_BITS-1:0] read_address_b,
    input wire logic [7:0] read_data_b,

    output logic write,
    output logic [WRITE_BITS-1:0] write_address,
    output logic [7:0] write_data
);

  localparam int COUNT = SIZE_0 * SIZE_1 * SIZE_2 * SIZE_3;

  wire active;
  gp_walk #(
      .SIZE_0(SIZE_0), .SIZE_1(SIZE_1), .SIZE_2(SIZE_2), .SIZE_3(SIZE_3),
      .STEP_0(A_STEP_0), .STEP_1(A_STEP_1), .STEP_2(A_STEP_2), .STEP_3(A_STEP_3), .ADDRESS_BITS(READ_A_BITS)
  ) walk_a (
      .clk, .reset, .start, .active, .address(read_address_a),
      /* verilator lint_off PINCONNECTEMPTY */ .first(), .last() /* verilator lint_on PINCONNECTEMPTY */
  );
  gp_walk #(
      .SIZE_0(SIZE_0), .SIZE_1(SIZE_1), .SIZE_2(SIZE_2), .SIZE_3(SIZE_3),
      .STEP_0(B_STEP_0), .STEP_1(B_STEP_1), .STEP_2(B_STEP_2), .STEP_3(B_STEP_3), .ADDRESS_BITS(READ_B_BITS)
  ) walk_b (
      .clk, .reset, .start, .address(read_address_b),
      /* verilator lint_off PINCONNECTEMPTY */ .active(), .first(), .last() /* verilator lint_on PINCONNECTEMPTY */
  );
  logic met;
  logic [WRITE_BITS-1:0] met_index;
  always_ff @(posedge clk) begin
    met <= active && !reset;
    if (reset || start) met_index <= '0;
    else if (met) met_index <= met_index + 1'b1;
  end

  localparam signed [9:0] Z1A = 10'(A_ZERO_POINT);
  localparam signed [9:0] Z1B = 10'(B_ZERO_POINT);
  wire signed [9:0] a = $signed({{2{A_SIGNED != 0 && read_data_a[7]}}, read_data_a}) - Z1A;
  wire signed [9:0] b = $signed({{2{B_SIGNED != 0 && read_data_b[7]}}, read_data_b}) - Z1B;

  wire unused = &{1'b0, a, b};  // the accumulator may be narrower

  // A sum has its multipliers already inside; a product is multiplied once, in the requantization.
  wire signed [ACCUMULATOR_BITS-1:0] accumulator;
  wire [MULTIPLIER_BITS-1:0] multiplier;
  generate
    if (OPERATION == 0) begin : sum
      localparam signed [ACCUMULATOR_BITS-1:0] MA = ACCUMULATOR_BITS'(MULTIPLIER_A);
      localparam signed [ACCUMULATOR_BITS-1:0] MB = ACCUMULATOR_BITS'(MULTIPLIER_B);
      assign accumulator = ACCUMULATOR_BITS'(a) * MA + ACCUMULATOR_BITS'(b) * MB;
      assign multiplier = MULTIPLIER_BITS'(1);
    end else begin : product
      assign accumulator = ACCUMULATOR_BITS'(a) * ACCUMULATOR_BITS'(b);
      assign multiplier = MULTIPLIER_BITS'(MULTIPLIER_A);
    end
  endgenerate

  gp_requantize #(
      .ROUNDING(ROUNDING), .ACCUMULATOR_BITS(ACCUMULATOR_BITS), .BIAS_BITS(1), .BIASED_BITS(ACCUMULATOR_BITS),
      .MULTIPLIER_BITS(MULTIPLIER_BITS), .PRODUCT_BITS(PRODUCT_BITS), .SHIFT_BITS(SHIFT_BITS), .ZERO_POINT(ZERO_POINT),
      .CLAMP_MIN(CLAMP_MIN), .CLAMP_MAX(CLAMP_MAX), .PIPELINE(PIPELINE), .TAG_BITS(WRITE_BITS)
  ) requantize (
      .clk, .reset,
      .valid(met),
      .tag(met_index),
      .accumulator(accumulator),
      .folded_bias(1'b0),
      .multiplier(multiplier),
      .shift(SHIFT_BITS'(SHIFT)),
      .code_valid(write), .code_tag(write_address), .code(write_data),
      /* verilator lint_off PINCONNECTEMPTY */
      .stage_accumulator(), .stage_biased(), .stage_product(), .stage_shifted(), .stage_offset()
      /* verilator lint_on PINCONNECTEMPTY */
  );
  assign done = write && write_address == WRITE_BITS'(COUNT - 1);

endmodule

`default_nettype wire
