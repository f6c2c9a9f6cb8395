"""Records a part of one's own program."""
import contextlib
import ctypes
import os
import signal
import subprocess
import threading

from ._program import SpyholeError, program

# include/uapi/linux/prctl.h
_PR_SET_PTRACER = 0x59616D61
_PR_SET_PTRACER_ANY = ctypes.c_ulong(-1)

# What the program says once it looks.
_BEGUN = "Sampling process"

_C = ctypes.CDLL(None)


class record(contextlib.ContextDecorator):
    """Records this process while the block, or each call of the decorated function, runs.

    ``output`` is where the profile goes: ``.svg``, ``.txt``, ``.pb.gz`` and others, as the program's ``--output`` has it.
    ``options`` are more options of ``spyhole record``, such as ``"--rate", "1000"``.

    Raises ``SpyholeError`` where recording cannot begin, and at the end where nothing was written. An exception of the
    block is passed on, and the profile is written all the same.
    """

    def __init__(self, output, *options):
        self._output = os.fspath(output)
        self._options = [str(option) for option in options]
        self._recording = None

    def _recreate_cm(self):
        return record(self._output, *self._options)

    def __enter__(self):
        self._recording = _Recording(self._output, self._options)
        return self

    def __exit__(self, kind, error, traceback):
        recording, self._recording = self._recording, None
        try:
            recording.end()
        except SpyholeError:
            # What happened in the block matters more.
            if error is None:
                raise


class _Recording:
    def __init__(self, output, options):
        command = [program(), "record", "--pid", str(os.getpid()), "--output", output]
        ours, theirs = os.pipe()
        self._said = []
        self._began = False
        self._told = threading.Event()
        # All that it takes is made before it looks, so that it sees the block and little else.
        self._reader = threading.Thread(target=self._read, args=(ours,), name="spyhole", daemon=True)
        self._reader.start()
        # Yama lets a process be looked at by its parents alone, unless it says otherwise.
        _let_trace(_PR_SET_PTRACER_ANY)
        try:
            self._process = subprocess.Popen(
                command + options,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.DEVNULL,
                stderr=theirs,
                # A ^C in the terminal is meant for the program that is recorded, which then ends the block.
                start_new_session=True,
            )
        finally:
            os.close(theirs)
        _let_trace(ctypes.c_ulong(self._process.pid))
        self._told.wait()
        if not self._began:
            self._conclude()
            raise SpyholeError(self._last_words())

    def _read(self, pipe):
        """Reads to the end: a program that nobody listens to waits."""
        with open(pipe, errors="replace") as lines:
            for line in lines:
                self._said.append(line)
                if _BEGUN in line:
                    self._began = True
                    self._told.set()
        self._told.set()

    def end(self):
        if self._process.poll() is None:
            self._process.send_signal(signal.SIGINT)
        self._conclude()
        if self._process.returncode != 0:
            raise SpyholeError(self._last_words())

    def _conclude(self):
        self._reader.join()
        self._process.wait()
        _let_trace(ctypes.c_ulong(0))

    def _last_words(self):
        errors = [line for line in self._said if "Error" in line] or self._said[-1:]
        text = "".join(errors).strip()
        return text or "spyhole ended with code %d" % self._process.returncode


def _let_trace(whom):
    # Where there is no Yama, it knows no such request, and none is needed.
    _C.prctl(_PR_SET_PTRACER, whom, 0, 0, 0)
