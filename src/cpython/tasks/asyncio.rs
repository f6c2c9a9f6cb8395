//! asyncio's tasks: which there are, what each is at, and which it waits for.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::chain::Ring;
use super::super::layout::Layout;
use super::super::objects::{AttributeReader, ObjectError, attribute, dict_get, read_int};
use super::super::threads::ThreadState;
use super::kinds::{Kind, Kinds};
use super::locks;
use super::module;
use super::reader::TaskReader;
pub use super::reader::{Task, TaskDoing};
use super::waits::{self, Waits};
use crate::memory::{Memory, Paged};
use crate::model::{Addr, TargetStr};

/// As many tasks are read.
pub const MAX_TASKS: usize = 100_000;

/// How often memory is read for all of them: a page or some at a time, about half a second's worth.
const MAX_READS: u32 = 200_000;

/// The tasks of one interpreter.
#[derive(Clone, Default, PartialEq, Eq, Debug)]
pub struct Tasks {
    pub tasks: Vec<Task>,
    /// By event loop: the thread state in which it runs.
    pub loops: FxHashMap<Addr, Addr>,
    /// There are more than were read, or reading them all would have taken too long.
    pub is_cut: bool,
    /// Tasks that could not be read.
    pub unreadable: usize,
}

/// Reads the tasks of an interpreter; none where the program does not use asyncio, or before 3.8.
///
/// # Errors
/// When asyncio's own objects cannot be read.
pub fn read<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    interpreter: Addr,
    threads: &[ThreadState],
) -> Result<Tasks, ObjectError> {
    let Some(tasks) = &layout.tasks else {
        return Ok(Tasks::default());
    };
    let mut reader = TaskReader {
        memory: &mut Paged::new(memory, MAX_READS),
        layout,
        tasks,
        kinds: Kinds::new(layout),
    };
    reader.read(interpreter, threads)
}

/// A name so that Task-2 comes before Task-10.
fn in_order(name: &TargetStr) -> (String, u64, String) {
    let text = name.untrusted();
    let start = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.get(start.len()..).unwrap_or_default();
    let number = digits.parse().unwrap_or(u64::MAX);
    (start.to_owned(), number, digits.to_owned())
}

impl<M: Memory> TaskReader<'_, '_, M> {
    fn read(&mut self, interpreter: Addr, threads: &[ThreadState]) -> Result<Tasks, ObjectError> {
        let mut found = Tasks::default();
        let Some(objects) = self.find(interpreter, threads, &mut found)? else {
            return Ok(found);
        };
        let mut tasks = Vec::new();
        for object in objects {
            match self.task(object) {
                Ok(task) => tasks.extend(task),
                Err(_) => found.unreadable += 1,
            }
        }
        // Sets have no order.
        tasks.sort_by_cached_key(|(task, _)| in_order(&task.name));
        let mut waits = Waits::default();
        for (task, waiter) in tasks {
            waits.add_task(task.address, waiter);
            found.tasks.push(task);
        }
        let edges = waits::find(self, waits);
        for (task, edges) in found.tasks.iter_mut().zip(edges) {
            task.awaits = edges.awaits;
            task.owns = edges.owns;
        }
        locks::find_holders(self, &mut found.tasks);
        self.find_loops(&mut found, threads);
        found.is_cut |= self.memory.is_exhausted();
        Ok(found)
    }

    /// The addresses of all tasks, each once; `None` if asyncio is not imported.
    fn find(
        &mut self,
        interpreter: Addr,
        threads: &[ThreadState],
        found: &mut Tasks,
    ) -> Result<Option<Vec<Addr>>, ObjectError> {
        let objects = &self.layout.object;
        let Some(module) = module(self.memory, self.layout, interpreter, "asyncio.tasks")? else {
            return Ok(None);
        };
        let mut seen = FxHashSet::default();
        let mut tasks = Vec::new();
        let mut add = |task: Addr| {
            if tasks.len() < MAX_TASKS && seen.insert(task) {
                tasks.push(task);
            }
            tasks.len() < MAX_TASKS
        };
        if let Some(lists) = self.tasks.lists {
            let of_threads = threads.iter().filter(|it| it.interpreter == interpreter);
            let heads = of_threads.map(|thread| thread.address.plus(lists.of_thread.into()));
            for head in heads.chain([interpreter.plus(lists.of_interpreter.into())]) {
                // A list that is being changed ends early. The tasks before are still tasks.
                found.is_cut |= self.listed(head, &mut add).unwrap_or(true);
            }
        }
        // `_all_tasks` up to 3.11.
        for name in ["_all_tasks", "_scheduled_tasks", "_eager_tasks"] {
            let Some(set) = attribute(self.memory, objects, module, name)? else {
                continue;
            };
            // A `WeakSet` has a set of weak references.
            let (set, is_weak) = match attribute(self.memory, objects, set, "data")? {
                Some(data) => (data, true),
                None => (set, false),
            };
            for item in self.set_items(set)? {
                let task = match is_weak {
                    true => {
                        let target = item.plus(objects.weakref_target.into());
                        self.memory.read_addr(target).unwrap_or(Addr::NULL)
                    }
                    false => item,
                };
                // Deleted entries stay in a set as a reference to something else.
                if self.kinds.of_any(self.memory, task).is_task() && !add(task) {
                    found.is_cut = true;
                    break;
                }
            }
        }
        Ok(Some(tasks))
    }

    /// The tasks of a list (`struct llist_node`: next, previous); whether it was cut.
    fn listed(
        &mut self,
        head: Addr,
        add: &mut impl FnMut(Addr) -> bool,
    ) -> Result<bool, ObjectError> {
        let nodes = self.tasks.forms.iter().filter_map(|form| form.node);
        let Some(node) = nodes.into_iter().next() else {
            return Ok(false);
        };
        let mut ring = Ring::default();
        let mut at = self.memory.read_addr(head)?;
        // Before the first task of a thread the list may not have been made.
        while at != head && !at.is_null() {
            let task = Addr(at.0.wrapping_sub(node.into()));
            let is_task = self.kinds.of(self.memory, task)?.is_task();
            if !is_task || ring.closes_at(at) || !add(task) {
                return Ok(true);
            }
            at = self.memory.read_addr(at)?;
        }
        Ok(false)
    }

    /// In which threads the event loops run.
    fn find_loops(&mut self, found: &mut Tasks, threads: &[ThreadState]) {
        for thread in threads {
            if let Some(running) = self.running_loop(thread) {
                found.loops.insert(running, thread.address);
            }
        }
        // One that asyncio does not know to run, as between two calls of `run_until_complete`, may say
        // itself which thread it is for.
        let mut thread_id = AttributeReader::new(&self.layout.object, "_thread_id");
        let loops: FxHashSet<Addr> = found.tasks.iter().map(|task| task.event_loop).collect();
        for event_loop in loops {
            if found.loops.contains_key(&event_loop) || event_loop.is_null() {
                continue;
            }
            let Ok(Some(id)) = thread_id.read(self.memory, event_loop) else {
                continue;
            };
            let Ok(id) = read_int(self.memory, &self.layout.object, id) else {
                continue;
            };
            let thread = threads.iter().find(|it| it.thread_id == id.cast_unsigned());
            if let Some(thread) = thread {
                found.loops.insert(event_loop, thread.address);
            }
        }
    }

    fn running_loop(&mut self, thread: &ThreadState) -> Option<Addr> {
        if let Some(running_loop) = self.tasks.running_loop {
            let place = thread.address.plus(running_loop.into());
            let running = self.memory.read_addr(place).ok()?;
            return (!running.is_null()).then_some(running);
        }
        let place = thread.address.plus(self.tasks.thread_dict.into());
        let dict = self.memory.read_addr(place).ok()?;
        if dict.is_null() {
            return None;
        }
        let key = "__asyncio_running_event_loop__";
        let holder = dict_get(self.memory, &self.layout.object, dict, key).ok()??;
        // Up to 3.11 a holder of the loop, in 3.12 the loop itself; None where none runs.
        match self.kinds.of(self.memory, holder).ok()? {
            Kind::LoopHolder => self.word(holder, 0).ok(),
            _ => Some(holder),
        }
    }
}
