//! Python lists, shared by name and changed in place, with changes that can be taken back.

use std::rc::Rc;

use super::item::{Item, ListId};

/// All lists that `forward` has made.
#[derive(Debug, Default)]
pub(super) struct Lists<'t> {
    lists: Vec<Rc<Vec<Item<'t>>>>,
    /// What changed lists held before, oldest first.
    journal: Vec<(ListId, Rc<Vec<Item<'t>>>)>,
    /// Attempts under way; without one there is nothing to take back.
    attempts: usize,
}

/// A state to return to.
#[derive(Debug, Clone, Copy)]
pub(super) struct ListMark {
    lists: usize,
    changes: usize,
}

impl<'t> Lists<'t> {
    pub(super) fn add(&mut self, items: Vec<Item<'t>>) -> ListId {
        self.lists.push(Rc::new(items));
        ListId(self.lists.len() - 1)
    }

    pub(super) fn get(&self, id: ListId) -> Rc<Vec<Item<'t>>> {
        self.lists.get(id.0).cloned().unwrap_or_default()
    }

    /// True if the list has been made, and not forgotten.
    pub(super) fn holds(&self, id: ListId) -> bool {
        id.0 < self.lists.len()
    }

    pub(super) fn len(&self, id: ListId) -> usize {
        self.lists.get(id.0).map_or(0, |list| list.len())
    }

    /// Elements that a change copies.
    pub(super) fn cost(&self, id: ListId) -> usize {
        if self.attempts > 0 { self.len(id) } else { 0 }
    }

    /// The list, to be changed.
    pub(super) fn change(&mut self, id: ListId) -> Option<&mut Vec<Item<'t>>> {
        let list = self.lists.get_mut(id.0)?;
        if self.attempts > 0 {
            self.journal.push((id, Rc::clone(list)));
        }
        Some(Rc::make_mut(list))
    }

    /// Begins an attempt, which [`Self::settle`] ends.
    pub(super) fn attempt(&mut self) -> ListMark {
        self.attempts += 1;
        ListMark { lists: self.lists.len(), changes: self.journal.len() }
    }

    /// True if a list that is older than `mark` has changed since.
    pub(super) fn changed(&self, mark: ListMark) -> bool {
        self.journal.iter().skip(mark.changes).any(|(id, _)| id.0 < mark.lists)
    }

    /// Takes back what happened since `mark`.
    pub(super) fn rollback(&mut self, mark: ListMark) {
        while self.journal.len() > mark.changes {
            if let Some((id, items)) = self.journal.pop()
                && let Some(list) = self.lists.get_mut(id.0)
            {
                *list = items;
            }
        }
        self.lists.truncate(mark.lists);
    }

    /// Ends an attempt; what was not taken back stays.
    pub(super) fn settle(&mut self) {
        self.attempts = self.attempts.saturating_sub(1);
        if self.attempts == 0 {
            self.journal.clear();
        }
    }
}
