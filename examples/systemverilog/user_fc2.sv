// A layer of one's own in the place of layer_fc2: a fully connected layer of 120 inputs and 10 outputs with one multiplier,
// which it also uses for M0. It reads the same files.

`default_nettype none

module user_fc2 (
    input wire logic clk,
    input wire logic reset,

    input wire logic start,
    output logic done,

    output logic [6:0] read_address_0,
    input wire logic [7:0] read_data_0,

    output logic write,
    output logic [3:0] write_address,
    output logic [7:0] write_data,

    output logic signed [63:0] stage_accumulator,
    output logic signed [63:0] stage_biased,
    output logic signed [63:0] stage_product,
    output logic signed [63:0] stage_shifted,
    output logic signed [63:0] stage_offset
);

  localparam int INPUTS = 120, OUTPUTS = 10;
  localparam int N = 16;            // gen_params MODEL 16
  localparam signed [31:0] Z3 = 60;  // from manifest.json, as the clamp 0..255

  logic signed [7:0] weights[0:INPUTS*OUTPUTS-1];
  logic signed [31:0] folded_biases[0:OUTPUTS-1];
  logic signed [31:0] multipliers[0:OUTPUTS-1];
  initial $readmemh("data/fc2_weight.hex", weights);
  initial $readmemh("data/fc2_folded_bias.hex", folded_biases);
  initial $readmemh("data/fc2_multiplier.hex", multipliers);

  typedef enum logic [1:0] {IDLE, SUM, SCALE, WRITE} state_t;
  state_t state;
  logic [3:0] channel;
  logic [10:0] weight_address;
  logic signed [7:0] weight;
  logic arrives;  // a code, and the weight that it meets
  logic signed [31:0] accumulator, biased;
  logic signed [31:0] product;
  wire signed [31:0] shifted = (product + (32'sd1 <<< (N - 1))) >>> N;
  wire signed [31:0] offset = shifted + Z3;

  // The one multiplier: code times weight, then sum times M0.
  wire signed [31:0] left = state == SCALE ? biased : 32'($signed({1'b0, read_data_0}));
  wire signed [31:0] right = state == SCALE ? multipliers[channel] : 32'(weight);
  wire signed [31:0] multiplied = left * right;

  always_ff @(posedge clk) begin
    weight <= weights[weight_address];
    arrives <= state == SUM && read_address_0 != 7'(INPUTS) && !reset;
    if (arrives) accumulator <= accumulator + multiplied;
    {write, done} <= '0;
    case (state)
      IDLE:
      if (start) begin
        state <= SUM;
        {channel, read_address_0, weight_address} <= '0;
        accumulator <= '0;
      end
      SUM:
      if (read_address_0 != 7'(INPUTS)) begin
        read_address_0 <= read_address_0 + 1'b1;
        weight_address <= weight_address + 1'b1;
      end else if (!arrives) begin
        state <= SCALE;
        biased <= accumulator + folded_biases[channel];
      end
      SCALE: begin
        state <= WRITE;
        product <= multiplied;
      end
      WRITE: begin
        write <= 1'b1;
        write_address <= channel;
        write_data <= offset < 0 ? 8'd0 : offset > 255 ? 8'd255 : offset[7:0];
        stage_accumulator <= 64'(accumulator);
        stage_biased <= 64'(biased);
        stage_product <= 64'(product);
        stage_shifted <= 64'(shifted);
        stage_offset <= 64'(offset);
        accumulator <= '0;
        read_address_0 <= '0;
        channel <= channel + 1'b1;
        done <= channel == 4'(OUTPUTS - 1);
        state <= channel == 4'(OUTPUTS - 1) ? IDLE : SUM;
      end
    endcase
    if (reset) state <= IDLE;
  end

endmodule

`default_nettype wire
