"""An address that neither accepts nor refuses: connecting to it takes for ever."""
import socket

FILLERS = 8


class BlackHole:
    """A listener whose backlog is full, so that the kernel drops every further SYN."""

    def __init__(self):
        self.listener = socket.socket()
        self.listener.bind(("127.0.0.1", 0))
        self.listener.listen(0)
        self.address = self.listener.getsockname()
        self.fillers = []
        for _ in range(FILLERS):
            filler = socket.socket()
            filler.setblocking(False)
            filler.connect_ex(self.address)
            self.fillers.append(filler)

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address[1]}"

    def close(self):
        for sock in [*self.fillers, self.listener]:
            sock.close()


class Refused:
    """A port that is taken, so that nobody else gets it, and refuses connections."""

    def __init__(self):
        self.sock = socket.socket()
        self.sock.bind(("127.0.0.1", 0))
        self.address = self.sock.getsockname()

    @property
    def url(self):
        return f"http://127.0.0.1:{self.address[1]}"

    def close(self):
        self.sock.close()
