//! The call tree: stacks with the same callers share a path from the root. Each node has the values of
//! stacks that end there (self) and of those that end there or below (total).
//!
//! The [`TreeKeys`] decide which frames are equal (same function, same line, or same label) and what is
//! above the frames of a thread. The tree itself knows nothing of labels.

use std::hash::Hash;
use std::ops::AddAssign;

use rustc_hash::FxHashMap;

use super::{EntryKey, Profile, Values};
use crate::model::{FrameId, Interner, LabelSetId, StackId, ThreadId};

/// A node of a [`CallTree`]. Callers have smaller ids than their callees.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct NodeId(u32);

impl NodeId {
    /// The index for tables beside the tree. The root has 0.
    #[must_use]
    pub fn index(self) -> usize {
        self.0 as usize
    }
}

/// A key below a given path of callers.
#[derive(Clone, Debug)]
pub struct Node<K, V> {
    parent: NodeId,
    /// `None` for the root. Of equal keys, the one that was added first.
    pub key: Option<K>,
    /// The values of stacks that end here.
    pub self_values: V,
    /// The values of stacks that end here or below.
    pub total_values: V,
    /// Sorted by key.
    pub children: Vec<NodeId>,
}

/// A finished tree. `V` is the type of the values, usually [`Values`].
#[derive(Clone, Debug)]
pub struct CallTree<K, V = Values> {
    nodes: Vec<Node<K, V>>,
}

/// The path of keys through the tree for each stack of a profile.
pub trait TreeKeys {
    type Key: Clone + Ord + Hash;

    /// The keys above the frames of a thread with these labels, such as its process, outermost first.
    fn above(&mut self, thread: ThreadId, labels: LabelSetId) -> Vec<Self::Key>;

    fn frame(&mut self, frame: FrameId) -> Self::Key;

    /// The key for a stack without any frame.
    fn no_frame(&mut self) -> Self::Key;
}

/// Whether to visit the children of a node.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Descend {
    Yes,
    No,
}

impl<K: Clone + Ord + Hash> CallTree<K, Values> {
    /// The tree of all entries of a profile.
    #[must_use]
    pub fn of_profile(profile: &Profile, keys: &mut impl TreeKeys<Key = K>) -> CallTree<K, Values> {
        let entries = profile.entries().map(|it| (it.key(), it.values()));
        CallTree::of_entries(&profile.interner, entries, keys)
    }

    /// Some entries whose handles are those of `interner`.
    #[must_use]
    pub fn of_entries(
        interner: &Interner,
        entries: impl IntoIterator<Item = (EntryKey, Values)>,
        keys: &mut impl TreeKeys<Key = K>,
    ) -> CallTree<K, Values> {
        let mut stacks = Stacks {
            interner,
            keys,
            builder: TreeBuilder::default(),
            threads: FxHashMap::default(),
            ends: FxHashMap::default(),
        };
        for (key, values) in entries {
            let node = stacks.node(key);
            stacks.builder.add(node, values);
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

    /// What a node stands directly below; `None` for the root.
    #[must_use]
    pub fn parent(&self, id: NodeId) -> Option<NodeId> {
        (id != Self::ROOT).then(|| self.node(id).parent)
    }

    /// All nodes, callers before callees.
    pub fn ids(&self) -> impl Iterator<Item = NodeId> + use<K, V> {
        (0..self.nodes.len() as u32).map(NodeId)
    }

    /// The total of `weight` for each node.
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

    /// Visits the tree from the root, callers before callees, with the depth of each node.
    ///
    /// Without recursion: the target's stack may be deeper than ours.
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
    /// The child of a node with this key.
    #[must_use]
    pub fn child(&self, id: NodeId, key: &K) -> Option<NodeId> {
        let children = &self.node(id).children;
        let position =
            children.binary_search_by(|&child| self.node(child).key.as_ref().cmp(&Some(key)));
        position.ok().map(|position| children[position])
    }
}

/// Builds a tree path by path.
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
    /// The child of a node with this key, which is created if needed.
    pub fn child(&mut self, parent: NodeId, key: K) -> NodeId {
        *self
            .children
            .entry((parent, key))
            .or_insert_with_key(|(parent, key)| {
                // There are no more nodes than stacks, which are counted in 32 bits.
                let id = NodeId(self.nodes.len() as u32);
                self.nodes.push(Node::new(*parent, Some(key.clone())));
                id
            })
    }

    /// Adds values to the self values of a node.
    pub fn add(&mut self, node: NodeId, values: V) {
        self.nodes[node.index()].self_values += values;
    }

    #[must_use]
    pub fn finish(mut self) -> CallTree<K, V> {
        // Children come after their parent, so in reverse order each total is complete when it is used.
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
    /// The node above the frames of each thread with each set of labels.
    threads: FxHashMap<(ThreadId, LabelSetId), NodeId>,
    /// The node of each stack below such a node, so that common callers are visited once and not once per
    /// callee.
    ends: FxHashMap<(NodeId, StackId), NodeId>,
}

impl<T: TreeKeys> Stacks<'_, T> {
    fn node(&mut self, key: EntryKey) -> NodeId {
        let above = self.above(key.thread, key.labels);
        let stack = key.stack;
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

    fn above(&mut self, thread: ThreadId, labels: LabelSetId) -> NodeId {
        if let Some(&node) = self.threads.get(&(thread, labels)) {
            return node;
        }
        let keys = self.keys.above(thread, labels).into_iter();
        let node = keys.fold(CallTree::<T::Key>::ROOT, |node, key| {
            self.builder.child(node, key)
        });
        self.threads.insert((thread, labels), node);
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
