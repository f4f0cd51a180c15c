"""Hop-by-hop fields stay on their hop (RFC 9110 section 7.6.1), both ways."""
import pytest

from lib.client import request
from lib.origin import answer, serve

HOP_BY_HOP = ["Keep-Alive: timeout=5", "Proxy-Connection: keep-alive", "TE: gzip, trailers;q=0.5",
              "Upgrade: foo/2"]


def forwarded(lab, *lines, **options):
    """What the origin sees of a request with these field lines."""
    if not lab.proxies:
        lab.proxy(lab.origin())
    assert lab.ask(lab.proxies[0], request("POST", "/", *lines, **options)).status == 200
    return lab.origins[0].requests[-1]


def returned(lab, *lines):
    """What the client sees of a response with these field lines."""
    origin = lab.origin(serve(lambda seen: answer("body", *lines)))
    return lab.client(lab.proxy(origin)).get()


def test_hop_by_hop_request_fields_are_removed(lab):
    """RFC 9110 section 7.6.1: these are known to be for one hop, named or not."""
    seen = forwarded(lab, *HOP_BY_HOP, "X-End: stays")
    for line in HOP_BY_HOP:
        name, _, value = line.partition(": ")
        assert value not in seen.get_all(name), f"{line} was forwarded"
    assert seen.get("X-End") == "stays"


def test_request_fields_named_by_connection_are_removed(lab):
    """RFC 9110 section 7.6.1: in any case, in several Connection fields, before and after it."""
    seen = forwarded(lab, "X-Before: 1", "Connection: x-BEFORE, X-After", "X-After: 2",
                     "Connection: , X-Third ,", "x-third: 3", "X-Fourth: 4", "X-After: again")
    for name in ("X-Before", "X-After", "X-Third"):
        assert seen.get_all(name) == []
        assert not seen.has_token("Connection", name)
    assert seen.get("X-Fourth") == "4"


def test_response_fields_named_by_connection_are_removed(lab):
    """The same on the way back."""
    response = returned(lab, "X-Hop: 1", "Connection: X-Hop, keep-alive", "Keep-Alive: timeout=5",
                        "Proxy-Connection: close", "X-End: stays")
    for name in ("X-Hop", "Keep-Alive", "Proxy-Connection"):
        assert response.get_all(name) == []
    assert not response.has_token("Connection", "X-Hop")
    assert (response.get("X-End"), response.body) == ("stays", b"body")


ESSENTIALS = [("Host", "test.example"), ("Authorization", "Basic dTpw"), ("Cookie", "a=b"),
              ("Content-Length", "4")]


@pytest.mark.parametrize("name,value", ESSENTIALS)
def test_connection_cannot_remove_essentials(lab, name, value):
    """Issue: "`Connection` can never remove end-to-end essentials"."""
    seen = forwarded(lab, f"Connection: {name}", "Authorization: Basic dTpw", "Cookie: a=b",
                     body=b"body")
    assert seen.get(name) == value
    assert seen.body == b"body"


@pytest.mark.parametrize("name", ["X-Forwarded-Port", "x-forwarded-PREFIX"])
def test_connection_cannot_remove_forwarding_fields_that_are_not_ours(lab, name):
    """Who comes through another proxy must not be able to unsay what that one has said."""
    seen = forwarded(lab, f"Connection: {name}, X-Forwarded-", f"{name}: 8443", "X-Forwarded-: 1")
    assert (seen.get(name), seen.get("X-Forwarded-")) == ("8443", None)


@pytest.mark.parametrize("name", ["X-Forwarded-For", "X-Forwarded-Proto", "X-Forwarded-Host",
                                  "X-Real-IP", "X-Request-ID", "Via"])
def test_connection_cannot_remove_what_the_proxy_says(lab, name):
    """Issue: the same for the forwarding fields, which backends base their trust on."""
    seen = forwarded(lab, f"Connection: {name}")
    assert len(seen.get_all(name)) == 1 and seen.get(name)


def test_connection_cannot_remove_response_essentials(lab):
    """A response keeps its length and cookies."""
    response = returned(lab, "Connection: Content-Length, Content-Type", "Content-Type: text/x")
    assert (response.body, response.framing) == (b"body", "length")


def test_transfer_encoding_named_by_connection(lab):
    """The framing is made per hop and agrees with the body whatever Connection says."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Connection: Transfer-Encoding", "Transfer-Encoding: chunked"),
                b"3\r\nabc\r\n0\r\n\r\n")
    assert client.read_response("POST").status == 200
    assert origin.requests[0].body == b"abc"
    assert client.get("/after").status == 200
    assert [seen.target for seen in origin.requests] == ["/", "/after"]


def test_connection_close_of_the_client_is_not_passed_on(lab):
    """It ends the client's hop; the upstream stays."""
    seen = forwarded(lab, "Connection: close")
    assert not seen.has_token("Connection", "close")


def test_te_trailers_may_pass_only_by_itself(lab):
    """RFC 9110 section 10.1.4: TE is for one hop; nothing but `trailers` may come from us."""
    for value in forwarded(lab, "TE: trailers, deflate", "Connection: TE").get_all("TE"):
        assert value == "trailers"
