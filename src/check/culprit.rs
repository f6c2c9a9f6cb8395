//! Where to look: which function of the program's own is behind a figure, and how the program comes
//! there.

use std::path::{Component, Path, PathBuf};

use rustc_hash::FxHashMap;

use super::outcome::Place;
use super::rule::{Clock, Selector};
use super::select::Matcher;
use crate::frameworks;
use crate::model::{Frame, FunctionId, Interner, StackId};
use crate::output::{Category, visible};
use crate::profile::{Profile, Values};

/// Functions on a way that are named.
const LONGEST_WAY: usize = 8;

/// By how many standard errors one function must have grown more than all that its caller did besides
/// to be looked into.
const CLEAR: f64 = 2.0;

/// How many standard errors, as a part of what the caller grew by, are small enough to take figures as
/// they are.
const WELL_KNOWN: f64 = 0.5;

/// What is behind a figure.
#[derive(Clone, PartialEq, Debug)]
pub struct Culprit {
    /// A function of the program's own, if there is one on the way.
    pub place: Place,
    /// What it calls that takes the time, where that is another.
    pub callee: Option<Place>,
    /// From the view or task on, outermost first, the program's own functions only; ends with
    /// `place`.
    pub way: Vec<Place>,
    /// Of the seconds, or of the growth, in question.
    pub seconds: f64,
    /// Whether the samples show that it is this one, and none that it calls.
    pub is_clear: bool,
}

/// All runs of a version together.
#[derive(Clone, Copy, Debug)]
pub struct Recorded<'a> {
    pub profile: &'a Profile,
    /// What makes of its seconds those of one run, undisturbed.
    pub scale: f64,
}

/// Where most of the time of what is selected is spent, or, with a profile of before, where most of
/// its growth comes from. `None` where there is none.
///
/// `source` is where the program's own files are.
#[must_use]
pub fn find(
    before: Option<Recorded<'_>>,
    after: Recorded<'_>,
    selector: &Selector,
    clock: Clock,
    source: &Source,
) -> Option<Culprit> {
    let mut tree = Tree::new(before.is_some());
    tree.add(after, selector, clock, Side::After);
    if let Some(before) = before {
        tree.add(before, selector, clock, Side::Before);
    }
    let (path, is_clear) = tree.main_path()?;
    Some(tree.culprit(&path, is_clear, source))
}

/// Where the program's own files are.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// Where it ran.
    pub directory: PathBuf,
    /// What paths in reports start from: the repository, so that who shows them finds the files.
    pub root: PathBuf,
}

impl Source {
    /// The nearest directory above that is a repository is the root, or else the directory itself.
    #[must_use]
    pub fn of(directory: PathBuf) -> Source {
        let mut above = directory.ancestors();
        let root = above.find(|folder| folder.join(".git").exists());
        Source {
            root: root.unwrap_or(&directory).to_owned(),
            directory,
        }
    }

    /// A file's path below the root, with `/`; `None` where it lies elsewhere.
    #[must_use]
    pub fn below_root(&self, file: &str) -> Option<String> {
        let path = match Path::new(file) {
            whole if whole.is_absolute() => whole.to_owned(),
            // Of a script that was named so; a name such as `<string>` is no file.
            part => Some(self.directory.join(part)).filter(|path| path.is_file())?,
        };
        let below = path.strip_prefix(&self.root).ok()?;
        // Without what is not a name, such as `.`; what leads out of the root is none of it.
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

/// What stands at a place of the tree: told by name and short file, since files of two versions lie in
/// different directories, and lines move.
#[derive(Clone, PartialEq, Eq, Hash)]
struct Key {
    name: String,
    short_file: String,
}

struct Node {
    key: u32,
    /// Seconds a run, of before and after the difference.
    weight: f64,
    /// Variance of that, since it was counted in samples.
    error: f64,
    /// The line that ran, with how long it did, of the version that is judged if it has any.
    lines: FxHashMap<u32, f64>,
    file: String,
    children: FxHashMap<u32, usize>,
}

impl Node {
    fn new(key: u32) -> Node {
        Node {
            key,
            weight: 0.0,
            error: 0.0,
            lines: FxHashMap::default(),
            file: String::new(),
            children: FxHashMap::default(),
        }
    }
}

/// How much of what a function grew by is in one that it calls.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Part {
    Main,
    /// The caller grew by itself, or by several.
    Minor,
    /// The samples do not tell.
    Unclear,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Side {
    Before,
    After,
}

struct Tree {
    keys: Vec<Key>,
    key_ids: FxHashMap<Key, u32>,
    nodes: Vec<Node>,
    /// Whether it is asked what grew, which may be below what is selected.
    grows: bool,
}

impl Tree {
    fn new(grows: bool) -> Tree {
        Tree {
            keys: Vec::new(),
            key_ids: FxHashMap::default(),
            nodes: vec![Node::new(u32::MAX)],
            grows,
        }
    }

    fn add(&mut self, recorded: Recorded<'_>, selector: &Selector, clock: Clock, side: Side) {
        let Recorded { profile, scale } = recorded;
        let scale = match side {
            Side::Before => -scale,
            Side::After => scale,
        };
        let mut matcher = Matcher::new(profile, selector);
        let mut keys: FxHashMap<FunctionId, u32> = FxHashMap::default();
        for ((_, stack), values) in profile.entries() {
            if values.unproven > 0 {
                continue;
            }
            let mut frames = frames_outermost_first(&profile.interner, stack);
            if selector.item.is_some() {
                let innermost_first: Vec<_> = frames.iter().rev().map(|it| it.function).collect();
                let Some(position) = matcher.find(&innermost_first) else {
                    continue;
                };
                if !self.grows {
                    // Of a mere limit, what is selected is what is spoken of: no need to look into it.
                    frames.truncate(frames.len() - position);
                }
            }
            let weight = seconds(values, clock) * scale;
            let error = weight.powi(2) / values.count.max(1) as f64;
            let mut at = 0;
            self.nodes[0].weight += weight;
            self.nodes[0].error += error;
            for frame in &frames {
                let key = *keys
                    .entry(frame.function)
                    .or_insert_with(|| self.key(&profile.interner, frame.function));
                at = self.child(at, key);
                let node = &mut self.nodes[at];
                node.weight += weight;
                node.error += error;
                if side == Side::After {
                    *node.lines.entry(frame.line).or_default() += weight;
                    if node.file.is_empty() {
                        let function = profile.interner.function(frame.function);
                        node.file = visible(profile.interner.text(function.file)).into_owned();
                    }
                }
            }
        }
    }

    fn key(&mut self, interner: &Interner, function: FunctionId) -> u32 {
        let function = interner.function(function);
        let key = Key {
            name: visible(interner.text(function.name)).into_owned(),
            short_file: visible(interner.text(function.short_file)).into_owned(),
        };
        if let Some(&id) = self.key_ids.get(&key) {
            return id;
        }
        let id = u32::try_from(self.keys.len()).unwrap_or(u32::MAX);
        self.keys.push(key.clone());
        self.key_ids.insert(key, id);
        id
    }

    fn child(&mut self, parent: usize, key: u32) -> usize {
        if let Some(&child) = self.nodes[parent].children.get(&key) {
            return child;
        }
        let child = self.nodes.len();
        self.nodes.push(Node::new(key));
        self.nodes[parent].children.insert(key, child);
        child
    }

    /// From the outermost function down to where the weight is its own, or it is not clear any more
    /// whose it is; and whether that is clear.
    fn main_path(&self) -> Option<(Vec<usize>, bool)> {
        let mut path = Vec::new();
        let mut is_clear = true;
        let mut at = 0;
        loop {
            let children = self.nodes[at].children.values().copied();
            let Some(next) = children.max_by(|a, b| {
                let order = self.nodes[*a].weight.total_cmp(&self.nodes[*b].weight);
                order.then_with(|| self.nodes[*b].key.cmp(&self.nodes[*a].key))
            }) else {
                break;
            };
            if self.nodes[next].weight <= 0.0 {
                break;
            }
            match self.part(at, next) {
                Part::Main => {}
                _ if !self.grows => {
                    if self.own(at) >= self.nodes[next].weight {
                        break;
                    }
                }
                Part::Minor => break,
                Part::Unclear => {
                    is_clear = false;
                    // Something must be said of where it may be.
                    path.extend(path.is_empty().then_some(next));
                    break;
                }
            }
            path.push(next);
            at = next;
        }
        (!path.is_empty()).then_some((path, is_clear))
    }

    /// What is not in anything that a function calls.
    fn own(&self, node: usize) -> f64 {
        let node = &self.nodes[node];
        let below = node
            .children
            .values()
            .map(|&child| self.nodes[child].weight);
        node.weight - below.sum::<f64>()
    }

    /// How much of what a function grew by is in this one that it calls.
    fn part(&self, parent: usize, child: usize) -> Part {
        let (parent, child) = (&self.nodes[parent], &self.nodes[child]);
        let rest = parent.weight - child.weight;
        // What is not the child's was counted in other samples than what is.
        let error = parent.error.max(child.error).sqrt() * CLEAR;
        match child.weight - rest {
            more if more >= error => Part::Main,
            less if less <= -error => Part::Minor,
            // Two that grew alike will never differ; it is enough to know both well.
            more if error <= parent.weight * WELL_KNOWN => match more > 0.0 {
                true => Part::Main,
                false => Part::Minor,
            },
            _ => Part::Unclear,
        }
    }

    fn culprit(&self, path: &[usize], is_clear: bool, source: &Source) -> Culprit {
        let own = |node: &usize| self.category(*node) == Category::Application;
        let begin = path.iter().rposition(|&node| {
            let key = &self.keys[self.nodes[node].key as usize];
            frameworks::is_work_frame(&self.nodes[node].file, &key.name)
        });
        let behind = begin.map_or(0, |begin| begin + 1);
        let mut way: Vec<usize> = path[behind..].iter().copied().filter(own).collect();
        if way.is_empty() {
            way = path.iter().copied().filter(own).collect();
        }
        let last = *path.last().unwrap_or(&0);
        let place = way.last().copied().unwrap_or(last);
        if way.is_empty() {
            way.push(place);
        }
        // The outermost one says what was asked for, the innermost ones where it went wrong.
        if way.len() > LONGEST_WAY {
            way.drain(1..way.len() - (LONGEST_WAY - 1));
        }
        Culprit {
            place: self.place(place, source),
            callee: (last != place).then(|| self.place(last, source)),
            way: way.iter().map(|&node| self.place(node, source)).collect(),
            seconds: self.nodes[last].weight,
            is_clear,
        }
    }

    fn category(&self, node: usize) -> Category {
        let node = &self.nodes[node];
        let short_file = &self.keys[node.key as usize].short_file;
        if node.file.is_empty() {
            return Category::Structure;
        }
        Category::of_file(&node.file, short_file)
    }

    fn place(&self, node: usize, source: &Source) -> Place {
        let node = &self.nodes[node];
        let key = &self.keys[node.key as usize];
        let lines = node.lines.iter();
        let line = lines
            .filter(|(line, _)| **line > 0)
            .max_by(|a, b| a.1.total_cmp(b.1).then_with(|| b.0.cmp(a.0)));
        Place {
            function: key.name.clone(),
            file: key.short_file.clone(),
            path: source.below_root(&node.file),
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
        // Twice the runs with twice the samples are the same.
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
        // What does not grow at all is nobody's.
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
