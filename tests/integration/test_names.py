"""Backends given by name: where DNS says they are, for as long as it says so."""
import http.client
import itertools
import json
import signal
import subprocess
import threading

import pytest

from lib.admin import admin_of
from lib.client import request
from lib.logs import entries
from lib.nameserver import (A, CNAME, NXDOMAIN, REFUSED, SERVFAIL, TRUNCATED, NameServer, address,
                            encode_name, record, response)
from lib.origin import named, twins, wait_until
from lib.proxy import BINARY, port_free, run
from lib.reload import reload, reload_entries, verdicts, write_config
from lib.wire import WAIT_SECONDS

NAME = "app.test"


def name_server(lab):
    return lab.keep(NameServer())


def at(origin, name=NAME):
    return {"id": "app", "url": f"http://{name}:{origin.address[1]}"}


def dns_entries(proxy):
    return entries(proxy, "dns")


def wait_entry(proxy, **members):
    def there():
        return [entry for entry in dns_entries(proxy)
                if all(value in str(entry.get(key)) for key, value in members.items())]
    wait_until(there, f"a record with {members}; there are {dns_entries(proxy)}")
    return there()[0]


def status_of(lab, proxy):
    return lab.ask(proxy, request()).status


def bodies(lab, proxy, count=12):
    """Who answered, in as many requests."""
    return {lab.ask(proxy, request()).body.decode() for _ in range(count)}


def test_a_name_leads_to_its_address(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1")
    proxy = lab.proxy(at(origin), dns=server.settings())
    response_seen = lab.ask(proxy, request())
    assert (response_seen.status, response_seen.body) == (200, b"here")


def test_names_of_hosts_need_no_server(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    proxy = lab.proxy(at(origin, "localhost"), dns=server.settings())
    assert lab.ask(proxy, request()).body == b"here"
    assert not server.queries


def test_several_addresses_share_the_load(lab):
    server = name_server(lab)
    first, *_ = twins(lab, "one", "two", "three")
    server.point(NAME, "127.0.0.1", "127.0.0.2", "127.0.0.3")
    proxy = lab.proxy(at(first), dns=server.settings())
    assert bodies(lab, proxy) == {"one", "two", "three"}


def test_a_change_moves_traffic_without_a_failure(lab):
    server = name_server(lab)
    first, _ = twins(lab, "one", "two")
    server.point(NAME, "127.0.0.1")
    proxy = lab.proxy(at(first), dns=server.settings())
    client = lab.client(proxy)
    assert client.ask(request()).body == b"one"
    server.point(NAME, "127.0.0.2")
    seen = []

    def moved():
        seen.append(client.ask(request()))
        return seen[-1].body == b"two"
    wait_until(moved, "traffic at the other address")
    assert {one.status for one in seen} == {200}
    entry = wait_entry(proxy, backendId="app", message="127.0.0.2")
    assert f"127.0.0.2:{first.address[1]} added" in entry["message"]
    assert f"127.0.0.1:{first.address[1]} removed" in entry["message"]
    assert not verdicts(proxy)  # that was no reload


def test_an_address_that_stays_keeps_its_connections(lab):
    server = name_server(lab)
    first, _ = twins(lab, "one", "two")
    server.point(NAME, "127.0.0.1")
    proxy = lab.proxy(at(first), dns=server.settings())
    client = lab.client(proxy)
    assert client.ask(request()).body == b"one"
    for ips in (["127.0.0.1", "127.0.0.2"], ["127.0.0.1"]):
        server.point(NAME, *ips)
        wait_until(lambda ips=ips: bodies(lab, proxy, 4) == ({"one", "two"} if len(ips) > 1
                                                             else {"one"}), f"addresses {ips}")
    assert len(first.connections) == 1


def test_a_request_in_flight_outlives_its_address(lab):
    server, go_on = name_server(lab), threading.Event()

    def slow(connection):
        if connection.index > 0:
            return named("one")(connection)
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nsl")
        assert go_on.wait(WAIT_SECONDS)
        connection.send(b"ow")
        return connection.wait_closed()
    origin = lab.origin(slow)
    lab.origin(named("two"), address=("127.0.0.2", origin.address[1]))
    server.point(NAME, "127.0.0.1")
    proxy = lab.proxy(at(origin), dns=server.settings())
    client = lab.client(proxy)
    client.send(request())
    origin.wait_requests(1)
    server.point(NAME, "127.0.0.2")
    wait_until(lambda: bodies(lab, proxy, 1) == {"two"}, "traffic at the other address")
    go_on.set()
    assert client.read_response().body == b"slow"


@pytest.mark.parametrize("failure", [NXDOMAIN, SERVFAIL, REFUSED, None])
def test_a_failure_keeps_the_last_answer(lab, failure):
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1")
    quick = {"timeout": 500, "tries": 1} if failure is None else {}
    proxy = lab.proxy(at(origin), dns=server.settings(**quick))
    assert lab.ask(proxy, request()).body == b"here"
    server.fail(NAME, failure)
    words = {NXDOMAIN: "not_found", SERVFAIL: "server_failure", REFUSED: "refused",
             None: "timeout"}
    entry = wait_entry(proxy, level="warn", error=words[failure])
    assert "last answer is used" in entry["message"]
    asked = len(server.asked(NAME))
    wait_until(lambda: len(server.asked(NAME)) > asked + 8, "more tries")
    assert lab.ask(proxy, request()).body == b"here"
    assert len(dns_entries(proxy)) == 1  # once for each change
    server.point(NAME, "127.0.0.1")
    wait_entry(proxy, level="info", message="resolved again")


def broken(query):
    """The record claims to be longer than the message."""
    return response(query, [record(A, b"\x7f\0\0\1", 0)[:-2]])


def test_malformed_answers_change_nothing(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1")
    proxy = lab.proxy(at(origin), dns=server.settings(family="ipv4"))
    server.set(NAME, A, broken)
    wait_entry(proxy, level="warn", error="bad_response")
    assert lab.ask(proxy, request()).body == b"here"


def test_a_truncated_answer_is_fetched_over_tcp(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    tcp = set()

    def script(query):
        if server.queries[-1][2] == "udp":
            return response(query, flags=TRUNCATED)
        tcp.add(True)
        return response(query, [record(*address("127.0.0.1"), 0)])
    server.set(NAME, A, script)
    proxy = lab.proxy(at(origin), dns=server.settings(family="ipv4"))
    assert lab.ask(proxy, request()).body == b"here"
    assert tcp


def test_aliases_are_followed(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    alias = encode_name("real.test")
    server.set(NAME, A, lambda query: response(query, [
        record(CNAME, alias, 60), record(*address("127.0.0.1"), 60, owner=alias)]))
    proxy = lab.proxy(at(origin), dns=server.settings())
    assert lab.ask(proxy, request()).body == b"here"


def test_an_answer_is_used_for_its_time_to_live(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1", ttl=3600)
    server.point("short.test", "127.0.0.1", ttl=0)
    proxy = lab.proxy(at(origin), {"url": at(origin, "short.test")["url"]}, dns=server.settings())
    wait_until(lambda: len(server.asked("short.test", A)) > 5, "questions about the other name")
    assert len(server.asked(NAME, A)) == 1
    proxy.signal(signal.SIGHUP)  # asks anew, whatever the time to live
    wait_until(lambda: len(server.asked(NAME, A)) > 1, "another question")


def test_a_name_unknown_at_the_start_is_down_until_it_is_known(lab):
    server = name_server(lab)
    here, other = lab.origin(named("here")), lab.origin(named("other"))
    proxy = lab.proxy(at(here), other, dns=server.settings(), admin={"enabled": True, "port": 0})
    wait_entry(proxy, level="warn", error="not_found", message=NAME)
    assert bodies(lab, proxy, 4) == {"other"}
    server.point(NAME, "127.0.0.1")
    wait_until(lambda: bodies(lab, proxy, 4) == {"here", "other"}, "the name's address")
    wait_entry(proxy, level="info", message="resolved again")


def test_without_any_address_requests_are_answered_503(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    proxy = lab.proxy(at(origin), dns=server.settings())
    assert status_of(lab, proxy) == 503
    server.point(NAME, "127.0.0.1")
    wait_until(lambda: status_of(lab, proxy) == 200, "the name's address")


def test_a_silent_server_does_not_keep_the_proxy_from_starting(lab):
    server, other = name_server(lab), lab.origin(named("other"))
    server.fail(NAME, None)
    proxy = lab.proxy(at(other), other, dns=server.settings(timeout=20000, startWait=100))
    assert bodies(lab, proxy, 4) == {"other"}


@pytest.mark.parametrize("mode", [[], ["--no-supervisor"]])
def test_a_stop_ends_the_wait_of_the_start(lab, mode):
    server, file = name_server(lab), lab.directory / "names.json"
    server.fail(NAME, None)
    off = {"enabled": False}
    file.write_text(json.dumps({
        "listeners": [{"address": "127.0.0.1", "port": port_free()}], "admin": off,
        "logging": {"errorLog": off, "accessLog": off}, "backends": [{"url": f"http://{NAME}"}],
        "dns": server.settings(timeout=20000, startWait=60_000)}))
    with subprocess.Popen([BINARY, "--config", str(file), *mode]) as process:
        wait_until(lambda: server.asked(NAME), "a question")
        process.send_signal(signal.SIGTERM)
        try:
            assert process.wait(WAIT_SECONDS) == 0
        finally:
            process.kill()


@pytest.mark.parametrize("family, expected", [
    ("prefer-ipv4", {"four"}), ("prefer-ipv6", {"six"}), ("ipv4", {"four"}), ("ipv6", {"six"}),
    ("all", {"four", "six"})])
def test_families(lab, family, expected):
    server, four = name_server(lab), lab.origin(named("four"))
    lab.origin(named("six"), address=("::1", four.address[1]))
    server.point(NAME, "127.0.0.1", "::1")
    proxy = lab.proxy(at(four), dns=server.settings(family=family))
    assert bodies(lab, proxy, 6) == expected


def test_preferred_families_are_not_insisted_on(lab):
    server = name_server(lab)
    six = lab.origin(named("six"), address=("::1", 0))
    server.point(NAME, "::1")
    proxy = lab.proxy(at(six), dns=server.settings())
    assert bodies(lab, proxy, 2) == {"six"}


def test_a_reload_waits_for_names_that_are_new(lab):
    """What the reload takes away serves until the names of what it brings are known."""
    server, go_on = name_server(lab), threading.Event()
    old, new = lab.origin(named("old")), lab.origin(named("new"))

    def script(query):
        return response(query, [record(*address("127.0.0.1"), 0)]) if go_on.is_set() else None
    server.set(NAME, A, script)
    proxy = lab.proxy(old, dns=server.settings(family="ipv4", timeout=200, tries=10,
                                                startWait=60_000))
    proxy.config = {**proxy.config, "backends": [at(new)]}
    write_config(proxy, json.dumps(proxy.config))
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: [1 for _, text in reload_entries(proxy) if "waits" in text], "the wait")
    wait_until(lambda: server.asked(NAME), "a question")
    assert bodies(lab, proxy, 3) == {"old"}
    go_on.set()
    wait_until(lambda: verdicts(proxy), "the reload")
    assert bodies(lab, proxy, 3) == {"new"}


def test_a_reload_does_not_wait_for_ever(lab):
    server, old = name_server(lab), lab.origin(named("old"))
    server.fail(NAME, None)
    proxy = lab.proxy(old, dns=server.settings(timeout=20000, startWait=200))
    assert reload(proxy, backends=[at(old), {"url": old.url}]).startswith("Reloaded: version 2")
    assert bodies(lab, proxy, 3) == {"old"}


def test_asking_again_does_not_make_a_reload_wait_longer(lab):
    server, old, new = name_server(lab), lab.origin(named("old")), lab.origin(named("new"))
    server.fail(NAME, None)
    proxy = lab.proxy(old, dns=server.settings(timeout=20000, startWait=2000))
    write_config(proxy, json.dumps({**proxy.config, "backends": [{"url": new.url}, at(new)]}))

    def asked_and_done():
        waits = len(reload_entries(proxy))
        proxy.signal(signal.SIGHUP)
        wait_until(lambda: len(reload_entries(proxy)) > waits, "what became of it")
        return any(text.startswith("Reloaded: version 2") for text in verdicts(proxy))
    wait_until(asked_and_done, "the reload, however often it is asked for")
    assert bodies(lab, proxy, 3) == {"new"}


def test_a_reload_keeps_what_is_known(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1", ttl=3600)
    proxy = lab.proxy(at(origin), dns=server.settings())
    client = lab.client(proxy)
    assert client.ask(request()).body == b"here"
    server.fail(NAME, SERVFAIL)
    for drain in range(3000, 3005):
        assert reload(proxy, timeouts={"drain": drain}).startswith("Reloaded")
        assert client.ask(request()).body == b"here"
    assert len(origin.connections) == 1


def test_other_settings_are_taken_up(lab):
    first_server, second_server = name_server(lab), name_server(lab)
    first, _ = twins(lab, "one", "two")
    first_server.point(NAME, "127.0.0.1", ttl=3600)
    second_server.point(NAME, "127.0.0.2", ttl=3600)
    proxy = lab.proxy(at(first), dns=first_server.settings())
    assert bodies(lab, proxy, 2) == {"one"}
    reload(proxy, dns=second_server.settings())
    wait_until(lambda: bodies(lab, proxy, 2) == {"two"}, "the other server's answer")


# ---- Services ----

SERVICE = "_http._tcp.app.test"


def service(name=SERVICE):
    return {"id": "app", "url": f"http+srv://{name}"}


def test_srv_records_name_hosts_and_ports(lab):
    server = name_server(lab)
    one, two = lab.origin(named("one")), lab.origin(named("two"))
    server.services(SERVICE, (0, 1, one.address[1], "host.test"), (0, 1, two.address[1], "host.test"))
    server.point("host.test", "127.0.0.1")
    proxy = lab.proxy(service(), dns=server.settings())
    assert bodies(lab, proxy) == {"one", "two"}


def test_srv_weights_are_shares(lab):
    server = name_server(lab)
    one, two = lab.origin(named("one")), lab.origin(named("two"))
    server.services(SERVICE, (0, 3, one.address[1], "host.test"), (0, 1, two.address[1], "host.test"))
    server.point("host.test", "127.0.0.1")
    proxy = lab.proxy(service(), dns=server.settings())
    seen = [lab.ask(proxy, request()).body for _ in range(40)]
    assert (seen.count(b"one"), seen.count(b"two")) == (30, 10)


def test_srv_priorities_come_first(lab):
    """Lower numbers serve alone, as long as one of their hosts has an address."""
    server = name_server(lab)
    one, two = lab.origin(named("one")), lab.origin(named("two"))
    server.services(SERVICE, (10, 1, one.address[1], "first.test"),
                    (20, 1, two.address[1], "second.test"))
    server.point("first.test", "127.0.0.1")
    server.point("second.test", "127.0.0.1")
    proxy = lab.proxy(service(), dns=server.settings())
    assert bodies(lab, proxy, 6) == {"one"}
    server.services(SERVICE, (20, 1, two.address[1], "second.test"))
    wait_until(lambda: bodies(lab, proxy, 2) == {"two"}, "the other host")


def test_a_service_that_grows_and_shrinks(lab):
    server = name_server(lab)
    origins = [lab.origin(named(str(index))) for index in range(4)]
    for count in (1, 4, 2):
        server.services(SERVICE, *((0, 1, origin.address[1], f"h{index}.test")
                                   for index, origin in enumerate(origins[:count])))
        for index in range(count):
            server.point(f"h{index}.test", "127.0.0.1")
        if count == 1:
            proxy = lab.proxy(service(), dns=server.settings())
        wait_until(lambda count=count: bodies(lab, proxy, 8) == set(map(str, range(count))),
                   f"{count} hosts")


def test_a_service_moves_when_a_new_host_has_an_address(lab):
    """The answer of before serves until then, however long that takes."""
    server = name_server(lab)
    old, new = lab.origin(named("old")), lab.origin(named("new"))
    server.services(SERVICE, (0, 1, old.address[1], "old.test"))
    server.point("old.test", "127.0.0.1")
    proxy = lab.proxy(service(), dns=server.settings())
    assert bodies(lab, proxy, 2) == {"old"}
    server.services(SERVICE, (0, 1, new.address[1], "new.test"))
    wait_entry(proxy, level="warn", error="no_address", message=SERVICE)
    assert bodies(lab, proxy, 4) == {"old"}
    server.point("new.test", "127.0.0.1")
    client, seen = lab.client(proxy), []

    def moved():
        seen.append(client.ask(request()))
        return seen[-1].body == b"new"
    wait_until(moved, "traffic at the new host")
    assert {one.status for one in seen} == {200}
    wait_entry(proxy, level="info", message=f'"{SERVICE}" is resolved again')


def test_hosts_of_a_service_at_one_address_are_one_backend(lab):
    """What is marked at one is marked at both."""
    server, origin, other = name_server(lab), lab.origin(named("here")), lab.origin(named("other"))
    server.services(SERVICE, *((0, 2, origin.address[1], host) for host in ("a.test", "b.test")))
    for host in ("a.test", "b.test"):
        server.point(host, "127.0.0.1")
    proxy = lab.proxy(service(), {"id": "other", "url": other.url, "weight": 4},
                      dns=server.settings(), admin={"enabled": True, "port": 0})
    seen = [lab.ask(proxy, request()).body for _ in range(16)]
    assert (seen.count(b"here"), seen.count(b"other")) == (8, 8)
    assert [each["id"] for each in backends_status(lab, proxy)] == ["app", "other"]
    assert call(lab, proxy, "POST", "/backends/app/drain")[0] == 200
    assert bodies(lab, proxy) == {"other"}


def test_no_service_at_all(lab):
    """A target of "." says that there is none (RFC 2782)."""
    server = name_server(lab)
    server.services(SERVICE, (0, 0, 0, "."))
    proxy = lab.proxy(service(), dns=server.settings())
    wait_entry(proxy, level="warn", error="no_data", message=SERVICE)
    assert status_of(lab, proxy) == 503


# ---- Together with the rest ----

def test_each_address_has_a_health_of_its_own(lab):
    server = name_server(lab)
    first, second = twins(lab, "one", "two")
    server.point(NAME, "127.0.0.1", "127.0.0.2")
    check = {"enabled": True, "type": "tcp", "interval": 100, "unhealthyThreshold": 1}
    proxy = lab.proxy({**at(first), "healthCheck": check}, dns=server.settings())
    assert bodies(lab, proxy, 6) == {"one", "two"}
    second.stop_listening()
    wait_until(lambda: bodies(lab, proxy, 6) == {"one"}, "the dead address to be left out")


def test_a_session_stays_with_its_address(lab):
    server = name_server(lab)
    first, *_ = twins(lab, "one", "two", "three")
    server.point(NAME, "127.0.0.1", "127.0.0.2")
    proxy = lab.proxy(at(first), dns=server.settings(),
                      loadBalancing={"stickySession": {"enabled": True}})
    sessions = {}
    for _ in range(6):
        begun = lab.ask(proxy, request())
        sessions[begun.body] = begun.get("Set-Cookie").split(";")[0]
    assert set(sessions) == {b"one", b"two"}
    server.point(NAME, "127.0.0.1", "127.0.0.2", "127.0.0.3")
    wait_entry(proxy, backendId="app", message="127.0.0.3")
    for body, cookie in sessions.items():
        for _ in range(4):
            assert lab.ask(proxy, request("GET", "/", f"Cookie: {cookie}")).body == body


def test_random_answers_never_cost_a_request(lab):
    """Addresses come and go in every combination, while requests go on."""
    server = name_server(lab)
    first, *_ = twins(lab, "1", "2", "3")
    ips = ["127.0.0.1", "127.0.0.2", "127.0.0.3"]
    server.point(NAME, *ips)
    proxy = lab.proxy(at(first), dns=server.settings())
    client = lab.client(proxy)
    for count in (1, 2, 3, 1, 3):
        for chosen in itertools.combinations(ips, count):
            server.point(NAME, *reversed(chosen))
            expected = {ip[-1].encode() for ip in chosen}

            def only(expected=expected):
                seen = [client.ask(request()) for _ in range(6)]
                assert {one.status for one in seen} == {200}
                return {one.body for one in seen} == expected
            wait_until(only, f"requests at {chosen} alone")


def call(lab, proxy, method, path, accept="application/json", body=None):
    connection = http.client.HTTPConnection(*admin_of(proxy), timeout=WAIT_SECONDS)
    headers = {"Accept": accept, **({"Content-Type": "application/json"} if body else {})}
    connection.request(method, path, json.dumps(body) if body else None, headers)
    seen = connection.getresponse()
    text = seen.read().decode()
    connection.close()
    return seen.status, text


def backends_status(lab, proxy):
    return json.loads(call(lab, proxy, "GET", "/status")[1])["backends"]


def test_status_and_metrics_show_addresses(lab):
    server = name_server(lab)
    first, _ = twins(lab, "one", "two")
    port = first.address[1]
    server.point(NAME, "127.0.0.1", "127.0.0.2")
    proxy = lab.proxy({**at(first), "maxConnections": 7},
                      {"id": "lost", "url": "http://lost.test"}, first,
                      dns=server.settings(), admin={"enabled": True, "port": 0})
    seen = [(each["id"], each.get("address", "none"), each["usable"], each["marks"])
            for each in backends_status(lab, proxy)]
    assert seen == [("app", f"127.0.0.1:{port}", True, []), ("app", f"127.0.0.2:{port}", True, []),
                    ("lost", None, False, ["dns"]), ("b2", "none", True, [])]
    _, text = call(lab, proxy, "GET", "/status", accept="text/plain")
    assert f"{first.url.replace('127.0.0.1', NAME)} at 127.0.0.2:{port}" in text
    _, metrics = call(lab, proxy, "GET", "/metrics")
    assert f'nextproxy_backend_usable{{backend="app",address="127.0.0.2:{port}"}} 1' in metrics
    assert 'nextproxy_backend_usable{backend="lost",address=""} 0' in metrics
    assert f'nextproxy_backend_active_limit{{backend="app",address="127.0.0.2:{port}"}} 7' in metrics
    assert "nextproxy_dns_names 2\n" in metrics and "nextproxy_dns_names_failing 1\n" in metrics
    names = [line.split(" ")[0] for line in metrics.splitlines() if not line.startswith("#")]
    assert len(names) == len(set(names))


def test_a_mark_is_on_all_addresses_also_later_ones(lab):
    server = name_server(lab)
    first, *_ = twins(lab, "one", "two", "three")
    other = lab.origin(named("other"))
    server.point(NAME, "127.0.0.1", "127.0.0.2")
    proxy = lab.proxy(at(first), other, dns=server.settings(), admin={"enabled": True, "port": 0})
    assert bodies(lab, proxy) == {"one", "two", "other"}
    status, text = call(lab, proxy, "POST", "/backends/app/drain")
    assert status == 200, text
    assert bodies(lab, proxy) == {"other"}
    server.point(NAME, "127.0.0.2", "127.0.0.3")
    wait_entry(proxy, backendId="app", message="127.0.0.3")
    assert bodies(lab, proxy) == {"other"}
    assert [each["marks"] for each in backends_status(lab, proxy)] == [["draining"]] * 2 + [[]]


def test_a_name_can_be_added_at_run_time(lab):
    server, origin = name_server(lab), lab.origin(named("old"))
    first, *_ = twins(lab, "one", "two")
    server.point(NAME, "127.0.0.1", "127.0.0.2")
    proxy = lab.proxy(origin, dns=server.settings(), admin={"enabled": True, "port": 0})
    status, text = call(lab, proxy, "POST", "/backends", body=at(first))
    assert status == 201, text
    wait_until(lambda: bodies(lab, proxy) == {"old", "one", "two"}, "the addresses")
    server.point(NAME, "127.0.0.2")
    wait_until(lambda: bodies(lab, proxy) == {"old", "two"}, "the other addresses")
    status, text = call(lab, proxy, "DELETE", "/backends/app")
    assert status in (200, 204), text
    assert bodies(lab, proxy) == {"old"}
    asked = len(server.asked(NAME))
    reload(proxy, timeouts={"drain": 3001})
    assert len(server.asked(NAME)) <= asked + 2  # nobody wants it any more


def test_checking_a_configuration_asks_nobody(lab):
    server = name_server(lab)
    file = lab.directory / "names.json"
    file.write_text(json.dumps({"backends": [{"url": "http://app.test"}, service()],
                                "dns": server.settings()}))
    done = run("--check", "--config", str(file))
    assert done.returncode == 0, done.stderr
    assert not server.queries


@pytest.mark.parametrize("url, text", [
    ("http+srv://127.0.0.1", "a name behind http+srv://"),
    ("http+srv://app.test:80", "a URL without port"),
])
def test_urls_that_are_no_services(lab, url, text):
    file = lab.directory / "names.json"
    file.write_text(json.dumps({"backends": [{"url": url}]}))
    done = run("--check", "--config", str(file))
    assert done.returncode != 0 and text in done.stderr
