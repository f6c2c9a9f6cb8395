//! The recordings that a check has made so far, of the version that is judged and of the version before.

use super::baseline::{Baseline, BaselineError};
use super::compare::{self, Before};
use super::conditions::Conditions;
use super::culprit::{self, Culprit, Recorded, Source};
use super::finding;
use super::functions::Functions;
use super::judge::{self, Judgement, Lack};
use super::matcher::Shown;
use super::measure::Known;
use super::names::{self, Unseen};
use super::outcome::{Finding, Verdict};
use super::rule::{Clock, Demand, Limit, Rule, Selector};
use super::run::Run;
use crate::model::Ticks;
use crate::profile::Profile;

/// A single recording is cut into this many pieces, to estimate the variance of its own figures.
const PIECES: usize = 12;

/// The largest part, from 0 to 1, that may be unseen where a verdict is given.
const MOST_UNSEEN: f64 = 0.05;

/// A run with less than this fraction of the samples or CPU time of the other version's run did something
/// else.
const FAR_BELOW: f64 = 0.25;

/// Which version a recording is of.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Version {
    Before,
    /// The version that is judged.
    After,
}

impl Version {
    /// The name to show to the user.
    #[must_use]
    pub fn name(self) -> &'static str {
        match self {
            Version::Before => "before",
            Version::After => "after",
        }
    }
}

/// All recordings of one version.
#[derive(Debug, Default)]
struct Recordings {
    runs: Vec<Run>,
    /// All recordings merged. If there is only one, it is kept unchanged.
    together: Option<Profile>,
    functions: Functions,
    conditions: Option<Conditions>,
    /// The tick counts of all recordings together.
    ticks: Ticks,
}

impl Recordings {
    /// The fraction of ticks that failed, from 0 to 1.
    fn failed(&self) -> f64 {
        self.ticks.lost as f64 / self.ticks.expected.max(1) as f64
    }

    /// Mean samples and seconds per run.
    fn of_a_run(&self) -> (f64, f64) {
        let runs = self.runs.len().max(1) as f64;
        let samples: u64 = self.runs.iter().map(|run| run.all.samples).sum();
        let seconds: f64 = self.runs.iter().map(|run| run.whole.cpu).sum();
        (samples as f64 / runs, seconds / runs)
    }

    fn recorded(&self, clock: Clock) -> Option<Recorded<'_>> {
        Some(Recorded {
            profile: self.together.as_ref()?,
            // What slows a whole run slows each of its functions alike.
            scale: compare::undisturbed_part(&self.runs, clock) / self.runs.len() as f64,
        })
    }
}

/// The recordings of both versions, and the rules to judge them by.
#[derive(Debug)]
pub struct Evidence {
    rules: Vec<Rule>,
    after: Recordings,
    before: Recordings,
    /// Whether the runs of the two versions were made in turn.
    in_turn: bool,
    baseline: Option<(Baseline, Vec<Option<Known>>)>,
}

/// Why recordings cannot be judged together.
#[derive(thiserror::Error, Debug)]
pub enum EvidenceError {
    #[error("{0}: such recordings cannot be compared")]
    Differ(String),
    #[error(transparent)]
    Baseline(#[from] BaselineError),
    /// A limit on something that no sample shows would pass whatever the program does.
    #[error("{}", sentences(.0))]
    Unseen(Vec<Unseen>),
}

fn percent(part: f64) -> u32 {
    (100.0 * part).round() as u32
}

fn sentences(unseen: &[Unseen]) -> String {
    let sentences: Vec<_> = unseen.iter().map(Unseen::to_string).collect();
    format!(
        "{}. Is it misspelt, or was there no time to see it? A rule with `never` may be about what is not there",
        sentences.join(". ")
    )
}

impl Evidence {
    /// `in_turn` tells whether each run of one version will be paired with a run of the other.
    #[must_use]
    pub fn new(rules: Vec<Rule>, in_turn: bool) -> Evidence {
        Evidence {
            rules,
            after: Recordings::default(),
            before: Recordings::default(),
            in_turn,
            baseline: None,
        }
    }

    #[must_use]
    pub fn rules(&self) -> &[Rule] {
        &self.rules
    }

    /// Adds a recording; `units` is the units of work that were done in it, if they are counted.
    ///
    /// # Errors
    /// When its conditions differ from those of earlier recordings.
    pub fn add(
        &mut self,
        version: Version,
        profile: Profile,
        conditions: Conditions,
        units: Option<f64>,
    ) -> Result<(), EvidenceError> {
        for (known_version, other) in [
            (Version::After, &self.after),
            (Version::Before, &self.before),
        ] {
            let Some(known) = &other.conditions else {
                continue;
            };
            // The message compares the version after with the version before, whichever was added first.
            let compared = match (version, known_version) {
                (Version::Before, Version::After) => known.compare(&conditions),
                _ => conditions.compare(known),
            };
            compared.map_err(EvidenceError::Differ)?;
        }
        let recordings = match version {
            Version::After => &mut self.after,
            Version::Before => &mut self.before,
        };
        recordings.conditions.get_or_insert(conditions);
        recordings.runs.push(Run::of(&profile, &self.rules, units));
        recordings.functions.add(&profile);
        recordings.ticks += profile.recording.ticks;
        match &mut recordings.together {
            Some(together) => together.absorb_repeat(&profile),
            None => recordings.together = Some(profile),
        }
        Ok(())
    }

    /// Compares with a baseline.
    ///
    /// # Errors
    /// When the baseline lacks a figure that a rule needs, or was measured under other conditions.
    pub fn set_baseline(&mut self, baseline: &Baseline) -> Result<(), EvidenceError> {
        if let Some(conditions) = &self.after.conditions {
            conditions
                .compare(&baseline.conditions)
                .map_err(EvidenceError::Differ)?;
            let known = baseline.known(&self.rules, conditions)?;
            self.baseline = Some((baseline.clone(), known));
        }
        Ok(())
    }

    /// The figures, to be compared with later.
    #[must_use]
    pub fn to_baseline(&self, program: String) -> Baseline {
        let conditions = self.after.conditions.clone().unwrap_or_default();
        let Recordings {
            runs, functions, ..
        } = &self.after;
        Baseline::of(program, conditions, &self.rules, runs, functions)
    }

    /// The number of recordings of a version.
    #[must_use]
    pub fn count(&self, version: Version) -> usize {
        self.of(version).runs.len()
    }

    /// All recordings of a version, merged.
    #[must_use]
    pub fn together(&self, version: Version) -> Option<&Profile> {
        self.of(version).together.as_ref()
    }

    #[must_use]
    pub fn conditions(&self) -> Option<&Conditions> {
        self.after.conditions.as_ref()
    }

    /// Samples of both versions together.
    #[must_use]
    pub fn samples(&self) -> u64 {
        let all = self.after.runs.iter().chain(&self.before.runs);
        all.map(|run| run.all.samples).sum()
    }

    /// Judges what has been recorded; `error` is the probability of an error on either side.
    #[must_use]
    pub fn judge(&self, error: f64) -> Vec<Judgement> {
        // A single recording is cut into pieces, whose differences give its intervals.
        let (after, before) = match self.in_turn {
            true => (None, None),
            false => (self.pieces(Version::After), self.pieces(Version::Before)),
        };
        let runs = after.as_deref().unwrap_or(&self.after.runs);
        let before = before.as_deref().unwrap_or(&self.before.runs);
        let before = match &self.baseline {
            Some((_, known)) => Before::Known(known),
            None if before.is_empty() => Before::Nothing,
            None if self.in_turn => Before::InTurn(before),
            None => Before::Apart(before),
        };
        let mut judgements = judge::judge(&self.rules, runs, before, error);
        let failed = self.after.failed().max(self.before.failed());
        for (rule, judgement) in self.rules.iter().zip(&mut judgements) {
            if failed > MOST_UNSEEN {
                judgement.doubt(rule.demand, percent(failed));
            }
            let hidden = self.seconds_hidden_from(rule);
            if hidden > MOST_UNSEEN && judgement.verdict == Verdict::Passed {
                judgement.doubt(rule.demand, percent(hidden));
            }
        }
        if after.is_some() {
            for judgement in &mut judgements {
                if let Some(Lack::Runs(pieces)) = judgement.lacks {
                    judgement.lacks = Some(Lack::Longer(pieces.div_ceil(PIECES)));
                }
            }
        }
        judgements
    }

    /// The part of the rule's seconds, from 0 to 1, that was not seen because the sampler itself did not
    /// get a CPU. Any function may have run in that time, so shares are not affected.
    fn seconds_hidden_from(&self, rule: &Rule) -> f64 {
        let now = self.after.ticks.gap_share();
        match rule.limit() {
            Some(Limit::Seconds { .. }) => now,
            // If both versions miss equally much, the difference is right.
            Some(Limit::Growth { .. } | Limit::MoreSeconds { .. }) => {
                now - self.before.ticks.gap_share()
            }
            Some(Limit::Share(_) | Limit::MoreShare(_)) | None => 0.0,
        }
    }

    /// Checks the names in the rules: each rule with a limit must be about something that a sample of
    /// either version, or the baseline, shows.
    ///
    /// # Errors
    /// For each rule that is not, the names that are spelt alike. Rules with `never` or `always` are
    /// exempt: for them, not being seen is an answer.
    pub fn check_names(&self) -> Result<(), EvidenceError> {
        let mut all = Vec::new();
        for (index, rule) in self.rules.iter().enumerate() {
            let known = self
                .baseline
                .as_ref()
                .and_then(|(_, known)| known.get(index)?.as_ref());
            if rule.limit().is_none() || known.is_some_and(|known| known.share.mean > 0.0) {
                continue;
            }
            all.extend(names::unseen(rule, self.shown(index), &self.profiles()));
        }
        match all.is_empty() {
            true => Ok(()),
            false => Err(EvidenceError::Unseen(all)),
        }
    }

    fn shown(&self, index: usize) -> Shown {
        let runs = self.after.runs.iter().chain(&self.before.runs);
        let shown = runs.filter_map(|run| run.shown.get(index));
        let none = Shown {
            item: false,
            within: false,
        };
        shown.fold(none, |all, shown| all.or(*shown))
    }

    fn profiles(&self) -> Vec<&Profile> {
        let both = [&self.after, &self.before].into_iter();
        both.filter_map(|it| it.together.as_ref()).collect()
    }

    /// What readers should know of the recordings before they trust the verdicts.
    #[must_use]
    pub fn notes(&self) -> Vec<String> {
        let mut notes = Vec::new();
        for rule in &self.rules {
            let is_never = matches!(rule.demand, Demand::Never);
            if is_never && !names::is_met(rule, &self.profiles()) {
                notes.push(format!(
                    "the rule '{}' is about what is in no code that was seen: a name that is misspelt would look \
                     the same",
                    rule.text
                ));
            }
        }
        if self.before.runs.is_empty() || self.after.runs.is_empty() {
            return notes;
        }
        let (before, after) = (self.before.of_a_run(), self.after.of_a_run());
        for (what, before, after) in [
            ("has so few samples", before.0, after.0),
            ("takes so little CPU time", before.1, after.1),
        ] {
            let (less, more, version) = match after < before {
                true => (after, before, "after"),
                false => (before, after, "before"),
            };
            if less < more * FAR_BELOW {
                notes.push(format!(
                    "a run of the version {version} {what} beside the other ({:.1} %) that it may not have done \
                     its work",
                    100.0 * less / more
                ));
            }
        }
        notes
    }

    fn pieces(&self, version: Version) -> Option<Vec<Run>> {
        let recordings = self.of(version);
        let [run] = &recordings.runs[..] else {
            return None;
        };
        let together = recordings.together.as_ref()?;
        Run::pieces(together, &self.rules, run.units, PIECES)
    }

    /// Words the result of each rule, with where to look. `source` tells where the program's own files
    /// are.
    #[must_use]
    pub fn findings(&self, judgements: &[Judgement], source: &Source) -> Vec<Finding> {
        let of = |(rule, judgement): (&Rule, &Judgement)| {
            let culprit = match judgement.verdict {
                Verdict::Passed => None,
                Verdict::Failed | Verdict::Inconclusive => self.culprit(rule, source),
            };
            finding::compose(rule, judgement, culprit)
        };
        self.rules.iter().zip(judgements).map(of).collect()
    }

    /// Whether the function to blame is clear for each failed rule, or cannot become clearer.
    #[must_use]
    pub fn knows_where(&self, judgements: &[Judgement], source: &Source) -> bool {
        let mut broken = self
            .rules
            .iter()
            .zip(judgements)
            .filter(|(_, judgement)| judgement.verdict == Verdict::Failed);
        broken.all(|(rule, _)| {
            let culprit = self.culprit(rule, source);
            culprit.is_none_or(|culprit| culprit.is_clear)
        })
    }

    fn culprit(&self, rule: &Rule, source: &Source) -> Option<Culprit> {
        let limit = rule.limit();
        let clock = limit
            .and_then(|limit| limit.amount())
            .map_or(Clock::Wall, |amount| amount.clock);
        let grows = limit.is_some_and(|limit| limit.needs_baseline());
        let after = self.after.recorded(clock)?;
        let before = self.before.recorded(clock).filter(|_| grows);
        let mut what = rule.what.clone();
        if before.is_none() && what.item.is_none() {
            // For the program as a whole there is no one to blame, unless the baseline has a figure for
            // each function.
            let (baseline, _) = self.baseline.as_ref()?;
            let name = baseline.grown_most(&self.after.functions, self.after.runs.len())?;
            what = Selector::of_function(&name)?;
        }
        culprit::find(before, after, &what, clock, source)
    }

    fn of(&self, version: Version) -> &Recordings {
        match version {
            Version::Before => &self.before,
            Version::After => &self.after,
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::check::written::{profile, profile_with_idle};
    use crate::model::Nanos;

    const MAIN: &str = "main|/srv/app/main.py|1";
    const LEAF: &str = "leaf|/srv/app/main.py|9";
    const BEAT: &str = "beat|/srv/app/main.py|19";

    fn evidence(rule: &str, after: Vec<Profile>, before: Vec<Profile>) -> Evidence {
        let mut evidence = Evidence::new(vec![rule.parse().expect("a rule")], false);
        for (version, profiles) in [(Version::After, after), (Version::Before, before)] {
            for profile in profiles {
                let conditions = Conditions::of(&profile.recording);
                evidence
                    .add(version, profile, conditions, None)
                    .expect("alike");
            }
        }
        evidence
    }

    fn judged(rule: &str, after: Vec<Profile>) -> Judgement {
        evidence(rule, after, Vec::new())
            .judge(judge::SIGNIFICANCE)
            .remove(0)
    }

    fn share(judgement: &Judgement) -> f64 {
        judgement.after.expect("measured").value
    }

    #[test]
    fn a_share_is_of_what_was_counted_and_not_of_the_time_that_passed() {
        // A server that is idle for eleven twelfths of the recording, and then spins.
        let idles = || profile_with_idle(&[(&[MAIN][..], 3, 0), (&[MAIN, LEAF], 400, 4400)]);
        let failed = judged("leaf < 50%", vec![idles()]);
        assert!(
            (share(&failed) - 100.0 * 400.0 / 403.0).abs() < 1e-6,
            "{failed:?}"
        );
        assert_eq!(failed.verdict, Verdict::Failed, "{failed:?}");
        // A beat in every pause, and two bursts of work.
        let mut stacks: Vec<(&[&str], u64, u64)> = Vec::new();
        for burst in 0..24 {
            stacks.push((&[MAIN, BEAT][..], 5, 50));
            if burst % 12 == 5 {
                stacks.push((&[MAIN, LEAF][..], 440, 0));
            }
        }
        let beats = judged("beat < 40%", vec![profile_with_idle(&stacks)]);
        assert!((share(&beats) - 12.0).abs() < 1e-6, "{beats:?}");
        assert_ne!(beats.verdict, Verdict::Failed, "{beats:?}");
    }

    #[test]
    fn a_long_run_weighs_more_than_a_short_one() {
        let run = |leaf, rest| profile(&[(&[MAIN, LEAF][..], leaf), (&[MAIN], rest)]);
        let judgement = judged("leaf < 30%", vec![run(100, 900), run(50, 50), run(10, 90)]);
        assert!(
            (share(&judgement) - 100.0 * 160.0 / 1200.0).abs() < 1e-6,
            "{judgement:?}"
        );
    }

    #[test]
    fn a_name_that_nothing_shows_is_an_error_and_one_that_is_gone_is_said_so() {
        let with = || profile(&[(&[MAIN, LEAF][..], 100), (&[MAIN], 200)]);
        let without = || profile(&[(&[MAIN][..], 300)]);
        let unknown = evidence("laef < 5%", vec![with()], vec![with()]);
        let error = unknown
            .check_names()
            .expect_err("nothing is called so")
            .to_string();
        assert!(
            error.contains("'laef'") && error.contains("'leaf'"),
            "{error}"
        );
        let scope = evidence("leaf in get_view < 5%", vec![with()], Vec::new());
        assert!(scope.check_names().is_err());
        for rule in [
            "never deepcopy",
            "always deepcopy",
            "total < 5s",
            "leaf in main < 5%",
        ] {
            assert!(
                evidence(rule, vec![with()], Vec::new())
                    .check_names()
                    .is_ok(),
                "{rule}"
            );
        }
        for rule in ["leaf < +5%", "leaf < +5points", "leaf < 50%"] {
            let gone = evidence(rule, vec![without(), without()], vec![with(), with()]);
            assert!(gone.check_names().is_ok());
            let judgement = gone.judge(judge::SIGNIFICANCE).remove(0);
            assert_eq!(judgement.verdict, Verdict::Inconclusive, "{rule}");
            assert_eq!(judgement.lacks, Some(Lack::Gone), "{rule}");
        }
        let notes = evidence("never deepcopy", vec![with()], Vec::new()).notes();
        assert!(notes[0].contains("misspelt"), "{notes:?}");
        assert!(
            evidence("never leaf", vec![with()], Vec::new())
                .notes()
                .is_empty()
        );
    }

    /// A run with this many samples that show the leaf, and this many that do not.
    fn run(leaf: u64, rest: u64) -> Profile {
        profile(&[(&[MAIN, LEAF][..], leaf), (&[MAIN][..], rest)])
    }

    fn in_turn(rule: &str, after: Vec<Profile>, before: Vec<Profile>) -> Evidence {
        Evidence {
            in_turn: true,
            ..evidence(rule, after, before)
        }
    }

    #[test]
    fn what_is_gone_is_told_in_turn_and_against_a_baseline_too() {
        let before = || (0..12).map(|_| run(30, 70)).collect::<Vec<_>>();
        let after = || (0..12).map(|_| run(0, 100)).collect::<Vec<_>>();
        let rule = "leaf < +2points";
        let known = evidence(rule, before(), Vec::new()).to_baseline("main.py".into());
        let mut against = evidence(rule, after(), Vec::new());
        against.set_baseline(&known).expect("a baseline of it");
        for evidence in [against, in_turn(rule, after(), before())] {
            assert!(evidence.check_names().is_ok());
            let judgement = evidence.judge(judge::SIGNIFICANCE).remove(0);
            assert_eq!(judgement.verdict, Verdict::Inconclusive);
            assert_eq!(judgement.lacks, Some(Lack::Gone));
        }
    }

    #[test]
    fn runs_of_different_length_count_as_much_as_they_did() {
        // 50 % of short runs and 10 % of long ones: 14 % overall, not 30 %.
        let runs = |leaf: u64| -> Vec<Profile> {
            let pairs = (0..12).flat_map(|_| [run(50, 50), run(leaf, 900 - leaf)]);
            pairs.collect()
        };
        let judgement = judged("leaf < 25%", runs(90));
        assert!((share(&judgement) - 14.0).abs() < 1e-6, "{judgement:?}");
        assert_eq!(judgement.verdict, Verdict::Passed);
        let rule = "leaf < +2points";
        for evidence in [
            in_turn(rule, runs(180), runs(90)),
            evidence(rule, runs(180), runs(90)),
        ] {
            let judgement = evidence.judge(judge::SIGNIFICANCE).remove(0);
            let before = judgement.before.expect("measured").value;
            assert!((before - 14.0).abs() < 1e-6, "{judgement:?}");
            assert!((share(&judgement) - 23.0).abs() < 1e-6, "{judgement:?}");
            let change = judgement.change.expect("compared").value;
            assert!((change - 9.0).abs() < 0.5, "{judgement:?}");
        }
    }

    #[test]
    fn nothing_is_no_pass() {
        let none = || vec![run(0, 0), run(0, 0)];
        let some = || vec![run(10, 90), run(10, 90)];
        for rule in [
            "leaf < 5%",
            "leaf < 5s",
            "leaf < +5%",
            "never leaf",
            "total < +5%",
        ] {
            for evidence in [
                evidence(rule, Vec::new(), Vec::new()),
                evidence(rule, none(), none()),
                evidence(rule, none(), some()),
                in_turn(rule, none(), none()),
                in_turn(rule, none(), some()),
            ] {
                let judgement = evidence.judge(judge::SIGNIFICANCE).remove(0);
                assert_eq!(judgement.verdict, Verdict::Inconclusive, "{rule}");
            }
        }
    }

    #[test]
    fn nothing_is_said_where_many_looks_failed() {
        let recorded = |lost| {
            let turn = [(&[MAIN, LEAF][..], 3), (&[MAIN][..], 7)];
            let mut profile = profile(&turn.repeat(100));
            profile.recording.ticks = Ticks {
                expected: 1000 + lost,
                sampled: 1000,
                lost,
                ..Ticks::default()
            };
            profile
        };
        for (rule, lost, verdict) in [
            ("leaf < 90%", 10, Verdict::Passed),
            ("leaf < 90%", 200, Verdict::Inconclusive),
            ("never copy", 200, Verdict::Inconclusive),
            ("never leaf", 200, Verdict::Failed),
            ("always leaf", 200, Verdict::Passed),
        ] {
            let judgement = judged(rule, vec![recorded(lost)]);
            assert_eq!(judgement.verdict, verdict, "{rule} {lost}: {judgement:?}");
        }
    }

    #[test]
    fn time_at_which_nobody_looked_hides_seconds_and_no_shares() {
        let recorded = |part: u64| {
            let turn = [(&[MAIN, LEAF][..], 3), (&[MAIN][..], 7)];
            let mut profile = profile(&turn.repeat(100));
            profile.recording.ticks.open_time = Nanos(100);
            profile.recording.ticks.gap_time = Nanos(part);
            profile
        };
        for (rule, part, verdict) in [
            ("leaf < 90%", 20, Verdict::Passed),
            ("never copy", 20, Verdict::Passed),
            ("leaf < 90s", 3, Verdict::Passed),
            ("leaf < 90s", 20, Verdict::Inconclusive),
            ("leaf < 1s", 20, Verdict::Failed),
        ] {
            let judgement = judged(rule, vec![recorded(part)]);
            assert_eq!(judgement.verdict, verdict, "{rule} {part}: {judgement:?}");
        }
        let compared = |after, before| {
            let runs = |part| (0..12).map(|_| recorded(part)).collect();
            let evidence = in_turn("total < +5%", runs(after), runs(before));
            evidence.judge(judge::SIGNIFICANCE).remove(0).verdict
        };
        assert_eq!(compared(12, 11), Verdict::Passed);
        assert_eq!(compared(20, 2), Verdict::Inconclusive);
    }

    #[test]
    fn a_version_that_did_next_to_nothing_is_told() {
        let run = |samples| profile(&[(&[MAIN, LEAF][..], samples)]);
        let notes = evidence(
            "total < +5%",
            vec![run(20), run(20)],
            vec![run(2000), run(2000)],
        )
        .notes();
        assert!(
            notes.iter().any(|it| it.contains("version after")),
            "{notes:?}"
        );
        let alike = evidence("total < +5%", vec![run(900)], vec![run(1000)]).notes();
        assert!(alike.is_empty(), "{alike:?}");
    }

    #[test]
    fn of_two_recordings_that_differ_the_older_is_what_it_was() {
        let of_rate = |rate| {
            let mut profile = profile(&[(&[MAIN][..], 100)]);
            profile.recording.rate = rate;
            profile
        };
        let mut evidence = Evidence::new(Vec::new(), false);
        let mut add = |version, profile: Profile| {
            let conditions = Conditions::of(&profile.recording);
            evidence.add(version, profile, conditions, None)
        };
        add(Version::After, of_rate(200)).expect("the first");
        let error = add(Version::Before, of_rate(100))
            .expect_err("they differ")
            .to_string();
        assert!(error.contains("is 200, and was 100"), "{error}");
    }

    /// A fixed sequence of pseudo-random numbers.
    struct Chance(u64);

    impl Chance {
        fn next(&mut self) -> f64 {
            self.0 = self
                .0
                .wrapping_mul(6_364_136_223_846_793_005)
                .wrapping_add(1_442_695_040_888_963_407);
            (self.0 >> 33) as f64 / (1u64 << 31) as f64
        }
    }

    #[test]
    fn the_interval_of_a_single_recording_covers_the_truth_as_often_as_it_says() {
        const RECORDINGS: u64 = 300;
        // Requests come in bursts. Each is of one of two kinds, of which the leaf takes 10 or 50 %.
        const TRUTH: f64 = 30.0;
        let mut covered = 0;
        for seed in 0..RECORDINGS {
            let mut chance = Chance(seed);
            let mut stacks: Vec<(&[&str], u64, u64)> = Vec::new();
            for _ in 0..60 {
                let idle = if chance.next() < 0.2 { 300 } else { 2 };
                let leaf = if chance.next() < 0.5 { 4 } else { 20 };
                stacks.push((&[MAIN, LEAF][..], leaf, idle));
                stacks.push((&[MAIN][..], 40 - leaf, 0));
            }
            let rule = vec!["leaf < 50%".parse().expect("a rule")];
            let mut evidence = Evidence::new(rule, false);
            let profile = profile_with_idle(&stacks);
            let conditions = Conditions::of(&profile.recording);
            evidence
                .add(Version::After, profile, conditions, None)
                .expect("the first");
            let after = evidence.judge(0.025).remove(0).after.expect("measured");
            covered += u64::from(after.low <= TRUTH && TRUTH <= after.high);
        }
        // 95 % are promised; 300 recordings measure that to within 1.3 points.
        assert!(
            covered * 100 >= RECORDINGS * 91,
            "{covered} of {RECORDINGS}"
        );
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(48))]
        #[test]
        fn a_share_is_the_ratio_of_the_sums(
            bursts in prop::collection::vec((0u64..60, 1u64..60, 0u64..500), 1..30),
        ) {
            let mut stacks: Vec<(&[&str], u64, u64)> = Vec::new();
            for &(leaf, rest, idle) in &bursts {
                stacks.push((&[MAIN, LEAF][..], leaf, idle));
                stacks.push((&[MAIN][..], rest, 0));
            }
            let leaf: u64 = bursts.iter().map(|it| it.0).sum();
            let rest: u64 = bursts.iter().map(|it| it.1).sum();
            let expected = 100.0 * leaf as f64 / (leaf + rest) as f64;
            let judgement = judged("leaf < 50%", vec![profile_with_idle(&stacks)]);
            prop_assert!((share(&judgement) - expected).abs() < 1e-4, "{expected} {judgement:?}");
        }
    }
}
