use super::*;
use crate::check::matcher::Shown;
use crate::check::measure::Known;
use crate::check::run::Seen;

/// A run of one second, in which the rule's function takes these seconds of CPU and wall time.
fn run(seconds: f64, rest: f64) -> Run {
    let seen = |seconds: f64| Seen {
        samples: (seconds * 100.0) as u64,
        wall: seconds,
        cpu: seconds,
    };
    Run {
        all: seen(seconds + rest),
        whole: seen(seconds + rest),
        figures: vec![seen(seconds)],
        units: Some(10.0),
        extent: 1.0,
        shown: vec![Shown::ALL],
        labels_read: true,
    }
}

/// Runs that differ a little, by a fixed pattern.
fn runs(seconds: f64, rest: f64, count: usize) -> Vec<Run> {
    (0..count)
        .map(|index| {
            let noise = 1.0 + 0.01 * ((index * 7 % 5) as f64 - 2.0);
            run(seconds * noise, rest * (2.0 - noise))
        })
        .collect()
}

fn one(rule: &str, now: &[Run], before: Before<'_>) -> Judgement {
    let rules = [rule.parse::<Rule>().expect("a rule")];
    judge(&rules, now, before, SIGNIFICANCE).remove(0)
}

#[test]
fn a_share_is_judged_by_its_whole_interval() {
    let now = runs(0.2, 0.8, 10);
    let of = |rule| one(rule, &now, Before::Nothing);
    assert_eq!(of("f < 30%").verdict, Verdict::Passed);
    assert_eq!(of("f < 15%").verdict, Verdict::Failed);
    let near = of("f < 20%");
    assert_eq!(near.verdict, Verdict::Inconclusive);
    assert!(near.lacks.is_some());
    let after = near.after.expect("measured");
    assert!(after.low < 20.0 && after.high > 20.0 && (after.value - 20.0).abs() < 0.5);
}

#[test]
fn seconds_are_of_a_run_or_of_a_unit() {
    let now = runs(0.2, 0.8, 10);
    let of = |rule| one(rule, &now, Before::Nothing).verdict;
    assert_eq!(of("f < 0.3s"), Verdict::Passed);
    assert_eq!(of("f < 100ms"), Verdict::Failed);
    assert_eq!(of("f < 30ms/unit"), Verdict::Passed);
    assert_eq!(of("f < 10ms/unit"), Verdict::Failed);
    let mut uncounted = now.clone();
    uncounted[3].units = None;
    let judgement = one("f < 10ms/unit", &uncounted, Before::Nothing);
    assert_eq!(judgement.lacks, Some(Lack::Units));
}

#[test]
fn nothing_is_said_of_too_few_samples() {
    let now = runs(0.02, 0.08, 5);
    let none = runs(0.0, 0.1, 5);
    for (rule, runs) in [
        ("f < 90%", &now),
        ("f < 1%", &now),
        ("never f", &none),
        ("always f", &none),
    ] {
        let judgement = one(rule, runs, Before::Nothing);
        assert_eq!(judgement.verdict, Verdict::Inconclusive, "{rule}");
        assert!(matches!(judgement.lacks, Some(Lack::Samples(_))), "{rule}");
    }
}

#[test]
fn what_is_seen_decides_at_once_and_what_is_not_takes_samples() {
    let with = runs(0.05, 1.0, 3);
    let without = runs(0.0, 1.0, 3);
    assert_eq!(
        one("never f", &with, Before::Nothing).verdict,
        Verdict::Failed
    );
    assert_eq!(
        one("never f", &without, Before::Nothing).verdict,
        Verdict::Passed
    );
    assert_eq!(
        one("always f", &with, Before::Nothing).verdict,
        Verdict::Passed
    );
    let missed = one("always f", &without[..2], Before::Nothing);
    assert_eq!(
        missed.verdict,
        Verdict::Inconclusive,
        "200 samples may miss it"
    );
    let missed = one("always f", &runs(0.0, 1.0, 4), Before::Nothing);
    assert_eq!(missed.verdict, Verdict::Failed);
}

#[test]
fn growth_is_judged_between_runs_of_one_block() {
    let before = runs(1.0, 1.0, 12);
    let slower: Vec<_> = before
        .iter()
        .map(|it| run(it.figures[0].cpu * 1.1, 1.0))
        .collect();
    let of = |rule, now: &[Run]| one(rule, now, Before::InTurn(&before));
    let failed = of("f < +5%", &slower);
    assert_eq!(failed.verdict, Verdict::Failed);
    let change = failed.change.expect("compared");
    assert!(
        (change.value - 10.0).abs() < 0.1 && change.low > 5.0,
        "{change:?}"
    );
    assert_eq!(of("f < +20%", &slower).verdict, Verdict::Passed);
    assert_eq!(of("f < +50ms", &slower).verdict, Verdict::Failed);
    assert_eq!(of("f < +200ms", &slower).verdict, Verdict::Passed);
    assert_eq!(of("f < +5%", &before).verdict, Verdict::Passed);
    // There are too few blocks to tell, however large the difference is.
    let few = one("f < +5%", &slower[..5], Before::InTurn(&before[..5]));
    assert_eq!(
        (few.verdict, few.lacks),
        (Verdict::Inconclusive, Some(Lack::Runs(10)))
    );
}

#[test]
fn a_share_that_grew_since_the_rest_became_faster_fails_no_rule() {
    let before = runs(0.2, 0.8, 12);
    let faster_elsewhere = runs(0.2, 0.4, 12);
    let of = |rule| one(rule, &faster_elsewhere, Before::InTurn(&before));
    for rule in ["f < +5%", "f < +10ms", "f < +2points"] {
        let judgement = of(rule);
        assert_eq!(judgement.verdict, Verdict::Passed, "{rule}");
        assert!(judgement.only_share_grew, "{rule}");
    }
    // If it takes more seconds, too, the rule fails.
    let slower = runs(0.3, 0.8, 12);
    let judgement = one("f < +2points", &slower, Before::InTurn(&before));
    assert_eq!(
        (judgement.verdict, judgement.only_share_grew),
        (Verdict::Failed, false)
    );
}

#[test]
fn a_baseline_is_compared_with_as_far_as_it_goes() {
    let known = Known::from_runs(&runs(0.2, 0.8, 10), 0);
    let shares_only = Known {
        share: known.share,
        ..Known::default()
    };
    let slower = runs(0.3, 0.8, 10);
    let of = |rule, known| one(rule, &slower, Before::Known(&[Some(known)]));
    assert_eq!(of("f < +5%", known).verdict, Verdict::Failed);
    assert_eq!(of("f < +5%", shares_only).lacks, Some(Lack::Baseline));
    let judgement = of("f < +2points", shares_only);
    assert_eq!(
        (judgement.verdict, judgement.seconds_known),
        (Verdict::Failed, false)
    );
    assert_eq!(of("f < +2points", known).verdict, Verdict::Failed);
    assert!(of("f < +2points", known).seconds_known);
}

#[test]
fn a_busy_moment_of_the_machine_changes_little() {
    // Every third run of either version is slowed, never both runs of one repeat.
    let spoilt = |seconds: f64, offset: usize| -> Vec<Run> {
        let slow = |index: usize| {
            if (index + offset).is_multiple_of(3) {
                1.8
            } else {
                1.0
            }
        };
        (0..40)
            .map(|index| run(seconds * slow(index), slow(index)))
            .collect()
    };
    let before = spoilt(1.0, 0);
    let of = |now: &[Run], rule| one(rule, now, Before::InTurn(&before));
    let same = of(&spoilt(1.0, 1), "f < +5%");
    assert_eq!(same.verdict, Verdict::Passed);
    let slower = of(&spoilt(1.1, 1), "f < +5%");
    assert_eq!(slower.verdict, Verdict::Failed);
    let change = slower.change.expect("compared");
    assert!((change.value - 10.0).abs() < 0.1, "{change:?}");
}

#[test]
fn more_rules_make_each_more_careful() {
    let now = runs(0.2, 0.8, 10);
    let rule = || "f < 50%".parse::<Rule>().expect("a rule");
    let width = |rules: &[Rule]| {
        let mut now = now.clone();
        for run in &mut now {
            run.figures = vec![run.figures[0]; rules.len()];
        }
        let after = judge(rules, &now, Before::Nothing, SIGNIFICANCE)[0]
            .after
            .expect("measured");
        after.high - after.low
    };
    let (one, ten) = (vec![rule()], vec![rule(); 10]);
    assert!(width(&ten) > 1.2 * width(&one));
}

#[test]
fn that_no_mistake_was_found_means_nothing_where_no_labels_were_read() {
    let with = [run(0.0, 100.0)];
    let without = [Run {
        labels_read: false,
        ..run(0.0, 100.0)
    }];
    let rule = "never insight:*";
    assert_eq!(one(rule, &with, Before::Nothing).verdict, Verdict::Passed);
    let judged = one(rule, &without, Before::Nothing);
    assert_eq!(judged.verdict, Verdict::Inconclusive);
    assert_eq!(judged.lacks, Some(Lack::Labels));
    assert_eq!(
        one("never f", &without, Before::Nothing).verdict,
        Verdict::Passed
    );
}
