"""Whole-process overload: keep-alive is dropped, the oldest idle clients are closed, requests are
refused, accepting stops; and all of it ends by itself."""
import resource
import threading
import time

import pytest

from lib.admin import managed, metrics_of, status_of
from lib.client import Client, request
from lib.logs import messages
from lib.origin import answer, serve, wait_until
from lib.proxy import sanitized
from lib.wire import WAIT_SECONDS, Closed


def overloads(proxy):
    """The messages about it in the error log, oldest first."""
    return messages(proxy, "overload")


def stage_of(lab, proxy):
    return status_of(lab, proxy)["overload"]["stage"]


def limited(lab, origin=None, clients=40, overload=None, **sections):
    return managed(lab, origin or lab.origin(), workers=1, limits={"clients": clients},
                   overload=overload or {}, **sections)


def idle_clients(lab, proxy, count):
    clients = [lab.client(proxy) for _ in range(count)]
    for client in clients:
        assert client.get().status == 200
    return clients


def is_closed(client):
    """Whether the proxy has ended it; it must be idle."""
    client.sock.setblocking(False)
    try:
        return client.sock.recv(1) == b""
    except BlockingIOError:
        return False
    except ConnectionResetError:
        return True
    finally:
        client.sock.settimeout(WAIT_SECONDS)


def test_keep_alive_is_dropped_and_comes_back(lab):
    proxy = limited(lab, overload={"closeIdle": 0, "refuse": 0, "stopAccepting": 0})
    clients = idle_clients(lab, proxy, 32)
    assert stage_of(lab, proxy) == "none"
    more = [lab.client(proxy) for _ in range(3)]
    wait_until(lambda: stage_of(lab, proxy) == "dropKeepAlive", "the stage")
    answered = clients[0].get()
    assert answered.status == 200
    assert answered.get("Connection") == "close"
    for client in clients[:8] + more:
        client.close()
    wait_until(lambda: stage_of(lab, proxy) == "none", "its end")
    answered = clients[-1].get()
    assert answered.get("Connection") is None
    assert clients[-1].get().status == 200
    wait_until(lambda: len(overloads(proxy)) == 2, "the log")
    up, down = overloads(proxy)
    assert "dropKeepAlive" in up and "of limits.clients in use" in up
    assert "none" in down


def test_the_oldest_idle_clients_make_room(lab):
    proxy = limited(lab, overload={"dropKeepAlive": 0, "refuse": 0, "stopAccepting": 0})
    old = idle_clients(lab, proxy, 10)
    idle_since = time.monotonic()
    young = idle_clients(lab, proxy, 25)

    def much_younger():
        """Their ages differ by more than the factor between two rounds, and for a while."""
        begun = time.monotonic()
        for client in young:
            assert client.get().status == 200
        now = time.monotonic()
        return now - idle_since > max(1.0, 8 * (now - begun))
    wait_until(much_younger, "a moment in which the machine is not too busy")
    assert stage_of(lab, proxy) == "none"
    more = idle_clients(lab, proxy, 4)
    wait_until(lambda: stage_of(lab, proxy) == "none" and
               status_of(lab, proxy)["overload"]["shed"] > 0, "room")
    wait_until(lambda: sum(map(is_closed, old)) == status_of(lab, proxy)["overload"]["shed"],
               "their connections' end")
    assert 2 <= sum(map(is_closed, old)) <= 7
    assert not any(is_closed(client) for client in young + more)
    for client in young + more:
        assert client.get().status == 200


def test_requests_are_refused_quickly(lab):
    go_on = threading.Event()

    def respond(seen):
        if seen.target == "/slow":
            assert go_on.wait(WAIT_SECONDS)
        return answer("done")

    proxy = limited(lab, lab.origin(serve(respond)), overload={"closeIdle": 0, "stopAccepting": 0})
    busy = [lab.client(proxy) for _ in range(34)]
    for client in busy:
        client.send(request(path="/slow"))
    wait_until(lambda: status_of(lab, proxy)["requests"]["active"] == 34, "all requests")
    late = [lab.client(proxy) for _ in range(4)][-1]
    wait_until(lambda: stage_of(lab, proxy) == "refuse", "the stage")
    refused = late.get()
    assert refused.status == 503
    assert refused.get("Retry-After")
    assert refused.get("Connection") == "close"
    assert metrics_of(lab, proxy)['nextproxy_faults_total{fault="overloaded"}'] == 1
    go_on.set()
    for client in busy:  # none of them is harmed
        assert client.read_response().status == 200
        client.close()
    wait_until(lambda: stage_of(lab, proxy) == "none", "the recovery")
    assert lab.ask(proxy, request()).status == 200


def storm(proxy, visits, threads=8):
    """Visits one after the other in each thread; returns the statuses, 0 for none."""
    statuses, lock = [], threading.Lock()

    def visit():
        for _ in range(visits):
            try:
                client = Client(proxy.address)
                status = client.get().status
                client.close()
            except (Closed, OSError):
                status = 0
            with lock:
                statuses.append(status)

    running = [threading.Thread(target=visit) for _ in range(threads)]
    for thread in running:
        thread.start()
    for thread in running:
        thread.join()
    return statuses


def test_accepting_stops_and_goes_on(lab):
    """Who comes meanwhile waits in the kernel's queue, and is served later."""
    go_on = threading.Semaphore(0)

    def respond(_):
        assert go_on.acquire(timeout=WAIT_SECONDS)
        return answer("done")

    proxy = limited(lab, lab.origin(serve(respond)), clients=100,
                    overload={"dropKeepAlive": 0, "closeIdle": 0, "refuse": 0})
    busy = [lab.client(proxy) for _ in range(98)]
    for client in busy:
        client.send(request())
    wait_until(lambda: stage_of(lab, proxy) == "stopAccepting", "the stage")
    late = [lab.client(proxy) for _ in range(5)]  # as many as there is room when it ends
    for client in late:
        client.send(request())
    assert metrics_of(lab, proxy)["nextproxy_client_connections_refused_total"] == 0
    go_on.release(103)
    for client in busy:
        assert client.read_response().status == 200
        client.close()
    for client in late:
        assert client.read_response().status == 200
        client.close()
    wait_until(lambda: stage_of(lab, proxy) == "none", "the recovery")
    assert metrics_of(lab, proxy)["nextproxy_client_connections_refused_total"] == 0


def test_file_descriptors_run_out(lab):
    """With fewer descriptors than clients nothing fails but what is refused, and it recovers."""
    proxy = managed(lab, lab.origin(), workers=2)
    resource.prlimit(proxy.engine_pid, resource.RLIMIT_NOFILE, (180, 180))
    wait_until(lambda: metrics_of(lab, proxy)["nextproxy_file_descriptors_limit"] == 180,
               "the limit")
    for _ in range(200):  # idle ones make room
        assert lab.client(proxy).get().status == 200
    status = status_of(lab, proxy)
    assert status["overload"]["shed"] > 0
    assert status["connections"]["open"] < 150
    for client in lab.clients:
        client.close()
    wait_until(lambda: stage_of(lab, proxy) == "none", "the recovery")
    assert set(storm(proxy, 10)) == {200}


@pytest.mark.skipif(sanitized(), reason="a sanitizer keeps what is freed for a while")
def test_memory_runs_out(lab):
    """The limit is not far above what the process has: requests with bodies that nobody reads."""
    wanted = threading.Event()

    def handler(connection):
        connection.read_request(body=False)
        wanted.wait(WAIT_SECONDS)
        connection.send(answer("late"))

    origin = lab.origin(handler)
    proxy = managed(lab, origin, workers=1)
    used = status_of(lab, proxy)["memoryBytes"]["used"]
    assert used > 1 << 20
    limit = used + (6 << 20)
    proxy = managed(lab, origin, workers=1, limits={"memoryBytes": limit})
    clients = []
    while stage_of(lab, proxy) == "none":
        client = lab.client(proxy)
        client.sock.setblocking(False)
        try:
            client.send(request("POST", "/", "Content-Length: 100000000"))
            client.sock.send(b"x" * 200_000)
        except BlockingIOError:
            pass
        clients.append(client)
        assert len(clients) < 1000, status_of(lab, proxy)["memoryBytes"]
    assert status_of(lab, proxy)["memoryBytes"]["limit"] == limit
    wanted.set()
    for client in clients:
        client.close()
    wait_until(lambda: stage_of(lab, proxy) == "none", "the recovery")
    wait_until(lambda: status_of(lab, proxy)["memoryBytes"]["used"] < used + (2 << 20),
               "all that was taken counts as free")
    assert lab.ask(proxy, request()).status == 200


def test_a_storm_of_connections(lab):
    """Eight visitors at a time before room for twenty: overload comes and goes, nobody waits for
    ever, and what is answered is answered well."""
    proxy = limited(lab, clients=20)
    statuses = storm(proxy, 60)
    assert len(statuses) == 480
    assert set(statuses) <= {200, 503}
    assert statuses.count(200) > 100
    wait_until(lambda: stage_of(lab, proxy) == "none", "the recovery")
    assert status_of(lab, proxy)["connections"]["refused"] == 0
