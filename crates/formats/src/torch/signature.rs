//! What a file is when it is no PyTorch checkpoint: by name, with what to do about it.

use crate::error::ReadError;
use crate::recipe;

/// How the beginning of a file is recognised.
enum Mark {
    /// These bytes at this offset.
    At(usize, &'static [u8]),
    /// This text first, whatever its case.
    Text(&'static str),
}

const EXPORT: &str = "give the PyTorch file it was made from, saved by torch.save or torch.jit.save";
const DOWNLOAD: &str = "the download went wrong: fetch the model file itself";
const UNPACK: &str = "unpack it and give the model file inside";

/// Formats that people mistake for a checkpoint, the more specific first.
const MARKS: &[(Mark, &str, &str)] = &[
    (Mark::At(4, b"PTMF"), "a PyTorch Mobile flatbuffer", EXPORT),
    (Mark::At(4, b"ET12"), "an ExecuTorch program", EXPORT),
    (Mark::At(0, b"\x89HDF\r\n\x1a\n"), "an HDF5 file, as Keras writes it", recipe::TFLITE),
    (Mark::At(0, b"\x93NUMPY"), "a numpy array", "give the model; arrays are inputs (--input)"),
    (
        Mark::At(0, b"GGUF"),
        "a GGUF file, which holds weights of a language model, quantized in blocks, and no activation's scale",
        "start from the PyTorch model that it was made from, and quantize its activations, too (torch.ao, PT2E)",
    ),
    (Mark::At(0, b"\xfd7zXZ\0"), "an xz archive", UNPACK),
    (Mark::At(0, b"7z\xbc\xaf\x27\x1c"), "a 7z archive", UNPACK),
    (Mark::At(0, b"Rar!"), "a RAR archive", UNPACK),
    (Mark::At(0, b"BZh"), "a bzip2 archive", UNPACK),
    (Mark::At(0, b"\x28\xb5\x2f\xfd"), "a Zstandard archive", UNPACK),
    (Mark::At(0, b"\x7fELF"), "a compiled program", "give the model file"),
    (Mark::Text("<!doctype html"), "a web page", DOWNLOAD),
    (Mark::Text("<html"), "a web page", DOWNLOAD),
    (
        Mark::Text("version https://git-lfs"),
        "a Git LFS pointer",
        "run `git lfs pull` to fetch the model itself",
    ),
    (Mark::Text("<?xml"), "an XML file", EXPORT),
    (Mark::Text("{"), "a JSON file", EXPORT),
];

/// Names the format of bytes that are neither zip, gzip, tar nor a pickle.
pub(crate) fn refuse(bytes: &[u8]) -> ReadError {
    let expected = "a PyTorch, ONNX or TFLite model";
    if bytes.is_empty() {
        return ReadError::malformed("", "no bytes at all", expected);
    }
    let text = bytes.trim_ascii_start();
    let known = MARKS.iter().find(|(mark, ..)| match mark {
        Mark::At(offset, magic) => bytes.get(*offset..).is_some_and(|rest| rest.starts_with(magic)),
        Mark::Text(start) => {
            text.get(..start.len()).is_some_and(|head| head.eq_ignore_ascii_case(start.as_bytes()))
        }
    });
    if let Some((_, name, hint)) = known {
        return ReadError::unsupported("", *name, expected).hint(*hint);
    }
    if is_safetensors(bytes) {
        return ReadError::unsupported("", "a safetensors file, which has no scale for a tensor", expected)
            .hint(format!("load it into the model (safetensors.torch.load_model), then {}", recipe::TORCH));
    }
    if is_tensorflow_graph(bytes) {
        return ReadError::unsupported("", "a TensorFlow graph", expected).hint(format!(
            "load the network that it was made from as a Keras model, then {}",
            recipe::TFLITE
        ));
    }
    let start: Vec<String> = bytes.iter().take(8).map(|byte| format!("{byte:02x}")).collect();
    ReadError::malformed(
        "",
        format!("{} bytes of an unknown format that begin with {}", bytes.len(), start.join(" ")),
        expected,
    )
}

/// True for a tar archive.
pub(crate) fn is_tar(bytes: &[u8]) -> bool {
    bytes.get(257..).is_some_and(|rest| rest.starts_with(b"ustar"))
}

/// Names a tar archive. PyTorch's own format before 0.1.10 was one, of four members.
pub(crate) fn refuse_tar(bytes: &[u8]) -> ReadError {
    let first = bytes.split(|&byte| byte == 0).next().unwrap_or_default();
    if [&b"sys_info"[..], b"pickle", b"storages", b"tensors"].contains(&first) {
        return ReadError::unsupported(
            "",
            "a checkpoint in PyTorch's tar format, from before 2017",
            "a zip or legacy checkpoint",
        )
        .hint("load it in PyTorch and save it again with torch.save");
    }
    ReadError::unsupported("", "a tar archive", "a PyTorch, ONNX or TFLite model").hint(UNPACK)
}

/// Names a zip archive by its entries' names, where they are not those of a checkpoint.
pub(crate) fn refuse_zip<'a>(names: impl Iterator<Item = &'a str> + Clone) -> ReadError {
    let expected = "<name>/data.pkl, as torch.save and torch.jit.save write it";
    let has = |end: &str| names.clone().any(|name| name.ends_with(end));
    let (found, hint) = if has(".data/extern_modules") || has(".data/python_version") {
        ("a torch.package archive", "load it with torch.package and save the model itself with torch.save")
    } else if has("/model.json") || has("/attributes.pkl") {
        ("TorchScript of before PyTorch 1.3", "load it with torch.jit.load and save it again")
    } else if names.clone().next().is_some() && names.clone().all(|name| name.ends_with(".npy")) {
        ("a numpy .npz archive", "give the model; arrays are inputs (--input)")
    } else if has("model.weights.h5") {
        ("a Keras archive", recipe::TFLITE)
    } else if has("AndroidManifest.xml") || has("META-INF/MANIFEST.MF") {
        ("a Java or Android package", UNPACK)
    } else if [".pt", ".pth", ".ptl", ".tar", ".onnx", ".tflite", ".pkl"].iter().any(|end| has(end)) {
        ("a zip archive around model files", UNPACK)
    } else {
        return ReadError::unsupported("the zip archive", "no data.pkl", expected);
    };
    ReadError::unsupported("the zip archive", found, expected).hint(hint)
}

/// A length, then a JSON object of that length.
fn is_safetensors(bytes: &[u8]) -> bool {
    let Some((length, rest)) = bytes.split_first_chunk::<8>() else { return false };
    let length = u64::from_le_bytes(*length);
    usize::try_from(length).is_ok_and(|length| length <= rest.len()) && rest.starts_with(b"{\"")
}

/// Messages of nodes, the first of which begins with its name.
fn is_tensorflow_graph(bytes: &[u8]) -> bool {
    let head = bytes.get(..bytes.len().min(1 << 12)).unwrap_or_default();
    matches!(bytes, [0x0a, _, 0x0a, ..] | [0x0a, _, _, 0x0a, ..])
        && [&b"\x12\x0bPlaceholder"[..], b"\x12\x05Const", b"\x12\x0eVarHandleOp"]
            .iter()
            .any(|operator| memchr::memmem::find(head, operator).is_some())
}
