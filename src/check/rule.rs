//! What a user demands of a profile. The syntax is in `grammar`.

use std::fmt;

use super::pattern::Pattern;

/// One demand on a profile.
#[derive(Clone, Debug)]
pub struct Rule {
    /// As the user wrote it.
    pub text: String,
    /// The name that the user gave it.
    pub name: Option<String>,
    /// Why it exists, to be shown to whoever breaks it.
    pub reason: Option<String>,
    pub what: Selector,
    pub demand: Demand,
}

/// Which part of a profile a rule is about.
#[derive(Clone, Debug, Default)]
pub struct Selector {
    /// `None` for the whole program.
    pub item: Option<Item>,
    /// Only where a caller matches this, too.
    pub within: Option<Item>,
    /// Only self time, without callees.
    pub own: bool,
}

/// What a frame is selected by.
#[derive(Clone, Debug)]
pub enum Item {
    /// Module and qualified name of its function, or their last parts.
    Function(Pattern),
    /// The whole path of its file, or the last parts of it.
    File(Pattern),
    /// The top-level package of its file, installed or the program's own.
    Package(Pattern),
    /// The category of its code.
    Category(crate::output::Category),
    /// What mistakes take that the profile proves: those of the rule with this id, or all.
    Insight(Option<&'static str>),
}

/// What is demanded of the selected part.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Demand {
    /// No sample may show it.
    Never,
    /// Some sample must show it.
    Always,
    /// It must take less than this.
    Below(Limit),
}

/// How much the selected part may take.
#[derive(Clone, Copy, PartialEq, Debug)]
pub enum Limit {
    /// A fraction of the time of all samples.
    Share(f64),
    /// Seconds.
    Seconds { seconds: f64, amount: Amount },
    /// Growth over the baseline, as a fraction of it.
    Growth { fraction: f64, amount: Amount },
    /// Growth over the baseline, in seconds.
    MoreSeconds { seconds: f64, amount: Amount },
    /// Growth over the baseline's share, as a fraction of the whole.
    MoreShare(f64),
}

/// Which seconds are counted, and per what.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Amount {
    pub clock: Clock,
    /// Whether per unit of the workload's work, and not per run.
    pub per_unit: bool,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Clock {
    Cpu,
    Wall,
}

impl Selector {
    /// The function of that name with its callees; `None` if the name makes no pattern.
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
    /// Whether it needs something that was recorded before.
    #[must_use]
    pub fn needs_baseline(self) -> bool {
        matches!(
            self,
            Limit::Growth { .. } | Limit::MoreSeconds { .. } | Limit::MoreShare(_)
        )
    }

    /// Which seconds it counts, if it does.
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
    /// Whether it is about mistakes that a profile proves.
    #[must_use]
    pub fn is_about_mistakes(&self) -> bool {
        matches!(self.what.item, Some(Item::Insight(_)))
    }

    /// Whether it needs something that was recorded before.
    #[must_use]
    pub fn needs_baseline(&self) -> bool {
        self.limit().is_some_and(Limit::needs_baseline)
    }

    /// Whether it compares seconds with those that were measured before.
    #[must_use]
    pub fn compares_seconds(&self) -> bool {
        let limit = self.limit().filter(|limit| limit.needs_baseline());
        limit.is_some_and(|limit| limit.amount().is_some())
    }

    /// The limit, if the rule has one.
    #[must_use]
    pub fn limit(&self) -> Option<Limit> {
        match self.demand {
            Demand::Below(limit) => Some(limit),
            Demand::Never | Demand::Always => None,
        }
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
            Item::Insight(rule) => write!(f, "insight:{}", rule.unwrap_or("*")),
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
