"""Error bodies: JSON or HTML by Accept, with the request id, telling nothing of the inside."""
import json

import pytest

from lib.blackhole import Refused
from lib.client import request
from lib.wire import framing_find

HTML = "Accept: text/html,application/xhtml+xml;q=0.9,*/*;q=0.8"


@pytest.fixture(name="proxy")
def running(lab):
    """A proxy whose only backend refuses connections."""
    return lab.proxy(lab.keep(Refused()))


def test_json_by_default(lab, proxy):
    """Issue: "error bodies are small JSON or HTML by `Accept`, with the request id"."""
    response = lab.ask(proxy, request("GET", "/", "X-Request-ID: my-id-42"))
    assert response.status in (502, 503)
    assert response.get("Content-Type").startswith("application/json")
    body = json.loads(response.body)
    assert "my-id-42" in json.dumps(body)
    assert response.framing == "length"


def test_html_for_browsers(lab, proxy):
    """A browser gets a page."""
    response = lab.ask(proxy, request("GET", "/", HTML, "X-Request-ID: my-id-42"))
    assert response.get("Content-Type").startswith("text/html")
    assert b"my-id-42" in response.body
    assert b"<html" in response.body.lower()


def test_an_id_is_made_when_there_is_none(lab, proxy):
    """What the client sees is what the logs have; the response names it too or the body does."""
    first, second = (lab.ask(proxy, request()).body for _ in range(2))
    assert first != second


@pytest.mark.parametrize("accept", ["Accept: application/json", HTML])
def test_nothing_of_the_inside_is_told(lab, proxy, accept):
    """Issue: "leaking nothing of the inside": no address, port, id or error name."""
    response = lab.ask(proxy, request("GET", "/", accept, "X-Request-ID: id"))
    port = str(lab.origins[0].address[1]).encode()
    for secret in (port, b"127.0.0.1", b"b0", b"ECONNREFUSED", b"refused",
                   str(lab.directory).encode()):
        assert secret not in response.head + response.body


@pytest.mark.parametrize("accept", ["Accept: application/json", HTML])
def test_nothing_of_the_request_is_echoed(lab, proxy, accept):
    """A page that repeats what was asked is a page that an attacker writes."""
    response = lab.ask(proxy, request("GET", "/marker?marker", accept, "X-Request-ID: <marker>",
                                      "X-Other: marker", host="marker.example"))
    assert response.body.count(b"marker") <= 1  # that of the request id
    assert accept != HTML or b"<marker" not in response.body


def test_head_gets_no_body(lab, proxy):
    """RFC 9110 section 9.3.2: the fields of the GET, without its body."""
    client = lab.client(proxy)
    response = client.ask(request("HEAD"))
    assert response.status in (502, 503)
    assert framing_find(response, "GET")[0] == "length"
    assert client.get().status in (502, 503)


def test_refused_requests_have_a_body_too(lab, proxy):
    """A request that could not be read is answered in the same form."""
    response = lab.ask(proxy, b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n")
    assert response.status == 400
    json.loads(response.body)


@pytest.mark.parametrize("head,status", [
    (b"GET / HTTP/1.1\r\n", 400),  # no Host
    (b"GET / HTTP/1.1\r\nHost: a\r\nExpect: wonders\r\n", 417),
    (b"GET / HTTP/1.1\r\nHost: a\r\nX_Real_IP: 1.2.3.4\r\n", 400),
])
def test_refused_requests_choose_the_form_too(lab, proxy, head, status):
    """A head that can be read says which form its refusal takes."""
    response = lab.ask(proxy, head + HTML.encode() + b"\r\n\r\n")
    assert response.status == status
    assert response.get("Content-Type").startswith("text/html")
    assert b"<html" in response.body.lower()


@pytest.mark.parametrize("head", [
    b"HEAD / HTTP/1.1\r\n\r\n",  # no Host
    b"HEAD / HTTP/1.1\r\nHost: a\r\nBad Name: x\r\n\r\n",
])
def test_refused_head_gets_no_body(lab, proxy, head):
    """RFC 9110 section 9.3.2 has no exception for errors."""
    client = lab.client(proxy)
    client.send(head)
    assert client.read_to_end(allow_reset=False).endswith(b"\r\n\r\n")


def test_templates_of_the_operator(lab):
    """Issue: "templates can be replaced from config"; all placeholders are filled in."""
    page, document = lab.directory / "page.html", lab.directory / "document.json"
    page.write_text("<p>{status}|{reason}|{request_id}|{message}|{unknown}</p>")
    document.write_text('{"code": {status}, "why": "{reason}", "id": "{request_id}"}')
    proxy = lab.proxy(lab.keep(Refused()),
                      errorTemplates={"html": str(page), "json": str(document)})
    seen = lab.ask(proxy, request("GET", "/", HTML, "X-Request-ID: id-7"))
    parts = seen.body.decode().removeprefix("<p>").removesuffix("</p>").split("|")
    assert parts[0] == str(seen.status) and parts[1] == seen.reason and parts[2] == "id-7"
    assert parts[3] and "{" not in parts[3] and parts[4] == "{unknown}"
    seen = lab.ask(proxy, request("GET", "/", "X-Request-ID: id-8"))
    assert json.loads(seen.body) == {"code": seen.status, "why": seen.reason, "id": "id-8"}


def test_accept_that_prefers_json(lab, proxy):
    """RFC 9110 section 12.5.1: quality values count."""
    for accept, kind in (("text/html;q=0.1, application/json", "application/json"),
                         ("text/html", "text/html"), ("*/*", "application/json"),
                         ("text/html;q=0, */*", "application/json")):
        response = lab.ask(proxy, request("GET", "/", f"Accept: {accept}"))
        assert response.get("Content-Type").startswith(kind), accept


def test_error_to_a_1_0_client(lab, proxy):
    """The connection ends with the error page unless keep-alive was asked for."""
    client = lab.client(proxy)
    assert client.ask(request(version="1.0")).status in (502, 503)
    client.expect_end()
