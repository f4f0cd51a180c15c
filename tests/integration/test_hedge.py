"""A GET that waits unusually long is sent to a second backend (issue: "optional hedging after a
latency percentile for GET/HEAD")."""
import threading

import pytest

from lib.admin import managed, metrics_of, status_of
from lib.client import request
from lib.logs import entries
from lib.origin import answer, wait_event, wait_until
from lib.wire import WAIT_SECONDS

HEDGE = {"enabled": True, "percentile": 50, "delayMin": 10}
ENOUGH = 100  # responses, for a percentile up to 90
# A first attempt that hangs must not be judged by anything else than its rival.
PATIENT = {"responseHead": 60000}


class Pair:
    """Two origins. Of a target that begins with /slow whoever is asked first lets it wait, until
    the connection ends or `released` is set."""

    def __init__(self, lab):
        self.slow = set()
        self.lock = threading.Lock()
        self.released = threading.Event()
        self.waiting = []  # connections on which a request waits or has waited
        self.origins = [lab.origin(self.handle), lab.origin(self.handle)]

    def handle(self, connection):
        while True:
            seen = connection.read_request()
            with self.lock:
                first = seen.target.startswith("/slow") and seen.target not in self.slow
                self.slow.add(seen.target)
                if first:
                    self.waiting.append(connection)
            if first:
                self.wait(connection)
            connection.send(answer(str(self.origins.index(connection.origin))))

    def wait(self, connection):
        while not self.released.is_set():
            connection.sock.settimeout(0.05)
            try:
                if connection.sock.recv(1) == b"":
                    return
            except TimeoutError:
                pass
        connection.sock.settimeout(None)

    def requests(self, method):
        return [seen for origin in self.origins for seen in origin.requests
                if seen.method == method]


def hedges(lab, proxy, result, route="default"):
    return metrics_of(lab, proxy)[f'nextproxy_route_hedges_total{{route="{route}",result="{result}"}}']


def route_of(lab, proxy, name="default"):
    return next(route for route in status_of(lab, proxy)["routes"] if route["id"] == name)


def warm(lab, proxy, client, path="/", route="default"):
    """The route's percentile is known when this returns."""
    for _ in range(ENOUGH):
        assert client.get(path).status == 200
    wait_until(lambda: route_of(lab, proxy, route)["hedge"]["percentileUs"] > 0, "a percentile")


def start(lab, pair, retry=None, **sections):
    sections = {"timeouts": PATIENT, "passiveCheck": {"enabled": False}, **sections}
    proxy = managed(lab, *pair.origins, retry=retry or {"hedge": HEDGE}, **sections)
    return proxy, lab.client(proxy)


def record_of(proxy, path):
    found = [entry for entry in entries(proxy, log="access") if entry["path"] == path]
    return found[0] if found else None


def test_slow_answers_come_from_somebody_else(lab):
    """Without a hedge each of these would hang for a minute: the tail is gone, and who lost sees its
    connection end."""
    pair = Pair(lab)
    proxy, client = start(lab, pair)
    warm(lab, proxy, client)
    for number in range(20):
        assert client.get(f"/slow/{number}").status == 200
        assert client.get("/quick").status == 200
    assert len(pair.waiting) == 20
    for connection in pair.waiting:
        wait_event(connection.ended, "the end of the connection that lost")
    # On a busy machine the second may be read before the first, and be the one that waits.
    assert hedges(lab, proxy, "started") >= 20 and hedges(lab, proxy, "won") > 0
    hedge = route_of(lab, proxy)["hedge"]
    assert hedge["percentile"] == 50 and hedge["started"] >= 20 and hedge["won"] > 0
    wait_until(lambda: [backend["active"] for backend in status_of(lab, proxy)["backends"]] == [0, 0],
               "the requests' end")
    assert [backend["failures"] for backend in status_of(lab, proxy)["backends"]] == [0, 0]
    wait_until(lambda: record_of(proxy, "/slow/19"), "its record")
    record = record_of(proxy, "/slow/19")
    assert (record["attempts"], record["statusCode"]) == (2, 200)
    assert record["hedge"] in ("won", "lost")


def test_head_is_hedged(lab):
    pair = Pair(lab)
    proxy, client = start(lab, pair)
    warm(lab, proxy, client)
    client.send(request("HEAD", "/slow"))
    wait_until(lambda: len(pair.requests("HEAD")) == 2, "a second attempt")
    wait_event(pair.waiting[0].ended, "the end of the connection that lost")
    assert hedges(lab, proxy, "started") >= 1


@pytest.mark.parametrize("method", ["POST", "PUT", "DELETE"])
def test_what_changes_something_is_sent_once(lab, method):
    """While it waits a GET is hedged, so time enough has passed."""
    pair = Pair(lab)
    proxy, client = start(lab, pair)
    warm(lab, proxy, client)
    client.send(request(method, "/slow/it", body=b"x"))
    wait_until(lambda: pair.waiting, "the request at an origin")
    other = lab.client(proxy)
    assert other.get("/slow/other").status == 200
    wait_until(lambda: record_of(proxy, "/slow/other"), "its record")
    assert record_of(proxy, "/slow/other")["attempts"] == 2
    pair.released.set()
    assert client.read_response(method).status == 200
    assert len(pair.requests(method)) == 1


def test_budget_refuses(lab):
    pair = Pair(lab)
    proxy, client = start(lab, pair, {"budget": 0, "minBudget": 0, "hedge": HEDGE})
    warm(lab, proxy, client)
    client.send(request(path="/slow"))
    wait_until(lambda: hedges(lab, proxy, "denied_budget") >= 1 and pair.waiting, "a refusal")
    pair.released.set()
    assert client.read_response("GET").status == 200
    assert hedges(lab, proxy, "started") == 0
    wait_until(lambda: record_of(proxy, "/"), "its record")
    assert "hedge" not in record_of(proxy, "/")


def test_client_gone_ends_both(lab):
    """Two backends hang, and both see the end."""
    ended = threading.Semaphore(0)
    asked = threading.Semaphore(0)

    def handle(connection):
        while True:
            if connection.read_request().target != "/hang":
                connection.send(answer("ok"))
                continue
            asked.release()
            try:
                connection.wait_closed()
            finally:
                ended.release()

    pair = Pair(lab)
    pair.handle = handle
    pair.origins = [lab.origin(handle), lab.origin(handle)]
    proxy, client = start(lab, pair)
    warm(lab, proxy, client)
    client.send(request(path="/hang"))
    for _ in range(2):
        assert asked.acquire(timeout=WAIT_SECONDS), "two backends are asked"
    client.close()
    for _ in range(2):
        assert ended.acquire(timeout=WAIT_SECONDS), "both connections end"
    wait_until(lambda: record_of(proxy, "/hang"), "its record")
    record = record_of(proxy, "/hang")
    assert (record["attempts"], record["hedge"], record["fault"]) == (2, "lost", "client_gone")


def test_route_of_its_own(lab):
    """`routes[].retry.hedge`: only there, and the others have no figures of it."""
    pair = Pair(lab)
    proxy, client = start(lab, pair, {"hedge": {"enabled": False}},
                          routes=[{"id": "own", "path": "/slow", "retry": {"hedge": HEDGE}}])
    pair.slow.add("/slow/warm")
    warm(lab, proxy, client, "/slow/warm", "own")
    assert client.get("/slow/1").status == 200
    assert hedges(lab, proxy, "started", "own") >= 1
    assert "hedge" not in route_of(lab, proxy)
    assert not [name for name in metrics_of(lab, proxy)
                if "hedge" in name and 'route="default"' in name]
