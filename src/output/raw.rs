//! Collapsed stacks: `frame;frame;... count`, root first, one line per stack. The count is the number of
//! samples or, if asked for, the time in microseconds. It is the last number of the line. See
//! [`escape`](super::escape) for how names are escaped.

use std::io::Write;

use super::escape::{collapsed_frame, collapsed_stack};
use super::shown::ShownTree;
use super::{About, Format, OutputError, RenderOptions, Unit};
use crate::profile::Profile;
use crate::profile::tree::Descend;

const DEFAULT_UNIT: Unit = Unit::Samples;

/// Collapsed stacks: `frame;frame;... count`, root first.
#[derive(Clone, Copy, Debug)]
pub struct Raw;

impl Format for Raw {
    fn about(&self) -> &'static About {
        &About {
            name: "raw",
            summary: "Collapsed stacks with counts, a line each",
            noun: "raw flamegraph data (collapsed stacks)",
            endings: &["txt"],
            default_unit: Some(DEFAULT_UNIT),
            needs_thread_names: false,
            needs_timeline: false,
            keeps_up_to_date: false,
            hint: None,
        }
    }

    fn write(
        &self,
        profile: &Profile,
        options: &RenderOptions,
        out: &mut dyn Write,
    ) -> Result<(), OutputError> {
        let tree = ShownTree::new(profile, options);
        let unit = options.unit.unwrap_or(DEFAULT_UNIT);
        let mut stack = String::new();
        // The length of `stack` at each node above.
        let mut ends = Vec::new();
        let mut written = Ok(());
        tree.walk(|id, depth| {
            let node = tree.node(id);
            if node.key.is_some() {
                ends.truncate(depth - 1);
                stack.truncate(ends.last().copied().unwrap_or(0));
                if !ends.is_empty() {
                    stack.push(';');
                }
                stack.push_str(&collapsed_frame(tree.label(id)));
                ends.push(stack.len());
            }
            let number = unit.of(node.self_values);
            if number > 0 && written.is_ok() {
                written = writeln!(out, "{} {number}", collapsed_stack(&stack));
            }
            if written.is_ok() {
                Descend::Yes
            } else {
                Descend::No
            }
        });
        Ok(written?)
    }
}
