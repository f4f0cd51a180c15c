"""Routes with limits (issue: "Concurrency and queue per route"): `reqActiveLength` run,
`reqQueueLength` wait in turn, the others are answered 503; exactly, over all workers."""
import socket
import threading
import time

import pytest

from lib.admin import managed, metrics_of, status_of
from lib.client import request
from lib.origin import answer, serve, wait_until
from lib.reload import reload
from lib.wire import WAIT_SECONDS


class Gate:
    """An origin's script: requests wait until they are let through, and are counted meanwhile."""

    def __init__(self, is_open=False):
        self.lock = threading.Lock()
        self.open = threading.Semaphore(0)
        self.is_open = is_open
        self.inside = self.most = 0
        self.order = []

    def __call__(self, seen):
        with self.lock:
            self.inside += 1
            self.most = max(self.most, self.inside)
            self.order.append(seen.target)
        if self.is_open:
            time.sleep(0.001)  # so that others come meanwhile
        else:
            assert self.open.acquire(timeout=WAIT_SECONDS)
        with self.lock:
            self.inside -= 1
        return answer(seen.target)


def queue_of(lab, proxy):
    return status_of(lab, proxy)["routes"][-1]["queue"]


def wait_length(lab, proxy, length):
    wait_until(lambda: queue_of(lab, proxy)["length"] == length, f"{length} requests in the queue")


def line_up(lab, count, workers):
    """A proxy that serves one request at a time, and clients that have asked for /0, /1, ... one
    after the other: (proxy, the origin's gate, clients)."""
    gate = Gate()
    origin = lab.origin(serve(gate))
    proxy = managed(lab, origin, workers=workers, reqActiveLength=1, reqQueueLength=20,
                    timeouts={"queue": 60000})
    clients = [lab.client(proxy) for _ in range(count)]
    for index, client in enumerate(clients):
        client.send(request("GET", f"/{index}"))
        if index == 0:
            origin.wait_requests(1)
        else:
            wait_length(lab, proxy, index)
        time.sleep(0.002)
    return proxy, gate, clients


def ask_at_once(lab, proxy, pattern):
    """24 clients with 25 requests each, all of which must be answered with their own path."""
    answered = []

    def ask(number):
        client = lab.client(proxy)
        for index in range(25):
            path = pattern.format(half=number % 2, number=number, index=index)
            response = client.get(path)
            answered.append((response.status, response.body.decode()) == (200, path))
        client.close()

    threads = [threading.Thread(target=ask, args=(number,)) for number in range(24)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(answered) == 24 * 25 and all(answered)


@pytest.mark.parametrize("workers", [1, 2])
def test_never_more_than_the_limit(lab, workers):
    """Many clients at once: never more than 3 at the origin, and none is lost."""
    gate = Gate(is_open=True)
    proxy = managed(lab, lab.origin(serve(gate)), workers=workers, reqActiveLength=3,
                    reqQueueLength=1000, timeouts={"queue": 60000})
    ask_at_once(lab, proxy, "/{number}/{index}")
    assert gate.most <= 3
    assert len(gate.order) == len(set(gate.order)) == 24 * 25
    assert queue_of(lab, proxy)["length"] == 0
    wait_until(lambda: status_of(lab, proxy)["routes"][-1]["active"] == 0, "the last one's end")


@pytest.mark.parametrize("workers", [1, 2])
def test_first_come_first_served(lab, workers):
    """Over all workers: each place that becomes free goes to the request that waits longest, but
    for what is closer together than a fraction of a millisecond."""
    proxy, gate, clients = line_up(lab, 13, workers)
    for index, client in enumerate(clients):
        wait_until(lambda index=index: len(gate.order) > index, "the next one")
        assert gate.order == [f"/{number}" for number in range(index + 1)]
        gate.open.release()
        assert client.read_response().status == 200
    metrics = metrics_of(lab, proxy)
    assert metrics['nextproxy_route_queued_total{route="default"}'] == 12
    assert metrics['nextproxy_route_queue_served_total{route="default"}'] == 12
    assert metrics['nextproxy_route_queue_wait_seconds_total{route="default"}'] > 0
    assert metrics['nextproxy_route_queue_length{route="default"}'] == 0
    times = 'nextproxy_route_queue_wait_seconds'
    assert metrics[times + '_count{route="default"}'] == 12
    assert metrics[times + '_bucket{route="default",le="+Inf"}'] == 12
    assert metrics[times + '_sum{route="default"}'] == pytest.approx(
        metrics[times + '_total{route="default"}'])
    shown = status_of(lab, proxy)["routes"][0]["queue"]["waitUs"]
    assert 0 < shown["p50"] <= shown["p95"] <= shown["p99"]


@pytest.mark.parametrize("workers", [1, 2])
def test_the_queue_is_as_long_as_it_may_be(lab, workers):
    """`reqQueueLength` wait, exactly; the others get 503 with Retry-After, and may ask again."""
    gate = Gate()
    origin = lab.origin(serve(gate))
    proxy = managed(lab, origin, workers=workers, reqActiveLength=2, reqQueueLength=5,
                    timeouts={"queue": 60000})
    clients = [lab.client(proxy) for _ in range(7)]
    for client in clients:
        client.send(request())
    wait_length(lab, proxy, 5)
    wait_until(lambda: gate.inside == 2, "two at the origin")
    refused = [lab.client(proxy) for _ in range(4)]
    for client in refused:
        response = client.get("/")
        assert response.status == 503
        assert 1 <= int(response.get("Retry-After")) <= 3
    assert queue_of(lab, proxy)["refused"] == 4
    for _ in range(8):
        gate.open.release()
    for client in clients:
        assert client.read_response().status == 200
    assert refused[0].get("/").status == 200
    assert gate.most == 2


@pytest.mark.parametrize("workers", [1, 2])
def test_never_more_at_a_backend_than_it_may(lab, workers):
    """Setting backends[].maxConnections: over all workers and routes; the others wait."""
    gates = [Gate(is_open=True), Gate(is_open=True)]
    urls = [lab.origin(serve(gate)).url for gate in gates]
    backends = [{"id": f"b{index}", "url": urls[index], "maxConnections": 2 + index}
                for index in range(2)]
    proxy = managed(lab, *backends, workers=workers, reqQueueLength=1000,
                    routes=[{"path": "/0", "backends": ["b0"], "reqQueueLength": 1000}],
                    timeouts={"queue": 60000})
    ask_at_once(lab, proxy, "/{half}/{number}/{index}")
    assert gates[0].most <= 2 and gates[1].most <= 3
    assert len(gates[0].order) + len(gates[1].order) == 24 * 25
    assert all(route["queue"]["length"] == 0 for route in status_of(lab, proxy)["routes"])


def test_gone_while_waiting(lab):
    """A client that goes, with FIN or RST, leaves the queue, also when so much has come from it
    that it is not read from any more; its request is never sent."""
    proxy, gate, clients = line_up(lab, 6, workers=2)
    for index in (1, 3):
        clients[index].send(request("GET", "/early", "X-Fill: " + "f" * 10000) * 4)
    clients[1].close()
    clients[3].reset()
    clients[4].sock.shutdown(socket.SHUT_WR)
    wait_length(lab, proxy, 2)
    for _ in range(3):
        gate.open.release()
    for index in (0, 2, 5):
        assert clients[index].read_response().body == f"/{index}".encode()
    assert gate.order == ["/0", "/2", "/5"]


def test_timeout(lab):
    """Setting timeouts.queue, also of a route."""
    gate = Gate()
    origin = lab.origin(serve(gate))
    proxy = managed(lab, origin, timeouts={"queue": 60000},
                    routes=[{"id": "r", "path": "/", "reqActiveLength": 1, "reqQueueLength": 5,
                             "timeouts": {"queue": 100}}])
    running, waiting = lab.client(proxy), lab.client(proxy)
    running.send(request())
    origin.wait_requests(1)
    response = waiting.get("/")
    assert response.status == 503 and response.get("Retry-After")
    gate.open.release()
    gate.open.release()
    assert running.read_response().status == 200
    assert waiting.get("/again").status == 200
    metrics = metrics_of(lab, proxy)
    assert metrics['nextproxy_route_queue_timeouts_total{route="r"}'] == 1
    assert metrics['nextproxy_faults_total{fault="queue_timeout"}'] == 1


@pytest.mark.parametrize("trusted,order", [(["127.0.0.0/8"], [3, 1, 4, 2]), ([], [1, 2, 3, 4])])
def test_priorities(lab, trusted, order):
    """Setting priority: by a field that is believed of trusted proxies."""
    gate = Gate()
    origin = lab.origin(serve(gate))
    proxy = managed(lab, origin, reqActiveLength=1, reqQueueLength=20, trustedProxies=trusted,
                    timeouts={"queue": 60000},
                    priority={"header": "X-Class", "high": ["gold"], "low": ["batch"],
                              "headStart": 60000})
    clients = [lab.client(proxy) for _ in range(5)]
    for index, name in enumerate(["batch", "silver", "batch", "Gold", ""]):
        clients[index].send(request("GET", f"/{index}", f"X-Class: {name}"))
        if index == 0:
            origin.wait_requests(1)
        else:
            wait_length(lab, proxy, index)
    for _ in clients:
        gate.open.release()
    for client in clients:
        assert client.read_response().status == 200
    assert gate.order == [f"/{index}" for index in [0, *order]]


def test_a_queue_that_stands(lab):
    """Setting shedding: with nobody served in time, the newest are answered 503."""
    gate = Gate()
    origin = lab.origin(serve(gate))
    proxy = managed(lab, origin, reqActiveLength=1, reqQueueLength=100,
                    timeouts={"queue": 60000},
                    shedding={"enabled": True, "target": 1, "interval": 10})
    first = lab.client(proxy)
    first.send(request())
    origin.wait_requests(1)
    clients = [lab.client(proxy) for _ in range(20)]
    while not queue_of(lab, proxy)["shed"]:
        clients.append(lab.client(proxy))
        clients[-1].send(request())
    status = queue_of(lab, proxy)
    assert status["standing"] and status["length"] == 1
    assert clients[-1].read_response().status == 503
    assert metrics_of(lab, proxy)['nextproxy_route_queues_standing{route="default"}'] == 1
    for _ in range(2):
        gate.open.release()
    wait_length(lab, proxy, 0)
    wait_until(lambda: not queue_of(lab, proxy)["standing"], "its end")


def test_a_limit_that_follows_the_latency(lab):
    """Setting adaptive: its limit holds over all workers, within its bounds; what it is, /status
    and /metrics say. How it follows: tests/unit/limit and tests/sim/scenarios_adaptive.c."""
    gate = Gate(is_open=True)
    proxy = managed(lab, lab.origin(serve(gate)), workers=2, reqQueueLength=1000,
                    adaptive={"enabled": True, "min": 2, "max": 3}, timeouts={"queue": 60000})
    statuses = []

    def ask():
        client = lab.client(proxy)
        statuses.extend(client.get("/").status for _ in range(25))
        client.close()

    threads = [threading.Thread(target=ask) for _ in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * (16 * 25)
    assert gate.most <= 3
    assert status_of(lab, proxy)["routes"][-1]["activeLimit"] in (2, 3)
    assert metrics_of(lab, proxy)['nextproxy_route_active_limit{route="default"}'] in (2, 3)


def test_more_places_by_a_reload(lab):
    gate = Gate()
    origin = lab.origin(serve(gate))
    proxy = managed(lab, origin, workers=2, reqActiveLength=1, reqQueueLength=20,
                    timeouts={"queue": 60000})
    clients = [lab.client(proxy) for _ in range(6)]
    for client in clients:
        client.send(request())
    wait_length(lab, proxy, 5)
    reload(proxy, reqActiveLength=4)
    wait_until(lambda: gate.inside == 4, "four at the origin")
    assert queue_of(lab, proxy)["length"] == 2
    for _ in clients:
        gate.open.release()
    for client in clients:
        assert client.read_response().status == 200
    assert gate.most == 4


@pytest.mark.parametrize("workers", [1, 2])
def test_backends_that_come_help_those_that_wait(lab, workers):
    """The only backend is full, and hangs. One that is added serves who waits, and who comes then."""
    gate = Gate()
    hung, other = lab.origin(serve(gate)), lab.origin(serve(lambda _: answer("other")))
    backend = {"id": "hung", "url": hung.url, "maxConnections": 2}
    proxy = managed(lab, backend, workers=workers, reqQueueLength=20, timeouts={"queue": 60000})
    clients = [lab.client(proxy) for _ in range(6)]
    for client in clients:
        client.send(request())
    wait_length(lab, proxy, 4)
    reload(proxy, backends=[backend, {"id": "other", "url": other.url}])
    other.wait_requests(4)
    assert lab.ask(proxy, request()).body == b"other"
    wait_until(lambda: gate.inside == 2, "two at the backend that hangs")
    gate.open.release(2)
    for client in clients:
        assert client.read_response().status == 200


def test_who_waits_stays_with_its_session(lab):
    """... although its backend has another place among those that there are now."""
    gate = Gate()
    mine, rest = lab.origin(serve(gate)), lab.origin(serve(gate))
    backends = [{"id": "mine", "url": mine.url}, {"id": "rest", "url": rest.url}]
    proxy = managed(lab, *backends, reqActiveLength=1, reqQueueLength=20,
                    timeouts={"queue": 60000}, loadBalancing={"stickySession": {"enabled": True}})
    gate.open.release()
    cookie = lab.ask(proxy, request()).get("Set-Cookie").split(";")[0]
    before = len(mine.requests)
    running, waiting = lab.client(proxy), lab.client(proxy)
    running.send(request())
    wait_until(lambda: gate.inside == 1, "the one that runs")
    waiting.send(request("GET", "/waits", f"Cookie: {cookie}"))
    wait_length(lab, proxy, 1)
    others = [{"id": f"new{number}", "url": rest.url, "weight": 0} for number in range(3)]
    reload(proxy, backends=[*others, *reversed(backends)])
    gate.open.release(2)
    assert running.read_response().status == waiting.read_response().status == 200
    served = [seen.target for seen in (mine if before else rest).requests]
    assert served[-1] == "/waits"
