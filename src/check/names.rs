//! Whether the names in a rule are those of something that was seen, and which names were probably meant
//! if not.

use std::collections::BTreeSet;

use super::matcher::{Matcher, Shown, dotted};
use super::rule::{Item, Rule};
use crate::model::FrameKind;
use crate::output::visible;
use crate::profile::Profile;

/// The most names that are proposed.
const MOST_NAMES: usize = 3;

/// Names that are less similar, from 0 to 1, are not proposed.
const LEAST_ALIKE: f64 = 0.6;

/// The most names that are compared.
const MOST_COMPARED: usize = 100_000;

/// A name in a rule that no sample shows.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Unseen {
    /// The rule, as it is written.
    pub rule: String,
    /// The name, as it is written in it.
    pub name: String,
    /// Similar names of what was seen.
    pub alike: Vec<String>,
}

/// A sentence.
impl std::fmt::Display for Unseen {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Unseen { rule, name, alike } = self;
        write!(
            f,
            "no sample shows '{name}', which the rule '{rule}' is about"
        )?;
        match &alike[..] {
            [] => Ok(()),
            [one] => write!(f, "; there is '{one}'"),
            several => write!(f, "; there are '{}'", several.join("', '")),
        }
    }
}

/// The names in a rule that no sample shows.
#[must_use]
pub fn unseen(rule: &Rule, shown: Shown, profiles: &[&Profile]) -> Vec<Unseen> {
    let item = rule.what.item.as_ref().filter(|_| !shown.item);
    let within = rule.what.within.as_ref().filter(|_| !shown.within);
    let of = |item: &Item| Unseen {
        rule: rule.text.clone(),
        name: item.to_string(),
        alike: alike(item, profiles),
    };
    item.into_iter().chain(within).map(of).collect()
}

/// Whether a name of the rule is that of code that was seen at all, even if no sample counts for the
/// rule.
#[must_use]
pub fn is_met(rule: &Rule, profiles: &[&Profile]) -> bool {
    profiles.iter().any(|profile| {
        let functions = profile.interner.functions().map(|(id, _)| id);
        Matcher::new(profile, &rule.what).shown(functions) == Shown::ALL
    })
}

/// Similar names, the most similar first.
fn alike(item: &Item, profiles: &[&Profile]) -> Vec<String> {
    let (prefix, name, is_function) = match item {
        Item::Function(pattern) => ("", pattern.text(), true),
        Item::File(pattern) => ("file:", pattern.text(), false),
        // Names of categories are checked when a rule is parsed, and names of packages are too short to
        // be compared.
        Item::Package(_) | Item::Category(_) | Item::Insight(_) => return Vec::new(),
    };
    let parts = name.split(if is_function { '.' } else { '/' }).count();
    let mut candidates = BTreeSet::new();
    for profile in profiles {
        for (_, function) in profile.interner.functions().take(MOST_COMPARED) {
            if function.kind == FrameKind::Structure {
                continue;
            }
            let file = visible(profile.interner.text(function.short_file));
            candidates.insert(match is_function {
                true => {
                    let name = visible(profile.interner.text(function.name));
                    last_parts(&dotted(&file, &name), '.', parts)
                }
                false => last_parts(&file, '/', parts),
            });
        }
    }
    let likeness = |candidate: &String| strsim::normalized_damerau_levenshtein(name, candidate);
    let mut alike: Vec<(f64, String)> = candidates
        .into_iter()
        .map(|candidate| (likeness(&candidate), candidate))
        .filter(|(likeness, _)| *likeness >= LEAST_ALIKE)
        .collect();
    alike.sort_by(|a, b| b.0.total_cmp(&a.0));
    let names = alike.into_iter().take(MOST_NAMES);
    names.map(|(_, name)| format!("{prefix}{name}")).collect()
}

fn last_parts(name: &str, between: char, count: usize) -> String {
    let parts: Vec<&str> = name.rsplit(between).take(count).collect();
    let parts: Vec<&str> = parts.into_iter().rev().collect();
    parts.join(&between.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::written::profile;

    const NAME: &str = "Serializer.get_name|/srv/app/recipes/serializers.py|12";

    #[test]
    fn what_was_meant_is_proposed() {
        let seen = profile(&[(&["main|/srv/app/main.py|1", NAME][..], 100)]);
        let nothing = Shown {
            item: false,
            within: true,
        };
        for (rule, alike) in [
            ("get_nmae < 5%", &["get_name"][..]),
            ("Serialiser.get_name < 5%", &["Serializer.get_name"]),
            (
                "serialize.Serializer.get_name < 5%",
                &["serializers.Serializer.get_name"],
            ),
            ("file:serializer.py < 5%", &["file:serializers.py"]),
            ("copy.deepcopy < 5%", &[]),
        ] {
            let rule: Rule = rule.parse().expect("a rule");
            let unseen = unseen(&rule, nothing, &[&seen]);
            assert_eq!(unseen[0].alike, alike, "{unseen:?}");
            assert!(!is_met(&rule, &[&seen]), "{unseen:?}");
        }
    }

    #[test]
    fn what_stands_after_in_is_looked_for_too() {
        let seen = profile(&[(&[NAME][..], 100)]);
        let rule: Rule = "get_name in get_view < 5%".parse().expect("a rule");
        let shown = Shown {
            item: true,
            within: false,
        };
        let [unseen] = &unseen(&rule, shown, &[&seen])[..] else {
            panic!("one name is not shown");
        };
        assert_eq!(unseen.name, "get_view");
        assert!(unseen.to_string().contains("no sample shows 'get_view'"));
    }
}
