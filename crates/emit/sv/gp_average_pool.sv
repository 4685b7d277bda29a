// Average pooling and means: round(M0 * sum(code - Z1) * 2^-n) + Z3, with M0 and n for the number of
// positions that the sum is divided by. One clock per tap; padding adds nothing.
//
// MULTIPLIER_FILE and SHIFT_FILE have one value per output position, where windows at the border are divided by less;
// where all are divided by the same, they are empty and MULTIPLIER and SHIFT say it.

`default_nettype none

module gp_average_pool #(
    parameter int CHANNELS = 1,
    parameter int INPUT_HEIGHT = 1,
    parameter int INPUT_WIDTH = 1,
    parameter int OUTPUT_HEIGHT = 1,
    parameter int OUTPUT_WIDTH = 1,
    parameter int KERNEL_HEIGHT = 1,
    parameter int KERNEL_WIDTH = 1,
    parameter int STRIDE_HEIGHT = 1,
    parameter int STRIDE_WIDTH = 1,
    parameter int PADDING_HEIGHT = 0,
    parameter int PADDING_WIDTH = 0,
    parameter int DILATION_HEIGHT = 1,
    parameter int DILATION_WIDTH = 1,
    parameter int TAPS = 1,   // of all windows of a channel
    parameter TAP_FILE = "",  // for windows that are no grid: see gp_taps
    parameter int INPUT_SIGNED = 0,
    parameter int INPUT_ZERO_POINT = 0,  // Z1
    parameter int MULTIPLIER = 1,
    parameter int SHIFT = 0,
    parameter MULTIPLIER_FILE = "",
    parameter SHIFT_FILE = "",
    parameter int ACCUMULATOR_BITS = 32,
    parameter int MULTIPLIER_BITS = 31,
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

  localparam int POSITIONS = OUTPUT_HEIGHT * OUTPUT_WIDTH;
  localparam int OUTPUTS = CHANNELS * POSITIONS;
  localparam int POSITION_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1;

  wire met, met_inside, met_first, met_last;
  wire [POSITION_BITS-1:0] met_position;
  generate
    if (TAP_FILE == "") begin : by_counting
      gp_window #(
          .GROUPS(CHANNELS), .INPUT_HEIGHT(INPUT_HEIGHT), .INPUT_WIDTH(INPUT_WIDTH),
          .OUTPUT_HEIGHT(OUTPUT_HEIGHT), .OUTPUT_WIDTH(OUTPUT_WIDTH),
          .KERNEL_HEIGHT(KERNEL_HEIGHT), .KERNEL_WIDTH(KERNEL_WIDTH),
          .STRIDE_HEIGHT(STRIDE_HEIGHT), .STRIDE_WIDTH(STRIDE_WIDTH),
          .PADDING_HEIGHT(PADDING_HEIGHT), .PADDING_WIDTH(PADDING_WIDTH),
          .DILATION_HEIGHT(DILATION_HEIGHT), .DILATION_WIDTH(DILATION_WIDTH),
          .ADDRESS_BITS(READ_BITS)
      ) grid (
          .clk, .reset, .start, .address(read_address), .met, .met_inside, .met_first, .met_last, .met_position,
          /* verilator lint_off PINCONNECTEMPTY */ .active(), .last_of_window(), .last_of_pass() /* verilator lint_on PINCONNECTEMPTY */
      );
    end else begin : by_table
      gp_taps #(
          .PLANES(CHANNELS), .PLANE(INPUT_HEIGHT * INPUT_WIDTH), .POSITIONS(OUTPUT_HEIGHT * OUTPUT_WIDTH),
          .TAPS(TAPS), .TAP_FILE(TAP_FILE), .ADDRESS_BITS(READ_BITS)
      ) table_of_taps (
          .clk, .reset, .start, .address(read_address), .met, .met_first, .met_last, .met_position
      );
      assign met_inside = 1'b1;
    end
  endgenerate

  wire signed [9:0] code = {{2{INPUT_SIGNED != 0 && read_data[7]}}, read_data};
  localparam signed [9:0] Z1 = 10'(INPUT_ZERO_POINT);
  wire signed [9:0] centred = met_inside ? code - Z1 : '0;
  wire unused_centred = &{1'b0, centred};  // the accumulator may be narrower
  logic signed [ACCUMULATOR_BITS-1:0] sum;
  logic complete;
  logic [POSITION_BITS-1:0] position;
  logic [WRITE_BITS-1:0] next;  // windows follow one another in the order of the outputs
  always_ff @(posedge clk) begin
    if (met) sum <= (met_first ? '0 : sum) + ACCUMULATOR_BITS'(centred);
    complete <= met && met_last && !reset;
    position <= met_position;
    if (reset || start) next <= '0;
    else if (complete) next <= next + 1'b1;
  end

  wire [31:0] multiplier;
  wire [7:0] shift;
  generate
    if (MULTIPLIER_FILE == "") begin : same
      assign multiplier = 32'(MULTIPLIER);
      assign shift = 8'(SHIFT);
      wire unused = &{1'b0, position};
    end else begin : by_position
      logic [31:0] multipliers[0:POSITIONS-1];
      logic [7:0] shifts[0:POSITIONS-1];
      initial $readmemh(MULTIPLIER_FILE, multipliers);
      initial $readmemh(SHIFT_FILE, shifts);
      assign multiplier = multipliers[position];
      assign shift = shifts[position];
    end
  endgenerate
  wire unused = &{1'b0, multiplier, shift};

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
      .multiplier(multiplier[MULTIPLIER_BITS-1:0]),
      .shift(shift[SHIFT_BITS-1:0]),
      .code_valid(write), .code_tag(write_address), .code(write_data),
      /* verilator lint_off PINCONNECTEMPTY */
      .stage_accumulator(), .stage_biased(), .stage_product(), .stage_shifted(), .stage_offset()
      /* verilator lint_on PINCONNECTEMPTY */
  );
  assign done = write && write_address == WRITE_BITS'(OUTPUTS - 1);

endmodule

`default_nettype wire
