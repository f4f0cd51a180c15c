"""Backends that answer garbage: 502, their connection is closed, nothing of it is passed on."""
import pytest

from lib.client import request
from lib.origin import answer, serve, wait_event, wait_until

GARBAGE = {
    "no HTTP": b"LEAK\r\n\r\n",
    "SSH": b"SSH-2.0-LEAK\r\n",
    "HTTP/0.9": b"<html>LEAK</html>",
    "HTTP/2.0": b"HTTP/2.0 200 OK\r\nX: LEAK\r\n\r\n",
    "no status": b"HTTP/1.1 OK LEAK\r\n\r\n",
    "two digits": b"HTTP/1.1 20 LEAK\r\n\r\n",
    "four digits": b"HTTP/1.1 2000 LEAK\r\n\r\n",
    "status 999": b"HTTP/1.1 999 LEAK\r\nContent-Length: 0\r\n\r\n",
    "status 099": b"HTTP/1.1 099 LEAK\r\nContent-Length: 0\r\n\r\n",
    "bare LF": b"HTTP/1.1 200 OK\nX: LEAK\nContent-Length: 0\n\n",
    "bare CR": b"HTTP/1.1 200 OK\r\nX: LE\rAK\r\nContent-Length: 4\r\n\r\nLEAK",
    "folded": b"HTTP/1.1 200 OK\r\nX: LEAK\r\n LEAK\r\nContent-Length: 0\r\n\r\n",
    "space before colon": b"HTTP/1.1 200 OK\r\nContent-Length : 4\r\n\r\nLEAK",
    "no colon": b"HTTP/1.1 200 OK\r\nLEAK\r\nContent-Length: 0\r\n\r\n",
    "NUL": b"HTTP/1.1 200 OK\r\nX: LEAK\x00\r\nContent-Length: 0\r\n\r\n",
    "length and chunked": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nTransfer-Encoding: chunked\r\n"
                          b"\r\n4\r\nLEAK\r\n0\r\n\r\n",
    "two lengths": b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\nContent-Length: 5\r\n\r\nLEAK",
    "listed length": b"HTTP/1.1 200 OK\r\nContent-Length: 4, 4\r\n\r\nLEAK",
    "negative length": b"HTTP/1.1 200 OK\r\nContent-Length: -4\r\n\r\nLEAK",
    "length overflow": b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551620\r\n\r\nLEAK",
    "gzip coding": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip\r\n\r\nLEAK",
    "chunked in 1.0": b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                      b"4\r\nLEAK\r\n0\r\n\r\n",
    "chunked in the middle": b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, gzip\r\n\r\nLEAK",
    "garbage behind 1xx": b"HTTP/1.1 103 Early Hints\r\n\r\nLEAK\r\n\r\n",
}


@pytest.mark.parametrize("name", GARBAGE)
def test_garbage_becomes_502(lab, name):
    """Issue: "Backends that answer garbage: 502, that upstream is closed, nothing of it reaches
    the client"."""
    def handler(connection):
        connection.read_request()
        connection.send(GARBAGE[name])
        assert connection.wait_closed() == b""

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    client.send(request())
    response = client.read_response()
    assert response.status == 502
    assert b"LEAK" not in response.head + response.body
    wait_event(origin.connections[0].ended, "the proxy closes that upstream")
    origin.handler = serve(lambda seen: answer("fine"))
    assert lab.ask(lab.proxies[0], request()).body == b"fine"


@pytest.mark.parametrize("name", ["no HTTP", "length and chunked", "bare LF"])
def test_garbage_byte_by_byte(lab, name):
    """The verdict does not depend on how the bytes arrive."""
    def handler(connection):
        connection.read_request()
        for byte in GARBAGE[name]:
            connection.send(bytes([byte]))
        connection.wait_closed()

    response = lab.client(lab.proxy(lab.origin(handler))).get()
    assert response.status == 502
    assert b"LEAK" not in response.head + response.body


def test_response_head_without_end(lab):
    """A head larger than the limit is garbage too, and is not stored without bound."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\n")
        while True:
            connection.send("X-Field: LEAK" + "x" * 1000 + "\r\n")

    proxy = lab.proxy(lab.origin(handler))
    response = lab.client(proxy).get()
    assert response.status == 502
    assert b"LEAK" not in response.head + response.body


def test_end_before_any_response(lab):
    """RFC 9110 section 15.6.3: an invalid answer, be it an empty one, is a 502."""
    response = lab.client(lab.proxy(lab.origin(lambda connection: connection.read_request()))).get()
    assert response.status == 502


def test_end_in_the_middle_of_the_head(lab):
    """RFC 9112 section 8: an incomplete head is no response."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nX: LEAK\r\n")

    response = lab.client(lab.proxy(lab.origin(handler))).get()
    assert response.status == 502
    assert b"LEAK" not in response.head + response.body


CHUNK_FAULTS = {"letters": b"LEAK\r\n", "overflow": b"FFFFFFFFFFFFFFFFF\r\n",
                "bare LF": b"4\nLEAK\n",
                "no CRLF behind": b"4\r\nokayLEAK\r\n", "space": b" 4\r\nLEAK\r\n"}


@pytest.mark.parametrize("fault", CHUNK_FAULTS)
def test_bad_chunks_are_shown_as_cut_short(lab, fault):
    """The head is out: what is left is to end the connection before the body is complete."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")
        connection.send(CHUNK_FAULTS[fault])
        connection.wait_closed()

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    client.send(request())
    everything = client.read_to_end()
    assert b"LEAK" not in everything
    assert not everything.endswith(b"0\r\n\r\n") or b"502" in everything[:20]
    wait_event(origin.connections[0].ended, "the proxy closes that upstream")


def test_a_second_response_is_never_delivered(lab):
    """Response splitting: bytes behind a complete response belong to nobody."""
    def handler(connection):
        connection.read_request()
        if connection.index == 0:
            connection.send(answer("first") + answer("LEAK"))
            assert connection.wait_closed() == b""
        else:
            connection.send(answer("clean"))

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    assert client.get().body == b"first"
    assert client.get().body == b"clean"
    wait_event(origin.connections[0].ended)


def test_a_response_on_an_idle_upstream_is_never_delivered(lab):
    """RFC 9112 section 9.2: an unsolicited response closes its connection."""
    def handler(connection):
        connection.read_request()
        connection.send(answer("first"))
        if connection.index == 0:
            wait_until(lambda: ready, "the client has its answer")
            connection.send(answer("LEAK"))
            assert connection.wait_closed() == b""
            return
        connection.wait_closed()

    ready = []
    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    assert client.get().body == b"first"
    ready.append(True)
    wait_event(origin.connections[0].ended, "the proxy closes that upstream")
    assert client.get().body == b"first"
    assert len(origin.connections) == 2


def test_response_before_the_request(lab):
    """An origin that talks first (a mail server, say) has not answered anything."""
    def handler(connection):
        connection.send(b"220 LEAK ready\r\n")
        connection.wait_closed()

    response = lab.client(lab.proxy(lab.origin(handler))).get()
    assert response.status == 502
    assert b"LEAK" not in response.head + response.body
