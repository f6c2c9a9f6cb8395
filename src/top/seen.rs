//! What was seen: sums for each function, line, thread and process, of the last update and since the
//! beginning. An update costs what it changes, and not what was seen in all.

use std::hash::Hash;

use rustc_hash::FxHashMap;

use super::feed::{Activity, Update};
use super::history::History;
use crate::model::{FrameId, FunctionId, Interner, Nanos, ProcessId, ThreadId};
use crate::profile::{EntryKey, Mirror, Profile, Values};

/// Wall time of one row, of the last update (`now`) and of all of them.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Figures {
    /// Where it was the innermost frame.
    pub own_now: Nanos,
    /// Where it was anywhere on the stack.
    pub total_now: Nanos,
    pub own: Nanos,
    pub total: Nanos,
    /// The entry that was counted last, so that a function which called itself is counted once.
    counted: u64,
}

/// The rows of one kind.
#[derive(Debug)]
pub struct Table<K> {
    rows: FxHashMap<K, Figures>,
    /// Those that have something of the last update.
    touched: Vec<K>,
}

impl<K> Default for Table<K> {
    fn default() -> Table<K> {
        Table {
            rows: FxHashMap::default(),
            touched: Vec::new(),
        }
    }
}

impl<K: Copy + Eq + Hash> Table<K> {
    pub fn rows(&self) -> impl ExactSizeIterator<Item = (K, Figures)> {
        self.rows.iter().map(|(key, figures)| (*key, *figures))
    }

    fn begin_update(&mut self) {
        for key in self.touched.drain(..) {
            if let Some(figures) = self.rows.get_mut(&key) {
                (figures.own_now, figures.total_now) = (Nanos::ZERO, Nanos::ZERO);
            }
        }
    }

    fn add(&mut self, key: K, entry: u64, wall: Nanos, is_leaf: bool) {
        let figures = self.rows.entry(key).or_default();
        if figures.total_now == Nanos::ZERO {
            self.touched.push(key);
        }
        if figures.counted != entry {
            figures.counted = entry;
            figures.total_now = figures.total_now.saturating_add(wall);
            figures.total = figures.total.saturating_add(wall);
        }
        if is_leaf {
            figures.own_now = figures.own_now.saturating_add(wall);
            figures.own = figures.own.saturating_add(wall);
        }
    }
}

/// What a thread or a process did in the last update.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Doing {
    pub now: Activity,
    /// CPU time since the beginning.
    pub cpu: Nanos,
}

/// All that was seen.
#[derive(Debug, Default)]
pub struct Seen {
    mirror: Mirror,
    pub functions: Table<FunctionId>,
    /// Frame by frame, that is, function and line.
    pub lines: Table<FrameId>,
    pub threads: FxHashMap<ThreadId, Doing>,
    pub processes: FxHashMap<ProcessId, Doing>,
    /// What the last update added.
    pub now: Vec<(EntryKey, Values)>,
    /// The time that it is of.
    pub interval: Nanos,
    /// Figures over time, of all processes together.
    pub cpu: History,
    pub gil: History,
    pub at_work: History,
    /// Entries that were counted so far.
    entries: u64,
}

impl Seen {
    /// Adds an update.
    pub fn update(&mut self, update: Update) {
        if update.delta.begins_anew() {
            self.functions = Table::default();
            self.lines = Table::default();
            self.threads.clear();
            self.processes.clear();
        }
        self.functions.begin_update();
        self.lines.begin_update();
        self.interval = update.interval;
        self.now = self.mirror.increments(&update.delta);
        let interner = &self.mirror.update(update.delta).interner;
        for &(key, values) in &self.now {
            self.entries += 1;
            for (depth, id) in interner.frames_of(key.stack).enumerate() {
                let (is_leaf, function) = (depth == 0, interner.frame(id).function);
                self.functions
                    .add(function, self.entries, values.wall, is_leaf);
                self.lines.add(id, self.entries, values.wall, is_leaf);
            }
        }
        let idle = |doing: &mut Doing| doing.now = Activity::default();
        self.threads.values_mut().for_each(idle);
        self.processes.values_mut().for_each(idle);
        let mut all = Activity::default();
        for (thread, activity) in update.activity {
            let process = interner.thread(thread).process;
            add(&mut all, activity);
            let of_both = [
                self.threads.entry(thread).or_default(),
                self.processes.entry(process).or_default(),
            ];
            for doing in of_both {
                add(&mut doing.now, activity);
                doing.cpu = doing.cpu.saturating_add(activity.cpu);
            }
        }
        let interval = self.interval;
        self.cpu.push(share(all.cpu, interval));
        self.gil.push(share(all.holds_gil, interval));
        self.at_work.push(share(all.at_work, interval));
    }

    /// The profile of all that was seen; `None` before the first update.
    #[must_use]
    pub fn profile(&self) -> Option<&Profile> {
        self.mirror.profile()
    }

    #[must_use]
    pub fn interner(&self) -> Option<&Interner> {
        self.profile().map(|profile| &profile.interner)
    }
}

fn add(sum: &mut Activity, more: Activity) {
    sum.seen = sum.seen.saturating_add(more.seen);
    sum.holds_gil = sum.holds_gil.saturating_add(more.holds_gil);
    sum.at_work = sum.at_work.saturating_add(more.at_work);
    sum.cpu = sum.cpu.saturating_add(more.cpu);
}

/// `time` as a share of `interval`: 1 is all of it.
#[must_use]
pub fn share(time: Nanos, interval: Nanos) -> f64 {
    match interval {
        Nanos::ZERO => 0.0,
        interval => time.as_secs_f64() / interval.as_secs_f64(),
    }
}
