"""What hostile clients once achieved: answers lost, a crash, a hang, others starved."""
import threading
import time

import pytest

from lib.blackhole import Refused
from lib.client import request
from lib.origin import answer, serve, wait_event, wait_until
from lib.wire import Closed

LISTENER = {"address": "127.0.0.1", "proxyProtocolFrom": ["127.0.0.0/8"]}
PIPELINED = 2000
# Between two pieces that the proxy has to receive one by one. When it does not, the test is weaker
# but passes: nothing is measured.
APART_SECONDS = 0.1


def apart():
    time.sleep(APART_SECONDS)


def length(seen):
    return answer(str(len(seen.body)))


# ---- Nothing that was sent is lost ----

def wait_still(origin):
    """Until it gets no further requests; how many there were."""
    seen = -1
    while seen < len(origin.requests):
        seen = len(origin.requests)
        time.sleep(0.2)
    return seen


def fills_that_fit(lab, proxy, origin):
    """How many of the origin's answers the kernel holds for a client that does not read."""
    client = lab.client(proxy, receive_bytes=2048)
    client.send(request("GET", "/fill") * 1000)
    seen = wait_still(origin)
    client.reset()
    return seen


def test_requests_behind_pages_that_wait(lab):
    """Requests that came while a 502 page waited for a client that did not read were dropped."""
    origin = lab.origin(serve(lambda seen: answer(b"f" * 10_000)))
    proxy = lab.proxy(origin, lab.keep(Refused()),
                      routes=[{"id": "fill", "path": "/fill", "backends": ["b0"]},
                              {"id": "page", "path": "/page", "backends": ["b1"]}])
    fills = max(fills_that_fit(lab, proxy, origin) - 5, 0)
    client = lab.client(proxy, receive_bytes=2048)
    client.send(request("GET", "/fill") * fills)
    wait_still(origin)  # has all of them, unless the kernel holds less this time
    ids = [f"{number:0>100}" for number in range(PIPELINED)]
    for name in ids:
        client.send(request("GET", "/page", "Accept: text/html", f"X-Request-ID: {name}"))
        time.sleep(0.0002)  # segment by segment, while pages wait
    for _ in range(fills):
        assert client.read_response().status == 200
    for name in ids:
        response = client.read_response()
        assert response.status == 502
        assert name.encode() in response.body


@pytest.mark.parametrize("size", [1000, 15_000, 40_000])
def test_upload_right_behind_a_proxy_header(lab, size):
    """Of a PROXY header and an upload in one delivery, what did not fit the inbox was not read."""
    client = lab.client(lab.proxy(lab.origin(serve(length)), listeners=[LISTENER]))
    client.send(b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\n"
                + request("POST", body=b"a" * size))
    assert client.read_response("POST").body == str(size).encode()


@pytest.mark.parametrize("size", [12_000, 20_000, 40_000])
def test_long_head_in_one_delivery(lab, size):
    """A head in more than one receive buffer of the same delivery was never looked at whole."""
    client = lab.client(lab.proxy(lab.origin(serve(length)), limits={"headBytes": 65535}))
    apart()
    client.send(request("GET", "/", f"X-Long: {'a' * size}"))
    assert client.read_response().status == 200


# ---- Limits hold, and reaching them kills nobody ----

def test_no_inbox_left(lab):
    """A client with two inboxes left none for another's head in pieces: a null pointer."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-T")
        connection.origin.closing.wait()

    proxy = lab.proxy(lab.origin(handler), limits={"clients": 2})
    greedy = lab.client(proxy)
    greedy.send(request())
    assert greedy.read_head().status == 200
    assert greedy.read_chunk() == b"ok"
    apart()
    greedy.send("GET / HT")
    apart()
    other = lab.client(proxy)
    try:
        for piece in ("GET / HT", "TP/1.1\r\n", "Host: test.example\r\n"):
            other.send(piece)
            apart()
    except OSError:
        pass  # refused for want of an inbox
    other.close()
    greedy.close()

    def served():
        try:
            client = lab.client(proxy)
            client.send(request())
            return client.read_head().status == 200
        except (Closed, OSError):
            return False

    wait_until(served, "the proxy serves again")


def test_head_without_end_behind_an_empty_line(lab):
    """Behind an empty line (RFC 9112 section 2.2) a full inbox was read into for ever."""
    client = lab.client(lab.proxy(lab.origin()))
    client.send(b"\r\nGET / HTTP/1.1\r\nHost: a\r\nX: ")
    apart()
    for _ in range(10):
        client.send(b"a" * 10_000)
    assert client.read_response().status == 431


# ---- Who is answered early, and who is blamed ----

def test_refused_in_the_middle_of_an_upload(lab):
    """Lingering ended with a single receive, so the upload ran into a reset, the 413 lost."""
    def handler(connection):
        connection.read_request(body=False)
        connection.read_exactly(4_000_000)
        connection.send(answer("no", status="413 Content Too Large"))
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Content-Length: 8000000"))
    for _ in range(80):
        client.send(b"a" * 100_000)
        time.sleep(0.001)  # so that the answer overtakes the upload
    response = client.read_response("POST")
    assert (response.status, response.body) == (413, b"no")
    client.expect_end(allow_reset=False)


def test_who_waits_for_100_continue_is_not_blamed(lab):
    """A client that waited for 100 Continue got a 408 when it was the backend that was silent."""
    def handler(connection):
        connection.read_request(body=False)
        connection.origin.closing.wait()

    proxy = lab.proxy(lab.origin(handler), timeouts={"requestBodyIdle": 200, "responseHead": 1000})
    client = lab.client(proxy)
    client.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 5"))
    assert client.read_response("POST").status == 504


# ---- Nobody starves others ----

def test_idle_upstreams_leave_room(lab):
    """Idle connections to one backend filled upstream.maxConnections: 503 for all others."""
    busy = threading.Event()

    def wait_for_all(seen):
        wait_event(busy)
        return length(seen)

    origins = [lab.origin(serve(wait_for_all)), lab.origin(serve(length)),
               lab.origin(serve(length))]
    proxy = lab.proxy(*origins, upstream={"maxConnections": 4, "idleConnections": 4},
                      routes=[{"id": f"r{n}", "path": f"/{n}", "backends": [f"b{n}"]}
                              for n in range(3)])
    clients = [lab.client(proxy) for _ in range(4)]
    for client in clients:
        client.send(request("GET", "/0"))
    origins[0].wait_requests(4)
    busy.set()
    assert [client.read_response().status for client in clients] == [200] * 4
    for path in ("/1", "/2", "/1", "/0"):  # an upstream that is not kept is closed behind the response
        wait_until(lambda path=path: lab.ask(proxy, request("GET", path)).status == 200, path)


def test_announced_bodies_take_no_buffers(lab):
    """Heads that announced huge bodies took all leases before a byte came; uploads waited."""
    def handler(connection):
        while True:
            seen = connection.read_request(body=False)
            if seen.method == "POST":
                connection.origin.closing.wait()
                return
            connection.read_exactly(int(seen.get("Content-Length")))
            connection.send(answer("stored"))

    proxy = lab.proxy(lab.origin(handler), limits={"exchanges": 512})
    hostile = [lab.client(proxy) for _ in range(300)]
    for client in hostile:
        client.send(request("POST", "/", "Content-Length: 900000000"))
    lab.origins[0].wait_requests(300)
    honest = [lab.client(proxy) for _ in range(50)]
    for client in honest:
        client.send(request("PUT", body=b"a" * 60_000))
    assert all(client.read_response("PUT").body == b"stored" for client in honest)
    for client in hostile:
        client.reset()
