// Products of matrices, (ROWS, INNER) times (INNER, COLUMNS), MATRICES of them one after another:
//   round(MULTIPLIER * sum((a - Z1a) * (b - Z1b)) * 2^-SHIFT) + Z3
// One clock per pair of codes.

`default_nettype none

module gp_matrix_product #(
    parameter int MATRICES = 1,
    parameter int ROWS = 1,
    parameter int INNER = 1,
    parameter int COLUMNS = 1,
    parameter int A_SIGNED = 0,
    parameter int B_SIGNED = 0,
    parameter int A_ZERO_POINT = 0,
    parameter int B_ZERO_POINT = 0,
    parameter int MULTIPLIER = 1,
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

  localparam int OUTPUTS = MATRICES * ROWS * COLUMNS;

  wire active, first, last;
  gp_walk #(
      .SIZE_0(MATRICES), .SIZE_1(ROWS), .SIZE_2(COLUMNS), .SIZE_3(INNER),
      .STEP_0(ROWS * INNER), .STEP_1(INNER), .STEP_2(0), .STEP_3(1), .ADDRESS_BITS(READ_A_BITS)
  ) walk_a (
      .clk, .reset, .start, .active, .address(read_address_a), .first, .last
  );
  gp_walk #(
      .SIZE_0(MATRICES), .SIZE_1(ROWS), .SIZE_2(COLUMNS), .SIZE_3(INNER),
      .STEP_0(INNER * COLUMNS), .STEP_1(0), .STEP_2(1), .STEP_3(COLUMNS), .ADDRESS_BITS(READ_B_BITS)
  ) walk_b (
      .clk, .reset, .start, .address(read_address_b),
      /* verilator lint_off PINCONNECTEMPTY */ .active(), .first(), .last() /* verilator lint_on PINCONNECTEMPTY */
  );

  localparam signed [9:0] Z1A = 10'(A_ZERO_POINT);
  localparam signed [9:0] Z1B = 10'(B_ZERO_POINT);
  wire signed [9:0] a = $signed({{2{A_SIGNED != 0 && read_data_a[7]}}, read_data_a}) - Z1A;
  wire signed [9:0] b = $signed({{2{B_SIGNED != 0 && read_data_b[7]}}, read_data_b}) - Z1B;
  wire signed [19:0] product = 20'(a) * 20'(b);
  wire unused = &{1'b0, product};  // the accumulator may be narrower

  logic met, met_first, met_last, complete;
  logic signed [ACCUMULATOR_BITS-1:0] sum;
  logic [WRITE_BITS-1:0] next;
  always_ff @(posedge clk) begin
    met <= active && !reset;
    {met_first, met_last} <= {first, last};
    if (met) sum <= (met_first ? '0 : sum) + ACCUMULATOR_BITS'(product);
    complete <= met && met_last && !reset;
    if (reset || start) next <= '0;
    else if (complete) next <= next + 1'b1;
  end

  gp_requantize #(
      .ROUNDING(ROUNDING), .ACCUMULATOR_BITS(ACCUMULATOR_BITS), .BIAS_BITS(1), .BIASED_BITS(ACCUMULATOR_BITS),
      .MULTIPLIER_BITS(MULTIPLIER_BITS), .PRODUCT_BITS(PRODUCT_BITS), .SHIFT_BITS(SHIFT_BITS), .ZERO_POINT(ZERO_POINT),
      .CLAMP_MIN(CLAMP_MIN), .CLAMP_MAX(CLAMP_MAX), .PIPELINE(PIPELINE), .TAG_BITS(WRITE_BITS)
  ) requantize (
      .clk, .reset,
      .valid(complete),
      .tag(next),
      .accumulator(sum),
      .folded_bias(1'b0),
      .multiplier(MULTIPLIER_BITS'(MULTIPLIER)),
      .shift(SHIFT_BITS'(SHIFT)),
      .code_valid(write), .code_tag(write_address), .code(write_data),
      /* verilator lint_off PINCONNECTEMPTY */
      .stage_accumulator(), .stage_biased(), .stage_product(), .stage_shifted(), .stage_offset()
      /* verilator lint_on PINCONNECTEMPTY */
  );
  assign done = write && write_address == WRITE_BITS'(OUTPUTS - 1);

endmodule

`default_nettype wire
