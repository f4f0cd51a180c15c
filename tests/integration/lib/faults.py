"""Backends that fail in every way there is."""
import pathlib
import signal
import subprocess
import sys

from lib.process import Process

SCRIPT = pathlib.Path(__file__).with_name("fault_backend.py")
# What fault_backend.py does when it is told to.
TOLD = ("slow", "hang", "half", "reset", "garbage", "ailing", "deaf")
FAULTS = ("killed", "frozen") + TOLD


class FaultyBackend(Process):
    """A process that answers, until it is made to fail."""

    def __init__(self):
        self.how = "well"
        super().__init__([sys.executable, str(SCRIPT)], stdin=subprocess.PIPE)

    def tell(self, word):
        self.process.stdin.write(word.encode() + b"\n")
        self.process.stdin.flush()
        assert self.process.stdout.readline() == b"done\n"

    def fail(self, how):
        """Killed is for good; heal() undoes the others."""
        self.how = how
        if how == "killed":
            self.kill()
        elif how == "frozen":
            self.process.send_signal(signal.SIGSTOP)
        else:
            self.tell(how)

    def heal(self):
        if self.how == "frozen":
            self.process.send_signal(signal.SIGCONT)
        elif self.how != "well":
            self.tell("well")
        self.how = "well"
