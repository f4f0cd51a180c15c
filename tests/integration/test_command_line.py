"""The command line and what happens before anything runs (issue, "What a user gets")."""
import json
import os
import re
import subprocess

import pytest

from lib.client import request
from lib.proxy import BINARY, ROOT, port_free, run
from lib.wire import WAIT_SECONDS

GOOD = {"admin": {"enabled": False}, "listeners": [{"address": "127.0.0.1", "port": 1}],
        "backends": [{"id": "b0", "url": "http://127.0.0.1:1"}]}


@pytest.fixture(name="config")
def config_file(tmp_path):
    """Writes a configuration (a dict, or text as it stands) and returns its path."""
    def write(content):
        file = tmp_path / "config.json"
        file.write_text(content if isinstance(content, str) else json.dumps(content, indent=2))
        return str(file)
    return write


def test_version():
    """Issue: "`--version` (with features and library versions)"."""
    done = run("--version")
    assert done.returncode == 0
    assert re.search(r"nextproxy \d+\.\d+\.\d+", done.stdout)
    assert "jansson" in done.stdout and "uring" in done.stdout


def test_help():
    """Every option is named."""
    done = run("--help")
    assert done.returncode == 0
    for option in ("--config", "--check", "--print-config", "--print-budget", "--version", "doctor",
                   "--demo"):
        assert option in done.stdout


def test_unknown_option():
    """A slip of the pen starts nothing."""
    done = run("--chekc")
    assert done.returncode == 2
    assert "--chekc" in done.stderr


@pytest.mark.parametrize("words, named", [
    (["--check", "--print-config"], ["--check", "--print-config"]),
    (["--print-budget", "doctor"], ["--print-budget", "doctor"]),
    (["--demo", "--version"], ["--demo", "--version"]),
    (["--check", "--json"], ["--json", "--check"]),
    (["--json"], ["--json", "the proxy"]),
    (["--port", "4000"], ["--port", "the proxy"]),
    (["--demo", "--config", "x.json"], ["--config", "--demo"]),
    (["doctor", "--config=x.json"], ["--config", "doctor"]),
    (["--config", "a.json", "--config", "b.json"], ["--config is given twice"]),
    (["--config"], ["a file name must follow --config"]),
    (["--config="], ["a file name must follow --config"]),
    (["--config", "--check"], ["a file name must follow --config"]),
    (["doctor", "--json=yes"], ["--json takes no value", "yes"]),
    (["--demo", "--port", "0"], ["--port", '"0"', "1 to 65533"]),
    (["--demo", "--port", "65534"], ["--port", '"65534"', "1 to 65533"]),
    (["--demo", "--port", "80x"], ["--port", '"80x"']),
    (["--demo", "--port", "18446744073709551617"], ["--port", "18446744073709551617"])])
def test_what_does_not_go_together(words, named):
    """Refused with exit status 2 and named; nothing that was given is ignored in silence."""
    done = run(*words)
    assert done.returncode == 2
    assert done.stdout == ""
    for name in named:
        assert name in done.stderr, done.stderr
    assert "--help" in done.stderr


@pytest.mark.parametrize("words", [["--check"], ["--print-config"], ["--print-budget"], ["--help"],
                                   ["--print-schema"], ["doctor", "--json"]])
def test_output_that_cannot_be_written(config, words):
    """On a full disk `--print-config > file` must not look as if it had worked."""
    command = [BINARY, *words, *([] if "doctor" in words else ["--config", config(GOOD)])]
    if words in (["--help"], ["--print-schema"]):
        command = [BINARY, *words]
    with open("/dev/full", "wb") as full:
        done = subprocess.run(command, stdout=full, stderr=subprocess.PIPE, text=True, check=False,
                              timeout=WAIT_SECONDS)
    assert done.returncode in (1, 2)
    assert "cannot write to standard output: No space left on device" in done.stderr


@pytest.mark.parametrize("command, file", [("--print-schema", "config.schema.json"),
                                           ("--print-config-reference", "docs/configuration.md")])
def test_files_that_are_printed(command, file):
    """Each command prints the file that is made with it."""
    done = run(command)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout == (ROOT / file).read_text(encoding="utf-8")


def test_check_of_a_good_file(config):
    """Issue: "`--check` (validate and exit)"."""
    assert run("--config", config(GOOD), "--check").returncode == 0


def test_missing_file(tmp_path):
    """The message names the file and the reason."""
    done = run("--config", str(tmp_path / "nowhere.json"), "--check")
    assert done.returncode == 2
    assert "nowhere.json" in done.stderr


BAD = """{
  "listeners": [{"address": "127.0.0.1", "port": 70000}],
  "backends": [
    {"id": "one", "url": "http://127.0.0.1:1"},
    {"id": "two", "url": "htp://127.0.0.1:1", "helthCheck": {}},
    {"id": "one", "url": "http://127.0.0.1:3"}
  ],
  "loadBalancing": {"strategy": "round-robbin"},
  "timeouts": {"connect": "soon"}
}
"""


@pytest.mark.parametrize("args", [["--check"], []])
def test_every_error_at_once(config, args):
    """Issue: "every error at once, each with file:line:column, the path, the value, what is
    allowed, and "did you mean"; exit status 2; nothing started"."""
    file = config(BAD)
    done = run("--config", file, *args, seconds=WAIT_SECONDS)
    assert done.returncode == 2
    for line, path, hint in ((2, "listeners[0].port", "70000"), (5, "backends[1].url", "htp://"),
                             (5, "backends[1].helthCheck", "healthCheck"),
                             (6, "backends[2].id", "one"),
                             (8, "loadBalancing.strategy", "round-robin"),
                             (9, "timeouts.connect", "soon")):
        found = [text for text in done.stderr.splitlines()
                 if re.search(rf"config\.json:{line}:\d+", text) and path in text]
        assert found, f"no line about {path} at line {line} in:\n{done.stderr}"
        assert hint in done.stderr


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"backends": [}', "{} trailing",
                                  '{"proxy": {"port": 1}, "proxy": {"port": 2}}', "\xff\xfe"])
def test_broken_json(config, text):
    """Exit status 2 and a place, never a crash."""
    done = run("--config", config(text), "--check")
    assert done.returncode == 2
    assert re.search(r"config\.json(:\d+)?", done.stderr)


def test_print_config_round_trip(config, tmp_path):
    """Issue: "`--print-config` (effective config, defaults filled in)": loading what it prints
    prints the same."""
    first = run("--config", config({**GOOD, "routes": [{"vHost": "*.example.com", "path": "/a"}],
                                    "trustedProxies": ["10.0.0.0/8", "fd00::/8"]}),
                "--print-config")
    assert first.returncode == 0
    effective = json.loads(first.stdout)
    assert effective["backends"][0]["weight"] == 1
    assert effective["timeouts"]["connect"] > 0
    again = tmp_path / "again.json"
    again.write_text(first.stdout)
    second = run("--config", str(again), "--print-config")
    assert second.returncode == 0
    assert json.loads(second.stdout) == effective


def test_environment_overrides(config):
    """Issue: "`BACKENDS=http://a,http://b` and `NEXTPROXY_<PATH>` override from the
    environment"."""
    done = run("--config", config(GOOD), "--print-config",
               env={"BACKENDS": "http://127.0.0.1:7001,http://127.0.0.1:7002",
                    "NEXTPROXY_PROXY_RETRIES": "7"})
    assert done.returncode == 0
    effective = json.loads(done.stdout)
    assert [backend["url"] for backend in effective["backends"]] == [
        "http://127.0.0.1:7001", "http://127.0.0.1:7002"]
    assert effective["proxy"]["retries"] == 7


def test_bad_environment(config):
    """A bad override is an error with its place."""
    done = run("--config", config(GOOD), "--check", env={"NEXTPROXY_PROXY_RETRIES": "many"})
    assert done.returncode == 2
    assert "NEXTPROXY_PROXY_RETRIES" in done.stderr and "many" in done.stderr


@pytest.mark.parametrize("value, place, allowed", [
    ("http://127.0.0.1:1,htp://a", "backends[1].url", "begins with http:// or unix:/"),
    ("http://127.0.0.1:70000", "backends[0].url", "a port from 1 to 65535"),
    ("", "backends[0].url", "begins with http:// or unix:/"),
    ("http://127.0.0.1:1,", "backends[1].url", "begins with http:// or unix:/")])
def test_bad_backends_from_the_environment(config, value, place, allowed):
    """The variable, the place in the list, the value, and what is allowed instead."""
    done = run("--config", config(GOOD), "--check", env={"BACKENDS": value})
    assert done.returncode == 2
    line = done.stderr.strip()
    assert line.startswith(f"environment BACKENDS: {place}: ")
    assert "allowed" in line and allowed in line


def test_sections_of_later_releases_are_noted(config):
    """Issue: "validated now and logged as "not active yet""."""
    done = run("--config", config({**GOOD, "rateLimit": {"enabled": True}}), "--check")
    assert done.returncode == 0
    assert "rateLimit" in done.stdout + done.stderr
    assert "not active yet" in done.stdout + done.stderr
    done = run("--config", config({**GOOD, "rateLimit": {"windowMs": -1}}), "--check")
    assert done.returncode == 2


def test_print_budget(config):
    """Issue: `--print-budget`. Its rows follow from the limits, and its sums from the rows."""
    limits = {"clients": 100, "exchanges": 50, "replays": 7}
    done = run("--config", config({**GOOD, "workers": 3, "limits": limits}), "--print-budget")
    assert done.returncode == 0
    rows = re.findall(r"^(\w+) +(\d+) +(\d+) +(\d+\.\d)  (\S.*)$", done.stdout, re.MULTILINE)
    counts = {name: int(count) for name, count, *_ in rows}
    assert (counts["clients"], counts["inboxes"], counts["replays"]) == (100, 100, 7)
    assert counts["exchanges"] == counts["blocks"] == 51  # one to refuse others with
    mib = [int(count) * int(each) / (1 << 20) for _, count, each, *_ in rows]
    sums = re.search(r"^At most (\S+) MiB per worker, (\S+) MiB for 3;", done.stdout, re.MULTILINE)
    said = [float(row[3]) for row in rows] + [float(sums[1]), float(sums[2])]
    for printed, exact in zip(said, [*mib, sum(mib), 3 * sum(mib)]):
        assert abs(printed - exact) <= 0.051, done.stdout


def test_sample_keys_of_the_issue(lab, config):
    """Issue: "The root `config.json` has these keys, and a file with exactly them works"."""
    origin, port = lab.origin(), port_free()
    log = {"enabled": False, "directory": str(lab.directory), "filePattern": "x_yyyy_mm_dd_HH.log"}
    check = {"enabled": True, "path": "/health", "interval": 10000, "timeout": 5000,
             "healthyThreshold": 2, "unhealthyThreshold": 3}
    done = run("--check", "--config", config({
        "proxy": {"port": port, "timeout": 30000, "retries": 3},
        "loadBalancing": {"strategy": "ROUND_ROBIN", "stickySession": {
            "enabled": False, "cookieName": "sid", "ttl": 3600000}},
        "backends": [{"id": "backend-1", "url": origin.url, "weight": 1, "healthCheck": check}],
        "rateLimit": {"enabled": False, "windowMs": 60000, "maxRequests": 100},
        "logging": {"errorLog": {**log, "level": "info"}, "accessLog": log}}))
    assert done.returncode == 0, done.stderr


def test_port_in_use(lab, config):
    """A start-up failure names the address and the cause, and is not exit 0."""
    proxy = lab.proxy(lab.origin())
    port = lab.origins[0].address[1]
    taken = {**GOOD, "listeners": [{"address": "127.0.0.1", "port": port}]}
    done = run("--config", config(taken))
    assert done.returncode not in (0, None)
    assert str(port) in done.stderr
    assert re.search("EADDRINUSE|in use", done.stderr)
    assert lab.ask(proxy, request()).status == 200


def test_port_alone_listens_on_all_addresses(lab):
    """Issue: "`proxy.port` alone is one listener on all addresses"."""
    port = port_free()
    proxy = lab.proxy(lab.origin(), proxy={"port": port})
    addresses = [("127.0.0.1", port), ("127.0.0.2", port)]
    if os.path.exists("/proc/net/if_inet6"):
        addresses.append(("::1", port))
    for address in addresses:
        assert lab.ask(address, request()).status == 200
    assert lab.origins[0].requests[1].get("X-Forwarded-For") == "127.0.0.1"
    assert proxy.process.poll() is None


def test_default_file(config):
    """Without --config it is config.json in the working directory."""
    folder = os.path.dirname(config(GOOD))
    assert run("--check", cwd=folder).returncode == 0
    config("{}")
    assert run("--check", cwd=folder).returncode == 2
