//! The table of offsets that CPython keeps for debuggers at the start of `_PyRuntime`, from 3.13
//! on: `_Py_DebugOffsets` (`Include/internal/pycore_debug_offsets.h`, in 3.13 `pycore_runtime.h`).
//!
//! It is a row of 64-bit words to which each minor version adds some in the middle. What it says
//! comes from the target and is only believed within bounds.

use super::words::{GIL_WORDS, Place, WORDS, Word};
use super::{
    CodeLayout, FrameLayout, GilLayout, GilSource, InstructionSource, Layout, LayoutError,
    LeafFrame, ThreadLayout, builtin,
};
use crate::model::PythonVersion;
use crate::model::little_endian::u64_at;

/// As many bytes as any known version's table has, and some to spare.
pub const DEBUG_OFFSETS_SIZE_LIMIT: usize = 1024;

/// The first bytes of the table (`_Py_Debug_Cookie`).
const COOKIE: &[u8; 8] = b"xdebugpy";

/// The version that debug offsets name, if `bytes` begin with such a table: a cookie,
/// `PY_VERSION_HEX`, and whether the build is free-threaded.
#[must_use]
pub fn read_version(bytes: &[u8]) -> Option<PythonVersion> {
    if bytes.get(..COOKIE.len())? != COOKIE {
        return None;
    }
    let hex = u32::try_from(u64_at(bytes, 8)?).ok()?;
    let free_threaded = match u64_at(bytes, 16)? {
        0 => false,
        1 => true,
        _ => return None,
    };
    let version = PythonVersion::from_hex(hex, free_threaded);
    (version.major == 3 && version.minor >= 13).then_some(version)
}

/// The layout that debug offsets describe, completed from the built-in table.
///
/// # Errors
/// [`LayoutError::NoDebugOffsets`] if `bytes` are something else,
/// [`LayoutError::UnknownVersion`] if no table completes them, and
/// [`LayoutError::BadDebugOffsets`] if a word is missing or out of its bounds.
pub fn from_debug_offsets(bytes: &[u8]) -> Result<Layout, LayoutError> {
    let version = read_version(bytes).ok_or(LayoutError::NoDebugOffsets)?;
    let mut layout = builtin(version)?;
    let table = DebugOffsets {
        bytes,
        version,
        place: match version.minor {
            13 => |word| word.in_3_13,
            14 => |word| word.in_3_14,
            15 => |word| word.in_3_15,
            _ => return Err(LayoutError::UnknownVersion(version)),
        },
    };
    for word in WORDS {
        if let Some(value) = table.value(word)? {
            (word.set)(&mut layout, value);
        }
    }
    if let GilSource::Interpreter { gil, .. } = &mut layout.runtime.gil {
        *gil = table.gil()?;
    }
    layout.thread.datastack_top = layout.thread.datastack_chunk.map(|chunk| chunk + POINTER);
    layout.thread.head_size = thread_head_size(&layout.thread);
    layout.frame.head_size = frame_head_size(&layout.frame);
    layout.code.head_size = code_head_size(&layout.code);
    Ok(layout)
}

struct DebugOffsets<'a> {
    bytes: &'a [u8],
    version: PythonVersion,
    place: fn(&Word) -> Place,
}

impl DebugOffsets<'_> {
    /// What the table says, checked; `None` where this version has no such word.
    fn value(&self, word: &Word) -> Result<Option<u32>, LayoutError> {
        let Some(place) = (self.place)(word) else {
            return Ok(None);
        };
        if word.free_threaded_only && !self.version.free_threaded {
            return Ok(None);
        }
        let value =
            u64_at(self.bytes, usize::from(place)).ok_or_else(|| self.bad(word, u64::MAX))?;
        match u32::try_from(value) {
            Ok(offset) if offset < word.kind.limit && offset % word.kind.align == 0 => {
                Ok(Some(offset))
            }
            _ => Err(self.bad(word, value)),
        }
    }

    /// The words of a GIL. The table gives their places in the interpreter state that owns the
    /// GIL; here they count from the GIL's own start, since interpreters may share one.
    fn gil(&self) -> Result<GilLayout, LayoutError> {
        let start = self.value(&GIL_WORDS.start)?.unwrap_or_default();
        let from_start = |word: &Word| match self.value(word)? {
            None => Ok(None),
            Some(offset) => match offset.checked_sub(start) {
                Some(offset) if offset < GIL_SIZE_LIMIT => Ok(Some(offset)),
                _ => Err(self.bad(word, offset.into())),
            },
        };
        let locked = from_start(&GIL_WORDS.locked)?.unwrap_or_default();
        Ok(GilLayout {
            last_holder: from_start(&GIL_WORDS.holder)?.unwrap_or_default(),
            locked,
            // `unsigned long switch_number` follows `int locked` (Include/internal/pycore_gil.h).
            switch_number: (locked + 4).next_multiple_of(8),
            // This word alone counts from the GIL's start in CPython, too.
            enabled: self.value(&GIL_WORDS.enabled)?,
        })
    }

    fn bad(&self, word: &Word, value: u64) -> LayoutError {
        LayoutError::BadDebugOffsets {
            version: self.version,
            field: word.name,
            value,
        }
    }
}

const POINTER: u32 = 8;

/// `struct _gil_runtime_state` has 240 bytes in 3.15; what is used comes first.
const GIL_SIZE_LIMIT: u32 = 512;

fn thread_head_size(thread: &ThreadLayout) -> u32 {
    let leaf = match thread.leaf {
        LeafFrame::Direct { offset } => offset,
        LeafFrame::ThroughCFrame(cframe) => cframe.newest,
    };
    [thread.next, thread.interpreter, leaf, thread.thread_id]
        .into_iter()
        .chain(thread.native_thread_id)
        .chain(thread.datastack_top)
        .chain(thread.base_frame)
        .max()
        .map_or(0, |last| last + POINTER)
}

fn frame_head_size(frame: &FrameLayout) -> u32 {
    let instruction = match frame.instruction {
        InstructionSource::LastIndex { offset, .. } | InstructionSource::Pointer { offset } => {
            offset
        }
    };
    [
        frame.previous + POINTER,
        frame.code + POINTER,
        instruction + POINTER,
    ]
    .into_iter()
    .chain(frame.owner.map(|owner| owner.offset + 1))
    .chain(frame.bytecode_index.map(|index| index + 4))
    .max()
    .unwrap_or(0)
}

fn code_head_size(code: &CodeLayout) -> u32 {
    [code.filename, code.name, code.line_table, code.local_names]
        .into_iter()
        .chain(code.qualname)
        .chain(code.local_kinds)
        .chain(code.bytecode_copies)
        .map(|pointer| pointer + POINTER)
        .chain([code.first_line + 4, code.arg_count + 4])
        .chain(code.first_traceable.map(|first| first + 4))
        .chain(code.bytecode)
        .max()
        .unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The tables that CPython's headers make, a file each.
    fn recorded() -> Vec<(String, Vec<u8>)> {
        let folder =
            std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("fixtures/debug_offsets");
        std::fs::read_dir(folder)
            .unwrap()
            .map(|file| {
                let file = file.unwrap().path();
                let text = std::fs::read_to_string(&file).unwrap();
                let digits: Vec<u8> = text
                    .bytes()
                    .filter(|byte| !byte.is_ascii_whitespace())
                    .collect();
                let bytes = digits
                    .chunks(2)
                    .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
                    .collect();
                (
                    file.file_stem().unwrap().to_str().unwrap().to_owned(),
                    bytes,
                )
            })
            .collect()
    }

    #[test]
    fn recorded_tables_are_read_and_agree_with_the_built_in_ones() {
        let recorded = recorded();
        assert_eq!(recorded.len(), 6);
        for (name, bytes) in recorded {
            let version = read_version(&bytes).unwrap();
            assert_eq!(version.to_string(), name);
            assert_eq!(from_debug_offsets(&bytes), builtin(version), "{name}");
            assert!(bytes.len() <= DEBUG_OFFSETS_SIZE_LIMIT);
        }
    }

    #[test]
    fn what_the_target_says_counts_more_than_the_built_in_table() {
        for (name, mut bytes) in recorded() {
            let place = 64; // interpreter_state.next in all versions
            bytes[place..place + 8].copy_from_slice(&4096_u64.to_le_bytes());
            assert_eq!(
                from_debug_offsets(&bytes).unwrap().interpreter.next,
                4096,
                "{name}"
            );
        }
    }

    #[test]
    fn an_offset_out_of_bounds_is_named() {
        let (_, mut bytes) = recorded()
            .into_iter()
            .find(|(name, _)| name == "3.13.0")
            .unwrap();
        for value in [u64::MAX, 1 << 24, 7261] {
            bytes[64..72].copy_from_slice(&value.to_le_bytes());
            let error = from_debug_offsets(&bytes).unwrap_err();
            assert_eq!(
                error.to_string(),
                format!(
                    "the debug offsets of Python 3.13.0 are not usable: \
                     interpreter_state.next is {value}"
                )
            );
        }
    }

    #[test]
    fn unknown_versions_are_refused() {
        let (_, bytes) = recorded()
            .into_iter()
            .find(|(name, _)| name == "3.15.2")
            .unwrap();
        for hex in [0x0310_00f0_u64, 0x030f_00b1, 0x030f_00c2, 0x040f_00f0] {
            let mut bytes = bytes.clone();
            bytes[8..16].copy_from_slice(&hex.to_le_bytes());
            assert!(from_debug_offsets(&bytes).is_err(), "{hex:#x}");
        }
        assert_eq!(read_version(b"xdebugpy"), None);
        assert_eq!(from_debug_offsets(&[]), Err(LayoutError::NoDebugOffsets));
    }

    proptest! {
        #[test]
        fn any_bytes_end_in_bounded_offsets_or_an_error(
            which in 0..6_usize,
            flips in proptest::collection::vec((24..888_usize, any::<u8>()), 0..20),
            len in 0..=888_usize,
        ) {
            let (_, mut bytes) = recorded().swap_remove(which);
            for (at, value) in flips {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte = value;
                }
            }
            bytes.truncate(len.max(24));
            if let Ok(layout) = from_debug_offsets(&bytes) {
                prop_assert!(layout.thread.head_size < 8192);
                prop_assert!(layout.frame.head_size < 8192);
                prop_assert!(layout.code.head_size < 8192);
            }
        }

        #[test]
        fn bytes_that_are_no_table_are_refused(bytes in any::<Vec<u8>>()) {
            prop_assert!(from_debug_offsets(&bytes).is_err());
        }
    }
}
