//! Operators without weights as instances of the library's modules.

use gen_params_core::ops::{Op, Pool};
use gen_params_core::parameters::{OperatorArithmetic, Range, Scale};
use gen_params_core::target::{Means, Port, TargetOperator};

use super::block::{
    Computed, Geometry, Request, address_parameters, flag, number, pair, path, plane, rounding,
};
use super::plan::{Buffer, Data, Instance, Value};
use super::widths::{product_bits, signed_bits, unsigned_bits};
use crate::files::table_file;

/// The block of an operator; an error says what cannot be written.
pub(super) fn of(request: &Request<'_>, operator: &TargetOperator) -> Result<Computed, String> {
    match (&operator.arithmetic, &operator.op) {
        (&OperatorArithmetic::Sum { multipliers, shift }, _) => sum(request, operator, multipliers, shift),
        (&OperatorArithmetic::Product(scale), _) => product(request, operator, scale),
        (OperatorArithmetic::Concatenation(scales), Op::Concatenate { axis, .. }) => {
            concatenation(request, operator, scales, *axis)
        }
        (OperatorArithmetic::Mean(_), _) => mean(request, operator),
        (OperatorArithmetic::Table(codes), _) => table(request, operator, codes),
        (OperatorArithmetic::Clamp, _) => clamp(request, operator),
        (OperatorArithmetic::Largest, Op::MaxPool(pool)) => largest(request, operator, pool),
        _ => Err(format!("the operator {}, which has no module", operator.op.name())),
    }
}

/// An input with its buffer, its shape (C, spatial...) and what is known of its codes.
struct Input<'a> {
    buffer: &'a Buffer,
    shape: &'a [usize],
    port: &'a Port,
}

impl Input<'_> {
    /// The codes minus their zero point.
    fn centred(&self) -> Range<i128> {
        let z1 = i128::from(self.port.zero_point);
        Range { min: i128::from(self.port.range.min) - z1, max: i128::from(self.port.range.max) - z1 }
    }
}

fn inputs<'a>(request: &Request<'a>, operator: &'a TargetOperator) -> Vec<Input<'a>> {
    let buffers = request.inputs.iter().zip(&request.input_shapes).zip(&operator.inputs);
    buffers.map(|((buffer, shape), port)| Input { buffer, shape, port }).collect()
}

fn single<'a>(request: &Request<'a>, operator: &'a TargetOperator) -> Result<Input<'a>, String> {
    inputs(request, operator).pop().ok_or_else(|| "no input".into())
}

/// Two inputs of the result's shape.
fn two<'a>(request: &Request<'a>, operator: &'a TargetOperator) -> Result<[Input<'a>; 2], String> {
    let found = <[Input<'a>; 2]>::try_from(inputs(request, operator));
    let both = found.map_err(|found| format!("{} inputs, expected 2", found.len()))?;
    match both.iter().find(|input| input.shape != request.shape) {
        Some(input) => Err(format!(
            "an operand {:?} that is repeated to {:?}, expected equal shapes",
            input.shape, request.shape
        )),
        None => Ok(both),
    }
}

/// M0 and n with a shift to the right.
fn normal(scale: Scale) -> Result<(u32, i32), String> {
    let Scale { multiplier, shift } = scale;
    let refuse = || format!("M0 = {multiplier} with a shift of {shift}, expected a shift of 0 to 255");
    if shift > 255 {
        return Err(refuse());
    }
    let left = u32::try_from(-shift.min(0)).map_err(|_| refuse())?;
    let multiplier = u64::from(multiplier).checked_shl(left).filter(|_| left < 32);
    let multiplier = multiplier.and_then(|m| i32::try_from(m).ok()).ok_or_else(refuse)?;
    Ok((multiplier.cast_unsigned(), shift.max(0)))
}

/// The parameters of `clamp(round(M0*sum * 2^-n) + Z3)`, wide enough for every sum of a range and all of `scales`.
fn scaled(
    request: &Request<'_>,
    operator: &TargetOperator,
    sum: Range<i128>,
    scales: &[(u32, i32)],
    zero_point: i32,
) -> Vec<(&'static str, Value)> {
    let multiplier = scales.iter().map(|&(multiplier, _)| multiplier).max().unwrap_or(1);
    let shift = scales.iter().filter_map(|&(_, shift)| u64::try_from(shift).ok()).max().unwrap_or(0);
    let mode = operator.target.rounding;
    vec![
        ("ACCUMULATOR_BITS", number(signed_bits(sum))),
        ("MULTIPLIER_BITS", number(unsigned_bits(multiplier.into()))),
        ("PRODUCT_BITS", number(product_bits(sum, scales, mode, zero_point))),
        ("SHIFT_BITS", number(unsigned_bits(shift))),
        ("ROUNDING", number(rounding(mode))),
        ("ZERO_POINT", number(zero_point)),
        ("CLAMP_MIN", number(operator.output.range.min)),
        ("CLAMP_MAX", number(operator.output.range.max)),
        ("PIPELINE", flag(request.options.pipeline)),
    ]
}

fn elementwise(
    request: &Request<'_>,
    [a, b]: &[Input<'_>; 2],
    operation: i64,
    multipliers: [u32; 2],
    shift: i32,
    arithmetic: Vec<(&'static str, Value)>,
) -> Computed {
    let count: usize = request.shape.iter().product();
    let mut list = vec![
        ("COUNT", number(count)),
        ("OPERATION", Value::Integer(operation)),
        ("A_SIGNED", flag(a.buffer.is_signed())),
        ("B_SIGNED", flag(b.buffer.is_signed())),
        ("A_ZERO_POINT", number(a.port.zero_point)),
        ("B_ZERO_POINT", number(b.port.zero_point)),
        ("MULTIPLIER_A", number(multipliers[0])),
        ("MULTIPLIER_B", number(multipliers[1])),
        ("SHIFT", number(shift)),
    ];
    list.extend(arithmetic);
    list.extend(address_parameters(a.buffer.elements(), count));
    Computed::one(Instance { module: "gp_elementwise", parameters: list, clocks: count as u64 + 8 })
}

fn sum(
    request: &Request<'_>,
    operator: &TargetOperator,
    multipliers: [u32; 2],
    shift: i32,
) -> Result<Computed, String> {
    let operands = two(request, operator)?;
    let mut factors = [0; 2];
    for (factor, multiplier) in factors.iter_mut().zip(multipliers) {
        *factor = normal(Scale { multiplier, shift })?.0;
    }
    let shift = shift.max(0);
    let [a, b] = [0, 1].map(|i| {
        let Range { min, max } = operands[i].centred();
        Range { min: min * i128::from(factors[i]), max: max * i128::from(factors[i]) }
    });
    let range = Range { min: a.min + b.min, max: a.max + b.max };
    let arithmetic = scaled(request, operator, range, &[(1, shift)], operator.output.zero_point);
    Ok(elementwise(request, &operands, 0, factors, shift, arithmetic))
}

fn product(request: &Request<'_>, operator: &TargetOperator, scale: Scale) -> Result<Computed, String> {
    let operands = two(request, operator)?;
    let (multiplier, shift) = normal(scale)?;
    let [a, b] = [operands[0].centred(), operands[1].centred()];
    let ends = [a.min * b.min, a.min * b.max, a.max * b.min, a.max * b.max];
    let range = ends.iter().fold(Range { min: ends[0], max: ends[0] }, |range, &end| Range {
        min: range.min.min(end),
        max: range.max.max(end),
    });
    let arithmetic = scaled(request, operator, range, &[(multiplier, shift)], operator.output.zero_point);
    Ok(elementwise(request, &operands, 1, [multiplier, 1], shift, arithmetic))
}

/// Blocks of an input that go to places in the result.
struct Blocks {
    count: usize,
    length: usize,
    distance: usize,
    offset: usize,
}

fn copy(
    request: &Request<'_>,
    operator: &TargetOperator,
    input: &Input<'_>,
    blocks: &Blocks,
    scale: Option<Scale>,
) -> Result<Instance, String> {
    let (multiplier, shift) = scale.map_or(Ok((1, 0)), normal)?;
    let codes = Range { min: i128::from(input.port.range.min), max: i128::from(input.port.range.max) };
    let (range, z1, z3) = match scale {
        Some(_) => (input.centred(), input.port.zero_point, operator.output.zero_point),
        None => (codes, 0, 0),
    };
    let mut list = vec![
        ("BLOCKS", number(blocks.count)),
        ("BLOCK", number(blocks.length)),
        ("DISTANCE", number(blocks.distance)),
        ("OFFSET", number(blocks.offset)),
        ("INPUT_SIGNED", flag(input.buffer.is_signed())),
        ("INPUT_ZERO_POINT", number(z1)),
        ("MULTIPLIER", number(multiplier)),
        ("SHIFT", number(shift)),
    ];
    list.extend(scaled(request, operator, range, &[(multiplier, shift)], z3));
    list.extend(address_parameters(input.buffer.elements(), request.shape.iter().product()));
    let clocks = (blocks.count * blocks.length) as u64 + 8;
    Ok(Instance { module: "gp_copy", parameters: list, clocks })
}

fn concatenation(
    request: &Request<'_>,
    operator: &TargetOperator,
    scales: &[Option<Scale>],
    axis: i64,
) -> Result<Computed, String> {
    // Axes count the batch, which is not among the sizes here.
    let rank = i64::try_from(request.shape.len() + 1).unwrap_or(i64::MAX);
    let counted = if axis < 0 { axis.saturating_add(rank) } else { axis };
    let axis = usize::try_from(counted - 1).map_err(|_| "images that are joined".to_owned())?;
    let parts = inputs(request, operator);
    let same = |i: usize| parts[..i].iter().any(|other| std::ptr::eq(other.buffer, parts[i].buffer));
    if (0..parts.len()).any(same) {
        return Err("a tensor that is joined to itself".into());
    }
    let length = |shape: &[usize]| shape.get(axis..).unwrap_or_default().iter().product::<usize>();
    let distance = length(request.shape);
    let mut offset = 0;
    let mut instances = Vec::new();
    for (input, scale) in parts.iter().zip(scales) {
        let blocks = Blocks {
            count: request.shape.iter().take(axis).product(),
            length: length(input.shape),
            distance,
            offset,
        };
        instances.push(copy(request, operator, input, &blocks, *scale)?);
        offset += blocks.length;
    }
    Ok(Computed { instances, stages: None, data: Vec::new() })
}

fn clamp(request: &Request<'_>, operator: &TargetOperator) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let length = input.buffer.elements();
    let blocks = Blocks { count: 1, length, distance: length, offset: 0 };
    Ok(Computed::one(copy(request, operator, &input, &blocks, None)?))
}

fn table(request: &Request<'_>, operator: &TargetOperator, codes: &[i32]) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let count = input.buffer.elements();
    let file = path(&table_file(&request.node.name, "hex"));
    let mut list = vec![
        ("COUNT", number(count)),
        ("INPUT_SIGNED", flag(input.buffer.is_signed())),
        ("TABLE_FILE", Value::File(file.clone())),
    ];
    list.extend(address_parameters(count, count));
    let mut computed =
        Computed::one(Instance { module: "gp_table", parameters: list, clocks: count as u64 + 8 });
    let bytes = codes.iter().map(|code| code.to_le_bytes()[0].cast_signed()).collect();
    computed.data.push((file, Data::Bytes(bytes)));
    Ok(computed)
}

/// The geometry of a pooling. Padding behind the input follows from the number of outputs.
fn pooling(input: &[usize], output: &[usize], pool: &Pool) -> Result<Geometry, String> {
    let sizes = |values: &[i64], missing: i64| -> Result<[usize; 2], String> {
        let [height, width] = pair(values, missing)?;
        let size =
            |value: i64| usize::try_from(value).map_err(|_| format!("a window with a size of {value}"));
        Ok([size(height)?, size(width)?])
    };
    Ok(Geometry {
        input: plane(input)?,
        output: plane(output)?,
        kernel: sizes(&pool.kernel, 1)?,
        stride: sizes(&pool.stride, 1)?,
        padding: sizes(&pool.padding, 0)?,
        dilation: sizes(&pool.dilation, 1)?,
    })
}

fn largest(request: &Request<'_>, operator: &TargetOperator, pool: &Pool) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let (min, max) = operator.output.activation.code_type.range();
    if (operator.output.range.min, operator.output.range.max) != (min, max) {
        return Err("a largest code that is clamped".into());
    }
    let geometry = pooling(input.shape, request.shape, pool)?;
    Ok(windows(request, "gp_max_pool", &input, &geometry, Vec::new()))
}

/// An instance that goes over the windows of every channel.
fn windows(
    request: &Request<'_>,
    module: &'static str,
    input: &Input<'_>,
    geometry: &Geometry,
    others: Vec<(&'static str, Value)>,
) -> Computed {
    let channels = input.shape.first().copied().unwrap_or(1);
    let mut list = vec![("CHANNELS", number(channels))];
    list.extend(geometry.parameters());
    list.push(("INPUT_SIGNED", flag(input.buffer.is_signed())));
    list.extend(others);
    list.extend(address_parameters(input.buffer.elements(), request.shape.iter().product()));
    let taps: usize = geometry.kernel.iter().product();
    let clocks = (channels * geometry.positions() * taps) as u64 + 8;
    Computed::one(Instance { module, parameters: list, clocks })
}

/// The geometry of a mean over windows.
fn mean_geometry(op: &Op, input: &[usize], output: &[usize]) -> Result<Geometry, String> {
    let size = plane(input)?;
    let (output, kernel) = match op {
        Op::AveragePool(pool) => return pooling(input, output, pool),
        Op::AdaptiveAveragePool { .. } => {
            let windows = plane(output)?;
            if [0, 1].iter().any(|&i| windows[i] == 0 || !size[i].is_multiple_of(windows[i])) {
                return Err(format!("windows of different sizes: {windows:?} of {size:?}"));
            }
            (windows, [size[0] / windows[0], size[1] / windows[1]])
        }
        Op::Mean { axes, .. } => {
            // With the batch: (1, C, width) or (1, C, height, width).
            let rank = input.len() + 1;
            let signed_rank = i64::try_from(rank).unwrap_or(i64::MAX);
            let is_summed = |axis: usize| {
                axes.iter().any(|&a| usize::try_from(if a < 0 { a + signed_rank } else { a }) == Ok(axis))
            };
            if is_summed(0) || is_summed(1) {
                return Err("a mean over images or channels".into());
            }
            let summed = [rank > 3 && is_summed(rank - 2), rank > 2 && is_summed(rank - 1)];
            let pick = |yes: bool, a: usize, b: usize| if yes { a } else { b };
            let windows = [pick(summed[0], 1, size[0]), pick(summed[1], 1, size[1])];
            (windows, [pick(summed[0], size[0], 1), pick(summed[1], size[1], 1)])
        }
        _ => return Err(format!("the operator {}, expected a mean", op.name())),
    };
    Ok(Geometry { input: size, output, kernel, stride: kernel, padding: [0, 0], dilation: [1, 1] })
}

fn mean(request: &Request<'_>, operator: &TargetOperator) -> Result<Computed, String> {
    let input = single(request, operator)?;
    let with_batch =
        |shape: &[usize]| std::iter::once(1).chain(shape.iter().copied()).collect::<Vec<usize>>();
    let means = Means::of(&operator.op, &with_batch(input.shape), &with_batch(request.shape));
    let means = means.map_err(|error| error.to_string())?.ok_or("no mean")?;
    let geometry = mean_geometry(&operator.op, input.shape, request.shape)?;
    let scale = |divisor: i64| {
        let scale = operator.mean_scale(divisor).ok_or_else(|| format!("means of {divisor} codes"))?;
        normal(scale)
    };
    // The longest sum has as many codes as the window.
    let codes = i128::try_from(geometry.kernel.iter().product::<usize>()).unwrap_or(i128::MAX);
    let Range { min, max } = input.centred();
    let range = Range { min: min.min(0) * codes, max: max.max(0) * codes };
    let scales = means.divisors.iter().map(|&divisor| scale(divisor)).collect::<Result<Vec<_>, String>>()?;
    let &(multiplier, shift) = scales.first().ok_or("no windows")?;
    let file = |what: &str| path(&format!("{}_{what}.hex", crate::names::file_stem(&request.node.name)));
    let by_position = scales.iter().any(|&known| known != (multiplier, shift));
    let mut others = vec![("INPUT_ZERO_POINT", number(input.port.zero_point))];
    if by_position {
        others.push(("MULTIPLIER_FILE", Value::File(file("multiplier"))));
        others.push(("SHIFT_FILE", Value::File(file("shift"))));
    } else {
        others.extend([("MULTIPLIER", number(multiplier)), ("SHIFT", number(shift))]);
    }
    others.extend(scaled(request, operator, range, &scales, operator.output.zero_point));
    let mut computed = windows(request, "gp_average_pool", &input, &geometry, others);
    if by_position {
        let shifts = scales.iter().map(|&(_, shift)| shift.to_le_bytes()[0].cast_signed()).collect();
        computed.data = vec![
            (
                file("multiplier"),
                Data::Unsigned32(scales.iter().map(|&(multiplier, _)| multiplier).collect()),
            ),
            (file("shift"), Data::Bytes(shifts)),
        ];
    }
    Ok(computed)
}
