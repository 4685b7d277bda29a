//! How a network becomes hardware: which tensors share a memory, and what computes each of the others.

use gen_params_core::error::Reason;
use gen_params_core::hardware::integer_op::Select;
use gen_params_core::hardware::{IntegerOp, Target};
use gen_params_core::machine::{Arithmetic, Machine};
use gen_params_core::network::{EdgeId, IntNetwork, Node};
use gen_params_core::ops::Op;
use gen_params_core::parameters::Activation;
use gen_params_core::tensor::Codes;

use super::parts::{Block, Buffer, Data, Options, Plan};
use super::{block, operator};
use crate::Error;
use crate::folder::golden::{INPUT, input_node};
use crate::names::{Identifiers, Language, NameSpace, file_stem};

/// A plan in the making.
struct Planner<'a> {
    machine: &'a Machine<'a>,
    target: Target,
    network: &'a IntNetwork,
    options: Options,
    /// By edge: the buffer that holds its codes.
    places: Vec<Option<usize>>,
    shapes: Vec<Option<Vec<usize>>>,
    plan: Plan,
    identifiers: Identifiers,
    reasons: Vec<Reason>,
}

impl Plan {
    /// The plan for one image, one shape (1, C, spatial...) per input.
    pub(super) fn new(machine: &Machine<'_>, shapes: &[Vec<usize>], options: Options) -> Result<Self, Error> {
        let network = machine.network();
        let count = network.edges.len();
        let Arithmetic::Target(target) = machine.arithmetic() else {
            let text = format!("the arithmetic of {}, expected `target`", machine.arithmetic());
            return Err(unsupported(vec![Reason { place: String::new(), text }]));
        };
        let mut planner = Planner {
            machine,
            target,
            network,
            options,
            places: vec![None; count],
            shapes: vec![None; count],
            identifiers: Identifiers::of(Language::SystemVerilog),
            plan: Self {
                buffers: Vec::new(),
                inputs: network.inputs.len(),
                blocks: Vec::new(),
                outputs: Vec::new(),
            },
            reasons: network.states_as_reasons(),
        };
        planner.begin(shapes);
        for (index, node) in network.nodes.iter().enumerate() {
            // What comes after something unknown is unknown, too, and no reason of its own.
            if node.inputs.iter().all(|id| planner.shapes[id.0].is_some())
                && let Err(text) = planner.node(index, node)
            {
                planner.reasons.push(Reason { place: node.name.clone(), text });
            }
        }
        planner.finish()
    }
}

impl Planner<'_> {
    fn begin(&mut self, shapes: &[Vec<usize>]) {
        let inputs = self.network.inputs.len();
        for (index, (&id, shape)) in self.network.inputs.iter().zip(shapes).enumerate() {
            let Some(activation) = self.machine.input_activation(id) else {
                let name = &self.network.edge(id).name;
                self.refuse(name, "an input whose scale and zero point are not known".into());
                continue;
            };
            self.shapes[id.0] = Some(shape.clone());
            let node = input_node(index, inputs);
            let name = node.clone().unwrap_or_else(|| INPUT.to_owned());
            let place = self.buffer(name, shape, activation, node, None);
            self.places[id.0] = Some(place);
        }
    }

    /// A new memory; the number of it.
    fn buffer(
        &mut self,
        id: String,
        shape: &[usize],
        activation: Activation,
        node: Option<String>,
        constant: Option<(String, Data)>,
    ) -> usize {
        let codes = self.target.codes(activation.code_type);
        let (shape, activation) = (block::image(shape).to_vec(), self.target.activation(activation));
        self.plan.buffers.push(Buffer { id, shape, activation, codes, node, constant });
        self.plan.buffers.len() - 1
    }

    fn refuse(&mut self, place: &str, text: String) {
        self.reasons.push(Reason { place: place.into(), text });
    }

    fn finish(mut self) -> Result<Plan, Error> {
        for &id in &self.network.outputs {
            match self.places[id.0] {
                Some(place) if self.plan.outputs.contains(&place) => {}
                Some(place) => self.plan.outputs.push(place),
                None if self.reasons.is_empty() => {
                    let name = self.network.edge(id).name.clone();
                    self.refuse(&name, "an output without codes".into());
                }
                None => {}
            }
        }
        if !self.reasons.is_empty() {
            return Err(unsupported(self.reasons));
        }
        self.plan.remove_unread();
        let mut files = NameSpace::default();
        for block in &self.plan.blocks {
            for (file, _) in &block.data {
                files.claim(file, &block.name)?;
            }
        }
        for buffer in &self.plan.buffers {
            if let (Some((file, _)), Some(node)) = (&buffer.constant, &buffer.node) {
                files.claim(file, node)?;
            }
        }
        Ok(self.plan)
    }

    /// Plans one node; an error says why it cannot be.
    fn node(&mut self, index: usize, node: &Node) -> Result<(), String> {
        let inputs: Vec<&[usize]> =
            node.inputs.iter().filter_map(|id| self.shapes[id.0].as_deref()).collect();
        let shapes = node.op.shapes(&inputs, &self.shapes).map_err(|error| error.to_string())?;
        match &node.op {
            Op::Quantize => {
                // Of codes it passes them, and the network's input has the codes already.
                let is_known = |id: &&EdgeId| {
                    self.network.inputs.contains(id) || self.network.edge(**id).activation.is_some()
                };
                let place = node.inputs.first().filter(is_known).and_then(|id| self.places[id.0]);
                self.alias(node, place.ok_or("reals inside of the network")?);
            }
            Op::Dequantize => {
                let place = self.places_of(node)?;
                self.alias(node, *place.first().ok_or("no input")?);
            }
            Op::Constant(codes) => self.constant(node, codes)?,
            op => {
                let form = self.machine.integer_op(index, &self.shapes).map_err(|error| error.to_string())?;
                match form.ok_or_else(|| format!("the operator {}, which has no integers", op.name()))? {
                    IntegerOp::Select(form) => self.select(node, &form)?,
                    form => self.compute(node, &form, &shapes)?,
                }
            }
        }
        for (id, shape) in node.outputs.iter().zip(shapes) {
            self.shapes[id.0] = Some(shape);
        }
        Ok(())
    }

    fn places_of(&self, node: &Node) -> Result<Vec<usize>, String> {
        let places = node.inputs.iter().map(|id| self.places[id.0]).collect::<Option<Vec<usize>>>();
        places.ok_or_else(|| "an input of reals".into())
    }

    /// The node's result is what is there already.
    fn alias(&mut self, node: &Node, place: usize) {
        for id in &node.outputs {
            self.places[id.0] = Some(place);
        }
    }

    /// Codes that the file holds.
    fn constant(&mut self, node: &Node, codes: &Codes) -> Result<(), String> {
        let &[edge] = node.outputs.as_slice() else { return Err("other than one result".into()) };
        let activation = self.known_activation(edge)?;
        let held = codes.elements().iter().map(|&code| self.target.receive(code, activation.code_type));
        let stem = file_stem(&node.name);
        let constant = Some((block::path(&format!("{stem}.hex")), Data::codes(activation.code_type, held)));
        let name = self.identifiers.claim(&identifier(&stem));
        let place = self.buffer(name, codes.shape(), activation, Some(node.name.clone()), constant);
        self.places[edge.0] = Some(place);
        Ok(())
    }

    /// S, Z and type of a result in the model.
    fn known_activation(&self, edge: EdgeId) -> Result<Activation, String> {
        let activation = self.network.edge(edge).activation;
        activation.ok_or_else(|| "a result whose scale and zero point are not known".into())
    }

    /// A node with one result.
    fn compute(&mut self, node: &Node, form: &IntegerOp<'_>, shapes: &[Vec<usize>]) -> Result<(), String> {
        let (&[id], [shape]) = (node.outputs.as_slice(), shapes) else {
            return Err(format!("a {} with {} results", node.op.name(), node.outputs.len()));
        };
        let places = self.places_of(node)?;
        let request = block::Request {
            node,
            form,
            inputs: places.iter().filter_map(|&place| self.plan.buffers.get(place)).collect(),
            elements: shape.iter().product(),
            code_bits: self.known_activation(id)?.code_type.bits(),
            rounding: self.target.rounding,
            options: self.options,
        };
        let computed = operator::of(&request)?;
        self.add(node, id, file_stem(&node.name), shape, places, computed)
    }

    fn add(
        &mut self,
        node: &Node,
        edge: EdgeId,
        stem: String,
        shape: &[usize],
        inputs: Vec<usize>,
        computed: block::Computed,
    ) -> Result<(), String> {
        let activation = self.known_activation(edge)?;
        let id = self.identifiers.claim(&identifier(&stem));
        let source = (node.outputs.len() == 1).then(|| node.name.clone());
        let output = self.buffer(id.clone(), shape, activation, source, None);
        self.places[edge.0] = Some(output);
        let block::Computed { instances, stages, data } = computed;
        let (name, op) = (node.name.clone(), node.op.name());
        self.plan.blocks.push(Block { id, name, op, inputs, output, instances, stages, data });
        Ok(())
    }

    /// A selection: the same memory where the elements keep their order, else a table of addresses.
    fn select(&mut self, node: &Node, form: &Select) -> Result<(), String> {
        let &place = self.places_of(node)?.first().ok_or("no input")?;
        let count = form.input.elements();
        if i32::try_from(count).is_err() {
            return Err(format!("{count} elements, expected fewer than 2^31"));
        }
        for (part, (&edge, (shape, sources))) in node.outputs.iter().zip(&form.parts).enumerate() {
            let in_order = (0..).map(Some).zip(sources).all(|(index, &source)| index == source);
            if sources.len() == count && in_order {
                self.places[edge.0] = Some(place);
                continue;
            }
            let stem = match form.parts.len() {
                1 => file_stem(&node.name),
                _ => format!("{}_{part}", file_stem(&node.name)),
            };
            let gathered = block::gather(&stem, sources, &self.plan.buffers[place], form.filling);
            self.add(node, edge, stem, shape, vec![place], gathered)?;
        }
        Ok(())
    }
}

fn unsupported(reasons: Vec<Reason>) -> Error {
    Error::Unsupported { what: "SystemVerilog", reasons }
}

/// An identifier that begins with a letter and has no two underscores in a row: Verilator keeps those for itself.
fn identifier(stem: &str) -> String {
    let mut id = String::with_capacity(stem.len() + 1);
    if !stem.starts_with(|c: char| c.is_ascii_alphabetic()) {
        id.push('n');
    }
    for c in stem.chars() {
        if c != '_' || !id.ends_with('_') {
            id.push(c);
        }
    }
    id
}

#[cfg(test)]
mod tests {
    use super::identifier;

    #[test]
    fn identifiers_begin_with_a_letter_and_have_single_underscores() {
        let rows = [("conv1", "conv1"), ("0", "n0"), ("_a", "n_a"), ("a__b___c", "a_b_c"), ("", "n")];
        for (stem, expected) in rows {
            assert_eq!(identifier(stem), expected, "{stem}");
        }
    }
}
