// One spatial axis of a window that moves over an input: which of its positions each tap meets. Adders only.
//
//   ordinary:    output o meets position o * STRIDE - PADDING + t * DILATION through its tap t
//   TRANSPOSED:  output o meets position (o + PADDING - t * DILATION) / STRIDE, and nothing where that is no integer
//
// PADDING_MODE  name       what a tap meets outside of the input
//   0           zeros      nothing: `is_inside` is 0
//   1           reflect    the mirror image of the input; the outermost position is the mirror
//   2           replicate  the outermost position
//   3           circular   the other end of the input
//
// Each `step` goes on to the next tap, and behind the last back to the first; a `move`, which comes with the last tap, to
// the next output. PADDING must be less than INPUT (reflect) or at most INPUT (circular).

`default_nettype none

module gp_axis #(
    parameter int INPUT = 1,    // positions
    parameter int OUTPUTS = 1,  // positions
    parameter int TAPS = 1,
    parameter int STRIDE = 1,
    parameter int PADDING = 0,  // before the input
    parameter int DILATION = 1,
    parameter int TRANSPOSED = 0,
    parameter int PADDING_MODE = 0,
    // Derived; not to be set.
    parameter int INDEX_BITS = $clog2(INPUT + 1)
) (
    input wire logic clk,
    input wire logic restart,  // at the first tap of the first output
    input wire logic step,
    input wire logic move,

    output logic last_tap,
    output logic last_output,
    output logic is_inside,
    output logic [INDEX_BITS-1:0] index  // of the position that is met, where it is inside
);

  localparam int ZEROS = 0, REFLECT = 1, REPLICATE = 2;

  // Between two inputs of a transposed convolution lie SPACING - 1 places without any. A place is counted as a position
  // and the places behind it; so is a step from one place to another.
  localparam int SPACING = TRANSPOSED != 0 ? STRIDE : 1;
  localparam int FIRST = TRANSPOSED != 0 ? PADDING : -PADDING;
  localparam int OUTPUT_STEP = TRANSPOSED != 0 ? 1 : STRIDE;
  localparam int TAP_STEP = TRANSPOSED != 0 ? -DILATION : DILATION;

  localparam int TAP_BITS = $clog2(TAPS + 1);
  localparam int OUTPUT_BITS = $clog2(OUTPUTS + 1);
  localparam int REACH = INPUT + PADDING + OUTPUTS * STRIDE + TAPS * DILATION;
  localparam int POSITION_BITS = $clog2(REACH + 1) + 1;
  localparam int BEHIND_BITS = $clog2(SPACING + 1);
  localparam int PLACE_BITS = POSITION_BITS + BEHIND_BITS;

  function automatic logic [PLACE_BITS-1:0] place_of(input int places);
    int behind;
    behind = (places % SPACING + SPACING) % SPACING;
    place_of = {POSITION_BITS'((places - behind) / SPACING), BEHIND_BITS'(behind)};
  endfunction

  localparam [PLACE_BITS-1:0] START = place_of(FIRST);
  localparam [PLACE_BITS-1:0] NEXT_OUTPUT = place_of(OUTPUT_STEP);
  localparam [PLACE_BITS-1:0] NEXT_TAP = place_of(TAP_STEP);

  function automatic logic [PLACE_BITS-1:0] plus(input logic [PLACE_BITS-1:0] a, input logic [PLACE_BITS-1:0] b);
    logic [BEHIND_BITS:0] behind;
    logic carry;
    behind = {1'b0, a[BEHIND_BITS-1:0]} + {1'b0, b[BEHIND_BITS-1:0]};
    carry = behind >= (BEHIND_BITS + 1)'(SPACING);
    if (carry) behind = behind - (BEHIND_BITS + 1)'(SPACING);
    plus = {a[PLACE_BITS-1:BEHIND_BITS] + b[PLACE_BITS-1:BEHIND_BITS] + POSITION_BITS'(carry), behind[BEHIND_BITS-1:0]};
  endfunction

  generate
    if (INPUT == 1 && OUTPUTS == 1 && TAPS == 1 && PADDING == 0) begin : absent
      assign {last_tap, last_output, is_inside, index} = {3'b111, {INDEX_BITS{1'b0}}};
      wire unused = &{1'b0, clk, restart, step, move};
    end else begin : present
      logic [TAP_BITS-1:0] tap;
      logic [OUTPUT_BITS-1:0] output_position;
      logic [PLACE_BITS-1:0] place, first;  // first: of tap 0
      assign last_tap = tap == TAP_BITS'(TAPS - 1);
      assign last_output = output_position == OUTPUT_BITS'(OUTPUTS - 1);
      wire [PLACE_BITS-1:0] next_first = last_output ? START : plus(first, NEXT_OUTPUT);

      wire enable = restart || step;
      always_ff @(posedge clk) begin
        if (enable) begin
          if (restart) begin
            {tap, output_position} <= '0;
            {place, first} <= {2{START}};
          end else if (move) begin
            tap <= '0;
            output_position <= last_output ? '0 : output_position + 1'b1;
            {place, first} <= {2{next_first}};
          end else begin
            tap <= last_tap ? '0 : tap + 1'b1;
            place <= last_tap ? first : plus(place, NEXT_TAP);
          end
        end
      end

      wire signed [POSITION_BITS-1:0] position = place[PLACE_BITS-1:BEHIND_BITS];
      localparam signed [POSITION_BITS-1:0] SIZE = POSITION_BITS'(INPUT);
      wire too_low = position < 0;
      wire too_high = position >= SIZE;
      assign is_inside = place[BEHIND_BITS-1:0] == '0 && (PADDING_MODE != ZEROS || !(too_low || too_high));
      if (PADDING_MODE == ZEROS) begin : zeros
        assign index = position[INDEX_BITS-1:0];
      end else begin : continued
        wire signed [POSITION_BITS-1:0] low = PADDING_MODE == REFLECT ? -position : PADDING_MODE == REPLICATE ? '0 : position + SIZE;
        wire signed [POSITION_BITS-1:0] high = PADDING_MODE == REFLECT ? SIZE + SIZE - 2 - position
            : PADDING_MODE == REPLICATE ? SIZE - 1 : position - SIZE;
        wire signed [POSITION_BITS-1:0] met = too_low ? low : too_high ? high : position;
        assign index = met[INDEX_BITS-1:0];
        wire unused = &{1'b0, met};
      end
    end
  endgenerate

endmodule

`default_nettype wire
