// One activation tensor: one write port and one read port, both on the clock; a read takes one clock. The codes stand in
// row-major order of (channel, row, column).

`default_nettype none

module gp_memory #(
    parameter int DEPTH = 1024,
    parameter int ADDRESS_BITS = 10
) (
    input wire logic clk,

    input wire logic write,
    input wire logic [ADDRESS_BITS-1:0] write_address,
    input wire logic [7:0] write_data,

    input wire logic [ADDRESS_BITS-1:0] read_address,
    output logic [7:0] read_data  // of the address that was there at the last clock
);

  logic [7:0] codes[0:DEPTH-1];

  always_ff @(posedge clk) begin
    if (write) codes[write_address] <= write_data;
    read_data <= codes[read_address];
  end

endmodule

`default_nettype wire
