//! Rules in a TOML file.
//!
//! ```toml
//! rules = ["get_recipe_name < 5%", "total < +5%"]
//!
//! [[rule]]
//! check = "never ForwardManyToOneDescriptor.__get__ in get_fast_list_view"
//! name = "no N+1"
//! why = "the fast view fetches authors with select_related"
//! ```

use serde::Deserialize;

use super::grammar::RuleError;
use super::rule::Rule;

/// A file with more rules is refused.
const MOST_RULES: usize = 1000;

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    #[serde(default)]
    rules: Vec<String>,
    #[serde(default, rename = "rule")]
    tables: Vec<Table>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Table {
    check: String,
    name: Option<String>,
    why: Option<String>,
}

/// Why a text does not hold rules.
#[derive(thiserror::Error, Debug)]
pub enum RulesError {
    #[error("{0}")]
    Toml(#[from] toml::de::Error),
    #[error("'{text}': {error}")]
    Rule { text: String, error: RuleError },
    #[error(
        "there is no rule in it: write rules = [\"total < +5%\"], or a [[rule]] with check = \"...\""
    )]
    Empty,
    #[error("there are more than {MOST_RULES} rules in it")]
    TooMany,
}

/// The rules of a file, in its order.
///
/// # Errors
/// When it is not TOML, holds anything but rules, or holds a rule that cannot be parsed.
pub fn parse(text: &str) -> Result<Vec<Rule>, RulesError> {
    let file: File = toml::from_str(text)?;
    let plain = file.rules.into_iter().map(|check| Table {
        check,
        name: None,
        why: None,
    });
    let rules: Vec<Rule> = plain
        .chain(file.tables)
        .map(Table::rule)
        .collect::<Result<_, _>>()?;
    match rules.len() {
        0 => Err(RulesError::Empty),
        many if many > MOST_RULES => Err(RulesError::TooMany),
        _ => Ok(rules),
    }
}

impl Table {
    fn rule(self) -> Result<Rule, RulesError> {
        match self.check.parse::<Rule>() {
            Ok(rule) => Ok(Rule {
                name: self.name,
                reason: self.why,
                ..rule
            }),
            Err(error) => Err(RulesError::Rule {
                text: self.check,
                error,
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rules_come_in_their_order_with_their_reasons() {
        let rules = parse(
            "rules = ['total < +5%']\n[[rule]]\ncheck = 'never f in g'\nname = 'n'\nwhy = 'w'\n",
        );
        let rules = rules.expect("rules");
        let texts: Vec<_> = rules.iter().map(|rule| rule.text.as_str()).collect();
        assert_eq!(texts, ["total < +5%", "never f in g"]);
        assert_eq!(rules[1].reason.as_deref(), Some("w"));
    }

    #[test]
    fn what_is_wrong_is_named() {
        for (text, part) in [
            ("rules = ['f < 5']", "'f < 5': '5' is not a limit"),
            ("rules = 'f < 5%'", "line 1"),
            ("[[rule]]\nwhy = 'x'", "missing field `check`"),
            ("[[rules]]\ncheck = 'f < 5%'", "line 1"),
            ("limit = 5", "unknown field"),
            ("rules = [", "line 1"),
            ("", "there is no rule in it"),
        ] {
            let error = parse(text).expect_err(text).to_string();
            assert!(error.contains(part), "{text}: {error}");
        }
    }
}
