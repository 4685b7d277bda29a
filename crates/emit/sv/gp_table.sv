// An element-wise function as a table of 256 codes, one output per clock. TABLE_FILE has the output codes of the input codes
// in ascending order: 0, 1, ... for unsigned ones, -128, -127, ... for signed ones.

`default_nettype none

module gp_table #(
    parameter int COUNT = 1,  // elements
    parameter int INPUT_SIGNED = 0,
    parameter TABLE_FILE = "",
    parameter int READ_BITS = 10,
    parameter int WRITE_BITS = 10
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,
    output logic done,

    output logic [READ_BITS-1:0] read_address,
    input wire logic [7:0] read_data,

    output logic write,
    output logic [WRITE_BITS-1:0] write_address,
    output logic [7:0] write_data
);

  wire active;
  gp_counter #(.COUNT(COUNT), .BITS(READ_BITS)) counter (.clk, .reset, .start, .active, .index(read_address));

  logic [7:0] codes[0:255];
  initial if (TABLE_FILE != "") $readmemh(TABLE_FILE, codes);
  localparam [7:0] SIGN = INPUT_SIGNED != 0 ? 8'h80 : 8'h00;

  logic met;
  logic [WRITE_BITS-1:0] met_index;
  always_ff @(posedge clk) begin
    met <= active && !reset;
    met_index <= WRITE_BITS'(read_address);
    write <= met && !reset;
    write_address <= met_index;
    write_data <= codes[read_data^SIGN];
  end
  assign done = write && write_address == WRITE_BITS'(COUNT - 1);

endmodule

`default_nettype wire
