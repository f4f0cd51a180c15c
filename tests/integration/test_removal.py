"""What runs on backends and routes that are removed has timeouts.removedDrain (issue, Live changes:
"In-flight exchanges and tunnels finish on the old snapshot, including ones whose backend or route
was removed (drained with a deadline)")."""
import json
import socket
import threading

import pytest

from lib.admin import ask, managed, metrics_of
from lib.client import request
from lib.logs import entries
from lib.origin import answer, serve, wait_until
from lib.reload import reload
from lib.tunnel import SWITCH, UPGRADE, echo_bytes
from lib.wire import WAIT_SECONDS, Closed

LIMIT_MS = 300


def either(connection):
    """A tunnel, no answer at all to /wait, or an answer."""
    while seen := connection.read_request():
        if seen.target == "/chat":
            connection.send(SWITCH)
            echo_bytes(connection)
        elif seen.target == "/wait":
            connection.wait_closed()
            return
        else:
            connection.send(answer())


def backend(name, origin):
    return {"id": name, "url": origin.url}


@pytest.fixture(name="pair")
def proxy_before_two(lab):
    """A proxy, the only backend of its default route, and one that stays in its route."""
    going, staying = lab.origin(either), lab.origin(either)
    proxy = managed(lab, backend("going", going), {**backend("staying", staying), "routesOnly": True},
                    routes=[{"id": "r", "vHost": "stays.example", "backends": ["staying"]}],
                    timeouts={"removedDrain": LIMIT_MS})
    return proxy, going, staying


def tunnel(lab, proxy, host="test.example"):
    client = lab.client(proxy)
    client.send(UPGRADE.replace(b"test.example", host.encode()))
    assert client.read_response().status == 101
    return client


def removed(lab, proxy):
    return metrics_of(lab, proxy)['nextproxy_faults_total{fault="removed"}']


def logged(proxy):
    return [entry for entry in entries(proxy) if entry.get("error") == "removed"]


def alive(client):
    client.send(b"still there?")
    return client.read_exactly(12) == b"still there?"


def test_a_reload(lab, pair):
    """The tunnel and the request on the backend that goes end; the tunnel on the other does not."""
    proxy, _, staying = pair
    other, cut, waiting = tunnel(lab, proxy, "stays.example"), tunnel(lab, proxy), lab.client(proxy)
    waiting.send(request("GET", "/wait"))
    wait_until(lambda: metrics_of(lab, proxy)['nextproxy_backend_active{backend="going"}'] == 2,
               "the request")
    stays = {**backend("staying", staying), "routesOnly": True}
    assert reload(proxy, backends=[backend("new", lab.origin(either)), stays]).startswith("Reloaded")
    assert waiting.read_response().status == 503
    with pytest.raises(Closed):
        cut.read_some()
    assert removed(lab, proxy) == 2
    assert alive(other)
    wait_until(lambda: len(logged(proxy)) == 2, "both in the log")
    assert {entry["backendId"] for entry in logged(proxy)} == {"going"}
    assert all("timeouts.removedDrain" in entry["message"] for entry in logged(proxy))


def test_over_the_management_api(lab, pair):
    """DELETE /backends/ID."""
    proxy = pair[0]
    url = lab.origin(either).url
    client = tunnel(lab, proxy)
    body = json.dumps({"url": url, "id": "new"}).encode()
    made = lab.ask(proxy.admin, request("POST", "/backends", "Content-Type: application/json",
                                        body=body, host="localhost"), "POST")
    assert made.status == 201
    assert alive(client)
    assert ask(lab, proxy, "/backends/going", method="DELETE").status == 200
    with pytest.raises(Closed):
        client.read_some()
    assert removed(lab, proxy) == 1


def test_back_in_time(lab, pair):
    """Under another id, even; what runs is not touched then."""
    proxy, going, staying = pair
    stays = {**backend("staying", staying), "routesOnly": True}
    client = tunnel(lab, proxy)
    new = lab.origin(either)
    reload(proxy, backends=[backend("new", new), stays], timeouts={"removedDrain": 60_000})
    reload(proxy, backends=[backend("new", new), backend("again", going), stays],
           timeouts={"removedDrain": 1})
    # What is removed now ends at once: so would the other one, if it were to.
    other = tunnel(lab, proxy, "stays.example")
    reload(proxy, backends=[backend("new", new), backend("again", going)],
           routes=[])
    with pytest.raises(Closed):
        other.read_some()
    assert alive(client)
    assert removed(lab, proxy) == 1


def test_no_limit(lab, pair):
    proxy, _, staying = pair
    stays = {**backend("staying", staying), "routesOnly": True}
    client = tunnel(lab, proxy)
    new = lab.origin(serve(lambda _: answer()))
    reload(proxy, backends=[backend("new", new), stays], timeouts={"removedDrain": 0})
    assert alive(client)
    reload(proxy, timeouts={"removedDrain": 1})
    with pytest.raises(Closed):
        client.read_some()


def test_a_reload_that_is_refused_in_between(lab, pair):
    """It would bring the backend back. It does not, and the removal is not forgotten either."""
    proxy, going, staying = pair
    stays = {**backend("staying", staying), "routesOnly": True}
    client, other = tunnel(lab, proxy), tunnel(lab, proxy, "stays.example")
    only_new = [backend("new", lab.origin(either)), stays]
    reload(proxy, backends=only_new, timeouts={"removedDrain": 60_000})
    listeners = proxy.config["listeners"]
    with socket.create_server(("127.0.0.1", 0)) as busy:
        taken = {"address": "127.0.0.1", "port": busy.getsockname()[1]}
        verdict = reload(proxy, backends=[*only_new, backend("going", going)],
                         listeners=[*listeners, taken])
    assert verdict.startswith("Not reloaded: cannot listen"), verdict
    assert alive(client)
    reload(proxy, backends=only_new, listeners=listeners, timeouts={"removedDrain": 1})
    with pytest.raises(Closed):
        client.read_some()
    assert alive(other)
    assert removed(lab, proxy) == 1


def test_a_retry_comes_too_late(lab):
    """When the time of a backend is over, what began before does not go there any more."""
    may_fail = threading.Event()

    def fails(connection):
        while seen := connection.read_request():
            if seen.target != "/chat":
                may_fail.wait(WAIT_SECONDS)
                return
            connection.send(SWITCH)
            echo_bytes(connection)

    origins = {name: lab.origin(fails) for name in "ab"}
    proxy = managed(lab, *(backend(name, origin) for name, origin in origins.items()), workers=1,
                    loadBalancing={"strategy": "round-robin"}, reload={"watch": False},
                    timeouts={"removedDrain": LIMIT_MS})
    cut, waiting = tunnel(lab, proxy), lab.client(proxy)
    waiting.send(request("GET", "/wait"))
    wait_until(lambda: all(origin.requests for origin in origins.values()), "one on each")
    gone = next(name for name, origin in origins.items() if origin.requests[0].target == "/chat")
    assert ask(lab, proxy, f"/backends/{gone}", method="DELETE").status == 200
    with pytest.raises(Closed):
        cut.read_some()
    may_fail.set()
    assert waiting.read_response().status == 502
    assert len(origins[gone].requests) == 1
    denied = metrics_of(lab, proxy)['nextproxy_retries_denied_total{reason="no_backend"}']
    assert (removed(lab, proxy), denied) == (1, 1)
