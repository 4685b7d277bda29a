//! Packed weights that the text makes: from a module's state, or in `forward` itself.
//!
//! A convolution is saved as its weight, bias and geometry. Its `_packed_params` come into being when the class's
//! `set_weight_bias` runs, which is evaluated here like any other method.

use std::rc::Rc;

use super::call::Arguments;
use super::evaluate::{Dialect, Evaluator};
use super::frame::Frame;
use super::item::{Evaluated, Item, Known};
use super::operation::child;
use crate::source::{Geometry, PackedParams, Value};

/// The method that packs a module's weight and bias.
const PACK: &str = "set_weight_bias";

impl<'t> Evaluator<'t> {
    /// An attribute that a module gets when its weight is packed; `None` if it gets no such attribute.
    pub(super) fn packed_attribute(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        module: &Rc<str>,
        attribute: &str,
    ) -> Evaluated<Option<Item<'t>>> {
        let path = child(module, attribute);
        if let Some(item) = self.packed.get(&path) {
            return Ok(Some(item.clone()));
        }
        let modules = self.modules;
        let Some(attributes) = modules.get(&**module).map(|module| &module.attributes) else {
            return Ok(None);
        };
        let (Some(weight), Some(bias)) = (attributes.get("weight"), attributes.get("bias")) else {
            return Ok(None);
        };
        let Dialect::Script(texts) = &mut self.dialect else {
            return Ok(None);
        };
        let (text, class) = texts.class_of(frame, line, module)?;
        if self.packing.is_some() || text.method(class, PACK).is_none() {
            return Ok(None);
        }
        let positional =
            vec![Item::stored(weight, &child(module, "weight")), Item::stored(bias, &child(module, "bias"))];
        self.packing = Some(Rc::clone(module));
        let packed =
            self.call_method(frame, line, module, PACK, Arguments { positional, keywords: Vec::new() });
        self.packing = None;
        packed?;
        Ok(self.packed.get(&path).cloned())
    }

    /// `self.attribute = item`, which only packing may do.
    pub(super) fn set_attribute(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        subject: &Item<'t>,
        attribute: &str,
        item: Item<'t>,
    ) -> Evaluated<()> {
        match (subject, &self.packing) {
            (Item::Module(module), Some(packing)) if module == packing => {
                let path = child(module, attribute);
                let item = match item {
                    Item::Constant(value, _) => Item::Constant(value, Some(path.as_str().into())),
                    item => item,
                };
                self.packed.insert(path, item);
                Ok(())
            }
            _ => Err(frame.unsupported(
                line,
                format!("an assignment to `{}`", super::lexer::abbreviate(attribute)),
                "a `forward` that changes no module",
            )),
        }
    }

    /// The result of a function that packs; `None` if `path` is none, or packs what is not known.
    pub(super) fn prepack(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        path: &str,
        arguments: &[Item<'t>],
    ) -> Evaluated<Option<Item<'t>>> {
        let Some(kind) = path.strip_prefix("ops.quantized.").and_then(|name| name.strip_suffix("_prepack"))
        else {
            return Ok(None);
        };
        let (weight, bias, geometry) = match (kind, arguments) {
            ("linear", [weight, bias]) => (weight, bias, None),
            ("conv1d" | "conv2d" | "conv3d", [weight, bias, stride, padding, dilation, groups]) => {
                (weight, bias, Some(([stride, padding, dilation], None, groups)))
            }
            (
                "conv_transpose1d" | "conv_transpose2d" | "conv_transpose3d",
                [weight, bias, stride, padding, output_padding, dilation, groups],
            ) => (weight, bias, Some(([stride, padding, dilation], Some(output_padding), groups))),
            _ => return Ok(None),
        };
        let Some(Value::Tensor(weight)) = weight.constant() else { return Ok(None) };
        let bias = match bias.constant() {
            Some(Value::Tensor(bias)) => Some(bias.clone()),
            Some(Value::None) => None,
            _ => return Ok(None),
        };
        let geometry = match geometry {
            None => None,
            Some((axes, output_padding, groups)) => {
                let spatial = weight.shape().len().saturating_sub(2);
                let [stride, padding, dilation] = axes.map(|item| self.integers(frame, line, item, spatial));
                let extra = output_padding.map(|item| self.integers(frame, line, item, spatial));
                let Some(groups) = groups.constant().and_then(Value::as_i64) else {
                    return Err(Self::refuse(frame, line, groups, "the number of groups"));
                };
                Some(Geometry {
                    stride: stride?,
                    padding: padding?,
                    dilation: dilation?,
                    transposed: extra.is_some(),
                    output_padding: extra.unwrap_or_else(|| Ok(vec![0; spatial]))?,
                    groups,
                })
            }
        };
        let packed = Value::Packed(Box::new(PackedParams { weight: weight.clone(), bias, geometry }));
        Ok(Some(Item::Constant(Known::Made(Rc::new(packed)), None)))
    }

    /// One integer for each of `count` spatial axes.
    fn integers(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        item: &Item<'t>,
        count: usize,
    ) -> Evaluated<Vec<i64>> {
        let items = self.elements(frame, line, item)?;
        let numbers: Option<Vec<i64>> =
            items.iter().map(|element| element.constant().and_then(Value::as_i64)).collect();
        numbers.filter(|numbers| numbers.len() == count).ok_or_else(|| {
            frame.malformed(line, item.kind(), format!("{count} integers, one for each spatial axis"))
        })
    }
}
