//! A container whose filter of system calls refuses `process_vm_readv` and nothing else.

mod common;
mod harness;

use std::process::Command;

use common::{lacking, skipped};
use harness::{Place, assert_code, counts, python, stderr, stdout};

/// Installs a filter that fails one system call with an error number, both given, and runs a command below
/// it. Says so with code 77 where the kernel does not let it.
const FILTERED: &str = r#"
import ctypes, os, struct, sys
call, error = int(sys.argv[1]), int(sys.argv[2])
PR_SET_SECCOMP, PR_SET_NO_NEW_PRIVS, SECCOMP_MODE_FILTER = 22, 38, 2
LOAD_NUMBER, IF_EQUAL, RETURN = 0x20, 0x15, 0x06
ERRNO, ALLOW = 0x00050000, 0x7fff0000
program = [
    (LOAD_NUMBER, 0, 0, 0),
    (IF_EQUAL, 0, 1, call),
    (RETURN, 0, 0, ERRNO | error),
    (RETURN, 0, 0, ALLOW),
]
code = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *one) for one in program))
class Program(ctypes.Structure):
    _fields_ = [("len", ctypes.c_ushort), ("filter", ctypes.c_void_p)]
filter = Program(len(program), ctypes.addressof(code))
libc = ctypes.CDLL(None)
zero = ctypes.c_ulong(0)
if libc.prctl(PR_SET_NO_NEW_PRIVS, ctypes.c_ulong(1), zero, zero, zero):
    sys.exit(77)
if libc.prctl(PR_SET_SECCOMP, ctypes.c_ulong(SECCOMP_MODE_FILTER), ctypes.byref(filter), zero, zero):
    sys.exit(77)
os.execv(sys.argv[3], sys.argv[3:])
"#;

#[test]
fn where_only_process_vm_readv_is_refused_the_file_serves_and_is_named() {
    let place = Place::new();
    let filtered = place.program("filtered.py", FILTERED);
    let program = place.program(
        "p.py",
        "import time\ndef work():\n    while time.process_time() < 1: pass\nwork()\n",
    );
    for error in [libc::EPERM, libc::ENOSYS] {
        let output = Command::new(python())
            .arg(&filtered)
            .args([libc::SYS_process_vm_readv.to_string(), error.to_string()])
            .arg(env!("CARGO_BIN_EXE_spyhole"))
            .args([
                "record", "--engine", "cpython", "-f", "raw", "-o", "-", "--",
            ])
            .arg(python())
            .arg(&program)
            .output()
            .expect("a Python");
        match output.status.code() {
            Some(77) => return skipped("a filter", "the kernel refuses to install one"),
            None => return lacking("a filter", "its program was killed"),
            Some(_) => assert_code(&output, 0),
        }
        let (all, at_work) = counts(&stdout(&output), "work (p.py");
        let told = stderr(&output);
        assert!(at_work > 0 && at_work * 10 > all * 8, "{told}");
        let named = "through /proc/PID/mem: process_vm_readv is refused";
        assert!(told.contains(named), "{told}");
        assert!(
            told.contains("every sample proven") || told.contains("unproven"),
            "{told}"
        );
    }
}
