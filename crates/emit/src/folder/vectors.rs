//! Vectors that hurt: inputs made for one layer each, and for the whole network, with golden values and what each of them
//! hits.

use gen_params_core::hardware::{Aim, LayerVectors, Missing, Vector};
use gen_params_core::network::IntNetwork;
use gen_params_core::parameters::Parameters;
use serde_json::{Map, Value, json};

use crate::folder::golden::{Golden, GoldenFiles, golden_files};
use crate::folder::json;
use crate::output::FileToWrite;
use crate::{Error, Existing, Formats, Manifest, SourceFile, write_folder};

/// Name of the file that says what each vector hits.
const INDEX: &str = "vectors.json";

/// Vectors of a network.
#[derive(Debug, Clone, PartialEq)]
pub struct Vectors {
    /// Layers with weights, by name, in execution order.
    pub layers: Vec<(String, LayerVectors)>,
    /// Every stage of those layers, (vectors, C, spatial...).
    pub layer_golden: Golden,
    /// What each image of the network's input is, and the values at all points of the network.
    pub network: Option<(Vec<String>, Golden)>,
}

/// Writes vectors: golden values in the folders `layers` and `network`, `vectors.json`, and the manifest.
///
/// Returns the manifest as written. See [`write_folder`] for what happens to a folder that is there already.
///
/// # Errors
///
/// As [`write_golden`](crate::write_golden).
pub fn write_vectors(
    directory: &std::path::Path,
    network: &IntNetwork,
    parameters: &Parameters,
    source: Option<SourceFile>,
    vectors: &Vectors,
    written: &GoldenFiles,
    existing: Existing,
) -> Result<Manifest, Error> {
    let mut manifest = Manifest::describe(parameters, source, &Formats::none());
    let layouts = &mut manifest.layouts;
    let mut files = golden_files("layers/", network, &vectors.layer_golden, written, layouts)?;
    if let Some((_, golden)) = &vectors.network {
        files.extend(golden_files("network/", network, golden, written, layouts)?);
    }
    let mut index = Vec::new();
    json::write(&mut index, &describe(vectors))
        .map_err(|error| Error::Golden { found: error.to_string() })?;
    files.push(FileToWrite::new(INDEX, move |out| out.write_all(&index)));
    write_folder(directory, &files, manifest, existing)
}

fn describe(vectors: &Vectors) -> Value {
    let layers: Vec<Value> = vectors
        .layers
        .iter()
        .map(|(name, layer)| {
            json!({
                "layer": name,
                "vectors": layer.vectors.iter().enumerate().map(hit).collect::<Vec<_>>(),
                "missing": layer.missing.iter().map(missing).collect::<Vec<_>>(),
            })
        })
        .collect();
    json!({
        "schema": 1,
        "contract": vectors.layer_golden.contract,
        "options": vectors.layer_golden.options,
        "kinds": Aim::ALL.map(Aim::name),
        "layers": layers,
        "network": vectors.network.as_ref().map(|(images, _)| json!({"images": images})),
    })
}

/// One vector: its number along the first axis of the layer's arrays, and the element that it was made for.
fn hit((number, vector): (usize, &Vector)) -> Value {
    let mut entry = Map::new();
    entry.insert("vector".into(), json!(number));
    entry.insert("kind".into(), json!(vector.aim.name()));
    entry.insert("channel".into(), json!(vector.channel));
    entry.insert("position".into(), json!(vector.position));
    entry.insert("stage".into(), json!(vector.stage.name()));
    entry.insert("value".into(), json!(vector.value));
    if let Some(wrong) = vector.wrong_padding {
        entry.insert("padded_taps".into(), json!(wrong.taps));
        entry.insert("output_if_padded_with".into(), json!({"code": wrong.code, "output": wrong.output}));
    }
    Value::Object(entry)
}

fn missing(missing: &Missing) -> Value {
    let mut entry = Map::new();
    entry.insert("kind".into(), json!(missing.aim.name()));
    entry.insert("proven".into(), json!(missing.proven));
    entry.insert("reason".into(), json!(missing.reason));
    if let Some((stage, range)) = missing.reachable {
        entry.insert("stage".into(), json!(stage.name()));
        entry.insert("reachable".into(), json!({"min": range.min, "max": range.max}));
    }
    Value::Object(entry)
}
