//! Calls that block an event loop.

use super::common::lacking;
use super::harness::{Place, assert_code, interpreters, stderr};

#[test]
fn a_blocking_call_in_a_coroutine_is_named_and_an_awaited_one_is_not() {
    let found = interpreters();
    let Some(python) = found.iter().find(|python| python.version >= (3, 9)) else {
        return lacking("a blocked event loop", "no Python 3.9 or later here");
    };
    let place = Place::new();
    place.program(
        "loops.py",
        "\
import asyncio, subprocess, sys, time

async def blocks():
    subprocess.run(['sleep', '0.05'])

async def awaits():
    await asyncio.to_thread(subprocess.run, ['sleep', '0.05'])

async def main():
    end = time.time() + 1.5
    while time.time() < end:
        await (blocks() if sys.argv[1] == 'blocks' else awaits())

asyncio.run(main())
",
    );
    let record = |how: &str| {
        let mut command = place.record(["-r", "200", "-o", "r.svg", "--"]);
        let output = command.arg(&python.path).args(["loops.py", how]).output();
        let output = output.expect("it runs");
        assert_code(&output, 0);
        stderr(&output)
    };
    let said = record("blocks");
    assert!(said.contains("an event loop waits"), "{said}");
    assert!(
        said.contains("loops.py:4 in blocks: waits for a program"),
        "{said}"
    );
    let said = record("awaits");
    assert!(!said.contains("Found: "), "{said}");
}
