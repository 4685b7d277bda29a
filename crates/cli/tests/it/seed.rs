//! The network that the project began with, on the data that it was trained for.

use std::fs;

use gen_params_test_support::{fixtures, needs, shared};

use crate::support::run_in;

/// Arguments of a run of the seed on MNIST.
fn seed_on_mnist() -> Vec<String> {
    let path = |name: &str| shared().join(name).display().to_string();
    let graph = fixtures().join("seed/net.toml").display().to_string();
    let words = ["--mean", "0.1307", "--std", "0.3081", "--graph", &graph, "--input"].map(str::to_owned);
    let mut arguments = vec!["run".to_owned(), path("models/seed_model_int8.pth")];
    arguments.extend(words);
    arguments.push(path("data/mnist/t10k-images-idx3-ubyte.gz"));
    arguments.push("--labels".to_owned());
    arguments.push(path("data/mnist/t10k-labels-idx1-ubyte.gz"));
    arguments
}

#[needs(shared)]
fn the_seed_recognises_digits() {
    // Nobody has PyTorch's codes of this network. That its digits are recognised, with a graph that was written by hand,
    // is the evidence that weights, scales, zero points and wiring are right.
    let arguments = seed_on_mnist();
    let place = tempfile::tempdir().unwrap();
    for contract in ["qnnpack", "fbgemm", "exact"] {
        let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
        arguments.extend(["--contract", contract, "--min-accuracy", "97.5"]);
        let run = run_in(place.path(), &arguments);
        assert_eq!(run.code, Some(0), "{contract}: {}{}", run.stdout, run.stderr);
    }
}

#[needs(shared)]
fn the_stages_of_the_seed_are_written_and_compare_equal() {
    let arguments = seed_on_mnist();
    let place = tempfile::tempdir().unwrap();
    let mut arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    arguments.extend(["--limit", "2", "--golden", "golden", "--stages"]);
    arguments.insert(2, "16");
    let run = run_in(place.path(), &arguments);
    assert_eq!(run.code, Some(0), "{}", run.stderr);
    for layer in ["conv1_dw", "conv1_pw", "conv2_dw", "conv2_pw", "fc1", "fc2"] {
        for stage in ["input", "accumulator", "biased", "product", "shifted", "offset", "output"] {
            let file = place.path().join(format!("golden/{layer}_{stage}.hex"));
            assert!(fs::metadata(&file).unwrap().len() > 0, "{}", file.display());
        }
    }
    let labels = arguments.iter().position(|a| *a == "--labels").unwrap();
    arguments.drain(labels..labels + 2);
    let golden = arguments.iter().position(|a| *a == "--golden").unwrap();
    arguments.truncate(golden);
    arguments[0] = "compare";
    arguments.extend(["--dump", "golden"]);
    let run = run_in(place.path(), &arguments);
    assert_eq!(run.code, Some(0), "{}{}", run.stdout, run.stderr);
}
