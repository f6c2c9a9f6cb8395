//! Takes the figures that rules are about from a profile.

use rustc_hash::{FxHashMap, FxHashSet};

use super::rule::{Item, Rule, Selector};
use crate::model::{FrameKind, FunctionId, Interner, Nanos, StackId};
use crate::output::{Category, visible};
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
}

/// Which names of a rule some sample shows.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Shown {
    pub item: bool,
    /// The name after `in`; `true` if there is none.
    pub within: bool,
}

impl Shown {
    /// The value for a rule about the whole program.
    pub const ALL: Shown = Shown {
        item: true,
        within: true,
    };

    #[must_use]
    pub fn or(self, other: Shown) -> Shown {
        Shown {
            item: self.item || other.item,
            within: self.within || other.within,
        }
    }
}

/// The time of a recording is divided into bins, at whose ends it may be cut into pieces.
const BINS: u64 = 1200;

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

    /// Cuts one recording into `count` consecutive pieces. Their variance tells how precise the
    /// recording's own figures are, but not what another recording would show. Each piece has the same
    /// counted time, so a piece in which a server was idle is longer, and none is empty. `None` if the
    /// order in time is not known.
    ///
    /// CPU time is spread evenly over the time of each stack.
    #[must_use]
    pub fn pieces(
        profile: &Profile,
        rules: &[Rule],
        units: Option<f64>,
        count: usize,
    ) -> Option<Vec<Run>> {
        let ends = ends_of_pieces(profile, count)?;
        let length = ends.last().copied().unwrap_or(1).max(1) as f64;
        let mut counter = RuleCounter::new(profile, rules);
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let mut runs: Vec<Run> = starts
            .zip(&ends)
            .map(|(start, end)| Run {
                all: Seen::default(),
                whole: Seen::default(),
                figures: vec![Seen::default(); rules.len()],
                units: units.map(|units| units * (end - start) as f64 / length),
                extent: (end - start) as f64 / length,
                shown: Vec::new(),
            })
            .collect();
        let entries = profile.entries();
        let known: FxHashMap<_, _> = entries.map(|it| (it.key(), it.values())).collect();
        let timeline = profile.timeline();
        for thread in timeline.threads() {
            for run in timeline.runs(thread) {
                let run = run.ok()?;
                let values = known.get(&run.key())?;
                let whole = run.length.0.max(1) as f64;
                let of_all = run.samples as f64 / values.count.max(1) as f64;
                // All samples go to the piece in which the run of the timeline begins: only their total
                // matters.
                let mut samples = run.samples;
                let (start, end) = (run.start.0, run.start.saturating_add(run.length).0);
                for_each_part(start, end, &ends, |piece, length| {
                    let part = length as f64 / whole;
                    let scaled = |nanos: Nanos, part: f64| Nanos((nanos.0 as f64 * part) as u64);
                    let values = Values {
                        count: std::mem::take(&mut samples),
                        wall: scaled(run.length, part),
                        cpu: scaled(values.cpu, of_all * part),
                        unproven: values.unproven,
                    };
                    let to = &mut runs[piece];
                    to.all.add(values);
                    counter.count(run.stack, values, &mut to.figures);
                });
            }
        }
        let shown = counter.shown();
        for run in &mut runs {
            run.whole = run.all;
            run.enter_totals(rules);
            run.shown.clone_from(&shown);
        }
        Some(runs)
    }
}

/// The end of each piece, in nanoseconds of the recording, such that each has the same counted time. The
/// last piece ends with the recording. `None` if nothing was counted, or the timeline cannot be read.
fn ends_of_pieces(profile: &Profile, count: usize) -> Option<Vec<u64>> {
    let timeline = profile.timeline();
    let mut last = profile.recording.duration.0.max(1);
    let width = last.div_ceil(BINS).max(1);
    let bins: Vec<u64> = (1..=BINS).map(|bin| bin * width).collect();
    let mut counted = vec![0; bins.len()];
    for thread in timeline.threads() {
        for run in timeline.runs(thread) {
            let run = run.ok()?;
            let (start, end) = (run.start.0, run.start.saturating_add(run.length).0);
            last = last.max(end);
            for_each_part(start, end, &bins, |bin, length| counted[bin] += length);
        }
    }
    let all: u64 = counted.iter().sum();
    if all == 0 {
        return None;
    }
    let mut ends = Vec::with_capacity(count);
    let mut until = 0;
    for (bin, counted) in bins.iter().zip(&counted) {
        until += counted;
        // A bin that holds more than a piece leaves fewer pieces for the rest.
        let due = u128::from(all) * (ends.len() as u128 + 1) / count.max(1) as u128;
        if u128::from(until) >= due && ends.len() + 1 < count && *bin < last {
            ends.push(*bin);
        }
    }
    ends.push(last);
    Some(ends)
}

/// Calls `part` with each piece that overlaps `start..end`, and the length of the overlap. `ends` has the
/// end of each piece. What is beyond the last end belongs to the last piece.
fn for_each_part(start: u64, end: u64, ends: &[u64], mut part: impl FnMut(usize, u64)) {
    let Some(last) = ends.len().checked_sub(1) else {
        return;
    };
    let mut at = start;
    let mut piece = ends.partition_point(|end| *end <= start).min(last);
    loop {
        let until = match piece == last {
            true => end,
            false => end.min(ends[piece]),
        };
        part(piece, until.saturating_sub(at));
        at = until;
        if at >= end || piece == last {
            return;
        }
        piece += 1;
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

/// Finds what a rule is about in stacks.
pub struct Matcher<'a> {
    interner: &'a Interner,
    selector: &'a Selector,
    /// Whether the interpreter tells the class of a function, as it does from 3.11 on.
    qualified: bool,
    items: FxHashMap<FunctionId, bool>,
    within: FxHashMap<FunctionId, bool>,
}

impl<'a> Matcher<'a> {
    #[must_use]
    pub fn new(profile: &'a Profile, selector: &'a Selector) -> Matcher<'a> {
        let python = profile.recording.python;
        Matcher {
            interner: &profile.interner,
            selector,
            qualified: python.is_none_or(|it| (it.major, it.minor) >= (3, 11)),
            items: FxHashMap::default(),
            within: FxHashMap::default(),
        }
    }

    /// Which names of the rule are among these functions.
    pub fn shown(&self, functions: impl Iterator<Item = FunctionId>) -> Shown {
        let Selector { item, within, .. } = self.selector;
        let mut shown = Shown {
            item: item.is_none(),
            within: within.is_none(),
        };
        let is = |item: &Option<Item>, function| {
            let item = item.as_ref();
            item.is_some_and(|it| is_meant(it, function, self.interner, self.qualified))
        };
        for function in functions {
            shown.item = shown.item || is(item, function);
            shown.within = shown.within || is(within, function);
            if shown == Shown::ALL {
                break;
            }
        }
        shown
    }

    /// The position of the innermost matching function, in a stack given innermost first.
    pub fn find(&mut self, functions: &[FunctionId]) -> Option<usize> {
        let item = self.selector.item.as_ref()?;
        // Callers have higher positions, so only those before the outermost match of `in` are searched.
        let last = match &self.selector.within {
            None => functions.len(),
            Some(within) => functions.iter().rposition(|&function| {
                let known = self.within.entry(function);
                *known.or_insert_with(|| is_meant(within, function, self.interner, self.qualified))
            })?,
        };
        let end = if self.selector.own { 1.min(last) } else { last };
        functions[..end].iter().position(|&function| {
            let known = self.items.entry(function);
            *known.or_insert_with(|| is_meant(item, function, self.interner, self.qualified))
        })
    }
}

fn is_meant(item: &Item, function: FunctionId, interner: &Interner, qualified: bool) -> bool {
    let function = interner.function(function);
    if function.kind == FrameKind::Structure {
        // It is not code but stands for missing frames, for example.
        return false;
    }
    let name = visible(interner.text(function.name));
    let file = visible(interner.text(function.file));
    let short_file = visible(interner.text(function.short_file));
    match item {
        Item::Function(pattern) => {
            let name = dotted(&short_file, &name);
            let last_part = pattern.last_part().filter(|_| !qualified);
            pattern.matches(&name) || last_part.is_some_and(|last| last.matches(&name))
        }
        Item::File(pattern) => pattern.matches(&file),
        Item::Package(pattern) => {
            let module = installed_part(&file).unwrap_or(&short_file);
            let package = module.split('/').next().unwrap_or(module);
            pattern.matches(package.strip_suffix(".py").unwrap_or(package))
        }
        Item::Category(category) => Category::of_file(&file, &short_file) == *category,
    }
}

/// A function with its module, derived from the file: `copy.deepcopy`, `json.encoder.JSONEncoder.encode`.
pub(super) fn dotted(short_file: &str, name: &str) -> String {
    let module = short_file.strip_suffix(".py").unwrap_or(short_file);
    let module = module.strip_suffix("/__init__").unwrap_or(module);
    format!("{}.{name}", module.replace('/', "."))
}

/// The path relative to the directory that packages are installed in.
fn installed_part(file: &str) -> Option<&str> {
    ["/site-packages/", "/dist-packages/"]
        .iter()
        .filter_map(|root| file.rsplit_once(root))
        .map(|(_, module)| module)
        .min_by_key(|module| module.len())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::functions::Functions;
    use crate::check::written::{profile, profile_with_labels};

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
