//! `gen_params vectors`: inputs that hurt, layer by layer and for the whole network, with golden values.

use std::collections::BTreeMap;

use anyhow::Result;

use gen_params::NetworkImages;
use gen_params::emit::{Existing, Vectors as Files};
use gen_params::hardware::{Aim, Missing};
use gen_params::text::thousands;

use crate::arguments::Vectors;
use crate::model::{derive, optional_input};
use crate::terminal;

/// Images of --input unless --limit says otherwise.
const FEW_IMAGES: usize = 4;

pub(crate) fn run(arguments: &Vectors) -> Result<()> {
    let derived = derive(&arguments.subject)?;
    derived.wired()?;
    let options = &arguments.input_options;
    let mut input = optional_input(&derived, arguments.input.as_ref(), options)?;
    let images = match (&mut input, &arguments.shape) {
        (Some(input), _) => {
            input.truncate(options.limit.unwrap_or(FEW_IMAGES));
            NetworkImages::Input(input)
        }
        (None, Some(shape)) => NetworkImages::Constant(&shape.0),
        (None, None) => NetworkImages::None,
    };
    let channels = arguments.channels as usize;
    let vectors = terminal::with_progress(|progress| derived.vectors(channels, images, progress))?;
    let existing = Existing::forced(arguments.force);
    let manifest = derived.write_vectors(&arguments.output, &vectors, existing)?;
    report(arguments, &vectors, manifest.files.len() + 1);
    Ok(())
}

/// What was written, and the kinds that a layer has no vector for.
fn report(arguments: &Vectors, files: &Files, count: usize) {
    for (layer, vectors) in &files.layers {
        let mut reasons: BTreeMap<String, Vec<&str>> = BTreeMap::new();
        for missing in &vectors.missing {
            reasons.entry(reason(missing)).or_default().push(missing.aim.name());
        }
        for (reason, kinds) in reasons {
            terminal::say(format!("{layer}: no {}: {reason}", kinds.join(", ")));
        }
    }
    let vectors: usize = files.layers.iter().map(|(_, layer)| layer.vectors.len()).sum();
    let images = match &files.network {
        Some((images, _)) => format!("{} images of the network", images.len()),
        None => "none of the network (give --shape or --input)".into(),
    };
    terminal::say(format!(
        "{}: {} vectors of {} kinds for {} layers, {images}, {} files",
        arguments.output.display(),
        thousands(vectors),
        Aim::ALL.len(),
        files.layers.len(),
        thousands(count),
    ));
}

fn reason(missing: &Missing) -> String {
    match missing.reachable {
        Some((stage, range)) => {
            format!("{} ({stage} values lie within {}..={})", missing.reason, range.min, range.max)
        }
        None => missing.reason.clone(),
    }
}
