"""Idle upstreams: pooled, LIFO, limited, noticed when they close (issue, "Upstreams")."""
import threading

import pytest

from lib.client import request
from lib.origin import answer, wait_event, wait_until


def index(connection):
    """Answers every request with the number of the connection it came on."""
    while True:
        connection.read_request()
        connection.send(answer(str(connection.index)))


def one_by_one(gates):
    """Requests /0, /1, ... are answered when their gate opens; others at once."""
    def handler(connection):
        while True:
            seen = connection.read_request()
            if seen.target[1:].isdigit():
                wait_event(gates[int(seen.target[1:])])
            connection.send(answer(str(connection.index)))
    return handler


def open_upstreams(lab, proxy, origin, count):
    """Has the proxy open `count` upstreams at once and returns them to the pool in order;
    the connections' numbers in that order."""
    gates = [threading.Event() for _ in range(count)]
    origin.handler = one_by_one(gates)
    clients = [lab.client(proxy) for _ in range(count)]
    for number, client in enumerate(clients):
        client.send(request("GET", f"/{number}"))
    origin.wait_requests(count)
    order = []
    for number, client in enumerate(clients):
        gates[number].set()
        order.append(int(client.read_response().body))
        client.close()
    return order


def test_last_in_first_out(lab):
    """Issue: "LIFO": the one used last is used first, so that the others can grow old."""
    origin = lab.origin()
    proxy = lab.proxy(origin)
    order = open_upstreams(lab, proxy, origin, 4)
    assert sorted(order) == [0, 1, 2, 3]
    for _ in range(5):
        assert int(lab.ask(proxy, request()).body) == order[-1]
    assert len(origin.connections) == 4


def test_idle_upstream_that_closes_is_noticed(lab):
    """Issue: "an armed receive notices a closed one": not even a POST meets it."""
    def once(connection):
        connection.read_request()
        connection.send(answer("x"))

    origin = lab.origin(once)  # answers, keeps silent about it, and closes
    proxy = lab.proxy(origin)
    client = lab.client(proxy)
    for number in range(10):
        assert client.ask(request("POST", "/", body=b"b")).status == 200
        wait_event(origin.connections[number].ended)
        wait_until(lambda: upstream_gone(proxy, origin), "the proxy closes its end")
    assert len(origin.connections) == 10


def upstream_gone(proxy, origin):
    """Whether the proxy has no connection to the origin, by the kernel's table."""
    port = f":{origin.address[1]:04X}"
    with open(f"/proc/{proxy.engine_pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    # 01 = ESTABLISHED, 08 = CLOSE_WAIT: the states in which its end is still open.
    return not [row for row in rows if row[2].endswith(port) and row[3] in ("01", "08")]


def dying_when_reused(answers_before=1):
    """A handler whose first connection dies on the request behind the first one(s)."""
    def handler(connection):
        for _ in range(answers_before):
            connection.read_request()
            connection.send(answer(str(connection.index)))
        connection.read_request()
        if connection.index == 0:
            connection.reset()
            return
        connection.send(answer(str(connection.index)))
        index(connection)
    return handler


@pytest.mark.parametrize("method", ["GET", "HEAD", "OPTIONS", "DELETE"])
def test_stale_reused_connection_is_retried(lab, method):
    """Issue: "a reused connection that dies before the first response byte is retried once on a
    fresh one when the request may be replayed" (RFC 9110 section 9.2.2)."""
    def handler(connection):
        connection.read_request()
        connection.send(answer(str(connection.index)))
        seen = connection.read_request()
        if connection.index == 0:
            connection.reset()
            return
        connection.send(answer("", "X-Index: 1") if seen.method != "HEAD" else answer(""))

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    assert client.get().body == b"0"
    origin.handler = index
    response = client.ask(request(method), method)
    assert response.status == 200
    assert len(origin.connections) == 2
    assert [seen.method for seen in origin.requests] == ["GET", method, method]


def test_stale_reused_connection_is_not_retried_for_post(lab):
    """RFC 9110 section 9.2.2: a proxy must not repeat a non-idempotent request by itself."""
    origin = lab.origin(dying_when_reused())
    client = lab.client(lab.proxy(origin))
    assert client.get().body == b"0"
    assert client.ask(request("POST", "/", body=b"order")).status == 502
    assert [seen.method for seen in origin.requests] == ["GET", "POST"]
    assert client.get().status == 200


def test_fresh_connection_that_dies_is_not_retried_forever(lab):
    """A backend that always dies is asked a bounded number of times, then 502."""
    origin = lab.origin(lambda connection: connection.read_request() and connection.reset())
    client = lab.client(lab.proxy(origin, proxy={"retries": 2}))
    assert client.get().status == 502
    assert 1 <= len(origin.requests) <= 3


def test_not_retried_when_a_byte_of_the_response_came(lab):
    """A response that began is the response, however it ends."""
    def handler(connection):
        connection.read_request()
        connection.send(answer(str(connection.index)))
        connection.read_request()
        connection.send("HTTP/1.1 2")
        connection.half_close()
        connection.wait_closed()

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    assert client.get().status == 200
    assert client.get().status == 502
    assert len(origin.requests) == 2


def test_idle_limit(lab):
    """Setting upstream.idleConnections: more are closed when they become idle."""
    origin = lab.origin()
    proxy = lab.proxy(origin, upstream={"idleConnections": 2})
    open_upstreams(lab, proxy, origin, 6)
    wait_until(lambda: sum(c.ended.is_set() for c in origin.connections) == 4, "four are closed")
    for _ in range(5):
        assert lab.ask(proxy, request()).status == 200
    assert len(origin.connections) == 6


def test_no_pool_at_all(lab):
    """Setting upstream.idleConnections = 0: a connection per request."""
    origin = lab.origin(index)
    client = lab.client(lab.proxy(origin, upstream={"idleConnections": 0}))
    assert [client.get().body for _ in range(4)] == [b"0", b"1", b"2", b"3"]


def test_idle_timeout(lab):
    """Setting upstream.idleTimeout: an idle connection is closed; the next request opens one."""
    origin = lab.origin(index)
    proxy = lab.proxy(origin, upstream={"idleTimeout": 200})
    client = lab.client(proxy)
    assert client.get().body == b"0"
    wait_event(origin.connections[0].ended, "the idle connection is closed")
    assert client.get().body == b"1"


def test_retired_after_as_many_requests(lab):
    """Setting upstream.maxRequests."""
    origin = lab.origin(index)
    client = lab.client(lab.proxy(origin, upstream={"maxRequests": 3}))
    assert [client.get().body for _ in range(7)] == [b"0"] * 3 + [b"1"] * 3 + [b"2"]


def test_connection_limit_holds(lab):
    """Setting upstream.maxConnections: beyond it requests fail or wait, nothing breaks."""
    gate = threading.Event()

    def handler(connection):
        while True:
            connection.read_request()
            wait_event(gate)
            connection.send(answer("ok"))

    origin = lab.origin(handler)
    proxy = lab.proxy(origin, upstream={"maxConnections": 3})
    clients = [lab.client(proxy) for _ in range(6)]
    for client in clients:
        client.send(request())
    origin.wait_requests(3)
    gate.set()
    statuses = [client.read_response().status for client in clients]
    assert set(statuses) <= {200, 502, 503} and statuses.count(200) >= 3
    assert len(origin.connections) <= 3
    assert lab.ask(proxy, request()).status == 200


def test_limited_connections_of_all_workers(lab):
    """Setting backends[].maxConnections: a backend that serves one connection to its end before it
    takes the next one answers all, whichever worker they come through."""
    turn = threading.Lock()

    def one_connection_at_a_time(connection):
        with turn:
            index(connection)

    origin = lab.origin(one_connection_at_a_time)
    proxy = lab.proxy({"url": origin.url, "maxConnections": 1}, workers=2, reqQueueLength=10)
    clients = [lab.client(proxy) for _ in range(8)]
    for _ in range(3):
        for client in clients:
            assert client.ask(request()).status == 200


def test_limited_connections_are_kept(lab):
    """... and an idle one is used again while nobody else needs its place."""
    origin = lab.origin(index)
    proxy = lab.proxy({"url": origin.url, "maxConnections": 1}, workers=1)
    client = lab.client(proxy)
    assert [client.ask(request()).body for _ in range(3)] == [b"0"] * 3
