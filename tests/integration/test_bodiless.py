"""Responses without a body whatever their fields say (RFC 9112 section 6.3, rule 1)."""
import pytest

from lib.client import request
from lib.origin import answer, serve


def test_head_keeps_the_length_of_the_get(lab):
    """RFC 9110 section 9.3.2: Content-Length as for GET, and no body."""
    origin = lab.origin(serve(lambda seen: answer("12345")[:-5]))
    client = lab.client(lab.proxy(origin))
    for _ in range(3):
        response = client.ask(request("HEAD"))
        assert (response.status, response.get("Content-Length")) == (200, "5")
    assert len(origin.connections) == 1


def test_head_of_a_chunked_resource(lab):
    """RFC 9112 section 6.1: Transfer-Encoding in a response to HEAD announces, no body follows."""
    origin = lab.origin(serve(
        lambda seen: "HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nX-A: b\r\n\r\n"))
    client = lab.client(lab.proxy(origin))
    for _ in range(3):
        response = client.ask(request("HEAD"))
        assert (response.status, response.get("X-A")) == (200, "b")


def test_head_without_framing_fields(lab):
    """A HEAD answer never reads until close."""
    origin = lab.origin(serve(lambda seen: "HTTP/1.1 200 OK\r\n\r\n"))
    client = lab.client(lab.proxy(origin))
    for _ in range(3):
        assert client.ask(request("HEAD")).status == 200
    assert len(origin.connections) == 1


@pytest.mark.parametrize("status", ["204 No Content", "304 Not Modified"])
def test_no_body_without_framing_fields(lab, status):
    """RFC 9112 section 6.3: the head's empty line ends it."""
    origin = lab.origin(serve(lambda seen: f"HTTP/1.1 {status}\r\nETag: \"x\"\r\n\r\n"))
    client = lab.client(lab.proxy(origin))
    for _ in range(3):
        response = client.get()
        assert (response.status, response.get("ETag")) == (int(status[:3]), '"x"')
        assert not response.has_token("Connection", "close")
    assert len(origin.connections) == 1


def test_304_keeps_its_content_length(lab):
    """RFC 9110 section 8.6: a 304 may carry the length that a 200 would have had."""
    origin = lab.origin(serve(
        lambda seen: "HTTP/1.1 304 Not Modified\r\nContent-Length: 1234\r\n\r\n"))
    client = lab.client(lab.proxy(origin))
    for _ in range(3):
        response = client.get()
        assert (response.status, response.get("Content-Length")) == (304, "1234")
    assert len(origin.connections) == 1


@pytest.mark.parametrize("method,status", [("HEAD", "200 OK"), ("GET", "304 Not Modified"),
                                           ("GET", "204 No Content")])
def test_a_body_where_none_may_be_never_reaches_anybody(lab, method, status):
    """Bytes behind a bodiless response are not the next response: that upstream is closed
    (RFC 9112 section 6.3: the message ends with its head)."""
    def handler(connection):
        connection.read_request()
        if connection.index == 0:
            connection.send(f"HTTP/1.1 {status}\r\n\r\n" + answer("smuggled").decode())
            assert connection.wait_closed() == b""
        else:
            connection.send(answer("clean"))

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    assert client.ask(request(method)).status in (int(status[:3]), 502)
    assert lab.ask(lab.proxies[0], request()).body == b"clean"
    assert client.get().body == b"clean"


def test_empty_bodies(lab):
    """Content-Length: 0 both ways."""
    origin = lab.origin(serve(lambda seen: answer("")))
    client = lab.client(lab.proxy(origin))
    for _ in range(3):
        response = client.ask(request("POST", "/", body=b""))
        assert (response.body, response.get("Content-Length")) == (b"", "0")
    assert origin.requests[0].get("Content-Length") == "0"
    assert len(origin.connections) == 1
