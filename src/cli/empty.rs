//! Why a recording is empty, and what to do about it.

use super::words;
use crate::record::Ending;
use crate::sampler::{Report, Stop};

/// The reason, with the next step; `rate` is the rate that was asked for.
pub fn explain(report: &Report, rate: u32, own_end: Option<Ending>) -> String {
    let ticks = &report.ticks;
    if report.engines.opened == 0 {
        return not_opened(report, own_end);
    }
    if let Some(outage) = report.outages.last() {
        return words::outage(outage);
    }
    if ticks.expected == 0 {
        return match report.stop {
            Stop::TargetEnded => format!(
                "the process ended before the first look; a higher rate than {rate} (-r) looks earlier"
            ),
            Stop::Asked | Stop::Duration => "the recording ended before the first look; \
                                             record for longer"
                .into(),
        };
    }
    if ticks.lost > 0 && ticks.sampled == 0 && ticks.idle == 0 {
        let why = report
            .last_unreadable
            .as_deref()
            .unwrap_or("no reason is known");
        return format!(
            "the process could not be read at any of {} looks: {why}",
            ticks.expected
        );
    }
    if ticks.left_out_gil > 0 {
        return "no thread held the GIL at any look: the threads wait, or work outside of Python. \
                Leave out --gil to see them"
            .into();
    }
    if ticks.left_out_idle > 0 {
        return format!(
            "every thread was waiting at each of {} looks. Use --idle to see where they wait, or \
             give the process work to do",
            ticks.looks
        );
    }
    "no thread ran Python code at any look".into()
}

fn not_opened(report: &Report, own_end: Option<Ending>) -> String {
    match (report.stop, own_end) {
        (Stop::TargetEnded, Some(ending)) => format!(
            "the program ended {} before any Python was found in it",
            words::ending(ending)
        ),
        (Stop::TargetEnded, None) => "the process ended before it could be read".into(),
        (Stop::Asked | Stop::Duration, _) => match &report.last_refusal {
            Some(error) => {
                format!("no Python could be read in the process; the last try said: {error}")
            }
            None => "no Python was found in the process before the recording ended".into(),
        },
    }
}
