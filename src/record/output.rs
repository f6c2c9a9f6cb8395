//! A file that a recording is written to: checked before the recording begins, and afterwards either
//! whole or not there at all.

use std::io::{self, BufWriter, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Instant;

use super::control::{Control, Written};
use super::output_name::OutputName;
use crate::sys::linux::credentials::{Caller, as_caller};
use crate::sys::linux::output_file::Destination;

/// A place to write an output to.
#[derive(Clone, Debug)]
pub struct Output {
    path: PathBuf,
    pub(super) destination: Arc<Destination>,
}

impl Output {
    /// Makes sure that `path` can be written, as the `caller` of sudo if there is one: an hour of
    /// recording must not end in "permission denied". `-` is standard output.
    ///
    /// # Errors
    /// When it cannot.
    pub fn check(path: &Path, caller: Option<&Caller>) -> io::Result<Output> {
        Ok(Output {
            path: path.to_owned(),
            destination: Arc::new(Destination::check(path, caller)?),
        })
    }

    /// Whether it is a file, and neither a pipe nor a device.
    #[must_use]
    pub fn is_regular(&self) -> bool {
        self.destination.is_regular()
    }

    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// Its name, to be shown to the user.
    #[must_use]
    pub fn name(&self) -> OutputName {
        OutputName::of(&self.path)
    }

    /// Writes it by `work`. Afterwards, a regular file is either whole or as it was before; what is half
    /// written is discarded if `control` gives up meanwhile.
    ///
    /// # Errors
    /// Those of `work`, and when it cannot be written.
    pub fn write<E: From<io::Error>>(
        &self,
        control: &Control,
        work: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        self.write_as(control, Written::Whole, work)
    }

    /// The same of what was recorded until now, while the recording goes on.
    ///
    /// # Errors
    /// As [`write`](Self::write).
    pub fn write_so_far<E: From<io::Error>>(
        &self,
        control: &Control,
        work: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let written = Written::SoFar(self.name(), Instant::now());
        self.write_as(control, written, work)
    }

    fn write_as<E: From<io::Error>>(
        &self,
        control: &Control,
        written: Written,
        work: impl FnOnce(&mut dyn Write) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut file = BufWriter::new(control.create(&self.destination)?);
        work(&mut file)?;
        file.flush()?;
        let file = file.into_inner().map_err(io::IntoInnerError::into_error)?;
        control.commit(file, written)?;
        Ok(())
    }

    /// Makes a folder for outputs, and those above it, as the caller of sudo.
    ///
    /// # Errors
    /// When it cannot be made.
    pub fn create_folder(path: &Path, caller: Option<&Caller>) -> io::Result<()> {
        as_caller(caller, || std::fs::create_dir_all(path))
    }

    /// Appends to a file, as the caller of sudo.
    ///
    /// # Errors
    /// When it cannot be written.
    pub fn append(path: &Path, caller: Option<&Caller>, bytes: &[u8]) -> io::Result<()> {
        as_caller(caller, || {
            let mut options = std::fs::OpenOptions::new();
            options.append(true).create(true);
            options.open(path)?.write_all(bytes)
        })
    }
}
