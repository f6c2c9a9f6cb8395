//! All that is known of frameworks, servers and well-known libraries: data, one file per framework. To
//! support another one, add a file, and a line in [`ALL`].
//!
//! This module only looks the data up. `survey` decides how marks are weighed against each other,
//! `engine` what they mean for a sample.

mod activity;
mod aiohttp;
mod asgiref;
mod asyncio;
mod celery;
mod databases;
mod django;
mod django_mistakes;
mod dramatiq;
mod drf;
mod fastapi;
mod flask;
mod framework;
mod gunicorn;
mod huey;
mod jupyter;
mod libraries;
mod mod_wsgi;
mod multiprocessing;
mod pandas;
mod pytest;
mod role;
mod rq;
mod rule;
pub mod shape;
mod sqlalchemy;
mod uvicorn;
mod uwsgi;
mod waitress;
mod watch;
mod watch_file;
mod werkzeug;
mod wsgiref;

use std::sync::LazyLock;

use rustc_hash::{FxHashMap, FxHashSet};

pub use activity::{Activity, activity};
pub use framework::{
    CommandMark, Framework, ReloadCommand, RoleMark, RoleName, ServerProgram, WorkFrame,
};
pub use role::{Role, RoleKind};
pub use rule::{Called, FramePattern, Mistake, RULES, Rule, mistakes, rule};
pub use watch::{Counts, Part, Shape, Step, Watch, Watches};
pub use watch_file::{WatchFileError, parse as parse_watches};

/// All frameworks. If the command marks of two of them fit the same process, the first counts.
pub const ALL: &[&Framework] = &[
    &django::DJANGO,
    &drf::DRF,
    &asgiref::ASGIREF,
    &flask::FLASK,
    &werkzeug::WERKZEUG,
    &fastapi::FASTAPI,
    &uvicorn::UVICORN,
    &gunicorn::GUNICORN,
    &uwsgi::UWSGI,
    &mod_wsgi::MOD_WSGI,
    &waitress::WAITRESS,
    &wsgiref::WSGIREF,
    &celery::CELERY,
    &rq::RQ,
    &dramatiq::DRAMATIQ,
    &huey::HUEY,
    &multiprocessing::MULTIPROCESSING,
    &jupyter::JUPYTER,
    &pytest::PYTEST,
    &sqlalchemy::SQLALCHEMY,
    &databases::DATABASES,
    &aiohttp::AIOHTTP,
    &asyncio::ASYNCIO,
    &pandas::PANDAS,
    &libraries::LIBRARIES,
];

/// What is looked up often, of all frameworks together.
struct Index {
    /// Role marks by the file's name without its directories.
    role_marks: FxHashMap<&'static str, Vec<&'static RoleMark>>,
    /// Work frames by the name of the function.
    work_frames: FxHashMap<&'static str, Vec<&'static WorkFrame>>,
    packages: FxHashSet<&'static str>,
    database_paths: Vec<&'static str>,
}

static INDEX: LazyLock<Index> = LazyLock::new(|| {
    let mut index = Index {
        role_marks: FxHashMap::default(),
        work_frames: FxHashMap::default(),
        packages: FxHashSet::default(),
        database_paths: Vec::new(),
    };
    for framework in ALL {
        for mark in framework.role_marks {
            let marks = index.role_marks.entry(last_name(mark.file)).or_default();
            marks.push(mark);
        }
        for frame in framework.work_frames {
            let frames = index.work_frames.entry(frame.function).or_default();
            frames.push(frame);
        }
        index.packages.extend(framework.packages);
        index.database_paths.extend(framework.database_paths);
    }
    index
});

/// Whether a function runs once per request or task. A thread within it is at work for somebody, even
/// while it waits. Any other thread that waits is waiting for work: an accept loop, the worker of a
/// pool, an autoreloader between two looks. `name` may be qualified by the function's class.
#[must_use]
pub fn is_work_frame(file: &str, name: &str) -> bool {
    let frames = INDEX.work_frames.get(unqualified(name));
    frames.is_some_and(|frames| frames.iter().any(|frame| is_file(file, frame.file)))
}

/// Whether a program calls the application from C, by the name of its executable. Whatever Python code runs
/// in it is a request then, but for what [`begins_application_call`] excludes.
#[must_use]
pub fn calls_application(executable: &str) -> bool {
    let mut programs = ALL
        .iter()
        .filter_map(|framework| framework.program.as_ref());
    programs.any(|it| it.calls_application && it.is_run_by(executable))
}

/// Whether the outermost frame of a stack is an application that C code called, by the function's name. Others
/// are a module that is being loaded, and the start of a thread of `threading`.
#[must_use]
pub fn begins_application_call(name: &str) -> bool {
    let name = unqualified(name);
    !name.starts_with('<') && !matches!(name, "_bootstrap" | "__bootstrap")
}

/// The role mark that fits a frame, if one does; `function` is without its class.
#[must_use]
pub fn role_mark(file: &str, function: &str) -> Option<&'static RoleMark> {
    let marks = INDEX.role_marks.get(last_name(file))?.iter().copied();
    let mut matching = marks.filter(|mark| {
        is_file(file, mark.file) && mark.function.is_none_or(|marked| marked == function)
    });
    matching.next()
}

/// Whether a package is that of a known framework or library, so that it is not the user's own.
#[must_use]
pub fn is_known_package(package: &str) -> bool {
    INDEX.packages.contains(package)
}

/// Whether the code at a path talks to a database. The path is relative to the folder where packages, or
/// the standard library, are installed, and has a `/` at its end.
#[must_use]
pub fn is_database_path(path: &str) -> bool {
    let mut beginnings = INDEX.database_paths.iter();
    beginnings.any(|beginning| path.starts_with(beginning))
}

/// A function's name without the name of its class.
#[must_use]
pub fn unqualified(name: &str) -> &str {
    last_part(name, '.')
}

fn last_name(path: &str) -> &str {
    last_part(path, '/')
}

fn last_part(text: &str, separator: char) -> &str {
    text.rsplit(separator).next().unwrap_or(text)
}

/// Whether a path ends in these names.
fn is_file(path: &str, end: &str) -> bool {
    let before = path.strip_suffix(end);
    before.is_some_and(|before| before.is_empty() || before.ends_with('/'))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_handler_of_a_request_is_told_from_a_loop_that_waits_for_one() {
        let packages = "/usr/lib/python3/site-packages";
        let handler = format!("{packages}/django/core/handlers/wsgi.py");
        assert!(is_work_frame(&handler, "WSGIHandler.__call__"));
        assert!(is_work_frame(&handler, "__call__"));
        assert!(!is_work_frame(&handler, "__init__"));
        assert!(!is_work_frame(
            "/my/notdjango/core/handlers/wsgi.py",
            "__call__"
        ));
        assert!(!is_work_frame(
            "/usr/lib/python3.11/socketserver.py",
            "BaseServer.serve_forever"
        ));
    }

    #[test]
    fn the_application_of_uwsgi_is_told_from_modules_and_threads() {
        assert!(calls_application("/usr/bin/uwsgi-core"));
        assert!(calls_application("/usr/sbin/apache2"));
        assert!(!calls_application("/usr/bin/python3.11"));
        assert!(begins_application_call("application"));
        assert!(begins_application_call("WSGIHandler.__call__"));
        for other in ["<module>", "Thread._bootstrap", "_bootstrap", "__bootstrap"] {
            assert!(!begins_application_call(other), "{other}");
        }
    }

    #[test]
    fn every_mark_is_found_and_none_hides_another() {
        for framework in ALL {
            for mark in framework.role_marks {
                let file = format!("/site-packages/{}", mark.file);
                let found = role_mark(&file, mark.function.unwrap_or("f"));
                let found = found.map(|found| (found.role, found.is_weak));
                assert_eq!(found, Some((mark.role, mark.is_weak)), "{mark:?}");
            }
            for frame in framework.work_frames {
                assert!(is_work_frame(frame.file, frame.function), "{frame:?}");
            }
        }
    }

    #[test]
    fn every_framework_is_listed_once() {
        let listed: FxHashSet<*const Framework> = ALL.iter().map(|it| *it as *const _).collect();
        assert_eq!(listed.len(), ALL.len());
    }
}
