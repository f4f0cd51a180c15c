"""Listeners and the number of workers change while requests go on (issue: "Listeners and worker
counts can change live")."""
import json
import os
import pathlib
import re
import resource
import signal
import socket
import stat
import threading

import pytest

from lib.admin import managed, metrics_of, status_of
from lib.client import Client, request
from lib.logs import messages
from lib.origin import answer, serve, wait_until
from lib.proxy import connects, port_free
from lib.reload import reload, reload_entries, verdicts, write_config
from lib.wire import WAIT_SECONDS, Closed


def listener(port):
    return {"address": "127.0.0.1", "port": port}


def address(port):
    return ("127.0.0.1", port)


def own_port(proxy):
    return proxy.config["listeners"][0]["port"]


def relisten(proxy, *listeners):
    """Reloads with these beside the first one; returns what became of it."""
    return reload(proxy, listeners=[listener(own_port(proxy)), *listeners])


def get(lab, where):
    return lab.ask(where, request()).status


# --- Listeners ---

@pytest.mark.parametrize("workers", [1, 3])
def test_a_listener_comes_and_goes(lab, workers):
    proxy = lab.proxy(lab.origin(), workers=workers)
    port = port_free()
    assert not connects(address(port))
    assert relisten(proxy, listener(port)).startswith("Reloaded")
    clients = [lab.client(address(port)) for _ in range(12)]
    for client in clients:
        assert client.get().status == 200
    assert get(lab, proxy) == 200
    assert relisten(proxy).startswith("Reloaded")
    wait_until(lambda: not connects(address(port)), "the socket's end")
    for client in clients:  # whoever was there stays
        assert client.get().status == 200
    assert get(lab, proxy) == 200


def test_the_first_listener_goes(lab):
    proxy = lab.proxy(lab.origin(), workers=2)
    old, new = own_port(proxy), port_free()
    assert reload(proxy, listeners=[listener(new)]).startswith("Reloaded")
    assert get(lab, address(new)) == 200
    wait_until(lambda: not connects(address(old)), "the socket's end")


def test_a_port_that_is_taken_changes_nothing(lab):
    proxy = lab.proxy(lab.origin(), workers=2)
    port = port_free()
    with socket.create_server(address(port)) as other:
        other.listen()
        relisten(proxy, listener(port))  # the log files are open, too
        before = proxy.fd_count()
        verdict = relisten(proxy, listener(port_free()), listener(port))
        assert verdict.startswith("Not reloaded: cannot listen on 127.0.0.1:%d" % port), verdict
        assert "another program listens there" in verdict
        wait_until(lambda: proxy.fd_count() <= before, "as many descriptors as before")
        assert get(lab, proxy) == 200
        assert not any("which needs a restart" in text for _, text in reload_entries(proxy))
    assert relisten(proxy, listener(port)).startswith("Reloaded: version 2")
    assert get(lab, address(port)) == 200


def passed_on(proxy):
    """Whether the supervisor has read the SIGHUP that it was sent."""
    status = pathlib.Path(f"/proc/{proxy.pid}/status").read_text()
    return not int(status.split("ShdPnd:")[1].split()[0], 16) & 1 << (signal.SIGHUP - 1)


def opened(pid, descriptor):
    """How often a process has open what is behind this descriptor of ours."""
    files = pathlib.Path(f"/proc/{pid}/fd").iterdir()
    return [os.readlink(file) for file in files].count(os.readlink(f"/proc/self/fd/{descriptor}"))


def test_two_reloads_at_once_of_which_the_second_fails(lab):
    """What the first one has opened stays, though nothing but orders came in between."""
    reading, writing = os.pipe()  # the first reload waits for the end of a page that is in it
    proxy = lab.proxy(lab.origin(), workers=2, how={"pass_fds": (reading,)},
                      reload={"watch": False})
    engine, own, ports = proxy.engine_pid, own_port(proxy), (port_free(), port_free())
    for count, pages in ((1, {"html": f"/dev/fd/{reading}"}), (2, {})):
        listeners = [listener(port) for port in (own, *ports[:count])]
        write_config(proxy, json.dumps({**proxy.config, "listeners": listeners,
                                        "errorTemplates": pages}))
        proxy.signal(signal.SIGHUP)
        wait_until(lambda: passed_on(proxy) and opened(engine, reading) == 2, "the first reload")
    with socket.create_server(address(ports[1])):
        os.write(writing, b"{status}")
        os.close(writing)
        wait_until(lambda: len(verdicts(proxy)) == 2, "both")
        assert [text.split(":")[0] for text in verdicts(proxy)] == ["Reloaded", "Not reloaded"]
    os.close(reading)
    assert proxy.engine_pid == engine
    assert get(lab, address(ports[0])) == 200


def listening_ports(proxy):
    """Of the engine, a port for each socket."""
    fds = pathlib.Path(f"/proc/{proxy.engine_pid}/fd")
    links = {str(fd.readlink()) for fd in fds.iterdir()}
    rows = [row.split() for row in
            pathlib.Path(f"/proc/{proxy.engine_pid}/net/tcp").read_text().splitlines()[1:]]
    return sorted(int(row[1].rpartition(":")[2], 16) for row in rows
                  if row[3] == "0A" and f"socket:[{row[9]}]" in links)


def test_a_port_that_the_system_chooses(lab):
    """One for all workers, also for those that come later, and the one that is announced."""
    proxy = lab.proxy(lab.origin(), workers=2, listeners=[{"address": "127.0.0.1"}, listener(0)])
    port = int(re.search(r"serving on \S+, 127\.0\.0\.1:(\d+) with", proxy.stderr())[1])
    wait_until(lambda: messages(proxy, "start") == [
        f"Serving on 127.0.0.1:{own_port(proxy)}, 127.0.0.1:{port}"], "the entry")
    assert listening_ports(proxy) == sorted([own_port(proxy), port] * 2)
    assert reload(proxy, workers=3).startswith("Reloaded")
    assert listening_ports(proxy) == sorted([own_port(proxy), port] * 3)
    assert get(lab, address(port)) == 200


def test_unix_sockets_come_and_go(lab):
    path = str(lab.directory / "front.sock")
    proxy = lab.proxy(lab.origin(), workers=2)
    assert relisten(proxy, {"unixSocket": path, "unixMode": "0600"}).startswith("Reloaded")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    client = lab.client(path)
    assert client.get().status == 200
    assert relisten(proxy, {"unixSocket": path, "unixMode": "0666"}).startswith("Reloaded")
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o666
    assert get(lab, path) == 200
    assert relisten(proxy).startswith("Reloaded")
    assert not os.path.exists(path)
    assert client.get().status == 200
    assert relisten(proxy, {"unixSocket": path}).startswith("Reloaded")  # and back again
    assert get(lab, path) == 200
    proxy.stop()
    assert not os.path.exists(path)


def test_whom_a_listener_believes_changes(lab):
    origin = lab.origin()
    proxy = lab.proxy(origin)
    port = own_port(proxy)
    header = b"PROXY TCP4 192.0.2.1 198.51.100.1 56324 443\r\n"
    trusting = {**listener(port), "proxyProtocolFrom": ["127.0.0.1"]}
    assert reload(proxy, listeners=[trusting]).startswith("Reloaded")
    client = lab.client(proxy)
    client.send(header + request())
    assert client.read_response().status == 200
    assert origin.requests[-1].get("X-Real-IP") == "192.0.2.1"
    assert reload(proxy, listeners=[listener(port)]).startswith("Reloaded")
    assert get(lab, proxy) == 200


def test_the_same_listener_again_and_again(lab):
    proxy = lab.proxy(lab.origin(), workers=2)
    port, opened = port_free(), []
    for _ in range(6):
        assert relisten(proxy, listener(port)).startswith("Reloaded")
        assert get(lab, address(port)) == 200
        assert relisten(proxy).startswith("Reloaded")
        wait_until(lambda: not connects(address(port)), "the socket's end")
        opened.append(proxy.fd_count())
    # Another idle upstream, perhaps, but no sockets.
    wait_until(lambda: proxy.fd_count() <= opened[0] + 2, "as many descriptors as before")


# --- Under load ---

class Load:
    """Clients that ask all the time: over connections that stay, and over fresh ones."""

    def __init__(self, proxy, threads=6):
        self.proxy, self.served, self.failures = proxy, 0, []
        self.over, self.lock = threading.Event(), threading.Lock()
        self.threads = [threading.Thread(target=self.run, args=(i % 2 == 0,))
                        for i in range(threads)]
        for thread in self.threads:
            thread.start()

    def run(self, keep):
        client = None
        while not self.over.is_set():
            try:
                client = client or Client(self.proxy.address)
                answered = client.get()
                if answered.status != 200:
                    self.failures.append(answered.status)
                if not keep or answered.get("Connection") == "close":
                    client.close()
                    client = None
            except (Closed, OSError) as error:
                self.failures.append(repr(error))
                client = None
            with self.lock:
                self.served += 1
        if client:
            client.close()

    def more(self, count):
        """Waits until so many more requests are over."""
        target = self.served + count
        wait_until(lambda: self.served >= target, "requests")

    def end(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def test_workers_come_and_go_under_load(lab):
    proxy = managed(lab, lab.origin(serve(lambda seen: answer("ok"))), workers=1,
                    timeouts={"drain": 60_000, "drainIdle": 20_000})
    load = Load(proxy)
    try:
        for workers in (4, 2, 3, 1, 4, 2):
            load.more(50)
            assert reload(proxy, workers=workers).startswith("Reloaded")
            load.more(50)
            assert not load.failures
    finally:
        load.end()
    assert not load.failures
    wait_until(lambda: status_of(lab, proxy)["workers"] == 2, "the last one's end")
    samples = metrics_of(lab, proxy)
    assert samples["nextproxy_requests_total"] >= load.served  # nobody's figures are lost
    assert samples["nextproxy_client_connections_refused_total"] == 0


def test_listeners_come_and_go_under_load(lab):
    proxy = lab.proxy(lab.origin(serve(lambda seen: answer("ok"))), workers=2)
    load = Load(proxy)
    port = port_free()
    try:
        for _ in range(10):
            assert relisten(proxy, listener(port)).startswith("Reloaded")
            assert get(lab, address(port)) == 200
            load.more(10)
            assert relisten(proxy).startswith("Reloaded")
            load.more(10)
    finally:
        load.end()
    assert not load.failures


def with_long_requests(lab, workers, count):
    """A proxy with so many requests in progress, which end when the event is set."""
    go_on = threading.Event()

    def respond(_):
        assert go_on.wait(WAIT_SECONDS)
        return answer("late")

    proxy = managed(lab, lab.origin(serve(respond)), workers=workers, timeouts={"drain": 600_000})
    clients = [lab.client(proxy) for _ in range(count)]
    for client in clients:
        client.send(request())
    wait_until(lambda: status_of(lab, proxy)["requests"]["active"] == count, "all requests")
    return proxy, clients, go_on


def test_a_long_request_outlives_its_worker(lab):
    proxy, clients, go_on = with_long_requests(lab, 4, 12)
    assert reload(proxy, workers=1).startswith("Reloaded")
    assert reload(proxy, workers=3).startswith("Reloaded")  # beside those that retire
    late = [lab.client(proxy) for _ in range(6)]
    for client in late:
        client.send(request())
    wait_until(lambda: status_of(lab, proxy)["requests"]["active"] == 18, "all requests")
    go_on.set()
    for client in clients + late:
        assert client.read_response().body == b"late"
    wait_until(lambda: status_of(lab, proxy)["workers"] == 3, "the retired ones' end")


def test_a_stop_while_workers_retire(lab):
    proxy, clients, go_on = with_long_requests(lab, 3, 9)
    assert reload(proxy, workers=1).startswith("Reloaded")
    proxy.signal()
    go_on.set()
    for client in clients:
        assert client.read_response().body == b"late"
    assert proxy.wait_exit() == 0


def leave_descriptors(proxy, count):
    """The engine may open so many more. Returns the limit that it had."""
    _, most = resource.prlimit(proxy.engine_pid, resource.RLIMIT_NOFILE)
    used = {int(fd) for fd in os.listdir(f"/proc/{proxy.engine_pid}/fd")}
    free = [fd for fd in range(most) if fd not in used][count]
    resource.prlimit(proxy.engine_pid, resource.RLIMIT_NOFILE, (free, most))
    return most


def thread_count(proxy):
    return len(os.listdir(f"/proc/{proxy.engine_pid}/task"))


def test_workers_that_cannot_be_had(lab):
    """Wherever the descriptors end, further workers are there or nothing has changed."""
    proxy = managed(lab, lab.origin(serve(lambda _: answer("here"))), workers=1,
                    timeouts={"keepAlive": 600_000}, upstream={"idleTimeout": 600_000})
    client = lab.client(proxy)  # the same throughout: no other descriptor comes or goes
    assert client.get().body == b"here"
    logs = proxy.directory / "logs"
    wait_until(lambda: logs.exists() and len(os.listdir(logs)) == 2, "both logs to be open")
    fds, threads, refusals, verdict = proxy.fd_count(), thread_count(proxy), [], ""
    while not verdict.startswith("Reloaded"):
        most = leave_descriptors(proxy, len(refusals))
        verdict = reload(proxy, workers=3)
        resource.prlimit(proxy.engine_pid, resource.RLIMIT_NOFILE, (most, most))
        assert client.get().body == b"here"
        if verdict.startswith("Not reloaded"):
            assert verdict.endswith("served on")
            wait_until(lambda: thread_count(proxy) <= threads, "the end of what was begun")
            assert proxy.fd_count() <= fds + 2  # a worker that may come has its bell
            refusals.append(verdict)
    assert any("no file descriptor for a worker" in verdict for verdict in refusals)
    assert any("cannot set up io_uring: EMFILE" in verdict for verdict in refusals)
    wait_until(lambda: status_of(lab, proxy)["workers"] == 3, "the new ones")
