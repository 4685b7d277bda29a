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

  function automatic int behind_of(input int places);
    behind_of = (places % SPACING + SPACING) % SPACING;
  endfunction
  function automatic int position_of(input int places);
    position_of = (places - behind_of(places)) / SPACING;
  endfunction

  generate
    if (INPUT == 1 && OUTPUTS == 1 && TAPS == 1 && PADDING == 0) begin : absent
      assign {last_tap, last_output, is_inside, index} = {3'b111, {INDEX_BITS{1'b0}}};
      wire unused = &{1'b0, clk, restart, step, move};
    end else begin : present
      logic [TAP_BITS-1:0] tap;
      logic [OUTPUT_BITS-1:0] output_position;
      assign last_tap = tap == TAP_BITS'(TAPS - 1);
      assign last_output = output_position == OUTPUT_BITS'(OUTPUTS - 1);

      // The place of the tap, that of tap 0, and those that follow on them.
      logic signed [POSITION_BITS-1:0] position, first_position;
      logic [BEHIND_BITS-1:0] behind, first_behind;
      wire signed [POSITION_BITS-1:0] tap_position, output_first_position;
      wire [BEHIND_BITS-1:0] tap_behind, output_first_behind;
      gp_axis_step #(
          .POSITION_BITS(POSITION_BITS), .BEHIND_BITS(BEHIND_BITS), .SPACING(SPACING),
          .POSITIONS(position_of(TAP_STEP)), .BEHIND(behind_of(TAP_STEP))
      ) next_tap (
          .position, .behind, .next_position(tap_position), .next_behind(tap_behind)
      );
      gp_axis_step #(
          .POSITION_BITS(POSITION_BITS), .BEHIND_BITS(BEHIND_BITS), .SPACING(SPACING),
          .POSITIONS(position_of(OUTPUT_STEP)), .BEHIND(behind_of(OUTPUT_STEP))
      ) next_output (
          .position(first_position), .behind(first_behind),
          .next_position(output_first_position), .next_behind(output_first_behind)
      );
      localparam signed [POSITION_BITS-1:0] START_POSITION = POSITION_BITS'(position_of(FIRST));
      localparam [BEHIND_BITS-1:0] START_BEHIND = BEHIND_BITS'(behind_of(FIRST));
      wire to_start = restart || last_output;
      wire signed [POSITION_BITS-1:0] next_first_position = to_start ? START_POSITION : output_first_position;
      wire [BEHIND_BITS-1:0] next_first_behind = to_start ? START_BEHIND : output_first_behind;

      // Nothing moves without it.
      wire enable = restart || step;
      always_ff @(posedge clk) begin
        if (enable) begin
          if (restart || move) begin
            tap <= '0;
            output_position <= to_start ? '0 : output_position + 1'b1;
            position <= next_first_position;
            behind <= next_first_behind;
            first_position <= next_first_position;
            first_behind <= next_first_behind;
          end else begin
            tap <= last_tap ? '0 : tap + 1'b1;
            position <= last_tap ? first_position : tap_position;
            behind <= last_tap ? first_behind : tap_behind;
          end
        end
      end

      localparam signed [POSITION_BITS-1:0] SIZE = POSITION_BITS'(INPUT);
      wire too_low = position < 0;
      wire too_high = position >= SIZE;
      assign is_inside = behind == '0 && (PADDING_MODE != ZEROS || !(too_low || too_high));
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
