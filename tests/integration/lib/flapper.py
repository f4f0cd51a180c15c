"""A backend that is well, or sick in one of several ways, as the test says from moment to moment."""
import socket

from lib.origin import Origin, answer

# How, and whether probes (/health...) and other requests see it.
SICK = {"refuses": (True, True), "fails": (True, True), "fails_requests": (False, True),
        "fails_probes": (True, False), "resets": (True, True)}


def reusing(address):
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
    sock.bind(address)
    return sock


class Flapper:
    """The port stays its own while nobody listens there: a second socket is bound to it."""

    def __init__(self):
        self.holder = reusing(("127.0.0.1", 0))
        self.address = self.holder.getsockname()
        self.url = f"http://127.0.0.1:{self.address[1]}"
        self.mode, self.origin, self.served = "well", None, 0
        self.turn("well")

    def turn(self, mode):
        """From now on it is "well", or sick in that way."""
        self.mode = mode
        if mode == "refuses":
            self.close_origin()
        elif self.origin is None:
            self.origin = Origin(self.respond, sock=reusing(self.address))

    def respond(self, connection):
        while True:
            seen = connection.read_request()
            mode = self.mode
            if mode in ("resets", "refuses"):  # cuts what it had accepted before
                return
            sick = mode in SICK and SICK[mode][not seen.target.startswith("/health")]
            connection.send(answer("x", status="503 No" if sick else "200 OK"))
            self.served += not sick

    def close_origin(self):
        if self.origin is not None:
            self.origin.close()
        self.origin = None

    def close(self):
        self.close_origin()
        self.holder.close()
