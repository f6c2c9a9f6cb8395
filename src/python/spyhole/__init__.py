"""Looks into a running Python process and shows where its time goes.

The work is done by the program of the same name, which is installed with this package. From Python, a part of one's own
program can be recorded::

    import spyhole

    with spyhole.record("trace.svg"):
        work()

    @spyhole.record("trace.svg")
    def work(): ...
"""
from ._program import SpyholeError, program
from ._record import record

__all__ = ["SpyholeError", "program", "record"]
