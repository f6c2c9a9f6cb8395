//! How well a recording went, for readers who must judge how far to trust it.

use super::words;
use crate::model::{Nanos, Ticks};
use crate::profile::Profile;
use crate::sampler::Report;

/// If more than this percentage of the time is not in the file, that is reported.
const NOTEWORTHY: f64 = 1.0;

/// If more than this percentage of the CPU time was used outside of Python frames, that is reported.
const NOTEWORTHY_OUTSIDE: f64 = 5.0;

/// If more than this percentage of ticks was missed, the reason is given.
const MANY_MISSED: f64 = 10.0;

/// A few short lines: how often the process was looked at, what happened to looks without a sample, and
/// how threads were held still.
pub fn how_well(report: &Report, profile: &Profile, rate: u32) -> String {
    let mut lines = vec![how_often(report, rate)];
    lines.extend(not_in_the_file(report));
    lines.extend(report.outages.iter().map(words::outage));
    lines.extend(outside(report, profile));
    lines.push(how(report));
    lines.join("\n")
}

/// How often it was looked, and what became of the looks.
pub fn how_often(report: &Report, rate: u32) -> String {
    let ticks = &report.ticks;
    let seconds = report.duration.as_secs_f64();
    let looks = match seconds > 0.0 {
        true => ticks.looks as f64 / seconds,
        false => 0.0,
    };
    let mut parts = vec![
        format!("Looked {looks:.1} times a second for {seconds:.1} s ({rate} asked)"),
        missed(ticks),
    ];
    if ticks.lost > 0 {
        parts.push(format!("{} could not be read", ticks.lost));
    }
    match ticks.lost_threads {
        0 => {}
        1 => parts.push("a thread could not be read once".to_owned()),
        times => parts.push(format!("single threads could not be read {times} times")),
    }
    match ticks.unproven {
        // This would mislead if part of the recording is missing.
        0 if ticks.lost + ticks.lost_threads > 0 || is_noteworthy(ticks) => {}
        0 => parts.push("every sample proven".to_owned()),
        unproven => parts.push(format!("{unproven} of {} samples unproven", ticks.samples)),
    }
    parts.join("; ")
}

fn missed(ticks: &Ticks) -> String {
    let many = MANY_MISSED / 100.0 * ticks.expected as f64;
    match ticks.missed {
        0 => "none missed".to_owned(),
        // Their time is not lost: the next look accounts for it, or it is reported as a gap.
        missed if (missed as f64) < many || ticks.gap_time > ticks.lost_time => {
            format!("{missed} missed")
        }
        missed => {
            format!("{missed} missed (too busy a machine for this rate; -r sets a lower one)")
        }
    }
}

fn is_noteworthy(ticks: &Ticks) -> bool {
    100.0 * ticks.unseen_share() > NOTEWORTHY
}

/// How much of the time is not in the file, and why.
fn not_in_the_file(report: &Report) -> Option<String> {
    let ticks = &report.ticks;
    if !is_noteworthy(ticks) {
        return None;
    }
    let unseen = ticks.gap_time.saturating_add(ticks.lost_time);
    let mut why = Vec::new();
    if ticks.gap_time.0 > 0 {
        let seconds = ticks.gap_time.as_secs_f64();
        why.push(format!(
            "not looked at for {seconds:.1} s, since spyhole itself did not come to run"
        ));
    }
    if ticks.lost_time.0 > 0 {
        let seconds = ticks.lost_time.as_secs_f64();
        let reason = report.last_unreadable.as_deref();
        why.push(format!(
            "not read for {seconds:.1} s: {}",
            reason.unwrap_or("no stack could be proven")
        ));
    }
    Some(format!(
        "{:.1} s, {:.0} % of the time, are not in the file: {}",
        unseen.as_secs_f64(),
        100.0 * ticks.unseen_share(),
        why.join("; ")
    ))
}

/// How much CPU time no Python frame used, if that is much.
fn outside(report: &Report, profile: &Profile) -> Option<String> {
    let outside = profile.recording.cpu_outside?;
    let within = profile.total().cpu.as_secs_f64();
    let all = match profile.has_outside() {
        true => within,
        false => within + outside.as_secs_f64(),
    };
    let share = 100.0 * outside.as_secs_f64() / all.max(f64::MIN_POSITIVE);
    (outside > Nanos(100_000_000) && share > NOTEWORTHY_OUTSIDE).then(|| {
        let unseen = match is_noteworthy(&report.ticks) {
            true => "while nothing was seen, ",
            false => "",
        };
        format!(
            "{:.1} s of CPU, {share:.0} %, were used outside of Python frames: {unseen}by threads without \
             Python, or before or after it ran",
            outside.as_secs_f64()
        )
    })
}

fn how(report: &Report) -> String {
    let (ticks, engines) = (&report.ticks, &report.engines);
    let mut text = match (ticks.pauses, ticks.pauses_refused) {
        (0, 1..) => format!(
            "How: without pausing, which was refused {} times",
            ticks.pauses_refused
        ),
        _ => match engines.report.method {
            Some(method) => format!("How: {method}"),
            None => "How: no process was read".to_owned(),
        },
    };
    match engines.report.moves {
        0 => {}
        1 => text += "; moved there once",
        moves => text += &format!("; moved there {moves} times"),
    }
    match ticks.pauses {
        0 => {}
        1 => text += "; 1 pause",
        pauses => text += &format!("; {pauses} pauses"),
    }
    // py-spy's engine does not measure this.
    if !engines.report.paused.is_zero() {
        let millis = engines.report.paused.as_secs_f64() * 1e3;
        text += &format!(", {millis:.1} ms in all");
    }
    if ticks.pauses > 0 && ticks.pauses_refused > 0 {
        text += &format!("; refused {} times", ticks.pauses_refused);
    }
    if engines.report.through_file {
        text += "; through /proc/PID/mem: process_vm_readv is refused";
    }
    if ticks.unproven * 10 > ticks.samples {
        text += "; with so many unproven, the profile is biased towards code that stands still";
    }
    text
}
