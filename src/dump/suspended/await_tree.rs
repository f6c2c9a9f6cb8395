//! Tasks as a tree of what waits for what, and the rings in it.

use std::collections::HashSet;

use crate::engine::cpython::SuspendedTask;

/// The most rings that are told.
const MAX_RINGS: usize = 20;

/// A task at its place in the tree.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Branch {
    pub task: usize,
    pub depth: usize,
    /// It is shown with what it waits for elsewhere, before.
    pub is_repeated: bool,
    /// How many more siblings are like it, which are not in the tree. They come next in `alike`.
    pub more: usize,
}

/// The tree, from the top.
#[derive(Debug, Default)]
pub struct AwaitTree {
    pub branches: Vec<Branch>,
    /// Those that are not in the tree since they are like a sibling.
    pub alike: Vec<usize>,
}

impl AwaitTree {
    /// A tree of the tasks for which `is_shown` is true. Where `all`, none is left out.
    pub fn new(tasks: &[SuspendedTask], all: bool, is_shown: impl Fn(usize) -> bool) -> AwaitTree {
        let mut is_awaited = vec![false; tasks.len()];
        for child in tasks.iter().flat_map(children) {
            if let Some(is_awaited) = is_awaited.get_mut(child) {
                *is_awaited = true;
            }
        }
        let shown: Vec<usize> = (0..tasks.len()).filter(|place| is_shown(*place)).collect();
        let awaited = |place: usize| is_awaited.get(place).copied().unwrap_or(false);
        let roots = shown.iter().copied().filter(|place| !awaited(*place));
        let mut tree = AwaitTree::default();
        let mut seen = HashSet::new();
        tree.grow(tasks, all, &mut seen, roots.collect());
        // What is left are rings, and those whom somebody elsewhere waits for.
        for place in shown {
            if !seen.contains(&place) {
                tree.grow(tasks, all, &mut seen, vec![place]);
            }
        }
        tree
    }

    fn grow(
        &mut self,
        tasks: &[SuspendedTask],
        all: bool,
        seen: &mut HashSet<usize>,
        roots: Vec<usize>,
    ) {
        let mut pending = Vec::new();
        self.push(&mut pending, tasks, all, 0, roots);
        while let Some((mut branch, alike)) = pending.pop() {
            branch.is_repeated = !seen.insert(branch.task);
            seen.extend(&alike);
            self.branches.push(branch);
            self.alike.extend(alike);
            if !branch.is_repeated
                && let Some(task) = tasks.get(branch.task)
            {
                let children = children(task).collect();
                self.push(&mut pending, tasks, all, branch.depth + 1, children);
            }
        }
    }

    /// Puts siblings on the pile, the first on top, with those that are like one of them.
    fn push(
        &self,
        pending: &mut Vec<(Branch, Vec<usize>)>,
        tasks: &[SuspendedTask],
        all: bool,
        depth: usize,
        siblings: Vec<usize>,
    ) {
        let mut groups: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut by_stack = std::collections::HashMap::new();
        for place in siblings {
            let Some(task) = tasks.get(place) else {
                continue;
            };
            let is_leaf = children(task).next().is_none() && task.lock_holder.is_none();
            let key = (&task.frames, task.doing, task.thread);
            match by_stack.get(&key).filter(|_| is_leaf && !all) {
                Some(&group) => {
                    if let Some((_, alike)) = groups.get_mut::<usize>(group) {
                        alike.push(place);
                    }
                }
                None => {
                    if is_leaf {
                        by_stack.insert(key, groups.len());
                    }
                    groups.push((place, Vec::new()));
                }
            }
        }
        pending.extend(groups.into_iter().rev().map(|(task, alike)| {
            let branch = Branch {
                task,
                depth,
                is_repeated: false,
                more: alike.len(),
            };
            (branch, alike)
        }));
    }
}

/// The tasks that stand below one: those it awaits, and those of its groups.
fn children(task: &SuspendedTask) -> impl Iterator<Item = usize> + '_ {
    task.awaits.iter().chain(&task.owns).copied()
}

/// The tasks that one cannot go on before, whose lock it waits for among them.
fn waited_for(task: &SuspendedTask) -> impl Iterator<Item = usize> + '_ {
    task.awaits.iter().copied().chain(task.lock_holder)
}

/// Rings of tasks, each of which waits for the next and the last for the first.
pub fn rings(tasks: &[SuspendedTask]) -> Vec<Vec<usize>> {
    #[derive(Clone, Copy, PartialEq)]
    enum Mark {
        New,
        OnPath,
        Done,
    }
    let mut marks = vec![Mark::New; tasks.len()];
    let mut rings = Vec::new();
    for start in 0..tasks.len() {
        // The path, and for each task on it those it waits for that were not followed yet.
        let mut path: Vec<(usize, Vec<usize>)> = Vec::new();
        let mut next = Some(start);
        loop {
            if let Some(place) = next.take()
                && let (Some(mark), Some(task)) = (marks.get_mut(place), tasks.get(place))
            {
                match *mark {
                    Mark::New => {
                        *mark = Mark::OnPath;
                        path.push((place, waited_for(task).collect()));
                    }
                    Mark::OnPath if rings.len() < MAX_RINGS => {
                        let on_path = path.iter().map(|(place, _)| *place);
                        rings.push(on_path.skip_while(|it| *it != place).collect());
                    }
                    Mark::OnPath | Mark::Done => {}
                }
            }
            let Some((place, rest)) = path.last_mut() else {
                break;
            };
            next = rest.pop();
            if next.is_none() {
                if let Some(mark) = marks.get_mut(*place) {
                    *mark = Mark::Done;
                }
                path.pop();
            }
        }
    }
    rings
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cpython::tasks::asyncio::TaskDoing;
    use crate::model::{Addr, TargetStr};

    fn task(awaits: &[usize], lock_holder: Option<usize>) -> SuspendedTask {
        SuspendedTask {
            address: Addr(0),
            name: TargetStr::new(""),
            doing: TaskDoing::Waits,
            frames: Vec::new(),
            is_cut: false,
            thread: Some(1),
            awaits: awaits.to_vec(),
            owns: Vec::new(),
            lock_holder,
            is_proven: true,
        }
    }

    fn shape(tasks: &[SuspendedTask], all: bool) -> Vec<(usize, usize, usize, bool)> {
        let tree = AwaitTree::new(tasks, all, |_| true);
        let branches = tree.branches.iter();
        branches
            .map(|it| (it.task, it.depth, it.more, it.is_repeated))
            .collect()
    }

    #[test]
    fn those_that_nobody_waits_for_are_at_the_top() {
        let tasks = [
            task(&[], None),
            task(&[2, 0], None),
            task(&[0], None),
            task(&[], None),
        ];
        assert_eq!(
            shape(&tasks, true),
            [
                (1, 0, 0, false),
                (2, 1, 0, false),
                (0, 2, 0, false),
                (0, 1, 0, true),
                (3, 0, 0, false)
            ]
        );
    }

    #[test]
    fn siblings_that_are_alike_are_one_unless_all_are_wanted() {
        let mut tasks = vec![task(&[1, 2, 3, 4], None)];
        tasks.extend((1..5).map(|place| task(if place == 4 { &[5] } else { &[] }, None)));
        tasks.push(task(&[], None));
        assert_eq!(
            shape(&tasks, false),
            [
                (0, 0, 0, false),
                (1, 1, 2, false),
                (4, 1, 0, false),
                (5, 2, 0, false)
            ]
        );
        assert_eq!(AwaitTree::new(&tasks, false, |_| true).alike, [2, 3]);
        assert_eq!(shape(&tasks, true).len(), 6);
    }

    #[test]
    fn rings_are_found_once_and_shown() {
        let tasks = [
            task(&[1], None),
            task(&[2], None),
            task(&[1], None),
            task(&[3], None),
            task(&[], Some(5)),
            task(&[4], None),
        ];
        assert_eq!(rings(&tasks), [vec![1, 2], vec![3], vec![4, 5]]);
        let shown: HashSet<usize> = shape(&tasks, false).iter().map(|it| it.0).collect();
        assert_eq!(shown.len(), tasks.len());
    }

    #[test]
    fn a_chain_as_long_as_there_can_be_is_no_trouble() {
        let tasks: Vec<_> = (1..=100_000).map(|next| task(&[next], None)).collect();
        assert_eq!(shape(&tasks, false).len(), tasks.len());
        assert!(rings(&tasks).is_empty());
    }
}
