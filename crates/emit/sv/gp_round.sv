// Divides a signed value by 2^shift and rounds the quotient. Combinational; exact for shift = 0, right for every shift that
// fits its port. ROUNDING: 0 half-up, 1 half-even, 2 half-away, 3 floor, 4 toward-zero, 5 double (see gp_requantize).
//
// The value is shifted with one more bit below it. What falls out there, the guard, is worth half of the result's last bit;
// the bits below the guard only matter in being all zero or not. The result never needs more bits than the value.

`default_nettype none

module gp_round #(
    parameter int BITS = 64,
    parameter int SHIFT_BITS = 6,
    parameter int ROUNDING = 0
) (
    input  wire logic signed [BITS-1:0] value,
    input  wire logic [SHIFT_BITS-1:0] shift,
    output logic signed [BITS-1:0] rounded
);

  localparam int HALF_UP = 0, HALF_EVEN = 1, HALF_AWAY = 2, FLOOR = 3, TOWARD_ZERO = 4, DOUBLE = 5;
  localparam int GEMMLOWP_BITS = 31;  // fraction bits of gemmlowp's multiplier: the first of the two divisions
  localparam int COUNT_BITS = SHIFT_BITS > 6 ? SHIFT_BITS : 6;

  generate
    if (ROUNDING == DOUBLE) begin : double
      wire [COUNT_BITS-1:0] whole = COUNT_BITS'(shift);
      wire two = whole > GEMMLOWP_BITS[COUNT_BITS-1:0];
      wire [COUNT_BITS-1:0] first = two ? GEMMLOWP_BITS[COUNT_BITS-1:0] : whole;
      wire [COUNT_BITS-1:0] second = two ? whole - GEMMLOWP_BITS[COUNT_BITS-1:0] : '0;
      wire signed [BITS-1:0] high;
      gp_round #(.BITS(BITS), .SHIFT_BITS(COUNT_BITS), .ROUNDING(HALF_UP)) multiplication (
          .value,
          .shift(first),
          .rounded(high)
      );
      gp_round #(.BITS(BITS), .SHIFT_BITS(COUNT_BITS), .ROUNDING(HALF_AWAY)) division (
          .value(high),
          .shift(second),
          .rounded
      );
    end else begin : single
      wire signed [BITS:0] extended = {value, 1'b0};
      wire signed [BITS:0] moved = extended >>> shift;
      wire signed [BITS-1:0] floor = moved[BITS:1];
      wire guard = moved[0];
      if (ROUNDING == FLOOR) begin : floor_only
        assign rounded = floor;
        wire unused = guard;
      end else if (ROUNDING == HALF_UP) begin : half_up
        assign rounded = floor + BITS'($signed({1'b0, guard}));
      end else begin : others
        localparam signed [BITS:0] ONES = -1;
        wire rest = |(extended & ~(ONES << shift));  // any bit below the guard
        wire up = ROUNDING == HALF_EVEN ? guard && (rest || floor[0])
            : ROUNDING == HALF_AWAY ? guard && (rest || !value[BITS-1])
            : value[BITS-1] && (guard || rest);
        assign rounded = floor + BITS'($signed({1'b0, up}));
      end
    end
  endgenerate

  // Modes beyond those above are refused at elaboration.
  generate
    if (ROUNDING < HALF_UP || (ROUNDING > TOWARD_ZERO && ROUNDING != DOUBLE)) begin : unknown_rounding
      initial $error("gp_round: ROUNDING must be 0 to 5");
    end
  endgenerate

endmodule

`default_nettype wire
