//! One profile: colours show whose code runs. The width of a box is wall time unless another unit is
//! asked for: a late tick does not distort wall time.

use std::borrow::Cow;
use std::collections::BTreeMap;

use rustc_hash::FxHashMap;

use super::drawn::DrawnTree;
use super::{DEFAULT_UNIT, Graph, LegendEntry};
use crate::output::category::Category;
use crate::output::naming::{Names, PathElement};
use crate::output::palette::{Shade, style_of_categories};
use crate::output::shown::ShownTree;
use crate::output::title::{counted, quality, seconds, title};
use crate::output::{RenderOptions, Unit};
use crate::profile::Profile;
use crate::profile::tree::NodeId;

/// The category of each node.
fn categories(tree: &ShownTree, names: Names<'_>) -> Vec<Category> {
    let mut known = FxHashMap::default();
    let of_node = |id| match tree.element(id) {
        Some(PathElement::Frame(frame)) => {
            let function = names.interner.frame(frame).function;
            *known
                .entry(function)
                .or_insert_with(|| names.category(function))
        }
        _ => Category::Structure,
    };
    tree.ids().map(of_node).collect()
}

pub(super) struct Plain<'a> {
    unit: Unit,
    drawn: DrawnTree<'a>,
    categories: Vec<Category>,
    profile: &'a Profile,
}

impl<'a> Plain<'a> {
    pub fn new(profile: &'a Profile, options: &'a RenderOptions) -> Plain<'a> {
        let tree = ShownTree::new(profile, options);
        let names = Names {
            interner: &profile.interner,
            options,
        };
        let unit = options.unit.unwrap_or(DEFAULT_UNIT);
        let weights = tree.weights(|values| unit.of(values));
        Plain {
            unit,
            categories: categories(&tree, names),
            drawn: DrawnTree::new(tree, names, weights),
            profile,
        }
    }

    fn category(&self, id: NodeId) -> Category {
        self.categories[id.index()]
    }
}

impl Graph for Plain<'_> {
    fn drawn(&self) -> &DrawnTree<'_> {
        &self.drawn
    }

    fn before(&self) -> Option<&[u64]> {
        None
    }

    fn title(&self) -> String {
        title(self.profile)
    }

    fn subtitle(&self) -> String {
        let quality = quality(self.profile);
        match self.unit {
            Unit::Wall => quality,
            Unit::Samples => format!("{quality} · widths are samples"),
            Unit::Cpu => format!("{quality} · widths are CPU time"),
        }
    }

    /// The colour and the share of self time of each category that occurs.
    fn legend(&self) -> Vec<LegendEntry> {
        let tree = &self.drawn.tree;
        let mut own: BTreeMap<Category, u64> = BTreeMap::new();
        for id in tree.ids() {
            *own.entry(self.category(id)).or_default() += self.unit.of(tree.node(id).self_values);
        }
        let all = self.drawn.width(ShownTree::ROOT).max(1) as f64;
        let mut entries = vec![LegendEntry::text("own time:".to_owned())];
        for category in Category::OF_CODE {
            if let Some(&own) = own.get(&category) {
                let share = 100.0 * own as f64 / all;
                entries.push(LegendEntry::colour(
                    Shade::typical(category).light(),
                    format!("{} {share:.1}%", category.title()),
                ));
            }
        }
        entries
    }

    fn notes(&self) -> Vec<String> {
        self.profile.recording.notes.clone()
    }

    fn style(&self) -> String {
        style_of_categories()
    }

    fn fill(&self, id: NodeId) -> Option<String> {
        let name = match self.drawn.tree.element(id) {
            // All lines of a function have the same colour.
            Some(PathElement::Frame(frame)) => Cow::Owned(self.drawn.names.function_name(frame)),
            _ => Cow::Borrowed(self.drawn.tree.label(id)),
        };
        Some(Shade::of(self.category(id), &name).light())
    }

    fn figures(&self, id: NodeId) -> String {
        let total = self.drawn.tree.node(id).total_values;
        let mut text = format!(
            "{}, {}, {:.2}%",
            counted(total.count, "sample"),
            match self.unit {
                Unit::Samples | Unit::Wall => seconds(total.wall),
                Unit::Cpu => format!("{} of CPU time", seconds(total.cpu)),
            },
            self.drawn.share(id),
        );
        if total.unproven > 0 {
            text.push_str(&format!(", {} unproven", total.unproven));
        }
        text
    }
}
