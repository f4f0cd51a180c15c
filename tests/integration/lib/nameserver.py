"""A scripted name server: UDP and TCP on one free port, answers by name and type."""
import contextlib
import socket
import struct
import threading

from lib.wire import WAIT_SECONDS

A, CNAME, SOA, AAAA, SRV = 1, 5, 6, 28, 33
NOERROR, SERVFAIL, NXDOMAIN, REFUSED = 0, 2, 3, 5
TRUNCATED = 0x0200


def encode_name(name):
    labels = [label for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes([len(label)]) + label.encode() for label in labels) + b"\0"


def read_question(query):
    """Name and type of the one question, and its bytes."""
    labels, at = [], 12
    while query[at]:
        labels.append(query[at + 1:at + 1 + query[at]].decode())
        at += 1 + query[at]
    kind = struct.unpack_from("!H", query, at + 1)[0]
    return ".".join(labels).lower(), kind, query[12:at + 5]


def address(ip):
    """The record for an address, as type and data."""
    if ":" in ip:
        return AAAA, socket.inet_pton(socket.AF_INET6, ip)
    return A, socket.inet_pton(socket.AF_INET, ip)


def record(kind, data, ttl, owner=b"\xc0\x0c"):
    return owner + struct.pack("!HHIH", kind, 1, ttl, len(data)) + data


def response(query, records=(), code=NOERROR, flags=0):
    question = read_question(query)[2]
    head = query[:2] + struct.pack("!HHHHH", 0x8180 | flags | code, 1, len(records), 0, 0)
    return head + question + b"".join(records)


class NameServer:
    """Tests write `answers`: (name, type) to a function that makes a response of a query, or None
    to say nothing. Unknown names do not exist; known names without such a type are empty."""

    def __init__(self):
        self.answers = {}
        self.queries = []  # (name, type, "udp" or "tcp")
        self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.tcp = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        self.bind()
        self.tcp.listen(16)
        self.threads = [threading.Thread(target=run, daemon=True)
                        for run in (self.serve_udp, self.serve_tcp)]
        for thread in self.threads:
            thread.start()

    def bind(self):
        """The same free port for both."""
        while True:
            self.udp.bind(("127.0.0.1", 0))
            try:
                self.tcp.bind(self.udp.getsockname())
                return
            except OSError:
                self.udp.close()
                self.udp = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)

    @property
    def address(self):
        return f"127.0.0.1:{self.udp.getsockname()[1]}"

    def settings(self, **others):
        """The section `dns` for a proxy: quick, so that tests are, but for the timeout, which strikes
        only where a test is about it."""
        return {"servers": [self.address], "timeout": 20_000, "tries": 2,
                "startWait": 60_000, "minTtl": 100,
                "retryInterval": 100, "maxRetryInterval": 200, **others}

    # ---- Scripts ----

    def set(self, name, kind, answer):
        self.answers[name, kind] = answer

    def point(self, name, *ips, ttl=0):
        """The name has these addresses, and no others."""
        made = [address(ip) for ip in ips]
        for family in (A, AAAA):
            self.set(name, family, lambda query, family=family: response(
                query, [record(kind, data, ttl) for kind, data in made if kind == family]))

    def services(self, name, *targets, ttl=0):
        """SRV records: (priority, weight, port, host) each."""
        made = [record(SRV, struct.pack("!HHH", *target[:3]) + encode_name(target[3]), ttl)
                for target in targets]
        self.set(name, SRV, lambda query: response(query, made))

    def fail(self, name, code):
        """Every question about the name is answered so; None: not at all."""
        for kind in (A, AAAA, SRV):
            self.set(name, kind,
                     lambda query: None if code is None else response(query, code=code))

    def asked(self, name, kind=None):
        return [seen for seen in self.queries if seen[0] == name and kind in (None, seen[1])]

    # ---- Serving ----

    def answer(self, query, over):
        name, kind, _ = read_question(query)
        self.queries.append((name, kind, over))
        script = self.answers.get((name, kind))
        if script:
            return script(query)
        known = any(name == other for other, _ in list(self.answers))
        return response(query, code=NOERROR if known else NXDOMAIN)

    def serve_udp(self):
        while True:
            try:
                query, peer = self.udp.recvfrom(4096)
            except OSError:
                return
            answer = self.answer(query, "udp") if query else None
            if answer is not None:
                with contextlib.suppress(OSError):
                    self.udp.sendto(answer, peer)

    def serve_tcp(self):
        while True:
            try:
                sock, _ = self.tcp.accept()
            except OSError:
                return
            with sock, contextlib.suppress(OSError, struct.error):
                sock.settimeout(WAIT_SECONDS)
                stream = sock.makefile("rb")
                while True:
                    query = stream.read(struct.unpack("!H", stream.read(2))[0])
                    answer = self.answer(query, "tcp")
                    if answer is not None:
                        sock.sendall(struct.pack("!H", len(answer)) + answer)

    def close(self):
        self.tcp.shutdown(socket.SHUT_RDWR)
        self.tcp.close()
        with contextlib.suppress(OSError):
            self.udp.shutdown(socket.SHUT_RDWR)
        self.udp.close()
        for thread in self.threads:
            thread.join(WAIT_SECONDS)
