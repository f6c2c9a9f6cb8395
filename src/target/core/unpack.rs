//! Opening a core file, whether it is packed or comes through a pipe. What cannot be read from any place in
//! it is written to a temporary file, which has no name and goes when it is closed.

use std::cell::Cell;
use std::fs::File;
use std::io::{self, BufRead, BufReader, Read, Seek};
use std::os::unix::fs::FileExt;
use std::path::Path;

use ruzstd::decoding::errors::{FrameDecoderError, ReadFrameHeaderError};
use ruzstd::decoding::{BlockDecodingStrategy, FrameDecoder};

use super::headers::Headers;
use super::{CoreError, Progress};

/// No process has as much memory.
const MAX_SIZE: u64 = 1 << 40;
const CHUNK: usize = 256 << 10;
/// The headers of a core file are within this, as a rule: then they tell how long it is.
const HEADERS_WITHIN: u64 = 4 << 20;

/// How a file is packed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Packing {
    None,
    Zstd,
    Lz4,
    Gzip,
}

/// Opens a core file, so that it can be read from any place in it.
pub(super) fn open(path: &Path, progress: Progress<'_>) -> Result<File, CoreError> {
    if path.as_os_str() == "-" {
        let input = io::stdin().lock();
        return unpack(BufReader::new(input), 0, progress);
    }
    let mut file = File::open(path).map_err(CoreError::Unreadable)?;
    let metadata = file.metadata().map_err(CoreError::Unreadable)?;
    if metadata.is_dir() {
        return Err(CoreError::NotRegular);
    }
    if metadata.is_file() {
        let mut begin = Vec::new();
        let read = Read::by_ref(&mut file).take(6).read_to_end(&mut begin);
        read.map_err(CoreError::Unreadable)?;
        if packing_of(&begin)? == Packing::None {
            return Ok(file);
        }
        file.rewind().map_err(CoreError::Unreadable)?;
    }
    unpack(BufReader::new(file), metadata.len(), progress)
}

fn packing_of(begin: &[u8]) -> Result<Packing, CoreError> {
    let packings: [(&[u8], Result<Packing, &'static str>); 5] = [
        (b"\x28\xb5\x2f\xfd", Ok(Packing::Zstd)),
        (b"\x04\x22\x4d\x18", Ok(Packing::Lz4)),
        (b"\x1f\x8b", Ok(Packing::Gzip)),
        (b"\xfd7zXZ\0", Err("xz")),
        (b"BZh", Err("bzip2")),
    ];
    let mut packings = packings.into_iter();
    match packings.find(|(mark, _)| begin.starts_with(mark)) {
        Some((_, packing)) => packing.map_err(CoreError::OtherPacking),
        None => Ok(Packing::None),
    }
}

/// Unpacks what `packed` gives, which is `size` bytes long, or of unknown length if that is 0.
pub(super) fn unpack(
    mut packed: impl BufRead,
    size: u64,
    progress: Progress<'_>,
) -> Result<File, CoreError> {
    let begin = packed.fill_buf().map_err(CoreError::Unreadable)?;
    let packing = packing_of(begin)?;
    let taken = Cell::new(0);
    let packed = Counted {
        inner: packed,
        taken: &taken,
    };
    let mut source: Box<dyn Read + '_> = match packing {
        Packing::None => Box::new(packed),
        Packing::Gzip => Box::new(flate2::bufread::MultiGzDecoder::new(packed)),
        Packing::Lz4 => Box::new(Lz4Frames(lz4_flex::frame::FrameDecoder::new(packed))),
        Packing::Zstd => Box::new(ZstdFrames {
            decoder: FrameDecoder::new(),
            packed,
        }),
    };
    let mut writer = Sparse {
        file: tempfile::tempfile().map_err(CoreError::Unpacking)?,
        length: 0,
    };
    let mut chunk = vec![0; CHUNK];
    let mut limit = MAX_SIZE;
    let (mut is_known, mut is_core) = (false, false);
    loop {
        let got = fill(&mut source, &mut chunk).map_err(CoreError::Unpacking)?;
        let piece = chunk.get(..got).unwrap_or_default();
        writer.write(piece).map_err(CoreError::Unpacking)?;
        let is_last = got < CHUNK;
        // What is no core file need not be unpacked to its end, and one that is ends where its headers say.
        if !is_known && (is_last || writer.length >= HEADERS_WITHIN) {
            is_known = true;
            match Headers::read(&writer.file) {
                Ok(headers) if headers.end() > MAX_SIZE => return Err(CoreError::TooLarge),
                Ok(headers) => (is_core, limit) = (true, headers.end()),
                Err(CoreError::Truncated) if !is_last => {}
                Err(error) => return Err(error),
            }
        }
        if is_last || is_core && writer.length >= limit {
            return Ok(writer.file);
        }
        if writer.length >= limit {
            return Err(CoreError::TooLarge);
        }
        progress(taken.get(), size);
    }
}

/// Reads until the buffer is full or nothing is left; tells how many bytes that were.
fn fill(source: &mut dyn Read, into: &mut [u8]) -> io::Result<usize> {
    let mut got = 0;
    while let Some(rest) = into.get_mut(got..).filter(|rest| !rest.is_empty()) {
        match source.read(rest) {
            Ok(0) => break,
            Ok(more) => got += more,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(got)
}

/// A file in which pieces of nothing but zeros, of which core files are full, take no room.
struct Sparse {
    file: File,
    length: u64,
}

impl Sparse {
    fn write(&mut self, piece: &[u8]) -> io::Result<()> {
        if piece.iter().any(|byte| *byte != 0) {
            self.file.write_all_at(piece, self.length)?;
        }
        self.length += piece.len() as u64;
        self.file.set_len(self.length)
    }
}

/// Counts the bytes that were taken.
struct Counted<'a, R> {
    inner: R,
    taken: &'a Cell<u64>,
}

impl<R: BufRead> Read for Counted<'_, R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        let got = self.inner.read(into)?;
        self.taken.set(self.taken.get() + got as u64);
        Ok(got)
    }
}

impl<R: BufRead> BufRead for Counted<'_, R> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        self.inner.fill_buf()
    }

    fn consume(&mut self, amount: usize) {
        self.inner.consume(amount);
        self.taken.set(self.taken.get() + amount as u64);
    }
}

/// Several frames of zstd, one after the other, as several threads pack them.
struct ZstdFrames<R> {
    decoder: FrameDecoder,
    packed: R,
}

impl<R: BufRead> Read for ZstdFrames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        while self.decoder.can_collect() == 0 {
            if !self.decoder.is_finished() {
                let blocks = BlockDecodingStrategy::UptoBlocks(1);
                let decoded = self.decoder.decode_blocks(&mut self.packed, blocks);
                decoded.map_err(io::Error::other)?;
            } else if self.packed.fill_buf()?.is_empty() {
                return Ok(0);
            } else {
                self.begin_frame()?;
            }
        }
        self.decoder.read(into)
    }
}

impl<R: BufRead> ZstdFrames<R> {
    fn begin_frame(&mut self) -> io::Result<()> {
        match self.decoder.reset(&mut self.packed) {
            Ok(()) => Ok(()),
            // A frame with something else than data.
            Err(FrameDecoderError::ReadFrameHeaderError(ReadFrameHeaderError::SkipFrame {
                length,
                ..
            })) => {
                let mut skipped = self.packed.by_ref().take(length.into());
                io::copy(&mut skipped, &mut io::sink()).map(|_| ())
            }
            Err(error) => Err(io::Error::other(error)),
        }
    }
}

/// The same of lz4, whose decoder ends with each.
struct Lz4Frames<R: Read>(lz4_flex::frame::FrameDecoder<R>);

impl<R: BufRead> Read for Lz4Frames<R> {
    fn read(&mut self, into: &mut [u8]) -> io::Result<usize> {
        loop {
            let got = self.0.read(into)?;
            if got > 0 || self.0.get_mut().fill_buf()?.is_empty() {
                return Ok(got);
            }
        }
    }
}
