//! What a process is for, told by what its main thread is in the middle of: a name can be chosen, a
//! stack is what it is. Where no stack can be read, its command line must do.

use crate::model::TargetStr;

/// What a process is for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct Role {
    /// For the user, such as `gunicorn worker`.
    pub name: &'static str,
    pub duty: Duty,
}

/// What that means for who wants to know where time goes.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum Duty {
    /// It starts another anew whenever a file changes, and that one does the work.
    Reloads,
    /// Others that it started do the work.
    Leads,
    /// It does work.
    Works,
    /// It only helps those that do.
    Helps,
}

/// What a process shows of itself.
#[derive(Clone, Debug, Default)]
pub struct Evidence {
    pub command: Vec<TargetStr>,
    /// Whether an autoreloader of Django or Werkzeug has started it, by the variable that says so.
    pub reloaded: bool,
    /// The stack of each thread, the main thread's first.
    pub stacks: Vec<Vec<Place>>,
}

/// A frame.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Place {
    pub file: TargetStr,
    /// The function's name without that of its class.
    pub function: TargetStr,
}

const fn role(name: &'static str, duty: Duty) -> Role {
    Role { name, duty }
}

const DJANGO_RELOADER: Role = role("Django autoreloader", Duty::Reloads);
const DJANGO_SERVER: Role = role("Django server", Duty::Works);
const WERKZEUG_RELOADER: Role = role("Werkzeug reloader", Duty::Reloads);
const WERKZEUG_SERVER: Role = role("Werkzeug server", Duty::Works);
const FLASK_RELOADER: Role = role("Flask reloader", Duty::Reloads);
const FLASK_SERVER: Role = role("Flask server", Duty::Works);
const UVICORN_RELOADER: Role = role("uvicorn reloader", Duty::Reloads);
const UVICORN_MASTER: Role = role("uvicorn master", Duty::Leads);
const UVICORN_WORKER: Role = role("uvicorn worker", Duty::Works);
const UVICORN_SERVER: Role = role("uvicorn server", Duty::Works);
const GUNICORN_MASTER: Role = role("gunicorn master", Duty::Leads);
const GUNICORN_WORKER: Role = role("gunicorn worker", Duty::Works);
const CELERY_MAIN: Role = role("Celery main", Duty::Leads);
const CELERY_WORKER: Role = role("Celery pool worker", Duty::Works);
const CELERY_BEAT: Role = role("Celery beat", Duty::Works);
const RESOURCE_TRACKER: Role = role("resource tracker", Duty::Helps);
const FORK_SERVER: Role = role("fork server", Duty::Leads);
const MULTIPROCESSING: Role = role("multiprocessing worker", Duty::Works);
const PROCESS_POOL: Role = role("process pool worker", Duty::Works);
const JUPYTER_KERNEL: Role = role("Jupyter kernel", Duty::Works);
const JUPYTER_SERVER: Role = role("Jupyter server", Duty::Works);
const PYTEST: Role = role("pytest", Duty::Works);
const XDIST_WORKER: Role = role("pytest-xdist worker", Duty::Works);
pub(super) const UWSGI: Role = role("uWSGI", Duty::Works);
pub(super) const UWSGI_MASTER: Role = role("uWSGI master", Duty::Leads);
pub(super) const UWSGI_WORKER: Role = role("uWSGI worker", Duty::Works);

/// A frame that gives a process away: the end of its file's path, its function (empty for any), what
/// the process then is, and whether that holds only if nothing else is found: others run this, too.
struct Mark(&'static str, &'static str, Role, bool);

/// Of those on a stack the innermost counts, since a forked process keeps the stack of who forked it.
/// Looked up in Django 1.11 to 5.2, Werkzeug 3.1, uvicorn 0.54, gunicorn 27, Celery 5.7 (billiard 4.3),
/// CPython 2.7 to 3.15, ipykernel 6, pytest 8 and 9, xdist 3.8.
const MARKS: &[Mark] = &[
    Mark(
        "django/utils/autoreload.py",
        "restart_with_reloader",
        DJANGO_RELOADER,
        false,
    ),
    Mark(
        "django/utils/autoreload.py",
        "start_django",
        DJANGO_SERVER,
        false,
    ),
    // 1.11.
    Mark(
        "django/utils/autoreload.py",
        "reloader_thread",
        DJANGO_SERVER,
        false,
    ),
    Mark(
        "django/core/servers/basehttp.py",
        "run",
        DJANGO_SERVER,
        true,
    ),
    Mark(
        "werkzeug/_reloader.py",
        "restart_with_reloader",
        WERKZEUG_RELOADER,
        false,
    ),
    Mark(
        "werkzeug/_reloader.py",
        "run_with_reloader",
        WERKZEUG_SERVER,
        false,
    ),
    Mark(
        "werkzeug/serving.py",
        "serve_forever",
        WERKZEUG_SERVER,
        true,
    ),
    Mark(
        "uvicorn/supervisors/basereload.py",
        "",
        UVICORN_RELOADER,
        false,
    ),
    Mark(
        "uvicorn/supervisors/statreload.py",
        "",
        UVICORN_RELOADER,
        false,
    ),
    Mark(
        "uvicorn/supervisors/watchfilesreload.py",
        "",
        UVICORN_RELOADER,
        false,
    ),
    Mark(
        "uvicorn/supervisors/multiprocess.py",
        "run",
        UVICORN_MASTER,
        false,
    ),
    Mark(
        "uvicorn/supervisors/multiprocess.py",
        "target",
        UVICORN_WORKER,
        false,
    ),
    Mark(
        "uvicorn/_subprocess.py",
        "subprocess_started",
        UVICORN_WORKER,
        false,
    ),
    Mark("uvicorn/server.py", "run", UVICORN_SERVER, true),
    Mark("gunicorn/arbiter.py", "run", GUNICORN_MASTER, false),
    Mark(
        "gunicorn/arbiter.py",
        "spawn_worker",
        GUNICORN_WORKER,
        false,
    ),
    Mark("celery/worker/worker.py", "start", CELERY_MAIN, false),
    Mark("billiard/pool.py", "workloop", CELERY_WORKER, false),
    Mark("celery/beat.py", "start", CELERY_BEAT, false),
    Mark(
        "multiprocessing/resource_tracker.py",
        "main",
        RESOURCE_TRACKER,
        false,
    ),
    Mark(
        "multiprocessing/semaphore_tracker.py",
        "main",
        RESOURCE_TRACKER,
        false,
    ),
    Mark("multiprocessing/forkserver.py", "main", FORK_SERVER, false),
    Mark(
        "multiprocessing/process.py",
        "_bootstrap",
        MULTIPROCESSING,
        false,
    ),
    Mark(
        "concurrent/futures/process.py",
        "_process_worker",
        PROCESS_POOL,
        false,
    ),
    Mark("ipykernel/kernelapp.py", "start", JUPYTER_KERNEL, false),
    Mark(
        "jupyter_server/serverapp.py",
        "start",
        JUPYTER_SERVER,
        false,
    ),
    Mark("notebook/notebookapp.py", "start", JUPYTER_SERVER, false),
    Mark("_pytest/config/__init__.py", "main", PYTEST, false),
    // 9.
    Mark("_pytest/config/__init__.py", "_main", PYTEST, false),
    Mark("xdist/remote.py", "", XDIST_WORKER, false),
    Mark("execnet/gateway_base.py", "serve", XDIST_WORKER, true),
];

/// What a command line gives away, where no stack does: words of it, all of which it must hold.
const COMMANDS: &[(&[&str], Role)] = &[
    (&["gunicorn: master"], GUNICORN_MASTER),
    (&["gunicorn: worker"], GUNICORN_WORKER),
    (&["[celeryd: ", ":MainProcess]"], CELERY_MAIN),
    (&["[celeryd: ", "PoolWorker"], CELERY_WORKER),
    (&["multiprocessing.resource_tracker"], RESOURCE_TRACKER),
    (&["multiprocessing.semaphore_tracker"], RESOURCE_TRACKER),
    (&["multiprocessing.forkserver"], FORK_SERVER),
    (&["multiprocessing.spawn"], MULTIPROCESSING),
    (&["ipykernel_launcher"], JUPYTER_KERNEL),
];

impl Evidence {
    /// What the process is for; `None` where nothing gives it away.
    #[must_use]
    pub fn role(&self) -> Option<Role> {
        // What other threads do may be done for others: gunicorn in a test is a thread of pytest.
        let by_stack = self.stacks.iter().find_map(|stack| by_stack(stack));
        let found = by_stack
            .or_else(|| self.begins_to_reload())
            .or_else(|| self.by_command())?;
        let flask = self.runs_below("flask/");
        Some(match found {
            // The name that the user knows it by.
            WERKZEUG_RELOADER if flask => FLASK_RELOADER,
            WERKZEUG_SERVER if flask => FLASK_SERVER,
            // Between its start and its first look at files it does what its child does.
            DJANGO_SERVER if self.starts_a_reloader() && by_stack.is_none() => DJANGO_RELOADER,
            found => found,
        })
    }

    /// An autoreloader that still imports what it will start again shows by its command line alone.
    fn begins_to_reload(&self) -> Option<Role> {
        if self.reloaded && self.has_word("runserver") {
            return Some(DJANGO_SERVER);
        }
        self.starts_a_reloader().then_some(DJANGO_RELOADER)
    }

    fn starts_a_reloader(&self) -> bool {
        !self.reloaded && self.has_word("runserver") && !self.has_word("--noreload")
    }

    fn has_word(&self, word: &str) -> bool {
        // The interpreter and the script come first; -m django counts as one.
        let mut words = self.command.iter().skip(1).take(8);
        words.any(|argument| argument.untrusted() == word)
    }

    fn by_command(&self) -> Option<Role> {
        let line = TargetStr::joined(&self.command);
        let matches = |parts: &[&str]| parts.iter().all(|part| line.contains(part));
        COMMANDS
            .iter()
            .find_map(|(parts, role)| matches(parts).then_some(*role))
    }

    fn runs_below(&self, directory: &str) -> bool {
        let below = |place: &Place| {
            let file = place.file.untrusted();
            file.starts_with(directory) || file.contains(&format!("/{directory}"))
        };
        self.stacks.iter().flatten().any(below)
            || self.command.iter().any(|word| {
                let word = word.untrusted();
                word == "flask" || word.ends_with("/flask")
            })
    }
}

/// By one stack, outermost frame first.
fn by_stack(stack: &[Place]) -> Option<Role> {
    let marks = || stack.iter().rev().filter_map(mark_of);
    let mut sure = marks().filter(|mark| !mark.3);
    sure.next().or_else(|| marks().next()).map(|mark| mark.2)
}

fn mark_of(place: &Place) -> Option<&'static Mark> {
    MARKS.iter().find(|Mark(end, function, ..)| {
        is_file(place.file.untrusted(), end)
            && (function.is_empty() || place.function.untrusted() == *function)
    })
}

/// Whether a path ends in these names.
pub(super) fn is_file(path: &str, end: &str) -> bool {
    let before = path.strip_suffix(end);
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

/// A function's name without that of its class.
pub(super) fn unqualified(name: &str) -> &str {
    name.rsplit('.').next().unwrap_or(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evidence(command: &str, stack: &[(&str, &str)]) -> Evidence {
        let place = |(file, function): &(&str, &str)| Place {
            file: TargetStr::new(format!("/site-packages/{file}")),
            function: TargetStr::new(*function),
        };
        Evidence {
            command: command.split(' ').map(TargetStr::new).collect(),
            reloaded: false,
            stacks: vec![stack.iter().map(place).collect()],
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
    fn a_command_line_must_do_where_there_is_no_stack() {
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
