//! A program that a test looks at.

use std::fs;
use std::io::{self, BufRead, BufReader};
use std::ops::Deref;
use std::process::{Child, ChildStdout, Command, Stdio};
use std::time::Duration;

use super::held::task_states;
use super::watchdog;

/// Starts, says `ready` on a line of its own, and waits to be ended.
pub const WAITING: &str = "\
import sys, time
sys.stdout.write('ready\\n')
sys.stdout.flush()
time.sleep(600)
";

/// A running program, ended when dropped.
pub struct Target {
    child: Child,
    output: BufReader<ChildStdout>,
}

impl Target {
    /// Starts a program and waits for its line `ready`, without the time that it takes to get
    /// there mattering: the line comes or the output ends.
    pub fn start(command: &mut Command) -> Result<Target, String> {
        Target::start_with_input(command, Stdio::null())
    }

    /// Starts a program that says more than `ready`: its lines are for the caller to read.
    pub fn start_with_lines(command: &mut Command) -> Result<Target, String> {
        command.stdin(Stdio::null()).stdout(Stdio::piped());
        let mut child =
            patiently(|| command.spawn()).map_err(|error| format!("{command:?}: {error}"))?;
        let output = child.stdout.take().ok_or("no output")?;
        Ok(Target {
            child,
            output: BufReader::new(output),
        })
    }

    /// The same of one that reads from its standard input.
    pub fn start_with_input(
        command: &mut Command,
        input: impl Into<Stdio>,
    ) -> Result<Target, String> {
        command.stdin(input).stdout(Stdio::piped());
        let child =
            patiently(|| command.spawn()).map_err(|error| format!("{command:?}: {error}"))?;
        Target::wait_ready(child).map_err(|error| format!("{command:?}: {error}"))
    }

    fn wait_ready(mut child: Child) -> Result<Target, String> {
        let Some(stdout) = child.stdout.take() else {
            return Err("no output".to_owned());
        };
        let mut target = Target {
            child,
            output: BufReader::new(stdout),
        };
        match target.line().as_deref() {
            Some("ready") => Ok(target),
            Some(line) => Err(format!("said {line:?} where 'ready' was expected")),
            None => Err("ended before it was ready".to_owned()),
        }
    }

    /// A program that is no Python, and waits. Nothing of the shell that started it is left.
    pub fn no_python() -> Target {
        let mut shell = Command::new("sh");
        let target = Target::start(shell.args(["-c", "echo ready; exec sleep 600"]));
        let target = target.expect("starts");
        let name = || fs::read(format!("/proc/{}/comm", target.pid())).unwrap_or_default();
        let _watched = watchdog::watch("waits until a shell has become another program");
        while name() != b"sleep\n" {
            std::thread::sleep(Duration::from_millis(1));
        }
        target
    }

    /// The same once every thread of it sleeps. Between saying that it is ready and going to sleep it
    /// may have to wait for a CPU, and is seen there.
    pub fn asleep(self) -> Target {
        let _watched = watchdog::watch(format!("waits until {} sleeps", self.child.id()));
        let sleeps = |states: Vec<char>| states.iter().all(|&state| state == 'S');
        while !task_states(self.pid()).is_some_and(sleeps) {
            std::thread::sleep(Duration::from_millis(1));
        }
        self
    }

    /// The next line of its output; `None` at the end.
    pub fn line(&mut self) -> Option<String> {
        let _watched = watchdog::watch(format!("waits for a line of {}", self.child.id()));
        let mut line = String::new();
        match self.output.read_line(&mut line) {
            Ok(1..) => Some(line.trim_end().to_owned()),
            _ => None,
        }
    }

    pub fn pid(&self) -> spyhole::model::Pid {
        spyhole::model::Pid(i32::try_from(self.child.id()).expect("a pid"))
    }

    /// Ends it and collects it.
    pub fn end(&mut self) {
        let _watched = watchdog::watch(format!("waits for the end of {}", self.child.id()));
        // An error means that it has ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }

    /// Waits until it has ended by itself, and collects it.
    pub fn wait_for_end(&mut self) {
        let _watched = watchdog::watch(format!("waits until {} has ended", self.child.id()));
        self.child.wait().expect("a child");
    }

    /// Ends it and leaves the zombie.
    pub fn kill(&mut self) {
        let _ = self.child.kill();
    }
}

impl Deref for Target {
    type Target = Child;

    fn deref(&self) -> &Child {
        &self.child
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.end();
    }
}

/// Runs a program that a test has just written. A process that another test is starting at that
/// moment holds a copy of the open file until it execs; "text file busy" passes.
pub fn patiently<T>(mut run: impl FnMut() -> io::Result<T>) -> io::Result<T> {
    loop {
        match run() {
            Err(error) if error.kind() == io::ErrorKind::ExecutableFileBusy => {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}
