// A change of shape or a selection (permute, slice, pad, upsample, shuffle): every output is an input code at an address from
// ADDRESS_FILE, or, where that has its highest bit set, FILL. One output per clock.

`default_nettype none

module gp_gather #(
    parameter int COUNT = 1,  // outputs
    parameter int FILL = 0,   // the code Z of padding
    parameter ADDRESS_FILE = "",
    parameter int CODE_BITS = 8,
    parameter int READ_BITS = 10,
    parameter int WRITE_BITS = 10
) (
    input wire logic clk,
    input wire logic reset,
    input wire logic start,
    output logic done,

    output logic [READ_BITS-1:0] read_address,
    input wire logic [CODE_BITS-1:0] read_data,

    output logic write,
    output logic [WRITE_BITS-1:0] write_address,
    output logic [CODE_BITS-1:0] write_data
);

  localparam int INDEX_BITS = COUNT > 1 ? $clog2(COUNT) : 1;
  wire active;
  wire [INDEX_BITS-1:0] index;
  gp_counter #(.COUNT(COUNT), .BITS(INDEX_BITS)) counter (.clk, .reset, .start, .active, .index);

  logic [31:0] addresses[0:COUNT-1];
  initial if (ADDRESS_FILE != "") $readmemh(ADDRESS_FILE, addresses);

  // One clock for the address, one for the code.
  logic [31:0] place;
  logic asked, met, is_fill;
  logic [WRITE_BITS-1:0] asked_index, met_index;
  always_ff @(posedge clk) begin
    place <= addresses[index];
    {asked, met} <= reset ? 2'b00 : {active, asked};
    {asked_index, met_index} <= {WRITE_BITS'(index), asked_index};
    is_fill <= place[31];
    write <= met && !reset;
    write_address <= met_index;
    write_data <= is_fill ? CODE_BITS'(FILL) : read_data;
  end
  assign read_address = place[READ_BITS-1:0];
  wire unused = &{1'b0, place[30:READ_BITS]};
  assign done = write && write_address == WRITE_BITS'(COUNT - 1);

endmodule

`default_nettype wire
