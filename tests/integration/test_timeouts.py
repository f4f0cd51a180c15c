"""Each timeout ends what it is about, and nothing else (issue, Configuration: timeouts)."""
import threading

import pytest

from lib.client import request
from lib.origin import answer, serve, wait_event
from lib.wire import Closed


def silent(connection):
    """Takes the request and says nothing until the proxy gives up."""
    connection.read_request()
    connection.wait_closed()


def test_response_head(lab):
    """RFC 9110 section 15.6.5: 504, and the upstream is closed."""
    origin = lab.origin(silent)
    client = lab.client(lab.proxy(origin, timeouts={"responseHead": 1000}))
    assert client.ask(request("POST", "/", body=b"x")).status == 504
    wait_event(origin.connections[0].ended, "the proxy closes that upstream")
    origin.handler = serve(lambda seen: answer("fine"))
    assert client.get().body == b"fine"


def test_response_head_begun_but_not_ended(lab):
    """A head that drips counts as none."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nX: ")
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler), timeouts={"responseHead": 200}))
    assert client.ask(request("POST", "/", body=b"x")).status == 504


def test_proxy_timeout_is_the_default_of_both(lab):
    """Setting proxy.timeout."""
    client = lab.client(lab.proxy(lab.origin(silent), proxy={"timeout": 200}))
    assert client.ask(request("POST", "/", body=b"x")).status == 504


def test_response_head_timeout_of_a_route(lab):
    """A route's own timeout goes before the general one."""
    proxy = lab.proxy(lab.origin(silent), routes=[{"path": "/quick",
                                                   "timeouts": {"responseHead": 200}}])
    assert lab.ask(proxy, request("POST", "/quick", body=b"x")).status == 504


def test_response_body_idle(lab):
    """The body that stands still is cut short, visibly."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")
        connection.wait_closed()

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin, timeouts={"responseIdle": 200}))
    client.send(request())
    with pytest.raises(Closed) as end:
        client.read_response()
    assert end.value.rest == b"12345"
    wait_event(origin.connections[0].ended)


def test_response_that_moves_is_not_cut(lab):
    """The limit is on standing still, not on the whole."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n")
        pause = threading.Event()
        for _ in range(10):
            pause.wait(0.25)
            connection.send("x")
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler), timeouts={"responseIdle": 2000}))
    assert client.get().body == b"x" * 10


@pytest.mark.parametrize("part", [b"G", b"GET / HTTP/1.1\r\n", request()[:-2]])
def test_request_head(lab, part):
    """RFC 9110 section 15.5.9: 408 for a head that was begun and not ended, then close."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin, timeouts={"requestHead": 1000}))
    client.send(part)
    response = client.read_response()
    assert response.status == 408
    assert response.has_token("Connection", "close")
    client.expect_end()
    assert not origin.received()


def test_request_head_that_drips(lab):
    """Slowloris: each byte does not start the time anew."""
    client = lab.client(lab.proxy(lab.origin(), timeouts={"requestHead": 1500}))
    stop = threading.Event()

    def drip():
        try:
            client.send(b"GET / HTTP/1.1\r\n")
            while not stop.wait(0.05):
                client.send(b"X: y\r\n")
        except OSError:
            pass

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        assert client.read_response().status == 408
    finally:
        stop.set()
        thread.join()


def test_request_body_idle(lab):
    """408 while nothing was answered; the origin sees no whole request."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin, timeouts={"requestBodyIdle": 200}))
    client.send(request("POST", "/", "Content-Length: 10"), b"12345")
    assert client.read_response("POST").status == 408
    client.expect_end()
    assert not origin.requests


def test_keep_alive(lab):
    """RFC 9112 section 9.5: an idle connection is closed, without a word."""
    client = lab.client(lab.proxy(lab.origin(), timeouts={"keepAlive": 200}))
    assert client.get().status == 200
    client.expect_end(allow_reset=False)


def test_keep_alive_before_the_first_request(lab):
    """A connection that never asks is closed too."""
    client = lab.client(lab.proxy(lab.origin(), timeouts={"keepAlive": 200, "requestHead": 200}))
    rest = client.read_to_end()
    assert rest == b"" or b" 408 " in rest.split(b"\r\n")[0]


def test_other_clients_are_not_concerned(lab):
    """A client that stands still ends alone."""
    origin = lab.origin(lambda connection: (silent if connection.index == 0 else
                                            serve(lambda seen: answer("fine")))(connection))
    proxy = lab.proxy(origin, timeouts={"responseHead": 2000})
    slow = lab.client(proxy)
    slow.send(request("POST", "/", body=b"x"))
    origin.wait_requests(1)
    quick = lab.client(proxy)
    for _ in range(20):
        assert quick.get().body == b"fine"
    assert slow.read_response("POST").status == 504
    assert quick.get().body == b"fine"
