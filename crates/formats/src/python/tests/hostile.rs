//! Damaged and malicious text: an error with a place, in bounded time, and never a panic.

use std::fs;
use std::time::{Duration, Instant};

use gen_params_test_support::{processor_time, samples};

use super::fixtures::{Archive, fx_modules};
use super::{body, fx, script};
use crate::error::{ReadError, Result};
use crate::python::trace_fx;
use crate::source::{Graph, Value};

/// Numbers without a pattern, the same every time (xorshift).
struct Numbers(u64);

impl Numbers {
    fn below(&mut self, limit: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        usize::try_from(self.0 % limit.max(1) as u64).expect("below a usize")
    }
}

/// What damaged text is made of: the words of the dialects, and characters that open and close.
const PIECES: [&str; 40] = [
    "(",
    ")",
    "[",
    "]",
    "{",
    "}",
    ",",
    ":",
    ";",
    "=",
    "==",
    ".",
    "\n",
    "\n  ",
    "    ",
    "\"",
    "'",
    "\\",
    "#",
    "-",
    "**",
    "//",
    "if ",
    "else:",
    "for ",
    "while True:",
    "return ",
    "def f(x):",
    "None",
    "self",
    "self.",
    "x",
    "torch.append",
    "range(1000000)",
    "99999999999999999999",
    "1e309",
    "\u{e9}",
    "\0",
    "+= ",
    "lambda",
];

/// One to three damages to a text.
fn damage(text: &str, numbers: &mut Numbers) -> String {
    let mut characters: Vec<char> = text.chars().collect();
    for _ in 0..=numbers.below(3) {
        let at = numbers.below(characters.len());
        let end = (at + 1 + numbers.below(12)).min(characters.len());
        let other = numbers.below(characters.len());
        let piece = PIECES[numbers.below(PIECES.len())];
        match numbers.below(5) {
            0 => drop(characters.drain(at..end)),
            1 => drop(characters.splice(at..at, piece.chars())),
            2 => drop(characters.splice(at..end, piece.chars())),
            3 => {
                let copied: Vec<char> = characters[at..end].to_vec();
                drop(characters.splice(other..other, copied));
            }
            _ => characters.truncate(characters.len() - numbers.below(characters.len() / 4 + 1)),
        }
    }
    characters.into_iter().collect()
}

/// True if an error says where it is: `entry:line`, or the entry that is missing as a whole.
fn has_place(error: &ReadError) -> bool {
    error
        .place
        .rsplit_once(':')
        .is_some_and(|(entry, line)| !entry.is_empty() && line.parse::<u32>().is_ok_and(|line| line > 0))
}

#[test]
fn damaged_text_is_refused_with_a_place_or_gives_a_graph() {
    let fixtures = samples().join("torch2.9");
    let archives: Vec<Archive> = [
        "eager_qat/LeNet_x86/converted_script.pt",
        "eager_qat/LeNet_x86/converted_trace.pt",
        "fx_qat/LeNetBN_x86/converted_script.pt",
        "extra/LeNet_x86/frozen_script.pt",
    ]
    .iter()
    .map(|file| Archive::open(&fixtures.join(file)).expect("TorchScript"))
    .collect();
    let code: Vec<String> = ["fx_qat/ResNetMini_x86/converted_code.txt", "extra/FuncNet_x86/code.txt"]
        .iter()
        .map(|file| fs::read_to_string(fixtures.join(file)).expect("FX text"))
        .collect();
    let code: Vec<_> = code.iter().map(|text| (text, fx_modules(text))).collect();

    let mut numbers = Numbers(0x9e37_79b9_7f4a_7c15);
    let (mut refused, mut longest) = (0, Duration::ZERO);
    let mut attempt = |trace: &dyn Fn() -> Result<Graph>, text: &str| {
        let start = processor_time();
        let result = trace();
        longest = longest.max(processor_time() - start);
        if let Err(error) = result {
            refused += 1;
            assert!(has_place(&error), "{error}\n{text}");
        }
    };
    for round in 0..50_000 {
        if round % 2 == 0 {
            let (text, modules) = &code[round / 2 % code.len()];
            let text = damage(text, &mut numbers);
            attempt(&|| trace_fx(modules, "_code", &text), &text);
        } else {
            let archive = &archives[round / 2 % archives.len()];
            let index = numbers.below(archive.sources.len());
            let text = damage(&archive.sources[index].1, &mut numbers);
            attempt(&|| archive.trace(Some((index, &text))), &text);
        }
    }
    println!("{refused} of 50000 damaged texts refused, the longest took {longest:?}");
    assert!(refused > 15_000);
    assert!(longest < Duration::from_secs(2), "{longest:?}");
}

/// Evaluates on a small stack, and gives the error, which has to come soon.
fn refusal(what: &str, trace: impl FnOnce() -> Result<Graph> + Send) -> ReadError {
    let start = Instant::now();
    let error = std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().stack_size(1 << 20).spawn_scoped(scope, trace);
        thread.expect("a thread").join().expect("no panic").map(drop).expect_err(what)
    });
    assert!(start.elapsed() < Duration::from_secs(20), "{what} took {:?}", start.elapsed());
    assert!(has_place(&error), "{what}: {error}");
    error
}

#[test]
fn text_that_asks_for_too_much_is_refused() {
    let long = "a".repeat(1 << 20);
    let doubling = |line: &str| format!("a = [x]\n{}return a", line.repeat(64));
    let rows: Vec<(&str, String)> = vec![
        ("an endless loop", "while True:\n  pass\nreturn x".into()),
        ("a long range", "for i in range(1000000000000):\n  pass\nreturn x".into()),
        ("loops in loops", "for i in range(9999):\n  for j in range(9999):\n    pass\nreturn x".into()),
        ("endless recursion", "return (self).forward(x, )".into()),
        ("a list that doubles", doubling("torch.extend(a, a)\n")),
        ("a sum of lists that doubles", doubling("a = torch.add(a, a)\n")),
        ("nested lists that double", doubling("a = [a, a]\n")),
        ("nested tuples that double", doubling("a = (a, a)\n")),
        ("a list in itself", "a = [x]\ntorch.append(a, a)\nreturn torch.cat(a)".into()),
        ("an endless list", "a = [x]\nwhile True:\n  torch.append(a, x)\nreturn x".into()),
        ("endless calls", "while True:\n  x = torch.relu(x)\nreturn x".into()),
        ("a long name over and over", format!("while True:\n  a = torch.{long}\nreturn x")),
        ("a long text over and over", format!("while True:\n  a = \"{long}\"\nreturn x")),
        ("a long list over and over", "while True:\n  y = torch.cat(self.long)\nreturn x".into()),
        (
            "conditions on data inside each other",
            (0..60).map(|d| format!("{}if torch.dim(x):\n", "  ".repeat(d))).collect::<String>()
                + &"  ".repeat(60)
                + "pass\nwhile True:\n  pass\nreturn x",
        ),
        (
            "lists changed in attempts",
            "a = []\nfor i in range(9000):\n  torch.append(a, i)\nif torch.dim(x):\n  for i in range(9000):\n    torch.append(a, i)\n  ops.prim.RaiseException(\"\")\nelse:\n  pass\nreturn a".into(),
        ),
    ];
    let attributes = [("long", Value::List(vec![Value::Int(1); 500_000]))];
    for (what, text) in rows {
        refusal(what, || body(&attributes, &text));
    }
}

#[test]
fn functions_that_call_each_other_in_deep_expressions_do_not_overflow() {
    // As deep as the parser allows, in every one of the calls that the evaluator allows.
    let deep = format!("{}f(x, ){}", "(-".repeat(45), ")".repeat(45));
    let text = format!(
        "class Net(Module):\n  def forward(self: Net,\n    x: Tensor) -> Tensor:\n    return __torch__.net.f(x, )\ndef f(x: Tensor) -> Tensor:\n  if True:\n    if True:\n      return {}\n",
        deep.replace("f(x", "__torch__.net.f(x")
    );
    refusal("recursion", || script(&[], &text));
}

#[test]
fn a_large_network_is_evaluated_quickly() {
    let layers = 20_000;
    let lines: String = (0..layers).map(|_| "conv = self.conv(x);  x = conv\n").collect();
    let start = processor_time();
    let graph = fx(&[("", &[]), ("conv", &[])], &format!("{lines}return x")).expect("a graph");
    assert_eq!(graph.nodes.len(), layers);
    assert!(processor_time() - start < Duration::from_secs(2), "{:?}", processor_time() - start);
    let changes: String = (0..layers).map(|_| "x = torch.relu_(x)\n").collect();
    let graph = body(&[], &format!("{changes}return x")).expect("a graph");
    assert_eq!(graph.nodes.len(), layers);
    assert!(processor_time() - start < Duration::from_secs(4), "{:?}", processor_time() - start);
}
