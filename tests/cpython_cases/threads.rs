//! Which thread a stack belongs to, and what that thread is doing.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Instant;

use spyhole::model::{GilState, Pid};

use crate::common::PATIENCE;
use crate::common::held::{Scheduling, scheduling, sleeps};
use crate::common::look::{Look, Seen, mark, script};
use crate::{each, each_where, look_at, start};

const STATES: &str = "thread_states.py";
const FUNCTIONS: [&str; 6] = [
    "sleeping",
    "locked",
    "reading",
    "spinning",
    "hashing",
    "sometimes",
];

/// Those that wait for ever.
const STILL: [&str; 3] = ["sleeping", "locked", "reading"];

fn running<'a>(seen: &'a [Seen], function: &str) -> Option<&'a Seen> {
    seen.iter().find(|seen| seen.has(function))
}

/// Until those that wait wait, and those that work work.
fn until_at_work(look: &mut Look, pid: Pid) {
    let at_mark = |seen: &[Seen], function: &str, name: &str| {
        running(seen, function).is_some_and(|seen| seen.leaf().line == mark(STATES, name))
    };
    look.until("all are where they stay", |seen| {
        let there = ["sleeping", "locked", "reading", "hashing"];
        let main = seen.iter().find(|seen| seen.names() == ["<module>"]);
        there.iter().all(|name| at_mark(seen, name, name))
            && STILL
                .iter()
                .all(|name| running(seen, name).is_some_and(|seen| sleeps(pid, seen.tid)))
            && main.is_some_and(|main| main.leaf().line == mark(STATES, "main"))
            // Whoever hashes with the GIL keeps it, and the others from beginning.
            && (running(seen, "hashing").is_some_and(|seen| seen.gil == GilState::Holds)
                || !seen.iter().any(|seen| seen.has("wait_to_begin")))
    });
}

/// Case 8.
#[test]
fn no_frame_crosses_over_to_another_thread() {
    each(|python| {
        let target = start(python, STATES, &[]);
        let mut threads = BTreeMap::new();
        let mut look = look_at(&target);
        until_at_work(&mut look, target.pid());
        look.times(40, |seen| {
            assert_eq!(seen.len(), 7);
            for seen in seen {
                let own: Vec<&str> = FUNCTIONS
                    .into_iter()
                    .filter(|name| seen.has(name))
                    .collect();
                assert!(own.len() <= 1, "{:?}", seen.names());
                let own = own.first().copied().unwrap_or("main");
                assert!(seen.tid.is_some());
                assert_eq!(*threads.entry(own).or_insert(seen.tid), seen.tid);
                if own == "main" {
                    assert_eq!(seen.names(), ["<module>"]);
                    assert_eq!(seen.thread.as_deref(), Some("MainThread"));
                } else {
                    assert_eq!(seen.thread.as_deref(), Some(own));
                }
            }
        });
        assert_eq!(threads.len(), 7);
    });
}

/// Case 18.
#[test]
fn threads_that_sleep_spin_and_wait_are_told_apart() {
    let line = |name| mark(STATES, name);
    each(|python| {
        let target = start(python, STATES, &[]);
        let mut look = look_at(&target);
        until_at_work(&mut look, target.pid());
        let tids: Vec<_> = look
            .tick()
            .iter()
            .map(|seen| (seen.python_id, seen.tid.expect("a kernel thread")))
            .collect();
        let kernels = || -> BTreeMap<u64, Scheduling> {
            let of = |(id, tid): &(u64, _)| Some((*id, scheduling(target.pid(), *tid)?));
            tids.iter().filter_map(of).collect()
        };
        // Of those that work, whether they do at a look is what the kernel says of them: two want the
        // GIL at half of all times, and sleep while they wait for it, and all have the CPUs only as
        // far as other programs leave them some.
        let mut told: BTreeMap<&str, Told> = BTreeMap::new();
        let mut kept = 0;
        let mut before = kernels();
        let enough = |told: &BTreeMap<&str, Told>, name: &str| {
            told.get(name)
                .is_some_and(|told| told.working + told.missed >= 30)
        };
        let deadline = Instant::now() + PATIENCE;
        // Where a build's sha256 keeps the GIL, the others wait for it nearly all the time.
        while !(enough(&told, "hashing") && (enough(&told, "spinning") || kept >= 30)) {
            assert!(Instant::now() < deadline, "{told:?}, {kept}");
            look.pause();
            let begun = kernels();
            let seen = look.tick();
            let ended = kernels();
            for name in STILL {
                let thread = running(&seen, name).expect(name);
                assert!(!thread.on_cpu, "{name}");
                assert_ne!(thread.gil, GilState::Holds, "{name}");
                assert_eq!(thread.leaf().line, line(name));
            }
            kept += u32::from(
                running(&seen, "hashing").is_some_and(|seen| seen.gil == GilState::Holds),
            );
            for name in ["spinning", "hashing"] {
                let thread = running(&seen, name).expect(name);
                let id = thread.python_id;
                let told = told.entry(name).or_default();
                told.add(before[&id], begun[&id], ended[&id], thread.on_cpu);
            }
            before = ended;
        }
        for (name, told) in &told {
            let Told {
                working,
                missed,
                sleeping,
                made_up,
            } = told;
            // A thread may sleep for a moment within a look that began and ended while it was ready.
            assert!(missed * 10 <= *working, "{name}: {told:?}");
            assert!(made_up * 10 <= *sleeping, "{name}: {told:?}");
        }
    });
}

/// What a thread was said to do, beside what it did by the kernel's account.
#[derive(Debug, Default)]
struct Told {
    /// It was ready all the time, ran since the look before, and was said to be at work.
    working: u32,
    /// The same, and was not said to be.
    missed: u32,
    /// It slept all the time, and was not said to be at work.
    sleeping: u32,
    /// The same, and was said to be.
    made_up: u32,
}

impl Told {
    /// From the kernel's account after the look before, and at this one's begin and end.
    fn add(&mut self, before: Scheduling, begun: Scheduling, ended: Scheduling, on_cpu: bool) {
        let stayed = begun.sleeps == ended.sleeps;
        match (begun.state, ended.state, on_cpu) {
            ('R', 'R', _) if !stayed || begun.on_cpu == before.on_cpu => {}
            ('R', 'R', true) => self.working += 1,
            ('R', 'R', false) => self.missed += 1,
            ('S', 'S', false) if stayed => self.sleeping += 1,
            ('S', 'S', true) if stayed => self.made_up += 1,
            _ => {}
        }
    }
}

/// Case 17.
#[test]
fn at_most_one_thread_holds_the_gil_and_it_is_one_that_wants_it() {
    each(|python| {
        let target = start(python, STATES, &[]);
        let mut holders: BTreeMap<&str, u32> = BTreeMap::new();
        let wanting = ["spinning", "sometimes", "hashing"];
        let mut look = look_at(&target);
        until_at_work(&mut look, target.pid());
        let mut looks = 0;
        look.until("the GIL is held at many looks", |seen| {
            looks += 1;
            if python.free_threaded {
                assert!(seen.iter().all(|seen| seen.gil == GilState::Unknown));
                return looks >= 100;
            }
            assert!(seen.iter().all(|seen| seen.gil != GilState::Unknown));
            let mut having = seen.iter().filter(|seen| seen.gil == GilState::Holds);
            let (holder, other) = (having.next(), having.next());
            assert_eq!(other, None);
            if let Some(holder) = holder {
                let known = wanting.into_iter().find(|name| holder.has(name));
                *holders.entry(known.unwrap_or("others")).or_default() += 1;
            }
            // Nobody has it from when one lets it go until another, who was woken for it, has come to
            // run.
            looks >= 100 && holders.values().sum::<u32>() >= 40
        });
        assert_eq!(holders.get("others"), None);
    });
}

/// Case 10.
#[test]
fn many_threads_are_all_reported() {
    each(|python| {
        let target = start(python, "many_threads.py", &["200", "2"]);
        let mut look = look_at(&target);
        look.until("all have come", |seen| seen.len() == 201);
        // Found by an engine that has seen none of them before, too.
        for seen in [look.tick(), look_at(&target).tick()] {
            assert_eq!(seen.len(), 201);
            let tids: BTreeSet<_> = seen.iter().map(|seen| seen.tid).collect();
            assert_eq!(tids.len(), 201);
            assert!(!tids.contains(&None));
            assert_eq!(seen.iter().filter(|seen| seen.has("spinning")).count(), 2);
        }
        // Each of the sleepers at its own depth.
        look.until("all sleep", |seen| {
            let mut depths = BTreeMap::new();
            for seen in seen.iter().filter(|seen| seen.has("asleep")) {
                let names = seen.names();
                let depth = names.iter().filter(|name| **name == "asleep").count();
                *depths.entry(depth).or_insert(0) += 1;
            }
            depths.len() == 20 && depths.values().sum::<i32>() == 198
        });
    });
}

/// Where only threads that run are asked for, those that sleep need not be looked at.
#[test]
fn of_many_threads_those_that_run_are_seen_at_each_look_and_a_sleeper_when_it_wakes() {
    each_where(
        |python| python.version >= (3, 0) && !python.free_threaded,
        |python| {
            let directory = tempfile::tempdir().expect("a directory");
            let fifo = directory.path().join("fifo");
            nix::unistd::mkfifo(&fifo, nix::sys::stat::Mode::S_IRWXU).expect("a FIFO");
            let arguments = ["200", "2", fifo.to_str().expect("text")];
            let target = start(python, "many_threads.py", &arguments);
            let mut look = Look::at_running(target.pid());
            look.until("it settles", |seen| seen.len() < 20);
            let (mut looks, mut few) = (0, 0);
            // At few threads only where it is certain that no other can have run: on a busy machine,
            // where those that run are seldom all held, not often.
            look.until("looks at few threads", |seen| {
                looks += 1;
                few += u32::from(seen.len() < 20 && seen.iter().all(|seen| seen.proven));
                // At least the one that has the GIL; nobody while it is free and who was woken for it
                // has not come to run.
                assert!(seen.is_empty() || seen.iter().any(|seen| seen.has("spinning")));
                assert!(!seen.iter().any(|seen| seen.has("woken")));
                looks >= 60 && few >= 20
            });
            // Returns when the other end reads.
            std::fs::write(&fifo, "now").expect("a reader");
            look.until("the sleeper is awake", |seen| {
                seen.iter().any(|seen| seen.has("woken"))
            });
            // Until it runs again after it waited for the GIL.
            look.until("all three are seen", |seen| {
                seen.len() < 20
                    && seen.iter().filter(|seen| seen.on_cpu).count() <= 3
                    && seen
                        .iter()
                        .filter(|seen| seen.has("spinning") || seen.has("woken"))
                        .count()
                        == 3
            });
        },
    );
}

/// Case 20. A kernel thread has one stack, through whichever interpreters it goes.
#[test]
fn each_stack_goes_through_the_interpreters_in_which_its_thread_is_and_no_others() {
    let functions = [
        "sub_one",
        "sub_two",
        "sub_two_thread",
        "main_interpreter_spins",
        "main_waits",
    ];
    for how in ["own", "shared"] {
        each(|python| {
            if how == "own" && python.version < (3, 12) {
                return;
            }
            let mut command = python.command();
            command.arg(script("subinterpreters.py")).arg(how);
            let target = match crate::Target::start(&mut command) {
                Ok(target) => target,
                Err(error) => {
                    return crate::common::skipped("subinterpreters", &error);
                }
            };
            let mut look = look_at(&target);
            look.until("all interpreters work", |seen| {
                functions.iter().all(|name| running(seen, name).is_some())
            });
            let mut threads: BTreeMap<&str, BTreeSet<_>> = BTreeMap::new();
            look.times(60, |seen| {
                let tids: BTreeSet<_> = seen.iter().map(|seen| seen.tid).collect();
                assert_eq!(tids.len(), seen.len(), "{seen:#?}");
                for seen in seen {
                    let names = seen.names();
                    let on_it: Vec<&str> = functions
                        .into_iter()
                        .filter(|name| seen.has(name))
                        .collect();
                    assert!(on_it.len() <= 1, "{names:?}");
                    let Some(name) = on_it.first() else {
                        continue;
                    };
                    threads.entry(name).or_default().insert(seen.tid);
                    // Whoever called into a subinterpreter is above what runs there; a thread that began
                    // there was called by nobody.
                    let caller = names.iter().position(|it| *it == "run_in_new_interpreter");
                    let callee = names.iter().position(|it| it == name);
                    match *name {
                        "sub_one" | "sub_two" => {
                            assert!(caller.is_some() && caller < callee, "{names:?}");
                        }
                        _ => assert_eq!(caller, None, "{names:?}"),
                    }
                }
            });
            let tids: BTreeSet<_> = threads.values().flatten().collect();
            assert_eq!((threads.len(), tids.len()), (5, 5), "{threads:?}");
        });
    }
}

/// Case 21. What 3.14 and 3.15 add, a copy of the bytecode for each thread, needs such a build.
#[test]
fn lines_of_free_threaded_code_stay_right_while_threads_come_and_go() {
    let text = std::fs::read_to_string(script("thread_reuse.py")).expect("a program");
    let line = |start: &str| {
        let found = text.lines().position(|line| line.starts_with(start));
        found.expect("such a line") as u32 + 1
    };
    let spin = line("def spin_briefly")..line("def brief") - 1;
    each_where(
        |python| python.free_threaded,
        |python| {
            let target = start(python, "thread_reuse.py", &[]);
            let mut met = 0;
            let mut threads = BTreeSet::new();
            let mut look = look_at(&target);
            let deadline = Instant::now() + PATIENCE;
            while threads.len() < 50 {
                assert!(Instant::now() < deadline, "{}", threads.len());
                look.pause();
                // A thread that is being made or unmade cannot always be proven.
                let Ok((_, seen)) = look.try_tick() else {
                    continue;
                };
                for seen in seen.iter().filter(|seen| seen.proven) {
                    if let Some(frame) = seen
                        .frames
                        .iter()
                        .find(|frame| frame.name == "spin_briefly")
                    {
                        met += 1;
                        threads.insert((seen.tid, seen.python_id));
                        assert!(spin.contains(&frame.line), "{frame:?}");
                    }
                }
            }
            assert!(met >= 50);
        },
    );
}
