"""Slow clients: memory stays bounded and others are served (issue, Tests)."""
import contextlib

import pytest

from lib.client import request
from lib.origin import answer, wait_until
from lib.wire import Closed

# What slow clients may cost in all, with room for sanitizers' shadow: little for those of whom
# nothing is held, and the receive buffers that --print-budget states for those who hold them.
IDLE_KB = 24 * 1024
BUFFERS_KB = 64 * 1024 + IDLE_KB


def handler(connection):
    """/big streams 100 MB, uploads are taken slowly, the rest is answered."""
    while True:
        seen = connection.read_request(body=False)
        if seen.target == "/big":
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 104857600\r\n\r\n")
            for _ in range(1600):
                connection.send(b"z" * 65536)
        elif seen.target == "/never-read":
            connection.origin.closing.wait()
        else:
            connection.send(answer("fine"))


@pytest.fixture(name="proxy")
def running(lab):
    origin = lab.origin(handler)
    proxy = lab.proxy(origin)
    for _ in range(50):
        assert lab.ask(proxy, request()).status == 200
    return proxy


def check_others(lab, proxy, before, limit_kb=IDLE_KB):
    """Others are served, and the slow ones together cost little."""
    client = lab.client(proxy)
    for _ in range(100):
        assert client.get().body == b"fine"
    assert proxy.memory_kb() - before < limit_kb


def test_slowloris(lab, proxy):
    """Two hundred connections whose heads never end."""
    before = proxy.memory_kb()
    slow = [lab.client(proxy) for _ in range(200)]
    for client in slow:
        client.send("GET / HTTP/1.1\r\nHost: a\r\n")
    check_others(lab, proxy, before)
    for number in range(20):
        for client in slow:
            client.send(f"X-{number}: {'y' * 100}\r\n")
    check_others(lab, proxy, before)
    for client in slow:
        client.send("\r\n")
    assert all(client.read_response().status == 200 for client in slow)


def test_slow_bodies(lab, proxy):
    """A hundred uploads that stand still after their first bytes."""
    before = proxy.memory_kb()
    slow = [lab.client(proxy) for _ in range(100)]
    for client in slow:
        client.send(request("POST", "/never-read", "Content-Length: 1000000"), b"b" * 1000)
    check_others(lab, proxy, before)
    for client in slow:
        client.send(b"b" * 1000)
    check_others(lab, proxy, before)
    for client in slow:
        client.close()


def test_slow_reader(lab, proxy):
    """A client that does not read 100 MB: the origin is held back, not buffered."""
    before = proxy.memory_kb()
    slow = lab.client(proxy, receive_bytes=262144)
    slow.send(request("GET", "/big"))
    assert slow.read_head().status == 200
    check_others(lab, proxy, before)
    slow.read_exactly(1 << 20)
    check_others(lab, proxy, before)
    slow.reset()
    check_others(lab, proxy, before)


def test_many_slow_readers(lab, proxy):
    """Sixty of them at once."""
    before = proxy.memory_kb()
    slow = [lab.client(proxy, receive_bytes=8192) for _ in range(60)]
    for client in slow:
        client.send(request("GET", "/big"))
    for client in slow:
        assert client.read_head().status == 200
    check_others(lab, proxy, before, BUFFERS_KB)
    for client in slow:
        client.reset()
    check_others(lab, proxy, before, BUFFERS_KB)


def test_slow_reader_gets_all_of_it(lab, proxy):
    """Held back is not lost: the body comes whole when the client goes on."""
    slow = lab.client(proxy, receive_bytes=262144)
    slow.send(request("GET", "/big"))
    slow.read_head()
    left = 104857600
    while left:
        data = slow.read_some()
        assert data.count(b"z") == len(data) <= left
        left -= len(data)


def test_upload_to_an_origin_that_does_not_read(lab, proxy):
    """The client is held back: it cannot push 100 MB into the proxy."""
    before = proxy.memory_kb()
    pusher = lab.client(proxy)
    pusher.send(request("POST", "/never-read", "Content-Length: 104857600"))
    pusher.sock.settimeout(0.5)
    sent = 0
    try:
        while sent < 104857600:
            sent += pusher.sock.send(b"p" * 65536)
    except TimeoutError:
        pass
    assert sent < 64 << 20
    check_others(lab, proxy, before)
    pusher.reset()


def test_pipelining_without_reading(lab, proxy):
    """Requests without end from clients that never read an answer: they are held back."""
    before = proxy.memory_kb()
    flooders = [lab.client(proxy, receive_bytes=4096) for _ in range(4)]
    for flooder in flooders:
        flooder.sock.settimeout(0.3)
        sent = 0
        try:
            while sent < 64 << 20:
                sent += flooder.sock.send(request() * 500)
        except OSError:  # a timeout when held back, a reset when ended
            pass
        assert sent < 64 << 20
    check_others(lab, proxy, before, BUFFERS_KB)
    for flooder in flooders:
        flooder.reset()


def test_client_limit(lab):
    """Setting limits.clients: more are refused or wait, those who are in are served, and room that
    becomes free is used."""
    proxy = lab.proxy(lab.origin(handler), limits={"clients": 10})
    inside = [lab.client(proxy) for _ in range(8)]
    for client in inside:
        assert client.get().status == 200
    for _ in range(20):
        with contextlib.suppress(OSError, Closed):
            lab.client(proxy).send(request())
    for client in inside:
        assert client.get().status == 200
    for client in lab.clients:
        client.close()

    def served():
        try:
            return lab.ask(proxy, request()).status == 200
        except (Closed, OSError):
            return False

    wait_until(served, "there is room again")
