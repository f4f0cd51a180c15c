"""Clients that ask all the time, while something happens to the proxy or to its backends."""
import contextlib
import threading

from lib.client import Client, request
from lib.origin import answer, serve, wait_until
from lib.wire import WAIT_SECONDS, Closed, WireError

BODY = b"x" * 1000


def load_origin(lab):
    """An origin that gives its clients BODY."""
    return lab.origin(serve(lambda seen: answer(BODY)))


class Load:
    """Clients that ask one request after the other, each on a connection that it keeps as long as it
    is let, or without `keep` each time on a new one. What goes wrong is collected in `errors`, and
    in `refused` when it was the connection that was refused; another body than `body` is wrong."""

    def __init__(self, proxy, clients=8, target="/", keep=True, body=None):
        self.address, self.target, self.keep, self.body = proxy.address, target, keep, body
        self.stopping = threading.Event()
        self.lock = threading.Lock()
        self.clients, self.answered, self.errors, self.refused = clients, 0, [], []
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    def run(self):
        client = None
        while not self.stopping.is_set():
            try:
                client = client or Client(self.address)
                response = client.ask(request("GET", self.target))
                problem = self.problem_of(response)
                if not self.keep or response.has_token("Connection", "close"):
                    client.close()
                    client = None
            except (Closed, WireError, OSError) as error:
                problem = repr(error)
                if isinstance(error, ConnectionRefusedError):
                    self.refused.append(problem)
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

    def problem_of(self, response):
        if response.status != 200:
            return f"status {response.status}"
        return "another body" if self.body not in (None, response.body) else None

    def stop(self):
        self.stopping.set()
        for thread in self.threads:
            thread.join(2 * WAIT_SECONDS)
            assert not thread.is_alive(), "a client got no answer at all"

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def wait_answers(load, more):
    """Until that many more requests were answered; at once when one has failed."""
    goal = load.answered + more
    wait_until(lambda: load.answered >= goal or load.errors, f"{more} more answers", 60)
