//! Tables for people.

use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};

use crate::outputs::align_right;
use gen_params::Model;
use gen_params::parameters::{
    Activation, Agreement, LayerKind, LayerParameters, MultiplierForm, OperatorArithmetic, Parameters, Scale,
    Wiring,
};
use gen_params::text::{short, thousands};

/// A line under the header, and nothing else.
const STYLE: TableStyle = TableStyle::new().header_separator(LineStyle::none().fill('─').junction('─'));

/// One line on the whole model.
pub(crate) fn heading(model: &Model, parameters: &Parameters) -> String {
    let wrapping: String = model.source().wrapping.iter().map(|w| format!(", {w}")).collect();
    let wiring = match parameters.wiring {
        Wiring::File => "wiring from the file",
        Wiring::GraphFile => "wiring from --graph",
        Wiring::KeyOrder => "wiring guessed from key order",
        Wiring::Unknown => "wiring unknown",
    };
    let inputs = parameters.inputs.iter().filter_map(|(name, activation)| {
        activation.map(|a| {
            format!("; {name}: S = {}, Z = {}, {}", short(a.scale), a.zero_point, a.code_type.name())
        })
    });
    format!(
        "{}: {}{wrapping}; {}; {wiring}{}",
        model.name(),
        model.form().name(),
        contents(parameters),
        inputs.collect::<String>()
    )
}

/// How much there is: layers and weights, or operators where there are no layers.
pub(crate) fn contents(parameters: &Parameters) -> String {
    let several = |n: usize, what: &str| format!("{} {what}{}", thousands(n), if n == 1 { "" } else { "s" });
    let layers = parameters.layers.len() + parameters.recurrent.len();
    if layers == 0 {
        return several(parameters.operators.len(), "operator") + " without weights";
    }
    let products = parameters.recurrent.iter().flat_map(|recurrent| &recurrent.products);
    let weights = parameters.layers.iter().map(|layer| layer.weight.codes.len());
    let weights = weights.chain(products.map(|product| product.weight.len())).sum();
    format!("{}, {}", several(layers, "layer"), several(weights, "weight"))
}

/// One row per layer.
pub(crate) fn layers(parameters: &Parameters) -> Table {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    let (m0, n) = match parameters.form {
        MultiplierForm::Shift(n) => ("M0".to_owned(), format!("n = {n}")),
        MultiplierForm::Bits(bits) | MultiplierForm::LayerBits(bits) | MultiplierForm::NetworkBits(bits) => {
            (format!("M0 ({bits} bits)"), "n".into())
        }
    };
    table.set_header([
        "layer",
        "op",
        "weight",
        "window",
        "S1",
        "Z1",
        "S3",
        "Z3",
        "clamp",
        "M",
        &m0,
        &n,
        "accumulator",
    ]);
    for layer in &parameters.layers {
        let pair = |a: Option<Activation>| match a {
            Some(a) => (short(a.scale), a.zero_point.to_string()),
            None => ("?".into(), "?".into()),
        };
        let (s1, z1) = pair(layer.input);
        let (s3, z3) = pair(layer.output);
        let shift = match parameters.form {
            MultiplierForm::Shift(_) => String::new(),
            MultiplierForm::Bits(_) | MultiplierForm::LayerBits(_) | MultiplierForm::NetworkBits(_) => {
                span(layer.shift.as_deref(), ToString::to_string)
            }
        };
        table.add_row([
            layer.name.clone(),
            operation(layer),
            shape(layer),
            window(layer),
            s1,
            z1,
            s3,
            z3,
            layer.clamp.map_or_else(|| "?".into(), |c| format!("{}..{}", c.min, c.max)),
            span(layer.real_multiplier.as_deref(), |m| short(*m)),
            span(layer.multiplier.as_deref(), ToString::to_string),
            shift,
            layer.accumulator.map_or_else(|| "?".into(), |r| format!("{} bits", r.bits)),
        ]);
    }
    align_right(&mut table, 4..);
    table
}

/// One row per matrix product and factor of an operator that keeps a state; `None` if there is none.
pub(crate) fn recurrent(parameters: &Parameters) -> Option<Table> {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header(["recurrent", "op", "weight", "S1", "Z1", "S3", "Z3", "M", "M0", "n"]);
    for recurrent in &parameters.recurrent {
        for product in &recurrent.products {
            let [results, inputs] = product.weight_shape;
            let rank = if product.rank > 1 { format!(", rank {}", product.rank) } else { String::new() };
            table.add_row([
                product.name.clone(),
                recurrent.op.to_owned(),
                format!("{results}×{inputs} int{}{rank}", product.weight_bits),
                short(product.input.scale),
                product.input.zero_point.to_string(),
                short(product.output.scale),
                product.output.zero_point.to_string(),
                short(product.real_multiplier),
                product.multiplier.to_string(),
                product.shift.to_string(),
            ]);
        }
        for factor in &recurrent.factors {
            let real = f64::from(factor.multiplier) * 2f64.powi(-factor.shift);
            let mut row = vec![format!("{}.{}", recurrent.name, factor.name), recurrent.op.to_owned()];
            row.resize(7, String::new());
            row.extend([short(real), factor.multiplier.to_string(), factor.shift.to_string()]);
            table.add_row(row);
        }
    }
    align_right(&mut table, 3..);
    (table.row_count() > 0).then_some(table)
}

/// One row per operator without weights that does more than move codes; `None` if there is none.
pub(crate) fn operators(parameters: &Parameters) -> Option<Table> {
    let mut table = Table::new();
    table.load_style(STYLE).set_content_arrangement(ContentArrangement::Disabled);
    table.set_header([
        "operator",
        "op",
        "S, Z of inputs",
        "S3",
        "Z3",
        "clamp",
        "M0",
        "n",
        "differs from exact",
    ]);
    for operator in &parameters.operators {
        let Some((m0, n)) = integers(&operator.arithmetic) else { continue };
        let ends = |a: &Activation| format!("{} {}", short(a.scale), a.zero_point);
        table.add_row([
            operator.name.clone(),
            operator.op.to_owned(),
            operator.inputs.iter().map(ends).collect::<Vec<_>>().join(", "),
            short(operator.output.scale),
            operator.output.zero_point.to_string(),
            format!("{}..{}", operator.clamp.min, operator.clamp.max),
            m0,
            n,
            match operator.agreement {
                None => String::new(),
                Some(Agreement { differing: 0, cases }) => format!("none of {}", count(cases)),
                Some(Agreement { differing, cases }) => {
                    format!("{} of {}", count(differing), count(cases))
                }
            },
        ]);
    }
    align_right(&mut table, 2..);
    (table.row_count() > 0).then_some(table)
}

/// M0 and n of an operator; `None` for those that only move codes.
fn integers(arithmetic: &OperatorArithmetic) -> Option<(String, String)> {
    let each = |scales: &mut dyn Iterator<Item = Option<Scale>>| {
        let scales: Vec<_> = scales.collect();
        let list = |show: &dyn Fn(&Scale) -> String| {
            let words = scales.iter().map(|scale| scale.as_ref().map_or_else(|| "-".into(), show));
            words.collect::<Vec<_>>().join(", ")
        };
        (list(&|scale| scale.multiplier.to_string()), list(&|scale| scale.shift.to_string()))
    };
    Some(match arithmetic {
        OperatorArithmetic::Sum { multipliers: [a, b], shift } => (format!("{a}, {b}"), shift.to_string()),
        OperatorArithmetic::Product(scale) | OperatorArithmetic::MatrixProduct(scale) => {
            each(&mut [Some(*scale)].into_iter())
        }
        OperatorArithmetic::Concatenation(scales) => each(&mut scales.iter().copied()),
        OperatorArithmetic::Mean(scales) if scales.is_empty() => ("by window".into(), String::new()),
        OperatorArithmetic::Mean(scales) => each(&mut scales.iter().map(|&(_, scale)| Some(scale))),
        OperatorArithmetic::ChannelScale { multipliers, shift, .. } => {
            (span(Some(multipliers), ToString::to_string), shift.to_string())
        }
        OperatorArithmetic::Table(codes) => (format!("table of {}", codes.len()), String::new()),
        OperatorArithmetic::Clamp | OperatorArithmetic::Largest => (String::new(), String::new()),
        OperatorArithmetic::Selection => return None,
    })
}

/// A number of cases with commas.
pub(crate) fn count(n: u64) -> String {
    thousands(usize::try_from(n).unwrap_or(usize::MAX))
}

fn operation(layer: &LayerParameters) -> String {
    let kind = layer.kind.name();
    match layer.relu {
        Some(true) => format!("{kind} + relu"),
        Some(false) | None => kind.into(),
    }
}

fn shape(layer: &LayerParameters) -> String {
    layer.weight.shape.iter().map(ToString::to_string).collect::<Vec<_>>().join("×")
}

/// Stride, padding, dilation and groups where they are not the usual 1, 0, 1, 1.
fn window(layer: &LayerParameters) -> String {
    let Some(window) = &layer.window else { return String::new() };
    let mut words = Vec::new();
    let plain = |sizes: &Vec<u32>| sizes.iter().map(ToString::to_string).collect::<Vec<_>>();
    // Before and after each axis, where they differ.
    let padding = match (&window.padding, &window.padding_end) {
        (Some(before), Some(after)) => {
            Some(before.iter().zip(after).map(|(b, a)| format!("{b}+{a}")).collect())
        }
        (before, _) => before.as_ref().map(plain),
    };
    for (letter, sizes, usual) in [
        ("s", window.stride.as_ref().map(plain), "1"),
        ("p", padding, "0"),
        ("d", window.dilation.as_ref().map(plain), "1"),
    ] {
        match sizes {
            None => words.push(format!("{letter}?")),
            Some(sizes) if sizes.iter().all(|size| size == usual) => {}
            Some(sizes) => {
                let all_equal = sizes.iter().all(|size| size == &sizes[0]);
                let shown = if all_equal { &sizes[..1] } else { &sizes[..] };
                words.push(format!("{letter}{}", shown.join("×")));
            }
        }
    }
    match window.groups {
        Some(1) => {}
        Some(groups)
            if matches!(layer.kind, LayerKind::Conv(_))
                && groups as usize == layer.channels
                && layer.weight.shape.get(1) == Some(&1) =>
        {
            words.push("depthwise".into())
        }
        Some(groups) => words.push(format!("g{groups}")),
        None => words.push("g?".into()),
    }
    words.join(" ")
}

/// One value, or the smallest and largest of several.
fn span<T: PartialOrd>(values: Option<&[T]>, show: impl Fn(&T) -> String) -> String {
    let Some(values) = values else { return "?".into() };
    let mut values = values.iter();
    let Some(first) = values.next() else { return "?".into() };
    let (low, high) = values.fold((first, first), |(low, high), v| {
        (if v < low { v } else { low }, if v > high { v } else { high })
    });
    if low == high { show(low) } else { format!("{}..{}", show(low), show(high)) }
}
