"""Backends given by name, over a restart, a crash and an upgrade."""
import json

import pytest

from lib.admin import status_of
from lib.kept import CHECK, again, document, kept, said
from lib.nameserver import NameServer
from lib.origin import twins, wait_until

NAME = "app.test"


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
    assert "2 marks, health of 0" in said(proxy)[0]
    assert [backend["address"] for backend in status_of(lab, proxy)["backends"]
            if "maintenance" in backend["marks"]] == [f"127.0.0.{n}:{port_of(proxy)}" for n in (1, 2)]


@pytest.mark.parametrize("entries, known", [(1, 1), (2, 0)])
def test_health_without_an_address_of_a_backend_that_has_one(lab, entries, known):
    proxy = one_is_down(lab)
    lab.origins[0].point(NAME, "127.0.0.1")
    state = document(proxy)
    state["backends"] = state["backends"][:entries]
    for entry in state["backends"]:
        del entry["address"]
    proxy.state.write_text(json.dumps(state))
    again(proxy)
    wait_until(lambda: said(proxy), "a line of the log")
    assert f"health of {known}" in said(proxy)[0]
