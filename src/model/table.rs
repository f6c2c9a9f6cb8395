//! Items by number, each once.

use rustc_hash::FxHashMap;

/// Items that are each kept once, in the order in which they came.
#[derive(Debug)]
pub(super) struct Table<T> {
    pub(super) items: Vec<T>,
    ids: FxHashMap<T, u32>,
}

impl<T> Default for Table<T> {
    fn default() -> Table<T> {
        Table {
            items: Vec::new(),
            ids: FxHashMap::default(),
        }
    }
}

impl<T: Clone + Eq + std::hash::Hash> Table<T> {
    pub(super) fn get(&self, item: &T) -> Option<u32> {
        self.ids.get(item).copied()
    }

    /// Adds an item that is not in the table yet, whatever the limit.
    pub(super) fn add(&mut self, item: T) -> u32 {
        let id = next_index(self.items.len());
        self.items.push(item.clone());
        self.ids.insert(item, id);
        id
    }

    /// The item's position; `None` if it is new and there are already `limit` items.
    pub(super) fn intern(&mut self, item: T, limit: usize) -> Option<u32> {
        let known = self.get(&item);
        known.or_else(|| (self.items.len() < limit).then(|| self.add(item)))
    }

    /// The items from this position on.
    pub(super) fn after(&self, count: usize) -> Vec<T> {
        self.items.get(count..).unwrap_or_default().to_vec()
    }

    pub(super) fn extend(&mut self, items: Vec<T>) {
        for item in items {
            self.add(item);
        }
    }
}

/// An index as the number in a handle. Our limits, and the system's on processes, are far below 2^32.
pub(super) fn next_index(len: usize) -> u32 {
    u32::try_from(len).expect("fewer than 2^32 entries")
}
