//! png and jpeg files.

use std::path::{Path, PathBuf};

use image::DynamicImage;
use image::imageops::FilterType;

use super::{Input, InputOptions, Normalization, Values};
use crate::error::{At, Error, Result, refuse};

/// What names of pictures end with.
pub(super) const EXTENSIONS: &[&str] = &[".png", ".jpg", ".jpeg"];

/// Reads every picture of a folder, sorted by name. Names that begin with a dot are not looked at.
pub(super) fn read_folder(folder: &Path, options: &InputOptions) -> Result<Input> {
    let entries = std::fs::read_dir(folder)?.collect::<std::io::Result<Vec<_>>>()?;
    let mut names: Vec<_> = entries.into_iter().map(|entry| entry.file_name()).collect();
    names.retain(|name| !name.to_string_lossy().starts_with('.'));
    names.sort();
    let is_picture = |name: &str| EXTENSIONS.iter().any(|extension| name.to_lowercase().ends_with(extension));
    if let Some(other) = names.iter().find(|name| !is_picture(&name.to_string_lossy())) {
        refuse!("holds {}, expected nothing but {}", other.to_string_lossy(), EXTENSIONS.join(", "));
    }
    if names.is_empty() {
        refuse!("holds no {} file", EXTENSIONS.join(", "));
    }
    names.truncate(options.limit.unwrap_or(usize::MAX));
    read_files(&names.iter().map(|name| folder.join(name)).collect::<Vec<_>>(), options)
}

/// Reads pictures of one size and number of channels.
pub(super) fn read_files(paths: &[PathBuf], options: &InputOptions) -> Result<Input> {
    let mut reals = Vec::new();
    let mut names = Vec::new();
    let mut first: Option<(Vec<usize>, Normalization)> = None;
    for path in paths {
        let name =
            path.file_name().map_or_else(|| path.display().to_string(), |n| n.to_string_lossy().into_owned());
        let picture = Picture::read(path, options).at(|| &name)?;
        let (shape, normalization) = match &first {
            Some(first) => first,
            None => first.insert((picture.shape(), Normalization::new(options, picture.channels)?)),
        };
        if picture.shape() != *shape {
            let problem =
                format!("found (C, H, W) = {:?}, but the first image has {shape:?}", picture.shape());
            let hint = "--resize HEIGHTxWIDTH makes images one size";
            return Err(Error::given(problem).with_hint(hint).at(name));
        }
        picture.append(normalization, &mut reals);
        names.push(name);
    }
    let shape = first.map(|(shape, _)| shape).unwrap_or_default();
    Ok(Input {
        shape: std::iter::once(paths.len()).chain(shape).collect(),
        values: Values::Reals(reals),
        names: Some(names),
        pixels: true,
    })
}

/// A decoded picture.
struct Picture {
    channels: usize,
    height: usize,
    width: usize,
    /// (height, width, channels), row-major.
    bytes: Vec<u8>,
}

impl Picture {
    fn read(path: &Path, options: &InputOptions) -> Result<Self> {
        let mut picture = image::ImageReader::open(path)?.with_guessed_format()?.decode()?;
        if let Some([height, width]) = options.resize {
            picture = picture.resize_exact(width, height, FilterType::Triangle);
        }
        let (height, width) = (picture.height() as usize, picture.width() as usize);
        let (channels, bytes) = match picture {
            DynamicImage::ImageLuma8(grey) => (1, grey.into_raw()),
            DynamicImage::ImageRgb8(colour) => (3, colour.into_raw()),
            other => refuse!(
                "found pixels of type {:?}, expected 8-bit grey or RGB without transparency",
                other.color()
            ),
        };
        Ok(Self { channels, height, width, bytes })
    }

    /// (C, H, W).
    fn shape(&self) -> Vec<usize> {
        vec![self.channels, self.height, self.width]
    }

    /// Appends the reals in (C, H, W) order.
    fn append(&self, normalization: &Normalization, reals: &mut Vec<f32>) {
        for channel in 0..self.channels {
            let plane = self.bytes.iter().skip(channel).step_by(self.channels);
            reals.extend(plane.map(|&pixel| normalization.apply(pixel, channel)));
        }
    }
}
