//! Names that nodes must not have in a generated text: keywords, and what the text around them declares.

/// The keywords of IEEE 1800-2017, SystemVerilog, which has those of Verilog, and words that simulators add.
const KEYWORDS: &str = "\
accept_on alias always always_comb always_ff always_latch and assert assign assume automatic before begin bind bins
binsof bit break buf bufif0 bufif1 byte case casex casez cell chandle checker class clocking cmos config const constraint
context continue cover covergroup coverpoint cross deassign default defparam design disable dist do edge else end endcase
endchecker endclass endclocking endconfig endfunction endgenerate endgroup endinterface endmodule endpackage endprimitive
endprogram endproperty endsequence endspecify endtable endtask enum event eventually expect export extends extern final
first_match for force foreach forever fork forkjoin function generate genvar global highz0 highz1 if iff ifnone
ignore_bins illegal_bins implements implies import incdir include initial inout input inside instance int integer
interconnect interface intersect join join_any join_none large let liblist library local localparam logic longint macromodule
matches medium modport module nand negedge nettype new nexttime nmos nor noshowcancelled not notif0 notif1 null or output
package packed parameter pmos posedge primitive priority program property protected pull0 pull1 pulldown pullup
pulsestyle_ondetect pulsestyle_onevent pure rand randc randcase randsequence rcmos real realtime ref reg reject_on release
repeat restrict return rnmos rpmos rtran rtranif0 rtranif1 s_always s_eventually s_nexttime s_until s_until_with scalared
sequence shortint shortreal showcancelled signed small soft solve specify specparam static string strong strong0 strong1
struct super supply0 supply1 sync_accept_on sync_reject_on table tagged task this throughout time timeprecision timeunit
tran tranif0 tranif1 tri tri0 tri1 triand trior trireg type typedef union unique unique0 unsigned until until_with untyped
use uwire var vectored virtual void wait wait_order wand weak weak0 weak1 while wildcard wire with within wor xnor xor
connectmodule endconnectmodule discipline enddiscipline nature endnature branch analog ground abs ceil exp floor ln log max min
pow sqrt sin cos tan bool wone wreal";

/// What modules and testbenches of ours declare beside nodes.
const DECLARED: &str = "\
network clk reset start done write running changes write_address write_data accumulator biased product shifted offset block
dones writes dut clocks ended image images index place stages differing failed failures checked expected unused all limit
load run check read timeout clock errors finish cycles";

/// What stands behind the name of a node, in the names of its wires, memories and modules.
const SUFFIXES: &[&str] =
    &["_start", "_done", "_write", "_running", "_codes", "_memory", "_address", "_data", "_tb"];

/// The same where a number or the name of a stage follows.
const INFIXES: &[&str] = &["_read_address_", "_read_data_", "_write_", "_stage_"];

/// Beginnings of the names of ports, memories of testbenches, and modules of the library.
const PREFIXES: &[&str] =
    &["input_", "output_", "address_", "data_", "part_", "read_", "stage_", "expected_", "all_", "gp_"];

/// Names in SystemVerilog, whatever their case: macros are in upper case, and file systems may not tell cases apart.
pub(super) fn in_system_verilog(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    let is_word = |words: &str| words.split_ascii_whitespace().any(|word| word == name);
    is_word(KEYWORDS)
        || is_word(DECLARED)
        || SUFFIXES.iter().any(|suffix| name.ends_with(suffix))
        || INFIXES.iter().any(|infix| name.contains(infix))
        || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// First words of the kernels' functions, which a word about a node could make whole (`run` and `_layer`), and of what the
/// known-answer test declares. Keywords of C are followed by such a word, and no longer keywords.
const FIRST_WORDS_IN_C: &str =
    "run round floor box copy dot source test gather hold load store place clamp sum";

/// Names in C.
pub(super) fn in_c(name: &str) -> bool {
    let name = name.to_ascii_lowercase();
    FIRST_WORDS_IN_C.split_ascii_whitespace().any(|word| word == name)
}
