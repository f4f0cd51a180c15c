"""The commands that tell a running proxy: status, reload, backends."""
import json

import pytest

from lib.admin import TOKEN, managed, status_of
from lib.origin import named
from lib.proxy import port_free, run


def tell(proxy, *words, env=None):
    return run(*words, "--config", str(proxy.config_file), env=env)


def test_backends(lab):
    """A backend's whole life."""
    first, new = lab.origin(named("first")), lab.origin(named("new"))
    proxy = managed(lab, first, routes=[{"id": "api", "path": "/api", "backends": ["b0"]}])
    added = tell(proxy, "backends", "add", new.url, "--weight", "3", "--route", "api", "--id", "x-1")
    assert (added.returncode, added.stderr) == (0, "")
    assert "x-1" in added.stdout and new.url in added.stdout
    for words, shown in [(["drain"], "draining"), (["maintenance"], "maintenance"), (["ready"], "yes")]:
        done = tell(proxy, "backends", *words, "x-1")
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout.splitlines()[1].split()[:2] == ["x-1", shown]
    for words in ["backends"], ["backends", "list"]:
        rows = tell(proxy, *words).stdout.splitlines()
        assert [row.split()[0] for row in rows] == ["backend", "b0", "x-1"]
    gone = tell(proxy, "backends", "remove", "x-1")
    assert gone.returncode == 0 and gone.stdout.splitlines()[1].startswith("x-1 ")
    assert [backend["id"] for backend in status_of(lab, proxy)["backends"]] == ["b0"]


@pytest.mark.parametrize("words, reason", [
    (["add", "http://127.0.0.1:1", "--id", "b0"], '"b0" is the id of a backend already'),
    (["add", "ftp://x"], "url: "), (["add", 'http://"\\\x01'], "url: "),
    (["add", "http://127.0.0.1:1", "--weight", "1001"], "weight: 1001 is not allowed"),
    (["add", "http://127.0.0.1:1", "--route", "r"], 'route: "r" is not the id of a route'),
    (["remove", "b7"], "there is no backend with this id"), (["drain", "b7"], "no backend"),
    (["remove", "b0"], "is the last backend of the route")])
def test_refused_by_the_proxy(lab, words, reason):
    """Exit status 1, and its reason on stderr."""
    proxy = managed(lab, lab.origin())
    done = tell(proxy, "backends", *words)
    assert (done.returncode, done.stdout) == (1, "")
    assert reason in done.stderr and "refused by" in done.stderr
    assert status_of(lab, proxy)["snapshot"] == 1


@pytest.mark.parametrize("words, named_in", [
    (["backends", "ad"], "ad"), (["backends", "add"], "URL must follow add"),
    (["backends", "drain"], "ID must follow drain"), (["backends", "drain", "a", "b"], "b"),
    (["backends", "drain", "a/b"], "a/b"), (["backends", "remove", "../status"], "../status"),
    (["backends", "list", "x"], '"x"'), (["reload", "now"], "now"), (["status", "-v"], "-v"),
    (["backends", "drain", "a", "--weight", "1"], "--weight does not go with drain"),
    (["backends", "add", "http://a", "--weight", "x"], '--weight is "x"'),
    (["backends", "add", "http://a", "--weight", "01"], '--weight is "01"'),
    (["backends", "add", "http://a", "--id"], "an id must follow --id"),
    (["status", "--admin", "127.0.0.1:1"], "--admin is"),
    (["status", "--admin", "http://127.0.0.1:1", "--config", "x"], "--config and --admin"),
    (["--config", "a", "status", "--config", "b"], "--config is given twice"),
    (["status", "doctor"], "doctor"), (["status", "x"], '"x"'), (["status", "--json"], "--json")])
def test_command_lines_that_will_not_do(words, named_in):
    done = run(*words)
    assert (done.returncode, done.stdout) == (2, "")
    assert named_in in done.stderr and "--help" in done.stderr


def test_reload(lab):
    """What changed, or every error."""
    proxy = managed(lab, lab.origin())
    same = tell(proxy, "reload")
    assert (same.returncode, same.stdout) == (0, "Reloaded: nothing has changed\n")
    config = json.loads(proxy.config_file.read_text())
    config["backends"][0]["weight"] = 7
    proxy.config_file.write_text(json.dumps(config))
    changed = tell(proxy, "reload")
    assert (changed.returncode, changed.stderr) == (0, "")
    lines = changed.stdout.splitlines()
    assert lines[0] == "backends[b0].weight: 1 -> 7"
    assert lines[1].startswith("Reloaded: version 2")
    port = proxy.admin[1]
    proxy.config_file.write_text('{"backends": [], "workers": 0}')
    refused = run("reload", "--admin", f"http://127.0.0.1:{port}")
    assert (refused.returncode, refused.stdout) == (1, "")
    assert "backends" in refused.stderr and "workers" in refused.stderr
    assert "Not reloaded: 2 problems" in refused.stderr


def test_where_and_with_which_token(lab):
    proxy = managed(lab, lab.origin(), admin={"token": TOKEN})
    url = f"http://localhost:{proxy.admin[1]}"
    file = lab.directory / "token"
    file.write_text(TOKEN + "\n")
    assert run("status", "--admin", url).returncode == 1
    assert run("status", "--admin", url, env={"NEXTPROXY_ADMIN_TOKEN": TOKEN}).returncode == 0
    assert run("status", f"--admin={url}", f"--token-file={file}").returncode == 0
    assert run("status", "--admin", url, "--token-file", str(file) + "x").returncode == 2
    file.write_text("another-token")
    wrong = run("backends", "--admin", url, "--token-file", str(file))
    assert wrong.returncode == 1 and "its token is another one" in wrong.stderr


def test_nobody_there():
    done = run("reload", "--admin", f"http://127.0.0.1:{port_free()}")
    assert (done.returncode, done.stdout) == (1, "")
    assert "Connection refused" in done.stderr


@pytest.mark.parametrize("answer, why", [
    (b"220 ftp\r\n", "no proper answer from"),
    (b"HTTP/1.1 200 OK\r\nX: " + b"x" * 5000, "no proper answer from"),
    (b"HTTP/1.1 200 OK\r\n\r\nhello", "no proper answer from"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello", "no whole answer from"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n", "no whole answer from")],
    ids=["ftp", "endless head", "no length", "cut", "no body"])
def test_something_else_there(lab, answer, why):
    """Not every server is a nextproxy, and not every answer a whole one."""
    origin = lab.origin(lambda connection: connection.read_request() and connection.send(answer))
    done = run("status", "--admin", origin.url)
    assert done.returncode == 1
    assert f"nextproxy: {why} {origin.url}: " in done.stderr


def test_answer_in_pieces(lab):
    """However the bytes of it come."""
    body = b"all is well\n" * 3000

    def respond(connection):
        connection.read_request()
        connection.send(b"HTTP/1.1 200 OK\r\nContent-")
        connection.send(b"Length: %d\r\n\r\n" % len(body))
        for at in range(0, len(body), 7000):
            connection.send(body[at:at + 7000])

    done = run("status", "--admin", lab.origin(respond).url)
    assert (done.returncode, done.stderr, done.stdout) == (0, "", body.decode())


def test_an_api_that_is_off(tmp_path):
    file = tmp_path / "config.json"
    file.write_text(json.dumps({"backends": [{"url": "http://127.0.0.1:1"}],
                                "admin": {"enabled": False, "port": 1}}))
    done = run("status", "--config", str(file))
    assert (done.returncode, done.stdout) == (1, "")
    assert "the management API is off: admin.enabled is false" in done.stderr


@pytest.mark.parametrize("address", ["0.0.0.0", "::"])
def test_an_api_that_listens_everywhere(lab, address):
    """What has no address of its own is asked by way of the loopback."""
    proxy = managed(lab, lab.origin(), admin={"address": address, "token": TOKEN})
    done = tell(proxy, "backends")
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[1].startswith("b0 ")


def test_help():
    done = run("--help")
    for word in "status", "reload", "backends add URL", "backends drain ID", "--admin":
        assert word in done.stdout
