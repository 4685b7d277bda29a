// Batch normalisation on its own, one output per clock: round((multiplier * (code - Z1) + offset) * 2^-SHIFT) + Z3, with a
// signed multiplier and offset of 32 bits per channel.

`default_nettype none

module gp_channel_scale #(
    parameter int CHANNELS = 1,
    parameter int AREA = 1,  // elements of a channel
    parameter int INPUT_SIGNED = 0,
    parameter int INPUT_ZERO_POINT = 0,  // Z1
    parameter MULTIPLIER_FILE = "",
    parameter OFFSET_FILE = "",
    parameter int SHIFT = 0,
    parameter int ACCUMULATOR_BITS = 32,
    parameter int MULTIPLIER_BITS = 1,
    parameter int PRODUCT_BITS = 64,
    parameter int SHIFT_BITS = 6,
    parameter int ROUNDING = 0,
    parameter int ZERO_POINT = 0,  // Z3
    parameter int CLAMP_MIN = 0,
    parameter int CLAMP_MAX = 255,
    parameter int PIPELINE = 1,
    parameter int READ_BITS = 10,
    parameter int WRITE_BITS = 10
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,
    output logic done,

    output logic [READ_BITS-1:0] read_address,
    input wire logic [7:0] read_data,

    output logic write,
    output logic [WRITE_BITS-1:0] write_address,
    output logic [7:0] write_data
);

  localparam int COUNT = CHANNELS * AREA;
  localparam int CHANNEL_BITS = CHANNELS > 1 ? $clog2(CHANNELS) : 1;
  localparam int PLACE_BITS = AREA > 1 ? $clog2(AREA) : 1;

  wire active;
  gp_counter #(.COUNT(COUNT), .BITS(READ_BITS)) counter (.clk, .reset, .start, .active, .index(read_address));

  // The channel of the code that arrives.
  logic met;
  logic [PLACE_BITS-1:0] place;
  logic [CHANNEL_BITS-1:0] channel;
  logic [WRITE_BITS-1:0] next;
  wire is_last = place == PLACE_BITS'(AREA - 1);
  always_ff @(posedge clk) begin
    met <= active && !reset;
    if (reset || start) begin
      {place, channel, next} <= '0;
    end else if (met) begin
      place <= is_last ? '0 : place + 1'b1;
      if (is_last) channel <= channel + 1'b1;
      next <= next + 1'b1;
    end
  end

  logic signed [31:0] multipliers[0:CHANNELS-1];
  logic signed [31:0] offsets[0:CHANNELS-1];
  initial if (MULTIPLIER_FILE != "") $readmemh(MULTIPLIER_FILE, multipliers);
  initial if (OFFSET_FILE != "") $readmemh(OFFSET_FILE, offsets);

  wire signed [9:0] code = {{2{INPUT_SIGNED != 0 && read_data[7]}}, read_data};
  localparam signed [9:0] Z1 = 10'(INPUT_ZERO_POINT);
  wire signed [9:0] centred = code - Z1;
  wire signed [31:0] multiplier = multipliers[channel];
  wire signed [31:0] offset = offsets[channel];
  wire signed [42:0] scaled = 43'(multiplier) * 43'(centred) + 43'(offset);
  wire unused = &{1'b0, scaled};  // the accumulator may be narrower

  gp_requantize #(
      .ROUNDING(ROUNDING), .ACCUMULATOR_BITS(ACCUMULATOR_BITS), .BIAS_BITS(1), .BIASED_BITS(ACCUMULATOR_BITS),
      .MULTIPLIER_BITS(MULTIPLIER_BITS), .PRODUCT_BITS(PRODUCT_BITS), .SHIFT_BITS(SHIFT_BITS), .ZERO_POINT(ZERO_POINT),
      .CLAMP_MIN(CLAMP_MIN), .CLAMP_MAX(CLAMP_MAX), .PIPELINE(PIPELINE), .TAG_BITS(WRITE_BITS)
  ) requantize (
      .clk, .reset,
      .valid(met),
      .tag(next),
      .accumulator(ACCUMULATOR_BITS'(scaled)),
      .folded_bias(1'b0),
      .multiplier(MULTIPLIER_BITS'(1)),
      .shift(SHIFT_BITS'(SHIFT)),
      .code_valid(write), .code_tag(write_address), .code(write_data),
      /* verilator lint_off PINCONNECTEMPTY */
      .stage_accumulator(), .stage_biased(), .stage_product(), .stage_shifted(), .stage_offset()
      /* verilator lint_on PINCONNECTEMPTY */
  );
  assign done = write && write_address == WRITE_BITS'(COUNT - 1);

endmodule

`default_nettype wire
