//! `gen_params emit`: its screens, the files, and the beginning of what people read in them.

use std::fs;
use std::path::Path;

use crate::command::gen_params;

const LENET: &str = "examples/fashion_mnist/lenet_script.pt";
const SMALL: &str = "tests/fixtures/layers/conv2d_fbgemm/script.pt";
const INPUT: &str = "--input tests/fixtures/target/planted/input.npy --limit 2";

/// The first lines of a file.
fn head(path: &Path, lines: usize) -> String {
    let text = fs::read_to_string(path).unwrap();
    text.lines().take(lines).map(|line| format!("{line}\n")).collect()
}

/// Every file below a folder, with `/`, sorted.
fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        match path.is_dir() {
            true => found.extend(files(&path).into_iter().map(|below| format!("{name}/{below}"))),
            false => found.push(name),
        }
    }
    found.sort();
    found
}

#[test]
fn a_c_program() {
    let place = tempfile::tempdir().unwrap();
    let words = format!("emit c {LENET} 16 --shape 1x28x28 -o FOLDER/c");
    insta::assert_snapshot!("c_screen", gen_params(place.path(), &words).text(place.path()));
    let folder = place.path().join("c");
    assert_eq!(files(&folder), ["lenet_script.c", "lenet_script.h", "manifest.json"]);
    insta::assert_snapshot!("c_header", head(&folder.join("lenet_script.h"), 60));
    insta::assert_snapshot!("c_source", head(&folder.join("lenet_script.c"), 20));
}

#[test]
fn structs_of_cmsis_nn() {
    let place = tempfile::tempdir().unwrap();
    let words = format!("emit c {LENET} --api cmsis-nn --shape 1x28x28 -o FOLDER/cmsis");
    insta::assert_snapshot!("cmsis_screen", gen_params(place.path(), &words).text(place.path()));
    let folder = place.path().join("cmsis");
    assert_eq!(files(&folder), ["lenet_script.c", "lenet_script.h", "manifest.json"]);
    insta::assert_snapshot!("cmsis_header", head(&folder.join("lenet_script.h"), 60));
    insta::assert_snapshot!("cmsis_source", head(&folder.join("lenet_script.c"), 14));
}

#[test]
fn systemverilog() {
    let place = tempfile::tempdir().unwrap();
    // Beside the golden codes that the testbenches read, those in the layout of the target's memory.
    let target = "[layout]\nformat = \"hex\"\n[layout.activation]\norder = \"NHWC4c\"\nlanes = 4\n";
    fs::write(place.path().join("tiles.toml"), target).unwrap();
    let words = format!("emit sv {SMALL} 16 {INPUT} --target FOLDER/tiles.toml -o FOLDER/sv");
    let done = gen_params(place.path(), &words);
    assert_eq!(done.code, 0, "{}", done.stderr);
    let folder = place.path().join("sv");
    let own =
        files(&folder).into_iter().filter(|name| !name.starts_with("rtl/") && !name.starts_with("data/"));
    insta::assert_snapshot!("sv_files", own.collect::<Vec<_>>().join("\n"));
    insta::assert_snapshot!("sv_golden_in_memory", head(&folder.join("golden/memory/conv4_output.hex"), 8));
}

#[test]
fn what_cannot_be_written_is_refused() {
    let place = tempfile::tempdir().unwrap();
    let folder = place.path();
    let screen = |words: &str| gen_params(folder, &format!("{words} -o FOLDER/out")).text(folder);
    insta::assert_snapshot!("c_without_shape", screen(&format!("emit c {LENET}")));
    let layers = "tests/fixtures/layers";
    insta::assert_snapshot!(
        "cmsis_refusals",
        screen(&format!("emit c {layers}/conv3d_fbgemm/script.pt --api cmsis-nn --shape 2x5x6x7"))
    );
    assert!(!folder.join("out").exists());
}
