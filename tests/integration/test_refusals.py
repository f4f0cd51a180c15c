"""Requests for which `limits.exchanges` leaves no room: a page like any other, and a record."""
import contextlib
import json
import os

from lib.client import request
from lib.held import Held
from lib.logs import entries
from lib.origin import wait_until

HTML = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


def busy(lab, exchanges=1, **sections):
    """A proxy whose exchanges are all in use until its gate opens."""
    held = Held(lab, exchanges, limits={"exchanges": exchanges}, **sections)
    return held.proxy, held


def test_page_with_id(lab):
    """503 as JSON with the request's id in body and field, then the end of the connection."""
    proxy, held = busy(lab)
    client = lab.client(proxy)
    response = client.ask(request("GET", "/turned-away?q=1", "X-Request-ID: id-77"))
    assert response.status == 503
    assert json.loads(response.body)["requestId"] == response.get("X-Request-ID") == "id-77"
    assert response.has_token("Connection", "close")
    client.expect_end(allow_reset=False)
    held.finish()
    assert lab.ask(proxy, request()).status == 200


def test_form_follows_accept(lab):
    """HTML for a browser; no body for HEAD."""
    proxy, held = busy(lab)
    page = lab.ask(proxy, request("GET", "/", HTML))
    assert page.status == 503 and page.get("Content-Type").startswith("text/html")
    assert page.get("X-Request-ID").encode() in page.body
    client = lab.client(proxy)
    client.send(request("HEAD"))
    assert client.read_response("HEAD").status == 503
    client.expect_end()
    held.finish()


def test_templates_of_the_operator(lab):
    """The largest template fits."""
    page = lab.directory / "page.html"
    page.write_text("<p>{request_id}</p>" + "x" * 65_000)
    proxy, held = busy(lab, errorTemplates={"html": str(page)})
    response = lab.ask(proxy, request("GET", "/", HTML, "X-Request-ID: id-1"))
    assert response.status == 503 and response.body == b"<p>id-1</p>" + b"x" * 65_000
    held.finish()


def test_body_that_still_comes(lab):
    """The page can be read although the request goes on."""
    proxy, held = busy(lab)
    client = lab.client(proxy)
    client.send(request("POST", "/", "Content-Length: 1000000"), b"x" * 1_000_000)
    assert client.read_response().status == 503
    held.finish()


def test_records(lab):
    """An access record each; the error log has one line a second at most, with their number."""
    proxy, held = busy(lab)
    for number in range(20):
        assert lab.ask(proxy, request("GET", f"/away/{number}", host="away.example")).status == 503
    held.finish()
    proxy.stop()
    away = [entry for entry in entries(proxy, log="access") if entry["statusCode"] == 503]
    assert [entry["path"] for entry in away] == [f"/away/{number}" for number in range(20)]
    for entry in away:
        assert entry["fault"] == "exhausted" and entry["host"] == "away.example"
        assert entry["requestId"] and entry["method"] == "GET" and entry["clientIp"] == "127.0.0.1"
    errors = [entry for entry in entries(proxy) if "limits.exchanges" in entry["message"]]
    assert errors and len(errors) < 20


def test_malformed_requests_keep_their_status(lab):
    """No exchange is needed to say that a request is malformed."""
    proxy, held = busy(lab)
    response = lab.ask(proxy, b"GET / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n")
    assert response.status == 400 and response.get("X-Request-ID")
    held.finish()


def sockets(proxy):
    """How many the process has: log files are opened when there is something to write."""
    count = 0
    for number in os.listdir(f"/proc/{proxy.engine_pid}/fd"):
        with contextlib.suppress(OSError):
            count += os.readlink(f"/proc/{proxy.engine_pid}/fd/{number}").startswith("socket:")
    return count


def test_a_crowd_is_refused(lab):
    """Hundreds at once; nothing of them stays."""
    proxy, held = busy(lab, exchanges=2)
    before = sockets(proxy)
    crowd = [lab.client(proxy) for _ in range(500)]
    for client in crowd:
        client.send(request())
    for client in crowd:
        assert client.read_response().status == 503
        client.close()
    wait_until(lambda: sockets(proxy) <= before, "the crowd is gone")
    held.finish()
