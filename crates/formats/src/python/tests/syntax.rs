//! Tokens and trees.

use super::super::Source;
use super::super::ast::{Block, Expression, ExpressionKind, StatementKind};
use super::super::parser::parse;
use super::check_rows;
use crate::error::{ErrorKind, Result};

fn parsed(text: &str) -> Result<Block<'_>> {
    parse(Source { name: "t.py", text })
}

/// The tree, fully parenthesized.
fn tree(expression: &Expression<'_>) -> String {
    let join = |items: &[Expression<'_>]| items.iter().map(tree).collect::<Vec<_>>().join(" ");
    match &expression.kind {
        ExpressionKind::None => "None".into(),
        ExpressionKind::Bool(b) => b.to_string(),
        ExpressionKind::Int(i) => i.to_string(),
        ExpressionKind::Float(x) => format!("{x:?}"),
        ExpressionKind::Str(s) => format!("{s:?}"),
        ExpressionKind::Ellipsis => "...".into(),
        ExpressionKind::Name(name) => (*name).into(),
        ExpressionKind::Attribute(value, name) => format!("{}.{name}", tree(value)),
        ExpressionKind::Index(value, index) => format!("{}[{}]", tree(value), tree(index)),
        ExpressionKind::Slice(parts) => {
            parts.iter().map(|p| p.as_ref().map_or("_".into(), |p| tree(p))).collect::<Vec<_>>().join(":")
        }
        ExpressionKind::Call(callee, positional, keywords) => {
            let keywords: Vec<String> = keywords.iter().map(|(k, v)| format!("{k}={}", tree(v))).collect();
            format!("{}({}|{})", tree(callee), join(positional), keywords.join(" "))
        }
        ExpressionKind::Tuple(items) => format!("<{}>", join(items)),
        ExpressionKind::List(items) => format!("[{}]", join(items)),
        ExpressionKind::Dict(items) => {
            let items: Vec<String> = items.iter().map(|(k, v)| format!("{}:{}", tree(k), tree(v))).collect();
            format!("{{{}}}", items.join(" "))
        }
        ExpressionKind::Unary(operator, operand) => format!("({operator:?} {})", tree(operand)),
        ExpressionKind::Binary(operator, left, right) => {
            format!("({operator:?} {} {})", tree(left), tree(right))
        }
        ExpressionKind::Conditional { value, condition, otherwise } => {
            format!("({} ? {} : {})", tree(condition), tree(value), tree(otherwise))
        }
    }
}

fn tree_of(text: &str) -> String {
    match parsed(text) {
        Err(error) => error.to_string(),
        Ok(block) => match block.first().map(|statement| &statement.kind) {
            Some(StatementKind::Expression(expression)) => tree(expression),
            other => format!("{other:?}"),
        },
    }
}

#[test]
fn expressions_have_the_trees_that_python_gives_them() {
    let rows = [
        ("1 + 2 * 3", "(Add 1 (Multiply 2 3))"),
        ("1 - 2 - 3", "(Subtract (Subtract 1 2) 3)"),
        ("2 ** 3 ** 4", "(Power 2 (Power 3 4))"),
        ("-2 ** 2", "(Negate (Power 2 2))"),
        ("2 ** -1", "(Power 2 (Negate 1))"),
        ("-a.b(c)[0]", "(Negate a.b(c|)[0])"),
        ("-a * b", "(Multiply (Negate a) b)"),
        ("not a == b and c or d", "(Or (And (Not (Equal a b)) c) d)"),
        ("a is not None", "(IsNot a None)"),
        ("a not in b", "(NotIn a b)"),
        ("a | b ^ c & d << 1", "(BitOr a (BitXor b (BitAnd c (ShiftLeft d 1))))"),
        ("a if b else c if d else e", "(b ? a : (d ? c : e))"),
        ("f(x, 2, stride = None, y=[1, 2, ], )", "f(x 2|stride=None y=[1 2])"),
        ("(relu1).forward((conv1).forward(x0, ), )", "relu1.forward(conv1.forward(x0|)|)"),
        ("x[1:3]", "x[1:3:_]"),
        ("x[::2, ..., -1]", "x[<_:_:2 ... (Negate 1)>]"),
        ("x[0]", "x[0]"),
        ("x[0,]", "x[<0>]"),
        ("()", "<>"),
        ("(a,)", "<a>"),
        ("{\"a\": 1, 'b': (2, 3)}", "{\"a\":1 \"b\":<2 3>}"),
        ("1e-05", "1e-5"),
        ("0.", "0.0"),
        (".5", "0.5"),
        ("0.015740342438220978", "0.015740342438220978"),
        ("1_000 + 0x1F", "(Add 1000 31)"),
        (r#""a\n\"\\\x41\101\u00e9\'""#, r#""a\n\"\\AA\u{e9}'""#),
        ("'''two\nlines'''", "\"two\\nlines\""),
        ("f(a, # why\n  b)", "f(a b|)"),
        ("a + \\\n b", "(Add a b)"),
    ];
    check_rows(
        rows.map(|(text, expected)| (text.to_owned(), tree_of(text), expected.replace("\\u{e9}", "é"))),
    );
}

#[test]
fn errors_name_the_line_and_what_stands_there() {
    let rows = [
        ("x = (1,\n  2", "t.py:2: found the end of the text, expected a closing bracket"),
        ("x = )", "t.py:1: found `)`, expected an open bracket before it"),
        ("\n\nx = 'a", "t.py:3: found the end of the text, expected the end of a string"),
        ("x = 'a\n'", "t.py:1: found the end of the line, expected the end of a string"),
        (
            "x = 99999999999999999999",
            "t.py:1: found `99999999999999999999`, expected a 64-bit integer or a float",
        ),
        ("x = 3j", "t.py:1: found `3j`, expected a 64-bit integer or a float"),
        ("x = '\\q'", "t.py:1: found the escape `\\q`, expected one that Python knows"),
        ("x = $", "t.py:1: found the character '$', expected Python text"),
        ("if a:\n    b\n  c", "t.py:3: found an indentation of 2, expected that of an enclosing block"),
        ("a b", "t.py:1: found `b`, expected the end of the line"),
        ("f() = 1", "t.py:1: found an expression before `=`, expected a name to assign to"),
        ("with a:\n  b", "t.py:1: found `with`, expected the Python that PyTorch writes"),
        ("x = [a for a in b]", "t.py:1: found `for`, expected the Python that PyTorch writes"),
        ("x = lambda: 1", "t.py:1: found `lambda`, expected the Python that PyTorch writes"),
        ("x = a < b < c", "t.py:1: found a chain of comparisons, expected one comparison"),
        ("f(*x)", "t.py:1: found unpacked arguments, expected arguments one by one"),
        ("def f(*x):\n  pass", "t.py:1: found `*` among the parameters of `f`, expected plain parameters"),
        ("def f(x, x):\n  pass", "t.py:1: found two parameters named `x`, expected different names"),
        ("f(a=1, b)", "t.py:1: found `)`, expected a keyword argument"),
        ("x[]", "t.py:1: found an empty index, expected an index"),
    ];
    check_rows(rows.map(|(text, expected)| (text.to_owned(), tree_of(text), expected.to_owned())));
}

#[test]
fn statements_of_both_dialects_parse() {
    let text = "
op_version_set = 1
import __torch__.torch.nn
@torch.jit.script
class Net(Module):
  __parameters__ = []
  __annotations__[\"0\"] = __torch__.a.___torch_mangle_0.B
  training : bool
  stride : Final[Tuple[int, int]] = (2, 2)
  def forward(self: __torch__.Net,
    x: Tensor,
    y: Optional[List[int]]=None) -> Tuple[Tensor, Tensor]:
    a, b, = x
    c = d = a;  a = None
    for i in range(2):
      if i: pass
      elif c: break
      else:
        continue
    while False:
      pass
    i += 1
    assert c, \"why\"
    return (a, b)
";
    let block = parsed(text).expect("text of the subset");
    let kinds: Vec<&str> = block
        .iter()
        .map(|statement| match &statement.kind {
            StatementKind::Assign(..) => "assign",
            StatementKind::Pass => "pass",
            StatementKind::Class(class) => class.name,
            other => panic!("{other:?}"),
        })
        .collect();
    assert_eq!(kinds, ["assign", "pass", "Net"]);
    let Some(StatementKind::Class(class)) = block.last().map(|statement| &statement.kind) else {
        panic!("a class")
    };
    assert_eq!(class.base, Some("Module"));
    assert_eq!(class.body.len(), 5);
    let Some(StatementKind::Function(forward)) = class.body.last().map(|statement| &statement.kind) else {
        panic!("a method")
    };
    assert_eq!(forward.line, 10);
    assert_eq!(forward.parameters.iter().map(|p| p.name).collect::<Vec<_>>(), ["self", "x", "y"]);
    let lines: Vec<u32> = forward.body.iter().map(|statement| statement.line).collect();
    assert_eq!(lines, [13, 14, 14, 15, 20, 22, 23, 24]);
}

#[test]
fn deep_nesting_is_an_error_and_not_a_stack_overflow() {
    let deep = 10_000;
    let rows = [
        ("parentheses", "(".repeat(deep) + "1" + &")".repeat(deep)),
        ("lists", "[".repeat(deep) + &"]".repeat(deep)),
        ("calls", "f(".repeat(deep) + &")".repeat(deep)),
        ("signs", "-".repeat(deep) + "1"),
        ("negations", "not ".repeat(deep) + "a"),
        ("powers", "2 ** ".repeat(deep) + "1"),
        ("sum", "1 + ".repeat(deep) + "1"),
        ("attributes", "a".to_owned() + &".b".repeat(deep)),
        ("indices", "a".to_owned() + &"[0]".repeat(deep)),
        ("conditionals", "a if b else ".repeat(deep) + "c"),
        (
            "blocks",
            (0..deep).map(|depth| " ".repeat(depth) + "if a:\n").collect::<String>()
                + &" ".repeat(deep)
                + "b",
        ),
        ("dicts", "{0:".repeat(deep) + "1" + &"}".repeat(deep)),
    ];
    std::thread::Builder::new()
        .stack_size(512 << 10)
        .spawn(move || {
            for (what, text) in rows {
                let error = parsed(&text).expect_err(what);
                assert_eq!(error.kind, ErrorKind::Unsupported, "{what}: {error}");
                assert!(error.place.starts_with("t.py:"), "{what}: {error}");
            }
        })
        .expect("a thread")
        .join()
        .expect("no overflow");
}

#[test]
fn many_branches_and_statements_are_no_nesting() {
    let text = "if a: pass\n".to_owned() + &"elif a: pass\n".repeat(10_000) + &"b = 1; ".repeat(10_000);
    assert_eq!(parsed(&text).expect("flat text").len(), 10_001);
}
