// The loops of a convolution or a pooling: on every clock the address of one input code, until all windows are done.
//
//   for group, for pass, for output row, for output column:          one window after another
//     for channel of the group, for kernel row, for kernel column:   its taps, in the order of the weights
//
// A pass is one more turn over the same input, for the next output channels of the group. Row and column of a tap are
//   output * STRIDE - PADDING + tap * DILATION.
// `address`, `pass` and `tap` belong to the code that is asked for, all outputs whose names begin with `met` to the code
// that arrives, one clock later. Where `met_inside` is 0 the tap lies outside the input, and the code means nothing.

`default_nettype none

module gp_window #(
    parameter int GROUPS = 1,
    parameter int PASSES = 1,    // of one group
    parameter int CHANNELS = 1,  // input channels of one group
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
    parameter int ADDRESS_BITS = 10,  // of the input
    // Derived; not to be set.
    parameter int POSITIONS = OUTPUT_HEIGHT * OUTPUT_WIDTH,
    parameter int TAPS = CHANNELS * KERNEL_HEIGHT * KERNEL_WIDTH,
    parameter int PASS_BITS = GROUPS * PASSES > 1 ? $clog2(GROUPS * PASSES) : 1,
    parameter int POSITION_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1,
    parameter int TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,  // for one clock

    output logic active,  // a code is asked for
    output logic [ADDRESS_BITS-1:0] address,
    output logic [PASS_BITS-1:0] pass,  // counted over all groups
    output logic [TAP_BITS-1:0] tap,

    output logic met,  // a code arrives
    output logic met_inside,
    output logic met_first,  // of its window
    output logic met_last,
    output logic [PASS_BITS-1:0] met_pass,
    output logic [POSITION_BITS-1:0] met_position  // output row * OUTPUT_WIDTH + output column
);

  localparam int CHANNEL_BITS = $clog2(CHANNELS + 1);
  localparam int GROUP_BITS = $clog2(GROUPS + 1);
  localparam int TURN_BITS = $clog2(PASSES + 1);
  localparam int ROW_BITS = $clog2(OUTPUT_HEIGHT + 1);
  localparam int COLUMN_BITS = $clog2(OUTPUT_WIDTH + 1);
  localparam int KERNEL_ROW_BITS = $clog2(KERNEL_HEIGHT + 1);
  localparam int KERNEL_COLUMN_BITS = $clog2(KERNEL_WIDTH + 1);

  logic [POSITION_BITS-1:0] position;
  logic [GROUP_BITS-1:0] group;
  logic [TURN_BITS-1:0] turn;  // the pass within its group
  logic [ROW_BITS-1:0] row;
  logic [COLUMN_BITS-1:0] column;
  logic [CHANNEL_BITS-1:0] channel;
  logic [KERNEL_ROW_BITS-1:0] kernel_row;
  logic [KERNEL_COLUMN_BITS-1:0] kernel_column;

  // Each loop ends when the loops inside it end and it is at its own last value.
  wire end_kernel_column = kernel_column == KERNEL_COLUMN_BITS'(KERNEL_WIDTH - 1);
  wire end_kernel_row = end_kernel_column && kernel_row == KERNEL_ROW_BITS'(KERNEL_HEIGHT - 1);
  wire end_channel = end_kernel_row && channel == CHANNEL_BITS'(CHANNELS - 1);
  wire end_column = end_channel && column == COLUMN_BITS'(OUTPUT_WIDTH - 1);
  wire end_row = end_column && row == ROW_BITS'(OUTPUT_HEIGHT - 1);
  wire end_turn = end_row && turn == TURN_BITS'(PASSES - 1);
  wire end_group = end_turn && group == GROUP_BITS'(GROUPS - 1);

  always_ff @(posedge clk) begin
    if (reset || start) begin
      active <= start && !reset;
      {group, turn, row, column, channel, kernel_row, kernel_column} <= '0;
      {pass, position, tap} <= '0;
    end else if (active) begin
      kernel_column <= end_kernel_column ? '0 : kernel_column + 1'b1;
      if (end_kernel_column) kernel_row <= end_kernel_row ? '0 : kernel_row + 1'b1;
      if (end_kernel_row) channel <= end_channel ? '0 : channel + 1'b1;
      if (end_channel) column <= end_column ? '0 : column + 1'b1;
      if (end_column) row <= end_row ? '0 : row + 1'b1;
      if (end_row) turn <= end_turn ? '0 : turn + 1'b1;
      if (end_turn) group <= group + 1'b1;
      tap <= end_channel ? '0 : tap + 1'b1;
      if (end_channel) position <= end_row ? '0 : position + 1'b1;
      if (end_row) pass <= pass + 1'b1;
      if (end_group) active <= 1'b0;
    end
  end

  // Modulo 2^32: a place before the input is a large number.
  wire [31:0] input_row = 32'(row) * STRIDE_HEIGHT - PADDING_HEIGHT + 32'(kernel_row) * DILATION_HEIGHT;
  wire [31:0] input_column = 32'(column) * STRIDE_WIDTH - PADDING_WIDTH + 32'(kernel_column) * DILATION_WIDTH;
  wire [31:0] plane = 32'(group) * CHANNELS + 32'(channel);
  wire [31:0] place = (plane * INPUT_HEIGHT + input_row) * INPUT_WIDTH + input_column;

  assign address = place[ADDRESS_BITS-1:0];

  always_ff @(posedge clk) begin
    met <= active && !reset;
    if (active) begin
      met_inside <= input_row < INPUT_HEIGHT && input_column < INPUT_WIDTH;
      met_first <= tap == '0;
      met_last <= end_channel;
      met_pass <= pass;
      met_position <= position;
    end
  end

  wire unused = &{1'b0, place[31:ADDRESS_BITS]};

endmodule

`default_nettype wire
