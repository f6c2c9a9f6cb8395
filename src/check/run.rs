//! The figures of one run: what each rule is about, counted over the stacks of its profile or of a piece
//! of it.

mod pieces;

use rustc_hash::{FxHashMap, FxHashSet};

use super::matcher::{Matcher, Shown};
use super::rule::Rule;
use crate::model::StackId;
use crate::profile::{Profile, Values};

/// What one run shows of something.
#[derive(Clone, Copy, PartialEq, Debug, Default)]
pub struct Seen {
    pub samples: u64,
    /// Seconds that these samples stand for.
    pub wall: f64,
    /// Seconds of CPU that their threads used.
    pub cpu: f64,
}

impl Seen {
    pub(super) fn add(&mut self, values: Values) {
        self.samples += values.count;
        self.wall += values.wall.as_secs_f64();
        self.cpu += values.cpu.as_secs_f64();
    }
}

/// The figures of one run.
#[derive(Clone, PartialEq, Debug)]
pub struct Run {
    /// All samples.
    pub all: Seen,
    /// CPU and wall seconds of the whole program, from its start to its end if these are known.
    pub whole: Seen,
    /// What each rule is about, in the order of the rules.
    pub figures: Vec<Seen>,
    /// Units of work that were done, if they are counted.
    pub units: Option<f64>,
    /// The part of a run that it covers, from 0 to 1: less than 1 for a piece.
    pub extent: f64,
    /// Which names of each rule some sample shows, in the order of the rules.
    pub shown: Vec<Shown>,
    /// Whether labels were read, which prove mistakes.
    pub labels_read: bool,
}

impl Run {
    #[must_use]
    pub fn of(profile: &Profile, rules: &[Rule], units: Option<f64>) -> Run {
        let mut counter = RuleCounter::new(profile, rules);
        let mut all = Seen::default();
        let mut figures = vec![Seen::default(); rules.len()];
        for entry in profile.entries() {
            all.add(entry.values());
            counter.count(entry.stack(), entry.values(), &mut figures);
        }
        let mut whole = all;
        if let Some(cpu) = profile.recording.cpu {
            whole.cpu = cpu.as_secs_f64();
            whole.wall = profile.recording.duration.as_secs_f64();
        }
        let mut run = Run {
            all,
            whole,
            figures,
            units,
            extent: 1.0,
            shown: counter.shown(),
            labels_read: profile.recording.labels_read,
        };
        run.enter_totals(rules);
        run
    }

    /// A rule about the whole program has the whole as its figure, not a sum of stacks.
    fn enter_totals(&mut self, rules: &[Rule]) {
        for (figure, rule) in self.figures.iter_mut().zip(rules) {
            if rule.what.item.is_none() {
                *figure = self.whole;
            }
        }
    }
}

/// Counts stacks for the rules that they match.
struct RuleCounter<'a> {
    profile: &'a Profile,
    matchers: Vec<Matcher<'a>>,
    known: FxHashMap<StackId, Vec<bool>>,
}

impl<'a> RuleCounter<'a> {
    fn new(profile: &'a Profile, rules: &'a [Rule]) -> RuleCounter<'a> {
        let matcher = |rule: &'a Rule| Matcher::new(profile, &rule.what);
        RuleCounter {
            profile,
            matchers: rules.iter().map(matcher).collect(),
            known: FxHashMap::default(),
        }
    }

    /// Counts a stack for each rule that it matches. A stack that is not proven may be wrong, and counts
    /// for none.
    fn count(&mut self, stack: StackId, values: Values, figures: &mut [Seen]) {
        if values.unproven > 0 {
            return;
        }
        let (profile, matchers) = (self.profile, &mut self.matchers);
        let concerns = self.known.entry(stack).or_insert_with(|| {
            let frames = profile.interner.frames_of(stack);
            let functions: Vec<_> = frames
                .map(|frame| profile.interner.frame(frame).function)
                .collect();
            let of = |matcher: &mut Matcher<'_>| matcher.find(&functions).is_some();
            matchers.iter_mut().map(of).collect()
        });
        for (figure, concerned) in figures.iter_mut().zip(concerns) {
            if *concerned {
                figure.add(values);
            }
        }
    }
}

impl RuleCounter<'_> {
    /// Which names of each rule the functions show that are on the stack of some sample.
    fn shown(&mut self) -> Vec<Shown> {
        let interner = &self.profile.interner;
        let mut met = FxHashSet::default();
        let mut functions = FxHashSet::default();
        for entry in self.profile.entries() {
            let mut at = entry.stack();
            // The callers of a stack that was met were met with it.
            while met.insert(at)
                && let Some(stack) = interner.stack(at)
            {
                functions.insert(interner.frame(stack.frame).function);
                at = stack.caller;
            }
        }
        let of = |matcher: &mut Matcher<'_>| matcher.shown(functions.iter().copied());
        self.matchers.iter_mut().map(of).collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::functions::Functions;
    use crate::check::written::{profile, profile_with_labels};
    use crate::model::Nanos;

    fn rules(texts: &[&str]) -> Vec<Rule> {
        let rule = |text: &&str| text.parse().expect("a rule");
        texts.iter().map(rule).collect()
    }

    const VIEW: &str = "View.get|/srv/app/recipes/views.py|31";
    const NAME: &str = "Serializer.get_name|/srv/app/recipes/serializers.py|12";
    const QUERY: &str = "Query.run|/v/lib/python3.11/site-packages/django/db/query.py|5";
    const LOADS: &str = "loads|/usr/lib/python3.11/json/__init__.py|5";

    #[test]
    fn each_rule_sees_its_part() {
        let seen = profile(&[
            (&[VIEW][..], 10),
            (&[VIEW, NAME], 20),
            (&[VIEW, NAME, QUERY], 30),
            (&[VIEW, NAME, QUERY, NAME], 5),
            (&[LOADS], 35),
        ]);
        for (rule, samples) in [
            ("never get_name", 55),
            ("never Serializer.get_name", 55),
            ("never View.get_name", 0),
            ("self get_name < 5%", 25),
            ("never get in get_name", 0),
            ("never run in get", 35),
            ("never query.Query.run", 35),
            ("never db.query.Query.run", 35),
            ("never json.loads", 35),
            ("never loads.json", 0),
            ("never get_name in Query.run", 5),
            ("self get_name in get < 5%", 25),
            ("never file:recipes/views.py", 65),
            ("never file:recipes/*.py", 65),
            ("never package:django", 35),
            ("never package:json", 35),
            ("never package:recipes", 65),
            ("never category:database", 35),
            ("never category:stdlib", 35),
            ("never category:application", 65),
            ("total < 5s", 100),
        ] {
            let run = Run::of(&seen, &rules(&[rule]), None);
            assert_eq!(run.figures[0].samples, samples, "{rule}");
            assert_eq!(run.all.samples, 100);
        }
    }

    #[test]
    fn labels_neither_split_nor_lose_what_a_rule_counts() {
        let stacks = [
            (&[VIEW][..], 30),
            (&[VIEW, NAME, QUERY], 45),
            (&[LOADS], 25),
        ];
        let (plain, labelled) = (profile(&stacks), profile_with_labels(&stacks, 4));
        assert_eq!(labelled.entries().len(), 4 * plain.entries().len());
        let rules = rules(&["get_name < 5%", "self run < 5%", "never package:django"]);
        let near = |a: Seen, b: Seen| {
            // Pieces have whole nanoseconds, so sums differ a little.
            let near = |a: f64, b: f64| (a - b).abs() < 1e-6;
            near(a.wall, b.wall) && near(a.cpu, b.cpu)
        };
        let same = |a: &Run, b: &Run| {
            let mut figures = a.figures.iter().zip(&b.figures);
            near(a.all, b.all) && near(a.whole, b.whole) && figures.all(|(a, b)| near(*a, *b))
        };
        let of = |profile| Run::of(profile, &rules, None);
        assert!(same(&of(&plain), &of(&labelled)));
        let samples = |run: Run| run.figures.iter().map(|it| it.samples).collect::<Vec<_>>();
        assert_eq!(samples(of(&plain)), samples(of(&labelled)));
        let pieces = |profile| Run::pieces(profile, &rules, None, 10).expect("a timeline");
        let (plain_pieces, labelled_pieces) = (pieces(&plain), pieces(&labelled));
        let mut both = plain_pieces.iter().zip(&labelled_pieces);
        assert!(both.all(|(a, b)| same(a, b)));
        let known = |profile| {
            let mut functions = Functions::default();
            functions.add(profile);
            functions
                .known(1)
                .into_iter()
                .map(|(name, it)| (name, it.share.mean))
        };
        let mut both = known(&plain).zip(known(&labelled));
        assert!(both.all(|(a, b)| a.0 == b.0 && (a.1 - b.1).abs() < 1e-9));
    }

    #[test]
    fn before_qualified_names_the_last_part_decides() {
        let mut seen = profile(&[(&["get_name|/srv/a.py|1"][..], 10)]);
        let rules = rules(&["never Serializer.get_name"]);
        assert_eq!(Run::of(&seen, &rules, None).figures[0].samples, 0);
        if let Some(python) = &mut seen.recording.python {
            python.minor = 10;
        }
        assert_eq!(Run::of(&seen, &rules, None).figures[0].samples, 10);
    }

    #[test]
    fn a_program_that_ended_tells_its_whole_time_itself() {
        let mut seen = profile(&[(&[VIEW][..], 10)]);
        seen.recording.cpu = Some(Nanos(3_000_000_000));
        seen.recording.duration = Nanos(4_000_000_000);
        let run = Run::of(&seen, &rules(&["total < +5%", "get < 5%"]), None);
        assert!(
            (run.figures[0].cpu - 3.0).abs() < 1e-9 && (run.figures[0].wall - 4.0).abs() < 1e-9
        );
        assert!((run.figures[1].cpu - 0.1).abs() < 1e-9);
    }

    #[test]
    fn pieces_add_up_to_the_whole() {
        let seen = profile(&[(&[VIEW][..], 30), (&[VIEW, NAME], 45), (&[LOADS], 25)]);
        let rules = rules(&["get_name < 5%", "loads < 5%"]);
        let pieces = Run::pieces(&seen, &rules, None, 10).expect("a timeline");
        let sum = |figure: usize| pieces.iter().map(|it| it.figures[figure].cpu).sum::<f64>();
        assert!((sum(0) - 0.45).abs() < 1e-6 && (sum(1) - 0.25).abs() < 1e-6);
        // The first three pieces do not show it, the next four show nothing else.
        assert!(pieces[0].figures[0].wall.abs() < 1e-9);
        assert!((pieces[4].figures[0].wall - pieces[4].all.wall).abs() < 1e-9);
        let samples: u64 = pieces.iter().map(|piece| piece.all.samples).sum();
        assert_eq!(samples, 100);
    }
}
