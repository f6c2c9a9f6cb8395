//! `spyhole top`.

use std::io::{self, IsTerminal};
use std::path::Path;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::Sender;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context;

use super::args::Top as Arguments;
use super::{empty, exit, explain, file_name, summary, target, terminal, words};
use crate::output::{self, DEFAULT_FORMAT, OutputError, RenderOptions};
use crate::profile::Profile;
use crate::record::{
    Caller, Control, Ending, Event, Launch, Observer, Output, Recorded, Recorder, Written,
};
use crate::sampler::Stop;
use crate::survey::Choice;
use crate::top::{App, Feed, Message, Palette, Plain, Screen, restore_terminal};

/// Watches until the end, and tells with which code to leave.
///
/// # Errors
/// When the process cannot be watched, or nothing be shown.
pub fn run(arguments: &Arguments) -> Result<u8, anyhow::Error> {
    if arguments.native {
        return Ok(words::native_is_to_come());
    }
    let watching = Watching {
        arguments,
        recorder: Recorder::following_signals(arguments.options(), give_up)?,
        has_screen: has_screen(),
    };
    let subject = &arguments.subject;
    match subject.running.wanted() {
        Some(wanted) => watching.attach(&target::choose(&wanted, subject.word.as_deref())?),
        None => watching.start(),
    }
}

fn give_up(written: &Written) -> u8 {
    restore_terminal();
    words::give_up(written)
}

/// Whether standard output is something to draw on.
fn has_screen() -> bool {
    let is_dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
    io::stdout().is_terminal() && !is_dumb
}

/// One watching, from its arguments to its end.
struct Watching<'a> {
    arguments: &'a Arguments,
    recorder: Recorder,
    has_screen: bool,
}

impl Watching<'_> {
    fn attach(&self, choice: &Choice) -> Result<u8, anyhow::Error> {
        let mut feed = self.feed();
        let news = self.news(&feed);
        let recorded = self.recorder.attach(choice, &news, &mut [&mut feed]);
        news.tell_kept();
        let recorded = recorded.map_err(explain::recording)?;
        self.conclude(&recorded, feed, None)
    }

    /// What the program writes would spoil what is shown, so it is kept back.
    fn start(&self) -> Result<u8, anyhow::Error> {
        let control = self.recorder.control();
        let mut launch = Launch::new(&self.arguments.subject.program);
        launch.capture = true;
        let mut feed = self.feed();
        let news = self.news(&feed);
        let run = self.recorder.start(&launch, &news, &mut [&mut feed]);
        news.tell_kept();
        let run = run?;
        let by_itself = run.own_end.filter(|_| !control.asked_to_stop());
        let result = match &run.recorded {
            Ok(recorded) => self.conclude(recorded, feed, by_itself),
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

    fn options(&self) -> RenderOptions {
        RenderOptions {
            full_filenames: self.arguments.full_filenames,
            ..RenderOptions::default()
        }
    }

    fn feed(&self) -> Feed {
        let control = self.recorder.control();
        let options = self.options();
        if !self.has_screen {
            return Feed::new(self.arguments.delay, control, move |incoming| {
                Plain { options }.show(&incoming, &mut io::stdout())
            });
        }
        let writer = Writer {
            control: Arc::clone(control),
            caller: self.recorder.caller().cloned(),
            options,
        };
        let name = file_name::default(&self.arguments.subject, DEFAULT_FORMAT);
        let mut app = App::new(
            options,
            Palette::of_environment(),
            Box::new(move |path, profile| writer.write(path, profile)),
            name,
        );
        Feed::new(self.arguments.delay, control, move |incoming| {
            Screen::show(&incoming, &mut app)
        })
    }

    fn news(&self, feed: &Feed) -> News {
        News {
            has_screen: self.has_screen,
            has_begun: AtomicBool::new(false),
            messages: feed.messages(),
            kept: Mutex::default(),
        }
    }

    /// Says why it ended, and how well it was seen.
    fn conclude(
        &self,
        Recorded {
            profile: _, report, ..
        }: &Recorded,
        feed: Feed,
        by_itself: Option<Ending>,
    ) -> Result<u8, anyhow::Error> {
        feed.result().context("nothing more can be shown")?;
        let signal = self.recorder.control().stopped_by();
        if let Some(why) = words::why_it_stopped("watching", signal, report.stop, by_itself) {
            terminal::say(why);
        }
        let own_code = by_itself.and_then(Ending::exit_code).unwrap_or(0);
        let rate = self.recorder.options().rate;
        if report.engines.opened == 0 && report.stop != Stop::Asked {
            let why = empty::explain(report, rate, by_itself);
            terminal::say(format_args!("Error: nothing was seen: {why}"));
            return Ok(match own_code {
                0 => exit::NOTHING_SAMPLED,
                code => code,
            });
        }
        terminal::say(summary::how_often(report, rate));
        Ok(own_code)
    }
}

/// Writes files while it goes on.
struct Writer {
    control: Arc<Control>,
    caller: Option<Caller>,
    options: RenderOptions,
}

impl Writer {
    /// Returns what to tell the user.
    fn write(&self, path: &Path, profile: &Profile) -> String {
        let format = output::format_of_path(path);
        match self.try_write(path, profile) {
            Ok(()) => format!("Wrote {} to '{}'", format.about().noun, path.display()),
            Err(error) => format!("'{}' could not be written: {error}", path.display()),
        }
    }

    fn try_write(&self, path: &Path, profile: &Profile) -> Result<(), OutputError> {
        let format = output::format_of_path(path);
        let about = format.about();
        // What is kept up to date does without, since a long timeline is left out there, too.
        if about.needs_timeline && !about.keeps_up_to_date {
            let name = about.name;
            let error = format!("{name} tells the order in time, which only record keeps");
            return Err(OutputError::Io(io::Error::other(error)));
        }
        let output = Output::check(path, self.caller.as_ref())?;
        if !output.is_regular() {
            let error = io::Error::other("it is no regular file");
            return Err(OutputError::Io(error));
        }
        let options = RenderOptions {
            processes: profile.interner.processes().len() > 1,
            ..self.options
        };
        output.write_so_far(&self.control, |out| {
            output::write(format, profile, &options, out)
        })
    }
}

/// Passes on what is found out about processes.
struct News {
    has_screen: bool,
    /// Whether the recording has begun, and with it the screen.
    has_begun: AtomicBool,
    messages: Sender<Message>,
    /// What was shown on the screen, to be said again when that is gone.
    kept: Mutex<Vec<String>>,
}

impl News {
    /// Says what was shown on the screen only.
    fn tell_kept(&self) {
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        kept.drain(..).for_each(terminal::say);
    }
}

impl Observer for News {
    fn event(&self, event: Event<'_>) {
        if let Event::Begins {
            recording,
            duration,
            ..
        } = event
        {
            if !self.has_screen {
                words::announce(recording, duration);
            }
            self.has_begun.store(true, Ordering::Relaxed);
            // Nobody listens if the thread has ended, which has ended the recording, too; also below.
            let _ = self
                .messages
                .send(Message::Begins(Box::new(recording.clone())));
        }
        let Some(text) = words::event(event) else {
            return;
        };
        if !self.has_screen || !self.has_begun.load(Ordering::Relaxed) {
            terminal::say(text);
            return;
        }
        /// More are told once.
        const MOST_KEPT: usize = 100;
        let mut kept = self.kept.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.len() < MOST_KEPT {
            kept.push(text.clone());
        }
        let _ = self.messages.send(Message::News(text));
    }
}
