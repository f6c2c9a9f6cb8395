//! The call tree as it is shown: stacks that read the same are one path, and siblings are in the
//! order of their labels, so that the same profile always gives the same file.

use rustc_hash::FxHashMap;

use super::RenderOptions;
use super::naming::{Names, Place};
use crate::model::{StackId, ThreadId};
use crate::profile::{Profile, Values};

/// A position in the [`Tree`].
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub(super) struct NodeId(u32);

impl NodeId {
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One label below the same callers.
#[derive(Debug)]
pub(super) struct Node {
    parent: NodeId,
    /// `None` for the node at the top, which stands for everything.
    pub place: Option<Place>,
    label: u32,
    /// What ended here.
    pub own: Values,
    /// What ended here or below.
    pub total: Values,
    /// In the order of their labels.
    pub children: Vec<NodeId>,
}

#[derive(Debug)]
pub(super) struct Tree {
    nodes: Vec<Node>,
    labels: Vec<String>,
}

impl Tree {
    pub const ROOT: NodeId = NodeId(0);

    pub fn new(profile: &Profile, options: &RenderOptions) -> Tree {
        let names = Names {
            interner: &profile.interner,
            options,
        };
        let mut builder = Builder::new(names);
        for entry in profile.entries() {
            let node = builder.stack(entry.thread(), entry.stack());
            builder.nodes[node.index()].own += entry.values();
        }
        builder.finish()
    }

    pub fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.index()]
    }

    /// What is called so directly below a node.
    pub fn child(&self, id: NodeId, label: &str) -> Option<NodeId> {
        let children = &self.node(id).children;
        let position = children.binary_search_by(|&child| self.label(child).cmp(label));
        position.ok().map(|position| children[position])
    }

    /// All nodes, callers before callees.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// For each node the sum of `weight` over what ended there or below.
    pub fn weights(&self, weight: impl Fn(Values) -> u64) -> Vec<u64> {
        let mut weights: Vec<u64> = self.nodes.iter().map(|node| weight(node.own)).collect();
        for index in (1..weights.len()).rev() {
            let parent = self.nodes[index].parent.index();
            weights[parent] = weights[parent].saturating_add(weights[index]);
        }
        weights
    }

    /// What the node is called, made visible; `all` for the one at the top.
    pub fn label(&self, id: NodeId) -> &str {
        match self.node(id).place {
            Some(_) => &self.labels[self.node(id).label as usize],
            None => "all",
        }
    }

    /// Goes through the tree from the top, callers before callees, and tells for each node how
    /// many stand above it. `enter` decides whether to go on below.
    ///
    /// Not by recursion: a target may have recursed deeper than our own stack is.
    pub fn walk(&self, mut enter: impl FnMut(NodeId, usize) -> Descend) {
        let mut waiting = vec![(Self::ROOT, 0)];
        while let Some((id, depth)) = waiting.pop() {
            if enter(id, depth) == Descend::Yes {
                let children = self.node(id).children.iter().rev();
                waiting.extend(children.map(|&child| (child, depth + 1)));
            }
        }
    }
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Descend {
    Yes,
    No,
}

struct Builder<'a> {
    names: Names<'a>,
    nodes: Vec<Node>,
    labels: Vec<String>,
    label_ids: FxHashMap<String, u32>,
    place_labels: FxHashMap<Place, u32>,
    children: FxHashMap<(NodeId, u32), NodeId>,
    roots: FxHashMap<ThreadId, NodeId>,
    /// Where each stack ends below a root, so that callers are gone through once, not once a
    /// callee.
    stacks: FxHashMap<(NodeId, StackId), NodeId>,
}

impl<'a> Builder<'a> {
    fn new(names: Names<'a>) -> Builder<'a> {
        let top = Node {
            parent: Tree::ROOT,
            place: None,
            label: 0,
            own: Values::default(),
            total: Values::default(),
            children: Vec::new(),
        };
        Builder {
            names,
            nodes: vec![top],
            labels: Vec::new(),
            label_ids: FxHashMap::default(),
            place_labels: FxHashMap::default(),
            children: FxHashMap::default(),
            roots: FxHashMap::default(),
            stacks: FxHashMap::default(),
        }
    }

    fn stack(&mut self, thread: ThreadId, stack: StackId) -> NodeId {
        let root = self.root(thread);
        if self.names.interner.stack(stack).is_none() {
            return self.child(root, Place::NoFrame);
        }
        let mut above = Vec::new();
        let mut at = stack;
        let mut node = loop {
            if let Some(&node) = self.stacks.get(&(root, at)) {
                break node;
            }
            let Some(entry) = self.names.interner.stack(at) else {
                break root;
            };
            above.push((at, entry.frame));
            at = entry.caller;
        };
        while let Some((stack, frame)) = above.pop() {
            node = self.child(node, Place::Frame(frame));
            self.stacks.insert((root, stack), node);
        }
        node
    }

    fn root(&mut self, thread: ThreadId) -> NodeId {
        if let Some(&root) = self.roots.get(&thread) {
            return root;
        }
        let mut node = Tree::ROOT;
        for place in self.names.roots(thread) {
            node = self.child(node, place);
        }
        self.roots.insert(thread, node);
        node
    }

    fn child(&mut self, parent: NodeId, place: Place) -> NodeId {
        let label = self.label(place);
        *self.children.entry((parent, label)).or_insert_with(|| {
            // There are no more nodes than stacks, and those are counted in 32 bits.
            let id = NodeId(self.nodes.len() as u32);
            self.nodes.push(Node {
                parent,
                place: Some(place),
                label,
                own: Values::default(),
                total: Values::default(),
                children: Vec::new(),
            });
            id
        })
    }

    fn label(&mut self, place: Place) -> u32 {
        if let Some(&label) = self.place_labels.get(&place) {
            return label;
        }
        let text = self.names.label(place);
        let next = self.labels.len() as u32;
        let label = *self.label_ids.entry(text).or_insert_with_key(|text| {
            self.labels.push(text.clone());
            next
        });
        self.place_labels.insert(place, label);
        label
    }

    fn finish(mut self) -> Tree {
        // A node comes after its parent, so from the end on each is complete when it is reached.
        for index in (0..self.nodes.len()).rev() {
            let own = self.nodes[index].own;
            self.nodes[index].total += own;
            if index > 0 {
                let (parent, total) = (self.nodes[index].parent, self.nodes[index].total);
                let parent = &mut self.nodes[parent.index()];
                parent.total += total;
                parent.children.push(NodeId(index as u32));
            }
        }
        for index in 0..self.nodes.len() {
            let mut children = std::mem::take(&mut self.nodes[index].children);
            children.sort_by_key(|child| &self.labels[self.nodes[child.index()].label as usize]);
            self.nodes[index].children = children;
        }
        Tree {
            nodes: self.nodes,
            labels: self.labels,
        }
    }
}
