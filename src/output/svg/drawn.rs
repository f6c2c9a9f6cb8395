//! Which nodes of a call tree are drawn as boxes, their widths, and how they are passed to inferno.

use crate::output::naming::Names;
use crate::output::shown::ShownTree;
use crate::profile::tree::{Descend, NodeId};

/// Boxes narrower than this fraction of the root are left out.
const NARROWEST: f64 = 0.001;

/// A call tree, and which of its nodes are wide enough to be drawn.
pub(super) struct DrawnTree<'a> {
    pub tree: ShownTree,
    pub names: Names<'a>,
    /// The total width of each node.
    pub widths: Vec<u64>,
    least: u64,
    /// The nodes that are drawn, in the order of the tree, and the depth of each.
    shown: Vec<(NodeId, usize)>,
}

impl<'a> DrawnTree<'a> {
    pub fn new(tree: ShownTree, names: Names<'a>, widths: Vec<u64>) -> DrawnTree<'a> {
        let least = (widths[ShownTree::ROOT.index()] as f64 * NARROWEST).ceil() as u64;
        let mut shown = Vec::new();
        tree.walk(|id, depth| {
            if widths[id.index()] < least {
                return Descend::No;
            }
            shown.push((id, depth));
            Descend::Yes
        });
        DrawnTree {
            tree,
            names,
            widths,
            least,
            shown,
        }
    }

    pub fn width(&self, id: NodeId) -> u64 {
        self.widths[id.index()]
    }

    /// The width of a node in percent of the root's.
    pub fn share(&self, id: NodeId) -> f64 {
        100.0 * self.width(id) as f64 / self.width(ShownTree::ROOT).max(1) as f64
    }

    /// A node's part of `weights` without the boxes below it. A callee that is not drawn counts for its
    /// caller.
    pub fn self_weight(&self, weights: &[u64], id: NodeId) -> u64 {
        let below = self.tree.node(id).children.iter();
        let below = below
            .filter(|&&child| self.is_shown(child))
            .map(|child| weights[child.index()]);
        weights[id.index()].saturating_sub(below.sum())
    }

    /// A node that is too narrow is left out with everything below it.
    fn is_shown(&self, id: NodeId) -> bool {
        self.width(id) >= self.least
    }

    /// All drawn nodes but the root, callers before callees.
    pub fn shown(&self) -> impl Iterator<Item = NodeId> {
        self.shown.iter().skip(1).map(|&(id, _)| id)
    }

    /// Collapsed stacks of node numbers, each with its self weight; in a comparison, the weight before
    /// comes first. inferno sorts the lines, so numbers follow the order of the tree.
    pub fn lines(&self, before: Option<&[u64]>) -> Vec<String> {
        let mut lines = Vec::new();
        let mut path = String::new();
        for (number, &(id, depth)) in self.shown.iter().enumerate().skip(1) {
            path.truncate((depth - 1) * NAME_LENGTH);
            path.push_str(&number_name(number));
            let weights = [before, Some(&self.widths)].into_iter().flatten();
            let counts: Vec<u64> = weights
                .map(|weights| self.self_weight(weights, id))
                .collect();
            if counts.iter().any(|&count| count > 0) {
                // The semicolon after the last name is cut off.
                let mut line = path[..path.len() - 1].to_owned();
                for count in counts {
                    line.push_str(&format!(" {count}"));
                }
                lines.push(line);
            }
        }
        lines
    }

    /// The node of a title in inferno's document: the root if inferno made up the title.
    pub fn node_of_title(&self, title: &[u8]) -> NodeId {
        let number = parse_number_name(title).unwrap_or_default();
        self.shown
            .get(number)
            .map_or(ShownTree::ROOT, |&(id, _)| id)
    }
}

/// The number of a box as the name of a frame, including the semicolon.
fn number_name(number: usize) -> String {
    format!("n{number:010};")
}

const NAME_LENGTH: usize = 12;

fn parse_number_name(title: &[u8]) -> Option<usize> {
    let digits = title.strip_prefix(b"n")?.get(..NAME_LENGTH - 2)?;
    std::str::from_utf8(digits).ok()?.parse().ok()
}
