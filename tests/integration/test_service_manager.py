"""systemd's side: what it is told (sd_notify), its watchdog, and the sockets it passes (issue, Live
changes: "systemd: Type=notify, watchdog, socket activation, reload status")."""
import json
import os
import select
import signal
import socket
import sys
import threading
import time

import pytest

from lib.client import request
from lib.engine import crash, upgrade
from lib.load import load_origin
from lib.logs import messages
from lib.nameserver import NameServer
from lib.origin import wait_until
from lib.proxy import port_free
from lib.reload import reload, reload_text, write_config
from lib.service_manager import Manager
from lib.start import start

pytestmark = pytest.mark.usefixtures("crashes")
# Executes a command as a service manager does: descriptors from 3 on, and whom they are for.
PASS_ON = """
import fcntl, os, sys
count, fds, words = int(sys.argv[1]), sys.argv[2].split(","), sys.argv[3:]
safe = [fcntl.fcntl(int(fd), fcntl.F_DUPFD, 100) for fd in fds]
for index, fd in enumerate(safe):
    os.dup2(fd, 3 + index)
    os.close(fd)
os.environ["LISTEN_PID"], os.environ["LISTEN_FDS"] = str(os.getpid()), str(count)
os.environ["LISTEN_FDNAMES"] = ":".join(f"socket{index}" for index in range(count))
os.execv(words[0], words)
"""
MODES = pytest.mark.parametrize("mode", [[], ["--no-supervisor"]])


@pytest.fixture(name="manager", params=["file", "abstract"])
def service_manager(lab, request):  # pylint: disable=redefined-outer-name
    path = str(lab.directory / "notify")
    manager = Manager(path if request.param == "file" else f"\0{path}")
    manager.env = {"NOTIFY_SOCKET": path if request.param == "file" else f"@{path}"}
    yield manager
    manager.sock.close()


# --- sd_notify ---

def hear_reload(manager, since_us, words):
    """A reload that began after that ends so. The signal and the file's change may be one or two."""
    while True:
        began_us = int(manager.hear("RELOADING")["MONOTONIC_USEC"])
        status = manager.hear("READY")["STATUS"]
        if began_us >= since_us and words in status:
            return


@MODES
def test_ready_reloading_stopping(lab, manager, mode):
    """In this order, and ready again behind each reload, whatever became of it."""
    proxy = lab.proxy(load_origin(lab), env=manager.env, how={"arguments": mode},
                      timeouts={"drain": 7000})
    assert "Serving" in manager.hear("READY")["STATUS"]
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    reload(proxy, timeouts={"drain": 8000})
    hear_reload(manager, before, "version 2")
    before = time.clock_gettime_ns(time.CLOCK_MONOTONIC) // 1000
    reload_text(proxy, "{")
    hear_reload(manager, before, "refused")
    proxy.signal()
    manager.hear("STOPPING")
    if not mode:
        assert manager.hear("EXTEND_TIMEOUT_USEC")["EXTEND_TIMEOUT_USEC"] == "13000000"
    assert proxy.wait_exit() == 0


def test_a_crash_and_an_upgrade_are_told(lab, manager):
    proxy = lab.proxy(load_origin(lab), env=manager.env)
    manager.hear("READY")
    crash(proxy)
    manager.hear_of("crashed")
    manager.hear_of("Serving with")
    proxy.signal(signal.SIGUSR2)
    manager.hear_of("Serving with")
    crash(proxy)  # the new supervisor still knows whom to tell
    manager.hear_of("crashed")


def test_only_the_supervisor_speaks(lab, manager):
    """As NotifyAccess=main, the default, wants it: credentials of every message."""
    manager.sock.setsockopt(socket.SOL_SOCKET, socket.SO_PASSCRED, 1)
    proxy = lab.proxy(load_origin(lab), env=manager.env)
    reload(proxy, timeouts={"drain": 8000})
    proxy.stop()
    senders = set()
    manager.sock.settimeout(0.1)
    while True:
        try:
            _, ancillary, _, _ = manager.sock.recvmsg(4096, 256)
        except TimeoutError:
            break
        senders.add(int.from_bytes(ancillary[0][2][:4], "little"))
    assert senders == {proxy.pid}


# --- The watchdog ---

@MODES
def test_the_watchdog_is_fed(lab, manager, mode):
    proxy = lab.proxy(load_origin(lab), workers=3, how={"arguments": mode},
                      env={**manager.env, "WATCHDOG_USEC": "200000"})
    for _ in range(5):
        manager.hear("WATCHDOG")
    assert lab.ask(proxy, request()).status == 200


def test_the_watchdog_is_not_fed_by_an_engine_that_hangs(lab, manager):
    proxy = lab.proxy(load_origin(lab), env={**manager.env, "WATCHDOG_USEC": "200000"})
    manager.hear("WATCHDOG")
    os.kill(proxy.engine_pid, signal.SIGSTOP)
    manager.forget()
    assert manager.silent(1)
    os.kill(proxy.engine_pid, signal.SIGCONT)
    manager.hear("WATCHDOG")


def test_the_watchdog_is_fed_by_an_engine_that_waits_for_names(lab, manager):
    """After a crash: nobody else does it then."""
    server = lab.keep(NameServer())
    server.fail("new.test", None)
    proxy = lab.proxy(load_origin(lab), dns=server.settings(),
                      env={**manager.env, "WATCHDOG_USEC": "200000"})
    write_config(proxy, json.dumps({**proxy.config, "backends": [{"url": "http://new.test"}]}))
    os.kill(proxy.engine_pid, signal.SIGKILL)
    manager.hear_of("has crashed")
    for _ in range(5):
        assert "READY" not in manager.hear("WATCHDOG")
    proxy.stop()


def test_a_watchdog_for_another_process_is_none_of_ours(lab, manager):
    lab.proxy(load_origin(lab), env={**manager.env, "WATCHDOG_USEC": "200000", "WATCHDOG_PID": "1"})
    manager.hear("READY")
    manager.forget()
    assert manager.silent(0.5)


# --- Socket activation ---

def passed(sockets, count=None):
    """How a proxy is started that is given these sockets."""
    fds = [sock.fileno() for sock in sockets]
    return {"before": [sys.executable, "-c", PASS_ON, str(count or len(fds)),
                       ",".join(map(str, fds))], "pass_fds": fds}


@MODES
def test_sockets_are_taken_by_address(lab, mode):
    """One socket for all workers; IPv4, IPv6, both, a unix socket and the management API."""
    path = str(lab.directory / "x.sock")
    v4, v6, admin = (socket.create_server(("127.0.0.1", 0)),
                     socket.create_server(("::1", 0), family=socket.AF_INET6),
                     socket.create_server(("127.0.0.1", 0)))
    local = socket.socket(socket.AF_UNIX)
    local.bind(path)
    local.listen()
    sockets = [admin, local, v6, v4]
    ports = [sock.getsockname()[1] for sock in (v4, v6, admin)]
    listeners = [{"address": "127.0.0.1", "port": ports[0]}, {"address": "::1", "port": ports[1]},
                 {"unixSocket": path}]
    proxy = lab.proxy(load_origin(lab), workers=3, listeners=listeners,
                      admin={"enabled": True, "port": ports[2]},
                      how={**passed(sockets), "arguments": mode})
    for sock in sockets:
        sock.close()
    inode = os.stat(path).st_ino
    for address in (("127.0.0.1", ports[0]), ("::1", ports[1]), path):
        for _ in range(10):
            assert lab.ask(address, request()).status == 200
    assert lab.ask(("127.0.0.1", ports[2]),
                   request("GET", "/healthz", host="localhost")).status == 200
    if not mode:
        crash(proxy)
        for address in (("127.0.0.1", ports[0]), ("::1", ports[1]), path):
            assert lab.ask(address, request()).status == 200
    proxy.stop()
    assert os.stat(path).st_ino == inode  # it is the service manager's


class Sleeper:
    """Is woken before those that come later, and accepts nothing: as the ring of an engine that was
    killed, which the kernel takes apart when the next one may be there already."""

    def __init__(self, *sockets):
        self.epoll, self.woken = select.epoll(), set()
        for sock in sockets:
            self.epoll.register(sock.fileno(), select.EPOLLIN | select.EPOLLEXCLUSIVE | select.EPOLLET)
        self.sockets = {sock.fileno(): sock.getsockname() for sock in sockets}
        self.thread = threading.Thread(target=self.run, daemon=True)
        self.thread.start()

    def run(self):
        while len(self.woken) < len(self.sockets):
            self.woken.update(self.sockets[fd] for fd, _ in self.epoll.poll())


def test_who_comes_unnoticed_is_served(lab):
    """The kernel tells one of those that wait on a socket, and not always the one that is alive."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    proxy_address, admin_address = (sock.getsockname() for sock in sockets)
    sleeper = Sleeper(*sockets)
    lab.proxy(load_origin(lab), how=passed(sockets),
              listeners=[{"address": "127.0.0.1", "port": proxy_address[1]}],
              admin={"enabled": True, "port": admin_address[1]})
    for address in (proxy_address, admin_address):
        while address not in sleeper.woken:
            assert lab.ask(address, request("GET", "/healthz", host="localhost")).status == 200
    for sock in sockets:
        sock.close()


def test_a_wildcard_for_both_families(lab):
    if not socket.has_dualstack_ipv6():
        pytest.skip("no IPv6 here")
    sock = socket.create_server(("", 0), family=socket.AF_INET6, dualstack_ipv6=True)
    port = sock.getsockname()[1]
    lab.proxy(load_origin(lab), proxy={"port": port}, how=passed([sock]))
    for host in ("127.0.0.1", "::1"):
        assert lab.ask((host, port), request()).status == 200


def test_other_listeners_are_opened(lab):
    sock = socket.create_server(("127.0.0.1", 0))
    other = port_free()
    lab.proxy(load_origin(lab), workers=2, how=passed([sock]),
              listeners=[{"address": "127.0.0.1", "port": sock.getsockname()[1]},
                         {"address": "127.0.0.1", "port": other}])
    for port in (sock.getsockname()[1], other):
        assert lab.ask(("127.0.0.1", port), request()).status == 200


def test_a_reload_removes_the_listener_of_a_socket(lab):
    """Neither a crash nor an upgrade fails for it, and another reload brings it back."""
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(2)]
    stays, goes = [{"address": "127.0.0.1", "port": sock.getsockname()[1]} for sock in sockets]
    proxy = lab.proxy(load_origin(lab), listeners=[stays, goes], how=passed(sockets))
    for sock in sockets:
        sock.close()

    def warnings():
        return [text for text in messages(proxy, "listener")
                if f"127.0.0.1:{goes['port']} (FileDescriptorName=socket1)" in text]

    reload(proxy, listeners=[stays])
    wait_until(warnings, "the warning")
    crash(proxy)
    assert lab.ask(("127.0.0.1", stays["port"]), request()).status == 200
    wait_until(lambda: len(warnings()) == 2, "the warning of the next engine")
    upgrade(proxy)
    wait_until(lambda: len(warnings()) == 3, "the warning of the new version")
    assert lab.ask(("127.0.0.1", stays["port"]), request()).status == 200
    reload(proxy, listeners=[stays, goes])
    assert lab.ask(("127.0.0.1", goes["port"]), request()).status == 200
    reload(proxy, listeners=[stays])
    wait_until(lambda: len(warnings()) == 4, "the warning of the same engine")
    with socket.create_server(("127.0.0.1", 0)) as other:  # a reload that is refused loses nothing
        taken = {"address": "127.0.0.1", "port": other.getsockname()[1]}
        assert reload(proxy, listeners=[stays, goes, taken]).startswith("Not reloaded")
    reload(proxy, listeners=[stays, goes])
    assert lab.ask(("127.0.0.1", goes["port"]), request()).status == 200


@MODES
def test_a_socket_without_a_listener_is_refused(tmp_path, mode):
    with socket.create_server(("127.0.0.1", 0)) as sock:
        how = passed([sock])
        done, entries = start(tmp_path, {"address": "127.0.0.1", "port": port_free()},
                              before=how["before"], pass_fds=how["pass_fds"], after=mode)
        port = sock.getsockname()[1]
    assert done.returncode == 1
    assert [entry["type"] for entry in entries] == ["start_failure"]
    message = entries[0]["message"]
    assert f"a socket on 127.0.0.1:{port} (FileDescriptorName=socket0)" in message
    assert ".socket unit" in message and message in done.stderr


def test_what_is_no_listening_socket_is_refused(tmp_path):
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        sock.bind(("127.0.0.1", 0))
        how = passed([sock])
        done, entries = start(tmp_path, {"address": "127.0.0.1", "port": port_free()},
                              before=how["before"], pass_fds=how["pass_fds"])
    assert done.returncode == 1 and "no listening stream socket" in entries[0]["message"]


def test_too_few_descriptors(tmp_path):
    """LISTEN_FDS counts more than there are."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        how = passed([sock], count=100)
        done, _ = start(tmp_path, {"address": "127.0.0.1", "port": port_free()},
                        before=how["before"], pass_fds=how["pass_fds"])
    assert done.returncode == 2 and "not open" in done.stderr
