//! Which frames mean that a thread is at work for somebody: within a request that it answers or a task
//! that it was given. While such a thread waits, somebody waits for it; any other that waits, waits for
//! work: an accept loop, the worker of a pool, an autoreloader between two looks.

use super::role::{is_file, unqualified};

/// The end of a file's path, and a function in it without its class, that runs once a request or task.
/// Looked up in Django 1.11 to 5.2, Flask 3.1, Werkzeug 3.1, CPython's wsgiref, gunicorn 27, waitress 3,
/// asgiref 3.10, Celery 5.7, RQ 2, dramatiq 1.17, huey 2.5.
const MARKS: &[(&str, &str)] = &[
    ("django/core/handlers/wsgi.py", "__call__"),
    ("django/core/handlers/base.py", "get_response"),
    ("django/core/handlers/base.py", "_get_response"),
    ("flask/app.py", "wsgi_app"),
    ("werkzeug/serving.py", "execute"),
    ("wsgiref/handlers.py", "run"),
    ("gunicorn/workers/sync.py", "handle_request"),
    ("gunicorn/workers/gthread.py", "handle_request"),
    ("gunicorn/workers/base_async.py", "handle_request"),
    ("waitress/task.py", "execute"),
    // A synchronous view of an asynchronous Django, in a thread of its own.
    ("asgiref/sync.py", "thread_handler"),
    ("celery/app/trace.py", "trace_task"),
    ("rq/job.py", "perform"),
    ("dramatiq/worker.py", "process_message"),
    ("huey/api.py", "_execute"),
];

/// Whether a function is one that runs once a request or task; `name` may be qualified by its class.
#[must_use]
pub fn is_work(file: &str, name: &str) -> bool {
    let function = unqualified(name);
    let mut marks = MARKS.iter();
    marks.any(|(end, marked)| function == *marked && is_file(file, end))
}

#[cfg(test)]
mod tests {
    use super::is_work;

    #[test]
    fn a_request_is_told_from_who_waits_for_one() {
        let packages = "/usr/lib/python3/site-packages";
        let handler = format!("{packages}/django/core/handlers/wsgi.py");
        assert!(is_work(&handler, "WSGIHandler.__call__"));
        assert!(is_work(&handler, "__call__"));
        assert!(!is_work(&handler, "__init__"));
        assert!(!is_work("/my/notdjango/core/handlers/wsgi.py", "__call__"));
        assert!(!is_work(
            "/usr/lib/python3.11/socketserver.py",
            "BaseServer.serve_forever"
        ));
    }
}
