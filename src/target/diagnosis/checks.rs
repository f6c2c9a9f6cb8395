//! Everything that decides whether, and how well, a process can be looked at: one check each, with the
//! state and what would change it.

use std::fmt::Write as _;

use super::facts::{Facts, SYS_PTRACE};
use crate::model::Pid;
use crate::sys::linux::cgroup::Container;
use crate::sys::linux::loadavg::Loadavg;
use crate::sys::linux::stand;

/// One condition for looking at a process, with its state.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Check {
    pub topic: &'static str,
    pub state: String,
    pub weight: Weight,
    /// What would change it: a sentence with the command.
    pub step: Option<&'static str>,
}

/// What a check means for looking at the process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Weight {
    /// The state is as it should be, or does not matter.
    Fine,
    /// Looking is more expensive or less exact, or only works in some cases.
    Limits,
    /// Looking is forbidden, unless something else allows it.
    Forbids,
}

/// What matters about the machine, besides [`Facts`].
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Machine {
    /// `6.18.44`
    pub kernel: String,
    /// `kernel.perf_event_paranoid`
    pub perf_paranoid: Option<i32>,
    /// `kernel.unprivileged_bpf_disabled`
    pub bpf_disabled: Option<i32>,
    /// CPUs on which we may run.
    pub cpus: Vec<usize>,
    /// CPUs on which the target may run.
    pub target_cpus: Vec<usize>,
    pub own_container: Option<Container>,
    pub target_container: Option<Container>,
    /// Whether `/proc/loadavg` is the kernel's own, which tells at once of new processes.
    pub tells_births: bool,
}

const PERFMON: u64 = 1 << 38;
const BPF: u64 = 1 << 39;
const SYS_NICE: u64 = 1 << 23;

impl Machine {
    #[must_use]
    pub fn read(pid: Option<Pid>) -> Machine {
        let text = |path: &str| std::fs::read_to_string(path).ok();
        let number = |path: &str| text(path)?.trim().parse().ok();
        Machine {
            kernel: text("/proc/sys/kernel/osrelease").map_or(String::new(), |it| it.trim().into()),
            perf_paranoid: number("/proc/sys/kernel/perf_event_paranoid"),
            bpf_disabled: number("/proc/sys/kernel/unprivileged_bpf_disabled"),
            cpus: stand::allowed(Pid::ours()),
            target_cpus: pid.map_or(Vec::new(), stand::allowed),
            own_container: Container::of(Pid::ours()),
            target_container: pid.and_then(Container::of),
            tells_births: Loadavg::open().is_ok(),
        }
    }
}

/// All checks, the most important first.
#[must_use]
pub fn checks(facts: &Facts, machine: &Machine) -> Vec<Check> {
    let mut all = ours(facts, machine);
    if facts.target.is_some() {
        all.extend(targets(facts, machine));
    }
    all
}

fn fine(topic: &'static str, state: impl Into<String>) -> Check {
    Check {
        topic,
        state: state.into(),
        weight: Weight::Fine,
        step: None,
    }
}

fn ours(facts: &Facts, machine: &Machine) -> Vec<Check> {
    let us = &facts.us;
    let has = |capability| us.has(capability);
    let limits = |check: Check, step: &'static str| Check {
        weight: Weight::Limits,
        step: Some(step),
        ..check
    };
    let mut all = Vec::new();
    let user = fine(
        "user",
        match us.uid {
            0 => "root".to_owned(),
            uid => format!("uid {uid}"),
        },
    );
    all.push(match us.uid {
        0 => user,
        _ => limits(
            user,
            "only processes of this user can be looked at; `sudo` reaches all",
        ),
    });
    let held = [
        (SYS_PTRACE, "CAP_SYS_PTRACE"),
        (SYS_NICE, "CAP_SYS_NICE"),
        (PERFMON, "CAP_PERFMON"),
        (BPF, "CAP_BPF"),
    ];
    let mut state = String::new();
    for (bit, name) in held {
        let mark = if has(bit) { "has" } else { "lacks" };
        let separator = if state.is_empty() { "" } else { ", " };
        let _ = write!(state, "{separator}{mark} {name}");
    }
    let capabilities = fine("capabilities", state);
    all.push(match (has(SYS_PTRACE), us.uid) {
        (true, _) => capabilities,
        (false, 0) => limits(
            capabilities,
            "root without CAP_SYS_PTRACE is root of a container: `docker run --cap-add SYS_PTRACE ...`",
        ),
        (false, _) => limits(
            capabilities,
            "CAP_SYS_PTRACE reads every process: `sudo`, or `sudo setcap cap_sys_ptrace+ep` on spyhole",
        ),
    });
    all.push(yama(facts));
    let filter = fine(
        "seccomp",
        if us.filtered {
            "a filter is on spyhole"
        } else {
            "no filter"
        },
    );
    all.push(if us.filtered {
        limits(
            filter,
            "a container's filter may forbid process_vm_readv: `docker run --cap-add SYS_PTRACE ...`",
        )
    } else {
        filter
    });
    let namespace = fine(
        "user namespace",
        if us.in_first_user_namespace {
            "the machine's own"
        } else {
            "one of a container"
        },
    );
    all.push(if us.in_first_user_namespace {
        namespace
    } else {
        limits(
            namespace,
            "capabilities count only for what runs in it; record from the host for more",
        )
    });
    all.push(fine(
        "container",
        in_container(machine.own_container.as_ref()),
    ));
    all.extend(how_well(machine));
    all
}

fn yama(facts: &Facts) -> Check {
    let capable = facts.us.has(SYS_PTRACE);
    let check = |state: &str, weight, step| Check {
        topic: "Yama",
        state: state.to_owned(),
        weight,
        step,
    };
    match facts.ptrace_scope {
        None => check("not in this kernel", Weight::Fine, None),
        Some(0) => check(
            "kernel.yama.ptrace_scope = 0: all of one user",
            Weight::Fine,
            None,
        ),
        Some(1) if capable => check(
            "kernel.yama.ptrace_scope = 1: does not matter with CAP_SYS_PTRACE",
            Weight::Fine,
            None,
        ),
        Some(2) if capable => check(
            "kernel.yama.ptrace_scope = 2: does not matter with CAP_SYS_PTRACE",
            Weight::Fine,
            None,
        ),
        Some(1) => check(
            "kernel.yama.ptrace_scope = 1: only what spyhole itself starts",
            Weight::Limits,
            Some(
                "`sudo sysctl kernel.yama.ptrace_scope=0`, or `sudo`, or `spyhole record -- PROGRAM`",
            ),
        ),
        Some(2) => check(
            "kernel.yama.ptrace_scope = 2: only with CAP_SYS_PTRACE",
            Weight::Forbids,
            Some("`sudo sysctl kernel.yama.ptrace_scope=1`, or `sudo`"),
        ),
        Some(_) => check(
            "kernel.yama.ptrace_scope = 3: nobody, until the next boot",
            Weight::Forbids,
            Some("set kernel.yama.ptrace_scope=1 in /etc/sysctl.d and reboot"),
        ),
    }
}

/// What makes looking cheaper or quicker.
fn how_well(machine: &Machine) -> Vec<Check> {
    let mut all = Vec::new();
    // From 6.12 on, sched_setattr lets a thread choose its slice.
    let (major, minor) = release(&machine.kernel);
    let kernel = fine("kernel", machine.kernel.clone());
    all.push(if (major, minor) >= (6, 12) {
        kernel
    } else {
        Check {
            weight: Weight::Limits,
            step: Some(
                "before Linux 6.12, looks at high rates are late unless spyhole runs as root",
            ),
            ..kernel
        }
    });
    let birth = "the kernel's own: new processes are found within milliseconds";
    all.push(if machine.tells_births {
        fine("/proc/loadavg", birth)
    } else {
        Check {
            weight: Weight::Limits,
            step: Some(
                "children that live for less than a tenth of a second may be missed with -s",
            ),
            ..fine("/proc/loadavg", "lxcfs stands in for it")
        }
    });
    let paranoid = machine.perf_paranoid;
    all.push(fine(
        "perf",
        paranoid.map_or(
            "not in this kernel; spyhole does without".to_owned(),
            |level| format!("kernel.perf_event_paranoid = {level}; spyhole does without"),
        ),
    ));
    all.push(fine(
        "BPF",
        match machine.bpf_disabled {
            Some(0) => "allowed to all; spyhole does without",
            Some(_) => "privileged only; spyhole does without",
            None => "not told; spyhole does without",
        },
    ));
    all
}

fn targets(facts: &Facts, machine: &Machine) -> Vec<Check> {
    let Some(target) = &facts.target else {
        return Vec::new();
    };
    let us = &facts.us;
    let capable = us.may_read_all_of(target);
    let forbids = |forbidden: bool| match forbidden && !capable {
        true => Weight::Forbids,
        false => Weight::Fine,
    };
    let mut all = Vec::new();
    let is_ours = us.is_user_of(target);
    all.push(Check {
        weight: forbids(!is_ours),
        step: (!is_ours && !capable).then_some("run spyhole with `sudo`"),
        ..fine(
            "its user",
            match target.uids[1] {
                0 => "root".to_owned(),
                uid => format!("uid {uid}"),
            },
        )
    });
    all.push(Check {
        weight: forbids(target.undumpable),
        step: (target.undumpable && !capable).then_some("run spyhole with `sudo`"),
        ..fine(
            "dumpable",
            match target.undumpable {
                true => "no: it runs a setuid program or called prctl(PR_SET_DUMPABLE, 0)",
                false => "yes",
            },
        )
    });
    let more = target.permitted & !us.permitted != 0;
    all.push(Check {
        weight: forbids(more),
        step: (more && !capable).then_some("run spyhole with `sudo`"),
        ..fine(
            "its capabilities",
            match more {
                true => "some that spyhole lacks",
                false => "none that spyhole lacks",
            },
        )
    });
    all.push(Check {
        weight: forbids(!target.same_user_namespace),
        ..fine(
            "its user namespace",
            match target.same_user_namespace {
                true => "ours",
                false => "another",
            },
        )
    });
    all.push(fine(
        "its container",
        in_container(machine.target_container.as_ref()),
    ));
    all.push(match &target.tracer {
        None => fine("tracer", "none"),
        Some(tracer) => Check {
            weight: Weight::Limits,
            step: Some(
                "no thread can be paused, which some looks need; end that debugger, or --nonblocking",
            ),
            ..fine("tracer", format!("process {}", tracer.pid))
        },
    });
    all.push(place_to_stand(machine));
    all
}

fn place_to_stand(machine: &Machine) -> Check {
    let (ours, theirs) = (&machine.cpus, &machine.target_cpus);
    let shared = theirs.iter().filter(|cpu| ours.contains(cpu)).count();
    let state = format!("spyhole may run on {shared} of its {}", theirs.len());
    if shared == theirs.len() {
        return fine("its CPUs", state);
    }
    Check {
        weight: Weight::Limits,
        step: Some(
            "on the other CPUs, spyhole pauses the target to read it; widen spyhole's cpuset or taskset",
        ),
        ..fine("its CPUs", state)
    }
}

fn in_container(container: Option<&Container>) -> String {
    match container {
        None => "none that its cgroup tells".to_owned(),
        Some(container) => {
            let id = container.short_id().escape_default();
            format!("{} {id}", container.runtime.unwrap_or("container"))
        }
    }
}

fn release(kernel: &str) -> (u32, u32) {
    let mut numbers = kernel.split(|char: char| !char.is_ascii_digit());
    let mut next = || numbers.next().and_then(|it| it.parse().ok()).unwrap_or(0);
    (next(), next())
}

#[cfg(test)]
mod tests {
    use super::super::facts::Tracer;
    use super::super::tests::{facts as facts_of, target, user};
    use super::*;

    /// A user's own process.
    fn facts() -> Facts {
        Facts {
            ptrace_scope: Some(0),
            ..facts_of(user(), target(1000))
        }
    }

    fn machine() -> Machine {
        Machine {
            kernel: "6.18.44-x".to_owned(),
            cpus: vec![0, 1],
            target_cpus: vec![0, 1],
            tells_births: true,
            ..Machine::default()
        }
    }

    fn check(facts: &Facts, machine: &Machine, topic: &str) -> Check {
        let mut all = checks(facts, machine).into_iter();
        all.find(|check| check.topic == topic).expect(topic)
    }

    #[test]
    fn nothing_forbids_looking_at_an_own_process() {
        let all = checks(&facts(), &machine());
        assert!(all.iter().all(|check| check.weight != Weight::Forbids));
    }

    #[test]
    fn a_check_that_forbids_looking_is_marked_and_has_a_next_step() {
        type Change = fn(&mut Facts);
        let changes: [(&str, Change); 3] = [
            ("its user", |facts| {
                facts.target.as_mut().unwrap().uids = [0; 4]
            }),
            ("dumpable", |facts| {
                facts.target.as_mut().unwrap().undumpable = true
            }),
            ("Yama", |facts| facts.ptrace_scope = Some(2)),
        ];
        for (topic, change) in changes {
            let mut facts = facts();
            change(&mut facts);
            let found = check(&facts, &machine(), topic);
            assert_eq!(found.weight, Weight::Forbids, "{topic}");
            assert!(found.step.is_some(), "{topic}");
            facts.us.effective = SYS_PTRACE;
            assert_eq!(
                check(&facts, &machine(), topic).weight,
                Weight::Fine,
                "{topic}"
            );
        }
    }

    #[test]
    fn a_check_that_makes_looking_more_expensive_is_marked() {
        let mut machine = machine();
        machine.cpus = vec![1];
        machine.kernel = "5.10.0".to_owned();
        machine.tells_births = false;
        let mut facts = facts();
        facts.target.as_mut().unwrap().tracer = Some(Tracer {
            pid: Pid(7),
            command: Vec::new(),
        });
        for topic in ["its CPUs", "kernel", "/proc/loadavg", "tracer"] {
            let found = check(&facts, &machine, topic);
            assert_eq!(found.weight, Weight::Limits, "{topic}");
        }
    }

    #[test]
    fn releases_are_compared_by_their_numbers() {
        assert_eq!(release("6.18.44-fc"), (6, 18));
        assert_eq!(release("6.1"), (6, 1));
        assert_eq!(release(""), (0, 0));
    }
}
