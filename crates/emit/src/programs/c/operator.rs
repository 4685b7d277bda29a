//! Operators without weights: their numbers and their calls.

use std::fmt::Write as _;

use gen_params_core::hardware::{Means, Port, TargetOperator};
use gen_params_core::network::{EdgeId, Node};
use gen_params_core::ops::{Op, Pool, Span};
use gen_params_core::parameters::{OperatorArithmetic, Range, Scale};

use super::kernels::{Kernel, Kernels};
use super::layer::Axis;
use super::range::LARGEST;
use super::{Network, Step, text};

/// Axes that means are written with.
const MEAN_AXES: usize = 5;

/// Values of an operator stay in 63 bits: the largest integer input, the multiplier and what is added.
fn fits(largest: i128, scale: Scale) -> Result<(), String> {
    if !(0..=62).contains(&scale.shift) {
        return Err(format!("a shift of {}, expected 0 to 62", scale.shift));
    }
    if largest.saturating_mul(i128::from(scale.multiplier)) >= LARGEST {
        return Err(
            "products of more than 63 bits, and C has 64; narrower multipliers help: --multiplier-bits"
                .into(),
        );
    }
    Ok(())
}

/// The largest magnitude of a code minus its zero point: both are of 8 bits.
const LARGEST_CODE: i128 = 1 << 9;

impl Network<'_> {
    pub(super) fn operator(
        &self,
        node: &Node,
        operator: &TargetOperator,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let (Some(&input), Some(&output)) = (node.inputs.first(), node.outputs.first()) else {
            return Err("no input or no output".into());
        };
        match &operator.arithmetic {
            &OperatorArithmetic::Sum { multipliers, shift } => {
                let scale = Scale { multiplier: multipliers[0].max(multipliers[1]), shift };
                fits(2 * LARGEST_CODE, scale)?;
                kernels.add(Kernel::Sum);
                self.pair(node, operator, "run_sum", multipliers, shift)
            }
            &OperatorArithmetic::Product(scale) => {
                fits(LARGEST_CODE * LARGEST_CODE, scale)?;
                kernels.add(Kernel::Product);
                self.pair(node, operator, "run_product", [scale.multiplier, 0], scale.shift)
            }
            &OperatorArithmetic::MatrixProduct(scale) => self.matrix_product(node, operator, scale, kernels),
            OperatorArithmetic::Concatenation(scales) => self.concatenation(node, operator, scales, kernels),
            OperatorArithmetic::Mean(_) => self.mean(node, operator, kernels),
            OperatorArithmetic::ChannelScale { multipliers, offsets, shift } => {
                fits(LARGEST_CODE, Scale { multiplier: u32::MAX, shift: *shift })?;
                kernels.add(Kernel::ChannelScale);
                let name = self.identifier(node)?.to_owned();
                let shape = &self.shapes[input.0];
                let area: usize = shape[2..].iter().product();
                let mut data = format!("/* {} */\n", self.comment(node));
                data.push_str(&text::array("int32_t", &format!("{name}_multiplier"), multipliers));
                data.push_str(&text::array("int32_t", &format!("{name}_offset"), offsets));
                let _ = write!(
                    data,
                    "static const struct channel_scale {name}_scale = {{\n    .images = {}, .channels = {}, .area = \
                     {area}, .multiplier = {name}_multiplier, .offset = {name}_offset,\n    .shift = {shift}, {}, \
                     {}\n}};\n\n",
                    shape[0],
                    shape[1],
                    self.input_fields(operator, input)?,
                    output_fields(operator),
                );
                let constant_bytes = 8 * multipliers.len();
                let calls = format!(
                    "    run_channel_scale(&{name}_scale, {}, {});\n",
                    self.pointer(input),
                    self.pointer(output)
                );
                Ok(Step { data, constant_bytes, calls })
            }
            OperatorArithmetic::Table(codes) => {
                kernels.add(Kernel::Table);
                let name = self.identifier(node)?.to_owned();
                let data = format!(
                    "/* {} */\n{}\n",
                    self.comment(node),
                    text::array("uint8_t", &format!("{name}_table"), &text::bytes(codes))
                );
                let calls = format!(
                    "    run_table({name}_table, {}, {}, {}, {});\n",
                    self.flip(input),
                    text::count(&self.shapes[output.0]),
                    self.pointer(input),
                    self.pointer(output)
                );
                Ok(Step { data, constant_bytes: codes.len(), calls })
            }
            OperatorArithmetic::Clamp => {
                kernels.add(Kernel::Clamp);
                let Range { min, max } = operator.output.range;
                let calls = format!(
                    "    run_clamp({}, {min}, {max}, {}, {}, {});\n",
                    self.flip(input),
                    text::count(&self.shapes[output.0]),
                    self.pointer(input),
                    self.pointer(output)
                );
                Ok(Step { calls, ..Step::default() })
            }
            OperatorArithmetic::Largest => match &operator.op {
                Op::MaxPool(pool) => self.max_pool(node, pool, kernels),
                other => Err(format!("{} is no window", other.name())),
            },
            OperatorArithmetic::Selection => self.selection(node, operator, kernels),
        }
    }

    /// `.flip = 0, .zero_point = 3`.
    fn input_fields(&self, operator: &TargetOperator, id: EdgeId) -> Result<String, String> {
        Ok(format!(".flip = {}, .zero_point = {}", self.flip(id), first_input(operator)?.zero_point))
    }

    fn pair(
        &self,
        node: &Node,
        operator: &TargetOperator,
        function: &str,
        multipliers: [u32; 2],
        shift: i32,
    ) -> Result<Step, String> {
        let ([a, b], [output], [port_a, port_b]) =
            (node.inputs.as_slice(), node.outputs.as_slice(), operator.inputs.as_slice())
        else {
            return Err("other than two inputs and one output".into());
        };
        let shape = &self.shapes[output.0];
        let count = text::count(shape);
        let same = [a, b].iter().all(|id| text::count(&self.shapes[id.0]) == count);
        let (sizes, steps_a, steps_b) = if same {
            (vec![count], vec![1], vec![1])
        } else {
            (shape.clone(), steps(&self.shapes[a.0], shape), steps(&self.shapes[b.0], shape))
        };
        let name = self.identifier(node)?.to_owned();
        let mut data = format!("/* {} */\n", self.comment(node));
        for (what, values) in [("sizes", &sizes), ("step_a", &steps_a), ("step_b", &steps_b)] {
            data.push_str(&text::array("int32_t", &format!("{name}_{what}"), values));
        }
        let _ = write!(
            data,
            "static const struct pair {name}_pair = {{\n    .axes = {}, .sizes = {name}_sizes, .step_a = {name}_step_a, \
             .step_b = {name}_step_b,\n    .flip_a = {}, .flip_b = {}, .zero_point_a = {}, .zero_point_b = {},\n    \
             .multiplier_a = {}, .multiplier_b = {}, .shift = {shift}, {}\n}};\n\n",
            sizes.len(),
            self.flip(*a),
            self.flip(*b),
            port_a.zero_point,
            port_b.zero_point,
            multipliers[0],
            multipliers[1],
            output_fields(operator),
        );
        let calls = format!(
            "    {function}(&{name}_pair, {count}, {}, {}, {});\n",
            self.pointer(*a),
            self.pointer(*b),
            self.pointer(*output)
        );
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn matrix_product(
        &self,
        node: &Node,
        operator: &TargetOperator,
        scale: Scale,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let ([a, b], [output], [port_a, port_b]) =
            (node.inputs.as_slice(), node.outputs.as_slice(), operator.inputs.as_slice())
        else {
            return Err("other than two inputs and one output".into());
        };
        let shape = &self.shapes[output.0];
        let rank = shape.len();
        let inner = self.shapes[a.0].last().copied().unwrap_or(0);
        fits(LARGEST_CODE * LARGEST_CODE * i128::try_from(inner).unwrap_or(i128::MAX >> 20), scale)?;
        kernels.add(Kernel::MatrixProduct);
        let name = self.identifier(node)?.to_owned();
        let matrices: usize = shape[..rank - 2].iter().product();
        let data = format!(
            "/* {} */\nstatic const struct matrix_product {name}_product = {{\n    .matrices = {matrices}, .rows = {}, \
             .inner = {inner}, .columns = {},\n    .flip_a = {}, .flip_b = {}, .zero_point_a = {}, .zero_point_b = {},\n    \
             .multiplier = {}, .shift = {}, {}\n}};\n\n",
            self.comment(node),
            shape[rank - 2],
            shape[rank - 1],
            self.flip(*a),
            self.flip(*b),
            port_a.zero_point,
            port_b.zero_point,
            scale.multiplier,
            scale.shift,
            output_fields(operator),
        );
        let calls = format!(
            "    run_matrix_product(&{name}_product, {}, {}, {});\n",
            self.pointer(*a),
            self.pointer(*b),
            self.pointer(*output)
        );
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn concatenation(
        &self,
        node: &Node,
        operator: &TargetOperator,
        scales: &[Option<Scale>],
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let (Op::Concatenate { axis, .. }, [output]) = (&operator.op, node.outputs.as_slice()) else {
            return Err(format!("{} is no concatenation", operator.op.name()));
        };
        let shape = &self.shapes[output.0];
        let rank = i64::try_from(shape.len()).unwrap_or(i64::MAX);
        let counted = if *axis < 0 { axis + rank } else { *axis };
        let axis = usize::try_from(counted).ok().filter(|axis| *axis < shape.len());
        let axis = axis.ok_or_else(|| format!("an axis {counted} of {rank}"))?;
        let rows: usize = shape[..axis].iter().product();
        let step: usize = shape[axis..].iter().product();
        let name = self.identifier(node)?.to_owned();
        let (mut data, mut calls) = (format!("/* {} */\n", self.comment(node)), String::new());
        let mut offset = 0;
        for (index, ((id, port), scale)) in node.inputs.iter().zip(&operator.inputs).zip(scales).enumerate() {
            let length: usize = self.shapes[id.0][axis..].iter().product();
            let to = format!("{} + {offset}", self.pointer(*output));
            match scale {
                None => {
                    kernels.add(Kernel::CopyRows);
                    let _ = writeln!(
                        calls,
                        "    copy_rows({rows}, {length}, {step}, {}, {to});",
                        self.pointer(*id)
                    );
                }
                Some(scale) => {
                    fits(LARGEST_CODE, *scale)?;
                    kernels.add(Kernel::Rescale);
                    let _ = writeln!(
                        data,
                        "static const struct rescale {name}_rescale_{index} = {{\n    .flip = {}, .zero_point = {}, \
                         .multiplier = {}, .shift = {}, {}\n}};",
                        self.flip(*id),
                        port.zero_point,
                        scale.multiplier,
                        scale.shift,
                        output_fields(operator),
                    );
                    let _ = writeln!(
                        calls,
                        "    run_rescale(&{name}_rescale_{index}, {rows}, {length}, {step}, {}, {to});",
                        self.pointer(*id)
                    );
                }
            }
            offset += length;
        }
        data.push('\n');
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn mean(&self, node: &Node, operator: &TargetOperator, kernels: &mut Kernels) -> Result<Step, String> {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let (from, to) = (&self.shapes[input.0], &self.shapes[output.0]);
        let means = Means::of(&operator.op, from, to).map_err(|error| error.to_string())?;
        let means = means.ok_or("it is no mean")?;
        let spare = MEAN_AXES
            .checked_sub(from.len())
            .ok_or_else(|| format!("an input of {} axes, expected at most {MEAN_AXES}", from.len()))?;
        kernels.add(Kernel::Mean);
        let divisors = means.distinct();
        let mut scales = Vec::new();
        for &divisor in &divisors {
            let scale = operator.mean_scale(divisor);
            let scale =
                scale.ok_or_else(|| format!("a mean over {divisor} positions, which has no multiplier"))?;
            let count: usize = means
                .spans
                .iter()
                .map(|axis| axis.iter().map(|s| s.end - s.start).max())
                .map(|longest| longest.unwrap_or(0))
                .product();
            fits(LARGEST_CODE * i128::try_from(count).unwrap_or(i128::MAX >> 20), scale)?;
            scales.push(scale);
        }
        let name = self.identifier(node)?.to_owned();
        let mut data = format!("/* {} */\n", self.comment(node));
        let mut axes = vec!["{1, 0, NULL}".to_owned(); spare];
        let mut step: usize = from.iter().product();
        for (axis, (spans, &size)) in means.spans.iter().zip(from).enumerate() {
            step /= size.max(1);
            let each = spans.iter().enumerate().all(|(i, span)| span.start == i && span.end == i + 1);
            if each && spans.len() == size {
                axes.push(format!("{{{size}, {step}, NULL}}"));
                continue;
            }
            let _ = writeln!(
                data,
                "static const struct span {name}_spans_{axis}[{}] = {{{}}};",
                spans.len(),
                spans.iter().map(span).collect::<Result<Vec<_>, _>>()?.join(", ")
            );
            axes.push(format!("{{{}, {step}, {name}_spans_{axis}}}", spans.len()));
        }
        let multipliers: Vec<u32> = scales.iter().map(|scale| scale.multiplier).collect();
        let shifts: Vec<i32> = scales.iter().map(|scale| scale.shift).collect();
        data.push_str(&text::array("uint32_t", &format!("{name}_multiplier"), &multipliers));
        data.push_str(&text::array("uint8_t", &format!("{name}_shift"), &shifts));
        let mut which = "NULL".to_owned();
        if divisors.len() > 1 {
            let index = |divisor: &i64| divisors.binary_search(divisor);
            let indices = means.divisors.iter().map(index).collect::<Result<Vec<usize>, _>>();
            let indices = indices.map_err(|_| "a window of a size that has no multiplier")?;
            if divisors.len() > 256 {
                return Err(format!("windows of {} different sizes, expected at most 256", divisors.len()));
            }
            which = format!("{name}_divisor");
            data.push_str(&text::array("uint8_t", &which, &indices));
        }
        let _ = write!(
            data,
            "static const struct mean {name}_mean = {{\n    .axes = {{{}}},\n    .multiplier = {name}_multiplier, .shift = \
             {name}_shift, .divisor = {which},\n    {}, {}\n}};\n\n",
            axes.join(", "),
            self.input_fields(operator, input)?,
            output_fields(operator),
        );
        let calls = format!(
            "    run_mean(&{name}_mean, {}, {}, {});\n",
            text::count(to),
            self.pointer(input),
            self.pointer(output)
        );
        Ok(Step { data, constant_bytes: 5 * scales.len(), calls })
    }

    fn max_pool(&self, node: &Node, pool: &Pool, kernels: &mut Kernels) -> Result<Step, String> {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let (from, to) = (&self.shapes[input.0], &self.shapes[output.0]);
        kernels.add(Kernel::MaxPool);
        let absent = 3_usize
            .checked_sub(pool.kernel.len())
            .ok_or_else(|| format!("a window of {} axes, expected at most 3", pool.kernel.len()))?;
        let mut axes = [Axis::ABSENT; 3];
        for (axis, place) in axes[absent..].iter_mut().enumerate() {
            let size = |sizes: &[i64]| usize::try_from(sizes[axis]).map_err(|error| error.to_string());
            *place = Axis {
                input: from[axis + 2],
                output: to[axis + 2],
                kernel: size(&pool.kernel)?,
                stride: size(&pool.stride)?,
                padding: size(&pool.padding)?,
                dilation: size(&pool.dilation)?,
            };
        }
        let name = self.identifier(node)?.to_owned();
        let data = format!(
            "/* {} */\nstatic const struct max_pool {name}_pool = {{\n    .planes = {}, .depth = {}, .height = {}, .width = \
             {}, .flip = {}\n}};\n\n",
            self.comment(node),
            from[0] * from[1],
            axes[0].text()?,
            axes[1].text()?,
            axes[2].text()?,
            self.flip(input),
        );
        let calls =
            format!("    run_max_pool(&{name}_pool, {}, {});\n", self.pointer(input), self.pointer(output));
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn selection(
        &self,
        node: &Node,
        operator: &TargetOperator,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let Op::Shape(shape) = &operator.op else {
            return Err(format!("{} is no selection", operator.op.name()));
        };
        kernels.add(Kernel::Selection);
        let input = node.inputs[0];
        let known: Vec<Option<Vec<usize>>> = self.shapes.iter().cloned().map(Some).collect();
        let results = shape.sources(&self.shapes[input.0], &known).map_err(|error| error.to_string())?;
        let name = self.identifier(node)?.to_owned();
        let (mut data, mut calls) = (format!("/* {} */\n", self.comment(node)), String::new());
        let filling = shape.filling(first_input(operator)?.zero_point);
        for (part, ((sizes, sources), output)) in results.iter().zip(&node.outputs).enumerate() {
            let tables = tables(sizes, sources).ok_or("places that are no sum of one term per axis")?;
            let name = if node.outputs.len() == 1 { name.clone() } else { format!("{name}_{part}") };
            for (axis, table) in tables.iter().enumerate() {
                data.push_str(&text::array("int32_t", &format!("{name}_sources_{axis}"), table));
            }
            let pointers: Vec<String> =
                (0..tables.len()).map(|axis| format!("{name}_sources_{axis}")).collect();
            data.push_str(&text::array("int32_t", &format!("{name}_sizes"), sizes));
            let _ = write!(
                data,
                "static const int32_t *const {name}_sources[{}] = {{{}}};\nstatic const struct selection {name}_selection \
                 = {{\n    .axes = {}, .sizes = {name}_sizes, .sources = {name}_sources, .padding_value = \
                 {filling}\n}};\n\n",
                pointers.len(),
                pointers.join(", "),
                sizes.len(),
            );
            let _ = writeln!(
                calls,
                "    run_selection(&{name}_selection, {}, {}, {});",
                text::count(sizes),
                self.pointer(input),
                self.pointer(*output)
            );
        }
        Ok(Step { data, constant_bytes: 0, calls })
    }
}

/// `.output_zero_point = 3, .min = 0, .max = 255`.
/// S1, Z1 and type of an operator's first input.
fn first_input(operator: &TargetOperator) -> Result<&Port, String> {
    operator.inputs.first().ok_or_else(|| format!("{} without an input", operator.op.name()))
}

fn output_fields(operator: &TargetOperator) -> String {
    let Range { min, max } = operator.output.range;
    format!(".output_zero_point = {}, .min = {min}, .max = {max}", operator.output.zero_point)
}

/// Distance of neighbours in an operand along the axes of the result; 0 where the operand is repeated.
fn steps(operand: &[usize], result: &[usize]) -> Vec<usize> {
    let mut steps = vec![0; result.len()];
    let mut step = 1;
    for (&size, place) in operand.iter().rev().zip(steps.iter_mut().rev()) {
        *place = if size == 1 { 0 } else { step };
        step *= size;
    }
    steps
}

fn span(span: &Span) -> Result<String, String> {
    match (u16::try_from(span.start), u16::try_from(span.end)) {
        (Ok(start), Ok(end)) => Ok(format!("{{{start}, {end}}}")),
        _ => Err(format!("an axis of {} positions, expected at most 65535", span.end)),
    }
}

/// One table per axis whose entries add up to the source of each element, -1 for padding; `None` if there are none.
fn tables(sizes: &[usize], sources: &[Option<usize>]) -> Option<Vec<Vec<i64>>> {
    let mut strides = vec![1; sizes.len()];
    for axis in (1..sizes.len()).rev() {
        strides[axis - 1] = strides[axis] * sizes[axis];
    }
    let base = sources.iter().position(Option::is_some)?;
    let origin = i64::try_from(sources[base]?).ok()?;
    let mut tables = Vec::new();
    for (axis, (&size, &stride)) in sizes.iter().zip(&strides).enumerate() {
        let start = base - base / stride % size * stride;
        let entry = |position: usize| match sources[start + position * stride] {
            None => Some(-1),
            // The first axis carries the origin; the others count from it.
            Some(source) => Some(i64::try_from(source).ok()? - if axis == 0 { 0 } else { origin }),
        };
        tables.push((0..size).map(entry).collect::<Option<Vec<i64>>>()?);
    }
    // Differences from the origin may be negative, which stands for padding: each table starts at its smallest instead,
    // and the first has what is left over.
    let mut moved = 0;
    for (axis, table) in tables.iter_mut().enumerate().skip(1) {
        let inside = |&i: &usize| {
            sources[base - base / strides[axis] % sizes[axis] * strides[axis] + i * strides[axis]].is_some()
        };
        let places: Vec<usize> = (0..table.len()).filter(inside).collect();
        let smallest = places.iter().map(|&i| table[i]).min().unwrap_or(0);
        places.iter().for_each(|&i| table[i] -= smallest);
        moved += smallest;
    }
    for (i, entry) in tables.first_mut()?.iter_mut().enumerate() {
        if sources[base % strides[0] + i * strides[0]].is_some() {
            *entry += moved;
        }
    }
    let all = tables.iter().flatten().all(|entry| i32::try_from(*entry).is_ok());
    let sums = sources.iter().enumerate().all(|(index, &source)| {
        let entries = tables
            .iter()
            .zip(sizes)
            .zip(&strides)
            .map(|((table, &size), &stride)| table[index / stride % size]);
        let entries: Vec<i64> = entries.collect();
        let sum = if entries.iter().any(|&e| e < 0) {
            None
        } else {
            usize::try_from(entries.iter().sum::<i64>()).ok()
        };
        sum == source
    });
    (all && sums).then_some(tables)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sources_become_tables() {
        // (2, 3) from (3, 2) transposed; the same mirrored, with padding after the last column.
        assert_eq!(tables(&[2, 3], &[0, 2, 4, 1, 3, 5].map(Some)), Some(vec![vec![0, 1], vec![0, 2, 4]]));
        let mirrored = [Some(4), Some(2), None, Some(5), Some(3), None];
        assert_eq!(tables(&[2, 3], &mirrored), Some(vec![vec![2, 3], vec![2, 0, -1]]));
        assert_eq!(tables(&[2, 2], &[0, 1, 2, 2].map(Some)), None);
    }

    #[test]
    fn repeated_operands_stay() {
        assert_eq!(steps(&[1, 3, 1, 1], &[1, 3, 4, 5]), [0, 1, 0, 0]);
        assert_eq!(steps(&[5], &[1, 3, 4, 5]), [0, 0, 0, 1]);
        assert_eq!(steps(&[1, 3, 4, 5], &[1, 3, 4, 5]), [0, 20, 5, 1]);
    }
}
