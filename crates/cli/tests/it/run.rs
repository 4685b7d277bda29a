//! `gen_params run`.

use std::fs;
use std::path::Path;

use gen_params_test_support::{fixtures, needs, root, shared};

use crate::command::gen_params;

const LENET: &str = "examples/fashion_mnist/lenet_script.pt";

/// A folder with three images of stripes and rings as idx, and labels.
fn images() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let mut idx = vec![0, 0, 8, 3, 0, 0, 0, 3, 0, 0, 0, 28, 0, 0, 0, 28];
    for image in 0..3_usize {
        for place in 0..28 * 28_usize {
            let (row, column) = (place / 28, place % 28);
            let value = match image {
                0 => column * 9,
                1 => (row / 4 % 2) * 200,
                _ => (row.abs_diff(14).pow(2) + column.abs_diff(14).pow(2)).min(255),
            };
            idx.push(u8::try_from(value).unwrap());
        }
    }
    fs::write(folder.path().join("images.idx"), idx).unwrap();
    fs::write(folder.path().join("labels.txt"), "8\n0\n3\n").unwrap();
    folder
}

const INPUT: &str = "--input FOLDER/images.idx --mean 0.286 --std 0.353";

fn run(folder: &Path, words: &str) -> String {
    gen_params(folder, &format!("run {LENET} {words}")).text(folder)
}

#[test]
fn outputs_of_few_images_are_a_table() {
    let folder = images();
    insta::assert_snapshot!(run(folder.path(), &format!("{INPUT} --contract x86")));
}

#[test]
fn labels_give_accuracy_and_confusion() {
    let folder = images();
    let words = format!("{INPUT} --contract target --labels FOLDER/labels.txt --min-accuracy 99.5");
    insta::assert_snapshot!(run(folder.path(), &words));
    let two = format!("{INPUT} --contract target --labels FOLDER/labels.txt --limit 1 --min-accuracy 0");
    assert_eq!(gen_params(folder.path(), &format!("run {LENET} {two}")).code, 0);
}

#[test]
fn json_is_versioned() {
    let folder = images();
    let words = format!("{INPUT} --contract target --json --limit 1 --labels FOLDER/labels.txt");
    insta::assert_snapshot!(run(folder.path(), &words));
}

#[test]
fn two_arithmetics_are_compared_layer_by_layer() {
    let folder = images();
    insta::assert_snapshot!(run(folder.path(), &format!("{INPUT} --contract x86 --versus target 16")));
}

#[test]
fn what_is_not_known_is_asked_for() {
    let folder = images();
    let folder = folder.path();
    insta::assert_snapshot!("no_contract", run(folder, INPUT));
    insta::assert_snapshot!("no_mean", run(folder, "--input FOLDER/images.idx --contract x86"));
    let words = format!("{INPUT} --contract x86 --golden FOLDER/golden --stages");
    insta::assert_snapshot!("stages_of_an_engine", run(folder, &words));
    let other = "--input tests/fixtures/layers/conv2d_fbgemm/golden.npz:input_q --contract x86";
    insta::assert_snapshot!("wrong_shape", run(folder, other));
}

#[test]
fn narrow_registers_are_reported() {
    let folder = images();
    let words = format!("{INPUT} --contract target --accumulator-bits 16 --overflow saturate --limit 1");
    insta::assert_snapshot!(run(folder.path(), &words));
}

#[test]
fn golden_values_are_complete_and_compare_equal() {
    let folder = images();
    let words = format!("{INPUT} --limit 2 --golden FOLDER/golden --stages --signed-activations --json");
    let outcome = gen_params(folder.path(), &format!("run {LENET} {words}"));
    assert_eq!(outcome.code, 0, "{}", outcome.stderr);
    let mut names: Vec<String> = fs::read_dir(folder.path().join("golden"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .collect();
    names.sort();
    insta::assert_snapshot!("golden_files", names.join("\n"));
    let index = fs::read_to_string(folder.path().join("golden/golden.json")).unwrap();
    insta::assert_snapshot!("golden_index", index);

    let compare = |options: &str| {
        let words = format!("compare {LENET} --dump FOLDER/golden {options}");
        gen_params(folder.path(), &words).text(folder.path())
    };
    insta::assert_snapshot!("equal_to_itself", compare("--signed-activations"));
    insta::assert_snapshot!("other_options_differ", compare(""));
}

/// The codes of an archive.
fn codes(archive: &Path, name: &str) -> Vec<u8> {
    let mut archive = zip::ZipArchive::new(fs::File::open(archive).unwrap()).unwrap();
    npyz::NpyFile::new(archive.by_name(&format!("{name}.npy")).unwrap()).unwrap().into_vec().unwrap()
}

/// The output codes that the command gives, as `--contract x86` has them.
fn outputs(images: &str) -> Vec<u8> {
    let words = format!("run {LENET} --input {images} --mean 0.286 --std 0.353 --contract x86 --json");
    let outcome = gen_params(&root(), &words);
    let report: serde_json::Value = serde_json::from_str(&outcome.stdout).unwrap();
    serde_json::from_value::<Vec<Vec<u8>>>(report["outputs"][0]["codes"].clone()).unwrap().concat()
}

/// PyTorch's own outputs for images that are sums of waves.
#[test]
fn outputs_for_waves_equal_pytorch() {
    let archive = fixtures().join("example_images/images.npz");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("images.idx");
    // 64 images of 28 x 28 bytes.
    let header = [0, 0, 8, 3, 0, 0, 0, 64, 0, 0, 0, 28, 0, 0, 0, 28];
    fs::write(&file, [&header[..], &codes(&archive, "images")].concat()).unwrap();
    assert_eq!(outputs(&file.display().to_string()), codes(&archive, "lenet"));
}

/// PyTorch's own outputs for the test images of Fashion-MNIST, computed 500 at a time.
#[needs(shared)]
fn outputs_equal_pytorch() {
    let images = shared().join("data/fashion-mnist/t10k-images-idx3-ubyte.gz");
    let found = outputs(&format!("{} --limit 200", images.display()));
    assert_eq!(found.len(), 2000);
    assert!(codes(&shared().join("models/fashion_mnist/lenet_test_logits.npz"), "codes").starts_with(&found));
}
