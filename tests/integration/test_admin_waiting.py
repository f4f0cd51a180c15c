"""Requests to the management API that come at once: there is memory for a few large answers, and the
others wait for their turn."""
import contextlib
import os
import signal
import socket

import pytest

from lib.admin import managed
from lib.client import request
from lib.wire import WAIT_SECONDS

LARGE = 4  # answers at once


def post(number):
    body = b'{"url": "http://127.0.0.1:%d"}' % (2000 + number)
    return request("POST", "/backends", "Content-Type: application/json",
                   f"Content-Length: {len(body)}", host="localhost") + body


def test_changes_at_the_same_time(lab):
    proxy = managed(lab, lab.origin())
    clients = [lab.client(proxy.admin) for _ in range(40)]
    engine = proxy.engine_pid
    os.kill(engine, signal.SIGSTOP)
    for number, client in enumerate(clients):
        client.send(post(number))
    os.kill(engine, signal.SIGCONT)
    assert [client.read_response("POST").status for client in clients] == [201] * 40


class Stalled:
    """Has asked for more than the kernel's buffers hold, and reads nothing of the answer."""

    def __init__(self, proxy):
        self.sock = socket.socket()
        self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        self.sock.settimeout(WAIT_SECONDS)
        self.sock.connect(proxy.admin)
        self.sock.sendall(request("GET", "/metrics", host="localhost"))
        assert self.sock.recv(1, socket.MSG_PEEK)

    def close(self):
        self.sock.close()


@pytest.fixture(name="busy")
def busy_api(lab):
    """(a proxy all of whose large answers are on their way to somebody who does not read, these)."""
    backends = [{"id": f"backend-{index:055}", "url": "http://127.0.0.1:1"} for index in range(4000)]
    proxy = managed(lab, *backends)
    with contextlib.ExitStack() as stack:
        yield proxy, [stack.enter_context(contextlib.closing(Stalled(proxy))) for _ in range(LARGE)]


def asking(lab, proxy):
    """A client that has asked for something that needs a turn."""
    client = lab.client(proxy.admin)
    client.send(request("GET", f"/backends/backend-{7:055}", host="localhost"))
    return client


def test_a_turn_that_comes(lab, busy):
    """Whoever leaves while it waits holds up nobody; the API answers other things meanwhile."""
    proxy, stalled = busy
    first, reset, gone, last = (asking(lab, proxy) for _ in range(4))
    healthy = request("GET", "/healthz", host="localhost")
    assert lab.ask(proxy.admin, healthy).status == 200
    reset.reset()
    gone.close()
    stalled[0].close()
    assert first.read_response("GET").status == 200
    assert last.read_response("GET").status == 200
    last.send(healthy)
    assert last.read_response("GET").status == 200


def test_a_turn_that_does_not_come(lab, busy):
    """It is said after a while, and the connection goes on."""
    client = asking(lab, busy[0])
    refused = client.read_response("GET")
    assert refused.status == 503 and b"too many large answers" in refused.body
    assert client.ask(request("GET", "/healthz", host="localhost")).status == 200
