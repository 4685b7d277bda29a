// The loops of a convolution or a pooling: on every clock the address of one input code, until all windows are done.
//
//   for group, for pass, for output plane, for output row, for output column:        one window after another
//     for channel of the group, for kernel plane, for kernel row, for kernel column: its taps, in the order of the weights
//
// A pass is one more turn over the same input, for the next output channels of the group. What a tap meets on each axis says
// gp_axis; PADDING is what lies before the input, what lies behind it follows from the number of outputs.
// `address` and the outputs whose names begin with `last` belong to the code that is asked for, those whose names begin with
// `met` to the code that arrives, one clock later. Where `met_inside` is 0 the tap meets no input, and the code means nothing.

`default_nettype none

module gp_window #(
    parameter int GROUPS = 1,
    parameter int PASSES = 1,    // of one group
    parameter int CHANNELS = 1,  // input channels of one group
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
    parameter int PADDING_MODE = 0,
    parameter int ADDRESS_BITS = 10,  // of the input
    // Derived; not to be set.
    parameter int POSITIONS = OUTPUT_DEPTH * OUTPUT_HEIGHT * OUTPUT_WIDTH,
    parameter int POSITION_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,  // for one clock

    output logic active,  // a code is asked for
    output logic [ADDRESS_BITS-1:0] address,
    output logic last_of_window,
    output logic last_of_pass,

    output logic met,  // a code arrives
    output logic met_inside,
    output logic met_first,  // of its window
    output logic met_last,
    output logic [POSITION_BITS-1:0] met_position  // (output plane * OUTPUT_HEIGHT + output row) * OUTPUT_WIDTH + output column
);

  localparam int CHANNEL_BITS = $clog2(CHANNELS + 1);
  localparam int GROUP_BITS = $clog2(GROUPS + 1);
  localparam int TURN_BITS = $clog2(PASSES + 1);
  localparam int SIZE = INPUT_DEPTH * INPUT_HEIGHT * INPUT_WIDTH;  // of a channel

  wire restart = reset || start;
  wire last_tap_plane, last_tap_row, last_tap_column, last_plane, last_row, last_column;
  wire plane_inside, row_inside, column_inside;
  localparam int PLANE_BITS = $clog2(INPUT_DEPTH + 1);
  localparam int ROW_BITS = $clog2(INPUT_HEIGHT + 1);
  localparam int COLUMN_BITS = $clog2(INPUT_WIDTH + 1);
  wire [PLANE_BITS-1:0] plane;
  wire [ROW_BITS-1:0] row;
  wire [COLUMN_BITS-1:0] column;

  // Each loop goes on when the loops inside it end.
  wire step_row = active && last_tap_column;
  wire step_plane = step_row && last_tap_row;
  wire step_channel = step_plane && last_tap_plane;
  logic [CHANNEL_BITS-1:0] channel;
  wire last_channel = channel == CHANNEL_BITS'(CHANNELS - 1);
  wire move_column = step_channel && last_channel;
  wire move_row = move_column && last_column;
  wire move_plane = move_row && last_row;
  wire step_turn = move_plane && last_plane;

  gp_axis #(
      .INPUT(INPUT_DEPTH), .OUTPUTS(OUTPUT_DEPTH), .TAPS(KERNEL_DEPTH), .STRIDE(STRIDE_DEPTH), .PADDING(PADDING_DEPTH),
      .DILATION(DILATION_DEPTH), .TRANSPOSED(TRANSPOSED), .PADDING_MODE(PADDING_MODE)
  ) planes (
      .clk, .restart, .step(step_plane), .move(move_plane),
      .last_tap(last_tap_plane), .last_output(last_plane), .is_inside(plane_inside), .index(plane)
  );
  gp_axis #(
      .INPUT(INPUT_HEIGHT), .OUTPUTS(OUTPUT_HEIGHT), .TAPS(KERNEL_HEIGHT), .STRIDE(STRIDE_HEIGHT), .PADDING(PADDING_HEIGHT),
      .DILATION(DILATION_HEIGHT), .TRANSPOSED(TRANSPOSED), .PADDING_MODE(PADDING_MODE)
  ) rows (
      .clk, .restart, .step(step_row), .move(move_row),
      .last_tap(last_tap_row), .last_output(last_row), .is_inside(row_inside), .index(row)
  );
  gp_axis #(
      .INPUT(INPUT_WIDTH), .OUTPUTS(OUTPUT_WIDTH), .TAPS(KERNEL_WIDTH), .STRIDE(STRIDE_WIDTH), .PADDING(PADDING_WIDTH),
      .DILATION(DILATION_WIDTH), .TRANSPOSED(TRANSPOSED), .PADDING_MODE(PADDING_MODE)
  ) columns (
      .clk, .restart, .step(active), .move(move_column),
      .last_tap(last_tap_column), .last_output(last_column), .is_inside(column_inside), .index(column)
  );

  // Bases: of the input channel, and of the first one of the group.
  logic [ADDRESS_BITS-1:0] base, group_base;
  logic [GROUP_BITS-1:0] group;
  logic [TURN_BITS-1:0] turn;  // the pass within its group
  logic first;  // of its window
  logic [POSITION_BITS-1:0] position;
  wire last_turn = turn == TURN_BITS'(PASSES - 1);
  wire last_group = group == GROUP_BITS'(GROUPS - 1);
  wire [ADDRESS_BITS-1:0] next_group_base = group_base + ADDRESS_BITS'(CHANNELS * SIZE);

  wire enable = restart || active || met;
  always_ff @(posedge clk) begin
    if (enable) begin
      met <= active && !reset;
      if (active) begin
        met_inside <= plane_inside && row_inside && column_inside;
        met_first <= first;
        met_last <= move_column;
        met_position <= position;
      end
      if (restart) begin
        active <= start && !reset;
        first <= 1'b1;
        {channel, turn, group, position, base, group_base} <= '0;
      end else if (active) begin
        first <= move_column;
        if (step_channel) begin
          channel <= last_channel ? '0 : channel + 1'b1;
          base <= !last_channel ? base + ADDRESS_BITS'(SIZE) : step_turn && last_turn ? next_group_base : group_base;
        end
        if (move_column) position <= step_turn ? '0 : position + 1'b1;
        if (step_turn) begin
          turn <= last_turn ? '0 : turn + 1'b1;
          if (last_turn) begin
            group <= group + 1'b1;
            group_base <= next_group_base;
            active <= !last_group;
          end
        end
      end
    end
  end

  wire [31:0] place = (32'(plane) * INPUT_HEIGHT + 32'(row)) * INPUT_WIDTH + 32'(column);
  wire unused = &{1'b0, place};
  assign address = base + place[ADDRESS_BITS-1:0];
  assign last_of_window = move_column;
  assign last_of_pass = step_turn;

endmodule

`default_nettype wire
