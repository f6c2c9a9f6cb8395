//! `spyhole top`.

use std::time::Duration;

use clap::Args;

use super::{Sampling, Subject};
use crate::record::{LabelOptions, RecordOptions};

#[derive(Args, Debug)]
#[command(next_help_heading = "What to watch")]
pub struct Top {
    #[command(flatten)]
    pub subject: Subject,

    #[command(flatten)]
    pub sampling: Sampling,

    /// Seconds between two refreshes
    #[arg(long, value_name = "SECONDS", default_value = "1.0", value_parser = parse_delay, help_heading = "How to show it")]
    pub delay: Duration,

    /// Show whole paths of files instead of those below the package
    #[arg(long, help_heading = "How to show it")]
    pub full_filenames: bool,

    /// Show native (C, C++, Rust) frames, too
    #[arg(short, long, hide = true)]
    pub native: bool,
}

impl Top {
    /// What a recorder is told. It may be watched for days, by someone who wants to know names.
    pub fn options(&self) -> RecordOptions {
        let mut labels = LabelOptions::default();
        labels.read = false;
        RecordOptions {
            labels,
            thread_names: true,
            outside_of_python: false,
            order_in_time: false,
            ..self.sampling.options()
        }
    }
}

/// Less is more than anybody can read; a day is longer than anybody looks.
fn parse_delay(text: &str) -> Result<Duration, String> {
    text.parse::<f64>()
        .ok()
        .filter(|seconds| (0.05..=86_400.0).contains(seconds))
        .map(Duration::from_secs_f64)
        .ok_or_else(|| "a delay is a number of seconds, from 0.05 to 86400".into())
}

pub const USAGE: &str = "\
spyhole top [OPTIONS] --pid PID|--port PORT|--name PATTERN|--container ID
       spyhole top [OPTIONS] WORD
       spyhole top [OPTIONS] [--] PROGRAM [ARGUMENT]...";

pub const HELP: &str = "\
Examples:
  spyhole top --port 8000                 the server at that port, over reloads, with its workers
  spyhole top -r 1000 -- python app.py    a program from start to end; what it prints is kept back
  spyhole top --pid 1234 | cat            without a screen: a table every second

Keys: 1 2 3 4 sort, / filters, Tab goes from functions to lines, threads, processes and the flame graph, Space \
pauses, R begins anew, W writes a file, Q quits, ? tells the rest. Arrows walk the flame graph, Enter zooms.

%Own and %Total are of the time since the last refresh: 100% is one thread all the time. OwnTime and TotalTime are \
since the start. Own is the time of a function without what it called.

Nothing is written unless W is pressed. A program that spyhole started is ended with it, as with record; what \
spyhole only looked at runs on. NO_COLOR is honoured.

Exit codes: 0 the end, however it came; 1 the process could not be watched, or nothing be shown; 2 the command line \
was not understood; 3 no Python was found. If a program that spyhole started fails by itself, its code takes the place of 0.";

#[cfg(test)]
mod tests {
    use clap::Parser;

    use super::*;
    use crate::cli::args::{Cli, Command};

    fn top(arguments: &[&str]) -> Result<Top, clap::Error> {
        let words = ["spyhole", "top"].iter().chain(arguments);
        match Cli::try_parse_from(words)?.command {
            Command::Top(top) => Ok(*top),
            other => panic!("{other:?}"),
        }
    }

    #[test]
    fn what_py_spy_takes_is_taken() {
        let words = "-p 1 -s -n -g -i -r 50 --delay 0.5 --full-filenames --nonblocking";
        let words: Vec<_> = words.split(' ').collect();
        let parsed = top(&words).unwrap();
        assert_eq!(parsed.delay, Duration::from_millis(500));
        let options = parsed.options();
        assert_eq!(options.rate, 50);
        assert!(options.subprocesses && parsed.native && parsed.full_filenames);
        assert_eq!(top(&["-p", "1"]).unwrap().delay, Duration::from_secs(1));
        assert_eq!(
            top(&["--", "python", "x.py", "-s"])
                .unwrap()
                .subject
                .program
                .len(),
            3
        );
        for wrong in ["0", "-1", "nan", "inf", "x", "0.01"] {
            assert!(top(&["-p", "1", "--delay", wrong]).is_err(), "{wrong}");
        }
        assert!(top(&[]).is_err());
    }
}
