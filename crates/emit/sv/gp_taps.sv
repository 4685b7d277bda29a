// The windows of a pooling or mean that are no regular grid in two dimensions, from a table: on every clock the address of
// one input code, until all windows of all planes are done. TAP_FILE has the taps of the windows of one plane, one window
// after another: the tap's place in the plane, with the highest bit set at the last of its window. The outputs are those
// of gp_window.

`default_nettype none

module gp_taps #(
    parameter int PLANES = 1,
    parameter int PLANE = 1,  // input codes of a plane
    parameter int POSITIONS = 1,  // windows of a plane
    parameter int TAPS = 1,  // of all of them
    parameter TAP_FILE = "",
    parameter int ADDRESS_BITS = 10,  // of the input
    // Derived; not to be set.
    parameter int POSITION_BITS = POSITIONS > 1 ? $clog2(POSITIONS) : 1
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,  // for one clock

    output logic [ADDRESS_BITS-1:0] address,

    output logic met,  // a code arrives
    output logic met_first,  // of its window
    output logic met_last,
    output logic [POSITION_BITS-1:0] met_position  // of its window in the plane
);

  localparam int TAP_BITS = TAPS > 1 ? $clog2(TAPS) : 1;

  logic [31:0] taps[0:TAPS-1];
  initial if (TAP_FILE != "") $readmemh(TAP_FILE, taps);

  wire active, end_of_plane;
  wire [TAP_BITS-1:0] tap;
  gp_walk #(.SIZE_2(PLANES), .SIZE_3(TAPS), .STEP_3(1), .ADDRESS_BITS(TAP_BITS)) walk (
      .clk, .reset, .start, .active, .address(tap), .last(end_of_plane),
      /* verilator lint_off PINCONNECTEMPTY */ .first() /* verilator lint_on PINCONNECTEMPTY */
  );

  // One clock for the tap, one for the code.
  logic [31:0] place;
  logic asked;
  logic [ADDRESS_BITS-1:0] plane, asked_plane;
  always_ff @(posedge clk) begin
    if (reset || start) plane <= '0;
    else if (active && end_of_plane) plane <= plane + ADDRESS_BITS'(PLANE);
    place <= taps[tap];
    asked_plane <= plane;
    {asked, met} <= reset ? 2'b00 : {active, asked};
    met_last <= place[31];
    if (reset || start) begin
      met_first <= 1'b1;
      met_position <= '0;
    end else if (met) begin
      met_first <= met_last;
      if (met_last) met_position <= met_position == POSITION_BITS'(POSITIONS - 1) ? '0 : met_position + 1'b1;
    end
  end
  assign address = asked_plane + place[ADDRESS_BITS-1:0];
  wire unused = &{1'b0, place[30:ADDRESS_BITS]};

endmodule

`default_nettype wire
