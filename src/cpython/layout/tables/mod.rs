//! The built-in tables: which holds for which versions.
//!
//! A table holds for all micro versions that it names. Measured were 2.7.18, 3.6.15, 3.7.16,
//! 3.8.18, 3.9.18, 3.10.13, 3.11.2 and 3.11.7 (the same), 3.12.1 and 3.12.10 (the same), 3.13.0
//! and 3.13.18 (the same), 3.14.10 and 3.15.2; that CPython leaves its structures alone between
//! the micro versions of a branch is its habit, not its promise. The one known exception is
//! 3.7.4, which aligned `PyGC_Head`, and so the runtime state behind it, to 16 bytes (bpo-27987).
//!
//! The offsets are the same on x86-64 and aarch64: what differs there, the size of a mutex, comes
//! after everything that is used, `code_generation` excepted, which only the debug offsets give.

mod frames;
mod objects;
mod states;
mod tasks;
mod values;

use std::ops::RangeInclusive;

use super::{
    CodeLayout, FrameLayout, InterpreterLayout, Layout, ObjectLayout, RuntimeLayout, ThreadLayout,
    ValueLayout,
};
use crate::model::PythonVersion;
use frames::*;
use objects::*;
use states::*;
use values::*;

/// Release level and serial of a final release, in the low byte of `PY_VERSION_HEX`.
const FINAL: u8 = 0xf0;

/// What holds for some versions.
struct Table {
    branch: (u8, u8),
    micro: RangeInclusive<u8>,
    free_threaded: bool,
    runtime: RuntimeLayout,
    interpreter: InterpreterLayout,
    thread: ThreadLayout,
    frame: FrameLayout,
    code: CodeLayout,
    object: ObjectLayout,
    value: ValueLayout,
}

/// The table for `version`, if there is one.
///
/// Alphas, betas and candidates of a branch's first release are nobody's: structures move until
/// the last of them. A candidate of a later micro version is as the release.
pub(super) fn find(version: PythonVersion) -> Option<Layout> {
    if version.level != FINAL && version.micro == 0 {
        return None;
    }
    let table = TABLES.iter().find(|table| {
        table.branch == (version.major, version.minor)
            && table.micro.contains(&version.micro)
            && table.free_threaded == version.free_threaded
    })?;
    Some(Layout {
        version,
        runtime: table.runtime.clone(),
        interpreter: table.interpreter.clone(),
        thread: table.thread.clone(),
        frame: table.frame.clone(),
        code: table.code.clone(),
        object: table.object.clone(),
        value: table.value,
        tasks: tasks::find(version),
    })
}

static TABLES: [Table; 15] = [
    Table {
        branch: (2, 7),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_2_7,
        interpreter: INTERPRETER_2_7,
        thread: THREAD_2_7,
        frame: FRAME_2_7,
        code: CODE_2_7,
        object: OBJECTS_2_7,
        value: VALUES_2_7,
    },
    Table {
        branch: (3, 6),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_2_7,
        interpreter: INTERPRETER_3_6,
        thread: THREAD_3_6,
        frame: FRAME_2_7,
        code: CODE_3_6,
        object: OBJECTS_3_6,
        value: VALUES_3_6,
    },
    Table {
        branch: (3, 7),
        micro: 0..=3,
        free_threaded: false,
        runtime: RUNTIME_3_7_0,
        interpreter: INTERPRETER_3_7_0,
        thread: THREAD_3_7_0,
        frame: FRAME_3_7_0,
        code: CODE_3_6,
        object: OBJECTS_3_6,
        value: VALUES_3_6,
    },
    Table {
        branch: (3, 7),
        micro: 4..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_7_4,
        interpreter: INTERPRETER_3_7_0,
        thread: THREAD_3_7_0,
        frame: FRAME_3_7_0,
        code: CODE_3_6,
        object: OBJECTS_3_6,
        value: VALUES_3_6,
    },
    Table {
        branch: (3, 8),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_8,
        interpreter: INTERPRETER_3_8,
        thread: THREAD_3_7_0,
        frame: FRAME_3_7_0,
        code: CODE_3_8,
        object: OBJECTS_3_8,
        value: VALUES_3_8,
    },
    Table {
        branch: (3, 9),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_9,
        interpreter: INTERPRETER_3_9,
        thread: THREAD_3_7_0,
        frame: FRAME_3_7_0,
        code: CODE_3_8,
        object: OBJECTS_3_9,
        value: VALUES_3_9,
    },
    Table {
        branch: (3, 10),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_9,
        interpreter: INTERPRETER_3_9,
        thread: THREAD_3_7_0,
        frame: FRAME_3_10,
        code: CODE_3_10,
        object: OBJECTS_3_8,
        value: VALUES_3_10,
    },
    Table {
        branch: (3, 11),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_11,
        interpreter: INTERPRETER_3_11,
        thread: THREAD_3_11,
        frame: FRAME_3_11,
        code: CODE_3_11,
        object: OBJECTS_3_11,
        value: VALUES_3_11,
    },
    Table {
        branch: (3, 12),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_12,
        interpreter: INTERPRETER_3_12,
        thread: THREAD_3_12,
        frame: FRAME_3_12,
        code: CODE_3_12,
        object: OBJECTS_3_12,
        value: VALUES_3_12,
    },
    Table {
        branch: (3, 13),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_13,
        interpreter: INTERPRETER_3_13,
        thread: THREAD_3_13,
        frame: FRAME_3_12,
        code: CODE_3_13,
        object: OBJECTS_3_13,
        value: VALUES_3_13,
    },
    Table {
        branch: (3, 13),
        micro: 0..=u8::MAX,
        free_threaded: true,
        runtime: RUNTIME_3_13T,
        interpreter: INTERPRETER_3_13T,
        thread: THREAD_3_13,
        frame: FRAME_3_12,
        code: CODE_3_13T,
        object: OBJECTS_3_13T,
        value: VALUES_3_13T,
    },
    Table {
        branch: (3, 14),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_14,
        interpreter: INTERPRETER_3_14,
        thread: THREAD_3_13,
        frame: FRAME_3_14,
        code: CODE_3_14,
        object: OBJECTS_3_14,
        value: VALUES_3_13,
    },
    Table {
        branch: (3, 14),
        micro: 0..=u8::MAX,
        free_threaded: true,
        runtime: RUNTIME_3_14T,
        interpreter: INTERPRETER_3_14T,
        thread: THREAD_3_13,
        frame: FRAME_3_14T,
        code: CODE_3_14T,
        object: OBJECTS_3_14T,
        value: VALUES_3_13T,
    },
    Table {
        branch: (3, 15),
        micro: 0..=u8::MAX,
        free_threaded: false,
        runtime: RUNTIME_3_15,
        interpreter: INTERPRETER_3_15,
        thread: THREAD_3_15,
        frame: FRAME_3_14,
        code: CODE_3_14,
        object: OBJECTS_3_15,
        value: VALUES_3_15,
    },
    Table {
        branch: (3, 15),
        micro: 0..=u8::MAX,
        free_threaded: true,
        runtime: RUNTIME_3_15T,
        interpreter: INTERPRETER_3_15T,
        thread: THREAD_3_15,
        frame: FRAME_3_14T,
        code: CODE_3_14T,
        object: OBJECTS_3_15T,
        value: VALUES_3_15T,
    },
];

#[cfg(test)]
mod tests {
    use super::find;
    use crate::model::PythonVersion;

    fn version(hex: u32) -> PythonVersion {
        PythonVersion::from_hex(hex, false)
    }

    #[test]
    fn the_runtime_state_of_3_7_moved_with_3_7_4() {
        let [before, after] = [0x0307_03f0, 0x0307_04f0].map(|hex| find(version(hex)).unwrap());
        assert_ne!(before.runtime, after.runtime);
        assert_eq!(before.code, after.code);
    }

    #[test]
    fn only_known_versions_have_a_table() {
        for hex in [
            0x0207_12f0,
            0x0306_00f0,
            0x030a_0df0,
            0x030c_0df0,
            0x030f_02f0,
            0x030f_03c1,
        ] {
            assert!(find(version(hex)).is_some(), "{hex:#x}");
        }
        for hex in [
            0x0206_09f0,
            0x0305_0af0,
            0x0310_00f0,
            0x030b_00a7,
            0x030d_00c3,
            0x0407_00f0,
        ] {
            assert!(find(version(hex)).is_none(), "{hex:#x}");
        }
        assert!(find(PythonVersion::from_hex(0x030c_01f0, true)).is_none());
    }
}
