use super::*;

const ALL: u64 = 0x1ff_ffff_ffff;

pub(super) fn user() -> Ourselves {
    Ourselves {
        uid: 1000,
        gid: 1000,
        effective: 0,
        permitted: 0,
        bounding: ALL,
        filtered: false,
        in_first_user_namespace: true,
        proc_is_ours: true,
    }
}

fn root() -> Ourselves {
    Ourselves {
        uid: 0,
        gid: 0,
        effective: ALL,
        permitted: ALL,
        ..user()
    }
}

/// Docker's default set has no `CAP_SYS_PTRACE`.
fn container_root() -> Ourselves {
    Ourselves {
        effective: ALL & !SYS_PTRACE,
        permitted: ALL & !SYS_PTRACE,
        bounding: ALL & !SYS_PTRACE,
        filtered: true,
        ..root()
    }
}

pub(super) fn target(uid: u32) -> TargetFacts {
    TargetFacts {
        uids: [uid; 4],
        gids: [uid; 4],
        permitted: 0,
        has_ended: false,
        kernel_thread: false,
        undumpable: false,
        same_user_namespace: true,
        descends_from_us: false,
        tracer: None,
    }
}

pub(super) fn facts(us: Ourselves, target: TargetFacts) -> Facts {
    Facts {
        us,
        target: Some(target),
        ptrace_scope: None,
    }
}

fn judged(facts: &Facts) -> (Reason, Remedy) {
    let diagnosis = judge(Pid(42), Attempt::Read, facts);
    (diagnosis.reason, diagnosis.remedy)
}

#[test]
fn no_process() {
    let facts = Facts {
        target: None,
        ..facts(user(), target(1000))
    };
    assert_eq!(judged(&facts), (Reason::NoSuchProcess, Remedy::CheckPid));
}

#[test]
fn a_zombie_is_recognised_without_any_rights() {
    let zombie = TargetFacts {
        has_ended: true,
        ..target(0)
    };
    assert_eq!(judged(&facts(user(), zombie)).0, Reason::Zombie);
}

#[test]
fn another_users_process_needs_sudo() {
    let found = judged(&facts(user(), target(1001)));
    assert_eq!(found, (Reason::OtherUser { uid: 1001 }, Remedy::Sudo));
}

#[test]
fn a_process_of_another_group_counts_as_another_users() {
    let other_group = TargetFacts {
        gids: [5; 4],
        ..target(1000)
    };
    let found = judged(&facts(user(), other_group));
    assert_eq!(found, (Reason::OtherUser { uid: 1000 }, Remedy::Sudo));
}

#[test]
fn root_in_a_container_needs_the_capability_for_another_users_process() {
    let found = judged(&facts(container_root(), target(1000)));
    let expected = (Reason::OtherUser { uid: 1000 }, Remedy::ContainerCapability);
    assert_eq!(found, expected);
}

#[test]
fn a_process_that_is_not_dumpable_needs_sudo() {
    let private = TargetFacts {
        undumpable: true,
        ..target(1000)
    };
    let found = judged(&facts(user(), private));
    assert_eq!(found, (Reason::Undumpable, Remedy::Sudo));
}

#[test]
fn a_process_with_more_capabilities_needs_sudo() {
    let capable = TargetFacts {
        permitted: 1 << 10,
        ..target(1000)
    };
    let found = judged(&facts(user(), capable));
    assert_eq!(found, (Reason::MoreCapabilities, Remedy::Sudo));
}

#[test]
fn yama_1_allows_descendants_only() {
    let mut facts = facts(user(), target(1000));
    facts.ptrace_scope = Some(1);
    assert_eq!(
        judged(&facts),
        (Reason::PtraceScope(1), Remedy::SudoOrScope)
    );
    facts.target = Some(TargetFacts {
        descends_from_us: true,
        ..target(1000)
    });
    assert_eq!(judged(&facts).0, Reason::Unknown);
}

#[test]
fn yama_2_needs_root_and_3_a_reboot() {
    let mut facts = facts(user(), target(1000));
    facts.ptrace_scope = Some(2);
    assert_eq!(
        judged(&facts),
        (Reason::PtraceScope(2), Remedy::SudoOrScope)
    );
    facts.ptrace_scope = Some(3);
    facts.us = root();
    assert_eq!(judged(&facts), (Reason::PtraceScope(3), Remedy::Reboot));
}

#[test]
fn another_user_comes_before_yama_as_in_the_kernel() {
    let mut facts = facts(user(), target(0));
    facts.ptrace_scope = Some(1);
    assert_eq!(judged(&facts).0, Reason::OtherUser { uid: 0 });
}

#[test]
fn root_of_a_user_namespace_has_no_rights_outside_of_it() {
    let us = Ourselves {
        in_first_user_namespace: false,
        ..root()
    };
    let outside = TargetFacts {
        same_user_namespace: false,
        ..target(0)
    };
    let found = judged(&facts(us, outside));
    assert_eq!(
        found,
        (Reason::OtherUserNamespace, Remedy::OutsideContainer)
    );
}

#[test]
fn a_process_in_a_rootless_container_of_the_same_user_needs_sudo() {
    let inside = TargetFacts {
        same_user_namespace: false,
        ..target(1000)
    };
    let found = judged(&facts(user(), inside));
    assert_eq!(found, (Reason::OtherUserNamespace, Remedy::Sudo));
}

#[test]
fn a_filter_is_blamed_when_nothing_else_is_left() {
    let found = judged(&facts(container_root(), target(0)));
    assert_eq!(found, (Reason::SeccompFilter, Remedy::ContainerSeccomp));
}

#[test]
fn a_tracer_is_in_the_way_of_tracing_only() {
    let tracer = Tracer {
        pid: Pid(7),
        command: vec![TargetStr::new("gdb\x1b[2J"), TargetStr::new("-p")],
    };
    let traced = TargetFacts {
        tracer: Some(tracer.clone()),
        ..target(0)
    };
    let facts = facts(root(), traced);
    assert_eq!(judged(&facts).0, Reason::Unknown);
    let diagnosis = judge(Pid(42), Attempt::Trace, &facts);
    assert_eq!(diagnosis.reason, Reason::Traced(tracer));
    assert_eq!(
        diagnosis.to_string(),
        "process 42 is being traced already, by process 7 (gdb\\u{1b}[2J -p)\n\
         end that debugger or tracer, or record with `--nonblocking`"
    );
}

#[test]
fn a_process_without_python_names_those_that_it_started() {
    let mut not_python = NotPython {
        pid: Pid(1),
        command: vec![TargetStr::new("sh")],
        lacks: Lacks::Python,
        python_descendants: Vec::new(),
    };
    assert!(not_python.to_string().contains("check the number"));
    not_python.python_descendants = vec![(Pid(2), vec![TargetStr::new("python3")])];
    assert_eq!(
        not_python.to_string(),
        "process 1 (sh) is not a Python process\n\
         it started one: use `--pid 2` (python3), or `--subprocesses`"
    );
    not_python.python_descendants.push((Pid(3), Vec::new()));
    assert!(not_python.to_string().ends_with("\n  2 (python3)\n  3"));
    not_python.lacks = Lacks::InterpreterAgain;
    let parent = not_python.to_string();
    assert!(
        parent.starts_with("process 1 (sh) has loaded Python and shut"),
        "{parent}"
    );
    assert!(parent.ends_with("\n  2 (python3)\n  3"), "{parent}");
}

#[test]
fn nothing_but_a_proc_of_another_pid_namespace_is_blamed_where_there_is_one() {
    let us = Ourselves {
        proc_is_ours: false,
        ..root()
    };
    assert_eq!(
        judged(&facts(us, target(0))),
        (Reason::OtherPidNamespace, Remedy::OwnProc)
    );
}

#[test]
fn a_long_command_is_cut() {
    let command = vec![TargetStr::new("x".repeat(500)); 3];
    assert_eq!(in_parentheses(&command).chars().count(), 100 + 4);
}

#[test]
fn facts_about_ourselves_are_read() {
    let own = Pid(i32::try_from(std::process::id()).expect("a pid"));
    let facts = Facts::read(own);
    let target = facts.target.expect("we run");
    assert_eq!(target.uids[0], facts.us.uid);
    assert!(target.same_user_namespace && !target.has_ended && !target.kernel_thread);
}
