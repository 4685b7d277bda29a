//! The known-answer test: inputs, the outputs that they must give, and a main that compares.

use std::fmt::Write as _;

use gen_params_core::error::Reason;
use gen_params_core::machine::Machine;
use gen_params_core::machine::RunError;
use gen_params_core::network::EdgeId;
use gen_params_core::ops::{Op, Value};

use super::{Network, text};
use crate::programs::arbitrary::arbitrary_images;

/// One image and what the network makes of it, in the element types of the model.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct KnownAnswer {
    /// Codes of each input, (C, spatial...).
    pub inputs: Vec<Vec<i32>>,
    /// Codes of each output, (C, spatial...).
    pub outputs: Vec<Vec<i32>>,
}

impl KnownAnswer {
    /// What a network makes of one image: one value per input, (1, C, spatial...), codes or reals to be quantized.
    ///
    /// # Errors
    /// The values do not fit the network.
    pub fn compute(machine: &Machine<'_>, values: Vec<Value>) -> Result<Self, RunError> {
        let network = machine.network();
        let mut edges = machine.begin(values)?;
        for (index, node) in network.nodes.iter().enumerate() {
            let step = machine.step(index, &edges)?;
            edges.set(&node.outputs, step.results);
        }
        let codes = |id: EdgeId| edges.get(id).and_then(Value::codes).map(|codes| codes.elements().to_vec());
        let missing = |id: EdgeId| {
            let text = "holds reals, expected codes".to_owned();
            RunError { reasons: vec![Reason { place: network.edge(id).name.clone(), text }] }
        };
        let input = |&id: &EdgeId| {
            // Reals become codes in the `quantize` that takes them.
            let quantize = network.nodes.iter().find(|n| n.op == Op::Quantize && n.inputs.contains(&id));
            let quantized = quantize.and_then(|node| node.outputs.first()).and_then(|&id| codes(id));
            codes(id).or(quantized).ok_or_else(|| missing(id))
        };
        let output = |&id: &EdgeId| {
            let dequantize = network.nodes.iter().find(|n| n.op == Op::Dequantize && n.outputs.contains(&id));
            let source = dequantize.and_then(|node| node.inputs.first().copied()).unwrap_or(id);
            codes(source).ok_or_else(|| missing(id))
        };
        Ok(Self {
            inputs: network.inputs.iter().map(input).collect::<Result<_, _>>()?,
            outputs: network.outputs.iter().map(output).collect::<Result<_, _>>()?,
        })
    }

    /// What a network makes of [`arbitrary_images`]. `images` has the shape of each input, (C, spatial...).
    ///
    /// # Errors
    /// The shapes do not fit the network, or an input has no known type or too many elements.
    pub fn of_arbitrary(
        machine: &Machine<'_>,
        images: &[Vec<usize>],
        count: usize,
    ) -> Result<Vec<Self>, RunError> {
        let images = arbitrary_images(machine, images, count)?;
        images.into_iter().map(|values| Self::compute(machine, values)).collect()
    }
}

impl Network<'_> {
    /// The text from `#ifdef GEN_PARAMS_TEST` on.
    pub(super) fn known_answer_test(&self, name: &str, answers: &[KnownAnswer]) -> String {
        let network = self.machine.network();
        let (inputs, outputs) = (network.inputs.len(), network.outputs.len());
        let mut text = format!(
            "\n#ifdef GEN_PARAMS_TEST\n#include <stdio.h>\n\n#define TEST_IMAGES {}\n\n",
            answers.len()
        );
        let mut arguments = Vec::new();
        for (index, &id) in network.inputs.iter().enumerate() {
            let name = format!("test_{}", self.argument("input", index, inputs));
            let codes: Vec<&[i32]> = answers.iter().map(|answer| answer.inputs[index].as_slice()).collect();
            self.table(&mut text, &name, id, &codes);
            arguments.push(format!("{name}[image]"));
        }
        let (mut locals, mut checks) = (String::new(), String::new());
        for (index, &id) in network.outputs.iter().enumerate() {
            let output = self.argument("output", index, outputs);
            let codes: Vec<&[i32]> = answers.iter().map(|answer| answer.outputs[index].as_slice()).collect();
            self.table(&mut text, &format!("test_{output}"), id, &codes);
            let size = text::count(&self.shapes[id.0]);
            let _ = writeln!(locals, "    static {} {output}[{size}];", self.element(id));
            let _ = write!(
                checks,
                "        for (int i = 0; i < {size}; i++) {{\n            if ({output}[i] != test_{output}[image][i] && \
                 differing++ < 10) {{\n                printf(\"image %d, {output} %d: found %d, expected %d\\n\", image, \
                 i, {output}[i], test_{output}[image][i]);\n            }}\n        }}\n"
            );
            arguments.push(output);
        }
        let codes: usize = network.outputs.iter().map(|id| text::count(&self.shapes[id.0])).sum();
        let _ = write!(
            text,
            "int main(void)\n{{\n{locals}    int differing = 0;\n    for (int image = 0; image < TEST_IMAGES; image++) \
             {{\n        {name}_run({});\n{checks}    }}\n    printf(\"%s: %d images of {codes} codes, %d differ\\n\", \
             differing ? \"FAIL\" : \"pass\", TEST_IMAGES, differing);\n    return differing != 0;\n}}\n#endif\n",
            arguments.join(", ")
        );
        text
    }

    /// Codes of all images, as the target has them.
    fn table(&self, text: &mut String, name: &str, id: EdgeId, images: &[&[i32]]) {
        let shift = self.activation(id).map_or(0, |activation| self.target.code_shift(activation.code_type));
        let size = text::count(&self.shapes[id.0]);
        let _ = write!(text, "static const {} {name}[TEST_IMAGES][{size}] = {{", self.element(id));
        for (index, codes) in images.iter().enumerate() {
            text.push_str(if index == 0 { "{" } else { "}, {" });
            let codes: Vec<i32> = codes.iter().map(|code| code - shift).collect();
            text::list(text, &codes);
        }
        text.push_str("\n}};\n\n");
    }
}
