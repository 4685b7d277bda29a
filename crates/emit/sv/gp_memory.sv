// One activation tensor: one write port and one read port, both on the clock; a read takes one clock, and the code that was
// read stays until the next one. The codes stand in
// row-major order of (channel, spatial...).

`default_nettype none

module gp_memory #(
    parameter int DEPTH = 1024,
    parameter int ADDRESS_BITS = 10,
    parameter int CODE_BITS = 8
) (
    input wire logic clk,

    input wire logic write,
    input wire logic [ADDRESS_BITS-1:0] write_address,
    input wire logic [CODE_BITS-1:0] write_data,

    input wire logic read,
    input wire logic [ADDRESS_BITS-1:0] read_address,
    output logic [CODE_BITS-1:0] read_data  // of the address that was there at the last clock
);

  logic [CODE_BITS-1:0] codes[0:DEPTH-1];

  always_ff @(posedge clk) begin
    if (write) codes[write_address] <= write_data;
    if (read) read_data <= codes[read_address];
  end

endmodule

`default_nettype wire
