"""Max-Forwards (RFC 9110 section 7.6.2): counted down for TRACE and OPTIONS, answered at 0."""
import json

import pytest

from lib.client import request
from lib.logs import entries
from lib.origin import answer, serve


@pytest.fixture(name="proxy")
def running(lab):
    return lab.proxy(lab.origin(serve(lambda seen: answer("from the origin"))))


@pytest.mark.parametrize("method", ["TRACE", "OPTIONS"])
@pytest.mark.parametrize("sent,forwarded", [("1", "0"), ("10", "9"), ("007", "6"),
                                            ("2147483647", "2147483646"),
                                            ("9" * 100, "2147483646")])
def test_one_less_is_forwarded(lab, proxy, method, sent, forwarded):
    """"a) the received value decremented by one (1) or b) the recipient's maximum"."""
    assert lab.ask(proxy, request(method, "/", f"max-forwards: {sent}")).status == 200
    assert lab.origins[0].requests[0].get("Max-Forwards") == forwarded


def test_options_with_0_is_answered_here(lab, proxy):
    """"MUST NOT forward ...; MUST respond as the final recipient"; the connection goes on."""
    client = lab.client(proxy)
    for target in ("/", "*"):
        response = client.ask(request("OPTIONS", target, "Max-Forwards: 0"))
        assert response.status == 200 and response.framing == "length" and response.body == b""
        assert response.get("Content-Type") is None and response.get("X-Request-ID")
        allowed = [name.strip() for name in response.get("Allow").split(",")]
        assert "OPTIONS" in allowed and "GET" in allowed and "TRACE" not in allowed
    assert client.get().body == b"from the origin"
    assert [seen.method for seen in lab.origins[0].requests] == ["GET"]


def test_trace_with_0_is_refused(lab, proxy):
    """Nothing is echoed, least of all a cookie; 405 names what is allowed."""
    client = lab.client(proxy)
    response = client.ask(request("TRACE", "/", "Max-Forwards: 00", "Cookie: secret=1"))
    assert response.status == 405 and "TRACE" not in response.get("Allow")
    assert b"secret" not in response.head + response.body
    assert json.loads(response.body)["status"] == 405
    assert client.get().body == b"from the origin"
    assert [seen.method for seen in lab.origins[0].requests] == ["GET"]


def test_a_body_in_front_of_the_next_request(lab, proxy):
    """A request that is answered here is read to its end; one that is not all there yet ends the
    connection, so that its body is not taken for a request."""
    client = lab.client(proxy)
    client.send(request("OPTIONS", "/", "Max-Forwards: 0", body=b"GET /evil HTTP/1.1\r\n")
                + request("GET", "/next"))
    assert client.read_response().status == 200
    assert client.read_response().body == b"from the origin"
    client.send(request("OPTIONS", "/", "Max-Forwards: 0", "Content-Length: 100"))
    response = client.read_response()
    assert response.status == 200 and response.has_token("Connection", "close")
    client.send(request("GET", "/evil"))
    client.expect_end()
    assert [seen.target for seen in lab.origins[0].requests] == ["/next"]


@pytest.mark.parametrize("lines", [["Max-Forwards: -1"], ["Max-Forwards: 1, 2"], ["Max-Forwards:"],
                                   ["Max-Forwards: 1x"], ["Max-Forwards: 1.0"],
                                   ["Max-Forwards: 5", "Max-Forwards: 5"]])
def test_malformed_values(lab, proxy, lines):
    """Two readers could count differently: refused. Other methods know nothing of the field."""
    assert lab.ask(proxy, request("TRACE", "/", *lines)).status == 400
    assert lab.ask(proxy, request("OPTIONS", "/", *lines)).status == 400
    assert not lab.origins[0].requests
    assert lab.ask(proxy, request("GET", "/", *lines)).status == 200
    assert lab.origins[0].requests[0].get_all("Max-Forwards") == [
        line.partition(":")[2].strip() for line in lines]


def test_a_route_may_set_it(lab):
    """Header edits win, as over all that we write."""
    proxy = lab.proxy(lab.origin(), routes=[
        {"id": "edited", "path": "/", "requestHeaders": {"set": {"Max-Forwards": "3"}}}])
    assert lab.ask(proxy, request("OPTIONS", "/", "Max-Forwards: 9")).status == 200
    assert lab.origins[0].requests[0].get("Max-Forwards") == "3"


def test_it_is_logged(lab, proxy):
    """There is a record of what was answered here."""
    lab.ask(proxy, request("TRACE", "/traced", "Max-Forwards: 0"))
    lab.ask(proxy, request("OPTIONS", "/asked", "Max-Forwards: 0"))
    proxy.stop()
    records = {entry["path"]: entry for entry in entries(proxy, log="access")}
    assert records["/traced"]["statusCode"] == 405
    assert records["/traced"]["fault"] == "trace_refused"
    assert records["/asked"]["statusCode"] == 200 and not records["/asked"].get("fault")
