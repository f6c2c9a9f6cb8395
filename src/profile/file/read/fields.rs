//! The fields of a file in order, in protobuf's encoding. It knows how a field is encoded, and nothing of
//! what is in it.

use std::io::{self, BufRead, Read};

use super::error::ReadError::{self, Damaged, TooLarge};
use crate::profile::file::LARGEST;

/// The most bytes of one message: more than the deepest stack that is recorded takes.
const LARGEST_MESSAGE: u64 = 8 << 20;

/// What is wrong with bytes that are in no way fields.
pub const NO_FIELD: &str = "there is something that is no field";

/// The fields of a file in order, in protobuf's encoding.
pub struct Fields<R> {
    from: R,
    pub is_zipped: bool,
    bytes: u64,
    /// The content of the last field.
    payload: Vec<u8>,
}

pub enum Value<'a> {
    Number(u64),
    Bytes(&'a [u8]),
    /// A type that our fields do not have.
    Other,
}

impl<R: BufRead> Fields<R> {
    /// The fields of unzipped bytes; `is_zipped` tells whether the file itself is zipped.
    pub fn new(from: R, is_zipped: bool) -> Fields<R> {
        Fields {
            from,
            is_zipped,
            bytes: 0,
            payload: Vec::new(),
        }
    }

    /// The next field's number and value; `None` at the end.
    pub fn next(&mut self) -> Result<Option<(u32, Value<'_>)>, ReadError> {
        if self.from.fill_buf().map_err(unzipped)?.is_empty() {
            return Ok(None);
        }
        let key = self.varint()?;
        let field = u32::try_from(key >> 3).map_err(|_| Damaged(NO_FIELD))?;
        if field == 0 || field >= 1 << 29 {
            return Err(Damaged(NO_FIELD));
        }
        let value = match key & 7 {
            0 => Value::Number(self.varint()?),
            1 => self.bytes(8).map(|_| Value::Other)?,
            2 => {
                let len = self.varint()?;
                Value::Bytes(self.bytes(len)?)
            }
            5 => self.bytes(4).map(|_| Value::Other)?,
            _ => return Err(Damaged(NO_FIELD)),
        };
        Ok(Some((field, value)))
    }

    fn varint(&mut self) -> Result<u64, ReadError> {
        let mut number = 0;
        for shift in (0..64).step_by(7) {
            let mut byte = [0];
            self.from.read_exact(&mut byte).map_err(unzipped)?;
            self.count(1)?;
            let bits = u64::from(byte[0] & 0x7f);
            if bits << shift >> shift != bits {
                break;
            }
            number |= bits << shift;
            if byte[0] < 0x80 {
                return Ok(number);
            }
        }
        Err(Damaged(NO_FIELD))
    }

    fn bytes(&mut self, len: u64) -> Result<&[u8], ReadError> {
        if len > LARGEST_MESSAGE {
            return Err(TooLarge("a field"));
        }
        self.count(len)?;
        self.payload.clear();
        // The buffer grows with the bytes that are there and not with the length that the file states.
        let mut part = self.from.by_ref().take(len);
        let read = part.read_to_end(&mut self.payload).map_err(unzipped)?;
        if (read as u64) < len {
            return Err(ReadError::Truncated);
        }
        Ok(&self.payload)
    }

    fn count(&mut self, bytes: u64) -> Result<(), ReadError> {
        self.bytes += bytes;
        if self.bytes > LARGEST {
            return Err(TooLarge("its size, unzipped"));
        }
        Ok(())
    }
}

/// The error for one that was met while unzipping.
fn unzipped(error: io::Error) -> ReadError {
    match error.kind() {
        io::ErrorKind::UnexpectedEof => ReadError::Truncated,
        io::ErrorKind::InvalidInput | io::ErrorKind::InvalidData => Damaged("its compression"),
        _ => ReadError::Io(error),
    }
}
