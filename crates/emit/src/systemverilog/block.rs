//! One node as instances of the library's modules: geometry, widths, constants and the files that they read.

use gen_params_core::network::Node;
use gen_params_core::ops::{Op, Pool};
use gen_params_core::parameters::{LayerKind, Parameters, Range};
use gen_params_core::target::{OnOverflow, TargetLayer};

use super::plan::{Buffer, Data, Instance, Options, Value};
use super::widths::{Widths, address_bits, unsigned_bits};
use crate::files::{Kind, layer_file, table_file};

/// What is to be computed.
pub(super) struct Request<'a> {
    pub(super) node: &'a Node,
    /// Its integers, where it has weights.
    pub(super) layer: Option<&'a TargetLayer>,
    pub(super) parameters: &'a Parameters,
    pub(super) inputs: Vec<&'a Buffer>,
    /// Their (C, spatial...): a memory may hold another shape of the same elements.
    pub(super) input_shapes: Vec<&'a [usize]>,
    /// The result's (C, spatial...).
    pub(super) shape: &'a [usize],
    pub(super) options: Options,
}

/// What computes it.
pub(super) struct Computed {
    pub(super) instances: Vec<Instance>,
    pub(super) stages: Option<Widths>,
    pub(super) data: Vec<(String, Data)>,
}

impl Computed {
    fn one(instance: Instance) -> Self {
        Self { instances: vec![instance], stages: None, data: Vec::new() }
    }
}

/// The folder of the parameter files.
pub(super) const DATA: &str = "data";

fn number(value: impl TryInto<i64>) -> Value {
    // Sizes that do not fit stand for tensors that could not have been computed either.
    Value::Integer(value.try_into().unwrap_or(i64::MAX))
}

fn flag(value: bool) -> Value {
    Value::Integer(i64::from(value))
}

fn path(name: &str) -> String {
    format!("{DATA}/{name}")
}

/// The block of a node; an error says what cannot be written.
pub(super) fn of(request: &Request<'_>) -> Result<Computed, String> {
    let op = &request.node.op;
    match op {
        Op::Layer(_) => layer(request),
        Op::MaxPool(pool) => max_pool(request, pool),
        Op::Function(_) => table(request),
        _ => Err(format!("the operator {}, which has no module yet", op.name())),
    }
}

/// Rows, columns of (C, spatial...) with one or two spatial axes, or none.
fn plane(shape: &[usize]) -> Result<[usize; 2], String> {
    match shape {
        [_] => Ok([1, 1]),
        [_, width] => Ok([1, *width]),
        [_, height, width] => Ok([*height, *width]),
        _ => Err(format!("a tensor {shape:?}, expected a channel axis and at most two others")),
    }
}

/// A list of one or two entries, one per spatial axis, as rows and columns.
fn pair<T: Copy>(values: &[T], missing: T) -> Result<[T; 2], String> {
    match values {
        [] => Ok([missing, missing]),
        [width] => Ok([missing, *width]),
        [height, width] => Ok([*height, *width]),
        _ => Err(format!("{} spatial axes, expected at most 2", values.len())),
    }
}

/// A window over an input plane.
struct Geometry {
    input: [usize; 2],
    output: [usize; 2],
    kernel: [usize; 2],
    stride: [usize; 2],
    padding: [usize; 2],
    dilation: [usize; 2],
}

impl Geometry {
    fn parameters(&self) -> Vec<(&'static str, Value)> {
        let names = [
            (["INPUT_HEIGHT", "INPUT_WIDTH"], self.input),
            (["OUTPUT_HEIGHT", "OUTPUT_WIDTH"], self.output),
            (["KERNEL_HEIGHT", "KERNEL_WIDTH"], self.kernel),
            (["STRIDE_HEIGHT", "STRIDE_WIDTH"], self.stride),
            (["PADDING_HEIGHT", "PADDING_WIDTH"], self.padding),
            (["DILATION_HEIGHT", "DILATION_WIDTH"], self.dilation),
        ];
        names.into_iter().flat_map(|(names, values)| names.into_iter().zip(values.map(number))).collect()
    }

    fn positions(&self) -> usize {
        self.output.iter().product()
    }
}

/// Address widths of input and output.
fn addresses(request: &Request<'_>) -> [(&'static str, Value); 2] {
    let read = request.inputs.first().map_or(1, |input| address_bits(input.elements()));
    [("READ_BITS", number(read)), ("WRITE_BITS", number(address_bits(request.shape.iter().product())))]
}

fn first_shape<'a>(request: &Request<'a>) -> Result<&'a [usize], String> {
    request.input_shapes.first().copied().ok_or_else(|| "no input".into())
}

fn first<'a>(request: &Request<'a>) -> Result<&'a Buffer, String> {
    request.inputs.first().copied().ok_or_else(|| "no input".into())
}

/// A convolution or linear layer.
fn layer(request: &Request<'_>) -> Result<Computed, String> {
    let input = first(request)?;
    let Op::Layer(op) = &request.node.op else { return Err("no weights".into()) };
    let layer = request.layer.ok_or("a layer without integers")?;
    let parameters = request.parameters.layers.iter().find(|known| known.name == request.node.name);
    let parameters = parameters.ok_or("a layer without parameters")?;
    if !layer.weight_zero_point.iter().all(|&zero| zero == 0) {
        return Err("weights with a zero point other than 0".into());
    }
    if op.padding_mode != gen_params_core::ops::PaddingMode::Zeros {
        return Err(format!("padding mode {}, expected zeros", op.padding_mode.name()));
    }
    let (geometry, groups) = match op.kind {
        LayerKind::ConvTranspose(_) => return Err(format!("a {}", op.kind.name())),
        LayerKind::Linear => {
            let shape = first_shape(request)?;
            if shape.len() != 1 {
                return Err(format!("a linear layer over {shape:?}, expected one axis"));
            }
            let one = [1, 1];
            let geometry = Geometry {
                input: one,
                output: one,
                kernel: one,
                stride: one,
                padding: [0, 0],
                dilation: one,
            };
            (geometry, 1)
        }
        LayerKind::Conv(_) => {
            let known = op.geometry().map_err(|error| error.to_string())?;
            let geometry = Geometry {
                input: plane(first_shape(request)?)?,
                output: plane(request.shape)?,
                kernel: pair(&known.kernel, 1)?,
                stride: pair(&known.stride, 1)?,
                padding: pair(&known.padding, 0)?,
                dilation: pair(&known.dilation, 1)?,
            };
            (geometry, known.groups.max(1))
        }
    };
    if let Some(n) = layer.shift.iter().find(|&&n| !(0..256).contains(&n)) {
        return Err(format!("a shift of {n}, expected 0 to 255"));
    }
    let shifts: Vec<u8> = layer.shift.iter().filter_map(|&n| u8::try_from(n).ok()).collect();

    let range = parameters.input_range.unwrap_or_else(|| {
        let (min, max) = input.activation.code_type.range();
        Range { min, max }
    });
    let z1 = layer.padding_value;
    let widths = Widths::of(layer, Range { min: range.min.min(z1), max: range.max.max(z1) });

    let outputs = layer.channels() / groups;
    let taps = layer.taps();
    let lanes = lanes(outputs, taps, request.options.clocks_per_output);
    let fixed = shifts.first().filter(|&first| shifts.iter().all(|shift| shift == first));
    let wide_bias = widths.bias > 32;
    let name = |kind| path(&layer_file(&request.node.name, kind, "hex"));

    let mut list = vec![
        ("GROUPS", number(groups)),
        ("GROUP_INPUTS", number(taps / geometry.kernel.iter().product::<usize>().max(1))),
        ("GROUP_OUTPUTS", number(outputs)),
        ("LANES", number(lanes)),
    ];
    list.extend(geometry.parameters());
    list.extend([
        ("INPUT_SIGNED", flag(input.is_signed())),
        ("PADDING_VALUE", number(z1)),
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
    list.extend(addresses(request));

    let bias = if wide_bias {
        Data::Signed64(layer.folded_bias.clone())
    } else {
        Data::Signed32(layer.folded_bias.iter().filter_map(|&bias| i32::try_from(bias).ok()).collect())
    };
    let clocks = geometry.positions() * taps * (layer.channels() / lanes) + lanes + 8;
    Ok(Computed {
        instances: vec![Instance { module: "gp_convolution", parameters: list, clocks: clocks as u64 }],
        stages: Some(widths),
        data: vec![
            (name(Kind::Weight), Data::Bytes(layer.weight.clone())),
            (name(Kind::FoldedBias), bias),
            (name(Kind::Multiplier), Data::Unsigned32(layer.multiplier.clone())),
            (name(Kind::Shift), Data::Bytes(shifts.iter().map(|n| n.cast_signed()).collect())),
        ],
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
pub(super) fn rounding(rounding: gen_params_core::target::Rounding) -> usize {
    gen_params_core::target::Rounding::ALL.iter().position(|&known| known == rounding).unwrap_or_default()
}

/// The geometry of a pooling.
fn pooling(request: &Request<'_>, pool: &Pool) -> Result<Geometry, String> {
    let sizes = |values: &[i64], missing: i64| -> Result<[usize; 2], String> {
        let pair = pair(values, missing)?;
        let [height, width] = pair.map(usize::try_from);
        Ok([height, width].map(|size| size.unwrap_or_default()))
    };
    Ok(Geometry {
        input: plane(first_shape(request)?)?,
        output: plane(request.shape)?,
        kernel: sizes(&pool.kernel, 1)?,
        stride: sizes(&pool.stride, 1)?,
        padding: sizes(&pool.padding, 0)?,
        dilation: sizes(&pool.dilation, 1)?,
    })
}

fn max_pool(request: &Request<'_>, pool: &Pool) -> Result<Computed, String> {
    let input = first(request)?;
    let geometry = pooling(request, pool)?;
    let channels = first_shape(request)?.first().copied().unwrap_or(1);
    let mut list = vec![("CHANNELS", number(channels))];
    list.extend(geometry.parameters());
    list.push(("INPUT_SIGNED", flag(input.is_signed())));
    list.extend(addresses(request));
    let taps: usize = geometry.kernel.iter().product();
    let clocks = (channels * geometry.positions() * taps) as u64 + 8;
    Ok(Computed::one(Instance { module: "gp_max_pool", parameters: list, clocks }))
}

/// A function as a table.
fn table(request: &Request<'_>) -> Result<Computed, String> {
    let input = first(request)?;
    let table = request.parameters.tables.iter().find(|table| table.name == request.node.name);
    let table = table.ok_or("a function without a table")?;
    let file = path(&table_file(&request.node.name, "hex"));
    let mut list = vec![
        ("COUNT", number(input.elements())),
        ("INPUT_SIGNED", flag(input.is_signed())),
        ("TABLE_FILE", Value::File(file.clone())),
    ];
    list.extend(addresses(request));
    let clocks = input.elements() as u64 + 8;
    let mut computed = Computed::one(Instance { module: "gp_table", parameters: list, clocks });
    let bytes = table.codes.iter().map(|code| code.to_le_bytes()[0].cast_signed()).collect();
    computed.data.push((file, Data::Bytes(bytes)));
    Ok(computed)
}

/// A selection by a table of addresses; negative sources are padding.
pub(super) fn gather(stem: &str, sources: &[i32], zero_point: i32, read: usize) -> Computed {
    let file = path(&format!("{stem}_address.hex"));
    let list = vec![
        ("COUNT", number(sources.len())),
        ("FILL", number(zero_point)),
        ("ADDRESS_FILE", Value::File(file.clone())),
        ("READ_BITS", number(address_bits(read))),
        ("WRITE_BITS", number(address_bits(sources.len()))),
    ];
    let clocks = sources.len() as u64 + 8;
    let mut computed = Computed::one(Instance { module: "gp_gather", parameters: list, clocks });
    // All ones, -1, has the highest bit set.
    computed.data.push((file, Data::Signed32(sources.to_vec())));
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
