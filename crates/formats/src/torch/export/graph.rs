//! The graph of an exported program, as the same calls that TorchScript and FX give.

use std::collections::HashMap;
use std::sync::Arc;

use indexmap::IndexMap;

use super::super::budget::Budget;
use super::super::heap::shortened;
use super::schema::{self, Name, NodeText, Program, StoredArgument, Union, UserArgument};
use super::tensors::Tensors;
use crate::error::{ReadError, Result};
use crate::source::{Argument, Callee, Graph, Module, Node, Place, Value, ValueId};

/// The schema's number of a positional argument.
const POSITIONAL: u64 = 1;

/// Makes the modules that hold the tensors, and the graph.
///
/// # Errors
/// A value is used before it is made or made twice, or an input is of a kind that we do not know.
pub(super) fn build(
    entry: &str,
    program: &Program<'_>,
    tensors: &Tensors,
    budget: &Budget,
) -> Result<(IndexMap<String, Module>, Graph)> {
    let mut build = Build {
        entry,
        file: Arc::from(entry),
        tensors,
        budget,
        names: HashMap::new(),
        modules: modules_of(entry, tensors, budget)?,
        graph: Graph::default(),
    };
    for spec in &program.graph_module.signature.input_specs {
        build.input(spec)?;
    }
    for node in &program.graph_module.graph.nodes {
        build.node(node)?;
    }
    for spec in &program.graph_module.signature.output_specs {
        build.output(spec)?;
    }
    Ok((build.modules, build.graph))
}

/// Tensors by the module that their key names.
fn modules_of(entry: &str, tensors: &Tensors, budget: &Budget) -> Result<IndexMap<String, Module>> {
    let mut modules: IndexMap<String, Module> = IndexMap::new();
    for (key, value) in tensors {
        let (path, name) = key.rsplit_once('.').unwrap_or(("", key));
        budget.take(2 * key.len(), entry)?;
        budget.take_elements::<(usize, String, Module, String, Value)>(1, entry)?;
        let module = modules.entry(path.to_owned()).or_default();
        module.attributes.insert(name.to_owned(), value.clone());
    }
    Ok(modules)
}

struct Build<'a> {
    entry: &'a str,
    /// The same, as places hold it.
    file: Arc<str>,
    tensors: &'a Tensors,
    budget: &'a Budget,
    names: HashMap<String, Argument>,
    modules: IndexMap<String, Module>,
    graph: Graph,
}

impl Build<'_> {
    fn input(&mut self, spec: &Union<'_>) -> Result<()> {
        match &*spec.tag {
            "user_input" => {
                let UserArgument { arg } = spec.parse(self.entry)?;
                if arg.tag == "as_tensor" {
                    let Name { name } = arg.parse(self.entry)?;
                    self.budget.take_elements::<(ValueId, String)>(1, self.entry)?;
                    let id = self.define(&name)?;
                    self.graph.inputs.push((id, shortened(&name)));
                }
                // Numbers and strings that were given at export are constants of the graph.
                Ok(())
            }
            "parameter" | "buffer" | "tensor_constant" => {
                let StoredArgument { arg, key } = spec.parse(self.entry)?;
                let Some(value) = self.tensors.get(&*key) else {
                    return Err(ReadError::malformed(
                        self.entry,
                        format!("the input {:?}", shortened(&key)),
                        "a tensor of that key in the archive",
                    ));
                };
                self.budget.take(key.len(), self.entry)?;
                self.insert(&arg.name, Argument::Constant(value.clone(), Some(key.into_owned())))
            }
            other => Err(ReadError::unsupported(
                self.entry,
                format!("an input of the kind {:?}", shortened(other)),
                "tensors, parameters, buffers and constants",
            )),
        }
    }

    fn output(&mut self, spec: &Union<'_>) -> Result<()> {
        // What a call changes in a buffer (a batch norm's counter) is no result of the network.
        if spec.tag == "user_output" {
            let UserArgument { arg } = spec.parse(self.entry)?;
            let output = self.argument("the outputs", &arg)?;
            self.graph.outputs.push(output);
        }
        Ok(())
    }

    fn node(&mut self, text: &NodeText<'_>) -> Result<()> {
        let target = shortened(&text.target);
        self.budget.take(4 * target.len(), self.entry)?;
        self.budget.take_elements::<Node>(1, self.entry)?;
        let mut arguments = Vec::new();
        let mut keywords = Vec::new();
        let mut place = target.as_str();
        let name = self.result_name(text)?;
        if let Some(name) = &name {
            place = name;
        }
        for input in &text.inputs {
            let value = self.argument(place, &input.arg)?;
            self.budget.take(input.name.len(), self.entry)?;
            self.budget.take_elements::<(String, Argument)>(1, self.entry)?;
            if input.kind == Some(POSITIONAL) && keywords.is_empty() {
                arguments.push(value);
            } else {
                keywords.push((shortened(&input.name), value));
            }
        }
        let scope = self.scope(text.metadata.nn_module_stack.as_deref())?;
        let mut outputs = Vec::new();
        for output in &text.outputs {
            self.results(place, output, &mut outputs)?;
        }
        let line = u32::try_from(self.graph.nodes.len()).unwrap_or(u32::MAX);
        let place = Place { file: Arc::clone(&self.file), line };
        let name = name.unwrap_or_else(|| target.clone());
        let callee = Callee::Function(target);
        self.graph.nodes.push(Node { callee, name, scope, arguments, keywords, outputs, place });
        Ok(())
    }

    /// The name of a call's first result, by which the program's own text names the call.
    fn result_name(&self, text: &NodeText<'_>) -> Result<Option<String>> {
        let Some(first) = text.outputs.first().filter(|output| output.tag == "as_tensor") else {
            return Ok(None);
        };
        let Name { name } = first.parse(self.entry)?;
        self.budget.take(2 * name.len(), self.entry)?;
        Ok((!name.is_empty()).then(|| shortened(&name)))
    }

    /// Path of the innermost module around a call; its class is noted where the module has tensors, or is new.
    fn scope(&mut self, stack: Option<&str>) -> Result<String> {
        let mut innermost = "";
        for level in stack.unwrap_or_default().split(';') {
            let mut fields = level.splitn(3, ',').skip(1);
            let (Some(path), Some(class)) = (fields.next(), fields.next()) else { continue };
            // A module that is called again has `@1` behind its path.
            let path = path.split('@').next().unwrap_or(path);
            innermost = path;
            if self.modules.get(path).is_none_or(|module| module.class.is_none()) {
                self.budget.take(2 * path.len() + class.len(), self.entry)?;
                self.budget.take_elements::<(usize, String, Module)>(1, self.entry)?;
                self.modules.entry(path.to_owned()).or_default().class = Some(shortened(class));
            }
        }
        self.budget.take(innermost.len(), self.entry)?;
        Ok(innermost.to_owned())
    }

    /// The values that one output of a call stands for: one, or those of a list.
    fn results(&mut self, place: &str, output: &Union<'_>, ids: &mut Vec<ValueId>) -> Result<()> {
        #[derive(serde::Deserialize)]
        struct AsName<'a> {
            #[serde(borrow)]
            as_name: std::borrow::Cow<'a, str>,
        }
        match &*output.tag {
            "as_tensor" => {
                let Name { name } = output.parse(place)?;
                ids.push(self.define(&name)?);
            }
            "as_tensors" => {
                for Name { name } in self.list(place, output)? {
                    ids.push(self.define(&name)?);
                }
            }
            "as_sym_int" | "as_sym_bool" | "as_sym_float" => {
                let AsName { as_name } = output.parse(place)?;
                ids.push(self.define(&as_name)?);
            }
            // A result that nobody can name: its place is kept.
            _ => ids.push(self.fresh(place)?),
        }
        Ok(())
    }

    fn fresh(&mut self, place: &str) -> Result<ValueId> {
        let id = ValueId(self.graph.values);
        self.budget.take_elements::<ValueId>(1, place)?;
        self.graph.values = self
            .graph
            .values
            .checked_add(1)
            .ok_or_else(|| ReadError::malformed(place, "too many values", "fewer than 2^32"))?;
        Ok(id)
    }

    fn define(&mut self, name: &str) -> Result<ValueId> {
        let id = self.fresh(name)?;
        // Results that are not used may have no name.
        if !name.is_empty() {
            self.insert(name, Argument::Value(id))?;
        }
        Ok(id)
    }

    fn insert(&mut self, name: &str, value: Argument) -> Result<()> {
        self.budget.take(name.len(), self.entry)?;
        self.budget.take_elements::<(String, Argument)>(2, self.entry)?;
        match self.names.insert(name.to_owned(), value) {
            None => Ok(()),
            Some(_) => Err(ReadError::malformed(
                self.entry,
                format!("the value {:?} a second time", shortened(name)),
                "each value once",
            )),
        }
    }

    /// The value of a name that an input or an earlier call made.
    fn named(&self, place: &str, name: &str) -> Result<Argument> {
        let value = self.names.get(name).ok_or_else(|| {
            ReadError::malformed(
                place,
                format!("the value {:?}", shortened(name)),
                "one that an input or an earlier node makes",
            )
        })?;
        if let Argument::Constant(Value::Tensor(tensor), Some(key)) = value {
            self.budget.take(key.len() + 16 * tensor.shape().len(), place)?;
        }
        Ok(value.clone())
    }

    /// A list of a union, charged for what its arguments take.
    fn list<'a, T: serde::Deserialize<'a>>(&self, place: &str, list: &Union<'a>) -> Result<Vec<T>> {
        // The shortest element is a digit and a comma.
        self.budget.take(list.value.get().len() / 2 * (2 * size_of::<T>() + size_of::<Argument>()), place)?;
        list.parse(place)
    }

    fn constants<'a, T: serde::Deserialize<'a>>(
        &self,
        place: &str,
        list: &Union<'a>,
        value: impl Fn(T) -> Value,
    ) -> Result<Value> {
        Ok(Value::List(self.list(place, list)?.into_iter().map(value).collect()))
    }

    /// A list that is a constant where all of it is.
    fn joined(items: Vec<Argument>) -> Argument {
        let constant = |item: &Argument| match item {
            Argument::Constant(value, _) => Some(value.clone()),
            Argument::Value(_) | Argument::List(_) => None,
        };
        match items.iter().map(constant).collect() {
            Some(values) => Argument::Constant(Value::List(values), None),
            None => Argument::List(items),
        }
    }

    fn argument(&self, place: &str, union: &Union<'_>) -> Result<Argument> {
        let value = match &*union.tag {
            "as_tensor" => {
                let Name { name } = union.parse(place)?;
                return self.named(place, &name);
            }
            "as_tensors" => {
                let names: Vec<Name<'_>> = self.list(place, union)?;
                let items: Result<_> = names.iter().map(|tensor| self.named(place, &tensor.name)).collect();
                return Ok(Argument::List(items?));
            }
            "as_sym_int" | "as_sym_float" | "as_sym_bool" => {
                return self.symbol(place, &union.parse(place)?);
            }
            "as_optional_tensor" => return self.symbol(place, &union.parse(place)?),
            "as_sym_ints" | "as_sym_floats" | "as_sym_bools" | "as_optional_tensors" => {
                let symbols: Vec<Union<'_>> = self.list(place, union)?;
                let items: Result<_> = symbols.iter().map(|symbol| self.symbol(place, symbol)).collect();
                return Ok(Self::joined(items?));
            }
            "as_none" => Value::None,
            "as_bool" => Value::Bool(union.parse(place)?),
            "as_int" => Value::Int(union.parse(place)?),
            "as_float" => Value::Float(union.parse::<Float>(place)?.0),
            "as_string" => Value::Str(self.text(place, union)?),
            "as_bools" => self.constants(place, union, Value::Bool)?,
            "as_ints" => self.constants(place, union, Value::Int)?,
            "as_floats" => self.constants(place, union, |Float(number)| Value::Float(number))?,
            "as_scalar_type" => {
                let number = union.parse(place)?;
                match schema::dtype_of(number) {
                    Some(dtype) => Value::Symbol(Arc::from(format!("torch.{}", dtype.name()))),
                    None => Value::Opaque(Arc::from(format!("scalar type {number}"))),
                }
            }
            // Devices, layouts, memory formats, subgraphs and what newer versions have: whoever needs one refuses it by name.
            other => Value::Opaque(Arc::from(shortened(other))),
        };
        Ok(Argument::Constant(value, None))
    }

    /// `{"as_name": a value}`, or a constant.
    fn symbol(&self, place: &str, union: &Union<'_>) -> Result<Argument> {
        match &*union.tag {
            "as_name" => {
                let name: std::borrow::Cow<'_, str> = union.parse(place)?;
                self.named(place, &name)
            }
            "as_tensor" | "as_none" | "as_int" | "as_float" | "as_bool" => self.argument(place, union),
            other => Err(ReadError::malformed(
                place,
                format!("{:?}", shortened(other)),
                "as_name, as_tensor or a constant",
            )),
        }
    }

    fn text(&self, place: &str, union: &Union<'_>) -> Result<Arc<str>> {
        let text: std::borrow::Cow<'_, str> = union.parse(place)?;
        self.budget.take(text.len(), place)?;
        Ok(Arc::from(text))
    }
}

/// A binary64 number; those that JSON has no numbers for are text.
struct Float(f64);

impl<'de> serde::Deserialize<'de> for Float {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        #[derive(serde::Deserialize)]
        #[serde(untagged)]
        enum Either {
            Number(f64),
            Name(String),
        }
        match Either::deserialize(deserializer)? {
            Either::Number(number) => Ok(Self(number)),
            Either::Name(name) => match name.as_str() {
                "Infinity" => Ok(Self(f64::INFINITY)),
                "-Infinity" => Ok(Self(f64::NEG_INFINITY)),
                "NaN" => Ok(Self(f64::NAN)),
                _ => Err(serde::de::Error::custom("text for a number")),
            },
        }
    }
}
