//! The syntax of rules: `get_recipe_name < 5%`.
//!
//! ```text
//! never WHAT | always WHAT | WHAT [cpu|wall] < LIMIT
//! WHAT   total | [self] ITEM [in ITEM]
//! ITEM   NAME, file:NAME, package:NAME, category:NAME, insight:ID; NAME may stand in double quotes
//! LIMIT  5%  1.5s  20ms  20ms/unit  +5%  +20ms  +2points
//! ```

use super::pattern::{Pattern, PatternError};
use super::rule::{Amount, Clock, Demand, Item, Limit, Rule, Selector};
use crate::insight;

/// Why a text is not a rule. Each message is worded so that the rule can be quoted after it.
#[derive(thiserror::Error, Clone, PartialEq, Eq, Debug)]
pub enum RuleError {
    #[error(
        "a rule is WHAT < LIMIT, never WHAT or always WHAT; there is no limit such as '< 5%' in it"
    )]
    NoLimit,
    #[error(
        "it does not say what it is about: a function's name, file:, package:, category: or total"
    )]
    NoName,
    #[error("'{0}' is not a limit; limits are 5%, 1.5s, 20ms, 20ms/unit, +5%, +20ms, +2points")]
    Limit(String),
    #[error("'{0}' is one word too many; put a name with blanks into double quotes")]
    Surplus(String),
    #[error("there is no category '{0}'; there are {categories}", categories = crate::output::Category::names().join(", "))]
    Category(String),
    #[error(
        "only limits in seconds and of growth are of cpu or wall time, a share is not; leave out '{0}'"
    )]
    ShareClock(String),
    #[error("'total' is the whole program: leave out 'self' and 'in'")]
    TotalPart,
    #[error("the share of 'total' is always 100 %; name a function, file:, package: or category:")]
    TotalShare,
    #[error(
        "there is no mistake '{0}'; `spyhole explain` lists those that spyhole finds, * stands for all"
    )]
    Insight(String),
    #[error("a mistake is found in the whole program: leave out 'self' and 'in'")]
    InsightPart,
    #[error("'never' and 'always' need a function, file:, package: or category:")]
    TotalSeen,
    #[error("its pattern is too long")]
    TooLong,
    #[error("a quote is not closed")]
    Quote,
}

impl From<PatternError> for RuleError {
    fn from(error: PatternError) -> RuleError {
        match error {
            PatternError::Empty => RuleError::NoName,
            PatternError::TooLong => RuleError::TooLong,
        }
    }
}

/// Parses a rule as it is written on the command line or in a file.
impl std::str::FromStr for Rule {
    type Err = RuleError;

    fn from_str(text: &str) -> Result<Rule, RuleError> {
        let words = words(text)?;
        let (demand, what) = match words.split_first() {
            Some((first, rest)) if first.is("never") => (Demand::Never, selector(rest)?),
            Some((first, rest)) if first.is("always") => (Demand::Always, selector(rest)?),
            _ => below(words)?,
        };
        let total = what.item.is_none();
        match demand {
            Demand::Never | Demand::Always if total => return Err(RuleError::TotalSeen),
            Demand::Below(Limit::Share(_) | Limit::MoreShare(_)) if total => {
                return Err(RuleError::TotalShare);
            }
            _ => {}
        }
        Ok(Rule {
            text: text.trim().to_owned(),
            name: None,
            reason: None,
            what,
            demand,
        })
    }
}

/// A word of a rule. A quoted word is always a name, even if it reads like a keyword.
#[derive(Clone, PartialEq, Debug)]
struct Word {
    text: String,
    quoted: bool,
}

impl Word {
    fn is(&self, keyword: &str) -> bool {
        !self.quoted && self.text == keyword
    }
}

fn words(text: &str) -> Result<Vec<Word>, RuleError> {
    let mut words = Vec::new();
    let mut rest = text.trim_start();
    while !rest.is_empty() {
        // A quote may begin within a word: `file:"a b.py"`.
        let mut word = Word {
            text: String::new(),
            quoted: rest.starts_with('"'),
        };
        while let Some(next) = rest.chars().next().filter(|c| !c.is_whitespace()) {
            if next == '"' {
                let (inside, after) = rest[1..].split_once('"').ok_or(RuleError::Quote)?;
                word.text.push_str(inside);
                rest = after;
            } else {
                word.text.push(next);
                rest = &rest[next.len_utf8()..];
            }
        }
        words.push(word);
        rest = rest.trim_start();
    }
    Ok(words)
}

/// `WHAT [cpu|wall] < LIMIT`
fn below(mut words: Vec<Word>) -> Result<(Demand, Selector), RuleError> {
    let limit = take_limit(&mut words)?;
    let clock = match words.last() {
        Some(word) if word.is("cpu") => Some(Clock::Cpu),
        Some(word) if word.is("wall") => Some(Clock::Wall),
        _ => None,
    };
    let named = clock.and_then(|_| words.pop());
    let limit = parse_limit(&limit, clock.unwrap_or(Clock::Cpu))?;
    if let (Some(word), None) = (named, limit.amount()) {
        return Err(RuleError::ShareClock(word.text));
    }
    Ok((Demand::Below(limit), selector(&words)?))
}

/// Takes `< LIMIT` off the end, with or without blanks. The `<` of a name such as `<listcomp>` is not
/// taken for it.
fn take_limit(words: &mut Vec<Word>) -> Result<String, RuleError> {
    for at in (0..words.len()).rev() {
        if words[at].quoted {
            continue;
        }
        let text = words[at].text.clone();
        let mut ends = text.match_indices('<').map(|(end, _)| end);
        let Some(end) = ends.rfind(|end| {
            let limit = text[end + 1..].trim_start_matches('=');
            match limit.chars().next() {
                Some(c) => c.is_ascii_digit() || matches!(c, '+' | '.'),
                None => words.len() > at + 1,
            }
        }) else {
            continue;
        };
        let mut limit = text[end + 1..].trim_start_matches('=').to_owned();
        for word in words.drain(at + 1..) {
            limit.push_str(&word.text);
        }
        words.truncate(at);
        if end > 0 {
            words.push(Word {
                text: text[..end].to_owned(),
                quoted: false,
            });
        }
        return Ok(limit);
    }
    Err(RuleError::NoLimit)
}

fn parse_limit(text: &str, clock: Clock) -> Result<Limit, RuleError> {
    let wrong = || RuleError::Limit(text.to_owned());
    let (more, rest) = match text.strip_prefix('+') {
        Some(rest) => (true, rest),
        None => (false, text),
    };
    let (rest, per_unit) = match rest.strip_suffix("/unit") {
        Some(rest) => (rest, true),
        None => (rest, false),
    };
    let digits = rest
        .find(|c: char| !c.is_ascii_digit() && c != '.')
        .unwrap_or(rest.len());
    let (number, unit) = rest.split_at(digits);
    let number: f64 = number.parse().map_err(|_| wrong())?;
    let amount = Amount { clock, per_unit };
    let seconds = |scale: f64| match more {
        true => Limit::MoreSeconds {
            seconds: number * scale,
            amount,
        },
        false => Limit::Seconds {
            seconds: number * scale,
            amount,
        },
    };
    match (unit, more) {
        ("%", false) if number <= 100.0 && !per_unit => Ok(Limit::Share(number / 100.0)),
        ("%", true) => Ok(Limit::Growth {
            fraction: number / 100.0,
            amount,
        }),
        ("points" | "point" | "pp", true) if number <= 100.0 && !per_unit => {
            Ok(Limit::MoreShare(number / 100.0))
        }
        ("s", _) => Ok(seconds(1.0)),
        ("ms", _) => Ok(seconds(1e-3)),
        ("us" | "µs", _) => Ok(seconds(1e-6)),
        _ => Err(wrong()),
    }
}

/// `[self] ITEM [in ITEM]`
fn selector(words: &[Word]) -> Result<Selector, RuleError> {
    let (own, words) = match words.split_first() {
        Some((first, rest)) if first.is("self") && !rest.is_empty() => (true, rest),
        _ => (false, words),
    };
    let (first, rest) = words.split_first().ok_or(RuleError::NoName)?;
    let (within, rest) = match rest {
        [keyword, name, rest @ ..] if keyword.is("in") => (Some(item(name)?), rest),
        [keyword] if keyword.is("in") => return Err(RuleError::NoName),
        rest => (None, rest),
    };
    if let Some(word) = rest.first() {
        return Err(RuleError::Surplus(word.text.clone()));
    }
    let item = match first.is("total") {
        true if own || within.is_some() => return Err(RuleError::TotalPart),
        true => None,
        false => Some(item(first)?),
    };
    let is_insight = |item: &Option<Item>| matches!(item, Some(Item::Insight(_)));
    if is_insight(&within) || is_insight(&item) && (own || within.is_some()) {
        return Err(RuleError::InsightPart);
    }
    Ok(Selector { item, within, own })
}

fn item(word: &Word) -> Result<Item, RuleError> {
    let text = word.text.as_str();
    let (kind, name) = match text.split_once(':') {
        Some((kind @ ("function" | "file" | "package" | "category" | "insight"), name)) => {
            (kind, name)
        }
        _ => ("function", text),
    };
    match kind {
        "file" => Ok(Item::File(Pattern::new(name, "/")?)),
        "package" => Ok(Item::Package(Pattern::new(name, "/")?)),
        "insight" if name == "*" => Ok(Item::Insight(None)),
        "insight" => insight::rule(name)
            .map(|rule| Item::Insight(Some(rule.id)))
            .ok_or_else(|| RuleError::Insight(name.to_owned())),
        "category" => crate::output::Category::of_name(name)
            .map(Item::Category)
            .ok_or_else(|| RuleError::Category(name.to_owned())),
        _ => Ok(Item::Function(Pattern::new(name, r"\.")?)),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CPU: Amount = Amount {
        clock: Clock::Cpu,
        per_unit: false,
    };

    fn rule(text: &str) -> Rule {
        text.parse()
            .unwrap_or_else(|error| panic!("{text}: {error}"))
    }

    #[test]
    fn a_rule_reads_as_it_is_written() {
        let wall = Amount {
            clock: Clock::Wall,
            ..CPU
        };
        let per_unit = Amount {
            per_unit: true,
            ..CPU
        };
        let seconds = |seconds, amount| Limit::Seconds { seconds, amount };
        for (text, what, limit) in [
            ("get_name < 5%", "get_name", Limit::Share(0.05)),
            ("get_name<5%", "get_name", Limit::Share(0.05)),
            ("get_name <= 5 %", "get_name", Limit::Share(0.05)),
            ("<listcomp> < 2.5%", "<listcomp>", Limit::Share(0.025)),
            ("f.<locals>.g<1.5s", "f.<locals>.g", seconds(1.5, CPU)),
            (
                "self Thing.run in main wall < 20ms",
                "self Thing.run in main",
                seconds(0.02, wall),
            ),
            ("total cpu < 20ms/unit", "total", seconds(0.02, per_unit)),
            (
                "total < +5%",
                "total",
                Limit::Growth {
                    fraction: 0.05,
                    amount: CPU,
                },
            ),
            (
                "file:recipes/*.py wall < +0.1s",
                "file:recipes/*.py",
                Limit::MoreSeconds {
                    seconds: 0.1,
                    amount: wall,
                },
            ),
            (
                "package:django < +2points",
                "package:django",
                Limit::MoreShare(0.02),
            ),
            (
                "category:database < 40%",
                "category:database",
                Limit::Share(0.4),
            ),
            ("\"never\" < 5%", "never", Limit::Share(0.05)),
            ("file:\"a b.py\" < 5%", "file:a b.py", Limit::Share(0.05)),
        ] {
            let rule = rule(text);
            assert_eq!(rule.what.to_string(), what, "{text}");
            assert_eq!(rule.limit(), Some(limit), "{text}");
        }
        assert_eq!(rule("never a in b").demand, Demand::Never);
        assert_eq!(rule("never a in b").what.to_string(), "a in b");
        assert_eq!(rule("always package:numpy").demand, Demand::Always);
    }

    #[test]
    fn what_is_no_rule_says_why() {
        let surplus = |word: &str| RuleError::Surplus(word.into());
        for (text, expected) in [
            ("", RuleError::NoLimit),
            ("get_name", RuleError::NoLimit),
            ("get_name 5%", RuleError::NoLimit),
            ("< 5%", RuleError::NoName),
            ("never", RuleError::NoName),
            ("never a in", RuleError::NoName),
            ("a < 5", RuleError::Limit("5".into())),
            ("a < 5q", RuleError::Limit("5q".into())),
            ("a < 101%", RuleError::Limit("101%".into())),
            ("a < 1.2.3s", RuleError::Limit("1.2.3s".into())),
            ("a < 2points", RuleError::Limit("2points".into())),
            ("a < 5%/unit", RuleError::Limit("5%/unit".into())),
            ("a b < 5%", surplus("b")),
            ("never a in b c", surplus("c")),
            ("category:mine < 5%", RuleError::Category("mine".into())),
            ("a cpu < 5%", RuleError::ShareClock("cpu".into())),
            ("self total < 5s", RuleError::TotalPart),
            ("total in a < 5s", RuleError::TotalPart),
            ("total < 5%", RuleError::TotalShare),
            ("never total", RuleError::TotalSeen),
            ("\"a < 5%", RuleError::Quote),
        ] {
            let error = text.parse::<Rule>().expect_err(text);
            assert_eq!(error, expected, "{text}");
        }
    }

    #[test]
    fn the_last_parts_of_a_name_are_enough() {
        let item = |text: &str| rule(&format!("never {text}")).what.item.expect("an item");
        let (Item::Function(function), Item::File(file)) =
            (item("Serializer.get_*"), item("file:app/views.py"))
        else {
            panic!("other kinds");
        };
        assert!(function.matches("Serializer.get_name"));
        assert!(function.matches("f.<locals>.Serializer.get_name"));
        assert!(!function.matches("SlowSerializer.get_name"));
        assert!(!function.matches("Serializer.set_name"));
        assert!(file.matches("/srv/app/views.py") && file.matches("app/views.py"));
        assert!(!file.matches("/srv/myapp/views.py"));
    }

    proptest! {
        #[test]
        fn any_text_is_a_rule_or_an_error(text in ".{0,60}") {
            let _ = text.parse::<Rule>();
        }
    }
}
