"""What the proxy tells backends about the client and the request (issue, Forwarding)."""
import re

import pytest

from lib.client import request

UUID7 = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-7[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}\Z")
TRUSTED = {"trustedProxies": ["127.0.0.0/8"]}


def forwarded(lab, *lines, config=None, source=None, **options):
    """What the origin sees of a request with these field lines."""
    if not lab.proxies:
        lab.proxy(lab.origin(), **(config or {}))
    client = lab.client(lab.proxies[0], source=source)
    assert client.ask(request("GET", "/", *lines, **options)).status == 200
    client.close()
    return lab.origins[0].requests[-1]


def test_all_of_them_once(lab):
    """Each field is there exactly once and says what is so."""
    seen = forwarded(lab)
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Forwarded-Host") == "test.example"
    assert seen.get("Via").split()[0] in ("1.1", "HTTP/1.1")
    assert UUID7.match(seen.get("X-Request-ID"))
    assert seen.get("Host") == "test.example"


def test_untrusted_peer_is_not_believed(lab):
    """Issue: X-Forwarded-For is "replaced unless the peer is a trusted proxy"."""
    seen = forwarded(lab, "X-Forwarded-For: 10.0.0.1", "x-forwarded-for: 10.0.0.2",
                     "X-Real-IP: 10.0.0.3", "X-Forwarded-Proto: https",
                     "X-Forwarded-Host: evil.example")
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Forwarded-Host") == "test.example"


def test_trusted_proxy_is_continued(lab):
    """Issue: X-Forwarded-For is "appended" for a trusted proxy, and its word on the rest holds."""
    seen = forwarded(lab, "X-Forwarded-For: 203.0.113.7", "X-Forwarded-Proto: https",
                     "X-Forwarded-Host: public.example", config=TRUSTED)
    assert re.fullmatch(r"203\.0\.113\.7, ?127\.0\.0\.1", seen.get("X-Forwarded-For"))
    assert seen.get("X-Forwarded-Proto") == "https"
    assert seen.get("X-Forwarded-Host") == "public.example"


def test_list_of_several_lines_is_continued_in_order(lab):
    """RFC 9110 section 5.3: lines of the same name are one list, in their order."""
    seen = forwarded(lab, "X-Forwarded-For: 203.0.113.7, 10.1.1.1", "X-Other: y",
                     "X-Forwarded-For: 10.2.2.2", config=TRUSTED)
    hops = [hop.strip() for hop in ",".join(seen.get_all("X-Forwarded-For")).split(",")]
    assert hops == ["203.0.113.7", "10.1.1.1", "10.2.2.2", "127.0.0.1"]


def test_only_the_listed_networks_are_trusted(lab):
    """A network of one address does not cover its neighbour."""
    config = {"trustedProxies": ["127.0.0.9/32", "10.0.0.0/8"]}
    line = "X-Forwarded-For: 203.0.113.7"
    seen = forwarded(lab, line, config=config, source="127.0.0.8")
    assert seen.get("X-Forwarded-For") == "127.0.0.8"
    assert seen.get("X-Real-IP") == "127.0.0.8"
    seen = forwarded(lab, line, source="127.0.0.9")
    assert re.fullmatch(r"203\.0\.113\.7, ?127\.0\.0\.9", seen.get("X-Forwarded-For"))


def test_trusted_proxy_that_says_nothing(lab):
    """Without its fields a trusted proxy is the client as far as anybody knows."""
    seen = forwarded(lab, config=TRUSTED)
    assert seen.get("X-Forwarded-For") == "127.0.0.1"
    assert seen.get("X-Real-IP") == "127.0.0.1"
    assert seen.get("X-Forwarded-Proto") == "http"
    assert seen.get("X-Forwarded-Host") == "test.example"


def test_via_is_appended(lab):
    """RFC 9110 section 7.6.3: a gateway adds itself behind all others."""
    seen = forwarded(lab, "Via: 1.0 fred, 1.1 p.example")
    elements = [element.strip() for element in ",".join(seen.get_all("Via")).split(",")]
    assert elements[:2] == ["1.0 fred", "1.1 p.example"] and len(elements) == 3
    assert elements[2].split()[0] in ("1.1", "HTTP/1.1")


def test_via_tells_the_version_received(lab):
    """RFC 9110 section 7.6.3: received-protocol is the version of the message that came in."""
    assert forwarded(lab, version="1.0").get("Via").split()[0] in ("1.0", "HTTP/1.0")


def test_request_ids_differ(lab):
    """Issue: "X-Request-ID (made if absent; UUIDv7)": unique, and ordered by time."""
    made = [forwarded(lab).get("X-Request-ID") for _ in range(50)]
    assert all(UUID7.match(one) for one in made)
    assert len(set(made)) == 50
    stamps = [int(one[:8] + one[9:13], 16) for one in made]
    assert stamps == sorted(stamps)


@pytest.mark.parametrize("value", ["abc-123", "0190163d-8694-739b-aea5-966c26f8ad91", "A_b.c"])
def test_request_id_of_the_client_is_kept(lab, value):
    """Issue: "made if absent": one that is there goes through."""
    assert forwarded(lab, f"X-Request-ID: {value}").get("X-Request-ID") == value


@pytest.mark.parametrize("value", ["", "a b", "x" * 4000, "caf\xe9"])
def test_odd_request_id_is_replaced(lab, value):
    """What ends up in logs and error pages is an identifier and nothing else."""
    seen = forwarded(lab, f"X-Request-ID: {value}")
    assert UUID7.match(seen.get("X-Request-ID"))


def test_trace_context_passes_untouched(lab):
    """Issue: "`traceparent` passed through", byte for byte."""
    parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"
    seen = forwarded(lab, f"traceparent: {parent}", "tracestate: a=1,b=2")
    assert ("traceparent", parent) in seen.headers
    assert ("tracestate", "a=1,b=2") in seen.headers


def test_absolute_form_decides_the_host(lab):
    """RFC 9112 section 3.2.2: the target's authority goes before Host; the origin gets
    origin-form."""
    lab.proxy(lab.origin())
    response = lab.ask(lab.proxies[0], b"GET http://other.example/p?q=1 HTTP/1.1\r\n"
                                       b"Host: other.example\r\n\r\n")
    assert response.status == 200
    seen = lab.origins[0].requests[0]
    assert seen.target == "/p?q=1"
    assert seen.get("Host") == "other.example"
    assert seen.get("X-Forwarded-Host") == "other.example"
