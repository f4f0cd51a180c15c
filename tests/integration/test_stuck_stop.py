"""A worker that does not go on does not keep the proxy from ending: control has the last word when
`timeouts.drain` is over, says so, and leaves everything else in order."""
import json
import os
import re
import signal

import pytest

from lib.admin import add, managed
from lib.client import request
from lib.engine import upgrade
from lib.logs import messages
from lib.origin import wait_until
from lib.service_manager import Manager
from lib.threads import freeze, thread_ids

WATCHDOG_US = 1_000_000
LONG_MS = 3_600_000
MODES = pytest.mark.parametrize("mode", [[], ["--no-supervisor"]])
ENDED = r"Worker [01] should have ended 3 s ago, and is stuck: the process ends without it.*"


def stuck(lab, *, drain_ms, count=1, **sections):
    """A proxy with two workers of which so many stand still: (proxy, what has stopped them)."""
    proxy = managed(lab, lab.origin(), workers=2, timeouts={"drain": drain_ms}, **sections)
    return proxy, [freeze(lab, thread) for thread in thread_ids(proxy.engine_pid)[:count]]


def stop(proxy, wanted="Stopping gracefully"):
    proxy.signal()
    wait_until(lambda: wanted in messages(proxy, "stop"), "the stop begins")


@MODES
def test_a_stop(lab, mode):
    """What was changed just before is kept, and no file stays behind."""
    path, state = str(lab.directory / "x.sock"), lab.directory / "state.json"
    proxy, _ = stuck(lab, drain_ms=300, listeners=[{"unixSocket": path}],
                     state={"file": str(state)}, how={"arguments": mode})
    assert add(lab, proxy, url=lab.origin().url, id="new").status == 201
    stop(proxy)
    assert proxy.wait_exit() == 1
    last = messages(proxy, "worker_stuck")[-1]
    assert re.fullmatch(ENDED, last) and f"nextproxy: {last}\n" in proxy.stderr()
    assert "new" in {backend["id"] for backend in json.loads(state.read_text())["added"]}
    assert not os.path.exists(path)


@MODES
def test_a_stop_at_once(lab, mode):
    """Both of them; what is left of the drain does not count."""
    proxy, _ = stuck(lab, drain_ms=LONG_MS, count=2, how={"arguments": mode})
    stop(proxy)
    stop(proxy, "Stopping at once")
    assert proxy.wait_exit() == 1
    assert "Workers 0, 1 should have ended 3 s ago" in messages(proxy, "worker_stuck")[-1]


@MODES
def test_it_goes_on_in_time(lab, mode):
    """Nothing is cut before the time is over, but the service manager is not told that all is
    well."""
    manager = Manager(str(lab.directory / "notify"))
    lab.keep(manager.sock)
    proxy, (frozen,) = stuck(lab, drain_ms=LONG_MS, how={"arguments": mode},
                             env={"NOTIFY_SOCKET": str(lab.directory / "notify"),
                                  "WATCHDOG_USEC": str(WATCHDOG_US)})
    stop(proxy)
    wait_until(lambda: messages(proxy, "worker_stuck"), "it is seen")
    wait_until(lambda: manager.silent(WATCHDOG_US / 1e6), "nothing more is said")
    frozen.close()
    assert proxy.wait_exit() == 0
    assert not any(re.fullmatch(ENDED, line) for line in messages(proxy, "worker_stuck"))


@pytest.mark.usefixtures("crashes")
def test_an_upgrade(lab):
    """The new engine tells how the old one ended, and serves on."""
    proxy, _ = stuck(lab, drain_ms=300)
    new, old = upgrade(proxy)
    wait_until(lambda: messages(proxy, "crash"), "the report")
    assert re.fullmatch(rf"The engine \(process {old}\) ended by itself with exit status 1 after "
                        r"\d+\.\d{3} s; it was finishing what it had begun, and has logged why it "
                        "could not", messages(proxy, "crash")[0])
    assert re.fullmatch(ENDED, messages(proxy, "worker_stuck")[-1])
    assert proxy.engine_pids == [new]
    assert lab.ask(proxy, request()).status == 200


@pytest.mark.usefixtures("crashes")
def test_a_stop_at_once_behind_an_upgrade(lab):
    """It is for the old engine, too; how the one that serves has ended is what counts."""
    proxy, _ = stuck(lab, drain_ms=LONG_MS)
    _, old = upgrade(proxy)
    stop(proxy)
    proxy.signal(signal.SIGINT)
    assert proxy.wait_exit() == 0
    assert re.fullmatch(ENDED, messages(proxy, "worker_stuck")[-1])
    assert f"The engine (process {old}) ended by itself with exit status 1" in proxy.stderr()
