"""What a backend may have begun goes to another one (issue: "for status codes and resets only when
the request is idempotent or marked so and its body can be replayed"), and the retry budget."""
import itertools
import threading

import pytest

from lib.blackhole import Refused
from lib.client import chunked, request
from lib.logs import entries
from lib.origin import answer, serve, wait_event, wait_until
from lib.process_origin import ProcessOrigin
from lib.proxy import port_free
from lib.wire import WAIT_SECONDS, Closed

BUSY = answer("busy", "X-From: busy", status="503 Service Unavailable")


def busy(_):
    return BUSY


def reset(connection):
    """Reads a request whole, and resets."""
    connection.read_request()
    connection.reset()


def half_a_head(connection):
    connection.read_request()
    connection.send(b"HTTP/1.1 200 O")


def hang(connection):
    """Reads, and never answers."""
    connection.read_request()
    connection.wait_closed()


def gone_within_the_request(connection):
    connection.take(1)


FAILURES = {"busy": serve(busy), "reset": reset, "half a head": half_a_head, "hang": hang,
            "gone within the request": gone_within_the_request}
# More than a busy machine takes for an answer: the one that is well must not be given up, too.
PATIENCE_MS = 1000


def denied(lab, proxy, reason):
    name = f'nextproxy_retries_denied_total{{reason="{reason}"}} '
    text = lab.ask(proxy.admin, request(host="127.0.0.1", path="/metrics")).body.decode()
    return int(next(line for line in text.splitlines() if line.startswith(name)).rsplit(" ", 1)[1])


def managed(lab, *origins, **sections):
    port = port_free()
    proxy = lab.proxy(*origins, admin={"enabled": True, "port": port}, **sections)
    proxy.admin = ("127.0.0.1", port)
    return proxy


@pytest.mark.parametrize("failure", FAILURES)
@pytest.mark.parametrize("size", [0, 4096, 60000])
def test_idempotent_requests_go_elsewhere_whole(lab, failure, size):
    """Whatever way a backend fails, whatever its body: the client sees another one's answer."""
    good = lab.origin()
    bad = lab.origin(FAILURES[failure])
    proxy = lab.proxy(bad, good, timeouts={"responseHead": PATIENCE_MS} if failure == "hang" else {})
    client = lab.client(proxy)
    body = bytes(range(256)) * (size // 256) + bytes(size % 256)
    for _ in range(4):
        assert client.ask(request("PUT", "/", body=body)).status == 200
    assert [seen.body == body for seen in good.requests] == [True] * 4
    assert bad.connections, "nobody was asked twice"


@pytest.mark.parametrize("failure", ["busy", "reset"])
def test_chunked_body_goes_elsewhere_whole(lab, failure):
    good, bad = lab.origin(), lab.origin(FAILURES[failure])
    proxy = lab.proxy(bad, good)
    client = lab.client(proxy)
    pieces = [bytes([number]) * 1000 for number in range(40)]
    head = request("PUT", "/", "Transfer-Encoding: chunked")
    for _ in range(2):
        assert client.ask(head + chunked(*pieces, trailers=["X-Sum: 1"]), "PUT").status == 200
    assert [seen.body for seen in good.requests] == [b"".join(pieces)] * 2


def test_body_over_the_limit_is_sent_once(lab):
    """The backend's own answer comes through as it is."""
    good, bad = lab.origin(), lab.origin(serve(busy))
    proxy = managed(lab, bad, good, limits={"replayBytes": 10000})
    client = lab.client(proxy)
    seen = [client.ask(request("PUT", "/", body=bytes(size))) for size in (10001, 10000) * 4]
    assert {response.status for response in seen[1::2]} == {200}
    failed = [response for response in seen if response.status == 503]
    assert failed and all(response.body == b"busy" for response in failed)
    assert all(response.get("X-From") == "busy" for response in failed)
    assert denied(lab, proxy, "body") == len(failed)


def test_only_backend_passes_its_answer_on(lab):
    proxy = managed(lab, lab.origin(serve(busy)))
    response = lab.client(proxy).get()
    assert (response.status, response.body, response.get("X-From")) == (503, b"busy", "busy")
    assert denied(lab, proxy, "no_backend") == 1


def test_post_is_sent_once_unless_marked(lab):
    """`routes[].retry.methods`: on one route anything may be done twice."""
    good, bad = lab.origin(), lab.origin(serve(busy))
    routes = [{"path": "/safe", "retry": {"methods": "all"}}]
    proxy = lab.proxy(bad, good, routes=routes)
    client = lab.client(proxy)
    safe = {client.ask(request("POST", "/safe", body=b"x")).status for _ in range(4)}
    other = {client.ask(request("POST", "/", body=b"x")).status for _ in range(4)}
    assert (safe, other) == ({200}, {200, 503})


def test_statuses_of_a_route(lab):
    """`routes[].retry.statuses` replaces the usual ones."""
    slow = lab.origin(serve(lambda _: answer("", status="429 Too Many Requests")))
    good = lab.origin()
    routes = [{"path": "/a", "retry": {"statuses": "429,500-599"}}]
    proxy = lab.proxy(slow, good, routes=routes)
    client = lab.client(proxy)
    assert {client.get("/a").status for _ in range(4)} == {200}
    assert {client.get("/b").status for _ in range(4)} == {200, 429}


def test_retries_of_a_route(lab):
    good, bad = lab.origin(), lab.origin(serve(busy))
    proxy = lab.proxy(bad, good, proxy={"retries": 0}, routes=[{"path": "/a", "retries": 1}])
    client = lab.client(proxy)
    assert {client.get("/a").status for _ in range(4)} == {200}
    assert {client.get("/b").status for _ in range(4)} == {200, 503}


def test_pipelined_requests_keep_their_order(lab):
    """What is retried does not let the next one overtake it."""
    def respond(seen):
        return answer(seen.target)
    good, bad = lab.origin(serve(respond)), lab.origin(serve(busy))
    client = lab.client(lab.proxy(bad, good))
    client.send(b"".join(request("PUT", f"/{i}", body=b"x" * 100) for i in range(10)))
    assert [client.read_response("PUT").body for _ in range(10)] == \
        [f"/{i}".encode() for i in range(10)]


def test_records_say_what_happened(lab):
    """Each dropped answer is in the error log, and the access log counts the attempts."""
    good, bad = lab.origin(), lab.origin(serve(busy))
    proxy = lab.proxy(bad, good)
    client = lab.client(proxy)
    for _ in range(2):
        assert client.get().status == 200
    proxy.stop()
    failures = entries(proxy, "backend_failure")
    assert failures
    assert {(entry["error"], entry["backendId"]) for entry in failures} == {("status_503", "b0")}
    records = entries(proxy, log="access")
    assert sum(entry["attempts"] for entry in records) == 2 + len(failures)
    assert {(entry["backendId"], entry["statusCode"]) for entry in records} == {("b1", 200)}


def test_per_try_timeout(lab):
    """A slow backend is left for another one; without another it has its time."""
    release = threading.Event()

    def slow(connection):
        connection.read_request()
        release.wait(60)
        connection.send(answer("late"))
    good, bad = lab.origin(), lab.origin(slow)
    timeouts = {"perTry": PATIENCE_MS, "responseHead": 60_000}
    client = lab.client(lab.proxy(bad, good, timeouts=timeouts))
    assert [client.get().status for _ in range(3)] == [200] * 3
    alone = lab.client(lab.proxy(bad, timeouts=timeouts))
    before = len(bad.requests)
    alone.send(request())
    bad.wait_requests(before + 1)
    threading.Timer(PATIENCE_MS * 1.5 / 1000, release.set).start()
    assert alone.read_response("GET").body == b"late"


# --- The budget ---

def often(origin):
    """A backend that gets nearly all first attempts, and is not ejected for what it does."""
    return {"url": origin.url, "weight": 1000, "passiveCheck": {"enabled": False}}


def test_budget(lab):
    """No more than `minBudget` at once when `budget` allows none; what is over gives its place
    back."""
    started, release = [], threading.Event()

    def held(connection):
        while True:
            connection.read_request()
            started.append(connection)
            wait_event(release)
            connection.send(answer("good"))
    good, bad = lab.origin(held), lab.origin(serve(busy))
    strict = {"budget": 0, "minBudget": 2}
    proxy = managed(lab, often(bad), {"url": good.url, "weight": 1},
                    retry=strict)
    clients = [lab.client(proxy) for _ in range(5)]
    for index, client in enumerate(clients):
        client.send(request())
        if index < 2:
            wait_until(lambda count=index + 1: len(started) >= count, "a retry")
    assert [client.read_response("GET").body for client in clients[2:]] == [b"busy"] * 3
    assert denied(lab, proxy, "budget") == 3
    release.set()
    assert [client.read_response("GET").body for client in clients[:2]] == [b"good"] * 2
    assert clients[4].get().body == b"good"


def test_connect_failures_cost_nothing(lab):
    proxy = lab.proxy(lab.keep(Refused()), lab.origin(), retry={"budget": 0, "minBudget": 0})
    assert {lab.ask(proxy, request("POST", body=b"x")).status for _ in range(6)} == {200}


def test_budget_counts_over_all_workers(lab):
    """Two workers and one place: never two retries at once."""
    at_once, most, lock = [0], [0], threading.Lock()

    def respond(connection):
        while True:
            connection.read_request()
            with lock:
                at_once[0] += 1
                most[0] = max(most[0], at_once[0])
            threading.Event().wait(0.02)
            with lock:
                at_once[0] -= 1
            connection.send(answer("good"))
    good, bad = lab.origin(respond), lab.origin(serve(busy))
    proxy = lab.proxy(often(bad), {"url": good.url, "weight": 1},
                      workers=2, retry={"budget": 0, "minBudget": 1})
    seen = Load(lab, proxy, 8, each=30)  # of a thousand, the good one would be asked first by two
    seen.finish()
    assert set(seen.statuses) == {200, 503}
    assert most[0] == 1


# --- Everybody but one, under load ---

class Load:
    """Clients that ask as fast as they are answered, `each` so many times, or until finish(); each
    answer is noted."""

    def __init__(self, lab, proxy, clients, data=request("GET", "/"), each=None):
        self.lab, self.proxy, self.data, self.each = lab, proxy, data, each
        self.statuses, self.errors, self.over = {}, [], threading.Event()
        self.lock = threading.Lock()
        self.threads = [threading.Thread(target=self.run, daemon=True) for _ in range(clients)]
        for thread in self.threads:
            thread.start()

    @property
    def count(self):
        return sum(self.statuses.values())

    def run(self):
        try:
            client = self.lab.client(self.proxy)
            for _ in itertools.count() if self.each is None else range(self.each):
                if self.over.is_set() and self.each is None:
                    break
                status = client.ask(self.data).status
                with self.lock:
                    self.statuses[status] = self.statuses.get(status, 0) + 1
        except (Closed, OSError, AssertionError) as error:
            self.errors.append(repr(error))

    def more(self, requests):
        """Waits for so many further answers."""
        wanted = self.count + requests
        wait_until(lambda: self.count >= wanted or self.errors, f"{requests} more requests")

    def finish(self):
        self.over.set()
        for thread in self.threads:
            thread.join(2 * WAIT_SECONDS)
            assert not thread.is_alive(), "a client got no answer at all"
        assert not self.errors


@pytest.mark.parametrize("method, body", [("GET", None), ("PUT", b"x" * 20000)],
                         ids=["GET", "PUT"])
@pytest.mark.parametrize("blow", ["kill", "freeze"])
def test_no_client_sees_that_all_but_one_fail(lab, blow, method, body):
    """`retries`: 0 client-visible errors as long as one healthy backend remains. What fails at one
    blow is more than a fifth of what runs: the budget must allow it."""
    origins = [lab.keep(ProcessOrigin()) for _ in range(4)]
    proxy = lab.proxy(*origins, workers=2, retry={"budget": 100}, proxy={"retries": 3},
                      timeouts={"responseHead": 60_000, "perTry": 2 * PATIENCE_MS})
    load = Load(lab, proxy, 16, request(method, "/", body=body))
    load.more(200)
    for origin in origins[:3]:
        getattr(origin, blow)()
        load.more(20)
    load.more(200 if blow == "kill" else 50)
    load.finish()
    assert set(load.statuses) == {200}


def test_no_client_sees_that_all_but_one_refuse(lab):
    """The same for backends that were never there, with the usual budget."""
    gone = [lab.keep(Refused()) for _ in range(3)]
    proxy = lab.proxy(*gone, lab.keep(ProcessOrigin()), workers=2)
    load = Load(lab, proxy, 16)
    load.more(400)
    load.finish()
    assert set(load.statuses) == {200}
