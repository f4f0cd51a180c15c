"""A start that fails: each cause has its own words (path, reason, cure), on stderr and in the error
log (issue: "start-up failures name the cause and the cure")."""
import pathlib
import re
import socket
import subprocess
import sys

import pytest

from lib import under_seccomp
from lib.client import request
from lib.origin import wait_until
from lib.proxy import connects, port_free
from lib.reload import reload, reload_entries
from lib.start import start
from lib.wire import WAIT_SECONDS


def check(done, entries, name, *words):
    """One line about it on stderr, and the same in the log."""
    line = next(text for text in done.stderr.splitlines() if "cannot listen on" in text)
    assert done.returncode == 1
    assert name in line
    for word in words:
        assert word in line, line
    assert [entry["type"] for entry in entries] == ["start_failure"]
    assert entries[0]["level"] == "error"
    assert line == f"nextproxy: {entries[0]['message']}"
    return line


# --- What can be in the way of a unix socket ---

def no_directory(folder):
    return folder / "no" / "such" / "x.sock", "No such file", "create it"


def file_in_the_way(folder):
    (folder / "x.sock").write_text("precious")
    return folder / "x.sock", "in use", "no socket: remove it"


def directory_in_the_way(folder):
    (folder / "x.sock").mkdir()
    return folder / "x.sock", "in use", "a directory of that name"


def file_above(folder):
    (folder / "file").write_text("")
    return folder / "file" / "x.sock", "Not a directory", "correct the path"


def directory_not_writable(folder):
    (folder / "closed").mkdir(mode=0o500)
    return folder / "closed" / "x.sock", "Permission denied", "write and search permission"


def directory_not_searchable(folder):
    (folder / "closed").mkdir(mode=0o000)
    return folder / "closed" / "x.sock", "Permission denied", "write and search permission"


def stale_and_not_removable(folder):
    (folder / "closed").mkdir()
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(str(folder / "closed" / "x.sock"))
    (folder / "closed").chmod(0o500)
    return folder / "closed" / "x.sock", "in use", "may not remove it"


@pytest.mark.parametrize("obstacle", [
    no_directory, file_in_the_way, directory_in_the_way, file_above, directory_not_writable,
    directory_not_searchable, stale_and_not_removable])
def test_unix_socket(tmp_path, obstacle):
    path, reason, cure = obstacle(tmp_path)
    done, entries = start(tmp_path, {"unixSocket": str(path)})
    line = check(done, entries, f"unix:{path}", reason, cure)
    assert "port" not in line and "CAP_NET_BIND" not in line
    if obstacle is file_in_the_way:
        assert path.read_text() == "precious"


@pytest.mark.parametrize("mode, cure", [(0o777, "another program listens there"),
                                        (0o000, "may not connect to")])
def test_unix_socket_of_another_program(tmp_path, mode, cure):
    """It goes on listening, whether we may ask it or not."""
    path = tmp_path / "x.sock"
    with socket.socket(socket.AF_UNIX) as other:
        other.bind(str(path))
        other.listen()
        path.chmod(mode)
        done, entries = start(tmp_path, {"unixSocket": str(path)})
        check(done, entries, f"unix:{path}", "in use", cure)
        path.chmod(0o777)
        assert connects(str(path))


# --- TCP ---

def test_port_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
        done, entries = start(tmp_path, {"address": "127.0.0.1", "port": port})
    check(done, entries, f"127.0.0.1:{port}", "in use",
          "another program listens there", "choose another port")


def test_port_that_needs_a_right(tmp_path):
    first = int(pathlib.Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text())
    if first < 2:
        pytest.skip("every port is free for all here")
    done, entries = start(tmp_path, {"address": "127.0.0.1", "port": 1})
    line = check(done, entries, "127.0.0.1:1", "Permission denied", f"ports below {first}", "setcap",
                 "AmbientCapabilities", "ip_unprivileged_port_start")
    assert "directory" not in line


def test_address_of_another_machine(tmp_path):
    done, entries = start(tmp_path, {"address": "192.0.2.1", "port": port_free()})
    check(done, entries, "192.0.2.1:", "no such address")


# --- The kernel and the environment; the log itself ---

def under_denial(tmp_path, denied):
    """A start without a system call. LeakSanitizer, a process, could not begin without some."""
    done, entries = start(tmp_path, {"address": "127.0.0.1", "port": port_free()},
                          env={"ASAN_OPTIONS": "detect_leaks=0"},
                          before=[sys.executable, under_seccomp.__file__, "--deny", denied])
    if done.returncode == under_seccomp.EXIT_NOT_PERMITTED:
        pytest.skip(done.stderr.strip())
    return done, entries


def test_kernel_that_refuses(tmp_path):
    """Exit status 2, and the operator reads the doctor's cause in the log."""
    done, entries = under_denial(tmp_path, "io_uring_setup=EPERM")
    assert done.returncode == 2
    assert [entry["type"] for entry in entries] == ["start_failure"]
    assert "cannot set up io_uring" in entries[0]["message"] and "cure: " in entries[0]["message"]
    assert entries[0]["message"] in done.stderr


@pytest.mark.parametrize("name", ["warp_drive", "op_recv"])  # the second one is required
def test_feature_that_is_not_optional(tmp_path, name):
    done, entries = start(tmp_path, {"address": "127.0.0.1", "port": port_free()},
                          env={"NEXTPROXY_RING_DISABLE": f"bundle,{name},x"})
    assert done.returncode == 2
    assert re.search(f'no optional feature is called "{name}"', entries[0]["message"])
    assert entries[0]["message"] in done.stderr


@pytest.mark.parametrize("limit", [*range(6, 10), 16, 24])
def test_out_of_descriptors(tmp_path, limit):
    """What the start itself holds is let go before the log is written."""
    done, entries = start(tmp_path, {"address": "127.0.0.1", "port": port_free()},
                          before=["prlimit", f"--nofile={limit}:{limit}"])
    assert done.returncode in (1, 2)
    assert [entry["type"] for entry in entries] == ["start_failure"], done.stderr
    assert "ulimit -n" in entries[0]["message"] and "LimitNOFILE=" in entries[0]["message"]
    assert done.stderr.splitlines()[-1] == f"nextproxy: {entries[0]['message']}"


@pytest.mark.parametrize("denied, why", [
    ("clone=EAGAIN", "cannot start the engine: Resource temporarily unavailable; raise the limits of "
                     "processes and files (ulimit -u, ulimit -n), or run with --no-supervisor"),
    ("signalfd4=EMFILE", "no file descriptor for signals: Too many open files; raise the limit "
                         "(ulimit -n, LimitNOFILE=)")])
def test_no_supervisor(tmp_path, denied, why):
    """Nobody is there yet who has a log."""
    done, entries = under_denial(tmp_path, denied)
    assert (done.returncode, entries) == (1, [])
    assert done.stderr == f"nextproxy: {why}\n"


def test_no_thread(tmp_path):
    """But for that of control."""
    done, entries = under_denial(tmp_path, "clone3=EAGAIN")
    assert done.returncode == 1
    assert [entry["type"] for entry in entries] == ["start_failure"]
    assert entries[0]["message"] == "no thread for a worker: raise the process limit (ulimit -u)"
    assert f"nextproxy: {entries[0]['message']}\n" in done.stderr


def test_file_that_cannot_be_watched(lab):
    """Serving goes on; who reloads has to say so, which is told."""
    before = [sys.executable, under_seccomp.__file__, "--deny", "inotify_init1=EMFILE"]
    if subprocess.run([*before, "/bin/true"], check=False, timeout=WAIT_SECONDS).returncode:
        pytest.skip("seccomp filters are not permitted here")
    proxy = lab.proxy(lab.origin(), reload={"watch": True}, how={"before": before})
    told = "Changes of the configuration file are not seen (inotify: Too many open files): send SIGHUP"
    wait_until(lambda: any(level == "warn" and message.startswith(told)
                           for level, message in reload_entries(proxy)), "the warning")
    assert lab.ask(proxy, request()).status == 200
    assert reload(proxy, workers=2).startswith("Reloaded")


def test_log_that_is_off_stays_off(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as other:
        done, _ = start(tmp_path, {"address": "127.0.0.1", "port": other.getsockname()[1]},
                        logging={"enabled": False})
    assert done.returncode == 1 and "cannot listen on" in done.stderr
    assert not (tmp_path / "logs").exists()


def test_log_that_cannot_be_written(tmp_path):
    """The cause is still told, and why it is not in the log."""
    (tmp_path / "logs").write_text("")
    with socket.create_server(("127.0.0.1", 0)) as other:
        done, _ = start(tmp_path, {"address": "127.0.0.1", "port": other.getsockname()[1]})
    assert done.returncode == 1 and "cannot listen on" in done.stderr
    assert f"error log: cannot write {tmp_path}/logs/x.log: Not a directory" in done.stderr


def test_log_on_a_full_disk(tmp_path):
    """A file that may not grow is as good as a full disk: what is told is told on stderr."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        done, entries = start(tmp_path, {"address": "127.0.0.1", "port": other.getsockname()[1]},
                              before=["prlimit", "--fsize=0"])
    assert done.returncode == 1 and "cannot listen on" in done.stderr
    assert f"error log: cannot write {tmp_path}/logs/x.log: File too large" in done.stderr
    assert entries == []
