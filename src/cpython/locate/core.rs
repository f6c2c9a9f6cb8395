//! The same search in a core file.

use super::{Failure, LocateError, Located, Search};
use crate::memory::Memory;
use crate::target::Mapping;
use crate::target::core::Core;

/// Finds each Python of a process in its core file, at least one, the likeliest first.
///
/// # Errors
/// [`LocateError`] names the reason. No file may have been found of those that the process had mapped: see
/// [`Core::missing_files`].
pub fn locate_in_core<M: Memory>(core: &Core, memory: &mut M) -> Result<Vec<Located>, LocateError> {
    let executable = core.executable();
    let search = Search {
        maps: core.maps(),
        memory,
        open: |mapping: &Mapping| core.open_mapping(mapping),
    };
    let is_executable = |mapping: &Mapping| executable.is_some_and(|it| it.same_file(mapping));
    search.run(is_executable).map_err(|failure| match failure {
        Failure::Known(error) => error,
        Failure::NothingReadable => LocateError::NotPython,
    })
}
