//! Finds what a rule is about in stacks, by the names of their functions.

use rustc_hash::FxHashMap;

use super::rule::{Item, Selector};
use crate::insight::{self, SourceFiles};
use crate::model::{FrameKind, FunctionId, Interner};
use crate::output::{Category, visible};
use crate::profile::Profile;

/// Which names of a rule some sample shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    pub item: bool,
    /// The name after `in`; `true` if there is none.
    pub within: bool,
}

impl Shown {
    /// The value for a rule about the whole program.
    pub const ALL: Shown = Shown {
        item: true,
        within: true,
    };

    #[must_use]
    pub fn or(self, other: Shown) -> Shown {
        Shown {
            item: self.item || other.item,
            within: self.within || other.within,
        }
    }
}

/// Finds what a rule is about in stacks.
pub struct Matcher<'a> {
    interner: &'a Interner,
    selector: &'a Selector,
    /// Whether the interpreter tells the class of a function, as it does from 3.11 on.
    qualified: bool,
    items: FxHashMap<FunctionId, bool>,
    within: FxHashMap<FunctionId, bool>,
    /// Of a rule about mistakes: the stacks that show one, and the position of the place in each.
    mistaken: FxHashMap<Vec<FunctionId>, usize>,
}

impl<'a> Matcher<'a> {
    #[must_use]
    pub fn new(profile: &'a Profile, selector: &'a Selector) -> Matcher<'a> {
        let python = profile.recording.python;
        Matcher {
            interner: &profile.interner,
            selector,
            qualified: python.is_none_or(|it| (it.major, it.minor) >= (3, 11)),
            items: FxHashMap::default(),
            within: FxHashMap::default(),
            mistaken: match selector.item {
                Some(Item::Insight(rule)) => mistaken(profile, rule),
                _ => FxHashMap::default(),
            },
        }
    }

    /// Which names of the rule are among these functions.
    pub fn shown(&self, functions: impl Iterator<Item = FunctionId>) -> Shown {
        let Selector { item, within, .. } = self.selector;
        let mut shown = Shown {
            // A mistake has no name that could be misspelt.
            item: matches!(item, None | Some(Item::Insight(_))),
            within: within.is_none(),
        };
        let is = |item: &Option<Item>, function| {
            let item = item.as_ref();
            item.is_some_and(|it| is_meant(it, function, self.interner, self.qualified))
        };
        for function in functions {
            shown.item = shown.item || is(item, function);
            shown.within = shown.within || is(within, function);
            if shown == Shown::ALL {
                break;
            }
        }
        shown
    }

    /// The position of the innermost matching function, in a stack given innermost first.
    pub fn find(&mut self, functions: &[FunctionId]) -> Option<usize> {
        let item = self.selector.item.as_ref()?;
        if let Item::Insight(_) = item {
            return self.mistaken.get(functions).copied();
        }
        // Callers have higher positions, so only those before the outermost match of `in` are searched.
        let last = match &self.selector.within {
            None => functions.len(),
            Some(within) => functions.iter().rposition(|&function| {
                let known = self.within.entry(function);
                *known.or_insert_with(|| is_meant(within, function, self.interner, self.qualified))
            })?,
        };
        let end = if self.selector.own { 1.min(last) } else { last };
        functions[..end].iter().position(|&function| {
            let known = self.items.entry(function);
            *known.or_insert_with(|| is_meant(item, function, self.interner, self.qualified))
        })
    }
}

/// The stacks that show a mistake of a rule, or of any.
fn mistaken(profile: &Profile, rule: Option<&str>) -> FxHashMap<Vec<FunctionId>, usize> {
    let interner = &profile.interner;
    let found = insight::find(profile, &mut SourceFiles::of(interner));
    let meant = found
        .iter()
        .filter(|finding| rule.is_none_or(|rule| finding.rule.id == rule));
    let stacks = meant.flat_map(|finding| &finding.stacks);
    let positions = stacks.filter_map(|(stack, site)| {
        let frames: Vec<_> = interner.frames_of(*stack).collect();
        let position = frames.iter().position(|frame| frame == site)?;
        let functions = frames.iter().map(|frame| interner.frame(*frame).function);
        Some((functions.collect(), position))
    });
    positions.collect()
}

fn is_meant(item: &Item, function: FunctionId, interner: &Interner, qualified: bool) -> bool {
    let function = interner.function(function);
    if function.kind == FrameKind::Structure {
        // It is not code but stands for missing frames, for example.
        return false;
    }
    let name = visible(interner.text(function.name));
    let file = visible(interner.text(function.file));
    let short_file = visible(interner.text(function.short_file));
    match item {
        Item::Function(pattern) => {
            let name = dotted(&short_file, &name);
            let last_part = pattern.last_part().filter(|_| !qualified);
            pattern.matches(&name) || last_part.is_some_and(|last| last.matches(&name))
        }
        Item::File(pattern) => pattern.matches(&file),
        Item::Package(pattern) => {
            let module = installed_part(&file).unwrap_or(&short_file);
            let package = module.split('/').next().unwrap_or(module);
            pattern.matches(package.strip_suffix(".py").unwrap_or(package))
        }
        Item::Category(category) => Category::of_file(&file, &short_file) == *category,
        // That is told by whole stacks.
        Item::Insight(_) => false,
    }
}

/// A function with its module, derived from the file: `copy.deepcopy`, `json.encoder.JSONEncoder.encode`.
pub(super) fn dotted(short_file: &str, name: &str) -> String {
    let module = short_file.strip_suffix(".py").unwrap_or(short_file);
    let module = module.strip_suffix("/__init__").unwrap_or(module);
    format!("{}.{name}", module.replace('/', "."))
}

/// The path relative to the directory that packages are installed in.
fn installed_part(file: &str) -> Option<&str> {
    ["/site-packages/", "/dist-packages/"]
        .iter()
        .filter_map(|root| file.rsplit_once(root))
        .map(|(_, module)| module)
        .min_by_key(|module| module.len())
}
