//! Where our engine and py-spy differ, and which of py-spy's known flaws that comes from.

use std::collections::BTreeMap;
use std::io::{BufRead, BufReader, Write};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use super::Interpreter;
use super::held::SeenFrame;

/// A frame of which the two tell different things.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Difference {
    pub name: String,
    pub file: String,
    /// The line that we tell; `None` where we see no such frame.
    pub ours: Option<u32>,
    pub theirs: u32,
    pub is_leaf: bool,
}

/// Goes through two stacks from the root and returns where they differ; `Err` when py-spy's is not
/// ours with other lines and perhaps more frames.
pub fn differences(ours: &[SeenFrame], theirs: &[SeenFrame]) -> Result<Vec<Difference>, String> {
    let same = |left: &SeenFrame, right: &SeenFrame| {
        (&left.name, &left.file) == (&right.name, &right.file)
    };
    let mut found = Vec::new();
    let mut left = ours.iter().rev().peekable();
    for (place, frame) in theirs.iter().enumerate().rev() {
        let own = left.next_if(|own| same(own, frame));
        let line = own.map(|own| own.line);
        if line != Some(frame.line) {
            found.push(Difference {
                name: frame.name.clone(),
                file: frame.file.clone(),
                ours: line,
                theirs: frame.line,
                is_leaf: place == 0,
            });
        }
    }
    match left.next() {
        Some(_) => Err(format!("ours   {ours:?}\n  theirs {theirs:?}")),
        None => Ok(found),
    }
}

/// `fixtures/pyspy_lines.py`, which runs in the interpreter that is looked at and knows its tables.
pub struct Flaws {
    child: Child,
    questions: ChildStdin,
    answers: BufReader<ChildStdout>,
    known: BTreeMap<Difference, Option<String>>,
}

impl Flaws {
    pub fn of(python: &Interpreter) -> Flaws {
        let script = concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/pyspy_lines.py");
        let mut command: Command = python.command();
        let mut child = command
            .args(["-u", script])
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the interpreter starts");
        Flaws {
            questions: child.stdin.take().expect("a pipe"),
            answers: BufReader::new(child.stdout.take().expect("a pipe")),
            known: BTreeMap::new(),
            child,
        }
    }

    /// The flaw of py-spy's that a difference comes from, if it comes from one.
    pub fn explain(&mut self, difference: &Difference) -> Option<String> {
        if let Some(known) = self.known.get(difference) {
            return known.clone();
        }
        let Difference {
            name,
            file,
            ours,
            theirs,
            is_leaf,
        } = difference;
        let question = serde_json::json!([file, name, ours, theirs, is_leaf]);
        writeln!(self.questions, "{question}").expect("it listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("it answers");
        assert!(answer.ends_with('\n'), "no answer on {question}");
        let answer = answer.trim();
        let flaw = (!answer.is_empty()).then(|| answer.to_owned());
        self.known.insert(difference.clone(), flaw.clone());
        flaw
    }
}

impl Drop for Flaws {
    fn drop(&mut self) {
        // It may have ended already.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
