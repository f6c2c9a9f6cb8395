//! One of asyncio's objects at a time: a task or another future, and what they are made of.

use super::super::layout::{Layout, TaskForm, TaskLayout};
use super::super::objects::{ObjectError, attribute, read_int, read_text};
use super::SuspendedStack;
use super::coroutine::{self, Chain, CoroutineState};
use super::kinds::{Kind, Kinds};
use crate::memory::{Memory, Paged};
use crate::model::{Addr, TargetStr};

/// Names beyond this many characters are cut.
const MAX_NAME: usize = 256;

/// Places of a set that are searched: it grows to four times what it holds, and never shrinks.
const MAX_PLACES: u64 = 4 << 20;

/// A key and its hash (`setentry` in Include/cpython/setobject.h).
const SET_ENTRY: u64 = 16;

/// The most callbacks of one future that are looked at.
const MAX_CALLBACKS: u64 = 10_000;

/// `fut_loop` comes first behind an object's head, then the first callback and its context, and then the
/// list of further ones (`FutureObj_HEAD` in Modules/_asynciomodule.c, from 3.8 on).
const FIRST_CALLBACK: u64 = 8;
const CALLBACKS: u64 = 24;

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

impl<M: Memory> TaskReader<'_, '_, M> {
    /// What a set holds, as far as its table can be read.
    pub(super) fn set_items(&mut self, set: Addr) -> Result<Vec<Addr>, ObjectError> {
        let layout = &self.layout.value;
        let mask = self.memory.read_u64(set.plus(layout.set_mask.into()))?;
        let table = self.memory.read_addr(set.plus(layout.set_table.into()))?;
        let first = table.plus(layout.set_entry_key.into());
        let mut items = Vec::new();
        for place in 0..=mask.min(MAX_PLACES) {
            let Ok(key) = self.memory.read_addr(first.plus(SET_ENTRY * place)) else {
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
        let list_items = self.layout.value.list_items;
        let Ok(size) = self.word(object, 0) else {
            return Vec::new();
        };
        let first = match kind {
            Kind::Tuple => object.plus(self.layout.object.tuple_items.into()),
            Kind::List => match self.memory.read_addr(object.plus(list_items.into())) {
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
    pub(super) fn task(
        &mut self,
        object: Addr,
    ) -> Result<Option<(Task, Option<Addr>)>, ObjectError> {
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
}
