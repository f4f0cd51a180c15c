"""Scripted origins: a thread per connection runs a function of the test on the raw socket."""
import contextlib
import hashlib
import json
import socket
import threading
import time
import traceback

from lib.client import socket_for
from lib.wire import WAIT_SECONDS, Closed, Stream


def answer(body=b"", *lines, status="200 OK", version="1.1"):
    """A response with Content-Length as bytes."""
    body = body.encode() if isinstance(body, str) else body
    head = [f"HTTP/{version} {status}", f"Content-Length: {len(body)}", *lines, "", ""]
    return "\r\n".join(head).encode("latin-1") + body


def echo(request):
    """A response that tells, as JSON, what the origin was sent."""
    seen = {"method": request.method, "target": request.target, "version": request.version,
            "headers": request.headers, "framing": request.framing, "length": len(request.body),
            "sha256": hashlib.sha256(request.body).hexdigest(), "trailers": request.trailers}
    return answer(json.dumps(seen), "Content-Type: application/json")


def serve(respond):
    """A handler that answers request after request with respond(request) -> bytes."""
    def handler(connection):
        while True:
            connection.send(respond(connection.read_request()))
    return handler


def named(name):
    """A handler that answers every request with this name."""
    return serve(lambda seen: answer(name))


def twins(lab, *names):
    """Origins on one port, at 127.0.0.1, 127.0.0.2 and so on."""
    first = lab.origin(named(names[0]))
    port = first.address[1]
    return [first] + [lab.origin(named(name), address=(f"127.0.0.{index}", port))
                      for index, name in enumerate(names[1:], start=2)]


class Connection(Stream):
    """An accepted connection; `index` counts from 0 in order of acceptance."""

    def __init__(self, sock, origin, index):
        super().__init__(sock, record=True)
        self.origin, self.index = origin, index
        self.requests = []
        self.ended = threading.Event()  # the handler is through

    def read_request(self, body=True):
        """The next one, however long nobody asks: a connection may be idle for a whole test."""
        patience = self.sock.gettimeout()
        self.sock.settimeout(None)
        if not self.buffer:
            self.fill()
        self.sock.settimeout(patience)
        request = super().read_request(body)
        self.requests.append(request)
        self.origin.requests.append(request)
        return request

    def wait_closed(self):
        """Waits until the proxy ended the connection; returns what it sent before."""
        return self.read_to_end()


class Origin:
    """A listening socket whose connections are each given to `handler(connection)`.

    `sock` is one that is bound already. Tests read `connections` and `requests`. A handler's own
    error (not: the peer went away) is kept and raised by close(), so that it fails the test.
    """

    def __init__(self, handler=None, address=("127.0.0.1", 0), receive_bytes=None, sock=None):
        self.handler = handler or serve(echo)
        self.connections, self.requests, self.failures = [], [], []
        self.threads = []
        self.closing = threading.Event()  # for scripts that only wait for the test's end
        self.listener = sock or socket_for(address)
        self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if receive_bytes is not None:
            self.listener.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if sock is None:
            self.listener.bind(address)
        self.listener.listen(1024)
        self.address = self.listener.getsockname()
        self.threads.append(threading.Thread(target=self.accept_all, daemon=True))
        self.threads[0].start()

    @property
    def url(self):
        if isinstance(self.address, str):
            return f"unix:{self.address}"
        host = f"[{self.address[0]}]" if ":" in self.address[0] else self.address[0]
        return f"http://{host}:{self.address[1]}"

    def accept_all(self):
        while True:
            try:
                sock, _ = self.listener.accept()
            except OSError:
                return
            if sock.family != socket.AF_UNIX:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            connection = Connection(sock, self, len(self.connections))
            self.connections.append(connection)
            thread = threading.Thread(target=self.run, args=(connection,), daemon=True)
            self.threads.append(thread)
            thread.start()

    def run(self, connection):
        try:
            self.handler(connection)
        except (Closed, OSError):
            pass  # the proxy ended it: the test judges by what it sees elsewhere
        except BaseException:  # pylint: disable=broad-except
            if not self.closing.is_set():
                self.failures.append(traceback.format_exc())
        finally:
            with contextlib.suppress(OSError):
                connection.close()
            connection.ended.set()

    def wait_connections(self, count):
        wait_until(lambda: len(self.connections) >= count, f"{count} connections at the origin")

    def wait_requests(self, count):
        wait_until(lambda: len(self.requests) >= count, f"{count} requests at the origin")

    def received(self):
        """All bytes of all connections."""
        return b"".join(bytes(connection.received) for connection in self.connections)

    def stop_listening(self):
        """From now on connects are refused; accepted connections go on."""
        with contextlib.suppress(OSError):
            self.listener.shutdown(socket.SHUT_RDWR)
        self.listener.close()
        self.threads[0].join(WAIT_SECONDS)

    def close(self):
        self.closing.set()
        self.stop_listening()
        for connection in self.connections:
            connection.close()
        for thread in self.threads:
            thread.join(WAIT_SECONDS)
        assert not self.failures, "in an origin's script:\n" + "\n".join(self.failures)


def wait_until(condition, what, seconds=WAIT_SECONDS):
    """Polls for something that must come true within the bound."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, f"did not happen in {seconds} s: {what}"
        time.sleep(0.005)


def wait_event(event, what="an event"):
    assert event.wait(WAIT_SECONDS), f"did not happen in {WAIT_SECONDS} s: {what}"
