//! What was found in a profile, and what it costs.

use rustc_hash::{FxHashMap, FxHashSet};

use super::call_site::CallSite;
use super::matcher::{Match, Matcher};
use super::source::{self, Sources};
use crate::frameworks::{Called, Mistake, Rule};
use crate::model::{FrameId, Interner, LabelSetId, StackId, TargetStr};
use crate::profile::{Profile, Values};

/// The label of a loop whose current item is what is asked about, and how many items it has.
pub(super) const LOOP: &str = "loop";

/// What costs less than this part of the time is not told.
const LEAST_SHARE: f64 = 0.01;

/// Labels that tell under what a mistake was made, the most telling first.
const CONTEXTS: [&str; 6] = ["route", "task", "test", "command", "template", "serializer"];

/// For 95 % certainty (the normal distribution's quantile of 0.975).
const Z: f64 = 1.959_964;

/// A mistake at one place.
#[derive(Clone, Debug)]
pub struct Finding {
    pub rule: &'static Rule,
    pub site: CallSite,
    /// What happens, to what, and the remedy, each once. That which costs most comes first.
    pub causes: Vec<Cause>,
    /// The samples that show it.
    pub values: Values,
    /// How many samples prove it by themselves.
    pub proofs: u64,
    /// The part of all samples' time that it takes, from 0 to 1, and the interval in which that lies with a
    /// certainty of 95 %, as far as chance goes.
    pub share: f64,
    pub share_interval: (f64, f64),
    /// The seconds of all samples.
    pub all_seconds: f64,
    /// The most items that a loop was seen to have; rounded down to two digits.
    pub items: Option<u64>,
    /// The stacks that show it, each with its frame at the place of the call.
    pub stacks: Vec<(StackId, FrameId)>,
    /// Under what it was made: key and value of labels, those with the most time of each key.
    pub contexts: Vec<(&'static str, TargetStr)>,
}

/// One thing that happens at the place of a finding.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Cause {
    pub verb: &'static str,
    pub subject: Option<TargetStr>,
    pub remedy: &'static str,
}

impl Finding {
    /// The seconds that it takes.
    #[must_use]
    pub fn seconds(&self) -> f64 {
        self.values.wall.as_secs_f64()
    }

    /// The interval in which the seconds lie with a certainty of 95 %, as far as chance goes.
    #[must_use]
    pub fn seconds_interval(&self) -> (f64, f64) {
        let (low, high) = self.share_interval;
        (low * self.all_seconds, high * self.all_seconds)
    }
}

/// All mistakes that a profile proves, those that cost most first. `sources` gives the program's source files.
#[must_use]
pub fn find(profile: &Profile, sources: &mut dyn Sources) -> Vec<Finding> {
    let interner = &profile.interner;
    let mut matcher = Matcher::new(interner);
    let mut groups: FxHashMap<(&'static str, CallSite), Group> = FxHashMap::default();
    let mut all = Values::default();
    for entry in profile.entries() {
        let values = entry.values();
        if values.unproven > 0 || values.count == 0 {
            continue;
        }
        all += values;
        let Some(found) = matcher.find(entry.stack(), entry.labels()) else {
            continue;
        };
        let site = CallSite::of(found.site, interner);
        let group = groups.entry((found.rule.id, site)).or_default();
        group.stacks.insert((entry.stack(), found.site));
        group.add(&found, values, entry.labels(), interner);
    }
    let mut findings: Vec<Finding> = groups
        .into_iter()
        .filter_map(|((_, site), group)| group.finding(site, all, sources))
        .collect();
    findings.sort_by(|a, b| {
        let cost = b.values.wall.cmp(&a.values.wall);
        cost.then_with(|| a.site.line.cmp(&b.site.line))
    });
    findings
}

/// The samples of one rule at one place.
#[derive(Default)]
struct Group {
    rule: Option<&'static Rule>,
    called: Option<Called>,
    values: Values,
    proofs: u64,
    items: Option<u64>,
    stacks: FxHashSet<(StackId, FrameId)>,
    causes: Vec<(Cause, Values, u64)>,
    contexts: FxHashMap<(&'static str, TargetStr), Values>,
}

impl Group {
    fn add(&mut self, found: &Match, values: Values, labels: LabelSetId, interner: &Interner) {
        self.rule = Some(found.rule);
        self.called = Some(found.mistake.called);
        self.values += values;
        let label = |key: &str| label(labels, key, interner);
        let in_loop = label(LOOP);
        let is_proof = !found.mistake.labels.contains(&LOOP) || in_loop.is_some();
        let proofs = if is_proof { values.count } else { 0 };
        self.proofs += proofs;
        let items = in_loop.and_then(|items| items.untrusted().parse().ok());
        self.items = self.items.max(items);
        let cause = cause(found.mistake, found.mistake.subject.and_then(label));
        match self.causes.iter_mut().find(|(known, ..)| *known == cause) {
            Some((_, sum, proven)) => {
                *sum += values;
                *proven += proofs;
            }
            None => self.causes.push((cause, values, proofs)),
        }
        for key in CONTEXTS {
            if let Some(value) = label(key) {
                *self.contexts.entry((key, value.clone())).or_default() += values;
            }
        }
    }

    fn finding(self, site: CallSite, all: Values, sources: &mut dyn Sources) -> Option<Finding> {
        let rule = self.rule?;
        let share = self.values.count as f64 / all.count.max(1) as f64;
        let is_dear = self.values.wall.as_secs_f64() >= LEAST_SHARE * all.wall.as_secs_f64();
        if self.proofs < rule.least_samples || !is_dear {
            return None;
        }
        let text = sources.text(&site.file);
        if let Some(text) = &text
            && source::is_silenced(text, site.line, rule.id)
        {
            return None;
        }
        let is_used_so = match self.called? {
            Called::Anyhow | Called::Directly => true,
            Called::ForTruth => source::is_for_truth_only(text.as_deref()?, site.line),
            Called::ForLength => source::is_for_length_only(text.as_deref()?, site.line),
        };
        if !is_used_so {
            return None;
        }
        let mut causes = self.causes;
        // What was not proven by itself may be something else.
        causes.retain(|(_, _, proofs)| *proofs > 0);
        causes.sort_by_key(|(_, values, _)| std::cmp::Reverse(values.wall));
        let mut contexts: Vec<_> = self.contexts.into_iter().collect();
        contexts.sort_by_key(|(_, values)| std::cmp::Reverse(values.wall));
        let of_key = |key: &'static str| {
            let found = contexts.iter().find(|((of, _), _)| *of == key)?;
            Some((key, found.0.1.clone()))
        };
        Some(Finding {
            rule,
            site,
            causes: causes.into_iter().map(|(cause, ..)| cause).collect(),
            values: self.values,
            proofs: self.proofs,
            share: self.values.wall.as_secs_f64() / all.wall.as_secs_f64().max(f64::MIN_POSITIVE),
            share_interval: interval(share, all.count),
            all_seconds: all.wall.as_secs_f64(),
            items: self.items,
            stacks: self.stacks.into_iter().collect(),
            contexts: CONTEXTS.into_iter().filter_map(of_key).collect(),
        })
    }
}

fn cause(mistake: &Mistake, subject: Option<&TargetStr>) -> Cause {
    Cause {
        verb: mistake.verb,
        subject: subject.cloned(),
        remedy: mistake.remedy,
    }
}

fn label<'a>(labels: LabelSetId, key: &str, interner: &'a Interner) -> Option<&'a TargetStr> {
    let mut labels = interner.labels(labels).iter();
    let found = labels.find(|label| interner.text(label.key).untrusted() == key)?;
    Some(interner.text(found.value))
}

/// Wilson's interval of a share that was counted in so many samples.
fn interval(share: f64, samples: u64) -> (f64, f64) {
    let n = samples.max(1) as f64;
    let middle = share + Z * Z / (2.0 * n);
    let spread = Z * (share * (1.0 - share) / n + Z * Z / (4.0 * n * n)).sqrt();
    let scale = 1.0 + Z * Z / n;
    (
        ((middle - spread) / scale).max(0.0),
        ((middle + spread) / scale).min(1.0),
    )
}
