"""Several workers: a new connection goes to one that has little to do (issue: "with 2 workers and
8 busy connections no worker has more than 5"), and none is lost on its way."""
import threading

import pytest

from lib.admin import managed, metrics_of
from lib.client import Client, request
from lib.origin import answer, serve, wait_until
from lib.wire import WAIT_SECONDS, Closed

RUNS = 25


def two_workers(lab, origin=None, **sections):
    proxy = managed(lab, origin or lab.origin(), workers=2, **sections)
    metrics_of(lab, proxy)  # answers when all workers have started
    return proxy


def loads(lab, proxy):
    samples = metrics_of(lab, proxy)
    return [samples[f'nextproxy_worker_connections{{worker="{i}"}}'] for i in range(2)]


def handed_over(lab, proxy):
    return metrics_of(lab, proxy)["nextproxy_client_connections_handed_over_total"]


def connect(lab, proxy, count, at_once):
    """Connections with a request in progress each; first all of them when they come at once."""
    clients = [lab.client(proxy) for _ in range(count)] if at_once else []
    for index in range(count):
        client = clients[index] if at_once else lab.client(proxy)
        client.send(request())
        if not at_once:
            clients.append(client)
    return clients


def stay_idle(lab, proxy, count):
    """Clients that have had a request, and nothing in progress."""
    for _ in range(count):
        assert lab.client(proxy).get().status == 200
    wait_until(lambda: metrics_of(lab, proxy)["nextproxy_requests_active"] == 0, "idleness")


@pytest.mark.parametrize("idle", [0, 200], ids=["alone", "beside idle ones"])
@pytest.mark.parametrize("at_once", [True, False], ids=["burst", "one by one"])
def test_eight_busy_connections_over_two_workers(lab, at_once, idle):
    go_on = threading.Semaphore(idle)

    def respond(_):
        assert go_on.acquire(timeout=WAIT_SECONDS)
        return answer("done")

    origin = lab.origin(serve(respond))
    proxy = two_workers(lab, origin)
    stay_idle(lab, proxy, idle)
    before = loads(lab, proxy)
    for run in range(RUNS):
        asked = len(origin.requests)
        clients = connect(lab, proxy, 8, at_once)
        wait_until(lambda asked=asked: len(origin.requests) == asked + 8, "all requests")
        shares = [busy - rest for busy, rest in zip(loads(lab, proxy), before)]
        assert sum(shares) == 8
        assert max(shares) <= 5, f"run {run}: {shares}"
        go_on.release(8)
        for client in clients:
            assert client.read_response().body == b"done"
            client.close()
        wait_until(lambda: sum(loads(lab, proxy)) == idle, "the connections' end")


def test_some_are_handed_over_and_served(lab):
    """The kernel spreads by chance, so among many small groups there are uneven ones."""
    proxy = two_workers(lab)
    accepted = 0
    while handed_over(lab, proxy) < 5:
        clients = [lab.client(proxy) for _ in range(8)]
        for _ in range(2):
            for client in clients:
                assert client.get().status == 200
        for client in clients:
            client.close()
        accepted += len(clients)
        assert accepted < 4000
    samples = metrics_of(lab, proxy)
    assert samples["nextproxy_client_connections_accepted_total"] >= accepted
    assert samples["nextproxy_client_connections_refused_total"] == 0


def test_the_workers_of_a_unix_socket_share(lab):
    """All of them wait at the same socket, and the kernel wakes whichever it likes."""
    path = str(lab.directory / "front.sock")
    proxy = two_workers(lab, listeners=[{"unixSocket": path}])
    clients = [lab.client(proxy) for _ in range(20)]
    for client in clients:
        assert client.get().status == 200
    assert max(loads(lab, proxy)) <= 12


def test_the_client_address_survives(lab):
    origin = lab.origin()
    listener = {"address": "127.0.0.1", "proxyProtocolFrom": ["127.0.0.2"]}
    proxy = two_workers(lab, origin, listeners=[listener])
    for number in range(60):
        balancer = number % 2 == 0
        client = lab.client(proxy, source="127.0.0.2" if balancer else f"127.0.1.{number}")
        if balancer:
            client.send(f"PROXY TCP4 192.0.2.{number} 198.51.100.1 56324 443\r\n".encode())
        assert client.get().status == 200
        real = origin.requests[-1].get("X-Real-IP")
        assert real == (f"192.0.2.{number}" if balancer else f"127.0.1.{number}")
    wait_until(lambda: handed_over(lab, proxy) > 0, "a connection that was handed over")


def test_none_is_lost_when_the_proxy_stops(lab):
    """Each connection is answered or ended, whenever the stop comes."""
    for _ in range(5):
        proxy = two_workers(lab)
        stop = threading.Event()
        hung = []

        def visit(proxy=proxy, stop=stop, hung=hung):
            while not stop.is_set():
                try:
                    client = Client(proxy.address)
                except OSError:
                    return  # nobody listens any more
                try:
                    client.get()
                except (Closed, OSError) as error:
                    if isinstance(error, TimeoutError):
                        hung.append(error)
                client.close()

        threads = [threading.Thread(target=visit) for _ in range(4)]
        for thread in threads:
            thread.start()
        wait_until(lambda proxy=proxy: handed_over(lab, proxy) > 0, "a first hand-over")
        proxy.stop()
        stop.set()
        for thread in threads:
            thread.join()
        assert not hung
