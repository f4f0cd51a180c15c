"""A real Node.js server as an origin, on a port of its own choice, stopped by its pid."""
import pathlib
import shutil

from lib.process import Process

PROGRAM = shutil.which("node") or shutil.which("nodejs")
SCRIPT = pathlib.Path(__file__).with_name("node_origin.js")


class Node(Process):
    """Runs node_origin.js; it prints its port when it accepts."""

    def __init__(self):
        super().__init__([PROGRAM, str(SCRIPT)])
