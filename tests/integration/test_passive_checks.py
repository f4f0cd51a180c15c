"""Passive checks: what requests show of a backend, how it is left out, and how it comes back."""
import threading

import pytest

from lib.admin import managed, metrics_of, status_of, status_text
from lib.blackhole import Refused
from lib.client import request
from lib.flapper import SICK, Flapper
from lib.logs import entries
from lib.origin import answer, serve, wait_until
from lib.proxy import port_free
from lib.reload import reload

QUICK = {"ejectionTime": 100, "maxEjectionTime": 400}
LONG = {"ejectionTime": 600000, "maxEjectionTime": 600000}


def wait_entry(proxy, text, kind="passive_check"):
    def matching():
        return [entry for entry in entries(proxy, kind) if text in entry["message"]]
    wait_until(matching, f"a log entry: {text}")
    return matching()[-1]


def backend_of(lab, proxy, index=0):
    return status_of(lab, proxy)["backends"][index]


def circuit_of(lab, proxy, index=0):
    return backend_of(lab, proxy, index)["circuit"]


def ask_many(lab, proxy, count):
    """The statuses of so many requests, one after the other."""
    return [lab.ask(proxy, request()).status for _ in range(count)]


def ask_until(lab, proxy, condition, what):
    """Sends requests until something is true; their statuses."""
    statuses = []

    def asked():
        statuses.append(lab.ask(proxy, request()).status)
        return condition()

    wait_until(asked, what)
    return statuses


# ---- Out ----

def test_a_refused_backend_is_out_within_one_request(lab):
    """No client sees it, and no further request pays for it."""
    first, second = lab.origin(), lab.origin()
    proxy = managed(lab, lab.keep(Refused()), first, second, passiveCheck=LONG)
    assert set(ask_many(lab, proxy, 40)) == {200}
    status = status_of(lab, proxy)
    backend = status["backends"][0]
    assert status["requests"]["retries"] == backend["requests"] == backend["failures"] == 1
    assert (backend["usable"], backend["marks"]) == (False, ["ejected"])
    assert backend["circuit"]["state"] == "open"
    assert (backend["circuit"]["ejections"], backend["circuit"]["reason"]) == (1, "refused")
    assert backend["circuit"]["lastFailure"] == "connect_refused"
    assert status["routes"][0]["usable"] == 2 and status["routes"][0]["ejected"] == 1
    event = wait_entry(proxy, "ejected for 600.000 s")
    assert (event["level"], event["backendId"], event["error"]) == ("warn", "b0", "ECONNREFUSED")
    metrics = metrics_of(lab, proxy)
    assert metrics['nextproxy_backend_ejections_total{backend="b0"}'] == 1
    assert metrics['nextproxy_backend_circuit{backend="b0",state="open"}'] == 1
    assert metrics['nextproxy_route_backends_ejected{route="default"}'] == 1


def test_all_workers_know_at_once(lab):
    """Two workers, many clients at once: those that are under way may fail, no later one does."""
    proxy = managed(lab, lab.keep(Refused()), lab.origin(), workers=2, passiveCheck=LONG)
    statuses = []

    def ask_some():
        statuses.extend(lab.ask(proxy, request()).status for _ in range(25))

    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "open", "the ejection")
    attempts = backend_of(lab, proxy)["requests"]
    threads = [threading.Thread(target=ask_some) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert statuses == [200] * 100
    assert backend_of(lab, proxy)["requests"] == attempts == 1


@pytest.mark.parametrize("mode", ["fails", "resets"])
def test_failures_in_a_row(lab, mode):
    flapper = lab.keep(Flapper())
    flapper.turn(mode)
    proxy = managed(lab, flapper, lab.origin(), passiveCheck={**LONG, "consecutiveFailures": 3},
                    proxy={"retries": 0})
    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "open", "the ejection")
    circuit = circuit_of(lab, proxy)
    assert (circuit["failures"], circuit["reason"]) == (3, "failures")
    assert "3 requests failed in a row" in wait_entry(proxy, "is ejected")["message"]
    assert set(ask_many(lab, proxy, 20)) == {200}


def test_a_timeout_counts(lab):
    def silent(connection):
        connection.read_request()
        connection.wait_closed()

    proxy = managed(lab, lab.origin(silent), lab.origin(), timeouts={"responseHead": 1000},
                    passiveCheck={**LONG, "consecutiveFailures": 2})
    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "open", "the ejection")
    assert circuit_of(lab, proxy)["lastFailure"] == "response_timeout"


def test_the_error_rate(lab):
    """Two in three fail, never three in a row."""
    turns = iter(range(10 ** 6))
    odd = lab.origin(serve(lambda _: answer(status="200 OK" if next(turns) % 3 == 0 else "502 No")))
    proxy = managed(lab, odd, lab.origin(), passiveCheck={
        **LONG, "consecutiveFailures": 3, "errorRate": 60, "minRequests": 20}, proxy={"retries": 0})
    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "open", "the ejection")
    assert circuit_of(lab, proxy)["reason"] == "error-rate"
    assert len(odd.requests) >= 20


def test_which_statuses_count(lab):
    """429 as configured for one backend; 503 is no failure of it any more, and 404 never was."""
    states = iter(["404 No", "503 No"] * 10)
    odd = lab.origin(serve(lambda _: answer(status=next(states, "429 Slower"))))
    backend = {"url": odd.url, "passiveCheck": {"statuses": "429", "consecutiveFailures": 4}}
    proxy = managed(lab, backend, lab.origin(), passiveCheck=LONG, proxy={"retries": 0})
    ask_until(lab, proxy, lambda: len(odd.requests) == 20, "20 requests")
    assert circuit_of(lab, proxy)["failures"] == 0
    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "open", "the ejection")
    assert len(odd.requests) == 24
    assert circuit_of(lab, proxy)["lastFailure"] == "status 429"


def test_switched_off(lab):
    """For one backend, then for all."""
    refused = lab.keep(Refused()).url
    proxy = managed(lab, {"url": refused, "passiveCheck": {"enabled": False}}, refused + "/",
                    lab.origin(), passiveCheck=LONG)
    assert set(ask_many(lab, proxy, 20)) == {200}
    assert circuit_of(lab, proxy, 0)["ejections"] == 0 < backend_of(lab, proxy, 0)["requests"]
    assert circuit_of(lab, proxy, 1)["ejections"] == 1


# ---- How many ----

def test_never_more_than_the_share(lab):
    """Four of five refuse, two may be ejected."""
    proxy = managed(lab, *(lab.keep(Refused()) for _ in range(4)), lab.origin(),
                    loadBalancing={"maxEjectionPercent": 59}, passiveCheck=LONG,
                    proxy={"retries": 4})
    for _ in range(20):
        assert lab.ask(proxy, request()).status == 200
        states = [backend["circuit"]["state"] for backend in status_of(lab, proxy)["backends"]]
        assert states.count("open") <= 2
    assert states.count("open") == 2
    spared = [backend["circuit"]["spared"] for backend in status_of(lab, proxy)["backends"]]
    assert sum(count > 0 for count in spared) == 2
    assert "maxEjectionPercent" in wait_entry(proxy, "is not ejected")["message"]


def test_the_only_backend_is_never_ejected(lab):
    proxy = managed(lab, lab.keep(Refused()), passiveCheck=LONG)
    assert set(ask_many(lab, proxy, 10)) == {502}
    assert backend_of(lab, proxy)["usable"]


def test_the_share_of_each_route(lab):
    """A backend that is the only one of a route stays for the others, too."""
    proxy = managed(lab, lab.keep(Refused()), lab.origin(), passiveCheck=LONG, routes=[
        {"id": "alone", "path": "/alone", "backends": ["b0"]}])
    assert set(ask_many(lab, proxy, 10)) == {200}
    assert backend_of(lab, proxy)["usable"]
    assert reload(proxy, routes=[]).startswith("Reloaded")
    assert set(ask_many(lab, proxy, 10)) == {200}
    assert not backend_of(lab, proxy)["usable"]


# ---- Back ----

def test_a_good_trial_brings_it_back(lab):
    flapper = lab.keep(Flapper())
    proxy = managed(lab, flapper, lab.origin(), passiveCheck=QUICK)
    flapper.turn("refuses")
    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["ejections"] > 0, "the ejection")
    flapper.turn("well")
    statuses = ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "closed", "the return")
    assert set(statuses) == {200}
    assert wait_entry(proxy, "may be tried")["level"] == "info"
    assert wait_entry(proxy, "is back")["level"] == "info"
    before = flapper.served
    assert set(ask_many(lab, proxy, 10)) == {200}
    assert flapper.served > before


def test_failed_trials_make_it_longer(lab):
    """And no client sees them fail."""
    proxy = managed(lab, lab.keep(Refused()), lab.origin(), passiveCheck=QUICK)
    statuses = ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["ejections"] >= 4, "trials")
    assert set(statuses) == {200}

    def times():
        return [entry["message"].split(" for ")[1].split(":")[0]
                for entry in entries(proxy, "passive_check") if "is ejected" in entry["message"]]

    wait_until(lambda: len(times()) >= 4, "their log entries")
    assert times()[:4] == ["0.100 s", "0.200 s", "0.400 s", "0.400 s"]
    assert circuit_of(lab, proxy)["reason"] == "trial"


def test_good_probes_end_the_time_early(lab):
    """Ten minutes of ejection, but the active check sees that it is back."""
    flapper = lab.keep(Flapper())
    check = {"enabled": True, "path": "/health", "interval": 100, "healthyThreshold": 2}
    proxy = managed(lab, {"url": flapper.url, "healthCheck": check}, lab.origin(),
                    passiveCheck=LONG)
    flapper.turn("refuses")
    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "open", "the ejection")
    flapper.turn("well")
    ask_until(lab, proxy, lambda: circuit_of(lab, proxy)["state"] == "closed", "the return")
    assert "2 good probes" in wait_entry(proxy, "may be tried")["message"]
    assert backend_of(lab, proxy)["usable"]


# ---- Reloads and panic ----

def test_a_reload_keeps_the_ejection(lab):
    refused = lab.keep(Refused())
    proxy = managed(lab, refused, lab.origin(), lab.origin(), passiveCheck=LONG)
    assert set(ask_many(lab, proxy, 6)) == {200}
    assert circuit_of(lab, proxy)["state"] == "open"
    assert reload(proxy, limits={"fields": 90}).startswith("Reloaded")
    assert set(ask_many(lab, proxy, 6)) == {200}
    assert (circuit_of(lab, proxy)["state"], backend_of(lab, proxy)["requests"]) == ("open", 1)
    assert reload(proxy, passiveCheck={"enabled": False}).startswith("Reloaded")
    assert "passiveCheck is off" in wait_entry(proxy, "counts as usable")["message"]
    assert backend_of(lab, proxy)["usable"]


def test_a_smaller_share_brings_some_back(lab):
    proxy = managed(lab, lab.keep(Refused()), lab.keep(Refused()), lab.origin(), passiveCheck=LONG)
    ask_until(lab, proxy, lambda: status_of(lab, proxy)["routes"][0]["ejected"] == 2, "both")
    assert reload(proxy, loadBalancing={"maxEjectionPercent": 34}).startswith("Reloaded")
    wait_entry(proxy, "1 ejected backends are back")
    assert status_of(lab, proxy)["routes"][0]["ejected"] == 1


def test_panic(lab):
    """Both fail their probes, and are used all the same; when one is up, it alone is."""
    first, second = lab.keep(Flapper()), lab.keep(Flapper())
    check = {"enabled": True, "path": "/health", "interval": 100, "unhealthyThreshold": 1}
    proxy = managed(lab, *({"url": one.url, "healthCheck": check} for one in (first, second)))
    for one in (first, second):
        one.turn("fails_probes")
    assert wait_entry(proxy, "all of them are used", "panic")["level"] == "warn"
    assert status_of(lab, proxy)["routes"][0]["panic"] is True
    assert "1 route uses all backends" in status_text(lab, proxy)
    assert metrics_of(lab, proxy)['nextproxy_route_panic{route="default"}'] == 1
    before = first.served, second.served
    assert set(ask_many(lab, proxy, 10)) == {200}
    assert first.served > before[0] and second.served > before[1]
    first.turn("well")
    wait_entry(proxy, "only these are used again", "panic")
    assert status_of(lab, proxy)["routes"][0]["usable"] == 1
    assert status_of(lab, proxy)["routes"][0]["panic"] is False
    assert "panic" not in status_text(lab, proxy)


def test_panic_goes_with_its_route(lab):
    """The next route may have its place among what is known, and was never in panic."""
    check = {"enabled": True, "type": "tcp", "interval": 100, "unhealthyThreshold": 1}
    proxy = managed(lab, lab.origin(), {"url": f"http://127.0.0.1:{port_free()}",
                                        "healthCheck": check, "routesOnly": True},
                    routes=[{"id": "gone", "path": "/gone", "backends": ["b1"]}])
    wait_entry(proxy, "all of them are used", "panic")
    for number in range(3):  # until the place is free, and is taken
        routes = [{"id": f"new-{n}", "path": f"/{n}"} for n in range(number)]
        assert reload(proxy, routes=routes).startswith("Reloaded")
        assert len(status_of(lab, proxy)["routes"]) == number + 1
    assert len(entries(proxy, "panic")) == 1


# ---- All of it ----

class Traffic:
    """Clients that ask all the time; `statuses` is what they got."""

    def __init__(self, lab, proxy, count=2):
        self.lab, self.proxy, self.statuses = lab, proxy, []
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        while not self.over.is_set():
            self.statuses.append(self.lab.ask(self.proxy, request()).status)

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()


def verdicts(lab, proxy):
    """Who counts as well."""
    return [backend["usable"] and backend["circuit"]["state"] == "closed"
            for backend in status_of(lab, proxy)["backends"]]


def test_flapping_backends_are_judged_rightly(lab):
    """Four backends get sick and well again, one after the other, in all the ways there are. After
    each turn has been seen, every verdict on every backend is compared with the truth; and none
    may be missed."""
    rounds, looks = 10, 6
    flappers = [lab.keep(Flapper()) for _ in range(4)]
    check = {"enabled": True, "path": "/health", "interval": 100, "maxInterval": 100,
             "healthyThreshold": 2, "unhealthyThreshold": 2}
    proxy = managed(lab, *({"url": one.url, "healthCheck": check} for one in flappers),
                    passiveCheck={**QUICK, "consecutiveFailures": 3}, proxy={"retries": 3})
    traffic = Traffic(lab, proxy)
    right = wrong = 0
    try:
        for turn in range(2 * rounds):
            index = turn // 2 % len(flappers)
            mode = list(SICK)[turn // 2 % len(SICK)] if turn % 2 == 0 else "well"
            flappers[index].turn(mode)
            truth = [one.mode == "well" for one in flappers]
            wait_until(lambda: verdicts(lab, proxy)[index] == truth[index],
                       f"the verdict on backend {index}: {mode}")
            for _ in range(looks):
                found = verdicts(lab, proxy)
                right += sum(a == b for a, b in zip(found, truth))
                wrong += sum(a != b for a, b in zip(found, truth))
    finally:
        traffic.stop()
    assert right + wrong == 2 * rounds * looks * len(flappers)
    assert right / (right + wrong) >= 0.99, (right, wrong)
    assert traffic.statuses.count(200) > len(traffic.statuses) * 0.9


def test_refusing_backends_cost_no_client_anything(lab):
    """All but one of five come and go under traffic: every request is answered by somebody."""
    flappers = [lab.keep(Flapper()) for _ in range(4)]
    proxy = managed(lab, *flappers, lab.origin(), passiveCheck=QUICK, proxy={"retries": 4},
                    workers=2)
    traffic = Traffic(lab, proxy)
    try:
        for turn in range(4):
            for one in flappers:
                one.turn("refuses" if turn % 2 == 0 else "well")
            wait_until(lambda: [state == "closed" for state in states(lab, proxy)]
                       == [turn % 2 == 1] * 4, f"turn {turn}")
    finally:
        traffic.stop()
    assert set(traffic.statuses) <= {200, 502}
    wait_until(lambda: traffic.statuses.count(502) <= lost_in_flight(proxy), "their log entries")


def states(lab, proxy):
    return [backend["circuit"]["state"] for backend in status_of(lab, proxy)["backends"][:4]]


def lost_in_flight(proxy):
    """Requests whose connection was cut when the backend went: no fault of the choice."""
    return len([entry for entry in entries(proxy, "backend_failure")
                if entry["error"] not in ("ECONNREFUSED", "upstream_stale")])
