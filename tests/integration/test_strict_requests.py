"""Refused requests: a status, then close, and nothing reaches the origin (issue, "Strict").

The vectors in tests/conformance cover the rules; here is one of each kind, with what else is
promised about refusals.
"""
import pytest

from lib.client import chunked, request

REFUSED = {
    "bare LF": (b"GET / HTTP/1.1\nHost: a\n\n", 400),
    "bare CR in a value": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\rb\r\n\r\n", 400),
    "space before colon": (b"GET / HTTP/1.1\r\nHost : a\r\n\r\n", 400),
    "folded line": (b"GET / HTTP/1.1\r\nHost: a\r\nX: a\r\n b\r\n\r\n", 400),
    "NUL": (b"GET / HTTP/1.1\r\nHost: a\r\nX: \x00\r\n\r\n", 400),
    "no Host": (b"GET / HTTP/1.1\r\n\r\n", 400),
    "two Hosts": (b"GET / HTTP/1.1\r\nHost: a\r\nHost: a\r\n\r\n", 400),
    "bad method": (b"G@T / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "two spaces": (b"GET  / HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "no target": (b"GET HTTP/1.1\r\nHost: a\r\n\r\n", 400),
    "HTTP/0.9": (b"GET /\r\n\r\n", 400),
    "HTTP/2.0": (b"GET / HTTP/2.0\r\nHost: a\r\n\r\n", 505),
    "CONNECT": (b"CONNECT a:443 HTTP/1.1\r\nHost: a:443\r\n\r\n", 501),
    "length and chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n"
                           b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n", 400),
    "two lengths": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\n"
                    b"abcdef", 400),
    "listed length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5, 5\r\n\r\nabcde", 400),
    "signed length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: +5\r\n\r\nabcde", 400),
    "huge length": (b"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 99999999999999999999\r\n\r\n",
                    400),
    "gzip coding": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", 501),
    "chunked twice": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, chunked\r\n\r\n",
                      400),
    "hidden chunked": (b"POST / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n", None),
    "TLS hello": (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", 400),
    "HTTP/2 preface": (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", None),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_and_closed(lab, name):
    """Issue: "Requests: 400, 414, 431, 413, 417, 501, 505 as RFCs say, then close"."""
    data, status = REFUSED[name]
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(data, request("GET", "/smuggled"))
    response = client.read_response()
    assert response.status == status or (status is None and response.status in (400, 501, 505))
    assert response.has_token("Connection", "close")
    client.expect_end()
    assert origin.received() == b""


def test_refusal_arrives_although_the_client_still_sends(lab):
    """RFC 9112 section 9.6: closing with unread input must not reset the answer away."""
    proxy = lab.proxy(lab.origin())
    for _ in range(20):
        client = lab.client(proxy)
        client.send(b"GET / HTTP/1.1\r\nBad Field: x\r\n\r\n" + b"x" * 100_000)
        assert client.read_response().status == 400
        client.close()


def test_target_too_long(lab):
    """RFC 9110 section 15.5.15: 414."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin, limits={"targetBytes": 1000}))
    assert client.get("/" + "a" * 999).status == 200
    client.send(request("GET", "/" + "a" * 1000))
    assert client.read_response().status == 414
    client.expect_end()


def test_head_too_large(lab):
    """RFC 6585 section 5: 431, also before the head's end has been seen."""
    proxy = lab.proxy(lab.origin(), limits={"headBytes": 4096})
    client = lab.client(proxy)
    assert client.get("/", "X: " + "a" * 3900).status == 200
    client.send(request("GET", "/", "X: " + "a" * 4096))
    assert client.read_response().status == 431
    client.expect_end()
    endless = lab.client(proxy)
    endless.send(b"GET / HTTP/1.1\r\nX: " + b"a" * 5000)
    assert endless.read_response().status == 431
    endless.expect_end()


def test_too_many_fields(lab):
    """RFC 6585 section 5: 431."""
    proxy = lab.proxy(lab.origin(), limits={"fields": 20})
    client = lab.client(proxy)
    assert client.get("/", *[f"X{n}: a" for n in range(19)]).status == 200
    client.send(request("GET", "/", *[f"X{n}: a" for n in range(20)]))
    assert client.read_response().status == 431
    client.expect_end()


def test_body_too_large_by_its_length(lab):
    """RFC 9110 section 15.5.14: 413, known from the head alone."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin, limits={"bodyBytes": 1000}))
    assert client.ask(request("POST", "/", body=b"x" * 1000)).status == 200
    client.send(request("POST", "/", "Content-Length: 1001"))
    assert client.read_response("POST").status == 413
    client.expect_end()
    assert len(origin.requests) == 1


def test_body_too_large_by_its_chunks(lab):
    """The limit holds for chunked bodies as they arrive; the origin sees no end of that body."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin, limits={"bodyBytes": 1000}))
    assert client.ask(request("POST", "/", "Transfer-Encoding: chunked") + chunked(b"x" * 1000),
                      "POST").status == 200
    client.send(request("POST", "/", "Transfer-Encoding: chunked"), chunked(b"x" * 600, b"x" * 600))
    assert client.read_response("POST").status == 413
    client.expect_end()
    assert len(origin.requests) == 1


CHUNK_FAULTS = {
    "no digits": b"\r\n", "letters": b"xyz\r\nabc\r\n", "negative": b"-1\r\n",
    "prefix": b"0x3\r\nabc\r\n", "space before": b" 3\r\nabc\r\n", "space behind": b"3 \r\nabc\r\n",
    "overflow": b"10000000000000000\r\n", "all digits": b"ffffffffffffffffff\r\n",
    "bare LF": b"3\nabc\n0\n\n", "data too long": b"3\r\nabcd\r\n0\r\n\r\n",
    "no CRLF behind": b"3\r\nabc0\r\n\r\n", "control in extension": b"3;a=\x01\r\nabc\r\n",
}


@pytest.mark.parametrize("fault", CHUNK_FAULTS)
def test_bad_chunks_never_make_a_whole_request(lab, fault):
    """RFC 9112 section 7.1: the origin, if it saw the head, never sees the end of the body."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Transfer-Encoding: chunked"), CHUNK_FAULTS[fault])
    response = client.read_response("POST")
    assert response.status == 400
    client.expect_end()
    assert not origin.requests
    assert lab.ask(lab.proxies[0], request()).status == 200


def test_chunk_extensions_are_bounded(lab):
    """A chunk extension without end is an attack, not a body."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Transfer-Encoding: chunked"), b"1;" + b"e" * 100_000)
    assert client.read_response("POST").status == 400
    client.expect_end()
    assert not origin.requests
