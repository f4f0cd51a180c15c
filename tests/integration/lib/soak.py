"""Everything that goes wrong and changes while requests run: see test_soak.py."""
import contextlib
import itertools
import json
import os
import random
import signal
import threading
import time

from lib import disk, network, threads
from lib.client import Client, request
from lib.endings import end_oddly
from lib.engine import wait_replaced
from lib.faults import FAULTS, FaultyBackend
from lib.load import Load
from lib.origin import answer, serve, wait_until
from lib.reload import write_config
from lib.settings import backends_of
from lib.tunnel import SWITCH, echo_bytes, enter
from lib.wire import Closed

PIECE = b"d" * 1000
CLIENTS = 6
CROWD = 200
DESCRIPTORS = 400
ODD_THREADS_MAX = 4
DISK_BYTES = 16 << 20
STEPS = [-86400, -3600, -1, 1, 3600, 86400]
WAIT = 60


def patient(handler):
    """An origin's handler that waits for the proxy as long as it takes."""
    def handle(connection):
        connection.sock.settimeout(None)
        handler(connection)
    return handle


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


class Lasting:
    """A tunnel and a download that go on until their engine ends."""

    def __init__(self, proxy):
        self.tunnel, self.download = Client(proxy.address), Client(proxy.address)
        enter(self.tunnel)
        self.download.send(request("GET", "/download"))
        self.download.read_exactly(len("HTTP/1.1 200 OK"))

    def look(self):
        self.tunnel.send(b"still there?")
        assert self.tunnel.read_exactly(12) == b"still there?"
        self.download.read_some()

    def close(self):
        self.tunnel.close()
        self.download.reset()


class Surroundings:
    """What not every machine permits: a line to cut, a disk to fill, a clock to set. `missing` says
    what there is not, and why."""

    def __init__(self, lab, clock):
        self.lab, self.clock, self.missing = lab, clock, {}
        self.line = self.get("line", network.Line, network.NotPermitted)
        self.disk = self.get("disk", lambda: disk.Disk(lab.directory / "proxy0" / "logs",
                                                       DISK_BYTES), disk.NotPermitted)
        if not clock:
            self.missing["clock"] = "a sanitizer reads the clock itself"

    def get(self, name, make, refusal):
        try:
            return make()
        except (refusal, FileNotFoundError) as error:
            self.missing[name] = str(error)
            return None

    def inside(self):
        """All that is started in this context is at the near end of the line."""
        return self.line.near.inside() if self.line else contextlib.nullcontext()

    def close(self):
        for thing in (self.disk, self.line):
            if thing:
                thing.close()


class Soak:
    """The proxy, what it serves, and what happens to it. `done` counts what did."""

    def __init__(self, lab, around, seed):
        self.lab, self.around = lab, around
        self.choose, self.version = random.Random(seed), itertools.count(1)
        self.done, self.cut, self.lost = {}, None, 0
        self.flapping = [lab.keep(FaultyBackend()) for _ in range(4)]
        self.backends = [*self.flapping, lab.keep(FaultyBackend())]
        if around.line:
            far = around.line.far.bound(network.FAR)
            self.backends.append(lab.origin(patient(serve(lambda _: answer("far"))), sock=far))
        self.backends.append(lab.origin(patient(lasting)))
        self.proxy = lab.proxy(
            *self.backends, **self.sections(), proxy={"retries": 5}, workers=2,
            env=around.clock.env if around.clock else None,
            how={"before": ["prlimit", f"--nofile={DESCRIPTORS}"]},
            timeouts={"connect": 1500, "responseHead": 1500, "drain": 20_000, "drainIdle": 10_000},
            reload={"watch": True})
        self.lasting = Lasting(self.proxy)
        self.load, self.odd = Load(self.proxy, clients=CLIENTS), []

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

    # ---- What happens: nobody sees anything of it ----

    def flap(self):
        """A backend fails in one of its ways, or is well again."""
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

    def crowd(self):
        """More clients than there are descriptors for: those that have been idle for longest go."""
        crowd = []
        for _ in range(CROWD):
            crowd.append(Client(self.proxy.address))
            assert crowd[-1].ask(request()).status == 200
            self.look()  # each may take long while backends fail: the download is to go on
        for client in crowd:
            client.close()

    def cut_line(self):
        """The line to one of the backends is cut, or whole again."""
        if self.cut:
            network.mend(self.around.line, self.cut)
            self.cut = None
        else:
            self.cut = self.choose.choice(list(network.CUTS))
            network.cut(self.around.line, self.cut)

    def fill_disk(self):
        """The disk with the logs is full, or emptied by somebody."""
        if self.around.disk.ballast.exists():
            for file in self.proxy.logs.iterdir():
                file.unlink()
        else:
            self.around.disk.fill()

    def set_clock(self):
        self.around.clock.step(self.choose.choice(STEPS))

    def stop_worker(self):
        """One worker's thread stands still for a moment."""
        try:
            frozen = threads.Frozen(self.choose.choice(threads.thread_ids(self.proxy.engine_pid)))
        except threads.NotPermitted as error:
            self.around.missing["thread"] = str(error)
            return
        threading.Event().wait(0.2)
        frozen.close()

    # ---- What ends an engine ----

    def ends_engine(self, end, lost_max):
        """The lasting ones are ended before. So many requests may fail at most, of those that run
        at that moment; then another engine serves, and soon nothing of the old one is left."""
        self.lasting.close()
        old = self.proxy.engine_pid
        end(old)
        wait_replaced(self.proxy, old)
        self.lasting = Lasting(self.proxy)
        goal = self.load.answered + 10 * CLIENTS
        wait_until(lambda: self.load.answered >= goal, "answers of another engine", WAIT)
        with self.load.lock:
            errors = list(self.load.errors)
            self.load.errors.clear()
        assert len(errors) <= lost_max, errors
        assert all(error.startswith(("Closed", "Connection", "Broken")) for error in errors), errors
        self.lost += len(errors)

    def upgrade(self):
        self.ends_engine(lambda _: self.proxy.signal(signal.SIGUSR2), 0)

    def crash(self):
        """Each client has one request in progress, which nobody can save."""
        self.ends_engine(lambda old: os.kill(old, signal.SIGSEGV), CLIENTS)

    # ---- Running ----

    def unseen(self):
        """What may happen at any time."""
        happenings = [self.flap, self.flap, self.flap, self.reload, self.reload, self.end_oddly,
                      self.end_oddly, self.crowd, self.stop_worker]
        happenings += [self.cut_line] * bool(self.around.line)
        happenings += [self.fill_disk] * bool(self.around.disk)
        happenings += [self.set_clock] * bool(self.around.clock)
        return happenings

    def do(self, what):
        what()
        self.done[what.__name__] = self.done.get(what.__name__, 0) + 1
        self.await_answers(10)

    def look(self):
        """What lasts goes on."""
        self.lasting.look()
        assert not self.load.errors, self.load.errors[:5]

    def await_answers(self, more):
        goal = self.load.answered + more

        def enough():
            self.look()
            return self.load.answered >= goal
        wait_until(enough, "more answers", WAIT)

    def run(self, seconds, ends=()):
        """For so long. The engine is ended in each of these ways, at equal intervals."""
        begun = time.monotonic()
        for index, end in enumerate([*ends, None], 1):
            until = begun + seconds * index / (len(ends) + 1)
            while time.monotonic() < until:
                self.do(self.choose.choice(self.unseen()))
            if end:
                self.do(end)

    def rest(self):
        """All is well again: descriptors and memory as they are then."""
        for backend in self.flapping:
            backend.heal()
        if self.cut:
            self.cut_line()
        self.await_answers(200)
        return self.figures()

    def figures(self):
        supervisor = self.proxy.pid
        return {"engine_fds": self.proxy.fd_count(), "engine_kb": self.proxy.memory_kb(),
                "supervisor_fds": len(os.listdir(f"/proc/{supervisor}/fd")),
                "supervisor_kb": self.proxy.memory_kb(pid=supervisor)}

    def stop(self):
        with contextlib.suppress(Closed, OSError):
            self.lasting.close()
        self.load.stop()
        for thread in self.odd:
            thread.join()
        assert not self.load.errors, self.load.errors[:5]
