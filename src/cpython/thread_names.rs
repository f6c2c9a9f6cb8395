//! Names of threads. The interpreter keeps them in no structure of its own: they are attributes of
//! the `Thread` objects in `threading._active`.

use rustc_hash::FxHashMap;

use super::layout::{Layout, TextLayout};
use super::objects::{
    AttributeReader, ObjectError, attribute, dict_entries, dict_get, read_int, read_text,
    with_unicode_unit,
};
use crate::memory::{Fault, Memory};
use crate::model::{Addr, TargetStr};

/// As many threads are named; more than a process can usefully have.
const MAX_THREADS: u64 = 10_000;

/// As many reads are made: some ten a thread, and one for each of the modules before `threading`.
/// A target may make up dicts within dicts that would take hours.
const MAX_READS: u32 = 200_000;

/// Names beyond this many characters are cut.
const MAX_NAME: usize = 256;

/// The names of an interpreter's threads, by what `threading.get_ident()` gives in them. A thread
/// whose `Thread` object cannot be read just now is left out; so are all of a program that has not
/// imported `threading`.
///
/// # Errors
/// When `threading._active` cannot be read.
pub fn read<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    interpreter: Addr,
) -> Result<FxHashMap<u64, TargetStr>, ObjectError> {
    let memory = &mut Bounded {
        memory,
        reads_left: MAX_READS,
    };
    let mut names = FxHashMap::default();
    let modules = memory.read_addr(interpreter.plus(layout.interpreter.modules.into()))?;
    if modules.is_null() {
        return Ok(names);
    }
    let Some(threading) = dict_get(memory, &layout.object, modules, "threading")? else {
        return Ok(names);
    };
    let Some(active) = attribute(memory, &layout.object, threading, "_active")? else {
        return Ok(names);
    };
    let objects = with_unicode_unit(memory, layout, interpreter)?;
    let mut name_of = AttributeReader::new(
        &objects,
        match objects.text {
            // `Thread.__name` in the class that it is written in (Lib/threading.py of 2.7).
            TextLayout::Legacy { .. } => "_Thread__name",
            TextLayout::Compact { .. } => "_name",
        },
    );
    let mut entries = dict_entries(memory, &objects, active, MAX_THREADS)?;
    while let Some(entry) = entries.next(memory) {
        let (ident, thread) = entry?;
        let Ok(ident) = read_int(memory, &objects, ident) else {
            continue;
        };
        let Ok(Some(name)) = name_of.read(memory, thread) else {
            continue;
        };
        if let Ok(name) = read_text(memory, &objects, name, MAX_NAME) {
            names.insert(ident.cast_unsigned(), name);
        }
    }
    Ok(names)
}

/// The name of the main thread where its ident does not lead to it: gevent and eventlet put greenlets in
/// the place of threads, also in `threading`, whose table then has their ids for keys. `idents` are those
/// of the threads that there are.
#[must_use]
pub fn of_main_thread(
    names: &FxHashMap<u64, TargetStr>,
    idents: impl IntoIterator<Item = u64>,
) -> Option<&TargetStr> {
    /// What `threading` calls it (`_MainThread` in Lib/threading.py).
    const NAME: &str = "MainThread";
    let mut idents = idents.into_iter();
    let is_known = idents.any(|ident| names.get(&ident).is_some_and(|it| it.untrusted() == NAME));
    let mut others = names.values();
    others.find(|name| !is_known && name.untrusted() == NAME)
}

/// Memory that can be read so many times and no more.
struct Bounded<'a, M> {
    memory: &'a mut M,
    reads_left: u32,
}

impl<M: Memory> Memory for Bounded<'_, M> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        self.reads_left = self.reads_left.checked_sub(1).ok_or(Fault {
            at,
            len: into.len(),
        })?;
        self.memory.read(at, into)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_main_thread_has_its_name_where_greenlets_stand_for_threads() {
        let names = |names: &[(u64, &str)]| -> FxHashMap<u64, TargetStr> {
            let names = names.iter();
            names
                .map(|(ident, name)| (*ident, TargetStr::new(*name)))
                .collect()
        };
        let main = |table: &[(u64, &str)]| {
            let table = names(table);
            of_main_thread(&table, [1, 2]).map(|name| name.untrusted().to_owned())
        };
        let greenlets = [(0x7f00, "MainThread"), (0x7f80, "Thread-1")];
        assert_eq!(main(&greenlets).as_deref(), Some("MainThread"));
        assert_eq!(main(&[(1, "MainThread"), (2, "Thread-1")]), None);
        assert_eq!(main(&[(1, "renamed")]), None);
        assert_eq!(main(&[]), None);
    }
}
