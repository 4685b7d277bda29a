//! Every PyTorch file at hand reads, or is refused for its reason; and what it holds is what PyTorch says it holds.

use std::fs;
use std::path::{Path, PathBuf};

use gen_params_formats::{ErrorKind, Form, read};

/// The folder of shared test files, which is not part of the repository.
fn shared() -> Option<PathBuf> {
    let folder = Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../../../shared"));
    if !folder.is_dir() {
        println!("skipped: {} is absent", folder.display());
        return None;
    }
    Some(folder.to_owned())
}

/// Files under `folder` for which `keep` holds, sorted.
fn files(folder: &Path, keep: &dyn Fn(&Path) -> bool) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![folder.to_owned()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if keep(&path) {
                found.push(path);
            }
        }
    }
    found.sort();
    found
}

fn is_torch(path: &Path) -> bool {
    path.extension().is_some_and(|e| ["pt", "pth", "ptl", "tar"].iter().any(|known| e == *known))
}

/// What a file must turn out to be: a form, or a word of the refusal.
fn expected(path: &str) -> Result<Form, &'static str> {
    let name = path.rsplit('/').next().unwrap();
    match name {
        _ if name.ends_with(".input.pt") || name.ends_with(".expected.pt") => {
            Err("without the tensors of a network")
        }
        _ if name.ends_with(".package.pt") => Err("torch.package"),
        _ if name.contains("fx_prepared_module") || name.contains("reference_module") => {
            Ok(Form::GraphModule)
        }
        _ if name.contains("_module") && (path.contains("/fx_") || path.contains("FuncNet")) => {
            Ok(Form::GraphModule)
        }
        _ if name.contains("_module") => Ok(Form::Module),
        _ if name.contains("script") || name.contains("trace") || name.ends_with(".ptl") => {
            Ok(Form::TorchScript)
        }
        "mobilenet_quantized.pt" => Ok(Form::TorchScript),
        _ => Ok(Form::StateDict),
    }
}

#[test]
fn every_file_reads_or_is_refused_for_its_reason() {
    let Some(shared) = shared() else { return };
    let mut all = files(&shared.join("fixtures"), &is_torch);
    all.extend(files(&shared.join("models"), &is_torch));
    let (mut read_in, mut refused, mut wrong) = (0, 0, Vec::new());
    for path in &all {
        let name = path.strip_prefix(&shared).unwrap().display().to_string();
        let row = match (read(fs::read(path).unwrap().into()), expected(&name)) {
            (Ok(model), Ok(form)) if model.form == form && !model.modules.is_empty() => {
                read_in += 1;
                let values: usize = model.modules.values().map(|module| module.attributes.len()).sum();
                format!("{form}: {} modules, {values} values {:?}", model.modules.len(), model.wrapping)
            }
            (Err(error), Err(reason))
                if error.found.contains(reason) && error.kind == ErrorKind::Unsupported =>
            {
                refused += 1;
                error.to_string().replace('\n', " ")
            }
            (Ok(model), expected) => {
                wrong.push(format!("{name}: a {}, expected {expected:?}", model.form));
                continue;
            }
            (Err(error), expected) => {
                wrong.push(format!("{name}: {error}, expected {expected:?}"));
                continue;
            }
        };
        println!("{name:90} {row}");
    }
    println!("{} files: {read_in} read, {refused} refused", all.len());
    assert!(wrong.is_empty(), "{} of {}:\n{}", wrong.len(), all.len(), wrong.join("\n"));
}
