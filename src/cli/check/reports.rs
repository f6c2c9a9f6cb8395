//! Where the reports of a check go, and writing them.

use std::io::Write;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};

use anyhow::Context;

use super::failure::{Failure, WithCode};
use crate::check::report::{self, ReportFormat};
use crate::check::{Evidence, Flamegraphs, Outcome, Version};
use crate::cli::args::{Annotations, Check};
use crate::cli::{exit, terminal};
use crate::output::{self, Flamegraph, LineMode, RenderOptions, Side};
use crate::record::{Output, Recorder};

/// The outputs at the end of a check. All were found to be writable.
pub struct Outputs {
    files: Vec<(ReportFormat, Output)>,
    annotations: bool,
    /// GitHub's file for the summary page of a job.
    summary: Option<PathBuf>,
    save: Option<Output>,
    flamegraphs: Option<PathBuf>,
}

/// Lines are left out, since they move between the two versions.
const SHOWN: RenderOptions = RenderOptions {
    lines: LineMode::None,
    full_filenames: false,
    threads: false,
    processes: false,
    by: None,
    unit: None,
};

impl Outputs {
    pub fn check(arguments: &Check, recorder: &Recorder) -> Result<Outputs, Failure> {
        // The folder is made first, since other outputs may go there, too.
        if let Some(folder) = &arguments.flamegraphs {
            Output::create_folder(folder, recorder.caller())
                .with_context(|| format!("the folder '{}' cannot be made", folder.display()))
                .code(exit::FAILED)?;
        }
        let output = |path: &Path| {
            Output::check(path, recorder.caller())
                .with_context(|| format!("'{}' cannot be written", path.display()))
                .code(exit::FAILED)
        };
        let mut files = Vec::new();
        for (format, path) in [
            (ReportFormat::Markdown, &arguments.markdown),
            (ReportFormat::Junit, &arguments.junit),
            (ReportFormat::Sarif, &arguments.sarif),
            (ReportFormat::Json, &arguments.json),
        ] {
            if let Some(path) = path {
                files.push((format, output(path)?));
            }
        }
        let save = match &arguments.save {
            Some(path) => Some(output(path)?),
            None => None,
        };
        let in_github = std::env::var_os("GITHUB_ACTIONS").is_some_and(|it| it == "true");
        Ok(Outputs {
            files,
            annotations: match arguments.annotations {
                Annotations::Auto => in_github,
                Annotations::Github => true,
                Annotations::None => false,
            },
            summary: std::env::var_os("GITHUB_STEP_SUMMARY")
                .filter(|path| !path.is_empty())
                .map(PathBuf::from),
            save,
            flamegraphs: arguments.flamegraphs.clone(),
        })
    }

    /// Writes a baseline.
    pub fn save(&self, text: &str, recorder: &Recorder) -> Result<(), Failure> {
        let Some(output) = &self.save else {
            return Ok(());
        };
        write(output, recorder, |out| Ok(out.write_all(text.as_bytes())?))?;
        terminal::say(format_args!("Wrote the baseline {}", output.name()));
        Ok(())
    }

    /// Draws the flamegraphs, and notes in the outcome where they are.
    pub fn flamegraphs(
        &self,
        evidence: &Evidence,
        outcome: &mut Outcome,
        recorder: &Recorder,
    ) -> Result<(), Failure> {
        let Some(folder) = &self.flamegraphs else {
            return Ok(());
        };
        let draw = |name: &str,
                    how: &dyn Fn(&mut dyn Write) -> Result<(), output::OutputError>|
         -> Result<Option<PathBuf>, Failure> {
            let path = folder.join(name);
            let output = Output::check(&path, recorder.caller())
                .with_context(|| format!("'{}' cannot be written", path.display()))
                .code(exit::FAILED)?;
            write(&output, recorder, |out| Ok(how(out)?))?;
            Ok(Some(path))
        };
        let side = |version| {
            let profile = evidence.together(version)?;
            let runs = NonZeroUsize::new(evidence.count(version))?;
            Some(Side { profile, runs })
        };
        let mut drawn = Flamegraphs::default();
        let (before, after) = (side(Version::Before), side(Version::After));
        if let Some(after) = after {
            drawn.after = draw("after.svg", &|out| {
                output::write(&Flamegraph, after.profile, &SHOWN, out)
            })?;
        }
        if let Some(before) = before {
            drawn.before = draw("before.svg", &|out| {
                output::write(&Flamegraph, before.profile, &SHOWN, out)
            })?;
        }
        if let (Some(before), Some(after)) = (before, after) {
            drawn.difference = draw("difference.svg", &|out| {
                output::write_difference(before, after, &SHOWN, out)
            })?;
        }
        outcome.flamegraphs = drawn;
        Ok(())
    }

    /// Writes all reports.
    pub fn report(&self, outcome: &Outcome, recorder: &Recorder) -> Result<(), Failure> {
        if !outcome.findings.is_empty() {
            let mut text = Vec::new();
            report::write(ReportFormat::Text, outcome, &mut text).code(exit::FAILED)?;
            terminal::say(String::from_utf8_lossy(&text));
        }
        for (format, output) in &self.files {
            write(output, recorder, |out| {
                Ok(report::write(*format, outcome, out)?)
            })?;
        }
        if self.annotations {
            let mut stdout = std::io::stdout().lock();
            report::write(ReportFormat::Annotations, outcome, &mut stdout)
                .and_then(|()| stdout.flush())
                .context("standard output cannot be written")
                .code(exit::FAILED)?;
        }
        if let Some(path) = &self.summary {
            let mut summary = Vec::new();
            report::write(ReportFormat::Markdown, outcome, &mut summary).code(exit::FAILED)?;
            Output::append(path, recorder.caller(), &summary)
                .with_context(|| format!("the summary '{}' cannot be written", path.display()))
                .code(exit::FAILED)?;
        }
        Ok(())
    }
}

fn write(
    output: &Output,
    recorder: &Recorder,
    work: impl FnOnce(&mut dyn Write) -> Result<(), anyhow::Error>,
) -> Result<(), Failure> {
    output
        .write(recorder.control(), work)
        .with_context(|| format!("{} could not be written", output.name()))
        .code(exit::FAILED)
}
