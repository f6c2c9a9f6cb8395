//! A program that tells its own stack, line by line, decides what is right: `fixtures/targets/self_lines.py`.

mod common;

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, Command, Stdio};

use common::flaws::{Flaws, differences};
use common::held::{Observer, SeenFrame};
use common::interpreters::one_of_each_version;
use common::{Interpreter, lacking};
use serde::Deserialize;
use spyhole::engine::Engine;
use spyhole::model::Pid;
use spyhole::target::Process;

#[derive(Deserialize, Clone, PartialEq, Debug)]
struct Account {
    moment: String,
    thread: u64,
    stack: Vec<Told>,
}

#[derive(Deserialize, Clone, PartialEq, Debug)]
struct Told {
    name: String,
    qualname: Option<String>,
    file: String,
    line: Option<u32>,
}

impl Account {
    fn frames(&self) -> Vec<SeenFrame> {
        let told = |told: &Told| SeenFrame {
            name: told.qualname.as_ref().unwrap_or(&told.name).clone(),
            file: told.file.clone(),
            line: told.line.unwrap_or(0),
        };
        self.stack.iter().map(told).collect()
    }
}

struct Program(Child);

impl Drop for Program {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// What it told is true from the moment that it waits for our answer.
fn wait_until_it_reads(pid: Pid) {
    let reading = format!("{} 0x0 ", libc::SYS_read);
    let in_call = || std::fs::read_to_string(format!("/proc/{pid}/syscall")).unwrap_or_default();
    while !in_call().starts_with(&reading) && Process::open(pid).is_ok() {
        std::thread::yield_now();
    }
}

/// Goes through the moments of the program, each with what the program says of itself and what an
/// engine sees of it; returns how many there were.
fn compare<E: Engine>(
    python: &Interpreter,
    open: impl Fn(Pid) -> Result<Observer<E>, String>,
    mut judge: impl FnMut(&Account, &[SeenFrame]),
) -> u32 {
    let script = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/fixtures/targets/self_lines.py"
    );
    let mut command = Command::new(&python.path);
    command
        .arg(script)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    let mut program = Program(command.spawn().expect("the interpreter starts"));
    let mut answers = program.0.stdin.take().expect("a pipe");
    let lines = BufReader::new(program.0.stdout.take().expect("a pipe")).lines();
    let pid = Pid(program.0.id().cast_signed());
    let (mut observer, mut first) = (None, None);
    let mut moments = 0;
    for line in lines.map_while(Result::ok) {
        let Ok(account) = serde_json::from_str::<Account>(&line) else {
            continue;
        };
        // The program goes round and round: once is enough.
        if *first.get_or_insert_with(|| account.clone()) == account && moments > 0 {
            break;
        }
        wait_until_it_reads(pid);
        let observer = observer
            .get_or_insert_with(|| open(pid).expect("an interpreter is found and can be read"));
        let seen = observer.look().expect("a tick");
        let seen = seen.get(&account.thread);
        judge(&account, seen.map_or(&[], |stack| &stack.frames));
        moments += 1;
        if answers.write_all(b"\n").is_err() {
            break;
        }
    }
    moments
}

#[test]
fn every_frame_is_where_the_program_says_that_it_is() {
    let pythons = one_of_each_version();
    if pythons.is_empty() {
        return lacking("own account", "no interpreter");
    }
    let mut wrong = String::new();
    for python in &pythons {
        let name = &python.name;
        let mut differ = 0;
        let moments = compare(python, Observer::own, |account, seen| {
            let told = account.frames();
            if seen != told {
                differ += 1;
                let moment = &account.moment;
                _ = writeln!(wrong, "{name}: {moment}:\n  told {told:?}\n  seen {seen:?}");
            }
        });
        eprintln!("{name}: {moments} moments, {differ} differ");
        if moments < 10 {
            _ = writeln!(wrong, "{name}: only {moments} moments");
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}

/// The flaws of py-spy's that the moments must show on a version: those that explain differences in
/// `differential.rs`.
fn flaws_to_be_shown(version: (u8, u8)) -> &'static [&'static str] {
    const NO_LINE: &str = "an instruction without a line";
    const BEING_MADE: &str = "a frame that is still being made";
    const CLEAN_UP: &str = "the interpreter's own frame below an __init__";
    match version {
        (2, 7) => &["behind more than 127 lines at once on 2.7"],
        (3, 10) => &[
            NO_LINE,
            "behind a range without a line on 3.10",
            "a frame before its first instruction on 3.10",
        ],
        (3, 11) => &[NO_LINE, BEING_MADE],
        // No Python runs while 3.12 to 3.14 make a frame: none could say so.
        (3, 12) => &[NO_LINE],
        (3, 13 | 14) => &[NO_LINE, CLEAN_UP],
        (3, 15..) => &[NO_LINE, CLEAN_UP, BEING_MADE],
        _ => &[],
    }
}

#[test]
fn where_py_spy_differs_the_program_says_that_it_is_off_and_the_flaw_has_a_name() {
    let mut pythons = one_of_each_version();
    pythons.retain(|python| !python.free_threaded);
    if pythons.is_empty() {
        return lacking("own account", "no interpreter");
    }
    let mut wrong = String::new();
    for python in &pythons {
        let name = &python.name;
        let mut flaws = Flaws::of(python);
        let mut shown: BTreeMap<String, Vec<String>> = BTreeMap::new();
        let moments = compare(python, Observer::pyspy, |account, seen| {
            let moment = &account.moment;
            match differences(&account.frames(), seen) {
                Err(error) => _ = writeln!(wrong, "{name}: {moment}: {error}"),
                Ok(found) => {
                    for difference in found {
                        match flaws.explain(&difference) {
                            Some(flaw) => shown.entry(flaw).or_default().push(moment.clone()),
                            None => _ = writeln!(wrong, "{name}: {moment}: {difference:?}"),
                        }
                    }
                }
            }
        });
        eprintln!("{name}: {moments} moments, of py-spy's flaws {shown:?}");
        for flaw in flaws_to_be_shown(python.version) {
            if !shown.contains_key(*flaw) {
                _ = writeln!(wrong, "{name}: no moment shows {flaw:?}");
            }
        }
    }
    assert!(wrong.is_empty(), "{wrong}");
}
