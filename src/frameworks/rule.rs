//! Rules by which mistakes are recognised from stacks, labels and the source at the place of the call. What a
//! mistake is stands here once; the stacks in which it shows stand with each framework.

/// A kind of mistake.
#[derive(Debug)]
pub struct Rule {
    /// Stays the same for ever, since users name it in their own rules and sources.
    pub id: &'static str,
    pub title: &'static str,
    /// The least number of samples that must show it.
    pub least_samples: u64,
    /// What it is and why it costs.
    pub what: &'static str,
    /// How it is found.
    pub found: &'static str,
    /// When it is wrong, or not worth a change.
    pub wrong: &'static str,
}

/// How a mistake shows in the use of one framework.
#[derive(Debug)]
pub struct Mistake {
    /// The id of its rule.
    pub rule: &'static str,
    /// From the root to the leaf, with any frames in between: middleware and tracers insert their own.
    pub frames: &'static [FramePattern],
    /// A function further out than the place of the call.
    pub within: Option<FramePattern>,
    /// The stack must not have any of these.
    pub without: &'static [FramePattern],
    /// Labels that samples must have. `loop` need not be there in all of them, but in as many as the rule
    /// demands: it is not read in each look.
    pub labels: &'static [&'static str],
    pub called: Called,
    /// What happens, up to the subject.
    pub verb: &'static str,
    /// The label that tells what it happens to, such as a relation.
    pub subject: Option<&'static str>,
    /// The usual remedy, in one line.
    pub remedy: &'static str,
}

/// Functions by the end of the path of their file and by their names, without classes.
#[derive(Debug)]
pub struct FramePattern {
    pub file: &'static str,
    /// Any function of the file if there is none.
    pub names: &'static [&'static str],
}

/// How the application's code, of which the place is told, leads to the first frame of a pattern.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Called {
    /// By whatever frames.
    Anyhow,
    /// Directly.
    Directly,
    /// Directly, by an expression that is used for nothing but its truth.
    ForTruth,
    /// Directly, by `len()` of an expression that is used for nothing else.
    ForLength,
}

impl Mistake {
    /// A mistake without conditions, as a base for others.
    pub(super) const NOTHING: Mistake = Mistake {
        rule: "",
        frames: &[],
        within: None,
        without: &[],
        labels: &[],
        called: Called::Anyhow,
        verb: "",
        subject: None,
        remedy: "",
    };
}

impl FramePattern {
    pub(super) const fn new(file: &'static str, names: &'static [&'static str]) -> FramePattern {
        FramePattern { file, names }
    }

    /// Whether a function is one of these; `name` may be qualified by its class.
    #[must_use]
    pub fn fits(&self, file: &str, name: &str) -> bool {
        let name = super::unqualified(name);
        (self.names.is_empty() || self.names.contains(&name)) && super::is_file(file, self.file)
    }
}

/// All rules, those first whose findings are told first where they cost the same.
pub const RULES: &[Rule] = &[
    Rule {
        id: "n-plus-one",
        title: "a query for each object of a loop (N+1)",
        least_samples: 3,
        what: "Code goes through objects one by one, and each makes the database answer a question of its \
               own. The time is not in any one query but in their number.",
        found: "A sample shows a related object being fetched, counted or asked for, and a frame further out \
                is in the middle of a loop, whose current item is the object it belongs to, or holds it. The \
                item must not be the loop's first, and at least three samples must show it.",
        wrong: "Where only one item of the loop asks for more, and that takes long, the loop is not to \
                blame. What is fetched ahead for all (prefetch_related, selectinload) is never meant.",
    },
    Rule {
        id: "queryset-truth",
        title: "a queryset is fetched to learn whether it has rows",
        least_samples: 2,
        what: "`if queryset:` fetches every row and makes an object of each, and then uses nothing but \
               whether there was one.",
        found: "A sample shows the fetch within the truth test, and the source at the call uses the tested \
                expression for nothing else: in its function, or in its file where it is an attribute.",
        wrong: "Where the source that was read is not what runs. Where it cannot be read, nothing is said. \
                Code that goes on to use the rows, so that the test costs nothing more, is not meant.",
    },
    Rule {
        id: "queryset-length",
        title: "a queryset is fetched to learn how many rows it has",
        least_samples: 2,
        what: "`len(queryset)` fetches every row and makes an object of each, and then uses nothing but \
               their number.",
        found: "A sample shows the fetch within len(), and the source at the call uses the expression for \
                nothing else: in its function, or in its file where it is an attribute.",
        wrong: "Where the source that was read is not what runs. Where it cannot be read, nothing is said.",
    },
    Rule {
        id: "event-loop-blocked",
        title: "an event loop waits for a blocking call",
        least_samples: 5,
        what: "A coroutine calls a function that waits without giving control back. Meanwhile the event loop \
               serves nobody else.",
        found: "Samples show a function of a blocking library below a callback of asyncio's event loop, in \
                the loop's own thread.",
        wrong: "In a program that runs one coroutine and nothing beside it, nobody else waits.",
    },
    Rule {
        id: "pandas-row-by-row",
        title: "a data frame is gone through row by row",
        least_samples: 5,
        what: "iterrows() makes a Series of each row, which costs a hundred times what the values do.",
        found: "Samples show iterrows() making rows for the application's code.",
        wrong: "Where the frame has few rows and something else in the loop is the cost.",
    },
    Rule {
        id: "slow-test-passwords",
        title: "tests hash passwords as slowly as production does",
        least_samples: 5,
        what: "Each user that a test makes, and each login, hashes a password some hundred thousand times.",
        found: "Samples show a password being hashed within a test.",
        wrong: "Tests of the hashing itself need it.",
    },
    Rule {
        id: "test-migrations",
        title: "tests run all migrations to make their database",
        least_samples: 20,
        what: "Before the first test, each migration that the project ever had is applied anew.",
        found: "Samples show migrations being applied while the database for tests is made.",
        wrong: "A project whose tests check its migrations needs them.",
    },
];

/// The rule with this id.
#[must_use]
pub fn rule(id: &str) -> Option<&'static Rule> {
    RULES.iter().find(|rule| rule.id == id)
}

/// All mistakes with their rules. Of one framework's, those before others are the more telling.
pub fn mistakes() -> impl Iterator<Item = (&'static Rule, &'static Mistake)> {
    let all = super::ALL.iter().flat_map(|framework| framework.mistakes);
    all.filter_map(|mistake| Some((rule(mistake.rule)?, mistake)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_rule_has_an_id_of_its_own_and_a_mistake() {
        let mut ids: Vec<&str> = RULES.iter().map(|rule| rule.id).collect();
        ids.sort_unstable();
        ids.dedup();
        assert_eq!(ids.len(), RULES.len());
        for rule in RULES {
            let is_plain = |c: char| c.is_ascii_lowercase() || c == '-';
            assert!(rule.id.chars().all(is_plain), "{}", rule.id);
            assert!(mistakes().any(|(of, _)| of.id == rule.id), "{}", rule.id);
        }
    }

    #[test]
    fn each_mistake_has_a_rule_and_says_what_to_do() {
        for framework in super::super::ALL {
            for mistake in framework.mistakes {
                assert!(rule(mistake.rule).is_some(), "{}", mistake.rule);
                assert!(
                    !mistake.frames.is_empty() && !mistake.verb.is_empty(),
                    "{mistake:?}"
                );
                assert!(!mistake.remedy.is_empty(), "{mistake:?}");
            }
        }
    }
}
