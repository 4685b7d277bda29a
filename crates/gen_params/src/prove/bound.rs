//! A certificate and a folder of parameters: whether every number of the one is that of the other.

use std::collections::HashMap;
use std::fs;
use std::path::Path;

use serde_json::Value as Json;

use gen_params_core::certify::{CertificateFile, Fault, FaultKind, LayerNumbers};
use gen_params_core::parameters::Range;
use gen_params_emit::file_digest;

use crate::error::{At, Error, Result};
use crate::input::{Array, Elements, read_arrays};

/// The archive with every integer of every layer.
const ARCHIVE: &str = "params.npz";

/// What is not the same.
pub(super) fn differences(certificate: &CertificateFile, folder: &Path) -> Result<Vec<Fault>> {
    let fault = |place: &str, text: String| Fault::new(place, FaultKind::Parameters, text);
    let path = folder.join("manifest.json");
    let text = fs::read(&path).at(|| path.display())?;
    let manifest: Json =
        serde_json::from_slice(&text).map_err(|error| Error::given(error.to_string()).at(path.display()))?;
    let mut faults = Vec::new();
    let mut found = None;
    for file in manifest["files"].as_array().into_iter().flatten() {
        let (Some(name), Some(listed)) = (file["name"].as_str(), file["sha256"].as_str()) else { continue };
        let digest = file_digest(&folder.join(name)).ok();
        if digest.as_deref() != Some(listed) {
            faults.push(fault(name, "is not the file that manifest.json lists".to_owned()));
        }
        if name == ARCHIVE {
            found = digest;
        }
    }
    match found {
        None => {
            faults
                .push(fault("", format!("the folder has no {ARCHIVE}, expected one\n  hint: --format npz")));
            return Ok(faults);
        }
        Some(digest) if digest != certificate.parameters_sha256 => faults.push(fault(
            "",
            format!("its {ARCHIVE} has {digest}, expected {}", certificate.parameters_sha256),
        )),
        Some(_) => {}
    }
    let archive = folder.join(ARCHIVE);
    let arrays = read_arrays(&archive).at(|| archive.display())?;
    let layers = certificate.numbers();
    let of_folder = manifest["layers"].as_array().into_iter().flatten();
    let of_folder: Vec<&str> = of_folder.filter_map(|layer| layer["name"].as_str()).collect();
    let names: Vec<&str> = layers.iter().map(|layer| layer.name.as_str()).collect();
    if of_folder != names {
        faults.push(fault(
            "",
            format!("has the layers {}, the certificate {}", of_folder.join(", "), names.join(", ")),
        ));
    }
    let arrays: HashMap<&str, &Array> = arrays.iter().map(|(name, array)| (name.as_str(), array)).collect();
    for layer in &layers {
        for field in differing(layer, &arrays) {
            faults.push(fault(&layer.name, format!("its {field} is another one in the folder")));
        }
    }
    for operator in &certificate.operators {
        for (field, expected) in operator.numbers() {
            let array = arrays.get(format!("{}/{field}", operator.name).as_str());
            if array.and_then(|array| array.elements.integers()) != Some(expected) {
                faults.push(fault(&operator.name, format!("its {field} is another one in the folder")));
            }
        }
    }
    Ok(faults)
}

/// The fields of a layer that are not the same.
fn differing(layer: &LayerNumbers, arrays: &HashMap<&str, &Array>) -> Vec<&'static str> {
    let array = |field: &str| arrays.get(format!("{}/{field}", layer.name).as_str()).copied();
    let integers = |field: &str| array(field).and_then(|array| array.elements.integers());
    let reals = |field: &str| match array(field).map(|array| &array.elements) {
        Some(Elements::F64(values)) => Some(values.clone()),
        _ => None,
    };
    let range = |range: Range<i32>| Some(vec![range.min.into(), range.max.into()]);
    let rows = [
        ("weight", integers("weight") == Some(layer.weight.clone())),
        ("weight shape", array("weight").map(|array| &array.shape) == Some(&layer.weight_shape)),
        ("weight_scale", reals("weight_scale").as_ref() == Some(&layer.weight_scale)),
        ("weight_zero_point", integers("weight_zero_point").as_ref() == Some(&layer.weight_zero_point)),
        ("bias", layer.bias.is_none() || integers("bias") == layer.bias),
        ("multiplier", integers("multiplier").as_ref() == Some(&layer.multiplier)),
        ("shift", integers("shift").as_ref() == Some(&layer.shift)),
        ("rounding_constant", integers("rounding_constant") == layer.rounding_constant),
        ("input_scale", reals("input_scale") == Some(vec![layer.scales[0]])),
        ("output_scale", reals("output_scale") == Some(vec![layer.scales[1]])),
        ("input_zero_point", integers("input_zero_point") == Some(vec![layer.zero_points[0]])),
        ("output_zero_point", integers("output_zero_point") == Some(vec![layer.zero_points[1]])),
        ("input_range", integers("input_range") == range(layer.input_range)),
        ("clamp", integers("clamp") == range(layer.clamp)),
    ];
    rows.into_iter().filter(|(_, same)| !same).map(|(field, _)| field).collect()
}
