// A convolution (1 or 2 dimensions, grouped, depthwise, dilated, padded with Z1) or a fully connected layer (1x1 on a 1x1
// input), with its requantization.
//
// LANES output channels are computed at once: on every clock one input code meets one tap of LANES filters. A window is
// done after TAPS clocks, and its LANES accumulators then pass one after another through gp_requantize, while the next
// window is summed up. TAPS / LANES clocks per output.
//
// Files, as gen_params writes them: the weights in (output channel, input channel of the group, row, column) order; folded
// bias, multiplier and shift with one value per output channel.
//
// ACCUMULATOR_BITS, BIASED_BITS and PRODUCT_BITS are the widths that were proven for this layer's weights and input range, or
// those of your registers where they are less (then what does not fit wraps or saturates).
//
// LANES must divide the output channels of a group, and be at most TAPS.

`default_nettype none

module gp_convolution #(
    parameter int GROUPS = 1,
    parameter int GROUP_INPUTS = 1,
    parameter int GROUP_OUTPUTS = 1,
    parameter int LANES = 1,
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

    parameter int INPUT_SIGNED = 0,
    parameter int PADDING_VALUE = 0,  // Z1
    parameter int WEIGHT_ZERO_POINT = 0,  // Z2, of all channels
    parameter int CODE_SUM_BITS = 2,      // of the sum of a window's codes; only needed where Z2 is not 0
    parameter int ACCUMULATOR_BITS = 32,
    parameter int FRACTION_BITS = 0,
    parameter int BIAS_BITS = 32,
    parameter int BIASED_BITS = 33,
    parameter int MULTIPLIER_BITS = 32,
    parameter int PRODUCT_BITS = 64,
    parameter int SHIFT_BITS = 7,
    parameter int FIXED_SHIFT = -1,  // n, where all channels have the same; -1 reads it from SHIFT_FILE
    parameter int SATURATE = 0,       // biased accumulator and product
    parameter int SATURATE_SUMS = 0,  // the accumulator, after every addition
    parameter int ROUNDING = 0,
    parameter int ZERO_POINT = 0,  // Z3
    parameter int CLAMP_MIN = 0,
    parameter int CLAMP_MAX = 255,
    parameter int PIPELINE = 1,

    parameter WEIGHT_FILE = "",
    parameter BIAS_FILE = "",
    parameter int BIAS_FILE_BITS = 32,
    parameter MULTIPLIER_FILE = "",
    parameter SHIFT_FILE = "",

    parameter int READ_BITS = 10,  // address bits of the input
    parameter int WRITE_BITS = 10  // address bits of the output
) (
    input wire logic clk,
    input wire logic reset,

    input wire logic start,  // for one clock; the input must be complete
    output logic done,       // for one clock, with the last output or after it

    output logic [READ_BITS-1:0] read_address,
    input wire logic [7:0] read_data,  // one clock after its address

    output logic write,
    output logic [WRITE_BITS-1:0] write_address,
    output logic [7:0] write_data,

    // The stages of the code that is written, for observation.
    output logic signed [ACCUMULATOR_BITS-1:0] stage_accumulator,
    output logic signed [BIASED_BITS-1:0] stage_biased,
    output logic signed [PRODUCT_BITS-1:0] stage_product,
    output logic signed [PRODUCT_BITS-1:0] stage_shifted,
    output logic signed [PRODUCT_BITS-1:0] stage_offset
);

  localparam int TAPS = GROUP_INPUTS * KERNEL_HEIGHT * KERNEL_WIDTH;
  localparam int PASSES = GROUP_OUTPUTS / LANES;
  localparam int CHANNELS = GROUPS * GROUP_OUTPUTS;
  localparam int POSITIONS = OUTPUT_HEIGHT * OUTPUT_WIDTH;
  localparam int PASS_BITS = GROUPS * PASSES > 1 ? $clog2(GROUPS * PASSES) : 1;
  localparam int POSITION_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1;
  localparam int TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1;
  localparam int LANE_BITS = $clog2(LANES + 1);
  localparam int CHANNEL_BITS = CHANNELS > 1 ? $clog2(CHANNELS) : 1;
  localparam int WEIGHT_BITS = CHANNELS * TAPS > 1 ? $clog2(CHANNELS * TAPS) : 1;

  generate
    if (GROUP_OUTPUTS % LANES != 0 || LANES > TAPS) begin : bad_lanes
      initial $error("gp_convolution: LANES must divide GROUP_OUTPUTS, and be at most TAPS");
    end
  endgenerate

  // The codes that the taps meet; Z1 outside the input.
  wire active, met, met_inside, met_first, met_last;
  wire [PASS_BITS-1:0] pass, met_pass;
  wire [POSITION_BITS-1:0] met_position;
  wire [TAP_BITS-1:0] tap;
  gp_window #(
      .GROUPS(GROUPS), .PASSES(PASSES), .CHANNELS(GROUP_INPUTS),
      .INPUT_HEIGHT(INPUT_HEIGHT), .INPUT_WIDTH(INPUT_WIDTH),
      .OUTPUT_HEIGHT(OUTPUT_HEIGHT), .OUTPUT_WIDTH(OUTPUT_WIDTH),
      .KERNEL_HEIGHT(KERNEL_HEIGHT), .KERNEL_WIDTH(KERNEL_WIDTH),
      .STRIDE_HEIGHT(STRIDE_HEIGHT), .STRIDE_WIDTH(STRIDE_WIDTH),
      .PADDING_HEIGHT(PADDING_HEIGHT), .PADDING_WIDTH(PADDING_WIDTH),
      .DILATION_HEIGHT(DILATION_HEIGHT), .DILATION_WIDTH(DILATION_WIDTH),
      .ADDRESS_BITS(READ_BITS)
  ) window (
      .clk, .reset, .start, .active, .address(read_address), .pass, .tap,
      .met, .met_inside, .met_first, .met_last, .met_pass, .met_position
  );
  localparam signed [8:0] OUTSIDE = 9'(PADDING_VALUE);
  wire signed [8:0] code = met_inside ? {INPUT_SIGNED != 0 && read_data[7], read_data} : OUTSIDE;

  // One multiplier and accumulator per lane.
  logic [7:0] weights[0:CHANNELS*TAPS-1];
  initial if (WEIGHT_FILE != "") $readmemh(WEIGHT_FILE, weights);

  localparam int ADDEND_BITS = ACCUMULATOR_BITS > 17 ? ACCUMULATOR_BITS : 17;
  localparam int SUM_BITS = ADDEND_BITS + 1;
  wire [WEIGHT_BITS-1:0] weight_address = WEIGHT_BITS'(pass) * WEIGHT_BITS'(LANES * TAPS) + WEIGHT_BITS'(tap);
  wire [LANES*ACCUMULATOR_BITS-1:0] sums;

  genvar lane;
  generate
    for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
      logic signed [7:0] weight;
      logic signed [ACCUMULATOR_BITS-1:0] accumulator;
      wire signed [16:0] product = 17'(code) * 17'(weight);
      wire signed [ACCUMULATOR_BITS-1:0] sum_so_far = met_first ? '0 : accumulator;
      wire signed [SUM_BITS-1:0] sum = SUM_BITS'(sum_so_far) + SUM_BITS'(product);
      wire signed [ACCUMULATOR_BITS-1:0] held;
      gp_resize #(.FROM(SUM_BITS), .TO(ACCUMULATOR_BITS), .SATURATE(SATURATE_SUMS)) hold (
          .value(sum),
          .held
      );
      always_ff @(posedge clk) begin
        if (active) weight <= weights[weight_address+WEIGHT_BITS'(lane*TAPS)];
        if (met) accumulator <= held;
      end
      assign sums[lane*ACCUMULATOR_BITS+:ACCUMULATOR_BITS] = accumulator;
    end
  endgenerate

  // A window's accumulators, drained one a clock, lane 0 first.
  logic complete;  // the accumulators hold a window
  logic [CHANNEL_BITS-1:0] complete_channel;
  logic [POSITION_BITS-1:0] complete_position;
  logic [LANES*ACCUMULATOR_BITS-1:0] draining;
  logic [LANE_BITS-1:0] left;
  logic [CHANNEL_BITS-1:0] channel;
  logic [POSITION_BITS-1:0] drained_position;
  always_ff @(posedge clk) begin
    complete <= met && met_last && !reset;
    if (met && met_last) begin
      complete_channel <= CHANNEL_BITS'(met_pass) * CHANNEL_BITS'(LANES);
      complete_position <= met_position;
    end
    if (reset) begin
      left <= '0;
    end else if (complete) begin
      draining <= sums;
      left <= LANE_BITS'(LANES);
      channel <= complete_channel;
      drained_position <= complete_position;
    end else if (left != '0) begin
      draining <= draining >> ACCUMULATOR_BITS;
      left <= left - 1'b1;
      channel <= channel + 1'b1;
    end
  end

  // Requantization, with the constants of the channel. Memories are as wide as the files' values.
  logic [BIAS_FILE_BITS-1:0] folded_biases[0:CHANNELS-1];
  logic [31:0] multipliers[0:CHANNELS-1];
  initial if (BIAS_FILE != "") $readmemh(BIAS_FILE, folded_biases);
  initial if (MULTIPLIER_FILE != "") $readmemh(MULTIPLIER_FILE, multipliers);
  wire [BIAS_FILE_BITS-1:0] folded_bias = folded_biases[channel];
  wire [31:0] multiplier = multipliers[channel];

  wire [7:0] shift;
  generate
    if (FIXED_SHIFT >= 0) begin : fixed_shift
      assign shift = 8'(FIXED_SHIFT);
    end else begin : channel_shift
      logic [7:0] shifts[0:CHANNELS-1];
      initial if (SHIFT_FILE != "") $readmemh(SHIFT_FILE, shifts);
      assign shift = shifts[channel];
    end
  endgenerate
  wire unused = &{1'b0, folded_bias, multiplier, shift};

  // Where weights have a zero point, Z2 times the sum of the window's codes comes off together with the bias.
  localparam int CORRECTION_BITS = CODE_SUM_BITS + 9 + FRACTION_BITS;
  localparam int TOTAL_BITS = WEIGHT_ZERO_POINT == 0 ? BIAS_BITS
      : (BIAS_BITS > CORRECTION_BITS ? BIAS_BITS : CORRECTION_BITS) + 1;
  wire signed [BIAS_BITS-1:0] bias = folded_bias[BIAS_BITS-1:0];
  wire signed [TOTAL_BITS-1:0] total_bias;
  generate
    if (WEIGHT_ZERO_POINT == 0) begin : symmetric
      assign total_bias = bias;
    end else begin : asymmetric
      localparam signed [TOTAL_BITS-1:0] Z2 = TOTAL_BITS'(WEIGHT_ZERO_POINT);
      logic signed [CODE_SUM_BITS-1:0] code_sum, drained_sum;
      always_ff @(posedge clk) begin
        if (met) code_sum <= (met_first ? '0 : code_sum) + CODE_SUM_BITS'(code);
        if (complete) drained_sum <= code_sum;
      end
      assign total_bias = TOTAL_BITS'(bias) - ((TOTAL_BITS'(drained_sum) * Z2) <<< FRACTION_BITS);
    end
  endgenerate

  gp_requantize #(
      .ROUNDING(ROUNDING), .ACCUMULATOR_BITS(ACCUMULATOR_BITS), .FRACTION_BITS(FRACTION_BITS),
      .BIAS_BITS(TOTAL_BITS), .BIASED_BITS(BIASED_BITS), .MULTIPLIER_BITS(MULTIPLIER_BITS),
      .PRODUCT_BITS(PRODUCT_BITS), .SHIFT_BITS(SHIFT_BITS), .SATURATE(SATURATE), .ZERO_POINT(ZERO_POINT),
      .CLAMP_MIN(CLAMP_MIN), .CLAMP_MAX(CLAMP_MAX), .PIPELINE(PIPELINE), .TAG_BITS(WRITE_BITS)
  ) requantize (
      .clk,
      .reset,
      .valid(left != '0),
      .tag(WRITE_BITS'(channel) * WRITE_BITS'(POSITIONS) + WRITE_BITS'(drained_position)),
      .accumulator(draining[ACCUMULATOR_BITS-1:0]),
      .folded_bias(total_bias),
      .multiplier(multiplier[MULTIPLIER_BITS-1:0]),
      .shift(shift[SHIFT_BITS-1:0]),
      .code_valid(write),
      .code_tag(write_address),
      .code(write_data),
      .stage_accumulator,
      .stage_biased,
      .stage_product,
      .stage_shifted,
      .stage_offset
  );

  // The last output is the one with the highest address.
  assign done = write && write_address == WRITE_BITS'(CHANNELS * POSITIONS - 1);

endmodule

`default_nettype wire
