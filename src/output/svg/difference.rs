//! What changed between two profiles of the same program. The width of a box is its time after the
//! change, its colour shows what grew or shrank.
//!
//! All figures are means per run, since the two sides may have different numbers of runs. inferno could
//! scale the totals to each other, but that would hide a change that all boxes share: that everything
//! became slower.

use std::cmp::Ordering;
use std::io::Write;
use std::num::NonZeroUsize;

use super::drawn::DrawnTree;
use super::{DEFAULT_UNIT, Graph, LegendEntry, draw};
use crate::model::Nanos;
use crate::output::naming::Names;
use crate::output::palette::{UNCHANGED, grew_most, shrank_most, style_of_differences};
use crate::output::shown::ShownTree;
use crate::output::title::{compared, seconds, title_of_difference};
use crate::output::{OutputError, RenderOptions, Side, Unit};
use crate::profile::Values;
use crate::profile::tree::NodeId;

pub(in crate::output) fn write(
    before: Side<'_>,
    after: Side<'_>,
    options: &RenderOptions,
    out: &mut dyn Write,
) -> Result<(), OutputError> {
    Ok(draw(&Difference::new(before, after, options), out)?)
}

struct Difference<'a> {
    unit: Unit,
    before: Side<'a>,
    after: Side<'a>,
    drawn: DrawnTree<'a>,
    /// The weight of each node before the change.
    weights_before: Vec<u64>,
    gone: Gone,
}

/// Means per run, in millionths of the unit.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Change {
    before: u64,
    after: u64,
}

/// The weight before the change of stacks that no longer exist.
#[derive(PartialEq, Eq, Debug, Default)]
struct Gone {
    weight: u64,
    /// The largest part of it, by the label of the first frame that no longer exists.
    largest: Option<(String, u64)>,
}

impl<'a> Difference<'a> {
    fn new(before: Side<'a>, after: Side<'a>, options: &'a RenderOptions) -> Difference<'a> {
        let unit = options.unit.unwrap_or(DEFAULT_UNIT);
        let weighted = |side: Side<'_>| {
            let tree = ShownTree::new(side.profile, options);
            let weights = tree.weights(|values| millionths_a_run(unit, values, side.runs));
            Weighted { tree, weights }
        };
        let after_change = weighted(after);
        let (weights_before, gone) = matched(&weighted(before), &after_change);
        let names = Names {
            interner: &after.profile.interner,
            options,
        };
        Difference {
            unit,
            before,
            after,
            drawn: DrawnTree::new(after_change.tree, names, after_change.weights),
            weights_before,
            gone,
        }
    }

    /// Including all boxes below it.
    fn total_change(&self, id: NodeId) -> Change {
        Change {
            before: self.weights_before[id.index()],
            after: self.drawn.width(id),
        }
    }

    /// Without the boxes below it. The colour shows this.
    fn self_change(&self, id: NodeId) -> Change {
        Change {
            before: self.drawn.self_weight(&self.weights_before, id),
            after: self.drawn.self_weight(&self.drawn.widths, id),
        }
    }

    /// The change that has the strongest colour.
    fn largest_change(&self) -> u64 {
        let changes = self.drawn.shown().map(|id| self.self_change(id));
        let sizes = changes.map(|Change { before, after }| before.abs_diff(after));
        sizes.max().unwrap_or(0)
    }

    fn measure(&self) -> &'static str {
        match self.unit {
            Unit::Samples => "samples",
            Unit::Wall => "time",
            Unit::Cpu => "CPU time",
        }
    }

    fn amount(&self, weight: u64) -> String {
        match self.unit {
            Unit::Samples => format!("{:.1} samples", weight as f64 / 1e6),
            Unit::Wall | Unit::Cpu => seconds(Nanos(weight.saturating_mul(1000))),
        }
    }

    /// `+0.14 s`
    fn signed(&self, Change { before, after }: Change) -> String {
        let sign = match after.cmp(&before) {
            Ordering::Less => '-',
            Ordering::Equal => '±',
            Ordering::Greater => '+',
        };
        format!("{sign}{}", self.amount(before.abs_diff(after)))
    }

    fn note_of_gone(&self) -> Option<String> {
        let (label, weight) = self.gone.largest.as_ref()?;
        Some(format!(
            "{} a run, {:.2}% of what was before, lay in stacks that are gone: they have no box and \
             count for their callers. Most of it, {}, lay in {label}.",
            self.amount(self.gone.weight),
            100.0 * self.gone.weight as f64
                / self.total_change(ShownTree::ROOT).before.max(1) as f64,
            self.amount(*weight),
        ))
    }
}

impl Graph for Difference<'_> {
    fn drawn(&self) -> &DrawnTree<'_> {
        &self.drawn
    }

    fn before(&self) -> Option<&[u64]> {
        Some(&self.weights_before)
    }

    fn title(&self) -> String {
        title_of_difference(self.before.profile, self.after.profile)
    }

    fn subtitle(&self) -> String {
        format!(
            "before: {} · after: {} · widths are {} after",
            compared(self.before),
            compared(self.after),
            self.measure(),
        )
    }

    fn legend(&self) -> Vec<LegendEntry> {
        let colour = |fill, text: &str| LegendEntry::colour(fill, text.to_owned());
        let mut entries = vec![
            LegendEntry::text(format!("own {} a run, after:", self.measure())),
            colour(grew_most(), "more than before"),
            colour(shrank_most(), "less"),
            colour(UNCHANGED.to_owned(), "the same"),
        ];
        let largest = self.largest_change();
        if largest > 0 {
            let text = format!("the strongest colour: {}", self.amount(largest));
            entries.push(LegendEntry::text(text));
        }
        entries
    }

    fn notes(&self) -> Vec<String> {
        let [before, after] = [self.before, self.after].map(|side| &side.profile.recording.notes);
        let mut notes: Vec<String> = self.note_of_gone().into_iter().collect();
        for note in before {
            notes.push(match after.contains(note) {
                true => note.clone(),
                false => format!("before: {note}"),
            });
        }
        let new = after.iter().filter(|note| !before.contains(note));
        notes.extend(new.map(|note| format!("after: {note}")));
        notes
    }

    fn style(&self) -> String {
        style_of_differences()
    }

    fn fill(&self, _: NodeId) -> Option<String> {
        None
    }

    /// The colour shows the self change, which is added if it differs from the total change.
    fn figures(&self, id: NodeId) -> String {
        let whole = self.total_change(id);
        let (changed, changed_self) = (self.signed(whole), self.signed(self.self_change(id)));
        let mut text = format!(
            "{} → {} {}, {changed}, {:.2}%",
            self.amount(whole.before),
            self.amount(whole.after),
            match self.unit {
                Unit::Samples | Unit::Wall => "a run",
                Unit::Cpu => "of CPU time a run",
            },
            self.drawn.share(id),
        );
        if changed_self != changed {
            text.push_str(&format!(", own {changed_self}"));
        }
        text
    }
}

/// A call tree with the total weight of each node.
struct Weighted {
    tree: ShownTree,
    weights: Vec<u64>,
}

impl Weighted {
    fn weight(&self, id: NodeId) -> u64 {
        self.weights[id.index()]
    }
}

/// Anything that was seen counts at least one, as in [`Unit::of`].
fn millionths_a_run(unit: Unit, values: Values, runs: NonZeroUsize) -> u64 {
    let all = unit.of(values);
    let all = match unit {
        Unit::Samples => all.saturating_mul(1_000_000),
        // Already in microseconds.
        Unit::Wall | Unit::Cpu => all,
    };
    let runs = runs.get() as u64;
    (all.saturating_add(runs / 2) / runs).max(u64::from(all > 0))
}

/// The weight in `before` of each node of `after`, matched by the labels on its path, and what is left
/// over.
fn matched(before: &Weighted, after: &Weighted) -> (Vec<u64>, Gone) {
    let mut matched = vec![0; after.weights.len()];
    let mut gone = Gone::default();
    let mut waiting = vec![(ShownTree::ROOT, ShownTree::ROOT)];
    while let Some((old, new)) = waiting.pop() {
        matched[new.index()] = before.weight(old);
        for &child in &before.tree.node(old).children {
            let key = before.tree.node(child).key.as_ref();
            let same = key.and_then(|key| after.tree.child(new, key));
            match same.filter(|&same| after.weight(same) > 0) {
                Some(same) => waiting.push((child, same)),
                None => gone.add(before.tree.label(child), before.weight(child)),
            }
        }
    }
    (matched, gone)
}

impl Gone {
    fn add(&mut self, label: &str, weight: u64) {
        self.weight = self.weight.saturating_add(weight);
        let largest = self.largest.as_ref().map_or(0, |(_, largest)| *largest);
        if weight > largest {
            self.largest = Some((label.to_owned(), weight));
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::model::{GilState, LabelSetId, Pid, Proof, Sample, StackId, ThreadId};
    use crate::profile::{Profile, Recording};

    const OPTIONS: RenderOptions = RenderOptions {
        lines: crate::output::LineMode::None,
        full_filenames: false,
        threads: false,
        processes: false,
        by: None,
        unit: None,
    };

    /// Stacks by the names of their frames, such as `a;b`, each with its time.
    fn profile<S: AsRef<str>>(samples: &[(S, Nanos)]) -> Profile {
        let recording = Recording::starting_now(Pid(1), Vec::new(), 100);
        let mut profile = Profile::new(recording).expect("a temporary file");
        for (stack, wall) in samples {
            let interner = &mut profile.interner;
            let stack = stack
                .as_ref()
                .split(';')
                .fold(StackId::EMPTY, |caller, name| {
                    let frame = interner.intern_structure(name);
                    interner.intern_stack(caller, frame)
                });
            profile.add(&Sample {
                thread: ThreadId::from_index(0),
                stack,
                labels: LabelSetId::EMPTY,
                at: Nanos::ZERO,
                wall: *wall,
                cpu: Nanos::ZERO,
                on_cpu: true,
                at_work: false,
                gil: GilState::Unknown,
                proof: Proof::Proven,
            });
        }
        profile
    }

    fn of_runs(profile: &Profile, runs: usize) -> Side<'_> {
        Side {
            profile,
            runs: NonZeroUsize::new(runs).expect("a run"),
        }
    }

    fn ms(milliseconds: u64) -> Nanos {
        Nanos(milliseconds * 1_000_000)
    }

    /// The SVG from the legend on: the style sheet before it holds every colour.
    fn svg(graph: &Difference<'_>) -> String {
        let mut svg = Vec::new();
        draw(graph, &mut svg).expect("written");
        let svg = String::from_utf8(svg).expect("UTF-8");
        let (_, rest) = svg.split_once("class=\"legend\"").expect("a legend");
        rest.to_owned()
    }

    #[test]
    fn what_did_not_change_is_the_same_whatever_the_number_of_runs() {
        let samples = [("main;f", ms(30)), ("main;g", ms(10))];
        let (once, twice) = (profile(&samples), profile(&samples.repeat(2)));
        let graph = Difference::new(of_runs(&twice, 2), of_runs(&once, 1), &OPTIONS);
        assert_eq!(graph.gone, Gone::default());
        assert_eq!(graph.largest_change(), 0);
        for id in graph.drawn.shown() {
            let Change { before, after } = graph.total_change(id);
            assert_eq!(before, after);
        }
        let svg = svg(&graph);
        assert!(svg.contains("<title>f (30 ms → 30 ms a run, ±0 s, 75.00%)</title>"));
        assert_eq!(
            svg.matches("fill=\"rgb(255,").count(),
            1,
            "but in the legend"
        );
    }

    #[test]
    fn colours_are_of_what_has_no_box_below() {
        let before = profile(&[("main;f", ms(10)), ("main;g", ms(20)), ("main", ms(70))]);
        let after = profile(&[("main;f", ms(50)), ("main;new", ms(10)), ("main", ms(70))]);
        let svg = svg(&Difference::new(
            of_runs(&before, 1),
            of_runs(&after, 1),
            &OPTIONS,
        ));
        for (title, fill) in [
            ("f (10 ms → 50 ms a run, +40 ms, 38.46%)", grew_most()),
            (
                "new (0 s → 10 ms a run, +10 ms, 7.69%)",
                "rgb(255,212,212)".to_owned(),
            ),
            (
                "main (0.10 s → 0.13 s a run, +30 ms, 100.00%, own -20 ms)",
                "rgb(175,175,255)".to_owned(),
            ),
        ] {
            let (_, rest) = svg
                .split_once(&format!("<title>{title}</title>"))
                .expect(title);
            let (rect, _) = rest.split_once("/>").expect("a box");
            assert!(
                rect.contains(&format!("fill=\"{fill}\"")),
                "{title}: {rect}"
            );
        }
        assert!(svg.contains("the strongest colour: 40 ms"));
        assert!(svg.contains(
            "20 ms a run, 20.00% of what was before, lay in stacks that are gone: they have no box \
             and count for their callers. Most of it, 20 ms, lay in g."
        ));
    }

    #[test]
    fn what_shrank_most_has_the_colour_of_the_legend() {
        let before = profile(&[("f", ms(50)), ("g", ms(10))]);
        let after = profile(&[("f", ms(10)), ("g", ms(10))]);
        let svg = svg(&Difference::new(
            of_runs(&before, 1),
            of_runs(&after, 1),
            &OPTIONS,
        ));
        assert_eq!(
            svg.matches(&format!("fill=\"{}\"", shrank_most())).count(),
            2
        );
        // The root, the unchanged box, and the legend.
        assert_eq!(svg.matches(&format!("fill=\"{UNCHANGED}\"")).count(), 3);
    }

    #[test]
    fn notes_of_one_side_say_of_which() {
        let (mut before, mut after) = (profile(&[("f", ms(1))]), profile(&[("f", ms(1))]));
        before.recording.notes = vec!["A.".to_owned(), "B.".to_owned()];
        after.recording.notes = vec!["B.".to_owned(), "C.".to_owned()];
        let graph = Difference::new(of_runs(&before, 1), of_runs(&after, 1), &OPTIONS);
        assert_eq!(graph.notes(), ["before: A.", "B.", "after: C."]);
    }

    fn samples() -> impl Strategy<Value = Vec<(String, Nanos)>> {
        let stack = prop::collection::vec("[abc]", 1..5).prop_map(|names| names.join(";"));
        prop::collection::vec((stack, (1u64..1_000_000_000).prop_map(Nanos)), 1..40)
    }

    proptest! {
        #[test]
        fn nothing_is_lost_between_the_boxes_and_what_is_gone(
            before in samples(), after in samples(), runs in (1usize..9, 1usize..9),
        ) {
            let (before, after) = (profile(&before), profile(&after));
            let graph =
                Difference::new(of_runs(&before, runs.0), of_runs(&after, runs.1), &OPTIONS);
            let mut all = graph.self_change(ShownTree::ROOT);
            for id in graph.drawn.shown() {
                let own = graph.self_change(id);
                all.before += own.before;
                all.after += own.after;
            }
            prop_assert_eq!(all, graph.total_change(ShownTree::ROOT));
            prop_assert!(graph.gone.weight <= all.before);

            // Each stack is rounded to a microsecond, and counts at least one.
            for (weight, side) in [(all.before, graph.before), (all.after, graph.after)] {
                let exact = side.profile.total().wall.0 / 1000 / side.runs.get() as u64;
                let stacks = side.profile.entries().len() as u64;
                prop_assert!(weight.abs_diff(exact) <= stacks + 1, "{} {}", weight, exact);
            }
        }
    }
}
