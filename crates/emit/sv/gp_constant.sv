// A tensor that is the same for all images: a memory that is only read, with the read port of gp_memory.

`default_nettype none

module gp_constant #(
    parameter int DEPTH = 1024,
    parameter int ADDRESS_BITS = 10,
    parameter int CODE_BITS = 8,
    parameter CODE_FILE = ""
) (
    input wire logic clk,
    input wire logic [ADDRESS_BITS-1:0] read_address,
    output logic [CODE_BITS-1:0] read_data  // of the address that was there at the last clock
);

  logic [CODE_BITS-1:0] codes[0:DEPTH-1];
  initial if (CODE_FILE != "") $readmemh(CODE_FILE, codes);

  always_ff @(posedge clk) read_data <= codes[read_address];

endmodule

`default_nettype wire
