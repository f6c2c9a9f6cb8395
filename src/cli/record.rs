//! `spyhole record`.

use std::path::PathBuf;

use anyhow::{Context, anyhow};

use super::args::{self, Record};
use super::progress::{Line, Progress};
use super::{
    by_label, empty, exit, explain, file_name, findings, summary, target, terminal, words,
};
use crate::insight::{self, SourceFiles};
use crate::model::{Interner, TOO_MANY, TextId};
use crate::output::{self, FORMATS, Format, LineMode, OutputError, RenderOptions};
use crate::profile::Profile;
use crate::record::{
    Caller, Ending, Launch, Output, PeriodicFile, Recorded, Recorder, Updates, Written,
};
use crate::sampler::{Follow, Report};
use crate::survey::Choice;

/// Records, writes the file, and returns the exit code.
///
/// # Errors
/// When nothing was written, unless that is because nothing was sampled.
pub fn run(arguments: &Record) -> Result<u8, anyhow::Error> {
    if arguments.native {
        return Ok(words::native_is_to_come());
    }
    let mut recorder = Recorder::following_signals(
        args::options(&arguments.sampling, &arguments.keeping, &arguments.labels),
        words::give_up,
    )?;
    let (output, format) = check_output(arguments, recorder.caller())?;
    recorder.options_mut().thread_names = arguments.threads || format.about().needs_thread_names;
    recorder.options_mut().only.clone_from(&arguments.only);
    let recording = Recording {
        arguments,
        recorder,
        output,
        format,
    };
    match arguments.subject.running.wanted() {
        Some(wanted) => {
            recording.attach(&target::choose(&wanted, arguments.subject.word.as_deref())?)
        }
        None => recording.start(),
    }
}

/// Checks where the result goes, and in which format, before anything is recorded.
fn check_output(
    arguments: &Record,
    caller: Option<&Caller>,
) -> Result<(Output, &'static dyn Format), anyhow::Error> {
    let format = match (arguments.format, &arguments.output) {
        (Some(format), _) => format,
        (None, Some(path)) => output::format_of_path(path),
        (None, None) => output::DEFAULT_FORMAT,
    };
    if arguments.unit.is_some() && format.about().default_unit.is_none() {
        let all = FORMATS.map(Format::about).into_iter();
        let with_unit = all.filter(|about| about.default_unit.is_some());
        let names: Vec<_> = with_unit.map(|about| about.name).collect();
        return Err(anyhow!(
            "--unit is for {}; the other formats tell times as they are",
            names.join(" and ")
        ));
    }
    let path: PathBuf = match &arguments.output {
        Some(path) => path.clone(),
        None => file_name::default(&arguments.subject, format).into(),
    };
    let output = Output::check(&path, caller).with_context(|| {
        let whose = match caller.and_then(|caller| caller.name.as_ref()) {
            Some(name) => format!(" by {name}, who called sudo"),
            None => String::new(),
        };
        let shown = path.display();
        format!("'{shown}' cannot be written{whose}; choose another place with -o")
    })?;
    if arguments.open && !output.is_regular() {
        return Err(anyhow!(
            "--open needs a regular file to open; choose one with -o"
        ));
    }
    Ok((output, format))
}

/// One recording, from its arguments to its end.
struct Recording<'a> {
    arguments: &'a Record,
    recorder: Recorder,
    output: Output,
    format: &'static dyn Format,
}

impl Recording<'_> {
    fn attach(&self, choice: &Choice) -> Result<u8, anyhow::Error> {
        let progress = self.progress(false);
        let mut periodic = self.periodic(&progress);
        let recorded = self
            .recorder
            .attach(choice, &progress, &mut [&mut periodic]);
        progress.finish();
        self.conclude(&recorded.map_err(explain::recording)?, None)
    }

    fn start(&self) -> Result<u8, anyhow::Error> {
        let control = self.recorder.control();
        let mut launch = Launch::new(&self.arguments.subject.program);
        launch.capture = self.arguments.capture;
        let progress = self.progress(!launch.capture);
        let mut periodic = self.periodic(&progress);
        let run = self
            .recorder
            .start(&launch, &progress, &mut [&mut periodic]);
        progress.finish();
        let run = run?;
        let by_itself = run.own_end.filter(|_| !control.asked_to_stop());
        let result = match &run.recorded {
            Ok(recorded) => self.conclude(recorded, by_itself),
            Err(_) => Ok(exit::FAILED),
        };
        if let (Ok(code), Ok(_)) = (&result, &run.recorded) {
            control.concluded(*code);
        }
        let (recorded, mut program) = run.end();
        if !matches!(result, Ok(0)) {
            terminal::show_captured(&mut program);
        }
        recorded.map_err(explain::recording).and(result)
    }

    /// The progress line is hidden if a program shares our terminal and writes there, too.
    fn progress(&self, shares_terminal: bool) -> Progress {
        let hidden = self.arguments.keeping.hideprogress || shares_terminal;
        let line = Line::new(hidden, "", self.recorder.options().duration);
        Progress::new(line, true)
    }

    /// The file is brought up to date while recording goes on, if its format is made for that, and when
    /// SIGUSR1 asks for it.
    fn periodic(&self, progress: &Progress) -> PeriodicFile {
        let format = self.format;
        let mut tell = progress.teller();
        let rendered = self.rendered();
        let by = self.arguments.by.clone();
        let updates = match format.about().keeps_up_to_date && self.output.is_regular() {
            true => Updates::Regularly,
            false => Updates::WhenAsked,
        };
        PeriodicFile::new(
            self.output.clone(),
            updates,
            Box::new(move |profile, out| {
                let options = RenderOptions {
                    // Whether only the first Python below a started program counts is known at the end.
                    processes: rendered.processes
                        || are_several(Follow::Children, &profile.interner),
                    by: by.as_deref().and_then(|by| profile.interner.find_text(by)),
                    ..rendered
                };
                output::write(format, profile, &options, out).map_err(OutputError::into_io)
            }),
            self.recorder.control(),
            move |name, telling| tell(&words::so_far(name, &telling)),
        )
    }

    /// Writes the file, or says why there is none.
    fn conclude(
        &self,
        Recorded {
            profile, report, ..
        }: &Recorded,
        by_itself: Option<Ending>,
    ) -> Result<u8, anyhow::Error> {
        let signal = self.recorder.control().stopped_by();
        if let Some(why) = words::why_it_stopped("sampling", signal, report.stop, by_itself) {
            terminal::say(why);
        }
        let own_code = by_itself.and_then(Ending::exit_code).unwrap_or(0);
        if profile.is_empty() && !self.arguments.only.is_empty() && report.ticks.samples > 0 {
            terminal::say(format_args!(
                "Error: none of {} samples has the labels that --where asks for",
                report.ticks.samples
            ));
            return Ok(if own_code == 0 {
                exit::NOTHING_SAMPLED
            } else {
                own_code
            });
        }
        if profile.is_empty() {
            let why = empty::explain(report, self.recorder.options().rate, by_itself);
            terminal::say(format_args!("Error: nothing was sampled: {why}"));
            return Ok(if own_code == 0 {
                exit::NOTHING_SAMPLED
            } else {
                own_code
            });
        }
        self.write(report, profile).with_context(|| {
            let before = match self.recorder.control().written() {
                Written::Nothing | Written::Whole => String::new(),
                so_far => format!(", but {}", words::what_is_kept(&so_far)),
            };
            format!("{} could not be written{before}", self.output.name())
        })?;
        self.tell(report, profile);
        if self.arguments.open {
            let opened = self
                .recorder
                .start_aside("xdg-open", self.output.path().as_os_str())
                .context("xdg-open cannot be started; is the package xdg-utils installed?");
            if let Err(error) = opened {
                // The recording was written, so this is no failure.
                terminal::complain(&error);
            }
        }
        Ok(own_code)
    }

    /// How frames are shown, as far as the arguments say.
    fn rendered(&self) -> RenderOptions {
        let arguments = self.arguments;
        RenderOptions {
            lines: match (arguments.function, arguments.nolineno) {
                (true, _) => LineMode::Function,
                (false, true) => LineMode::None,
                (false, false) => LineMode::Current,
            },
            full_filenames: arguments.full_filenames,
            threads: arguments.threads,
            processes: arguments.sampling.subprocesses,
            unit: arguments.unit.map(Into::into),
            by: None,
        }
    }

    /// The key of the label by which samples are told apart, if some sample has it.
    fn by(&self, interner: &Interner) -> Option<TextId> {
        interner.find_text(self.arguments.by.as_deref()?)
    }

    fn write(&self, report: &Report, profile: &Profile) -> Result<(), OutputError> {
        let rendered = self.rendered();
        let options = RenderOptions {
            processes: rendered.processes || are_several(report.follow, &profile.interner),
            by: self.by(&profile.interner),
            ..rendered
        };
        self.output.write(self.recorder.control(), |out| {
            output::write(self.format, profile, &options, out)
        })
    }

    fn tell(&self, report: &Report, profile: &Profile) {
        let (ticks, about) = (&report.ticks, self.format.about());
        terminal::say(format_args!(
            "Wrote {} to {}. Samples: {} Errors: {}",
            about.noun,
            self.output.name(),
            match self.arguments.only.is_empty() {
                true => ticks.samples,
                false => profile.total().count,
            },
            ticks.lost + ticks.lost_threads,
        ));
        terminal::say(summary::how_well(
            report,
            profile,
            self.recorder.options().rate,
        ));
        if profile.interner.is_full() {
            terminal::say(format_args!(
                "The program made up more names, lines and stacks than are kept; the rest is {}",
                TOO_MANY
            ));
        }
        if about.needs_timeline
            && let Some(error) = profile.timeline().failure()
        {
            terminal::say(format_args!(
                "The order in time is incomplete, {} pieces are missing: its temporary file could \
                 not be written: {error}. TMPDIR chooses another place",
                profile.timeline().dropped()
            ));
        }
        if let Some(key) = &self.arguments.by {
            match by_label::table(profile, key) {
                Some(table) => terminal::say(table),
                None => terminal::say(format_args!("No sample has the label '{key}'")),
            }
        }
        let found = insight::find(profile, &mut SourceFiles::of(&profile.interner));
        for line in findings::lines(&found) {
            terminal::say(line);
        }
        if let Some(hint) = about.hint {
            terminal::say(hint);
        }
    }
}

/// Whether several processes were recorded though `--subprocesses` was not given: workers, or the
/// successive processes of an autoreloader. A program that calls exec stays one process.
fn are_several(follow: Follow, interner: &Interner) -> bool {
    let mut processes = interner.processes().map(|(_, process)| process);
    let Some(first) = processes.next() else {
        return false;
    };
    let follows = follow != Follow::FirstPython;
    processes.any(|process| match process.pid == first.pid {
        // There may be two Pythons in one process.
        true => process.python != first.python,
        false => follows,
    })
}
