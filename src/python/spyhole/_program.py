"""Where the program is."""
import os
import shutil
import sys
import sysconfig


class SpyholeError(Exception):
    """The program is missing, or could not do what it was asked; the message says why."""


def program():
    """The path of the program ``spyhole``: that which was installed with this package, or else the one on ``PATH``.

    Raises ``SpyholeError`` where there is none.
    """
    for folder in _folders():
        path = os.path.join(folder, "spyhole")
        if os.path.isfile(path) and os.access(path, os.X_OK):
            return path
    path = shutil.which("spyhole")
    if path is None:
        raise SpyholeError("the program spyhole is not installed beside this package, and not on PATH")
    return path


def _folders():
    """The folders for programs of this Python, of its user, and of ``pip install --target``."""
    yield sysconfig.get_path("scripts")
    user = "posix_user" if "posix_user" in sysconfig.get_scheme_names() else None
    if user:
        yield sysconfig.get_path("scripts", user)
    package = os.path.dirname(os.path.abspath(__file__))
    yield os.path.join(os.path.dirname(package), "bin")
    yield os.path.dirname(sys.executable)
