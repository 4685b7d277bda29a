//! Lists, tuples and dicts: their elements, slices and changes.

use std::rc::Rc;

use super::evaluate::Evaluator;
use super::frame::Frame;
use super::item::ListId;
use super::item::{Evaluated, Item, Number};
use crate::source::{Callee, Value};

/// The largest list.
pub(super) const MAX_LIST: usize = 100_000;

impl<'t> Evaluator<'t> {
    /// The elements of a list, tuple or dict that is known.
    pub(super) fn elements(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        item: &Item<'t>,
    ) -> Evaluated<Rc<[Item<'t>]>> {
        let items: Rc<[Item<'t>]> = match item {
            Item::Tuple(items) => Rc::clone(items),
            Item::List(id) => {
                self.charge(self.lists.len(*id), frame, line)?;
                self.lists.get(*id).iter().cloned().collect()
            }
            Item::Dict(id) => self.pairs(*id).map(|(key, _)| key).collect(),
            Item::Constant(value, _) => match &**value {
                Value::Tuple(values) | Value::List(values) => {
                    self.charge(values.iter().map(|v| 1 + super::evaluate::weight(v)).sum(), frame, line)?;
                    values.iter().map(|value| Item::made(value.clone())).collect()
                }
                _ => return Err(Self::refuse(frame, line, item, "a list or tuple")),
            },
            _ => return Err(Self::refuse(frame, line, item, "a list or tuple that the file fixes")),
        };
        Ok(items)
    }

    /// The values of `a, b = item`; `names` are the variables that take them.
    pub(super) fn unpack(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        item: &Item<'t>,
        names: &[Option<&'t str>],
    ) -> Evaluated<Vec<Item<'t>>> {
        if let Item::Data(_) = item {
            let mut items = Vec::with_capacity(names.len());
            for (index, name) in (0..).zip(names) {
                items.push(self.element(frame, line, item, &Item::int(index), *name)?);
            }
            return Ok(items);
        }
        let items = self.elements(frame, line, item)?;
        if items.len() != names.len() {
            return Err(frame.malformed(
                line,
                format!("{} values", items.len()),
                format!("{}, one for each variable", names.len()),
            ));
        }
        Ok(items.to_vec())
    }

    /// `item[index]`
    pub(super) fn element(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        item: &Item<'t>,
        index: &Item<'t>,
        name: Option<&str>,
    ) -> Evaluated<Item<'t>> {
        let on_data = match item {
            Item::Data(_) => true,
            Item::Constant(value, _) => matches!(**value, Value::Tensor(_)),
            _ => false,
        };
        if on_data {
            let index = self.recorded_index(frame, line, index)?;
            let callee = Callee::Function("operator.getitem".into());
            return self.record(frame, line, callee, &[item.clone(), index], &[], name);
        }
        if let Item::Dict(id) = item {
            self.charge(self.lists.len(*id), frame, line)?;
            let found = self.pairs(*id).find(|(key, _)| key.same(index)).map(|(_, value)| value);
            return found.ok_or_else(|| frame.malformed(line, index.kind(), "a key of the dict"));
        }
        if let Item::Slice(parts) = index {
            let items = self.elements(frame, line, item)?;
            let selected = self.slice(frame, line, &items, parts)?;
            let tuple = match item {
                Item::Tuple(_) => true,
                Item::Constant(value, _) => matches!(**value, Value::Tuple(_)),
                _ => false,
            };
            return Ok(if tuple {
                Item::Tuple(selected.into())
            } else {
                Item::List(self.lists.add(selected))
            });
        }
        // One element of a long list, without a copy of the list.
        let length = self.length(item).ok_or_else(|| Self::refuse(frame, line, item, "a list or tuple"))?;
        let position = self.position(frame, line, index, length)?;
        let found = match item {
            Item::Tuple(items) => items.get(position).cloned(),
            Item::List(id) => self.lists.get(*id).get(position).cloned(),
            Item::Constant(value, _) => match &**value {
                Value::Tuple(values) | Value::List(values) => {
                    let value = values.get(position);
                    self.charge(value.map_or(0, super::evaluate::weight), frame, line)?;
                    value.map(|value| Item::made(value.clone()))
                }
                _ => None,
            },
            _ => None,
        };
        found.ok_or_else(|| Self::refuse(frame, line, item, "a list or tuple"))
    }

    /// An index as a node takes it: slices become nodes of their own.
    fn recorded_index(&mut self, frame: &Frame<'t>, line: u32, index: &Item<'t>) -> Evaluated<Item<'t>> {
        match index {
            Item::Slice(parts) => {
                self.record(frame, line, Callee::Function("slice".into()), &parts[..], &[], None)
            }
            Item::Tuple(items) => {
                let items: Evaluated<Vec<Item<'t>>> = items
                    .iter()
                    .map(|item| match item {
                        Item::Slice(_) => self.recorded_index(frame, line, item),
                        item => Ok(item.clone()),
                    })
                    .collect();
                Ok(Item::Tuple(items?.into()))
            }
            index => Ok(index.clone()),
        }
    }

    /// The keys and values of a dict.
    pub(super) fn pairs(&self, id: ListId) -> impl Iterator<Item = (Item<'t>, Item<'t>)> + use<'t> {
        let entries = self.lists.get(id);
        (0..entries.len()).filter_map(move |index| match entries.get(index) {
            Some(Item::Tuple(entry)) => entry.first().cloned().zip(entry.get(1).cloned()),
            _ => None,
        })
    }

    /// A list, `times` over.
    pub(super) fn repeat(
        &mut self,
        frame: &Frame<'t>,
        line: u32,
        list: &Item<'t>,
        times: i64,
    ) -> Evaluated<Item<'t>> {
        let items = self.elements(frame, line, list)?;
        let times = usize::try_from(times).unwrap_or(0);
        let length = items.len().saturating_mul(times);
        if length > MAX_LIST {
            return Err(frame.unsupported(line, "a long list", format!("at most {MAX_LIST} elements")));
        }
        self.charge(length, frame, line)?;
        let repeated = items.iter().cycle().take(length).cloned().collect();
        Ok(Item::List(self.lists.add(repeated)))
    }

    /// `list[index] = item`
    pub(super) fn set_element(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        list: &Item<'t>,
        index: &Item<'t>,
        item: Item<'t>,
    ) -> Evaluated<()> {
        if let Item::Dict(id) = list {
            let entry = Item::Tuple(Rc::new([index.clone(), item]));
            self.charge(self.lists.len(*id), frame, line)?;
            return match self.pairs(*id).position(|(key, _)| key.same(index)) {
                None => self.extend(frame, line, &Item::List(*id), &[entry]),
                Some(position) => {
                    if let Some(slot) = self.lists.change(*id).and_then(|items| items.get_mut(position)) {
                        *slot = entry;
                    }
                    Ok(())
                }
            };
        }
        let Item::List(id) = list else {
            return Err(frame.unsupported(
                line,
                format!("a change of an element of {}", list.kind()),
                "a list that `forward` has made",
            ));
        };
        let length = self.lists.len(*id);
        let position = self.position(frame, line, index, length)?;
        self.charge(self.lists.cost(*id), frame, line)?;
        if let Some(slot) = self.lists.change(*id).and_then(|items| items.get_mut(position)) {
            *slot = item;
        }
        Ok(())
    }

    /// Puts items behind those of a list.
    pub(super) fn extend(
        &mut self,
        frame: &mut Frame<'t>,
        line: u32,
        list: &Item<'t>,
        items: &[Item<'t>],
    ) -> Evaluated<()> {
        let Item::List(id) = list else {
            return Err(frame.unsupported(
                line,
                format!("an extension of {}", list.kind()),
                "a list that `forward` has made",
            ));
        };
        if self.lists.len(*id).saturating_add(items.len()) > MAX_LIST {
            return Err(frame.unsupported(line, "a long list", format!("at most {MAX_LIST} elements")));
        }
        self.charge(self.lists.cost(*id).saturating_add(items.len()), frame, line)?;
        if let Some(list) = self.lists.change(*id) {
            list.extend_from_slice(items);
        }
        Ok(())
    }

    /// The number of elements, where it is known.
    pub(super) fn length(&self, item: &Item<'t>) -> Option<usize> {
        match item {
            Item::Tuple(items) => Some(items.len()),
            Item::List(id) => Some(self.lists.len(*id)),
            Item::Dict(id) => Some(self.lists.len(*id)),
            Item::Constant(value, _) => match &**value {
                Value::Tuple(values) | Value::List(values) => Some(values.len()),
                Value::Str(text) => Some(text.chars().count()),
                _ => None,
            },
            _ => None,
        }
    }

    /// An index into `length` elements; negative ones count from the end.
    fn position(&self, frame: &Frame<'t>, line: u32, index: &Item<'t>, length: usize) -> Evaluated<usize> {
        let Some(Number::Int(number)) = index.constant().and_then(Number::of) else {
            return Err(Self::refuse(frame, line, index, "an index that the file fixes"));
        };
        let position = usize::try_from(number).ok().or_else(|| {
            let back = usize::try_from(number.unsigned_abs()).ok()?;
            length.checked_sub(back)
        });
        position.filter(|&position| position < length).ok_or_else(|| {
            frame.malformed(line, format!("the index {number}"), format!("one of {length} elements"))
        })
    }

    /// The elements that a slice selects.
    pub(super) fn slice(
        &self,
        frame: &Frame<'t>,
        line: u32,
        items: &[Item<'t>],
        parts: &[Item<'t>; 3],
    ) -> Evaluated<Vec<Item<'t>>> {
        let mut numbers = [None; 3];
        for (number, part) in numbers.iter_mut().zip(parts) {
            *number = match part.constant() {
                Some(Value::None) => None,
                Some(Value::Int(i)) => Some(*i),
                _ => return Err(Self::refuse(frame, line, part, "bounds that the file fixes")),
            };
        }
        let [start, stop, step] = numbers;
        let step = usize::try_from(step.unwrap_or(1)).ok().filter(|&step| step > 0).ok_or_else(|| {
            frame.unsupported(line, "a slice with a step below 1", "a slice that goes forward")
        })?;
        let bound = |number: i64| match usize::try_from(number) {
            Ok(position) => position.min(items.len()),
            Err(_) => {
                usize::try_from(number.unsigned_abs()).map_or(0, |back| items.len().saturating_sub(back))
            }
        };
        let start = start.map_or(0, bound);
        let stop = stop.map_or(items.len(), bound);
        Ok(items.get(start..stop).unwrap_or_default().iter().step_by(step).cloned().collect())
    }
}
