//! Finds the processes that the user's words mean.

use std::ffi::{OsStr, OsString};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use anyhow::anyhow;
use clap::Parser;
use regex::Regex;

use super::args::{Cli, Command, Running, Subject};
use super::{ps, terminal};
use crate::model::Pid;
use crate::survey::{self, Choice, FindError, PickError, Survey, Wanted};

impl Running {
    /// What the options name, if anything.
    pub fn wanted(&self) -> Option<Wanted> {
        if !self.pid.is_empty() {
            return Some(Wanted::Pids(self.pid.clone()));
        }
        self.port
            .map(Wanted::Port)
            .or_else(|| self.name.clone().map(Wanted::Name))
            .or_else(|| self.container.clone().map(Wanted::Container))
    }

    /// What the options name, or else what a word means: a process id, or a part of a command line.
    pub fn wanted_or(&self, word: Option<&str>) -> Option<Wanted> {
        let Some(word) = word else {
            return self.wanted();
        };
        match word.parse() {
            Ok(number) if number > 0 => Some(Wanted::Pids(vec![Pid(number)])),
            _ => Some(Wanted::Name(Regex::new(&regex::escape(word)).ok()?)),
        }
    }
}

/// Finds the processes, and shows the notes on the choice. `word` is given if it could also have been the
/// name of a program.
///
/// # Errors
/// When no process, or no single one, is meant. The error lists the candidates.
pub fn choose(wanted: &Wanted, word: Option<&str>) -> Result<Choice, anyhow::Error> {
    let choice = survey::find(wanted).map_err(|error| match error {
        FindError::Pick(error) => {
            // The survey lists the candidates.
            let error = explain(&error, &Survey::take());
            match word {
                Some(word) => anyhow!("there is no program {word:?} to start, and {error}"),
                None => error,
            }
        }
        FindError::Open { pid, source } => super::explain::opening(pid, &source),
    })?;
    for note in &choice.notes {
        terminal::say(note);
    }
    Ok(choice)
}

/// Parses the command line again, with its first plain word as the name of a running process, if it is
/// not the name of a program: `spyhole record runserver -o trace.svg`. `None` if `--` says that a program
/// is meant, or if more plain words follow.
#[must_use]
pub fn as_word(subject: &Subject) -> Option<Command> {
    let word = subject.program.first().filter(|word| !is_program(word))?;
    let mut words: Vec<_> = std::env::args_os().collect();
    if words.iter().any(|word| word == "--") {
        return None;
    }
    let at = words.len().checked_sub(subject.program.len())?;
    let mut named = OsString::from("--name=");
    named.push(regex::escape(word.to_str()?));
    *words.get_mut(at)? = named;
    let mut command = Cli::try_parse_from(words).ok()?.command;
    let subject = match &mut command {
        Command::Record(record) => &mut record.subject,
        Command::Top(top) => &mut top.subject,
        _ => return None,
    };
    subject.word = word.to_str().map(str::to_owned);
    subject.program.is_empty().then_some(command)
}

/// Whether a shell would find a program with this name.
fn is_program(word: &OsStr) -> bool {
    let runs = |path: &Path| {
        path.metadata()
            .is_ok_and(|it| it.is_file() && it.permissions().mode() & 0o111 != 0)
    };
    if word.as_encoded_bytes().contains(&b'/') {
        // A name with a slash is always meant as a path.
        return true;
    }
    let directories = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&directories).any(|directory| runs(&directory.join(word)))
}

fn explain(error: &PickError, survey: &Survey) -> anyhow::Error {
    match error {
        PickError::Several(several) => {
            let pids: Vec<Pid> = several.iter().map(|found| found.pid()).collect();
            anyhow!(
                "several Python processes are meant; name one with --pid, or all with --pid {}:\n{}",
                pids.iter()
                    .map(Pid::to_string)
                    .collect::<Vec<_>>()
                    .join(","),
                ps::lines(survey, &pids)
            )
        }
        PickError::NobodyListens { unseen, .. } if *unseen > 0 => anyhow!(
            "{error}; of {unseen} it may not know where they listen: run it with `sudo`, or name the \
             process with --pid (`spyhole ps` lists them)"
        ),
        _ => {
            let all: Vec<Pid> = survey.found.iter().map(|found| found.pid()).collect();
            match all.is_empty() {
                true => anyhow!("{error}; there is none that spyhole can see"),
                false => anyhow!("{error}. There are these:\n{}", ps::lines(survey, &all)),
            }
        }
    }
}
