//! The flame graph that can be walked: which boxes there are, where they stand, which one is chosen.

use std::collections::VecDeque;

use super::keys::Direction;
use super::seen::Seen;
use crate::model::{FrameId, FunctionId, Interner, LabelSetId, ProcessId, ThreadId};
use crate::profile::Values;
use crate::profile::tree::{CallTree, NodeId, TreeKeys};

/// What a box stands for.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Part {
    Process(ProcessId),
    Function(FunctionId),
    Line(FrameId),
    /// A thread that was found without any frame.
    NoFrame,
}

pub type Tree = CallTree<Part, Values>;

/// What makes two frames the same box.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Grain {
    #[default]
    Functions,
    Lines,
}

/// Which samples are shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Span {
    #[default]
    All,
    LastUpdate,
}

struct Keys<'a> {
    interner: &'a Interner,
    grain: Grain,
}

impl TreeKeys for Keys<'_> {
    type Key = Part;

    /// Processes are told apart where there are several.
    fn above(&mut self, thread: ThreadId, _labels: LabelSetId) -> Vec<Part> {
        match self.interner.processes().len() {
            0 | 1 => Vec::new(),
            _ => vec![Part::Process(self.interner.thread(thread).process)],
        }
    }

    fn frame(&mut self, frame: FrameId) -> Part {
        match self.grain {
            Grain::Functions => Part::Function(self.interner.frame(frame).function),
            Grain::Lines => Part::Line(frame),
        }
    }

    fn no_frame(&mut self) -> Part {
        Part::NoFrame
    }
}

/// A box: a node, and the columns that it has, from `from` to before `to`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cell {
    pub node: NodeId,
    pub from: u16,
    pub to: u16,
}

/// The state of the view. Places are paths from the root, so they hold when the graph changes.
#[derive(Debug, Default)]
pub struct Flame {
    pub grain: Grain,
    pub span: Span,
    zoom: Vec<Part>,
    chosen: Vec<Part>,
    /// The first row that is shown.
    first: usize,
    tree: Option<Tree>,
}

impl Flame {
    /// To be called when other samples are to be shown.
    pub fn outdated(&mut self) {
        self.tree = None;
    }

    /// Makes the graph, if it is not made.
    pub fn prepare(&mut self, seen: &Seen) {
        let Some(profile) = seen.profile().filter(|_| self.tree.is_none()) else {
            return;
        };
        let mut keys = Keys {
            interner: &profile.interner,
            grain: self.grain,
        };
        self.tree = Some(match self.span {
            Span::All => CallTree::of_profile(profile, &mut keys),
            Span::LastUpdate => {
                let entries = seen.now.iter().copied();
                CallTree::of_entries(&profile.interner, entries, &mut keys)
            }
        });
        // What is not there any more cannot be pointed at.
        let chosen = self.resolve(&self.chosen).1;
        self.chosen.truncate(chosen);
        let zoom = self.resolve(&self.zoom).1;
        self.zoom.truncate(zoom);
    }

    #[must_use]
    pub fn tree(&self) -> Option<&Tree> {
        self.tree.as_ref()
    }

    /// The node at the end of a path, or as far as there is one, and how far that is.
    fn resolve(&self, path: &[Part]) -> (NodeId, usize) {
        let mut at = Tree::ROOT;
        let Some(tree) = &self.tree else {
            return (at, 0);
        };
        for (depth, part) in path.iter().enumerate() {
            match tree.child(at, part) {
                Some(child) => at = child,
                None => return (at, depth),
            }
        }
        (at, path.len())
    }

    #[must_use]
    pub fn chosen(&self) -> NodeId {
        self.resolve(&self.chosen).0
    }

    /// Another grain makes other boxes.
    pub fn toggle_grain(&mut self) {
        self.grain = match self.grain {
            Grain::Functions => Grain::Lines,
            Grain::Lines => Grain::Functions,
        };
        self.zoom.clear();
        self.chosen.clear();
        self.outdated();
    }

    pub fn toggle_span(&mut self) {
        self.span = match self.span {
            Span::All => Span::LastUpdate,
            Span::LastUpdate => Span::All,
        };
        self.outdated();
    }

    /// Goes back to the beginning, when what was counted is forgotten.
    pub fn forget(&mut self) {
        self.zoom.clear();
        self.chosen.clear();
        self.outdated();
    }

    pub fn zoom_in(&mut self) {
        self.zoom.clone_from(&self.chosen);
    }

    /// The zoom goes one caller up, and what is chosen stays in sight.
    pub fn zoom_out(&mut self) {
        self.zoom.pop();
    }

    /// Whether there was a zoom.
    pub fn no_zoom(&mut self) -> bool {
        let was_zoomed = !self.zoom.is_empty();
        self.zoom.clear();
        was_zoomed
    }

    #[must_use]
    pub fn is_zoomed(&self) -> bool {
        !self.zoom.is_empty()
    }

    /// Chooses another box; `width` is that of the graph in columns.
    pub fn walk(&mut self, direction: Direction, width: u16) {
        let Some(tree) = &self.tree else {
            return;
        };
        match direction {
            Direction::Up | Direction::PageUp => {
                self.chosen.pop();
                if self.chosen.len() < self.zoom.len() {
                    self.zoom.clone_from(&self.chosen);
                }
            }
            Direction::Down | Direction::PageDown => {
                let children = tree.node(self.chosen()).children.iter();
                let largest = children.max_by_key(|child| weight(tree, **child));
                if let Some(part) = largest.and_then(|child| tree.node(*child).key) {
                    self.chosen.push(part);
                }
            }
            Direction::Left | Direction::Right => {
                let depth = self.chosen.len();
                let row = self.rows(width, depth + 1).pop().unwrap_or_default();
                let chosen = self.chosen();
                let Some(at) = row.iter().position(|cell| cell.node == chosen) else {
                    return;
                };
                let next = match direction {
                    Direction::Left => at.checked_sub(1),
                    _ => Some(at + 1),
                };
                if let Some(cell) = next.and_then(|next| row.get(next)) {
                    self.chosen = path(tree, cell.node);
                }
            }
            Direction::First => self.chosen.clone_from(&self.zoom),
            Direction::Last => {
                // The way that most samples took, to its end.
                loop {
                    let depth = self.chosen.len();
                    self.walk(Direction::Down, width);
                    if self.chosen.len() == depth {
                        break;
                    }
                }
            }
        }
    }

    /// The boxes of the first rows that are wide enough to be seen, from the root down. A zoom gives its
    /// box and its callers the whole width.
    #[must_use]
    pub fn rows(&self, width: u16, most: usize) -> Vec<Vec<Cell>> {
        let Some(tree) = &self.tree else {
            return Vec::new();
        };
        let mut rows = Vec::new();
        let mut at = Tree::ROOT;
        let whole = |node| Cell {
            node,
            from: 0,
            to: width,
        };
        rows.push(vec![whole(at)]);
        for part in &self.zoom {
            let Some(child) = tree.child(at, part) else {
                break;
            };
            at = child;
            rows.push(vec![whole(at)]);
        }
        let all = weight(tree, at).max(1) as f64;
        let column = |weight: u64| (f64::from(width) * weight as f64 / all).round() as u16;
        // With each box, how much weight stands left of it.
        let mut above = vec![(at, 0u64)];
        while rows.len() < most && !above.is_empty() {
            let (mut row, mut next) = (Vec::new(), Vec::new());
            for (node, left) in above {
                let mut left = left;
                for &child in &tree.node(node).children {
                    let right = left.saturating_add(weight(tree, child));
                    let (from, to) = (column(left), column(right));
                    if to > from {
                        row.push(Cell {
                            node: child,
                            from,
                            to,
                        });
                        next.push((child, left));
                    }
                    left = right;
                }
            }
            if row.is_empty() {
                break;
            }
            rows.push(row);
            above = next;
        }
        rows.truncate(most);
        rows
    }

    /// The first row to show, so that the chosen box is among `height` rows.
    pub fn scroll(&mut self, height: usize) -> usize {
        let depth = self.chosen.len();
        let lowest = (depth + 1).saturating_sub(height.max(1));
        self.first = self.first.clamp(lowest, depth);
        if height > depth {
            self.first = 0;
        }
        self.first
    }
}

/// Wall time, at least one for what was seen at all.
#[must_use]
pub fn weight(tree: &Tree, node: NodeId) -> u64 {
    let values = tree.node(node).total_values;
    values.wall.0.max(u64::from(values.count > 0))
}

/// The way from the root to a node.
fn path(tree: &Tree, node: NodeId) -> Vec<Part> {
    let mut path = VecDeque::new();
    let mut at = Some(node);
    while let Some(id) = at {
        if let Some(part) = tree.node(id).key {
            path.push_front(part);
        }
        at = tree.parent(id);
    }
    path.into()
}
