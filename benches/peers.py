#!/usr/bin/env python3
"""What profilers cost and how true they are, side by side in one run.

    python3 benches/peers.py [cost] [truth] [crowded] [half] [slowdown] [django] [threads] [workers] [rate] [memory] [signals] [start] [dump]     default: all

cost      CPU that each profiler uses while it records a busy loop 60 frames deep at 1 kHz, beside a
          timer loop that wakes up as often and does nothing: wherever the kernel lets it, and on the CPU that the
          busy loop has, where it takes another program's place, as who stands there does. What a recording of
          one second takes is taken off, so that what it takes to start and to write does not count.
truth     Programs that time their own pieces (fixtures/truth.py, fixtures/alternating.py): how far
          the profile's shares are from the program's own account, in points for the piece that is
          farthest off, and as total variation distance beside what chance alone would give.
crowded   The same of truth.py with two busy processes on the CPU to which it is bound.
half      The same of truth.py in a cgroup that gives it half a CPU (as root).
slowdown  How much slower a busy loop runs while it is watched at 100 Hz, 1 kHz and 10 kHz, in pairs with and without.
django    The same at 1 kHz for the requests that a Django project answers (--python needs Django, by PYTHONPATH).
threads   500 threads of which 2 run, at 100 Hz.
workers   A tree of 64 worker processes of which 4 are busy, at 100 Hz.
rate      How many looks a second spyhole and the empty loop keep up, one busy thread, up to 40 kHz.
memory    The most memory that each takes for a recording at 1 kHz of a program with some thousands of different stacks.
signals   What a program that gets a thousand signals a second (timer_signal.py) and one whose threads wait in system
          calls (waits.py) notice of being watched at 1 kHz; in 2.7 no call is begun again by itself after EINTR.
start     What a recording takes beyond its duration: finding and opening the process, and writing the file.
          py-spy counts ticks and not time, so that it may end early.
dump      What one dump takes of a process with 1, 50 and 500 threads, and for how long it keeps the one that runs from
          running: the time that this thread misses while it is dumped --pairs times, less what it misses by itself.

Profilers that are not found are left out, and a line says so. Peers: py-spy and austin-dist from
PyPI, profiling.sampling of a Python 3.15 (which reads that version alone).

    --python PYTHON ...   targets [this one]; name a 3.15 to have profiling.sampling in the run
    --spyhole, --py-spy, --austin  how each is called; words are split, so a loader may stand before
    --empty-loop          target/release/deps/empty_loop-... [built by cargo]
    --only NAME ...       of the profilers only these
    --rounds 3 --seconds 5 --pairs 20
"""

import argparse
import collections
import contextlib
import json
import math
import os
import re
import shutil
import signal
import statistics
import subprocess
import sys
import tempfile
import time

from profilers import TOP, Failed, Profiler, Target, dumpers, profilers, version

def median(numbers):
    return statistics.median(numbers)


def cost(options, found, directory):
    for python in options.python:
        figures = collections.OrderedDict()
        with Target(python, "targets/depth60.py") as target:
            for _ in range(options.rounds):
                cpu = max(os.sched_getaffinity(0))
                for name, where in (("empty timer loop", []), ("... on the target's CPU", [cpu])):
                    os.sched_setaffinity(target.pid, where or os.sched_getaffinity(0))
                    run = empty_loop(options, 1000, options.seconds, *where) - empty_loop(options, 1000, 1, *where)
                    figures.setdefault(name, []).append((1e6 * run / 1000 / (options.seconds - 1), None))
                os.sched_setaffinity(target.pid, os.sched_getaffinity(0))
                for profiler in found:
                    if not profiler.fits(python):
                        continue
                    output = os.path.join(directory, "cost")
                    try:
                        cpu, kept = zip(*(
                            samples(profiler.record(target.pid, 1000, seconds, output), profiler)
                            for seconds in (options.seconds, 1)
                        ))  # fmt: skip
                    except Failed as failure:
                        print(failure)
                        continue
                    ticks = 1000 * (options.seconds - 1)
                    more = kept[0] - kept[1] if kept[0] else None
                    row = (1e6 * (cpu[0] - cpu[1]) / (more or ticks), more and more / ticks)
                    figures.setdefault(profiler.name, []).append(row)
        print("\nCost: depth 60, 1 kHz, %d s, Python %s, median of %d" % (options.seconds, version(python), options.rounds))
        print("%-24s %10s %12s %12s %10s" % ("", "us/sample", "x empty", "x spyhole", "kept"))
        empty = median(row[0] for row in figures["empty timer loop"])
        own = median(row[0] for row in figures["spyhole"])
        for name, rows in figures.items():
            each = median(row[0] for row in rows)
            kept = "" if rows[0][1] is None else "%.1f %%" % (100 * median(row[1] for row in rows))
            print("%-24s %10.1f %12.2f %12.2f %10s" % (name, each, each / empty, each / own, kept))


def start_empty_loop(options, rate, seconds, *cpu):
    words = [options.empty_loop] + [str(word) for word in (rate, seconds) + cpu]
    return subprocess.Popen(words, stdout=subprocess.PIPE)


def samples(run, profiler):
    """CPU seconds of a recording and how many samples it kept, if that can be told."""
    stacks = profiler.read(run.output)
    return run.cpu, sum(count for _, count in stacks) if stacks is not None else None


def empty_loop(options, rate, seconds, *cpu):
    process = start_empty_loop(options, rate, seconds, *cpu)
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = status
    return usage.ru_utime + usage.ru_stime


def distance(shares, own):
    """Total variation distance between two sets of shares that each add up to 1."""
    pieces = set(shares) | set(own)
    return sum(abs(shares.get(piece, 0) - own.get(piece, 0)) for piece in pieces) / 2


def by_chance(own, samples):
    """What total variation distance independent draws would have, on the mean."""
    return sum(math.sqrt(2 / math.pi * share * (1 - share) / samples) for share in own.values()) / 2


PIECES = ["call_heavy", "c_heavy", "allocating", "deep", "rare"]
# Names of the pieces, and what each took by the program's own account.
TRUTH = ("truth.py", PIECES, lambda account: {piece: account["cpu"][piece] for piece in PIECES})
ALTERNATING = (
    "alternating.py",
    ["quiet", "calling"],
    lambda account: {piece: account[piece] for piece in ("quiet", "calling")},
)


def truth(options, found, directory):
    shares(options, found, directory, [TRUTH, ALTERNATING], "", lambda pid: contextlib.nullcontext())


def crowded(options, found, directory):
    shares(options, found, directory, [TRUTH], ", two busy processes on its CPU", beside_two)


def half(options, found, directory):
    try:
        with half_a_cpu(os.getpid()):
            pass
    except OSError as error:
        print("\nleft out: half a CPU (%s)" % error)
        return
    shares(options, found, directory, [TRUTH], ", half a CPU", half_a_cpu)


@contextlib.contextmanager
def beside_two(pid):
    cpu = max(os.sched_getaffinity(0))
    spinners = [subprocess.Popen([sys.executable, "-c", "while True: pass"]) for _ in range(2)]
    try:
        for bound in [pid] + [spinner.pid for spinner in spinners]:
            os.sched_setaffinity(bound, {cpu})
        yield
    finally:
        for spinner in spinners:
            spinner.kill()
            spinner.wait()


@contextlib.contextmanager
def half_a_cpu(pid):
    def write(path, what):
        # Never makes a file where there is none.
        with open(os.open(path, os.O_WRONLY), "w") as file:
            file.write(what)

    root = "/sys/fs/cgroup"
    in_second_version = os.path.exists(root + "/cgroup.controllers")
    if in_second_version:
        write(root + "/cgroup.subtree_control", "+cpu")
    else:
        root += "/cpu"
    group = tempfile.mkdtemp(prefix="spyhole-bench-", dir=root)
    try:
        if in_second_version:
            write(group + "/cpu.max", "50000 100000")
        else:
            write(group + "/cpu.cfs_period_us", "100000")
            write(group + "/cpu.cfs_quota_us", "50000")
        write(group + "/cgroup.procs", str(pid))
        yield
    finally:
        try:
            write(root + "/cgroup.procs", str(pid))
        finally:
            os.rmdir(group)


def shares(options, found, directory, programs, where, around):
    for python in options.python:
        for program, names, own_account in programs:
            print("\nTruth: %s%s, 1 kHz, %d s, Python %s" % (program, where, options.seconds, version(python)))
            print("%-24s %10s %12s %10s %10s %s" % ("", "points off", "TVD", "by chance", "samples", " piece"))
            for profiler in found:
                if not profiler.fits(python):
                    continue
                for _ in range(options.rounds):
                    output = os.path.join(directory, "truth")
                    with Target(python, program, "100000") as target:
                        try:
                            with around(target.pid):
                                profiler.record(target.pid, 1000, options.seconds, output)
                        except Failed as failure:
                            print(failure)
                            break
                        account = target.account()
                    stacks = profiler.read(output)
                    if stacks is None:
                        break
                    counts = collections.Counter()
                    for frames, count in stacks:
                        for piece in names:
                            if piece in frames:
                                counts[piece] += count
                    own = own_account(account)
                    total, own_total = sum(counts.values()) or 1, sum(own.values())
                    shares = {piece: counts[piece] / total for piece in names}
                    own = {piece: own[piece] / own_total for piece in names}
                    worst = max(names, key=lambda piece: abs(shares[piece] - own[piece]))
                    print(
                        "%-24s %+10.2f %12.4f %10.4f %10d  %s"
                        % (
                            profiler.name,
                            100 * (shares[worst] - own[worst]),
                            distance(shares, own),
                            by_chance(own, total),
                            total,
                            worst,
                        )
                    )


def slowdown(options, found, directory):
    for python in options.python:
        for rate in (100, 1000, 10000):
            print("\nSlowdown: busy loop, %d Hz, Python %s, %d pairs" % (rate, version(python), options.pairs))
            with Target(python, "targets/counting.py") as target:
                slowed(options, found, directory, python, target, rate, 1.0)


def django(options, found, directory):
    for python in options.python:
        if subprocess.run([python, "-c", "import django"], stderr=subprocess.DEVNULL).returncode:
            print("\nleft out: Django under %s" % python)
            continue
        os.environ["RECIPES_DATABASE"] = os.path.join(directory, "recipes.sqlite3")
        print("\nSlowdown: Django, 1 kHz, Python %s, %d pairs" % (version(python), options.pairs))
        with Target(python, "django_project/drive.py", "main", "100000", "count") as target:
            slowed(options, found, directory, python, target, 1000, 2.0)


def slowed(options, found, directory, python, target, rate, stretch):
    """Stretches of so many seconds, watched and not, by turns; each profiler has its pair in every round."""
    # The empty loop takes its share of the one CPU on which the target is.
    cpu = max(os.sched_getaffinity(0))
    watchers = [("empty loop, same CPU", lambda seconds: start_empty_loop(options, rate, seconds, cpu))]
    for profiler in found:
        if profiler.fits(python):
            watchers.append((profiler.name, lambda seconds, profiler=profiler: subprocess.Popen(
                profiler.command(target.pid, rate, seconds, os.path.join(directory, "slow")),
                stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL,
            )))  # fmt: skip
    losses = collections.OrderedDict((name, []) for name, _ in watchers)
    for _ in range(options.pairs):
        for name, watch in watchers:
            if name.startswith("empty"):
                os.sched_setaffinity(target.pid, {cpu})
            losses[name].append(pair(target, watch, stretch))
            os.sched_setaffinity(target.pid, os.sched_getaffinity(0))
    for name, lost in losses.items():
        lost.sort()
        low, high = lost[len(lost) // 4], lost[-1 - len(lost) // 4]
        print("%-24s %7.2f %%   (half of all between %.2f and %.2f)" % (name, median(lost), low, high))


def pair(target, watch, stretch):
    """By how many percent a stretch is slower while it is watched."""
    before = progress(target, stretch)
    watcher = watch(stretch + 2)
    # Until it has found its way in.
    time.sleep(0.6)
    watched = progress(target, stretch)
    watcher.send_signal(signal.SIGINT)
    watcher.wait()
    after = progress(target, stretch)
    return 100 * (1 - watched / ((before + after) / 2))


def progress(target, seconds):
    """Turns a second of the busy loop, from the counter that it shares."""
    # Without a buffer, which would show the first value for ever.
    with open("/proc/%d/fd/3" % target.pid, "rb", buffering=0) as counter:

        def read():
            counter.seek(0)
            return int.from_bytes(counter.read(8), "little"), time.perf_counter()

        first = read()
        time.sleep(seconds)
        last = read()
    return (last[0] - first[0]) / (last[1] - first[1])


def crowd(options, found, directory, what, program, arguments, more):
    for python in options.python:
        print("\n%s, 100 Hz, %d s, Python %s" % (what, options.seconds, version(python)))
        print("%-24s %12s %10s" % ("", "of a core", "x spyhole"))
        own = None
        with Target(python, program, *arguments) as target:
            for profiler in found:
                if not profiler.fits(python):
                    continue
                command = profiler.command
                watched = Profiler(profiler.name, lambda *given, command=command: more(command(*given)), profiler.read)
                try:
                    run = watched.record(target.pid, 100, options.seconds, os.path.join(directory, "crowd"))
                except Failed as failure:
                    print(failure)
                    continue
                # A profiler that cannot keep up takes longer.
                share = run.cpu / options.seconds
                own = own or share
                print("%-24s %10.2f %% %10.1f" % (profiler.name, 100 * share, share / own))


def threads(options, found, directory):
    crowd(options, found, directory, "500 threads, 2 running", "targets/many_threads.py", ["500", "2"], lambda words: words)


def workers(options, found, directory):
    def below(words):
        # Words that mean the same for each, but for Austin.
        return words + ["-C" if "austin" in " ".join(words[:4]) else "--subprocesses"]

    able = [profiler for profiler in found if not profiler.name.startswith(("...", "profiling"))]
    crowd(options, able, directory, "64 workers, 4 busy", "targets/workers.py", ["64", "4"], below)


def rate(options, found, directory):
    spyhole = found[0]
    for python in options.python:
        print("\nRate: depth 60, %d s, Python %s" % (options.seconds, version(python)))
        print("%-24s %12s %12s %10s" % ("", "asked, Hz", "kept, Hz", "late"))
        with Target(python, "targets/depth60.py") as target:
            for asked in (1000, 5000, 10000, 20000, 40000):
                loop = start_empty_loop(options, asked, options.seconds)
                by_loop = int(loop.communicate()[0]) / options.seconds
                run = spyhole.record(target.pid, asked, options.seconds, os.path.join(directory, "rate"))
                by_us = float(re.search(r"Looked ([\d.]+) times", run.said).group(1))
                for name, kept in (("empty timer loop", by_loop), (spyhole.name, by_us)):
                    print("%-24s %12d %12.0f %8.2f %%" % (name, asked, kept, 100 * (1 - kept / asked)))


def memory(options, found, directory):
    for python in options.python:
        print("\nMemory: proving.py all, 1 kHz, %d s, Python %s" % (options.seconds, version(python)))
        with Target(python, "proving.py", "all") as target:
            for index, profiler in enumerate(found):
                if not profiler.fits(python):
                    continue
                try:
                    output = os.path.join(directory, "memory%d" % index)
                    most = profiler.most_memory(target.pid, 1000, options.seconds, output)
                except Failed as failure:
                    print(failure)
                    continue
                print("%-24s %10.1f MiB" % (profiler.name, most))


def signals(options, found, directory):
    for python in options.python:
        print("\nSignals and waits: 1 kHz, %d s, Python %s" % (options.seconds, version(python)))
        print("%-24s %12s %10s %12s %10s" % ("", "signals/s", "speed", "interrupted", "of waits"))
        alone = None
        for profiler in [None] + found:
            if profiler and not profiler.fits(python):
                continue
            try:
                rang = watched(options, profiler, python, "targets/timer_signal.py", directory)
                waited = watched(options, profiler, python, "targets/waits.py", directory)
            except Failed as failure:
                print(failure)
                continue
            speed = rang["turns"] / rang["seconds"]
            alone = alone or speed
            print("%-24s %12.0f %8.1f %% %12d %10d" % (
                profiler.name if profiler else "unwatched", rang["signals"] / rang["seconds"], 100 * speed / alone,
                sum(waited["interrupted"].values()), sum(waited["waits"].values()),
            ))  # fmt: skip


def watched(options, profiler, python, program, directory):
    """A program's own account of so many seconds, watched by a profiler or by none."""
    with Target(python, program) as target:
        if profiler:
            profiler.record(target.pid, 1000, options.seconds, os.path.join(directory, "signals"))
        else:
            time.sleep(options.seconds)
        return target.account()


def start(options, found, directory):
    for python in options.python:
        print("\nStart: depth 60, one second at 100 Hz, Python %s, median of %d" % (version(python), options.rounds))
        with Target(python, "targets/depth60.py") as target:
            for profiler in found:
                if not profiler.fits(python):
                    continue
                try:
                    output = os.path.join(directory, "start")
                    walls = [profiler.record(target.pid, 100, 1, output).wall for _ in range(options.rounds)]
                except Failed as failure:
                    print(failure)
                    continue
                print("%-24s %10.1f ms" % (profiler.name, 1000 * (median(walls) - 1)))


def dump(options, found, directory):
    for python in options.python:
        print("\nDump: Python %s, median of %d" % (version(python), options.pairs))
        print("%-24s %10s %12s %14s" % ("", "threads", "ms a dump", "ms held still"))
        for threads in (1, 50, 500):
            for name, command in dumpers(options).items():
                with Target(python, "targets/held_still.py", str(threads)) as target:
                    walls = [wall_of(command + [str(target.pid)]) for _ in range(options.pairs)]
                    watched = target.account()
                with Target(python, "targets/held_still.py", str(threads)) as target:
                    time.sleep(sum(walls))
                    alone = target.account()
                missed = sum(watched["gaps"]) - sum(alone["gaps"]) * watched["seconds"] / alone["seconds"]
                held = missed / 1e9 / len(walls)
                print("%-24s %10d %12.1f %14.2f" % (name, threads, 1e3 * median(walls), 1e3 * held))


def wall_of(command):
    started = time.perf_counter()
    subprocess.run(command, check=True, capture_output=True)
    return time.perf_counter() - started


SECTIONS = collections.OrderedDict(
    (section.__name__, section) for section in (cost, truth, crowded, half, slowdown, django, threads, workers, rate, memory, signals, start, dump)
)


def build_empty_loop():
    words = ["cargo", "bench", "--bench", "empty_loop", "--no-run", "--message-format=json"]
    said = subprocess.run(words, cwd=TOP, check=True, stdout=subprocess.PIPE, text=True).stdout
    messages = [json.loads(line) for line in said.splitlines()]
    built = [message for message in messages if message.get("executable")]
    return [message["executable"] for message in built if message["target"]["name"] == "empty_loop"][-1]


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("sections", nargs="*", metavar="SECTION", choices=list(SECTIONS) + [[]])
    parser.add_argument("--python", nargs="+", default=[sys.executable])
    parser.add_argument("--spyhole", default=os.path.join(TOP, "target", "release", "spyhole"))
    parser.add_argument("--py-spy", default="py-spy")
    parser.add_argument("--austin", default="austin")
    parser.add_argument("--empty-loop")
    parser.add_argument("--only", nargs="+")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--seconds", type=int, default=5)
    parser.add_argument("--pairs", type=int, default=20)
    options = parser.parse_args()
    options.empty_loop = options.empty_loop or build_empty_loop()
    found = [profiler for profiler in profilers(options) if not options.only or profiler.name in options.only]
    print("%s, %d CPUs, Linux %s" % (os.uname().machine, os.cpu_count(), os.uname().release))
    directory = tempfile.mkdtemp(prefix="spyhole-bench-")
    try:
        for name in options.sections or SECTIONS:
            SECTIONS[name](options, found, directory)
            sys.stdout.flush()
    finally:
        shutil.rmtree(directory)


if __name__ == "__main__":
    main()
