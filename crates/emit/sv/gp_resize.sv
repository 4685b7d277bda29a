// Holds a signed value in a register of another width: what does not fit wraps (keeps its low bits) or saturates
// (becomes the nearest value that does). Combinational.

`default_nettype none

module gp_resize #(
    parameter int FROM = 33,    // width of the value
    parameter int TO = 32,      // width of the register
    parameter int SATURATE = 0  // 1: saturates, 0: wraps
) (
    input  wire logic signed [FROM-1:0] value,
    output logic signed [TO-1:0] held
);

  generate
    if (TO >= FROM) begin : widen
      assign held = TO'(value);
    end else if (SATURATE != 0) begin : saturate
      // It fits if all bits from the register's sign upwards are the same.
      wire fits = &value[FROM-1:TO-1] || !(|value[FROM-1:TO-1]);
      assign held = fits ? value[TO-1:0] : {value[FROM-1], {(TO - 1) {!value[FROM-1]}}};
    end else begin : wrap
      assign held = value[TO-1:0];
      wire unused = &{1'b0, value[FROM-1:TO]};
    end
  endgenerate

endmodule

`default_nettype wire
