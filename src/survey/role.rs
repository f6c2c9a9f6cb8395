//! What a process is for, told by the stack of its main thread: a process can choose its name, but not
//! its stack. Where no stack can be read, its command line must do.

use crate::frameworks::{self, Framework, Role, RoleMark};
use crate::model::TargetStr;

/// What a process shows, from which its role is concluded.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub command: Vec<TargetStr>,
    /// Whether an environment variable says that an autoreloader has started it.
    pub reloaded: bool,
    /// The stack of each thread, the main thread's first.
    pub stacks: Vec<Vec<SeenFrame>>,
}

/// A frame, as the names of its file and function.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SeenFrame {
    pub file: TargetStr,
    /// The function's name without the name of its class.
    pub function: TargetStr,
}

impl Evidence {
    /// What the process is for; `None` where nothing gives it away.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        // The main thread's stack comes first: gunicorn in a test may run in another thread of pytest.
        let by_stack = self.stacks.iter().find_map(|stack| by_stack(stack));
        let role = by_stack
            .or_else(|| self.by_reload_command())
            .or_else(|| self.by_command())?;
        Some(self.as_the_user_knows_it(role))
    }

    /// The role by a command that starts an autoreloader, such as `runserver`. While the autoreloader or
    /// its child still imports its code, no stack tells what it is.
    fn by_reload_command(&self) -> Option<Role> {
        let commands = frameworks::ALL.iter();
        let mut commands = commands.filter_map(|framework| framework.reload_command.as_ref());
        commands.find_map(|command| {
            let is_reloader = || !self.has_word(command.off);
            match (self.has_word(command.word), self.reloaded) {
                (false, _) => None,
                (true, true) => Some(command.server),
                (true, false) => is_reloader().then_some(command.reloader),
            }
        })
    }

    fn has_word(&self, word: &str) -> bool {
        // The interpreter comes first, then the script or `-m django`, and then the subcommand.
        let mut words = self.command.iter().skip(1).take(8);
        words.any(|argument| argument.untrusted() == word)
    }

    fn by_command(&self) -> Option<Role> {
        let line = TargetStr::joined(&self.command);
        let marks = frameworks::ALL.iter();
        let mut marks = marks.flat_map(|framework| framework.command_marks);
        let found = marks.find(|mark| mark.parts.iter().all(|part| line.contains(part)));
        found.map(|mark| mark.role)
    }

    /// The role under the name that a framework which runs in the server has for it, if there is one.
    fn as_the_user_knows_it(&self, role: Role) -> Role {
        let framework = frameworks::ALL.iter().find_map(|framework| {
            let name = framework.role_names.iter().find(|name| name.of == role)?;
            self.runs(framework).then_some(name.name)
        });
        framework.unwrap_or(role)
    }

    /// Whether a framework's code is on a stack, or is what the command line starts.
    fn runs(&self, framework: &Framework) -> bool {
        let mut packages = framework.packages.iter();
        packages.any(|package| {
            let directory = format!("{package}/");
            let below = format!("/{directory}");
            let program = format!("/{package}");
            let is_within = |frame: &SeenFrame| {
                let file = frame.file.untrusted();
                file.starts_with(&directory) || file.contains(&below)
            };
            self.stacks.iter().flatten().any(is_within)
                || self.command.iter().any(|word| {
                    let word = word.untrusted();
                    word == *package || word.ends_with(&program)
                })
        })
    }
}

/// The role by one stack, outermost frame first. The innermost mark counts, since a forked process keeps
/// the stack of the process that forked it. A weak mark counts only if there is no other.
fn by_stack(stack: &[SeenFrame]) -> Option<Role> {
    let marks = || stack.iter().rev().filter_map(mark_of);
    let mut strong = marks().filter(|mark| !mark.is_weak);
    let mark = strong.next().or_else(|| marks().next());
    mark.map(|mark| mark.role)
}

fn mark_of(frame: &SeenFrame) -> Option<&'static RoleMark> {
    frameworks::role_mark(frame.file.untrusted(), frame.function.untrusted())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(command: &str, stack: &[(&str, &str)]) -> Evidence {
        let frame = |(file, function): &(&str, &str)| SeenFrame {
            file: TargetStr::new(format!("/site-packages/{file}")),
            function: TargetStr::new(*function),
        };
        Evidence {
            command: command.split(' ').map(TargetStr::new).collect(),
            reloaded: false,
            stacks: vec![stack.iter().map(frame).collect()],
        }
    }

    fn name(evidence: &Evidence) -> Option<&'static str> {
        evidence.role().map(|role| role.name)
    }

    #[test]
    fn the_innermost_mark_counts() {
        let master = [
            ("gunicorn/app/base.py", "run"),
            ("gunicorn/arbiter.py", "run"),
        ];
        assert_eq!(name(&evidence("x", &master)), Some("gunicorn master"));
        let worker = [
            &master[..],
            &[
                ("gunicorn/arbiter.py", "spawn_worker"),
                ("gunicorn/workers/sync.py", "run"),
                ("uvicorn/server.py", "run"),
            ],
        ]
        .concat();
        assert_eq!(name(&evidence("x", &worker)), Some("gunicorn worker"));
    }

    #[test]
    fn a_mark_is_a_whole_path() {
        let other = [("mygunicorn/arbiter.py", "run")];
        assert_eq!(name(&evidence("x", &other)), None);
    }

    #[test]
    fn flask_is_called_by_its_name() {
        let stack = [
            ("flask/cli.py", "run_command"),
            ("werkzeug/_reloader.py", "run_with_reloader"),
            ("werkzeug/_reloader.py", "restart_with_reloader"),
        ];
        assert_eq!(name(&evidence("x", &stack)), Some("Flask reloader"));
        assert_eq!(name(&evidence("x", &stack[1..])), Some("Werkzeug reloader"));
    }

    #[test]
    fn an_autoreloader_that_has_only_begun_is_told_from_its_child() {
        let mut parent = evidence("python manage.py runserver 8000", &[]);
        assert_eq!(name(&parent), Some("Django autoreloader"));
        parent.reloaded = true;
        assert_eq!(name(&parent), Some("Django server"));
        let alone = evidence("python manage.py runserver --noreload", &[]);
        assert_eq!(name(&alone), None);
    }

    #[test]
    fn the_command_line_tells_the_role_where_there_is_no_stack() {
        let worker = evidence(
            "python -c from multiprocessing.spawn import spawn_main; x",
            &[],
        );
        assert_eq!(name(&worker), Some("multiprocessing worker"));
        assert_eq!(
            name(&evidence("gunicorn: master [app]", &[])),
            Some("gunicorn master")
        );
        assert_eq!(name(&evidence("python app.py", &[])), None);
    }
}
