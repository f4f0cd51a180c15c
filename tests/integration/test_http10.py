"""HTTP/1.0 on either side (RFC 9112 appendix C.2) and bodies that end with the connection."""
import threading

import pytest

from lib.client import chunked, request
from lib.origin import answer, serve, wait_event
from lib.wire import Closed

CLOSE_DELIMITED = "HTTP/1.0 200 OK\r\nX-A: b\r\n\r\n"


def close_delimited(head=CLOSE_DELIMITED, size=70_000):
    def handler(connection):
        connection.read_request()
        connection.send(head, b"z" * size)
    return handler


def assert_cut(client, response):
    """The rest of the body ends in a way that no client takes for complete."""
    if response.framing == "close":
        with pytest.raises(Closed) as end:
            while True:
                client.fill()
        assert end.value.reset, "an orderly end makes the body look complete"
    else:
        with pytest.raises(Closed):
            client.read_body(response, 0)


def test_client_without_keep_alive(lab):
    """RFC 9112 section 9.3: a 1.0 connection ends with the response unless asked otherwise."""
    client = lab.client(lab.proxy(lab.origin()))
    response = client.ask(request(version="1.0"))
    assert response.status == 200
    client.expect_end(allow_reset=False)


def test_client_with_keep_alive(lab):
    """RFC 9112 appendix C.2.2: the option is repeated in the response, and the connection stays."""
    client = lab.client(lab.proxy(lab.origin(serve(lambda seen: answer("x")))))
    for _ in range(3):
        response = client.ask(request("GET", "/", "Connection: keep-alive", version="1.0"))
        assert response.has_token("Connection", "keep-alive")
        assert response.body == b"x"


def test_client_without_host(lab):
    """RFC 9110 section 7.2: what goes on as HTTP/1.1 has exactly one Host."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request(version="1.0", host=None)).status == 200
    host, port = origin.address
    assert origin.requests[0].get_all("Host") == [f"{host}:{port}"]


def test_chunked_answer_to_a_1_0_client(lab):
    """RFC 9112 section 6.1: no Transfer-Encoding to a 1.0 client; the end of the connection ends
    the body."""
    origin = lab.origin(serve(lambda seen: b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                              + chunked(b"a" * 30_000, b"b" * 30_000)))
    proxy = lab.proxy(origin)
    for lines in ([], ["Connection: keep-alive"]):
        client = lab.client(proxy)
        response = client.ask(request("GET", "/", *lines, version="1.0"))
        assert response.framing == "close"
        assert response.body == b"a" * 30_000 + b"b" * 30_000


def test_chunked_answer_cut_short_to_a_1_0_client(lab):
    """Where the end of the connection ends a body, only a reset can say "cut short"."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nhello\r\n")

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request(version="1.0"))
    assert_cut(client, client.read_response(body=False))


def test_chunked_upload_in_1_0_is_refused(lab):
    """RFC 9112 section 6.1: Transfer-Encoding in a 1.0 message is faulty framing."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Transfer-Encoding: chunked", version="1.0"), chunked(b"a"))
    assert client.read_response("POST").status == 400
    client.expect_end()
    assert not origin.received()


def test_upload_from_a_1_0_client(lab):
    """Content-Length frames the body in 1.0 too."""
    origin = lab.origin()
    response = lab.ask(lab.proxy(origin), request("POST", "/", body=b"abc", version="1.0"))
    assert response.status == 200
    assert origin.requests[0].body == b"abc"


def test_origin_1_0_with_length(lab):
    """A 1.0 origin closes after its answer: it is not pooled, and the client does not notice."""
    def handler(connection):
        connection.read_request()
        connection.send(answer("abc", version="1.0"))

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    for _ in range(5):
        response = client.get()
        assert (response.version, response.body) == ("1.1", b"abc")
        assert not response.has_token("Connection", "close")
    assert len(origin.connections) == 5


def test_origin_1_0_with_keep_alive(lab):
    """RFC 9112 appendix C.2.2: it may be reused, and the option itself stays on its hop."""
    origin = lab.origin(serve(lambda seen: answer("abc", "Connection: keep-alive",
                                                  "Keep-Alive: timeout=5", version="1.0")))
    client = lab.client(lab.proxy(origin))
    for _ in range(5):
        response = client.get()
        assert response.body == b"abc"
        assert response.get("Keep-Alive") is None


@pytest.mark.parametrize("head", [CLOSE_DELIMITED, CLOSE_DELIMITED.replace("1.0", "1.1"),
                                  "HTTP/1.1 200 OK\r\nConnection: close\r\n\r\n"])
def test_body_that_ends_with_the_connection(lab, head):
    """RFC 9112 section 6.3, rule 8; the client gets all of it, framed so that it can tell."""
    client = lab.client(lab.proxy(lab.origin(close_delimited(head))))
    response = client.get()
    assert response.framing in ("chunked", "close")
    assert response.body == b"z" * 70_000


def test_body_that_ends_with_the_connection_to_a_1_0_client(lab):
    """Both sides end with the connection."""
    response = lab.ask(lab.proxy(lab.origin(close_delimited())), request(version="1.0"))
    assert (response.framing, len(response.body)) == ("close", 70_000)


def test_reset_is_no_orderly_end_of_such_a_body(lab):
    """RFC 9112 section 8: a connection that broke does not complete a message."""
    seen = threading.Event()

    def handler(connection):
        connection.read_request()
        connection.send(CLOSE_DELIMITED, b"partial")
        wait_event(seen)
        connection.reset()

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request())
    response = client.read_response(body=False)
    if response.framing == "chunked":
        assert client.read_chunk() == b"partial"
    else:
        assert client.read_exactly(7) == b"partial"
    seen.set()
    assert_cut(client, response)
