"""systemd's side of sd_notify(3)."""
import socket
import time

from lib.wire import WAIT_SECONDS


class Manager:
    """The socket of a service manager."""

    def __init__(self, address):
        self.sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        self.sock.bind(address)
        self.sock.settimeout(WAIT_SECONDS)

    def hear(self, *wanted):
        """The assignments of the next message that has all of these keys, as a dict."""
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            assert time.monotonic() < deadline, f"no message with {wanted}"
            lines = self.sock.recv(4096).decode().split("\n")
            told = dict(line.split("=", 1) for line in lines if line)
            if all(key in told for key in wanted):
                return told

    def hear_of(self, words):
        """Waits until the status has these words."""
        deadline = time.monotonic() + WAIT_SECONDS
        while words not in self.hear("STATUS")["STATUS"]:
            assert time.monotonic() < deadline, f"no status with {words!r}"

    def silent(self, seconds):
        """Whether nothing comes for that long."""
        self.sock.settimeout(seconds)
        try:
            self.sock.recv(4096)
        except TimeoutError:
            return True
        finally:
            self.sock.settimeout(WAIT_SECONDS)
        return False

    def forget(self):
        """What has come so far, or is on its way."""
        while not self.silent(0.5):
            pass
