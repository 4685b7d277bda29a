// Maximum pooling: the largest code of each window; padding never wins. One clock per tap.

`default_nettype none

module gp_max_pool #(
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

  localparam int OUTPUTS = CHANNELS * OUTPUT_HEIGHT * OUTPUT_WIDTH;

  wire met, met_inside, met_first, met_last;
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
          .clk, .reset, .start, .address(read_address), .met, .met_inside, .met_first, .met_last,
          /* verilator lint_off PINCONNECTEMPTY */ .active(), .last_of_window(), .last_of_pass(), .met_position() /* verilator lint_on PINCONNECTEMPTY */
      );
    end else begin : by_table
      gp_taps #(
          .PLANES(CHANNELS), .PLANE(INPUT_HEIGHT * INPUT_WIDTH), .POSITIONS(OUTPUT_HEIGHT * OUTPUT_WIDTH),
          .TAPS(TAPS), .TAP_FILE(TAP_FILE), .ADDRESS_BITS(READ_BITS)
      ) table_of_taps (
          .clk, .reset, .start, .address(read_address), .met, .met_first, .met_last,
          /* verilator lint_off PINCONNECTEMPTY */ .met_position() /* verilator lint_on PINCONNECTEMPTY */
      );
      assign met_inside = 1'b1;
    end
  endgenerate

  // In this order signed codes compare like unsigned ones, and 0 is the smallest.
  localparam [CODE_BITS-1:0] SIGN = INPUT_SIGNED != 0 ? CODE_BITS'(1) << (CODE_BITS - 1) : '0;
  wire [CODE_BITS-1:0] candidate = met_inside ? read_data ^ SIGN : '0;
  logic [CODE_BITS-1:0] largest;
  wire [CODE_BITS-1:0] larger = met_first || candidate > largest ? candidate : largest;

  logic [WRITE_BITS-1:0] next;  // windows follow one another in the order of the outputs
  always_ff @(posedge clk) begin
    if (met) largest <= larger;
    write <= met && met_last && !reset;
    write_address <= next;
    write_data <= larger ^ SIGN;
    if (reset || start) next <= '0;
    else if (met && met_last) next <= next + 1'b1;
  end
  assign done = write && write_address == WRITE_BITS'(OUTPUTS - 1);

endmodule

`default_nettype wire
