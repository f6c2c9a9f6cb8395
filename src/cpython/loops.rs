//! Loops that are under way: the frames in the middle of one hold its iterator, and that tells which item is
//! the current one.
//!
//! Iterators lie among a frame's temporary values, of which an outside reader knows the place but not the
//! number. So every word there is looked at, those of values that are gone among them. What is found is
//! therefore only believed if it fits: the item that an iterator has given last must be the very object that
//! is asked for, or one that holds it.

use rustc_hash::FxHashMap;

use super::frames::RawFrame;
use super::layout::Layout;
use super::objects::{attributes, dict_entries, read_c_string, text_equals};
use crate::memory::Memory;
use crate::model::Addr;

/// A loop is looked for in so many frames.
const FRAMES: usize = 24;

/// The most words of a frame that are looked at.
const WORDS: u64 = 48;

/// The most words in all.
const ALL_WORDS: usize = 512;

/// Iterators within iterators, as `enumerate(zip(...))` has, are followed so far.
const DEPTH: u32 = 4;

/// The most iterators of one `zip` or `map` that are looked at.
const SIDE_BY_SIDE: u64 = 4;

/// The most attributes of an item, or related objects that it has fetched, that are looked at.
const HELD: usize = 64;

/// The most types that are remembered.
const MAX_TYPES: usize = 4096;

/// A list longer than this is nonsense.
const MAX_ITEMS: u64 = 1 << 40;

/// A loop that is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct LoopOver {
    /// How many items it has in all.
    pub items: u64,
    /// Which of them is the current one, from 0 on.
    pub index: u64,
}

/// Finds loops, and remembers which types are iterators.
#[derive(Debug, Default)]
pub struct LoopSearch {
    types: FxHashMap<Addr, Kind>,
    /// Working space.
    places: Vec<Addr>,
    words: Vec<u64>,
    types_read: Vec<u64>,
}

/// What a type is to a loop. Offsets are from the end of an object's header, as each has been since 2.7
/// (`Objects/listobject.c`, `Objects/tupleobject.c`, `Objects/enumobject.c`, `Python/bltinmodule.c`).
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Kind {
    List,
    Tuple,
    /// An index and a list.
    ListIterator,
    /// The same from the end to the beginning.
    ListReverseIterator,
    TupleIterator,
    /// A number and an iterator.
    Enumerate,
    /// A number and a tuple of iterators.
    Zip,
    /// A tuple of iterators.
    Map,
    /// A function and an iterator.
    Filter,
    /// A dict, how many entries it had, and the place of the next: over its values, or over its items
    /// (`dictiterobject` in `Objects/dictobject.c`).
    DictIterator,
    Other,
}

impl Kind {
    fn named(name: &[u8]) -> Kind {
        match name {
            b"list" => Kind::List,
            b"tuple" => Kind::Tuple,
            b"list_iterator" | b"listiterator" => Kind::ListIterator,
            b"list_reverseiterator" | b"listreverseiterator" => Kind::ListReverseIterator,
            b"tuple_iterator" | b"tupleiterator" => Kind::TupleIterator,
            b"enumerate" => Kind::Enumerate,
            b"zip" => Kind::Zip,
            b"map" => Kind::Map,
            b"filter" => Kind::Filter,
            b"dict_valueiterator" | b"dict_itemiterator" => Kind::DictIterator,
            _ => Kind::Other,
        }
    }
}

impl LoopSearch {
    /// The innermost loop in which `object` is the current item, or is held by it, in `frames`. These are
    /// in order, the innermost first; that one itself is not looked at, since what is asked for is how it
    /// came to be called.
    pub fn find<M: Memory>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        frames: &[RawFrame],
        object: Addr,
    ) -> Option<LoopOver> {
        let words = self.words_of(memory, layout, frames);
        let objects: Vec<Addr> = words
            .iter()
            .map(|word| layout.frame.untagged(*word))
            .collect();
        self.read_types(memory, layout, &objects);
        let types = std::mem::take(&mut self.types_read);
        let mut found = None;
        for (place, (at, class)) in objects.iter().zip(&types).enumerate() {
            let kind = self.kind(memory, layout, Addr(*class));
            let mut search = CurrentItem {
                types: self,
                memory,
                layout,
                object,
            };
            found = match kind {
                Kind::Other => None,
                // From 3.15 on, a loop over a list has the list itself and a number beside it
                // (`_PyForIter_VirtualIteratorNext` in Python/ceval.c).
                Kind::List | Kind::Tuple if layout.frame.tagged => {
                    let next = words.get(place + 1).copied().unwrap_or(0);
                    match next & 3 == 3 {
                        true => search.is_item(kind, *at, (next >> 2).wrapping_sub(1)),
                        false => None,
                    }
                }
                _ => search.iterator(kind, *at, DEPTH),
            };
            if found.is_some() {
                break;
            }
        }
        self.types_read = types;
        found
    }

    /// The words that may be iterators, innermost frame first.
    fn words_of<M: Memory>(
        &mut self,
        memory: &mut M,
        layout: &Layout,
        frames: &[RawFrame],
    ) -> Vec<u64> {
        self.places.clear();
        for pair in frames.windows(2).take(FRAMES) {
            let [inner, frame] = pair else {
                break;
            };
            if !frame.is_function() {
                continue;
            }
            let first = frame.address.plus(layout.frame.locals.into());
            // From 3.11 on, the frame that a frame calls begins where its values end, or somewhere else.
            let until = inner.address.0.wrapping_sub(first.0) / 8;
            let count = until.min(WORDS);
            let left = ALL_WORDS.saturating_sub(self.places.len());
            let places = (0..count).map(|index| first.plus(8 * index));
            self.places.extend(places.take(left));
        }
        let mut words = std::mem::take(&mut self.words);
        memory.read_words(&self.places, &mut words);
        let found = words.clone();
        self.words = words;
        found
    }

    /// Fills `types_read` with the types of what may be objects; 0 for what is none.
    fn read_types<M: Memory>(&mut self, memory: &mut M, layout: &Layout, objects: &[Addr]) {
        let may_be_object = |at: &Addr| at.0.is_multiple_of(8) && (0x1000..1 << 47).contains(&at.0);
        self.places.clear();
        let likely = objects.iter().filter(|at| may_be_object(at));
        let types = likely.map(|at| at.plus(layout.object.ob_type.into()));
        self.places.extend(types);
        memory.read_words(&self.places, &mut self.words);
        self.types_read.clear();
        let mut read = self.words.iter();
        for at in objects {
            let class = match may_be_object(at) {
                true => read.next().copied().unwrap_or(0),
                false => 0,
            };
            self.types_read.push(class);
        }
    }

    fn kind<M: Memory>(&mut self, memory: &mut M, layout: &Layout, class: Addr) -> Kind {
        if class.is_null() {
            return Kind::Other;
        }
        if let Some(known) = self.types.get(&class) {
            return *known;
        }
        let name = memory.read_addr(class.plus(layout.object.type_name.into()));
        let name = name.ok().and_then(|at| read_c_string(memory, at, 32).ok());
        let kind = name.map_or(Kind::Other, |name| Kind::named(&name));
        if self.types.len() >= MAX_TYPES {
            self.types.clear();
        }
        self.types.insert(class, kind);
        kind
    }
}

/// Looks whether an object is the current item of an iterator.
struct CurrentItem<'a, M> {
    types: &'a mut LoopSearch,
    memory: &'a mut M,
    layout: &'a Layout,
    object: Addr,
}

impl<M: Memory> CurrentItem<'_, M> {
    fn iterator(&mut self, kind: Kind, at: Addr, depth: u32) -> Option<LoopOver> {
        let depth = depth.checked_sub(1)?;
        let header = self.layout.object.ob_type + 8;
        let mut field = |index: u32| {
            self.memory
                .read_u64(at.plus((header + 8 * index).into()))
                .ok()
        };
        match kind {
            Kind::ListIterator | Kind::TupleIterator => {
                let (next, sequence) = (field(0)?, Addr(field(1)?));
                let of = match kind {
                    Kind::ListIterator => Kind::List,
                    _ => Kind::Tuple,
                };
                self.is_item(of, sequence, next.checked_sub(1)?)
            }
            Kind::ListReverseIterator => {
                let (next, sequence) = (field(0)?, Addr(field(1)?));
                let found = self.is_item(Kind::List, sequence, next.checked_add(1)?)?;
                Some(LoopOver {
                    index: found.items.checked_sub(1 + found.index)?,
                    ..found
                })
            }
            Kind::Enumerate | Kind::Filter => {
                let within = Addr(field(1)?);
                self.within(within, depth)
            }
            Kind::Zip => {
                let iterators = Addr(field(1)?);
                self.side_by_side(iterators, depth)
            }
            Kind::Map => {
                let iterators = Addr(field(0)?);
                self.side_by_side(iterators, depth)
            }
            Kind::DictIterator => {
                let (dict, items, next) = (Addr(field(0)?), field(1)?, field(2)?);
                self.is_value(dict, items, next.checked_sub(1)?)
            }
            Kind::List | Kind::Tuple | Kind::Other => None,
        }
    }

    fn within(&mut self, iterator: Addr, depth: u32) -> Option<LoopOver> {
        let class = iterator.plus(self.layout.object.ob_type.into());
        let class = self.memory.read_addr(class).ok()?;
        let kind = self.types.kind(self.memory, self.layout, class);
        self.iterator(kind, iterator, depth)
    }

    fn side_by_side(&mut self, tuple: Addr, depth: u32) -> Option<LoopOver> {
        let size = tuple.plus(self.layout.object.bytes.size.into());
        let count = self.memory.read_u64(size).ok()?.min(SIDE_BY_SIDE);
        (0..count).find_map(|index| {
            let item = u64::from(self.layout.object.tuple_items) + 8 * index;
            let iterator = self.memory.read_addr(tuple.plus(item)).ok()?;
            self.within(iterator, depth)
        })
    }

    /// The loop over a sequence, if the object is its item at this place, or held by it.
    fn is_item(&mut self, kind: Kind, sequence: Addr, index: u64) -> Option<LoopOver> {
        let objects = &self.layout.object;
        let size = sequence.plus(objects.bytes.size.into());
        let items = self.memory.read_u64(size).ok()?;
        if index >= items || items > MAX_ITEMS {
            return None;
        }
        let first = match kind {
            Kind::List => {
                let list_items = self.layout.value.list_items;
                self.memory
                    .read_addr(sequence.plus(list_items.into()))
                    .ok()?
            }
            _ => sequence.plus(objects.tuple_items.into()),
        };
        let item = self.memory.read_addr(first.plus(8 * index)).ok()?;
        (item == self.object || self.holds(item)).then_some(LoopOver { items, index })
    }

    /// The loop over a dict, if the object is the value at this place, or held by it.
    fn is_value(&mut self, dict: Addr, items: u64, place: u64) -> Option<LoopOver> {
        let entries = dict_entries(self.memory, &self.layout.object, dict, u64::MAX).ok()?;
        let (_, value) = entries.at(self.memory, place).ok()??;
        let is_meant = value == self.object || self.holds(value);
        (is_meant && place < items && items <= MAX_ITEMS).then_some(LoopOver {
            items,
            index: place,
        })
    }

    /// Whether an item has the object as an attribute, or has fetched it: Django's models keep what belongs
    /// to them in `_state.fields_cache`, before 2.0 among their attributes.
    fn holds(&mut self, item: Addr) -> bool {
        let objects = &self.layout.object;
        let Ok(held) = attributes(self.memory, objects, item, HELD) else {
            return false;
        };
        if held.iter().any(|(_, value)| *value == self.object) {
            return true;
        }
        let state = held
            .iter()
            .find(|(name, _)| text_equals(self.memory, objects, *name, "_state"));
        let Some((_, state)) = state else {
            return false;
        };
        let Ok(of_state) = attributes(self.memory, objects, *state, HELD) else {
            return false;
        };
        let cache = of_state
            .iter()
            .find(|(name, _)| text_equals(self.memory, objects, *name, "fields_cache"));
        let Some((_, cache)) = cache else {
            return false;
        };
        let Ok(mut entries) = dict_entries(self.memory, objects, *cache, HELD as u64) else {
            return false;
        };
        while let Some(Ok((_, value))) = entries.next(self.memory) {
            if value == self.object {
                return true;
            }
        }
        false
    }
}
