"""A real Node.js server as the origin, WebSocket included."""
import base64
import gzip
import hashlib
import json
import os

import pytest

from lib import node
from lib.client import chunked, request

pytestmark = pytest.mark.skipif(node.PROGRAM is None, reason="Node.js is not installed")
KEY = base64.b64encode(b"sixteen bytes ok").decode()
ACCEPT = base64.b64encode(hashlib.sha1(
    (KEY + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11").encode()).digest()).decode()


@pytest.fixture(name="proxy", scope="module")
def running(shared):
    return shared.proxy(shared.keep(node.Node()))


@pytest.fixture(name="client")
def connected(shared, proxy):
    client = shared.client(proxy)
    yield client
    client.close()


def test_echo_of_every_framing(client):
    """What Node understood is what the client sent."""
    for size in (0, 1, 5000, 1 << 20):
        body = os.urandom(size)
        plain = json.loads(client.ask(request("POST", "/a?b=c", "X-A: b", body=body)).body)
        client.send(request("PUT", "/d", "Transfer-Encoding: chunked", "Trailer: X-Sum"),
                    chunked(body, trailers=["X-Sum: 7"]))
        pieces = json.loads(client.read_response("PUT").body)
        for seen in (plain, pieces):
            assert (seen["length"], seen["sha256"]) == (size, hashlib.sha256(body).hexdigest())
        assert (plain["method"], plain["url"], plain["headers"]["x-a"]) == ("POST", "/a?b=c", "b")
        assert plain["headers"]["x-forwarded-for"] == "127.0.0.1"
        assert pieces["trailers"] == {"x-sum": "7"}


def test_events(client):
    """A stream without length; it ends, and the connection goes on."""
    expected = "".join(f"data: {n}\n\n" for n in range(10)).encode()
    for _ in range(2):
        assert client.get("/events").body == expected


def test_trailers(client):
    """Node sends them behind its chunked body."""
    response = client.get("/trailers", "TE: trailers")
    assert (response.body, response.trailers) == (b"with trailers", [("X-Sum", "42")])


def test_early_hints(client):
    """103 from Node's own writeEarlyHints."""
    response = client.get("/hints")
    assert [hint.status for hint in response.interim] == [103]
    assert response.interim[0].get("Link") == "</a.css>; rel=preload; as=style"
    assert response.body == b"page"


def test_gzip(client):
    """A compressed stream passes byte for byte."""
    body = gzip.decompress(client.get("/gzip").body)
    assert body == "".join(f"line {n}\n" for n in range(1000)).encode()


def test_expect_continue(client):
    """Node sends 100 by itself before it reads."""
    client.send(request("POST", "/", "Expect: 100-continue", "Content-Length: 3"))
    assert client.read_head().status == 100
    client.send("abc")
    assert json.loads(client.read_response("POST").body)["length"] == 3


def test_pipe_both_ways(client):
    """A body that is sent back while it arrives."""
    body = os.urandom(300_000)
    client.send(request("POST", "/pipe", "Transfer-Encoding: chunked"),
                chunked(*(body[at:at + 10_000] for at in range(0, len(body), 10_000))))
    assert client.read_response("POST").body == body


def frame(opcode, payload):
    """A masked client frame (RFC 6455 section 5.2)."""
    mask = os.urandom(4)
    length = (bytes([0x80 | len(payload)]) if len(payload) < 126
              else bytes([0xfe]) + len(payload).to_bytes(2, "big"))
    masked = bytes(byte ^ mask[at % 4] for at, byte in enumerate(payload))
    return bytes([0x80 | opcode]) + length + mask + masked


def read_frame(client):
    opcode, length = client.read_exactly(2)
    if length == 126:
        length = int.from_bytes(client.read_exactly(2), "big")
    return opcode & 15, client.read_exactly(length)


def test_websocket_echo(client):
    """RFC 6455 through the proxy: handshake, texts of both lengths, close from both sides."""
    client.send(request("GET", "/chat", "Connection: Upgrade", "Upgrade: websocket",
                        f"Sec-WebSocket-Key: {KEY}", "Sec-WebSocket-Version: 13"))
    response = client.read_response()
    assert (response.status, response.get("Sec-WebSocket-Accept")) == (101, ACCEPT)
    for text in (b"hello", b"", b"x" * 125, b"y" * 126, b"z" * 60_000):
        client.send(frame(1, text))
        assert read_frame(client) == (1, text)
    client.send(*(frame(1, b"%d" % n) for n in range(100)))
    assert [read_frame(client)[1] for _ in range(100)] == [b"%d" % n for n in range(100)]
    client.send(frame(8, b"\x03\xe8"))
    assert read_frame(client) == (8, b"\x03\xe8")
    client.expect_end(allow_reset=False)


def test_refused_websocket_is_plain_http(client):
    """An upgrade to what Node does not listen for is an ordinary exchange or a tunnel, in order."""
    client.send(request("GET", "/", "Upgrade: websocket"), request("GET", "/next"))
    assert json.loads(client.read_response().body)["url"] == "/"
    assert json.loads(client.read_response().body)["url"] == "/next"
