"""The management API (issue: "own listener, default on, 127.0.0.1:8081, on the control ring")."""
import json
import re
import shutil
import socket
import subprocess
import threading
import time

import pytest

from lib.admin import TOKEN, ask, draining, managed, metrics_of, names, status_of, status_text
from lib.blackhole import Refused
from lib.client import chunked, request
from lib.logs import entries
from lib.nameserver import NameServer
from lib.origin import answer, named, serve, wait_until
from lib.proxy import port_free, run
from lib.reload import reload
from lib.tunnel import SWITCH, enter
from lib.wire import WAIT_SECONDS, Closed


def settled(lab, proxy):
    """The status when every request is counted: a client has its response a moment earlier."""
    wait_until(lambda: not status_of(lab, proxy)["requests"]["active"], "the requests' end")
    return status_of(lab, proxy)


# --- What it says ---

def test_health_and_readiness(lab):
    proxy = managed(lab, lab.origin())
    assert json.loads(ask(lab, proxy, "/healthz").body) == {"alive": True}
    answer = ask(lab, proxy, "/readyz")
    assert (answer.status, json.loads(answer.body)) == (200, {"ready": True})


def test_not_ready_while_draining(lab):
    """readyz: 503 while a request still runs after SIGTERM; healthz goes on."""
    with draining(lab, lab.origin()) as proxy:
        answer = ask(lab, proxy, "/readyz")
        assert answer.status == 503
        assert json.loads(answer.body) == {"ready": False, "reason": "draining"}
        assert ask(lab, proxy, "/healthz").status == 200
        assert ask(lab, proxy, "/reload", method="POST").status == 409


def test_not_ready_without_a_usable_backend(lab):
    """The only backend fails its checks."""
    check = {"enabled": True, "interval": 100, "timeout": 1000, "unhealthyThreshold": 1}
    proxy = managed(lab, {"url": lab.keep(Refused()).url, "healthCheck": check})
    wait_until(lambda: ask(lab, proxy, "/readyz").status != 200, "the failed check")
    assert json.loads(ask(lab, proxy, "/readyz").body)["reason"] == "no usable backend"
    backend = status_of(lab, proxy)["backends"][0]
    assert (backend["usable"], backend["health"]) == (False, "unhealthy")
    assert metrics_of(lab, proxy)['nextproxy_backend_usable{backend="b0"}'] == 0


def test_status(lab):
    """Counts per backend and route, as requests were sent."""
    origins = lab.origin(), lab.origin()
    proxy = managed(lab, *origins, lab.keep(Refused()), routes=[
        {"id": "api", "vHost": "*.example.com", "path": "/api", "backends": ["b0"],
         "reqActiveLength": 7}], workers=2)
    for _ in range(6):
        assert lab.ask(proxy, request()).status == 200
    status = settled(lab, proxy)
    assert status["pid"] == proxy.engine_pid
    assert status["version"] in run("--version").stdout
    assert (status["snapshot"], status["workers"], status["draining"]) == (1, 2, False)
    assert status["requests"]["total"] == 6
    assert status["connections"]["accepted"] == 7  # one was to see whether it is up
    backends = {backend["id"]: backend for backend in status["backends"]}
    for index, origin in enumerate(origins):
        backend = backends[f"b{index}"]
        assert backend["url"] == origin.url
        assert backend["requests"] == backend["responses"]["2xx"] == len(origin.requests)
        assert backend["failures"] == backend["active"] == 0
        assert backend["latencyUs"] > 0
    assert backends["b2"]["requests"] == backends["b2"]["failures"] == status["requests"]["retries"]
    assert status["requests"]["retries"] > 0
    api, default = status["routes"]
    assert (api["id"], api["host"], api["path"]) == ("api", "*.example.com", "/api")
    assert (api["activeLimit"], api["active"], api["backends"]) == (7, 0, 1)
    assert (default["id"], default["host"], default["backends"]) == ("default", "*", 3)
    assert (default["requests"], default["responses"]["2xx"], api["requests"]) == (6, 6, 0)


def test_failures_by_the_backend(lab):
    """A 5xx is a response; a connection that ends without one is a failure."""
    bad = lab.origin(lambda connection: connection.read_request() and None)
    failing = lab.origin(serve(lambda _: answer(status="500 Broken")))
    proxy = managed(lab, bad, failing, routes=[
        {"id": "bad", "path": "/bad", "backends": ["b0"]},
        {"id": "failing", "path": "/failing", "backends": ["b1"]}])
    assert lab.ask(proxy, request("POST", "/bad", body=b"x")).status == 502
    assert lab.ask(proxy, request("GET", "/failing")).status == 500
    first, second = settled(lab, proxy)["backends"]
    assert (first["requests"], first["failures"]) == (1, 1)
    assert sum(first["responses"].values()) == 0
    assert (second["requests"], second["failures"], second["responses"]["5xx"]) == (1, 0, 1)


def test_latency_is_the_backends(lab):
    """Not that of a client who takes three seconds to send a body."""
    proxy = managed(lab, lab.origin(serve(lambda _: answer())))
    client = lab.client(proxy)
    client.send(request("PUT", "/", "Content-Length: 3"))
    for _ in range(3):
        time.sleep(1)
        client.send(b"a")
    assert client.read_response("PUT").status == 200
    backend = settled(lab, proxy)["backends"][0]
    assert 0 < backend["latencyUs"] < 2_900_000
    assert 0 < backend["responseHeadUs"]["p99"] < 2_900_000


def test_active_requests_of_a_route_without_a_limit(lab):
    """A tunnel and a request that is not answered; the other route has none."""
    gate = threading.Event()

    def handler(connection):
        seen = connection.read_request()
        if seen.get("Upgrade"):
            connection.send(SWITCH)
            gate.wait(WAIT_SECONDS)
        else:
            gate.wait(WAIT_SECONDS)
            connection.send(answer())

    proxy = managed(lab, lab.origin(handler),
                    routes=[{"id": "api", "path": "/api", "backends": ["b0"]}])
    tunnel, client = lab.client(proxy), lab.client(proxy)
    enter(tunnel)
    client.send(request())
    wait_until(lambda: [route["active"] for route in status_of(lab, proxy)["routes"]] == [0, 2],
               "both of them")
    samples = metrics_of(lab, proxy)
    assert samples['nextproxy_route_active{route="default"}'] == 2
    gate.set()
    assert client.read_response().status == 200
    tunnel.close()
    wait_until(lambda: status_of(lab, proxy)["routes"][1]["active"] == 0, "their end")
    times = metrics_of(lab, proxy)
    assert times['nextproxy_route_request_duration_seconds_count{route="default"}'] == 1


def test_latency_percentiles(lab):
    """Issue: "latency percentiles": p50 below a slow tenth, p99 in it."""
    def handler(connection):
        while seen := connection.read_request():
            if b"slow" in seen.target.encode():
                threading.Event().wait(0.5)
            connection.send(answer())

    proxy = managed(lab, lab.origin(handler))
    client = lab.client(proxy)
    for number in range(20):
        assert client.ask(request("GET", "/slow" if number % 10 == 9 else "/")).status == 200
    status = settled(lab, proxy)
    for times in (status["backends"][0]["responseHeadUs"], status["routes"][0]["durationUs"]):
        assert 0 < times["p50"] < 500_000 <= times["p99"]
        assert times["p50"] <= times["p95"] <= times["p99"]
    samples = metrics_of(lab, proxy)
    name = 'nextproxy_route_request_duration_seconds_bucket{route="default",le="%s"}'
    assert samples[name % "+Inf"] == 20
    name = 'nextproxy_backend_response_head_seconds_bucket{backend="b0",le="%s"}'
    assert samples[name % "+Inf"] == 20
    assert samples[name % "0.262144"] <= 18 and samples[name % "16.777216"] == 20
    assert samples['nextproxy_backend_response_head_seconds_sum{backend="b0"}'] >= 0.4


def test_last_probe(lab):
    """Issue: "state and reason": what the last probe saw."""
    check = {"enabled": True, "interval": 100, "unhealthyThreshold": 1}
    origin = lab.origin(serve(lambda _: answer(status="503 No")))
    proxy = managed(lab, {"url": origin.url, "healthCheck": check}, lab.origin())
    wait_until(lambda: status_of(lab, proxy)["backends"][0]["health"] == "unhealthy", "a probe")
    first, second = status_of(lab, proxy)["backends"]
    assert (first["lastProbe"]["good"], first["lastProbe"]["reason"]) == (False, "status 503")
    assert "another status" in first["lastProbe"]["detail"]
    assert first["healthForSeconds"] >= 0 and first["marks"] == ["down"]
    assert "lastProbe" not in second
    table = status_text(lab, proxy)
    assert "(status 503)" in table


def test_each_column_has_a_heading(lab):
    """Numbers end where their heading ends; and nothing is told of what is well."""
    proxy = managed(lab, lab.origin(serve(lambda _: answer(status="500 No"))), reqActiveLength=7)
    for _ in range(3):
        lab.ask(proxy, request())
    wait_until(lambda: status_of(lab, proxy)["routes"][0]["requests"] == 3, "the count")
    lines = status_text(lab, proxy).splitlines()
    at = next(i for i, line in enumerate(lines) if line.startswith("route "))
    for heading, value in (("active", "0/7"), ("backends", "1"), ("requests", "3"), ("5xx", "3")):
        end = lines[at].index(heading) + len(heading)
        assert lines[at + 1][:end].endswith(f" {value}"), (lines[at], lines[at + 1])
    assert not re.search("restarted|stuck|panic", "\n".join(lines))


def test_reload_history(lab):
    """Issue: "reload history"; the last 16, the newest first."""
    proxy = managed(lab, lab.origin())
    assert status_of(lab, proxy)["reloads"] == []
    config = json.loads(proxy.config_file.read_text())
    for number in range(20):
        config["backends"][0]["weight"] = number + 2
        proxy.config_file.write_text(json.dumps(config))
        assert ask(lab, proxy, "/reload", method="POST").status == 200
    ask(lab, proxy, "/reload", method="POST")
    proxy.config_file.write_text("{")
    ask(lab, proxy, "/reload", method="POST")
    ask(lab, proxy, "/backends/b0", method="DELETE")
    entries = status_of(lab, proxy)["reloads"]
    assert len(entries) == 16
    assert [(entry["what"], entry["result"], entry["snapshot"]) for entry in entries[:4]] == [
        ("change", "refused", 21), ("reload", "refused", 21), ("reload", "unchanged", 21),
        ("reload", "done", 21)]
    assert entries[3]["report"][0] == "backends[b0].weight: 20 -> 21"
    assert "not valid JSON" in entries[1]["report"][0]
    assert "last backend" in entries[0]["report"][0]
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", entries[0]["time"])
    samples = metrics_of(lab, proxy)
    assert [samples[f'nextproxy_reloads_total{{result="{result}"}}']
            for result in ("done", "unchanged", "refused")] == [20, 1, 1]
    assert samples['nextproxy_changes_total{result="refused"}'] == 1
    table = status_text(lab, proxy)
    assert "backends[b0].weight: 20 -> 21" in table


def test_metrics(lab):
    proxy = managed(lab, lab.origin(), workers=2)
    for _ in range(5):
        assert lab.ask(proxy, request()).status == 200
    lab.ask(proxy, b"GET / HTTP/1.1\r\n\r\n", "GET")
    settled(lab, proxy)
    samples = metrics_of(lab, proxy)
    assert samples["nextproxy_requests_total"] == 6
    assert samples['nextproxy_responses_total{class="2xx"}'] == 5
    assert samples['nextproxy_responses_total{class="4xx"}'] == 1
    assert samples['nextproxy_faults_total{fault="bad_request"}'] == 1
    assert samples['nextproxy_backend_requests_total{backend="b0"}'] == 5
    assert samples['nextproxy_backend_responses_total{backend="b0",class="2xx"}'] == 5
    assert samples["nextproxy_request_duration_seconds_count"] == 6
    assert samples['nextproxy_request_duration_seconds_bucket{le="+Inf"}'] == 6
    prefix = "nextproxy_request_duration_seconds_bucket{"
    buckets = [(float(re.search('le="([^"]+)"', name)[1]), value)
               for name, value in samples.items() if name.startswith(prefix)]
    assert buckets == sorted(buckets), "bounds and counts both rise"
    assert samples["nextproxy_snapshot_version"] == 1
    assert samples['nextproxy_route_responses_total{route="default",class="2xx"}'] == 5
    assert samples['nextproxy_route_responses_total{route="default",class="4xx"}'] == 0


def test_promtool(lab):
    """Issue: "passes `promtool check metrics`"."""
    promtool = shutil.which("promtool")
    if promtool is None:
        pytest.skip("promtool is not installed (Debian: prometheus): tools/install.sh test")
    proxy = managed(lab, lab.origin(), lab.origin(),
                    routes=[{"id": "r", "path": "/r", "reqActiveLength": 3}])
    lab.ask(proxy, request())
    body = ask(lab, proxy, "/metrics").body
    done = subprocess.run([promtool, "check", "metrics"], input=body, capture_output=True,
                          timeout=60, check=False)
    assert (done.returncode, done.stdout + done.stderr) == (0, b"")


def test_many_backends_and_routes(lab):
    """The largest answers fit, and no worker is disturbed by them."""
    backends = [{"id": f"backend-{index:055}", "url": "http://127.0.0.1:1"} for index in range(4096)]
    routes = [{"id": f"route-{index:058}", "path": f"/{index:01000}", "reqActiveLength": 1}
              for index in range(1000)]
    proxy = managed(lab, *backends, routes=routes)
    samples = metrics_of(lab, proxy)
    assert samples['nextproxy_metrics_left_out{kind="backend"}'] == 4096 - 1024
    assert samples['nextproxy_metrics_left_out{kind="route"}'] == 0
    assert sum("nextproxy_backend_active{" in name for name in samples) == 1024
    status = status_of(lab, proxy)
    assert (len(status["backends"]), len(status["routes"])) == (4096, 1001)


def test_command_line(lab):
    """Issue: "`nextproxy status` ... talk to it"."""
    origin = lab.origin()
    proxy = managed(lab, origin, admin={"token": TOKEN})
    done = run("status", "--config", str(proxy.config_file))
    assert (done.returncode, done.stderr) == (0, "")
    assert f"process {proxy.engine_pid}" in done.stdout and origin.url in done.stdout
    other = run("status", "--config", str(proxy.config_file),
                env={"NEXTPROXY_ADMIN_TOKEN": "another-token"})
    assert other.returncode == 1 and "token" in other.stderr and not other.stdout
    proxy.stop()
    gone = run("status", "--config", str(proxy.config_file))
    assert gone.returncode == 1 and "Connection refused" in gone.stderr


# --- Reloading ---

def test_reload(lab):
    """The verdict and what the log says, in the answer."""
    proxy = managed(lab, lab.origin())
    same = ask(lab, proxy, "/reload", method="POST")
    assert (same.status, json.loads(same.body)["verdict"]) == (200, "unchanged")
    config = json.loads(proxy.config_file.read_text())
    config["backends"][0]["weight"] = 7
    proxy.config_file.write_text(json.dumps(config))
    changed = json.loads(ask(lab, proxy, "/reload", method="POST").body)
    assert (changed["verdict"], changed["snapshot"]) == ("reloaded", 2)
    assert any("backends[b0].weight: 1 -> 7" in line for line in changed["report"])
    assert status_of(lab, proxy)["backends"][0]["weight"] == 7
    proxy.config_file.write_text('{"backends": "none"}')
    refused = ask(lab, proxy, "/reload", method="POST")
    assert refused.status == 422
    body = json.loads(refused.body)
    assert (body["verdict"], body["snapshot"]) == ("refused", 2)
    assert any("backends" in line for line in body["report"])
    assert lab.ask(proxy, request()).status == 200


# --- Who may ask ---

def test_token(lab):
    proxy = managed(lab, lab.origin(), admin={"token": TOKEN})
    for path in "/status", "/metrics", "/reload":
        answer = ask(lab, proxy, path, method="POST" if path == "/reload" else "GET")
        assert answer.status == 401
        assert answer.get("WWW-Authenticate").startswith("Bearer")
        assert "error" in json.loads(answer.body)
    bearing = f"Authorization: Bearer {TOKEN}"
    assert ask(lab, proxy, "/status", bearing).status == 200
    assert ask(lab, proxy, "/status", bearing + "x").status == 401
    assert ask(lab, proxy, "/status", bearing, host="name.example").status == 200
    assert ask(lab, proxy, "/healthz").status == ask(lab, proxy, "/readyz").status == 200


def test_another_token_in_the_file(lab):
    """It is read again with each reload; one that is none refuses the reload, and the earlier one holds on."""
    file = lab.directory / "token"
    file.write_text(TOKEN + "\n")
    proxy = managed(lab, lab.origin(), admin={"tokenFile": str(file)})

    def status_with(token):
        return ask(lab, proxy, "/status", f"Authorization: Bearer {token}").status
    file.write_text("another-" + TOKEN)
    assert (status_with(TOKEN), status_with("another-" + TOKEN)) == (200, 401)
    assert reload(proxy).startswith("Reloaded: version 2")
    assert (status_with(TOKEN), status_with("another-" + TOKEN)) == (401, 200)
    file.write_text("short")
    assert reload(proxy).startswith("Not reloaded")
    assert (status_with("short"), status_with("another-" + TOKEN)) == (401, 200)
    logs = "".join(log.read_text() for log in proxy.logs.iterdir())
    assert "admin.tokenFile" in logs and TOKEN not in logs


def test_no_token_in_what_is_printed_or_logged(lab):
    proxy = managed(lab, lab.origin(), admin={"token": TOKEN})
    config = json.loads(proxy.config_file.read_text())
    config["admin"]["token"] = "another-token-of-the-tests"
    proxy.config_file.write_text(json.dumps(config))
    answer = ask(lab, proxy, "/reload", f"Authorization: Bearer {TOKEN}", method="POST")
    assert answer.status == 200 and b"token-of-the-tests" not in answer.body
    proxy.stop()
    logs = "".join(file.read_text() for file in proxy.logs.iterdir())
    assert "admin.token" in logs and "token-of-the-tests" not in logs


def test_no_token_in_the_printed_configuration(lab):
    proxy = managed(lab, lab.origin(), admin={"token": TOKEN})
    done = run("--print-config", "--config", str(proxy.config_file))
    assert done.returncode == 0 and TOKEN not in done.stdout
    assert "is not printed" in done.stderr and TOKEN not in done.stderr


def test_no_secret_header_in_the_printed_configuration(lab):
    """People paste it into tickets."""
    proxy = lab.proxy({"url": lab.origin().url, "healthCheck": {"headers": {
        "Authorization": f"Bearer {TOKEN}", "X-Plain": "to-be-seen"}}})
    done = run("--print-config", "--config", str(proxy.config_file))
    assert done.returncode == 0 and TOKEN not in done.stdout + done.stderr
    assert '"Authorization": "(not shown)"' in done.stdout and "to-be-seen" in done.stdout
    assert "the value of 1 header field is not shown" in done.stderr


def test_public_address_without_token(lab):
    """Issue: "refuses to start on a public address without one"."""
    file = lab.directory / "public.json"
    file.write_text(json.dumps({"backends": [{"url": "http://127.0.0.1:1"}],
                                "admin": {"address": "0.0.0.0"}}))
    done = run("--config", str(file))
    assert done.returncode == 2
    assert "admin.address" in done.stderr and "token" in done.stderr


@pytest.mark.parametrize("lines, host", [
    ([], "evil.example"), (["Origin: http://evil.example"], "127.0.0.1"),
    (["Sec-Fetch-Site: cross-site"], "127.0.0.1")])
def test_pages_of_other_sites(lab, lines, host):
    """Issue: "CSRF and DNS-rebinding safe (Host and Origin checked)"."""
    proxy = managed(lab, lab.origin())
    for path, method in ("/status", "GET"), ("/healthz", "GET"), ("/reload", "POST"):
        assert ask(lab, proxy, path, *lines, method=method, host=host).status == 403
    assert status_of(lab, proxy)["snapshot"] == 1


# --- HTTP ---

def test_paths_and_methods(lab):
    proxy = managed(lab, lab.origin())
    for path in "/", "/Status", "/status/", "/status/x", "//status", "/%73tatus":
        answer = ask(lab, proxy, path)
        assert answer.status == 404 and "error" in json.loads(answer.body)
    for method in "POST", "PUT", "DELETE", "OPTIONS", "TRACE", "BREW":
        answer = ask(lab, proxy, "/status", method=method)
        assert (answer.status, answer.get("Allow")) == (405, "GET, HEAD")
    answer = ask(lab, proxy, "/reload")
    assert (answer.status, answer.get("Allow")) == (405, "POST")
    head = ask(lab, proxy, "/metrics", method="HEAD")
    assert head.status == 200 and int(head.get("Content-Length")) > 1000 and not head.body
    assert ask(lab, proxy, "/status?x=1").status == 200


def test_bodies_are_refused(lab):
    proxy = managed(lab, lab.origin())
    client = lab.client(proxy.admin)
    answer = client.ask(request("POST", "/reload", body=b"x" * 100, host="localhost"))
    assert (answer.status, answer.get("Connection")) == (413, "close")
    assert client.read_to_end() == b""
    answer = lab.ask(proxy.admin, request("POST", "/reload", "Transfer-Encoding: chunked",
                                          host="localhost") + chunked(b"x"), "POST")
    assert answer.status == 411
    assert ask(lab, proxy, "/reload", "Content-Length: 0", method="POST").status == 200


@pytest.mark.parametrize("head, status", [
    (b"GET /status HTTP/1.1\r\n\r\n", 400), (b"GET /status HTTP/1.1\nHost: localhost\n\n", 400),
    (b"GET  /status HTTP/1.1\r\nHost: localhost\r\n\r\n", 400),
    (b"GET /status HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1\r\n"
     b"Transfer-Encoding: chunked\r\n\r\n", 400),
    (b"GET /status HTTP/2.0\r\nHost: localhost\r\n\r\n", 505),
    (b"GET /" + b"x" * 3000 + b" HTTP/1.1\r\nHost: localhost\r\n\r\n", 414),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\nA: " + b"x" * 9000, 431),
    (b"GET / HTTP/1.1\r\nHost: localhost\r\n" + b"A: b\r\n" * 65 + b"\r\n", 431)])
def test_strict(lab, head, status):
    """Issue: "strict parser as in the data plane"."""
    proxy = managed(lab, lab.origin())
    answer = lab.ask(proxy.admin, head, "GET")
    assert (answer.status, answer.get("Connection")) == (status, "close")
    assert "message" in json.loads(answer.body)
    assert ask(lab, proxy, "/healthz").status == 200


def test_connections_are_kept(lab):
    """Several requests on one connection, one after the other, byte by byte, and at once."""
    proxy = managed(lab, lab.origin())
    client = lab.client(proxy.admin)
    one = request("GET", "/healthz", host="localhost")
    for _ in range(3):
        assert client.ask(one).status == 200
    for byte in one:
        client.send(bytes([byte]))
    assert client.read_response("GET").status == 200
    client.send(one * 20)
    for _ in range(20):
        assert client.read_response("GET").status == 200
    last = client.ask(request("GET", "/healthz", "Connection: close", host="localhost"))
    assert last.get("Connection") == "close"
    assert client.read_to_end() == b""
    old = lab.client(proxy.admin)
    assert old.ask(b"GET /healthz HTTP/1.0\r\n\r\n").get("Connection") == "close"
    assert old.read_to_end() == b""


def test_connections_are_bounded(lab):
    """Who has been silent for longest makes room, whether it has ever asked or not."""
    proxy = managed(lab, lab.origin())
    silent = [lab.client(proxy.admin) for _ in range(8)]
    clients = []
    for _ in range(100):
        clients.append(lab.client(proxy.admin))
        assert clients[-1].ask(request("GET", "/healthz", host="localhost")).status == 200
    assert clients[-40].ask(request("GET", "/healthz", host="localhost")).status == 200
    for client in silent + clients[:44]:
        with pytest.raises((Closed, ConnectionError)):
            client.fill()
    assert metrics_of(lab, proxy)["nextproxy_admin_connections_crowded_out_total"] >= 52


def test_stop_with_open_connections(lab):
    """They are cut; the proxy does not wait for them."""
    proxy = managed(lab, lab.origin())
    clients = [lab.client(proxy.admin) for _ in range(3)]
    clients[1].send("GET /heal")
    proxy.stop()


def test_port_is_not_shared(lab):
    """A second proxy with the same port does not take every other request."""
    proxy = managed(lab, lab.origin())
    file = lab.directory / "second.json"
    file.write_text(json.dumps({
        "listeners": [{"address": "127.0.0.1", "port": port_free()}],
        "backends": [{"url": "http://127.0.0.1:1"}], "admin": {"port": proxy.admin[1]},
        "logging": {"errorLog": {"enabled": False}, "accessLog": {"enabled": False}}}))
    done = run("--config", str(file))
    assert done.returncode == 1
    assert "admin.port" in done.stderr and "in use" in done.stderr


def test_switched_off(lab):
    port = port_free()
    lab.proxy(lab.origin(), admin={"enabled": False, "port": port})
    with socket.socket() as sock:
        assert sock.connect_ex(("127.0.0.1", port)) != 0


# --- Through a proxy ---

def test_no_token_and_a_proxy_in_between(lab):
    """Clients of a proxy come from the loopback, too."""
    proxy = managed(lab, lab.origin())
    front = managed(lab, {"url": "http://%s:%d" % proxy.admin})
    answer = lab.ask(front, request("GET", "/status", host="127.0.0.1"))
    assert (answer.status, "token" in json.loads(answer.body)["message"]) == (403, True)
    assert lab.ask(front, request("POST", "/reload", host="localhost"), "POST").status == 403
    assert lab.ask(front, request("GET", "/healthz", host="localhost")).status == 200


def test_a_token_and_a_proxy_in_between(lab):
    proxy = managed(lab, lab.origin(), admin={"token": TOKEN})
    front = managed(lab, {"url": "http://%s:%d" % proxy.admin})
    line = f"Authorization: Bearer {TOKEN}"
    assert lab.ask(front, request("GET", "/status", line, host="localhost")).status == 200
    assert lab.ask(front, request("GET", "/status", host="localhost")).status == 401


def test_names_do_not_lead_to_the_api(lab):
    """Whoever answers DNS is no operator."""
    server, origin = lab.keep(NameServer()), lab.origin(named("origin"))
    port = origin.address[1]
    server.point("app.test", "127.0.0.1")
    server.services("_http._tcp.app.test", (0, 1, port, "app.test"))
    proxy = managed(lab, {"id": "app", "url": "http+srv://_http._tcp.app.test"},
                    dns=server.settings())
    assert lab.ask(proxy, request()).body == b"origin"
    server.services("_http._tcp.app.test", (0, 1, proxy.admin[1], "app.test"))

    def said():
        return [entry for entry in entries(proxy, "dns")
                if "leads to the management API" in entry["message"]]
    wait_until(said, "the warning")
    assert {(entry["level"], entry["backendId"]) for entry in said()} == {("warn", "app")}
    assert f"127.0.0.1:{proxy.admin[1]}" in said()[0]["message"]
    wait_until(lambda: lab.ask(proxy, request(host="localhost")).status == 503, "no address")
    assert status_of(lab, proxy)["backends"][0]["address"] is None
    server.services("_http._tcp.app.test", (0, 1, proxy.admin[1], "app.test"),
                    (0, 1, port, "app.test"))
    wait_until(lambda: lab.ask(proxy, request()).status == 200, "the origin, and it alone")
    assert names(lab, proxy) == {"origin"}
