//! Operators without weights: what was counted, for people and machines.

use std::io::Write;

use anyhow::Result;
use serde_json::{Value as Json, json};

use gen_params::certify::{Case, OperatorProof};

use crate::outputs::{align_right, ruled};
use crate::table::count;

/// Prints them.
pub(super) fn print(out: &mut impl Write, operators: &[OperatorProof]) -> Result<()> {
    writeln!(out, "Operators without weights, over everything that can enter them:")?;
    let mut table = ruled();
    table.set_header(["operator", "op", "cases", "differing", "largest", "", "for example: inputs, codes"]);
    for operator in operators {
        let mut row = vec![operator.name.clone(), operator.op.to_owned()];
        match &operator.counted {
            Ok(counted) => row.extend([
                count(counted.cases),
                count(counted.differing),
                format!("{} LSB", counted.largest),
                if counted.differing == 0 { "proven equal".to_owned() } else { String::new() },
                counted.example.as_ref().map_or_else(String::new, example),
            ]),
            Err(why) => row.extend([String::new(), String::new(), String::new(), String::new(), why.clone()]),
        }
        table.add_row(row);
    }
    align_right(&mut table, 2..6);
    writeln!(out, "{table}")?;
    Ok(())
}

fn example(case: &Case) -> String {
    let inputs: Vec<String> = case.inputs.iter().map(ToString::to_string).collect();
    format!("{}: {}, hardware {}", inputs.join(", "), case.reference, case.hardware)
}

/// All counts.
pub(super) fn to_json(operators: &[OperatorProof]) -> Json {
    let of_operator = |operator: &OperatorProof| {
        let counted = operator.counted.as_ref().ok();
        json!({
            "name": operator.name,
            "op": operator.op,
            "cases": counted.map(|counted| counted.cases),
            "differing": counted.map(|counted| counted.differing),
            "largest": counted.map(|counted| counted.largest),
            "example": counted.and_then(|counted| counted.example.as_ref()).map(|case| json!({
                "inputs": case.inputs,
                "reference": case.reference,
                "hardware": case.hardware,
            })),
            "not_counted": operator.counted.as_ref().err(),
        })
    };
    operators.iter().map(of_operator).collect()
}
