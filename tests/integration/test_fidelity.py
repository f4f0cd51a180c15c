"""All other fields keep order, case and bytes, both ways (issue, Forwarding)."""
import pytest

from lib.client import request
from lib.origin import answer, serve

# Case, repetition, empty values, inner white space, obs-text, every token character in a name.
LINES = ["x-lower: 1", "X-UPPER: 2", "X-mIxEd: 3", "X-Repeated: a", "Other: between",
         "X-Repeated: b", "x-repeated: a", "Empty:", "Spaces: a  b\tc", "Obs: caf\xe9 \xff",
         "Quotes: \"a\\\"b\", 'c'", "!#$%&'*+-.^_`|~0: token", "Comma: a,,b , c",
         "Long: " + "l" * 3000, "Accept: text/html;q=0.5, */*", "User-Agent: curl/8 (x; y)",
         "If-None-Match: W/\"abc\"", "Date: Tue, 15 Nov 1994 08:12:31 GMT", "Colon: a:b:c"]


def pairs(lines):
    split = (line.partition(":") for line in lines)
    return [(name, value.strip(" \t")) for name, _, value in split]


def test_request_fields(lab):
    """The origin sees the client's lines in their order."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request("GET", "/", *LINES)).status == 200
    names = {name for name, _ in pairs(LINES)}
    assert [(n, v) for n, v in origin.requests[0].headers if n in names] == pairs(LINES)


def test_response_fields(lab):
    """The client sees the origin's lines in their order, Server and Set-Cookie among them."""
    lines = LINES + ["Server: Apache/1", "Set-Cookie: a=b; Path=/", "Set-Cookie: c=d; HttpOnly",
                     "WWW-Authenticate: Basic realm=\"x\"", "Location: /elsewhere"]
    response = lab.ask(lab.proxy(lab.origin(serve(lambda seen: answer("body", *lines)))), request())
    names = {name for name, _ in pairs(lines)}
    assert [(n, v) for n, v in response.headers if n in names] == pairs(lines)


TARGETS = ["/", "/a//b/../c/./d", "/%41%2f%2E?x=%zz&y=%00", "/?", "/a?b?c=/d/../e",
           "/;p=1/@:!$&'()*+,=~",
           "/" + "long/" * 1000, "//double", "/a%20b?q=%C3%A9+x", "/[]|^`{}\"<>\\"]


@pytest.mark.parametrize("target", TARGETS[:-1])
def test_target_is_forwarded_as_sent(lab, target):
    """Nothing is normalised: what a backend makes of a path is its own (RFC 9110 section 4.2.3)."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request("GET", target)).status == 200
    assert origin.requests[0].target == target


def test_odd_target_bytes(lab):
    """What RFC 3986 does not allow is refused or forwarded as it is, never changed."""
    origin = lab.origin()
    proxy = lab.proxy(origin)
    for target in (TARGETS[-1], "/%zz", "/%00", "/%", "/a%2"):
        status = lab.ask(proxy, request("GET", target)).status
        assert status in (200, 400)
        assert [seen.target for seen in origin.requests] == [target] * (status == 200)
        origin.requests.clear()


@pytest.mark.parametrize("method", ["GET", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE",
                                    "PROPFIND", "get", "M-SEARCH", "X!#$%&'*+-.^_`|~9"])
def test_methods(lab, method):
    """RFC 9110 section 9.1: any token, case-sensitive."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request(method)).status == 200
    assert origin.requests[0].method == method


def test_options_asterisk(lab):
    """RFC 9112 section 3.2.4."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request("OPTIONS", "*")).status == 200
    assert origin.requests[0].target == "*"


@pytest.mark.parametrize("status", ["200 OK", "201 Created", "202", "206 Partial Content",
                                    "301 Moved Permanently", "299 Something of its own",
                                    "404 Not Found", "418 I'm a teapot", "500 Caf\xe9",
                                    "503 Service Unavailable", "599 Odd"])
def test_status_and_reason(lab, status):
    """An origin's own errors are its own: status, reason and body pass."""
    code, _, reason = status.partition(" ")
    origin = lab.origin(serve(lambda seen: answer("theirs", status=f"{code} {reason}")))
    response = lab.ask(lab.proxy(origin), request())
    assert (response.status, response.reason, response.body) == (int(code), reason, b"theirs")


def test_host_is_kept(lab):
    """The origin sees the Host that the client asked for, port and case included."""
    origin = lab.origin()
    proxy = lab.proxy(origin)
    for host in ("Example.COM:8080", "[::1]:3000", "a.b.c.example", "127.0.0.1"):
        assert lab.ask(proxy, request(host=host)).status == 200
        assert origin.requests[-1].get("Host") == host


def test_many_fields_at_the_limit(lab):
    """Ninety fields both ways; none is lost when a head is large."""
    lines = [f"X-Field-{n}: {'v' * n}" for n in range(85)]
    origin = lab.origin(serve(lambda seen: answer("", *lines)))
    response = lab.ask(lab.proxy(origin), request("GET", "/", *lines))
    for message in (origin.requests[0], response):
        assert [(n, v) for n, v in message.headers if n.startswith("X-Field-")] == pairs(lines)


def test_white_space_around_values_is_no_part_of_them(lab):
    """RFC 9112 section 5.1."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request("GET", "/", "A:b", "C: \t d \t ")).status == 200
    assert (origin.requests[0].get("A"), origin.requests[0].get("C")) == ("b", "d")
