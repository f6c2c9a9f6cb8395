//! What kind of object something is, as far as tasks are concerned.

use rustc_hash::FxHashMap;

use super::super::layout::Layout;
use super::super::objects::{ObjectError, read_c_string};
use crate::memory::Memory;
use crate::model::Addr;

/// Classes do not inherit more deeply, and those that a target makes up need not end.
const MAX_BASES: usize = 32;

/// More types than the objects around tasks have.
const MAX_KNOWN: usize = 10_000;

/// The longest name that matters has 21 bytes.
const MAX_NAME: usize = 40;

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Kind {
    /// `_asyncio.Task`, or what inherits from it; the `tp_basicsize` of `_asyncio.Task`.
    CTask {
        size: u32,
    },
    /// `_asyncio.Future`, or what inherits from it but is no task; the same of it.
    CFuture {
        size: u32,
    },
    /// The same, written in Python.
    PythonTask,
    PythonFuture,
    Coroutine,
    Generator,
    AsyncGenerator,
    /// Something that passes on to the one object that stands first in it: `FutureIter`,
    /// `coroutine_wrapper`, `async_generator_asend`, `async_generator_athrow`, `anext_awaitable`.
    Wrapper,
    Method,
    Partial,
    Function,
    Cell,
    Tuple,
    List,
    Text,
    Int,
    /// `asyncio.TaskGroup`.
    TaskGroup,
    /// `_RunningLoopHolder` of `_asyncio`.
    LoopHolder,
    Frame,
    Greenlet,
    Other,
}

impl Kind {
    pub fn is_task(self) -> bool {
        matches!(self, Kind::CTask { .. } | Kind::PythonTask)
    }

    pub fn is_future(self) -> bool {
        self.is_task() || matches!(self, Kind::CFuture { .. } | Kind::PythonFuture)
    }

    /// By the name of a type, `tp_name`: that of one written in C has its module in front.
    fn named(name: &[u8], size: u32) -> Option<Kind> {
        Some(match name {
            b"_asyncio.Task" => Kind::CTask { size },
            b"_asyncio.Future" => Kind::CFuture { size },
            b"Task" => Kind::PythonTask,
            b"Future" => Kind::PythonFuture,
            b"coroutine" => Kind::Coroutine,
            b"generator" => Kind::Generator,
            b"async_generator" => Kind::AsyncGenerator,
            b"_asyncio.FutureIter"
            | b"coroutine_wrapper"
            | b"async_generator_asend"
            | b"async_generator_athrow"
            | b"anext_awaitable" => Kind::Wrapper,
            b"method" => Kind::Method,
            b"functools.partial" => Kind::Partial,
            b"function" => Kind::Function,
            b"cell" => Kind::Cell,
            b"tuple" => Kind::Tuple,
            b"list" => Kind::List,
            b"str" => Kind::Text,
            b"int" => Kind::Int,
            b"TaskGroup" => Kind::TaskGroup,
            b"_RunningLoopHolder" => Kind::LoopHolder,
            b"frame" => Kind::Frame,
            b"greenlet.greenlet" => Kind::Greenlet,
            _ => return None,
        })
    }
}

/// Kinds by type, each found out once.
#[derive(Debug)]
pub struct Kinds<'a> {
    layout: &'a Layout,
    known: FxHashMap<Addr, Kind>,
}

impl<'a> Kinds<'a> {
    pub fn new(layout: &'a Layout) -> Kinds<'a> {
        Kinds {
            layout,
            known: FxHashMap::default(),
        }
    }

    /// # Errors
    /// When the object cannot be read.
    pub fn of<M: Memory>(&mut self, memory: &mut M, object: Addr) -> Result<Kind, ObjectError> {
        let class = memory.read_addr(object.plus(self.layout.object.ob_type.into()))?;
        if let Some(&kind) = self.known.get(&class) {
            return Ok(kind);
        }
        // What is no object has no type, and is not remembered.
        let kind = self.of_class(memory, class)?;
        if self.known.len() < MAX_KNOWN {
            self.known.insert(class, kind);
        }
        Ok(kind)
    }

    /// The same; [`Kind::Other`] if it cannot be read.
    pub fn of_any<M: Memory>(&mut self, memory: &mut M, object: Addr) -> Kind {
        self.of(memory, object).unwrap_or(Kind::Other)
    }

    /// The kind of the first class from this one upwards that has one.
    fn of_class<M: Memory>(&self, memory: &mut M, class: Addr) -> Result<Kind, ObjectError> {
        let object = &self.layout.object;
        let mut class = class;
        for _ in 0..MAX_BASES {
            let name = memory.read_addr(class.plus(object.type_name.into()))?;
            let name = read_c_string(memory, name, MAX_NAME)?;
            let size = memory.read_u64(class.plus(object.type_basicsize.into()))?;
            let size = u32::try_from(size).unwrap_or(0);
            if let Some(kind) = Kind::named(&name, size) {
                return Ok(kind);
            }
            let Some(tasks) = &self.layout.tasks else {
                break;
            };
            class = memory.read_addr(class.plus(tasks.type_base.into()))?;
            if class.is_null() {
                break;
            }
        }
        Ok(Kind::Other)
    }
}
