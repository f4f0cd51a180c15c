"""The management API on a unix socket: admin.unixSocket, admin.unixSocketMode."""
import contextlib
import json
import os
import socket
import stat
import time

import pytest

from lib.admin import TOKEN, ask, status_of
from lib.client import request
from lib.engine import crash, upgrade
from lib.logs import messages
from lib.origin import answer, serve, wait_until
from lib.proxy import connects, port_free, run
from lib.reload import write_config


def local(lab, *origins, admin=None, **sections):
    """A proxy whose management API is at the unix socket `proxy.admin`."""
    path = str(lab.directory / "admin.sock")
    proxy = lab.proxy(*(origins or [lab.origin()]), **sections,
                      admin={"enabled": True, "unixSocket": path, **(admin or {})})
    proxy.admin = path
    return proxy


def refusal(lab, path, **admin):
    """What a start that fails because of the socket says."""
    config = {"backends": [{"url": "http://127.0.0.1:1"}],
              "listeners": [{"address": "127.0.0.1", "port": port_free()}],
              "logging": {"errorLog": {"enabled": False}, "accessLog": {"enabled": False}},
              "admin": {"unixSocket": str(path), **admin}}
    file = lab.directory / "refused.json"
    file.write_text(json.dumps(config))
    done = run("--config", str(file))
    assert done.returncode == 1
    return done.stderr


def test_alone(lab):
    """Without address and port there is no TCP socket besides it; files of mode 0600 guard it."""
    proxy = local(lab)
    assert status_of(lab, proxy)["pid"] == proxy.engine_pid
    assert stat.S_IMODE(os.stat(proxy.admin).st_mode) == 0o600
    assert f"management API on unix:{proxy.admin}\n" in proxy.stderr()
    assert "http://" not in proxy.stderr()
    wait_until(lambda: f"Management API on unix:{proxy.admin}" in messages(proxy, "start"),
               "it in the log")
    proxy.stop()
    assert not os.path.exists(proxy.admin)


def test_besides_a_port(lab):
    """Both serve, and so does each when the other has gone wrong for its client."""
    port = port_free()
    proxy = local(lab, admin={"port": port, "unixSocketMode": "0666"})
    assert stat.S_IMODE(os.stat(proxy.admin).st_mode) == 0o666
    for address in ("127.0.0.1", port), proxy.admin:
        assert lab.ask(address, request("GET", "/healthz", host="localhost")).status == 200
    assert run("status", "--config", str(proxy.config_file)).returncode == 0


@pytest.mark.parametrize("ports", [{}, {"port": 0}])
def test_commands(lab, ports):
    """By URL, and by the configuration, which does not say which port was chosen."""
    proxy = local(lab, admin=ports)
    for where in ["--admin", f"unix:{proxy.admin}"], ["--config", str(proxy.config_file)]:
        done = run("status", *where)
        assert (done.returncode, done.stderr) == (0, "") and "b0" in done.stdout
        assert "b0" in run("backends", *where).stdout
        same = run("reload", *where)
        assert (same.returncode, same.stdout) == (0, "Reloaded: nothing has changed\n")


def test_nobody_there(lab):
    done = run("status", "--admin", f"unix:{lab.directory}/x.sock")
    assert (done.returncode, done.stdout) == (1, "") and "No such file" in done.stderr


def test_who_may_ask(lab):
    """With a token it is needed here, too; whoever forwards the socket to a port is as safe from pages
    of other sites as with a port."""
    proxy = local(lab, admin={"token": TOKEN})
    assert ask(lab, proxy, "/status").status == 401
    assert ask(lab, proxy, "/status", f"Authorization: Bearer {TOKEN}").status == 200
    assert ask(lab, proxy, "/healthz", host="evil.example").status == 403
    assert ask(lab, proxy, "/healthz", "Origin: http://evil.example").status == 403
    env = {"NEXTPROXY_ADMIN_TOKEN": TOKEN}
    assert run("status", "--admin", f"unix:{proxy.admin}").returncode == 1
    assert run("status", "--admin", f"unix:{proxy.admin}", env=env).returncode == 0


def test_socket_left_behind_is_replaced(lab):
    """After a crash of the whole program the file is still there; nobody listens on it."""
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(lab.directory / "admin.sock"))
    assert status_of(lab, local(lab))["snapshot"] == 1


def test_socket_of_another_process(lab):
    """It goes on being that one's."""
    proxy = local(lab)
    said = refusal(lab, proxy.admin)
    assert f"cannot listen on unix:{proxy.admin} (admin): bind:" in said
    assert "another program listens there" in said
    assert status_of(lab, proxy)["pid"] == proxy.engine_pid


def test_no_directory(lab):
    said = refusal(lab, lab.directory / "nowhere" / "admin.sock")
    assert "that directory does not exist: create it, or choose another path" in said


def test_a_start_that_fails_later_leaves_no_file(lab):
    """A listener that cannot be had comes behind it."""
    path = lab.directory / "admin.sock"
    with socket.create_server(("127.0.0.1", 0)) as taken:
        config = {"backends": [{"url": "http://127.0.0.1:1"}], "admin": {"unixSocket": str(path)},
                  "listeners": [{"address": "127.0.0.1", "port": taken.getsockname()[1]}],
                  "logging": {"errorLog": {"enabled": False}, "accessLog": {"enabled": False}}}
        file = lab.directory / "refused.json"
        file.write_text(json.dumps(config))
        assert run("--config", str(file)).returncode == 1
    assert not path.exists()


@pytest.mark.usefixtures("crashes")
def test_reachable_after_crashes_and_upgrades(lab):
    """The same socket all the time: who comes in between waits."""
    proxy = local(lab)
    inode = os.stat(proxy.admin).st_ino
    for another in crash, upgrade:
        another(proxy)
        assert status_of(lab, proxy)["pid"] == proxy.engine_pid
    assert os.stat(proxy.admin).st_ino == inode
    proxy.stop()
    assert not os.path.exists(proxy.admin)


@pytest.mark.usefixtures("crashes")
def test_an_upgrade_changes_it(lab):
    """Its permission bits and its path need another engine; a reload says so and changes nothing."""
    proxy = local(lab)
    other = str(lab.directory / "other.sock")
    proxy.config["admin"]["unixSocketMode"] = "0660"
    write_config(proxy, json.dumps(proxy.config))
    refused = ask(lab, proxy, "/reload", method="POST")
    assert refused.status == 422 and b"which needs a restart" in refused.body
    upgrade(proxy)
    assert stat.S_IMODE(os.stat(proxy.admin).st_mode) == 0o660
    proxy.config["admin"]["unixSocket"] = other
    write_config(proxy, json.dumps(proxy.config))
    upgrade(proxy)
    wait_until(lambda: not os.path.exists(proxy.admin), "the former file's end")
    assert lab.ask(other, request("GET", "/healthz", host="localhost")).status == 200


@pytest.mark.parametrize("arguments", [[], ["--no-supervisor"]])
def test_reachable_while_draining(lab, arguments):
    """Who stops a proxy wants to see what it waits for; then the file goes."""
    proxy = local(lab, lab.origin(serve(lambda _: answer())), timeouts={"drain": 60_000},
                  how={"arguments": arguments})
    client = lab.client(proxy)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    wait_until(lambda: status_of(lab, proxy)["requests"]["active"], "the request")
    proxy.signal()
    wait_until(lambda: not connects(proxy.address), "the listener's end")
    assert status_of(lab, proxy)["draining"]
    client.send("cde")
    assert client.read_response("POST").status == 200
    assert proxy.wait_exit() == 0
    assert not os.path.exists(proxy.admin)


def test_not_where_clients_come(lab):
    path = str(lab.directory / "x.sock")
    file = lab.directory / "c.json"
    file.write_text(json.dumps({"backends": [{"url": "http://127.0.0.1:1"}],
                                "listeners": [{"unixSocket": path}],
                                "admin": {"unixSocket": path}}))
    done = run("--check", "--config", str(file))
    assert done.returncode != 0
    assert f"admin.unixSocket: listeners[0] listens there too: {path}" in done.stderr


def test_who_does_not_read_keeps_nobody_out(lab):
    """Nor is a token needed for that: what is not read is that there must be one."""
    proxy = local(lab, admin={"token": TOKEN})
    deaf = []
    for count in [55] + [1] * 9:
        deaf += [lab.client(proxy.admin) for _ in range(count)]
        for _ in range(40):  # a few at a time, as many as are answered before the next ones
            for client in deaf[-count:]:
                with contextlib.suppress(OSError):  # full, or ended
                    client.sock.send(request("GET", "/x", host="localhost") * 20,
                                     socket.MSG_DONTWAIT)
            time.sleep(0.01)
    for _ in range(3):
        assert ask(lab, proxy, "/readyz").status == 200
