"""Backends given by name, over a restart, a crash and an upgrade."""
import json
import time

import pytest

from lib.admin import add, managed, remove, status_of
from lib.client import request
from lib.engine import crash, known_to_supervisor, upgrade
from lib.kept import CHECK, again, document, kept, of_another_boot, restart, said
from lib.logs import messages
from lib.nameserver import NameServer
from lib.origin import named, twins, wait_until

NAME = "app.test"
pytestmark = pytest.mark.usefixtures("crashes")


def name_server(lab):
    return lab.keep(NameServer())


def at(origin, name=NAME, **members):
    return {"id": "app", "url": f"http://{name}:{origin.address[1]}", **members}


def port_of(proxy):
    return proxy.config["backends"][0]["url"].rpartition(":")[2]


def healths(lab, proxy):
    """Of each address, in order."""
    return [backend["health"] for backend in status_of(lab, proxy)["backends"]]


# --- Health of addresses ---

def one_is_down(lab):
    """A proxy that knew that the first of a name's addresses is down, and has been stopped."""
    server = name_server(lab)
    first, _ = twins(lab, "one", "two")
    server.point(NAME, "127.0.0.1", "127.0.0.2")
    proxy = kept(lab, at(first, healthCheck=CHECK), dns=server.settings())
    first.close()
    wait_until(lambda: healths(lab, proxy) == ["unhealthy", "healthy"], "the failed check")
    proxy.signal()
    assert proxy.wait_exit() == 0
    # Nobody asks for a day: what is known then is from the file.
    proxy.config["backends"][0]["healthCheck"] = {**CHECK, "interval": 86400000}
    return proxy


def test_health_is_that_of_an_address(lab):
    proxy = one_is_down(lab)
    again(proxy)
    assert healths(lab, proxy) == ["unhealthy", "healthy"]
    wait_until(lambda: said(proxy), "a line of the log")
    assert "health of 2" in said(proxy)[0]


@pytest.mark.parametrize("entries", [1, 2])
def test_health_without_an_address_is_nobodys_of_several(lab, entries):
    """As an earlier version has written it. Marks are those of the backend."""
    proxy = one_is_down(lab)
    state = document(proxy)
    state["backends"] = state["backends"][:entries]
    for entry in state["backends"]:
        del entry["address"]
        entry["maintenance"] = True
    proxy.state.write_text(json.dumps(state))
    again(proxy)
    wait_until(lambda: said(proxy), "a line of the log")
    assert "2 marks, addresses of 1 names, health of 0" in said(proxy)[0]
    assert [backend["address"] for backend in status_of(lab, proxy)["backends"]
            if "maintenance" in backend["marks"]] == [f"127.0.0.{n}:{port_of(proxy)}" for n in (1, 2)]


@pytest.mark.parametrize("entries, known", [(1, 1), (2, 0)])
def test_health_without_an_address_of_a_backend_that_has_one(lab, entries, known):
    proxy = one_is_down(lab)
    lab.origins[0].point(NAME, "127.0.0.1")
    state = document(proxy)
    del state["addresses"]
    state["backends"] = state["backends"][:entries]
    for entry in state["backends"]:
        del entry["address"]
    proxy.state.write_text(json.dumps(state))
    again(proxy)
    wait_until(lambda: said(proxy), "a line of the log")
    assert f"health of {known}" in said(proxy)[0]


# --- Addresses, while the name server says nothing ---

# A start that waited for an answer would take longer than a test may.
PATIENT = {"timeout": 60_000, "startWait": 60_000}


def bodies(lab, proxy, count=6):
    """Who answered, in as many requests."""
    return {lab.ask(proxy, request()).body.decode() for _ in range(count)}


def wait_told(proxy, *texts):
    """Until the supervisor knows these addresses and names."""
    def kept_there():
        state = json.loads(known_to_supervisor(proxy) or "{}")
        return set(texts) <= {value for entry in state.get("addresses", []) + state.get("services", [])
                              for value in entry.values()}
    wait_until(kept_there, f"the supervisor to know {texts}")


def silence(server, *names):
    for name in names:
        server.fail(name, None)


def test_a_crash_and_an_upgrade(lab):
    """Issue: "failure keeps the last good answer", by the next engine, too, and the one after it."""
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1")
    proxy = managed(lab, at(origin), dns=server.settings(**PATIENT))
    assert bodies(lab, proxy) == {"here"}
    wait_told(proxy, "127.0.0.1")
    silence(server, NAME)
    for again_so in (crash, upgrade, crash):
        again_so(proxy)
        assert bodies(lab, proxy) == {"here"}
        wait_told(proxy, "127.0.0.1")


def test_what_has_changed_since_the_start(lab):
    """The next engine knows the answer of a moment ago, and follows what the server says then."""
    server = name_server(lab)
    first, _, _ = twins(lab, "one", "two", "three")
    server.point(NAME, "127.0.0.1")
    proxy = managed(lab, at(first), dns=server.settings(**PATIENT))
    server.point(NAME, "127.0.0.2")
    wait_told(proxy, "127.0.0.2")
    silence(server, NAME)
    crash(proxy)
    assert bodies(lab, proxy) == {"two"}
    server.point(NAME, "127.0.0.3")
    upgrade(proxy)
    wait_until(lambda: bodies(lab, proxy, 1) == {"three"}, "traffic at the new address")


def test_a_service(lab):
    server, service = name_server(lab), "_http._tcp.test"
    one, two = lab.origin(named("one")), lab.origin(named("two"))
    server.services(service, (1, 1, one.address[1], "a.test"), (1, 1, two.address[1], "b.test"),
                    (2, 1, one.address[1], "c.test"))
    for host in ("a.test", "b.test"):
        server.point(host, "127.0.0.1")
    proxy = managed(lab, {"id": "app", "url": f"http+srv://{service}"}, dns=server.settings(**PATIENT))
    wait_told(proxy, service, "a.test", "b.test", "c.test")
    silence(server, service, "a.test", "b.test", "c.test")
    before = status_of(lab, proxy)["backends"]
    for again_so in (crash, upgrade):
        again_so(proxy)
        assert bodies(lab, proxy, 12) == {"one", "two"}
        assert ([(backend["address"], backend["weight"]) for backend in status_of(lab, proxy)["backends"]]
                == [(backend["address"], backend["weight"]) for backend in before])
        wait_told(proxy, service, "a.test", "b.test", "c.test")


def test_names_that_led_nowhere_hold_up_no_other_engine(lab):
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1")
    proxy = managed(lab, at(origin), {"id": "none", "url": "http://none.test"},
                    dns=server.settings(**PATIENT))
    wait_told(proxy, "127.0.0.1", "none.test")
    silence(server, NAME, "none.test")
    crash(proxy)
    assert bodies(lab, proxy) == {"here"}


def test_a_name_that_was_added_at_run_time(lab):
    """It is waited for at the start, as those of the file are, unless its address is known."""
    server, old, new = name_server(lab), lab.origin(named("old")), lab.origin(named("new"))
    server.point(NAME, "127.0.0.1")
    proxy = kept(lab, old, dns=server.settings(**PATIENT))
    assert add(lab, proxy, **at(new)).status == 201
    wait_until(lambda: bodies(lab, proxy, 4) == {"old", "new"}, "the name's address")
    assert remove(lab, proxy, "/backends/b0").status == 200
    wait_told(proxy, "127.0.0.1")
    silence(server, NAME)
    for again_so in (crash, upgrade, restart):
        again_so(proxy)
        assert bodies(lab, proxy, 4) == {"new"}
    server.point(NAME, "127.0.0.1")
    proxy.stop()
    state = document(proxy)
    del state["addresses"]
    proxy.state.write_text(json.dumps(state))
    again(proxy)
    assert bodies(lab, proxy, 4) == {"new"}


# --- Addresses of the state file ---

def stopped(lab, **dns):
    """A proxy that knew a name and has been stopped; the server says nothing any more."""
    server, origin = name_server(lab), lab.origin(named("here"))
    server.point(NAME, "127.0.0.1")
    proxy = kept(lab, at(origin), dns=server.settings(**PATIENT))
    assert bodies(lab, proxy) == {"here"}
    proxy.stop()
    proxy.config["dns"].update(dns)
    silence(server, NAME)
    return server, proxy


def test_a_start_with_what_was_known(lab):
    _, proxy = stopped(lab)
    for count in (1, 2):
        again(proxy)
        assert bodies(lab, proxy) == {"here"}
        wait_until(lambda seen=count: len(said(proxy)) == seen, "the log")
        assert "addresses of 1 names, health" in said(proxy)[-1]
        proxy.stop()


def test_after_a_long_stop_a_start_waits_for_an_answer(lab):
    """But not for ever: what was known is better than nothing."""
    server, proxy = stopped(lab, startWait=200)
    state = of_another_boot(document(proxy))
    state["savedAt"] = int((time.time() - 3601) * 1000)
    proxy.state.write_text(json.dumps(state))
    again(proxy)
    assert bodies(lab, proxy) == {"here"}
    assert len(server.asked(NAME)) > 0
    wait_until(lambda: said(proxy), "the log")
    assert "addresses of 1 names (old ones), health" in said(proxy)[-1]


def test_an_answer_that_comes_in_time_counts_and_not_what_was_known_long_ago(lab):
    server, proxy = stopped(lab)
    state = of_another_boot(document(proxy))
    state["savedAt"] = 1
    proxy.state.write_text(json.dumps(state))
    lab.origin(named("moved"), address=("127.0.0.2", int(port_of(proxy))))
    server.point(NAME, "127.0.0.2")
    again(proxy)
    assert bodies(lab, proxy) == {"moved"}


def test_the_state_file_leads_nobody_to_the_management_api(lab):
    server, proxy = stopped(lab)
    proxy.config["backends"][0]["url"] = f"http://{NAME}:{proxy.admin[1]}"
    state = document(proxy)
    state["addresses"] = [{"name": NAME, "address": "127.0.0.1"}, {"name": NAME, "address": "::"}]
    proxy.state.write_text(json.dumps(state))
    again(proxy)
    assert lab.ask(proxy, request()).status == 503
    wait_until(lambda: any("leads to the management API" in text for text in messages(proxy, "dns")),
               "a line of the log")
