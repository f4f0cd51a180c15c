"""Runs a command in a terminal of its own (a pty), as a person would: with Ctrl-C."""
import os
import pty
import select
import signal
import subprocess
import time

from lib.wire import WAIT_SECONDS

CTRL_C = b"\x03"


def interruptible():
    """For preexec_fn: a test run in the background has SIGINT ignored, and children inherit that."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """A command whose terminal this is. `text` is what it has said so far."""

    def __init__(self, command, cwd, env):
        self.text = ""
        self.master, slave = pty.openpty()
        # A new session whose controlling terminal is the slave: then Ctrl-C becomes SIGINT for all
        # processes of the foreground group.
        self.process = subprocess.Popen(  # pylint: disable=consider-using-with
            ["setsid", "--ctty", "--wait", *command], cwd=cwd, env={**os.environ, **env},
            stdin=slave, stdout=slave, stderr=slave, preexec_fn=interruptible)
        os.close(slave)

    def read_some(self, seconds):
        """Takes in what comes within that time; False at the end of the session."""
        if not select.select([self.master], [], [], seconds)[0]:
            return True
        try:
            data = os.read(self.master, 65536)
        except OSError:  # EIO: nobody has the slave any more
            return False
        self.text += data.decode(errors="replace").replace("\r\n", "\n")
        return bool(data)

    def wait_for(self, words, seconds=WAIT_SECONDS * 6):
        deadline = time.monotonic() + seconds
        while words not in self.text:
            assert self.read_some(0.1), f"the terminal is closed, without {words!r}:\n{self.text}"
            assert time.monotonic() < deadline, f"no {words!r} in:\n{self.text}"

    def type(self, keys):
        os.write(self.master, keys)

    def wait_end(self, seconds=WAIT_SECONDS * 3):
        """Until no process has the terminal open and the command is over; its exit status."""
        deadline = time.monotonic() + seconds
        while self.read_some(0.1):
            assert time.monotonic() < deadline, f"still running:\n{self.text}"
        return self.process.wait(seconds)

    def close(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
        self.process.wait()
        os.close(self.master)
