"""Backends that fail in every way there is, and a load that tells what clients saw of it."""
import contextlib
import pathlib
import signal
import subprocess
import sys
import threading

from lib.client import Client, request
from lib.origin import wait_until
from lib.process import Process
from lib.wire import WAIT_SECONDS, Closed, WireError

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


class Load:
    """Clients that ask one request after the other, each on a connection that it keeps."""

    def __init__(self, proxy, clients=8, target="/"):
        self.address, self.target = proxy.address, target
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.clients, self.answered, self.errors = clients, 0, []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        client = None
        while not self.stopping.is_set():
            try:
                client = client or Client(self.address)
                response = client.ask(request("GET", self.target))
                problem = None if response.status == 200 else f"status {response.status}"
                if response.get("Connection") == "close":
                    client.close()
                    client = None
            except (Closed, WireError, OSError) as error:
                problem = repr(error)
                if client:
                    with contextlib.suppress(OSError):
                        client.close()
                client = None
            with self.lock:
                self.answered += problem is None
                if problem:
                    self.errors.append(problem)
        if client:
            client.close()

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * WAIT_SECONDS)
            assert not thread.is_alive(), "a client got no answer at all"


def wait_answers(load, more):
    """Until that many more requests were answered; at once when one has failed."""
    goal = load.answered + more
    wait_until(lambda: load.answered >= goal or load.errors, f"{more} more answers", 60)
