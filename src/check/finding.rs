//! Puts the result of a rule into words.

use super::culprit::Culprit;
use super::judge::{Judgement, Lack};
use super::outcome::{Estimate, Finding, Unit, Verdict};
use super::report::{figure, place};
use super::rule::{Clock, Demand, Limit, Rule};

/// What the reader is told about a rule.
#[must_use]
pub fn compose(rule: &Rule, judgement: &Judgement, culprit: Option<Culprit>) -> Finding {
    let message = Words {
        rule,
        judgement,
        culprit: culprit.as_ref(),
    }
    .message();
    let notes = notes(rule, judgement);
    let (place, way) = match culprit {
        Some(culprit) => (Some(culprit.place), culprit.way),
        None => (None, Vec::new()),
    };
    Finding {
        rule: rule.text.clone(),
        name: rule.name.clone(),
        reason: rule.reason.clone(),
        verdict: judgement.verdict,
        message,
        before: judgement.before,
        after: judgement.after,
        change: judgement.change,
        values: judgement.values.clone(),
        values_before: judgement.values_before.clone(),
        place,
        way,
        notes,
    }
}

struct Words<'a> {
    rule: &'a Rule,
    judgement: &'a Judgement,
    culprit: Option<&'a Culprit>,
}

impl Words<'_> {
    fn message(&self) -> String {
        match self.rule.demand {
            Demand::Never => self.seen("which no sample may show"),
            Demand::Always => self.seen("which some sample must show"),
            Demand::Below(limit) if limit.needs_baseline() => self.grown(limit),
            Demand::Below(limit) => self.takes(limit),
        }
    }

    /// What the rule is about, in the user's own words.
    fn what(&self) -> String {
        match self.rule.what.item {
            None => "the whole program".into(),
            Some(_) => self.rule.what.to_string(),
        }
    }

    fn seen(&self, demand: &str) -> String {
        let what = self.what();
        let seen = match self.judgement.samples {
            0 => format!("no sample shows {what}, {demand}"),
            1 => format!("one sample shows {what}, {demand}"),
            samples => format!("{samples} samples show {what}, {demand}"),
        };
        format!("{seen}{}", self.blame())
    }

    fn takes(&self, limit: Limit) -> String {
        if self.judgement.lacks == Some(Lack::Gone) {
            return format!("no sample shows {}", self.what());
        }
        let Some(after) = &self.judgement.after else {
            return format!("{} was not measured", self.what());
        };
        let allowed = match limit {
            Limit::Share(share) => plain(share * 100.0, Unit::Percent),
            Limit::Seconds { seconds, .. } => plain(seconds, after.unit),
            _ => String::new(),
        };
        format!(
            "{} takes {}{}, and may take less than {allowed}{}",
            self.what(),
            plain(after.value, after.unit),
            of_what(limit),
            self.blame()
        )
    }

    fn grown(&self, limit: Limit) -> String {
        let judgement = self.judgement;
        if judgement.lacks == Some(Lack::Gone) {
            return format!("no sample shows {}, which was there before", self.what());
        }
        let (Some(before), Some(after), Some(change)) =
            (&judgement.before, &judgement.after, &judgement.change)
        else {
            return format!("{} could not be compared", self.what());
        };
        let allowed = match limit {
            Limit::Growth { fraction, .. } => plain(fraction * 100.0, Unit::PercentChange),
            Limit::MoreSeconds { seconds, .. } => plain(seconds, after.unit),
            Limit::MoreShare(share) => plain(share * 100.0, Unit::Points),
            Limit::Share(_) | Limit::Seconds { .. } => String::new(),
        };
        let changed = match change.unit {
            Unit::PercentChange if !change.value.is_finite() => "new".to_owned(),
            unit => plain(change.value, unit),
        };
        format!(
            "{} takes {}{}, where it took {}: {changed}, and may grow by less than {allowed}{}",
            self.what(),
            plain(after.value, after.unit),
            of_what(limit),
            plain(before.value, before.unit),
            self.blame()
        )
    }

    /// Where to look.
    fn blame(&self) -> String {
        let Some(culprit) = self.culprit else {
            return String::new();
        };
        let within = match culprit.way.first().filter(|view| **view != culprit.place) {
            Some(view) => format!(", within {}", place(view)),
            None => String::new(),
        };
        let caller = place(&culprit.place);
        match (self.rule.demand, &culprit.callee) {
            // A rule with `never` or `always` is about the callee.
            (Demand::Never | Demand::Always, Some(callee)) => format!(
                "; most of them at {}:{}, called from {caller}{within}",
                callee.file, callee.line
            ),
            (Demand::Never | Demand::Always, None) => format!("; most of them in {caller}{within}"),
            (_, _) if !culprit.is_clear => {
                format!("; it is not clear where below {caller}{within}")
            }
            (_, Some(callee)) => format!(
                "; most of it by {} called from {caller}{within}",
                place(callee)
            ),
            (_, None) => format!("; most of it in {caller}{within}"),
        }
    }
}

/// The words after a figure that say what it is a part of.
fn of_what(limit: Limit) -> &'static str {
    let Some(amount) = limit.amount() else {
        return " of the time";
    };
    match (amount.clock, amount.per_unit) {
        (Clock::Cpu, false) => " of CPU a run",
        (Clock::Wall, false) => " a run",
        (Clock::Cpu, true) => " of CPU",
        (Clock::Wall, true) => "",
    }
}

/// A figure without its interval.
fn plain(value: f64, unit: Unit) -> String {
    figure(&Estimate {
        value,
        low: value,
        high: value,
        unit,
    })
}

fn notes(rule: &Rule, judgement: &Judgement) -> Vec<String> {
    let mut notes = Vec::new();
    if judgement.only_share_grew {
        notes.push(match judgement.verdict {
            Verdict::Failed => "its share grew, too".to_owned(),
            _ => {
                "only its share grew, not its seconds: what else there is became faster".to_owned()
            }
        });
    }
    if let Demand::Below(Limit::MoreShare(_)) = rule.demand
        && judgement.verdict == Verdict::Failed
        && !judgement.seconds_known
    {
        notes.push(
            "it is a share that grew; seconds were not compared, so it may be that all else became \
             faster: --against compares seconds"
                .to_owned(),
        );
    }
    notes.extend(judgement.lacks.map(|lack| match lack {
        Lack::Runs(runs) => format!("some {runs} repeats would probably decide: --repeats {runs}"),
        Lack::Longer(times) => {
            format!("a recording {times} times as long, or several, would probably decide")
        }
        Lack::Samples(samples) => format!(
            "{samples} samples are needed before anything is said: record for longer, or look more often (-r)"
        ),
        Lack::Distance => {
            "it is so near to its limit that no number of repeats decides; move the limit".to_owned()
        }
        Lack::Baseline => "there is nothing of before to compare with".to_owned(),
        Lack::Gone => "it was there before and no sample shows it now: gone; renamed or removed?".to_owned(),
        Lack::Unseen(percent) => format!(
            "{percent} % of what was to be seen of the runs was not: looks failed, or nobody looked. Nothing is \
             said before that is mended"
        ),
        Lack::Labels => {
            "labels were not read of all that was recorded, and few mistakes are proven without them: record \
             without --no-labels, by spyhole's own engine"
                .to_owned()
        }
        Lack::Units => {
            "the workload did not tell how many units of work it did: --units or --units-from".to_owned()
        }
    }));
    notes
}
