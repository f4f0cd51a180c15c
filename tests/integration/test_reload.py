"""Live reload: a new configuration takes over while requests, downloads and tunnels go on."""
import itertools
import json
import os
import pathlib
import signal
import tempfile
import threading

import pytest

from lib.client import request
from lib.logs import entries
from lib.origin import answer, named, serve, wait_event, wait_until
from lib.preload import build
from lib.reload import reload, reload_entries, reload_text, verdicts, write_config
from lib.settings import backends_of
from lib.tunnel import SWITCH, echo_bytes, echo_tunnel, enter
from lib.wire import WAIT_SECONDS

WATCHED = {"reload": {"watch": True}}


def two_origins(lab, first=None, **sections):
    """A proxy before the first of two origins."""
    old, new = lab.origin(first or named("old")), lab.origin(named("new"))
    return lab.proxy(old, **sections), old, new


def backend(origin, name):
    return {"id": name, "url": origin.url}


def test_requests_go_where_the_new_file_says(lab):
    proxy, _, new = two_origins(lab)
    client = lab.client(proxy)
    assert client.ask(request()).body == b"old"
    assert reload(proxy, backends=[backend(new, "fresh")]).startswith("Reloaded: version 2")
    assert client.ask(request()).body == b"new"  # on the same connection
    assert lab.ask(proxy, request()).body == b"new"


def test_what_changed_is_logged(lab):
    proxy, old, new = two_origins(lab)
    reload(proxy, backends=[backend(old, "b0"), backend(new, "b1")],
           timeouts={**proxy.config["timeouts"], "keepAlive": 12345})
    lines = [message for level, message in reload_entries(proxy) if level == "info"]
    assert any("timeouts.keepAlive" in line and "12345" in line for line in lines), lines
    assert any("backends[b1]" in line and new.url in line for line in lines), lines
    assert not any("backends[b0]" in line for line in lines), lines


def test_a_download_from_a_removed_backend_goes_on(lab):
    go_on = threading.Event()

    def handler(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n", b"a" * 100_000)
        assert go_on.wait(WAIT_SECONDS)
        connection.send(b"b" * 100_000)
        connection.wait_closed()

    proxy, _, new = two_origins(lab, handler)
    client = lab.client(proxy)
    client.send(request())
    assert client.read_exactly(4) == b"HTTP"
    reload(proxy, backends=[backend(new, "fresh")])
    assert lab.ask(proxy, request()).body == b"new"
    go_on.set()
    rest = b""
    while not rest.endswith(b"b" * 100_000):
        rest += client.read_some()
    assert rest.count(b"a" * 100_000) == 1
    assert client.ask(request()).body == b"new"


def test_an_upload_to_a_removed_backend_goes_on(lab):
    proxy, old, new = two_origins(lab, serve(lambda seen: answer(str(len(seen.body)))))
    client = lab.client(proxy)
    client.send(request("POST", "/", "Content-Length: 50000"), b"x" * 20_000)
    wait_until(lambda: old.connections, "the request at the old backend")
    reload(proxy, backends=[backend(new, "fresh")])
    client.send(b"y" * 30_000)
    assert client.read_response().body == b"50000"


def test_a_tunnel_to_a_removed_backend_goes_on(lab):
    proxy, _, new = two_origins(lab, echo_tunnel)
    client = lab.client(proxy)
    enter(client)
    for number in range(3):
        reload(proxy, backends=[backend(new, f"fresh{number}")])
        client.send(b"still there?")
        assert client.read_exactly(12) == b"still there?"
    client.close()


def test_a_backend_that_stays_keeps_its_connections(lab):
    proxy, old, new = two_origins(lab)
    assert lab.ask(proxy, request()).body == b"old"
    for number in range(5):
        reload(proxy, backends=[backend(old, "b0")], timeouts={"drain": 3000 + number})
        assert lab.ask(proxy, request()).body == b"old"
    assert len(old.connections) == 1
    assert len(new.connections) == 0


def test_idle_connections_to_a_removed_backend_are_closed(lab):
    proxy, old, new = two_origins(lab)
    assert lab.ask(proxy, request()).body == b"old"
    reload(proxy, backends=[backend(new, "fresh")])
    wait_event(old.connections[0].ended, "the idle connection's end")


def test_a_backend_with_another_url_is_another_one(lab):
    proxy, old, new = two_origins(lab)
    assert lab.ask(proxy, request()).body == b"old"
    reload(proxy, backends=[backend(new, "b0")])
    assert lab.ask(proxy, request()).body == b"new"
    wait_event(old.connections[0].ended, "the idle connection's end")


def test_routes_and_edits_change(lab):
    origin = lab.origin(serve(lambda seen: answer(seen.get("X-Tag", "none"))))
    proxy = lab.proxy(origin)
    assert lab.ask(proxy, request("GET", "/api/x")).body == b"none"
    route = {"id": "api", "path": "/api", "requestHeaders": {"set": {"X-Tag": "tagged"}}}
    reload(proxy, routes=[route])
    assert lab.ask(proxy, request("GET", "/api/x")).body == b"tagged"
    assert lab.ask(proxy, request("GET", "/other")).body == b"none"
    reload(proxy, routes=[])
    assert lab.ask(proxy, request("GET", "/api/x")).body == b"none"


@pytest.mark.parametrize("text", [
    "", "{", "[]", '{"backends": []}', '{"proxy": {"port": "many", "retries": -1}}', "\0",
    "x" * 1000])
def test_a_bad_file_changes_nothing(lab, text):
    proxy, _, _ = two_origins(lab)
    verdict = reload_text(proxy, text)
    assert verdict.startswith("Not reloaded") and "served on" in verdict
    assert [level for level, _ in reload_entries(proxy)].count("error") >= 2
    assert all("config.json" in message for level, message in reload_entries(proxy)
               if level == "error" and not message.startswith("Not reloaded"))
    assert lab.ask(proxy, request()).body == b"old"


def test_a_missing_file_changes_nothing(lab):
    proxy, _, _ = two_origins(lab)
    proxy.config_file.unlink()
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: verdicts(proxy), "the reload")
    assert verdicts(proxy)[0].startswith("Not reloaded")
    assert lab.ask(proxy, request()).body == b"old"


@pytest.mark.parametrize("section", [
    {"limits": {"clients": 17}}, {"limits": {"exchanges": 19}},
    {"upstream": {"maxConnections": 23}}, {"limits": {"headBytes": 8192}}])
def test_what_needs_a_restart_is_named_and_refused(lab, section):
    proxy, _, new = two_origins(lab)
    verdict = reload(proxy, backends=[backend(new, "fresh")], **section)
    assert verdict.startswith("Not reloaded: restart")
    key = next(iter(section))
    assert any(key in message and "needs a restart" in message
               for _, message in reload_entries(proxy)), reload_entries(proxy)
    assert lab.ask(proxy, request()).body == b"old"  # all of it or nothing


def test_the_same_file_again(lab):
    proxy, _, _ = two_origins(lab)
    assert reload(proxy) == "Reloaded: nothing has changed"
    assert lab.ask(proxy, request()).body == b"old"


def test_a_new_limit_holds_for_new_requests(lab):
    """Those that were admitted before count, too: the limit is the route's, not the file's."""
    release = threading.Event()

    def handler(connection):
        seen = connection.read_request()
        if seen.target == "/slow":
            assert release.wait(WAIT_SECONDS)
        connection.send(answer("done"))
        connection.wait_closed()

    origin = lab.origin(handler)
    proxy = lab.proxy(origin, routes=[{"id": "r", "path": "/slow", "reqActiveLength": 5}])
    first = lab.client(proxy)
    first.send(request("GET", "/slow"))
    origin.wait_requests(1)
    reload(proxy, routes=[{"id": "r", "path": "/slow", "reqActiveLength": 1}])
    assert lab.ask(proxy, request("GET", "/slow")).status == 503
    release.set()
    assert first.read_response().body == b"done"


def test_nothing_reloads_while_stopping(lab):
    release = threading.Event()

    def handler(connection):
        connection.read_request()
        assert release.wait(WAIT_SECONDS)
        connection.send(answer("done"))
        connection.wait_closed()

    proxy, old, new = two_origins(lab, handler, timeouts={"drain": 600_000})
    client = lab.client(proxy)
    client.send(request())
    old.wait_requests(1)
    proxy.signal()
    wait_until(lambda: any("Stopping gracefully" in entry["message"] for entry in entries(proxy)),
               "the stop to begin")
    assert "is stopping" in reload(proxy, backends=[backend(new, "fresh")])
    release.set()
    assert client.read_response().body == b"done"
    assert proxy.wait_exit() == 0


def rename_over(proxy, text):
    write_config(proxy, text)


def write_in_place(proxy, text):
    proxy.config_file.write_text(text)


def remove_and_create(proxy, text):
    proxy.config_file.unlink()
    proxy.config_file.write_text(text)


def swap_links(proxy, text):
    """As Kubernetes does: config.json -> ..data/config.json, and ..data -> another directory."""
    directory = proxy.directory
    version = pathlib.Path(tempfile.mkdtemp(prefix="..", dir=directory))
    (version / "config.json").write_text(text)
    link = directory / "..data_tmp"
    link.symlink_to(version.name)
    link.rename(directory / "..data")
    if not proxy.config_file.is_symlink():
        proxy.config_file.unlink()
        proxy.config_file.symlink_to("..data/config.json")


def change_behind_a_link(proxy, text):
    """The file is a link to one in another directory, and that one changes."""
    target = proxy.directory / "elsewhere" / "real.json"
    target.parent.mkdir(exist_ok=True)
    target.write_text(text)
    if not proxy.config_file.is_symlink():
        proxy.config_file.unlink()
        proxy.config_file.symlink_to(target)


def link_to_current(proxy):
    """The file is a link to releases/current/config.json; returns releases/current."""
    current = proxy.directory / "releases" / "current"
    if not proxy.config_file.is_symlink():
        current.parent.mkdir()
        proxy.config_file.unlink()
        proxy.config_file.symlink_to(current / "config.json")
    return current


def replace_the_directory(proxy, text):
    """The directory of the file makes room for another one of its name."""
    current = link_to_current(proxy)
    if current.exists():
        current.rename(tempfile.mkdtemp(dir=current.parent) + "/old")
    current.mkdir()
    (current / "config.json").write_text(text)


def swap_a_link_above(proxy, text):
    """A link in the middle of the path leads to another directory."""
    current = link_to_current(proxy)
    version = pathlib.Path(tempfile.mkdtemp(dir=current.parent))
    (version / "config.json").write_text(text)
    link = current.with_suffix(".new")
    link.symlink_to(version.name)
    link.rename(current)


@pytest.mark.parametrize("change", [rename_over, write_in_place, remove_and_create, swap_links,
                                    change_behind_a_link, replace_the_directory,
                                    swap_a_link_above])
def test_a_change_of_the_file_is_seen(lab, change):
    """Twice, because the first may have replaced what was watched."""
    proxy, old, new = two_origins(lab, **WATCHED)
    assert lab.ask(proxy, request()).body == b"old"
    for origin, name in ((new, b"new"), (old, b"old")):
        proxy.config = {**proxy.config, "backends": [backend(origin, "b")]}
        change(proxy, json.dumps(proxy.config))
        wait_until(lambda now=name: lab.ask(proxy, request()).body == now, "the reload")


def test_a_bad_change_is_refused_once(lab):
    proxy, _, new = two_origins(lab, **WATCHED)
    write_config(proxy, "{")
    wait_until(lambda: verdicts(proxy), "the refusal")
    assert lab.ask(proxy, request()).body == b"old"
    proxy.config = {**proxy.config, "backends": [backend(new, "b")]}
    write_config(proxy, json.dumps(proxy.config))
    wait_until(lambda: lab.ask(proxy, request()).body == b"new", "the reload")
    wait_until(lambda: len(verdicts(proxy)) > 1, "the second verdict")
    assert [verdict[:8] for verdict in verdicts(proxy)] == ["Not relo", "Reloaded"]


def test_a_pipe_in_place_of_the_file_stops_nothing(lab):
    proxy, _, new = two_origins(lab, **WATCHED)
    proxy.config_file.unlink()
    os.mkfifo(proxy.config_file)
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: any("no regular file" in message for _, message in reload_entries(proxy)),
               "the refusal")
    assert lab.ask(proxy, request()).body == b"old"
    proxy.config = {**proxy.config, "backends": [backend(new, "b")]}
    write_config(proxy, json.dumps(proxy.config))
    wait_until(lambda: lab.ask(proxy, request()).body == b"new", "the reload")


def test_without_watching_only_a_signal_reloads(lab):
    proxy, _, new = two_origins(lab)
    proxy.config = {**proxy.config, "backends": [backend(new, "b")]}
    write_config(proxy, json.dumps(proxy.config))
    watched = lab.proxy(new, **WATCHED)  # the same change, seen by one that watches
    write_config(watched, json.dumps({**watched.config, "backends": [backend(new, "other")]}))
    wait_until(lambda: verdicts(watched), "the reload of the other one")
    assert not verdicts(proxy)
    assert lab.ask(proxy, request()).body == b"old"
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: lab.ask(proxy, request()).body == b"new", "the reload")


def test_a_watch_that_cannot_be_had_is_told_of(lab):
    """Turned on by a reload; each reload tries again."""
    first, second = lab.origin(named("old")), lab.origin(named("new"))
    denied = lab.directory / "no_inotify"
    denied.touch()
    proxy = lab.proxy(first, reload={"watch": False}, env={
        "LD_PRELOAD": str(build("no_inotify", lab.directory)), "NO_INOTIFY_FILE": str(denied)})

    def told():
        return [message for level, message in reload_entries(proxy)
                if level == "warn" and "are not seen (inotify: Too many open files): send SIGHUP" in message]
    assert not told()
    assert reload(proxy, **WATCHED).startswith("Reloaded")
    wait_until(told, "the warning")
    denied.unlink()
    assert reload(proxy).startswith("Reloaded: nothing has changed")
    proxy.config = {**proxy.config, "backends": [backend(second, "b")]}
    write_config(proxy, json.dumps(proxy.config))
    wait_until(lambda: lab.ask(proxy, request()).body == b"new", "the reload")
    assert len(told()) == 1


RELOADS, PIECE = 200, b"d" * 1000


def either(name, turns):
    """A handler that answers with its name, or as it is asked: echoes through a tunnel, or has a
    long download of which a piece comes in each of its `turns`."""
    def handler(connection):
        while True:
            seen = connection.read_request()
            if seen.get("Upgrade"):
                connection.send(SWITCH)
                echo_bytes(connection)
            if seen.target.startswith("/long/"):
                send_pieces(connection, turns[int(seen.target[len("/long/"):])])
            else:
                connection.send(answer(name))
    return handler


def send_pieces(connection, turn):
    connection.send(f"HTTP/1.1 200 OK\r\nContent-Length: {RELOADS * len(PIECE)}\r\n\r\n")
    for _ in range(RELOADS):
        assert turn.acquire(timeout=WAIT_SECONDS)
        connection.send(PIECE)


def begin_download(lab, proxy, index):
    client = lab.client(proxy)
    client.send(request("GET", f"/long/{index}"))
    assert client.read_head().status == 200
    return client


def ask_until(stop, client, counts, failures):
    """Asks on one connection, which must not be cut, and expects nothing but answers."""
    count = 0
    try:
        while not stop.is_set():
            response = client.ask(request())
            assert response.status == 200 and response.body[:1] == b"o", response
            count += 1
    except (AssertionError, OSError) as error:
        failures.append(error)
    counts.append(count)


def versioned(number, backends):
    """Sections that remove one of the backends, and show which version answers."""
    left = [item for index, item in enumerate(backends) if index != number % len(backends)]
    return {"backends": left, "routes": [
        {"id": "all", "path": "/", "responseHeaders": {"set": {"X-Version": str(number)}}}]}


def test_200_reloads_under_load(lab):
    """No request fails, no connection is cut, and no configuration is left behind."""
    turns = [threading.Semaphore(0) for _ in range(4)]
    origins = [lab.origin(either(f"o{index}", turns)) for index in range(4)]
    proxy = lab.proxy(*origins, workers=2, **WATCHED)
    downloads = [begin_download(lab, proxy, index) for index in range(len(turns))]
    tunnels = [lab.client(proxy) for _ in range(4)]
    for tunnel in tunnels:
        enter(tunnel)
    stop, counts, failures = threading.Event(), [], []
    threads = [threading.Thread(target=ask_until, args=(stop, lab.client(proxy), counts, failures))
               for _ in range(6)]
    for thread in threads:
        thread.start()
    watcher = lab.client(proxy)
    for number in range(RELOADS):
        proxy.config = {**proxy.config, **versioned(number, backends_of(origins))}
        write_config(proxy, json.dumps(proxy.config))
        proxy.signal(signal.SIGHUP)
        wait_until(lambda now=number: watcher.ask(request()).get("X-Version") == str(now),
                   "the reload")
        for tunnel in tunnels:
            tunnel.send(b"still there?")
            assert tunnel.read_exactly(12) == b"still there?"
        for turn, download in zip(turns, downloads):
            turn.release()
            assert download.read_exactly(len(PIECE)) == PIECE
    stop.set()
    for thread in threads:
        thread.join(WAIT_SECONDS)
    assert not failures
    assert len(counts) == 6 and min(counts) > 0
    for download in downloads:
        assert download.ask(request()).status == 200
    for tunnel in tunnels:
        tunnel.close()
    numbers = itertools.count(1000)
    wait_until(lambda: "; 0 earlier" in reload(proxy, timeouts={"drain": next(numbers)}),
               "the earlier configurations' end")
