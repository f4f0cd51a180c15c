"""What the management API says of a running proxy."""
import contextlib
import json
import re

from lib.client import request
from lib.origin import wait_until
from lib.proxy import port_free

TOKEN = "a-token-of-the-tests"


def managed(lab, *origins, admin=None, **sections):
    """A proxy whose management API is at `proxy.admin`."""
    port = port_free()
    proxy = lab.proxy(*origins, admin={"enabled": True, "port": port, **(admin or {})}, **sections)
    proxy.admin = ("127.0.0.1", port)
    return proxy


def admin_of(proxy):
    """Where the management API is, when the system has chosen its port; it is told last."""
    def found():
        return re.search(r"management API on http://([\d.]+):(\d+)\n", proxy.stderr())
    wait_until(found, "the management API")
    return found()[1], int(found()[2])


@contextlib.contextmanager
def draining(lab, *origins):
    """A managed proxy that is stopped and finishes a request as long as the block lasts."""
    proxy = managed(lab, *origins, timeouts={"drain": 600_000})
    client = lab.client(proxy)
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nab")
    wait_until(lambda: status_of(lab, proxy)["requests"]["active"], "the request")
    proxy.signal()
    wait_until(lambda: status_of(lab, proxy)["draining"], "the stop to begin")
    yield proxy
    client.send("cde")
    assert client.read_response("POST").status == 200
    assert proxy.wait_exit() == 0


def status_text(lab, proxy):
    """For people."""
    return ask(lab, proxy, "/status", "Accept: text/plain").body.decode()


def ask(lab, proxy, path, *lines, method="GET", host="127.0.0.1"):
    return lab.ask(proxy.admin, request(method, path, *lines, host=host), method)


def status_of(lab, proxy):
    answer = ask(lab, proxy, "/status")
    assert answer.status == 200
    assert answer.get("Content-Type") == "application/json"
    return json.loads(answer.body)


def metrics_of(lab, proxy):
    """Sample (name with labels) to value."""
    answer = ask(lab, proxy, "/metrics")
    assert answer.status == 200
    assert answer.get("Content-Type").startswith("text/plain; version=0.0.4")
    lines = [line for line in answer.body.decode().splitlines() if not line.startswith("#")]
    samples = dict(line.rsplit(" ", 1) for line in lines)
    assert len(samples) == len(lines), "a sample came twice"
    return {name: float(value) for name, value in samples.items()}


def send(lab, proxy, method, path, body, *lines):
    """A request with a JSON body; a str or bytes goes as it is."""
    if not isinstance(body, (str, bytes)):
        body = json.dumps(body)
    data = body if isinstance(body, bytes) else body.encode()
    return lab.ask(proxy.admin, request(method, path, "Content-Type: application/json", *lines,
                                        body=data, host="127.0.0.1"), method)


def add(lab, proxy, **members):
    return send(lab, proxy, "POST", "/backends", members)


def remove(lab, proxy, path):
    return ask(lab, proxy, path, method="DELETE")


def names(lab, proxy, path="/", count=12):
    """Who answers requests to the proxy."""
    return {lab.ask(proxy, request("GET", path)).body.decode() for _ in range(count)}
