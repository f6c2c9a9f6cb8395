//! A dump for programs: an array of threads, the newest of a process first, as py-spy's is.

use std::io::{self, Write};

use serde::Serialize;

use super::suspended::{self, Greenlet, Task};
use super::{Dump, DumpedThread};
use crate::cpython::values::Local;
use crate::cpython::variables::LocalKind;
use crate::engine::cpython::Doing;
use crate::model::{GilState, Proof, TargetStr, TextId};
use crate::output::visible;
use crate::target::core::{CoreSignal, SignalCause};

/// py-spy's fields in its order, then ours.
#[derive(Serialize)]
struct Thread {
    pid: i32,
    thread_id: u64,
    thread_name: Option<String>,
    os_thread_id: Option<i32>,
    active: bool,
    owns_gil: bool,
    frames: Vec<Frame>,
    process_info: ProcessInfo,
    /// `null` in builds without a GIL, and where it is not known.
    holds_gil: Option<bool>,
    waits_for_gil: bool,
    /// The system call that it waits in.
    waits_in: Option<&'static str>,
    /// The `thread_id` of the thread that has the lock which it waits for, where that can be told.
    waits_for_lock_of: Option<u64>,
    /// Whether the stack is known to be whole and of one moment.
    proven: bool,
    /// In a core file, the signal that ended the process, if this thread got it.
    #[serde(skip_serializing_if = "Option::is_none")]
    signal: Option<Signal>,
    /// The tasks of the event loop that runs in it. The oldest thread also has those whose loop runs in none.
    asyncio_tasks: Vec<Task>,
    /// Of the whole process, with its oldest thread.
    greenlets: Vec<Greenlet>,
}

#[derive(Serialize)]
struct Signal {
    number: i32,
    name: String,
    /// The address of the fault.
    address: Option<u64>,
    /// The process that sent it.
    sender: Option<i32>,
}

#[derive(Serialize)]
struct Frame {
    name: String,
    filename: String,
    module: Option<String>,
    short_filename: String,
    line: u32,
    /// `null` unless they were asked for.
    locals: Option<Vec<Variable>>,
    is_entry: bool,
    is_shim_entry: bool,
    /// The first line of the function.
    first_line: u32,
}

#[derive(Serialize)]
struct Variable {
    name: String,
    /// Where the object is: what `id` would give.
    addr: u64,
    arg: bool,
    repr: String,
}

#[derive(Serialize)]
struct ProcessInfo {
    pid: i32,
    command_line: String,
    /// py-spy has the whole process here.
    parent: Option<Box<ProcessInfo>>,
    python: Option<String>,
    executable: Option<String>,
    /// How it ended, as its core file tells: the signal, whichever thread got it.
    #[serde(skip_serializing_if = "Option::is_none")]
    ended_by: Option<Signal>,
}

pub fn write(dumps: &[Dump], out: &mut dyn Write) -> io::Result<()> {
    let threads = dumps.iter().flat_map(|dump| {
        let threads = dump.threads.iter().enumerate().rev();
        threads.map(|(index, it)| thread(dump, it, index == 0))
    });
    serde_json::to_writer_pretty(&mut *out, &threads.collect::<Vec<_>>())?;
    writeln!(out)
}

fn thread(dump: &Dump, thread: &DumpedThread, is_oldest: bool) -> Thread {
    let (sample, interner) = (&thread.sample, &dump.interner);
    let of = interner.thread(sample.thread);
    let text = |id: TextId| visible(interner.text(id)).into_owned();
    let mut facts = thread.frames.iter();
    let frames = interner.frames_of(sample.stack).map(|frame| {
        let facts = facts.next().cloned().unwrap_or_default();
        let frame = interner.frame(frame);
        let function = interner.function(frame.function);
        Frame {
            name: text(function.name),
            filename: text(function.file),
            module: None,
            short_filename: text(function.short_file),
            line: frame.line,
            is_entry: facts.is_entry,
            is_shim_entry: facts.is_shim_entry,
            locals: facts.variables.map(|variables| {
                let variables = variables.into_iter();
                variables.map(Variable::from).collect()
            }),
            first_line: function.first_line,
        }
    });
    Thread {
        pid: dump.pid.0,
        thread_id: of.key.python_id,
        thread_name: of.name.map(text),
        os_thread_id: of.key.tid.map(|tid| tid.0),
        active: thread.is_active(),
        owns_gil: sample.gil == GilState::Holds,
        frames: frames.collect(),
        process_info: process_info(dump),
        holds_gil: match sample.gil {
            GilState::Holds => Some(true),
            GilState::DoesNotHold => Some(false),
            GilState::Unknown => None,
        },
        waits_for_gil: thread.doing == Doing::WaitsForGil,
        waits_in: match thread.doing {
            Doing::WaitsIn(call) => Some(call),
            // What is waited for is told beside it.
            Doing::WaitsForLockOf(_) => Some("futex"),
            _ => None,
        },
        waits_for_lock_of: match thread.doing {
            Doing::WaitsForLockOf(owner) => Some(owner),
            _ => None,
        },
        proven: sample.proof == Proof::Proven,
        signal: dump.signal_of(thread).map(Signal::from),
        asyncio_tasks: suspended::tasks(dump, of.key.python_id, is_oldest),
        greenlets: match is_oldest {
            true => suspended::greenlets(dump),
            false => Vec::new(),
        },
    }
}

impl From<CoreSignal> for Signal {
    fn from(signal: CoreSignal) -> Signal {
        let (address, sender) = match signal.cause {
            SignalCause::Fault(at) => (Some(at.0), None),
            SignalCause::SentBy(pid) => (None, Some(pid.0)),
            SignalCause::Unknown => (None, None),
        };
        Signal {
            number: signal.number,
            name: signal.name(),
            address,
            sender,
        }
    }
}

impl From<Local> for Variable {
    fn from(local: Local) -> Variable {
        Variable {
            name: visible(&local.name).into_owned(),
            addr: local.address.0,
            arg: local.kind == LocalKind::Argument,
            repr: local.shown,
        }
    }
}

fn process_info(dump: &Dump) -> ProcessInfo {
    let words = |words: &[TargetStr]| {
        let words: Vec<_> = words.iter().map(|word| visible(word)).collect();
        words.join(" ")
    };
    ProcessInfo {
        pid: dump.pid.0,
        command_line: words(&dump.command),
        parent: dump.parent.as_ref().map(|(pid, command)| {
            Box::new(ProcessInfo {
                pid: pid.0,
                command_line: words(command),
                parent: None,
                python: None,
                executable: None,
                ended_by: None,
            })
        }),
        python: Some(dump.python.to_string()),
        executable: dump.executable.as_ref().map(|it| visible(it).into_owned()),
        ended_by: dump
            .ended
            .as_ref()
            .and_then(|it| it.signal)
            .map(Signal::from),
    }
}
