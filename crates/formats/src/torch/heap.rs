//! What a pickle says, as plain objects in an arena: addressed by index, so that cycles and depth cost nothing.

use bytes::Bytes;
use bytestring::ByteString;

/// Index of an object in its [`Heap`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Ref(u32);

/// An object of a pickle. None of them can do anything.
#[derive(Debug)]
pub(crate) enum Object {
    None,
    Bool(bool),
    Int(i64),
    /// An integer beyond 64 bits, its bytes as they stand in the file.
    Long(Bytes),
    Float(f64),
    Text(ByteString),
    /// A byte string; PyTorch keeps nothing that we interpret in one.
    Bytes,
    Tuple(Box<[Ref]>),
    List(Vec<Ref>),
    /// Sets and frozen sets.
    Set(Vec<Ref>),
    /// Pairs in file order; of equal keys the last counts.
    Dict(Vec<(Ref, Ref)>),
    /// A class or function by its qualified name.
    Class(Box<str>),
    /// What a class or function would have made of its arguments, had it been called.
    Instance(Box<Instance>),
    /// Something outside of the pickle: for PyTorch, a storage.
    Persistent(Ref),
}

/// The ingredients of an object of some class.
#[derive(Debug)]
pub(crate) struct Instance {
    /// Class or function; a [`Object::Class`] in every honest file.
    pub(crate) class: Ref,
    /// Positional arguments, a tuple.
    pub(crate) arguments: Ref,
    /// What BUILD gave it.
    pub(crate) state: Option<Ref>,
    /// What SETITEMS gave it.
    pub(crate) items: Vec<(Ref, Ref)>,
    /// What APPENDS or ADDITEMS gave it.
    pub(crate) elements: Vec<Ref>,
}

/// The objects of one pickle.
#[derive(Debug, Default)]
pub(crate) struct Heap {
    objects: Vec<Object>,
}

impl Heap {
    /// Adds an object; `None` when there are 2^32 of them.
    pub(crate) fn push(&mut self, object: Object) -> Option<Ref> {
        let index = u32::try_from(self.objects.len()).ok()?;
        self.objects.push(object);
        Some(Ref(index))
    }

    /// The object at `at`; every `Ref` comes from [`Heap::push`] of the same heap.
    pub(crate) fn get(&self, at: Ref) -> &Object {
        self.objects.get(at.0 as usize).unwrap_or(&Object::None)
    }

    /// The object at `at`, to be completed.
    pub(crate) fn get_mut(&mut self, at: Ref) -> Option<&mut Object> {
        self.objects.get_mut(at.0 as usize)
    }

    /// Ids of everything that stands outside of the pickle, without the classes of modules; see [`Heap::name`].
    pub(crate) fn persistent_ids(&self) -> impl Iterator<Item = Ref> {
        (0u32..).zip(&self.objects).filter_map(|(index, object)| match object {
            Object::Persistent(id) if self.name(Ref(index)).is_empty() => Some(*id),
            _ => None,
        })
    }

    /// Text.
    pub(crate) fn text(&self, at: Ref) -> Option<&ByteString> {
        match self.get(at) {
            Object::Text(text) => Some(text),
            _ => None,
        }
    }

    /// An integer of at most 64 bits.
    pub(crate) fn int(&self, at: Ref) -> Option<i64> {
        match self.get(at) {
            Object::Int(value) => Some(*value),
            _ => None,
        }
    }

    /// A tuple's elements.
    pub(crate) fn tuple(&self, at: Ref) -> Option<&[Ref]> {
        match self.get(at) {
            Object::Tuple(elements) => Some(elements),
            _ => None,
        }
    }

    /// Elements of a tuple or list, and of what stands for one: `torch.Size` and TorchScript's tagged lists.
    pub(crate) fn sequence(&self, at: Ref) -> Option<&[Ref]> {
        match self.get(at) {
            Object::Tuple(elements) => Some(elements),
            Object::List(elements) => Some(elements),
            Object::Instance(instance) => {
                let wraps = matches!(
                    self.name(instance.class),
                    "torch.Size"
                        | "torch.jit._pickle.build_intlist"
                        | "torch.jit._pickle.build_tensorlist"
                        | "torch.jit._pickle.build_doublelist"
                        | "torch.jit._pickle.build_boollist"
                        | "torch.jit._pickle.restore_type_tag"
                );
                match (wraps, self.tuple(instance.arguments)) {
                    // One level only: PyTorch writes no tag inside a tag.
                    (true, Some([inner, ..])) => match self.get(*inner) {
                        Object::Tuple(elements) => Some(elements),
                        Object::List(elements) => Some(elements),
                        _ => None,
                    },
                    _ => None,
                }
            }
            _ => None,
        }
    }

    /// Pairs of a `dict` or `OrderedDict`, in file order.
    pub(crate) fn pairs(&self, at: Ref) -> Option<Vec<(Ref, Ref)>> {
        match self.get(at) {
            Object::Dict(pairs) => Some(pairs.clone()),
            Object::Instance(instance) if self.name(instance.class) == "collections.OrderedDict" => {
                // Python 2 gives the pairs as an argument: OrderedDict([[key, value], ...]).
                let mut pairs = Vec::new();
                for &pair in self
                    .tuple(instance.arguments)
                    .and_then(|arguments| arguments.first())
                    .and_then(|&list| self.sequence(list))
                    .unwrap_or_default()
                {
                    let &[key, value] = self.sequence(pair)? else { return None };
                    pairs.push((key, value));
                }
                pairs.extend_from_slice(&instance.items);
                Some(pairs)
            }
            _ => None,
        }
    }

    /// The value under a text key of a `dict` or `OrderedDict`.
    pub(crate) fn entry(&self, at: Ref, key: &str) -> Option<Ref> {
        let pairs = match self.get(at) {
            Object::Dict(pairs) => pairs,
            Object::Instance(instance) => &instance.items,
            _ => return None,
        };
        pairs
            .iter()
            .rev()
            .find(|(name, _)| self.text(*name).is_some_and(|name| *name == key))
            .map(|pair| pair.1)
    }

    /// An instance.
    pub(crate) fn instance(&self, at: Ref) -> Option<&Instance> {
        match self.get(at) {
            Object::Instance(instance) => Some(instance),
            _ => None,
        }
    }

    /// Name of a class; empty for anything else. Legacy files hand in the classes of modules from outside, as
    /// `('module', class, file, source)`, to keep their source text.
    pub(crate) fn name(&self, at: Ref) -> &str {
        let class = match self.get(at) {
            Object::Persistent(id) => match self.tuple(*id) {
                Some(&[tag, class, ..]) if self.text(tag).is_some_and(|tag| *tag == "module") => class,
                _ => return "",
            },
            _ => at,
        };
        match self.get(class) {
            Object::Class(name) => name,
            _ => "",
        }
    }

    /// Class of an instance, looking through the helpers with which old protocols make objects.
    pub(crate) fn class_of<'heap>(&'heap self, instance: &'heap Instance) -> &'heap str {
        let name = self.name(instance.class);
        match name {
            "copy_reg._reconstructor" | "copyreg._reconstructor" | "copyreg.__newobj__" => {
                self.tuple(instance.arguments).and_then(|a| a.first()).map_or(name, |&class| self.name(class))
            }
            "" => "an object without a class",
            _ => name,
        }
    }

    /// What kind of object this is, for messages.
    pub(crate) fn kind(&self, at: Ref) -> String {
        match self.get(at) {
            Object::None => "None".into(),
            Object::Bool(_) => "a bool".into(),
            Object::Int(value) => format!("the integer {value}"),
            Object::Long(_) => "an integer beyond 64 bits".into(),
            Object::Float(value) => format!("the number {value}"),
            Object::Text(_) => "a string".into(),
            Object::Bytes => "bytes".into(),
            Object::Tuple(elements) => format!("a tuple of {}", elements.len()),
            Object::List(elements) => format!("a list of {}", elements.len()),
            Object::Set(elements) => format!("a set of {}", elements.len()),
            Object::Dict(pairs) => format!("a dict of {}", pairs.len()),
            Object::Class(name) => format!("the class or function {}", shortened(name)),
            Object::Instance(instance) => format!("an object of {}", shortened(self.class_of(instance))),
            Object::Persistent(_) => "a storage".into(),
        }
    }
}

/// A name of the file, short enough for a message.
pub(crate) fn shortened(name: &str) -> String {
    const LIMIT: usize = 120;
    match name.char_indices().nth(LIMIT) {
        Some((end, _)) => format!("{}...", name.get(..end).unwrap_or_default()),
        None => name.to_owned(),
    }
}
