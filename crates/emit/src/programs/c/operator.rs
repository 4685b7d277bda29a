//! Forms without weights: their numbers and their calls.

use std::fmt::Write as _;

use gen_params_core::hardware::integer_op::{
    ChannelAffine, Join, MatrixProduct, Pair, Select, Table, WindowAxis, WindowMaximum, WindowSum,
};
use gen_params_core::hardware::{IntegerOp, Port, Rescale};
use gen_params_core::network::{EdgeId, Node};
use gen_params_core::ops::Span;
use gen_params_core::parameters::Range;

use super::kernels::{Kernel, Kernels};
use super::layer::axis;
use super::range::LARGEST;
use super::{Network, Step, text};

/// Axes that window sums are written with.
const WINDOW_AXES: usize = 5;

/// Values of an operator stay in 63 bits, with what a rounding adds.
fn fits(sums: Range<i128>, rescale: &Rescale) -> Result<(), String> {
    if !(0..=62).contains(&rescale.shift) {
        return Err(format!("a shift of {}, expected 0 to 62", rescale.shift));
    }
    let Range { min, max } = rescale.exact_ranges(sums).product.held;
    if max.max(-min) >= LARGEST {
        return Err(
            "products of more than 63 bits, and C has 64; narrower multipliers help: --multiplier-bits"
                .into(),
        );
    }
    Ok(())
}

impl Network<'_> {
    pub(super) fn form(
        &self,
        node: &Node,
        form: &IntegerOp<'_>,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let (Some(&input), Some(&output)) = (node.inputs.first(), node.outputs.first()) else {
            return Err("no input or no output".into());
        };
        match form {
            IntegerOp::DotProduct(form) => self.dot_product(node, form, kernels),
            IntegerOp::Sum(form) => {
                fits(form.sums(), &form.rescale)?;
                kernels.add(Kernel::Sum);
                self.pair(node, &form.pair, "run_sum", form.multipliers, &form.rescale)
            }
            IntegerOp::Product(form) => {
                fits(form.sums(), &form.rescale)?;
                kernels.add(Kernel::Product);
                self.pair(node, &form.pair, "run_product", [form.rescale.multiplier, 0], &form.rescale)
            }
            IntegerOp::MatrixProduct(form) => self.matrix_product(node, form, kernels),
            IntegerOp::Join(form) => self.join(node, form, kernels),
            IntegerOp::WindowSum(form) => self.window_sum(node, form, kernels),
            IntegerOp::WindowMaximum(form) => self.window_maximum(node, form, kernels),
            IntegerOp::ChannelAffine(form) => self.channel_affine(node, form, kernels),
            IntegerOp::Table(form) => self.table_of_codes(node, form, kernels),
            IntegerOp::Clamp(form) => {
                kernels.add(Kernel::Clamp);
                let Range { min, max } = form.range;
                let calls = format!(
                    "    run_clamp({}, {min}, {max}, {}, {}, {});\n",
                    self.flip(input),
                    form.input.elements(),
                    self.pointer(input),
                    self.pointer(output)
                );
                Ok(Step { calls, ..Step::default() })
            }
            IntegerOp::Select(form) => self.select(node, form, kernels),
        }
    }

    /// `.flip = 0, .zero_point = 3`.
    fn input_fields(&self, id: EdgeId, port: &Port) -> String {
        format!(".flip = {}, .zero_point = {}", self.flip(id), port.zero_point)
    }

    /// `.flip_a = 0, .flip_b = 0, .zero_point_a = 3, .zero_point_b = 4`, and expressions for both operands and the result.
    fn operands(&self, node: &Node, [a, b]: [&Port; 2]) -> Result<(String, String), String> {
        let ([first, second], [output]) = (node.inputs.as_slice(), node.outputs.as_slice()) else {
            return Err("other than two inputs and one output".into());
        };
        let fields = format!(
            ".flip_a = {}, .flip_b = {}, .zero_point_a = {}, .zero_point_b = {}",
            self.flip(*first),
            self.flip(*second),
            a.zero_point,
            b.zero_point
        );
        let pointers =
            format!("{}, {}, {}", self.pointer(*first), self.pointer(*second), self.pointer(*output));
        Ok((fields, pointers))
    }

    fn channel_affine(
        &self,
        node: &Node,
        form: &ChannelAffine<'_>,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        fits(form.sums(), &form.rescale)?;
        kernels.add(Kernel::ChannelScale);
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let name = self.identifier(node)?.to_owned();
        let mut data = format!("/* {} */\n", self.comment(node));
        data.push_str(&text::array("int32_t", &format!("{name}_multiplier"), form.multipliers));
        data.push_str(&text::array("int32_t", &format!("{name}_offset"), form.offsets));
        let _ = write!(
            data,
            "static const struct channel_scale {name}_scale = {{\n    .images = {}, .channels = {}, .area = \
             {}, .multiplier = {name}_multiplier, .offset = {name}_offset,\n    .shift = {}, {}, \
             {}\n}};\n\n",
            form.input.shape[0],
            form.multipliers.len(),
            form.area(),
            form.rescale.shift,
            self.input_fields(input, &form.input.port),
            output_fields(&form.rescale),
        );
        let constant_bytes = 8 * form.multipliers.len();
        let calls = format!(
            "    run_channel_scale(&{name}_scale, {}, {});\n",
            self.pointer(input),
            self.pointer(output)
        );
        Ok(Step { data, constant_bytes, calls })
    }

    fn table_of_codes(&self, node: &Node, form: &Table<'_>, kernels: &mut Kernels) -> Result<Step, String> {
        kernels.add(Kernel::Table);
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let name = self.identifier(node)?.to_owned();
        let data = format!(
            "/* {} */\n{}\n",
            self.comment(node),
            text::array("uint8_t", &format!("{name}_table"), &text::bytes(form.codes))
        );
        let calls = format!(
            "    run_table({name}_table, {}, {}, {}, {});\n",
            self.flip(input),
            form.input.elements(),
            self.pointer(input),
            self.pointer(output)
        );
        Ok(Step { data, constant_bytes: form.codes.len(), calls })
    }

    fn pair(
        &self,
        node: &Node,
        pair: &Pair,
        function: &str,
        multipliers: [u32; 2],
        rescale: &Rescale,
    ) -> Result<Step, String> {
        let (fields, pointers) =
            self.operands(node, pair.operands.each_ref().map(|operand| &operand.port))?;
        let count = text::count(&pair.shape);
        let (sizes, steps_a, steps_b) = if pair.is_whole() {
            (vec![count], vec![1], vec![1])
        } else {
            (pair.shape.clone(), pair.steps(0), pair.steps(1))
        };
        let name = self.identifier(node)?.to_owned();
        let mut data = format!("/* {} */\n", self.comment(node));
        for (what, values) in [("sizes", &sizes), ("step_a", &steps_a), ("step_b", &steps_b)] {
            data.push_str(&text::array("int32_t", &format!("{name}_{what}"), values));
        }
        let _ = write!(
            data,
            "static const struct pair {name}_pair = {{\n    .axes = {}, .sizes = {name}_sizes, .step_a = {name}_step_a, \
             .step_b = {name}_step_b,\n    {fields},\n    \
             .multiplier_a = {}, .multiplier_b = {}, .shift = {}, {}\n}};\n\n",
            sizes.len(),
            multipliers[0],
            multipliers[1],
            rescale.shift,
            output_fields(rescale),
        );
        let calls = format!("    {function}(&{name}_pair, {count}, {pointers});\n");
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn matrix_product(
        &self,
        node: &Node,
        form: &MatrixProduct,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let (fields, pointers) =
            self.operands(node, form.operands.each_ref().map(|operand| &operand.port))?;
        fits(form.sums(), &form.rescale)?;
        kernels.add(Kernel::MatrixProduct);
        let name = self.identifier(node)?.to_owned();
        let data = format!(
            "/* {} */\nstatic const struct matrix_product {name}_product = {{\n    .matrices = {}, .rows = {}, \
             .inner = {}, .columns = {},\n    {fields},\n    \
             .multiplier = {}, .shift = {}, {}\n}};\n\n",
            self.comment(node),
            form.matrices,
            form.rows,
            form.inner,
            form.columns,
            form.rescale.multiplier,
            form.rescale.shift,
            output_fields(&form.rescale),
        );
        let calls = format!("    run_matrix_product(&{name}_product, {pointers});\n");
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn join(&self, node: &Node, form: &Join, kernels: &mut Kernels) -> Result<Step, String> {
        let (rows, step) = (form.rows, form.length);
        let name = self.identifier(node)?.to_owned();
        let (mut data, mut calls) = (format!("/* {} */\n", self.comment(node)), String::new());
        for (index, (&id, part)) in node.inputs.iter().zip(&form.parts).enumerate() {
            let (from, length) = (self.pointer(id), part.length);
            let to = format!("{} + {}", self.pointer(node.outputs[0]), part.offset);
            let Some(rescale) = &part.rescale else {
                kernels.add(Kernel::CopyRows);
                let _ = writeln!(calls, "    copy_rows({rows}, {length}, {step}, {from}, {to});");
                continue;
            };
            fits(part.sums(), rescale)?;
            kernels.add(Kernel::Rescale);
            let _ = writeln!(
                data,
                "static const struct rescale {name}_rescale_{index} = {{\n    {}, \
                 .multiplier = {}, .shift = {}, {}\n}};",
                self.input_fields(id, &part.input.port),
                rescale.multiplier,
                rescale.shift,
                output_fields(rescale),
            );
            let _ = writeln!(
                calls,
                "    run_rescale(&{name}_rescale_{index}, {rows}, {length}, {step}, {from}, {to});"
            );
        }
        data.push('\n');
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn window_sum(&self, node: &Node, form: &WindowSum, kernels: &mut Kernels) -> Result<Step, String> {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        let from = &form.input.shape;
        let spare = WINDOW_AXES
            .checked_sub(from.len())
            .ok_or_else(|| format!("an input of {} axes, expected at most {WINDOW_AXES}", from.len()))?;
        kernels.add(Kernel::Mean);
        for rescale in &form.rescales {
            fits(form.sums(), rescale)?;
        }
        let name = self.identifier(node)?.to_owned();
        let mut data = format!("/* {} */\n", self.comment(node));
        let mut axes = vec!["{1, 0, NULL}".to_owned(); spare];
        let mut step: usize = from.iter().product();
        for (axis, (spans, &size)) in form.windows.spans.iter().zip(from).enumerate() {
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
        let multipliers: Vec<u32> = form.rescales.iter().map(|rescale| rescale.multiplier).collect();
        let shifts: Vec<i32> = form.rescales.iter().map(|rescale| rescale.shift).collect();
        data.push_str(&text::array("uint32_t", &format!("{name}_multiplier"), &multipliers));
        data.push_str(&text::array("uint8_t", &format!("{name}_shift"), &shifts));
        let mut which = "NULL".to_owned();
        let divisors = form.windows.distinct();
        if divisors.len() > 1 {
            if divisors.len() > 256 {
                return Err(format!("windows of {} different sizes, expected at most 256", divisors.len()));
            }
            let index = |divisor: &i64| divisors.partition_point(|known| known < divisor);
            which = format!("{name}_divisor");
            let indices: Vec<usize> = form.windows.divisors.iter().map(index).collect();
            data.push_str(&text::array("uint8_t", &which, &indices));
        }
        let clamp = form.rescales.first().map(output_fields).unwrap_or_default();
        let _ = write!(
            data,
            "static const struct mean {name}_mean = {{\n    .axes = {{{}}},\n    .multiplier = {name}_multiplier, .shift = \
             {name}_shift, .divisor = {which},\n    {}, {clamp}\n}};\n\n",
            axes.join(", "),
            self.input_fields(input, &form.input.port),
        );
        let calls = format!(
            "    run_mean(&{name}_mean, {}, {}, {});\n",
            text::count(&form.shape),
            self.pointer(input),
            self.pointer(output)
        );
        Ok(Step { data, constant_bytes: 5 * form.rescales.len(), calls })
    }

    fn window_maximum(
        &self,
        node: &Node,
        form: &WindowMaximum,
        kernels: &mut Kernels,
    ) -> Result<Step, String> {
        let (input, output) = (node.inputs[0], node.outputs[0]);
        kernels.add(Kernel::MaxPool);
        let [depth, height, width] = WindowAxis::volume(&form.axes)?;
        let name = self.identifier(node)?.to_owned();
        let data = format!(
            "/* {} */\nstatic const struct max_pool {name}_pool = {{\n    .planes = {}, .depth = {}, .height = {}, .width = \
             {}, .flip = {}\n}};\n\n",
            self.comment(node),
            form.planes(),
            axis(&depth)?,
            axis(&height)?,
            axis(&width)?,
            self.flip(input),
        );
        let calls =
            format!("    run_max_pool(&{name}_pool, {}, {});\n", self.pointer(input), self.pointer(output));
        Ok(Step { data, constant_bytes: 0, calls })
    }

    fn select(&self, node: &Node, form: &Select, kernels: &mut Kernels) -> Result<Step, String> {
        kernels.add(Kernel::Selection);
        let name = self.identifier(node)?.to_owned();
        let (mut data, mut calls) = (format!("/* {} */\n", self.comment(node)), String::new());
        for (part, ((sizes, sources), output)) in form.parts.iter().zip(&node.outputs).enumerate() {
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
                 {}\n}};\n\n",
                pointers.len(),
                pointers.join(", "),
                sizes.len(),
                form.filling,
            );
            let _ = writeln!(
                calls,
                "    run_selection(&{name}_selection, {}, {}, {});",
                text::count(sizes),
                self.pointer(node.inputs[0]),
                self.pointer(*output)
            );
        }
        Ok(Step { data, constant_bytes: 0, calls })
    }
}

/// `.output_zero_point = 3, .min = 0, .max = 255`.
fn output_fields(rescale: &Rescale) -> String {
    let Range { min, max } = rescale.clamp;
    format!(".output_zero_point = {}, .min = {min}, .max = {max}", rescale.zero_point)
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
}
