"""A client's FIN behind its request: it still gets its response, or counts as gone after a while."""
import socket
import threading
import time

import pytest

from lib.client import chunked, request
from lib.logs import entries
from lib.origin import answer, serve, wait_event, wait_until
from lib.wire import Closed

SHORT = {"timeouts": {"halfClose": 100, "drain": 3000}}
LONG = {"timeouts": {"halfClose": 60_000, "drain": 3000}}
PART = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n"


def held(lab, respond, **sections):
    """A proxy before an origin that answers /now at once and all else when the event is set."""
    release = threading.Event()

    def handler(connection):
        while True:
            seen = connection.read_request()
            if seen.target == "/now":
                connection.send(answer("now"))
                continue
            wait_event(release)
            connection.send(respond(seen))

    return lab.proxy(lab.origin(handler), **sections), release


def fin_was_seen(lab, proxy):
    """The worker's loop has turned since: whatever came before has been read."""
    assert lab.ask(proxy, request("GET", "/now")).body == b"now"


@pytest.mark.parametrize("data", [request(), request("POST", "/", body=b"x" * 100_000),
                                  request("PUT", "/", "Transfer-Encoding: chunked")
                                  + chunked(b"abc")])
def test_the_response_still_comes(lab, data):
    """RFC 9112 section 9.6: a half-close is no sign of lost interest. Then both sides are done."""
    proxy, release = held(lab, lambda seen: answer("late"), **LONG)
    client = lab.client(proxy)
    client.send(data)
    client.half_close()
    lab.origins[0].wait_requests(1)
    fin_was_seen(lab, proxy)
    release.set()
    response = client.read_response()
    assert response.body == b"late" and response.has_token("Connection", "close")
    client.expect_end(allow_reset=False)


def test_by_default(lab):
    """printf ... | nc -N, with a backend that answers as backends do."""
    proxy = lab.proxy(lab.origin())

    def is_answered():
        """Not when the machine stands still for longer than the default."""
        client = lab.client(proxy)
        client.send(request())
        client.half_close()
        try:
            response = client.read_response()
        except Closed:
            return False
        client.expect_end(allow_reset=False)
        return response.status == 200
    for _ in range(20):
        wait_until(is_answered, "an answer")


def test_over_a_unix_socket(lab):
    path = str(lab.directory / "listen.sock")
    proxy = lab.proxy(lab.origin(), listeners=[{"unixSocket": path}], **LONG)
    client = lab.client(proxy)
    client.send(request())
    client.half_close()
    assert client.read_response().status == 200
    client.expect_end()


def test_pipelined_requests(lab):
    """All that came before the FIN is answered, in order; half a request behind them is not."""
    proxy, release = held(lab, lambda seen: answer(seen.target), **LONG)
    client = lab.client(proxy)
    client.send(*(request("GET", f"/{number}") for number in range(5)), request()[:-3])
    client.half_close()
    lab.origins[0].wait_requests(1)
    fin_was_seen(lab, proxy)
    release.set()
    for number in range(5):
        assert client.read_response().body == f"/{number}".encode()
    client.expect_end()


def test_a_large_response_to_a_slow_reader(lab):
    """Bytes that wait for the client are no reason to hurry it, wherever they wait."""
    body = b"z" * 20_000_000
    proxy = lab.proxy(lab.origin(serve(lambda seen: answer(body))))
    client = lab.client(proxy, receive_bytes=4096)
    client.send(request())
    response = client.read_response(body=False)
    assert response.status == 200
    client.half_close()
    time.sleep(2.5)  # longer than the default of timeouts.halfClose
    assert client.read_exactly(len(body)) == body


@pytest.mark.parametrize("ending", ["half_close", "close"])
@pytest.mark.parametrize("first", [b"", PART])
def test_patience_ends(lab, ending, first):
    """While the backend has nothing for it, the client counts as gone after timeouts.halfClose."""
    def handler(connection):
        connection.read_request()
        connection.send(first)
        connection.wait_closed()

    proxy = lab.proxy(lab.origin(handler), **SHORT)
    client = lab.client(proxy)
    client.send(request("GET", "/gone"))
    lab.origins[0].wait_requests(1)
    if first:
        client.read_response(body=False)
        client.read_chunk()
    getattr(client, ending)()
    wait_event(lab.origins[0].connections[0].ended, "the origin sees its connection end")
    if ending == "half_close":
        with pytest.raises(Closed):
            client.fill()
    proxy.stop()
    (entry,) = entries(proxy, log="access")
    assert entry["fault"] == "client_gone"


def test_patience_while_connecting(lab):
    """The same before there is a connection to the backend."""
    from lib.blackhole import BlackHole  # pylint: disable=import-outside-toplevel
    proxy = lab.proxy(lab.keep(BlackHole()), timeouts={"halfClose": 100, "connect": 60_000})
    client = lab.client(proxy)
    client.send(request())
    client.half_close()
    client.expect_end()


def test_a_client_that_is_gone_refuses_the_first_bytes(lab):
    """However long the patience: who closed is found out by the response, and the rest of it is
    not fetched."""
    gone = threading.Event()

    def handler(connection):
        connection.read_request()
        wait_event(gone)
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 1000000000\r\n\r\n")
        while True:
            connection.send(b"z" * 65536)

    proxy = lab.proxy(lab.origin(handler), **LONG)
    client = lab.client(proxy)
    client.send(request())
    lab.origins[0].wait_requests(1)
    client.close()
    gone.set()
    wait_event(lab.origins[0].connections[0].ended, "the origin sees its connection end")


def test_an_incomplete_request_is_cancelled_at_once(lab):
    """It can never be complete; however long the patience."""
    def handler(connection):
        connection.read_request(body=False)
        assert connection.wait_closed() == b"part"

    proxy = lab.proxy(lab.origin(handler), **LONG)
    client = lab.client(proxy)
    client.send(request("POST", "/", "Content-Length: 100"), b"part")
    wait_until(lambda: b"part" in lab.origins[0].received(), "the first part arrives")
    client.half_close()
    wait_event(lab.origins[0].connections[0].ended, "the origin sees its connection end")
    client.expect_end()


def test_a_shorter_timeout_is_answered(lab):
    """Where timeouts.responseHead is shorter, the client is told so."""
    proxy, release = held(lab, lambda seen: answer("late"),
                          timeouts={"halfClose": 60_000, "responseHead": 100})
    client = lab.client(proxy)
    client.send(request())
    client.half_close()
    assert client.read_response().status == 504
    client.expect_end()
    release.set()


def test_before_a_tunnel(lab):
    """A FIN that came in front of the 101 is passed on behind it."""
    release = threading.Event()

    def handler(connection):
        seen = connection.read_request()
        if seen.target == "/now":
            connection.send(answer("now"))
            return
        wait_event(release)
        connection.send("HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\n"
                        "Upgrade: x\r\n\r\n")
        assert connection.read_to_end(allow_reset=False) == b""
        connection.send(b"all is said")

    proxy = lab.proxy(lab.origin(handler), **LONG)
    client = lab.client(proxy)
    client.send(request("GET", "/", "Connection: upgrade", "Upgrade: x"))
    client.half_close()
    lab.origins[0].wait_requests(1)
    fin_was_seen(lab, proxy)
    release.set()
    assert client.read_response().status == 101
    assert client.read_to_end(allow_reset=False) == b"all is said"


def test_a_refusal_is_readable(lab):
    """Our own pages reach a client that has half-closed."""
    proxy = lab.proxy(lab.origin())
    client = lab.client(proxy)
    client.send(b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
    client.sock.shutdown(socket.SHUT_WR)
    assert client.read_response().status == 400
    client.expect_end(allow_reset=False)
