//! The figures of an earlier check, in a file that is kept with the sources. The file is small and
//! sorted, with one figure a line.

use std::collections::BTreeMap;
use std::fmt::Write;

use serde::Deserialize;

use super::conditions::Conditions;
use super::functions::Functions;
use super::matcher::dotted;
use super::measure::Known;
use super::rule::{Item, Rule, Selector};
use super::run::Run;
use super::stats::Summary;

/// The first and only format.
const FORMAT: u32 = 1;

/// A baseline with more figures is refused.
const MOST_FIGURES: usize = 10_000;

/// What one set of runs showed.
#[derive(Clone, PartialEq, Debug)]
pub struct Baseline {
    pub program: String,
    pub conditions: Conditions,
    pub runs: usize,
    /// The figure of what each rule is about, by the text of its selector.
    figures: BTreeMap<String, Figure>,
    /// The figure of each function, including its callees, by file and name.
    functions: BTreeMap<String, Figure>,
}

/// Mean and standard deviation of the runs.
type Pair = [f64; 2];

#[derive(Clone, PartialEq, Debug, Deserialize, Default)]
#[serde(deny_unknown_fields)]
struct Figure {
    /// Percent.
    share: Pair,
    /// Seconds per run.
    cpu: Option<Pair>,
    wall: Option<Pair>,
    cpu_of_unit: Option<Pair>,
    wall_of_unit: Option<Pair>,
}

/// Why a baseline cannot be used.
#[derive(thiserror::Error, Debug)]
pub enum BaselineError {
    #[error("it is not a baseline that `spyhole check --save` wrote: {0}")]
    Damaged(String),
    #[error("its format is {0}; this version of spyhole knows {FORMAT}: make it anew with --save")]
    Format(u32),
    #[error("the baseline has no figure for '{0}': make it anew with these rules and --save")]
    Unknown(String),
    #[error(
        "its seconds were measured on another machine ({then}; this is {now}), so '{rule}' says nothing: \
             use --against, which records both versions here, or a rule about shares such as '< +2points'"
    )]
    OtherMachine {
        rule: String,
        then: String,
        now: String,
    },
}

impl Baseline {
    /// Collects the figures of each rule's selector and of each function.
    #[must_use]
    pub fn of(
        program: String,
        conditions: Conditions,
        rules: &[Rule],
        runs: &[Run],
        functions: &Functions,
    ) -> Baseline {
        let figure = |(index, rule): (usize, &Rule)| {
            let known = Known::from_runs(runs, index);
            (rule.what.to_string(), Figure::of(known))
        };
        Baseline {
            program,
            conditions,
            runs: runs.len(),
            figures: rules.iter().enumerate().map(figure).collect(),
            functions: figures_of(functions, runs.len()),
        }
    }

    /// The figures of each rule that needs a baseline.
    ///
    /// # Errors
    /// When a figure that a rule needs is not in the baseline.
    pub fn known(
        &self,
        rules: &[Rule],
        here: &Conditions,
    ) -> Result<Vec<Option<Known>>, BaselineError> {
        let same_machine = here.same_machine(&self.conditions);
        let of = |rule: &Rule| {
            let Some(limit) = rule.limit().filter(|_| rule.needs_baseline()) else {
                return Ok(None);
            };
            if limit.amount().is_some() && !same_machine {
                return Err(BaselineError::OtherMachine {
                    rule: rule.text.clone(),
                    then: self.conditions.machine.clone(),
                    now: here.machine.clone(),
                });
            }
            let figure = self
                .figure(&rule.what)
                .ok_or_else(|| BaselineError::Unknown(rule.text.clone()))?;
            let mut known = figure.known(self.runs);
            if !same_machine {
                known = Known {
                    share: known.share,
                    ..Known::default()
                };
            }
            Ok(Some(known))
        };
        rules.iter().map(of).collect()
    }

    /// The function, with its module, that accounts for most of the growth in CPU time. Of the functions
    /// that account for nearly all of it, this is the one that takes least: the innermost.
    #[must_use]
    pub fn grown_most(&self, now: &Functions, runs: usize) -> Option<String> {
        /// As a fraction of what the fastest growing function grew by.
        const NEARLY_ALL: f64 = 0.7;
        let before = |key: &str| {
            let figure = self.functions.get(key)?;
            figure.cpu.map(|[mean, _]| mean)
        };
        let grown: Vec<(String, f64, f64)> = now
            .known(runs)
            .into_iter()
            .map(|(key, known)| {
                let now = known.cpu.map_or(0.0, |cpu| cpu.mean);
                let by = now - before(&key).unwrap_or(0.0);
                (key, by, now)
            })
            .collect();
        let most = grown.iter().map(|(_, by, _)| *by).fold(0.0, f64::max);
        let (key, ..) = grown
            .into_iter()
            .filter(|(_, by, _)| most > 0.0 && *by >= most * NEARLY_ALL)
            .min_by(|a, b| a.2.total_cmp(&b.2))?;
        key.split_once(' ').map(|(file, name)| dotted(file, name))
    }

    /// Looks the selector up by its text, or else finds the only function that it can mean.
    fn figure(&self, what: &Selector) -> Option<&Figure> {
        if let Some(figure) = self.figures.get(&what.to_string()) {
            return Some(figure);
        }
        let (Some(Item::Function(pattern)), None, false) = (&what.item, &what.within, what.own)
        else {
            return None;
        };
        let mut meant = self.functions.iter().filter(|(key, _)| {
            let (file, name) = key.split_once(' ').unwrap_or(("", key));
            pattern.matches(&dotted(file, name))
        });
        let (_, figure) = meant.next()?;
        meant.next().is_none().then_some(figure)
    }

    /// The text of the file.
    #[must_use]
    pub fn to_toml(&self) -> String {
        let quoted = |text: &str| toml::Value::String(text.to_owned()).to_string();
        let conditions = &self.conditions;
        let mut text = String::from(
            "# Made by `spyhole check --save`. A figure is its mean and how much runs differ (standard\n\
             # deviation): share in percent of the time, cpu and wall in seconds a run.\n",
        );
        // Writing to a String cannot fail.
        let _ = write!(
            text,
            "format = {FORMAT}\nprogram = {}\npython = {}\nmode = {}\nrate = {}\nruns = {}\nmachine = {}\n",
            quoted(&self.program),
            quoted(&conditions.python),
            quoted(&conditions.mode),
            conditions.rate,
            self.runs,
            quoted(&conditions.machine),
        );
        for (table, figures) in [("rules", &self.figures), ("functions", &self.functions)] {
            let _ = write!(text, "\n[{table}]\n");
            for (key, figure) in figures {
                let _ = writeln!(text, "{} = {}", quoted(key), figure.to_toml());
            }
        }
        text
    }

    /// # Errors
    /// When the text is not a baseline.
    pub fn from_toml(text: &str) -> Result<Baseline, BaselineError> {
        #[derive(Deserialize)]
        struct Format {
            format: u32,
        }
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            #[serde(rename = "format")]
            _format: u32,
            program: String,
            python: String,
            mode: String,
            rate: u32,
            runs: usize,
            machine: String,
            #[serde(default)]
            rules: BTreeMap<String, Figure>,
            #[serde(default)]
            functions: BTreeMap<String, Figure>,
        }
        let damaged = |error: toml::de::Error| BaselineError::Damaged(error.to_string());
        let Format { format } = toml::from_str(text).map_err(damaged)?;
        if format != FORMAT {
            return Err(BaselineError::Format(format));
        }
        let file: File = toml::from_str(text).map_err(damaged)?;
        let figures = file.rules.values().chain(file.functions.values());
        if file.rules.len() + file.functions.len() > MOST_FIGURES {
            return Err(BaselineError::Damaged("too many figures".into()));
        }
        if !figures.clone().all(Figure::is_sane) {
            return Err(BaselineError::Damaged(
                "a figure is no number, or less than none".into(),
            ));
        }
        Ok(Baseline {
            program: file.program,
            conditions: Conditions {
                python: file.python,
                mode: file.mode,
                rate: file.rate,
                machine: file.machine,
            },
            runs: file.runs,
            figures: file.rules,
            functions: file.functions,
        })
    }
}

fn figures_of(functions: &Functions, runs: usize) -> BTreeMap<String, Figure> {
    let known = functions.known(runs).into_iter();
    known.map(|(key, known)| (key, Figure::of(known))).collect()
}

impl Figure {
    fn of(known: Known) -> Figure {
        let pair = |summary: Summary| [summary.mean, summary.deviation];
        Figure {
            share: pair(known.share).map(|fraction| fraction * 100.0),
            cpu: known.cpu.map(pair),
            wall: known.wall.map(pair),
            cpu_of_unit: known.cpu_of_unit.map(pair),
            wall_of_unit: known.wall_of_unit.map(pair),
        }
    }

    fn known(&self, runs: usize) -> Known {
        let summary = |[mean, deviation]: Pair| Summary {
            mean,
            deviation,
            runs,
        };
        Known {
            share: summary(self.share.map(|percent| percent / 100.0)),
            cpu: self.cpu.map(summary),
            wall: self.wall.map(summary),
            cpu_of_unit: self.cpu_of_unit.map(summary),
            wall_of_unit: self.wall_of_unit.map(summary),
        }
    }

    fn pairs(&self) -> impl Iterator<Item = (&'static str, Pair)> {
        [
            ("share", Some(self.share)),
            ("cpu", self.cpu),
            ("wall", self.wall),
            ("cpu_of_unit", self.cpu_of_unit),
            ("wall_of_unit", self.wall_of_unit),
        ]
        .into_iter()
        .filter_map(|(name, pair)| Some((name, pair?)))
    }

    fn is_sane(&self) -> bool {
        self.pairs().all(|(_, pair)| {
            pair.iter()
                .all(|number| number.is_finite() && *number >= 0.0)
        })
    }

    fn to_toml(&self) -> String {
        let part = |(name, [mean, deviation]): (&str, Pair)| {
            format!("{name} = [{}, {}]", rounded(mean), rounded(deviation))
        };
        let parts: Vec<_> = self.pairs().map(part).collect();
        format!("{{ {} }}", parts.join(", "))
    }
}

/// Keeps four significant digits: more would change with every run.
fn rounded(number: f64) -> String {
    if number == 0.0 || !number.is_finite() {
        return "0.0".into();
    }
    let digits = (3 - number.abs().log10().floor() as i32).clamp(1, 12);
    format!("{number:.*}", digits as usize)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn baseline(share: Pair, cpu: Pair) -> Baseline {
        let figure = Figure {
            share,
            cpu: Some(cpu),
            ..Figure::default()
        };
        Baseline {
            program: "bench.py".into(),
            conditions: Conditions {
                python: "3.11.7".into(),
                mode: "work".into(),
                rate: 200,
                machine: "2 x Fast".into(),
            },
            runs: 10,
            figures: BTreeMap::from([("get_name in view".to_owned(), figure.clone())]),
            functions: BTreeMap::from([
                ("app/views.py view".to_owned(), figure.clone()),
                ("app/views.py A.get".to_owned(), figure.clone()),
                ("app/views.py B.get".to_owned(), figure),
            ]),
        }
    }

    fn rules(texts: &[&str]) -> Vec<Rule> {
        texts
            .iter()
            .map(|text| text.parse().expect("a rule"))
            .collect()
    }

    #[test]
    fn a_file_reads_well_and_back() {
        let text = baseline([12.3456, 0.4321], [0.123_456, 0.001]).to_toml();
        let line = "\"app/views.py view\" = { share = [12.35, 0.4321], cpu = [0.1235, 0.001000] }";
        assert!(text.lines().any(|it| it == line), "{text}");
        let read = Baseline::from_toml(&text).expect("reads");
        assert_eq!(read.to_toml(), text);
    }

    #[test]
    fn a_rule_finds_its_own_figure_or_the_one_function_that_it_means() {
        let baseline = baseline([10.0, 1.0], [0.5, 0.1]);
        let here = baseline.conditions.clone();
        let known = |text: &str| baseline.known(&rules(&[text]), &here);
        let of_view = known("get_name in view < +5%").expect("known")[0].expect("a figure");
        assert_eq!(
            of_view.cpu,
            Some(Summary {
                mean: 0.5,
                deviation: 0.1,
                runs: 10
            })
        );
        assert!(known("view < +5%").is_ok() && known("A.get < +5%").is_ok());
        for unknown in [
            "get < +5%",
            "self view < +5%",
            "other < +5%",
            "get_name < +1points",
        ] {
            let error = known(unknown).expect_err(unknown);
            assert!(matches!(error, BaselineError::Unknown(_)), "{error}");
        }
        // A rule that needs no baseline has no figure.
        assert_eq!(known("other < 5%").expect("no need")[0], None);
    }

    #[test]
    fn the_innermost_function_that_took_more_is_named() {
        use crate::check::written::profile;
        const MAIN: &str = "main|/srv/app/main.py|1";
        const WORK: &str = "work|/srv/app/main.py|5";
        const REST: &str = "rest|/srv/app/main.py|9";
        let functions = |work| {
            let mut functions = Functions::default();
            functions.add(&profile(&[(&[MAIN, WORK][..], work), (&[MAIN, REST], 50)]));
            functions
        };
        let conditions = Conditions::default();
        let before = Baseline::of(String::new(), conditions, &[], &[], &functions(20));
        // No run was given, so there is no mean to take.
        assert_eq!(before.functions.len(), 0);
        let before = Baseline {
            functions: figures_of(&functions(20), 1),
            ..before
        };
        let grown = |work| before.grown_most(&functions(work), 1);
        assert_eq!(grown(40).as_deref(), Some("app.main.work"));
        assert_eq!(grown(20), None);
    }

    #[test]
    fn seconds_of_another_machine_are_refused_and_shares_are_not() {
        let baseline = baseline([10.0, 1.0], [0.5, 0.1]);
        let mut elsewhere = baseline.conditions.clone();
        elsewhere.machine = "64 x Slow".into();
        let known = baseline.known(&rules(&["view < +1points"]), &elsewhere);
        assert_eq!(known.expect("shares do")[0].expect("known").cpu, None);
        let error = baseline.known(&rules(&["view < +5%"]), &elsewhere);
        assert!(matches!(error, Err(BaselineError::OtherMachine { .. })));
    }

    #[test]
    fn what_is_no_baseline_says_so() {
        let good = baseline([1.0, 0.1], [1.0, 0.1]).to_toml();
        for (text, part) in [
            (String::new(), "missing field"),
            ("format = 2".into(), "format is 2"),
            (
                good.replace("share = [1.000", "share = [-1.0"),
                "less than none",
            ),
            (good.replace("share", "sharp"), "unknown field"),
            (good.replace("rate = 200", "rate = \"x\""), "rate"),
        ] {
            let error = Baseline::from_toml(&text).expect_err(part).to_string();
            assert!(error.contains(part), "{error}");
        }
    }

    proptest! {
        #[test]
        fn any_text_is_a_baseline_or_an_error(text in "[a-z0-9=\\[\\]\"{}\\n. ,]{0,200}") {
            let _ = Baseline::from_toml(&text);
        }

        #[test]
        fn figures_keep_four_digits(mean in 0.0f64..1e6, deviation in 0.0f64..1e3) {
            let text = baseline([mean, deviation], [mean, deviation]).to_toml();
            let read = Baseline::from_toml(&text).expect("reads");
            let figure = &read.functions["app/views.py view"];
            prop_assert!((figure.share[0] - mean).abs() <= mean * 1e-3 + 1e-12);
            prop_assert_eq!(read.to_toml(), text);
        }
    }
}
