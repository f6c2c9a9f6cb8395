"""``python -m spyhole``: the program, in place of this process."""
import os
import sys

from ._program import SpyholeError, program

try:
    path = program()
except SpyholeError as error:
    sys.exit("Error: %s" % error)
os.execv(path, [path] + sys.argv[1:])
