//! One look at a process, to tell what it is in the middle of, not where its time goes.

use super::{CpythonEngine, OpenError, open};
use crate::engine::{Engine, EngineOptions, EngineReport, TickError};
use crate::model::{Counting, Halting, Interner, Nanos, PythonVersion, Sample, Tick};
use crate::target::Process;

/// Every thread, waiting or not, at one moment.
#[derive(Debug)]
pub struct Once {
    pub python: PythonVersion,
    pub interner: Interner,
    pub samples: Vec<Sample>,
    #[cfg_attr(
        not(feature = "cli"),
        allow(dead_code, reason = "for who tells how it was read")
    )]
    pub report: EngineReport,
    /// Why there are no samples, if nothing could be read.
    #[cfg_attr(
        not(feature = "cli"),
        allow(dead_code, reason = "for who tells how it was read")
    )]
    pub failure: Option<TickError>,
}

/// Looks once at every thread.
///
/// # Errors
/// As [`open`].
pub fn look_once(process: Process) -> Result<Once, OpenError> {
    let options = EngineOptions {
        halting: Halting::WhenNeeded,
        thread_names: false,
        counting: Counting::Wall,
    };
    let mut interner = Interner::default();
    let mut engine: CpythonEngine = open(process, None, options, &mut interner)?;
    let mut samples = Vec::new();
    let tick = Tick {
        at: Nanos(1),
        stands_for: Nanos(1),
    };
    let failure = engine.tick(tick, &mut interner, &mut samples).err();
    Ok(Once {
        python: engine.python(),
        report: engine.report(),
        interner,
        samples,
        failure,
    })
}
