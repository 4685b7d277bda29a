//! Evaluation, construct by construct. What is expected is what Python does.

use std::sync::Arc;

use super::{body, check_rows, fx, modules, outcome, script, show};
use crate::python::{Program, trace_fx, trace_script};
use crate::source::{Argument, Module, Place, Value};
use indexmap::IndexMap;

#[test]
fn what_the_file_fixes_is_computed() {
    let rows = [
        ("torch.add(2, 3)", "5"),
        ("torch.sub(torch.sub(4, 1), 1)", "2"),
        ("torch.mul(3, 0.5)", "1.5"),
        ("torch.floordiv(-7, 2)", "-4"),
        ("torch.remainder(-7, 2)", "1"),
        ("torch.remainder(7, -2)", "-1"),
        ("torch.div(7, 2)", "3.5"),
        ("torch.neg(3)", "-3"),
        ("7 // 2 + 7 % 4 - 2 ** 3", "-2"),
        ("torch.eq([1, 2], [1, 2])", "True"),
        ("torch.ne(\"zeros\", \"zeros\")", "False"),
        ("torch.eq(1, 1.0)", "True"),
        ("torch.lt(1, 2)", "True"),
        ("torch.ge(1, 2)", "False"),
        ("torch.__not__(False)", "True"),
        ("torch.__and__(True, False)", "False"),
        ("torch.__or__(True, False)", "True"),
        ("torch.__is__(None, None)", "True"),
        ("torch.__is__(x, None)", "False"),
        ("torch.__isnot__(1, None)", "True"),
        ("torch.__contains__([1, 2], 2)", "True"),
        ("3 in (1, 2)", "False"),
        ("torch.len([1, 2, 3])", "3"),
        ("torch.len(\"ab\")", "2"),
        ("int(2.9)", "2"),
        ("int(-2.9)", "-2"),
        ("float(2)", "2.0"),
        ("bool([])", "False"),
        ("ops.prim.max(2, 3)", "3"),
        ("ops.prim.min(2, 3)", "2"),
        ("annotate(List[int], [])", ""),
        ("unchecked_cast(int, 3)", "3"),
        ("(1, 2, 3)[-1]", "3"),
        ("(1, 2, 3, 4)[1:3]", "2, 3"),
        ("[1, 2, 3, 4][::2]", "1, 3"),
        ("[1, 2, 3][-2:]", "2, 3"),
        ("torch.slice([1, 2, 3], None, 2, 1)", "1, 2"),
        ("torch.__getitem__([4, 5], 1)", "5"),
        ("torch.add([1], [2])", "1, 2"),
        ("{\"a\": 3}[\"a\"]", "3"),
        ("1 if 0 else 2", "2"),
        ("0 or 3", "3"),
        ("0 and 3", "0"),
        ("not 1", "False"),
        ("inf", "inf"),
        ("-inf", "-inf"),
        ("1e-05", "1e-5"),
        ("-1", "-1"),
        ("CONSTANTS.c0", "CONSTANTS.c0"),
        ("torch.device(\"cpu\")", "torch.device(\"cpu\")"),
        ("list((1, 2))", "1, 2"),
        ("torch.mul([0, 1], 2)", "0, 1, 0, 1"),
        ("torch.floor(-2.5)", "-3"),
        ("torch.ceil(2.5)", "3"),
        ("torch.select([4, 5], 1)", "5"),
        ("torch.slice([4, 5, 6], 1)", "5, 6"),
        ("torch.__range_length(1, 8, 3)", "3"),
        ("torch.__derive_index(2, 1, 3)", "7"),
        ("isinstance(2, int)", "True"),
        ("isinstance(x, Tensor)", "True"),
        ("isinstance([], int)", "False"),
        ("isinstance(None, Tensor)", "False"),
        ("[True, None]", "True, None"),
    ];
    check_rows(rows.map(|(text, expected)| {
        (text.to_owned(), outcome(body(&[], &format!("return {text}"))), format!("-> {expected}"))
    }));
}

#[test]
fn calls_on_data_become_nodes() {
    let rows = [
        ("return torch.flatten(x, 1)", "flatten = torch.flatten(x, 1); -> flatten"),
        ("y = torch.relu(x)\nreturn y", "y = torch.relu(x); -> y"),
        (
            "return ops.quantized.add(x, torch.relu(x), 0.5, 3)",
            "relu = torch.relu(x); add = ops.quantized.add(x, relu, 0.5, 3); -> add",
        ),
        ("y = torch.cat([x, x], 1)\nreturn y", "y = torch.cat([x, x], 1); -> y"),
        ("y = torch.to(x, dtype=6, copy=False)\nreturn y", "y = torch.to(x, dtype=6, copy=False); -> y"),
        (
            "a, b, = torch.chunk(x, 2, 1)\nreturn torch.add(a, b)",
            "chunk = torch.chunk(x, 2, 1); a = operator.getitem(chunk, 0); b = operator.getitem(chunk, 1); add = torch.add(a, b); -> add",
        ),
        (
            "n = (torch.size(x))[0]\nreturn torch.reshape(x, [n, -1])",
            "size = torch.size(x); n = operator.getitem(size, 0); reshape = torch.reshape(x, [n, -1]); -> reshape",
        ),
        (
            "y = torch.reshape(x, [int(ops.prim.NumToTensor(torch.size(x, 0))), -1])\nreturn y",
            "size = torch.size(x, 0); NumToTensor = ops.prim.NumToTensor(size); int = int(NumToTensor); y = torch.reshape(x, [int, -1]); -> y",
        ),
        (
            "b, c, h, w, = torch.size(x)\nreturn torch.view(x, [b, 2, torch.floordiv(c, 2), h, w])",
            "size = torch.size(x); b = operator.getitem(size, 0); c = operator.getitem(size, 1); h = operator.getitem(size, 2); w = operator.getitem(size, 3); floordiv = torch.floordiv(c, 2); view = torch.view(x, [b, 2, floordiv, h, w]); -> view",
        ),
        ("return (x, [x, 1])", "-> x, [x, 1]"),
        (
            "y = torch.max_pool2d(x, [2, 2], annotate(List[int], []))\nreturn y",
            "y = torch.max_pool2d(x, [2, 2], []); -> y",
        ),
        ("y = torch.eq(x, 3)\nreturn y", "y = torch.eq(x, 3); -> y"),
        ("y = torch.add(x, 3, alpha=2)\nreturn y", "y = torch.add(x, 3, alpha=2); -> y"),
        // What nothing uses is left out; what is said is not recorded.
        ("_0 = torch.size(x)\ntorch.warn(\"hm\", stacklevel=2)\nreturn x", "-> x"),
    ];
    check_rows(rows.map(|(text, expected)| (text.to_owned(), outcome(body(&[], text)), expected.to_owned())));
}

#[test]
fn statements_run_as_in_python() {
    let reverse = "r = annotate(List[int], [])
p = [1, 2]
N = torch.len(p)
for idx in range(N):
  _0 = annotate(List[int], [])
  for _1 in range(2):
    _2 = p[torch.sub(torch.sub(N, idx), 1)]
    _3 = torch.append(_0, _2)
  torch.extend(r, _0)
return r";
    let rows = [
        // `_reverse_repeat_padding` of torch/ao/nn/quantized/modules/conv.py.
        (reverse, "-> 2, 2, 1, 1"),
        ("i = 0\nwhile torch.lt(i, 3):\n  i = torch.add(i, 1)\nreturn i", "-> 3"),
        ("go, i = True, 0\nwhile go:\n  i += 2\n  go = i < 5\nreturn i", "-> 6"),
        (
            "s = 0\nfor i in range(10):\n  if i == 2:\n    continue\n  if i > 4:\n    break\n  s += i\nreturn s",
            "-> 8",
        ),
        ("s = []\nfor a, b in [(1, 2), (3, 4)]:\n  s += [b, a]\nreturn s", "-> 2, 1, 4, 3"),
        ("for i in range(7, 1, -3):\n  y = i\nreturn y", "-> 4"),
        ("a = [1]\nb = a\ntorch.append(b, 2)\nreturn a", "-> 1, 2"),
        ("a = [1, 2]\na[0] = 5\ntorch._set_item(a, 1, 6)\nreturn a", "-> 5, 6"),
        ("a = [1]\nb = list(a)\ntorch.append(b, 2)\nreturn a", "-> 1"),
        ("(a, b), c = (1, 2), 3\nreturn [c, b, a]", "-> 3, 2, 1"),
        (
            "d = torch.dict()\n_0 = torch._set_item(d, \"a\", 1)\n_1 = torch._set_item(d, \"b\", x)\nd[\"a\"] = 3\nreturn d",
            "-> 3, x",
        ),
        (
            "s = 0\nfor _0 in range(torch.__range_length(1, 8, 3)):\n  i = torch.__derive_index(_0, 1, 3)\n  s = torch.add(s, i)\nreturn s",
            "-> 12",
        ),
        (
            "go, i = torch.gt(3, 0), 0\nwhile go:\n  _1 = torch.add(i, 1)\n  _2 = torch.__and__(torch.lt(_1, 3), True)\n  go, i = _2, _1\nreturn i",
            "-> 3",
        ),
        ("a = b = 4\nreturn (a, b)", "-> 4, 4"),
        ("y : int = 3\nreturn y", "-> 3"),
        ("if self.eager:\n  y = torch.relu(x)\nelse:\n  y = x\nreturn y", "y = torch.relu(x); -> y"),
        ("if not self.eager:\n  y = 1\nelif self.eager:\n  y = 2\nelse:\n  y = 3\nreturn y", "-> 2"),
        ("if True:\n  return 1\nreturn 2", "-> 1"),
        ("assert self.eager\nreturn x", "-> x"),
        ("pass", "-> None"),
    ];
    let attributes = [("eager", Value::Bool(true))];
    check_rows(
        rows.map(|(text, expected)| (text.to_owned(), outcome(body(&attributes, text)), expected.to_owned())),
    );
}

#[test]
fn conditions_on_data_take_the_branch_that_does_not_raise() {
    let check = "_2 = torch.ne(torch.len(torch.size(x)), 4)\n";
    let raise = "ops.prim.RaiseException(\"no\", \"builtins.ValueError\")";
    let rows = [
        (format!("{check}if _2:\n  {raise}\nelse:\n  pass\nreturn x"), "-> x"),
        (format!("{check}if _2:\n  {raise}\nreturn x"), "-> x"),
        (
            format!(
                "_1 = uninitialized(Tensor)\n{check}if _2:\n  y = torch.relu(x)\nelse:\n  {raise}\n  y = _1\nreturn y"
            ),
            "y = torch.relu(x); -> y",
        ),
        // The message is made before it is raised, and a part of what raises need not.
        (
            format!(
                "{check}if _2:\n  m = torch.format(\"{{}}\", torch.size(x))\n  if torch.eq(1, 1):\n    {raise}\nelse:\n  y = torch.relu(x)\nreturn y"
            ),
            "y = torch.relu(x); -> y",
        ),
        (
            format!(
                "{check}if _2:\n  y = 1\nelif torch.lt(torch.dim(x), 3):\n  {raise}\nelse:\n  y = 1\nreturn y"
            ),
            "-> 1",
        ),
        // What depends on a condition on data can be a condition, as an assertion of alternatives is.
        (
            format!(
                "{check}if _2:\n  _3 = True\nelse:\n  _3 = torch.eq(torch.dim(x), 4)\nif torch.__not__(_3):\n  {raise}\nelse:\n  pass\nreturn x"
            ),
            "-> x",
        ),
        // Branches that agree, and what is set in one of them only and not used.
        (format!("{check}if _2:\n  y = x\n  z = 1\nelse:\n  y = x\nreturn y"), "-> x"),
        (
            format!(
                "{check}if _2:\n  t = torch.relu(x)\nelse:\n  t = torch.neg(x)\ny = torch.relu(x)\nreturn y"
            ),
            "y = torch.relu(x); -> y",
        ),
        (
            format!("{check}if _2:\n  y = 1\nelse:\n  y = 2\nreturn y"),
            "code/__torch__/net.py:9: found a variable whose value depends on the condition at code/__torch__/net.py:5, expected a tensor, number, text, list or tuple\n  hint: trace the model (torch.jit.trace), which takes one of the branches",
        ),
        // Equal numbers of values that were made in different branches are not one value.
        (
            format!("{check}if _2:\n  y = torch.relu(x)\nelse:\n  y = torch.neg(x)\nreturn torch.abs(y)"),
            "code/__torch__/net.py:9: found a variable whose value depends on the condition at code/__torch__/net.py:5, expected a tensor, number, text, list or tuple\n  hint: trace the model (torch.jit.trace), which takes one of the branches",
        ),
        (
            format!(
                "{check}if _2:\n  y = None\nelse:\n  y = x\nif torch.__is__(y, None):\n  z = 1\nelse:\n  z = 2\nreturn z"
            ),
            "code/__torch__/net.py:13: found a variable whose value depends on the condition at code/__torch__/net.py:9, expected a tensor, number, text, list or tuple\n  hint: trace the model (torch.jit.trace), which takes one of the branches",
        ),
        (
            format!("{check}if _2:\n  y = [1]\nelse:\n  y = [1]\nreturn y"),
            "code/__torch__/net.py:9: found a variable whose value depends on the condition at code/__torch__/net.py:5, expected a tensor, number, text, list or tuple\n  hint: trace the model (torch.jit.trace), which takes one of the branches",
        ),
        (
            format!("a = [1]\n{check}if _2:\n  torch.append(a, 2)\nelse:\n  pass\nreturn a"),
            "code/__torch__/net.py:6: found a condition on data, with branches that change a list, expected a branch that the file decides\n  hint: trace the model (torch.jit.trace), which takes one of the branches",
        ),
        (format!("a = [1]\n{check}if _2:\n  torch.append(a, 2)\n  {raise}\nelse:\n  pass\nreturn a"), "-> 1"),
        (
            format!("{check}if _2:\n  _3 = torch.relu_(x)\nelse:\n  pass\nreturn x"),
            "code/__torch__/net.py:5: found a condition on data, with branches that change a tensor in place, expected a branch that the file decides\n  hint: trace the model (torch.jit.trace), which takes one of the branches",
        ),
        (
            format!("{check}if _2:\n  return x\nelse:\n  pass\nreturn 1"),
            "code/__torch__/net.py:5: found a condition on data, with branches that leave the function or loop differently, expected a branch that the file decides\n  hint: trace the model (torch.jit.trace), which takes one of the branches",
        ),
        (
            format!("{check}if _2:\n  {raise}\nelse:\n  {raise}\nreturn x"),
            "code/__torch__/net.py:8: found an exception: no, expected a result\n  hint: `forward` raises whatever its input; was the model saved in working order?",
        ),
        (
            "while torch.lt(torch.dim(x), 3):\n  pass\nreturn x".to_owned(),
            "code/__torch__/net.py:4: found a loop whose length depends on data, expected a length that the file fixes",
        ),
        (
            "for i in range(torch.dim(x)):\n  pass\nreturn x".to_owned(),
            "code/__torch__/net.py:4: found a value that is known only when the network runs, expected a bound that the file fixes",
        ),
    ];
    check_rows(rows.map(|(text, expected)| (text.clone(), outcome(body(&[], &text)), expected.to_owned())));
}

#[test]
fn methods_and_functions_are_inlined_with_their_scope() {
    let net = "class Net(Module):
  training : bool
  conv : __torch__.layers.___torch_mangle_3.Conv
  def forward(self: __torch__.net.Net,
    x: Tensor) -> Tensor:
    conv = self.conv
    _0 = (conv).forward(x, )
    _1 = getattr(conv, \"0\")
    none = (_1).forward()
    return (self).twice(_0, n=2, )
  def twice(self: __torch__.net.Net,
    y: Tensor,
    k: int=3,
    n: int=1) -> Tensor:
    return __torch__.net.scale(y, torch.mul(k, n), )
def scale(x: Tensor,
    by: int) -> Tensor:
  _0 = torch.mul(x, by)
  return _0
";
    let layers = "class Conv(Module):
  stride : Final[int] = 2
  __annotations__[\"0\"] = __torch__.layers.Nothing
  def forward(self: __torch__.layers.___torch_mangle_3.Conv,
    input: Tensor) -> Tensor:
    packed = self.packed
    scale = self.scale
    stride = self.stride
    hidden = getattr(self, \"a.b.1\")
    return ops.quantized.conv2d(input, packed, float(scale), [stride, stride], stride, hidden)
";
    let nothing = "class Nothing(Module):
  def forward(self: __torch__.layers.Nothing) -> NoneType:
    return None
";
    let conv =
        [("packed", Value::Opaque("P".into())), ("scale", Value::Int(2)), ("a.b.1", Value::Float(0.5))];
    let types = [
        ("", "__torch__.net.Net"),
        ("conv", "__torch__.layers.___torch_mangle_3.Conv"),
        ("conv.0", "__torch__.layers.Nothing"),
    ];
    let graph = trace_script(&Program {
        modules: &modules(&[("", &[]), ("conv", &conv), ("conv.0", &[])]),
        types: &types.iter().map(|(path, class)| ((*path).to_owned(), (*class).to_owned())).collect(),
        sources: &[
            ("code/__torch__/net.py", net),
            ("code/__torch__/layers/___torch_mangle_3.py", layers),
            ("code/__torch__/layers.py", nothing),
        ],
        constants: &[],
    })
    .expect("a graph");
    assert_eq!(
        show(&graph),
        [
            "conv2d = ops.quantized.conv2d(x, conv.packed, conv.scale, [2, 2], conv.stride, conv.a.b.1)",
            "_0 = torch.mul(conv2d, 6)",
            "-> _0"
        ]
    );
    let scopes: Vec<&str> = graph.nodes.iter().map(|node| node.scope.as_str()).collect();
    assert_eq!(scopes, ["conv", ""]);
    let places: Vec<String> = graph.nodes.iter().map(|node| node.place.to_string()).collect();
    assert_eq!(places, ["code/__torch__/layers/___torch_mangle_3.py:10", "code/__torch__/net.py:18"]);
    assert!(matches!(graph.nodes[0].arguments[2], Argument::Constant(Value::Float(x), _) if x == 2.0));
    assert_eq!(graph.inputs.len(), 1);
    assert_eq!(graph.values, 3);
}

#[test]
fn named_tuples_and_optional_inputs() {
    let text = "class Net(Module):
  def forward(self: Net,
    x: Tensor,
    mask: Optional[Tensor],
    n: int=2) -> Tensor:
    if torch.__isnot__(mask, None):
      ops.prim.RaiseException(\"no masks\")
    else:
      pass
    out = __torch__.net.Output(torch.mul(x, n), aux=None)
    logits, aux, = out
    if torch.__is__(aux, None):
      y = (out)[0]
    else:
      y = aux
    return __torch__.net.Output(y, logits)
class Output(NamedTuple):
  logits : Tensor
  aux : Optional[Tensor]
";
    let graph = script(&[], text).expect("a graph");
    assert_eq!(show(&graph), ["mul = torch.mul(x, 2)", "-> mul, mul"]);
    let inputs: Vec<&str> = graph.inputs.iter().map(|(_, name)| name.as_str()).collect();
    assert_eq!(inputs, ["x", "mask"]);
}

#[test]
fn values_changed_in_place_are_not_used_afterwards() {
    let rows = [
        ("y = torch.relu_(x)\nreturn y", "y = torch.relu_(x); -> y"),
        // The result is nowhere, the change is kept.
        ("y = torch.neg(x)\n_0 = torch.relu_(y)\nreturn x", "y = torch.neg(x); _0 = torch.relu_(y); -> x"),
        (
            "y = torch.relu_(x)\nreturn torch.add(x, y)",
            "code/__torch__/net.py:5: found a value that was changed in place at code/__torch__/net.py:4, expected a value that is not used after it was changed\n  hint: write the result of the in-place call to a variable and use that, or leave out `inplace=True`",
        ),
        (
            "v = torch.view(x, [-1])\ny = torch.relu_(v)\nreturn torch.add(x, y)",
            "code/__torch__/net.py:6: found a value that was changed in place at code/__torch__/net.py:5, expected a value that is not used after it was changed\n  hint: write the result of the in-place call to a variable and use that, or leave out `inplace=True`",
        ),
        (
            "v = torch.view(x, [-1])\n_0 = torch.relu_(x)\nreturn v",
            "code/__torch__/net.py:5: found a change in place of what `forward` returns as it was, expected a value that is not used after it was changed\n  hint: write the result of the in-place call to a variable and use that, or leave out `inplace=True`",
        ),
        (
            "v = torch.view(torch.neg(x), [-1])\ny = torch.relu_(v)\nreturn torch.add(x, y)",
            "neg = torch.neg(x); v = torch.view(neg, [-1]); y = torch.relu_(v); add = torch.add(x, y); -> add",
        ),
    ];
    check_rows(rows.map(|(text, expected)| {
        (text.to_owned(), outcome(body(&[("count", Value::Int(0))], text)), expected.to_owned())
    }));
}

#[test]
fn fx_text_becomes_the_nodes_that_fx_had() {
    let no: &[(&str, Value)] = &[];
    let tree = [
        ("", &[("scale_0", Value::Float(0.5)), ("zp", Value::Int(3))][..]),
        ("conv1", no),
        ("stem", no),
        ("stem.0", no),
        ("block", no),
        ("block.conv", no),
    ];
    let rows = [
        ("conv1 = self.conv1(x);  x = None\nreturn conv1", "conv1 = conv1(x); -> conv1"),
        ("stem_0 = getattr(self.stem, \"0\")(x)\nreturn stem_0", "stem_0 = stem.0(x); -> stem_0"),
        ("a = self.block.conv(x, 1, k = 2)\nreturn a", "a = block.conv(x, 1, k=2); -> a"),
        (
            "scale_0 = self.scale_0\nzp = self.zp\nq = torch.quantize_per_tensor(x, scale_0, zp, torch.quint8);  x = scale_0 = zp = None\nreturn q",
            "q = torch.quantize_per_tensor(x, scale_0, zp, torch.quint8); -> q",
        ),
        (
            "add = torch.ops.quantized.add_relu(x, x, 0.5, 3)\nreturn add",
            "add = torch.ops.quantized.add_relu(x, x, 0.5, 3); -> add",
        ),
        ("d = x.dequantize()\nreturn d", "d = dequantize(x); -> d"),
        (
            "s = x.shape\ng = s[0];  s = None\nr = x.reshape(g, -1)\nreturn r",
            "s = getattr(x, shape); g = operator.getitem(s, 0); r = reshape(x, g, -1); -> r",
        ),
        (
            "p = torch.nn.functional.max_pool2d(x, 2, stride = None, ceil_mode = False)\nreturn p",
            "p = torch.nn.functional.max_pool2d(x, 2, stride=None, ceil_mode=False); -> p",
        ),
        (
            "y = x + 1\nz = 2 * y // 3\nreturn -z",
            "y = operator.add(x, 1); mul = operator.mul(2, y); z = operator.floordiv(mul, 3); neg = operator.neg(z); -> neg",
        ),
        (
            "y = x[:, 0:2]\nreturn y",
            "slice = slice(None, None, None); slice = slice(0, 2, None); y = operator.getitem(x, [slice, slice]); -> y",
        ),
        ("return (x, x)", "-> x, x"),
        ("return {'out': x, 'n': 1}", "-> x, 1"),
        (
            "split = torch.split(x, 2)\na = split[0]\nb = split[1];  split = None\nreturn [a, b]",
            "split = torch.split(x, 2); a = operator.getitem(split, 0); b = operator.getitem(split, 1); -> a, b",
        ),
        ("c = torch.channel_shuffle(x, 2)\nreturn x", "c = torch.channel_shuffle(x, 2); -> x"),
        ("_ = torch._C._log_api_usage_once(\"a\")\nreturn x", "-> x"),
        ("y = my_module_function(x)\nreturn y", "y = my_module_function(x); -> y"),
        ("y : torch.Tensor = x.relu()\nreturn y", "y = relu(x); -> y"),
        ("y = x.to(device(type='cpu'))\nreturn y", "y = to(x, torch.device(\"cpu\")); -> y"),
        ("i = x;  i += 1\nreturn i", "i = operator.iadd(x, 1); -> i"),
        (
            "y = self.conv2(x)\nreturn y",
            "_code:2: found `conv2`, which the file does not hold, expected an attribute or submodule",
        ),
        ("return y", "_code:2: found `y`, expected a tensor, number, text, list or tuple"),
        (
            "return torch.relu(self.conv1)",
            "_code:2: found the module `conv1`, expected a tensor, number, text, list or tuple",
        ),
        (
            "self.n = x\nreturn x",
            "_code:2: found an assignment to `n`, expected a `forward` that changes no module",
        ),
        (
            "r = torch.nn.functional.relu(x, inplace = True)\nreturn r + x",
            "_code:3: found a value that was changed in place at _code:2, expected a value that is not used after it was changed\n  hint: write the result of the in-place call to a variable and use that, or leave out `inplace=True`",
        ),
    ];
    check_rows(rows.map(|(text, expected)| (text.to_owned(), outcome(fx(&tree, text)), expected.to_owned())));
}

#[test]
fn fx_inputs_and_surroundings() {
    let text = "
import torch
from torch import device
torch.fx._symbolic_trace.wrap('len')

def helper(x):
    return x

@torch.no_grad()
def forward(self, x : torch.Tensor, y, scale : float = 0.5):
    add = torch.add(x, y, alpha = scale)
    return add
";
    let graph = trace_fx(&modules(&[("", &[])]), "_code", text).expect("a graph");
    assert_eq!(show(&graph), ["add = torch.add(x, y, alpha=0.5)", "-> add"]);
    assert_eq!(graph.inputs.iter().map(|(_, name)| name.as_str()).collect::<Vec<_>>(), ["x", "y"]);
    assert_eq!(graph.nodes[0].place, Place { file: Arc::from("_code"), line: 11 });
    assert_eq!(
        outcome(trace_fx(&IndexMap::<String, Module>::new(), "_code", "def f(x): return x")),
        "_code:1: found no function `forward`, expected `def forward(self, x)`"
    );
}

#[test]
fn what_cannot_be_evaluated_is_refused_by_line() {
    let rows = [
        ("return y", "found `y`, expected a variable that has a value"),
        ("return foo(x)", "found `foo`, expected a variable that has a value"),
        (
            "return self.missing",
            "found `missing`, which the file does not hold, expected an attribute or submodule",
        ),
        ("return CONSTANTS.c1", "found `CONSTANTS.c1`, expected one of the 1 constants in the file"),
        ("return CONSTANTS.x", "found `CONSTANTS.x`, expected one of the 1 constants in the file"),
        (
            "return __torch__.other.f(x)",
            "found `__torch__.other.f`, and no entry `code/__torch__/other.py`, expected the text that defines it",
        ),
        (
            "return __torch__.net.f(x)",
            "found a call of `__torch__.net.f`, expected a function or NamedTuple of the text",
        ),
        ("return (self).f(x)", "found `f`, which its class does not define, expected a method"),
        ("self.a = x", "found an assignment to `a`, expected a `forward` that changes no module"),
        ("a, b = (1, 2, 3)", "found 3 values, expected 2, one for each variable"),
        ("return [1][1]", "found the index 1, expected one of 1 elements"),
        ("return [1][-2]", "found the index -2, expected one of 1 elements"),
        ("return torch.floordiv(1, 0)", "found a division by zero, expected a number"),
        ("return torch.mul(9223372036854775807, 2)", "found a number beyond 64 bits, expected a number"),
        ("return int(\"3\")", "found a string, expected something that int() takes"),
        ("return int(inf)", "found a float, expected something that int() takes"),
        (
            "return x(1)",
            "found a value that is known only when the network runs, expected a function or module",
        ),
        ("return 3(x)", "found an int, expected a function or module"),
        (
            "a = uninitialized(int)\nb = a\nreturn torch.neg(b)",
            "found a variable without a value, expected a tensor, number, text, list or tuple",
        ),
        ("return x and 1", "found `and` or `or` on data, expected a condition that the file fixes"),
        (
            "return 1 if x else 2",
            "found a condition that depends on data, expected a condition that the file fixes",
        ),
        ("ops.prim.RaiseException(\"no\")", "found an exception: no, expected a result"),
        ("assert False", "found an exception: AssertionError, expected a result"),
        ("torch.pop([1])", "found `torch.pop` on a list or dict, expected append, extend or an assignment"),
        ("return (self).forward(x, 1)", "found 3 arguments of `forward`, expected at most 2"),
        (
            "return (self).forward()",
            "found no argument `x` of `forward`, expected a value for each parameter without a default",
        ),
        (
            "return (self).forward(y=x)",
            "found the argument `y` of `forward`, expected each of its parameters once",
        ),
        (
            "return (self).forward(x, x=x)",
            "found the argument `x` of `forward`, expected each of its parameters once",
        ),
        ("def f(): pass", "found the function `f` inside a function, expected straight code"),
    ];
    check_rows(rows.map(|(text, expected)| {
        let found = outcome(body(&[], text));
        // The lines of `forward` begin at 4.
        let line = 3 + text.lines().count();
        let found = found.lines().next().unwrap_or_default().to_owned();
        (text.to_owned(), found, format!("code/__torch__/net.py:{line}: {expected}"))
    }));
}
