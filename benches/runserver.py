#!/usr/bin/env python3
"""Do two profilers see the same in a Django server?

Starts the fixture's `manage.py runserver`, asks it for its pages one after the other, and records
the serving child by turns with spyhole and with py-spy. Prints for each recording which share of
the samples lies in the slow view, and in `get_recipe_name` inside it, and how many pages were
served meanwhile, and the medians.

The server keeps its own account, too: of the time in which it handled requests, how much it spent
in the slow view. The profilers' figure for the same is the share of the view in the samples that
handle a request.

Without --gil py-spy also counts threads that sleep: it stops all of them to look, and takes those
that it woke by that for active ones at the next look. The last column is the share of such samples,
those whose innermost frame is one that only ever waits.

    python3 benches/runserver.py [--seconds 60] [--rounds 3] [--rate 100] [--gil] [--python PYTHON] \
        [--spyhole target/release/spyhole] [--py-spy py-spy]

PYTHON needs Django and Django REST Framework (see fixtures/django_project); they may be given by
PYTHONPATH.
"""

import argparse
import os
import shutil
import socket
import statistics
import struct
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request

HERE = os.path.dirname(os.path.abspath(__file__))
PROJECT = os.path.join(HERE, os.pardir, "fixtures", "django_project")
# The accept loop, the autoreloader between two looks, and whoever waits for a thread to start.
WAITS = ("select", "tick", "wait")
PAGES = ("slow", "fast", "page", "summary")
# Imported by the server at its start: measures the handling of requests and the slow view in it,
# and keeps the sums in seconds in the file that ACCOUNT names.
ACCOUNT = """
import mmap, os, socketserver, struct, sys, threading, time

if os.environ.get("RUN_MAIN") == "true":
    sums = [0.0, 0.0]
    lock = threading.Lock()
    with open(os.environ["ACCOUNT"], "r+b") as file:
        shared = mmap.mmap(file.fileno(), 16)

    def measured(function, which):
        def measure(*arguments, **named):
            before = time.perf_counter()
            try:
                return function(*arguments, **named)
            finally:
                with lock:
                    sums[which] += time.perf_counter() - before
                    shared[:] = struct.pack("dd", *sums)
        return measure

    def measure_view():
        from django.urls import get_resolver
        waiting = [get_resolver()]
        while waiting:
            pattern = waiting.pop()
            waiting.extend(getattr(pattern, "url_patterns", ()))
            view = getattr(getattr(pattern, "callback", None), "cls", None)
            if view is not None and view.__name__ == "get_slow_list_view":
                # What Django REST Framework's decorator keeps of the function.
                cell = view.get.__closure__[0]
                cell.cell_contents = measured(cell.cell_contents, 1)

    handle = measured(socketserver.BaseServer.finish_request, 0)

    def handle_first(*arguments):
        socketserver.BaseServer.finish_request = handle
        measure_view()
        return handle(*arguments)

    socketserver.BaseServer.finish_request = handle_first
"""


class Load(threading.Thread):
    """Asks for the pages in turn until told to stop."""

    def __init__(self, port):
        super().__init__(daemon=True)
        self.base = "http://127.0.0.1:%d/recipes/" % port
        self.served = 0
        self.over = threading.Event()

    def run(self):
        while not self.over.is_set():
            page = PAGES[self.served % len(PAGES)]
            with urllib.request.urlopen(self.base + page + "/", timeout=60) as answer:
                answer.read()
            self.served += 1


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def serving_child(parent):
    """The autoreloader's child: the process that serves."""
    while True:
        children = "/proc/%d/task/%d/children" % (parent, parent)
        with open(children) as listed:
            pids = listed.read().split()
        if pids:
            return int(pids[0])
        time.sleep(0.05)


def wait_until_it_serves(port):
    while True:
        try:
            urllib.request.urlopen("http://127.0.0.1:%d/recipes/summary/" % port, timeout=60).read()
            return
        except OSError:
            time.sleep(0.05)


class Account:
    """What the server says of its own time, in seconds since the start: all requests, the view."""

    def __init__(self, directory):
        self.file = os.path.join(directory, "account")
        with open(self.file, "wb") as file:
            file.write(bytes(16))
        with open(os.path.join(directory, "sitecustomize.py"), "w") as program:
            program.write(ACCOUNT)

    def read(self):
        with open(self.file, "rb") as file:
            return struct.unpack("dd", file.read(16))


def shares(output):
    """Of all samples: the share in the slow view, in get_recipe_name below it, and in waits; their
    number; and the share of the view in the samples that handle a request."""
    total = view = name = waiting = handling = 0
    with open(output) as lines:
        for line in lines:
            stack, count = line.rsplit(" ", 1)
            functions = [frame.split(" ")[0].rsplit(".", 1)[-1] for frame in stack.split(";")]
            total += int(count)
            if "finish_request" in functions:
                handling += int(count)
            if functions[-1] in WAITS:
                waiting += int(count)
            if "get_slow_list_view" in functions:
                view += int(count)
                below = functions[functions.index("get_slow_list_view") :]
                if "get_recipe_name" in below:
                    name += int(count)
    return tuple(100.0 * part / total for part in (view, name, waiting)) + (total, 100.0 * view / handling)


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--rate", type=int, default=100)
    parser.add_argument("--gil", action="store_true", help="count only who holds the GIL, in both")
    parser.add_argument("--python", default=sys.executable)
    parser.add_argument("--spyhole", default=os.path.join(HERE, os.pardir, "target", "release", "spyhole"))
    parser.add_argument("--py-spy", default="py-spy")
    options = parser.parse_args()

    directory = tempfile.mkdtemp(prefix="spyhole-bench-")
    account = Account(directory)
    environment = dict(
        os.environ,
        RECIPES_DATABASE=os.path.join(directory, "recipes.sqlite3"),
        ACCOUNT=account.file,
        PYTHONPATH=os.pathsep.join([directory] + list(filter(None, [os.environ.get("PYTHONPATH")]))),
    )
    manage = [options.python, os.path.join(PROJECT, "manage.py")]
    with open(os.devnull, "w") as nowhere:
        subprocess.check_call(manage + ["seed"], env=environment, stdout=nowhere)
        port = free_port()
        server = subprocess.Popen(
            manage + ["runserver", "127.0.0.1:%d" % port], env=environment, stdout=nowhere, stderr=nowhere
        )
    figures = {"spyhole": [], "py-spy": []}
    child = None
    load = Load(port)
    try:
        wait_until_it_serves(port)
        child = serving_child(server.pid)
        load.start()
        output = os.path.join(directory, "out.txt")
        for _ in range(options.rounds):
            for name, program in (
                ("spyhole", [options.spyhole, "record", "--engine", "cpython"]),
                ("py-spy", [options.py_spy, "record"]),
            ):
                before, (handled, viewed) = load.served, account.read()
                subprocess.run(
                    program
                    + ["-f", "raw", "-o", output, "--pid", str(child)]
                    + ["-d", str(options.seconds), "-r", str(options.rate)]
                    + (["--gil"] if options.gil else []),
                    check=True,
                    capture_output=True,
                )
                after = account.read()
                own = 100.0 * (after[1] - viewed) / (after[0] - handled)
                row = shares(output) + (own, load.served - before)
                figures[name].append(row)
                print(
                    "%-8s view %5.1f %%  get_recipe_name %5.1f %%  waits %4.1f %%  samples %6d  "
                    "of requests: view %5.1f %%, by its own account %5.1f %%  pages %5d" % ((name,) + row)
                )
                sys.stdout.flush()
    finally:
        load.over.set()
        if load.is_alive():
            load.join(60)
        server.terminate()
        server.wait()
        if child is not None and os.path.exists("/proc/%d" % child):
            os.kill(child, 15)
        shutil.rmtree(directory)
    for column, what in ((0, "the slow view"), (1, "get_recipe_name")):
        medians = {name: statistics.median(row[column] for row in rows) for name, rows in figures.items()}
        print(
            "%s: median spyhole %.1f %%, py-spy %.1f %%, %.1f points apart"
            % (what, medians["spyhole"], medians["py-spy"], abs(medians["spyhole"] - medians["py-spy"]))
        )
    for name, rows in figures.items():
        off = statistics.median(row[4] - row[5] for row in rows)
        print("%s: %+.1f points from the server's own account of the slow view" % (name, off))


if __name__ == "__main__":
    main()
