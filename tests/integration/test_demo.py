"""`nextproxy --demo`, tools/run.sh and `make run` (issue, "What a user gets": sample backends and
the proxy on config.json, URLs and a curl line to try)."""
import contextlib
import json
import os
import pathlib
import re
import signal
import socket
import subprocess

import pytest

from lib import proxy as lib_proxy
from lib.client import Client, request
from lib.origin import wait_until
from lib.proxy import ROOT, connects, port_free, run
from lib.terminal import CTRL_C, Terminal, interruptible

# GNU make, when it is so late to run that its child has ended before it looks at the signal, waits
# once more than it has children (it calls wait in the signal's handler). Nothing below it can help.
MAKE_RACE = r"make: \*\*\* (wait: No child processes\.  Stop\.|Waiting for unfinished jobs\.\.\.\.)\n"
SERVING = "sample backends on http://127.0.0.1:"


def ports_free(count):
    """That many free ports in a row."""
    while True:
        first = port_free()
        with contextlib.ExitStack() as stack:
            try:
                for port in range(first, first + count):
                    stack.enter_context(socket.create_server(("127.0.0.1", port)))
            except OSError:
                continue
        return first


class Started:
    """A process that stays, with what it says in files."""

    def __init__(self, command, folder, env=None):
        self.out, self.err = folder / "out", folder / "err"
        with open(self.out, "wb") as out, open(self.err, "wb") as err:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [str(word) for word in command], cwd=ROOT, env={**os.environ, **(env or {})},
                stdin=subprocess.DEVNULL, stdout=out, stderr=err, preexec_fn=interruptible)

    def says(self):
        return self.out.read_text() + self.err.read_text()

    def wait_for(self, words):
        wait_until(lambda: words in self.says() or self.process.poll() is not None, words,
                   lib_proxy.WAIT_SECONDS * 4)
        assert words in self.says(), self.says()

    def end(self, number):
        self.process.send_signal(number)
        status = self.process.wait(lib_proxy.WAIT_SECONDS * 4)
        assert not lib_proxy.REPORT.search(self.says()), self.says()
        return status


@pytest.fixture(name="start")
def fixture_start(tmp_path):
    """Starts commands; what a failed test leaves behind is ended."""
    started = []

    def start(*command, env=None):
        folder = tmp_path / str(len(started))
        folder.mkdir()
        started.append(Started(command, folder, env))
        return started[-1]
    yield start
    for one in started:
        if one.process.poll() is None:
            one.process.terminate()  # with all that it has started
            with contextlib.suppress(subprocess.TimeoutExpired):
                one.process.wait(lib_proxy.WAIT_SECONDS)
            one.process.kill()
            one.process.wait()


def ask(port, data=request()):
    client = Client(("127.0.0.1", port))
    response = client.ask(data)
    client.close()
    return response


# --- nextproxy --demo ---

@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_three_backends_answer_and_stop(start, number):
    """Each says which it is and what it was asked; one signal ends them with exit status 0."""
    first = ports_free(3)
    demo = start(lib_proxy.BINARY, "--demo", "--port", first)
    demo.wait_for(f"{SERVING}{first} to {first + 2}")
    for index in range(3):
        response = ask(first + index, request("POST", "/a?b=%22", body=b"x" * 100_000))
        assert response.status == 200 and response.get("Content-Type") == "application/json"
        answer = json.loads(response.body)
        assert answer["backend"] == f"backend-{index + 1}"
        assert answer["method"] == "POST" and answer["path"] == "/a?b=%22"
        assert answer["bodyBytes"] == 100_000
    assert demo.end(number) == 0
    assert not any(connects(("127.0.0.1", first + index)) for index in range(3))


def test_open_connections_do_not_hold_the_stop(start):
    """A client that stays, in the middle of a request."""
    first = ports_free(3)
    demo = start(lib_proxy.BINARY, "--demo", f"--port={first}")
    demo.wait_for(SERVING)
    client = Client(("127.0.0.1", first))
    assert client.ask(request()).status == 200
    client.send("POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n01234")
    assert demo.end(signal.SIGTERM) == 0
    client.close()


def test_sample_backends_speak_http(start):
    """Pipelining, HEAD, chunked bodies, Connection: close, HTTP/1.0, and refusal of garbage."""
    first = ports_free(3)
    demo = start(lib_proxy.BINARY, "--demo", "--port", first)
    demo.wait_for(SERVING)
    client = Client(("127.0.0.1", first))
    client.send(request("GET", "/1"), request("HEAD", "/2"), request("GET", "/3"))
    assert json.loads(client.read_response().body)["path"] == "/1"
    assert client.read_response("HEAD").body == b""
    assert json.loads(client.read_response().body)["path"] == "/3"
    chunked = "POST /4 HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\n\r\n"
    client.send(chunked, "5\r\nhello\r\n", "0\r\n\r\n")
    assert json.loads(client.read_response().body)["bodyBytes"] == 5
    client.send(request("GET", "/5", "Connection: close"))
    assert client.read_response().has_token("Connection", "close")
    client.expect_end(allow_reset=False)
    client.close()
    assert ask(first, b"GET /6 HTTP/1.0\r\n\r\n").status == 200
    assert ask(first, b"GET /7 HTTP/1.1\r\nHost: a\r\n bad\r\n\r\n").status == 400
    assert demo.end(signal.SIGTERM) == 0


def test_port_taken(start):
    """The message names the backend, the address, the reason and two ways out; nothing is left."""
    first = ports_free(3)
    with socket.create_server(("127.0.0.1", first + 1)):
        done = run("--demo", "--port", str(first))
    assert done.returncode == 1
    assert f"backend-2 cannot listen on 127.0.0.1:{first + 1}: Address" in done.stderr
    assert "in use; stop the program" in done.stderr and "--port" in done.stderr
    again = start(lib_proxy.BINARY, "--demo", "--port", first)
    again.wait_for(SERVING)
    assert again.end(signal.SIGTERM) == 0


# --- tools/run.sh and make run ---

@pytest.fixture(name="sample")
def fixture_sample(tmp_path):
    """The environment of a run on free ports, with its logs in a folder of the test."""
    proxy_port, first = port_free(), ports_free(3)
    return proxy_port, first, {
        "NEXTPROXY_BIN": lib_proxy.BINARY, "NEXTPROXY_PROXY_PORT": str(proxy_port),
        "NEXTPROXY_ADMIN_PORT": "0",
        "DEMO_PORT": str(first), "NEXTPROXY_LOGGING_ERROR_LOG_DIRECTORY": str(tmp_path / "logs"),
        "NEXTPROXY_LOGGING_ACCESS_LOG_DIRECTORY": str(tmp_path / "logs")}


def listeners(*ports):
    """The sockets that listen on one of these ports."""
    wanted = {f"{port:04X}" for port in ports}
    inodes = set()
    for table in ("tcp", "tcp6"):
        for row in pathlib.Path(f"/proc/net/{table}").read_text().splitlines()[1:]:
            words = row.split()
            if words[1].rpartition(":")[2] in wanted and words[3] == "0A":
                inodes.add(words[9])
    return inodes


def check_sample(text, proxy_port, first):
    """What is printed is true: URLs, and the curl line."""
    assert f"nextproxy listens on http://127.0.0.1:{proxy_port}\n" in text
    for index in range(3):
        assert f"http://127.0.0.1:{first + index}" in text
    line = re.search(r"try:\s+(curl .*)\n", text)[1]
    done = subprocess.run(["sh", "-c", line], capture_output=True, text=True, check=True)
    assert done.stdout.startswith("HTTP/1.1 200 OK")
    assert re.search(r'"backend":"backend-[123]"', done.stdout)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_run_script(start, sample, number):
    """Everything answers, round robin reaches all three, and a signal ends all of it with 0."""
    proxy_port, first, env = sample
    script = start(ROOT / "tools" / "run.sh", env=env)
    script.wait_for("Ctrl-C")
    check_sample(script.says(), proxy_port, first)
    seen = {json.loads(ask(proxy_port).body)["backend"] for _ in range(12)}
    assert seen == {"backend-1", "backend-2", "backend-3"}
    assert script.end(number) == 0
    assert not listeners(proxy_port, first, first + 1, first + 2)


@pytest.mark.parametrize("which", ["proxy", "backend"])
def test_run_with_a_port_taken(start, sample, which):
    """Says which, before anything is started, and how to take another."""
    proxy_port, first, env = sample
    port = proxy_port if which == "proxy" else first + 2
    with socket.create_server(("127.0.0.1", port)):
        script = start(ROOT / "tools" / "run.sh", env=env)
        assert script.process.wait(lib_proxy.WAIT_SECONDS * 4) == 1
    cure = "NEXTPROXY_PROXY_PORT=N" if which == "proxy" else "DEMO_PORT=N"
    assert re.search(rf"make run: port {port} is taken .*{cure}", script.says())
    assert SERVING not in script.says()


def test_run_with_a_bad_configuration(start, sample, tmp_path):
    """The configuration's own messages, and nothing is started."""
    (tmp_path / "bad.json").write_text('{"proxi": 1}')
    script = start(ROOT / "tools" / "run.sh", env={**sample[2], "CONFIG": str(tmp_path / "bad.json")})
    assert script.process.wait(lib_proxy.WAIT_SECONDS * 4) == 1
    assert "bad.json:1:" in script.says() and "cannot be used" in script.says()
    assert SERVING not in script.says()


def test_run_ends_when_the_proxy_dies(start, sample):
    """The sample backends do not outlive it."""
    proxy_port, first, env = sample
    script = start(ROOT / "tools" / "run.sh", env=env)
    script.wait_for("Ctrl-C")
    found = subprocess.run(["pgrep", "-P", str(script.process.pid), "-f", "--", "--config"],
                           capture_output=True, text=True, check=True).stdout.split()
    assert len(found) == 1
    os.kill(int(found[0]), signal.SIGKILL)
    assert script.process.wait(lib_proxy.WAIT_SECONDS * 4) != 0
    assert "the proxy ended" in script.says()
    # The kernel cleans up behind a killed process in its own time.
    wait_until(lambda: not listeners(proxy_port, first, first + 1, first + 2),
               "nothing is left behind")


@pytest.mark.parametrize("times", [1, 2])
def test_ctrl_c_of_make_run(sample, times):
    """In a terminal: one Ctrl-C ends the proxy, the backends, the script and make, without a word of
    complaint; an impatient second one leaves nothing behind either."""
    proxy_port, first, env = sample
    # The program is there already, in whatever build this is: make shall not build another one.
    terminal = Terminal(["make", "run", "MAKE=true", f"PROGRAM={lib_proxy.BINARY}"], ROOT,
                        {**env, "MAKEFLAGS": "", "MAKELEVEL": ""})
    try:
        terminal.wait_for("stop:  Ctrl-C")
        terminal.wait_for("nextproxy: serving on")
        terminal.wait_for("nextproxy: management API on")
        check_sample(terminal.text, proxy_port, first)
        before = len(terminal.text)
        terminal.type(CTRL_C * times)
        terminal.wait_end()
        end = re.sub(MAKE_RACE, "", terminal.text[before:]).replace("^C", "").strip()
        assert end == "", end
        wait_until(lambda: not listeners(proxy_port, first, first + 1, first + 2),
                   "nothing is left behind")
    finally:
        terminal.close()
