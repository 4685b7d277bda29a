//! What a network is run on: arrays, images and their labels, read without a guess.
//!
//! An input is codes or reals of shape (N, C, H, W), or of whatever shape an array file has. Pixels of images and idx
//! files become reals as `(x/255 - mean) / std`, in binary32 and in this order, which is what torchvision does.

mod array;
mod idx;
mod labels;
mod picture;

use std::fmt;
use std::path::Path;

use gen_params_core::parameters::Activation;

pub(crate) use array::read_arrays;
pub use array::{Array, Elements};
pub use labels::labels;

use crate::error::{Cause, Error, Result, refuse};
use crate::text::short;

/// What a network is run on.
#[derive(Debug, Clone, PartialEq)]
pub struct Input {
    /// Sizes, outermost first; the first is the number of images.
    pub shape: Vec<usize>,
    /// Row-major values.
    pub values: Values,
    /// One name per image, where each comes from its own file.
    pub names: Option<Vec<String>>,
    /// Whether the values are pixels, (N, C, H, W), and not an array of the network's own order.
    pub pixels: bool,
}

/// How pixels become what a network takes, and how many images are read.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct InputOptions {
    /// Subtracted from pixel/255: one number, or one per channel.
    pub mean: Option<Vec<f32>>,
    /// What the difference is divided by: one number, or one per channel.
    pub std: Option<Vec<f32>>,
    /// Height and width that pictures are resized to, bilinear and anti-aliased.
    pub resize: Option<[u32; 2]>,
    /// Images that are read at most: the first ones.
    pub limit: Option<usize>,
}

/// The values of an input.
#[derive(Debug, Clone, PartialEq)]
pub enum Values {
    /// Real numbers, to be quantized.
    Reals(Vec<f32>),
    /// Codes, with the name of their element type in the file: `uint8`, `int8`, `int16` or `int32`.
    Codes(Vec<i32>, &'static str),
}

impl Values {
    /// Number of values.
    pub(crate) fn len(&self) -> usize {
        match self {
            Self::Reals(values) => values.len(),
            Self::Codes(values, _) => values.len(),
        }
    }
}

impl Input {
    /// Reads what `path` names: a `.npy` or `.npz` array of codes or reals, an idx file, a png or jpeg picture, or a folder
    /// of them. An array of an archive is named after a colon: `golden.npz:input`.
    ///
    /// ```
    /// # std::env::set_current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/samples/torch2.9/eager_qat/LeNet_x86"))?;
    /// use gen_params::input::{Input, InputOptions};
    ///
    /// let input = Input::read("input_f32.npy", &InputOptions { limit: Some(2), ..Default::default() })?;
    /// assert_eq!(input.shape, [2, 1, 8, 8]);
    /// # Ok::<(), Box<dyn std::error::Error>>(())
    /// ```
    ///
    /// # Errors
    /// The file is none of these, holds no image, or a number that is not finite; pixels without `mean` and `std`.
    pub fn read(path: impl AsRef<Path>, options: &InputOptions) -> Result<Self> {
        let path = path.as_ref();
        let read = || {
            let mut input = Self::read_all(path, options)?;
            if input.shape.first().is_none_or(|&images| images == 0) {
                refuse!("holds no image");
            }
            if let Some(limit) = options.limit {
                input.truncate(limit);
            }
            input.refuse_what_is_no_number()?;
            Ok(input)
        };
        read().map_err(|error: Error| error.at(path.display()))
    }

    /// Engines do not agree on the code of NaN, and an infinity says that something went wrong before.
    fn refuse_what_is_no_number(&self) -> Result<()> {
        let Values::Reals(reals) = &self.values else { return Ok(()) };
        let Some(index) = reals.iter().position(|real| !real.is_finite()) else { return Ok(()) };
        let others = reals.iter().skip(index + 1).filter(|real| !real.is_finite()).count();
        let mut rest = index;
        let mut place: Vec<String> = Vec::with_capacity(self.shape.len());
        for &size in self.shape.iter().rev() {
            place.push((rest % size).to_string());
            rest /= size;
        }
        place.reverse();
        let others = if others > 0 { format!(", and {others} more") } else { String::new() };
        refuse!("[{}]: found {}{others}, expected finite numbers", place.join(", "), reals[index])
    }

    /// What anybody should know who gives this input to a network that takes `activation`, if anything.
    pub fn remark(&self, activation: Activation) -> Option<Remark> {
        let (min, max) = activation.code_type.range();
        match &self.values {
            Values::Codes(_, "uint8") => Some(Remark::Codes(activation)),
            Values::Codes(..) => None,
            Values::Reals(reals) => {
                let real = |code: i32| activation.scale * f64::from(code - activation.zero_point);
                // Codes are rounded to: half a step beyond the last is still its own.
                let half = activation.scale / 2.0;
                let inside = real(min) - half..=real(max) + half;
                let beyond = reals.iter().filter(|&&value| !inside.contains(&f64::from(value))).count();
                let percent = 100 * beyond / reals.len().max(1);
                if percent < NOTABLE_PERCENT {
                    return None;
                }
                let ends = reals
                    .iter()
                    .fold((f32::MAX, f32::MIN), |(low, high), &value| (low.min(value), high.max(value)));
                Some(Remark::Saturates {
                    percent,
                    found: ends,
                    takes: (real(min), real(max)),
                    source: if self.pixels {
                        Source::Normalized
                    } else if reals.iter().all(|real| real.fract() == 0.0 && (0.0..=255.0).contains(real)) {
                        Source::RawPixels
                    } else {
                        Source::Array
                    },
                })
            }
        }
    }

    fn read_all(path: &Path, options: &InputOptions) -> Result<Self> {
        if path.is_dir() {
            return picture::read_folder(path, options);
        }
        let (file, member) = array::split_member(path);
        match Kind::of(&file)? {
            Kind::Array => {
                options.refuse_normalization()?;
                let array = array::read_one(&file, member.as_deref())?;
                let values = match array.elements {
                    Elements::U8(codes) => Values::Codes(codes.into_iter().map(i32::from).collect(), "uint8"),
                    Elements::I8(codes) => Values::Codes(codes.into_iter().map(i32::from).collect(), "int8"),
                    Elements::F32(reals) => Values::Reals(reals),
                    #[allow(clippy::cast_possible_truncation, reason = "networks take binary32")]
                    Elements::F64(reals) => Values::Reals(reals.into_iter().map(|x| x as f32).collect()),
                    Elements::I16(codes) => {
                        Values::Codes(codes.into_iter().map(i32::from).collect(), "int16")
                    }
                    Elements::I32(codes) => Values::Codes(codes, "int32"),
                    Elements::I64(_) => refuse!(
                        "found an array of {}, expected codes (uint8, int8, int16, int32) or reals (float32, float64)",
                        array.elements.type_name()
                    ),
                };
                Ok(Self { shape: array.shape, values, names: None, pixels: false })
            }
            Kind::Idx => {
                let images = idx::read_images(&file)?;
                if options.resize.is_some() {
                    let for_what = "png and jpeg files, not for idx";
                    return Err(Cause::Inapplicable { name: "resize", for_what }.into());
                }
                let normalization = Normalization::new(options, 1)?;
                let reals = images.pixels.iter().map(|&pixel| normalization.apply(pixel, 0)).collect();
                let shape = vec![images.count, 1, images.rows, images.columns];
                Ok(Self { shape, values: Values::Reals(reals), names: None, pixels: true })
            }
            Kind::Picture => picture::read_files(&[file], options),
        }
    }

    /// Drops all images but the first `limit`.
    pub fn truncate(&mut self, limit: usize) {
        let Some(images) = self.shape.first_mut().filter(|images| **images > limit) else { return };
        *images = limit;
        let elements = self.shape.iter().product();
        match &mut self.values {
            Values::Reals(values) => values.truncate(elements),
            Values::Codes(values, _) => values.truncate(elements),
        }
        if let Some(names) = &mut self.names {
            names.truncate(limit);
        }
    }

    /// Pixels in the order (N, H, W, C); arrays as they are.
    pub fn channels_last(mut self) -> Self {
        let &[images, channels, rows, columns] = self.shape.as_slice() else { return self };
        if !self.pixels {
            return self;
        }
        let area = rows * columns;
        if let Values::Reals(values) = &mut self.values {
            let moved = (0..values.len()).map(|index| {
                let (image, rest) = (index / (channels * area), index % (channels * area));
                values[(image * channels + rest % channels) * area + rest / channels]
            });
            *values = moved.collect();
        }
        self.shape = vec![images, rows, columns, channels];
        self
    }

    /// Number of images.
    pub fn images(&self) -> usize {
        self.shape.first().copied().unwrap_or(0)
    }
}

/// Fewer percent of saturated values than these are what calibration does on purpose: it cuts outliers off.
const NOTABLE_PERCENT: usize = 5;

/// What anybody should know who gives an input to a network.
#[derive(Debug, Clone, PartialEq)]
pub enum Remark {
    /// Its bytes are taken for codes, where they could be pixels.
    Codes(Activation),
    /// Many of its values lie beyond what the network's codes reach.
    Saturates {
        /// Values beyond the codes, of all, in percent.
        percent: usize,
        /// The smallest and the largest value.
        found: (f32, f32),
        /// The reals of the smallest and the largest code.
        takes: (f64, f64),
        /// What the values seem to be.
        source: Source,
    },
}

/// What the values of an input seem to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// Pixels, as --mean and --std made them.
    Normalized,
    /// An array of whole numbers of 0 to 255.
    RawPixels,
    /// An array of other numbers.
    Array,
}

impl fmt::Display for Remark {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Codes(Activation { scale, zero_point, .. }) => {
                write!(f, "uint8, taken for codes: real = {} * (code - {zero_point})", short(*scale))
            }
            Self::Saturates { percent, found: (low, high), takes: (least, most), source } => write!(
                f,
                "{percent} % of the input saturates: it has values of {low} to {high}, and the network takes {} to {}\n  \
                 hint: {}",
                short(*least),
                short(*most),
                match source {
                    Source::Normalized => "--mean and --std are to be those of the training",
                    Source::RawPixels => {
                        "these are raw pixels, by their values: normalize the array as the training's inputs were"
                    }
                    Source::Array => "normalize the array as the training's inputs were",
                }
            ),
        }
    }
}

/// What a file is, by its name.
enum Kind {
    Array,
    Idx,
    Picture,
}

impl Kind {
    fn of(path: &Path) -> Result<Self> {
        let name = path.file_name().map(|name| name.to_string_lossy().to_lowercase()).unwrap_or_default();
        let ends = |extensions: &[&str]| extensions.iter().any(|extension| name.ends_with(extension));
        if ends(&[".npy", ".npz"]) {
            Ok(Self::Array)
        } else if ends(picture::EXTENSIONS) {
            Ok(Self::Picture)
        } else if ends(&["-ubyte", "-ubyte.gz", ".idx", ".idx.gz", ".idx3", ".idx3.gz"]) {
            Ok(Self::Idx)
        } else {
            refuse!(
                "not an input by its name: expected .npy, .npz, .png, .jpg, .jpeg, an idx file (*-ubyte, *-ubyte.gz, \
                 .idx) or a folder of images"
            )
        }
    }
}

/// How pixels become reals: one mean and one standard deviation per channel.
#[derive(Debug)]
struct Normalization {
    mean: Vec<f32>,
    std: Vec<f32>,
}

impl Normalization {
    fn new(options: &InputOptions, channels: usize) -> Result<Self> {
        let (Some(mean), Some(std)) = (&options.mean, &options.std) else {
            return Err(Error::given(
                "pixels are 0..255, and what the network was trained on is not in any file",
            )
            .with_hint(
                "give --mean and --std, as in the training's Normalize(mean, std) after pixels were divided by 255: \
                 --mean 0 --std 1 if there was none, --mean 0.5 --std 0.5 for [-1, 1]; one number, or one per channel \
                 separated by commas",
            ));
        };
        let spread = |name, values: &[f32]| match values {
            [one] => Ok(vec![*one; channels]),
            each if each.len() == channels => Ok(each.to_vec()),
            each => {
                let problem = format!("found {} numbers for images of {channels} channels", each.len());
                Err(Error::option(name, problem))
            }
        };
        if let Some(bad) = std.iter().find(|s| !(s.is_finite() && **s > 0.0)) {
            return Err(Error::option("std", format!("found {bad}, expected a positive number")));
        }
        Ok(Self { mean: spread("mean", mean)?, std: spread("std", std)? })
    }

    fn apply(&self, pixel: u8, channel: usize) -> f32 {
        (f32::from(pixel) / 255.0 - self.mean[channel]) / self.std[channel]
    }
}

impl InputOptions {
    /// An error if pixels were to be normalized where there are none.
    fn refuse_normalization(&self) -> Result<()> {
        let for_what = "images and idx files: an array holds the network's input itself";
        let given =
            [("mean", self.mean.is_some()), ("std", self.std.is_some()), ("resize", self.resize.is_some())];
        match given.into_iter().find(|(_, given)| *given) {
            Some((name, _)) => Err(Cause::Inapplicable { name, for_what }.into()),
            None => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::labels::read_labels;
    use super::*;

    /// 2 images of 2x3 pixels, and their two labels, as the idx format's description has it.
    const IMAGES: &[u8] =
        &[0, 0, 8, 3, 0, 0, 0, 2, 0, 0, 0, 2, 0, 0, 0, 3, 0, 51, 102, 153, 204, 255, 1, 2, 3, 4, 5, 6];
    const LABELS: &[u8] = &[0, 0, 8, 1, 0, 0, 0, 2, 7, 3];

    fn options(mean: &[f32], std: &[f32]) -> InputOptions {
        InputOptions { mean: Some(mean.to_vec()), std: Some(std.to_vec()), resize: None, limit: None }
    }

    const NONE: InputOptions = InputOptions { mean: None, std: None, resize: None, limit: None };

    fn gzip(bytes: &[u8]) -> Vec<u8> {
        use std::io::Write;
        let mut out = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::default());
        out.write_all(bytes).unwrap();
        out.finish().unwrap()
    }

    #[test]
    fn pixels_move_with_their_channel_and_arrays_stay() {
        // One image of 2 channels, 1x3 pixels.
        let shape = vec![1, 2, 1, 3];
        let values = Values::Reals(vec![0.0, 1.0, 2.0, 10.0, 11.0, 12.0]);
        let input = Input { shape, values, names: None, pixels: true };
        let array = Input { pixels: false, ..input.clone() };
        let moved = input.channels_last();
        assert_eq!(moved.shape, [1, 1, 3, 2]);
        assert_eq!(moved.values, Values::Reals(vec![0.0, 10.0, 1.0, 11.0, 2.0, 12.0]));
        assert_eq!(array.clone().channels_last(), array);
    }

    #[test]
    fn idx_files_are_normalized_and_limited() {
        let folder = tempfile::tempdir().unwrap();
        let plain = folder.path().join("t10k-images-idx3-ubyte");
        let packed = folder.path().join("t10k-images-idx3-ubyte.gz");
        fs::write(&plain, IMAGES).unwrap();
        fs::write(&packed, gzip(IMAGES)).unwrap();
        let input = Input::read(&plain, &options(&[0.5], &[0.5])).unwrap();
        assert_eq!(input, Input::read(&packed, &options(&[0.5], &[0.5])).unwrap());
        assert_eq!(input.shape, [2, 1, 2, 3]);
        let Values::Reals(reals) = input.values else { panic!() };
        assert_eq!((reals[0], reals[5]), (-1.0, 1.0));
        let limited =
            Input::read(&plain, &InputOptions { limit: Some(1), ..options(&[0.5], &[0.5]) }).unwrap();
        assert_eq!(limited.shape, [1, 1, 2, 3]);
        let error = format!("{:#}", Input::read(&plain, &NONE).unwrap_err());
        assert!(error.contains("--mean 0 --std 1"), "{error}");

        for (name, bytes) in [("labels-idx1-ubyte", LABELS.to_vec()), ("labels-idx1-ubyte.gz", gzip(LABELS))]
        {
            let path = folder.path().join(name);
            fs::write(&path, bytes).unwrap();
            assert_eq!(read_labels(&path).unwrap(), [7, 3], "{name}");
        }
        let text = folder.path().join("labels.txt");
        fs::write(&text, "7\n 3 \n\n").unwrap();
        assert_eq!(read_labels(&text).unwrap(), [7, 3]);
        fs::write(&text, "7\nthree\n").unwrap();
        let error = format!("{:#}", read_labels(&text).unwrap_err());
        assert!(error.contains("line 2") && error.contains("three"), "{error}");
    }

    #[test]
    fn broken_idx_files_are_refused() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("x-ubyte");
        let mut long = IMAGES.to_vec();
        long.push(0);
        let mut huge = IMAGES.to_vec();
        huge[4..16].fill(0xff);
        let mut floats = IMAGES.to_vec();
        floats[2] = 0x0d;
        for bytes in [&IMAGES[..27], &IMAGES[..7], &long, &huge, &floats, b"", LABELS] {
            fs::write(&path, bytes).unwrap();
            assert!(Input::read(&path, &options(&[0.0], &[1.0])).is_err(), "{bytes:?}");
        }
    }

    #[test]
    fn folders_of_pictures_are_read_by_name() {
        let folder = tempfile::tempdir().unwrap();
        let save = |name: &str, size: u32, pixel: [u8; 3]| {
            image::RgbImage::from_pixel(size, 2, image::Rgb(pixel)).save(folder.path().join(name)).unwrap();
        };
        save("b.png", 3, [255, 0, 51]);
        save("a.png", 3, [0, 255, 102]);
        fs::write(folder.path().join(".hidden"), "").unwrap();
        let input = Input::read(folder.path(), &options(&[0.0, 0.0, 0.2], &[1.0])).unwrap();
        assert_eq!(input.shape, [2, 3, 2, 3]);
        assert_eq!(input.names.as_deref(), Some(["a.png".to_owned(), "b.png".to_owned()].as_slice()));
        let Values::Reals(reals) = &input.values else { panic!() };
        assert_eq!((reals[0], reals[6], reals[18]), (0.0, 1.0, 1.0));
        assert_eq!(reals[35], 51.0 / 255.0 - 0.2);

        save("c.png", 4, [0, 0, 0]);
        let error = format!("{:#}", Input::read(folder.path(), &options(&[0.0], &[1.0])).unwrap_err());
        assert!(error.contains("c.png") && error.contains("--resize"), "{error}");
        let resized = InputOptions { resize: Some([2, 5]), ..options(&[0.0], &[1.0]) };
        assert_eq!(Input::read(folder.path(), &resized).unwrap().shape, [3, 3, 2, 5]);
        fs::write(folder.path().join("notes.txt"), "").unwrap();
        assert!(Input::read(folder.path(), &resized).is_err());
    }

    #[test]
    fn arrays_of_numpy_are_codes_or_reals() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/../../tests/fixtures/layers/conv2d_fbgemm");
        let read = |name: &str| Input::read(Path::new(folder).join(name), &NONE);
        let codes = read("golden.npz:input_q").unwrap();
        let reals = read("golden.npz:input_f32").unwrap();
        assert!(matches!(codes.values, Values::Codes(_, "uint8")));
        assert!(matches!(reals.values, Values::Reals(_)));
        assert_eq!((codes.images(), &codes.shape), (4, &reals.shape));
        let error = format!("{:#}", read("golden.npz").unwrap_err());
        assert!(error.contains("golden.npz:NAME") && error.contains("input_f32"), "{error}");
        let error =
            format!("{:#}", read("golden.npz:input_q").and_then(|_| read("golden.npz:x")).unwrap_err());
        assert!(error.contains("has no array x"), "{error}");
    }
}
