//! What a user asks of a profile. How it is written: `grammar`.

use std::fmt;

use regex::Regex;

use super::grammar::RuleError;

/// One demand on a profile.
#[derive(Clone, Debug)]
pub struct Rule {
    /// As the user wrote it.
    pub text: String,
    /// What the user calls it.
    pub name: Option<String>,
    /// Why it is there, for whoever breaks it.
    pub reason: Option<String>,
    pub what: Selector,
    pub demand: Demand,
}

/// Which part of a profile a rule is about.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// `None` is everything.
    pub item: Option<Item>,
    /// Only where something on the way to it matches this, too.
    pub within: Option<Item>,
    /// Only what it does itself, without what it calls.
    pub own: bool,
}

/// What a frame is told by.
#[derive(Clone, Debug)]
pub enum Item {
    /// Its function: module and qualified name, or the last parts of that.
    Function(Pattern),
    /// Its file: the whole path, or the last parts of it.
    File(Pattern),
    /// The installed or the own top-level package that its file is in.
    Package(Pattern),
    /// Whose code it is.
    Category(crate::output::Category),
}

/// A text in which `*` stands for anything.
#[derive(Clone, Debug)]
pub struct Pattern {
    text: String,
    regex: Regex,
    last_part: Option<Box<Pattern>>,
}

/// What is demanded.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Demand {
    /// No sample shows it.
    Never,
    /// Some sample shows it.
    Always,
    /// It takes less.
    Below(Limit),
}

/// How much something may take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Limit {
    /// Of the time that all samples stand for, as a fraction.
    Share(f64),
    /// A run.
    Seconds { seconds: f64, amount: Amount },
    /// More than the baseline, as a fraction of that.
    Growth { fraction: f64, amount: Amount },
    /// More than the baseline, a run.
    MoreSeconds { seconds: f64, amount: Amount },
    /// More than the baseline's share, as a fraction of the whole.
    MoreShare(f64),
}

/// What seconds are counted, and of how much.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Amount {
    pub clock: Clock,
    /// For each unit of the workload's work and not for each run.
    pub per_unit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    Cpu,
    Wall,
}

impl Selector {
    /// A function of that name, with all that it calls; `None` where no pattern can be made of it.
    #[must_use]
    pub fn of_function(name: &str) -> Option<Selector> {
        let pattern = Pattern::new(name, r"\.").ok()?;
        Some(Selector {
            item: Some(Item::Function(pattern)),
            within: None,
            own: false,
        })
    }
}

impl Limit {
    /// Whether the rule speaks of something that was recorded before.
    #[must_use]
    pub fn needs_baseline(self) -> bool {
        matches!(
            self,
            Limit::Growth { .. } | Limit::MoreSeconds { .. } | Limit::MoreShare(_)
        )
    }

    /// What seconds it counts, if it does.
    #[must_use]
    pub fn amount(self) -> Option<Amount> {
        match self {
            Limit::Seconds { amount, .. }
            | Limit::Growth { amount, .. }
            | Limit::MoreSeconds { amount, .. } => Some(amount),
            Limit::Share(_) | Limit::MoreShare(_) => None,
        }
    }
}

impl Rule {
    /// Whether it speaks of something that was recorded before.
    #[must_use]
    pub fn needs_baseline(&self) -> bool {
        self.limit().is_some_and(Limit::needs_baseline)
    }

    /// Whether it speaks of seconds that were measured before.
    #[must_use]
    pub fn compares_seconds(&self) -> bool {
        let limit = self.limit().filter(|limit| limit.needs_baseline());
        limit.is_some_and(|limit| limit.amount().is_some())
    }

    /// The limit, if the rule is about one.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self.demand {
            Demand::Below(limit) => Some(limit),
            Demand::Never | Demand::Always => None,
        }
    }
}

impl Pattern {
    /// `boundary` is what may stand before a match that is not the whole text.
    ///
    /// # Errors
    /// When there is nothing to match, or more than a pattern can hold.
    pub(super) fn new(text: &str, boundary: &str) -> Result<Pattern, RuleError> {
        if text.is_empty() {
            return Err(RuleError::NoName);
        }
        let escaped = regex::escape(text).replace(r"\*", ".*");
        let regex = Regex::new(&format!(r"(?s)(?:^|{boundary}){escaped}$"));
        let last_part = match text.rsplit_once('.') {
            Some((_, last)) if !last.is_empty() => Some(Box::new(Pattern::new(last, boundary)?)),
            _ => None,
        };
        Ok(Pattern {
            text: text.to_owned(),
            regex: regex.map_err(|_| RuleError::TooLong)?,
            last_part,
        })
    }

    #[must_use]
    pub fn matches(&self, text: &str) -> bool {
        self.regex.is_match(text)
    }

    /// For interpreters that do not tell of which class a function is: what stands after the last
    /// dot, if there is one.
    #[must_use]
    pub fn last_part(&self) -> Option<&Pattern> {
        self.last_part.as_deref()
    }

    /// As it was written.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }
}

/// As it is written in a rule.
impl fmt::Display for Item {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Item::Function(pattern) => f.write_str(pattern.text()),
            Item::File(pattern) => write!(f, "file:{}", pattern.text()),
            Item::Package(pattern) => write!(f, "package:{}", pattern.text()),
            Item::Category(category) => write!(f, "category:{}", category.name()),
        }
    }
}

/// As it is written in a rule.
impl fmt::Display for Selector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if self.own {
            f.write_str("self ")?;
        }
        match &self.item {
            Some(item) => item.fmt(f)?,
            None => f.write_str("total")?,
        }
        match &self.within {
            Some(within) => write!(f, " in {within}"),
            None => Ok(()),
        }
    }
}
