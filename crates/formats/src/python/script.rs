//! TorchScript text: classes, methods and functions, evaluated from the root module's `forward`.

use super::Source;
use super::evaluate::{Dialect, Evaluator, finish};
use super::frame::Frame;
use super::item::{Evaluated, Item};
use super::operation::child;
use super::texts::{Program, Texts};
use crate::error::Result;
use crate::source::Graph;

/// Evaluates `forward` of the root module. Submodules are inlined; a node's scope is the path of the module in whose
/// method it stands.
///
/// # Errors
/// The text is malformed, or does what is not supported; the place is `entry:line`.
pub fn trace_script(program: &Program<'_>) -> Result<Graph> {
    let mut texts = Texts::new(*program);
    let root = Frame::new(Source { name: "data.pkl", text: "" }, "".into());
    let (text, class) = finish(texts.class_of(&root, 0, ""))?;
    let Some(function) = text.method(class, "forward") else {
        let found = format!("the class `{class}` without `forward`");
        return Err(text.source.unsupported(1, found, "a network that can be called"));
    };
    let mut run = Evaluator::new(Dialect::Script(texts), program.modules);
    let outputs = finish(run.forward(text.source, &function))?;
    run.recorder.finish(outputs, true)
}

impl<'t> Evaluator<'t> {
    /// A constant that only the text of a module's class holds: `stride : Final[int] = 2`.
    pub(super) fn class_constant(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        module: &str,
        name: &str,
    ) -> Evaluated<Option<Item<'t>>> {
        let Dialect::Script(texts) = &mut self.dialect else {
            return Ok(None);
        };
        let (text, class) = texts.class_of(frame, line, module)?;
        let Some(value) = text.constant(class, name) else {
            return Ok(None);
        };
        let mut outside = Frame::new(text.source, "".into());
        let item = self.expression(&mut outside, value, None)?;
        Ok(Some(match item {
            Item::Constant(value, _) => Item::Constant(value, Some(child(module, name).into())),
            item => item,
        }))
    }
}
