"""Log files (issue, "Logs")."""
import re
import shutil
import time

import pytest

from lib.blackhole import BlackHole, Refused
from lib.client import request
from lib.logs import access, entries
from lib.origin import answer, serve, wait_until

TIMESTAMP = re.compile(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z\Z")
LATENCY = {"totalUs", "headUs", "queueUs", "connectUs", "firstByteUs", "bodyUs", "ownUs"}


def errors(proxy, condition):
    """The error entries, once one of them meets the condition."""
    wait_until(lambda: any(map(condition, entries(proxy))), "an error entry")
    return [entry for entry in entries(proxy) if condition(entry)]


def test_access_entry(lab):
    """All members, with the values that the request had."""
    origin = lab.origin(serve(lambda seen: answer("12345")))
    proxy = lab.proxy(origin)
    client = lab.client(proxy)
    sent = request("POST", "/api/users?q=1", "X-Request-ID: id-1", body=b"body", host="a.example")
    got = client.ask(sent)
    client.get("/second")
    first, second = access(proxy, 2)
    assert TIMESTAMP.match(first["timestamp"])
    assert first["method"] == "POST"
    assert first["path"].startswith("/api/users")
    assert first["backendId"] == "b0"
    assert first["statusCode"] == 200
    assert isinstance(first["duration"], int)
    assert first["clientIp"] == "127.0.0.1"
    assert first["requestId"] == "id-1"
    assert first["host"] == "a.example"
    assert first["protocol"] == "HTTP/1.1"
    assert first["bytesIn"] == len(sent)
    assert first["bytesOut"] == len(got.head) + 5
    assert (first["reused"], second["reused"]) == (False, True)
    assert (first["attempts"], second["attempts"]) == (1, 1)
    assert set(first["latency"]) == LATENCY
    assert all(isinstance(us, int) and us >= 0 for us in first["latency"].values())
    assert second["requestId"] == origin.requests[1].get("X-Request-ID")


def test_latency_tells_where_the_time_went(lab):
    """An origin that thinks for 300 ms shows in firstByteUs and not in ownUs."""
    def slow(_):
        time.sleep(0.3)
        return answer("x")

    proxy = lab.proxy(lab.origin(serve(slow)))
    lab.ask(proxy, request())
    (entry,) = access(proxy, 1)
    assert entry["latency"]["firstByteUs"] >= 295_000
    assert entry["latency"]["totalUs"] >= entry["latency"]["firstByteUs"]
    assert entry["latency"]["ownUs"] < entry["latency"]["firstByteUs"]
    assert entry["duration"] >= 295


def test_file_names(lab):
    """Issue: `access_yyyy_mm_dd_HH.log` by filePattern, in local time."""
    before = time.localtime()
    proxy = lab.proxy(lab.origin())
    lab.ask(proxy, request())
    access(proxy, 1)
    expected = {time.strftime("access_%Y_%m_%d_%H.log", at) for at in (before, time.localtime())}
    assert {file.name for file in proxy.logs.glob("access*")} <= expected


def test_own_pattern_and_directory(lab):
    """Setting filePattern; a directory of several levels is made."""
    directory = lab.directory / "deep" / "er"
    proxy = lab.proxy(lab.origin(), logging={
        "errorLog": {"enabled": False},
        "accessLog": {"enabled": True, "directory": str(directory),
                      "filePattern": "web-yyyymmdd-HH.jsonl"}})
    lab.ask(proxy, request())
    wait_until(lambda: list(directory.glob("web-*.jsonl")), "the file")
    assert re.fullmatch(r"web-\d{8}-\d\d\.jsonl", next(directory.iterdir()).name)


def test_backend_failure_entry(lab):
    """Issue: type, backendId, url, error (the errno's name), message, clientIp, requestId, route,
    attempt."""
    refused = lab.keep(Refused())
    proxy = lab.proxy(refused)
    lab.ask(proxy, request("GET", "/", "X-Request-ID: id-9"))
    entry = errors(proxy, lambda entry: entry.get("type") == "backend_failure")[0]
    assert TIMESTAMP.match(entry["timestamp"])
    assert entry["level"] in ("warn", "error")
    assert entry["backendId"] == "b0"
    assert entry["url"] == refused.url
    assert entry["error"] == "ECONNREFUSED"
    assert entry["message"]
    assert entry["clientIp"] == "127.0.0.1"
    assert entry["requestId"] == "id-9"
    assert entry["route"] and entry["attempt"] >= 1


def test_timeout_entry(lab):
    """The issue's own example: ETIMEDOUT."""
    proxy = lab.proxy(lab.keep(BlackHole()), timeouts={"connect": 150})
    lab.ask(proxy, request())
    entry = errors(proxy, lambda entry: entry.get("type") == "backend_failure")[0]
    assert entry["error"] == "ETIMEDOUT"
    assert entry["message"] == "Backend connection timeout"


def test_other_failures_are_named(lab):
    """What no errno stands for is named too: here a backend that answers garbage."""
    def garbage(connection):
        connection.read_request()
        connection.send("garbage\r\n\r\n")

    proxy = lab.proxy(lab.origin(garbage))
    lab.ask(proxy, request())
    entry = errors(proxy, lambda entry: entry.get("type") == "backend_failure")[0]
    assert entry["error"] and entry["message"] and entry["backendId"] == "b0"


FORGERIES = ['"', "\\", "\\n", '","statusCode":999,"x":"', "\x7f", "\xe9", "\u00ff\u00fe"]


def test_forged_entries_are_impossible(lab):
    """Issue: "Fields are escaped, so a request can't forge a line"."""
    proxy = lab.proxy(lab.origin())
    for number, forgery in enumerate(FORGERIES):
        client = lab.client(proxy)
        data = (f"GET /{number}?{forgery}{{\"level\":\"forged\"}} HTTP/1.1\r\n"
                f"Host: {'a' * number}x\r\nX-Request-ID: {forgery}\r\n"
                f"User-Agent: {forgery}\r\n\r\n")
        client.send(data)
        assert client.read_response().status in (200, 400)
        client.close()
    lab.ask(proxy, request("GET", "/last"))
    wait_until(lambda: any(entry["path"] == "/last" for entry in entries(proxy, log="access")
                           if entry["path"]), "the last entry")
    for entry in entries(proxy, log="access") + entries(proxy):
        assert entry.get("statusCode") != 999 and entry.get("level") != "forged"
    raw = b"".join(file.read_bytes() for file in proxy.logs.iterdir())
    assert not re.search(rb"[\x00-\x09\x0b-\x1f\x7f]", raw)
    raw.decode("utf-8")


def test_long_values_do_not_break_a_line(lab):
    """The longest request that is accepted still makes one line of valid JSON."""
    proxy = lab.proxy(lab.origin(), limits={"headBytes": 60_000, "targetBytes": 50_000})
    assert lab.ask(proxy, request("GET", "/" + '"' * 100 + "a" * 40_000,
                                  host="h" * 250)).status in (200, 400)
    lab.ask(proxy, request("GET", "/" + "b" * 40_000))
    lab.ask(proxy, request("GET", "/end"))
    wait_until(lambda: any(entry["path"] == "/end" for entry in entries(proxy, log="access")),
               "the last entry")


def test_failures_are_logged_with_their_status(lab):
    """What the proxy answers itself is in the access log like anything else."""
    proxy = lab.proxy(lab.keep(Refused()))
    status = lab.ask(proxy, request()).status
    (entry,) = access(proxy, 1)
    assert entry["statusCode"] == status


def test_cut_exchange_is_logged_with_its_fault(lab):
    """A response that could not be completed says so."""
    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n12345")

    proxy = lab.proxy(lab.origin(handler))
    client = lab.client(proxy)
    client.send(request())
    client.read_to_end()
    (entry,) = access(proxy, 1)
    assert entry["fault"]


def test_deleted_file_is_made_again(lab):
    """Issue: "deleted file: traffic goes on ... logging resumes by itself"."""
    proxy = lab.proxy(lab.origin())
    lab.ask(proxy, request())
    access(proxy, 1)
    for file in proxy.logs.glob("access*"):
        file.unlink()

    def asked_and_written():
        assert lab.ask(proxy, request()).status == 200
        return entries(proxy, log="access")

    wait_until(asked_and_written, "the file is there again")


def test_deleted_directory_is_made_again(lab):
    """The same for the whole directory."""
    proxy = lab.proxy(lab.origin())
    lab.ask(proxy, request())
    access(proxy, 1)
    shutil.rmtree(proxy.logs)

    def asked_and_written():
        assert lab.ask(proxy, request()).status == 200
        return proxy.logs.is_dir() and entries(proxy, log="access")

    wait_until(asked_and_written, "the directory is there again")


def test_directory_that_cannot_be_made(lab):
    """Issue: "Full disk, missing directory ...: traffic goes on, the loss is counted and reported
    once a minute on stderr", and it resumes when the cause is gone."""
    blocker = lab.directory / "blocker"
    blocker.write_text("a file where a directory should be")
    log = {"enabled": True, "directory": str(blocker / "logs")}
    proxy = lab.proxy(lab.origin(), logging={"errorLog": log, "accessLog": log})
    for _ in range(50):
        assert lab.ask(proxy, request()).status == 200
    wait_until(lambda: "ENOTDIR" in proxy.stderr(), "a report on stderr")
    assert proxy.stderr().count("ENOTDIR") <= 2  # one for each log, not one for each record
    blocker.unlink()
    wait_until(lambda: list(blocker.glob("logs/access_*.log")), "logging resumes")


def test_symbolic_links_are_not_followed(lab):
    """Who may write to the log directory can't have another file written; traffic goes on."""
    directory, secret = lab.directory / "linked", lab.directory / "secret"
    directory.mkdir()
    secret.write_text("keep me")
    (directory / "access.log").symlink_to(secret)
    proxy = lab.proxy(lab.origin(), logging={"accessLog": {
        "enabled": True, "directory": str(directory), "filePattern": "access.log"}})
    for _ in range(50):
        assert lab.ask(proxy, request()).status == 200
    wait_until(lambda: "ELOOP" in proxy.stderr(), "a report on stderr")
    assert secret.read_text() == "keep me"


@pytest.mark.parametrize("share,expected", [(0, 0), (1, 30)])
def test_sampling(lab, share, expected):
    """Issue: "Sampling is configurable"; failures are logged in any case."""
    def respond(seen):
        return answer("x", status="500 Oops" if seen.target == "/bad" else "200 OK")

    directory = lab.directory / "sampled"
    log = {"enabled": True, "directory": str(directory), "sample": share}
    proxy = lab.proxy(lab.origin(serve(respond)), logging={"accessLog": log})
    proxy.logs = directory
    client = lab.client(proxy)
    for _ in range(30):
        client.get()
    client.get("/bad")
    found = access(proxy, expected + 1)
    assert [entry["statusCode"] for entry in found].count(500) == 1


def test_level(lab):
    """Setting errorLog.level: entries below it are left out."""
    directory = lab.directory / "errors"
    log = {"enabled": True, "directory": str(directory), "level": "error"}
    proxy = lab.proxy(lab.keep(Refused()), logging={"errorLog": log})
    lab.ask(proxy, request())
    lab.ask(proxy, b"GET / HTTP/1.1\r\nBad Name: 1\r\n\r\n")
    proxy.stop()
    proxy.logs = directory
    assert all(entry["level"] == "error" for entry in entries(proxy))


def test_nothing_is_lost_at_stop(lab):
    """Entries of the last moment are written before the process ends."""
    proxy = lab.proxy(lab.origin(), workers=2)
    for _ in range(200):
        assert lab.ask(proxy, request()).status == 200
    proxy.stop()
    assert len(entries(proxy, log="access")) == 200


def test_disabled_logs_make_no_files(lab):
    """Setting enabled: false."""
    proxy = lab.proxy(lab.origin(), logging={
        name: {"enabled": False, "directory": str(lab.directory / "none")}
        for name in ("errorLog", "accessLog")})
    lab.ask(proxy, request())
    proxy.stop()
    assert not (lab.directory / "none").exists()


def test_client_that_went_is_logged_without_a_status(lab):
    """The exchange that nobody waited for has its entry too."""
    def silent(connection):
        connection.read_request()
        connection.wait_closed()

    origin = lab.origin(silent)
    proxy = lab.proxy(origin)
    client = lab.client(proxy)
    client.send(request("GET", "/gone"))
    origin.wait_requests(1)
    client.reset()
    (entry,) = access(proxy, 1)
    assert entry["path"] == "/gone" and entry["fault"]
