// Four loops, one inside the other, over a tensor: an address a clock, the last loop innermost. Loop i takes SIZE_i turns,
// and each turn moves the address by STEP_i; a step of 0 repeats what the loops inside it read. `first` and `last` mark the
// turns of the innermost loop.

`default_nettype none

module gp_walk #(
    parameter int SIZE_0 = 1,
    parameter int SIZE_1 = 1,
    parameter int SIZE_2 = 1,
    parameter int SIZE_3 = 1,
    parameter int STEP_0 = 0,
    parameter int STEP_1 = 0,
    parameter int STEP_2 = 0,
    parameter int STEP_3 = 0,
    parameter int ADDRESS_BITS = 10
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,  // for one clock

    output logic active,
    output logic [ADDRESS_BITS-1:0] address,
    output logic first,
    output logic last
);

  localparam int BITS_0 = $clog2(SIZE_0 + 1);
  localparam int BITS_1 = $clog2(SIZE_1 + 1);
  localparam int BITS_2 = $clog2(SIZE_2 + 1);
  localparam int BITS_3 = $clog2(SIZE_3 + 1);

  // When loop i takes its next turn, the loops inside it go back to their first; modulo 2^ADDRESS_BITS.
  localparam int MOVE_3 = STEP_3;
  localparam int MOVE_2 = STEP_2 - (SIZE_3 - 1) * STEP_3;
  localparam int MOVE_1 = STEP_1 - (SIZE_2 - 1) * STEP_2 - (SIZE_3 - 1) * STEP_3;
  localparam int MOVE_0 = STEP_0 - (SIZE_1 - 1) * STEP_1 - (SIZE_2 - 1) * STEP_2 - (SIZE_3 - 1) * STEP_3;

  logic [BITS_0-1:0] turn_0;
  logic [BITS_1-1:0] turn_1;
  logic [BITS_2-1:0] turn_2;
  logic [BITS_3-1:0] turn_3;
  wire end_3 = turn_3 == BITS_3'(SIZE_3 - 1);
  wire end_2 = end_3 && turn_2 == BITS_2'(SIZE_2 - 1);
  wire end_1 = end_2 && turn_1 == BITS_1'(SIZE_1 - 1);
  wire end_0 = end_1 && turn_0 == BITS_0'(SIZE_0 - 1);
  wire [ADDRESS_BITS-1:0] move = !end_3 ? ADDRESS_BITS'(MOVE_3)
      : !end_2 ? ADDRESS_BITS'(MOVE_2)
      : !end_1 ? ADDRESS_BITS'(MOVE_1)
      : ADDRESS_BITS'(MOVE_0);

  always_ff @(posedge clk) begin
    if (reset || start) begin
      active <= start && !reset;
      address <= '0;
      {turn_0, turn_1, turn_2, turn_3} <= '0;
    end else if (active) begin
      active <= !end_0;
      address <= address + move;
      turn_3 <= end_3 ? '0 : turn_3 + 1'b1;
      if (end_3) turn_2 <= end_2 ? '0 : turn_2 + 1'b1;
      if (end_2) turn_1 <= end_1 ? '0 : turn_1 + 1'b1;
      if (end_1) turn_0 <= turn_0 + 1'b1;
    end
  end
  assign first = turn_3 == '0;
  assign last = end_3;

endmodule

`default_nettype wire
