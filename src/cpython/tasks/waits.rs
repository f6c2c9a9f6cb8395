//! Which task waits for which.
//!
//! A task waits for one future, `_fut_waiter`. That may be another task, or a future that is done once
//! others are: then it can be found in the callbacks of those.

use rustc_hash::{FxHashMap, FxHashSet};

use super::kinds::Kind;
use super::reader::TaskReader;
use crate::memory::Memory;
use crate::model::Addr;

/// How deep a future may be hidden in a callback: in a function's cells, in a partial of a partial.
const MAX_DEPTH: u32 = 4;

/// The most children of one `gather` that are followed.
const MAX_CHILDREN: u64 = 100_000;

/// The most futures, other than tasks, of which the callbacks are read.
const MAX_FUTURES: usize = 200_000;

/// Tasks with the futures that they wait for.
#[derive(Debug, Default)]
pub(super) struct Waits {
    tasks: Vec<Addr>,
    waiters: Vec<Option<Addr>>,
}

/// The tasks that one task has to do with, by their places.
#[derive(Clone, Debug, Default)]
pub(super) struct Edges {
    pub awaits: Vec<usize>,
    pub owns: Vec<usize>,
}

impl Waits {
    pub fn add_task(&mut self, task: Addr, waiter: Option<Addr>) {
        self.tasks.push(task);
        self.waiters.push(waiter);
    }
}

/// What is found in the callbacks of one future.
#[derive(Default)]
struct Reached {
    futures: Vec<Addr>,
    groups: Vec<Addr>,
}

/// Finds for each task which others it waits for.
pub(super) fn find<M: Memory>(reader: &mut TaskReader<'_, '_, M>, waits: Waits) -> Vec<Edges> {
    let places: FxHashMap<Addr, usize> = waits.tasks.iter().copied().zip(0..).collect();
    let mut edges = vec![Edges::default(); waits.tasks.len()];
    // From a future to what must be done before it is.
    let mut before: FxHashMap<Addr, Vec<Addr>> = FxHashMap::default();
    let mut groups: FxHashMap<Addr, Option<Group>> = FxHashMap::default();
    let mut pending: Vec<Addr> = waits.waiters.iter().flatten().copied().collect();
    pending.extend(&waits.tasks);
    let mut seen = FxHashSet::default();
    while let Some(node) = pending.pop() {
        if seen.len() >= MAX_FUTURES + waits.tasks.len() || !seen.insert(node) {
            continue;
        }
        let kind = reader.kinds.of_any(reader.memory, node);
        let Ok(future) = reader.future(node, kind) else {
            continue;
        };
        if !kind.is_task() {
            // `asyncio.gather`.
            if let Some(children) = reader.attribute(node, "_children") {
                let children = reader.items(children, MAX_CHILDREN);
                pending.extend(&children);
                before.entry(node).or_default().extend(children);
            }
        }
        let mut reached = Reached::default();
        for callback in future.callbacks {
            reach(reader, callback, MAX_DEPTH, &mut reached);
        }
        for awaiting in reached.futures.into_iter().chain(future.awaited_by) {
            // A task tells itself what it awaits; one that has this in a group is found below.
            if !places.contains_key(&awaiting) {
                before.entry(awaiting).or_default().push(node);
            }
        }
        let Some(&child) = places.get(&node) else {
            continue;
        };
        for group in reached.groups {
            let group = *groups
                .entry(group)
                .or_insert_with(|| Group::read(reader, group));
            let Some(group) = group else { continue };
            let Some(&parent) = places.get(&group.parent) else {
                continue;
            };
            let waiter = waits.waiters.get(parent).copied().flatten();
            if let Some(edges) = edges.get_mut(parent) {
                match waiter.is_some() && waiter == group.completed {
                    true => edges.awaits.push(child),
                    false => edges.owns.push(child),
                }
            }
        }
    }
    for (waiter, edges) in waits.waiters.iter().zip(&mut edges) {
        if let Some(waiter) = waiter {
            tasks_behind(*waiter, &places, &before, &mut edges.awaits);
        }
        edges.awaits.sort_unstable();
        edges.awaits.dedup();
        edges.owns.sort_unstable();
        edges.owns.dedup();
    }
    edges
}

/// The tasks that have to be done before a future is, through others that are no tasks.
fn tasks_behind(
    future: Addr,
    places: &FxHashMap<Addr, usize>,
    before: &FxHashMap<Addr, Vec<Addr>>,
    found: &mut Vec<usize>,
) {
    let mut seen = FxHashSet::default();
    let mut pending = vec![future];
    while let Some(node) = pending.pop() {
        if !seen.insert(node) {
            continue;
        }
        match places.get(&node) {
            Some(&place) => found.push(place),
            None => pending.extend(before.get(&node).into_iter().flatten()),
        }
    }
}

/// An `asyncio.TaskGroup` (Lib/asyncio/taskgroups.py).
#[derive(Clone, Copy)]
struct Group {
    parent: Addr,
    /// What the parent waits for at the end of the group.
    completed: Option<Addr>,
}

impl Group {
    fn read<M: Memory>(reader: &mut TaskReader<'_, '_, M>, group: Addr) -> Option<Group> {
        Some(Group {
            parent: reader.attribute(group, "_parent_task")?,
            completed: reader.attribute(group, "_on_completed_fut"),
        })
    }
}

/// Finds futures and task groups in a callback: `shield`, `wait`, `gather` and `as_completed` have the
/// future in a cell of a function, `wait_for` up to 3.11 among the arguments of a partial; a group is the
/// object of a method (Lib/asyncio/tasks.py).
fn reach<M: Memory>(
    reader: &mut TaskReader<'_, '_, M>,
    object: Addr,
    depth: u32,
    reached: &mut Reached,
) {
    let Some(deeper) = depth.checked_sub(1) else {
        return;
    };
    let kind = reader.kinds.of_any(reader.memory, object);
    match kind {
        Kind::CFuture { .. } | Kind::PythonFuture => reached.futures.push(object),
        Kind::TaskGroup => reached.groups.push(object),
        Kind::Method | Kind::Cell | Kind::Partial => {
            // `method`: the function, the object. `cell`: the value. `partial`: the function, the
            // arguments.
            let places: &[u64] = match kind {
                Kind::Method => &[8],
                Kind::Cell => &[0],
                _ => &[0, 8],
            };
            for place in places {
                if let Ok(inner) = reader.word(object, *place) {
                    reach(reader, inner, deeper, reached);
                }
            }
        }
        Kind::Function => {
            let closure = object.plus(reader.tasks.function_closure.into());
            if let Ok(closure) = reader.memory.read_addr(closure)
                && !closure.is_null()
            {
                reach(reader, closure, deeper, reached);
            }
        }
        Kind::Tuple => {
            /// Cells of a function, or arguments.
            const MAX_ITEMS: u64 = 64;
            for item in reader.items(object, MAX_ITEMS) {
                reach(reader, item, deeper, reached);
            }
        }
        _ => {}
    }
}
