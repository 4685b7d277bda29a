//! Ways to forge a certificate, each with the kind of reason for which it must be refused.

use gen_params::certify::digest_of;
use serde_json::{Value, json};

/// A way to forge.
pub(super) struct Forgery {
    pub(super) name: &'static str,
    /// The kind of the first fault; `None` where it depends on the network, and only has to be the same for both checkers.
    pub(super) expected: Option<&'static str>,
    change: Change,
}

/// What is changed. `None` where a certificate does not have what would be changed.
enum Change {
    /// The certificate, which is signed again.
    Signed(fn(&mut Value) -> Option<()>),
    /// The certificate, which is not.
    Unsigned(fn(&mut Value) -> Option<()>),
    /// Its text.
    Text(fn(&str) -> Option<String>),
}

impl Forgery {
    /// The forged text; `None` where it does not apply.
    pub(super) fn apply(&self, good: &Value) -> Option<Vec<u8>> {
        let mut forged = good.clone();
        match self.change {
            Change::Signed(change) => {
                change(&mut forged)?;
                if forged == *good {
                    return None;
                }
                let digest = digest_of(&forged);
                if let Some(signature) = forged.get_mut("sha256") {
                    *signature = digest.into();
                }
            }
            Change::Unsigned(change) => change(&mut forged)?,
            Change::Text(change) => return change(&good.to_string()).map(String::into_bytes),
        }
        Some(forged.to_string().into_bytes())
    }
}

fn set(value: &mut Value, pointer: &str, new: Value) -> Option<()> {
    *value.pointer_mut(pointer)? = new;
    Some(())
}

fn remove(value: &mut Value, pointer: &str, key: &str) -> Option<()> {
    value.pointer_mut(pointer)?.as_object_mut()?.remove(key).map(|_| ())
}

fn insert(value: &mut Value, pointer: &str, key: &str, new: Value) -> Option<()> {
    value.pointer_mut(pointer)?.as_object_mut()?.insert(key.to_owned(), new);
    Some(())
}

fn list<'a>(value: &'a mut Value, pointer: &str) -> Option<&'a mut Vec<Value>> {
    value.pointer_mut(pointer)?.as_array_mut().filter(|list| !list.is_empty())
}

fn remove_first(value: &mut Value, pointer: &str) -> Option<()> {
    list(value, pointer).map(|list| drop(list.remove(0)))
}

fn repeat_first(value: &mut Value, pointer: &str) -> Option<()> {
    list(value, pointer).map(|list| list.push(list[0].clone()))
}

fn reverse(value: &mut Value, pointer: &str) -> Option<()> {
    list(value, pointer).map(|list| list.reverse())
}

fn add(value: &mut Value, pointer: &str, more: i64) -> Option<()> {
    let number = value.pointer_mut(pointer)?;
    *number = (number.as_i64()? + more).into();
    Some(())
}

/// The channels of all layers.
fn channels(value: &mut Value) -> impl Iterator<Item = &mut Value> {
    let layers = value["layers"].as_array_mut().into_iter().flatten();
    layers.flat_map(|layer| layer["channels"].as_array_mut().into_iter().flatten())
}

/// Changes all of them, if there is a layer.
fn in_every_channel(value: &mut Value, change: impl FnMut(&mut Value)) -> Option<()> {
    list(value, "/layers")?;
    channels(value).for_each(change);
    Some(())
}

/// The first channel that differs.
fn differing(value: &mut Value) -> Option<&mut Value> {
    channels(value).find(|channel| channel["difference"]["differing"].as_u64().is_some_and(|n| n > 0))
}

/// The first counted operator with integers of this form.
fn operator<'a>(value: &'a mut Value, form: &str) -> Option<&'a mut Value> {
    let mut operators = value["operators"].as_array_mut()?.iter_mut();
    operators.find(|operator| operator["counted"]["integers"].get(form).is_some())
}

/// The first counted operator.
fn counted(value: &mut Value) -> Option<&mut Value> {
    let mut operators = value["operators"].as_array_mut()?.iter_mut();
    operators.find(|operator| operator["counted"].is_object()).map(|operator| &mut operator["counted"])
}

/// The first edge with codes.
fn edge(value: &mut Value) -> Option<&mut Value> {
    value["edges"].as_array_mut()?.iter_mut().find(|edge| edge.is_object())
}

/// The edge that enters the first layer.
fn entering(value: &mut Value) -> Option<&mut Value> {
    let name = value["layers"].get(0)?["name"].clone();
    let node = value["nodes"].as_array()?.iter().find(|node| node["name"] == name)?;
    let id = usize::try_from(node["inputs"][0].as_u64()?).ok()?;
    value["edges"].get_mut(id)
}

/// The edge that the first layer gives.
fn result(value: &mut Value) -> Option<&mut Value> {
    let nodes = value["nodes"].as_array()?;
    let node = nodes.iter().find(|node| node["op"] == "conv2d" || node["op"] == "linear")?;
    let id = usize::try_from(node["outputs"][0].as_u64()?).ok()?;
    value["edges"].get_mut(id)
}

/// Changes the text of the first layer's weights.
fn rewrite_weights(value: &mut Value, rewrite: impl Fn(&str) -> String) -> Option<()> {
    let codes = rewrite(value.pointer("/layers/0/weight/codes")?.as_str()?);
    set(value, "/layers/0/weight/codes", codes.into())
}

/// The biases of the first layer, real or integer.
fn biases(value: &mut Value) -> Option<&mut Vec<Value>> {
    value.pointer_mut("/layers/0/bias")?.as_object_mut()?.values_mut().next()?.as_array_mut()
}

/// The first layer with a window.
fn convolution(value: &mut Value) -> Option<&mut Value> {
    value["layers"].as_array_mut()?.iter_mut().find(|layer| layer["window"].is_object())
}

fn count_nothing(channel: &mut Value) {
    channel["difference"] = json!({"reachable": 1, "differing": 0, "first": null, "largest": null});
    channel["only_ties"] = true.into();
    let at = channel["accumulator"]["min"].clone();
    channel["accumulator"] = json!({"min": at, "max": at});
}

const C: &str = "/layers/0/channels/0";

fn channel(key: &str) -> String {
    format!("{C}/{key}")
}

/// All of them.
#[allow(clippy::too_many_lines, reason = "a table")]
pub(super) fn all() -> Vec<Forgery> {
    use Change::{Signed, Text, Unsigned};
    let rows: Vec<(&'static str, &'static str, Change)> = vec![
        // The form.
        ("an older schema", "schema", Signed(|v| set(v, "/schema", 1.into()))),
        ("a newer schema", "schema", Signed(|v| set(v, "/schema", 3.into()))),
        ("no schema", "schema", Signed(|v| remove(v, "", "schema"))),
        ("a schema in words", "schema", Signed(|v| set(v, "/schema", "2".into()))),
        ("a list", "schema", Text(|_| Some("[]".into()))),
        ("half of it", "format", Text(|text| Some(text[..text.len() / 2].into()))),
        ("something behind it", "format", Text(|text| Some(format!("{text} true")))),
        (
            "a key twice",
            "format",
            Text(|text| Some(text.replacen("\"version\":", "\"version\":\"1\",\"version\":", 1))),
        ),
        (
            "a number that is none",
            "format",
            Text(|t| Some(t.replacen("\"outputs\":[", "\"outputs\":[NaN,", 1))),
        ),
        (
            "an infinite scale",
            "format",
            Text(|t| Some(t.replacen("\"scale\":", "\"scale\":1e999,\"_\":", 1))),
        ),
        ("an unknown key", "format", Signed(|v| insert(v, "", "note", "equal".into()))),
        ("an unknown key of a layer", "format", Signed(|v| insert(v, "/layers/0", "equal", true.into()))),
        ("an unknown key of a channel", "format", Signed(|v| insert(v, C, "equal", true.into()))),
        (
            "a reference of its own",
            "format",
            Signed(|v| insert(v, C, "reference", json!({"arithmetic": {"exact": {"thresholds": [0]}}}))),
        ),
        ("a missing version", "format", Signed(|v| remove(v, "", "version"))),
        ("a missing list", "format", Signed(|v| remove(v, "", "states"))),
        ("a missing null", "format", Signed(|v| remove(v, C, "constant"))),
        ("a missing target", "format", Signed(|v| remove(v, "/target", "product_bits"))),
        ("a multiplier in words", "format", Signed(|v| set(v, &channel("multiplier"), "5".into()))),
        ("a real shift", "format", Signed(|v| set(v, &channel("shift"), json!(16.0)))),
        ("an integer scale", "format", Signed(|v| set(edge(v)?, "/scale", 1.into()))),
        ("a multiplier of 33 bits", "format", Signed(|v| set(v, &channel("multiplier"), json!(1_u64 << 32)))),
        ("a negative multiplier", "format", Signed(|v| set(v, &channel("multiplier"), json!(-1)))),
        ("a range as a list", "format", Signed(|v| set(v, &channel("accumulator"), json!([0, 1])))),
        ("an unknown rounding", "format", Signed(|v| set(v, "/target/rounding", "up".into()))),
        ("an unknown type", "format", Signed(|v| set(edge(v)?, "/type", "uint4".into()))),
        ("no layers at all", "format", Signed(|v| set(v, "/layers", Value::Null))),
        // The reference and the digests.
        ("a contract of no engine", "contract", Signed(|v| set(v, "/contract", "nonsense".into()))),
        ("a contract in capitals", "contract", Signed(|v| set(v, "/contract", "EXACT".into()))),
        (
            "a node of another contract",
            "contract",
            Signed(|v| set(v, "/nodes/0/contract", "nonsense".into())),
        ),
        ("a fusion of no engine", "format", Signed(|v| set(v, "/nodes/0/fusion", "half".into()))),
        ("a contract with escapes", "contract", Signed(|v| set(v, "/contract", "\u{1b}[31mexact".into()))),
        ("a changed multiplier", "digest", Unsigned(|v| add(v, &channel("multiplier"), 1))),
        ("a signature of zeros", "digest", Unsigned(|v| set(v, "/sha256", "0".repeat(64).into()))),
        ("a digest of zeros", "digest", Signed(|v| set(v, "/parameters_sha256", "0".repeat(64).into()))),
        ("a digest that is too short", "digest", Signed(|v| set(v, "/parameters_sha256", "ab".into()))),
        ("a digest in capitals", "digest", Signed(|v| set(v, "/parameters_sha256", "AB".repeat(32).into()))),
        // The network.
        (
            "nothing",
            "network",
            Signed(|v| {
                ["nodes", "layers", "operators", "edges", "inputs", "outputs", "states"]
                    .iter()
                    .try_for_each(|key| set(v, &format!("/{key}"), json!([])))
            }),
        ),
        (
            "a node and its layer removed",
            "network",
            Signed(|v| {
                let name = list(v, "/layers")?.remove(0)["name"].clone();
                list(v, "/nodes")?.retain(|node| node["name"] != name);
                Some(())
            }),
        ),
        ("a node repeated", "network", Signed(|v| repeat_first(v, "/nodes"))),
        ("nodes in another order", "network", Signed(|v| reverse(v, "/nodes"))),
        ("an operation of no operator", "network", Signed(|v| set(v, "/nodes/0/op", "conv9d".into()))),
        ("a node without a name", "network", Signed(|v| set(v, "/nodes/0/name", "".into()))),
        ("an input that is none", "network", Signed(|v| set(v, "/inputs", json!([])))),
        ("an edge that nobody gives", "network", Signed(|v| list(v, "/edges").map(|e| e.push(Value::Null)))),
        ("an edge beyond the last", "network", Signed(|v| set(v, "/nodes/0/outputs/0", json!(100_000)))),
        (
            "an output that is none",
            "network",
            Signed(|v| list(v, "/outputs").map(|o| o.push(json!(100_000)))),
        ),
        ("a scale of 0", "network", Signed(|v| set(edge(v)?, "/scale", json!(0.0)))),
        ("a negative scale", "network", Signed(|v| set(edge(v)?, "/scale", json!(-0.5)))),
        ("a zero point that is no code", "network", Signed(|v| set(edge(v)?, "/zero_point", 1000.into()))),
        ("a layer removed", "layers", Signed(|v| remove_first(v, "/layers"))),
        ("a layer repeated", "layers", Signed(|v| repeat_first(v, "/layers"))),
        ("layers in another order", "layers", Signed(|v| reverse(v, "/layers"))),
        ("a layer of another name", "layers", Signed(|v| set(v, "/layers/0/name", "other".into()))),
        ("an operator removed", "layers", Signed(|v| remove_first(v, "/operators"))),
        ("an operator repeated", "layers", Signed(|v| repeat_first(v, "/operators"))),
        // Channels and weights.
        ("a channel removed", "channels", Signed(|v| remove_first(v, "/layers/0/channels"))),
        ("a channel repeated", "channels", Signed(|v| repeat_first(v, "/layers/0/channels"))),
        ("no channels", "channels", Signed(|v| set(v, "/layers/0/channels", json!([])))),
        ("channels in another order", "", Signed(|v| reverse(v, "/layers/0/channels"))),
        (
            "a constant for one channel",
            "channels",
            Signed(|v| {
                (list(v, "/layers/0/channels")?.len() > 1).then_some(())?;
                set(v, &channel("constant"), 0.into())
            }),
        ),
        ("a weight removed", "weights", Signed(|v| rewrite_weights(v, |codes| codes[4..].into()))),
        (
            "weights in another alphabet",
            "weights",
            Signed(|v| rewrite_weights(v, |codes| format!("_{}", &codes[1..]))),
        ),
        (
            "weights of more axes",
            "weights",
            Signed(|v| list(v, "/layers/0/weight/shape").map(|s| s.push(json!(1)))),
        ),
        ("a weight scale of 0", "weights", Signed(|v| set(v, "/layers/0/weight/scale/0", json!(0.0)))),
        ("no weight scales", "weights", Signed(|v| set(v, "/layers/0/weight/scale", json!([])))),
        (
            "a weight zero point of 1000",
            "weights",
            Signed(|v| set(v, "/layers/0/weight/zero_point/0", 1000.into())),
        ),
        ("an offset of 7", "weights", Signed(|v| set(v, "/layers/0/weight/offset", 7.into()))),
        (
            "a bias too many",
            "weights",
            Signed(|v| {
                let biases = biases(v)?;
                let first = biases.first()?.clone();
                biases.push(first);
                Some(())
            }),
        ),
        ("a bias of float64", "weights", Signed(|v| set(v, "/layers/0/bias/real/0", json!(0.1)))),
        ("a stride of 0", "weights", Signed(|v| set(convolution(v)?, "/window/stride/0", 0.into()))),
        ("no groups", "weights", Signed(|v| set(convolution(v)?, "/window/groups", 0.into()))),
        (
            "a convolution without a window",
            "weights",
            Signed(|v| set(convolution(v)?, "/window", Value::Null)),
        ),
        (
            "another weight",
            "range",
            Signed(|v| {
                // The first code is one of -128..=-65 or another of them: its sum of weights is another one.
                let other = |codes: &str| if codes.starts_with('g') { "h" } else { "g" };
                rewrite_weights(v, |codes| format!("{}{}", other(codes), &codes[1..]))
            }),
        ),
        // Ranges and clamps.
        (
            "a range of codes without codes",
            "range",
            Signed(|v| set(edge(v)?, "/range", json!({"min": 9, "max": 8}))),
        ),
        (
            "a range beyond the codes",
            "range",
            Signed(|v| set(edge(v)?, "/range", json!({"min": -1000, "max": 1000}))),
        ),
        (
            "one code that enters",
            "range",
            Signed(|v| set(entering(v)?, "/range", json!({"min": 100, "max": 100}))),
        ),
        ("one accumulator", "range", Signed(|v| channels(v).next().map(count_nothing))),
        ("one accumulator in every channel", "range", Signed(|v| in_every_channel(v, count_nothing))),
        (
            "a range with its ends swapped",
            "range",
            Signed(|v| {
                let range = v.pointer(&channel("accumulator"))?.clone();
                set(v, &channel("accumulator"), json!({"min": range["max"], "max": range["min"]}))
            }),
        ),
        ("a range that is too wide", "range", Signed(|v| add(v, &channel("accumulator/max"), 1))),
        ("a clamp to one code", "clamp", Signed(|v| set(v, "/layers/0/clamp", json!({"min": 5, "max": 5})))),
        (
            "a clamp with its ends swapped",
            "clamp",
            Signed(|v| set(v, "/layers/0/clamp", json!({"min": 255, "max": 0}))),
        ),
        ("a clamp one code narrower", "clamp", Signed(|v| add(v, "/layers/0/clamp/min", 1))),
        (
            "a ReLU that is not there",
            "",
            Signed(|v| {
                // Where no code is below the zero point, for a ReLU follows or the type has none, one more changes nothing.
                let changed = v["layers"].as_array()?.iter().position(|layer| {
                    let node =
                        v["nodes"].as_array().into_iter().flatten().find(|n| n["name"] == layer["name"]);
                    let output = node.and_then(|node| node["outputs"][0].as_u64());
                    let edge = output.and_then(|id| v["edges"].get(usize::try_from(id).ok()?));
                    let zero_point = edge.and_then(|edge| edge["zero_point"].as_i64());
                    layer["relu"] == false
                        && zero_point.zip(layer["clamp"]["min"].as_i64()).is_some_and(|(z, min)| min < z)
                })?;
                set(v, &format!("/layers/{changed}/relu"), true.into())
            }),
        ),
        (
            "an activation that clamps to one code",
            "clamp",
            Signed(|v| set(v, "/layers/0/activation_clamp", json!({"min": 0, "max": 0}))),
        ),
        // The hardware.
        (
            "products of 8 bits",
            "register",
            Signed(|v| {
                list(v, "/layers")?;
                set(v, "/target/product_bits", 8.into())
            }),
        ),
        (
            "accumulators of 8 bits",
            "register",
            Signed(|v| {
                list(v, "/layers")?;
                set(v, "/target/accumulator_bits", 8.into())
            }),
        ),
        ("products of no bits", "register", Signed(|v| set(v, "/target/product_bits", 0.into()))),
        ("accumulators of 65 bits", "register", Signed(|v| set(v, "/target/accumulator_bits", 65.into()))),
        ("25 bits of fraction", "register", Signed(|v| set(v, "/target/bias_fraction_bits", 25.into()))),
        ("a shift by 200", "register", Signed(|v| set(v, &channel("shift"), 200.into()))),
        ("the largest bias", "register", Signed(|v| set(v, &channel("bias"), i64::MAX.into()))),
        (
            "the largest constant in every channel",
            "register",
            Signed(|v| in_every_channel(v, |channel| channel["constant"] = i64::MAX.into())),
        ),
        ("a multiplier of 0", "difference", Signed(|v| set(v, &channel("multiplier"), 0.into()))),
        (
            "twice the multiplier",
            "difference",
            Signed(|v| {
                let multiplier = v.pointer(&channel("multiplier"))?.as_u64()?;
                set(v, &channel("multiplier"), json!(multiplier * 2))
            }),
        ),
        ("another shift", "difference", Signed(|v| add(v, &channel("shift"), 1))),
        ("another bias", "difference", Signed(|v| add(v, &channel("bias"), 1000))),
        ("another rounding", "", Signed(|v| set(v, "/target/rounding", "toward-zero".into()))),
        (
            "a constant of 0 in every channel",
            "difference",
            Signed(|v| in_every_channel(v, |channel| channel["constant"] = 0.into())),
        ),
        ("another scale of a result", "", Signed(|v| set(result(v)?, "/scale", json!(0.123)))),
        ("another zero point of a result", "", Signed(|v| set(result(v)?, "/zero_point", 77.into()))),
        // What was found.
        ("one accumulator less", "difference", Signed(|v| add(v, &channel("difference/reachable"), -1))),
        ("one difference less", "difference", Signed(|v| add(differing(v)?, "/difference/differing", -1))),
        (
            "no difference where there is one",
            "difference",
            Signed(|v| {
                let channel = differing(v)?;
                let reachable = channel["difference"]["reachable"].clone();
                channel["difference"] =
                    json!({"reachable": reachable, "differing": 0, "first": null, "largest": null});
                channel["only_ties"] = true.into();
                Some(())
            }),
        ),
        (
            "another first witness",
            "difference",
            Signed(|v| add(differing(v)?, "/difference/first/accumulator", 1)),
        ),
        (
            "no largest witness",
            "difference",
            Signed(|v| set(differing(v)?, "/difference/largest", Value::Null)),
        ),
        (
            "another code of a witness",
            "difference",
            Signed(|v| add(differing(v)?, "/difference/largest/hardware", 1)),
        ),
        (
            "only ties, or not",
            "difference",
            Signed(|v| {
                let ties = v.pointer(&channel("only_ties"))?.as_bool()?;
                set(v, &channel("only_ties"), (!ties).into())
            }),
        ),
        (
            "another bias of the model",
            "",
            Signed(|v| {
                let bias = biases(v)?.first_mut()?;
                *bias = if bias.is_f64() { json!(1.5) } else { json!(12345) };
                Some(())
            }),
        ),
        // Operators.
        ("one case less", "difference", Signed(|v| add(counted(v)?, "/cases", -1))),
        ("one differing case more", "difference", Signed(|v| add(counted(v)?, "/differing", 1))),
        (
            "no differing case where there is one",
            "difference",
            Signed(|v| {
                let mut operators = v["operators"].as_array_mut()?.iter_mut();
                let found = operators.find(|o| o["counted"]["differing"].as_u64().is_some_and(|n| n > 0))?;
                found["counted"]["differing"] = 0.into();
                found["counted"]["largest"] = 0.into();
                found["counted"]["example"] = Value::Null;
                Some(())
            }),
        ),
        (
            "another code of a table",
            "difference",
            Signed(|v| {
                let table = &mut operator(v, "table")?["counted"]["integers"]["table"];
                let code = table.get(128)?.as_i64()?;
                set(table, "/128", (code ^ 1).into())
            }),
        ),
        (
            "a table of 255 codes",
            "operator",
            Signed(|v| {
                operator(v, "table")?["counted"]["integers"]["table"].as_array_mut()?.pop().map(|_| ())
            }),
        ),
        (
            "another shift of a sum",
            "difference",
            Signed(|v| add(operator(v, "sum")?, "/counted/integers/sum/shift", 1)),
        ),
        (
            "another multiplier of a product",
            "difference",
            Signed(|v| set(operator(v, "product")?, "/counted/integers/product/multiplier", 0.into())),
        ),
        (
            "another multiplier of a mean",
            "difference",
            Signed(|v| set(operator(v, "mean")?, "/counted/integers/mean/multiplier", 0.into())),
        ),
        (
            "another form of integers",
            "operator",
            Signed(|v| set(counted(v)?, "/integers", json!({"concatenation": []}))),
        ),
        (
            "a shift of a sum by 4000",
            "operator",
            Signed(|v| set(operator(v, "sum")?, "/counted/integers/sum/shift", 4000.into())),
        ),
        (
            "an operator's clamp with its ends swapped",
            "clamp",
            Signed(|v| set(counted(v)?, "/clamp", json!({"min": 9, "max": 8}))),
        ),
        (
            "counted and unproven",
            "operator",
            Signed(|v| {
                let mut operators = v["operators"].as_array_mut()?.iter_mut();
                let found = operators.find(|operator| operator["counted"].is_object())?;
                set(found, "/unproven", "is hard".into())
            }),
        ),
        (
            "neither counted nor unproven",
            "operator",
            Signed(|v| {
                list(v, "/operators")?;
                set(v, "/operators/0/counted", Value::Null)?;
                set(v, "/operators/0/unproven", Value::Null)
            }),
        ),
        (
            "a sum without its ReLU's word",
            "operator",
            Signed(|v| {
                let name = operator(v, "sum")?["name"].clone();
                let node = v["nodes"].as_array_mut()?.iter_mut().find(|node| node["name"] == name)?;
                set(node, "/detail", Value::Null)
            }),
        ),
    ];
    let forgery = |(name, expected, change): (&'static str, &'static str, Change)| Forgery {
        name,
        expected: (!expected.is_empty()).then_some(expected),
        change,
    };
    rows.into_iter().map(forgery).collect()
}
