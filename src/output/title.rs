//! What was recorded and how well, in one line each.

use crate::model::{Counting, HaltMethod, Nanos, Program, TargetStr, visible};
use crate::profile::Profile;

use super::Side;

/// `manage.py runserver · pid 4242 · Python 3.11.7 · 100 Hz · 30.0 s · 2,874 samples`
pub(crate) fn title(profile: &Profile) -> String {
    let recording = &profile.recording;
    let others = profile.interner.processes().len().saturating_sub(1);
    let mut parts = vec![program(&recording.command)];
    parts.push(match others {
        0 => format!("pid {}", recording.pid),
        _ => format!("pid {} and {} more", recording.pid, grouped(others as u64)),
    });
    parts.extend(recording.python.map(|version| format!("Python {version}")));
    parts.push(format!("{} Hz", recording.rate));
    parts.push(seconds(recording.duration));
    parts.push(counted(profile.total().count, "sample"));
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// `manage.py bench · before and after`
pub(super) fn title_of_difference(before: &Profile, after: &Profile) -> String {
    let [old, new] = [before, after].map(|profile| program(&profile.recording.command));
    let program = if old == new {
        new
    } else {
        format!("{old} → {new}")
    };
    let mut parts = vec![program.as_str(), "before and after"];
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// `5 runs at 100 Hz, Python 3.11.7, 2,874 samples, 3 unproven`
pub(super) fn compared(side: Side<'_>) -> String {
    let (recording, total) = (&side.profile.recording, side.profile.total());
    let runs = counted(side.runs.get() as u64, "run");
    let mut parts = vec![format!("{runs} at {} Hz", recording.rate)];
    parts.extend(recording.python.map(|version| format!("Python {version}")));
    parts.push(counted(total.count, "sample"));
    if total.unproven > 0 {
        parts.push(format!("{} unproven", grouped(total.unproven)));
    }
    parts.join(", ")
}

/// `99.8 looks/s achieved · 3 samples unproven · standing on the CPU of the thread that runs, 12
/// pauses · idle threads left out`
pub(crate) fn quality(profile: &Profile) -> String {
    let recording = &profile.recording;
    let mut parts = Vec::new();
    parts.extend(
        recording
            .achieved_rate()
            .map(|rate| format!("{rate:.1} looks/s achieved")),
    );
    if recording.ticks.missed > 0 {
        parts.push(format!(
            "{} missed",
            counted(recording.ticks.missed, "tick")
        ));
    }
    if recording.ticks.lost > 0 {
        parts.push(format!("{} lost", counted(recording.ticks.lost, "tick")));
    }
    let unseen = recording.ticks.unseen_share();
    if unseen > 0.01 {
        parts.push(format!("{:.0} % of the time not seen", 100.0 * unseen));
    }
    match profile.total().unproven {
        0 if recording.ticks.lost > 0 || unseen > 0.01 => {}
        0 => parts.push("every stack proven whole".to_owned()),
        unproven => parts.push(format!("{} unproven", counted(unproven, "sample"))),
    }
    let halted: Vec<_> = recording.halted.iter().map(HaltMethod::to_string).collect();
    let how = halted.join(" or ");
    let (pauses, refused) = (recording.ticks.pauses, recording.ticks.pauses_refused);
    parts.push(match (pauses, refused) {
        (0, 0) => how,
        (0, refused) => format!("without pausing, refused {}", counted(refused, "time")),
        (pauses, 0) => format!("{how}, {}", counted(pauses, "pause")),
        (pauses, refused) => format!("{how}, {}, {refused} refused", counted(pauses, "pause")),
    });
    let counting = match recording.counting {
        Counting::Gil => "only holders of the GIL",
        Counting::Cpu => "idle threads left out",
        Counting::Work => "idle threads left out, but within a request or task",
        Counting::Wall => "idle threads counted",
    };
    parts.push(counting.to_owned());
    parts.retain(|part| !part.is_empty());
    parts.join(" · ")
}

/// The script and its subcommand, without the interpreter, its options and anything else.
#[must_use]
pub fn program(command: &[TargetStr]) -> String {
    visible(&Program::of(command).name).into_owned()
}

/// `1 sample`, `2,874 samples`
pub(super) fn counted(count: u64, what: &str) -> String {
    let plural = if count == 1 { "" } else { "s" };
    format!("{} {what}{plural}", grouped(count))
}

/// `2,874`
pub(crate) fn grouped(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::with_capacity(digits.len() + digits.len() / 3);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// `850 µs`, `12 ms`, `12.04 s`, `3 min 20 s`
pub(super) fn seconds(time: Nanos) -> String {
    let seconds = time.as_secs_f64();
    match seconds {
        _ if time.0 == 0 => "0 s".to_owned(),
        _ if seconds < 1e-3 => format!("{:.0} µs", seconds * 1e6),
        _ if seconds < 0.1 => format!("{:.0} ms", seconds * 1e3),
        _ if seconds < 100.0 => format!("{seconds:.2} s"),
        _ => {
            let whole = seconds.round() as u64;
            match (whole / 3600, whole / 60 % 60, whole % 60) {
                (0, minutes, seconds) => format!("{minutes} min {seconds} s"),
                (hours, minutes, _) => format!("{hours} h {minutes} min"),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn shown(command: &str) -> String {
        let command: Vec<_> = command.split('|').map(TargetStr::new).collect();
        program(&command)
    }

    #[test]
    fn a_program_is_its_script_and_subcommand_and_nothing_that_may_be_secret() {
        for (command, expected) in [
            (
                "/usr/bin/python3.11|-X|dev|-u|./manage.py|runserver|0:80",
                "manage.py runserver",
            ),
            ("python|manage.py|--settings=x|runserver", "manage.py"),
            ("python3|/srv/job.py|--password|hunter2", "job.py"),
            ("python3|/srv/job.py|hunter2", "job.py"),
            ("python3.13t|-m|flask|run|--debug", "-m flask run"),
            ("python|-m|http.server|8000", "-m http.server"),
            ("python|-c|import secret; secret.go('key')", "-c"),
            ("python", "python"),
            ("/usr/bin/uwsgi|--ini|app.ini", "uwsgi"),
            ("gunicorn: worker [app.wsgi]", "gunicorn"),
            ("python|a\nb\x1b[0m.py", "a\\nb\\x1b[0m.py"),
        ] {
            assert_eq!(shown(command), expected, "{command}");
            let command: Vec<_> = command.split('|').map(TargetStr::new).collect();
            assert_eq!(program(&Program::of(&command).words), expected);
        }
        assert_eq!(program(&[]), "");
    }

    #[test]
    fn times_and_counts_read_well() {
        assert_eq!(counted(1, "sample"), "1 sample");
        assert_eq!(counted(1_234_567, "sample"), "1,234,567 samples");
        for (nanos, expected) in [
            (0, "0 s"),
            (850_000, "850 µs"),
            (12_000_000, "12 ms"),
            (12_040_000_000, "12.04 s"),
            (200_000_000_000, "3 min 20 s"),
            (7_320_000_000_000, "2 h 2 min"),
        ] {
            assert_eq!(seconds(Nanos(nanos)), expected);
        }
    }
}
