"""Processes that SIGKILL does not end, as if they hung in the kernel: they are traced, and stop where
they would end (ptrace(2), PTRACE_EVENT_EXIT) until they are let go."""
import contextlib
import ctypes
import errno
import os

import pytest

SEIZE, DETACH, TRACE_EXIT = 0x4206, 17, 0x40
WAIT_ALL = 0x40000000  # __WALL


def ptrace(request, pid, options=None):
    """None, or the error."""
    libc = ctypes.CDLL(None, use_errno=True)
    call = libc.ptrace
    call.argtypes, call.restype = [ctypes.c_long, ctypes.c_long, ctypes.c_void_p, ctypes.c_void_p], ctypes.c_long
    return None if call(request, pid, None, options) == 0 else ctypes.get_errno()


class Unkillable:
    """Those that were taken; at the end of the block they end. In one thread, as ptrace(2) wants it."""

    def __init__(self):
        self.pids = set()

    def take(self, pids):
        """One that is gone already is left alone."""
        for pid in set(pids) - self.pids:
            error = ptrace(SEIZE, pid, TRACE_EXIT)
            if error == errno.ESRCH:
                continue
            if error:
                pytest.skip(f"tracing is not permitted here: {os.strerror(error)}")
            self.pids.add(pid)

    def __enter__(self):
        return self

    def __exit__(self, *_):
        for pid in self.pids:
            with contextlib.suppress(ChildProcessError, ProcessLookupError):
                os.kill(pid, 9)
                os.waitpid(pid, WAIT_ALL)
            ptrace(DETACH, pid)
