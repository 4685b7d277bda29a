// Testbench: compares what a block writes with golden values, and stops the simulation at the first difference with the
// layer, the image, the channel, the position, the stage, and both values.

`default_nettype none

module gp_check #(
    parameter NAME = "",
    parameter int IMAGES = 1,
    parameter int CHANNELS = 1,
    parameter int HEIGHT = 1,
    parameter int WIDTH = 1,
    parameter int IS_SIGNED = 0,
    parameter int CODE_BITS = 8,
    parameter int STAGES = 0,           // 1: there are golden values of the stages
    parameter int ACCUMULATOR_BITS = 32,  // widths of the values in the files
    parameter int BIASED_BITS = 32,
    parameter int PRODUCT_BITS = 64,    // of product, shifted and offset
    parameter OUTPUT_FILE = "",
    parameter ACCUMULATOR_FILE = "",
    parameter BIASED_FILE = "",
    parameter PRODUCT_FILE = "",
    parameter SHIFTED_FILE = "",
    parameter OFFSET_FILE = ""
) (
    input wire logic clk,
    input wire int image,
    input wire logic stages,  // compare them, too
    input wire logic ended,   // for one clock, after every image

    input wire logic write,
    input wire logic [31:0] address,
    input wire logic [CODE_BITS-1:0] data,
    input wire logic signed [63:0] accumulator,
    input wire logic signed [63:0] biased,
    input wire logic signed [63:0] product,
    input wire logic signed [63:0] shifted,
    input wire logic signed [63:0] offset
);

  localparam int POSITIONS = HEIGHT * WIDTH;
  localparam int ELEMENTS = CHANNELS * POSITIONS;
  localparam int STAGE_ELEMENTS = STAGES != 0 ? IMAGES * ELEMENTS : 1;

  logic [CODE_BITS-1:0] outputs[0:IMAGES*ELEMENTS-1];
  logic [ACCUMULATOR_BITS-1:0] accumulators[0:STAGE_ELEMENTS-1];
  logic [BIASED_BITS-1:0] biaseds[0:STAGE_ELEMENTS-1];
  logic [PRODUCT_BITS-1:0] products[0:STAGE_ELEMENTS-1];
  logic [PRODUCT_BITS-1:0] shifteds[0:STAGE_ELEMENTS-1];
  logic [PRODUCT_BITS-1:0] offsets[0:STAGE_ELEMENTS-1];
  initial begin
    $readmemh(OUTPUT_FILE, outputs);
    if (STAGES != 0) begin
      $readmemh(ACCUMULATOR_FILE, accumulators);
      $readmemh(BIASED_FILE, biaseds);
      $readmemh(PRODUCT_FILE, products);
      $readmemh(SHIFTED_FILE, shifteds);
      $readmemh(OFFSET_FILE, offsets);
    end
  end

  task automatic fail(input [8*11-1:0] stage, input int place, input logic signed [63:0] expected,
                      input logic signed [63:0] found);
    $display("FAIL: layer %0s, image %0d, channel %0d, position (%0d, %0d), stage %0s: expected %0d, found %0d", NAME,
             image, place / POSITIONS, place % POSITIONS / WIDTH, place % WIDTH, stage, expected, found);
    $fatal(1, "FAIL");
  endtask

  function automatic logic signed [63:0] code(input logic [CODE_BITS-1:0] value);
    code = {{(64 - CODE_BITS) {IS_SIGNED != 0 && value[CODE_BITS-1]}}, value};
  endfunction

  int count = 0;  // codes written for this image
  wire enable = write || ended;

  always @(posedge clk) begin : compare
    int place;
    /* verilator lint_off UNUSEDSIGNAL */
    int at;  // has more bits than the memories need
    /* verilator lint_on UNUSEDSIGNAL */
    if (enable) begin
      if (write) begin
        place = address;
        at = image * ELEMENTS + place;
        if (place >= ELEMENTS) begin
          $display("FAIL: layer %0s, image %0d: writes to address %0d of %0d", NAME, image, place, ELEMENTS);
          $fatal(1, "FAIL");
        end
        if (STAGES != 0 && stages) begin
          if (accumulator !== 64'($signed(accumulators[at]))) begin
            fail("accumulator", place, 64'($signed(accumulators[at])), accumulator);
          end
          if (biased !== 64'($signed(biaseds[at]))) fail("biased", place, 64'($signed(biaseds[at])), biased);
          if (product !== 64'($signed(products[at]))) fail("product", place, 64'($signed(products[at])), product);
          if (shifted !== 64'($signed(shifteds[at]))) fail("shifted", place, 64'($signed(shifteds[at])), shifted);
          if (offset !== 64'($signed(offsets[at]))) fail("offset", place, 64'($signed(offsets[at])), offset);
        end
        if (data !== outputs[at]) fail("output", place, code(outputs[at]), code(data));
        count <= count + 1;
      end
      if (ended) begin
        if (count != ELEMENTS) begin
          $display("FAIL: layer %0s, image %0d: wrote %0d codes, expected %0d", NAME, image, count, ELEMENTS);
          $fatal(1, "FAIL");
        end
        count <= 0;
      end
    end
  end

endmodule

`default_nettype wire
