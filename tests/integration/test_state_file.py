"""What is known at run time and shall be known after a restart: the state file."""
import json
import os
import signal
import time

import pytest

from lib.admin import add, ask, managed, names, remove
from lib.client import request
from lib.engine import known_to_supervisor
from lib.kept import (CHECK, again, backends, document, healths, kept, of_another_boot, restart, rewrite,
                      said)
from lib.origin import answer, named, serve, wait_until

# --- What is kept ---

def test_backends_and_marks(lab):
    proxy = kept(lab, lab.origin(named("old")), lab.origin(named("gone")), lab.origin(named("marked")), routes=[
        {"id": "api", "path": "/api", "backends": ["b0"]}])
    assert add(lab, proxy, url=lab.origin(named("new")).url, id="new", weight=3).status == 201
    assert add(lab, proxy, url=lab.origin(named("api")).url, id="for-api", route="api").status == 201
    assert remove(lab, proxy, "/backends/b1").status == 200
    assert ask(lab, proxy, "/backends/b2/maintenance", method="POST").status == 200
    assert ask(lab, proxy, "/backends/new/drain", method="POST").status == 200
    restart(proxy)
    after = backends(lab, proxy)
    assert list(after) == ["b0", "b2", "new", "for-api"]
    assert {name: backend["marks"] for name, backend in after.items()} == {
        "b0": [], "b2": ["maintenance"], "new": ["draining"], "for-api": []}
    assert (after["new"]["weight"], after["new"]["addedAtRunTime"]) == (3, True)
    assert names(lab, proxy) == {"old"}
    assert names(lab, proxy, "/api") == {"old", "api"}
    wait_until(lambda: any("Restored from" in line for line in said(proxy)), "a line of the log")
    assert any("2 backends added and 1 removed" in line and "2 marks" in line
               for line in said(proxy))
    assert remove(lab, proxy, "/backends/new").status == 200
    restart(proxy)
    assert "new" not in backends(lab, proxy)


def test_written_while_running(lab):
    """kill -9 loses what is younger than a moment, and no more."""
    proxy = kept(lab, lab.origin(named("old")))
    assert add(lab, proxy, url=lab.origin(named("new")).url, id="new").status == 201
    wait_until(lambda: [entry["id"] for entry in document(proxy).get("added", [])] == ["new"],
               "the state file")
    assert oct(proxy.state.stat().st_mode & 0o777) == "0o600"
    assert not proxy.state.with_suffix(".json.new").exists()
    engine = proxy.engine_pid
    os.kill(proxy.pid, signal.SIGKILL)
    os.kill(engine, signal.SIGKILL)
    proxy.process.wait()
    wait_until(lambda: not os.path.exists(f"/proc/{engine}"), "the engine's end")
    again(proxy)
    assert names(lab, proxy) == {"old", "new"}


def test_a_removed_backend_may_be_replaced_by_one_of_its_name(lab):
    """Removing and adding in one: the order does not matter at the start."""
    proxy = kept(lab, lab.origin(named("old")), lab.origin(named("other")))
    assert remove(lab, proxy, "/backends/b0").status == 200
    assert add(lab, proxy, url=lab.origin(named("new")).url, id="b0").status == 201
    assert remove(lab, proxy, "/backends/b1").status == 200
    restart(proxy)
    assert names(lab, proxy) == {"new"}, said(proxy, "reload")


def test_the_file_wins_at_the_start_too(lab):
    proxy = kept(lab, lab.origin(named("old")))
    assert add(lab, proxy, url=lab.origin(named("new")).url, id="new").status == 201
    proxy.signal()
    assert proxy.wait_exit() == 0
    proxy.config["backends"].append({"id": "new", "url": lab.origin(named("file")).url})
    again(proxy)
    assert names(lab, proxy) == {"old", "file"}
    assert not backends(lab, proxy)["new"]["addedAtRunTime"]


def test_sticky_sessions(lab):
    """Issue: "sticky key": a client stays with its backend over a restart."""
    proxy = kept(lab, *(lab.origin(named(f"o{index}")) for index in range(4)), loadBalancing={
        "strategy": "round-robin", "stickySession": {"enabled": True, "cookieName": "s"}})
    first = lab.ask(proxy, request())
    cookie = first.get("Set-Cookie").split(";")[0]
    restart(proxy)
    for _ in range(6):
        later = lab.ask(proxy, request("GET", "/", f"Cookie: {cookie}"))
        assert later.body == first.body and later.get("Set-Cookie") is None


# --- Health ---

def down(lab):
    """A proxy that knows that its first backend is down, and has been stopped."""
    bad = lab.origin(serve(lambda _: answer(status="503 No")))
    proxy = kept(lab, {"url": bad.url, "healthCheck": CHECK}, lab.origin(named("good")))
    wait_until(lambda: backends(lab, proxy)["b0"]["health"] == "unhealthy", "the failed check")
    proxy.signal()
    assert proxy.wait_exit() == 0
    # Nobody asks for a day: what is known then is from the file.
    proxy.config["backends"][0]["healthCheck"] = {**CHECK, "interval": 86400000}
    return proxy


def test_health(lab):
    proxy = down(lab)
    again(proxy)
    first = backends(lab, proxy)["b0"]
    assert (first["health"], first["usable"]) == ("unhealthy", False)
    assert names(lab, proxy) == {"good"}


@pytest.mark.parametrize("age", [-3600, 3600], ids=["future", "old"])
def test_health_that_is_too_old(lab, age):
    """Issue: "with its age considered". From the future: a clock was stepped."""
    proxy = down(lab)
    state = of_another_boot(document(proxy))
    assert healths(state) == ["unhealthy"]
    state["savedAt"] = int((time.time() - age) * 1000)
    state["backends"][0]["draining"] = True
    proxy.state.write_text(json.dumps(state))
    again(proxy)
    wait_until(lambda: any("too old" in line for line in said(proxy)), "a line of the log")
    assert backends(lab, proxy)["b0"]["marks"] in (["draining"], ["down", "draining"])


def test_health_that_no_check_has_confirmed_for_long(lab):
    """It is as old as that, however young the file is."""
    proxy = down(lab)
    rewrite(proxy, healthAge=3_600_000)
    again(proxy)
    wait_until(lambda: any("too old" in line for line in said(proxy)), "a line of the log")


def test_the_age_of_health_at_a_stop(lab):
    """It is true until then, though nothing has changed since it was written first."""
    proxy = kept(lab, {"url": lab.origin(named("good")).url, "healthCheck": CHECK})
    wait_until(lambda: healths(document(proxy)) == ["healthy"], "the state file")
    stopped_ms = time.time() * 1000
    proxy.signal()
    assert proxy.wait_exit() == 0
    assert document(proxy)["savedAt"] >= int(stopped_ms)
    assert healths(document(proxy)) == ["healthy"]


def test_health_is_written_again_while_nothing_changes(lab):
    """The file, and what the supervisor keeps for a crash, are as old as what they say."""
    proxy = kept(lab, {"url": lab.origin(named("good")).url, "healthCheck": CHECK})
    proxy.stop()
    proxy.config["state"]["maxHealthAge"] = 2000
    again(proxy)

    def told(proxy):
        return json.loads(known_to_supervisor(proxy) or "{}")

    def written_after(read, before):
        """When, if it says what is known."""
        state = read(proxy)
        saved = state.get("savedAt", 0)
        return saved if saved > before and healths(state) == ["healthy"] else 0

    for read in (document, told):
        wait_until(lambda read=read: written_after(read, 0), "what is kept")
        for _ in range(2):
            before = read(proxy).get("savedAt", 0)
            wait_until(lambda read=read, before=before: written_after(read, before), "a newer one")


def test_what_is_restored_does_not_get_younger(lab):
    """Until a check says so itself."""
    proxy = down(lab)
    lab.origins[0].handler = lambda connection: connection.wait_closed()
    proxy.config["backends"][0]["healthCheck"]["timeout"] = 600_000
    before = rewrite(proxy, healthAge=100_000)
    for _ in range(2):
        again(proxy)
        wait_until(lambda: document(proxy)["savedAt"] > before, "a newer one")
        proxy.stop()
        [backend] = document(proxy)["backends"]
        assert backend["health"] == "unhealthy" and backend["healthAge"] >= 100_000
        before = document(proxy)["savedAt"]


# --- Files that will not do ---

@pytest.mark.parametrize("content, place", [
    ("", "state.json:1:1"), ("{", "state.json:1:"), ("[]", "state.json:1:1"),
    ('{"version": 2, "savedAt": 1}', "version: 2 is not allowed"),
    ('{"version": 1}', "savedAt: is missing"),
    ('{"version": 1, "savedAt": 1,\n "backends": [{"id": "a b"}]}', "state.json:2:"),
    ('{"version": 1, "savedAt": 1, "added": 7}', "added: is not allowed"),
    ('{"version": 1, "savedAt": 1, "secrets": [{"name": "a", "value": "xyz"}]}', "not shown"),
    ("\x00" * 100, "state.json:1:1")])
def test_corrupt(lab, content, place):
    """Logged with its place, set aside, and the start goes on."""
    proxy = kept(lab, lab.origin(named("old")))
    proxy.signal()
    assert proxy.wait_exit() == 0
    proxy.state.write_text(content)
    again(proxy)
    assert names(lab, proxy) == {"old"}
    wait_until(lambda: len(said(proxy)) >= 2, "two lines of the log")
    assert any(place in line for line in said(proxy)), said(proxy)
    assert proxy.state.with_suffix(".json.bad").read_text() == content
    assert not proxy.state.exists()
    assert "xyz" not in "".join(said(proxy))


def test_entries_that_will_not_do(lab):
    """They are left out, one by one, and said so; the rest is restored."""
    proxy = kept(lab, lab.origin(named("old")))
    proxy.signal()
    assert proxy.wait_exit() == 0
    good = {"id": "x", "url": lab.origin(named("new")).url}
    proxy.state.write_text(json.dumps({
        "version": 1, "savedAt": 1, "removed": [{"id": "gone", "url": "http://127.0.0.1:1"}],
        "backends": [{"id": "gone", "url": "http://127.0.0.1:1", "maintenance": True}],
        "added": [{"id": "y", "url": "ftp://x"}, 7, good, {**good, "id": "z", "route": "none"}]}))
    again(proxy)
    assert names(lab, proxy) == {"old", "new"}
    wait_until(lambda: len([line for line in said(proxy, "reload") if "left out" in line]) == 3,
               "three lines of the log")


def test_removals_that_leave_nothing(lab):
    """A route is not left without a backend by what was true of another configuration."""
    old = lab.origin(named("old"))
    proxy = kept(lab, old)
    proxy.signal()
    assert proxy.wait_exit() == 0
    proxy.state.write_text(json.dumps({"version": 1, "savedAt": 1, "added": [],
                                       "removed": [{"id": "b0", "url": old.url}]}))
    again(proxy)
    assert names(lab, proxy) == {"old"}


def test_a_directory_that_cannot_be_written(lab):
    """Said once; the proxy goes on."""
    proxy = managed(lab, lab.origin(named("old")), state={"file": str(lab.directory / "none" / "s.json")})
    assert add(lab, proxy, url=lab.origin(named("new")).url).status == 201
    wait_until(lambda: said(proxy), "a line of the log")
    assert "Cannot open the state file" in said(proxy)[0] and "No such file" in said(proxy)[0]
    assert names(lab, proxy) == {"old", "new"}


# --- Where it is ---

def test_none_unless_there_is_a_place(lab):
    proxy = managed(lab, lab.origin(named("old")))
    assert add(lab, proxy, url=lab.origin(named("new")).url).status == 201
    restart(proxy)
    assert names(lab, proxy) == {"old"}


def test_the_directory_of_the_service(lab):
    """As systemd's StateDirectory= names it; switched off, nothing is written."""
    directory = lab.directory / "var"
    directory.mkdir()
    proxy = managed(lab, lab.origin(named("old")), env={"STATE_DIRECTORY": f"{directory}:/elsewhere"})
    assert add(lab, proxy, url=lab.origin(named("new")).url).status == 201
    restart(proxy)
    assert names(lab, proxy) == {"old", "new"}
    assert [path.name for path in directory.iterdir()] == ["state.json"]
    proxy.config["state"] = {"enabled": False}
    restart(proxy)
    assert names(lab, proxy) == {"old"}


def test_a_link_in_its_place_is_not_followed(lab):
    proxy = kept(lab, lab.origin(named("old")))
    other = lab.directory / "other"
    other.write_text("untouched")
    proxy.state.with_suffix(".json.new").symlink_to(other)
    assert add(lab, proxy, url=lab.origin(named("new")).url).status == 201
    wait_until(lambda: document(proxy).get("added"), "the state file")
    assert other.read_text() == "untouched"
    assert lab.ask(proxy, request()).status == 200
