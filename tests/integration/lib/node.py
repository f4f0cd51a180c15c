"""A real Node.js server as an origin, on a port of its own choice, stopped by its pid."""
import pathlib
import shutil
import subprocess

from lib.wire import WAIT_SECONDS

PROGRAM = shutil.which("node") or shutil.which("nodejs")
SCRIPT = pathlib.Path(__file__).with_name("node_origin.js")


class Node:
    """Runs node_origin.js; it prints its port when it accepts."""

    def __init__(self):
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            [PROGRAM, str(SCRIPT)], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE)
        self.port = int(self.process.stdout.readline())

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def close(self):
        self.process.terminate()
        self.process.wait(WAIT_SECONDS)
        self.process.stdout.close()
