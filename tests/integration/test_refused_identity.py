"""A refused request can be found again: its page and both logs say which one it was."""
import json

import pytest

from lib.client import request
from lib.logs import access, entries
from lib.origin import serve, wait_until

OURS = "X-Request-ID: mine-1"


@pytest.mark.parametrize("head,status,path", [
    (("POST", "/big", "Content-Length: 30"), 413, "/big"),
    (("POST", "/both", "Content-Length: 3", "Transfer-Encoding: chunked"), 400, "/both"),
    (("POST", "/coded", "Transfer-Encoding: gzip, chunked"), 501, "/coded"),
    (("GET", "/expects", "Expect: wonders"), 417, "/expects"),
])
def test_page_and_logs_name_the_request(lab, head, status, path):
    proxy = lab.proxy(lab.origin(), limits={"bodyBytes": 10})
    method, target, *fields = head
    response = lab.ask(proxy, request(method, target, OURS, *fields))
    assert response.status == status
    assert json.loads(response.body)["requestId"] == "mine-1"
    [line] = access(proxy, 1)
    assert (line["method"], line["path"], line["requestId"]) == (method, path, "mine-1")
    assert line["statusCode"] == status


def test_request_that_cannot_be_read_gets_an_id(lab):
    proxy = lab.proxy(lab.origin())
    response = lab.ask(proxy, b"GET / HTTP/1.1\r\nbroken line\r\n\r\n")
    assert response.status == 400
    assert len(json.loads(response.body)["requestId"]) == 36


@pytest.mark.parametrize("head,read,protocol", [
    (b"GET / HTTP/1.1\r\nX: y\r\n\r\n", 24, "HTTP/1.1"),  # complete, without a Host
    (b"GET / HTTP/1.0\r\nHost: a b\r\n\r\n", 29, "HTTP/1.0"),
    (b"GET / HTTP/1.1\r\nHost: a\r\nbroken line\r\n\r\n", 25, "HTTP/1.1"),
])
def test_access_line_of_what_was_refused(lab, head, read, protocol):
    """The bytes that were read of it, and the version it was in."""
    proxy = lab.proxy(lab.origin())
    assert lab.ask(proxy, head).status == 400
    [line] = access(proxy, 1)
    assert (line["bytesIn"], line["protocol"]) == (read, protocol)


def test_the_host_that_nobody_named_is_not_logged(lab):
    """HTTP/1.0 without Host: the backend is sent its own, which is not the client's."""
    proxy = lab.proxy(lab.origin())
    assert lab.ask(proxy, b"GET / HTTP/1.0\r\n\r\n").status == 200
    assert access(proxy, 1)[0]["host"] is None


def test_what_was_refused_before_it_had_a_route_names_none(lab):
    """Malformed, or with a path that backends may read in two ways."""
    proxy = lab.proxy(lab.origin(), routes=[{"id": "secret", "path": "/secret"}])
    for head in (b"GET / HTTP/1.1\r\nbroken line\r\n\r\n", request("GET", "/x/../secret")):
        assert lab.ask(proxy, head).status == 400
    assert lab.ask(proxy, request("GET", "/secret")).status == 200
    assert [line["route"] for line in access(proxy, 3)] == [None, None, "secret"]
    assert all("route" not in line for line in entries(proxy)
               if line.get("error") == "bad_request")


@pytest.mark.parametrize("edits", [{"remove": ["X-Request-ID"]}, {"set": {"X-Request-ID": "fix"}}])
def test_a_request_has_an_id_whatever_its_route_sends(lab, edits):
    origin = lab.origin()
    proxy = lab.proxy(origin, routes=[{"id": "r", "path": "/", "requestHeaders": edits}])
    body = b"b" * 4096  # lies between the head and the id
    assert lab.ask(proxy, request("POST", "/", "X-Request-ID: mine-2", body=body)).status == 200
    assert lab.ask(proxy, request("GET", "/")).status == 200
    assert origin.requests[0].body == body
    assert origin.requests[0].get("X-Request-ID") == edits.get("set", {}).get("X-Request-ID")
    first, second = access(proxy, 2)
    assert first["requestId"] == "mine-2" and len(second["requestId"]) == 36


def test_a_client_that_does_not_read_its_error_pages_is_in_the_log(lab, tmp_path):
    """More of them than the sockets hold, asked for all at once."""
    template = tmp_path / "large.html"
    template.write_text("{status}" + "x" * 60_000)
    proxy = lab.proxy("http://127.0.0.1:1", proxy={"retries": 0}, timeouts={"responseIdle": 200},
                      errorTemplates={"html": str(template)})
    lab.client(proxy, receive_bytes=4096).send(request("GET", "/", "Accept: text/html") * 150)
    wait_until(lambda: any(entry.get("error") == "client_stalled" for entry in entries(proxy)),
               "client_stalled in the log")


def test_head_that_never_ended_counts_what_came(lab):
    """408 by timeouts.requestHead."""
    proxy = lab.proxy(lab.origin(), timeouts={"requestHead": 1000})
    assert lab.ask(proxy, b"GET / HTTP/1.1\r\nHost:").status == 408
    assert access(proxy, 1)[0]["bytesIn"] == 21


def test_the_client_behind_a_trusted_proxy_is_the_one_that_counts(lab):
    """Its address is in the log, and keeps it on one backend by ip-hash."""
    proxy = lab.proxy(lab.origin(), trustedProxies=["127.0.0.0/8"])
    lab.ask(proxy, request("GET", "/", "X-Forwarded-For: 203.0.113.9"))
    assert access(proxy, 1)[0]["clientIp"] == "203.0.113.9"


def test_response_without_a_date_gets_one(lab):
    """RFC 9110 section 6.6.1."""
    origin = lab.origin(serve(lambda seen: b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"))
    assert lab.ask(lab.proxy(origin), request()).get("Date")
