// Counts 0 to COUNT - 1, one a clock, after `start`.

`default_nettype none

module gp_counter #(
    parameter int COUNT = 1,
    parameter int BITS = 1
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,
    output logic active,
    output logic [BITS-1:0] index
);

  always_ff @(posedge clk) begin
    if (reset || start) begin
      active <= start && !reset;
      index <= '0;
    end else if (active) begin
      active <= index != BITS'(COUNT - 1);
      index <= index + 1'b1;
    end
  end

endmodule

`default_nettype wire
