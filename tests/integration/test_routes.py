"""Routes by host and path, and what they change (issue, Configuration: `routes[]`)."""
import threading

import pytest

from lib.client import request
from lib.origin import answer, serve, wait_event

ROUTES = [
    {"id": "exact", "vHost": "www.example.com", "backends": ["b1"]},
    {"id": "wild", "vHost": "*.example.com", "backends": ["b2"]},
    {"id": "wilder", "vHost": "*.deep.example.com", "backends": ["b3"]},
    {"id": "api", "vHost": "www.example.com", "path": "/api", "backends": ["b4"]},
    {"id": "api-v2", "vHost": "www.example.com", "path": "/api/v2", "backends": ["b5"]},
    {"id": "any", "path": "/static", "backends": ["b6"]},
]

CASES = [
    ("www.example.com", "/", "1"), ("WWW.Example.COM", "/", "1"),
    ("www.example.com:8080", "/", "1"),
    ("x.example.com", "/", "2"), ("a.b.example.com", "/", "2"), ("x.deep.example.com", "/", "3"),
    ("example.com", "/", "default"), ("evil-example.com", "/", "default"),
    ("www.example.com.evil", "/", "default"), ("other.org", "/", "default"),
    ("www.example.com", "/api", "4"), ("www.example.com", "/api/", "4"),
    ("www.example.com", "/api/users?x=1", "4"), ("www.example.com", "/api?x=/v2", "4"),
    ("www.example.com", "/apis", "1"), ("www.example.com", "/api/v2", "5"),
    ("www.example.com", "/api/v2/x", "5"), ("www.example.com", "/api/v22", "4"),
    ("www.example.com", "/API", "1"), ("other.org", "/static/a.css", "6"),
    ("other.org", "/staticx", "default"), ("www.example.com", "/static", "1"),
]


@pytest.fixture(name="proxy", scope="module")
def running(shared):
    for number in range(7):
        shared.origin(serve(lambda seen, number=number: answer(str(number))))
    return shared.proxy(*shared.origins, routes=ROUTES)


@pytest.mark.parametrize("host,path,expected", CASES)
def test_which_route(shared, proxy, host, path, expected):
    """Exact host before wildcard before any; within a host the longest prefix of whole segments."""
    bodies = {shared.ask(proxy, request("GET", path, host=host)).body.decode() for _ in range(7)}
    # The default route spreads over all backends, the others have one each.
    assert bodies == (set("0123456") if expected == "default" else {expected})


# The target, and the route whose path a backend may read in it.
ODD_TARGETS = [("/%61pi", "4"), ("//api", "4"), ("/api;v=1", "4"), ("/api;v=1/v2", "5"),
               ("/api%2Fv2", "5"), ("/api%5cv2", "5"), ("/api//v2?x=/..", "5"),
               ("/.well-known/api", "1"), ("/%2561pi", "1"), ("/%41PI", "1")]


@pytest.mark.parametrize("target,expected", ODD_TARGETS)
def test_other_spellings_of_a_path(shared, proxy, target, expected):
    """No spelling of a path leads past its route, and the backend gets it as it was sent."""
    for origin in shared.origins:
        origin.requests.clear()
    response = shared.ask(proxy, request("GET", target, host="www.example.com"))
    assert response.body.decode() == expected
    assert [seen.target for origin in shared.origins for seen in origin.requests] == [target]


DOTS = ["/static/../api", "/static/%2e%2E/api", "/static%2f..%2fapi", "/static/..;/api", "/.",
        "/static;..%2f..%2fapi", "/api/..", "/./api"]


@pytest.mark.parametrize("target", DOTS)
def test_dot_segments_have_no_route(shared, proxy, target):
    """Who resolves them decides where they lead: refused as soon as routes have paths."""
    for origin in shared.origins:
        origin.requests.clear()
    response = shared.ask(proxy, request("POST", target, body=b"ab"))
    assert response.status == 400 and response.has_token("Connection", "close")
    assert not any(origin.requests for origin in shared.origins)


@pytest.mark.parametrize("target", DOTS)
def test_dot_segments_without_paths(lab, target):
    """Where every path takes one route nothing depends on them."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request("GET", target)).status == 200
    assert origin.requests[0].target == target


def test_host_of_an_absolute_target(shared, proxy):
    """RFC 9112 section 3.2.2: its authority is the host."""
    response = shared.ask(proxy, b"GET http://x.deep.example.com/ HTTP/1.1\r\n"
                                 b"Host: x.deep.example.com\r\n\r\n")
    assert response.body == b"3"


def edited(lab, edits, *lines):
    """The request that the origin sees, and the response that the client sees, with edits."""
    origin = lab.origin(serve(lambda seen: answer("", *lines)))
    response = lab.ask(lab.proxy(origin, routes=[{"path": "/", **edits}]),
                       request("GET", "/", *lines))
    return origin.requests[0], response


EDITS = {"set": {"X-Set": "new", "X-Made": "made"}, "add": {"X-Add": "second"},
         "remove": ["X-Gone", "x-gone-too"]}
LINES = ["X-Set: old", "X-set: older", "X-Add: first", "X-GONE: 1", "X-Gone-Too: 2", "X-Stays: 3"]


@pytest.mark.parametrize("side", ["requestHeaders", "responseHeaders"])
def test_field_edits(lab, side):
    """Issue: "request/response headers to set, add or remove"; names compare without case."""
    seen = edited(lab, {side: EDITS}, *LINES)[0 if side == "requestHeaders" else 1]
    assert seen.get("X-Set") == "new"
    assert seen.get("X-Made") == "made"
    assert seen.get_all("X-Add") == ["first", "second"]
    assert seen.get_all("X-Gone") == seen.get_all("X-Gone-Too") == []
    assert seen.get("X-Stays") == "3"


def test_edits_concern_their_side_only(lab):
    """Request edits leave the response alone."""
    _, response = edited(lab, {"requestHeaders": EDITS}, *LINES)
    assert response.get_all("X-Set") == ["old", "older"]
    assert response.get("X-Gone") == "1"


def test_setting_the_host(lab):
    """A route may give its backends another Host."""
    seen, _ = edited(lab, {"requestHeaders": {"set": {"Host": "inner.example"}}})
    assert seen.get("Host") == "inner.example"


def test_strategy_of_a_route(lab):
    """A route has its own strategy over its own backends."""
    for number in range(3):
        lab.origin(serve(lambda seen, number=number: answer(str(number))))
    proxy = lab.proxy(*lab.origins, loadBalancing={"strategy": "ip-hash"},
                      routes=[{"path": "/rr", "strategy": "round-robin", "backends": ["b0", "b2"]}])
    assert [lab.ask(proxy, request("GET", "/rr")).body for _ in range(6)].count(b"0") == 3
    assert len({lab.ask(proxy, request("GET", "/other")).body for _ in range(6)}) == 1


def test_active_limit(lab):
    """Setting routes[].reqActiveLength: more at once are answered 503; others are free."""
    gate = threading.Event()

    def respond(seen):
        if seen.target == "/limited/held":
            wait_event(gate)
        return answer("ok")

    origin = lab.origin(serve(respond))
    proxy = lab.proxy(origin, routes=[{"path": "/limited", "reqActiveLength": 2}])
    held = [lab.client(proxy) for _ in range(2)]
    for client in held:
        client.send(request("GET", "/limited/held"))
    origin.wait_requests(2)
    over = lab.client(proxy)
    assert over.get("/limited/more").status == 503
    assert over.get("/free").status == 200
    gate.set()
    for client in held:
        assert client.read_response().status == 200
    for _ in range(5):
        assert over.get("/limited/again").status == 200
