//! What a file is called whose name nobody chose.

use std::ffi::OsStr;
use std::path::Path;

use super::args::Subject;
use crate::output::Format;

/// As py-spy names it, but in the current directory whatever the program's path is.
pub fn default(subject: &Subject, format: &dyn Format) -> String {
    let running = &subject.running;
    let what = match (running.pid.first(), subject.program.first()) {
        (Some(pid), _) => pid.to_string(),
        (None, Some(program)) => Path::new(program)
            .file_name()
            .unwrap_or(OsStr::new("program"))
            .to_string_lossy()
            .replace(char::is_control, "_"),
        (None, None) => match (running.port, &subject.word) {
            (Some(port), _) => format!("port-{port}"),
            (None, Some(word)) => word
                .replace(['/', '\0'], "_")
                .replace(char::is_control, "_"),
            (None, None) => "spyhole".into(),
        },
    };
    let time = jiff::Zoned::now().strftime("%Y-%m-%dT%H-%M-%S%z");
    format!("{what}-{time}.{}", format.about().endings[0])
}
