"""HTTP/1.1 messages on a socket, read strictly: what is not exactly as RFC 9112 says is an error.

The tests must not inherit the leniency of a library, so every byte is looked at here: line ends,
field syntax, exactly one framing per message, chunk headers and trailers.
"""
import dataclasses
import re
import socket
import struct

# Every wait in the tests is bounded by this; nothing here takes a tenth of it when it works, but a
# machine that is busy with something else may stand still for a while.
WAIT_SECONDS = 60

TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+\Z")
STATUS_LINE = re.compile(rb"HTTP/(\d\.\d) ([1-5]\d\d) ([\t\x20-\x7e\x80-\xff]*)\Z")
REQUEST_LINE = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) ([\x21-\x7e]+) HTTP/(\d\.\d)\Z")
CHUNK_LINE = re.compile(rb"([0-9A-Fa-f]{1,16})((?:;[\t\x20-\x7e]*)?)\Z")
HEAD_BYTES_MAX = 1 << 20


class WireError(AssertionError):
    """The peer sent something that HTTP/1.1 does not allow."""


class Closed(Exception):
    """The peer ended the connection before what was waited for; `rest` came before the end."""

    def __init__(self, rest, reset):
        super().__init__(f"{'reset' if reset else 'closed'} after {bytes(rest)[:200]!r}")
        self.rest, self.reset = bytes(rest), reset


@dataclasses.dataclass
class Message:
    """A head and what belongs to it; `headers` in order, names as they were sent."""
    start: bytes
    headers: list
    version: str = "1.1"
    status: int = 0
    reason: str = ""
    method: str = ""
    target: str = ""
    body: bytes = b""
    framing: str = "none"  # none, length, chunked, close, tunnel
    chunks: list = dataclasses.field(default_factory=list)
    trailers: list = dataclasses.field(default_factory=list)
    interim: list = dataclasses.field(default_factory=list)  # 1xx responses before this one
    head: bytes = b""

    def get_all(self, name):
        return [value for key, value in self.headers if key.lower() == name.lower()]

    def get(self, name, default=None):
        """The value of a field that may be there once at most."""
        values = self.get_all(name)
        assert len(values) <= 1, f"{name} came {len(values)} times: {values}"
        return values[0] if values else default

    def has_token(self, name, token):
        """Whether a comma-separated list field holds the token."""
        elements = ",".join(self.get_all(name)).split(",")
        return token.lower() in [element.strip().lower() for element in elements]


def fields_parse(lines):
    """Field lines to (name, value) pairs of str, latin-1 so that every byte survives."""
    fields = []
    for line in lines:
        name, colon, value = line.partition(b":")
        if not colon or not TOKEN.match(name):
            raise WireError(f"bad field line {line!r}")
        value = value.strip(b" \t")
        if re.search(rb"[\x00-\x08\x0a-\x1f\x7f]", value):
            raise WireError(f"control byte in {line!r}")
        fields.append((name.decode("latin-1"), value.decode("latin-1")))
    return fields


def head_parse(head):
    """A whole head, its empty line included, to a Message of either kind."""
    assert head.endswith(b"\r\n\r\n")
    lines = head[:-4].split(b"\r\n")
    for line in lines:
        if b"\r" in line or b"\n" in line:
            raise WireError(f"bare CR or LF in {line!r}")
    message = Message(start=lines[0], headers=fields_parse(lines[1:]), head=bytes(head))
    if answer := STATUS_LINE.match(lines[0]):
        message.version = answer[1].decode()
        message.status, message.reason = int(answer[2]), answer[3].decode("latin-1")
    elif request := REQUEST_LINE.match(lines[0]):
        message.method, message.target = request[1].decode(), request[2].decode()
        message.version = request[3].decode()
    else:
        raise WireError(f"neither a request nor a status line: {lines[0]!r}")
    return message


def framing_find(message, request_method=None):
    """The one framing of a message and, for "length", its length (RFC 9112 section 6.3)."""
    codings, lengths = message.get_all("Transfer-Encoding"), message.get_all("Content-Length")
    if codings and lengths:
        raise WireError(f"both framings: {message.head!r}")
    if len(lengths) > 1 or any(not re.fullmatch(r"\d+", length) for length in lengths):
        raise WireError(f"bad Content-Length: {lengths}")
    if codings and [coding.lower() for coding in codings] != ["chunked"]:
        raise WireError(f"bad Transfer-Encoding: {codings}")
    if message.status and (codings or lengths) and message.status < 200:
        raise WireError(f"framing in a 1xx: {message.head!r}")
    if message.status == 204 and (codings or lengths):
        raise WireError(f"framing in a 204: {message.head!r}")
    if message.status == 101:
        return "tunnel", 0
    if message.status and (request_method == "HEAD" or message.status in (204, 304)
                           or message.status < 200):
        return "none", 0
    if codings:
        return "chunked", 0
    if lengths:
        return "length", int(lengths[0])
    return ("close", 0) if message.status else ("none", 0)


class Stream:
    """A connected socket with a read buffer, either side of an HTTP/1.1 connection."""

    def __init__(self, sock, record=False):
        sock.settimeout(WAIT_SECONDS)
        self.sock = sock
        self.buffer = bytearray()
        self.received = bytearray() if record else None

    # ---- Sending and ending ----

    def send(self, *parts):
        for part in parts:
            self.sock.sendall(part.encode("latin-1") if isinstance(part, str) else part)

    def half_close(self):
        self.sock.shutdown(socket.SHUT_WR)

    def close(self):
        """Ends both directions now, also when another thread is waiting in recv."""
        try:
            self.sock.shutdown(socket.SHUT_RDWR)
        except OSError:
            pass
        self.sock.close()

    def reset(self):
        """Ends the connection with RST."""
        try:
            self.sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        except OSError:
            pass
        self.sock.close()

    # ---- Bytes ----

    def fill(self):
        """Waits for more bytes; Closed when there are none to come."""
        try:
            data = self.sock.recv(1 << 16)
        except TimeoutError:
            raise AssertionError(f"nothing came in {WAIT_SECONDS} s; unread so far: "
                                 f"{bytes(self.buffer)[:300]!r}") from None
        except OSError as error:
            raise Closed(self.buffer, True) from error
        if not data:
            raise Closed(self.buffer, False)
        self.buffer += data
        if self.received is not None:
            self.received += data

    def take(self, count):
        data = bytes(self.buffer[:count])
        del self.buffer[:count]
        return data

    def read_exactly(self, count):
        while len(self.buffer) < count:
            self.fill()
        return self.take(count)

    def read_until(self, mark):
        """Everything up to and with the mark."""
        searched = 0
        while (at := self.buffer.find(mark, searched)) < 0:
            if len(self.buffer) > HEAD_BYTES_MAX:
                raise WireError(f"no {mark!r} in {HEAD_BYTES_MAX} bytes")
            searched = max(0, len(self.buffer) - len(mark) + 1)
            self.fill()
        return self.take(at + len(mark))

    def read_some(self):
        if not self.buffer:
            self.fill()
        return self.take(len(self.buffer))

    def read_to_end(self, allow_reset=True):
        """All bytes up to the peer's end of the connection."""
        try:
            while True:
                self.fill()
        except Closed as end:
            assert allow_reset or not end.reset, f"reset instead of an orderly end: {end}"
        return self.take(len(self.buffer))

    def expect_end(self, allow_reset=True):
        """The peer ends the connection and sends nothing more before."""
        rest = self.read_to_end(allow_reset)
        assert rest == b"", f"unexpected bytes before the end: {rest[:300]!r}"

    # ---- Messages ----

    def read_head(self):
        return head_parse(self.read_until(b"\r\n\r\n"))

    def read_chunk(self):
        """One chunk's payload; b"" for the last chunk, whose trailers are still to be read."""
        line = self.read_until(b"\r\n")[:-2]
        header = CHUNK_LINE.match(line)
        if not header:
            raise WireError(f"bad chunk header {line!r}")
        size = int(header[1], 16)
        data = self.read_exactly(size)
        if size and (end := self.read_exactly(2)) != b"\r\n":
            raise WireError(f"chunk data not followed by CRLF: {end!r}")
        return data

    def read_trailers(self):
        lines = []
        while (line := self.read_until(b"\r\n")) != b"\r\n":
            if b"\r" in line[:-2] or b"\n" in line[:-2]:
                raise WireError(f"bare CR or LF in {line!r}")
            lines.append(line[:-2])
        return fields_parse(lines)

    def read_body(self, message, length):
        """Reads the body that `message.framing` announces into the message."""
        if message.framing == "length":
            message.body = self.read_exactly(length)
        elif message.framing == "chunked":
            while chunk := self.read_chunk():
                message.chunks.append(len(chunk))
                message.body += chunk
            message.trailers = self.read_trailers()
        elif message.framing == "close":
            message.body = self.read_to_end(allow_reset=False)

    def read_request(self, body=True):
        message = self.read_head()
        assert message.method, f"not a request: {message.start!r}"
        message.framing, length = framing_find(message)
        if body:
            self.read_body(message, length)
        return message

    def read_response(self, method="GET", body=True):
        """One final response; interim ones before it are collected in `.interim`."""
        interim = []
        while True:
            message = self.read_head()
            assert message.status, f"not a response: {message.start!r}"
            message.framing, length = framing_find(message, method)
            if message.status >= 200 or message.status == 101:
                break
            interim.append(message)
        message.interim = interim
        if body:
            self.read_body(message, length)
        return message
