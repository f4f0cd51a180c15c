"""The wall clock is set while requests run (issue, "To show"). Nothing waits by it; logs go to the
files of their hours, and no age that it makes up deletes anything."""
import datetime
import os
import re
import threading

import pytest

from lib.admin import ask, managed, metrics_of
from lib.client import request
from lib.clock import DAY, HOUR, Clock, build
from lib.engine import crash, known_to_supervisor, upgrade
from lib.load import Load, wait_answers
from lib.logs import entries_of, messages
from lib.origin import answer, serve, wait_until
from lib.proxy import sanitized
from lib.tunnel import enter, or_tunnel
from lib.wire import WAIT_SECONDS

STEPS = [DAY, -DAY - HOUR, HOUR, 366 * DAY, -366 * DAY, 5, -5]


@pytest.fixture(name="library", scope="module")
def built_library(tmp_path_factory):
    if sanitized():
        pytest.skip("a sanitizer reads the clock itself")
    return build(tmp_path_factory.mktemp("shim"))


@pytest.fixture(name="clock")
def own_clock(lab, library):
    return Clock(library, lab.directory / "clock")


def test_requests_and_timers(lab, clock):
    """What runs goes on, what waits is neither late nor early, in both directions."""
    go_on = threading.Event()

    def respond(connection, seen):
        if seen.target == "/hang":
            connection.wait_closed()
        elif seen.target == "/wait":
            assert go_on.wait(WAIT_SECONDS * 6)
        return answer("here")

    origin = lab.origin(or_tunnel(respond))
    hang = {"id": "hang", "path": "/hang", "backends": ["b0"], "timeouts": {"responseHead": 300}}
    proxy = lab.proxy(origin, env=clock.env, workers=2, routes=[
        {"id": "rest", "path": "/", "backends": ["b0"]}, hang],
        timeouts={"responseHead": 600_000, "keepAlive": 600_000, "tunnelIdle": 600_000})
    waiting, idle, tunnel = (lab.client(proxy) for _ in range(3))
    waiting.send(request("GET", "/wait"))
    assert idle.get().status == 200
    enter(tunnel)
    load = Load(proxy, clients=4)
    for count, seconds in enumerate(STEPS, 1):
        wait_answers(load, 50)
        clock.step(seconds)
        wait_until(lambda count=count: len(messages(proxy, "clock")) >= count, "it is seen")
        tunnel.send(b"there?")
        assert tunnel.read_exactly(6) == b"there?"
        assert idle.get().status == 200
        assert lab.ask(proxy, request("GET", "/hang")).status == 504
    load.stop()
    go_on.set()
    assert waiting.read_response().status == 200
    assert not load.errors
    assert any(re.search(r"set back by (90000\.0|89999\.9)", message)
               for message in messages(proxy, "clock"))


def hour_of(seconds):
    moment = datetime.datetime.fromtimestamp(seconds, datetime.timezone.utc)
    return f"access_{moment:%Y_%m_%d_%H}.log"


def times_of(file, path):
    return [datetime.datetime.fromisoformat(entry["timestamp"]).timestamp()
            for entry in entries_of(file) if entry.get("path") == path]


def wait_record(lab, proxy, path, clock):
    """Asks until there is a record with the time that it is now, in the file of this hour: the file
    is looked at once a second."""
    begin = clock.now()

    def found():
        assert lab.ask(proxy, request("GET", path)).status == 200
        files = {proxy.logs / hour_of(begin), proxy.logs / hour_of(clock.now())}
        return any(begin <= moment <= clock.now() for file in files if file.exists()
                   for moment in times_of(file, path))
    wait_until(found, f"a record of {path}")


def test_records_go_to_the_file_of_their_hour(lab, clock):
    """Forward by a day, back by an hour from there, and to where it was."""
    proxy = lab.proxy(lab.origin(), env=clock.env)
    for path, seconds in (("/today", 0), ("/tomorrow", DAY), ("/before", -HOUR),
                          ("/again", HOUR - DAY)):
        clock.step(seconds)
        wait_record(lab, proxy, path, clock)


def aged(proxy, days):
    """A log that was written last so many days ago; the kernel's clock is right."""
    proxy.logs.mkdir(parents=True, exist_ok=True)
    file = proxy.logs / f"access_2020_01_01_{days:02}.log"
    file.write_text("{}\n")
    when = os.stat(file).st_mtime - days * DAY
    os.utime(file, (when, when))
    return file


def test_no_log_is_deleted_for_a_clock_that_is_wrong(lab, clock):
    """A file of two days is kept when the clock says that it is of a month, and one of ten days
    goes, when the clock is right again."""
    proxy = lab.proxy(lab.origin(), env=clock.env, logging={
        "accessLog": {"enabled": True, "directory": str(lab.directory / "proxy0" / "logs"),
                      "filePattern": "access_yyyy_mm_dd_HH.log", "maxAgeDays": 3}})
    wait_until(lambda: list(proxy.logs.glob("access_*.log")), "the first log")
    young, old = aged(proxy, 2), aged(proxy, 10)
    for seconds in (30 * DAY, HOUR, DAY):
        clock.step(seconds)
        wait_record(lab, proxy, "/wrong", clock)
    assert young.exists() and old.exists()
    assert any("no log is deleted for its age" in message for message in messages(proxy, "clock"))
    clock.step(-clock.ahead)
    wait_record(lab, proxy, "/right", clock)
    wait_until(lambda: not old.exists(), "the old one's end")
    assert young.exists()


def stop_and_start(proxy):
    proxy.stop()
    proxy.stopped = False
    proxy.start()
    assert proxy.wait_ready(), proxy.stderr()


def doubted(lab, proxy):
    return metrics_of(lab, proxy)["nextproxy_clock_doubted"]


@pytest.mark.usefixtures("crashes")
@pytest.mark.parametrize("again, state", [(crash, False), (upgrade, False), (stop_and_start, True)],
                         ids=["crash", "upgrade", "restart"])
def test_doubt_goes_on(lab, clock, again, state):
    """Whoever comes next knows that the clock is wrong, and when it is right again."""
    kept = lab.directory / "state.json"
    proxy = managed(lab, lab.origin(), env=clock.env, logging={
        "accessLog": {"enabled": True, "directory": str(lab.directory / "proxy0" / "logs"),
                      "filePattern": "access_yyyy_mm_dd_HH.log", "maxAgeDays": 3}},
                    **({"state": {"file": str(kept)}} if state else {}))
    wait_until(lambda: list(proxy.logs.glob("access_*.log")), "the first log")
    young, old = aged(proxy, 2), aged(proxy, 10)
    clock.step(30 * DAY)
    wait_until(lambda: "doubtedSince" in (kept.read_text() if state and kept.exists()
                                          else known_to_supervisor(proxy)), "it is passed on")
    again(proxy)
    wait_until(lambda: any("before this start" in message for message in messages(proxy, "clock")),
               "a line of the log")
    wait_until(lambda: doubted(lab, proxy) == 1, "it is shown")
    clock.step(HOUR)
    wait_record(lab, proxy, "/wrong", clock)
    assert young.exists() and old.exists()
    clock.step(-clock.ahead)
    wait_until(lambda: doubted(lab, proxy) == 0, "it is believed")
    wait_record(lab, proxy, "/right", clock)
    assert young.exists() and not old.exists()


def test_the_age_of_health_by_the_clock(lab, clock):
    """As long as the machine is up it does not matter what the clock says."""
    check = {"enabled": True, "interval": 100}
    proxy = managed(lab, {"url": lab.origin().url, "healthCheck": check}, env=clock.env,
                    state={"file": str(lab.directory / "state.json")})
    wait_until(lambda: messages(proxy, "health"), "a first probe")
    for count, seconds in enumerate((366 * DAY, -2 * 366 * DAY), 1):
        proxy.stop()
        clock.step(seconds)
        proxy.stopped = False
        proxy.start()
        assert proxy.wait_ready(), proxy.stderr()
        wait_until(lambda count=count: len(messages(proxy, "state_file")) == count, "it is restored")
    assert all("health of 1" in message and "too old" not in message
               for message in messages(proxy, "state_file"))


def test_cookies_by_the_clock(lab, clock):
    """One that has lost its time is as none; one from the future is set anew, and the client
    stays."""
    names = ("one", "two")
    origins = [lab.origin(serve(lambda _, name=name: answer(name))) for name in names]
    proxy = lab.proxy(*origins, env=clock.env, loadBalancing={
        "stickySession": {"enabled": True, "ttl": HOUR * 1000}})
    first = lab.ask(proxy, request())
    cookie = first.get("Set-Cookie").split(";")[0]

    def set_anew():
        response = lab.ask(proxy, request("GET", "/", f"Cookie: {cookie}"))
        return response if response.get("Set-Cookie") else None
    assert set_anew() is None
    clock.step(-DAY)
    wait_until(set_anew, "a cookie with another time")
    assert set_anew().body == first.body
    clock.step(2 * DAY)
    wait_until(lambda: (set_anew() or first).body != first.body, "a client like a new one")


def test_the_management_api_by_the_clock(lab, clock):
    proxy = managed(lab, lab.origin(), env=clock.env)
    clock.step(DAY)
    wait_until(lambda: metrics_of(lab, proxy)["nextproxy_clock_steps_total"] > 0, "it is counted")
    date = ask(lab, proxy, "/healthz").get("Date")
    seen = datetime.datetime.strptime(date, "%a, %d %b %Y %H:%M:%S GMT")
    ahead = seen.replace(tzinfo=datetime.timezone.utc).timestamp() - clock.now()
    assert abs(ahead) < HOUR
