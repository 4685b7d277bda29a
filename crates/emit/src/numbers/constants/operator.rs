//! The constants of operators without weights: sums, products, means, tables.

use gen_params_core::hardware::Rounding;
use gen_params_core::parameters::{Activation, OperatorArithmetic, OperatorParameters, TableParameters};

use super::{Constant, Section, Value, integer, narrowest};
use crate::numbers::Integers;

/// Those of an element-wise function.
pub(super) fn table(table: &TableParameters) -> Section<'_> {
    let (first, last) = table.input.code_type.range();
    let head = vec![
        format!(
            "{:?}: {} by the arithmetic `{}`, one entry per input code from {first} on.",
            table.name, table.function, table.contract
        ),
        scales([&table.input].into_iter(), &table.output),
    ];
    let constants = vec![
        integer("INPUT_ZERO_POINT", Some(table.input.zero_point), ""),
        integer("INPUT_MIN", Some(first), ""),
        integer("INPUT_MAX", Some(last), ""),
        integer("OUTPUT_ZERO_POINT", Some(table.output.zero_point), ""),
        Constant { suffix: "TABLE".into(), value: Value::Codes(&table.codes, table.output.code_type) },
    ];
    Section { name: &table.name, head, constants }
}

/// Those of an operator; `None` for one without integers of its own, and for tables, which have their own sections.
pub(super) fn section(operator: &OperatorParameters, rounding: Rounding) -> Option<Section<'_>> {
    let Integers { multiplier, shift, offset, divisor } = Integers::of(&operator.arithmetic)?;
    let head = vec![
        format!("Operator {:?}: {}, rounding {rounding}", operator.name, operator.op),
        equation(&operator.arithmetic).to_owned(),
        scales(operator.inputs.iter(), &operator.output),
    ];
    let zero_points: Vec<i32> = operator.inputs.iter().map(|input| input.zero_point).collect();
    let mut constants = vec![match zero_points.as_slice() {
        [one] => integer("INPUT_ZERO_POINT", Some(*one), ""),
        _ => list("INPUT_ZERO_POINT", Value::Signed(zero_points.into())),
    }];
    constants.extend([
        integer("OUTPUT_ZERO_POINT", Some(operator.output.zero_point), ""),
        integer("CLAMP_MIN", Some(operator.clamp.min), ""),
        integer("CLAMP_MAX", Some(operator.clamp.max), ""),
    ]);
    if !multiplier.is_empty() {
        // Codes that pass unchanged have neither: 1 and 0 say the same.
        let multiplier: Vec<i64> = multiplier.into_iter().map(|m0| m0.unwrap_or(1)).collect();
        let unsigned = multiplier.iter().map(|&m0| u32::try_from(m0)).collect::<Result<Vec<_>, _>>();
        constants.push(list(
            "MULTIPLIER",
            unsigned.map_or_else(|_| narrowest(multiplier), |unsigned| Value::Unsigned(unsigned.into())),
        ));
        let shift: Vec<i32> = shift.into_iter().map(|n| n.unwrap_or(0)).collect();
        constants.push(list("SHIFT", Value::Short(shift.into())));
    }
    constants.extend(offset.map(|offset| list("OFFSET", Value::Signed(offset.into()))));
    let divisor = divisor.filter(|divisor| !divisor.is_empty());
    constants.extend(divisor.map(|divisor| list("DIVISOR", narrowest(divisor))));
    Some(Section { name: &operator.name, head, constants })
}

fn list<'a>(suffix: &'static str, value: Value<'a>) -> Constant<'a> {
    Constant { suffix: suffix.into(), value }
}

/// What the operator computes, in the terms of its constants.
fn equation(arithmetic: &OperatorArithmetic) -> &'static str {
    match arithmetic {
        OperatorArithmetic::Sum { .. } => {
            "output = clamp(round((MULTIPLIER[0] * (a - INPUT_ZERO_POINT[0]) + MULTIPLIER[1] * (b - INPUT_ZERO_POINT[1])) \
             * 2^-SHIFT[0]) + OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)"
        }
        OperatorArithmetic::Product(_) => {
            "output = clamp(round((a - INPUT_ZERO_POINT[0]) * (b - INPUT_ZERO_POINT[1]) * MULTIPLIER[0] * 2^-SHIFT[0]) + \
             OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)"
        }
        OperatorArithmetic::MatrixProduct(_) => {
            "output = clamp(round(sum((a - INPUT_ZERO_POINT[0]) * (b - INPUT_ZERO_POINT[1])) * MULTIPLIER[0] * \
             2^-SHIFT[0]) + OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX)"
        }
        OperatorArithmetic::Concatenation(_) => {
            "output = clamp(round((x - INPUT_ZERO_POINT[i]) * MULTIPLIER[i] * 2^-SHIFT[i]) + OUTPUT_ZERO_POINT, \
             CLAMP_MIN, CLAMP_MAX) for the codes of input i"
        }
        OperatorArithmetic::Mean(_) => {
            "output = clamp(round(sum(x - INPUT_ZERO_POINT) * MULTIPLIER[i] * 2^-SHIFT[i]) + OUTPUT_ZERO_POINT, \
             CLAMP_MIN, CLAMP_MAX) for windows of DIVISOR[i] codes"
        }
        OperatorArithmetic::ChannelScale { .. } => {
            "output = clamp(round(((x - INPUT_ZERO_POINT) * MULTIPLIER[c] + OFFSET[c]) * 2^-SHIFT[0]) + \
             OUTPUT_ZERO_POINT, CLAMP_MIN, CLAMP_MAX) for channel c"
        }
        OperatorArithmetic::Clamp => "output = clamp(x, CLAMP_MIN, CLAMP_MAX)",
        OperatorArithmetic::Table(_) => "output = TABLE[x - INPUT_MIN]",
        OperatorArithmetic::Largest => "output = the largest code of a window",
        OperatorArithmetic::Selection => "output = the input's codes in another place",
    }
}

/// S1 of every input, and S3.
fn scales<'a>(inputs: impl Iterator<Item = &'a Activation>, output: &Activation) -> String {
    let inputs: Vec<String> = inputs.map(|input| input.scale.to_string()).collect();
    format!("S1 = {}, S3 = {}", inputs.join(", "), output.scale)
}
