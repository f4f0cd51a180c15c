"""One thread of a process that is made to stand still, while the others go on: ptrace(2)."""
import contextlib
import ctypes
import os
import pathlib
import threading

import pytest

from lib.wire import WAIT_SECONDS

PTRACE_SEIZE, PTRACE_INTERRUPT, PTRACE_DETACH = 0x4206, 0x4207, 17
WALL = 0x40000000


class NotPermitted(Exception):
    """Tracing is not permitted here."""


def thread_ids(pid):
    """All threads of a process but the first, oldest first, and without those that the kernel has
    for its rings, which come and go."""
    found = []
    for thread in pathlib.Path(f"/proc/{pid}/task").iterdir():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):  # it has gone
            if not (thread / "comm").read_text().startswith("iou-"):
                found.append(int(thread.name))
    return sorted(thread for thread in found if thread != pid)


def freeze(lab, thread):
    """Has a thread stand still, at the latest until the lab's end, so that the proxy can be
    stopped then."""
    try:
        frozen = Frozen(thread)
    except NotPermitted as error:
        pytest.skip(f"tracing a thread is not permitted here: {error}")
    lab.clients.insert(0, frozen)
    return frozen


class Frozen:
    """A thread that stands still until close(), or its process has ended. Whoever has stopped it
    must let it go, and see its end, before which the process is not gone: so a thread of the test
    stays with it."""

    def __init__(self, thread_id):
        self.thread_id, self.error = thread_id, 0
        self.stands, self.go_on = threading.Event(), threading.Event()
        self.keeper = threading.Thread(target=self.keep, daemon=True)
        self.keeper.start()
        assert self.stands.wait(WAIT_SECONDS), "the thread does not stop"
        if self.error:
            raise NotPermitted(os.strerror(self.error))

    def keep(self):
        ptrace = ctypes.CDLL(None, use_errno=True).ptrace
        ptrace.argtypes = [ctypes.c_long, ctypes.c_int, ctypes.c_void_p, ctypes.c_void_p]
        for what in (PTRACE_SEIZE, PTRACE_INTERRUPT):
            if ptrace(what, self.thread_id, None, None) != 0:
                self.error = ctypes.get_errno()
                self.stands.set()
                return
        os.waitpid(self.thread_id, WALL)
        self.stands.set()
        while not self.go_on.wait(0.01):
            if os.waitpid(self.thread_id, WALL | os.WNOHANG)[0] != 0:
                return
        ptrace(PTRACE_DETACH, self.thread_id, None, None)

    def close(self):
        self.go_on.set()
        self.keeper.join(WAIT_SECONDS)
