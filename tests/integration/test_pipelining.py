"""Pipelined requests are answered in order (RFC 9112 section 9.3.2)."""
import threading

import pytest

from lib.client import chunked, request
from lib.origin import answer, serve, wait_event


def target(seen):
    return answer(f"{seen.method} {seen.target} {seen.body.decode()}")


def test_fifty_requests_in_one_segment(lab):
    """Issue, Forwarding: "pipelining (answers in order)"."""
    client = lab.client(lab.proxy(lab.origin(serve(target))))
    client.send(b"".join(request("GET", f"/{number}") for number in range(50)))
    for number in range(50):
        assert client.read_response().body == f"GET /{number} ".encode()


def test_requests_byte_by_byte(lab):
    """A request may be split anywhere; the answers are the same."""
    client = lab.client(lab.proxy(lab.origin(serve(target))))
    stream = (request("GET", "/a") + request("POST", "/b", body=b"xyz")
              + request("PUT", "/c", "Transfer-Encoding: chunked") + chunked(b"12", b"3")
              + request("GET", "/d"))
    for byte in stream:
        client.send(bytes([byte]))
    bodies = [client.read_response().body for _ in range(4)]
    assert bodies == [b"GET /a ", b"POST /b xyz", b"PUT /c 123", b"GET /d "]


@pytest.mark.parametrize("cut", range(1, 40, 3))
def test_segment_borders_anywhere(shared, cut):
    """Segments that end inside heads and bodies, in turn at every distance."""
    if not shared.proxies:
        shared.proxy(shared.origin(serve(target)))
    client = shared.client(shared.proxies[0])
    stream = b"".join(request("POST", f"/{n}", body=b"b" * n) for n in range(6))
    for at in range(0, len(stream), cut * 7):
        client.send(stream[at:at + cut * 7])
    for number in range(6):
        assert client.read_response().body == f"POST /{number} {'b' * number}".encode()
    client.close()


def test_bodies_between_heads(lab):
    """Each body ends where its framing says, and the next head begins there (RFC 9112 6.3)."""
    client = lab.client(lab.proxy(lab.origin(serve(target))))
    client.send(*(request("POST", f"/{n}", body=b"z" * n)
                  + request("POST", "/chunked", "Transfer-Encoding: chunked")
                  + chunked(b"q" * (n + 1), b"GET / HTTP/1.1\r\n\r\n") for n in range(20)))
    for number in range(20):
        assert client.read_response().body == f"POST /{number} {'z' * number}".encode()
        expected = b"POST /chunked " + b"q" * (number + 1) + b"GET / HTTP/1.1\r\n\r\n"
        assert client.read_response().body == expected


def test_slow_first_answer_does_not_let_the_second_pass(lab):
    """RFC 9112 section 9.3.2: responses in the order of the requests."""
    gate, first_came = threading.Event(), threading.Event()

    def respond(seen):
        if seen.target == "/slow":
            first_came.set()
            wait_event(gate)
        return target(seen)

    client = lab.client(lab.proxy(lab.origin(serve(respond)), lab.origin(serve(respond))))
    client.send(request("GET", "/slow") + request("GET", "/fast"))
    wait_event(first_came)
    assert not client.buffer
    gate.set()
    assert client.read_response().body == b"GET /slow "
    assert client.read_response().body == b"GET /fast "


def test_head_between_gets(lab):
    """A HEAD has no body, so the next answer follows its head (RFC 9110 section 9.3.2)."""
    client = lab.client(lab.proxy(lab.origin(
        serve(lambda seen: answer("body") if seen.method == "GET"
              else answer("body")[:-len("body")]))))
    client.send(request("GET") + request("HEAD") + request("GET"))
    assert client.read_response("GET").body == b"body"
    assert client.read_response("HEAD").get("Content-Length") == "4"
    assert client.read_response("GET").body == b"body"


def test_bad_request_behind_good_ones(lab):
    """The good ones are answered, the bad one is refused, and nothing behind it is read."""
    origin = lab.origin(serve(target))
    client = lab.client(lab.proxy(origin))
    client.send(request("GET", "/1") + request("GET", "/2") + b"GET /3 HTTP/1.1\r\nHost : x\r\n\r\n"
                + request("GET", "/4"))
    assert client.read_response().body == b"GET /1 "
    assert client.read_response().body == b"GET /2 "
    assert client.read_response().status == 400
    client.expect_end()
    assert [seen.target for seen in origin.requests] == ["/1", "/2"]


def test_nothing_behind_connection_close_is_served(lab):
    """RFC 9112 section 9.6: after a request with `close` no further one is processed."""
    origin = lab.origin(serve(target))
    client = lab.client(lab.proxy(origin))
    client.send(request("GET", "/1", "Connection: close") + request("GET", "/2"))
    assert client.read_response().body == b"GET /1 "
    client.expect_end()
    assert [seen.target for seen in origin.requests] == ["/1"]
