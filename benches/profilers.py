"""The profilers that are compared, how each is called and its output read, and the programs that they look at."""

import collections
import json
import os
import re
import shlex
import shutil
import signal
import subprocess
import sys
import time

TOP = os.path.join(os.path.dirname(os.path.abspath(__file__)), os.pardir)
FIXTURES = os.path.join(TOP, "fixtures")

# CPU and wall seconds of a recording, the file that it wrote, and what it said.
Run = collections.namedtuple("Run", "cpu wall output said")


class Failed(Exception):
    """A profiler that cannot do what it was asked; the run goes on without it."""


def last_line(said):
    lines = [line for line in said.decode(errors="replace").splitlines() if line.strip()]
    return lines[-1] if lines else "no word"


class Profiler:
    """How to record a process into a file of collapsed stacks."""

    def __init__(self, name, command, read=None, only=None):
        self.name = name
        self.command = command
        self.read = read or collapsed
        # The only Python that it can look at.
        self.only = only

    def fits(self, python):
        return self.only is None or self.only == python

    def record(self, pid, rate, seconds, output):
        """A `Run`, as the kernel accounts for it."""
        command = self.command(pid, rate, seconds, output)
        started = time.time()
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
        said = process.stderr.read()
        _, status, usage = os.wait4(process.pid, 0)
        process.returncode = os.waitstatus_to_exitcode(status)
        # Austin has codes of its own for a process that ran on when the time was over.
        if process.returncode != 0 and b"Sampling Statistics" not in said:
            raise Failed("%s failed with %d: %s" % (self.name, process.returncode, last_line(said)))
        return Run(
            usage.ru_utime + usage.ru_stime,
            time.time() - started,
            output,
            said.decode(errors="replace"),
        )

    def most_memory(self, pid, rate, seconds, output):
        """The most that a recording has in memory at once, in MiB, looked at every 20 ms."""
        command = self.command(pid, rate, seconds, output)
        process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        # What wait4 tells of it would count what was there before the exec.
        most = 0
        while process.poll() is None:
            with open("/proc/%d/status" % process.pid) as status:
                found = re.search(r"^VmHWM:\s+(\d+) kB", status.read(), re.MULTILINE)
            most = max(most, int(found.group(1)) if found else 0)
            time.sleep(0.02)
        if not os.path.exists(output):
            raise Failed("%s failed with %d" % (self.name, process.returncode))
        return most / 1024


def collapsed(output):
    """[(functions from the root on, count)]"""
    stacks = []
    with open(output, errors="replace") as lines:
        for line in lines:
            stack, _, count = line.rpartition(" ")
            if stack:
                frames = [re.sub(r"[ :(].*", "", frame.split("/")[-1]) for frame in stack.split(";")]
                stacks.append((frames, int(count)))
    return stacks


def sampling_collapsed(python):
    def read(output):
        text = output + ".txt"
        subprocess.run(
            [python, "-m", "profiling.sampling", "replay", "--collapsed", "-o", text, output],
            check=True,
            capture_output=True,
        )
        stacks = []
        with open(text, errors="replace") as lines:
            for line in lines:
                stack, _, count = line.rpartition(" ")
                # tid:N;file:function:line;...
                frames = [frame.rsplit(":", 2)[-2] for frame in stack.split(";") if frame.count(":") >= 2]
                stacks.append((frames, int(count)))
        return stacks

    return read


def profilers(options):
    def spyhole(*more):
        words = shlex.split(options.spyhole) + ["record", "--engine", "cpython", "-f", "raw"] + list(more)
        return lambda pid, rate, seconds, output: words + [
            "--pid", str(pid), "-r", str(rate), "-d", str(seconds), "-o", output
        ]  # fmt: skip

    def py_spy(*more):
        words = shlex.split(options.py_spy) + ["record", "-f", "raw"] + list(more)
        return lambda pid, rate, seconds, output: words + [
            "--pid", str(pid), "-r", str(rate), "-d", str(max(1, round(seconds))), "-o", output
        ]  # fmt: skip

    def austin(pid, rate, seconds, output):
        return shlex.split(options.austin) + [
            "-i", "%dus" % (1e6 / rate), "-x", str(max(1, round(seconds))), "-o", output, "-p", str(pid)
        ]  # fmt: skip

    def sampling(python, *more):
        words = [python, "-m", "profiling.sampling", "attach", "-a", "--binary", "--no-gc"] + list(more)
        return lambda pid, rate, seconds, output: words + [
            "-r", str(rate), "-d", str(max(1, round(seconds))), "-o", output, str(pid)
        ]  # fmt: skip

    found = []
    if callable_program(options.spyhole):
        found.append(Profiler("spyhole", spyhole()))
        found.append(Profiler("spyhole --blocking", spyhole("--blocking")))
        found.append(Profiler("spyhole --nonblocking", spyhole("--nonblocking")))
    else:
        sys.exit("no spyhole at %s: cargo build --release" % options.spyhole)
    if callable_program(options.py_spy):
        found.append(Profiler("py-spy", py_spy()))
        found.append(Profiler("py-spy --nonblocking", py_spy("--nonblocking")))
    else:
        print("left out: py-spy (pip install py-spy, or --py-spy PATH)")
    if callable_program(options.austin):
        # Its stacks are in a format of its own.
        found.append(Profiler("austin", austin, read=lambda output: None))
    else:
        print("left out: austin (pip install austin-dist, or --austin PATH)")
    for python in options.python:
        if subprocess.run([python, "-c", "import profiling.sampling"], capture_output=True).returncode == 0:
            found.append(Profiler("profiling.sampling", sampling(python), sampling_collapsed(python), python))
            found.append(
                Profiler("... --blocking", sampling(python, "--blocking"), sampling_collapsed(python), python)
            )
    return found


def dumpers(options):
    """The commands that show one moment of a process, by name; each is called with a pid."""
    found = collections.OrderedDict([("spyhole", shlex.split(options.spyhole) + ["dump", "--pid"])])
    if callable_program(options.py_spy):
        found["py-spy"] = shlex.split(options.py_spy) + ["dump", "--pid"]
        found["py-spy --nonblocking"] = shlex.split(options.py_spy) + ["dump", "--nonblocking", "--pid"]
    return found


def callable_program(words):
    words = shlex.split(words)
    try:
        return bool(shutil.which(words[0])) and subprocess.run(
            words + ["--help"], capture_output=True
        ).returncode in (0, 1, 255)
    except OSError:
        return False


def version(python):
    code = "import sys; print('%d.%d' % sys.version_info[:2])"
    return subprocess.check_output([python, "-c", code], text=True).strip()


class Target:
    """A program that has said that it is ready."""

    def __init__(self, python, program, *arguments):
        path = os.path.join(FIXTURES, program)
        self.process = subprocess.Popen([python, path] + list(arguments), stdout=subprocess.PIPE, text=True)
        line = self.process.stdout.readline()
        if line.strip() != "ready":
            sys.exit("%s said %r" % (program, line))
        self.pid = self.process.pid

    def account(self):
        """Ends it, and returns its own account."""
        self.process.send_signal(signal.SIGTERM)
        said = self.process.communicate()[0].strip().splitlines()
        return json.loads(said[-1])

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.process.kill()
        self.process.wait()
