//! How well a recording went, for who must know how far to trust it.

use crate::sampler::Report;

/// Two short lines: how often it was looked, and how.
pub fn how_well(report: &Report, rate: u32) -> String {
    format!("{}\n{}", how_often(report, rate), how(report))
}

fn how_often(report: &Report, rate: u32) -> String {
    let ticks = &report.ticks;
    let seconds = report.duration.as_secs_f64();
    let looks = match seconds > 0.0 {
        true => ticks.looks as f64 / seconds,
        false => 0.0,
    };
    let missed = match ticks.missed {
        0 => "none missed".to_owned(),
        // Their time is not lost: the next look stands for it.
        missed if missed * 10 < ticks.expected => format!("{missed} missed"),
        missed => {
            format!("{missed} missed (too busy a machine for this rate; -r sets a lower one)")
        }
    };
    let proof = match ticks.unproven {
        0 => "every sample proven".to_owned(),
        unproven => format!("{unproven} of {} samples unproven", ticks.samples),
    };
    format!("Looked {looks:.1} times a second for {seconds:.1} s ({rate} asked); {missed}; {proof}")
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
    // py-spy's engine does not measure it.
    if !engines.report.paused.is_zero() {
        let millis = engines.report.paused.as_secs_f64() * 1e3;
        text += &format!(", {millis:.1} ms in all");
    }
    if ticks.pauses > 0 && ticks.pauses_refused > 0 {
        text += &format!("; refused {} times", ticks.pauses_refused);
    }
    if ticks.unproven * 10 > ticks.samples {
        text += "; what is unproven leans towards code that stands still";
    }
    text
}
