//! What a network is run on.

use clap::Args;

/// How pixels become what the network takes.
#[derive(Debug, Args)]
pub(crate) struct InputOptions {
    /// Subtracted from pixel/255: one number, or one per channel separated by commas
    #[arg(long, value_name = "M", value_delimiter = ',', allow_negative_numbers = true)]
    pub(crate) mean: Option<Vec<f32>>,
    /// What the difference is divided by: one number, or one per channel
    #[arg(long, value_name = "S", value_delimiter = ',')]
    pub(crate) std: Option<Vec<f32>>,
    /// Resize images, bilinear and anti-aliased; sizes differ by a code or two between programs that do this
    #[arg(long, value_name = "HEIGHTxWIDTH", value_parser = parse_size)]
    pub(crate) resize: Option<[u32; 2]>,
    /// Use the first N images only
    #[arg(long, value_name = "N", value_parser = parse_limit)]
    pub(crate) limit: Option<usize>,
}

impl From<&InputOptions> for gen_params::InputOptions {
    fn from(options: &InputOptions) -> Self {
        let InputOptions { mean, std, resize, limit } = options;
        Self { mean: mean.clone(), std: std.clone(), resize: *resize, limit: *limit }
    }
}

/// Sizes of one image.
#[derive(Debug, Clone)]
pub(crate) struct Shape(pub(crate) Vec<usize>);

pub(super) fn parse_shape(text: &str) -> Result<Shape, String> {
    let sizes = text.split('x').map(|size| size.parse().ok().filter(|size| (1..=1 << 20).contains(size)));
    sizes.collect::<Option<_>>().map(Shape).ok_or_else(|| "expected sizes such as 3x32x32".into())
}

fn parse_size(text: &str) -> Result<[u32; 2], String> {
    let sizes =
        text.split_once('x').and_then(|(height, width)| Some([height.parse().ok()?, width.parse().ok()?]));
    let limits = 1..=1 << 14;
    sizes
        .filter(|sizes: &[u32; 2]| sizes.iter().all(|size| limits.contains(size)))
        .ok_or_else(|| "expected HEIGHTxWIDTH, such as 28x28".into())
}

fn parse_limit(text: &str) -> Result<usize, String> {
    text.parse()
        .ok()
        .filter(|&limit| limit > 0)
        .ok_or_else(|| "expected a number of images, 1 or more".into())
}
