//! Sentences for users, from the types of the recording.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{exit, explain, terminal};
use crate::model::Pid;
use crate::profile::Recording;
use crate::record::{Ending, Event, OutputName, Telling, Written};
use crate::sampler::{News, Outage, OutageKind, Stop};
use crate::target::Halted;

/// How a program ended: `with exit code 1`, `by SIGTERM`.
#[must_use]
pub fn ending(ending: Ending) -> String {
    match ending {
        Ending::Code(code) => format!("with exit code {code}"),
        Ending::Signal(signal) => match Signal::try_from(signal) {
            Ok(signal) => format!("by {signal}"),
            Err(_) => format!("by signal {signal}"),
        },
        Ending::Unknown => "in an unknown way".into(),
    }
}

/// The message for an option that is known and does not work yet. Returns the exit code.
pub fn native_is_to_come() -> u8 {
    terminal::say("Error: --native is not in this version of spyhole yet; leave it out");
    exit::USAGE
}

/// Why a recording was stopped.
fn stopped_by(signal: Signal) -> String {
    match signal {
        Signal::SIGINT => "Control-C was pressed".into(),
        other => format!("{other} came"),
    }
}

/// Why it ended before anybody asked for that: `Stopped sampling because ...`, where `doing` is what was
/// stopped. `None` if it was to end then.
#[must_use]
pub fn why_it_stopped(
    doing: &str,
    signal: Option<Signal>,
    stop: Stop,
    by_itself: Option<Ending>,
) -> Option<String> {
    let why = match (signal, stop) {
        (Some(signal), _) => stopped_by(signal),
        (None, Stop::TargetEnded) => {
            let how = by_itself.map_or(String::new(), |end| format!(" {}", ending(end)));
            format!("the process ended{how}")
        }
        (None, Stop::Asked | Stop::Duration) => return None,
    };
    Some(format!("Stopped {doing} because {why}"))
}

/// What exists of an incomplete recording.
#[must_use]
pub fn what_is_kept(written: &Written) -> String {
    match written {
        Written::Nothing => "nothing was written".to_owned(),
        Written::SoFar(name, until) => {
            let age = until.elapsed().as_secs();
            let seconds = if age == 1 { "second" } else { "seconds" };
            format!("{name} holds what was recorded until {age} {seconds} ago")
        }
        Written::Whole => "all was written".to_owned(),
    }
}

/// What became of the file of a recording that goes on.
#[must_use]
pub fn so_far(name: &OutputName, telling: &Telling<'_>) -> String {
    match telling {
        Telling::Written => format!("Wrote what was recorded so far to {name}. Recording goes on"),
        Telling::NothingYet => {
            format!("Nothing was sampled yet, so {name} was not written. Recording goes on")
        }
        Telling::NotAFile => format!(
            "{name} is no regular file, and gets the recording at its end. Recording goes on"
        ),
        Telling::Failed(error) => format!(
            "{name} could not be written for now: {error}. Recording goes on, and it is tried again"
        ),
    }
}

/// The message when a second signal ends the recording at once. Returns the exit code.
pub fn give_up(written: &Written) -> u8 {
    terminal::say(format_args!("Given up, {}", what_is_kept(written)));
    exit::GIVEN_UP
}

/// The message for an event during the recording; `None` if it is shown elsewhere.
#[must_use]
pub fn event(event: Event<'_>) -> Option<String> {
    let Event::Process(news) = event else {
        return None;
    };
    let what = match news {
        News::FellBack { why, .. } => format!("{why}; py-spy's engine reads it"),
        News::SeveralPythons { pythons, .. } => {
            format!("several Pythons are loaded, {pythons}: each is recorded")
        }
        News::NotRecorded { why, .. } => format!("not recorded: {why}"),
        News::Reloads { role: None, .. } => {
            "an autoreloader: what it starts is recorded, and each that it starts anew".to_owned()
        }
        News::Reloads {
            role: Some(role), ..
        } => {
            format!(
                "a {role}: what it starts is recorded from now on, and each that it starts anew"
            )
        }
        News::Leads { role, .. } => format!("a {role}: what it starts is recorded, too"),
        News::PauseRefused { pid } => return Some(explain::not_pausing(pid)),
        News::Unreadable { pid, since, why } => format!(
            "it cannot be read any more, since {:.1} s after the start: {}",
            since.as_secs_f64(),
            explain::unreadable(pid, why)
        ),
        News::Halted { pid, how } => format!("{}; {}", halted(how), how_to_go_on(pid, how)),
        News::NothingYet {
            starts_others: true,
            ..
        } => "it is recorded by what it starts, and has started no Python yet; waiting for that"
            .to_owned(),
        News::NothingYet {
            starts_others: false,
            ..
        } => "no Python was found in it yet; waiting for one".to_owned(),
    };
    Some(format!("Process {}: {what}", news.pid()))
}

/// What keeps a process from running.
#[must_use]
pub fn halted(how: Halted) -> &'static str {
    match how {
        Halted::Stopped => "it is stopped (state T, as by SIGSTOP or ^Z), so nothing of it runs",
        Halted::Traced => "a debugger or tracer holds it (state t), so nothing of it runs",
        Halted::Frozen => "its cgroup is frozen (as by `docker pause`), so nothing of it runs",
    }
}

fn how_to_go_on(pid: Pid, how: Halted) -> String {
    match how {
        Halted::Stopped => format!("`kill -CONT {pid}` lets it run"),
        Halted::Traced => "let it go on there".to_owned(),
        Halted::Frozen => "`docker unpause`, or 0 in its cgroup.freeze, lets it run".to_owned(),
    }
}

/// A period in which a process could not be sampled, for the summary.
#[must_use]
pub fn outage(outage: &Outage) -> String {
    let (since, until) = (outage.since.as_secs_f64(), outage.until.as_secs_f64());
    let what = match &outage.what {
        OutageKind::Unreadable(why) => format!("could not be read ({why})"),
        OutageKind::Halted(Halted::Stopped) => "was stopped".to_owned(),
        OutageKind::Halted(Halted::Traced) => "was held by a tracer".to_owned(),
        OutageKind::Halted(Halted::Frozen) => "was frozen".to_owned(),
    };
    format!(
        "Process {} {what} for {:.1} s, from {since:.1} to {until:.1} s after the start",
        outage.pid,
        until - since
    )
}

/// Says what is about to be recorded.
pub fn announce(recording: &Recording, duration: Option<Duration>) {
    let so_long = match duration {
        Some(duration) if duration == Duration::from_secs(1) => " for 1 second".to_owned(),
        Some(duration) => format!(" for {} seconds", duration.as_secs_f64()),
        None => String::new(),
    };
    terminal::say(format_args!(
        "Sampling process {} ({}) {} times a second{so_long}. Press Control-C to exit.",
        recording.pid,
        terminal::command_line(&recording.command),
        recording.rate,
    ));
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::time::Instant;

    use super::*;
    use crate::record::Output;

    #[test]
    fn what_is_kept_is_told_as_it_is() {
        assert_eq!(what_is_kept(&Written::Nothing), "nothing was written");
        let before = Instant::now().checked_sub(Duration::from_millis(3500));
        let path = std::env::temp_dir().join("x.pb.gz");
        let name = Output::check(&path, None).expect("writable").name();
        let written = Written::SoFar(name, before.expect("a machine that runs"));
        let expected = format!(
            "'{}' holds what was recorded until 3 seconds ago",
            Path::display(&path)
        );
        assert_eq!(what_is_kept(&written), expected);
    }
}
