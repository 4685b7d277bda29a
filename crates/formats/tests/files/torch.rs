//! Every PyTorch file at hand reads, or is refused for its reason; and what it holds is what PyTorch says it holds.

use std::fs;
use std::path::{Path, PathBuf};

use gen_params_formats::torch::Program;

use gen_params_formats::{ErrorKind, Form, Quantizer, SourceModel, Tensor, Value, read};
use gen_params_test_support::{files, needs, samples, shared};

/// How PyTorch files are called.
const TORCH: [&str; 4] = [".pt", ".pth", ".ptl", ".tar"];

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
fn every_sample_reads_or_is_refused_for_its_reason() {
    read_or_refused(&samples(), &[""]);
}

#[needs(shared)]
fn every_file_reads_or_is_refused_for_its_reason() {
    read_or_refused(&shared(), &["fixtures", "models"]);
}

fn read_or_refused(root: &Path, folders: &[&str]) {
    let all: Vec<PathBuf> = folders.iter().flat_map(|folder| files(&root.join(folder), &TORCH)).collect();
    assert!(!all.is_empty());
    let (mut read_in, mut refused, mut wrong) = (0, 0, Vec::new());
    for path in &all {
        let name = path.strip_prefix(root).unwrap().display().to_string();
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

/// Arrays of a `.npz`, by name, as bytes of their elements and numpy's type character and size.
fn arrays(path: &Path) -> Vec<(String, npyz::NpyFile<std::io::Cursor<Vec<u8>>>)> {
    let mut archive = zip::ZipArchive::new(fs::File::open(path).unwrap()).unwrap();
    (0..archive.len())
        .map(|index| {
            let mut bytes = Vec::new();
            let mut entry = archive.by_index(index).unwrap();
            std::io::copy(&mut entry, &mut bytes).unwrap();
            let name = entry.name().unwrap().trim_end_matches(".npy").to_owned();
            (name, npyz::NpyFile::new(std::io::Cursor::new(bytes)).unwrap())
        })
        .collect()
}

/// Weight and bias under a name of `params.npz`: of a module, of its packed parameters, or of an attribute.
fn weight_and_bias(model: &SourceModel, name: &str) -> Option<(Tensor, Option<Tensor>)> {
    if let Some(module) = model.modules.get(name)
        && let Some(weight) = module.tensor("weight")
    {
        return Some((weight.clone(), module.tensor("bias").cloned()));
    }
    let (path, attribute) = name.rsplit_once('.').unwrap_or(("", name));
    let packed = [(format!("{name}._packed_params"), "_packed_params"), (path.to_owned(), attribute)];
    packed.into_iter().find_map(|(path, attribute)| {
        match model.modules.get(&path)?.attributes.get(attribute)? {
            Value::Packed(packed) => Some((packed.weight.clone(), packed.bias.clone())),
            _ => None,
        }
    })
}

/// Compares one array with what was read; says what differs.
fn compare(
    model: &SourceModel,
    key: &str,
    array: npyz::NpyFile<std::io::Cursor<Vec<u8>>>,
) -> Result<(), String> {
    let (name, kind) = key.rsplit_once('/').unwrap();
    let shape: Vec<u64> = array.shape().to_vec();
    let of = |name: &str| model.modules.get(name).ok_or(format!("no module {name}"));
    let same_shape = |tensor: &Tensor| {
        let ours: Vec<u64> = tensor.shape().iter().map(|&size| size as u64).collect();
        if ours == shape { Ok(()) } else { Err(format!("sizes {ours:?} instead of {shape:?}")) }
    };
    let (weight, bias) = match weight_and_bias(model, name) {
        Some((weight, bias)) => (Some(weight), bias),
        None => (None, None),
    };
    let weight = weight.ok_or("no weight".to_owned());
    let equal = match kind {
        "weight" => {
            same_shape(weight.as_ref()?)?;
            weight?.to_i8() == Some(array.into_vec::<i8>().unwrap())
        }
        "weight_scale" => match weight?.quantizer() {
            Some(Quantizer::PerTensor { scale, .. }) => array.into_vec::<f64>().unwrap() == [*scale],
            Some(Quantizer::PerChannel { scales, axis: 0, .. }) => {
                &array.into_vec::<f64>().unwrap() == scales
            }
            other => return Err(format!("{other:?}")),
        },
        "weight_zero_point" => match weight?.quantizer() {
            Some(Quantizer::PerTensor { zero_point, .. }) => {
                array.into_vec::<i64>().unwrap() == [*zero_point]
            }
            Some(Quantizer::PerChannel { zero_points, .. }) => {
                &array.into_vec::<i64>().unwrap() == zero_points
            }
            other => return Err(format!("{other:?}")),
        },
        "bias" if bias.is_some() => bias.unwrap().to_f32() == Some(array.into_vec::<f32>().unwrap()),
        "zero_point" => {
            let tensor = of(name)?.tensor(kind).ok_or("no tensor")?;
            same_shape(tensor)?;
            match array.dtype().num_bytes() {
                Some(8) => tensor.to_i64() == Some(array.into_vec::<i64>().unwrap()),
                _ => {
                    let wide = array.into_vec::<i32>().unwrap().into_iter().map(i64::from).collect();
                    tensor.to_i64() == Some(wide)
                }
            }
        }
        _ => {
            let tensor = of(name)?.tensor(kind).ok_or("no tensor")?;
            same_shape(tensor)?;
            tensor.to_f32() == Some(array.into_vec::<f32>().unwrap())
        }
    };
    if equal { Ok(()) } else { Err("other numbers".to_owned()) }
}

#[test]
fn parameters_of_the_samples_equal_those_that_pytorch_unpacks() {
    parameters_equal(&samples());
}

#[needs(shared)]
fn parameters_equal_those_that_pytorch_unpacks() {
    parameters_equal(&shared().join("fixtures"));
}

fn parameters_equal(root: &Path) {
    let mut all = files(root, &["/converted_state_dict.pt"]);
    all.retain(|path| path.with_file_name("params.npz").is_file());
    assert!(!all.is_empty());
    let (mut compared, mut wrong) = (0, Vec::new());
    for path in &all {
        let model = match read(fs::read(path).unwrap().into()) {
            Ok(model) => model,
            Err(error) => {
                wrong.push(format!("{}: {error}", path.display()));
                continue;
            }
        };
        for (key, array) in arrays(&path.with_file_name("params.npz")) {
            compared += 1;
            if let Err(what) = compare(&model, &key, array) {
                wrong.push(format!("{}: {key}: {what}", path.display()));
            }
        }
    }
    println!("{} files, {compared} arrays compared", all.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// The only packed parameters of a file that has one layer.
fn only_packed(path: &Path) -> gen_params_formats::PackedParams {
    let model = read(fs::read(path).unwrap().into()).unwrap();
    let found: Vec<_> = model
        .modules
        .values()
        .flat_map(|module| module.attributes.values())
        .filter_map(|value| match value {
            Value::Packed(packed) => Some((**packed).clone()),
            _ => None,
        })
        .collect();
    let [packed] = &found[..] else { panic!("{}: {} packed parameters", path.display(), found.len()) };
    packed.clone()
}

/// PyTorch's own compatibility tests hold one network in each of the three encodings.
#[needs(shared)]
fn the_three_encodings_of_a_convolution_say_the_same() {
    let folder = shared().join("models/third_party/deb__pytorch-2.6.0/test/quantization/serialized");
    for (network, has_bias) in [("conv2d_graph", true), ("conv2d_nobias_graph", false)] {
        for form in ["scripted", "traced"] {
            let of = |version: &str| {
                only_packed(&folder.join(format!("TestSerialization.test_{network}{version}.{form}.pt")))
            };
            let first = of("");
            assert_eq!(first.weight.shape(), [3, 3, 3, 3]);
            assert_eq!(first.bias.is_some(), has_bias);
            let geometry = first.geometry.clone().unwrap();
            assert_eq!(
                (geometry.stride, geometry.padding, geometry.dilation),
                (vec![1; 2], vec![0; 2], vec![1; 2])
            );
            assert_eq!(
                (geometry.output_padding, geometry.groups, geometry.transposed),
                (vec![0; 2], 1, false)
            );
            for version in ["_v2", "_v3"] {
                let other = of(version);
                assert_eq!(other.geometry, first.geometry, "{network}{version}");
                assert_eq!(other.weight.shape(), first.weight.shape(), "{network}{version}");
                assert_eq!(other.weight.to_i8(), first.weight.to_i8(), "{network}{version}");
                assert_eq!(other.weight.quantizer(), first.weight.quantizer(), "{network}{version}");
                assert_eq!(other.bias.is_some(), has_bias, "{network}{version}");
            }
        }
    }
}

/// One network in every form: the same paths in the same order, the same weights.
#[test]
fn the_forms_of_one_network_agree() {
    let expected = [
        "",
        "quant",
        "dequant",
        "conv1",
        "relu1",
        "pool1",
        "conv2",
        "relu2",
        "pool2",
        "fc1",
        "fc1._packed_params",
        "relu3",
        "fc2",
        "fc2._packed_params",
    ];
    let mut wrong = Vec::new();
    for engine in ["qnnpack", "x86"] {
        let folder = samples().join(format!("torch2.9/eager_qat/LeNet_{engine}"));
        let first = read(fs::read(folder.join("converted_state_dict.pt")).unwrap().into()).unwrap();
        for name in [
            "converted_state_dict.pt",
            "converted_state_dict_legacy.pt",
            "converted_module.pt",
            "converted_module_legacy.pt",
            "converted_script.pt",
            "converted_trace.pt",
            "checkpoint_dict.pth.tar",
        ] {
            let model = read(fs::read(folder.join(name)).unwrap().into()).unwrap();
            if !model.modules.keys().eq(expected) {
                wrong.push(format!("{engine} {name}: {:?}", model.modules.keys().collect::<Vec<_>>()));
            }
            for layer in ["conv1", "conv2", "fc1", "fc2"] {
                let numbers = |model: &SourceModel| {
                    let (weight, bias) = weight_and_bias(model, layer)?;
                    Some((weight.to_i8()?, weight.quantizer()?.clone(), bias?.to_f32()?))
                };
                if numbers(&model).is_none() || numbers(&model) != numbers(&first) {
                    wrong.push(format!("{engine} {name}: {layer} differs"));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

/// The lists that a reader of the code needs beside the modules.
#[test]
fn programs_are_handed_out_with_their_modules() {
    let contents = |name: &str| {
        gen_params_formats::torch::read_contents(fs::read(samples().join(name)).unwrap().into()).unwrap()
    };
    let fx = contents("torch2.9/extra/FuncNet_x86/converted_module.pt");
    let Program::Fx(texts) = fx.program else { panic!("{:?}", fx.program) };
    let expected = fs::read_to_string(samples().join("torch2.9/extra/FuncNet_x86/code.txt")).unwrap();
    assert_eq!(texts.len(), 1);
    assert_eq!(texts[0].entry, "_code");
    assert_eq!(texts[0].text.trim(), expected.trim());

    let frozen = contents("torch2.9/extra/LeNet_x86/frozen_script.pt");
    let Program::Script(script) = frozen.program else { panic!("{:?}", frozen.program) };
    assert_eq!(script.types[""], "__torch__.nets.___torch_mangle_1.LeNet");
    assert_eq!(frozen.model.modules[""].class.as_deref(), Some("nets.LeNet"));
    assert_eq!(script.code[0].entry, "code/__torch__/nets/___torch_mangle_1.py");
    assert!(script.code[0].text.starts_with("class LeNet(Module):"));
    assert!(script.constants.iter().all(|value| matches!(value, Value::Packed(_))));
    assert_eq!(script.constants.len(), 4);
}
