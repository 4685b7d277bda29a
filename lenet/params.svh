// Constants of a quantized network, written by gen_params. Include it once, in a package or in a module: the second
// time it is empty.
//
// accumulator: the sum of x * (w - WEIGHT_ZERO_POINT) over the receptive field, x and w the codes of input and weight;
//              padding has the code PADDING_VALUE.
// FOLDED_BIAS: BIAS - INPUT_ZERO_POINT * WEIGHT_SUM (a minus, whatever some write-ups say)
//              + taps * INPUT_ZERO_POINT * WEIGHT_ZERO_POINT.
//
// NAME_BIAS[c] is the bias of output channel c. $signed(NAME_BIAS_PACKED[32*c +: 32]) is the same number, for tools
// that have no array parameters; NAME_SHIFT_PACKED has 8 bits per channel.
`ifndef GEN_PARAMS_PARAMS_SVH
`define GEN_PARAMS_PARAMS_SVH
`ifdef __ICARUS__
`define GEN_PARAMS_NO_ARRAYS
`elsif YOSYS
`define GEN_PARAMS_NO_ARRAYS
`endif
/* verilator lint_save */
/* verilator lint_off UNUSEDPARAM */

// Layer "conv1": conv2d, weight OIHW 16x1x5x5
// output = clamp(round((accumulator + FOLDED_BIAS) * MULTIPLIER * 2^-SHIFT) + OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)
// S1 = 0.022305993363261223, S2 = one per output channel, see manifest.json, S3 = 0.07968016713857651
localparam int CONV1_CHANNELS = 16;
localparam int CONV1_WEIGHT_O = 16;
localparam int CONV1_WEIGHT_I = 1;
localparam int CONV1_WEIGHT_H = 5;
localparam int CONV1_WEIGHT_W = 5;
localparam int CONV1_STRIDE_H = 1;
localparam int CONV1_STRIDE_W = 1;
localparam int CONV1_PADDING_H = 2;
localparam int CONV1_PADDING_W = 2;
localparam int CONV1_DILATION_H = 1;
localparam int CONV1_DILATION_W = 1;
localparam int CONV1_GROUPS = 1;
localparam int CONV1_INPUT_ZERO_POINT = 36;
localparam int CONV1_INPUT_MIN = 0;
localparam int CONV1_INPUT_MAX = 255;
localparam int CONV1_PADDING_VALUE = 36;
localparam int CONV1_WEIGHT_ZERO_POINT = 0;
localparam int CONV1_OUTPUT_ZERO_POINT = 0;
localparam int CONV1_CLAMP_MIN = 0;
localparam int CONV1_CLAMP_MAX = 255;
localparam int CONV1_ACCUMULATOR_BITS = 20;
localparam int CONV1_BIASED_BITS = 19;
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] CONV1_BIAS [0:15] = '{
    -32'sd1201, -32'sd3715, -32'sd1505, -32'sd465, -32'sd814, -32'sd471, -32'sd2214, -32'sd519,
    -32'sd1819, -32'sd725, 32'sd2, -32'sd570, -32'sd192, -32'sd2773, -32'sd2386, -32'sd2950
};
`endif
localparam logic [511:0] CONV1_BIAS_PACKED = {
    32'hfffff47a, 32'hfffff6ae, 32'hfffff52b, 32'hffffff40, 32'hfffffdc6, 32'h00000002, 32'hfffffd2b, 32'hfffff8e5,
    32'hfffffdf9, 32'hfffff75a, 32'hfffffe29, 32'hfffffcd2, 32'hfffffe2f, 32'hfffffa1f, 32'hfffff17d, 32'hfffffb4f
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] CONV1_WEIGHT_SUM [0:15] = '{
    -32'sd92, -32'sd443, 32'sd33, 32'sd10, 32'sd10, -32'sd47, -32'sd211, -32'sd12,
    -32'sd207, 32'sd26, -32'sd161, 32'sd6, -32'sd2, 32'sd155, -32'sd227, 32'sd328
};
`endif
localparam logic [511:0] CONV1_WEIGHT_SUM_PACKED = {
    32'h00000148, 32'hffffff1d, 32'h0000009b, 32'hfffffffe, 32'h00000006, 32'hffffff5f, 32'h0000001a, 32'hffffff31,
    32'hfffffff4, 32'hffffff2d, 32'hffffffd1, 32'h0000000a, 32'h0000000a, 32'h00000021, 32'hfffffe45, 32'hffffffa4
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] CONV1_FOLDED_BIAS [0:15] = '{
    32'sd2111, 32'sd12233, -32'sd2693, -32'sd825, -32'sd1174, 32'sd1221, 32'sd5382, -32'sd87,
    32'sd5633, -32'sd1661, 32'sd5798, -32'sd786, -32'sd120, -32'sd8353, 32'sd5786, -32'sd14758
};
`endif
localparam logic [511:0] CONV1_FOLDED_BIAS_PACKED = {
    32'hffffc65a, 32'h0000169a, 32'hffffdf5f, 32'hffffff88, 32'hfffffcee, 32'h000016a6, 32'hfffff983, 32'h00001601,
    32'hffffffa9, 32'h00001506, 32'h000004c5, 32'hfffffb6a, 32'hfffffcc7, 32'hfffff57b, 32'h00002fc9, 32'h0000083f
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic [31:0] CONV1_MULTIPLIER [0:15] = '{
    32'd78, 32'd51, 32'd102, 32'd69, 32'd120, 32'd116, 32'd85, 32'd134,
    32'd54, 32'd104, 32'd70, 32'd188, 32'd90, 32'd68, 32'd67, 32'd42
};
`endif
localparam logic [511:0] CONV1_MULTIPLIER_PACKED = {
    32'h0000002a, 32'h00000043, 32'h00000044, 32'h0000005a, 32'h000000bc, 32'h00000046, 32'h00000068, 32'h00000036,
    32'h00000086, 32'h00000055, 32'h00000074, 32'h00000078, 32'h00000045, 32'h00000066, 32'h00000033, 32'h0000004e
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [7:0] CONV1_SHIFT [0:15] = '{
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16
};
`endif
localparam logic [127:0] CONV1_SHIFT_PACKED = {
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10
};
localparam CONV1_WEIGHT_FILE = "conv1_weight.hex";

// Layer "conv2": conv2d, weight OIHW 32x16x5x5
// output = clamp(round((accumulator + FOLDED_BIAS) * MULTIPLIER * 2^-SHIFT) + OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)
// S1 = 0.07968016713857651, S2 = one per output channel, see manifest.json, S3 = 0.09041733294725418
localparam int CONV2_CHANNELS = 32;
localparam int CONV2_WEIGHT_O = 32;
localparam int CONV2_WEIGHT_I = 16;
localparam int CONV2_WEIGHT_H = 5;
localparam int CONV2_WEIGHT_W = 5;
localparam int CONV2_STRIDE_H = 1;
localparam int CONV2_STRIDE_W = 1;
localparam int CONV2_PADDING_H = 0;
localparam int CONV2_PADDING_W = 0;
localparam int CONV2_DILATION_H = 1;
localparam int CONV2_DILATION_W = 1;
localparam int CONV2_GROUPS = 1;
localparam int CONV2_INPUT_ZERO_POINT = 0;
localparam int CONV2_INPUT_MIN = 0;
localparam int CONV2_INPUT_MAX = 255;
localparam int CONV2_PADDING_VALUE = 0;
localparam int CONV2_WEIGHT_ZERO_POINT = 0;
localparam int CONV2_OUTPUT_ZERO_POINT = 0;
localparam int CONV2_CLAMP_MIN = 0;
localparam int CONV2_CLAMP_MAX = 255;
localparam int CONV2_ACCUMULATOR_BITS = 23;
localparam int CONV2_BIASED_BITS = 23;
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] CONV2_BIAS [0:31] = '{
    32'sd24, -32'sd318, 32'sd208, 32'sd226, 32'sd13, 32'sd302, -32'sd97, 32'sd526,
    -32'sd252, 32'sd141, 32'sd930, 32'sd105, 32'sd53, -32'sd41, -32'sd318, -32'sd96,
    32'sd120, -32'sd9, -32'sd358, -32'sd57, -32'sd486, -32'sd95, 32'sd259, 32'sd444,
    32'sd733, -32'sd469, -32'sd490, 32'sd74, 32'sd314, 32'sd308, -32'sd177, 32'sd264
};
`endif
localparam logic [1023:0] CONV2_BIAS_PACKED = {
    32'h00000108, 32'hffffff4f, 32'h00000134, 32'h0000013a, 32'h0000004a, 32'hfffffe16, 32'hfffffe2b, 32'h000002dd,
    32'h000001bc, 32'h00000103, 32'hffffffa1, 32'hfffffe1a, 32'hffffffc7, 32'hfffffe9a, 32'hfffffff7, 32'h00000078,
    32'hffffffa0, 32'hfffffec2, 32'hffffffd7, 32'h00000035, 32'h00000069, 32'h000003a2, 32'h0000008d, 32'hffffff04,
    32'h0000020e, 32'hffffff9f, 32'h0000012e, 32'h0000000d, 32'h000000e2, 32'h000000d0, 32'hfffffec2, 32'h00000018
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] CONV2_WEIGHT_SUM [0:31] = '{
    -32'sd1087, -32'sd1781, -32'sd1988, -32'sd1684, -32'sd1577, -32'sd2596, -32'sd1842, -32'sd1424,
    -32'sd1536, -32'sd2132, -32'sd1918, -32'sd2648, -32'sd2338, -32'sd1890, -32'sd2393, -32'sd2585,
    -32'sd2690, -32'sd1509, -32'sd932, -32'sd2372, -32'sd1623, -32'sd1548, -32'sd1611, -32'sd2398,
    -32'sd2528, -32'sd1896, -32'sd3401, -32'sd3120, -32'sd1884, -32'sd1201, -32'sd1326, -32'sd1784
};
`endif
localparam logic [1023:0] CONV2_WEIGHT_SUM_PACKED = {
    32'hfffff908, 32'hfffffad2, 32'hfffffb4f, 32'hfffff8a4, 32'hfffff3d0, 32'hfffff2b7, 32'hfffff898, 32'hfffff620,
    32'hfffff6a2, 32'hfffff9b5, 32'hfffff9f4, 32'hfffff9a9, 32'hfffff6bc, 32'hfffffc5c, 32'hfffffa1b, 32'hfffff57e,
    32'hfffff5e7, 32'hfffff6a7, 32'hfffff89e, 32'hfffff6de, 32'hfffff5a8, 32'hfffff882, 32'hfffff7ac, 32'hfffffa00,
    32'hfffffa70, 32'hfffff8ce, 32'hfffff5dc, 32'hfffff9d7, 32'hfffff96c, 32'hfffff83c, 32'hfffff90b, 32'hfffffbc1
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] CONV2_FOLDED_BIAS [0:31] = '{
    32'sd24, -32'sd318, 32'sd208, 32'sd226, 32'sd13, 32'sd302, -32'sd97, 32'sd526,
    -32'sd252, 32'sd141, 32'sd930, 32'sd105, 32'sd53, -32'sd41, -32'sd318, -32'sd96,
    32'sd120, -32'sd9, -32'sd358, -32'sd57, -32'sd486, -32'sd95, 32'sd259, 32'sd444,
    32'sd733, -32'sd469, -32'sd490, 32'sd74, 32'sd314, 32'sd308, -32'sd177, 32'sd264
};
`endif
localparam logic [1023:0] CONV2_FOLDED_BIAS_PACKED = {
    32'h00000108, 32'hffffff4f, 32'h00000134, 32'h0000013a, 32'h0000004a, 32'hfffffe16, 32'hfffffe2b, 32'h000002dd,
    32'h000001bc, 32'h00000103, 32'hffffffa1, 32'hfffffe1a, 32'hffffffc7, 32'hfffffe9a, 32'hfffffff7, 32'h00000078,
    32'hffffffa0, 32'hfffffec2, 32'hffffffd7, 32'h00000035, 32'h00000069, 32'h000003a2, 32'h0000008d, 32'hffffff04,
    32'h0000020e, 32'hffffff9f, 32'h0000012e, 32'h0000000d, 32'h000000e2, 32'h000000d0, 32'hfffffec2, 32'h00000018
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic [31:0] CONV2_MULTIPLIER [0:31] = '{
    32'd135, 32'd114, 32'd99, 32'd130, 32'd154, 32'd136, 32'd105, 32'd118,
    32'd115, 32'd108, 32'd111, 32'd120, 32'd133, 32'd115, 32'd89, 32'd95,
    32'd106, 32'd149, 32'd137, 32'd108, 32'd114, 32'd113, 32'd141, 32'd147,
    32'd130, 32'd114, 32'd80, 32'd100, 32'd123, 32'd110, 32'd122, 32'd152
};
`endif
localparam logic [1023:0] CONV2_MULTIPLIER_PACKED = {
    32'h00000098, 32'h0000007a, 32'h0000006e, 32'h0000007b, 32'h00000064, 32'h00000050, 32'h00000072, 32'h00000082,
    32'h00000093, 32'h0000008d, 32'h00000071, 32'h00000072, 32'h0000006c, 32'h00000089, 32'h00000095, 32'h0000006a,
    32'h0000005f, 32'h00000059, 32'h00000073, 32'h00000085, 32'h00000078, 32'h0000006f, 32'h0000006c, 32'h00000073,
    32'h00000076, 32'h00000069, 32'h00000088, 32'h0000009a, 32'h00000082, 32'h00000063, 32'h00000072, 32'h00000087
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [7:0] CONV2_SHIFT [0:31] = '{
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16
};
`endif
localparam logic [255:0] CONV2_SHIFT_PACKED = {
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10
};
localparam CONV2_WEIGHT_FILE = "conv2_weight.hex";

// Layer "fc1": linear, weight OI 120x800
// output = clamp(round((accumulator + FOLDED_BIAS) * MULTIPLIER * 2^-SHIFT) + OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)
// S1 = 0.09041733294725418, S2 = one per output channel, see manifest.json, S3 = 0.19611278176307678
localparam int FC1_CHANNELS = 120;
localparam int FC1_WEIGHT_O = 120;
localparam int FC1_WEIGHT_I = 800;
localparam int FC1_INPUT_ZERO_POINT = 0;
localparam int FC1_INPUT_MIN = 0;
localparam int FC1_INPUT_MAX = 255;
localparam int FC1_PADDING_VALUE = 0;
localparam int FC1_WEIGHT_ZERO_POINT = 0;
localparam int FC1_OUTPUT_ZERO_POINT = 0;
localparam int FC1_CLAMP_MIN = 0;
localparam int FC1_CLAMP_MAX = 255;
localparam int FC1_ACCUMULATOR_BITS = 25;
localparam int FC1_BIASED_BITS = 25;
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] FC1_BIAS [0:119] = '{
    -32'sd147, 32'sd389, -32'sd89, -32'sd721, 32'sd141, -32'sd263, 32'sd295, -32'sd9,
    32'sd80, -32'sd21, -32'sd17, 32'sd87, 32'sd330, 32'sd442, -32'sd191, -32'sd1209,
    32'sd549, 32'sd82, 32'sd199, -32'sd8, 32'sd240, 32'sd107, 32'sd335, -32'sd536,
    32'sd299, -32'sd667, -32'sd551, 32'sd70, 32'sd238, -32'sd1118, -32'sd289, -32'sd570,
    32'sd202, 32'sd82, 32'sd270, 32'sd50, -32'sd150, -32'sd1245, -32'sd70, 32'sd42,
    -32'sd1063, -32'sd3, 32'sd153, -32'sd240, -32'sd349, 32'sd116, -32'sd579, 32'sd146,
    32'sd513, 32'sd448, -32'sd124, 32'sd145, -32'sd343, 32'sd609, -32'sd738, -32'sd296,
    32'sd119, -32'sd27, 32'sd47, 32'sd352, 32'sd425, -32'sd145, -32'sd1327, 32'sd94,
    -32'sd175, -32'sd577, 32'sd53, -32'sd272, -32'sd107, 32'sd22, -32'sd997, 32'sd429,
    32'sd76, -32'sd4, 32'sd48, 32'sd280, 32'sd188, 32'sd275, 32'sd225, -32'sd844,
    32'sd257, -32'sd958, 32'sd337, 32'sd227, 32'sd448, 32'sd164, -32'sd381, 32'sd553,
    32'sd432, -32'sd742, -32'sd154, 32'sd284, 32'sd70, 32'sd141, -32'sd48, 32'sd209,
    -32'sd533, 32'sd247, 32'sd64, 32'sd443, 32'sd13, 32'sd194, -32'sd231, -32'sd161,
    32'sd40, 32'sd109, 32'sd202, -32'sd419, 32'sd320, 32'sd250, -32'sd300, 32'sd691,
    -32'sd561, 32'sd89, 32'sd354, -32'sd424, -32'sd1040, 32'sd430, 32'sd120, 32'sd501
};
`endif
localparam logic [3839:0] FC1_BIAS_PACKED = {
    32'h000001f5, 32'h00000078, 32'h000001ae, 32'hfffffbf0, 32'hfffffe58, 32'h00000162, 32'h00000059, 32'hfffffdcf,
    32'h000002b3, 32'hfffffed4, 32'h000000fa, 32'h00000140, 32'hfffffe5d, 32'h000000ca, 32'h0000006d, 32'h00000028,
    32'hffffff5f, 32'hffffff19, 32'h000000c2, 32'h0000000d, 32'h000001bb, 32'h00000040, 32'h000000f7, 32'hfffffdeb,
    32'h000000d1, 32'hffffffd0, 32'h0000008d, 32'h00000046, 32'h0000011c, 32'hffffff66, 32'hfffffd1a, 32'h000001b0,
    32'h00000229, 32'hfffffe83, 32'h000000a4, 32'h000001c0, 32'h000000e3, 32'h00000151, 32'hfffffc42, 32'h00000101,
    32'hfffffcb4, 32'h000000e1, 32'h00000113, 32'h000000bc, 32'h00000118, 32'h00000030, 32'hfffffffc, 32'h0000004c,
    32'h000001ad, 32'hfffffc1b, 32'h00000016, 32'hffffff95, 32'hfffffef0, 32'h00000035, 32'hfffffdbf, 32'hffffff51,
    32'h0000005e, 32'hfffffad1, 32'hffffff6f, 32'h000001a9, 32'h00000160, 32'h0000002f, 32'hffffffe5, 32'h00000077,
    32'hfffffed8, 32'hfffffd1e, 32'h00000261, 32'hfffffea9, 32'h00000091, 32'hffffff84, 32'h000001c0, 32'h00000201,
    32'h00000092, 32'hfffffdbd, 32'h00000074, 32'hfffffea3, 32'hffffff10, 32'h00000099, 32'hfffffffd, 32'hfffffbd9,
    32'h0000002a, 32'hffffffba, 32'hfffffb23, 32'hffffff6a, 32'h00000032, 32'h0000010e, 32'h00000052, 32'h000000ca,
    32'hfffffdc6, 32'hfffffedf, 32'hfffffba2, 32'h000000ee, 32'h00000046, 32'hfffffdd9, 32'hfffffd65, 32'h0000012b,
    32'hfffffde8, 32'h0000014f, 32'h0000006b, 32'h000000f0, 32'hfffffff8, 32'h000000c7, 32'h00000052, 32'h00000225,
    32'hfffffb47, 32'hffffff41, 32'h000001ba, 32'h0000014a, 32'h00000057, 32'hffffffef, 32'hffffffeb, 32'h00000050,
    32'hfffffff7, 32'h00000127, 32'hfffffef9, 32'h0000008d, 32'hfffffd2f, 32'hffffffa7, 32'h00000185, 32'hffffff6d
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] FC1_WEIGHT_SUM [0:119] = '{
    -32'sd4559, -32'sd20280, -32'sd3963, -32'sd20126, -32'sd19829, -32'sd21092, -32'sd593, -32'sd2221,
    -32'sd890, 32'sd3155, -32'sd19148, -32'sd120, -32'sd539, 32'sd112, -32'sd22339, -32'sd19065,
    -32'sd16475, -32'sd3840, -32'sd12244, 32'sd169, -32'sd2614, 32'sd1110, -32'sd1214, -32'sd12503,
    -32'sd891, -32'sd17598, -32'sd16995, 32'sd2349, 32'sd1154, -32'sd24968, 32'sd1110, -32'sd17457,
    -32'sd1938, 32'sd2459, -32'sd840, -32'sd694, -32'sd4923, -32'sd19490, 32'sd1683, -32'sd2601,
    -32'sd24954, -32'sd2278, 32'sd60, -32'sd462, -32'sd20364, -32'sd512, -32'sd17177, 32'sd238,
    32'sd1027, 32'sd2458, -32'sd14493, 32'sd2641, 32'sd2806, -32'sd2546, -32'sd23694, -32'sd23740,
    32'sd576, 32'sd879, -32'sd735, -32'sd23809, 32'sd234, -32'sd24634, -32'sd20575, 32'sd2031,
    -32'sd23295, -32'sd13765, 32'sd2229, -32'sd13273, 32'sd2292, -32'sd74, -32'sd25639, 32'sd5254,
    -32'sd548, 32'sd2375, 32'sd1400, 32'sd822, -32'sd1126, 32'sd431, 32'sd1872, -32'sd24113,
    32'sd162, -32'sd24194, 32'sd278, -32'sd1320, 32'sd1303, 32'sd3775, -32'sd19710, -32'sd1690,
    32'sd1586, -32'sd21663, -32'sd318, -32'sd2403, 32'sd2737, 32'sd61, 32'sd682, -32'sd925,
    -32'sd11012, -32'sd2327, -32'sd4777, 32'sd59, 32'sd702, -32'sd323, -32'sd18935, -32'sd1317,
    -32'sd1092, -32'sd16772, -32'sd2104, -32'sd21863, -32'sd1866, -32'sd1204, -32'sd18898, -32'sd23038,
    -32'sd15725, 32'sd4808, 32'sd5139, -32'sd23462, -32'sd11596, -32'sd3214, -32'sd874, 32'sd1701
};
`endif
localparam logic [3839:0] FC1_WEIGHT_SUM_PACKED = {
    32'h000006a5, 32'hfffffc96, 32'hfffff372, 32'hffffd2b4, 32'hffffa45a, 32'h00001413, 32'h000012c8, 32'hffffc293,
    32'hffffa602, 32'hffffb62e, 32'hfffffb4c, 32'hfffff8b6, 32'hffffaa99, 32'hfffff7c8, 32'hffffbe7c, 32'hfffffbbc,
    32'hfffffadb, 32'hffffb609, 32'hfffffebd, 32'h000002be, 32'h0000003b, 32'hffffed57, 32'hfffff6e9, 32'hffffd4fc,
    32'hfffffc63, 32'h000002aa, 32'h0000003d, 32'h00000ab1, 32'hfffff69d, 32'hfffffec2, 32'hffffab61, 32'h00000632,
    32'hfffff966, 32'hffffb302, 32'h00000ebf, 32'h00000517, 32'hfffffad8, 32'h00000116, 32'hffffa17e, 32'h000000a2,
    32'hffffa1cf, 32'h00000750, 32'h000001af, 32'hfffffb9a, 32'h00000336, 32'h00000578, 32'h00000947, 32'hfffffddc,
    32'h00001486, 32'hffff9bd9, 32'hffffffb6, 32'h000008f4, 32'hffffcc27, 32'h000008b5, 32'hffffca3b, 32'hffffa501,
    32'h000007ef, 32'hffffafa1, 32'hffff9fc6, 32'h000000ea, 32'hffffa2ff, 32'hfffffd21, 32'h0000036f, 32'h00000240,
    32'hffffa344, 32'hffffa372, 32'hfffff60e, 32'h00000af6, 32'h00000a51, 32'hffffc763, 32'h0000099a, 32'h00000403,
    32'h000000ee, 32'hffffbce7, 32'hfffffe00, 32'hffffb074, 32'hfffffe32, 32'h0000003c, 32'hfffff71a, 32'hffff9e86,
    32'hfffff5d7, 32'h00000693, 32'hffffb3de, 32'hffffecc5, 32'hfffffd4a, 32'hfffffcb8, 32'h0000099b, 32'hfffff86e,
    32'hffffbbcf, 32'h00000456, 32'hffff9e78, 32'h00000482, 32'h0000092d, 32'hffffbd9d, 32'hffffbb42, 32'hfffffc85,
    32'hffffcf29, 32'hfffffb42, 32'h00000456, 32'hfffff5ca, 32'h000000a9, 32'hffffd02c, 32'hfffff100, 32'hffffbfa5,
    32'hffffb587, 32'hffffa8bd, 32'h00000070, 32'hfffffde5, 32'hffffff88, 32'hffffb534, 32'h00000c53, 32'hfffffc86,
    32'hfffff753, 32'hfffffdaf, 32'hffffad9c, 32'hffffb28b, 32'hffffb162, 32'hfffff085, 32'hffffb0c8, 32'hffffee31
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] FC1_FOLDED_BIAS [0:119] = '{
    -32'sd147, 32'sd389, -32'sd89, -32'sd721, 32'sd141, -32'sd263, 32'sd295, -32'sd9,
    32'sd80, -32'sd21, -32'sd17, 32'sd87, 32'sd330, 32'sd442, -32'sd191, -32'sd1209,
    32'sd549, 32'sd82, 32'sd199, -32'sd8, 32'sd240, 32'sd107, 32'sd335, -32'sd536,
    32'sd299, -32'sd667, -32'sd551, 32'sd70, 32'sd238, -32'sd1118, -32'sd289, -32'sd570,
    32'sd202, 32'sd82, 32'sd270, 32'sd50, -32'sd150, -32'sd1245, -32'sd70, 32'sd42,
    -32'sd1063, -32'sd3, 32'sd153, -32'sd240, -32'sd349, 32'sd116, -32'sd579, 32'sd146,
    32'sd513, 32'sd448, -32'sd124, 32'sd145, -32'sd343, 32'sd609, -32'sd738, -32'sd296,
    32'sd119, -32'sd27, 32'sd47, 32'sd352, 32'sd425, -32'sd145, -32'sd1327, 32'sd94,
    -32'sd175, -32'sd577, 32'sd53, -32'sd272, -32'sd107, 32'sd22, -32'sd997, 32'sd429,
    32'sd76, -32'sd4, 32'sd48, 32'sd280, 32'sd188, 32'sd275, 32'sd225, -32'sd844,
    32'sd257, -32'sd958, 32'sd337, 32'sd227, 32'sd448, 32'sd164, -32'sd381, 32'sd553,
    32'sd432, -32'sd742, -32'sd154, 32'sd284, 32'sd70, 32'sd141, -32'sd48, 32'sd209,
    -32'sd533, 32'sd247, 32'sd64, 32'sd443, 32'sd13, 32'sd194, -32'sd231, -32'sd161,
    32'sd40, 32'sd109, 32'sd202, -32'sd419, 32'sd320, 32'sd250, -32'sd300, 32'sd691,
    -32'sd561, 32'sd89, 32'sd354, -32'sd424, -32'sd1040, 32'sd430, 32'sd120, 32'sd501
};
`endif
localparam logic [3839:0] FC1_FOLDED_BIAS_PACKED = {
    32'h000001f5, 32'h00000078, 32'h000001ae, 32'hfffffbf0, 32'hfffffe58, 32'h00000162, 32'h00000059, 32'hfffffdcf,
    32'h000002b3, 32'hfffffed4, 32'h000000fa, 32'h00000140, 32'hfffffe5d, 32'h000000ca, 32'h0000006d, 32'h00000028,
    32'hffffff5f, 32'hffffff19, 32'h000000c2, 32'h0000000d, 32'h000001bb, 32'h00000040, 32'h000000f7, 32'hfffffdeb,
    32'h000000d1, 32'hffffffd0, 32'h0000008d, 32'h00000046, 32'h0000011c, 32'hffffff66, 32'hfffffd1a, 32'h000001b0,
    32'h00000229, 32'hfffffe83, 32'h000000a4, 32'h000001c0, 32'h000000e3, 32'h00000151, 32'hfffffc42, 32'h00000101,
    32'hfffffcb4, 32'h000000e1, 32'h00000113, 32'h000000bc, 32'h00000118, 32'h00000030, 32'hfffffffc, 32'h0000004c,
    32'h000001ad, 32'hfffffc1b, 32'h00000016, 32'hffffff95, 32'hfffffef0, 32'h00000035, 32'hfffffdbf, 32'hffffff51,
    32'h0000005e, 32'hfffffad1, 32'hffffff6f, 32'h000001a9, 32'h00000160, 32'h0000002f, 32'hffffffe5, 32'h00000077,
    32'hfffffed8, 32'hfffffd1e, 32'h00000261, 32'hfffffea9, 32'h00000091, 32'hffffff84, 32'h000001c0, 32'h00000201,
    32'h00000092, 32'hfffffdbd, 32'h00000074, 32'hfffffea3, 32'hffffff10, 32'h00000099, 32'hfffffffd, 32'hfffffbd9,
    32'h0000002a, 32'hffffffba, 32'hfffffb23, 32'hffffff6a, 32'h00000032, 32'h0000010e, 32'h00000052, 32'h000000ca,
    32'hfffffdc6, 32'hfffffedf, 32'hfffffba2, 32'h000000ee, 32'h00000046, 32'hfffffdd9, 32'hfffffd65, 32'h0000012b,
    32'hfffffde8, 32'h0000014f, 32'h0000006b, 32'h000000f0, 32'hfffffff8, 32'h000000c7, 32'h00000052, 32'h00000225,
    32'hfffffb47, 32'hffffff41, 32'h000001ba, 32'h0000014a, 32'h00000057, 32'hffffffef, 32'hffffffeb, 32'h00000050,
    32'hfffffff7, 32'h00000127, 32'hfffffef9, 32'h0000008d, 32'hfffffd2f, 32'hffffffa7, 32'h00000185, 32'hffffff6d
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic [31:0] FC1_MULTIPLIER [0:119] = '{
    32'd61, 32'd11, 32'd15, 32'd11, 32'd11, 32'd19, 32'd47, 32'd48,
    32'd71, 32'd55, 32'd11, 32'd63, 32'd48, 32'd56, 32'd19, 32'd12,
    32'd11, 32'd49, 32'd25, 32'd81, 32'd46, 32'd54, 32'd50, 32'd12,
    32'd50, 32'd11, 32'd11, 32'd70, 32'd44, 32'd11, 32'd62, 32'd11,
    32'd50, 32'd37, 32'd64, 32'd55, 32'd35, 32'd11, 32'd48, 32'd54,
    32'd11, 32'd54, 32'd59, 32'd48, 32'd11, 32'd56, 32'd12, 32'd43,
    32'd59, 32'd43, 32'd27, 32'd48, 32'd49, 32'd49, 32'd11, 32'd11,
    32'd80, 32'd53, 32'd62, 32'd11, 32'd57, 32'd11, 32'd11, 32'd40,
    32'd11, 32'd19, 32'd42, 32'd25, 32'd47, 32'd44, 32'd11, 32'd50,
    32'd63, 32'd55, 32'd47, 32'd51, 32'd92, 32'd44, 32'd53, 32'd11,
    32'd53, 32'd13, 32'd47, 32'd59, 32'd50, 32'd51, 32'd11, 32'd39,
    32'd47, 32'd11, 32'd60, 32'd53, 32'd55, 32'd66, 32'd47, 32'd51,
    32'd17, 32'd48, 32'd62, 32'd58, 32'd47, 32'd55, 32'd11, 32'd58,
    32'd70, 32'd11, 32'd45, 32'd11, 32'd50, 32'd58, 32'd23, 32'd11,
    32'd12, 32'd41, 32'd55, 32'd11, 32'd13, 32'd62, 32'd53, 32'd73
};
`endif
localparam logic [3839:0] FC1_MULTIPLIER_PACKED = {
    32'h00000049, 32'h00000035, 32'h0000003e, 32'h0000000d, 32'h0000000b, 32'h00000037, 32'h00000029, 32'h0000000c,
    32'h0000000b, 32'h00000017, 32'h0000003a, 32'h00000032, 32'h0000000b, 32'h0000002d, 32'h0000000b, 32'h00000046,
    32'h0000003a, 32'h0000000b, 32'h00000037, 32'h0000002f, 32'h0000003a, 32'h0000003e, 32'h00000030, 32'h00000011,
    32'h00000033, 32'h0000002f, 32'h00000042, 32'h00000037, 32'h00000035, 32'h0000003c, 32'h0000000b, 32'h0000002f,
    32'h00000027, 32'h0000000b, 32'h00000033, 32'h00000032, 32'h0000003b, 32'h0000002f, 32'h0000000d, 32'h00000035,
    32'h0000000b, 32'h00000035, 32'h0000002c, 32'h0000005c, 32'h00000033, 32'h0000002f, 32'h00000037, 32'h0000003f,
    32'h00000032, 32'h0000000b, 32'h0000002c, 32'h0000002f, 32'h00000019, 32'h0000002a, 32'h00000013, 32'h0000000b,
    32'h00000028, 32'h0000000b, 32'h0000000b, 32'h00000039, 32'h0000000b, 32'h0000003e, 32'h00000035, 32'h00000050,
    32'h0000000b, 32'h0000000b, 32'h00000031, 32'h00000031, 32'h00000030, 32'h0000001b, 32'h0000002b, 32'h0000003b,
    32'h0000002b, 32'h0000000c, 32'h00000038, 32'h0000000b, 32'h00000030, 32'h0000003b, 32'h00000036, 32'h0000000b,
    32'h00000036, 32'h00000030, 32'h0000000b, 32'h00000023, 32'h00000037, 32'h00000040, 32'h00000025, 32'h00000032,
    32'h0000000b, 32'h0000003e, 32'h0000000b, 32'h0000002c, 32'h00000046, 32'h0000000b, 32'h0000000b, 32'h00000032,
    32'h0000000c, 32'h00000032, 32'h00000036, 32'h0000002e, 32'h00000051, 32'h00000019, 32'h00000031, 32'h0000000b,
    32'h0000000c, 32'h00000013, 32'h00000038, 32'h00000030, 32'h0000003f, 32'h0000000b, 32'h00000037, 32'h00000047,
    32'h00000030, 32'h0000002f, 32'h00000013, 32'h0000000b, 32'h0000000b, 32'h0000000f, 32'h0000000b, 32'h0000003d
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [7:0] FC1_SHIFT [0:119] = '{
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16
};
`endif
localparam logic [959:0] FC1_SHIFT_PACKED = {
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10
};
localparam FC1_WEIGHT_FILE = "fc1_weight.hex";

// Layer "fc2": linear, weight OI 10x120
// output = clamp(round((accumulator + FOLDED_BIAS) * MULTIPLIER * 2^-SHIFT) + OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)
// S1 = 0.19611278176307678, S2 = one per output channel, see manifest.json, S3 = 0.299269437789917
localparam int FC2_CHANNELS = 10;
localparam int FC2_WEIGHT_O = 10;
localparam int FC2_WEIGHT_I = 120;
localparam int FC2_INPUT_ZERO_POINT = 0;
localparam int FC2_INPUT_MIN = 0;
localparam int FC2_INPUT_MAX = 255;
localparam int FC2_PADDING_VALUE = 0;
localparam int FC2_WEIGHT_ZERO_POINT = 0;
localparam int FC2_OUTPUT_ZERO_POINT = 60;
localparam int FC2_CLAMP_MIN = 0;
localparam int FC2_CLAMP_MAX = 255;
localparam int FC2_ACCUMULATOR_BITS = 21;
localparam int FC2_BIASED_BITS = 21;
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] FC2_BIAS [0:9] = '{
    -32'sd239, 32'sd153, 32'sd141, 32'sd58, -32'sd242, -32'sd168, -32'sd84, 32'sd156,
    -32'sd120, -32'sd199
};
`endif
localparam logic [319:0] FC2_BIAS_PACKED = {
    32'hffffff39, 32'hffffff88, 32'h0000009c, 32'hffffffac, 32'hffffff58, 32'hffffff0e, 32'h0000003a, 32'h0000008d,
    32'h00000099, 32'hffffff11
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] FC2_WEIGHT_SUM [0:9] = '{
    -32'sd519, -32'sd672, -32'sd25, -32'sd672, -32'sd296, -32'sd1281, -32'sd590, -32'sd916,
    -32'sd902, -32'sd1557
};
`endif
localparam logic [319:0] FC2_WEIGHT_SUM_PACKED = {
    32'hfffff9eb, 32'hfffffc7a, 32'hfffffc6c, 32'hfffffdb2, 32'hfffffaff, 32'hfffffed8, 32'hfffffd60, 32'hffffffe7,
    32'hfffffd60, 32'hfffffdf9
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [31:0] FC2_FOLDED_BIAS [0:9] = '{
    -32'sd239, 32'sd153, 32'sd141, 32'sd58, -32'sd242, -32'sd168, -32'sd84, 32'sd156,
    -32'sd120, -32'sd199
};
`endif
localparam logic [319:0] FC2_FOLDED_BIAS_PACKED = {
    32'hffffff39, 32'hffffff88, 32'h0000009c, 32'hffffffac, 32'hffffff58, 32'hffffff0e, 32'h0000003a, 32'h0000008d,
    32'h00000099, 32'hffffff11
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic [31:0] FC2_MULTIPLIER [0:9] = '{
    32'd49, 32'd74, 32'd88, 32'd70, 32'd80, 32'd73, 32'd63, 32'd93,
    32'd83, 32'd69
};
`endif
localparam logic [319:0] FC2_MULTIPLIER_PACKED = {
    32'h00000045, 32'h00000053, 32'h0000005d, 32'h0000003f, 32'h00000049, 32'h00000050, 32'h00000046, 32'h00000058,
    32'h0000004a, 32'h00000031
};
`ifndef GEN_PARAMS_NO_ARRAYS
localparam logic signed [7:0] FC2_SHIFT [0:9] = '{
    8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16, 8'sd16,
    8'sd16, 8'sd16
};
`endif
localparam logic [79:0] FC2_SHIFT_PACKED = {
    8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10, 8'h10,
    8'h10, 8'h10
};
localparam FC2_WEIGHT_FILE = "fc2_weight.hex";

/* verilator lint_restore */
`endif // GEN_PARAMS_PARAMS_SVH
