"""The supervisor: a crashed engine is started again on the same sockets, and everything is told to
it once (issue, Live changes: "the engine crashed -> restarted ... with the same listening sockets
(no connection refused meanwhile), back-off when it keeps crashing, a crash report in the log ...
Under a container's PID 1 it reaps and forwards signals")."""
import json
import os
import pathlib
import re
import signal
import subprocess
import time

import pytest

from lib.admin import admin_of, ask, managed, status_of
from lib.client import Client, request
from lib.engine import crash, known_to_supervisor, wait_refusing, wait_replaced
from lib.held import Held
from lib.load import BODY, Load, load_origin
from lib.logs import entries, messages
from lib.origin import wait_until
from lib.proxy import BINARY, children, connects, port_free
from lib.reload import write_config
from lib.wire import WAIT_SECONDS


pytestmark = pytest.mark.usefixtures("crashes")


# --- Crashes ---

def test_a_crash_under_load(lab):
    """What runs is cut, but no connection is refused, and nobody waits for long."""
    proxy = lab.proxy(load_origin(lab), workers=2)
    with Load(proxy, clients=4, keep=False, body=BODY) as load:
        for _ in range(3):
            before = load.answered
            wait_until(lambda seen=before: load.answered > seen + 20, "traffic")
            crash(proxy)
        after = load.answered
        wait_until(lambda: load.answered > after + 20, "traffic after the last crash")
    assert not load.refused
    wait_until(lambda: len(messages(proxy, "crash")) == 3, "each of them in the log")


def test_connections_wait_while_nobody_serves(lab):
    """The second crash in a row is followed by a pause: who comes in it is served behind it."""
    proxy = lab.proxy(load_origin(lab))
    crash(proxy)
    old = proxy.engine_pid
    os.kill(old, signal.SIGSEGV)
    wait_until(lambda: old not in proxy.engine_pids, "the crash")
    clients = [lab.client(proxy) for _ in range(20)]
    for client in clients:
        assert client.get().status == 200


@pytest.mark.parametrize("number, name", [
    (signal.SIGSEGV, "SIGSEGV"), (signal.SIGABRT, "SIGABRT"), (signal.SIGKILL, "SIGKILL"),
    (signal.SIGBUS, "SIGBUS")])
def test_the_report(lab, number, name):
    """The error log says which process ended by what after how long; so does stderr."""
    proxy = lab.proxy(load_origin(lab))
    pid = proxy.engine_pid
    crash(proxy, number)
    assert lab.ask(proxy, request()).status == 200
    wait_until(lambda: entries(proxy, "crash"), "the report")
    [report] = entries(proxy, "crash")
    assert report["level"] == "error"
    assert re.match(rf"The engine \(process {pid}\) was ended by {name}.* after \d+\.\d{{3}} s",
                    report["message"]), report
    assert report["message"] + "; starting it again" in proxy.stderr()


def upgrade_wholly(proxy):
    old = proxy.engine_pid
    proxy.signal(signal.SIGUSR2)
    wait_replaced(proxy, old)


def test_what_was_changed_at_run_time_survives(lab):
    """Without a state file: marks and sessions, also over an upgrade and a second crash."""
    origins = [load_origin(lab), load_origin(lab)]
    proxy = managed(lab, *origins, loadBalancing={"stickySession": {"enabled": True}})
    cookie = lab.ask(proxy, request()).get("Set-Cookie").split(";")[0]
    other = 1 if origins[0].requests else 0
    assert ask(lab, proxy, f"/backends/b{other}/drain", method="POST").status == 200
    for number, again in enumerate((crash, upgrade_wholly, crash), 1):
        wait_until(lambda: '"draining": true' in known_to_supervisor(proxy), "what it is told")
        again(proxy)
        marks = [backend["marks"] for backend in status_of(lab, proxy)["backends"]]
        assert marks[other] == ["draining"] and marks[1 - other] == []
        asked = lab.ask(proxy, request("GET", "/", f"Cookie: {cookie}"))
        assert asked.get("Set-Cookie") is None
        wait_until(lambda count=number: len(messages(proxy, "state_file")) == count, "the log")


def test_every_listener_survives(lab):
    """Unix sockets, those of several workers, and the management API."""
    path = str(lab.directory / "x.sock")
    proxy = lab.proxy(load_origin(lab), workers=3,
                      listeners=[{"address": "127.0.0.1"}, {"unixSocket": path}],
                      admin={"enabled": True, "port": 0})
    management = admin_of(proxy)
    inode = os.stat(path).st_ino
    for _ in range(2):
        crash(proxy)
        for address in (proxy.address, path, management):
            assert connects(address)
        assert lab.ask(path, request()).status == 200
        assert lab.ask(management, request("GET", "/healthz", host="localhost")).status == 200
    status = lab.ask(management, request("GET", "/status", host="localhost"))
    assert json.loads(status.body)["restarts"] == 2
    assert json.loads(status.body)["supervisor"] == proxy.pid
    metrics = lab.ask(management, request("GET", "/metrics", host="localhost"))
    assert b"nextproxy_engine_restarts_total 2\n" in metrics.body
    assert os.stat(path).st_ino == inode
    proxy.stop()
    assert not os.path.exists(path)
    assert not connects(proxy.address)


def test_it_gives_up_in_the_end(lab):
    """Ten crashes in a row, none of which ran for a minute: exit status 1, and the log says why, also
    when the file that says where it is has become bad."""
    proxy = lab.proxy(load_origin(lab))
    write_config(proxy, "{")
    killed, deadline = set(), time.monotonic() + 6 * WAIT_SECONDS
    while proxy.process.poll() is None:
        assert time.monotonic() < deadline
        for pid in children_of(proxy) - killed:
            if len(killed) < 10:
                os.kill(pid, signal.SIGSEGV)
                killed.add(pid)
        time.sleep(0.01)
    assert proxy.process.returncode == 1
    proxy.stopped = True
    assert "10th time in a row: giving up" in messages(proxy, "crash")[-1]
    assert "giving up" in proxy.stderr() and "after a moment" in proxy.stderr()
    wait_until(lambda: not connects(proxy.address), "the sockets are closed")


def children_of(proxy):
    """Also when it ends at this very moment."""
    try:
        return set(proxy.engine_pids)
    except OSError:
        return set()


def test_a_stop_while_it_waits_to_start_again(lab):
    """The seventh crash in a row is followed by a pause of 1.6 s."""
    proxy = lab.proxy(load_origin(lab))
    for _ in range(6):
        crash(proxy)
    os.kill(proxy.engine_pid, signal.SIGSEGV)
    wait_until(lambda: proxy.stderr().count("after a moment") == 6, "it is taken up")
    proxy.signal()
    assert proxy.wait_exit() == 0


# --- Signals ---

@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGQUIT])
def test_control_c_is_obeyed_once(lab, number):
    """A terminal signals the whole group: one is a graceful stop, not two at once."""
    held = Held(lab, timeouts={"drain": 60_000})
    os.killpg(held.proxy.pid, number)
    wait_refusing(held.proxy)
    held.finish()
    assert held.proxy.wait_exit() == 0


def test_signals_to_the_engine_are_not_obeyed(lab):
    """They would be obeyed twice when a service manager signals all processes."""
    proxy = lab.proxy(load_origin(lab))
    engine = proxy.engine_pid
    for number in (signal.SIGTERM, signal.SIGINT, signal.SIGQUIT, signal.SIGHUP,
                   signal.SIGUSR1, signal.SIGUSR2):
        os.kill(engine, number)
    assert lab.ask(proxy, request()).status == 200
    assert proxy.engine_pids == [engine]


@pytest.mark.parametrize("mode", [[], ["--no-supervisor"]])
def test_sigusr1_does_nothing(lab, mode):
    """It is what tells other servers to open their logs again."""
    proxy = lab.proxy(load_origin(lab), how={"arguments": mode})
    proxy.signal(signal.SIGUSR1)
    assert lab.ask(proxy, request()).status == 200


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT, signal.SIGQUIT])
def test_signals_that_stop_one_process(lab, number):
    proxy = lab.proxy(load_origin(lab), how={"arguments": ["--no-supervisor"]})
    proxy.signal(number)
    assert proxy.wait_exit() == 0


def test_an_engine_without_its_supervisor_ends_gracefully(lab):
    held = Held(lab, timeouts={"drain": 60_000})
    proxy = held.proxy
    engine = proxy.engine_pid
    proxy.process.kill()
    proxy.process.wait()
    proxy.stopped = True
    wait_refusing(proxy)
    held.finish()
    wait_until(lambda: not os.path.exists(f"/proc/{engine}"), "the engine's end")
    assert "The supervisor is gone: stopping gracefully" in messages(proxy, "supervisor")


def is_pending(pid, number):
    """Whether the process has a signal to come; two of them before it looks would be one."""
    masks = re.findall(r"^(?:Shd|Sig)Pnd:\s*(\w+)$", pathlib.Path(f"/proc/{pid}/status").read_text(),
                       re.MULTILINE)
    return any(int(mask, 16) >> (number - 1) & 1 for mask in masks)


def test_an_engine_that_hangs_can_be_stopped(lab):
    """The third signal does not wait for anybody."""
    proxy = lab.proxy(load_origin(lab))
    os.kill(proxy.engine_pid, signal.SIGSTOP)
    for _ in range(3):
        proxy.signal()
        wait_until(lambda: not is_pending(proxy.pid, signal.SIGTERM), "it is taken up")
    assert proxy.wait_exit() == 128 + signal.SIGKILL


def test_one_process(lab):
    """--no-supervisor: as if there were none."""
    proxy = lab.proxy(load_origin(lab), how={"arguments": ["--no-supervisor"]})
    assert children(proxy.pid) == []
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: messages(proxy, "supervisor"), "the answer")
    assert "needs a supervisor" in messages(proxy, "supervisor")[0]
    assert lab.ask(proxy, request()).status == 200


@pytest.mark.parametrize("value", [None, "", "nextproxy 1\nrole engine\nchannel 999\n", "x"])
def test_an_engine_is_not_for_people(value):
    """--engine without what a supervisor hands over, or with something else."""
    env = {**os.environ, **({"NEXTPROXY_HANDOVER": value} if value is not None else {})}
    done = subprocess.run([BINARY, "--engine"], env=env, capture_output=True, text=True, check=False,
                          timeout=WAIT_SECONDS)
    assert done.returncode == 2 and "NEXTPROXY_HANDOVER" in done.stderr


# --- A container's first process ---

@pytest.fixture(name="contained")
def first_process(lab):
    """A proxy that is process 1 of its own PID namespace: (proxy, its number outside)."""
    tried = subprocess.run(["unshare", "--pid", "--fork", "true"], capture_output=True, text=True,
                           check=False)
    if tried.returncode != 0:
        pytest.skip(f"no PID namespace is permitted here: {tried.stderr.strip()}")
    proxy = lab.proxy(load_origin(lab), how={"before": ["unshare", "--pid", "--fork"]})
    first = children(proxy.pid)[0]
    proxy.signal = lambda number=signal.SIGTERM: os.kill(first, number)  # unshare passes none on
    return proxy, first


def test_process_1_reaps_orphans(contained):
    proxy, first = contained
    engine = children(first)
    done = subprocess.run(["nsenter", "--target", str(first), "--pid", "sh", "-c",
                           "(sleep 0.2; exit 3) & echo started"], capture_output=True, text=True,
                          check=False)
    assert done.stdout == "started\n", done.stderr
    wait_until(lambda: children(first) == engine, "the orphan is reaped")
    assert proxy.process.poll() is None


def test_process_1_restarts_and_stops(contained):
    proxy, first = contained
    engine = children(first)
    os.kill(engine[0], signal.SIGSEGV)
    wait_until(lambda: children(first) not in ([], engine), "another engine")
    with Client(proxy.address).sock:
        pass
    proxy.signal()
    assert proxy.wait_exit() == 0
    assert not pathlib.Path(f"/proc/{first}").exists()


def test_more_sockets_than_the_soft_limit_of_files(lab):
    """The supervisor keeps all of them."""
    listeners = [{"address": "127.0.0.1", "port": port_free()} for _ in range(20)]
    proxy = lab.proxy(load_origin(lab), listeners=listeners, workers=4,
                      how={"before": ["/bin/sh", "-c", 'ulimit -Sn 64; exec "$@"', "sh"]})
    wait_until(lambda: len(os.listdir(f"/proc/{proxy.pid}/fd")) > 80, "the sockets")
    crash(proxy)
    for listener in listeners:
        assert lab.ask(("127.0.0.1", listener["port"]), request()).status == 200
