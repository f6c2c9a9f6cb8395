//! `spyhole dump --core`.

use std::path::Path;
use std::sync::Arc;

use anyhow::anyhow;
use indicatif::{ProgressBar, ProgressStyle};

use super::{Arguments, options, show};
use crate::cli::terminal;
use crate::cpython::locate::LocateError;
use crate::dump::{Dump, DumpError};
use crate::engine::cpython::OpenError;
use crate::target::core::Core;

/// Shows what the threads of a process did when its core file was written.
///
/// # Errors
/// When the file cannot be read, or has no Python, or standard output cannot be written.
pub fn run(path: &Path, arguments: &Arguments) -> Result<u8, anyhow::Error> {
    let name = match path.to_str() {
        Some("-") => "standard input".to_owned(),
        _ => terminal::escape(&path.to_string_lossy()),
    };
    let core = open(path, arguments.sysroot.as_deref());
    let core = Arc::new(core.map_err(|error| error.context(format!("{name} cannot be dumped")))?);
    let dump = Dump::of_core(&core, &options(arguments)).map_err(|error| {
        let hint = missing(&core);
        explain(error).context(format!("{name} cannot be dumped{hint}"))
    })?;
    show(&[dump], arguments)?;
    Ok(0)
}

/// Opens it. A large one that is packed takes a while, which a line tells.
fn open(path: &Path, sysroot: Option<&Path>) -> Result<Core, anyhow::Error> {
    /// What takes less than a second to unpack, in bytes.
    const SMALL: u64 = 32 << 20;
    let mut bar: Option<ProgressBar> = None;
    let core = Core::open(path, sysroot, &mut |done, all| {
        if done < SMALL || !terminal::can_redraw() {
            return;
        }
        let bar = bar.get_or_insert_with(|| {
            let known = Some(all).filter(|all| *all > 0);
            let style = match known {
                Some(_) => "unpacking: {bytes} of {total_bytes}, {eta} left",
                None => "unpacking: {bytes}",
            };
            let bar = ProgressBar::no_length();
            bar.set_length(known.unwrap_or(0));
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            bar
        });
        bar.set_position(done);
    });
    if let Some(bar) = bar {
        bar.finish_and_clear();
    }
    Ok(core?)
}

fn explain(error: DumpError) -> anyhow::Error {
    match error {
        DumpError::Open(OpenError::Locate(LocateError::NotPython)) => {
            anyhow!("no Python interpreter is found in it")
        }
        error => error.into(),
    }
}

/// What is missing, for an error that may come of that.
fn missing(core: &Core) -> String {
    let mut missing = Vec::new();
    if core.missing() > 0 {
        missing.push(format!("it lacks {} bytes at its end", core.missing()));
    }
    let files = core.missing_files();
    if let Some(first) = files.first() {
        missing.push(format!(
            "{} of its files, such as {}, are not here as they were; --sysroot names a directory that has them",
            files.len(),
            terminal::escape(first.untrusted())
        ));
    }
    match missing.is_empty() {
        true => String::new(),
        false => format!(" ({})", missing.join("; ")),
    }
}
