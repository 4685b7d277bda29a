// Copies blocks of codes from one tensor into another, one code per clock: block k of BLOCK codes, in order, goes to the
// addresses from OFFSET + k * DISTANCE on. One of them per input is a concatenation.
//
// Every code becomes round(MULTIPLIER * (code - Z1) * 2^-SHIFT) + Z3, clamped; codes that pass unchanged have Z1 = Z3 = 0,
// MULTIPLIER = 1 and SHIFT = 0.

`default_nettype none

module gp_copy #(
    parameter int BLOCKS = 1,
    parameter int BLOCK = 1,
    parameter int DISTANCE = 1,
    parameter int OFFSET = 0,
    parameter int INPUT_SIGNED = 0,
    parameter int INPUT_ZERO_POINT = 0,  // Z1
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
    parameter int CODE_BITS = 8,
    parameter int READ_BITS = 10,
    parameter int WRITE_BITS = 10
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,
    output logic done,

    output logic [READ_BITS-1:0] read_address,
    input wire logic [CODE_BITS-1:0] read_data,

    output logic write,
    output logic [WRITE_BITS-1:0] write_address,
    output logic [CODE_BITS-1:0] write_data
);

  wire active;
  gp_counter #(.COUNT(BLOCKS * BLOCK), .BITS(READ_BITS)) counter (.clk, .reset, .start, .active, .index(read_address));

  // The address of the code that arrives.
  localparam int BLOCK_BITS = BLOCK > 1 ? $clog2(BLOCK) : 1;
  logic met;
  logic [BLOCK_BITS-1:0] place;  // in its block
  logic [WRITE_BITS-1:0] target;
  always_ff @(posedge clk) begin
    met <= active && !reset;
    if (reset || start) begin
      place <= '0;
      target <= WRITE_BITS'(OFFSET);
    end else if (met) begin
      place <= place == BLOCK_BITS'(BLOCK - 1) ? '0 : place + 1'b1;
      target <= target + (place == BLOCK_BITS'(BLOCK - 1) ? WRITE_BITS'(DISTANCE - BLOCK + 1) : WRITE_BITS'(1));
    end
  end

  wire signed [CODE_BITS+1:0] code = {{2{INPUT_SIGNED != 0 && read_data[CODE_BITS-1]}}, read_data};
  localparam signed [CODE_BITS+1:0] Z1 = (CODE_BITS + 2)'(INPUT_ZERO_POINT);
  wire signed [CODE_BITS+1:0] centred = code - Z1;
  wire unused = &{1'b0, centred};  // the accumulator may be narrower

  gp_requantize #(
      .ROUNDING(ROUNDING), .ACCUMULATOR_BITS(ACCUMULATOR_BITS), .BIAS_BITS(1), .BIASED_BITS(ACCUMULATOR_BITS),
      .MULTIPLIER_BITS(MULTIPLIER_BITS), .PRODUCT_BITS(PRODUCT_BITS), .SHIFT_BITS(SHIFT_BITS), .ZERO_POINT(ZERO_POINT),
      .CLAMP_MIN(CLAMP_MIN), .CLAMP_MAX(CLAMP_MAX), .PIPELINE(PIPELINE), .TAG_BITS(WRITE_BITS), .CODE_BITS(CODE_BITS)
  ) requantize (
      .clk, .reset,
      .valid(met),
      .tag(target),
      .accumulator(ACCUMULATOR_BITS'(centred)),
      .folded_bias(1'b0),
      .multiplier(MULTIPLIER_BITS'(MULTIPLIER)),
      .shift(SHIFT_BITS'(SHIFT)),
      .code_valid(write), .code_tag(write_address), .code(write_data),
      /* verilator lint_off PINCONNECTEMPTY */
      .stage_accumulator(), .stage_biased(), .stage_product(), .stage_shifted(), .stage_offset()
      /* verilator lint_on PINCONNECTEMPTY */
  );
  assign done = write && write_address == WRITE_BITS'(OFFSET + (BLOCKS - 1) * DISTANCE + BLOCK - 1);

endmodule

`default_nettype wire
