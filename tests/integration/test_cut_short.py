"""A body cut short is shown as cut short, never as complete (RFC 9112 section 8)."""
import threading

import pytest

from lib.client import request
from lib.origin import answer, serve, wait_event
from lib.wire import Closed

BODIES = {
    "length": ("Content-Length: 1000\r\n", b"0123456789"),
    "chunked": ("Transfer-Encoding: chunked\r\n", b"a\r\n0123456789\r\n"),
    "inside a chunk": ("Transfer-Encoding: chunked\r\n", b"14\r\n0123456789"),
    "inside a size": ("Transfer-Encoding: chunked\r\n", b"a\r\n0123456789\r\n1"),
    "inside the trailers": ("Transfer-Encoding: chunked\r\n", b"a\r\n0123456789\r\n0\r\nX: y\r\n"),
    "before the first byte": ("Content-Length: 10\r\n", b""),
}


def cut(name, ending, seen=None):
    """A handler that begins the named body and ends the connection in the middle."""
    framing, part = BODIES[name]

    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\n" + framing + "\r\n", part)
        if seen:
            wait_event(seen)
        getattr(connection, ending)()
    return handler


@pytest.mark.parametrize("ending", ["close", "reset"])
@pytest.mark.parametrize("name", BODIES)
def test_response_cut_short(lab, name, ending):
    """The client that has the head sees the connection end before the body does."""
    seen = threading.Event()
    origin = lab.origin(cut(name, ending, seen))
    client = lab.client(lab.proxy(origin))
    client.send(request())
    response = client.read_response(body=False)
    assert response.status == 200
    seen.set()
    with pytest.raises(Closed):
        client.read_body(response, int(response.get("Content-Length", "0")))
    origin.handler = serve(lambda seen: answer("fine"))
    assert lab.ask(lab.proxies[0], request()).body == b"fine"


@pytest.mark.parametrize("name", BODIES)
def test_response_cut_short_at_once(lab, name):
    """The same with head, part and end in one go: cut short, or (nothing was sent yet) a 502."""
    client = lab.client(lab.proxy(lab.origin(cut(name, "close"))))
    client.send(request())
    try:
        assert client.read_response().status == 502
    except Closed:
        pass


def test_client_connection_is_not_used_again(lab):
    """Behind a cut body no further response can be told apart: pipelined requests get none."""
    client = lab.client(lab.proxy(lab.origin(cut("length", "close"))))
    client.send(request("GET", "/1") + request("GET", "/2"))
    try:
        client.read_response()
        assert False, "a cut body was completed"
    except Closed as end:
        assert b"HTTP/1.1" not in end.rest


def test_large_response_cut_in_the_middle(lab):
    """With megabytes in flight the count still does not come out."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 8000000\r\n\r\n", b"x" * 4_000_000)

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request())
    response = client.read_response(body=False)
    with pytest.raises(Closed) as end:
        client.read_body(response, 8_000_000)
    assert len(end.value.rest) <= 4_000_000
