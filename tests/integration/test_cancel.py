"""Client gone: the exchange with the origin is cancelled (issue, Forwarding)."""
import select
import threading

import pytest

from lib.client import request
from lib.origin import answer, serve, wait_event, wait_until
from lib.wire import WAIT_SECONDS

ENDINGS = ["close", "reset"]


def check_serving(lab):
    """The proxy goes on as before."""
    lab.origins[0].handler = serve(lambda seen: answer("fine"))
    assert lab.ask(lab.proxies[0], request()).body == b"fine"


def start(lab, handler, *data):
    """A client that sent `data` to a proxy before an origin with this handler."""
    proxy = lab.proxy(lab.origin(handler), timeouts={"responseHead": 600_000})  # not that one
    client = lab.client(proxy)
    client.send(*data)
    return client, lab.origins[0]


@pytest.mark.parametrize("ending", ENDINGS)
def test_while_waiting_for_the_response(lab, ending):
    """The origin works on a request that nobody waits for any more."""
    def handler(connection):
        connection.read_request()
        connection.wait_closed()

    client, origin = start(lab, handler, request())
    origin.wait_requests(1)
    getattr(client, ending)()
    wait_event(origin.connections[0].ended, "the origin sees its connection end")
    check_serving(lab)


@pytest.mark.parametrize("ending", ENDINGS)
def test_in_the_middle_of_a_response(lab, ending):
    """The origin streams to a client that went."""
    gone = threading.Event()

    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        wait_event(gone)
        connection.wait_closed()

    client, origin = start(lab, handler, request())
    client.read_response(body=False)
    assert client.read_chunk() == b"hello"
    getattr(client, ending)()
    gone.set()
    wait_event(origin.connections[0].ended, "the origin sees its connection end")
    check_serving(lab)


@pytest.mark.parametrize("ending", ENDINGS)
def test_in_the_middle_of_a_response_that_fills_all_buffers(lab, ending):
    """The same with an origin that is held back by a client that did not read."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            connection.send(b"z" * 65536)

    client, origin = start(lab, handler, request())
    client.read_response(body=False)
    getattr(client, ending)()
    wait_event(origin.connections[0].ended, "the origin sees its connection end")
    check_serving(lab)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("framing,part", [("Content-Length: 100", b"part"),
                                          ("Transfer-Encoding: chunked", b"4\r\npart\r\n")])
def test_in_the_middle_of_an_upload(lab, ending, framing, part):
    """The origin must see that the body is not complete: no last chunk, no missing bytes."""
    head_seen = threading.Event()

    def handler(connection):
        connection.read_request(body=False)
        head_seen.set()
        assert connection.wait_closed() == part

    client, origin = start(lab, handler, request("POST", "/", framing), part)
    wait_event(head_seen)
    wait_until(lambda: part in origin.received(), "the first part arrives")
    getattr(client, ending)()
    wait_event(origin.connections[0].ended, "the origin sees its connection end")
    check_serving(lab)


def test_in_the_middle_of_an_upload_that_fills_all_buffers(lab):
    """The origin takes no more, so nobody reads from the client when it resets."""
    def handler(connection):
        connection.read_request(body=False)
        poll = select.poll()
        poll.register(connection.sock, 0)  # errors and hang-ups only
        assert poll.poll(WAIT_SECONDS * 1000)

    client, origin = start(lab, handler, request("PUT", "/", "Content-Length: 1000000000"))
    origin.wait_requests(1)
    client.sock.settimeout(0.2)
    with pytest.raises(TimeoutError):
        client.send(bytes(100_000_000))
    client.reset()
    wait_event(origin.connections[0].ended, "the origin sees its connection end")
    check_serving(lab)


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("fill", [0, 10_000])
def test_with_pipelined_requests_waiting(lab, ending, fill):
    """Requests of a client that went are not begun, whether they were read or not."""
    def handler(connection):
        connection.read_request()
        connection.wait_closed()

    early = request("GET", "/2", "X-Fill: " + "f" * fill) * 4
    client, origin = start(lab, handler, request("GET", "/1") + early)
    origin.wait_requests(1)
    getattr(client, ending)()
    wait_event(origin.connections[0].ended, "the origin sees its connection end")
    check_serving(lab)
    assert "/2" not in [seen.target for seen in origin.requests]


@pytest.mark.parametrize("ending", ENDINGS)
@pytest.mark.parametrize("part", [b"", b"GET", request()[:-2]])
def test_before_a_request_is_complete(lab, ending, part):
    """Nothing reaches the origin."""
    client, origin = start(lab, serve(lambda seen: answer("fine")), part)
    getattr(client, ending)()
    check_serving(lab)
    assert len(origin.requests) == 1


def test_cancelled_upstreams_are_not_reused(lab):
    """A late answer to a cancelled request must not become the answer to another one."""
    release = threading.Event()

    def handler(connection):
        while True:
            seen = connection.read_request()
            if seen.target == "/cancelled":
                wait_event(release)
            connection.send(answer("late" if seen.target == "/cancelled" else seen.target))

    client, origin = start(lab, handler, request("GET", "/cancelled"))
    origin.wait_requests(1)
    client.reset()  # close() could be a half-close: the answer would still be for this client
    release.set()
    for number in range(10):
        assert lab.ask(lab.proxies[0], request("GET", f"/{number}")).body == f"/{number}".encode()
