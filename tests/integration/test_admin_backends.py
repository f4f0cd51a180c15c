"""Backends added, removed and marked over the management API while requests go on."""
import json
import threading

import pytest

from lib.admin import TOKEN, add, ask, draining, managed, names, remove, send, status_of
from lib.client import chunked, request
from lib.logs import entries
from lib.origin import answer, named, wait_until
from lib.proxy import port_free
from lib.reload import reload_entries, reload_text
from lib.wire import WAIT_SECONDS


def message(answer):
    return json.loads(answer.body)["message"]


def marks_logged(proxy):
    return entries(proxy, "backend_mark")


def ids(lab, proxy):
    return [backend["id"] for backend in status_of(lab, proxy)["backends"]]


# --- Adding ---

def test_added_backend_serves(lab):
    proxy = managed(lab, lab.origin(named("old")), workers=2)
    new = lab.origin(named("new"))
    made = add(lab, proxy, url=new.url, weight=2)
    assert (made.status, made.get("Location")) == (201, "/backends/added-1")
    shown = json.loads(made.body)
    assert (shown["id"], shown["url"], shown["weight"]) == ("added-1", new.url, 2)
    assert shown["addedAtRunTime"] and shown["usable"] and shown["marks"] == []
    assert json.loads(ask(lab, proxy, "/backends/added-1").body)["url"] == new.url
    assert names(lab, proxy) == {"old", "new"}
    assert status_of(lab, proxy)["snapshot"] == 2
    wait_until(lambda: len(reload_entries(proxy)) == 2, "both lines of the log")
    lines = [text for _, text in reload_entries(proxy)]
    assert lines[0] == f"backends[added-1]: (none) -> {new.url}"
    assert lines[1].startswith("Changed: version 2, 1 setting changed")


def test_added_to_a_route(lab):
    """It joins that one alone; a route without a list shares the top-level one."""
    proxy = managed(lab, lab.origin(named("old")), lab.origin(named("api")), routes=[
        {"id": "api", "path": "/api", "backends": ["b1"]}, {"id": "all", "path": "/all"}])
    assert add(lab, proxy, url=lab.origin(named("x")).url, route="api", id="x").status == 201
    assert names(lab, proxy, "/api") == {"api", "x"}
    assert "x" not in names(lab, proxy)
    assert add(lab, proxy, url=lab.origin(named("y")).url, route="all", id="y").status == 201
    assert "y" in names(lab, proxy, "/all") and "y" in names(lab, proxy)
    assert "y" not in names(lab, proxy, "/api")


def test_refused_additions(lab):
    """409 for what is there, 400 in the words of the configuration; nothing changes."""
    origin = lab.origin()
    proxy = managed(lab, origin)
    for status, text, members in [
            (409, "id: \"b0\" is the id of a backend already", {"url": "http://127.0.0.1:1", "id": "b0"}),
            (409, f"url: \"{origin.url}\" is the URL of the backend \"b0\" already", {"url": origin.url}),
            (400, "route: \"none\" is not the id of a route",
             {"url": "http://127.0.0.1:1", "route": "none"}),
            (400, "weight: -1 is not allowed: a whole number from 0 to 1000",
             {"url": "http://127.0.0.1:1", "weight": -1}),
            (400, "healthCheck.interval: 1 is not allowed",
             {"url": "http://127.0.0.1:1", "healthCheck": {"interval": 1}}),
            (400, "did you mean \"weight\"", {"url": "http://127.0.0.1:1", "wieght": 1}),
            (400, "url: is missing", {"id": "x"}), (400, "url: ", {"url": "ftp://x"}),
            (400, "url: ", {"url": 7})]:
        refused = add(lab, proxy, **members)
        assert (refused.status, text in message(refused)) == (status, True), refused.body
    for body in "", "{", "[]", "null", '{"url":"http://127.0.0.1:1"}x', '{"url":"http://\\u0000"}':
        if body:
            assert send(lab, proxy, "POST", "/backends", body).status == 400
    assert send(lab, proxy, "POST", "/backends", b'{"url":"\xff"}').status == 400
    assert (status_of(lab, proxy)["snapshot"], ids(lab, proxy)) == (1, ["b0"])


# --- Removing ---

def test_removed_backend_is_left(lab):
    proxy = managed(lab, lab.origin(named("old")), lab.origin(named("other")))
    gone = remove(lab, proxy, "/backends/b1")
    assert gone.status == 200
    assert json.loads(gone.body)["removed"]["id"] == "b1"
    assert names(lab, proxy) == {"old"}
    assert remove(lab, proxy, "/backends/b1").status == 404
    assert ask(lab, proxy, "/backends/b1").status == 404


def test_it_is_shown_as_it_was(lab):
    """Who has added it, and what checks knew of it, is in the answer still."""
    proxy = managed(lab, lab.origin(), routes=[{"id": "api", "path": "/api"}])
    check = {"enabled": True, "interval": 100}
    assert add(lab, proxy, url=lab.origin().url, id="new", healthCheck=check).status == 201
    wait_until(lambda: json.loads(ask(lab, proxy, "/backends/new").body)["health"] == "healthy",
               "the check")
    gone = json.loads(remove(lab, proxy, "/backends/new").body)["removed"]
    assert (gone["addedAtRunTime"], gone["health"], gone["lastProbe"]["good"]) == (
        True, "healthy", True)
    kept = remove(lab, proxy, "/backends/b0")
    assert kept.status == 409 and sorted(json.loads(kept.body)) == ["error", "message"]


def test_by_id_url_and_body(lab):
    origins = [lab.origin(named(f"o{index}")) for index in range(6)]
    proxy = managed(lab, *origins)
    assert remove(lab, proxy, "/backends?id=b1").status == 200
    assert remove(lab, proxy, f"/backends?url={origins[2].url}").status == 200
    escaped = origins[3].url.replace(":", "%3A").replace("/", "%2f")
    assert remove(lab, proxy, f"/backends?url={escaped}").status == 200
    assert send(lab, proxy, "DELETE", "/backends", {"id": "b4"}).status == 200
    assert send(lab, proxy, "DELETE", "/backends", {"url": origins[5].url}).status == 200
    assert ids(lab, proxy) == ["b0"]
    for path, status in [("/backends", 400), ("/backends?", 400), ("/backends?port=1", 400),
                         ("/backends?id=", 404), ("/backends?url=", 404), ("/backends?id=b1", 404)]:
        assert remove(lab, proxy, path).status == status, path
    for body, status in [({}, 400), ({"id": "b0", "url": "x"}, 400), ({"id": 1}, 400),
                         ({"name": "b0"}, 400), ({"id": "b9"}, 404), ({"url": "http://b"}, 404)]:
        assert send(lab, proxy, "DELETE", "/backends", body).status == status, body
    assert send(lab, proxy, "DELETE", "/backends?id=b0", {"id": "b0"}).status == 400


def test_one_of_several_with_the_same_url(lab):
    proxy = managed(lab, {"id": "x", "url": "http://127.0.0.1:1"},
                    {"id": "y", "url": "http://127.0.0.1:1"})
    refused = remove(lab, proxy, "/backends?url=http://127.0.0.1:1/")
    assert refused.status == 409
    assert '"x"' in message(refused) and '"y"' in message(refused)


def test_the_last_backend_stays(lab):
    proxy = managed(lab, lab.origin(), lab.origin(), routes=[
        {"id": "api", "path": "/api", "backends": ["b1"]}])
    refused = remove(lab, proxy, "/backends/b1")
    assert refused.status == 409
    assert 'last backend of the route "api"' in message(refused)
    assert remove(lab, proxy, "/backends/b0").status == 200
    assert remove(lab, proxy, "/backends/b1").status == 409


def test_a_running_request_ends_on_a_removed_backend(lab):
    """Issue: "drains"."""
    go_on = threading.Event()

    def handler(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 6\r\n\r\nabc")
        assert go_on.wait(WAIT_SECONDS)
        connection.send(b"def")
        connection.wait_closed()

    proxy = managed(lab, lab.origin(handler))
    client = lab.client(proxy)
    client.send(request())
    assert client.read_exactly(4) == b"HTTP"
    assert add(lab, proxy, url=lab.origin(named("new")).url).status == 201
    assert json.loads(remove(lab, proxy, "/backends/b0").body)["removed"]["active"] == 1
    assert names(lab, proxy) == {"new"}
    go_on.set()
    rest = b""
    while not rest.endswith(b"abcdef"):
        rest += client.read_some()
    assert client.ask(request()).body == b"new"


def test_what_was_removed_may_come_back(lab):
    origin = lab.origin(named("old"))
    proxy = managed(lab, origin, lab.origin(named("other")))
    assert ask(lab, proxy, "/backends/b0/drain", method="POST").status == 200
    assert remove(lab, proxy, "/backends/b0").status == 200
    made = add(lab, proxy, url=origin.url, id="b0", weight=3)
    assert made.status == 201
    assert json.loads(made.body)["marks"] == [], "an earlier mark is not about the new one"
    assert names(lab, proxy) == {"old", "other"}


# --- Reloading ---

def test_a_reload_keeps_what_was_changed(lab):
    proxy = managed(lab, lab.origin(named("old")), lab.origin(named("other")))
    add(lab, proxy, url=lab.origin(named("new")).url, id="new")
    remove(lab, proxy, "/backends/b1")
    last = reload_text(proxy, json.dumps({**proxy.config, "timeouts": {"drain": 4321}}))
    assert last.startswith("Reloaded: version 4, ")
    assert "Kept from run time: 1 backends added, 1 removed" in \
        [text for _, text in reload_entries(proxy)]
    assert ids(lab, proxy) == ["b0", "new"]
    assert names(lab, proxy) == {"old", "new"}


def test_what_the_file_says_wins(lab):
    """The same id, now in the file: the entry is dropped, and the log says so."""
    proxy = managed(lab, lab.origin(named("old")))
    add(lab, proxy, url=lab.origin(named("new")).url, id="x")
    config = json.loads(proxy.config_file.read_text())
    config["backends"].append({"id": "x", "url": lab.origin(named("file")).url})
    reload_text(proxy, json.dumps(config))
    assert names(lab, proxy) == {"old", "file"}
    assert ("warn", 'Backend "x", added at run time: given up, a backend of the file has this id') \
        in reload_entries(proxy)
    assert not any(b["addedAtRunTime"] for b in status_of(lab, proxy)["backends"])


def test_a_bad_file_keeps_what_was_changed(lab):
    proxy = managed(lab, lab.origin(named("old")))
    add(lab, proxy, url=lab.origin(named("new")).url, id="x")
    proxy.config_file.write_text("{")
    assert ask(lab, proxy, "/reload", method="POST").status == 422
    assert ids(lab, proxy) == ["b0", "x"]
    assert add(lab, proxy, url=lab.origin(named("third")).url, id="y").status == 201, \
        "a change does not read the file"
    assert names(lab, proxy) == {"old", "new", "third"}


def test_many_changes_under_load(lab):
    """No request fails while backends come and go."""
    proxy = managed(lab, lab.origin(named("old")), workers=2)
    new = lab.origin(named("new"))
    done = threading.Event()
    failed = []

    def load():
        client = lab.client(proxy)
        while not done.is_set():
            response = client.ask(request())
            if response.status != 200:
                failed.append(response.status)

    threads = [threading.Thread(target=load) for _ in range(4)]
    for thread in threads:
        thread.start()
    for number in range(30):
        assert add(lab, proxy, url=new.url, id="x").status == 201
        assert remove(lab, proxy, "/backends/x").status == 200
    done.set()
    for thread in threads:
        thread.join()
    assert not failed
    assert status_of(lab, proxy)["snapshot"] == 61


# --- Marks ---

def test_drain_maintenance_and_ready(lab):
    proxy = managed(lab, lab.origin(named("old")), lab.origin(named("other")))
    for mark, word in ("drain", "draining"), ("maintenance", "maintenance"):
        marked = ask(lab, proxy, f"/backends/b1/{mark}", method="POST")
        assert marked.status == 200
        assert (json.loads(marked.body)["marks"], json.loads(marked.body)["usable"]) == ([word], False)
        assert names(lab, proxy) == {"old"}
    reload_text(proxy, json.dumps({**proxy.config, "timeouts": {"drain": 4321}}))
    assert names(lab, proxy) == {"old"}, "a reload keeps it"
    ready = json.loads(ask(lab, proxy, "/backends/b1/ready", method="POST").body)
    assert (ready["marks"], ready["usable"]) == ([], True)
    assert names(lab, proxy) == {"old", "other"}
    assert ask(lab, proxy, "/backends/b7/drain", method="POST").status == 404
    wait_until(lambda: len(marks_logged(proxy)) == 3, "three lines of the log")
    assert [entry["backendId"] for entry in marks_logged(proxy)] == ["b1"] * 3


# --- HTTP ---

def test_methods(lab):
    proxy = managed(lab, lab.origin())
    for path, method, allow in [
            ("/backends", "PUT", "GET, HEAD, POST, DELETE"),
            ("/backends/b0", "POST", "GET, HEAD, DELETE"), ("/backends/b0/drain", "GET", "POST")]:
        refused = ask(lab, proxy, path, method=method)
        assert (refused.status, refused.get("Allow")) == (405, allow)
    for path in "/backends/", "/backends//drain", "/backends/b0/x", "/backends/b0/drain/", "/backend":
        assert ask(lab, proxy, path).status == 404, path


def test_bodies(lab):
    """411, 413, 415, 417, and a body in pieces."""
    proxy = managed(lab, lab.origin())
    body = json.dumps({"url": "http://127.0.0.1:1", "id": "x", "weight": 0}).encode()
    for kind in "Content-Type: text/plain", "Content-Type: application/jsonx", "A: b":
        answer = lab.ask(proxy.admin, request("POST", "/backends", kind, body=body,
                                              host="localhost"), "POST")
        assert answer.status == 415
    kind = "Content-Type: Application/JSON; charset=utf-8"
    assert lab.ask(proxy.admin, request("POST", "/backends", kind, host="localhost"),
                   "POST").status == 400
    large = request("POST", "/backends", kind, body=b" " * 8193, host="localhost")
    answer = lab.ask(proxy.admin, large, "POST")
    assert (answer.status, answer.get("Connection")) == (413, "close")
    answer = lab.ask(proxy.admin, request("POST", "/backends", kind, "Transfer-Encoding: chunked",
                                          host="localhost") + chunked(body), "POST")
    assert answer.status == 411
    client = lab.client(proxy.admin)
    padded = body + b" " * (8192 - len(body))
    for byte in request("POST", "/backends", kind, body=padded, host="localhost"):
        client.send(bytes([byte]))
    assert client.read_response("POST").status == 201
    both = request("DELETE", "/backends/x", host="localhost")
    client.send(request("DELETE", "/backends", kind, body=b'{"id":"x"}', host="localhost") + both)
    assert [client.read_response("DELETE").status for _ in range(2)] == [200, 404]


def test_who_waits_for_continue(lab):
    proxy = managed(lab, lab.origin())
    client = lab.client(proxy.admin)
    head = request("POST", "/backends", "Content-Type: application/json", "Expect: 100-continue",
                   "Content-Length: 28", host="localhost")
    for number in range(2):
        client.send(head)
        assert client.read_exactly(25) == b"HTTP/1.1 100 Continue\r\n\r\n"
        client.send(b'{"url":"http://127.0.0.1:%d"}' % (number + 1))
        assert client.read_response("POST").status == 201
    assert lab.ask(proxy.admin, request("POST", "/reload", "Expect: 100-continue",
                                        "Content-Length: 28", host="localhost"),
                   "POST").status == 413, "it is refused at once"


@pytest.mark.parametrize("method, path", [
    ("POST", "/backends"), ("DELETE", "/backends/b0"), ("GET", "/backends"),
    ("POST", "/backends/b0/drain"), ("GET", "/backends/b0")])
def test_token_and_origin(lab, method, path):
    """Nothing of it without the token, or for the page of another site."""
    proxy = managed(lab, lab.origin(), lab.origin(), admin={"token": TOKEN})
    assert ask(lab, proxy, path, method=method).status == 401
    assert ask(lab, proxy, path, f"Authorization: Bearer {TOKEN}", "Origin: http://evil.example",
               method=method).status == 403
    assert ask(lab, proxy, path, method=method, host="evil.example").status == 403
    status = json.loads(ask(lab, proxy, "/status", f"Authorization: Bearer {TOKEN}").body)
    assert (status["snapshot"], [b["marks"] for b in status["backends"]]) == (1, [[], []])


def test_not_while_stopping(lab):
    with draining(lab, lab.origin()) as proxy:
        refused = add(lab, proxy, url=f"http://127.0.0.1:{port_free()}")
        assert (refused.status, "stopped" in message(refused)) == (409, True)
        assert remove(lab, proxy, "/backends/b0").status == 409
