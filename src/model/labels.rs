//! Labels: what is known of a sample besides its thread and its stack, such as the route that was
//! being served. Each sample has one set of labels, since the same few labels occur together again and
//! again.

use super::table::Table;
use super::{LabelSetId, TextId};

/// How many label sets are told apart besides [`LabelSetId::EMPTY`]; all that come later count as
/// [`LabelSetId::OTHER`]. Otherwise a label whose values never repeat would grow the table without end.
pub const MOST_LABEL_SETS: usize = 10_000;

/// The only label of [`LabelSetId::OTHER`], as key and value.
pub const OTHER_LABEL: (&str, &str) = ("labels", "(other)");

/// A key and its value.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Label {
    pub key: TextId,
    pub value: TextId,
}

/// The label sets. In each, a key occurs once, and labels are ordered by the texts of their keys.
#[derive(Debug)]
pub(super) struct LabelSets {
    pub(super) table: Table<Box<[Label]>>,
    limit: usize,
    pub(super) full: bool,
}

impl LabelSets {
    /// `other` is the only label of [`LabelSetId::OTHER`]; `limit` is the highest number of sets besides
    /// that one and the empty one.
    pub fn new(other: Label, limit: usize) -> LabelSets {
        let mut table = Table::default();
        let empty = LabelSetId(table.add(Box::default()));
        let others = LabelSetId(table.add([other].into()));
        debug_assert_eq!((empty, others), (LabelSetId::EMPTY, LabelSetId::OTHER));
        LabelSets {
            table,
            limit: limit + 2,
            full: false,
        }
    }

    pub fn intern(&mut self, set: Box<[Label]>) -> LabelSetId {
        let id = self.table.intern(set, self.limit);
        self.full |= id.is_none();
        id.map_or(LabelSetId::OTHER, LabelSetId)
    }

    pub fn get(&self, id: LabelSetId) -> &[Label] {
        &self.table.items[id.index()]
    }
}
