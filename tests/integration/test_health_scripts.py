"""Active health checks by a program: what it is given, how it ends, and that nothing of it is left."""
import json
import os
import re
import signal
import stat
import subprocess

import pytest

from lib import proxy as lib_proxy
from lib.admin import managed, metrics_of, status_of
from lib.checks import checked, events, wait_event
from lib.client import request
from lib.engine import wait_replaced
from lib.logs import entries, messages
from lib.origin import answer, serve, wait_until
from lib.reload import reload
from lib.settings import backends_of
from lib.unkillable import Unkillable

AT_ONCE = 16  # as many programs run at the same time


class Script:
    """A shell script in the lab's directory, with a directory where it may leave notes."""

    def __init__(self, lab, body, name="check"):
        self.file = lab.directory / f"{name}.sh"
        self.notes = lab.directory / f"{name}.notes"
        self.notes.mkdir()
        self.write(body)

    def write(self, body):
        fresh = self.file.with_suffix(".new")
        fresh.write_text(f"#!/bin/sh\nnotes={self.notes}\n{body}\n")
        fresh.chmod(0o755)
        fresh.replace(self.file)

    def note(self, name):
        return (self.notes / name).read_text()

    def wait_note(self, name):
        """Written whole: its last line is there."""
        wait_until(lambda: (self.notes / name).exists() and self.note(name).endswith("\n"), f"the note {name}")
        return self.note(name)

    def wait_runs(self, count):
        """That it has left so many notes, where it leaves one for each run."""
        wait_until(lambda: len(list(self.notes.iterdir())) >= count, f"{count} runs")


def by_script(lab, script, *words, origin=None, **settings):
    origin = origin or lab.origin(serve(lambda seen: answer("here")))
    return {**checked(origin, type="script", command=[str(getattr(script, "file", script)), *words], **settings)}


def is_alive(pid):
    """A zombie is none that lives, but is one that we see elsewhere."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii") as file:
            return file.read().rsplit(")", 1)[1].split()[0] != "Z"
    except (FileNotFoundError, ProcessLookupError):
        return False


def children(proxy):
    """The processes that the engine has begun and not yet reaped, zombies included."""
    pid = proxy.engine_pid
    with open(f"/proc/{pid}/task/{pid}/children", encoding="ascii") as file:
        return [int(child) for child in file.read().split()]


def wait_dead(*pids):
    wait_until(lambda: not any(is_alive(pid) for pid in pids), f"the end of {pids}")


# ---- How it ends ----

def test_exit_status_0_is_good(lab):
    proxy = lab.proxy(by_script(lab, Script(lab, "echo all is well; exit 0")))
    assert wait_event(proxy, "info")["message"] == "Backend is up: its first good probe"
    wait_until(lambda: lab.ask(proxy, request()).status == 200, "an answer")


@pytest.mark.parametrize("body,error,detail", [
    ("echo disk full; exit 3", "exit status 3", "ended with exit status 3: disk full"),
    ("echo disk full >&2; exit 3", "exit status 3", "ended with exit status 3: disk full"),
    ("exit 1", "exit status 1", "the last ended with exit status 1"),
    ("echo; printf '  first \\033[2J\\tline\\nsecond\\n'; exit 255", "exit status 255",
     "ended with exit status 255: first ?[2J line"),
    ("printf '%0300d' 0; exit 1", "exit status 1", "ended with exit status 1: " + "0" * 127),
    ("i=0; while [ $i -lt 3000 ]; do echo 'a long line that says nothing new to anybody'; i=$((i + 1)); done; exit 4",
     "exit status 4", "ended with exit status 4: a long line that says nothing new to anybody"),
    ("kill -9 $$", "signal 9", "was killed by signal 9"),
    ("echo going; kill -TERM $$", "signal 15", "was killed by signal 15: going"),
    ("exec /nonexistent/program 2>/dev/null", "exit status 127", "ended with exit status 127"),
], ids=["says", "complains", "silent", "controls", "long", "much", "SIGKILL", "SIGTERM", "no program"])
def test_all_else_is_bad(lab, body, error, detail):
    proxy = lab.proxy(by_script(lab, Script(lab, body)))
    event = wait_event(proxy, "warn")
    assert (event["backendId"], event["error"]) == ("b0", error)
    assert event["message"].endswith(detail)


def test_one_that_hangs_is_killed_with_all_it_has_begun(lab):
    script = Script(lab, 'sleep 600 & echo "$$ $!" > $notes/pids; echo waiting; wait')
    proxy = lab.proxy(by_script(lab, script, timeout=3000, unhealthyThreshold=1, interval=60000))
    event = wait_event(proxy, "warn")
    assert event["error"] == "timeout" and event["message"].endswith("the last timed out after 3000 ms: waiting")
    wait_dead(*map(int, script.note("pids").split()))
    wait_until(lambda: children(proxy) == [], "the script is reaped")


def test_one_that_ignores_signals_is_killed(lab):
    script = Script(lab, "trap '' TERM INT HUP PIPE; echo $$ > $notes/pid; while :; do sleep 600; done")
    proxy = lab.proxy(by_script(lab, script, timeout=3000, unhealthyThreshold=1, interval=60000))
    assert wait_event(proxy, "warn")["error"] == "timeout"
    wait_dead(int(script.note("pid")))


@pytest.mark.parametrize("status,level", [(0, "info"), (5, "warn")])
def test_its_end_counts_and_not_that_of_its_output(lab, status, level):
    """What it leaves behind has the pipe, and is killed."""
    script = Script(lab, f'sleep 600 & echo $! >> $notes/pids; echo said; exit {status}')
    proxy = lab.proxy(by_script(lab, script, timeout=60000, unhealthyThreshold=1, interval=60000))
    wait_event(proxy, level)
    wait_dead(*map(int, script.note("pids").split()))
    wait_until(lambda: children(proxy) == [], "the script is reaped")


def test_output_without_end_is_an_end(lab):
    """It is not read for ever: who goes on writing waits, until it is too late."""
    proxy = lab.proxy(by_script(lab, Script(lab, "exec yes"), timeout=2000, unhealthyThreshold=1))
    event = wait_event(proxy, "warn")
    assert event["error"] == "timeout" and event["message"].endswith(": y")


def test_a_closed_output_is_no_end(lab):
    """It goes on, and is well."""
    script = Script(lab, f'exec >&- 2>&-; echo x > $notes/closed; read line < {lab.directory}/go; exit 0')
    os.mkfifo(lab.directory / "go")
    proxy = lab.proxy(by_script(lab, script, interval=60000, timeout=60000))
    script.wait_note("closed")
    assert events(proxy) == []
    (lab.directory / "go").write_text("go\n")
    wait_event(proxy, "info")


def test_a_backend_goes_down_and_comes_back(lab):
    script = Script(lab, "exit 0")
    proxy = lab.proxy(by_script(lab, script))
    wait_event(proxy, "info")
    script.write("echo no; exit 2")
    assert "3 failed probes" in wait_event(proxy, "warn")["message"]
    script.write("exit 0")
    assert "2 good probes" in wait_event(proxy, "info", 2)["message"]


# ---- What it is given ----

def test_words_and_environment(lab, monkeypatch):
    """The words as they are, and nothing of our environment."""
    monkeypatch.setenv("NEXTPROXY_ADMIN_TOKEN", "this-is-a-secret")
    script = Script(lab, 'for word; do echo "[$word]"; done > $notes/words; env -0 > $notes/env; '
                         'pwd >> $notes/words; exit 0')
    origin = lab.origin(serve(lambda seen: answer("here")))
    proxy = lab.proxy(by_script(lab, script, "--port", "80; exit 1", "", "$HOME", "a  b", origin=origin,
                                interval=60000))
    wait_event(proxy, "info")
    assert script.note("words").splitlines() == ["[--port]", "[80; exit 1]", "[]", "[$HOME]", "[a  b]", "/"]
    found = dict(pair.split("=", 1) for pair in script.note("env").split("\0") if pair)
    for made_by_the_shell in ("PWD", "_", "SHLVL", "OLDPWD"):
        found.pop(made_by_the_shell, None)
    assert found == {"PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
                     "NEXTPROXY_BACKEND_ID": "b0", "NEXTPROXY_BACKEND_URL": origin.url,
                     "NEXTPROXY_BACKEND_ADDRESS": "127.0.0.1",
                     "NEXTPROXY_BACKEND_PORT": str(origin.address[1])}


def test_of_a_unix_socket(lab):
    script = Script(lab, 'echo "$NEXTPROXY_BACKEND_ADDRESS ${NEXTPROXY_BACKEND_PORT-none}" > $notes/address')
    origin = lab.origin(serve(lambda seen: answer("here")), address=str(lab.directory / "origin.sock"))
    wait_event(lab.proxy(by_script(lab, script, origin=origin, interval=60000)), "info")
    assert script.note("address") == f"{lab.directory}/origin.sock none\n"


def test_nothing_else_of_ours(lab):
    """No descriptor but the three, no signal blocked or ignored, a session and group of its own, few descriptors
    allowed."""
    script = Script(lab, 'ls -l /proc/self/fd > $notes/fds; cat /proc/self/status > $notes/status; '
                         'cat /proc/$$/stat > $notes/stat; ulimit -n > $notes/files; exit 0')
    proxy = lab.proxy(by_script(lab, script, interval=60000))
    wait_event(proxy, "info")
    fds = {line.split()[-3]: line.split()[-1] for line in script.note("fds").splitlines() if "->" in line}
    opened_by_ls = [fd for fd, target in fds.items() if target.endswith("/fd")]
    assert sorted(set(fds) - set(opened_by_ls)) == ["0", "1", "2"]
    assert fds["0"] == "/dev/null" and fds["2"].startswith("pipe:")
    status = dict(line.split(":\t", 1) for line in script.note("status").splitlines())
    for mask in ("SigBlk", "SigIgn", "SigCgt", "CapAmb"):
        assert int(status[mask], 16) == 0, mask
    stat_fields = script.note("stat").rsplit(")", 1)[1].split()
    pid = script.note("stat").split()[0]
    assert (stat_fields[2], stat_fields[3]) == (pid, pid)  # its group, its session
    assert int(script.note("files")) <= 1024


# ---- When it cannot be begun ----

@pytest.mark.parametrize("kind", ["missing", "directory", "not executable", "relative", "no command"])
def test_what_cannot_be_executed_is_an_error_of_the_configuration(lab, kind):
    path = lab.directory / "program"
    if kind == "directory":
        path.mkdir()
    elif kind == "not executable":
        path.write_text("#!/bin/sh\nexit 0\n")
        path.chmod(0o644)
    check = by_script(lab, "program" if kind == "relative" else path)
    if kind == "no command":
        del check["healthCheck"]["command"]
    config = lab.directory / "config.json"
    config.write_text(json.dumps({"backends": backends_of([check])}))
    done = subprocess.run([lib_proxy.BINARY, "--check", "--config", str(config)], capture_output=True, text=True,
                          timeout=30, check=False, stdin=subprocess.DEVNULL)
    assert done.returncode == 2
    text = done.stdout + done.stderr
    assert "backends[0].healthCheck.command" in text
    assert {"missing": "cannot be executed: No such file or directory; correct the path",
            "directory": "it is no regular file", "not executable": "Permission denied",
            "relative": "an absolute path", "no command": "is missing"}[kind] in text


def test_a_program_that_goes_says_nothing_about_the_backend(lab):
    """That it cannot be asked any more is told once, and shown."""
    script = Script(lab, "exit 0")
    proxy = managed(lab, by_script(lab, script))
    wait_event(proxy, "info")
    script.file.unlink()
    event = wait_event(proxy, "warn")
    assert event["error"] == "ENOENT"
    assert event["message"] == (f"A probe could not be made: {str(script.file)[:127]}: "
                                "the backend counts as it did before")
    backend = status_of(lab, proxy)["backends"][0]
    assert backend["health"] == "healthy"
    assert backend["lastProbe"]["reason"] == "ENOENT" and str(script.file)[:100] in backend["lastProbe"]["detail"]
    assert lab.ask(proxy, request()).status == 200
    script.write("exit 1")
    assert wait_event(proxy, "warn", 2)["error"] == "exit status 1"


def test_what_is_no_program_cannot_be_begun(lab):
    """An executable file that no kernel knows."""
    path = lab.directory / "program"
    path.write_bytes(b"\x7fno program")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    assert wait_event(lab.proxy(by_script(lab, path)), "warn")["error"] == "ENOEXEC"


# ---- When it ends with us ----

HANGS = 'echo $$ > $notes/$NEXTPROXY_BACKEND_ID.$$; exec sleep 600'


def hanging(lab, count, **settings):
    script = Script(lab, HANGS)
    origin = lab.origin(serve(lambda seen: answer("here")))
    return script, [by_script(lab, script, origin=origin, **{"timeout": 60000, **settings}) for _ in range(count)]


def pids_written(script):
    """Those whose notes are there, and whole."""
    return [int(text) for text in (file.read_text() for file in script.notes.iterdir()) if text.endswith("\n")]


def pids_of(script):
    return [int(file.suffix[1:]) for file in script.notes.iterdir()]


def test_a_stop_kills_what_runs(lab):
    script, backends = hanging(lab, 3)
    proxy = lab.proxy(*backends)
    script.wait_runs(3)
    proxy.stop()
    wait_dead(*pids_of(script))


@pytest.mark.usefixtures("crashes")
def test_a_crash_leaves_none_behind(lab):
    script, backends = hanging(lab, 2)
    proxy = lab.proxy(*backends)
    script.wait_runs(2)
    before = pids_of(script)
    old = proxy.engine_pid
    os.kill(old, signal.SIGKILL)
    wait_dead(*before)
    wait_replaced(proxy, old)
    script.wait_runs(4)


def test_a_backend_that_goes_takes_its_script_along(lab):
    script, backends = hanging(lab, 2)
    proxy = lab.proxy(*backends)
    script.wait_runs(2)
    first = [pid for pid in pids_of(script) if (script.notes / f"b0.{pid}").exists()]
    reload(proxy, backends=backends_of(backends)[1:])
    wait_dead(*first)
    wait_until(lambda: len(children(proxy)) == 1, "only the other one is there")
    assert events(proxy) == []


def test_a_reload_changes_the_script(lab):
    """What runs by then is killed, and not waited for."""
    script, backends = hanging(lab, 1)
    proxy = lab.proxy(*backends)
    script.wait_runs(1)
    other = Script(lab, "echo better; exit 7", name="other")
    backends[0]["healthCheck"]["command"] = [str(other.file)]
    reload(proxy, backends=backends_of(backends))
    wait_dead(*pids_of(script))
    assert wait_event(proxy, "warn")["message"].endswith("exit status 7: better")
    assert any("healthCheck.command" in line for line in messages(proxy, "reload"))


def test_a_reload_from_a_script_to_a_connection_and_back(lab):
    origin = lab.origin(serve(lambda seen: answer("here")))
    script = Script(lab, "echo no; exit 1")
    proxy = lab.proxy(by_script(lab, script, origin=origin))
    wait_event(proxy, "warn")
    reload(proxy, backends=backends_of([checked(origin)]))
    assert "up again" in wait_event(proxy, "info")["message"]
    reload(proxy, backends=backends_of([by_script(lab, script, origin=origin)]))
    assert wait_event(proxy, "warn", 2)["error"] == "exit status 1"


def test_two_hundred_at_once_are_a_few_at_a_time(lab):
    """Each of them ends when it is told to, so that as many as may run are seen."""
    lab.directory.joinpath("going").mkdir()
    script = Script(lab, f'echo > {lab.directory}/going/$$; echo > $notes/$NEXTPROXY_BACKEND_ID; '
                         f'[ -e {lab.directory}/go ] || sleep 0.5; rm {lab.directory}/going/$$; exit 0')
    origin = lab.origin(serve(lambda seen: answer("here")))
    proxy = lab.proxy(*[by_script(lab, script, origin=origin, interval=60000, timeout=60000) for _ in range(200)])
    seen = 0

    def all_were_asked():
        nonlocal seen
        seen = max(seen, len(children(proxy)))
        if seen == AT_ONCE:
            lab.directory.joinpath("go").touch()
        return len(events(proxy, "info")) == 200

    wait_until(all_were_asked, "200 scripts", 60)
    assert seen == AT_ONCE
    assert len(list(script.notes.iterdir())) == 200
    wait_until(lambda: children(proxy) == [], "all are reaped")


def test_hanging_scripts_hold_up_no_connection(lab):
    """As many hang as may run; other probes do not wait for them."""
    script, backends = hanging(lab, AT_ONCE + 4)
    proxy = lab.proxy(*backends, checked(lab.origin(serve(lambda seen: answer("")))))
    script.wait_runs(AT_ONCE)
    assert wait_event(proxy, "info")["backendId"] == f"b{AT_ONCE + 4}"
    assert len(children(proxy)) == AT_ONCE


# ---- When there are too many ----

def programs(lab, proxy):
    """(there, killed, waiting)"""
    samples = metrics_of(lab, proxy)
    return tuple(samples[f"nextproxy_check_programs{end}"] for end in ("", "_killed", "_waiting"))


def wait_said(proxy, level):
    def said():
        return [entry for entry in entries(proxy, "check_programs") if entry["level"] == level]
    wait_until(said, f"that checks wait, or do no more: {level}")
    return said()[0]


def test_checks_that_wait_are_told_of(lab):
    """Once, and once when it is over; their backends are neither up nor down."""
    script = Script(lab, f'echo $$ > $notes/$NEXTPROXY_BACKEND_ID; '
                         f'while ! [ -e {lab.directory}/go ]; do sleep 0.05; done')
    origin = lab.origin(serve(lambda seen: answer("here")))
    proxy = managed(lab, *[by_script(lab, script, origin=origin, timeout=600_000, interval=2000)
                           for _ in range(AT_ONCE + 2)])
    event = wait_said(proxy, "warn")
    script.wait_runs(AT_ONCE)
    waiting = {f"b{n}" for n in range(AT_ONCE + 2)} - {file.name for file in script.notes.iterdir()}
    assert event["backendId"] in waiting and len(waiting) == 2
    assert "16 programs" in event["message"] and " 0 of which were killed" in event["message"]
    assert "healthCheck.interval" in event["message"]
    wait_until(lambda: programs(lab, proxy) == (AT_ONCE, 0, 2), "figures")
    assert status_of(lab, proxy)["checkPrograms"] == {"running": AT_ONCE, "killed": 0, "waiting": 2}
    assert {backend["health"] for backend in status_of(lab, proxy)["backends"]} == {"unknown"}
    assert events(proxy) == []
    assert len(entries(proxy, "check_programs")) == 1
    (lab.directory / "go").touch()
    wait_said(proxy, "info")
    wait_until(lambda: len({event["backendId"] for event in events(proxy, "info")}) == AT_ONCE + 2,
               "all are up")
    assert events(proxy, "warn") == []


def test_programs_that_cannot_be_killed(lab):
    """They keep their places until they end; then all goes on."""
    hang = lab.directory / "hang"
    hang.touch()
    script = Script(lab, f'[ -e {hang} ] || exit 0\necho $$ > $notes/$$; exec sleep 600')
    proxy = managed(lab, *[by_script(lab, script, timeout=1000, interval=3000) for _ in range(AT_ONCE + 2)])
    with Unkillable() as unkillable:
        def all_linger():
            unkillable.take(pids_written(script))
            return programs(lab, proxy)[:2] == (AT_ONCE, AT_ONCE)
        wait_until(all_linger, "as many as may be there are killed and do not end", 60)
        event = wait_said(proxy, "warn")
        killed = int(re.search(r"(\d+) of which were killed", event["message"])[1])
        assert ("state D" in event["message"]) == (killed > 0)
        wait_until(lambda: programs(lab, proxy)[2] > 0, "checks wait")
        assert lab.ask(proxy, request()).status == 200
        hang.unlink()
    wait_said(proxy, "info")
    wait_until(lambda: {backend["health"] for backend in status_of(lab, proxy)["backends"]} == {"healthy"},
               "all are up", 60)


@pytest.mark.parametrize("mode", [[], ["--no-supervisor"]])
def test_a_second_stop_while_the_first_waits_for_a_program(lab, mode):
    """There are no workers and no management API any more, who could be told of it."""
    script, backends = hanging(lab, 1)
    proxy = managed(lab, *backends, how={"arguments": mode})
    with Unkillable() as unkillable:
        script.wait_runs(1)
        unkillable.take(pids_of(script))
        proxy.signal()
        wait_until(lambda: not lib_proxy.connects(proxy.admin), "the end of the management API")
        proxy.signal()
        assert proxy.wait_exit() == 0


def test_beside_one_that_cannot_be_killed_no_other_is_begun(lab):
    """Its check fails meanwhile, and goes on when it has ended."""
    script = Script(lab, 'echo $$ > $notes/$$; exec sleep 600')
    proxy = managed(lab, by_script(lab, script, timeout=500, interval=500, maxInterval=500))

    def backend():
        return status_of(lab, proxy)["backends"][0]
    with Unkillable() as unkillable:
        def held_up():
            unkillable.take(pids_written(script))
            return "has not ended" in (backend().get("lastProbe") or {}).get("detail", "")
        wait_until(held_up, "that a probe is not begun")
        runs = len(pids_written(script))
        assert backend()["lastProbe"]["reason"] == "timeout"
        wait_until(lambda: backend()["health"] == "unhealthy", "the backend is down")
        assert programs(lab, proxy) == (1, 1, 0)
        assert len(pids_written(script)) == runs
        script.write("exit 0")
    wait_event(proxy, "info")


def test_many_runs_leak_nothing(lab):
    """Good, bad, late and left behind ones, some hundred: as many descriptors as before, and no zombies."""
    origin = lab.origin(serve(lambda seen: answer("here")))
    bodies = ["exit 0", "echo no; exit 1", "exec sleep 600", "sleep 600 & exit 0", "kill -9 $$"]
    counted = Script(lab, 'echo > $notes/$$; exit 0', name="counted")
    options = {"origin": origin, "timeout": 150, "maxInterval": 100}
    scripts = [Script(lab, body, name=f"s{n}") for n, body in enumerate(bodies)]
    proxy = lab.proxy(*[by_script(lab, script, **options) for script in [counted, *scripts]])
    counted.wait_runs(3)
    most = proxy.fd_count() + 2 * 6
    counted.wait_runs(30)
    assert proxy.fd_count() <= most
    assert len(children(proxy)) <= 6


def test_one_backend_of_many_routes_is_asked_once(lab):
    script = Script(lab, 'echo > $notes/$$; exit 0')
    proxy = lab.proxy(by_script(lab, script, interval=60000), routes=[
        {"id": f"r{n}", "path": f"/{n}", "backends": ["b0"]} for n in range(5)])
    wait_event(proxy, "info")
    assert len(list(script.notes.iterdir())) == 1


# ---- Who may say what is executed ----

@pytest.mark.parametrize("check", [{"type": "script"}, {"command": ["/bin/true"]},
                                   {"enabled": True, "type": "script", "command": ["/bin/true"]}])
def test_no_command_comes_over_the_management_api(lab, check):
    proxy = managed(lab, lab.origin())
    body = json.dumps({"url": "http://127.0.0.1:9", "healthCheck": check}).encode()
    head = request("POST", "/backends", f"Content-Length: {len(body)}", "Content-Type: application/json",
                   host="127.0.0.1")
    answered = lab.ask(proxy.admin, head + body, "POST")
    assert answered.status == 400
    assert b"only the configuration file says what is executed" in answered.body
    assert len(status_of(lab, proxy)["backends"]) == 1


def test_the_last_probe_is_shown(lab):
    proxy = managed(lab, by_script(lab, Script(lab, 'echo "a \\"quoted\\" word"; exit 3')))
    wait_event(proxy, "warn")
    probe = status_of(lab, proxy)["backends"][0]["lastProbe"]
    assert (probe["good"], probe["reason"]) == (False, "exit status 3")
    assert probe["detail"] == 'ended with exit status 3: a "quoted" word'
