//! Finds the program's own function that is behind a figure, and the call path to it.

mod collected;

use super::outcome::Place;
use super::rule::{Clock, Selector};
use super::source::Source;
use crate::frameworks;
use crate::output::Category;
use crate::profile::tree::NodeId;

pub use collected::Recorded;
use collected::{Collected, Collector, Function, Question, Side, Tree};

/// The most functions of a call path that are named.
const LONGEST_WAY: usize = 8;

/// A function is searched further only if its growth exceeds the rest of its caller's growth by this many
/// standard errors.
const CLEAR: f64 = 2.0;

/// If the standard errors are no more than this fraction of the caller's growth, the figures are precise
/// enough to be compared as they are.
const PRECISE: f64 = 0.5;

/// The function behind a figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Culprit {
    /// The function to look at: the program's own if there is one on the path.
    pub place: Place,
    /// The function that takes the time, if it is a callee and not `place` itself.
    pub callee: Option<Place>,
    /// The call path of the program's own functions from the view or task on, outermost first. It ends
    /// with `place`.
    pub way: Vec<Place>,
    /// The seconds, or the growth in seconds, in question.
    pub seconds: f64,
    /// Whether the samples show that this function is to blame and not one of its callees.
    pub is_clear: bool,
}

/// The function in which most of the selected time is spent or, if there is a profile of the version
/// before, from which most of the growth comes. `None` if there is none.
///
/// `source` tells where the program's own files are.
#[must_use]
pub fn find(
    before: Option<Recorded<'_>>,
    after: Recorded<'_>,
    selector: &Selector,
    clock: Clock,
    source: &Source,
) -> Option<Culprit> {
    let question = match before {
        Some(_) => Question::Growth,
        None => Question::Level,
    };
    let mut collector = Collector::new(question);
    collector.add(after, selector, clock, Side::After);
    if let Some(before) = before {
        collector.add(before, selector, clock, Side::Before);
    }
    let search = Search {
        question,
        collected: collector.finish(),
    };
    let (path, is_clear) = search.main_path()?;
    Some(search.culprit(&path, is_clear, source))
}

/// How much of a function's growth lies in one of its callees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Contribution {
    Main,
    /// The caller grew by itself, or through several callees.
    Minor,
    /// There are too few samples to tell.
    Unclear,
}

/// Searches the call tree for the function to blame.
struct Search {
    question: Question,
    collected: Collected,
}

impl Search {
    /// The path from the outermost function to the one that accounts for the weight itself, or beyond
    /// which the samples do not tell; and whether the samples do tell.
    fn main_path(&self) -> Option<(Vec<NodeId>, bool)> {
        let mut path = Vec::new();
        let mut is_clear = true;
        let mut at = Tree::ROOT;
        loop {
            let node = self.collected.tree.node(at);
            // `max_by` takes the last of equal children. Reversed, that is the first.
            let children = node.children.iter().rev().copied();
            let Some(next) = children.max_by(|a, b| {
                let [a, b] = [a, b].map(|child| self.collected.total(*child).seconds);
                a.total_cmp(&b)
            }) else {
                break;
            };
            let below = self.collected.total(next).seconds;
            if below <= 0.0 {
                break;
            }
            match self.contribution(at, next) {
                Contribution::Main => {}
                _ if self.question == Question::Level => {
                    if node.self_values.seconds >= below {
                        break;
                    }
                }
                Contribution::Minor => break,
                Contribution::Unclear => {
                    is_clear = false;
                    // An unclear answer still needs a function to name.
                    path.extend(path.is_empty().then_some(next));
                    break;
                }
            }
            path.push(next);
            at = next;
        }
        (!path.is_empty()).then_some((path, is_clear))
    }

    /// How much of a function's growth lies in this callee.
    fn contribution(&self, parent: NodeId, child: NodeId) -> Contribution {
        let (parent, child) = (self.collected.total(parent), self.collected.total(child));
        let rest = parent.seconds - child.seconds;
        // The child's time and the rest were counted in different samples.
        let error = parent.variance.max(child.variance).sqrt() * CLEAR;
        match child.seconds - rest {
            more if more >= error => Contribution::Main,
            less if less <= -error => Contribution::Minor,
            // Two that grew equally will never differ clearly. It is enough to know both precisely.
            more if error <= parent.seconds * PRECISE => match more > 0.0 {
                true => Contribution::Main,
                false => Contribution::Minor,
            },
            _ => Contribution::Unclear,
        }
    }

    fn culprit(&self, path: &[NodeId], is_clear: bool, source: &Source) -> Culprit {
        let is_own = |node: &NodeId| self.collected.category(*node) == Category::Application;
        let begin = path.iter().rposition(|&node| {
            let name = self
                .collected
                .function(node)
                .map_or("", |function| &function.name);
            frameworks::is_work_frame(self.collected.file(node), name)
        });
        let behind = begin.map_or(0, |begin| begin + 1);
        let mut way: Vec<NodeId> = path[behind..].iter().copied().filter(is_own).collect();
        if way.is_empty() {
            way = path.iter().copied().filter(is_own).collect();
        }
        let last = *path.last().unwrap_or(&Tree::ROOT);
        let place = way.last().copied().unwrap_or(last);
        if way.is_empty() {
            way.push(place);
        }
        // The outermost function says what was asked for, the innermost ones where the time goes.
        if way.len() > LONGEST_WAY {
            way.drain(1..way.len() - (LONGEST_WAY - 1));
        }
        Culprit {
            place: self.place(place, source),
            callee: (last != place).then(|| self.place(last, source)),
            way: way.iter().map(|&node| self.place(node, source)).collect(),
            seconds: self.collected.total(last).seconds,
            is_clear,
        }
    }

    fn place(&self, node: NodeId, source: &Source) -> Place {
        let function = self.collected.function(node);
        let text = |text: fn(&Function) -> &String| function.map(text).cloned().unwrap_or_default();
        Place {
            function: text(|function| &function.name),
            file: text(|function| &function.short_file),
            path: source.below_root(self.collected.file(node)),
            line: self.collected.line(node),
        }
    }
}

#[cfg(test)]
mod tests;
