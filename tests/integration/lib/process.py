"""Origins in a process of their own, stopped by its pid."""
import subprocess

from lib.wire import WAIT_SECONDS


class Process:
    """Runs these words; unless the port is given the process prints it when it accepts."""

    def __init__(self, words, port=None, **how):
        how = {"stdin": subprocess.DEVNULL, "stdout": subprocess.PIPE, **how}
        self.process = subprocess.Popen(words, **how)  # pylint: disable=consider-using-with
        self.port = port or int(self.process.stdout.readline())

    @property
    def url(self):
        return f"http://127.0.0.1:{self.port}"

    def kill(self):
        self.process.kill()
        self.process.wait(WAIT_SECONDS)

    def close(self):
        self.kill()
        for pipe in (self.process.stdin, self.process.stdout, self.process.stderr):
            if pipe:
                pipe.close()
