"""Nothing waits in the proxy for more (issue, Forwarding: "streaming without buffering")."""
import threading

import pytest

from lib.client import request
from lib.origin import answer
from lib.wire import WAIT_SECONDS

HEADS = {
    "chunked": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n"
               "Transfer-Encoding: chunked\r\n\r\n",
    "length": "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n",
    "close": "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n",
}


def encode(framing, event):
    return b"%x\r\n%s\r\n" % (len(event), event) if framing == "chunked" else event


def read_event(client, framing, length):
    if framing != "chunked":
        return client.read_exactly(length)
    event = b""
    while len(event) < length:
        event += client.read_chunk()
    return event


@pytest.mark.parametrize("framing", HEADS)
def test_each_event_arrives_before_the_next_is_sent(lab, framing):
    """Server-sent events: the origin goes on only when the client saw the last event."""
    turn = threading.Semaphore(0)

    def handler(connection):
        connection.read_request()
        connection.send(HEADS[framing])
        for number in range(20):
            assert turn.acquire(timeout=WAIT_SECONDS)
            connection.send(encode(framing, b"data: %02d\n\n" % number))
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("GET", "/", "Accept: text/event-stream"))
    framed = client.read_response(body=False).framing  # the head comes before any event
    for number in range(20):
        turn.release()
        assert read_event(client, framed, 10) == b"data: %02d\n\n" % number
    client.close()


@pytest.mark.parametrize("framing", ["chunked", "length"])
def test_upload_arrives_piece_by_piece(lab, framing):
    """The same from the client to the origin."""
    turn = threading.Semaphore(0)

    def handler(connection):
        head = connection.read_request(body=False)
        turn.release()
        for number in range(20):
            assert read_event(connection, head.framing, 4) == b"%04d" % number
            turn.release()
        if head.framing == "chunked":
            assert connection.read_chunk() == b"" and connection.read_trailers() == []
        connection.send(answer("all"))

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Transfer-Encoding: chunked" if framing == "chunked"
                        else "Content-Length: 80"))
    for number in range(20):
        assert turn.acquire(timeout=WAIT_SECONDS), "the origin did not see what was sent"
        client.send(encode(framing, b"%04d" % number))
    if framing == "chunked":
        client.send(b"0\r\n\r\n")
    assert client.read_response("POST").body == b"all"


def test_one_byte_at_a_time(lab):
    """Small pieces are forwarded as they come and add up."""
    def handler(connection):
        connection.read_request()
        for byte in answer(b"0123456789" * 20, "X-Slow: yes"):
            connection.send(bytes([byte]))
        connection.wait_closed()

    response = lab.client(lab.proxy(lab.origin(handler))).get()
    assert (response.body, response.get("X-Slow")) == (b"0123456789" * 20, "yes")


def test_many_streams_at_once(lab):
    """Fifty open event streams on one worker, each gets its own events."""
    def handler(connection):
        number = connection.read_request().target
        connection.send(HEADS["chunked"])
        for event in range(5):
            connection.send(encode("chunked", f"{number}:{event};".encode()))
        connection.wait_closed()

    proxy = lab.proxy(lab.origin(handler))
    clients = [lab.client(proxy) for _ in range(50)]
    for number, client in enumerate(clients):
        client.send(request("GET", f"/{number}"))
    for number, client in enumerate(clients):
        client.read_response(body=False)
        expected = "".join(f"/{number}:{event};" for event in range(5)).encode()
        assert read_event(client, "chunked", len(expected)) == expected
