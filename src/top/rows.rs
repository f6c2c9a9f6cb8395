//! Rows of tables: which, in which order, and what they say. All texts are visible ones.

use std::cmp::Reverse;
use std::hash::Hash;

use super::feed::Activity;
use super::seen::{Figures, Seen, Table, share};
use crate::model::{FunctionId, Nanos, ThreadId};
use crate::output::{Category, Names, program};

/// By which column code is sorted, the largest first.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum SortBy {
    OwnNow,
    TotalNow,
    #[default]
    Own,
    Total,
}

impl SortBy {
    pub const ALL: [SortBy; 4] = [SortBy::OwnNow, SortBy::TotalNow, SortBy::Own, SortBy::Total];

    /// As py-spy heads its columns.
    #[must_use]
    pub fn title(self) -> &'static str {
        match self {
            SortBy::OwnNow => "%Own",
            SortBy::TotalNow => "%Total",
            SortBy::Own => "OwnTime",
            SortBy::Total => "TotalTime",
        }
    }

    #[must_use]
    pub fn of(self, figures: Figures) -> Nanos {
        match self {
            SortBy::OwnNow => figures.own_now,
            SortBy::TotalNow => figures.total_now,
            SortBy::Own => figures.own,
            SortBy::Total => figures.total,
        }
    }

    /// What a cell of the column says.
    #[must_use]
    pub fn cell(self, figures: Figures, interval: Nanos) -> String {
        let time = self.of(figures);
        match self {
            SortBy::OwnNow | SortBy::TotalNow => percent(share(time, interval)),
            SortBy::Own | SortBy::Total => spent(time),
        }
    }
}

/// `43.1%`; of 1000 and more without a fraction.
#[must_use]
pub fn percent(share: f64) -> String {
    match 100.0 * share {
        percent if percent < 999.95 => format!("{percent:.1}%"),
        percent => format!("{percent:.0}%"),
    }
}

/// `1.20s`, as py-spy has it; minutes and hours in as many characters.
#[must_use]
pub fn spent(time: Nanos) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if seconds < 1000.0 => format!("{seconds:.2}s"),
        _ if seconds < 60_000.0 => format!("{:.1}m", seconds / 60.0),
        _ => format!("{:.1}h", seconds / 3600.0),
    }
}

/// A function or a line.
#[derive(Clone, Debug)]
pub struct CodeRow {
    pub label: String,
    pub category: Category,
    pub figures: Figures,
}

/// Part of a sorted table.
#[derive(Clone, Debug)]
pub struct Rows<R> {
    /// From the first one asked for.
    pub rows: Vec<R>,
    /// How many there are in all.
    pub count: usize,
}

/// Which part of a table is wanted.
#[derive(Clone, Copy, Debug)]
pub struct Part<'a> {
    pub first: usize,
    pub most: usize,
    /// In lower case; those are left out in whose label it is not found.
    pub filter: &'a str,
}

impl Part<'_> {
    fn keeps(self, label: &str) -> bool {
        self.filter.is_empty() || label.to_lowercase().contains(self.filter)
    }

    /// `all` in its order, as far as `row` gives something that is kept.
    fn of<K, R>(self, all: Vec<K>, label: impl Fn(&R) -> &str, row: impl Fn(K) -> R) -> Rows<R> {
        if self.filter.is_empty() {
            let count = all.len();
            let part = all.into_iter().skip(self.first).take(self.most);
            return Rows {
                rows: part.map(row).collect(),
                count,
            };
        }
        let mut kept = all
            .into_iter()
            .map(row)
            .filter(|row| self.keeps(label(row)));
        let skipped = kept.by_ref().take(self.first).count();
        let rows: Vec<R> = kept.by_ref().take(self.most).collect();
        let count = skipped + rows.len() + kept.count();
        Rows { rows, count }
    }
}

/// Functions, with the line at which each begins.
#[must_use]
pub fn functions(seen: &Seen, names: Names<'_>, sort: SortBy, part: Part<'_>) -> Rows<CodeRow> {
    code(&seen.functions, names, sort, part, |function| {
        let first_line = names.interner.function(function).first_line;
        (function, (first_line != 0).then_some(first_line))
    })
}

/// Lines, with the function that each is of.
#[must_use]
pub fn lines(seen: &Seen, names: Names<'_>, sort: SortBy, part: Part<'_>) -> Rows<CodeRow> {
    code(&seen.lines, names, sort, part, |frame| {
        let frame = names.interner.frame(frame);
        (frame.function, (frame.line != 0).then_some(frame.line))
    })
}

fn code<K: Copy + Eq + Hash + Ord>(
    table: &Table<K>,
    names: Names<'_>,
    sort: SortBy,
    part: Part<'_>,
    place: impl Fn(K) -> (FunctionId, Option<u32>),
) -> Rows<CodeRow> {
    let mut all: Vec<_> = table.rows().collect();
    // What was met first stands first among equals.
    all.sort_unstable_by_key(|(key, figures)| (Reverse((sort.of(*figures), figures.total)), *key));
    part.of(
        all,
        |row: &CodeRow| &row.label,
        |(key, figures)| {
            let (function, line) = place(key);
            CodeRow {
                label: names.located(function, line),
                category: names.category(function),
                figures,
            }
        },
    )
}

/// A thread or a process.
#[derive(Clone, Debug)]
pub struct BusyRow {
    /// The thread's or the process's id.
    pub id: String,
    pub label: String,
    pub now: Activity,
    /// CPU time since the beginning.
    pub cpu: Nanos,
    /// Of a process, how many of its threads were seen in the last update.
    pub threads: usize,
}

/// Threads, the busiest first.
#[must_use]
pub fn threads(seen: &Seen, names: Names<'_>, part: Part<'_>) -> Rows<BusyRow> {
    let mut all: Vec<_> = seen.threads.iter().collect();
    all.sort_unstable_by_key(|(thread, doing)| {
        (
            Reverse((doing.now.cpu, doing.now.seen, doing.cpu)),
            **thread,
        )
    });
    part.of(
        all,
        |row: &BusyRow| &row.label,
        |(&thread, doing)| BusyRow {
            id: names.thread_number(thread),
            label: thread_label(names, thread),
            now: doing.now,
            cpu: doing.cpu,
            threads: 1,
        },
    )
}

fn thread_label(names: Names<'_>, thread: ThreadId) -> String {
    let name = names.thread_name(thread).unwrap_or_default();
    match names.interner.processes().len() {
        0 | 1 => name,
        _ => {
            let process = names.interner.thread(thread).process;
            let process = names.interner.process(process);
            format!("{name}, of {} {}", process.pid, program(&process.command))
        }
    }
}

/// Processes, the busiest first.
#[must_use]
pub fn processes(seen: &Seen, names: Names<'_>, part: Part<'_>) -> Rows<BusyRow> {
    let mut all: Vec<_> = seen.processes.iter().collect();
    all.sort_unstable_by_key(|(process, doing)| {
        (
            Reverse((doing.now.cpu, doing.now.seen, doing.cpu)),
            **process,
        )
    });
    part.of(
        all,
        |row: &BusyRow| &row.label,
        |(&id, doing)| {
            let process = names.interner.process(id);
            let mut label = program(&process.command);
            if let Some(python) = process.python {
                label += &format!(", Python {python}");
            }
            if let Some(generation) = process.generation {
                label += &format!(", generation {generation}");
            }
            let is_busy = |thread: &ThreadId| names.interner.thread(*thread).process == id;
            let busy = seen
                .threads
                .iter()
                .filter(|(_, it)| it.now.seen > Nanos::ZERO);
            BusyRow {
                id: process.pid.to_string(),
                label,
                now: doing.now,
                cpu: doing.cpu,
                threads: busy.filter(|(thread, _)| is_busy(thread)).count(),
            }
        },
    )
}
