//! Pythons that take long to get going.

use std::process::{Child, Command};
use std::time::Duration;

use spyhole::model::Pid;

use crate::common::held::task_states;
use crate::common::interpreters::one_of_each_version;
use crate::common::lacking;
use crate::common::look::with_each;
use crate::harness::*;

/// Halts an interpreter where it is about to make the text that tells its version (`Py_GetVersion` in
/// Python/getversion.c): up to 3.10 it is there by then, and does not show what it is.
const HALT: &str = r#"
#define _GNU_SOURCE
#include <dlfcn.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

int vsnprintf(char *into, size_t size, const char *format, va_list list)
{
    static int halted;
    int (*next)(char *, size_t, const char *, va_list) = dlsym(RTLD_NEXT, "vsnprintf");
    if (!strncmp(format, "%.80s (%.80s) %.80s", 19) && !halted++)
        raise(SIGSTOP);
    return next(into, size, format, list);
}
"#;

/// Longer than any patience with a process that runs.
const HALTED_FOR: Duration = Duration::from_secs(4);

#[test]
fn a_python_that_is_halted_before_it_tells_its_version_is_waited_for() {
    let place = Place::new();
    let (source, library) = (place.program("halt.c", HALT), place.path("halt.so"));
    let compiled = Command::new("cc")
        .args(["-O1", "-shared", "-fPIC", "-o"])
        .args([&library, &source])
        .arg("-ldl")
        .status();
    if !compiled.is_ok_and(|status| status.success()) {
        return lacking("a Python that is halted", "no C compiler");
    }
    let program = place.program(
        "p.py",
        "import time\nclock = getattr(time, 'process_time', None) or time.clock\n\
         def work():\n    while clock() < 1: pass\nwork()\n",
    );
    let mut pythons = one_of_each_version();
    // Later ones tell it in another way as well.
    pythons.retain(|python| python.version <= (3, 10));
    with_each(&pythons, |python| {
        let mut target = Command::new(&python.path);
        target.arg(&program).env("LD_PRELOAD", &library);
        let target = Ended(target.spawn().expect("a Python"));
        let pid = target.0.id();
        let states = || task_states(Pid(pid.cast_signed())).unwrap_or_default();
        wait_until("it is halted", || states() == ['T']);
        let recording = place
            .record(["-f", "raw", "-o", "-", "-p", &pid.to_string()])
            .spawn()
            .expect("runs");
        std::thread::sleep(HALTED_FOR);
        signal(pid, "CONT");
        let output = recording.wait_with_output().expect("ends");
        assert_code(&output, 0);
        let (_, at_work) = counts(&stdout(&output), "work (p.py");
        assert!(at_work > 0, "{}", stderr(&output));
    });
}

struct Ended(Child);

impl Drop for Ended {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
