//! Finds the program's own function that is behind a figure, and the call path to it.

use std::ops::AddAssign;
use std::path::{Component, Path, PathBuf};

use rustc_hash::FxHashMap;

use super::matcher::Matcher;
use super::outcome::Place;
use super::rule::{Clock, Selector};
use crate::frameworks;
use crate::model::{Frame, FunctionId, Interner, StackId};
use crate::output::{Category, visible};
use crate::profile::tree::{CallTree, NodeId, TreeBuilder};
use crate::profile::{Profile, Values};

/// The most functions of a call path that are named.
const LONGEST_WAY: usize = 8;

/// A function is searched further only if its growth exceeds the rest of its caller's growth by this many
/// standard errors.
const CLEAR: f64 = 2.0;

/// If the standard errors are no more than this fraction of the caller's growth, the figures are precise
/// enough to be compared as they are.
const PRECISE: f64 = 0.5;

/// The function behind a figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Culprit {
    /// The function to look at: the program's own if there is one on the path.
    pub place: Place,
    /// The function that takes the time, if it is a callee and not `place` itself.
    pub callee: Option<Place>,
    /// The call path of the program's own functions from the view or task on, outermost first. It ends
    /// with `place`.
    pub way: Vec<Place>,
    /// The seconds, or the growth in seconds, in question.
    pub seconds: f64,
    /// Whether the samples show that this function is to blame and not one of its callees.
    pub is_clear: bool,
}

/// All runs of one version together.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    pub profile: &'a Profile,
    /// The factor that turns all seconds of the profile into those of one undisturbed run.
    pub scale: f64,
}

/// The function in which most of the selected time is spent or, if there is a profile of the version
/// before, from which most of the growth comes. `None` if there is none.
///
/// `source` tells where the program's own files are.
#[must_use]
pub fn find(
    before: Option<Recorded<'_>>,
    after: Recorded<'_>,
    selector: &Selector,
    clock: Clock,
    source: &Source,
) -> Option<Culprit> {
    let mut collected = Collected::new(match before {
        Some(_) => Question::Growth,
        None => Question::Level,
    });
    collected.add(after, selector, clock, Side::After);
    if let Some(before) = before {
        collected.add(before, selector, clock, Side::Before);
    }
    let search = collected.finish();
    let (path, is_clear) = search.main_path()?;
    Some(search.culprit(&path, is_clear, source))
}

/// Where the program's own files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The directory that the program ran in.
    pub directory: PathBuf,
    /// Paths in reports are relative to this: the repository, so that tools that show reports find the
    /// files.
    pub root: PathBuf,
}

impl Source {
    /// Takes the nearest directory above that is a repository as the root, or else the directory itself.
    #[must_use]
    pub fn of(directory: PathBuf) -> Source {
        let mut above = directory.ancestors();
        let root = above.find(|folder| folder.join(".git").exists());
        Source {
            root: root.unwrap_or(&directory).to_owned(),
            directory,
        }
    }

    /// A file's path relative to the root, with `/`; `None` if it lies elsewhere.
    #[must_use]
    pub fn below_root(&self, file: &str) -> Option<String> {
        let path = match Path::new(file) {
            whole if whole.is_absolute() => whole.to_owned(),
            // A script may be given by a relative path. A name such as `<string>` is not a file.
            part => Some(self.directory.join(part)).filter(|path| path.is_file())?,
        };
        let below = path.strip_prefix(&self.root).ok()?;
        // Drops components such as `.`, and refuses a path that leads out of the root.
        let mut plain = PathBuf::new();
        for part in below.components() {
            match part {
                Component::Normal(name) => plain.push(name),
                Component::CurDir => {}
                _ => return None,
            }
        }
        plain.to_str().map(str::to_owned)
    }
}

/// A function, identified by name and short file: the files of two versions lie in different directories,
/// and lines move.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Function {
    name: String,
    short_file: String,
}

/// Index into the functions of both versions.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
struct FunctionKey(u32);

/// Sampled time, or the difference between two versions.
#[derive(Clone, Copy, Default)]
struct Weight {
    /// Per run.
    seconds: f64,
    /// Variance of the seconds, since they are counted in samples.
    variance: f64,
}

impl AddAssign for Weight {
    fn add_assign(&mut self, more: Weight) {
        self.seconds += more.seconds;
        self.variance += more.variance;
    }
}

/// Where a node's code is, in the version that is judged.
#[derive(Default)]
struct Location {
    /// Seconds per line.
    lines: FxHashMap<u32, f64>,
    file: String,
}

/// How much of a function's growth lies in one of its callees.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Main,
    /// The caller grew by itself, or through several callees.
    Minor,
    /// There are too few samples to tell.
    Unclear,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

/// Whether the search is for what takes the time or for what grew. Growth may lie in callees of the
/// selected function.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Question {
    Level,
    Growth,
}

type Tree = CallTree<FunctionKey, Weight>;

/// The selected part of one or two versions, before the search.
struct Collected {
    question: Question,
    functions: Vec<Function>,
    keys: FxHashMap<Function, FunctionKey>,
    tree: TreeBuilder<FunctionKey, Weight>,
    /// Indexed by node.
    locations: Vec<Location>,
}

impl Collected {
    fn new(question: Question) -> Collected {
        Collected {
            question,
            functions: Vec::new(),
            keys: FxHashMap::default(),
            tree: TreeBuilder::default(),
            locations: Vec::new(),
        }
    }

    fn add(&mut self, recorded: Recorded<'_>, selector: &Selector, clock: Clock, side: Side) {
        let Recorded { profile, scale } = recorded;
        let scale = match side {
            Side::Before => -scale,
            Side::After => scale,
        };
        let mut matcher = Matcher::new(profile, selector);
        let mut keys: FxHashMap<FunctionId, FunctionKey> = FxHashMap::default();
        for entry in profile.entries() {
            let values = entry.values();
            if values.unproven > 0 {
                continue;
            }
            let mut frames = frames_outermost_first(&profile.interner, entry.stack());
            if selector.item.is_some() {
                let innermost_first: Vec<_> = frames.iter().rev().map(|it| it.function).collect();
                let Some(position) = matcher.find(&innermost_first) else {
                    continue;
                };
                if self.question == Question::Level {
                    // A limit concerns the selected function as a whole, so its callees are not searched.
                    frames.truncate(frames.len() - position);
                }
            }
            let seconds = seconds(values, clock) * scale;
            let mut node = Tree::ROOT;
            for frame in &frames {
                let key = *keys
                    .entry(frame.function)
                    .or_insert_with(|| self.key(&profile.interner, frame.function));
                node = self.tree.child(node, key);
                if side == Side::After {
                    self.locate(node, frame, seconds, &profile.interner);
                }
            }
            let weight = Weight {
                seconds,
                variance: seconds.powi(2) / values.count.max(1) as f64,
            };
            self.tree.add(node, weight);
        }
    }

    fn key(&mut self, interner: &Interner, function: FunctionId) -> FunctionKey {
        let function = interner.function(function);
        let function = Function {
            name: visible(interner.text(function.name)).into_owned(),
            short_file: visible(interner.text(function.short_file)).into_owned(),
        };
        *self.keys.entry(function).or_insert_with_key(|function| {
            self.functions.push(function.clone());
            FunctionKey(self.functions.len() as u32 - 1)
        })
    }

    fn locate(&mut self, node: NodeId, frame: &Frame, seconds: f64, interner: &Interner) {
        if self.locations.len() <= node.index() {
            self.locations
                .resize_with(node.index() + 1, Location::default);
        }
        let location = &mut self.locations[node.index()];
        *location.lines.entry(frame.line).or_default() += seconds;
        if location.file.is_empty() {
            let function = interner.function(frame.function);
            location.file = visible(interner.text(function.file)).into_owned();
        }
    }

    fn finish(self) -> Search {
        Search {
            question: self.question,
            functions: self.functions,
            tree: self.tree.finish(),
            locations: self.locations,
        }
    }
}

/// Searches the tree for the function to blame.
struct Search {
    question: Question,
    functions: Vec<Function>,
    tree: Tree,
    /// Indexed by node; empty for nodes that only the version before has.
    locations: Vec<Location>,
}

impl Search {
    fn total(&self, node: NodeId) -> Weight {
        self.tree.node(node).total_values
    }

    /// The path from the outermost function to the one that accounts for the weight itself, or beyond
    /// which the samples do not tell; and whether the samples do tell.
    fn main_path(&self) -> Option<(Vec<NodeId>, bool)> {
        let mut path = Vec::new();
        let mut is_clear = true;
        let mut at = Tree::ROOT;
        loop {
            let node = self.tree.node(at);
            // `max_by` takes the last of equal children. Reversed, that is the first.
            let children = node.children.iter().rev().copied();
            let Some(next) = children.max_by(|a, b| {
                let [a, b] = [a, b].map(|child| self.total(*child).seconds);
                a.total_cmp(&b)
            }) else {
                break;
            };
            let below = self.total(next).seconds;
            if below <= 0.0 {
                break;
            }
            match self.part(at, next) {
                Part::Main => {}
                _ if self.question == Question::Level => {
                    if node.self_values.seconds >= below {
                        break;
                    }
                }
                Part::Minor => break,
                Part::Unclear => {
                    is_clear = false;
                    // An unclear answer still needs a function to name.
                    path.extend(path.is_empty().then_some(next));
                    break;
                }
            }
            path.push(next);
            at = next;
        }
        (!path.is_empty()).then_some((path, is_clear))
    }

    /// How much of a function's growth lies in this callee.
    fn part(&self, parent: NodeId, child: NodeId) -> Part {
        let (parent, child) = (self.total(parent), self.total(child));
        let rest = parent.seconds - child.seconds;
        // The child's time and the rest were counted in different samples.
        let error = parent.variance.max(child.variance).sqrt() * CLEAR;
        match child.seconds - rest {
            more if more >= error => Part::Main,
            less if less <= -error => Part::Minor,
            // Two that grew equally will never differ clearly. It is enough to know both precisely.
            more if error <= parent.seconds * PRECISE => match more > 0.0 {
                true => Part::Main,
                false => Part::Minor,
            },
            _ => Part::Unclear,
        }
    }

    fn culprit(&self, path: &[NodeId], is_clear: bool, source: &Source) -> Culprit {
        let is_own = |node: &NodeId| self.category(*node) == Category::Application;
        let begin = path.iter().rposition(|&node| {
            let name = self.function(node).map_or("", |function| &function.name);
            frameworks::is_work_frame(self.file(node), name)
        });
        let behind = begin.map_or(0, |begin| begin + 1);
        let mut way: Vec<NodeId> = path[behind..].iter().copied().filter(is_own).collect();
        if way.is_empty() {
            way = path.iter().copied().filter(is_own).collect();
        }
        let last = *path.last().unwrap_or(&Tree::ROOT);
        let place = way.last().copied().unwrap_or(last);
        if way.is_empty() {
            way.push(place);
        }
        // The outermost function says what was asked for, the innermost ones where the time goes.
        if way.len() > LONGEST_WAY {
            way.drain(1..way.len() - (LONGEST_WAY - 1));
        }
        Culprit {
            place: self.place(place, source),
            callee: (last != place).then(|| self.place(last, source)),
            way: way.iter().map(|&node| self.place(node, source)).collect(),
            seconds: self.total(last).seconds,
            is_clear,
        }
    }

    /// `None` for the root, which is not a function.
    fn function(&self, node: NodeId) -> Option<&Function> {
        let key = self.tree.node(node).key?;
        self.functions.get(key.0 as usize)
    }

    /// Empty if the version that is judged has no such node.
    fn file(&self, node: NodeId) -> &str {
        let location = self.locations.get(node.index());
        location.map_or("", |location| &location.file)
    }

    fn category(&self, node: NodeId) -> Category {
        match (self.file(node), self.function(node)) {
            ("", _) | (_, None) => Category::Structure,
            (file, Some(function)) => Category::of_file(file, &function.short_file),
        }
    }

    fn place(&self, node: NodeId, source: &Source) -> Place {
        let function = self.function(node);
        let text = |text: fn(&Function) -> &String| function.map(text).cloned().unwrap_or_default();
        let lines = self.locations.get(node.index());
        let lines = lines.into_iter().flat_map(|location| &location.lines);
        let line = lines
            .filter(|(line, _)| **line > 0)
            .max_by(|a, b| a.1.total_cmp(b.1).then_with(|| b.0.cmp(a.0)));
        Place {
            function: text(|function| &function.name),
            file: text(|function| &function.short_file),
            path: source.below_root(self.file(node)),
            line: line.map_or(0, |(line, _)| *line),
        }
    }
}

fn frames_outermost_first(interner: &Interner, stack: StackId) -> Vec<Frame> {
    let mut frames: Vec<_> = interner
        .frames_of(stack)
        .map(|frame| interner.frame(frame))
        .collect();
    frames.reverse();
    frames
}

fn seconds(values: Values, clock: Clock) -> f64 {
    match clock {
        Clock::Cpu => values.cpu.as_secs_f64(),
        Clock::Wall => values.wall.as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Rule;
    use crate::check::written::profile;

    const HANDLER: &str =
        "BaseHandler._get_response|/v/site-packages/django/core/handlers/base.py|197";
    const SERVE: &str = "serve|/srv/app/drive.py|40";
    const VIEW: &str = "fast_view|/srv/app/recipes/views.py|31";
    const DATA: &str = "ListSerializer.data|/v/site-packages/rest_framework/serializers.py|800";
    const NAME: &str = "get_name|/srv/app/recipes/serializers.py|12";
    const LAZY: &str = "Descriptor.__get__|/v/site-packages/django/db/models/related.py|229";

    fn selector(what: &str) -> Selector {
        let rule: Rule = format!("never {what}").parse().expect("a rule");
        rule.what
    }

    fn runs(profile: &Profile, count: u32) -> Recorded<'_> {
        Recorded {
            profile,
            scale: 1.0 / f64::from(count),
        }
    }

    fn source(root: &str) -> Source {
        Source {
            directory: root.into(),
            root: root.into(),
        }
    }

    #[test]
    fn paths_start_from_the_repository() {
        let folder = tempfile::tempdir().expect("a directory");
        let inner = folder.path().join("a/b");
        std::fs::create_dir_all(&inner).expect("directories");
        std::fs::write(inner.join("bench.py"), "").expect("a file");
        let whole = inner.join("bench.py").display().to_string();
        let source = Source::of(inner.clone());
        assert_eq!(source.below_root("./bench.py").as_deref(), Some("bench.py"));
        std::fs::create_dir(folder.path().join(".git")).expect("a directory");
        let source = Source::of(inner);
        for (file, expected) in [
            (whole.as_str(), Some("a/b/bench.py")),
            ("bench.py", Some("a/b/bench.py")),
            ("./bench.py", Some("a/b/bench.py")),
            ("other.py", None),
            ("<string>", None),
            ("", None),
            ("/usr/lib/python3.11/ast.py", None),
        ] {
            assert_eq!(source.below_root(file).as_deref(), expected, "{file}");
        }
        let out = format!("{}/../x.py", folder.path().display());
        assert_eq!(source.below_root(&out), None);
    }

    fn names(places: &[Place]) -> Vec<&str> {
        places.iter().map(|place| place.function.as_str()).collect()
    }

    #[test]
    fn what_grew_is_found_below_the_view_that_pays_for_it() {
        let before = profile(&[
            (&[SERVE, HANDLER, VIEW, DATA][..], 100),
            (&[SERVE, HANDLER, VIEW, DATA, NAME], 20),
        ]);
        let after = profile(&[
            (&[SERVE, HANDLER, VIEW, DATA][..], 103),
            (&[SERVE, HANDLER, VIEW, DATA, NAME], 22),
            (&[SERVE, HANDLER, VIEW, DATA, NAME, LAZY], 60),
        ]);
        let found = find(
            Some(runs(&before, 1)),
            runs(&after, 1),
            &Selector::default(),
            Clock::Cpu,
            &source("/srv/app"),
        );
        let found = found.expect("something grew");
        assert_eq!(names(&found.way), ["fast_view", "get_name"]);
        assert_eq!(found.place.path.as_deref(), Some("recipes/serializers.py"));
        assert_eq!(found.place.line, 12);
        let callee = found.callee.expect("what it calls");
        assert_eq!(
            (callee.function.as_str(), callee.path),
            ("Descriptor.__get__", None)
        );
        assert!((found.seconds - 0.60).abs() < 1e-9, "{}", found.seconds);
    }

    #[test]
    fn growth_of_its_own_is_not_looked_for_elsewhere() {
        let before = profile(&[(&[SERVE, VIEW][..], 50), (&[SERVE, VIEW, NAME], 50)]);
        let after = profile(&[(&[SERVE, VIEW][..], 80), (&[SERVE, VIEW, NAME], 52)]);
        let whole = Selector::default();
        let root = &source("/");
        let found = find(
            Some(runs(&before, 1)),
            runs(&after, 1),
            &whole,
            Clock::Cpu,
            root,
        );
        let found = found.expect("something grew");
        assert_eq!(
            (found.place.function.as_str(), found.callee),
            ("fast_view", None)
        );
        // Twice as many runs with twice as many samples give the same answer.
        let twice = profile(&[(&[SERVE, VIEW][..], 160), (&[SERVE, VIEW, NAME], 104)]);
        let found = find(
            Some(runs(&before, 1)),
            runs(&twice, 2),
            &whole,
            Clock::Cpu,
            root,
        );
        assert!((found.expect("something grew").seconds - 0.32).abs() < 1e-9);
    }

    #[test]
    fn too_few_samples_do_not_tell_where() {
        let before = profile(&[(&[SERVE][..], 50), (&[VIEW], 50)]);
        let after = profile(&[(&[SERVE][..], 53), (&[VIEW], 55)]);
        let whole = Selector::default();
        let find = |before, after| find(Some(before), after, &whole, Clock::Cpu, &source("/"));
        let found = find(runs(&before, 1), runs(&after, 1)).expect("something grew");
        assert!(!found.is_clear);
        // If nothing grew, there is no culprit.
        assert!(find(runs(&after, 1), runs(&before, 1)).is_none());
    }

    #[test]
    fn where_something_is_seen_it_is_told_who_called_it() {
        let seen = profile(&[
            (&[SERVE, HANDLER, VIEW, DATA, LAZY][..], 5),
            (&[SERVE, HANDLER, VIEW, DATA, NAME, LAZY, DATA], 30),
            (&[SERVE, LAZY], 10),
        ]);
        let root = &source("/elsewhere");
        let found = |what| find(None, runs(&seen, 1), &selector(what), Clock::Wall, root);
        let found = found("Descriptor.__get__ in fast_view").expect("seen");
        assert_eq!(found.place.function, "get_name");
        assert_eq!(found.place.path, None);
        assert_eq!(found.callee.expect("itself").function, "Descriptor.__get__");
        assert_eq!(names(&found.way), ["fast_view", "get_name"]);
        assert!(find(None, runs(&seen, 1), &selector("other"), Clock::Wall, root).is_none());
    }

    #[test]
    fn the_one_that_is_seen_most_often_is_named() {
        let seen = profile(&[
            (&[SERVE][..], 3),
            (&[SERVE, VIEW], 2),
            (&[SERVE, VIEW, NAME], 30),
        ]);
        let rule = selector("file:srv/app/*");
        let found = find(None, runs(&seen, 1), &rule, Clock::Wall, &source("/"));
        assert_eq!(found.expect("seen").place.function, "get_name");
    }

    #[test]
    fn a_long_way_is_shortened_in_its_middle() {
        let names: Vec<String> = (0..30).map(|it| format!("f{it}|/srv/a.py|1")).collect();
        let stack: Vec<&str> = names.iter().map(String::as_str).collect();
        let deep = profile(&[(&stack[..], 10)]);
        let found = find(
            None,
            runs(&deep, 1),
            &selector("f29"),
            Clock::Wall,
            &source("/"),
        );
        let way = found.expect("seen").way;
        assert_eq!(way.len(), LONGEST_WAY);
        assert_eq!(
            (way[0].function.as_str(), way[7].function.as_str()),
            ("f0", "f29")
        );
    }
}
