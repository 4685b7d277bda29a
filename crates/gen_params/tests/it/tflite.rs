//! TFLite files against the codes that LiteRT computed: its reference kernels at every tensor, XNNPACK at the outputs.

use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io::BufReader;
use std::iter::repeat;
use std::path::{Path, PathBuf};
use std::sync::OnceLock;

use gen_params::contract::Contract;
use gen_params::derive;
use gen_params::formats::{Argument, Callee, Graph, SourceModel, ValueId};
use gen_params::lower;
use gen_params::machine::{self, Keep, Trace};
use gen_params::network::{EdgeId, IntNetwork};
use gen_params::ops::{Context, Fusion, Value};
use gen_params::tensor::Tensor;
use gen_params_test_support::npz::NpzArchive;
use gen_params_test_support::{files, fixtures, needs, samples, shared};

/// An array of a file of references; `None` where it is absent or of a type that no activation has.
fn array(archive: &mut NpzArchive<BufReader<File>>, name: &str) -> Option<Value> {
    let file = archive.by_name(name).unwrap()?;
    let shape: Vec<usize> = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
    let codes: Vec<i32> = match file.dtype().descr().as_str() {
        "'<f4'" => {
            let floats = file.into_vec::<f32>().unwrap();
            return Some(Value::Floats(Tensor::new(shape, floats).unwrap()));
        }
        "'|u1'" => file.into_vec::<u8>().unwrap().into_iter().map(i32::from).collect(),
        "'|i1'" => file.into_vec::<i8>().unwrap().into_iter().map(i32::from).collect(),
        "'<i2'" => file.into_vec::<i16>().unwrap().into_iter().map(i32::from).collect(),
        "'<i4'" => file.into_vec::<i32>().unwrap(),
        _ => return None,
    };
    Some(Value::Codes(Tensor::new(shape, codes).unwrap()))
}

/// A value with its channels moved from the last axis to the second.
fn channels_first(value: &Value) -> Value {
    fn moved<T: Copy>(tensor: &Tensor<T>) -> Tensor<T> {
        let [first, middle @ .., channels] = tensor.shape() else { return tensor.clone() };
        let (channels, area) = (*channels, middle.iter().product::<usize>());
        let shape = [*first, channels].into_iter().chain(middle.iter().copied()).collect();
        let old = tensor.elements();
        let at = |index: usize| {
            let (image, rest) = (index / (channels * area), index % (channels * area));
            old[(image * area + rest % area) * channels + rest / area]
        };
        Tensor::new(shape, (0..old.len()).map(at).collect()).unwrap()
    }
    match value {
        Value::Codes(codes) => Value::Codes(moved(codes)),
        Value::Floats(floats) => Value::Floats(moved(floats)),
    }
}

/// Elements that differ, in the order of the axes in which fewer do; `None` where the shapes fit in neither.
fn differing(ours: &Value, theirs: &Value) -> Option<usize> {
    let count = |theirs: &Value| match (ours, theirs) {
        (Value::Codes(a), Value::Codes(b)) if a.shape() == b.shape() => {
            Some(a.elements().iter().zip(b.elements()).filter(|(a, b)| a != b).count())
        }
        (Value::Floats(a), Value::Floats(b)) if a.shape() == b.shape() => {
            Some(a.elements().iter().zip(b.elements()).filter(|(a, b)| a != b).count())
        }
        _ => None,
    };
    [count(theirs), count(&channels_first(theirs))].into_iter().flatten().min()
}

struct Model {
    name: String,
    path: PathBuf,
    network: Result<IntNetwork, String>,
    graph: Graph,
}

impl Model {
    fn open(root: &Path, path: &Path) -> Self {
        let source: SourceModel = gen_params::read(gen_params::map_file(path).unwrap()).unwrap();
        let network = lower::lower(&source, &lower::Options::default()).map_err(|e| e.to_string());
        let name = path.strip_prefix(root).unwrap_or(path).to_string_lossy().into_owned();
        Self { name, path: path.to_path_buf(), network, graph: source.graph.unwrap() }
    }

    /// Outputs for three inputs, and every tensor after the first of them.
    fn references(&self) -> Option<NpzArchive<BufReader<File>>> {
        let path = format!("{}.ref.npz", self.path.display());
        NpzArchive::open(path).ok()
    }

    /// LiteRT's tensors by their index.
    fn tensors(&self) -> BTreeMap<u32, Value> {
        let indices = self.graph.facts.keys().map(|id| id.0);
        if let Some(mut archive) = self.references() {
            return indices.filter_map(|id| Some((id, array(&mut archive, &format!("t{id}"))?))).collect();
        }
        // Our fixtures have a batch of eight inputs, and names behind indices.
        let Ok(mut archive) = NpzArchive::open(self.path.with_file_name("golden.npz")) else {
            return BTreeMap::new();
        };
        let names: Vec<String> = archive.array_names().map(str::to_owned).collect();
        let named = names.iter().filter_map(|name| Some((name.split_once(':')?.0.parse().ok()?, name)));
        let mut found: BTreeMap<u32, Value> =
            named.filter_map(|(id, name)| Some((id, array(&mut archive, name)?))).collect();
        // The first tensor of the models with reals for an input is the reals, which are beside the model.
        if let Some((id, _)) = self.graph.inputs.first() {
            let file = File::open(self.path.with_file_name("input_q.npy")).unwrap();
            let file = npyz::NpyFile::new(BufReader::new(file)).unwrap();
            if file.dtype().descr() == "'<f4'" {
                let shape = file.shape().iter().map(|&s| s.try_into().unwrap()).collect();
                let reals = file.into_vec::<f32>().unwrap();
                found.insert(id.0, Value::Floats(Tensor::new(shape, reals).unwrap()));
            }
        }
        found
    }

    /// The edge of each tensor that an operator makes, or that is an input.
    fn edges(&self, network: &IntNetwork) -> Vec<(EdgeId, u32)> {
        let mut by_name: HashMap<&str, EdgeId> = HashMap::new();
        for node in &network.nodes {
            by_name.insert(&node.name, node.outputs[0]);
        }
        let inputs = network.inputs.iter().zip(&self.graph.inputs).map(|(&edge, (id, _))| (edge, id.0));
        let made = self.graph.nodes.iter().flat_map(|node| {
            node.outputs.iter().enumerate().filter_map(|(index, id)| {
                let name = if index == 0 { node.name.clone() } else { format!("{}.{index}", node.name) };
                Some((*by_name.get(name.as_str())?, id.0))
            })
        });
        let made: Vec<_> = made.collect();
        inputs.chain(made).chain(self.states(network)).collect()
    }

    /// The edge that has each variable tensor when the network has run, as LiteRT's has it then.
    fn states(&self, network: &IntNetwork) -> Vec<(EdgeId, u32)> {
        let mut found = Vec::new();
        for node in &self.graph.nodes {
            let arguments: &[usize] = match &node.callee {
                Callee::Function(name) if name == "SVDF" => &[4],
                Callee::Function(name) if name == "UNIDIRECTIONAL_SEQUENCE_LSTM" => &[18, 19],
                _ => continue,
            };
            let Some(made) = network.nodes.iter().find(|made| made.name == node.name) else { continue };
            let tensors = arguments.iter().filter_map(|&index| match node.arguments[index] {
                Argument::Value(id) => Some(id.0),
                _ => None,
            });
            found.extend(made.outputs.iter().skip(1).copied().zip(tensors));
        }
        found
    }
}

/// Codes compared, codes that differ, and how many nodes or models they belong to.
#[derive(Default)]
struct Count {
    values: usize,
    differing: usize,
    cases: usize,
}

impl Count {
    fn add(&mut self, values: usize, differing: usize) {
        self.values += values;
        self.differing += differing;
        self.cases += 1;
    }
}

fn models(folders: &[PathBuf]) -> Vec<Model> {
    let found = folders.iter().flat_map(|folder| files(folder, &[".tflite"]).into_iter().zip(repeat(folder)));
    found.map(|(path, folder)| Model::open(folder, &path)).collect()
}

/// The repository's own.
fn own_models() -> Vec<Model> {
    models(&[fixtures().join("tflite"), samples().join("litert_torch")])
}

/// All of the shared material, read once for all tests.
fn shared_models() -> &'static [Model] {
    static MODELS: OnceLock<Vec<Model>> = OnceLock::new();
    let folders =
        || ["models", "fixtures/tflite", "fixtures/litert_torch"].map(|folder| shared().join(folder));
    MODELS.get_or_init(|| models(&folders()))
}

/// Why models are refused: operators of other makers.
const REFUSALS: [&str; 1] = ["(CUSTOM:"];

#[test]
fn every_tensor_of_our_own_models_is_that_of_litert_reference_kernels() {
    every_tensor(&own_models());
}

#[needs(shared)]
fn every_tensor_of_litert_reference_kernels() {
    every_tensor(shared_models());
}

/// Each node is given LiteRT's own inputs, so that every operator is judged by itself.
fn every_tensor(models: &[Model]) {
    let mut rows: BTreeMap<String, Count> = BTreeMap::new();
    let mut failures = Vec::new();
    let mut refused = Vec::new();
    for model in models {
        let network = match &model.network {
            Ok(network) => network,
            Err(error) => {
                if !REFUSALS.iter().any(|reason| error.contains(reason)) {
                    failures.push(format!("{}: {error}", model.name));
                }
                refused.push(format!("{}: {error}", model.name));
                continue;
            }
        };
        let tensors = model.tensors();
        if tensors.is_empty() {
            continue;
        }
        let edges = model.edges(network).into_iter();
        let theirs: BTreeMap<EdgeId, Value> =
            edges.filter_map(|(edge, id)| Some((edge, tensors.get(&id)?.clone()))).collect();
        let mut values: Vec<Option<Value>> = vec![None; network.edges.len()];
        let mut shapes: Vec<Option<Vec<usize>>> = vec![None; network.edges.len()];
        for &id in &network.inputs {
            values[id.0] = theirs.get(&id).cloned();
            shapes[id.0] = values[id.0].as_ref().map(|v| v.shape().to_vec());
        }
        for state in &network.states {
            shapes[state.before.0] = Some(state.beginning.shape().to_vec());
            values[state.before.0] = Some(Value::Codes(state.beginning.clone()));
        }
        for node in &network.nodes {
            let activations: Vec<_> = node.inputs.iter().map(|&id| network.edge(id).activation).collect();
            let output = network.edge(node.outputs[0]).activation;
            let context = Context {
                contract: Contract::Litert,
                inputs: &activations,
                output,
                fusion: Fusion::default(),
            };
            let inputs: Option<Vec<&Value>> = node.inputs.iter().map(|id| values[id.0].as_ref()).collect();
            let Some(inputs) = inputs else { continue };
            let results = match node.op.apply(&inputs, &shapes, &context) {
                Ok(results) => results,
                Err(error) => {
                    let text = format!("{}: {} ({}): {error}", model.name, node.name, node.op.name());
                    let list = if error.found.contains("formula") { &mut refused } else { &mut failures };
                    list.push(text);
                    continue;
                }
            };
            for (index, (&id, result)) in node.outputs.iter().zip(results).enumerate() {
                shapes[id.0] = Some(result.shape().to_vec());
                let code_type = network.edge(id).activation.map_or("float32", |a| a.code_type.name());
                let what = if index == 0 { "" } else { "'s state" };
                let Some(expected) = theirs.get(&id) else {
                    values[id.0] = Some(result);
                    continue;
                };
                let count = rows.entry(format!("{}{what} {code_type}", node.op.name())).or_default();
                let place = format!("{}: {}{what} ({})", model.name, node.name, node.op.name());
                let differing = differing(&result, expected);
                match differing {
                    Some(differing) => {
                        count.add(result.shape().iter().product(), differing);
                        if differing > 0 {
                            failures.push(format!("{place}: {differing}"));
                        }
                    }
                    None => failures.push(format!(
                        "{place}: {:?}, expected {:?}",
                        result.shape(),
                        expected.shape()
                    )),
                }
                let wrong = result.shape() == expected.shape() && differing != Some(0);
                values[id.0] = Some(if wrong { expected.clone() } else { result });
            }
        }
    }
    println!("| operation | nodes | codes | mismatches |\n|---|---|---|---|");
    for (name, count) in &rows {
        println!("| {name} | {} | {} | {} |", count.cases, count.values, count.differing);
    }
    println!("refused:\n{}", refused.join("\n"));
    assert!(rows.len() > 5, "only {} kinds of operators were compared", rows.len());
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}

/// Whole networks, outputs only.
#[test]
fn outputs_of_our_own_networks() {
    let mut compared = 0;
    for model in own_models() {
        let network = model.network.as_ref().unwrap();
        let tensors = model.tensors();
        let input = |(id, _): &(ValueId, _)| tensors.get(&id.0).cloned();
        let Some(inputs) = model.graph.inputs.iter().map(input).collect::<Option<Vec<Value>>>() else {
            continue;
        };
        let trace = machine::run(network, Contract::Litert, &inputs, Keep::Outputs).unwrap();
        for (ours, output) in trace.outputs.iter().zip(&model.graph.outputs) {
            let Argument::Value(id) = output else { panic!("{}: {output:?} is an output", model.name) };
            let Some(theirs) = tensors.get(&id.0) else { continue };
            compared += theirs.shape().iter().product::<usize>();
            assert_eq!(differing(ours, theirs), Some(0), "{}", model.name);
        }
    }
    assert!(compared > 500, "only {compared} codes were compared");
}

/// Whole networks, outputs only, of the reference kernels and of XNNPACK.
#[needs(shared)]
fn outputs_of_whole_networks() {
    println!("| model | nodes | contract | codes | mismatches |\n|---|---|---|---|---|");
    let (mut failures, mut refused) = (Vec::new(), Vec::new());
    for model in shared_models() {
        let (Ok(network), Some(mut archive)) = (&model.network, model.references()) else { continue };
        for contract in [Contract::Litert, Contract::LitertXnnpack] {
            let mut count = Count::default();
            // LiteRT was begun anew for each input, which leaves variables of resources alone.
            let mut previous: Option<Trace> = None;
            let mut warned = false;
            for sample in 0..3 {
                let inputs: Option<Vec<Value>> = (0..network.inputs.len())
                    .map(|index| array(&mut archive, &format!("s{sample}/in{index}")))
                    .collect();
                let Some(inputs) = inputs else { continue };
                let ran = match previous.as_ref().filter(|_| !model.graph.once.is_empty()) {
                    Some(trace) => machine::run_after(trace, network, contract, &inputs, Keep::Outputs),
                    None => machine::run(network, contract, &inputs, Keep::Outputs),
                };
                let trace = match ran {
                    Ok(trace) => trace,
                    Err(error) => {
                        refused.push(format!("{} {}: {error}", model.name, contract.name()));
                        break;
                    }
                };
                for (index, ours) in trace.outputs.iter().enumerate() {
                    let name = format!("s{sample}/out{index}");
                    let own = if contract == Contract::LitertXnnpack {
                        array(&mut archive, &format!("{name}_xnnpack"))
                    } else {
                        None
                    };
                    let Some(theirs) = own.or_else(|| array(&mut archive, &name)) else { continue };
                    let wrong = differing(ours, &theirs).unwrap_or(usize::MAX);
                    count.add(theirs.shape().iter().product(), wrong);
                }
                // Kernels that XNNPACK leaves an operator to, and whose rounding is said not to be known.
                warned |= contract == Contract::LitertXnnpack && !trace.warnings.is_empty();
                previous = Some(trace);
            }
            println!(
                "| {} | {} | {} | {} | {} |",
                model.name,
                network.nodes.len(),
                contract.name(),
                count.values,
                count.differing
            );
            if count.differing > 0 && !warned {
                failures.push(format!("{} {}: {}", model.name, contract.name(), count.differing));
            }
        }
    }
    println!("refused:\n{}", refused.join("\n"));
    assert!(failures.is_empty(), "{} wrong:\n{}", failures.len(), failures.join("\n"));
}

/// The outputs of three inputs, one after the other, without beginning anew: the codes, or their sum and their sum times
/// their places from 1 on.
///
/// Source: LiteRT 2.3.0, reference kernels: `set_tensor`, `invoke`, `get_tensor`, three times.
enum Sequence {
    Codes([&'static [i32]; 3]),
    Sums([[i64; 2]; 3]),
}

const SEQUENCES: [(&str, Sequence); 3] = [
    (
        "trained_lstm_int8.tflite",
        Sequence::Codes([
            &[-128, -128, -128, -128, -128, -128, 127, -128, -127, -128],
            &[-128, -128, -128, -128, -128, 121, -128, -122, -128, -128],
            &[-128, -128, -128, -128, -128, -128, 127, -128, -128, -128],
        ]),
    ),
    (
        "micro_speech_lstm.tflite",
        Sequence::Codes([&[127, -128, -128], &[127, -128, -127], &[126, -128, -126]]),
    ),
    (
        "dtln_noise_suppression.tflite",
        Sequence::Sums([[-22_029, -2_761_659], [-18_542, -2_278_553], [-20_204, -2_704_318]]),
    ),
];

#[needs(shared)]
fn states_are_carried_from_image_to_image() {
    let models = shared_models();
    let mut failures = Vec::new();
    let mut checked = 0;
    for (name, sequence) in &SEQUENCES {
        let model = models.iter().find(|model| model.name.ends_with(name)).unwrap();
        let (network, mut archive) = (model.network.as_ref().unwrap(), model.references().unwrap());
        let mut previous: Option<Trace> = None;
        for sample in 0..3 {
            let input = [array(&mut archive, &format!("s{sample}/in0")).unwrap()];
            let trace = match &previous {
                Some(trace) => machine::run_after(trace, network, Contract::Litert, &input, Keep::Outputs),
                None => machine::run(network, Contract::Litert, &input, Keep::Outputs),
            };
            let trace = trace.unwrap();
            let found = trace.outputs[0].codes().unwrap().elements();
            let sums = || {
                let wide = || found.iter().map(|&code| i64::from(code));
                [wide().sum(), wide().zip(1..).map(|(code, place)| code * place).sum::<i64>()]
            };
            let right = match sequence {
                Sequence::Codes(expected) => found == expected[sample],
                Sequence::Sums(expected) => sums() == expected[sample],
            };
            checked += 1;
            if !right {
                failures.push(format!("{name}, input {sample}: {found:?}"));
            }
            previous = Some(trace);
        }
    }
    println!("{checked} steps of sequences");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// M0 * 2^-n is S1*S2/S3 as float32 has it, and folded biases are biases less Z1 times the sums of the weights.
#[needs(shared)]
fn constants_of_recurrent_operators_follow_the_equations() {
    let mut failures = Vec::new();
    let mut checked = 0;
    for model in shared_models() {
        let Ok(network) = &model.network else { continue };
        if network.states.is_empty() {
            continue;
        }
        let parameters = derive::derive(network, &derive::Options::default()).unwrap();
        for product in parameters.recurrent.iter().flat_map(|recurrent| &recurrent.products) {
            let real = product.input.scale * product.weight_scale / product.output.scale;
            let found = f64::from(product.multiplier) * 2f64.powi(-product.shift);
            let near = (found / real - 1.0).abs() < 3e-7 && found == product.real_multiplier;
            let columns = product.weight_shape[1] * product.rank;
            let folded: Vec<i64> = product
                .weight
                .chunks(columns)
                .zip(&product.bias)
                .map(|(row, bias)| {
                    let sum: i64 = row.iter().map(|&weight| i64::from(weight)).sum();
                    bias - i64::from(product.input.zero_point) * sum
                })
                .collect();
            checked += 1;
            if !near || product.multiplier.leading_zeros() != 1 || folded != product.folded_bias {
                failures.push(format!("{}: {}: {found}, expected {real}", model.name, product.name));
            }
        }
    }
    println!("{checked} matrix products");
    assert!(checked > 0);
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
