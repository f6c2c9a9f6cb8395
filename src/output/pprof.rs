//! pprof's format, gzipped: the profile file itself, see [`file`], with comments for readers who only use
//! pprof.

use std::io::Write;

use super::{About, Format, OutputError, RenderOptions, title};
use crate::model::{MOST_LABEL_SETS, OTHER_LABEL};
use crate::profile::{Profile, UNPROVEN, file};

/// A gzipped `profile.proto`, as pprof reads it.
#[derive(Clone, Copy, Debug)]
pub struct Pprof;

impl Format for Pprof {
    fn about(&self) -> &'static About {
        &About {
            name: "pprof",
            summary: "pprof's, gzipped, for go tool pprof, Pyroscope, Parca",
            noun: "pprof profile",
            endings: &["pb.gz", "pb", "pprof"],
            default_unit: None,
            needs_thread_names: true,
            needs_timeline: true,
            keeps_up_to_date: true,
            hint: None,
        }
    }

    fn write(
        &self,
        profile: &Profile,
        _: &RenderOptions,
        out: &mut dyn Write,
    ) -> Result<(), OutputError> {
        Ok(file::write(profile, &comments(profile), out)?)
    }
}

/// What was recorded and how well, in one line each.
fn comments(profile: &Profile) -> Vec<String> {
    let recording = &profile.recording;
    let ticks = recording.ticks;
    let mut comments = vec![
        title::title(profile),
        title::quality(profile),
        format!(
            "looks expected {}, with samples {}, idle {}, missed {}, lost {}",
            ticks.expected, ticks.sampled, ticks.idle, ticks.missed, ticks.lost
        ),
        format!("stacks below {UNPROVEN} could not be proven to be of one moment"),
        format!("spyhole {}", recording.spyhole),
    ];
    if profile.interner.labels_are_full() {
        let (key, value) = OTHER_LABEL;
        comments.push(format!(
            "more than {MOST_LABEL_SETS} sets of labels came: the rest is {key} {value}"
        ));
    }
    comments.extend_from_slice(&recording.notes);
    comments
}
