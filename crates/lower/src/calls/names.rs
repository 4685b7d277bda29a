//! Names of operators and of nodes.

use gen_params_formats::{Callee, Form, Node};

use super::Lowering;
use crate::parts::join;

impl Lowering<'_> {
    /// Name of a layer: its module's path; at the root, the packed parameters' own name or the variable's.
    pub(super) fn layer_name(&self, node: &Node, constant: Option<&str>, base: &str) -> String {
        if !node.scope.is_empty() {
            return node.scope.clone();
        }
        if let Some(path) = constant {
            // Freezing and mobile passes hoist `features.0.0._packed_params` to `_jit_pass_..features.0.0._packed_params.1`.
            if let Some((hoisted, _)) = path.split_once("._packed_params") {
                return hoisted.trim_start_matches("_jit_pass_hoist_conv_packed_params.").to_owned();
            }
        }
        if is_temporary(&node.name) { base.to_owned() } else { node.name.clone() }
    }

    /// Name of any other node: its module's path, or module path and variable.
    pub(super) fn name(&self, node: &Node, operator: &str) -> String {
        let base = operator.rsplit('.').next().unwrap_or(operator);
        let leaf = self
            .source
            .modules
            .get(&node.scope)
            .is_some_and(|m| m.class.as_deref().is_some_and(|c| c.starts_with("torch.")));
        // A convolution that pads by reflection is one module and two operations: its name is the layer's.
        if leaf && !node.scope.is_empty() && base != "pad" {
            node.scope.clone()
        } else if self.source.form == Form::GraphModule && !is_temporary(&node.name) {
            node.name.clone()
        } else {
            join(&node.scope, base)
        }
    }
}

/// TorchScript's `_0`, `x1`, `input2`: numbered variables that name nothing.
pub(super) fn is_temporary(name: &str) -> bool {
    let stem = name.trim_end_matches(|c: char| c.is_ascii_digit());
    matches!(stem, "" | "_" | "x" | "input" | "Xq" | "r" | "out" | "y")
}

/// Number of spatial axes in names such as `max_pool2d`.
pub(super) fn axes_of(operator: &str) -> usize {
    operator.bytes().rev().find(u8::is_ascii_digit).map_or(2, |d| usize::from(d - b'0'))
}

/// `torch.ops.quantized.add` is `quantized.add`; `torch.nn.functional.relu` is `relu`.
pub(super) fn operator_name(name: &str) -> String {
    const PREFIXES: [&str; 12] = [
        "torch.ops.aten.",
        "torch.ops.",
        "torch.nn.functional.",
        "torch.nn.quantized.functional.",
        "torch.ao.nn.quantized.functional.",
        "torch._C._nn.",
        "torch.",
        "ops.aten.",
        "ops.",
        "aten.",
        "operator.",
        "_operator.",
    ];
    PREFIXES.iter().find_map(|p| name.strip_prefix(p)).unwrap_or(name).to_owned()
}

/// True for a function of Python that calls the operator of its name, and may have other parameters.
pub(super) fn is_python(callee: &Callee) -> bool {
    const MODULES: [&str; 3] =
        ["torch.nn.functional.", "torch.nn.quantized.functional.", "torch.ao.nn.quantized.functional."];
    matches!(callee, Callee::Function(name) if MODULES.iter().any(|module| name.starts_with(module)))
}

pub(super) fn callee_name(callee: &Callee) -> &str {
    match callee {
        Callee::Function(name) | Callee::Method(name) | Callee::Module(name) => name,
    }
}
