//! The call tree: stacks that share their callers share a path from the root, and each node tells what
//! ended there, and there or below.
//!
//! What makes two frames the same, and what stands above the frames of a thread, the [`TreeKeys`] say:
//! a function, a line, or what a frame is shown as. Nothing here knows how anything is worded.

use std::hash::Hash;
use std::ops::AddAssign;

use rustc_hash::FxHashMap;

use super::{Profile, Values};
use crate::model::{FrameId, Interner, StackId, ThreadId};

/// A node of a [`CallTree`]. Callers have smaller numbers than what they call.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NodeId(u32);

impl NodeId {
    /// Counted from the root, which is 0: for tables beside the tree.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// One key below the same callers.
#[derive(Clone, Debug)]
pub struct Node<K, V> {
    parent: NodeId,
    /// `None` for the root, which stands for everything. Of equal keys the one that was met first.
    pub key: Option<K>,
    /// What ended here.
    pub self_values: V,
    /// What ended here or below.
    pub total_values: V,
    /// In the order of their keys.
    pub children: Vec<NodeId>,
}

/// A finished tree; `V` is what is added up, usually [`Values`].
#[derive(Clone, Debug)]
pub struct CallTree<K, V = Values> {
    nodes: Vec<Node<K, V>>,
}

/// Which nodes the stacks of a profile go through.
pub trait TreeKeys {
    type Key: Clone + Ord + Hash;

    /// What stands above the frames of a thread, outermost first, such as its process.
    fn above(&mut self, thread: ThreadId) -> Vec<Self::Key>;

    fn frame(&mut self, frame: FrameId) -> Self::Key;

    /// What stands for a stack without any frame.
    fn no_frame(&mut self) -> Self::Key;
}

/// Whether to go on below a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descend {
    Yes,
    No,
}

impl<K: Clone + Ord + Hash> CallTree<K, Values> {
    /// All entries of a profile.
    #[must_use]
    pub fn of_profile(profile: &Profile, keys: &mut impl TreeKeys<Key = K>) -> CallTree<K, Values> {
        let mut stacks = Stacks {
            interner: &profile.interner,
            keys,
            builder: TreeBuilder::default(),
            threads: FxHashMap::default(),
            ends: FxHashMap::default(),
        };
        for entry in profile.entries() {
            let node = stacks.node(entry.thread(), entry.stack());
            stacks.builder.add(node, entry.values());
        }
        stacks.builder.finish()
    }
}

impl<K, V> CallTree<K, V> {
    pub const ROOT: NodeId = NodeId(0);

    #[must_use]
    pub fn node(&self, id: NodeId) -> &Node<K, V> {
        &self.nodes[id.index()]
    }

    /// All nodes, callers before callees.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<K, V> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// For each node the sum of `weight` over what ended there or below.
    #[must_use]
    pub fn weights(&self, weight: impl Fn(V) -> u64) -> Vec<u64>
    where
        V: Copy,
    {
        let of_self = self.nodes.iter().map(|node| weight(node.self_values));
        let mut weights: Vec<u64> = of_self.collect();
        for index in (1..weights.len()).rev() {
            let parent = self.nodes[index].parent.index();
            weights[parent] = weights[parent].saturating_add(weights[index]);
        }
        weights
    }

    /// Goes through the tree from the root, callers before callees, and tells for each node how many
    /// stand above it.
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

impl<K: Ord, V> CallTree<K, V> {
    /// What has this key directly below a node.
    #[must_use]
    pub fn child(&self, id: NodeId, key: &K) -> Option<NodeId> {
        let children = &self.node(id).children;
        let position =
            children.binary_search_by(|&child| self.node(child).key.as_ref().cmp(&Some(key)));
        position.ok().map(|position| children[position])
    }
}

/// Makes a tree path by path.
#[derive(Debug)]
pub struct TreeBuilder<K, V> {
    nodes: Vec<Node<K, V>>,
    children: FxHashMap<(NodeId, K), NodeId>,
}

impl<K, V: Default> Default for TreeBuilder<K, V> {
    fn default() -> TreeBuilder<K, V> {
        TreeBuilder {
            nodes: vec![Node::new(CallTree::<K, V>::ROOT, None)],
            children: FxHashMap::default(),
        }
    }
}

impl<K, V: Default> Node<K, V> {
    fn new(parent: NodeId, key: Option<K>) -> Node<K, V> {
        Node {
            parent,
            key,
            self_values: V::default(),
            total_values: V::default(),
            children: Vec::new(),
        }
    }
}

impl<K: Clone + Ord + Hash, V: Copy + Default + AddAssign> TreeBuilder<K, V> {
    /// What has this key directly below a node, made if there is none yet.
    pub fn child(&mut self, parent: NodeId, key: K) -> NodeId {
        *self
            .children
            .entry((parent, key))
            .or_insert_with_key(|(parent, key)| {
                // There are no more nodes than stacks, and those are counted in 32 bits.
                let id = NodeId(self.nodes.len() as u32);
                self.nodes.push(Node::new(*parent, Some(key.clone())));
                id
            })
    }

    /// Counts what ended at a node.
    pub fn add(&mut self, node: NodeId, values: V) {
        self.nodes[node.index()].self_values += values;
    }

    #[must_use]
    pub fn finish(mut self) -> CallTree<K, V> {
        // A node comes after its parent, so from the end on each is complete when it is reached.
        for index in (0..self.nodes.len()).rev() {
            let of_self = self.nodes[index].self_values;
            self.nodes[index].total_values += of_self;
            if index > 0 {
                let (parent, total) = (self.nodes[index].parent, self.nodes[index].total_values);
                let parent = &mut self.nodes[parent.index()];
                parent.total_values += total;
                parent.children.push(NodeId(index as u32));
            }
        }
        for index in 0..self.nodes.len() {
            let mut children = std::mem::take(&mut self.nodes[index].children);
            children.sort_by(|a, b| self.nodes[a.index()].key.cmp(&self.nodes[b.index()].key));
            self.nodes[index].children = children;
        }
        CallTree { nodes: self.nodes }
    }
}

/// Finds the nodes of a profile's stacks.
struct Stacks<'a, T: TreeKeys> {
    interner: &'a Interner,
    keys: &'a mut T,
    builder: TreeBuilder<T::Key, Values>,
    /// Below which node the frames of each thread stand.
    threads: FxHashMap<ThreadId, NodeId>,
    /// Where each stack ends below such a node, so that callers are gone through once, not once a callee.
    ends: FxHashMap<(NodeId, StackId), NodeId>,
}

impl<T: TreeKeys> Stacks<'_, T> {
    fn node(&mut self, thread: ThreadId, stack: StackId) -> NodeId {
        let above = self.above(thread);
        if self.interner.stack(stack).is_none() {
            return self.builder.child(above, self.keys.no_frame());
        }
        let mut callees = Vec::new();
        let mut at = stack;
        let mut node = loop {
            if let Some(&node) = self.ends.get(&(above, at)) {
                break node;
            }
            let Some(entry) = self.interner.stack(at) else {
                break above;
            };
            callees.push((at, entry.frame));
            at = entry.caller;
        };
        while let Some((stack, frame)) = callees.pop() {
            node = self.builder.child(node, self.keys.frame(frame));
            self.ends.insert((above, stack), node);
        }
        node
    }

    fn above(&mut self, thread: ThreadId) -> NodeId {
        if let Some(&node) = self.threads.get(&thread) {
            return node;
        }
        let keys = self.keys.above(thread).into_iter();
        let node = keys.fold(CallTree::<T::Key>::ROOT, |node, key| {
            self.builder.child(node, key)
        });
        self.threads.insert(thread, node);
        node
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_walk_goes_in_the_order_of_keys_and_leaves_out_what_it_is_told_to() {
        let mut builder = TreeBuilder::<&str, Values>::default();
        let root = CallTree::<&str>::ROOT;
        for path in [&["b", "d"][..], &["a"], &["b", "c"]] {
            let end = path.iter().fold(root, |node, key| builder.child(node, key));
            builder.add(end, Values::default());
        }
        let tree = builder.finish();
        let walked = |leave_out: Option<&str>| {
            let mut walked = Vec::new();
            tree.walk(|id, depth| {
                let key = tree.node(id).key;
                walked.push((key.unwrap_or("root"), depth));
                match key.is_some() && key == leave_out {
                    true => Descend::No,
                    false => Descend::Yes,
                }
            });
            walked
        };
        let all = [("root", 0), ("a", 1), ("b", 1), ("c", 2), ("d", 2)];
        assert_eq!(walked(None), all);
        assert_eq!(walked(Some("b")), all[..3]);
    }

    proptest! {
        #[test]
        fn totals_are_the_sums_of_what_ended_below(
            paths in prop::collection::vec((prop::collection::vec(0u8..4, 0..6), 1u64..100), 0..60),
        ) {
            let mut builder = TreeBuilder::<u8, Values>::default();
            let root = CallTree::<u8>::ROOT;
            for (path, count) in &paths {
                let end = path.iter().fold(root, |node, key| builder.child(node, *key));
                builder.add(end, Values { count: *count, ..Values::default() });
            }
            let tree = builder.finish();
            let weights = tree.weights(|values| values.count);
            for (path, _) in &paths {
                let mut node = root;
                for depth in 0..=path.len() {
                    let below = paths.iter().filter(|(other, _)| other.starts_with(&path[..depth]));
                    let expected: u64 = below.map(|(_, count)| count).sum();
                    prop_assert_eq!(tree.node(node).total_values.count, expected);
                    prop_assert_eq!(weights[node.index()], expected);
                    if let Some(key) = path.get(depth) {
                        node = tree.child(node, key).expect("it was added");
                    }
                }
            }
        }
    }
}
