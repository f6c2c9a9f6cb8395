//! Sentences for people about what recording tells in types.

use std::time::Duration;

use nix::sys::signal::Signal;

use super::{exit, explain, terminal};
use crate::profile::Recording;
use crate::record::{Ending, Event, Written};
use crate::sampler::News;

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

/// Why a recording was stopped.
#[must_use]
pub fn stopped_by(signal: Signal) -> String {
    match signal {
        Signal::SIGINT => "Control-C was pressed".into(),
        other => format!("{other} came"),
    }
}

/// What there is of a recording that is not complete.
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

/// Says so when a second signal asks for it to end at once, and with which code to leave.
pub fn give_up(written: &Written) -> u8 {
    terminal::say(format_args!("Given up, {}", what_is_kept(written)));
    exit::GIVEN_UP
}

/// What is told while a recording goes on; `None` for what is told elsewhere.
#[must_use]
pub fn event(event: Event<'_>) -> Option<String> {
    let Event::Process(news) = event else {
        return None;
    };
    let what = match news {
        News::FellBack { why, .. } => format!("{why}; py-spy's engine reads it"),
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
    };
    Some(format!("Process {}: {what}", news.pid()))
}

/// Says what begins now.
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
