//! Values that a file holds in another form than we do, in both directions.

use super::schema;
use crate::model::{Ending, Nanos, PythonVersion, Ticks};

impl From<PythonVersion> for schema::Python {
    fn from(version: PythonVersion) -> schema::Python {
        schema::Python {
            hex: version.hex(),
            free_threaded: version.free_threaded,
        }
    }
}

impl From<schema::Python> for PythonVersion {
    fn from(message: schema::Python) -> PythonVersion {
        PythonVersion::from_hex(message.hex, message.free_threaded)
    }
}

impl From<Ending> for schema::Ending {
    fn from(ending: Ending) -> schema::Ending {
        let (code, signal) = match ending {
            Ending::Code(code) => (Some(code), None),
            Ending::Signal(signal) => (None, Some(signal)),
            Ending::Unknown => (None, None),
        };
        schema::Ending { code, signal }
    }
}

impl From<schema::Ending> for Ending {
    fn from(message: schema::Ending) -> Ending {
        match (message.code, message.signal) {
            (Some(code), _) => Ending::Code(code),
            (None, Some(signal)) => Ending::Signal(signal),
            (None, None) => Ending::Unknown,
        }
    }
}

impl From<Ticks> for schema::Ticks {
    fn from(ticks: Ticks) -> schema::Ticks {
        let Ticks {
            looks,
            expected,
            sampled,
            idle,
            missed,
            lost,
            samples,
            unproven,
            lost_threads,
            left_out_idle,
            left_out_gil,
            pauses,
            pauses_refused,
            open_time,
            gap_time,
            lost_time,
            left_out_cpu,
        } = ticks;
        schema::Ticks {
            looks,
            expected,
            sampled,
            idle,
            missed,
            lost,
            samples,
            unproven,
            lost_threads,
            left_out_idle,
            left_out_gil,
            pauses,
            pauses_refused,
            open_time: open_time.0,
            gap_time: gap_time.0,
            lost_time: lost_time.0,
            left_out_cpu: left_out_cpu.0,
        }
    }
}

impl From<schema::Ticks> for Ticks {
    fn from(message: schema::Ticks) -> Ticks {
        let schema::Ticks {
            looks,
            expected,
            sampled,
            idle,
            missed,
            lost,
            samples,
            unproven,
            lost_threads,
            left_out_idle,
            left_out_gil,
            pauses,
            pauses_refused,
            open_time,
            gap_time,
            lost_time,
            left_out_cpu,
        } = message;
        Ticks {
            looks,
            expected,
            sampled,
            idle,
            missed,
            lost,
            samples,
            unproven,
            lost_threads,
            left_out_idle,
            left_out_gil,
            pauses,
            pauses_refused,
            open_time: Nanos(open_time),
            gap_time: Nanos(gap_time),
            lost_time: Nanos(lost_time),
            left_out_cpu: Nanos(left_out_cpu),
        }
    }
}

/// The position of a value in a fixed list, such as [`FrameKind::ALL`](crate::model::FrameKind::ALL).
pub fn place<T: PartialEq>(all: &[T], one: &T) -> u32 {
    let place = all.iter().position(|it| it == one).unwrap_or(all.len());
    u32::try_from(place).unwrap_or(u32::MAX)
}

/// The value at this position of a fixed list.
pub fn placed<T: Copy>(all: &[T], place: u32) -> Option<T> {
    let one = usize::try_from(place).ok().and_then(|at| all.get(at));
    one.copied()
}
