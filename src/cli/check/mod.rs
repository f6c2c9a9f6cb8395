//! `spyhole check`: records or reads profiles, has them judged, and reports.

mod failure;
mod inputs;
mod reports;
mod workload;

use std::path::PathBuf;
use std::time::{Duration, Instant};

use super::args::{self, Check};
use super::{exit, target, terminal, words};
use crate::check::{
    Baseline, Conditions, Estimate, Evidence, InterimAnalyses, Judgement, Outcome, Rule,
    SIGNIFICANCE, Setting, Source, Verdict, Version, figure,
};
use crate::output;
use crate::record::Recorder;
use failure::{Failure, WithCode};
use workload::Workload;

/// The first analysis of two versions. With fewer pairs no difference would be significant.
const FIRST_OF_PAIRS: usize = 10;
/// The first analysis of one version.
const FIRST_OF_ONE: usize = 3;

/// Repeats if no number is asked for.
const PAIRS: usize = 80;
const REPEATS: usize = 10;

/// After this many repeats, a name that no sample shows is taken to be wrong.
const NAMES_KNOWN: usize = 2;

/// Recording goes on for at most this many times the repeats that showed a broken rule, to find out where
/// it is broken.
const PATIENCE: usize = 4;

/// Checks, and returns the exit code.
pub fn run(arguments: &Check) -> u8 {
    match check(arguments) {
        Ok(code) => code,
        Err(failure) => {
            terminal::complain(&failure.error);
            failure.code
        }
    }
}

fn check(arguments: &Check) -> Result<u8, Failure> {
    let compares = arguments.against.is_some()
        || arguments.against_setup.is_some()
        || arguments.baseline.is_some()
        || !arguments.against_profile.is_empty();
    let rules = inputs::rules(arguments, compares)?;
    let baseline = arguments
        .baseline
        .as_deref()
        .map(inputs::baseline)
        .transpose()?;
    let recorder = Recorder::following_signals(
        args::options(&arguments.sampling, &arguments.keeping, &arguments.labels),
        words::give_up,
    )
    .code(exit::FAILED)?;
    let outputs = reports::Outputs::check(arguments, &recorder)?;

    let gathered = match arguments.profile.is_empty() {
        true => Gathering::new(arguments, &recorder, rules)?.gather(baseline.as_ref())?,
        false => gather_files(arguments, rules, baseline.as_ref())?,
    };
    let Gathered {
        evidence,
        judgements,
        seconds,
        source,
        program,
    } = gathered;
    evidence.check_names()?;
    let judgements = judgements.unwrap_or_else(|| evidence.judge(SIGNIFICANCE));
    if arguments.save.is_some() {
        outputs.save(&evidence.to_baseline(program.clone()).to_toml(), &recorder)?;
    }
    let mut findings = evidence.findings(&judgements, &source);
    if !compares {
        // Rules that need a baseline are only measured now, to be saved and judged later.
        let mut rules = evidence.rules().iter();
        findings.retain(|_| rules.next().is_some_and(|rule| !rule.needs_baseline()));
    }
    let setting = Setting {
        against: inputs::against(arguments),
        rules: inputs::rules_file(arguments, &source),
        program,
        seconds,
        ..setting(&evidence)
    };
    let mut outcome = Outcome::of(findings, setting);
    outcome.notes.extend(evidence.notes());
    if baseline.is_some() && evidence.rules().iter().any(Rule::compares_seconds) {
        outcome.notes.push(
            "the baseline's seconds were measured another time, when the machine may have been faster \
             or slower; --against measures both versions now"
                .to_owned(),
        );
    }
    outputs.flamegraphs(&evidence, &mut outcome, &recorder)?;
    outputs.report(&outcome, &recorder)?;
    Ok(match outcome.verdict {
        Verdict::Failed => exit::RULE_BROKEN,
        Verdict::Inconclusive if arguments.strict => exit::UNDECIDED,
        Verdict::Inconclusive | Verdict::Passed => 0,
    })
}

/// The evidence, recorded or read from files.
struct Gathered {
    evidence: Evidence,
    /// The judgements of the last analysis, if there were interim analyses.
    judgements: Option<Vec<Judgement>>,
    seconds: f64,
    source: Source,
    program: String,
}

fn setting(evidence: &Evidence) -> Setting {
    let conditions = evidence.conditions().cloned().unwrap_or_default();
    Setting {
        python: conditions.python,
        mode: conditions.mode,
        rate: conditions.rate,
        runs: evidence.count(Version::After),
        runs_before: evidence.count(Version::Before),
        samples: evidence.samples(),
        confidence: 100.0 * (1.0 - 2.0 * SIGNIFICANCE),
        ..Setting::default()
    }
}

/// Reads recordings from files.
fn gather_files(
    arguments: &Check,
    rules: Vec<Rule>,
    baseline: Option<&Baseline>,
) -> Result<Gathered, Failure> {
    let mut evidence = Evidence::new(rules, false);
    let mut program = String::new();
    let mut seconds = 0.0;
    for (version, files) in [
        (Version::After, &arguments.profile),
        (Version::Before, &arguments.against_profile),
    ] {
        for file in files {
            let profile = inputs::profile(file, arguments.allow_failed)?;
            seconds += profile.recording.duration.as_secs_f64();
            if version == Version::After {
                program = output::program(&profile.recording.command);
            }
            let conditions = Conditions::of(&profile.recording);
            evidence.add(version, profile, conditions, arguments.units)?;
        }
    }
    if let Some(baseline) = baseline {
        evidence.set_baseline(baseline)?;
    }
    Ok(Gathered {
        evidence,
        judgements: None,
        seconds,
        source: Source::of(here()?),
        program,
    })
}

fn here() -> Result<PathBuf, Failure> {
    std::env::current_dir()
        .map_err(|error| anyhow::anyhow!("the current directory is not known: {error}"))
        .code(exit::FAILED)
}

/// Makes recordings, one after another, until the verdict is certain.
struct Gathering<'a> {
    arguments: &'a Check,
    workload: Workload<'a>,
    evidence: Evidence,
    interim: InterimAnalyses,
    most: usize,
    begun: Instant,
    /// Seconds recorded so far.
    seconds: f64,
    program: String,
}

impl<'a> Gathering<'a> {
    fn new(
        arguments: &'a Check,
        recorder: &'a Recorder,
        rules: Vec<Rule>,
    ) -> Result<Gathering<'a>, Failure> {
        let here = here()?;
        let workload = match arguments.running.wanted() {
            Some(wanted) => {
                let choice = target::choose(&wanted, None).code(exit::FAILED)?;
                Workload::running(arguments, recorder, choice)
            }
            None => Workload::program(arguments, recorder, &here)?,
        };
        let pairs = workload.has_before();
        let most = match arguments.repeats {
            Some(repeats) => repeats as usize,
            None if pairs => PAIRS,
            None if workload.is_program() => REPEATS,
            None => 1,
        };
        let first = if pairs { FIRST_OF_PAIRS } else { FIRST_OF_ONE };
        Ok(Gathering {
            arguments,
            evidence: Evidence::new(rules, pairs),
            workload,
            interim: InterimAnalyses::new(most, first, SIGNIFICANCE),
            most,
            begun: Instant::now(),
            seconds: 0.0,
            program: String::new(),
        })
    }

    fn gather(mut self, baseline: Option<&Baseline>) -> Result<Gathered, Failure> {
        self.announce();
        if self.workload.has_before() {
            self.warm_up()?;
        }
        let mut judgements: Option<Vec<Judgement>> = None;
        let mut broken_at = None;
        let source = self.workload.source();
        for repeat in 1..=self.most {
            for version in self.workload.order(repeat) {
                self.record(repeat, version, judgements.as_deref())?;
            }
            if let (1, Some(baseline)) = (repeat, baseline) {
                // Called after the first recording, so that an unsuitable baseline is reported before all
                // others are made.
                self.evidence.set_baseline(baseline)?;
            }
            if repeat == NAMES_KNOWN {
                self.evidence.check_names()?;
            }
            let over = repeat == self.most || self.is_late(repeat);
            if let Some(error) = self.interim.due(repeat, over) {
                // Once a rule is broken, the verdict stands. Until then all rules must be settled.
                let found = match judgements {
                    Some(found) if is_broken(&found) => found,
                    _ => self.evidence.judge(error),
                };
                let certain = match is_broken(&found) {
                    true => {
                        let since = *broken_at.get_or_insert(repeat);
                        repeat >= since * PATIENCE || self.evidence.knows_where(&found, &source)
                    }
                    false => found.iter().all(Judgement::is_settled),
                };
                if !over && !certain {
                    self.tell(repeat, &found);
                }
                judgements = Some(found);
                // Figures that are saved need all repeats.
                if over || certain && self.arguments.save.is_none() {
                    break;
                }
            }
        }
        Ok(Gathered {
            source,
            evidence: self.evidence,
            judgements,
            seconds: self.seconds,
            program: self.program,
        })
    }

    /// Says what is about to be checked, and how often it will be recorded.
    fn announce(&self) {
        let rules = self.evidence.rules().len();
        let what = match rules {
            0 => "Measuring".to_owned(),
            1 => "Checking 1 rule on".to_owned(),
            _ => format!("Checking {rules} rules on"),
        };
        let times = match (self.most, self.workload.has_before()) {
            (1, false) => "once".to_owned(),
            (1, true) => "once in each version".to_owned(),
            (most, false) => format!("at most {most} times"),
            (most, true) => format!("at most {most} times in each version"),
        };
        terminal::say(format_args!(
            "{what} {}, recorded {times}, {} times a second",
            self.workload.name(),
            self.workload.rate()
        ));
    }

    /// Runs each version once before recording, so that no recording includes the compilation of modules,
    /// and a program that does not work is noticed at once.
    fn warm_up(&mut self) -> Result<(), Failure> {
        for version in [Version::Before, Version::After] {
            let prefix = format!("warming up ({}), ", version.name());
            self.workload.record(version, 0, &prefix)?;
        }
        Ok(())
    }

    fn record(
        &mut self,
        repeat: usize,
        version: Version,
        so_far: Option<&[Judgement]>,
    ) -> Result<(), Failure> {
        let mut prefix = format!("repeat {repeat} of {}", self.most);
        if self.workload.has_before() {
            prefix += &format!(" ({})", version.name());
        }
        if let Some(so_far) = so_far.and_then(|so_far| least_certain(self.evidence.rules(), so_far))
        {
            prefix += &format!(", {so_far}");
        }
        prefix += ", ";
        let recorded = self.workload.record(version, repeat, &prefix)?;
        self.seconds += recorded.profile.recording.duration.as_secs_f64();
        if self.program.is_empty() {
            self.program = output::program(&recorded.profile.recording.command);
        }
        let conditions = Conditions::here(&recorded.profile.recording);
        self.evidence
            .add(version, recorded.profile, conditions, recorded.units)?;
        Ok(())
    }

    /// Whether another repeat would end after the time limit.
    fn is_late(&self, repeats: usize) -> bool {
        let Some(most) = self.arguments.max_time else {
            return false;
        };
        let elapsed = self.begun.elapsed();
        let each = elapsed / u32::try_from(repeats).unwrap_or(u32::MAX);
        elapsed + each > most
    }

    /// Reports the progress of the verdict after an interim analysis.
    fn tell(&self, repeat: usize, found: &[Judgement]) {
        let so_far = match is_broken(found) {
            true => Some("a rule is broken, and it is not clear yet where".to_owned()),
            false => least_certain(self.evidence.rules(), found)
                .map(|so_far| format!("{so_far}, not certain yet")),
        };
        let Some(so_far) = so_far else {
            return;
        };
        let each = self.begun.elapsed() / u32::try_from(repeat).unwrap_or(u32::MAX);
        let rest = each * u32::try_from(self.most - repeat).unwrap_or(u32::MAX);
        terminal::say(format_args!(
            "After {repeat} of {} repeats: {so_far}; {} more at most",
            self.most,
            about(rest)
        ));
    }
}

fn is_broken(judgements: &[Judgement]) -> bool {
    judgements.iter().any(|it| it.verdict == Verdict::Failed)
}

/// The first rule that is not decided, with its figure.
fn least_certain(rules: &[Rule], judgements: &[Judgement]) -> Option<String> {
    let mut all = rules.iter().zip(judgements);
    let (rule, judgement) = all.find(|(_, it)| it.verdict == Verdict::Inconclusive)?;
    let known: &Estimate = judgement.change.as_ref().or(judgement.after.as_ref())?;
    Some(format!("{} {}", rule.what, figure(known)))
}

/// `40 s`, `5 min`
fn about(time: Duration) -> String {
    match time.as_secs() {
        seconds @ 0..100 => format!("{seconds} s"),
        seconds => format!("{} min", seconds.div_ceil(60)),
    }
}
