"""Active health checks: what brings a backend down and up again, and what a probe looks like."""
import os
import socket

import pytest

from lib.blackhole import BlackHole, Refused
from lib.checks import Patient, checked, events, wait_down, wait_event, wait_more
from lib.client import request
from lib.origin import answer, serve, wait_until
from lib.origin import wait_event as wait_origin_event
from lib.reload import reload
from lib.settings import backends_of


def names(lab, proxy, count=6):
    client = lab.client(proxy)
    found = {client.get().body.decode() for _ in range(count)}
    client.close()
    return found


# ---- Down and up ----

def test_a_backend_goes_down_and_comes_back(lab):
    sick, well = Patient("sick"), Patient("well")
    first, second = lab.origin(serve(sick)), lab.origin(serve(well))
    proxy = lab.proxy(checked(first), checked(second))
    wait_event(proxy, "info", 2)
    assert names(lab, proxy) == {"sick", "well"}
    sick.status = "503 Service Unavailable"
    down = wait_event(proxy, "warn")
    assert (down["backendId"], down["url"], down["error"]) == ("b0", first.url, "status 503")
    assert "3 failed probes" in down["message"]
    assert names(lab, proxy) == {"well"}
    sick.status = "200 OK"
    up = wait_event(proxy, "info", 3)
    assert up["backendId"] == "b0" and "2 good probes" in up["message"] and "error" not in up
    assert names(lab, proxy) == {"sick", "well"}
    assert len(events(proxy, "warn")) == 1


def test_a_backend_is_usable_before_anything_is_known_of_it(lab):
    origin = lab.origin(serve(Patient()))
    proxy = lab.proxy(checked(origin, interval=60000, type="tcp"))
    assert lab.ask(proxy, request()).status == 200


def test_as_many_failures_as_the_threshold_says(lab):
    """Two failed probes and a good one, again and again: never three in a row."""
    patient = Patient()
    answers = iter(["500 No", "500 No", "200 OK"] * 6)

    def flap(seen):
        patient.status = next(answers, "200 OK")
        return patient(seen)

    proxy = lab.proxy(checked(lab.origin(serve(flap))))
    wait_more(patient.probes, 18)
    proxy.stop()
    assert events(proxy, "warn") == []


def test_without_a_usable_backend_the_answer_is_503(lab):
    proxy, _ = wait_down(lab, checked(lab.keep(Refused()).url),
                          loadBalancing={"panicThreshold": 0})
    assert lab.ask(proxy, request()).status == 503


# ---- Why ----

def test_refused(lab):
    _, event = wait_down(lab, checked(lab.keep(Refused()).url))
    assert event["error"] == "ECONNREFUSED" and "could not connect" in event["message"]


def test_no_connection_in_time(lab):
    _, event = wait_down(lab, checked(lab.keep(BlackHole()).url, timeout=50, unhealthyThreshold=1))
    assert event["error"] == "timeout"


@pytest.mark.parametrize("begin", [b"", b"HTTP/1.1 200 OK\r\n", b"HTTP/1.1 103 Early Hints\r\n\r\n"],
                         ids=["silent", "half", "interim"])
def test_no_answer_in_time(lab, begin):
    def handler(connection):
        connection.read_request()
        connection.send(begin)
        connection.wait_closed()

    _, event = wait_down(lab, checked(lab.origin(handler), timeout=100, unhealthyThreshold=1))
    assert event["error"] == "timeout"


def test_an_endless_head_is_cut_off_by_the_timeout(lab):
    """Byte by byte, without ever coming to its end: no byte extends the timeout."""
    def handler(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\n")
        while not connection.origin.closing.wait(0.01):
            connection.send(b"X")

    _, event = wait_down(lab, checked(lab.origin(handler), timeout=200, unhealthyThreshold=1))
    assert event["error"] == "timeout"


def test_a_slow_head_is_a_head(lab):
    def handler(connection):
        connection.read_request()
        for byte in b"HTTP/1.1 100 Continue\r\n\r\n" + answer("", "X-A: b"):
            connection.send(bytes([byte]))
        connection.wait_closed()

    proxy = lab.proxy(checked(lab.origin(handler)))
    wait_event(proxy, "info")
    assert events(proxy, "warn") == []


@pytest.mark.parametrize("garbage", [
    b"SSH-2.0-OpenSSH_9.2\r\n", b"HTTP/1.1 999 What\r\n\r\n", b"HTTP/1.1 200 OK\r\nA : b\r\n\r\n",
    b"HTTP/1.1 200 OK\r\nA: b\n\r\n", b"\x15\x03\x01\x00\x02\x02\x46", b"HTTP/1.1 200 OK\r\n" + b"A" * 70000])
def test_garbage(lab, garbage):
    def handler(connection):
        connection.read_request()
        connection.send(garbage)
        connection.wait_closed()

    _, event = wait_down(lab, checked(lab.origin(handler)))
    assert event["error"] == "bad_response" and "no HTTP response" in event["message"]


def test_closed_without_an_answer(lab):
    _, event = wait_down(lab, checked(lab.origin(lambda connection: connection.read_request())))
    assert event["error"] == "closed"


def test_reset_without_an_answer(lab):
    def handler(connection):
        connection.read_request()
        connection.reset()

    _, event = wait_down(lab, checked(lab.origin(handler)))
    assert event["error"] == "ECONNRESET"


@pytest.mark.parametrize("expected,status,good", [
    (None, "399 Odd", True), (None, "400 Bad Request", False), (None, "199 Odd", None),
    ("200", "204 No Content", False), ("200,204", "204 No Content", True),
    ("401-403", "403 Forbidden", True), ("401-403", "200 OK", False)])
def test_expected_statuses(lab, expected, status, good):
    patient = Patient()
    patient.status = status
    settings = {"expectedStatus": expected} if expected else {}
    if good is None:  # an interim response, and no other behind it
        settings["timeout"] = 200
    proxy = lab.proxy(checked(lab.origin(serve(patient)), unhealthyThreshold=1, **settings))
    event = wait_event(proxy, "info" if good else "warn")
    if good is None:
        assert event["error"] == "timeout"
    elif not good:
        assert event["error"] == f"status {status[:3]}"


# ---- What is asked ----

def test_what_a_probe_says(lab):
    patient = Patient()
    origin = lab.origin(serve(patient))
    lab.proxy(checked(origin, path="/health?deep=1"))
    wait_until(lambda: patient.probes, "a probe")
    probe = patient.probes[0]
    assert (probe.method, probe.target, probe.version) == ("GET", "/health?deep=1", "1.1")
    assert probe.get("Host") == f"127.0.0.1:{origin.address[1]}"
    assert probe.get("User-Agent") == "nextproxy-health-check"
    assert probe.get("Connection") == "close"
    assert probe.framing == "none"


@pytest.mark.parametrize("method", ["HEAD", "OPTIONS"])
def test_method_and_host(lab, method):
    patient = Patient()
    lab.proxy(checked(lab.origin(serve(patient)), method=method, host="app.example:81"))
    wait_until(lambda: patient.probes, "a probe")
    assert patient.probes[0].method == method
    assert patient.probes[0].get_all("Host") == ["app.example:81"]


def test_tcp_sends_nothing(lab):
    origin = lab.origin(lambda connection: connection.wait_closed())
    proxy = lab.proxy(checked(origin, type="tcp"))
    wait_event(proxy, "info")
    origin.wait_connections(4)
    origin.stop_listening()
    assert wait_event(proxy, "warn")["error"] == "ECONNREFUSED"
    assert origin.received() == b""


def test_unix_socket(lab):
    patient = Patient()
    origin = lab.origin(serve(patient), address=str(lab.directory / "origin.sock"))
    proxy = lab.proxy(checked(origin))
    wait_event(proxy, "info")
    assert patient.probes[0].get("Host") == "localhost"
    os.unlink(origin.address)
    assert wait_event(proxy, "warn")["error"] == "ENOENT"


@pytest.mark.skipif(not socket.has_ipv6, reason="no IPv6 here")
def test_ipv6(lab):
    patient = Patient()
    origin = lab.origin(serve(patient), address=("::1", 0))
    wait_event(lab.proxy(checked(origin)), "info")
    assert patient.probes[0].get("Host") == f"[::1]:{origin.address[1]}"


def test_disabled_means_no_probes(lab):
    quiet, patient = Patient(), Patient()
    silent = lab.origin(serve(quiet))
    proxy = lab.proxy(checked(silent, enabled=False), checked(lab.origin(serve(patient))))
    wait_more(patient.probes, 5)
    assert silent.connections == []
    assert [event["backendId"] for event in events(proxy)] in ([], ["b1"])


# ---- Reload ----

def test_a_reload_keeps_what_is_known(lab):
    """The backend that is down stays down, without a new event; the other is never missed."""
    sick, well = Patient("sick"), Patient("well")
    sick.status = "500 No"
    backends = [checked(lab.origin(serve(sick))), checked(lab.origin(serve(well)))]
    proxy = lab.proxy(*backends)
    wait_event(proxy, "warn")
    wait_event(proxy, "info")
    for keep_alive in (1000, 2000, 3000):
        assert reload(proxy, timeouts={"keepAlive": keep_alive}).startswith("Reloaded")
        assert names(lab, proxy) == {"well"}
    wait_more(sick.probes)
    assert len(events(proxy)) == 2
    sick.status = "200 OK"
    wait_event(proxy, "info", 2)
    assert names(lab, proxy) == {"sick", "well"}


def test_probes_of_a_removed_backend_end(lab):
    gone, stays = Patient(), Patient()
    first, second = lab.origin(serve(gone)), lab.origin(serve(stays))
    proxy = lab.proxy(checked(first), checked(second))
    wait_more(gone.probes, 2)
    reload(proxy, backends=backends_of([first, checked(second)])[1:])
    before = len(first.connections)
    wait_more(stays.probes, 5)
    assert len(first.connections) <= before + 1  # one may have been on its way


def test_a_probe_under_way_when_its_backend_goes_has_no_result(lab):
    hangs = lab.origin(lambda connection: connection.wait_closed())
    stays = Patient()
    second = lab.origin(serve(stays))
    proxy = lab.proxy(checked(hangs), checked(second))
    hangs.wait_connections(1)
    reload(proxy, backends=backends_of([hangs, checked(second)])[1:])
    wait_origin_event(hangs.connections[0].ended, "the probe's end")
    wait_more(stays.probes)
    assert [event["backendId"] for event in events(proxy)] == ["b1"]


def test_a_backend_that_is_not_checked_any_more_is_usable(lab):
    sick, well = Patient("sick"), Patient("well")
    sick.status = "500 No"
    first, second = lab.origin(serve(sick)), lab.origin(serve(well))
    proxy = lab.proxy(checked(first), checked(second))
    wait_event(proxy, "warn")
    reload(proxy, backends=backends_of([checked(first, enabled=False), checked(second)]))
    assert names(lab, proxy) == {"sick", "well"}
    wait_until(lambda: any("not checked any more" in event["message"] for event in events(proxy)),
               "the event")


def test_new_settings_hold_at_once(lab):
    """From a check every minute to one ten times a second, and to another path."""
    patient = Patient()
    origin = lab.origin(serve(patient))
    proxy = lab.proxy(checked(origin, interval=60000))
    wait_event(proxy, "info")
    reload(proxy, backends=backends_of([checked(origin, path="/health/new")]))
    wait_until(lambda: len(patient.probes) >= 4, "more probes")
    assert patient.probes[-1].target == "/health/new"
    assert len(events(proxy)) == 1


# ---- The cost ----

def test_many_probes_leak_no_descriptor(lab):
    """Good, refused, slow and garbage ones, some hundred: the descriptors stay as many."""
    slow = lab.origin(lambda connection: connection.wait_closed())
    junk = lab.origin(lambda connection: (connection.send(b"junk\r\n\r\n"), connection.wait_closed()))
    patient = Patient()
    good = lab.origin(serve(patient))
    options = {"maxInterval": 100, "timeout": 50}
    proxy = lab.proxy(*[checked(origin, **options) for origin in (good, slow, junk) * 3],
                      checked(lab.keep(Refused()).url, **options),
                      checked(good, type="tcp", **options))
    wait_event(proxy, "warn", 7)
    most = proxy.fd_count() + 11  # one probe each may be under way at either time
    wait_more(slow.connections, 60)
    wait_more(junk.connections, 60)
    assert proxy.fd_count() <= most


def test_more_backends_than_probes_at_once(lab):
    """300 that never answer, where 256 probes may be under way: each gets its turn."""
    origin = lab.origin(lambda connection: connection.wait_closed())
    proxy = lab.proxy(*[checked(origin, path=f"/health/{n}", timeout=500, unhealthyThreshold=1)
                        for n in range(300)])
    wait_event(proxy, "warn", 300)
    assert len({event["backendId"] for event in events(proxy, "warn")}) == 300


def test_backends_that_are_asked_the_same_share_their_probes(lab):
    """Ten times the same address: one probe says of all ten that they are down."""
    origin = lab.origin(lambda connection: connection.wait_closed())
    proxy = lab.proxy(*[checked(origin, timeout=50, interval=60000, unhealthyThreshold=1)
                        for _ in range(10)])
    wait_event(proxy, "warn", 10)
    assert len(origin.connections) == 1


def test_a_stop_does_not_wait_for_probes(lab):
    """Which would take a minute; stop() waits no longer than a third of that."""
    hangs = lab.origin(lambda connection: connection.wait_closed())
    hole = lab.keep(BlackHole())
    proxy = lab.proxy(checked(hangs, timeout=60000), checked(hole.url, timeout=60000))
    hangs.wait_connections(1)
    proxy.stop()
