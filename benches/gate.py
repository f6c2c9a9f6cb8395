#!/usr/bin/env python3
"""How often `spyhole check` is right, on real runs of this machine.

    gate.py [--spyhole FILE] [--python FILE] [--pool DIR] [aa N] [ab PERCENT N [RULE REPEATS]] ...

    aa 100              100 checks of a program against itself: how many fail, how many are inconclusive
    ab 10 50            50 checks of one in whose function `busy` work was added that takes 10 % of the whole:
                        how many fail and name that function
    ab 5 50 'total < +2%' 120

The work that is added is measured first, by CPU time of the processes and not by spyhole. With --pool the figures of
every run are kept, for `cargo bench --bench judgements -- DIR` to draw 10,000 checks from.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile
import time

SOURCE = """\
import sys


def parse(n):
    known = {}
    for i in range(n):
        known[str(i)] = known.get(str(i // 2), 0) + i
    return known


def render(known):
    return ",".join("%s=%s" % (key, value) for key, value in sorted(known.items()))


def busy(n):
    total = 0
    for i in range(n):
        total += i * i % 7
    return total


def unit():
    render(parse(3000))
    busy(BUSY)


def main():
    for _ in range(60):
        unit()


main()
"""
BUSY = 10000


def cpu_of(python, file):
    pid = os.posix_spawn(python, [python, str(file)], dict(os.environ, PYTHONHASHSEED="0"))
    _, status, usage = os.wait4(pid, 0)
    if status:
        raise SystemExit("%s failed" % file)
    return usage.ru_utime + usage.ru_stime


def write(folder, busy):
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "bench.py"
    file.write_text(SOURCE.replace("BUSY", str(busy)))
    return file


def added_work(python, folder, percent):
    """The argument of `busy` that makes the whole take so many percent more CPU."""
    plain, twice = write(folder / "plain", BUSY), write(folder / "twice", 2 * BUSY)
    ratios = []
    for _ in range(15):
        before, after = cpu_of(python, plain), cpu_of(python, twice)
        ratios.append((after - before) / before)
    ratio = sorted(ratios)[len(ratios) // 2]
    return round(BUSY * (1 + percent / 100 / ratio))


def check(options, folder, rule, repeats, seconds):
    report = folder / "report.json"
    words = [options.spyhole, "check", "--against", "../before", "-e", rule, "--json", str(report)]
    words += ["--repeats", str(repeats), "--max-time", str(seconds), "--hideprogress", "--", options.python, "bench.py"]
    start = time.monotonic()
    ended = subprocess.run(words, cwd=folder / "after", stderr=subprocess.PIPE, text=True, check=False)
    if ended.returncode not in (0, 10):
        raise SystemExit("spyhole ended with %d:\n%s" % (ended.returncode, ended.stderr))
    return ended.returncode, json.loads(report.read_text()), time.monotonic() - start


def rounds(options, name, percent, count, rule, repeats, limit):
    with tempfile.TemporaryDirectory() as folder:
        folder = pathlib.Path(folder)
        busy = added_work(options.python, folder, percent) if percent else BUSY
        write(folder / "before", BUSY)
        write(folder / "after", busy)
        verdicts = {"passed": 0, "failed": 0, "inconclusive": 0}
        named, seconds, pairs = 0, [], []
        for done in range(1, count + 1):
            code, report, took = check(options, folder, rule, repeats, limit)
            (finding,) = report["findings"]
            verdict = report["verdict"]
            assert (verdict == "failed") == (code == 10)
            verdicts[verdict] += 1
            place = finding["place"] or {}
            named += verdict == "failed" and place.get("function") == "busy"
            if percent and place.get("function") != "busy":
                sys.stderr.write("\n%s after %d: %s\n" % (verdict, len(finding["values"]), finding["message"]))
            seconds.append(took)
            pairs.append(list(zip(finding["values_before"], finding["values"])))
            if options.pool:
                kept = pathlib.Path(options.pool)
                kept.mkdir(parents=True, exist_ok=True)
                (kept / (name + ".json")).write_text(json.dumps({"rule": rule, "repeats": repeats, "checks": pairs}))
            sys.stderr.write("\r%s: %d of %d: %s, busy named %d " % (name, done, count, verdicts, named))
        sys.stderr.write("\n")
    seconds.sort()
    print("%s: rule %s, at most %d repeats, %d checks of %.1f s (longest %.1f)"
          % (name, rule, repeats, count, seconds[len(seconds) // 2], seconds[-1]))
    for verdict, times in verdicts.items():
        print("  %-13s %3d  %5.1f %%" % (verdict, times, 100.0 * times / count))
    if percent:
        print("  %-13s %3d  %5.1f %%" % ("busy named", named, 100.0 * named / count))
    sys.stdout.flush()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--spyhole", default="target/release/spyhole", type=os.path.abspath)
    parser.add_argument("--python", default=sys.executable, type=os.path.abspath)
    parser.add_argument("--pool")
    parser.add_argument("what", nargs="+")
    options = parser.parse_args()
    words = options.what[::-1]
    while words:
        kind = words.pop()
        if kind == "aa":
            rounds(options, "aa", 0, int(words.pop()), "total < +5%", 80, 29)
        elif kind == "ab":
            percent, count = float(words.pop()), int(words.pop())
            rule, repeats, limit = "total < +5%", 80, 29
            if words and "<" in words[-1]:
                rule, repeats, limit = words.pop(), int(words.pop()), 300
            rounds(options, "ab%g" % percent, percent, count, rule, repeats, limit)
        else:
            parser.error("%r is neither aa nor ab" % kind)


if __name__ == "__main__":
    main()
