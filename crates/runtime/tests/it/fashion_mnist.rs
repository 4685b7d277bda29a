//! Two networks on all 10,000 test images of Fashion-MNIST, against the codes that PyTorch 2.9.1 gave.

use std::io::Read;

use flate2::read::GzDecoder;
use gen_params_core::contract::Contract;
use gen_params_core::lower::{self, graph_file::GraphFile};
use gen_params_core::network::IntNetwork;
use gen_params_core::ops::Value;
use gen_params_core::tensor::Tensor;
use gen_params_formats::SourceModel;
use gen_params_kernels::Kernel;
use gen_params_runtime::{Engine, Request};

use crate::support::shared;

/// The bytes of an IDX file after its header.
fn idx(name: &str, header: usize) -> Option<Vec<u8>> {
    let file = std::fs::File::open(shared()?.join("data/fashion-mnist").join(name)).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    Some(bytes.split_off(header))
}

/// The first images, (x/255 - 0.2860)/0.3530 in float32, as in training.
fn images(count: usize) -> Option<Value> {
    let bytes = idx("t10k-images-idx3-ubyte.gz", 16)?;
    let reals = bytes[..count * 784].iter().map(|&x| (f32::from(x) / 255.0 - 0.2860) / 0.3530).collect();
    Some(Value::Floats(Tensor::new(vec![count, 1, 28, 28], reals).unwrap()))
}

fn source(file: &str) -> SourceModel {
    let bytes = std::fs::read(shared().unwrap().join("models/fashion_mnist").join(file)).unwrap();
    gen_params_formats::read(bytes.into()).unwrap()
}

fn network(file: &str, graph: Option<GraphFile>) -> IntNetwork {
    let engine = Some(lower::Engine::X86);
    lower::lower(&source(file), &lower::Options { graph, engine, ..lower::Options::default() }).unwrap()
}

/// PyTorch's output codes, (10000, 10).
fn golden(name: &str) -> Vec<i32> {
    let path = shared().unwrap().join("models/fashion_mnist").join(format!("{name}_test_logits.npz"));
    let mut archive = npyz::npz::NpzArchive::open(path).unwrap();
    let codes: Vec<u8> = archive.by_name("codes").unwrap().unwrap().into_vec().unwrap();
    codes.into_iter().map(i32::from).collect()
}

fn engine(network: &IntNetwork, kernel: Kernel) -> Engine {
    Engine::with_kernel(network, Contract::X86, &[vec![1, 28, 28]], kernel).unwrap()
}

fn codes(engine: &Engine, network: &IntNetwork, images: Value) -> Vec<i32> {
    let request = Request { edges: &network.outputs, accumulators: &[] };
    let observed = engine.observe(&[images], request, |_| {}).unwrap();
    observed.edges.into_iter().next().unwrap().into_elements()
}

/// Fraction of images whose largest code, the first of several, is their label's.
fn accuracy(codes: &[i32], labels: &[u8]) -> f64 {
    let right = codes.chunks(10).zip(labels).filter(|(codes, label)| {
        let best = (0..10).rev().max_by_key(|&class| codes[class]);
        best == Some(usize::from(**label))
    });
    f64::from(u32::try_from(right.count()).unwrap()) / 10_000.0
}

fn differing(found: &[i32], expected: &[i32]) -> usize {
    assert_eq!(found.len(), expected.len());
    found.iter().zip(expected).filter(|(a, b)| a != b).count()
}

/// Every form of both files, those without a topology with that of the others; accuracies as PyTorch measured them.
#[test]
fn every_image_as_pytorch() {
    let Some(labels) = idx("t10k-labels-idx1-ubyte.gz", 8) else { return };
    let mut failures = Vec::new();
    for (name, accuracy_expected) in [("lenet", 0.9107), ("resnet8", 0.9151)] {
        let expected = golden(name);
        let graph = lower::draft(&source(&format!("{name}_script.pt")), &lower::Options::default()).unwrap();
        for form in ["script", "trace", "state_dict", "prepared_state_dict"] {
            let graph = form.ends_with("state_dict").then(|| graph.clone());
            let network = network(&format!("{name}_{form}.pt"), graph);
            let codes = codes(&engine(&network, Kernel::best()), &network, images(10_000).unwrap());
            let (differing, accuracy) = (differing(&codes, &expected), accuracy(&codes, &labels));
            println!("{name} {form}: {differing} of {} codes differ, accuracy {accuracy}", codes.len());
            if differing != 0 || (accuracy - accuracy_expected).abs() > 1e-9 {
                failures.push(format!("{name} {form}: {differing} codes differ, accuracy {accuracy}"));
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

/// One at a time, some at a time, on one thread or two, with any kernel: always the same codes.
#[test]
fn codes_do_not_depend_on_the_way_of_running() {
    if shared().is_none() {
        return;
    }
    const COUNT: usize = 64;
    let network = network("resnet8_script.pt", None);
    let expected = &golden("resnet8")[..COUNT * 10];
    let Some(Value::Floats(images)) = images(COUNT) else { return };
    let mut failures = Vec::new();
    for kernel in Kernel::available() {
        let engine = engine(&network, kernel);
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for batch in [1, 7, 64] {
                let mut found = Vec::new();
                for part in images.elements().chunks(batch * 784) {
                    let part = Tensor::new(vec![part.len() / 784, 1, 28, 28], part.to_vec()).unwrap();
                    found.extend(pool.install(|| codes(&engine, &network, Value::Floats(part))));
                }
                if found != expected {
                    failures.push(format!("{} on {threads} threads, {batch} at a time", kernel.name()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
