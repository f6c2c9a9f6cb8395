//! Newtypes for numbers that must not be confused.

use std::fmt;

/// An address in the target's memory.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Addr(pub u64);

impl Addr {
    pub const NULL: Addr = Addr(0);

    /// The address `offset` bytes further on; wraps, since addresses read from a target may be
    /// anything.
    #[must_use]
    pub fn plus(self, offset: u64) -> Addr {
        Addr(self.0.wrapping_add(offset))
    }

    #[must_use]
    pub fn is_null(self) -> bool {
        self.0 == 0
    }
}

impl fmt::Debug for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl fmt::Display for Addr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

/// The address of a code object.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct CodeAddr(pub Addr);

/// A process id in our own pid namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Pid(pub i32);

impl Pid {
    /// The id of this process.
    #[must_use]
    pub fn ours() -> Pid {
        Pid(std::process::id().cast_signed())
    }
}

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A kernel thread id in our own pid namespace.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Tid(pub i32);

impl fmt::Display for Tid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A length of time, or an instant counted from the start of the recording, in nanoseconds.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Nanos(pub u64);

impl Nanos {
    pub const ZERO: Nanos = Nanos(0);

    #[must_use]
    pub fn as_secs_f64(self) -> f64 {
        self.0 as f64 / 1e9
    }

    #[must_use]
    pub fn saturating_add(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_add(other.0))
    }

    #[must_use]
    pub fn saturating_sub(self, other: Nanos) -> Nanos {
        Nanos(self.0.saturating_sub(other.0))
    }
}

impl From<std::time::Duration> for Nanos {
    fn from(duration: std::time::Duration) -> Nanos {
        Nanos(u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX))
    }
}

/// What identifies a thread, so that a later one with the same ids is not taken for it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct ThreadKey {
    pub pid: Pid,
    /// `PyThreadState.thread_id`: the pthread id, as Python's `threading.get_ident()` gives it.
    pub python_id: u64,
    /// The kernel's id of the thread, where it is known.
    pub tid: Option<Tid>,
    /// Start time of the kernel thread in clock ticks since boot (field 22 of
    /// `/proc/PID/task/TID/stat`); 0 where the kernel thread is not known.
    pub started: u64,
}

macro_rules! index_type {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
        pub struct $name(pub(super) u32);

        impl $name {
            /// The position in the [`Interner`](super::Interner)'s table.
            #[must_use]
            pub fn index(self) -> usize {
                self.0 as usize
            }

            /// The handle for a position that was taken from [`index`](Self::index) earlier, for files
            /// and spills, which hold plain numbers.
            #[must_use]
            pub fn from_index(index: u32) -> Self {
                Self(index)
            }
        }
    };
}

index_type!(
    /// A text in the [`Interner`](super::Interner).
    TextId
);
index_type!(
    /// A function (one code object's name, file and first line).
    FunctionId
);
index_type!(
    /// A function at a line.
    FrameId
);
index_type!(
    /// A stack: a frame on top of the stack of its caller.
    StackId
);
index_type!(
    /// A set of labels.
    LabelSetId
);
index_type!(
    /// A Python thread of one process.
    ThreadId
);
index_type!(
    /// A process that was recorded.
    ProcessId
);

impl StackId {
    /// The stack without a frame, the root of all others.
    pub const EMPTY: StackId = StackId(0);
}

impl LabelSetId {
    /// The set without a label.
    pub const EMPTY: LabelSetId = LabelSetId(0);
    /// The set that stands for all those that came when the table was full.
    pub const OTHER: LabelSetId = LabelSetId(1);
}
