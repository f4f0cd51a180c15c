"""What the management API says of a running proxy."""
import json

from lib.client import request
from lib.proxy import port_free


def managed(lab, *origins, admin=None, **sections):
    """A proxy whose management API is at `proxy.admin`."""
    port = port_free()
    proxy = lab.proxy(*origins, admin={"enabled": True, "port": port, **(admin or {})}, **sections)
    proxy.admin = ("127.0.0.1", port)
    return proxy


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
