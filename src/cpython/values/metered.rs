//! A memory of which no more is read than was allowed.

use crate::memory::{Fault, Memory};
use crate::model::Addr;

/// A read of so many bytes costs as much again as the call itself.
const BYTES_A_READ: u64 = 512;

/// Reads another memory until what is allowed is used up; from then on nothing can be read.
pub struct Metered<'a> {
    memory: &'a mut dyn Memory,
    left: u64,
    is_spent: bool,
}

impl<'a> Metered<'a> {
    /// `reads` is how many short reads are allowed. Long ones count for several.
    pub fn new(memory: &'a mut dyn Memory, reads: u64) -> Metered<'a> {
        Metered {
            memory,
            left: reads,
            is_spent: false,
        }
    }

    /// Whether something was not read since no more was allowed.
    pub fn is_spent(&self) -> bool {
        self.is_spent
    }

    pub fn left(&self) -> u64 {
        self.left
    }
}

impl Memory for Metered<'_> {
    fn read(&mut self, at: Addr, into: &mut [u8]) -> Result<(), Fault> {
        let cost = 1 + into.len() as u64 / BYTES_A_READ;
        match self.left.checked_sub(cost) {
            Some(left) if !self.is_spent => {
                self.left = left;
                self.memory.read(at, into)
            }
            _ => {
                self.is_spent = true;
                Err(Fault {
                    at,
                    len: into.len(),
                })
            }
        }
    }
}
