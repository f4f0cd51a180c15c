"""Networks that can be cut: namespaces with a line between them. Nothing of them outlives the
process that holds them, and that one ends with the tests, however these do."""
import contextlib
import ctypes
import os
import socket
import subprocess

from lib.wire import WAIT_SECONDS

CLONE_NEWNET = 0x40000000
# Addresses of the two ends; nobody else has a way to them.
NEAR, FAR = "10.0.0.1", "10.0.0.2"


def enter(namespace):
    libc = ctypes.CDLL(None, use_errno=True)
    if libc.setns(namespace, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")


class NotPermitted(Exception):
    """There are no namespaces to be had here; the message says why."""


class Network:
    """One namespace, with its loopback up."""

    def __init__(self):
        self.holder = subprocess.Popen(  # pylint: disable=consider-using-with
            ["unshare", "--net", "cat"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=subprocess.PIPE, text=True)
        try:
            self.holder.stdin.write("there\n")
            self.holder.stdin.flush()
            there = self.holder.stdout.readline() == "there\n"
        except BrokenPipeError:
            there = False
        if not there:
            why = self.holder.stderr.read().strip()
            self.close()
            raise NotPermitted(why)
        self.ip("link", "set", "lo", "up")

    @property
    def path(self):
        return f"/proc/{self.holder.pid}/ns/net"

    @property
    def enter(self):
        """The words of a command that executes another one in here."""
        return ["nsenter", f"--net={self.path}"]

    def ip(self, *words):
        subprocess.run([*self.enter, "ip", *words], check=True, capture_output=True)

    @contextlib.contextmanager
    def inside(self):
        """Meanwhile this thread, and whatever it begins, is in here."""
        outside = os.open("/proc/thread-self/ns/net", os.O_RDONLY)
        inside = os.open(self.path, os.O_RDONLY)
        enter(inside)
        try:
            yield
        finally:
            enter(outside)
            os.close(inside)
            os.close(outside)

    def bound(self, address):
        """A socket bound to this address and any port; it stays in here."""
        with self.inside():
            sock = socket.socket()
            sock.bind((address, 0))
            return sock

    def close(self):
        for pipe in (self.holder.stdin, self.holder.stdout, self.holder.stderr):
            try:
                pipe.close()
            except BrokenPipeError:
                pass
        self.holder.wait(WAIT_SECONDS)


class Line:
    """Two networks, `near` and `far`, and the line between them."""

    def __init__(self):
        self.near, self.far = Network(), None
        try:
            self.far = Network()
            self.near.ip("link", "add", "line", "type", "veth", "peer", "name", "line",
                         "netns", str(self.far.holder.pid))
            for network, address in ((self.near, NEAR), (self.far, FAR)):
                network.ip("address", "add", f"{address}/24", "dev", "line")
                network.ip("link", "set", "line", "up")
        except (NotPermitted, OSError, subprocess.CalledProcessError) as error:
            self.close()
            said = getattr(error, "stderr", None)
            raise NotPermitted(said.decode().strip() if said else str(error)) from error

    def close(self):
        for network in (self.near, self.far):
            if network:
                network.close()


# Ways to cut a line: what is done to which end, and what undoes it. Down here there is no route any
# more; down there, and with a hole for the answers, packets vanish; the others are what firewalls
# and routers say.
CUTS = {
    "down here": ("near", ["link", "set", "line", "down"], ["link", "set", "line", "up"]),
    "down there": ("far", ["link", "set", "line", "down"], ["link", "set", "line", "up"]),
    "answers vanish": ("far", ["route", "add", "blackhole", NEAR], ["route", "del", NEAR]),
    "blackhole": ("near", ["route", "add", "blackhole", FAR], ["route", "del", FAR]),
    "unreachable": ("near", ["route", "add", "unreachable", FAR], ["route", "del", FAR]),
    "prohibited": ("near", ["route", "add", "prohibit", FAR], ["route", "del", FAR]),
}


def cut(line, how):
    end, words, _ = CUTS[how]
    getattr(line, end).ip(*words)


def mend(line, how):
    end, _, words = CUTS[how]
    getattr(line, end).ip(*words)
