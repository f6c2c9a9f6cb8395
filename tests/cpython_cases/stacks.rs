//! What is on a stack.

use std::collections::BTreeSet;

use spyhole::engine::cpython::MISSING_FRAMES;

use crate::common::held::SeenFrame;
use crate::common::look::{mark, script};
use crate::common::skipped;
use crate::{each, each_where, look_at, start};

fn lines_of<'a>(frames: &'a [SeenFrame], name: &'a str) -> impl Iterator<Item = u32> + 'a {
    frames
        .iter()
        .filter(move |frame| frame.name == name)
        .map(|frame| frame.line)
}

/// Case 1.
#[test]
fn every_frame_of_nested_calls_has_its_name_line_and_file() {
    let (root, level) = ("depth60.py", mark("depth60.py", "level"));
    let (bottom, busy) = (mark(root, "bottom"), mark(root, "busy"));
    each(|python| {
        let target = start(python, "depth60.py", &[]);
        look_at(&target).until("the bottom is reached", |seen| {
            let frames = &seen[0].frames;
            if frames.len() < 60 {
                return false;
            }
            assert_eq!(frames.len(), 60);
            assert_eq!(frames[0].name, "<module>");
            for frame in &frames[1..58] {
                assert_eq!((frame.name.as_str(), frame.line), ("level", level));
            }
            assert_eq!(
                (frames[58].name.as_str(), frames[58].line),
                ("level", bottom)
            );
            assert_eq!(frames[59].name, "busy");
            assert!((busy - 1..=busy).contains(&frames[59].line));
            assert!(
                frames
                    .iter()
                    .all(|frame| frame.file.ends_with("targets/depth60.py"))
            );
            true
        });
    });
}

/// Case 2.
#[test]
fn names_that_are_not_ascii_come_out_whole() {
    each_where(
        |python| python.version >= (3, 6),
        |python| {
            let target = start(python, "cyrillic.py", &[]);
            look_at(&target).until("all functions are on the stack", |seen| {
                let seen = &seen[0];
                if seen.leaf().name != "function" {
                    return false;
                }
                let names = seen.names();
                assert!(
                    names.ends_with(&["кириллица", "имя_函数", "function"]),
                    "{names:?}"
                );
                assert_eq!(seen.leaf().file, "файл.py");
                true
            });
        },
    );
}

/// Case 3.
#[test]
fn the_line_changes_though_the_stack_does_not() {
    let program = "next_line.py";
    let lines = ["one", "two", "three"].map(|name| mark(program, name));
    each(|python| {
        let target = start(python, program, &[]);
        let mut met = BTreeSet::new();
        look_at(&target).until("two of the lines in turn", |seen| {
            if seen[0].frames.len() < 2 {
                return false;
            }
            assert_eq!(seen[0].names(), ["<module>", "stepping"]);
            let line = seen[0].leaf().line;
            assert!((lines[0] - 2..=lines[2]).contains(&line), "{line}");
            if lines.contains(&line) {
                met.insert(line);
            }
            met.len() == 2
        });
    });
}

/// Case 4.
#[test]
fn no_frame_stays_of_a_function_that_has_returned() {
    let program = "same_depth.py";
    let lines = ["first", "second"].map(|name| mark(program, name));
    each(|python| {
        let target = start(python, program, &[]);
        let (mut last, mut changes) = (String::new(), 0);
        look_at(&target).until("three changes", |seen| {
            let frames = &seen[0].frames;
            assert_eq!(frames[0].name, "<module>");
            if let Some(caller) = frames.get(1) {
                let first_or_second = ["first", "second"]
                    .iter()
                    .position(|name| caller.name == *name);
                let Some(which) = first_or_second else {
                    panic!("{frames:#?}");
                };
                if frames.len() > 2 {
                    assert_eq!((frames.len(), frames[2].name.as_str()), (3, "hold"));
                    assert_eq!(caller.line, lines[which], "{frames:#?}");
                }
                if last != caller.name {
                    changes += 1;
                    last.clone_from(&caller.name);
                }
            }
            changes > 3
        });
    });
}

/// Case 5.
#[test]
fn a_leaf_never_stands_over_the_other_chains_caller() {
    let whole = [
        ["<module>", "run", "a1", "a2", "a3"],
        ["<module>", "run", "b1", "b2", "b3"],
    ];
    each(|python| {
        let target = start(python, "alternating_chains.py", &[]);
        let (mut chains, mut looks) = (BTreeSet::new(), 0);
        // It may not come to run between two looks.
        look_at(&target).until("both chains are met", |seen| {
            looks += 1;
            let names = seen[0].names();
            let chain = whole.iter().position(|chain| chain.starts_with(&names));
            assert!(chain.is_some(), "{names:?}");
            chains.extend(chain.filter(|_| names.len() > 2));
            looks >= 150 && chains.len() == 2
        });
    });
}

/// Case 6.
#[test]
fn every_level_of_a_recursion_is_there() {
    let program = "deep.py";
    let (descend, bottom) = (mark(program, "descend"), mark(program, "bottom"));
    for depth in [900, 5_000] {
        each(|python| {
            let target = start(python, program, &[&depth.to_string()]);
            let mut look = look_at(&target);
            look.until("the bottom is reached", |seen| {
                let Some(deep) = seen.iter().find(|seen| seen.leaf().name == "hold") else {
                    return false;
                };
                let lines: Vec<u32> = lines_of(&deep.frames, "descend").collect();
                assert_eq!(lines.len(), depth);
                assert_eq!(lines.last(), Some(&bottom));
                assert!(lines[..depth - 1].iter().all(|line| *line == descend));
                let above = deep.frames.len() - depth - 1;
                assert_eq!(deep.frames[above - 1].name, "entry");
                true
            });
        });
    }
}

/// Case 13. Up to 3.10 this many calls need more of the C stack than a system may give.
#[test]
fn a_stack_beyond_all_bounds_is_cut_at_its_root_and_marked() {
    const KEPT: usize = spyhole::cpython::frames::MAX_FRAMES;
    each(|python| {
        let mut command = python.command();
        command
            .arg(script("deep.py"))
            .arg((KEPT + 5000).to_string());
        let target = match crate::Target::start(&mut command) {
            Ok(target) => target,
            Err(error) => return skipped("a stack beyond all bounds", &error),
        };
        look_at(&target).until("the bottom is reached", |seen| {
            let Some(deep) = seen.iter().find(|seen| seen.leaf().name == "hold") else {
                return false;
            };
            assert_eq!(deep.frames.len(), KEPT + 1);
            assert_eq!(deep.frames[0].name, MISSING_FRAMES);
            assert_eq!(lines_of(&deep.frames, "descend").count(), KEPT - 1);
            true
        });
    });
}

/// Case 6, with levels that come and go.
#[test]
fn a_recursion_to_the_limit_is_whole_at_every_depth() {
    each(|python| {
        let target = start(python, "recursion_limit.py", &[]);
        let mut deepest = 0;
        look_at(&target).until("deep stacks", |seen| {
            let names = seen[0].names();
            assert_eq!(names[0], "<module>");
            assert!(names.len() < 2 || names[1] == "again", "{names:?}");
            assert!(
                names.iter().skip(2).all(|name| *name == "fall"),
                "{names:?}"
            );
            deepest = deepest.max(names.len());
            deepest > 400
        });
    });
    each(|python| {
        let target = start(python, "recursive.py", &[]);
        look_at(&target).times(100, |seen| {
            let names = seen[0].names();
            assert_eq!(names[0], "<module>");
            assert!(names.len() <= 22, "{}", names.len());
            assert!(names.iter().skip(1).all(|name| *name == "recurse"));
        });
    });
}

/// Cases 7 and 9: an engine that has looked often, one that begins, and one beside it.
#[test]
fn a_second_and_a_restarted_profiler_see_the_same_whole_stacks() {
    each(|python| {
        // One that waits for a CPU to go to sleep is not at work, but still moves.
        let target = start(python, "thread_names.py", &[]).asleep();
        let mut old = look_at(&target);
        let sorted = |mut seen: Vec<crate::common::look::Seen>| {
            seen.sort_by_key(|seen| seen.python_id);
            seen.into_iter()
                .map(|seen| (seen.python_id, seen.tid, seen.frames))
                .collect::<Vec<_>>()
        };
        old.until("all threads wait", |seen| {
            seen.iter().all(|seen| !seen.on_cpu) && seen.len() == 11
        });
        let before = sorted(old.tick());
        for _ in 0..3 {
            let mut new = look_at(&target);
            assert_eq!(sorted(new.tick()), before);
            assert_eq!(sorted(old.tick()), before);
            assert_eq!(sorted(new.tick()), before);
        }
    });
    // And of a stack that moves.
    each(|python| {
        let target = start(python, "depth60.py", &[]);
        let (mut one, mut other) = (look_at(&target), look_at(&target));
        one.until("the bottom is reached", |seen| seen[0].frames.len() == 60);
        for _ in 0..30 {
            assert_eq!(one.only().frames.len(), 60);
            assert_eq!(other.only().frames.len(), 60);
        }
    });
}

/// Case 11.
#[test]
fn a_generator_is_not_on_the_stack_while_its_consumer_works() {
    each(|python| {
        let target = start(python, "generators.py", &["consume"]);
        let (mut in_arithmetic, mut in_produce) = (0, 0);
        look_at(&target).until("both", |seen| {
            let names = seen[0].names();
            let allowed: [&[&str]; 2] = [
                &["<module>", "consumer", "arithmetic"],
                &["<module>", "consumer", "produce"],
            ];
            assert!(
                allowed.iter().any(|chain| chain.starts_with(&names)),
                "{names:?}"
            );
            in_arithmetic += u32::from(names.ends_with(&["arithmetic"]));
            in_produce += u32::from(names.ends_with(&["produce"]));
            in_arithmetic >= 30 && in_produce >= 1
        });
    });
}

/// Case 12.
#[test]
fn every_stack_of_bouncing_generators_reaches_the_entry() {
    each(|python| {
        let target = start(python, "generators.py", &["bounce"]);
        let (mut deepest, mut looks) = (0, 0);
        look_at(&target).until("many generators are on the stack", |seen| {
            looks += 1;
            let names = seen[0].names();
            assert!(["<module>", "entry"].starts_with(&names[..names.len().min(2)]));
            assert!(
                names.iter().skip(2).all(|name| *name == "bounce"),
                "{names:?}"
            );
            assert!(names.len() <= 33, "{names:?}");
            deepest = deepest.max(names.len());
            looks >= 100 && deepest > 20
        });
    });
}

/// Case 14.
#[test]
fn very_long_names_are_shortened_and_their_frames_kept() {
    each(|python| {
        let target = start(python, "long_names.py", &[]);
        look_at(&target).until("the function is entered", |seen| {
            let Some(thread) = seen
                .iter()
                .find(|seen| seen.leaf().name.starts_with("name_"))
            else {
                return false;
            };
            let (leaf, names) = (thread.leaf(), thread.names());
            assert!(leaf.name.len() <= 4100 && leaf.name.len() > 100);
            assert!(leaf.file.starts_with("/long/fff") && leaf.file.len() <= 5100);
            assert_eq!(leaf.line, 2);
            assert_eq!(names[names.len() - 2], "caller");
            let name = thread.thread.as_deref().unwrap_or("");
            assert!(name.starts_with("ttt") && name.len() <= 3000, "{name}");
            true
        });
    });
}

/// Case 15.
#[test]
fn line_tables_of_any_length_give_the_line() {
    let spin = mark("huge_lines.py", "spin");
    for statements in [3_000, 12_000] {
        each(|python| {
            let target = start(python, "huge_lines.py", &[&statements.to_string()]);
            look_at(&target).until("the last line is reached", |seen| {
                let frames = &seen[0].frames;
                // At its `def` as it is entered, two lines above.
                if frames.len() < 3 || frames[2].line == spin - 2 {
                    return false;
                }
                let expected = ("huge", "huge.py", statements + 3);
                let huge = &frames[1];
                assert_eq!(
                    (huge.name.as_str(), huge.file.as_str(), huge.line),
                    expected
                );
                assert!((spin - 1..=spin).contains(&frames[2].line));
                true
            });
        });
    }
}
