"""POST /reload: the request is parked, control reloads, and who has asked gets the verdict."""
import json
import threading

import pytest

from lib.admin import add, ask, managed, metrics_of, status_of
from lib.client import request
from lib.nameserver import A, NameServer, address, record, response
from lib.origin import answer, serve, wait_event, wait_until
from lib.proxy import run
from lib.reload import reload_entries, write_config

NAME = "app.test"
PARKED_MAX = 16


class Held:
    """A proxy whose next reload waits for a name, until `go_on` is set."""

    def __init__(self, lab):
        self.lab, self.server = lab, lab.keep(NameServer())
        self.go_on = self.names(NAME)
        self.origin = lab.origin(serve(lambda _: answer("new")))
        self.proxy = managed(lab, lab.origin(serve(lambda _: answer("old"))),
                             dns=self.server.settings(family="ipv4", timeout=60000))
        write_config(self.proxy, json.dumps({**self.proxy.config, "backends": [
            {"id": "app", "url": self.url(NAME)}]}))

    def names(self, name):
        """A name that is answered when the event is set."""
        go_on = threading.Event()

        def script(query):
            wait_event(go_on)
            return response(query, [record(*address("127.0.0.1"), 3600)])
        self.server.set(name, A, script)
        return go_on

    def url(self, name):
        return f"http://{name}:{self.origin.address[1]}"

    def post(self, *lines):
        """A client that has asked for a reload, and has no answer yet."""
        client = self.lab.client(self.proxy.admin)
        client.send(request("POST", "/reload", *lines, host="localhost"))
        return client

    def parked(self, count):
        """As many, and the proxy has read all of them."""
        clients = []
        for _ in range(count):
            before = self.waits()
            clients.append(self.post())
            wait_until(lambda seen=before: self.waits() > seen, "the request")
        return clients

    def waits(self):
        return len([1 for _, text in reload_entries(self.proxy) if "waits" in text])


@pytest.fixture(name="held")
def held_reload(lab):
    held = Held(lab)
    yield held
    held.go_on.set()


def verdict_of(client):
    """Status and verdict."""
    got = client.read_response("POST")
    return got.status, json.loads(got.body)["verdict"]


def test_the_verdict_comes_when_there_is_one(lab, held):
    """Meanwhile the API and the proxy serve, also those that asked later."""
    clients = held.parked(3)
    assert status_of(lab, held.proxy)["snapshot"] == 1
    assert lab.ask(held.proxy, request()).body == b"old"
    clients.append(held.post())
    held.go_on.set()
    assert [verdict_of(client) for client in clients] == [(200, "reloaded")] * 4
    assert status_of(lab, held.proxy)["snapshot"] == 2
    assert lab.ask(held.proxy, request()).body == b"new"


def test_the_report_is_that_of_the_verdict(held):
    [client] = held.parked(1)
    held.go_on.set()
    got = json.loads(client.read_response("POST").body)
    assert got["snapshot"] == 2
    assert got["report"][-1].startswith("Reloaded: version 2")
    assert not any("waits" in line for line in got["report"])


def test_a_change_meanwhile(lab, held):
    """What the API changes does not make the resolver forget what the reload waits for."""
    [client] = held.parked(1)
    assert add(lab, held.proxy, url="http://127.0.0.1:1", id="more").status == 201
    held.go_on.set()
    assert verdict_of(client) == (200, "reloaded")
    assert lab.ask(held.proxy, request()).body == b"new"


def test_another_name_meanwhile(lab, held):
    """The file is read once more when its names are there: then it may have others."""
    [client] = held.parked(1)
    later = held.names("later.test")
    write_config(held.proxy, json.dumps({**held.proxy.config, "backends": [
        {"id": "app", "url": held.url("later.test")}]}))
    held.go_on.set()
    wait_until(lambda: held.waits() > 1, "the reload to wait for the other one")
    later.set()
    assert verdict_of(client) == (200, "reloaded")
    assert lab.ask(held.proxy, request()).body == b"new"


def test_a_corrected_file_ends_the_wait(held):
    """Whoever asks later is told of the file as it is now, and so are those who waited."""
    [first] = held.parked(1)
    write_config(held.proxy, "{")
    second = held.post()
    assert [verdict_of(first), verdict_of(second)] == [(422, "refused")] * 2


def test_the_command_waits_too(held):
    """nextproxy reload: with the verdict as its exit status, as text."""
    done = []
    url = f"http://127.0.0.1:{held.proxy.admin[1]}"
    thread = threading.Thread(target=lambda: done.append(run("reload", "--admin", url)))
    thread.start()
    wait_until(held.waits, "the request")
    held.go_on.set()
    thread.join()
    assert done[0].returncode == 0 and "Reloaded: version 2" in done[0].stdout


def test_no_more_than_a_few_wait(lab, held):
    clients = held.parked(PARKED_MAX)
    refused = ask(lab, held.proxy, "/reload", method="POST")
    assert refused.status == 503 and b"too many wait for a reload already" in refused.body
    held.go_on.set()
    assert {verdict_of(client) for client in clients} == {(200, "reloaded")}
    assert ask(lab, held.proxy, "/reload", method="POST").status == 200


def test_gone_meanwhile(lab, held):
    """Nothing is left of clients that are gone; one that only has sent its FIN gets the verdict."""
    gone, reset, half = held.parked(3)
    gone.close()
    reset.reset()
    half.half_close()
    for client in held.parked(PARKED_MAX - 2):  # who has sent a reset has left a place
        client.close()
    held.go_on.set()
    assert verdict_of(half) == (200, "reloaded")
    half.expect_end()
    assert ask(lab, held.proxy, "/reload", method="POST").status == 200


def test_as_long_as_the_client_prefers(lab, held):
    """RFC 7240 §4.3: then 202, and the reload goes on."""
    got = lab.ask(held.proxy.admin, request("POST", "/reload", "Prefer: respond-async, wait=1",
                                            host="localhost"), "POST")
    assert (got.status, json.loads(got.body)["verdict"]) == (202, "waiting")
    assert "still waits for names" in json.loads(got.body)["report"][0]
    held.go_on.set()
    wait_until(lambda: status_of(lab, held.proxy)["snapshot"] == 2, "the reload")


def test_a_stop_ends_the_wait(held):
    [client] = held.parked(1)
    held.proxy.signal()
    got = client.read_response("POST")
    assert got.status == 409
    assert json.loads(got.body)["report"] == ["Not reloaded: the proxy is stopping"]
    assert held.proxy.wait_exit() == 0


def test_the_next_request_waits_behind_it(held):
    [client] = held.parked(1)
    client.send(request("GET", "/healthz", host="localhost"))
    held.go_on.set()
    assert verdict_of(client) == (200, "reloaded")
    assert json.loads(client.read_response("GET").body) == {"alive": True}


def test_many_at_once_without_a_wait(lab):
    """Each gets a verdict; not each costs a reload of its own."""
    proxy = managed(lab, lab.origin())
    clients = [lab.client(proxy.admin) for _ in range(PARKED_MAX)]
    for client in clients:
        client.send(request("POST", "/reload", host="localhost"))
    assert {verdict_of(client) for client in clients} == {(200, "unchanged")}
    count = metrics_of(lab, proxy)['nextproxy_reloads_total{result="unchanged"}']
    assert 1 <= count <= PARKED_MAX
