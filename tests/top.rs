//! `spyhole top`: without a terminal, and on one that tmux plays.

mod common;
mod harness;

use std::io::{BufRead, BufReader};
use std::process::{Command, Output};

use common::lacking;
use harness::*;

/// A terminal, and a shell in it that runs one command and then says with which code it left.
struct Terminal {
    place: Place,
    /// tmux's socket, so that it is nobody else's.
    socket: std::path::PathBuf,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        // It may have ended with what ran in it.
        let _ = self.tmux(&["kill-server"]);
    }
}

impl Terminal {
    /// `None` where there is no tmux.
    fn start(
        place: Place,
        (width, height): (u16, u16),
        environment: &str,
        arguments: &str,
    ) -> Option<Terminal> {
        let has_tmux = Command::new("tmux").arg("-V").output();
        if !has_tmux.is_ok_and(|output| output.status.success()) {
            lacking("top on a terminal", "no tmux");
            return None;
        }
        let socket = place.path("tmux");
        let terminal = Terminal { place, socket };
        let command = format!(
            "env {environment} '{}' top --engine {} {arguments} 2>told; echo left with $?; exec sleep 600",
            env!("CARGO_BIN_EXE_spyhole"),
            engine()
        );
        let [width, height] = [width, height].map(|size| size.to_string());
        let output = terminal.tmux(&[
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            &width,
            "-y",
            &height,
            &command,
        ]);
        assert_code(&output, 0);
        Some(terminal)
    }

    fn tmux(&self, arguments: &[&str]) -> Output {
        Command::new("tmux")
            .args(["-u", "-S"])
            .arg(&self.socket)
            .args(arguments)
            .current_dir(self.place.path("."))
            .env("LC_ALL", "C.UTF-8")
            .env_remove("TMUX")
            .env_remove("NO_COLOR")
            .output()
            .expect("tmux")
    }

    fn screen(&self) -> String {
        stdout(&self.tmux(&["capture-pane", "-p"]))
    }

    fn keys(&self, keys: &[&str]) {
        let mut arguments = vec!["send-keys"];
        arguments.extend(keys);
        assert_code(&self.tmux(&arguments), 0);
    }

    /// The process id of what runs in it.
    fn spyhole(&self) -> u32 {
        let shell = stdout(&self.tmux(&["display-message", "-p", "#{pane_pid}"]));
        let shell = shell.trim();
        let children = std::fs::read_to_string(format!("/proc/{shell}/task/{shell}/children"));
        let children = children.expect("the shell runs");
        children.trim().parse().expect("one child")
    }

    /// Waits until the screen is so.
    #[track_caller]
    fn sees(&self, what: &str, holds: impl Fn(&str) -> bool) -> String {
        let mut screen = String::new();
        let deadline = std::time::Instant::now() + PATIENCE;
        while !holds(&screen) {
            assert!(
                std::time::Instant::now() < deadline,
                "waited in vain for {what}:\n{screen}"
            );
            std::thread::sleep(std::time::Duration::from_millis(20));
            screen = self.screen();
        }
        screen
    }

    #[track_caller]
    fn shows(&self, text: &str) -> String {
        self.sees(text, |screen| screen.contains(text))
    }

    /// Waits until it has left, and returns what it told on standard error.
    #[track_caller]
    fn left_with(&self, code: i32) -> String {
        let line = format!("left with {code}");
        let screen = self.shows("left with ");
        // Nothing of the screen is left.
        assert_eq!(screen.trim(), line);
        let flags = "#{alternate_on} #{cursor_flag}";
        let state = self.tmux(&["display-message", "-p", flags]);
        assert_eq!(stdout(&state).trim(), "0 1", "the terminal is not restored");
        std::fs::read_to_string(self.place.path("told")).expect("what it told")
    }
}

/// On a terminal of this size, watching a program that works.
fn watching(size: (u16, u16), options: &str) -> Option<(Terminal, Target)> {
    let place = Place::new();
    let target = place.target(BUSY);
    let arguments = format!("-p {} {options}", target.pid());
    let terminal = Terminal::start(place, size, "", &arguments)?;
    terminal.shows("work (target.py");
    Some((terminal, target))
}

#[test]
fn without_a_terminal_there_is_a_table_every_so_often() {
    let place = Place::new();
    let target = place.target(BUSY);
    let mut spyhole = place
        .spyhole(["top", "--engine", &engine(), "--delay", "0.2"])
        .args(["-p", &target.pid().to_string()])
        .spawn()
        .expect("spyhole starts");
    let mut lines = BufReader::new(spyhole.stdout.take().expect("it is piped")).lines();
    let mut tables = 0;
    let mut works = 0;
    while tables < 3 || works < 3 {
        let line = lines.next().expect("it goes on").expect("text");
        tables += usize::from(line.contains("%Own"));
        works += usize::from(line.ends_with("work (target.py:2)"));
        assert!(!line.contains('\x1b'), "{line:?}");
    }
    signal(spyhole.id(), "INT");
    lines.for_each(drop);
    let output = spyhole.wait_with_output().expect("it ends");
    assert_code(&output, 0);
    let told = stderr(&output);
    assert!(told.contains("Control-C was pressed"), "{told}");
    assert!(told.contains("Looked "), "{told}");
    assert!(runs(target.id()));
}

#[test]
fn who_stops_reading_ends_it_and_a_program_is_ended_with_it() {
    let place = Place::new();
    place.program("p.py", BUSY);
    let mut spyhole = place
        .spyhole(["top", "--engine", &engine(), "--delay", "0.1", "--"])
        .arg(python())
        .arg("p.py")
        .spawn()
        .expect("spyhole starts");
    let mut lines = BufReader::new(spyhole.stdout.take().expect("it is piped")).lines();
    // What the program writes is not among the tables.
    let line = lines.next().expect("a table").expect("text");
    let pid = line
        .split("pid ")
        .nth(1)
        .and_then(|rest| rest.split(' ').next());
    let pid: u32 = pid.and_then(|pid| pid.parse().ok()).expect("a pid");
    drop(lines);
    let output = spyhole.wait_with_output().expect("it ends");
    assert_code(&output, 0);
    assert!(!runs(pid));
}

#[test]
fn native_frames_are_still_to_come() {
    let place = Place::new();
    let output = place
        .spyhole(["top", "-n", "-p", "1"])
        .output()
        .expect("it ends");
    assert_code(&output, 2);
    assert!(stderr(&output).contains("not in this version"));
}

#[test]
fn it_is_shown_in_every_size_and_every_key_works() {
    for size in [(40, 10), (80, 24), (200, 60)] {
        let Some((terminal, _target)) = watching(size, "--delay 0.2") else {
            return;
        };
        for (key, expected) in [
            ("2", "▾%Total"),
            ("1", "▾%Own"),
            ("4", "▾TotalTime"),
            ("3", "▾OwnTime"),
            ("l", "Line: "),
            ("t", "Thread "),
            ("p", "Process "),
            ("g", "[all]"),
            ("n", "[now]"),
            ("Down", ": <module>"),
            ("Enter", "zoomed]"),
            ("Up", ": all"),
            ("f", "Function ("),
            ("?", "sort by %Own"),
            ("x", "Function ("),
            ("Space", "PAUSED"),
        ] {
            terminal.keys(&[key]);
            terminal.shows(expected);
        }
        terminal.keys(&["Space"]);
        terminal.sees("it goes on", |screen| !screen.contains("PAUSED"));
        terminal.keys(&["Tab", "Tab", "Tab", "Tab"]);
        terminal.shows("[");
        terminal.keys(&["BTab"]);
        terminal.shows("Process ");
        terminal.keys(&["f"]);
        terminal.keys(&["/", "w", "o", "r", "k"]);
        terminal.sees("the filter", |screen| {
            screen.contains("Filter: work") && !screen.contains("main (")
        });
        terminal.keys(&["Enter", "Escape"]);
        terminal.shows("main (");
        terminal.keys(&["r"]);
        terminal.shows("anew");
        terminal.keys(&["q"]);
        let told = terminal.left_with(0);
        assert!(told.contains("Looked "), "{told}");
    }
}

#[test]
fn what_was_seen_is_written() {
    let Some((terminal, _target)) = watching((80, 24), "--delay 0.2") else {
        return;
    };
    for (name, expected) in [("x.svg", "flamegraph data"), ("x.pb.gz", "pprof")] {
        terminal.keys(&["w", "C-u"]);
        terminal.keys(&["-l", name]);
        terminal.keys(&["Enter"]);
        terminal.shows(&format!("to '{name}'"));
        terminal.shows(expected);
    }
    for (name, why) in [
        ("no/where.svg", "No such file"),
        ("x.json", "order in time"),
    ] {
        terminal.keys(&["w", "C-u"]);
        terminal.keys(&["-l", name]);
        terminal.keys(&["Enter"]);
        terminal.shows(&format!("'{name}' could not be written"));
        terminal.shows(why);
    }
    assert!(!terminal.place.path("x.json").exists());
    let svg = std::fs::read_to_string(terminal.place.path("x.svg")).expect("it is written");
    assert!(svg.contains("work (target.py:"), "{svg}");
    let file = std::fs::File::open(terminal.place.path("x.pb.gz")).expect("it is written");
    let profile = spyhole::profile::file::read(file).expect("a profile");
    assert!(profile.total().count > 0);
    terminal.keys(&["C-c"]);
    terminal.left_with(0);
}

#[test]
fn the_end_of_the_process_and_signals_give_the_terminal_back() {
    let Some((terminal, mut target)) = watching((80, 24), "--delay 0.2") else {
        return;
    };
    target.end();
    let told = terminal.left_with(0);
    assert!(told.contains("because the process ended"), "{told}");
    for name in ["TERM", "HUP"] {
        let place = Place::new();
        let target = place.target(BUSY);
        let pid = target.pid();
        let Some(terminal) = Terminal::start(place, (80, 24), "", &format!("-p {pid} --delay 0.2"))
        else {
            return;
        };
        terminal.shows("work (target.py");
        signal(terminal.spyhole(), name);
        let told = terminal.left_with(0);
        assert!(told.contains(&format!("SIG{name} came")), "{told}");
    }
}

#[test]
fn it_ends_with_its_terminal() {
    let Some((terminal, target)) = watching((80, 24), "--delay 0.2") else {
        return;
    };
    let spyhole = terminal.spyhole();
    assert_code(&terminal.tmux(&["kill-server"]), 0);
    wait_until("it ends", || !runs(spyhole));
    assert!(runs(target.id()));
}

#[test]
fn nothing_that_a_program_is_called_steers_the_terminal() {
    let place = Place::new();
    let code = "
def evil():
    total = 0
    for number in range(1000):
        total += number
evil.__code__ = evil.__code__.replace(co_name='e\\x1b]0;stolen\\x07\\x1b[2Jx', **({'co_qualname': 'e\\x1b]0;stolen\\x07\\x1b[2Jx'} if hasattr(evil.__code__, 'co_qualname') else {}))
print('ready', flush=True)
while True:
    evil()
";
    let target = place.target(code);
    let arguments = format!("-p {} --delay 0.2", target.pid());
    let Some(terminal) = Terminal::start(place, (80, 24), "", &arguments) else {
        return;
    };
    terminal.shows("e\\x1b]0;stolen\\x07\\x1b[2Jx");
    let title = terminal.tmux(&["display-message", "-p", "#{pane_title}"]);
    assert!(!stdout(&title).contains("stolen"));
    terminal.keys(&["q"]);
    terminal.left_with(0);
}

#[test]
fn without_colours_no_colour_is_sent() {
    for (environment, has_colours) in [("", true), ("NO_COLOR=1", false)] {
        let place = Place::new();
        let target = place.target(BUSY);
        let arguments = format!("-p {} --delay 0.2", target.pid());
        let Some(terminal) = Terminal::start(place, (80, 24), environment, &arguments) else {
            return;
        };
        terminal.shows("work (target.py");
        let sent = stdout(&terminal.tmux(&["capture-pane", "-p", "-e"]));
        let is_colour = |codes: &str| {
            let codes = codes.split(['m', '\n']).next().unwrap_or_default();
            codes.split(';').any(|code| {
                let code: u32 = code.parse().unwrap_or(0);
                (30..=38).contains(&code) || (40..=48).contains(&code) || (90..=107).contains(&code)
            })
        };
        let coloured = sent.split("\x1b[").skip(1).any(is_colour);
        assert_eq!(coloured, has_colours, "{sent:?}");
        terminal.keys(&["q"]);
        terminal.left_with(0);
    }
}
