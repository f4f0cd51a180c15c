"""The engine of a running proxy: its crash, its replacement, its stop."""
import contextlib
import os
import pathlib
import signal

from lib.logs import messages
from lib.origin import wait_until
from lib.proxy import connects


def crash(proxy, number=signal.SIGSEGV):
    """Ends the engine; returns when there is another one."""
    old = proxy.engine_pid
    os.kill(old, number)
    wait_replaced(proxy, old)


def wait_replaced(proxy, old):
    """Until an engine is gone and there is another one."""
    def is_replaced():
        present = proxy.engine_pids  # read once: between two readings the last one may go
        return present and old not in present
    wait_until(is_replaced, "another engine")


def upgrade(proxy):
    """Returns when a new engine serves and the old one finishes: (its number, the old one's)."""
    old = proxy.engine_pid
    taken = len(retirements(proxy))
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: len(retirements(proxy)) > taken and proxy.engine_pid != old, "the upgrade")
    return proxy.engine_pid, old


def retirements(proxy):
    """The messages of engines that were replaced."""
    return [text for text in messages(proxy, "stop") if "Another engine has taken over" in text]


def wait_refusing(proxy):
    """Until it has taken up the stop."""
    wait_until(lambda: not connects(proxy.address), "no new connections are accepted")


def kept_by_supervisor(proxy, name):
    """A file in memory that it keeps for the next engine."""
    for link in pathlib.Path(f"/proc/{proxy.pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since they were listed
            if name in os.readlink(link):
                return link.read_text()
    return ""


def known_to_supervisor(proxy):
    """What was changed at run time."""
    return kept_by_supervisor(proxy, "nextproxy state")


def configuration_kept(proxy):
    """What is served when the file is bad."""
    return kept_by_supervisor(proxy, "nextproxy configuration")
