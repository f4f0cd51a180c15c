"""SIGUSR2: a new version of the program takes the listeners over, the old one finishes what it has
begun (issue, Live changes: "the new engine takes the listeners, the old one drains")."""
import contextlib
import itertools
import json
import os
import pathlib
import re
import shutil
import signal
import threading

import pytest

from lib.admin import add, admin_of, ask, managed, status_of
from lib.client import request
from lib.engine import crash, retirements, upgrade, wait_refusing
from lib.held import Held
from lib.load import BODY, Load, load_origin
from lib.logs import messages
from lib.nameserver import A, NameServer, address, record, response
from lib.origin import answer, named, wait_event, wait_until
from lib.proxy import BINARY, connects, port_free
from lib.reload import reload, reload_entries, write_config
from lib.tunnel import echo_tunnel, enter
from lib.wire import Closed


pytestmark = pytest.mark.usefixtures("crashes")


def refused_upgrade(proxy):
    """The log's line about an upgrade that did not come about."""
    before = len(messages(proxy, "supervisor"))
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: any("Not upgraded" in line
                           for line in messages(proxy, "supervisor")[before:]), "the refusal")
    return messages(proxy, "supervisor")[-1]


@pytest.fixture(name="copy")
def copied_program(lab):
    """A program file of the test's own, to be replaced."""
    path = lab.directory / "nextproxy"
    shutil.copy(BINARY, path)
    return path


def replace(path, source):
    """As a package manager does it: another file takes the name."""
    new = path.with_suffix(".new")
    if isinstance(source, str):
        shutil.copy(source, new)
    else:
        new.write_bytes(source)
        new.chmod(0o755)
    new.rename(path)


# --- What goes on ---

@pytest.mark.parametrize("keep", [True, False])
def test_no_request_fails(lab, keep):
    """Clients that keep their connection, and clients that do not; five upgrades in a row."""
    proxy = lab.proxy(load_origin(lab), workers=2, timeouts={"drain": 60_000, "drainIdle": 20_000})
    with Load(proxy, clients=6, keep=keep, body=BODY) as load:
        for _ in range(5):
            before = load.answered
            wait_until(lambda seen=before: load.answered > seen + 50, "traffic")
            _, old = upgrade(proxy)
            wait_until(lambda gone=old: gone not in proxy.engine_pids, "the old engine's end")
        after = load.answered
        wait_until(lambda: load.answered > after + 50, "traffic after the last one")
    assert load.errors == []


def test_downloads_and_uploads_go_on(lab):
    gate = threading.Event()

    def handler(connection):
        if connection.read_request(body=False).target == "/up":
            connection.send(answer(connection.read_exactly(20)))
        else:
            connection.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b"a" * 100_000)
            wait_event(gate)
            connection.send(b"b" * 100_000)
        connection.wait_closed()

    origin = lab.origin(handler)
    proxy = lab.proxy(origin, timeouts={"drain": 60_000})
    down, up = lab.client(proxy), lab.client(proxy)
    down.send(request())
    head = down.read_response(body=False)
    up.send(request("PUT", "/up", "Content-Length: 20"), b"0123456789")
    wait_until(lambda: len(origin.connections) == 2, "the upload begins")
    _, old = upgrade(proxy)
    up.send(b"0123456789")
    assert up.read_response("PUT").body == b"01234567890123456789"
    gate.set()
    down.read_body(head, 200_000)
    assert head.body == b"a" * 100_000 + b"b" * 100_000
    down.close()
    up.close()
    wait_until(lambda: old not in proxy.engine_pids, "the old engine's end")


def test_tunnels_go_on(lab):
    """Over two upgrades, as long as timeouts.drain allows."""
    proxy = lab.proxy(lab.origin(echo_tunnel), timeouts={"drain": 60_000})
    client = lab.client(proxy)
    enter(client)
    for count in (2, 2):  # an engine without anything to finish is gone at once
        upgrade(proxy)
        wait_until(lambda wanted=count: len(proxy.engine_pids) == wanted, "its end")
        client.send(b"still there?")
        assert client.read_exactly(12) == b"still there?"
    client.close()
    wait_until(lambda: len(proxy.engine_pids) == 1, "the first engine's end")


def has_socket(pid, inode):
    """Whether a process has it among its descriptors."""
    for link in pathlib.Path(f"/proc/{pid}/fd").iterdir():
        with contextlib.suppress(FileNotFoundError):  # closed since they were listed
            if os.readlink(link) == f"socket:[{inode}]":
                return True
    return False


def tunnel_of_newest(lab, proxy):
    """The client of a tunnel through it: behind an upgrade the engine before may still accept."""
    while True:
        client = lab.client(proxy)
        enter(client)
        ends = [f":{port:04X}" for port in (proxy.address[1], client.sock.getsockname()[1])]
        rows = [row.split() for row in pathlib.Path("/proc/net/tcp").read_text().splitlines()[1:]]
        inode = next(row[9] for row in rows if [row[1][8:], row[2][8:]] == ends)
        if has_socket(proxy.engine_pid, inode):
            return client
        client.close()


def test_so_many_earlier_engines_may_be_left(lab):
    """As docs/operations.md has it."""
    proxy = lab.proxy(lab.origin(echo_tunnel), timeouts={"drain": 600_000})
    clients = []
    for _ in range(5):
        clients.append(tunnel_of_newest(lab, proxy))
        upgrade(proxy)
    assert "too many earlier engines" in refused_upgrade(proxy)
    assert len(proxy.engine_pids) == 6
    clients[0].close()
    wait_until(lambda: len(proxy.engine_pids) == 5, "the first engine's end")
    upgrade(proxy)


def test_the_drain_timeout_ends_what_does_not_end(lab):
    held = Held(lab, timeouts={"drain": 300})
    _, old = upgrade(held.proxy)
    held.client.read_to_end()
    held.gate.set()
    wait_until(lambda: old not in held.proxy.engine_pids, "the old engine's end")


def test_an_idle_connection_is_answered_once_more(lab):
    """It is not closed in the moment in which the client may ask, but sent away with an answer."""
    proxy = lab.proxy(load_origin(lab), timeouts={"drain": 60_000})
    used, unused = lab.client(proxy), lab.client(proxy)
    assert used.get().status == 200
    assert lab.ask(proxy, request()).status == 200  # one that came behind it: it is accepted, too
    upgrade(proxy)
    for client in (used, unused):
        response = client.get()
        assert response.status == 200 and response.has_token("Connection", "close")
        client.expect_end(allow_reset=False)


def test_what_needs_a_restart_changes_with_an_upgrade(lab):
    """More and fewer workers, a listener that comes and one that goes: the same file does."""
    ports = [port_free(), port_free()]
    proxy = lab.proxy(load_origin(lab), workers=2, listeners=[{"address": "127.0.0.1"},
                                                        {"address": "127.0.0.1", "port": ports[0]}])
    for workers, port, other in ((4, ports[1], ports[0]), (1, ports[0], ports[1])):
        proxy.config["workers"] = workers
        proxy.config["listeners"][1]["port"] = port
        write_config(proxy, json.dumps(proxy.config))
        _, old = upgrade(proxy)
        wait_until(lambda gone=old: gone not in proxy.engine_pids, "the old engine's end")
        wait_until(lambda gone=other: not connects(("127.0.0.1", gone)), "the listener's end")
        for address in (proxy.address, ("127.0.0.1", port)):
            for _ in range(10):
                assert lab.ask(address, request()).status == 200
        assert f"with {workers} worker" in proxy.stderr()


def test_unix_sockets_and_the_management_port_pass_on(lab):
    path = str(lab.directory / "x.sock")
    proxy = lab.proxy(load_origin(lab), listeners=[{"unixSocket": path}],
                      admin={"enabled": True, "port": 0})
    management = admin_of(proxy)
    inode = os.stat(path).st_ino
    for _ in range(2):
        new, _ = upgrade(proxy)
        assert lab.ask(path, request()).status == 200
        for _ in range(5):  # never the old one
            status = lab.ask(management, request("GET", "/status", host="localhost"))
            assert f'"pid":{new}'.encode() in status.body.replace(b" ", b"")
    assert os.stat(path).st_ino == inode
    proxy.stop()
    assert not os.path.exists(path)


# --- What is executed ---

def test_the_new_file_runs_in_both_processes(lab, copy):
    """And the supervisor keeps its number, by which a service manager knows the service."""
    proxy = lab.proxy(load_origin(lab), how={"program": str(copy)})
    first = copy.stat().st_ino
    replace(copy, BINARY)
    assert os.stat(f"/proc/{proxy.engine_pid}/exe").st_ino == first
    new, _ = upgrade(proxy)
    for pid in (new, proxy.pid):
        wait_until(lambda of=pid: os.stat(f"/proc/{of}/exe").st_ino == copy.stat().st_ino,
                   "the new file is executed")
    # The new supervisor knows what the old one did.
    crash(proxy)
    assert lab.ask(proxy, request()).status == 200
    upgrade(proxy)
    assert lab.ask(proxy, request()).status == 200


def test_a_restart_runs_the_old_file(lab, copy):
    """A file that was replaced is a matter of an upgrade, not of a crash."""
    proxy = lab.proxy(load_origin(lab), how={"program": str(copy)})
    first = copy.stat().st_ino
    replace(copy, b"garbage")
    crash(proxy)
    assert lab.ask(proxy, request()).status == 200
    assert os.stat(f"/proc/{proxy.engine_pid}/exe").st_ino == first


@pytest.mark.parametrize("program, reason", [
    (b"garbage", "Exec format error"), (b"#!/bin/sh\nexit 3\n", "ended with exit status 3"),
    (b"#!/no/such/interpreter\n", "No such file"), (b"#!/bin/sh\nkill -SEGV $$\n", "signal 11"),
    (None, "No such file")])
def test_a_bad_program_changes_nothing(lab, copy, program, reason):
    proxy = lab.proxy(load_origin(lab), how={"program": str(copy)})
    old = proxy.engine_pid
    with Load(proxy, clients=4, keep=False, body=BODY) as load:
        if program is None:
            copy.unlink()
        else:
            replace(copy, program)
        refusal = refused_upgrade(proxy)
        after = load.answered
        wait_until(lambda: load.answered > after + 20, "traffic")
    assert reason in refusal and "serves on" in refusal
    assert (proxy.engine_pids, load.errors) == ([old], [])
    replace(copy, BINARY)
    upgrade(proxy)
    assert lab.ask(proxy, request()).status == 200


def test_a_bad_configuration_changes_nothing(lab):
    proxy = lab.proxy(load_origin(lab))
    old, good = proxy.engine_pid, proxy.config_file.read_text()
    write_config(proxy, "{")
    assert "exit status 2" in refused_upgrade(proxy)
    write_config(proxy, good.replace('"address": "127.0.0.1"', '"address": "192.0.2.1"'))
    assert "exit status 1" in refused_upgrade(proxy)
    assert proxy.engine_pids == [old]
    assert lab.ask(proxy, request()).status == 200


def marks_of(lab, proxy):
    return {backend["id"]: backend["marks"] for backend in status_of(lab, proxy)["backends"]}


@pytest.mark.parametrize("kept", [True, False])
def test_what_was_changed_at_run_time_goes_on(lab, kept):
    """Backends, marks and sessions, a moment old; with a state file and without."""
    sections = {"state": {"file": str(lab.directory / "state.json")}} if kept else {}
    proxy = managed(lab, load_origin(lab), load_origin(lab), **sections,
                    loadBalancing={"stickySession": {"enabled": True}})
    cookie = lab.ask(proxy, request()).get("Set-Cookie").split(";")[0]
    assert add(lab, proxy, url=load_origin(lab).url, id="new").status == 201
    assert ask(lab, proxy, "/backends/new/drain", method="POST").status == 200
    upgrade(proxy)
    assert marks_of(lab, proxy) == {"b0": [], "b1": [], "new": ["draining"]}
    assert lab.ask(proxy, request("GET", "/", f"Cookie: {cookie}")).get("Set-Cookie") is None


def test_changes_during_upgrades_are_kept_or_refused(lab):
    proxy = managed(lab, load_origin(lab))
    added, over = [], threading.Event()

    def change():
        for number in itertools.count():
            if over.is_set():
                return
            try:
                answered = add(lab, proxy, url=f"http://127.0.0.1:{number + 1}", id=f"x{number}")
            except (AssertionError, Closed, OSError):
                continue  # by the engine that ends: nobody was told that it was done
            assert answered.status in (201, 409)
            if answered.status == 201:
                added.append(f"x{number}")

    thread = threading.Thread(target=change)
    thread.start()
    for _ in range(3):
        before = len(added)
        wait_until(lambda seen=before: len(added) > seen + 5, "changes")
        upgrade(proxy)
    over.set()
    thread.join()
    assert set(added) <= set(marks_of(lab, proxy))


def test_a_refused_upgrade_lets_changes_go_on(lab, copy):
    proxy = managed(lab, load_origin(lab), how={"program": str(copy)})
    replace(copy, b"#!/bin/sh\nexit 3\n")
    refused_upgrade(proxy)
    wait_until(lambda: add(lab, proxy, url="http://127.0.0.1:1", id="new").status == 201,
               "the new backend")


def test_an_earlier_engine_that_crashes_is_reported(lab):
    """What it was finishing is cut, so somebody will ask; nothing is started again."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b"a")
        connection.wait_closed()

    proxy = lab.proxy(lab.origin(handler), timeouts={"drain": 60_000})
    client = lab.client(proxy)
    client.send(request())
    client.read_response(body=False)
    new, old = upgrade(proxy)
    os.kill(old, signal.SIGSEGV)
    wait_until(lambda: messages(proxy, "crash"), "the report")
    assert re.fullmatch(rf"The engine \(process {old}\) was ended by SIGSEGV after \d+\.\d{{3}} s; "
                        "it was finishing what it had begun", messages(proxy, "crash")[0])
    assert proxy.engine_pids == [new]


def test_nothing_piles_up(lab):
    """Descriptors and processes after many upgrades and some crashes are those of the beginning."""
    proxy = lab.proxy(load_origin(lab), workers=2)
    upgrade(proxy)
    wait_until(lambda: len(proxy.engine_pids) == 1, "the first engine's end")
    files = open_files(proxy.pid)
    for number in range(12):
        _, old = upgrade(proxy)
        wait_until(lambda gone=old: gone not in proxy.engine_pids, "the old engine's end")
        if number % 6 == 0:
            crash(proxy)
    assert lab.ask(proxy, request()).status == 200
    wait_until(lambda: open_files(proxy.pid) <= files, "as many descriptors as before")
    assert len(proxy.engine_pids) == 1


def open_files(pid):
    return len(os.listdir(f"/proc/{pid}/fd"))


# --- At a bad moment ---

def test_a_stop_while_both_run(lab):
    """The engine that drains is waited for; a second signal cuts it, too."""
    held = Held(lab, timeouts={"drain": 600_000})
    proxy = held.proxy
    upgrade(proxy)
    proxy.signal()
    wait_refusing(proxy)
    wait_until(lambda: len(proxy.engine_pids) == 1, "the new engine's end")
    assert proxy.process.poll() is None
    proxy.signal()
    proxy.wait_exit()
    held.client.read_to_end()
    held.gate.set()


def test_asked_again_while_the_supervisor_changes(lab, copy):
    """It learns of the new engine and of the second signal in one turn; neither gets lost."""
    proxy = lab.proxy(load_origin(lab), how={"program": str(copy)})
    go_on = lab.directory / "go-on"
    replace(copy, f'#!/bin/sh\nwhile [ ! -e {go_on} ]; do sleep 0.05; done\n'
                  f'exec {BINARY} "$@"\n'.encode())
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: len(proxy.engine_pids) == 2, "the new engine's process")
    proxy.signal(signal.SIGSTOP)
    go_on.touch()
    wait_until(lambda: len(messages(proxy, "start")) == 2, "the new engine is ready")
    proxy.signal(signal.SIGUSR2)
    proxy.signal(signal.SIGCONT)
    wait_until(lambda: len(retirements(proxy)) == 2, "both upgrades")


def test_many_signals_at_once(lab):
    """However they fall, what comes out serves."""
    proxy = lab.proxy(load_origin(lab))
    with Load(proxy, clients=4, keep=False, body=BODY) as load:
        for _ in range(20):
            proxy.signal(signal.SIGUSR2)
            proxy.signal(signal.SIGHUP)
        wait_until(lambda: len(retirements(proxy)) >= 1, "an upgrade")
        after = load.answered
        wait_until(lambda: load.answered > after + 50, "traffic")
    assert load.errors == []


def test_a_reload_while_the_new_engine_starts(lab):
    """It has read the file already, and waits for a name when the file changes and SIGHUP comes."""
    server, go_on = lab.keep(NameServer()), threading.Event()
    old, new = lab.origin(named("old")), lab.origin(named("new"))

    def script(query):
        return response(query, [record(*address("127.0.0.1"), 3600)]) if go_on.is_set() else None
    server.set("app.test", A, script)
    go_on.set()

    def backends(origin):
        return [{"id": "b0", "url": origin.url},
                {"id": "app", "url": f"http://app.test:{origin.address[1]}", "weight": 0}]
    proxy = lab.proxy(*backends(old), reload={"watch": False},
                      dns=server.settings(family="ipv4", timeout=200, tries=10, startWait=60_000))
    assert lab.ask(proxy, request()).body == b"old"
    go_on.clear()
    asked, first = len(server.asked("app.test")), proxy.engine_pid
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: len(server.asked("app.test")) > asked, "the new engine's question")
    write_config(proxy, json.dumps({**proxy.config, "backends": backends(new)}))
    before = len(reload_entries(proxy))
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: len(reload_entries(proxy)) > before, "the old engine to be told")
    go_on.set()
    wait_until(lambda: retirements(proxy) and proxy.engine_pid != first, "the upgrade")
    wait_until(lambda: lab.ask(proxy, request()).body == b"new", "the file as it is now")


def test_a_listener_that_goes_with_an_upgrade_comes_back(lab):
    """The new engine has let go of its sockets, and of their numbers: a log may have them."""
    port = port_free()
    proxy = lab.proxy(load_origin(lab), workers=2)
    few, more = ({"listeners": [*proxy.config["listeners"], *others]}
                 for others in ([], [{"address": "127.0.0.1", "port": port}]))
    assert reload(proxy, **more).startswith("Reloaded")
    write_config(proxy, json.dumps({**proxy.config, **few}))
    upgrade(proxy)
    wait_until(lambda: not connects(("127.0.0.1", port)), "the sockets' end")
    assert reload(proxy, **more).startswith("Reloaded: version 2, 1 setting changed")
    for _ in range(12):
        assert lab.ask(("127.0.0.1", port), request()).status == 200
    assert reload(proxy, **few).startswith("Reloaded")
    assert "cannot write" not in proxy.stderr()


def reload_while_the_new_one_starts(lab, copy, command):
    """SIGHUP with a listener more, to a proxy with a new engine that does not run yet. Returns it,
    the listener's address, and what lets the shell go on with this command."""
    proxy = lab.proxy(load_origin(lab), workers=2, how={"program": str(copy)})
    go_on, port = lab.directory / "go-on", port_free()
    replace(copy, f"#!/bin/sh\nwhile [ ! -e {go_on} ]; do sleep 0.05; done\n{command}\n".encode())
    proxy.signal(signal.SIGUSR2)
    wait_until(lambda: len(proxy.engine_pids) == 2, "the new engine's process")
    write_config(proxy, json.dumps({**proxy.config, "listeners": [
        *proxy.config["listeners"], {"address": "127.0.0.1", "port": port}]}))
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: reload_entries(proxy), "the old engine to be told")
    return proxy, ("127.0.0.1", port), go_on


def test_a_listener_that_comes_while_the_new_engine_starts(lab, copy):
    """The earlier engine leaves it to the new one: a socket of its own would outlive it in the
    supervisor, where nobody accepts."""
    proxy, address_of_it, go_on = reload_while_the_new_one_starts(lab, copy, f'exec {BINARY} "$@"')
    go_on.touch()
    wait_until(lambda: retirements(proxy) and len(proxy.engine_pids) == 1, "the old engine's end")
    wait_until(lambda: connects(address_of_it), "the listener")
    for _ in range(24):
        assert lab.ask(address_of_it, request()).status == 200


def test_a_reload_that_was_put_off_for_nothing(lab, copy):
    """The new engine does not come: the earlier one reads the file then."""
    proxy, address_of_it, go_on = reload_while_the_new_one_starts(lab, copy, "exit 3")
    assert not connects(address_of_it)
    go_on.touch()
    wait_until(lambda: connects(address_of_it), "the listener")
    assert lab.ask(address_of_it, request()).status == 200
