"""The process has as many descriptors as it may have, under load (issue, "To show"): who cannot be
served is told or waits, the management API answers, nothing spins, and it ends by itself."""
import threading
import time

from lib.admin import ask, managed, metrics_of, status_of
from lib.client import Client, request
from lib.load import Load, wait_answers
from lib.origin import answer, serve, wait_until
from lib.wire import WAIT_SECONDS

FEW = 70
WITHOUT_STAGES = {"dropKeepAlive": 0, "closeIdle": 0, "refuse": 0, "stopAccepting": 0}


def limited(count):
    """How a proxy is started that may have so many."""
    return {"before": ["prlimit", f"--nofile={count}"]}


def is_alive(lab, proxy):
    return ask(lab, proxy, "/healthz").status == 200


def turns_while_nothing_happens(lab, proxy):
    """Turns of the workers' loops in each second, which a loop that spins makes in a few
    milliseconds. However long it takes to ask, the count goes with it."""
    begun, before = time.monotonic(), metrics_of(lab, proxy)["nextproxy_ring_turns_total"]
    threading.Event().wait(1)
    turns = metrics_of(lab, proxy)["nextproxy_ring_turns_total"] - before
    return turns / (time.monotonic() - begun)


def idle_clients_up_to(lab, proxy, count):
    """Idle clients, of which the last one gets the last descriptor. None of them waits for one: it
    would take each that is free for a moment from those who have something to ask."""
    clients = []
    while (used := proxy.fd_count()) < count:
        clients.append(lab.client(proxy))
        wait_until(lambda before=used: proxy.fd_count() > before, "another client")
    return clients


class Visitors:
    """Many at once, each with one request that is answered late; `statuses` of those that were."""

    def __init__(self, proxy, count):
        self.statuses, self.failures = [], []
        self.threads = [threading.Thread(target=self.visit, args=(proxy.address,))
                        for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def visit(self, address):
        try:
            client = Client(address)
            client.sock.settimeout(6 * WAIT_SECONDS)
            self.statuses.append(client.ask(request()).status)
            client.close()
        except Exception as error:  # pylint: disable=broad-except
            self.failures.append(repr(error))

    def join(self):
        for thread in self.threads:
            thread.join()


def test_the_stages_keep_a_reserve(lab):
    """More busy clients than descriptors. Before these are used up requests are refused and
    connections wait; the API has its own."""
    go_on = threading.Event()

    def respond(_):
        assert go_on.wait(6 * WAIT_SECONDS)
        return answer("done")

    proxy = managed(lab, lab.origin(serve(respond)), workers=2, proxy={"retries": 0},
                    timeouts={"responseHead": 60_000}, how=limited(180))
    visitors = Visitors(proxy, 250)
    wait_until(lambda: status_of(lab, proxy)["overload"]["stage"] in ("refuse", "stopAccepting"),
               "a stage")
    assert all(is_alive(lab, proxy) for _ in range(20))
    wait_until(lambda: turns_while_nothing_happens(lab, proxy) < 1000, "peace", 60)
    assert proxy.fd_count() <= 180
    go_on.set()
    visitors.join()
    assert not visitors.failures
    assert set(visitors.statuses) == {200, 503}
    wait_until(lambda: status_of(lab, proxy)["overload"]["stage"] == "none", "the recovery")
    assert lab.ask(proxy, request()).status == 200


def test_none_is_left(lab):
    """And no stage is configured that would have kept some. Who is served goes on, who comes waits,
    and what needs another upstream is refused; the API is still there."""
    proxy = managed(lab, lab.origin(serve(lambda _: answer("here"))), workers=2,
                    overload=WITHOUT_STAGES, how=limited(FEW),
                    timeouts={"requestHead": 600_000, "keepAlive": 600_000})
    load = Load(proxy, clients=2)
    wait_answers(load, 100)
    idle = idle_clients_up_to(lab, proxy, FEW)
    late = Visitors(proxy, 20)
    goal = load.answered + 200
    wait_until(lambda: is_alive(lab, proxy) and load.answered >= goal, "more answers")
    assert all(is_alive(lab, proxy) for _ in range(20))
    load.stop()
    assert set(load.errors) <= {"status 503"}  # requests that needed a new upstream
    turns = turns_while_nothing_happens(lab, proxy)
    for client in idle:
        client.close()
    late.join()
    assert not late.failures
    assert set(late.statuses) <= {200, 503}
    assert turns < 1000
    metrics = metrics_of(lab, proxy)
    assert metrics["nextproxy_client_accepts_failed_total"] > 0
    assert metrics["nextproxy_client_connections_refused_total"] == 0
    wait_until(lambda: lab.ask(proxy, request()).status == 200, "the recovery")
    wait_until(lambda: proxy.fd_count() < FEW - 10, "room")
