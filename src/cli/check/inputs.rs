//! The inputs of a check: rules, baselines, profiles.

use std::fs::File;
use std::io::Read;
use std::path::Path;

use anyhow::{Context, anyhow};

use super::failure::{Failure, WithCode};
use crate::check::{self, Baseline, Rule, Source};
use crate::cli::args::Check;
use crate::cli::{exit, words};
use crate::profile::Profile;

/// The file of rules if none is named.
const RULES_FILE: &str = "spyhole.toml";

/// The most bytes that are read of a file of rules or a baseline.
const LONGEST_TEXT: u64 = 16 << 20;

/// The rules that are asked for; `compares` tells whether there is something to compare with.
pub fn rules(arguments: &Check, compares: bool) -> Result<Vec<Rule>, Failure> {
    let mut rules = Vec::new();
    if let Some(file) = named_or_found(arguments) {
        let shown = file.display();
        let text = text(file)
            .with_context(|| format!("the rules cannot be read from '{shown}'"))
            .code(exit::BAD_RULES)?;
        rules = check::parse_rules(&text)
            .with_context(|| format!("the rules in '{shown}' are not understood"))
            .code(exit::BAD_RULES)?;
    }
    for text in &arguments.rule {
        let rule = text
            .parse::<Rule>()
            .with_context(|| format!("the rule '{text}' is not understood"));
        rules.push(rule.code(exit::BAD_RULES)?);
    }
    if arguments.labels.no_labels
        && let Some(rule) = rules.iter().find(|rule| rule.is_about_mistakes())
    {
        return Err(anyhow!(
            "the rule '{}' would hold whatever the program does: mistakes are proven by labels, \
             which --no-labels leaves out",
            rule.text
        ))
        .code(exit::USAGE);
    }
    if compares && !rules.iter().any(Rule::needs_baseline) {
        // Naming something to compare with asks whether this version is slower.
        rules.push("total < +5%".parse::<Rule>().code(exit::BAD_RULES)?);
    }
    if rules.is_empty() && arguments.save.is_none() {
        return Err(anyhow!(
            "there is nothing to judge by: give a rule such as -e 'get_name < 5%', a file of rules \
             with --rules, or something to compare with, such as --against DIR (spyhole check --help)"
        ))
        .code(exit::BAD_RULES);
    }
    if !compares {
        if arguments.save.is_some() {
            // These rules are measured now, and judged once there is something to compare with.
            return Ok(rules);
        }
        if let Some(rule) = rules.iter().find(|rule| rule.needs_baseline()) {
            return Err(anyhow!(
                "the rule '{}' compares with what was before: say with what, by --against DIR, \
                 --baseline FILE or --against-profile FILE",
                rule.text
            ))
            .code(exit::BAD_BASELINE);
        }
    }
    Ok(rules)
}

fn named_or_found(arguments: &Check) -> Option<&Path> {
    let found = Path::new(RULES_FILE);
    match &arguments.rules {
        Some(file) => Some(file),
        None => (arguments.rule.is_empty() && found.is_file()).then_some(found),
    }
}

/// The file of the rules, for reports.
pub fn rules_file(arguments: &Check, source: &Source) -> Option<String> {
    source.below_root(named_or_found(arguments)?.to_str()?)
}

pub fn baseline(file: &Path) -> Result<Baseline, Failure> {
    let shown = file.display();
    let text = text(file)
        .with_context(|| {
            format!(
                "the baseline '{shown}' cannot be read; `spyhole check --save '{shown}'` makes one"
            )
        })
        .code(exit::BAD_BASELINE)?;
    Baseline::from_toml(&text)
        .with_context(|| format!("the baseline '{shown}' cannot be used"))
        .code(exit::BAD_BASELINE)
}

/// Reads a recording; `allow_failed` tells whether the program may have failed.
pub fn profile(file: &Path, allow_failed: bool) -> Result<Profile, Failure> {
    let shown = file.display();
    let read = || -> Result<Profile, anyhow::Error> {
        let file = File::open(file)?;
        Ok(crate::profile::file::read(file)?)
    };
    let profile = read()
        .with_context(|| format!("the profile '{shown}' cannot be read"))
        .code(exit::BAD_BASELINE)?;
    match profile.recording.ending {
        Some(ending) if ending.exit_code() != Some(0) && !allow_failed => Err(anyhow!(
            "'{shown}' is of a program that ended {}, so what was recorded of it says nothing; --allow-failed \
             judges it all the same",
            words::ending(ending)
        ))
        .code(exit::PROGRAM_FAILED),
        _ => Ok(profile),
    }
}

/// What the figures are compared with, for the reader.
pub fn against(arguments: &Check) -> Option<String> {
    let shown = |path: &Path| path.display().to_string();
    if let Some(setup) = &arguments.against_setup {
        return Some(setup.clone());
    }
    if !arguments.against_profile.is_empty() {
        let files = arguments.against_profile.iter();
        return Some(files.map(|file| shown(file)).collect::<Vec<_>>().join(", "));
    }
    let path = arguments
        .against
        .as_deref()
        .or(arguments.baseline.as_deref())?;
    Some(shown(path))
}

fn text(file: &Path) -> Result<String, anyhow::Error> {
    let file = File::open(file)?;
    if file.metadata()?.is_dir() {
        return Err(anyhow!("it is a directory"));
    }
    let mut text = String::new();
    file.take(LONGEST_TEXT).read_to_string(&mut text)?;
    Ok(text)
}
