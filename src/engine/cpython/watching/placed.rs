//! Where in the frames of one code object watched variables are.

use super::values::LabelKey;
use crate::cpython::code::Code;
use crate::cpython::layout::Layout;
use crate::cpython::variables::{self, Variable};
use crate::frameworks::{Counts, Part, Shape, Watch, Watches};
use crate::memory::Memory;
use crate::model::CodeAddr;

/// A watch of one code object.
#[derive(Clone, Debug)]
pub struct PlacedWatch {
    pub label: LabelKey,
    /// What a frame further out gives counts, and not what this one gives.
    pub is_outermost: bool,
    /// One after the other until one gives a value; of each, all parts.
    pub readings: Box<[Box<[PlacedPart]>]>,
    /// The object for which a loop is looked for, if that is what is watched.
    pub loop_over: Option<PlacedPart>,
}

/// A part whose variable is at this place in the frame.
#[derive(Clone, Debug)]
pub struct PlacedPart {
    pub slot: usize,
    pub is_cell: bool,
    pub part: Part,
}

/// The watches of a code object; none of nearly all.
pub fn place<M: Memory>(
    memory: &mut M,
    layout: &Layout,
    at: CodeAddr,
    code: &Code,
    watches: &Watches,
) -> Box<[PlacedWatch]> {
    if watches.is_empty() {
        return Box::default();
    }
    let (file, name) = (code.file.untrusted(), code.name.untrusted());
    let mut wanted: Vec<usize> = watches.of_function(file, name).collect();
    for (argument, index) in watches.of_arguments() {
        if variables::has_argument(memory, layout, at, argument) {
            wanted.push(index);
        }
    }
    if wanted.is_empty() {
        return Box::default();
    }
    let Ok(variables) = variables::read(memory, layout, at) else {
        return Box::default();
    };
    wanted
        .into_iter()
        .filter_map(|index| {
            let label = watches.label_number(index)?;
            placed(watches.get(index)?, label, &variables)
        })
        .collect()
}

/// `None` if the function has none of the variables.
fn placed(watch: &Watch, label: LabelKey, variables: &[Variable]) -> Option<PlacedWatch> {
    let place_part = |part: &Part| {
        // An argument that inner functions use has two places, of which the cell's is the later.
        let mut variables = variables.iter().rev();
        let variable = variables.find(|it| it.name.untrusted() == part.variable)?;
        Some(PlacedPart {
            slot: variable.slot,
            is_cell: variable.is_cell,
            part: *part,
        })
    };
    let readings: Vec<Box<[PlacedPart]>> = watch
        .readings
        .iter()
        .filter_map(|reading| reading.parts.iter().map(place_part).collect())
        .collect();
    let first = readings.first()?;
    let loop_over = first.first().filter(|it| it.part.shape == Shape::LoopOver);
    Some(PlacedWatch {
        label,
        is_outermost: watch.counts == Counts::Outermost,
        loop_over: loop_over.cloned(),
        readings: match loop_over {
            Some(_) => Box::default(),
            None => readings.into(),
        },
    })
}
