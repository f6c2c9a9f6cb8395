//! asyncio's tasks: which there are, what each is at, and which it waits for.

use rustc_hash::{FxHashMap, FxHashSet};

use super::super::chain::Ring;
use super::super::layout::{Layout, TaskForm, TaskLayout};
use super::super::objects::{
    AttributeReader, ObjectError, attribute, dict_get, read_int, read_text,
};
use super::super::threads::ThreadState;
use super::SuspendedStack;
use super::coroutine::{self, Chain, CoroutineState};
use super::kinds::{Kind, Kinds};
use super::locks;
use super::waits::{self, Waits};
use crate::memory::{Memory, Paged};
use crate::model::{Addr, TargetStr};

/// As many tasks are read.
pub const MAX_TASKS: usize = 100_000;

/// How often memory is read for all of them: a page or some at a time, about half a second's worth.
const MAX_READS: u32 = 200_000;

/// Names beyond this many characters are cut.
const MAX_NAME: usize = 256;

/// Places of a set that are searched: it grows to four times what it holds, and never shrinks.
const MAX_PLACES: u64 = 4 << 20;

/// A task that is not done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Task {
    pub address: Addr,
    pub name: TargetStr,
    pub doing: TaskDoing,
    pub stack: SuspendedStack,
    /// The event loop that runs it.
    pub event_loop: Addr,
    /// The tasks that it awaits, each by its place among all, in order.
    pub awaits: Vec<usize>,
    /// Those of a task group of its own that it does not await yet.
    pub owns: Vec<usize>,
    /// The task that holds the `asyncio.Lock` that it waits for.
    pub lock_holder: Option<usize>,
}

#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum TaskDoing {
    /// A thread is in the middle of it, and has its frames.
    Runs,
    /// It waits.
    Waits,
    /// Its loop is going to run it.
    IsReady,
    /// The same, and it has not begun.
    IsNew,
}

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

/// What reading the tasks of one interpreter needs.
pub(super) struct TaskReader<'a, 'm, M> {
    pub memory: &'a mut Paged<'m, M>,
    pub layout: &'a Layout,
    pub tasks: &'a TaskLayout,
    pub kinds: Kinds<'a>,
}

/// A task or another future.
#[derive(Clone, Debug, Default)]
pub(super) struct Future {
    pub is_pending: bool,
    /// Objects that are called when it is done.
    pub callbacks: Vec<Addr>,
    /// Who awaits it by its own account; from 3.14 on.
    pub awaited_by: Vec<Addr>,
}

/// A name so that Task-2 comes before Task-10.
fn in_order(name: &TargetStr) -> (String, u64, String) {
    let text = name.untrusted();
    let start = text.trim_end_matches(|c: char| c.is_ascii_digit());
    let digits = text.get(start.len()..).unwrap_or_default();
    let number = digits.parse().unwrap_or(u64::MAX);
    (start.to_owned(), number, digits.to_owned())
}

/// The most callbacks of one future that are looked at.
const MAX_CALLBACKS: u64 = 10_000;

/// `fut_loop` comes first behind an object's head, then the first callback and its context, and then the
/// list of further ones (`FutureObj_HEAD` in Modules/_asynciomodule.c, from 3.8 on).
const FIRST_CALLBACK: u64 = 8;
const CALLBACKS: u64 = 24;

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
        let modules = interpreter.plus(self.layout.interpreter.modules.into());
        let modules = self.memory.read_addr(modules)?;
        if modules.is_null() {
            return Ok(None);
        }
        let Some(module) = dict_get(self.memory, objects, modules, "asyncio.tasks")? else {
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

    /// What a set holds (`PySetObject` in Include/setobject.h: fill, used, mask, table; an entry is a key
    /// and its hash).
    fn set_items(&mut self, set: Addr) -> Result<Vec<Addr>, ObjectError> {
        let head = self.head();
        let mask = self.memory.read_u64(set.plus(head + 16))?;
        let table = self.memory.read_addr(set.plus(head + 24))?;
        let mut items = Vec::new();
        for place in 0..=mask.min(MAX_PLACES) {
            let Ok(key) = self.memory.read_addr(table.plus(16 * place)) else {
                break;
            };
            if !key.is_null() {
                items.push(key);
            }
        }
        Ok(items)
    }

    /// How long the part is that all objects begin with.
    pub(super) fn head(&self) -> u64 {
        u64::from(self.layout.object.ob_type) + 8
    }

    /// One word of an object behind that part, an address.
    pub(super) fn word(&mut self, object: Addr, offset: u64) -> Result<Addr, ObjectError> {
        let head = self.head();
        Ok(self.memory.read_addr(object.plus(head + offset))?)
    }

    /// An attribute of an instance, if it has it and can be read.
    pub(super) fn attribute(&mut self, object: Addr, name: &str) -> Option<Addr> {
        attribute(self.memory, &self.layout.object, object, name).unwrap_or(None)
    }

    /// The items of a list or a tuple, as far as they can be read.
    pub(super) fn items(&mut self, object: Addr, max: u64) -> Vec<Addr> {
        let kind = self.kinds.of_any(self.memory, object);
        let Ok(size) = self.word(object, 0) else {
            return Vec::new();
        };
        let first = match kind {
            Kind::Tuple => object.plus(self.layout.object.tuple_items.into()),
            Kind::List => match self.word(object, 8) {
                Ok(items) => items,
                Err(_) => return Vec::new(),
            },
            _ => return Vec::new(),
        };
        let items = (0..size.0.min(max)).map_while(|place| {
            let item = self.memory.read_addr(first.plus(8 * place)).ok()?;
            (!item.is_null()).then_some(item)
        });
        items.collect()
    }

    /// A task with what its `_fut_waiter` is; `None` if it is done.
    fn task(&mut self, object: Addr) -> Result<Option<(Task, Option<Addr>)>, ObjectError> {
        let nonsense = |field, value: Addr| ObjectError::Nonsense {
            field,
            object,
            value: value.0,
        };
        let kind = self.kinds.of(self.memory, object)?;
        let future = self.future(object, kind)?;
        if !future.is_pending {
            return Ok(None);
        }
        let fields = match kind {
            Kind::CTask { size } => {
                let form = self.form(|form| form.size == size);
                let form = form.ok_or(nonsense("tp_basicsize", object))?;
                let mut field = |offset: u32| self.memory.read_addr(object.plus(u64::from(offset)));
                [
                    field(form.coroutine)?,
                    field(form.waiter)?,
                    field(form.name)?,
                ]
                .map(Some)
            }
            Kind::PythonTask => {
                ["_coro", "_fut_waiter", "_name"].map(|name| self.attribute(object, name))
            }
            _ => return Err(nonsense("ob_type", object)),
        };
        let event_loop = match kind {
            Kind::CTask { .. } => self.word(object, 0)?,
            _ => self.attribute(object, "_loop").unwrap_or(Addr::NULL),
        };
        let [coroutine, waiter, name] = fields;
        let waiter = match waiter {
            Some(waiter) if !waiter.is_null() => {
                // None, if it is a Python task that waits for nothing.
                let kind = self.kinds.of(self.memory, waiter)?;
                kind.is_future().then_some(waiter)
            }
            _ => None,
        };
        let coroutine = coroutine.filter(|it| !it.is_null());
        let coroutine = coroutine.ok_or(nonsense("task_coro", Addr::NULL))?;
        let Chain { stack, state } =
            coroutine::chain(self.memory, self.layout, &mut self.kinds, coroutine)?;
        let doing = match (state, waiter) {
            (CoroutineState::Runs, _) => TaskDoing::Runs,
            (_, Some(_)) => TaskDoing::Waits,
            (CoroutineState::Created, None) => TaskDoing::IsNew,
            (_, None) => TaskDoing::IsReady,
        };
        let name = self.name(name.unwrap_or(Addr::NULL))?;
        Ok(Some((
            Task {
                address: object,
                name,
                doing,
                stack,
                event_loop,
                awaits: Vec::new(),
                owns: Vec::new(),
                lock_holder: None,
            },
            waiter,
        )))
    }

    fn name(&mut self, name: Addr) -> Result<TargetStr, ObjectError> {
        let objects = &self.layout.object;
        match self.kinds.of(self.memory, name)? {
            Kind::Text => read_text(self.memory, objects, name, MAX_NAME),
            // 3.12 on: the name is made when it is asked for (`_asyncio_Task_get_name_impl`).
            Kind::Int => {
                let number = read_int(self.memory, objects, name)?;
                Ok(TargetStr::new(format!("Task-{number}")))
            }
            _ => Err(ObjectError::Nonsense {
                field: "task_name",
                object: name,
                value: name.0,
            }),
        }
    }

    /// Where the fields are, if such a form is known.
    fn form(&self, is_it: impl Fn(&TaskForm) -> bool) -> Option<TaskForm> {
        self.tasks.forms.iter().find(|form| is_it(form)).copied()
    }

    /// What tasks and other futures have alike.
    pub(super) fn future(&mut self, object: Addr, kind: Kind) -> Result<Future, ObjectError> {
        let mut future = Future::default();
        let callbacks = match kind {
            Kind::CTask { size } | Kind::CFuture { size } => {
                let form = self.form(|form| match kind.is_task() {
                    true => form.size == size,
                    false => form.future_size == size,
                });
                let form = form.ok_or(ObjectError::Nonsense {
                    field: "tp_basicsize",
                    object,
                    value: size.into(),
                })?;
                let state = self.memory.read_u32(object.plus(form.state.into()))?;
                future.is_pending = state == 0;
                let first = self.word(object, FIRST_CALLBACK)?;
                future.callbacks.extend((!first.is_null()).then_some(first));
                if let Some(offset) = form.awaited_by {
                    let by = self.memory.read_addr(object.plus(offset.into()))?;
                    future.awaited_by = self.one_or_set(by);
                }
                self.word(object, CALLBACKS)?
            }
            Kind::PythonTask | Kind::PythonFuture => {
                // Until it is done, this is an attribute of the class.
                let state = self.attribute(object, "_state");
                let objects = &self.layout.object;
                let text = state.and_then(|it| read_text(self.memory, objects, it, 16).ok());
                future.is_pending = text.is_none_or(|text| text.untrusted() == "PENDING");
                if let Some(by) = self.attribute(object, "_Future__asyncio_awaited_by") {
                    future.awaited_by = self.one_or_set(by);
                }
                self.attribute(object, "_callbacks").unwrap_or(Addr::NULL)
            }
            _ => return Ok(future),
        };
        if !callbacks.is_null() {
            // Pairs of a callback and its context.
            for pair in self.items(callbacks, MAX_CALLBACKS) {
                future.callbacks.extend(self.items(pair, 1));
            }
        }
        Ok(future)
    }

    /// The futures in a set, or the one that stands in its place.
    fn one_or_set(&mut self, object: Addr) -> Vec<Addr> {
        if object.is_null() {
            return Vec::new();
        }
        if self.kinds.of_any(self.memory, object).is_future() {
            return vec![object];
        }
        let items = self.set_items(object).unwrap_or_default();
        let items = items.into_iter().take(MAX_CALLBACKS as usize);
        items
            .filter(|item| self.kinds.of_any(self.memory, *item).is_future())
            .collect()
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
