"""The disk is full, under load (issue, "To show"): requests do not notice, what cannot be written is
counted and told once, and all goes on when there is room. A file system of a few megabytes, where the
kernel lets us have one; what a limit of file sizes does needs none. And a disk that hangs."""
import json
import re
import resource

import pytest

from lib.admin import add, ask, managed, metrics_of
from lib.client import request
from lib.disk import Disk, Hanging, NotPermitted
from lib.logs import entries, messages
from lib.origin import wait_until
from lib.proxy import sanitized

# Records of this size fill a log buffer of 1 MB with few requests.
LONG = "/" + "x" * 6000
MANY = 300


@pytest.fixture(name="small_disk")
def mounted_disk(lab):
    try:
        small_disk = Disk(lab.directory / "disk", "4m")
    except (NotPermitted, FileNotFoundError) as error:
        pytest.skip(f"mounting a file system is not permitted here: {error}")
    yield small_disk
    try:
        lab.close()
    finally:
        small_disk.close()


def logging_to(directory):
    log = {"enabled": True, "directory": str(directory)}
    return {"errorLog": {**log, "filePattern": "log_yyyy_mm_dd_HH.log", "level": "info"},
            "accessLog": {**log, "filePattern": "access_yyyy_mm_dd_HH.log"}}


def ask_many(lab, proxy, count, path=LONG):
    client = lab.client(proxy)
    for _ in range(count):
        assert client.get(path).status == 200


def dropped(lab, proxy):
    return metrics_of(lab, proxy)['nextproxy_log_dropped_total{log="access"}']


def paths(proxy):
    return [entry["path"] for entry in entries(proxy, log="access")]


def wait_written(lab, proxy, path):
    """Asks for this path until there is a record of it; how often."""
    asked = 0

    def written():
        nonlocal asked
        asked += 1
        ask_many(lab, proxy, 1, path)
        return path in paths(proxy)
    wait_until(written, f"a record of {path}")
    return asked


def test_logs(lab, small_disk):
    """Each record is in the file, whole, or counted as lost."""
    small_disk.fill()
    proxy = managed(lab, lab.origin(), logging=logging_to(small_disk.directory))
    proxy.logs = small_disk.directory
    ask_many(lab, proxy, 1)  # so that nothing is lost before it is known why
    wait_until(lambda: "access log: cannot write" in proxy.stderr(), "a report on stderr")
    ask_many(lab, proxy, MANY - 1)
    assert 0 < dropped(lab, proxy) < MANY
    assert ask(lab, proxy, "/healthz").status == 200
    small_disk.empty()
    asked = wait_written(lab, proxy, "/room-again")
    lost = dropped(lab, proxy)
    proxy.stop()
    assert len(paths(proxy)) + lost == MANY + asked
    assert proxy.stderr().count("access log: cannot write") == 1
    told = re.findall(r"access log: (\d+) records lost", proxy.stderr())
    assert sum(map(int, told)) == lost


def added(small_disk):
    state = small_disk.directory / "state.json"
    return [entry["id"] for entry in json.loads(state.read_text()).get("added", [])]


def test_the_state_file(lab, small_disk):
    """The old one stays as it is, and the next change is written with all that came before."""
    proxy = managed(lab, lab.origin(), state={"file": str(small_disk.directory / "state.json")})
    state = small_disk.directory / "state.json"
    assert add(lab, proxy, url="http://127.0.0.1:1", id="first").status == 201
    wait_until(lambda: state.exists() and added(small_disk) == ["first"], "the first one")
    before = state.read_bytes()
    small_disk.fill()
    assert add(lab, proxy, url="http://127.0.0.1:2", id="second").status == 201
    wait_until(lambda: any("No space left" in line for line in messages(proxy, "state_file")),
               "a line of the log")
    assert state.read_bytes() == before
    assert lab.ask(proxy, request()).status
    small_disk.empty()
    assert add(lab, proxy, url="http://127.0.0.1:3", id="third").status == 201
    wait_until(lambda: added(small_disk) == ["first", "second", "third"], "all of them")
    assert sorted(path.name for path in small_disk.directory.iterdir()) == ["state.json"]


def test_the_state_file_on_a_disk_that_hangs(lab):
    """Neither requests nor changes nor the stop wait for it."""
    if sanitized():
        pytest.skip("a sanitizer has its own fsync")
    disk = Hanging(lab.directory)
    state = lab.directory / "state.json"
    proxy = managed(lab, lab.origin(), env=disk.env, state={"file": str(state)})
    assert add(lab, proxy, url="http://127.0.0.1:1", id="first").status == 201
    wait_until(state.exists, "the first one")
    before = state.read_bytes()
    disk.hold()
    assert add(lab, proxy, url="http://127.0.0.1:2", id="second").status == 201
    wait_until(lambda: disk.waited_for, "somebody waits for the disk")
    assert add(lab, proxy, url="http://127.0.0.1:3", id="third").status == 201
    ask_many(lab, proxy, 10, "/")
    proxy.stop()
    assert "does not answer" in messages(proxy, "state_file")[-1]
    assert state.read_bytes() == before


def test_a_start(lab, small_disk):
    """With nothing to write to it serves all the same."""
    small_disk.fill()
    proxy = managed(lab, lab.origin(), logging=logging_to(small_disk.directory / "logs"),
                    state={"file": str(small_disk.directory / "state.json")})
    ask_many(lab, proxy, 10, "/")
    assert ask(lab, proxy, "/readyz").status == 200


def test_a_limit_of_file_sizes(lab):
    """RLIMIT_FSIZE, whose signal would end the process."""
    proxy = managed(lab, lab.origin())
    wait_written(lab, proxy, "/before")
    resource.prlimit(proxy.engine_pid, resource.RLIMIT_FSIZE, (1, resource.RLIM_INFINITY))
    ask_many(lab, proxy, MANY)
    assert dropped(lab, proxy) > 0  # stderr is a file, too: it cannot tell
    resource.prlimit(proxy.engine_pid, resource.RLIMIT_FSIZE,
                     (resource.RLIM_INFINITY, resource.RLIM_INFINITY))
    wait_written(lab, proxy, "/after")
