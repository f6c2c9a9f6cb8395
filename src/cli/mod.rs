//! The command line: parses arguments, runs commands, and returns exit codes.

mod args;
mod by_label;
mod check;
mod doctor;
mod dump;
mod empty;
mod explain;
mod explain_rule;
mod file_name;
mod findings;
mod progress;
mod ps;
mod record;
mod summary;
mod target;
mod terminal;
mod top;
mod words;

use std::process::ExitCode;

use clap::FromArgMatches;

use args::{Cli, Command};

/// Exit codes; `record --help` and `check --help` list them.
mod exit {
    pub const FAILED: u8 = 1;
    pub const USAGE: u8 = 2;
    pub const NOTHING_SAMPLED: u8 = 3;
    pub const BAD_RULES: u8 = 4;
    pub const BAD_BASELINE: u8 = 5;
    pub const NOT_COMPARABLE: u8 = 6;
    pub const PROGRAM_FAILED: u8 = 7;
    pub const NOTHING_SEEN: u8 = 8;
    pub const RULE_BROKEN: u8 = 10;
    pub const UNDECIDED: u8 = 11;
    pub const GIVEN_UP: u8 = 130;
}

/// Runs the program on its command line.
#[must_use]
pub fn main() -> ExitCode {
    // This exits by itself, with code 2, or with 0 for --help and --version.
    let parsed = Cli::from_arg_matches(&args::command().get_matches());
    let cli = parsed.unwrap_or_else(|error| error.exit());
    let reread = match &cli.command {
        Command::Record(arguments) => target::as_word(&arguments.subject),
        Command::Top(arguments) => target::as_word(&arguments.subject),
        _ => None,
    };
    let result = match reread.unwrap_or(cli.command) {
        Command::Record(arguments) => record::run(&arguments),
        Command::Check(arguments) => return ExitCode::from(check::run(&arguments)),
        Command::Ps(arguments) => ps::run(&arguments),
        Command::Doctor(arguments) => doctor::run(&arguments),
        Command::Top(arguments) => top::run(&arguments),
        Command::Dump(arguments) => dump::run(&arguments),
        Command::Explain(arguments) => explain_rule::run(&arguments),
        Command::Completions { shell } => {
            let mut script = Vec::new();
            clap_complete::generate(shell, &mut args::command(), "spyhole", &mut script);
            std::io::Write::write_all(&mut std::io::stdout(), &script)
                .map(|()| 0)
                .map_err(|error| anyhow::anyhow!("standard output cannot be written: {error}"))
        }
    };
    match result {
        Ok(code) => ExitCode::from(code),
        Err(error) => {
            terminal::complain(&error);
            ExitCode::from(exit::FAILED)
        }
    }
}
