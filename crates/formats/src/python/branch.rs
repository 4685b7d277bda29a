//! `if`: decided where its condition is known, and otherwise tried both ways.

use super::ast::{Block, Expression, Statement, StatementKind};
use super::evaluate::{Evaluator, Flow, TRACE};
use super::frame::Frame;
use super::item::{Evaluated, Item, Stop};

/// How a branch that was tried ends.
enum Attempt<'t> {
    Raises,
    Ends(Flow<'t>),
}

impl<'t> Evaluator<'t> {
    /// Takes the first branch whose condition holds.
    pub(super) fn conditional(
        &mut self,
        frame: &mut Frame<'t>,
        branches: &[(Expression<'t>, Block<'t>)],
        otherwise: &Block<'t>,
    ) -> Evaluated<Flow<'t>> {
        for (index, (condition, block)) in branches.iter().enumerate() {
            let value = self.expression(frame, condition, None)?;
            match self.truth(frame, condition.line, &value)? {
                Some(true) => {
                    return self.nested(frame, condition.line, |run, frame| run.block(frame, block));
                }
                Some(false) => {}
                None => {
                    let rest = branches.get(index + 1..).unwrap_or_default();
                    return self.undecided(frame, condition.line, block, rest, otherwise);
                }
            }
        }
        self.nested(frame, 0, |run, frame| run.block(frame, otherwise))
    }

    /// A condition on data. If one branch raises, the other one is taken; otherwise what they disagree on is left open.
    fn undecided(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        block: &Block<'t>,
        rest: &[(Expression<'t>, Block<'t>)],
        otherwise: &Block<'t>,
    ) -> Evaluated<Flow<'t>> {
        let mut first = |run: &mut Self, frame: &mut Frame<'t>| run.block(frame, block);
        let mut second = |run: &mut Self, frame: &mut Frame<'t>| run.conditional(frame, rest, otherwise);
        // What raises is short. Trying the short branch first leaves the long one to be evaluated once.
        let long = size(otherwise) + rest.iter().map(|(_, block)| size(block)).sum::<usize>();
        if size(block) <= long {
            self.try_both(frame, line, &mut first, &mut second)
        } else {
            self.try_both(frame, line, &mut second, &mut first)
        }
    }

    #[allow(clippy::type_complexity)] // Two ways to go on.
    fn try_both(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        short: &mut dyn FnMut(&mut Self, &mut Frame<'t>) -> Evaluated<Flow<'t>>,
        long: &mut dyn FnMut(&mut Self, &mut Frame<'t>) -> Evaluated<Flow<'t>>,
    ) -> Evaluated<Flow<'t>> {
        let before = frame.locals.clone();
        self.charge(before.len(), frame, line)?;

        let Attempt::Ends(short_flow) = self.attempt(frame, line, short)? else {
            frame.locals = before;
            return self.nested(frame, line, |run, frame| long(run, frame));
        };
        let short_locals = std::mem::replace(&mut frame.locals, before.clone());
        let Attempt::Ends(long_flow) = self.attempt(frame, line, long)? else {
            frame.locals = before;
            return self.nested(frame, line, |run, frame| short(run, frame));
        };
        match (short_flow, long_flow) {
            (Flow::Next, Flow::Next) => {}
            (Flow::Return(a, line), Flow::Return(b, _)) if a.same(&b) && self.survives(&a) => {
                return Ok(Flow::Return(a, line));
            }
            _ => return Err(refuse(frame, line, "branches that leave the function or loop differently")),
        }
        // Both calls were forgotten, so what they gave must not be mistaken for what later calls give: only what was
        // there before, unchanged, and what both branches set alike can be used.
        let open = std::rc::Rc::new(frame.place(line));
        let long_locals = std::mem::replace(&mut frame.locals, before);
        self.charge(short_locals.len().saturating_add(long_locals.len()), frame, line)?;
        for (name, item) in &long_locals {
            let agreed = short_locals.get(name).is_some_and(|other| other.same(item)) && self.survives(item);
            frame.locals.insert(name, if agreed { item.clone() } else { Item::Open(Some(open.clone())) });
        }
        for name in short_locals.keys() {
            if !long_locals.contains_key(name) {
                frame.locals.insert(name, Item::Open(Some(open.clone())));
            }
        }
        Ok(Flow::Next)
    }

    /// Evaluates a branch and takes back all it did, the variables excepted.
    fn attempt(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        branch: &mut dyn FnMut(&mut Self, &mut Frame<'t>) -> Evaluated<Flow<'t>>,
    ) -> Evaluated<Attempt<'t>> {
        let calls = self.recorder.mark();
        let lists = self.lists.attempt();
        let result = self.nested(frame, line, |run, frame| branch(run, frame));
        let change = self.recorder.change_since(calls).map(|node| node.place.clone());
        let list_changed = self.lists.changed(lists);
        self.recorder.rollback(calls);
        self.lists.rollback(lists);
        self.lists.settle();
        match result {
            Ok(_) if change.is_some() => Err(refuse(frame, line, "branches that change a tensor in place")),
            Ok(_) if list_changed => Err(refuse(frame, line, "branches that change a list")),
            Ok(flow) => Ok(Attempt::Ends(flow)),
            Err(Stop::Raise(..)) => Ok(Attempt::Raises),
            Err(stop) => Err(stop),
        }
    }

    /// True if an item is still there after a branch was taken back.
    fn survives(&self, item: &Item<'t>) -> bool {
        match item {
            Item::Data(id) => self.recorder.holds(*id),
            Item::List(id) | Item::Dict(id) => self.lists.holds(*id),
            // Equal tuples are one tuple, which was there before the branches.
            _ => true,
        }
    }
}

fn refuse(frame: &Frame<'_>, line: u32, found: &str) -> Stop {
    let error = frame.source.unsupported(
        line,
        format!("a condition on data, with {found}"),
        "a branch that the file decides",
    );
    error.hint(TRACE).into()
}

/// Statements of a block, those inside others included.
fn size(block: &Block<'_>) -> usize {
    let inside = |statement: &Statement<'_>| match &statement.kind {
        StatementKind::If(branches, otherwise) => {
            branches.iter().map(|(_, block)| size(block)).sum::<usize>() + size(otherwise)
        }
        StatementKind::For(_, _, block) | StatementKind::While(_, block) => size(block),
        _ => 0,
    };
    block.iter().map(|statement| 1 + inside(statement)).sum()
}
