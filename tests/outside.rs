//! CPU time that no Python frame uses is told, and makes the profile's sum that of the process.

mod common;
mod harness;

use std::process::Command;

use common::lacking;
use harness::*;

/// Two threads that Python does not know of, which spin.
const SPIN: &str = "
#include <pthread.h>
static void *spin(void *stop) { while (!*(volatile int *)stop) ; return 0; }
static int stop;
void start(int count) {
    pthread_t thread;
    while (count-- > 0) pthread_create(&thread, 0, spin, &stop);
}
";

/// Lets them spin for as long as a function of its own takes.
const PROGRAM: &str = "
import ctypes, sys, time
ctypes.CDLL(sys.argv[1]).start(2)

def within():
    while time.process_time() < 3.0:
        pass

within()
";

#[test]
fn the_cpu_time_of_threads_without_python_is_told_and_counted() {
    let place = Place::new();
    let source = place.program("spin.c", SPIN);
    let library = place.path("spin.so");
    let mut compiler = Command::new("cc");
    compiler.args(["-O1", "-shared", "-fPIC", "-pthread", "-o"]);
    if !compiler
        .arg(&library)
        .arg(source)
        .status()
        .is_ok_and(|status| status.success())
    {
        return lacking("threads without Python", "no C compiler");
    }
    place.program("p.py", PROGRAM);
    for (option, expected) in [(None, true), (Some("--python-only"), false)] {
        let mut command = place.record(["-F", "-f", "raw", "--unit", "cpu", "-o", "-"]);
        command
            .args(option)
            .arg("--")
            .arg(python())
            .arg("p.py")
            .arg(&library);
        let output = command.output().expect("spyhole");
        assert_code(&output, 0);
        let (all, outside) = counts(&stdout(&output), "<outside of Python>");
        assert_eq!(outside > 0, expected, "{}", stdout(&output));
        let said = stderr(&output);
        assert!(
            said.contains("were used outside of Python frames"),
            "{said}"
        );
        if expected {
            // Three threads have had a CPU as often as each other, so far as the machine let them.
            assert!((2_800_000..3_300_000).contains(&all), "{all} {said}");
            assert!(outside * 10 > all * 4, "{outside} of {all} {said}");
        }
    }
}
