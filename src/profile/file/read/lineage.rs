//! Checks which process started which.

use super::error::ReadError::{self, Damaged, TooLarge};
use crate::model::{Process, ProcessId};

/// The longest chain of recorded processes that started each other.
const LONGEST_LINEAGE: usize = 1000;

/// Checks that all parents exist and that no process is its own ancestor.
pub fn check(processes: &[Process]) -> Result<(), ReadError> {
    // The number of processes from each up to its root, itself included; 0 if not known yet.
    let mut depths = vec![0_usize; processes.len()];
    for start in 0..processes.len() {
        let mut path = Vec::new();
        let mut at = Some(start);
        let mut depth = loop {
            let Some(index) = at else { break 0 };
            let process = processes.get(index);
            let process = process.ok_or(Damaged("a process's parent is not there"))?;
            if depths[index] > 0 {
                break depths[index];
            }
            if path.len() >= LONGEST_LINEAGE {
                return Err(Damaged("processes that started each other"));
            }
            path.push(index);
            at = process.parent.map(ProcessId::index);
        };
        for index in path.into_iter().rev() {
            depth += 1;
            depths[index] = depth;
        }
        if depth > LONGEST_LINEAGE {
            return Err(TooLarge("processes that started one another"));
        }
    }
    Ok(())
}
