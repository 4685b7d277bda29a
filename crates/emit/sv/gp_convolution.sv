// A convolution (1 to 3 dimensions; grouped, depthwise, dilated, transposed; padded with Z1 or with the input itself) or a
// fully connected layer, with its requantization.
//
// LANES output channels are computed at once: on every clock one input code meets one tap of LANES filters. A window is
// done after TAPS clocks, and its LANES accumulators then pass one after another through gp_requantize, while the next
// window is summed up. TAPS / LANES clocks per output.
//
// Files, as gen_params writes them: the weights in (output channel, input channel of the group, plane, row, column) order;
// folded bias, multiplier and shift with one value per output channel.
//
// ACCUMULATOR_BITS, BIASED_BITS and PRODUCT_BITS are the widths that were proven for this layer's weights and input range, or
// those of your registers where they are less (then what does not fit wraps or saturates).
//
// A fully connected layer is a kernel as wide as its input features that moves over a row of them: INPUT_WIDTH = L * features,
// KERNEL_WIDTH = STRIDE_WIDTH = features, OUTPUT_WIDTH = L, with CHANNELS_LAST where there are several.
//
// LANES must divide the output channels of a group, and be at most TAPS.

`default_nettype none

module gp_convolution #(
    parameter int GROUPS = 1,
    parameter int GROUP_INPUTS = 1,
    parameter int GROUP_OUTPUTS = 1,
    parameter int LANES = 1,
    parameter int INPUT_DEPTH = 1,
    parameter int INPUT_HEIGHT = 1,
    parameter int INPUT_WIDTH = 1,
    parameter int OUTPUT_DEPTH = 1,
    parameter int OUTPUT_HEIGHT = 1,
    parameter int OUTPUT_WIDTH = 1,
    parameter int KERNEL_DEPTH = 1,
    parameter int KERNEL_HEIGHT = 1,
    parameter int KERNEL_WIDTH = 1,
    parameter int STRIDE_DEPTH = 1,
    parameter int STRIDE_HEIGHT = 1,
    parameter int STRIDE_WIDTH = 1,
    parameter int PADDING_DEPTH = 0,
    parameter int PADDING_HEIGHT = 0,
    parameter int PADDING_WIDTH = 0,
    parameter int DILATION_DEPTH = 1,
    parameter int DILATION_HEIGHT = 1,
    parameter int DILATION_WIDTH = 1,
    parameter int TRANSPOSED = 0,
    parameter int PADDING_MODE = 0,   // see gp_axis
    parameter int CHANNELS_LAST = 0,  // order of the outputs: 0 (channel, position), 1 (position, channel)

    parameter int INPUT_BITS = 8,  // of a code
    parameter int INPUT_SIGNED = 0,
    parameter int OUTPUT_BITS = 8,
    parameter int PADDING_VALUE = 0,  // Z1
    parameter int WEIGHT_ZERO_POINT = 0,  // Z2, where all channels have the same
    parameter WEIGHT_ZERO_POINT_FILE = "",  // ... where they have not
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
    input wire logic [INPUT_BITS-1:0] read_data,  // one clock after its address

    output logic write,
    output logic [WRITE_BITS-1:0] write_address,
    output logic [OUTPUT_BITS-1:0] write_data,

    // The stages of the code that is written, for observation.
    output logic signed [ACCUMULATOR_BITS-1:0] stage_accumulator,
    output logic signed [BIASED_BITS-1:0] stage_biased,
    output logic signed [PRODUCT_BITS-1:0] stage_product,
    output logic signed [PRODUCT_BITS-1:0] stage_shifted,
    output logic signed [PRODUCT_BITS-1:0] stage_offset
);

  localparam int TAPS = GROUP_INPUTS * KERNEL_DEPTH * KERNEL_HEIGHT * KERNEL_WIDTH;
  localparam int CHANNELS = GROUPS * GROUP_OUTPUTS;
  localparam int POSITIONS = OUTPUT_DEPTH * OUTPUT_HEIGHT * OUTPUT_WIDTH;
  localparam int LANE_BITS = $clog2(LANES + 1);
  localparam int CHANNEL_BITS = CHANNELS > 1 ? $clog2(CHANNELS) : 1;
  localparam int WEIGHT_BITS = CHANNELS * TAPS > 1 ? $clog2(CHANNELS * TAPS) : 1;

  generate
    if (GROUP_OUTPUTS % LANES != 0 || LANES > TAPS) begin : bad_lanes
      initial $error("gp_convolution: LANES must divide GROUP_OUTPUTS, and be at most TAPS");
    end
  endgenerate

  // The codes that the taps meet; Z1 outside the input.
  wire active, met, met_inside, met_first, met_last, last_of_window, last_of_pass;
  gp_window #(
      .GROUPS(GROUPS), .PASSES(GROUP_OUTPUTS / LANES), .CHANNELS(GROUP_INPUTS),
      .INPUT_DEPTH(INPUT_DEPTH), .INPUT_HEIGHT(INPUT_HEIGHT), .INPUT_WIDTH(INPUT_WIDTH),
      .OUTPUT_DEPTH(OUTPUT_DEPTH), .OUTPUT_HEIGHT(OUTPUT_HEIGHT), .OUTPUT_WIDTH(OUTPUT_WIDTH),
      .KERNEL_DEPTH(KERNEL_DEPTH), .KERNEL_HEIGHT(KERNEL_HEIGHT), .KERNEL_WIDTH(KERNEL_WIDTH),
      .STRIDE_DEPTH(STRIDE_DEPTH), .STRIDE_HEIGHT(STRIDE_HEIGHT), .STRIDE_WIDTH(STRIDE_WIDTH),
      .PADDING_DEPTH(PADDING_DEPTH), .PADDING_HEIGHT(PADDING_HEIGHT), .PADDING_WIDTH(PADDING_WIDTH),
      .DILATION_DEPTH(DILATION_DEPTH), .DILATION_HEIGHT(DILATION_HEIGHT), .DILATION_WIDTH(DILATION_WIDTH),
      .TRANSPOSED(TRANSPOSED), .PADDING_MODE(PADDING_MODE), .ADDRESS_BITS(READ_BITS)
  ) window (
      .clk, .reset, .start, .active, .address(read_address), .last_of_window, .last_of_pass,
      .met, .met_inside, .met_first, .met_last,
      /* verilator lint_off PINCONNECTEMPTY */ .met_position() /* verilator lint_on PINCONNECTEMPTY */
  );
  localparam int CODE_BITS = INPUT_BITS + 1;
  localparam signed [CODE_BITS-1:0] OUTSIDE = CODE_BITS'(PADDING_VALUE);
  wire signed [CODE_BITS-1:0] code = met_inside ? {INPUT_SIGNED != 0 && read_data[INPUT_BITS-1], read_data} : OUTSIDE;

  // One multiplier and accumulator per lane. Lane 0 stands in the lowest bits.
  logic [7:0] weights[0:CHANNELS*TAPS-1];
  initial if (WEIGHT_FILE != "") $readmemh(WEIGHT_FILE, weights);

  localparam int PRODUCT_CODE_BITS = CODE_BITS + 8;
  localparam int SUM_BITS = (ACCUMULATOR_BITS > PRODUCT_CODE_BITS ? ACCUMULATOR_BITS : PRODUCT_CODE_BITS) + 1;
  logic [WEIGHT_BITS-1:0] weight_address;  // of lane 0
  wire [LANES*ACCUMULATOR_BITS-1:0] sums;  // of the last window

  // From lane to lane, from window to window, and from the last window of a pass to the next output channels.
  localparam int LANE_STEP = CHANNELS_LAST != 0 ? 1 : POSITIONS;
  localparam int WINDOW_STEP = CHANNELS_LAST != 0 ? CHANNELS : 1;
  localparam int PASS_STEP = LANES * LANE_STEP - (POSITIONS - 1) * WINDOW_STEP;

  // A window's accumulators, drained one a clock, lane 0 first.
  logic complete;  // the accumulators hold a window
  logic met_last_of_pass, complete_pass;
  logic [CHANNEL_BITS-1:0] window_channel;  // of its lane 0
  logic [WRITE_BITS-1:0] window_address;
  logic [LANE_BITS-1:0] drained_lane, left;
  logic [CHANNEL_BITS-1:0] channel;
  logic [WRITE_BITS-1:0] drained_address;
  wire valid = left != '0;
  wire restart = reset || start;
  wire enable = restart || active || met || complete || valid;

  genvar lane;
  generate
    for (lane = 0; lane < LANES; lane = lane + 1) begin : lanes
      logic signed [7:0] weight;
      logic [ACCUMULATOR_BITS-1:0] drained;
      assign sums[lane*ACCUMULATOR_BITS+:ACCUMULATOR_BITS] = drained;
      logic signed [ACCUMULATOR_BITS-1:0] accumulator;
      if (SATURATE_SUMS == 0) begin : wraps
        always_ff @(posedge clk) begin
          if (enable) begin
            if (complete) drained <= accumulator;
            if (active) weight <= weights[weight_address+WEIGHT_BITS'(lane*TAPS)];
            if (met) accumulator <= ACCUMULATOR_BITS'((met_first ? '0 : SUM_BITS'(accumulator)) + SUM_BITS'(code) * SUM_BITS'(weight));
          end
        end
      end else begin : saturates
        wire signed [SUM_BITS-1:0] sum = (met_first ? '0 : SUM_BITS'(accumulator)) + SUM_BITS'(code) * SUM_BITS'(weight);
        wire signed [ACCUMULATOR_BITS-1:0] held;
        gp_resize #(.FROM(SUM_BITS), .TO(ACCUMULATOR_BITS), .SATURATE(1)) hold (.value(sum), .held);
        always_ff @(posedge clk) begin
          if (complete) drained <= accumulator;
          if (active) weight <= weights[weight_address+WEIGHT_BITS'(lane*TAPS)];
          if (met) accumulator <= held;
        end
      end
    end
  endgenerate

  always_ff @(posedge clk) begin
    if (enable) begin
      if (active) begin
        met_last_of_pass <= last_of_pass;
        weight_address <= weight_address
            + (last_of_pass ? WEIGHT_BITS'((LANES - 1) * TAPS + 1) : last_of_window ? WEIGHT_BITS'(1 - TAPS) : WEIGHT_BITS'(1));
      end
      if (met) complete_pass <= met_last_of_pass;
      complete <= met && met_last;
      if (complete) begin
        drained_lane <= '0;
        left <= LANE_BITS'(LANES);
        channel <= window_channel;
        drained_address <= window_address;
        if (complete_pass) window_channel <= window_channel + CHANNEL_BITS'(LANES);
        window_address <= window_address + (complete_pass ? WRITE_BITS'(PASS_STEP) : WRITE_BITS'(WINDOW_STEP));
      end else if (valid) begin
        drained_lane <= drained_lane + 1'b1;
        left <= left - 1'b1;
        channel <= channel + 1'b1;
        drained_address <= drained_address + WRITE_BITS'(LANE_STEP);
      end
      if (restart) begin
        {complete, left} <= '0;
        {weight_address, window_channel, window_address} <= '0;
      end
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
  localparam logic HAS_ZERO_POINT = WEIGHT_ZERO_POINT != 0 || WEIGHT_ZERO_POINT_FILE != "";
  localparam int CORRECTION_BITS = CODE_SUM_BITS + 9 + FRACTION_BITS;
  localparam int TOTAL_BITS = !HAS_ZERO_POINT ? BIAS_BITS : (BIAS_BITS > CORRECTION_BITS ? BIAS_BITS : CORRECTION_BITS) + 1;
  wire signed [BIAS_BITS-1:0] bias = folded_bias[BIAS_BITS-1:0];
  wire signed [TOTAL_BITS-1:0] total_bias;
  generate
    if (!HAS_ZERO_POINT) begin : symmetric
      assign total_bias = bias;
    end else begin : asymmetric
      wire signed [7:0] zero_point;
      if (WEIGHT_ZERO_POINT_FILE != "") begin : of_the_channel
        logic [7:0] zero_points[0:CHANNELS-1];
        initial $readmemh(WEIGHT_ZERO_POINT_FILE, zero_points);
        assign zero_point = zero_points[channel];
      end else begin : of_all
        assign zero_point = 8'(WEIGHT_ZERO_POINT);
      end
      logic signed [CODE_SUM_BITS-1:0] code_sum, drained_sum;
      always_ff @(posedge clk) begin
        if (met) code_sum <= (met_first ? '0 : code_sum) + CODE_SUM_BITS'(code);
        if (complete) drained_sum <= code_sum;
      end
      assign total_bias = TOTAL_BITS'(bias) - ((TOTAL_BITS'(drained_sum) * TOTAL_BITS'(zero_point)) <<< FRACTION_BITS);
    end
  endgenerate

  gp_requantize #(
      .ROUNDING(ROUNDING), .ACCUMULATOR_BITS(ACCUMULATOR_BITS), .FRACTION_BITS(FRACTION_BITS),
      .BIAS_BITS(TOTAL_BITS), .BIASED_BITS(BIASED_BITS), .MULTIPLIER_BITS(MULTIPLIER_BITS),
      .PRODUCT_BITS(PRODUCT_BITS), .SHIFT_BITS(SHIFT_BITS), .SATURATE(SATURATE), .ZERO_POINT(ZERO_POINT),
      .CLAMP_MIN(CLAMP_MIN), .CLAMP_MAX(CLAMP_MAX), .PIPELINE(PIPELINE), .TAG_BITS(WRITE_BITS), .CODE_BITS(OUTPUT_BITS)
  ) requantize (
      .clk,
      .reset,
      .valid,
      .tag(drained_address),
      .accumulator(sums[drained_lane*ACCUMULATOR_BITS+:ACCUMULATOR_BITS]),
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
