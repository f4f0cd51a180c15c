"""Everything that goes wrong and changes, for a while: backends that fail and come back, reloads,
clients that end oddly, tunnels and downloads that last. No request fails, nothing is cut, and
memory and descriptors stay as they were (issue, "To show"). `make soak` takes ten minutes; as one
of the integration tests it takes some seconds."""
import itertools
import json
import os
import random
import signal
import threading
import time

from lib.client import request
from lib.faults import FAULTS, FaultyBackend, Load
from lib.origin import answer, wait_until
from lib.reload import write_config
from lib.settings import backends_of
from test_leaks import end_oddly
from test_upgrade import SWITCH, UPGRADE, echo_bytes

SEED = int(os.environ.get("SEED", "20261121"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))
PIECE = b"d" * 1000
ODD_THREADS_MAX = 4
MEMORY_MARGIN_KB = 4096  # of what is touched late: more connections at once than before


def lasting(connection):
    """Tunnels echo; a download goes on, a piece each time the client asks for one by its clock."""
    seen = connection.read_request()
    if seen.get("Upgrade"):
        connection.send(SWITCH)
        echo_bytes(connection)
    elif seen.target == "/download":
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            connection.send(PIECE)
            time.sleep(0.02)
    connection.send(answer("odd"))
    connection.wait_closed()


class Soak:
    """The proxy, what it serves, and what happens to it."""

    def __init__(self, lab):
        self.lab, self.choose, self.version = lab, random.Random(SEED), itertools.count(1)
        self.flapping = [lab.keep(FaultyBackend()) for _ in range(4)]
        self.backends = [*self.flapping, lab.keep(FaultyBackend()), lab.origin(lasting)]
        self.proxy = lab.proxy(*self.backends, **self.sections(), proxy={"retries": 5}, workers=2,
                               timeouts={"connect": 500, "responseHead": 500, "drain": 3000})
        self.tunnel, self.download = lab.client(self.proxy), lab.client(self.proxy)
        self.tunnel.send(UPGRADE)
        assert self.tunnel.read_response().status == 101
        self.download.send(request("GET", "/download"))
        self.download.read_exactly(len("HTTP/1.1 200 OK"))
        self.load, self.odd = Load(self.proxy, clients=6), []

    def sections(self):
        """The lasting ones have a backend of their own. Each version shows its number, and every
        second one is without the first backend."""
        number = next(self.version)
        ids = [backend["id"] for backend in backends_of(self.backends)]
        edits = {"set": {"X-Version": str(number)}}
        left = ids[number % 2:-1]
        return {"routes": [
            {"id": "load", "path": "/", "backends": left, "responseHeaders": edits},
            *({"id": path, "path": f"/{path}", "backends": ids[-1:]}
              for path in ("chat", "download"))]}

    def flap(self):
        backend = self.choose.choice(self.flapping)
        if backend.how == "well":
            backend.fail(self.choose.choice([kind for kind in FAULTS if kind != "killed"]))
        else:
            backend.heal()

    def reload(self):
        self.proxy.config = {**self.proxy.config, **self.sections()}
        write_config(self.proxy, json.dumps(self.proxy.config))
        self.proxy.signal(signal.SIGHUP)

    def end_oddly(self):
        """Some of these wait for an answer that never comes."""
        def work(chance):
            for _ in range(10):
                end_oddly(self.lab, self.proxy, chance)
        self.odd = [thread for thread in self.odd if thread.is_alive()]
        if len(self.odd) < ODD_THREADS_MAX:
            chance = random.Random(self.choose.random())
            self.odd.append(threading.Thread(target=work, args=(chance,)))
            self.odd[-1].start()

    def look(self):
        """What lasts goes on."""
        self.tunnel.send(b"still there?")
        assert self.tunnel.read_exactly(12) == b"still there?"
        self.download.read_some()
        assert not self.load.errors, self.load.errors[:5]

    def await_answers(self, more):
        goal = self.load.answered + more

        def enough():
            self.look()
            return self.load.answered >= goal
        wait_until(enough, "more answers", 60)

    def run(self, seconds):
        until = time.monotonic() + seconds
        while time.monotonic() < until:
            self.choose.choice([self.flap, self.reload, self.end_oddly])()
            self.await_answers(10)

    def stop(self):
        self.tunnel.close()
        self.download.reset()
        self.load.stop()
        for thread in self.odd:
            thread.join()
        assert not self.load.errors, self.load.errors[:5]

    def rest(self):
        """All is well again: descriptors and memory as they are then."""
        for backend in self.flapping:
            backend.heal()
        self.await_answers(200)
        return self.proxy.fd_count(), self.proxy.memory_kb()


def test_soak(lab):
    soak = Soak(lab)
    soak.run(SECONDS / 4)
    descriptors, memory_kb = soak.rest()
    soak.run(SECONDS * 3 / 4)
    more_descriptors, more_memory_kb = soak.rest()
    soak.stop()
    assert more_descriptors <= descriptors + 64  # idle upstreams and pipes, which are bounded
    assert more_memory_kb <= memory_kb * 1.1 + MEMORY_MARGIN_KB
