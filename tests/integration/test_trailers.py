"""Trailer sections (RFC 9112 section 7.1.2, RFC 9110 section 6.5)."""
import pytest

from lib.client import chunked, request
from lib.origin import serve
from lib.wire import Closed


def with_trailers(*trailers):
    return (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum, X-More\r\n\r\n"
            + chunked(b"hello ", b"world", trailers=trailers))


def test_request_trailers_reach_the_origin(lab):
    """Issue, Forwarding: "trailers"."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Transfer-Encoding: chunked", "Trailer: X-Sum"),
                chunked(b"abc", trailers=["X-Sum: 42", "x-MORE:  spaced  "]))
    assert client.read_response("POST").status == 200
    assert origin.requests[0].body == b"abc"
    assert origin.requests[0].trailers == [("X-Sum", "42"), ("x-MORE", "spaced")]


def test_response_trailers_reach_the_client(lab):
    """Issue, Forwarding: "trailers"."""
    respond = serve(lambda seen: with_trailers("X-Sum: 11", "X-More: a, b"))
    client = lab.client(lab.proxy(lab.origin(respond)))
    for _ in range(2):
        response = client.get("/", "TE: trailers")
        assert response.body == b"hello world"
        assert response.trailers == [("X-Sum", "11"), ("X-More", "a, b")]


def test_trailers_byte_by_byte(lab):
    """A trailer section may be split anywhere."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    for byte in (request("POST", "/", "Transfer-Encoding: chunked")
                 + chunked(b"a", trailers=["X-A: 1", "X-B: 2"]) + request("GET", "/next")):
        client.send(bytes([byte]))
    assert client.read_response("POST").status == 200
    assert client.read_response("GET").status == 200
    assert origin.requests[0].trailers == [("X-A", "1"), ("X-B", "2")]
    assert origin.requests[1].target == "/next"


CHUNKED = "Transfer-Encoding: chunked"


@pytest.mark.parametrize("line", ["Content-Length: 5", CHUNKED, "Host: evil",
                                  "Authorization: Basic eA==", "Connection: close"])
def test_framing_and_routing_fields_never_pass_as_trailers(lab, line):
    """RFC 9110 section 6.5.1: what controls framing, routing or access is no trailer."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Transfer-Encoding: chunked"), chunked(b"a", trailers=[line]))
    status = client.read_response("POST").status
    assert status in (200, 400)
    assert all(seen.trailers == [] for seen in origin.requests)
    assert origin.received().count(line.encode()) <= (line == CHUNKED)


@pytest.mark.parametrize("line", ["Content-Length: 5", "Transfer-Encoding: chunked",
                                  "Set-Cookie: a=b", "Connection: close"])
def test_response_trailers_that_must_not_be(lab, line):
    """RFC 9110 section 6.5.1, the other way."""
    client = lab.client(lab.proxy(lab.origin(serve(lambda seen: with_trailers("X-Sum: 1", line)))))
    try:
        response = client.get()
    except Closed as cut:  # the head is out when the trailer comes: all that is left is to cut
        assert line.encode() not in cut.rest
        return
    assert response.status in (200, 502)
    assert line.split(":")[0].lower() not in [name.lower() for name, _ in response.trailers]


def test_malformed_trailer_is_refused(lab):
    """RFC 9112 section 7.1.2: trailers are field lines; the origin never sees a whole message."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Transfer-Encoding: chunked"),
                b"1\r\na\r\n0\r\nX-Bad : 1\r\n\r\n")
    assert client.read_response("POST").status == 400
    client.expect_end()
    assert not origin.requests


def test_http_1_0_client_gets_the_body_without_trailers(lab):
    """RFC 9112 section 7.1.2: a recipient that removes chunked discards or merges trailers."""
    client = lab.client(lab.proxy(lab.origin(serve(lambda seen: with_trailers("X-Sum: 1")))))
    response = client.ask(request(version="1.0"))
    assert response.body == b"hello world"
    assert response.framing in ("close", "length")


def test_many_exchanges_with_trailers_on_one_connection(lab):
    """The connection stays in step on both sides."""
    origin = lab.origin(serve(lambda seen: with_trailers(f"X-Sum: {seen.target}")))
    client = lab.client(lab.proxy(origin))
    for number in range(20):
        client.send(request("POST", f"/{number}", "Transfer-Encoding: chunked"),
                    chunked(b"q" * number, trailers=[f"X-N: {number}"]))
        assert client.read_response("POST").trailers == [("X-Sum", f"/{number}")]
    assert len(origin.connections) == 1
    assert origin.requests[7].trailers == [("X-N", "7")]
