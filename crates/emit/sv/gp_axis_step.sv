// A place on an axis and the one that lies POSITIONS positions and BEHIND places behind it. Combinational.

`default_nettype none

module gp_axis_step #(
    parameter int POSITION_BITS = 2,
    parameter int BEHIND_BITS = 1,
    parameter int SPACING = 1,  // places from one position to the next
    parameter int POSITIONS = 1,
    parameter int BEHIND = 0
) (
    input  wire logic signed [POSITION_BITS-1:0] position,
    input  wire logic [BEHIND_BITS-1:0] behind,
    output logic signed [POSITION_BITS-1:0] next_position,
    output logic [BEHIND_BITS-1:0] next_behind
);

  wire [BEHIND_BITS:0] sum = {1'b0, behind} + (BEHIND_BITS + 1)'(BEHIND);
  wire carry = sum >= (BEHIND_BITS + 1)'(SPACING);
  assign next_position = position + POSITION_BITS'(POSITIONS) + $signed({{POSITION_BITS - 1{1'b0}}, carry});
  assign next_behind = carry ? BEHIND_BITS'(sum - (BEHIND_BITS + 1)'(SPACING)) : sum[BEHIND_BITS-1:0];

endmodule

`default_nettype wire
