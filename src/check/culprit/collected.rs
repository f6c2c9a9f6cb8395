//! The selected samples of one or two versions as one call tree, in which functions of both versions meet.

use std::ops::AddAssign;

use rustc_hash::FxHashMap;

use crate::check::matcher::Matcher;
use crate::check::rule::{Clock, Selector};
use crate::model::{Frame, FunctionId, Interner, StackId};
use crate::output::{Category, visible};
use crate::profile::tree::{CallTree, NodeId, TreeBuilder};
use crate::profile::{Profile, Values};

/// All runs of one version together.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    pub profile: &'a Profile,
    /// The factor that turns all seconds of the profile into those of one undisturbed run.
    pub scale: f64,
}

/// A function, identified by name and short file: the files of two versions lie in different directories,
/// and lines move.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Function {
    pub name: String,
    pub short_file: String,
}

/// Index into the functions of both versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct FunctionKey(u32);

/// Sampled time, or the difference between two versions.
#[derive(Clone, Copy, Default)]
pub struct Weight {
    /// Per run.
    pub seconds: f64,
    /// Variance of the seconds, since they are counted in samples.
    pub variance: f64,
}

impl AddAssign for Weight {
    fn add_assign(&mut self, more: Weight) {
        self.seconds += more.seconds;
        self.variance += more.variance;
    }
}

/// Where a node's code is, in the version that is judged.
#[derive(Default)]
struct Location {
    /// Seconds per line.
    lines: FxHashMap<u32, f64>,
    file: String,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Side {
    Before,
    After,
}

/// Whether the search is for what takes the time or for what grew. Growth may lie in callees of the
/// selected function.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Question {
    Level,
    Growth,
}

pub type Tree = CallTree<FunctionKey, Weight>;

/// Collects the selected samples of one or two versions.
pub struct Collector {
    question: Question,
    functions: Vec<Function>,
    keys: FxHashMap<Function, FunctionKey>,
    tree: TreeBuilder<FunctionKey, Weight>,
    /// Indexed by node.
    locations: Vec<Location>,
}

impl Collector {
    pub fn new(question: Question) -> Collector {
        Collector {
            question,
            functions: Vec::new(),
            keys: FxHashMap::default(),
            tree: TreeBuilder::default(),
            locations: Vec::new(),
        }
    }

    pub fn add(&mut self, recorded: Recorded<'_>, selector: &Selector, clock: Clock, side: Side) {
        let Recorded { profile, scale } = recorded;
        let scale = match side {
            Side::Before => -scale,
            Side::After => scale,
        };
        let mut matcher = Matcher::new(profile, selector);
        let mut keys: FxHashMap<FunctionId, FunctionKey> = FxHashMap::default();
        for entry in profile.entries() {
            let values = entry.values();
            if values.unproven > 0 {
                continue;
            }
            let mut frames = frames_outermost_first(&profile.interner, entry.stack());
            if selector.item.is_some() {
                let innermost_first: Vec<_> = frames.iter().rev().map(|it| it.function).collect();
                let Some(position) = matcher.find(&innermost_first) else {
                    continue;
                };
                if self.question == Question::Level {
                    // A limit concerns the selected function as a whole, so its callees are not searched.
                    frames.truncate(frames.len() - position);
                }
            }
            let seconds = seconds(values, clock) * scale;
            let mut node = Tree::ROOT;
            for frame in &frames {
                let key = *keys
                    .entry(frame.function)
                    .or_insert_with(|| self.key(&profile.interner, frame.function));
                node = self.tree.child(node, key);
                if side == Side::After {
                    self.locate(node, frame, seconds, &profile.interner);
                }
            }
            let weight = Weight {
                seconds,
                variance: seconds.powi(2) / values.count.max(1) as f64,
            };
            self.tree.add(node, weight);
        }
    }

    fn key(&mut self, interner: &Interner, function: FunctionId) -> FunctionKey {
        let function = interner.function(function);
        let function = Function {
            name: visible(interner.text(function.name)).into_owned(),
            short_file: visible(interner.text(function.short_file)).into_owned(),
        };
        *self.keys.entry(function).or_insert_with_key(|function| {
            self.functions.push(function.clone());
            FunctionKey(self.functions.len() as u32 - 1)
        })
    }

    fn locate(&mut self, node: NodeId, frame: &Frame, seconds: f64, interner: &Interner) {
        if self.locations.len() <= node.index() {
            self.locations
                .resize_with(node.index() + 1, Location::default);
        }
        let location = &mut self.locations[node.index()];
        *location.lines.entry(frame.line).or_default() += seconds;
        if location.file.is_empty() {
            let function = interner.function(frame.function);
            location.file = visible(interner.text(function.file)).into_owned();
        }
    }

    pub fn finish(self) -> Collected {
        Collected {
            functions: self.functions,
            tree: self.tree.finish(),
            locations: self.locations,
        }
    }
}

/// The selected samples of one or two versions.
pub struct Collected {
    functions: Vec<Function>,
    pub tree: Tree,
    /// Indexed by node; empty for nodes that only the version before has.
    locations: Vec<Location>,
}

impl Collected {
    pub fn total(&self, node: NodeId) -> Weight {
        self.tree.node(node).total_values
    }

    /// `None` for the root, which is not a function.
    pub fn function(&self, node: NodeId) -> Option<&Function> {
        let key = self.tree.node(node).key?;
        self.functions.get(key.0 as usize)
    }

    /// Empty if the version that is judged has no such node.
    pub fn file(&self, node: NodeId) -> &str {
        let location = self.locations.get(node.index());
        location.map_or("", |location| &location.file)
    }

    /// The line that took the most time; 0 if none is known.
    pub fn line(&self, node: NodeId) -> u32 {
        let lines = self.locations.get(node.index());
        let lines = lines.into_iter().flat_map(|location| &location.lines);
        let line = lines
            .filter(|(line, _)| **line > 0)
            .max_by(|a, b| a.1.total_cmp(b.1).then_with(|| b.0.cmp(a.0)));
        line.map_or(0, |(line, _)| *line)
    }

    pub fn category(&self, node: NodeId) -> Category {
        match (self.file(node), self.function(node)) {
            ("", _) | (_, None) => Category::Structure,
            (file, Some(function)) => Category::of_file(file, &function.short_file),
        }
    }
}

fn frames_outermost_first(interner: &Interner, stack: StackId) -> Vec<Frame> {
    let mut frames: Vec<_> = interner
        .frames_of(stack)
        .map(|frame| interner.frame(frame))
        .collect();
    frames.reverse();
    frames
}

fn seconds(values: Values, clock: Clock) -> f64 {
    match clock {
        Clock::Cpu => values.cpu.as_secs_f64(),
        Clock::Wall => values.wall.as_secs_f64(),
    }
}
