//! The call tree as it is shown: stacks that read the same are one path, and siblings are sorted by
//! label, so that the same profile always gives the same file.

use std::cmp::Ordering;
use std::hash::{Hash, Hasher};
use std::sync::Arc;

use rustc_hash::{FxHashMap, FxHashSet};

use super::RenderOptions;
use super::naming::{Names, PathElement};
use crate::model::{FrameId, LabelSetId, ThreadId};
use crate::profile::Profile;
use crate::profile::tree::{CallTree, NodeId, TreeKeys};

pub(super) type ShownTree = CallTree<Shown>;

/// What a node is shown as. Values with the same label are equal, whatever they stand for.
#[derive(Clone, Debug)]
pub(super) struct Shown {
    /// Visible already.
    label: Arc<str>,
    element: PathElement,
}

impl PartialEq for Shown {
    fn eq(&self, other: &Shown) -> bool {
        self.label == other.label
    }
}

impl Eq for Shown {}

impl Hash for Shown {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.label.hash(state);
    }
}

impl PartialOrd for Shown {
    fn partial_cmp(&self, other: &Shown) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Shown {
    fn cmp(&self, other: &Shown) -> Ordering {
        self.label.cmp(&other.label)
    }
}

impl ShownTree {
    pub fn new(profile: &Profile, options: &RenderOptions) -> ShownTree {
        let names = Names {
            interner: &profile.interner,
            options,
        };
        let mut labels = Labels {
            names,
            labels: FxHashSet::default(),
            shown: FxHashMap::default(),
        };
        CallTree::of_profile(profile, &mut labels)
    }

    /// The label of the node, made visible; `all` for the root.
    pub fn label(&self, id: NodeId) -> &str {
        let key = self.node(id).key.as_ref();
        key.map_or("all", |shown| &shown.label)
    }

    /// The first element that the node stands for; `None` for the root.
    pub fn element(&self, id: NodeId) -> Option<PathElement> {
        self.node(id).key.as_ref().map(|shown| shown.element)
    }
}

struct Labels<'a> {
    names: Names<'a>,
    /// Each label once, since many frames may share it.
    labels: FxHashSet<Arc<str>>,
    shown: FxHashMap<PathElement, Shown>,
}

impl Labels<'_> {
    fn shown(&mut self, element: PathElement) -> Shown {
        if let Some(shown) = self.shown.get(&element) {
            return shown.clone();
        }
        let text = self.names.label(element);
        let label = match self.labels.get(text.as_str()) {
            Some(label) => Arc::clone(label),
            None => {
                let label = Arc::<str>::from(text);
                self.labels.insert(Arc::clone(&label));
                label
            }
        };
        let shown = Shown { label, element };
        self.shown.insert(element, shown.clone());
        shown
    }
}

impl TreeKeys for Labels<'_> {
    type Key = Shown;

    fn above(&mut self, thread: ThreadId, labels: LabelSetId) -> Vec<Shown> {
        let roots = self.names.roots(thread, labels).into_iter();
        roots.map(|element| self.shown(element)).collect()
    }

    fn frame(&mut self, frame: FrameId) -> Shown {
        self.shown(PathElement::Frame(frame))
    }

    fn no_frame(&mut self) -> Shown {
        self.shown(PathElement::NoFrame)
    }
}
