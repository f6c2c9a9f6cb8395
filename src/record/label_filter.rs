//! Which samples count by their labels.

use regex::Regex;
use rustc_hash::FxHashMap;

use crate::model::{Interner, LabelSetId};

/// Samples must have a label with this key and a value that a pattern matches, in which `*` stands for any
/// text.
#[derive(Clone, Debug)]
pub struct LabelFilter {
    key: String,
    value: Regex,
}

/// Why a text is no filter.
#[derive(thiserror::Error, Debug)]
#[error("it is not LABEL=VALUE, such as route='recipes/*'")]
pub struct NoLabelFilter;

impl std::str::FromStr for LabelFilter {
    type Err = NoLabelFilter;

    /// Reads `LABEL=VALUE`.
    fn from_str(text: &str) -> Result<LabelFilter, NoLabelFilter> {
        let (key, value) = text.split_once('=').ok_or(NoLabelFilter)?;
        if key.is_empty() {
            return Err(NoLabelFilter);
        }
        let parts: Vec<String> = value.split('*').map(regex::escape).collect();
        let value = Regex::new(&format!("(?s)^{}$", parts.join(".*")));
        Ok(LabelFilter {
            key: key.to_owned(),
            value: value.map_err(|_| NoLabelFilter)?,
        })
    }
}

impl LabelFilter {
    fn fits(&self, labels: LabelSetId, interner: &Interner) -> bool {
        let text = |id| interner.text(id).untrusted();
        let mut labels = interner.labels(labels).iter();
        labels.any(|label| text(label.key) == self.key && self.value.is_match(text(label.value)))
    }
}

/// Several filters, all of which must fit, with what they said of each label set.
#[derive(Debug)]
pub(super) struct LabelFilters<'a> {
    filters: &'a [LabelFilter],
    known: FxHashMap<LabelSetId, bool>,
}

impl<'a> LabelFilters<'a> {
    pub fn new(filters: &'a [LabelFilter]) -> LabelFilters<'a> {
        LabelFilters {
            filters,
            known: FxHashMap::default(),
        }
    }

    pub fn fit(&mut self, labels: LabelSetId, interner: &Interner) -> bool {
        let filters = self.filters;
        filters.is_empty()
            || *self.known.entry(labels).or_insert_with(|| {
                let mut filters = filters.iter();
                filters.all(|filter| filter.fits(labels, interner))
            })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Label, TargetStr};

    #[test]
    fn a_filter_fits_a_whole_value_of_its_label() {
        let mut interner = Interner::default();
        let mut text = |text: &str| interner.intern_text(&TargetStr::new(text));
        let labels = [("route", "recipes/12/"), ("method", "GET")];
        let labels = labels.map(|(key, value)| Label {
            key: text(key),
            value: text(value),
        });
        let labels = interner.intern_labels(labels);
        let fits = |filters: &[&str]| {
            let filters: Vec<LabelFilter> = filters
                .iter()
                .map(|it| it.parse().expect("a filter"))
                .collect();
            LabelFilters::new(&filters).fit(labels, &interner)
        };
        assert!(fits(&[]) && fits(&["route=recipes/*"]) && fits(&["method=GET", "route=*12*"]));
        assert!(!fits(&["route=recipes"]) && !fits(&["view=*"]) && !fits(&["route=.*"]));
        assert!(!fits(&["method=GET", "route=other/*"]));
        assert!("route".parse::<LabelFilter>().is_err() && "=x".parse::<LabelFilter>().is_err());
    }
}
