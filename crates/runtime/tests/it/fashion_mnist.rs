//! Two networks on all 10,000 test images of Fashion-MNIST, and on images of our own, against the codes that PyTorch 2.9.1 gave.

use std::io::Read;
use std::path::Path;

use flate2::read::GzDecoder;
use gen_params_core::contract::Contract;
use gen_params_core::network::IntNetwork;
use gen_params_core::ops::Value;
use gen_params_core::tensor::Tensor;
use gen_params_formats::SourceModel;
use gen_params_kernels::Kernel;
use gen_params_lower::{self as lower, graph_file::GraphFile};
use gen_params_runtime::{Engine, Request};
use gen_params_test_support::{fixtures, needs, root, shared};

/// The bytes of an IDX file after its header.
fn idx(name: &str, header: usize) -> Vec<u8> {
    let file = std::fs::File::open(shared().join("data/fashion-mnist").join(name)).unwrap();
    let mut bytes = Vec::new();
    GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes.split_off(header)
}

/// The first images, (x/255 - 0.2860)/0.3530 in float32, as in training.
fn images(count: usize) -> Value {
    pixels(&idx("t10k-images-idx3-ubyte.gz", 16)[..count * 784])
}

fn pixels(bytes: &[u8]) -> Value {
    let reals: Vec<f32> = bytes.iter().map(|&x| (f32::from(x) / 255.0 - 0.2860) / 0.3530).collect();
    Value::Floats(Tensor::new(vec![reals.len() / 784, 1, 28, 28], reals).unwrap())
}

fn source(path: &Path) -> SourceModel {
    let bytes = std::fs::read(path).unwrap();
    gen_params_formats::read(bytes.into()).unwrap()
}

fn network(path: &Path, graph: Option<GraphFile>) -> IntNetwork {
    let engine = Some(lower::Engine::X86);
    lower::lower(&source(path), &lower::Options { graph, engine, ..lower::Options::default() }).unwrap()
}

/// PyTorch's output codes, (10000, 10).
fn golden(name: &str) -> Vec<i32> {
    let path = shared().join("models/fashion_mnist").join(format!("{name}_test_logits.npz"));
    let mut archive = gen_params_test_support::npz::NpzArchive::open(path).unwrap();
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

/// Images that are sums of waves, and PyTorch's output codes for a network: (64, 10).
fn waves(name: &str) -> (Value, Vec<i32>) {
    let mut archive =
        gen_params_test_support::npz::NpzArchive::open(fixtures().join("example_images/images.npz")).unwrap();
    let mut array = |name: &str| archive.by_name(name).unwrap().unwrap().into_vec::<u8>().unwrap();
    let images = pixels(&array("images"));
    (images, array(name).into_iter().map(i32::from).collect())
}

#[test]
fn every_image_of_waves_as_pytorch() {
    let folder = root().join("examples/fashion_mnist");
    for name in ["lenet", "resnet8"] {
        let (images, expected) = waves(name);
        let script = folder.join(format!("{name}_script.pt"));
        let graph = lower::draft(&source(&script), &lower::Options::default()).unwrap();
        let mut forms = vec![("script", network(&script, None))];
        if name == "lenet" {
            forms.push(("state_dict", network(&folder.join("lenet_state_dict.pt"), Some(graph))));
        }
        for (form, network) in forms {
            let codes = codes(&engine(&network, Kernel::best()), &network, images.clone());
            assert_eq!(differing(&codes, &expected), 0, "{name} as {form}");
        }
    }
}

#[test]
fn codes_of_waves_do_not_depend_on_the_way_of_running() {
    let network = network(&root().join("examples/fashion_mnist/resnet8_script.pt"), None);
    let (images, expected) = waves("resnet8");
    whichever_way(&network, &images, &expected);
}

/// Every form of both files, those without a topology with that of the others; accuracies as PyTorch measured them.
#[needs(shared)]
fn every_image_as_pytorch() {
    let labels = idx("t10k-labels-idx1-ubyte.gz", 8);
    let mut failures = Vec::new();
    for (name, accuracy_expected) in [("lenet", 0.9107), ("resnet8", 0.9151)] {
        let expected = golden(name);
        let folder = shared().join("models/fashion_mnist");
        let script = source(&folder.join(format!("{name}_script.pt")));
        let graph = lower::draft(&script, &lower::Options::default()).unwrap();
        for form in ["script", "trace", "state_dict", "prepared_state_dict"] {
            let graph = form.ends_with("state_dict").then(|| graph.clone());
            let network = network(&folder.join(format!("{name}_{form}.pt")), graph);
            let codes = codes(&engine(&network, Kernel::best()), &network, images(10_000));
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
#[needs(shared)]
fn codes_do_not_depend_on_the_way_of_running() {
    const COUNT: usize = 64;
    let network = network(&shared().join("models/fashion_mnist/resnet8_script.pt"), None);
    whichever_way(&network, &images(COUNT), &golden("resnet8")[..COUNT * 10]);
}

fn whichever_way(network: &IntNetwork, images: &Value, expected: &[i32]) {
    let Value::Floats(images) = images else { unreachable!("images are reals") };
    let mut failures = Vec::new();
    for kernel in Kernel::available() {
        let engine = engine(network, kernel);
        for threads in [1, 2, 3] {
            let pool = rayon::ThreadPoolBuilder::new().num_threads(threads).build().unwrap();
            for batch in [1, 7, 64] {
                let mut found = Vec::new();
                for part in images.elements().chunks(batch * 784) {
                    let part = Tensor::new(vec![part.len() / 784, 1, 28, 28], part.to_vec()).unwrap();
                    found.extend(pool.install(|| codes(&engine, network, Value::Floats(part))));
                }
                if found != expected {
                    failures.push(format!("{} on {threads} threads, {batch} at a time", kernel.name()));
                }
            }
        }
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
