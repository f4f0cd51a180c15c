"""Unix sockets to listen on and as backends; IPv6 (issue, Configuration: `listeners[]`)."""
import os
import socket
import stat

import pytest

from lib.client import request
from lib.logs import entries
from lib.origin import wait_until
from lib.proxy import connects, port_free


def test_listener(lab):
    """A client over a unix socket; there is no address to forward."""
    path = str(lab.directory / "listen.sock")
    origin = lab.origin()
    proxy = lab.proxy(origin, listeners=[{"unixSocket": path, "unixMode": "0600"}])
    client = lab.client(proxy)
    for number in range(5):
        assert client.ask(request("POST", f"/{number}", body=b"x" * 70_000)).status == 200
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert len(origin.requests) == 5
    for seen in origin.requests:
        assert seen.get("X-Forwarded-For") is None and seen.get("X-Real-IP") is None
        assert seen.get("X-Forwarded-Proto") == "http"
    proxy.stop()
    assert not os.path.exists(path)


def test_nobody_is_believed_unless_listed(lab):
    """A client at a unix socket can't choose its address either."""
    path = str(lab.directory / "listen.sock")
    origin = lab.origin()
    client = lab.client(lab.proxy(origin, listeners=[{"unixSocket": path}],
                                  trustedProxies=["0.0.0.0/0", "::/0"]))
    client.get("/", "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https")
    assert origin.requests[0].get("X-Forwarded-For") is None
    assert origin.requests[0].get("X-Forwarded-Proto") == "http"


def test_trusted_proxy(lab):
    """trustedProxies may name "unix:": what a proxy on this machine says is continued."""
    path = str(lab.directory / "listen.sock")
    origin = lab.origin()
    proxy = lab.proxy(origin, listeners=[{"unixSocket": path}],
                      trustedProxies=["unix:", "10.0.0.0/8"])
    client = lab.client(proxy)
    client.get("/", "X-Forwarded-For: 203.0.113.7, 10.1.1.1", "X-Forwarded-Proto: https")
    client.get("/")
    first, second = origin.requests
    assert first.get("X-Forwarded-For") == "203.0.113.7, 10.1.1.1"
    assert first.get("X-Real-IP") == "203.0.113.7"
    assert first.get("X-Forwarded-Proto") == "https"
    assert second.get("X-Forwarded-For") is None and second.get("X-Real-IP") is None
    proxy.stop()
    addresses = [entry["clientIp"] for entry in entries(proxy, log="access")]
    assert addresses == ["203.0.113.7", "unix:"]


def test_proxy_protocol(lab):
    """proxyProtocolFrom may name "unix:": the header says who the client is; it is required."""
    path = str(lab.directory / "listen.sock")
    origin = lab.origin()
    proxy = lab.proxy(origin, listeners=[{"unixSocket": path, "proxyProtocolFrom": ["unix:"]}])
    client = lab.client(proxy)
    header = b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\n"
    assert client.ask(header + request(), "GET").status == 200
    assert origin.requests[0].get("X-Forwarded-For") == "203.0.113.7"
    unknown = lab.client(proxy)
    assert unknown.ask(b"PROXY UNKNOWN\r\n" + request(), "GET").status == 200
    assert origin.requests[1].get("X-Forwarded-For") is None
    without = lab.client(proxy)
    without.send(request())
    without.expect_end()
    assert len(origin.requests) == 2


def test_socket_left_behind_is_replaced(lab):
    """After a crash the old socket file is still there; nobody listens on it."""
    path = str(lab.directory / "listen.sock")
    with socket.socket(socket.AF_UNIX) as old:
        old.bind(path)
    proxy = lab.proxy(lab.origin(), listeners=[{"unixSocket": path}])
    assert lab.client(proxy).get().status == 200


def test_backend(lab):
    """An origin on a unix socket."""
    path = str(lab.directory / "origin.sock")
    origin = lab.origin(address=path)
    client = lab.client(lab.proxy(origin))
    for _ in range(5):
        assert client.ask(request("POST", "/", body=b"y" * 70_000)).status == 200
    assert len(origin.connections) == 1
    assert origin.requests[0].get("X-Forwarded-For") == "127.0.0.1"


def test_missing_backend_socket(lab):
    """No such file is a connect failure like any other."""
    proxy = lab.proxy({"url": f"unix:{lab.directory}/nowhere.sock"})
    assert lab.client(proxy).get().status in (502, 503)


def test_several_listeners(lab):
    """Unix and TCP listeners of one proxy serve the same routes."""
    path, port = str(lab.directory / "listen.sock"), port_free()
    proxy = lab.proxy(lab.origin(), listeners=[{"address": "127.0.0.1"}, {"unixSocket": path},
                                               {"address": "127.0.0.2", "port": port}])
    for address in (proxy.address, path, ("127.0.0.2", port)):
        assert lab.client(address).get().status == 200


@pytest.mark.skipif(not socket.has_ipv6 or not os.path.exists("/proc/net/if_inet6"),
                    reason="no IPv6 here")
def test_ipv6_on_both_sides(lab):
    """An IPv6 listener before an IPv6 origin."""
    origin = lab.origin(address=("::1", 0))
    client = lab.client(lab.proxy(origin, listeners=[{"address": "::1"}]))
    assert client.get().status == 200
    assert origin.requests[0].get("X-Forwarded-For") == "::1"


def test_two_workers_share_a_unix_listener(lab):
    """Every worker accepts from it, and all of it is gone afterwards."""
    path = str(lab.directory / "listen.sock")
    proxy = lab.proxy(lab.origin(), listeners=[{"unixSocket": path}], workers=2)
    for _ in range(20):
        client = lab.client(proxy)
        assert client.get().status == 200
        client.close()
    proxy.stop()
    wait_until(lambda: not connects(path), "nobody listens any more")
