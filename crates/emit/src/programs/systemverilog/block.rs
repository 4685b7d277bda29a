//! One node as instances of the library's modules: geometry, widths, constants and the files that they read.

use gen_params_core::hardware::integer_op::DotProduct;
use gen_params_core::hardware::{IntegerOp, OnOverflow, Rounding};
use gen_params_core::network::Node;
use gen_params_core::parameters::LayerKind;

use super::geometry::Geometry;
use super::parts::{Buffer, Data, Instance, Options, Value, flag, number};
use super::widths::{Widths, address_bits, unsigned_bits};
use crate::memory::Kind;
use crate::memory::layer_file;
use crate::names::file_stem;

/// What is to be computed.
pub(super) struct Request<'a> {
    pub(super) node: &'a Node,
    pub(super) form: &'a IntegerOp<'a>,
    /// Memories: one may hold another shape of the same elements.
    pub(super) inputs: Vec<&'a Buffer>,
    /// Elements of the result.
    pub(super) elements: usize,
    /// Bits of a code of the result.
    pub(super) code_bits: u32,
    /// The target's.
    pub(super) rounding: Rounding,
    pub(super) options: Options,
}

impl<'a> Request<'a> {
    /// The memory of the first input.
    pub(super) fn first(&self) -> Result<&'a Buffer, String> {
        self.inputs.first().copied().ok_or_else(|| "no input".into())
    }
}

/// The shape of one image, (C, spatial...): without the axis of images, which has a size of 1 here. A tensor that is no
/// image keeps its shape.
pub(super) fn image(whole: &[usize]) -> &[usize] {
    match whole {
        [1, shape @ ..] => shape,
        shape => shape,
    }
}

/// What computes it.
pub(super) struct Computed {
    pub(super) instances: Vec<Instance>,
    pub(super) stages: Option<Widths>,
    pub(super) data: Vec<(String, Data)>,
}

impl Computed {
    pub(super) fn one(instance: Instance) -> Self {
        Self { instances: vec![instance], stages: None, data: Vec::new() }
    }
}

/// The folder of the parameter files.
pub(super) const DATA: &str = "data";

pub(super) fn path(name: &str) -> String {
    format!("{DATA}/{name}")
}

/// Address widths of an input and of the output, by their elements.
pub(super) fn address_parameters(read: usize, write: usize) -> [(&'static str, Value); 2] {
    [("READ_BITS", number(address_bits(read))), ("WRITE_BITS", number(address_bits(write)))]
}

/// A convolution or linear layer.
pub(super) fn dot_product(request: &Request<'_>, form: &DotProduct<'_>) -> Result<Computed, String> {
    let input = request.first()?;
    let layer = form.layer;
    let geometry = Geometry::of_layer(form)?;
    // Features stand last: a linear layer over several of them writes all channels of one before the next.
    let channels_last = layer.kind() == LayerKind::Linear && geometry.positions() > 1;
    let zero_points = &layer.weight_zero_point;
    let z2 = zero_points.first().copied().unwrap_or(0);
    let same_z2 = zero_points.iter().all(|&other| other == z2);
    if let Some(z2) = zero_points.iter().find(|&&z2| i8::try_from(z2).is_err()) {
        return Err(format!("a weight zero point of {z2}, expected -128 to 127"));
    }
    if let Some(n) = layer.shift.iter().find(|&&n| !(0..256).contains(&n)) {
        return Err(format!("a shift of {n}, expected 0 to 255"));
    }
    let shifts: Vec<u8> = layer.shift.iter().filter_map(|&n| u8::try_from(n).ok()).collect();

    let widths = Widths::of(layer);
    let groups = layer.groups().max(1);
    let outputs = layer.channels() / groups;
    let taps = layer.taps();
    let lanes = lanes(outputs, taps, request.options.clocks_per_output);
    let fixed = shifts.first().filter(|&first| shifts.iter().all(|shift| shift == first));
    let wide_bias = widths.bias > 32;
    let name = |kind| path(&layer_file(&request.node.name, kind, "hex"));
    let zero_point_file = path(&format!("{}_weight_zero_point.hex", file_stem(&request.node.name)));

    let mut list = vec![
        ("GROUPS", number(groups)),
        ("GROUP_INPUTS", number(taps / geometry.taps().max(1))),
        ("GROUP_OUTPUTS", number(outputs)),
        ("LANES", number(lanes)),
    ];
    list.extend(geometry.parameters());
    if channels_last {
        list.push(("CHANNELS_LAST", flag(true)));
    }
    list.push(("INPUT_SIGNED", flag(input.is_signed())));
    list.push(("INPUT_BITS", number(input.code_bits())));
    list.push(("OUTPUT_BITS", number(request.code_bits)));
    list.push(("PADDING_VALUE", number(layer.padding_value)));
    list.push(if same_z2 {
        ("WEIGHT_ZERO_POINT", number(z2))
    } else {
        ("WEIGHT_ZERO_POINT_FILE", Value::File(zero_point_file.clone()))
    });
    list.extend([
        ("CODE_SUM_BITS", number(widths.code_sum)),
        ("ACCUMULATOR_BITS", number(widths.accumulator)),
        ("FRACTION_BITS", number(layer.target.bias_fraction_bits)),
        ("BIAS_BITS", number(widths.bias)),
        ("BIASED_BITS", number(widths.biased)),
        ("MULTIPLIER_BITS", number(widths.multiplier)),
        ("PRODUCT_BITS", number(widths.product)),
        ("SHIFT_BITS", number(unsigned_bits(shifts.iter().copied().max().unwrap_or(0).into()))),
        ("FIXED_SHIFT", fixed.map_or(Value::Integer(-1), |&n| number(n))),
        ("SATURATE", flag(layer.target.on_overflow == OnOverflow::Saturate)),
        ("SATURATE_SUMS", flag(widths.saturating_sums)),
        ("ROUNDING", number(rounding(layer.target.rounding))),
        ("ZERO_POINT", number(layer.output_zero_point)),
        ("CLAMP_MIN", number(layer.clamp.min)),
        ("CLAMP_MAX", number(layer.clamp.max)),
        ("PIPELINE", flag(request.options.pipeline)),
        ("WEIGHT_FILE", Value::File(name(Kind::Weight))),
        ("BIAS_FILE", Value::File(name(Kind::FoldedBias))),
        ("BIAS_FILE_BITS", number(if wide_bias { 64 } else { 32 })),
        ("MULTIPLIER_FILE", Value::File(name(Kind::Multiplier))),
        ("SHIFT_FILE", Value::File(name(Kind::Shift))),
    ]);
    list.extend(address_parameters(input.elements(), request.elements));

    let bias = if wide_bias {
        Data::Signed64(layer.folded_bias.clone())
    } else {
        let narrow = layer.folded_bias.iter().map(|&bias| i32::try_from(bias));
        Data::Signed32(narrow.collect::<Result<_, _>>().map_err(|_| "a folded bias beyond 32 bits")?)
    };
    let clocks = geometry.positions() * taps * (layer.channels() / lanes) + lanes + 8;
    let mut data = vec![
        (name(Kind::Weight), Data::Bytes(layer.weight.clone())),
        (name(Kind::FoldedBias), bias),
        (name(Kind::Multiplier), Data::Unsigned32(layer.multiplier.clone())),
        (name(Kind::Shift), Data::Bytes(shifts.iter().map(|n| n.cast_signed()).collect())),
    ];
    if !same_z2 {
        let codes = zero_points.iter().filter_map(|&z2| i8::try_from(z2).ok()).collect();
        data.push((zero_point_file, Data::Bytes(codes)));
    }
    Ok(Computed {
        instances: vec![Instance { module: "gp_convolution", parameters: list, clocks: clocks as u64 }],
        stages: Some(widths),
        data,
    })
}

/// Output channels that are computed side by side: of the divisors of `outputs` that are at most `taps`, the smallest with
/// at most `clocks` clocks per output, or the largest.
fn lanes(outputs: usize, taps: usize, clocks: usize) -> usize {
    let wanted = taps.div_ceil(clocks.max(1));
    let divisors = (1..=outputs.min(taps)).filter(|lanes| outputs.is_multiple_of(*lanes));
    let (enough, fewer): (Vec<usize>, Vec<usize>) = divisors.partition(|&lanes| lanes >= wanted);
    enough.first().or(fewer.last()).copied().unwrap_or(1)
}

/// The number of a rounding in `gp_round`.
pub(super) fn rounding(rounding: Rounding) -> usize {
    match rounding {
        Rounding::HalfUp => 0,
        Rounding::HalfEven => 1,
        Rounding::HalfAway => 2,
        Rounding::Floor => 3,
        Rounding::TowardZero => 4,
        Rounding::Double => 5,
    }
}

/// A selection by a table of addresses; where there is no source, the code of padding stands.
pub(super) fn gather(stem: &str, sources: &[Option<usize>], input: &Buffer, filling: i32) -> Computed {
    let file = path(&format!("{stem}_address.hex"));
    let mut list = vec![
        ("COUNT", number(sources.len())),
        ("FILL", number(filling)),
        ("CODE_BITS", number(input.code_bits())),
        ("ADDRESS_FILE", Value::File(file.clone())),
    ];
    list.extend(address_parameters(input.elements(), sources.len()));
    let clocks = sources.len() as u64 + 8;
    let mut computed = Computed::one(Instance { module: "gp_gather", parameters: list, clocks });
    // All ones, -1, has the highest bit set.
    let address = |source: &Option<usize>| source.and_then(|source| i32::try_from(source).ok()).unwrap_or(-1);
    computed.data.push((file, Data::Signed32(sources.iter().map(address).collect())));
    computed
}

#[cfg(test)]
mod tests {
    use super::lanes;

    #[test]
    fn lanes_divide_the_outputs_and_reach_the_clocks() {
        // outputs, taps, clocks per output, lanes
        let rows = [
            (6, 25, 8, 6),   // 4 wanted: the next divisor is 6
            (12, 54, 8, 12), // 7 wanted
            (10, 120, 8, 10),
            (8, 9, 8, 2),
            (1, 9, 8, 1),  // depthwise: 9 clocks
            (16, 3, 1, 2), // no more lanes than taps
            (120, 800, 8, 120),
        ];
        for (outputs, taps, clocks, expected) in rows {
            assert_eq!(lanes(outputs, taps, clocks), expected, "{outputs} outputs, {taps} taps");
        }
    }
}
