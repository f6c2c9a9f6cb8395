use proptest::prelude::*;

use super::*;
use crate::check::judge::{self, Judgement, Lack};
use crate::check::outcome::Verdict;
use crate::check::written::{profile, profile_with_idle};
use crate::model::{Nanos, Ticks};

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
