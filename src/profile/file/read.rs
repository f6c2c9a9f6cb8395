//! Reads a profile file. It may come from anywhere, so everything in it is checked, and the memory and
//! disk that it may take are bounded.

mod error;
mod fields;
mod lineage;
mod messages;

use std::io::{self, BufRead, BufReader, Read};

use flate2::bufread::MultiGzDecoder;

use super::FORMAT;
use super::schema::field;
use crate::profile::Profile;

pub use error::ReadError;
use error::ReadError::{Damaged, TooLarge};
use fields::{Fields, NO_FIELD, Value};
use messages::Reader;

/// Reads a profile as [`write`](super::write) wrote it, gzipped or not.
///
/// Handles of threads and processes are the same as in the profile that was written; those of texts,
/// functions, frames, stacks and label sets need not be.
///
/// # Errors
/// See [`ReadError`].
pub fn read(mut from: impl Read) -> Result<Profile, ReadError> {
    const GZIP: [u8; 2] = [0x1f, 0x8b];
    let mut start = Vec::new();
    from.by_ref()
        .take(GZIP.len() as u64)
        .read_to_end(&mut start)?;
    let is_zipped = start == GZIP;
    let from = BufReader::new(io::Cursor::new(start).chain(from));
    if is_zipped {
        profile(BufReader::new(MultiGzDecoder::new(from)), is_zipped)
    } else {
        profile(from, is_zipped)
    }
}

fn profile(from: impl BufRead, is_zipped: bool) -> Result<Profile, ReadError> {
    let mut fields = Fields::new(from, is_zipped);
    match fields.next() {
        Ok(Some((field::FORMAT, Value::Number(format)))) if format > FORMAT => {
            return Err(ReadError::Later(format));
        }
        Ok(Some((field::FORMAT, Value::Number(_)))) => {}
        first => {
            return Err(why_it_is_not_ours(
                first.map(|first| first.is_some()),
                &mut fields,
            ));
        }
    }
    let mut reader = Reader::default();
    while let Some((field, value)) = fields.next()? {
        reader.take(field, value)?;
    }
    reader.finish()
}

/// What a file is that does not begin as ours.
fn why_it_is_not_ours(
    first: Result<bool, ReadError>,
    fields: &mut Fields<impl BufRead>,
) -> ReadError {
    let mut next = first;
    let mut any = false;
    loop {
        match next {
            Ok(true) => any = true,
            Ok(false) if any => return ReadError::Foreign,
            Err(ReadError::Truncated) if fields.is_zipped => return ReadError::Truncated,
            Ok(false) | Err(ReadError::Truncated | TooLarge(_) | Damaged(NO_FIELD)) => {
                return ReadError::NoProfile;
            }
            Err(error) => return error,
        }
        next = fields.next().map(|field| field.is_some());
    }
}
