//! The pickle machine: opcodes of protocols 0 to 5 to plain objects. It has no way to call anything.

use std::collections::HashMap;

use bytes::Bytes;
use bytestring::ByteString;

use super::budget::Budget;
use super::escapes;
use super::heap::{Heap, Instance, Object, Ref};
use super::input::Input;
use crate::error::Result;

/// One pickle, read.
#[derive(Debug)]
pub(crate) struct Pickle {
    /// Its objects.
    pub(crate) heap: Heap,
    /// The object that was pickled.
    pub(crate) root: Ref,
    /// Byte offset of what follows.
    pub(crate) end: usize,
}

/// Reads the pickle at byte `start` of `bytes`; `entry` names the bytes in errors.
///
/// # Errors
/// The bytes are not a pickle, or hold an opcode that is refused by name.
pub(crate) fn load(bytes: &Bytes, start: usize, entry: &str, budget: &Budget) -> Result<Pickle> {
    let mut machine = Machine {
        input: Input::new(bytes, start, entry),
        budget,
        heap: Heap::default(),
        stack: Vec::new(),
        marks: Vec::new(),
        memo: HashMap::new(),
        small: [None; 256],
    };
    let root = machine.run()?;
    Ok(Pickle { heap: machine.heap, root, end: machine.input.at() })
}

struct Machine<'a> {
    input: Input<'a>,
    budget: &'a Budget,
    heap: Heap,
    stack: Vec<Ref>,
    /// Heights of the stack at each MARK.
    marks: Vec<usize>,
    /// A map, not a vector: a file names its indices freely.
    memo: HashMap<u32, Ref>,
    /// Integers below 256 are made once: sizes and strides are most of a state_dict.
    small: [Option<Ref>; 256],
}

impl Machine<'_> {
    fn run(&mut self) -> Result<Ref> {
        loop {
            match self.input.opcode()? {
                b'.' => return self.pop(),
                // Framing only helps readers that buffer; what it announces must at least be there.
                0x95 => {
                    let announced = u64::from_le_bytes(self.input.array()?);
                    let left = self.input.left();
                    if usize::try_from(announced).map_or(true, |length| length > left) {
                        return Err(self.input.malformed(
                            format!("a frame of {announced} bytes"),
                            format!("at most the {left} that are left"),
                        ));
                    }
                }
                0x80 => {
                    let [version] = self.input.array()?;
                    if version > 5 {
                        return Err(self
                            .input
                            .unsupported(format!("pickle protocol {version}"), "protocol 0 to 5"));
                    }
                }
                b'(' => {
                    self.budget.take_elements::<usize>(1, self.input.entry)?;
                    self.marks.push(self.stack.len());
                }
                b'0' => {
                    // CPython lets POP take a MARK too.
                    if self.marks.last() == Some(&self.stack.len()) {
                        self.marks.pop();
                    } else {
                        self.pop()?;
                    }
                }
                b'1' => drop(self.pop_mark()?),
                b'2' => {
                    let top = self.top()?;
                    self.push_ref(top)?;
                }

                b'N' => self.push(Object::None)?,
                0x88 => self.push(Object::Bool(true))?,
                0x89 => self.push(Object::Bool(false))?,
                b'K' => {
                    let [value] = self.input.array()?;
                    self.push_int(i64::from(value))?;
                }
                b'M' => {
                    let value = u16::from_le_bytes(self.input.array()?);
                    self.push_int(i64::from(value))?;
                }
                b'J' => {
                    let value = i32::from_le_bytes(self.input.array()?);
                    self.push_int(i64::from(value))?;
                }
                b'I' => self.int_line()?,
                b'L' => self.long_line()?,
                0x8a => {
                    let [length] = self.input.array()?;
                    self.long(usize::from(length))?;
                }
                0x8b => {
                    let length = self.input.signed_length()?;
                    self.long(length)?;
                }
                b'G' => {
                    let value = f64::from_be_bytes(self.input.array()?);
                    self.push(Object::Float(value))?;
                }
                b'F' => {
                    let line = self.input.line()?;
                    let value = std::str::from_utf8(&line).ok().and_then(|text| text.trim().parse().ok());
                    let value = value.ok_or_else(|| self.input.malformed("a FLOAT", "a decimal number"))?;
                    self.push(Object::Float(value))?;
                }

                0x8c => {
                    let [length] = self.input.array()?;
                    self.text(usize::from(length))?;
                }
                b'X' => {
                    let length = self.input.length::<4>()?;
                    self.text(length)?;
                }
                0x8d => {
                    let length = self.input.length::<8>()?;
                    self.text(length)?;
                }
                b'V' => {
                    let line = self.input.line()?;
                    self.budget.take_elements::<u8>(line.len(), self.input.entry)?;
                    let text = escapes::raw_unicode(&line)
                        .ok_or_else(|| self.input.malformed("a UNICODE string", "valid \\u escapes"))?;
                    self.push(Object::Text(text.into()))?;
                }
                b'S' => {
                    let line = self.input.line()?;
                    self.budget.take_elements::<u8>(line.len(), self.input.entry)?;
                    let text = escapes::quoted(&line).ok_or_else(|| {
                        self.input.malformed("a STRING", "a quoted string with valid escapes")
                    })?;
                    self.push_string(text.into())?;
                }
                b'U' => {
                    let [length] = self.input.array()?;
                    let text = self.input.take(usize::from(length))?;
                    self.push_string(text)?;
                }
                b'T' => {
                    let length = self.input.signed_length()?;
                    let text = self.input.take(length)?;
                    self.push_string(text)?;
                }
                b'C' => {
                    let [length] = self.input.array()?;
                    self.byte_string(usize::from(length))?;
                }
                b'B' => {
                    let length = self.input.length::<4>()?;
                    self.byte_string(length)?;
                }
                0x8e | 0x96 => {
                    let length = self.input.length::<8>()?;
                    self.byte_string(length)?;
                }

                b')' => self.push_tuple(0)?,
                0x85 => self.push_tuple(1)?,
                0x86 => self.push_tuple(2)?,
                0x87 => self.push_tuple(3)?,
                b't' => {
                    let elements = self.pop_mark()?;
                    self.push_elements(elements)?;
                }
                b']' => self.push(Object::List(Vec::new()))?,
                b'l' => {
                    let elements = self.pop_mark()?;
                    self.push(Object::List(elements))?;
                }
                b'}' => self.push(Object::Dict(Vec::new()))?,
                b'd' => {
                    let pairs = self.pop_pairs()?;
                    self.push(Object::Dict(pairs))?;
                }
                0x8f => self.push(Object::Set(Vec::new()))?,
                0x91 => {
                    let elements = self.pop_mark()?;
                    self.push(Object::Set(elements))?;
                }
                b'a' => {
                    let element = self.pop()?;
                    self.extend(vec![element])?;
                }
                b'e' => {
                    let elements = self.pop_mark()?;
                    self.extend(elements)?;
                }
                0x90 => {
                    let elements = self.pop_mark()?;
                    self.extend(elements)?;
                }
                b's' => {
                    let value = self.pop()?;
                    let key = self.pop()?;
                    self.set_items(vec![(key, value)])?;
                }
                b'u' => {
                    let pairs = self.pop_pairs()?;
                    self.set_items(pairs)?;
                }

                b'p' => {
                    let index = self.input.decimal_line()?;
                    self.remember(index)?;
                }
                b'q' => {
                    let [index] = self.input.array()?;
                    self.remember(u32::from(index))?;
                }
                b'r' => {
                    let index = u32::from_le_bytes(self.input.array()?);
                    self.remember(index)?;
                }
                0x94 => {
                    let index = u32::try_from(self.memo.len())
                        .map_err(|_| self.input.unsupported("2^32 memo entries", "fewer"))?;
                    self.remember(index)?;
                }
                b'g' => {
                    let index = self.input.decimal_line()?;
                    self.recall(index)?;
                }
                b'h' => {
                    let [index] = self.input.array()?;
                    self.recall(u32::from(index))?;
                }
                b'j' => {
                    let index = u32::from_le_bytes(self.input.array()?);
                    self.recall(index)?;
                }

                b'c' => {
                    let class = self.class_lines()?;
                    self.push_ref(class)?;
                }
                0x93 => {
                    let name = self.pop()?;
                    let module = self.pop()?;
                    let (Some(module), Some(name)) = (self.heap.text(module), self.heap.text(name)) else {
                        return Err(self.input.malformed("STACK_GLOBAL", "two strings before it"));
                    };
                    let (module, name) = (module.clone(), name.clone());
                    let class = self.class(&module, &name)?;
                    self.push_ref(class)?;
                }
                b'R' | 0x81 => {
                    let arguments = self.pop()?;
                    let class = self.pop()?;
                    self.instance(class, arguments)?;
                }
                0x92 => {
                    // Keyword arguments occur in no object that we interpret.
                    self.pop()?;
                    let arguments = self.pop()?;
                    let class = self.pop()?;
                    self.instance(class, arguments)?;
                }
                b'i' => {
                    let class = self.class_lines()?;
                    let arguments = self.pop_mark()?;
                    let arguments = self.alloc(Object::Tuple(arguments.into()))?;
                    self.instance(class, arguments)?;
                }
                b'o' => {
                    let mut arguments = self.pop_mark()?;
                    if arguments.is_empty() {
                        return Err(self.input.malformed("OBJ", "a class after the MARK"));
                    }
                    let class = arguments.remove(0);
                    let arguments = self.alloc(Object::Tuple(arguments.into()))?;
                    self.instance(class, arguments)?;
                }
                b'b' => self.build()?,
                b'P' => {
                    let line = self.input.line()?;
                    let text = ByteString::try_from(line)
                        .map_err(|_| self.input.malformed("a persistent id", "UTF-8 text"))?;
                    let id = self.alloc(Object::Text(text))?;
                    self.push(Object::Persistent(id))?;
                }
                b'Q' => {
                    let id = self.pop()?;
                    self.push(Object::Persistent(id))?;
                }

                0x82..=0x84 => {
                    return Err(self.input.unsupported(
                        "a copyreg extension code (EXT)",
                        "classes by name: the registry of codes is not in the file",
                    ));
                }
                0x97 | 0x98 => {
                    return Err(self.input.unsupported("an out-of-band buffer", "data inside of the pickle"));
                }
                other => {
                    return Err(self.input.malformed(format!("the byte 0x{other:02x}"), "a pickle opcode"));
                }
            }
        }
    }

    fn int_line(&mut self) -> Result<()> {
        let line = self.input.line()?;
        match &line[..] {
            b"00" => self.push(Object::Bool(false)),
            b"01" => self.push(Object::Bool(true)),
            _ => self.push_decimal(line),
        }
    }

    fn long_line(&mut self) -> Result<()> {
        let line = self.input.line()?;
        let digits = line.strip_suffix(b"L").map_or(line.len(), <[u8]>::len);
        self.push_decimal(line.slice(..digits))
    }

    fn push_decimal(&mut self, line: Bytes) -> Result<()> {
        let text = line.trim_ascii();
        let digits = text.strip_prefix(b"-").unwrap_or(text);
        if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
            return Err(self.input.malformed("an integer", "decimal digits"));
        }
        match std::str::from_utf8(text).ok().and_then(|text| text.parse().ok()) {
            Some(value) => self.push_int(value),
            None => self.push(Object::Long(line)),
        }
    }

    fn long(&mut self, length: usize) -> Result<()> {
        let digits = self.input.take(length)?;
        if length > 8 {
            return self.push(Object::Long(digits));
        }
        let fill = if digits.last().is_some_and(|&byte| byte >= 0x80) { 0xff } else { 0 };
        let mut wide = [fill; 8];
        for (to, from) in wide.iter_mut().zip(&digits) {
            *to = *from;
        }
        self.push_int(i64::from_le_bytes(wide))
    }

    fn text(&mut self, length: usize) -> Result<()> {
        let bytes = self.input.take(length)?;
        let text = ByteString::try_from(bytes).map_err(|_| self.input.malformed("a string", "UTF-8 text"))?;
        self.push(Object::Text(text))
    }

    fn byte_string(&mut self, length: usize) -> Result<()> {
        self.input.take(length)?;
        self.push(Object::Bytes)
    }

    /// Python 2 has one type for both: text where it is text.
    fn push_string(&mut self, bytes: Bytes) -> Result<()> {
        self.push(ByteString::try_from(bytes).map_or(Object::Bytes, Object::Text))
    }

    // The stack.

    fn alloc(&mut self, object: Object) -> Result<Ref> {
        self.budget.take_elements::<Object>(1, self.input.entry)?;
        self.heap.push(object).ok_or_else(|| self.input.unsupported("2^32 objects", "fewer"))
    }

    fn push_ref(&mut self, object: Ref) -> Result<()> {
        self.budget.take_elements::<Ref>(1, self.input.entry)?;
        self.stack.push(object);
        Ok(())
    }

    fn push(&mut self, object: Object) -> Result<()> {
        let object = self.alloc(object)?;
        self.push_ref(object)
    }

    fn push_int(&mut self, value: i64) -> Result<()> {
        let Some(slot) = usize::try_from(value).ok().filter(|&slot| slot < self.small.len()) else {
            return self.push(Object::Int(value));
        };
        let object = match self.small.get(slot).copied().flatten() {
            Some(object) => object,
            None => self.alloc(Object::Int(value))?,
        };
        if let Some(slot) = self.small.get_mut(slot) {
            *slot = Some(object);
        }
        self.push_ref(object)
    }

    fn floor(&self) -> usize {
        self.marks.last().copied().unwrap_or(0)
    }

    fn pop(&mut self) -> Result<Ref> {
        if self.stack.len() > self.floor()
            && let Some(top) = self.stack.pop()
        {
            return Ok(top);
        }
        Err(self.input.malformed("an empty stack", "an object on the stack"))
    }

    fn top(&self) -> Result<Ref> {
        match self.stack.last() {
            Some(&top) if self.stack.len() > self.floor() => Ok(top),
            _ => Err(self.input.malformed("an empty stack", "an object on the stack")),
        }
    }

    fn pop_mark(&mut self) -> Result<Vec<Ref>> {
        let Some(floor) = self.marks.pop() else {
            return Err(self.input.malformed("no MARK", "a MARK on the stack"));
        };
        self.budget.take_elements::<Ref>(self.stack.len().saturating_sub(floor), self.input.entry)?;
        Ok(self.stack.split_off(floor.min(self.stack.len())))
    }

    fn pop_pairs(&mut self) -> Result<Vec<(Ref, Ref)>> {
        let flat = self.pop_mark()?;
        self.budget.take_elements::<Ref>(flat.len(), self.input.entry)?;
        let (pairs, odd) = flat.as_chunks::<2>();
        if !odd.is_empty() {
            return Err(self.input.malformed("a key without a value", "keys and values in pairs"));
        }
        Ok(pairs.iter().map(|&[key, value]| (key, value)).collect())
    }

    fn push_tuple(&mut self, length: usize) -> Result<()> {
        if self.stack.len() - self.floor() < length {
            return Err(self.input.malformed("too short a stack", format!("{length} objects for a tuple")));
        }
        self.budget.take_elements::<Ref>(length, self.input.entry)?;
        let elements = self.stack.split_off(self.stack.len() - length);
        self.push_elements(elements)
    }

    fn push_elements(&mut self, elements: Vec<Ref>) -> Result<()> {
        self.push(Object::Tuple(elements.into()))
    }

    fn extend(&mut self, more: Vec<Ref>) -> Result<()> {
        self.budget.take_elements::<Ref>(more.len(), self.input.entry)?;
        let target = self.top()?;
        match self.heap.get_mut(target) {
            Some(Object::List(elements) | Object::Set(elements)) => elements.extend(more),
            Some(Object::Instance(instance)) => instance.elements.extend(more),
            _ => return Err(self.input.malformed(self.heap.kind(target), "a list or set to add to")),
        }
        Ok(())
    }

    fn set_items(&mut self, more: Vec<(Ref, Ref)>) -> Result<()> {
        self.budget.take_elements::<(Ref, Ref)>(more.len(), self.input.entry)?;
        let target = self.top()?;
        match self.heap.get_mut(target) {
            Some(Object::Dict(pairs)) => pairs.extend(more),
            Some(Object::Instance(instance)) => instance.items.extend(more),
            _ => return Err(self.input.malformed(self.heap.kind(target), "a dict to add to")),
        }
        Ok(())
    }

    // The memo.

    fn remember(&mut self, index: u32) -> Result<()> {
        let top = self.top()?;
        // A hash map holds its old and its new table while it grows.
        self.budget.take_elements::<(u32, Ref)>(2, self.input.entry)?;
        self.memo.insert(index, top);
        Ok(())
    }

    fn recall(&mut self, index: u32) -> Result<()> {
        match self.memo.get(&index) {
            Some(&object) => self.push_ref(object),
            None => Err(self.input.malformed(format!("memo index {index}"), "one that was stored before")),
        }
    }

    // Classes and objects.

    fn class(&mut self, module: &str, name: &str) -> Result<Ref> {
        self.budget.take(module.len() + name.len() + 1, self.input.entry)?;
        self.alloc(Object::Class(format!("{module}.{name}").into()))
    }

    fn class_lines(&mut self) -> Result<Ref> {
        let module = self.input.line()?;
        let name = self.input.line()?;
        match (std::str::from_utf8(&module), std::str::from_utf8(&name)) {
            (Ok(module), Ok(name)) => self.class(module, name),
            _ => Err(self.input.malformed("a class name", "UTF-8 text")),
        }
    }

    fn instance(&mut self, class: Ref, arguments: Ref) -> Result<()> {
        if self.heap.tuple(arguments).is_none() {
            return Err(self.input.malformed(self.heap.kind(arguments), "a tuple of arguments"));
        }
        if !matches!(self.heap.get(class), Object::Class(_) | Object::Instance(_) | Object::Persistent(_)) {
            return Err(self.input.malformed(self.heap.kind(class), "a class or function"));
        }
        self.budget.take(size_of::<Instance>(), self.input.entry)?;
        let instance = Instance { class, arguments, state: None, items: Vec::new(), elements: Vec::new() };
        self.push(Object::Instance(Box::new(instance)))
    }

    fn build(&mut self) -> Result<()> {
        let state = self.pop()?;
        let target = self.top()?;
        match self.heap.get_mut(target) {
            Some(Object::Instance(instance)) if instance.state.is_none() => {
                instance.state = Some(state);
                Ok(())
            }
            Some(Object::Instance(_)) => Err(self.input.unsupported("a second BUILD of one object", "one")),
            _ => Err(self.input.malformed(self.heap.kind(target), "an object to give a state to")),
        }
    }
}

#[cfg(test)]
mod tests;
