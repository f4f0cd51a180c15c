"""A raw client of the proxy."""
import socket

from lib.wire import WAIT_SECONDS, Stream


class Client(Stream):
    """A connection to the proxy; sends what it is told to, reads strictly."""

    def __init__(self, address, receive_bytes=None, source=None):
        """`address` is (host, port), or the path of a unix socket. `receive_bytes` makes the
        receive buffer small (a slow reader); `source` is the local address to come from."""
        sock = socket_for(address)
        sock.settimeout(WAIT_SECONDS)
        if receive_bytes is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, receive_bytes)
        if source is not None:
            sock.bind((source, 0))
        try:
            sock.connect(address)
        except OSError:
            sock.close()
            raise
        if sock.family != socket.AF_UNIX:
            sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        super().__init__(sock)

    def ask(self, data, method=None):
        """Sends one request (bytes or str, as it stands) and reads its response."""
        self.send(data)
        text = data.encode("latin-1") if isinstance(data, str) else data
        return self.read_response(method or text.split(b" ", 1)[0].decode("latin-1"))

    def get(self, path="/", *lines):
        return self.ask(request("GET", path, *lines))


def socket_for(address):
    if isinstance(address, str):
        return socket.socket(socket.AF_UNIX)
    return socket.socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)


def request(method="GET", path="/", *lines, body=None, host="test.example", version="1.1"):
    """A request as bytes: Host, the given field lines, Content-Length when there is a body."""
    head = [f"{method} {path} HTTP/{version}"]
    if host is not None:
        head.append(f"Host: {host}")
    head += lines
    if body is not None:
        head.append(f"Content-Length: {len(body)}")
    return "\r\n".join(head + ["", ""]).encode("latin-1") + (body or b"")


def chunked(*pieces, trailers=()):
    """A chunked body: the pieces, the last chunk, the trailer lines."""
    body = b"".join(b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces if piece)
    return body + b"0\r\n" + "".join(f"{line}\r\n" for line in trailers).encode() + b"\r\n"
