"""Strategies as they show from outside, with one worker (issue, Forwarding: "Strategies")."""
import collections
import threading

import pytest

from lib.client import request
from lib.origin import answer, serve, wait_event, wait_until

NAMES = ["round-robin", "random", "power-of-two-choices", "ip-hash", "least-connections",
         "least-latency"]


def start(lab, strategy, weights=(1, 1, 1), **sections):
    """A proxy before as many origins as there are weights; each answers with its number."""
    for number in range(len(weights)):
        lab.origin(serve(lambda seen, number=number: answer(str(number))))
    backends = [{"url": origin.url, "weight": weight}
                for origin, weight in zip(lab.origins, weights)]
    return lab.proxy(*backends, loadBalancing={"strategy": strategy}, **sections)


def chosen(client, count):
    return [int(client.get(f"/{n}").body) for n in range(count)]


@pytest.mark.parametrize("spelling", NAMES
                         + [name.upper().replace("-", "_") for name in NAMES])
def test_every_strategy_in_both_spellings(lab, spelling):
    """Issue: "Strategy names are accepted in both spellings"; all requests are answered."""
    client = lab.client(start(lab, spelling))
    assert set(chosen(client, 30)) <= {0, 1, 2}


def test_round_robin_is_exact(lab):
    """Each of three gets each third request."""
    picks = chosen(lab.client(start(lab, "round-robin")), 30)
    for at in range(0, 30, 3):
        assert sorted(picks[at:at + 3]) == [0, 1, 2]


def test_round_robin_is_exact_over_clients(lab):
    """The turn belongs to the pool, not to a client's connection."""
    proxy = start(lab, "round-robin")
    picks = [chosen(lab.client(proxy), 1)[0] for _ in range(12)]
    assert collections.Counter(picks) == {0: 4, 1: 4, 2: 4}


def test_round_robin_weights_are_exact_and_smooth(lab):
    """Smooth weighted: 5:1:1 in every seven, and never all five in a row."""
    picks = chosen(lab.client(start(lab, "round-robin", (5, 1, 1))), 70)
    assert collections.Counter(picks) == {0: 50, 1: 10, 2: 10}
    assert "00000" not in "".join(map(str, picks))


@pytest.mark.parametrize("strategy", ["round-robin", "random", "least-connections"])
def test_weight_zero_is_never_chosen(lab, strategy):
    """Setting backends[].weight: 0 = never chosen."""
    picks = chosen(lab.client(start(lab, strategy, (1, 0, 1))), 40)
    assert set(picks) == {0, 2}


def test_random_reaches_all_by_weight(lab):
    """A thousand draws of 2:1:1 are within six deviations of their mean."""
    picks = collections.Counter(chosen(lab.client(start(lab, "random", (2, 1, 1))), 1000))
    assert 405 <= picks[0] <= 595
    assert 168 <= picks[1] <= 332


def test_ip_hash_keeps_a_client_with_its_backend(lab):
    """The address decides: each has one backend for ever, and the addresses spread."""
    proxy = start(lab, "ip-hash")
    homes = {}
    for _ in range(2):
        for last in range(1, 41):
            client = lab.client(proxy, source=f"127.0.0.{last}")
            picks = set(chosen(client, 2))
            client.close()
            assert len(picks) == 1
            assert homes.setdefault(last, picks) == picks
    assert set().union(*homes.values()) == {0, 1, 2}


def hold(lab, strategy, held):
    """A proxy before two origins whose requests to /held wait for an event."""
    arrived = []

    def respond(number):
        def respond_one(seen):
            if seen.target == "/held":
                arrived.append(number)
                wait_event(held)
            return answer(str(number))
        return respond_one

    origins = [lab.origin(serve(respond(number))) for number in range(2)]
    return lab.proxy(*origins, loadBalancing={"strategy": strategy}), arrived


@pytest.mark.parametrize("strategy", ["least-connections", "power-of-two-choices"])
def test_busy_backend_is_avoided(lab, strategy):
    """With one request in progress at one of two backends, the other gets the next ones."""
    held = threading.Event()
    proxy, arrived = hold(lab, strategy, held)
    busy = lab.client(proxy)
    busy.send(request("GET", "/held"))
    wait_until(lambda: arrived, "the held request arrives")
    picks = set(chosen(lab.client(proxy), 10))
    held.set()
    assert int(busy.read_response().body) == arrived[0]
    assert picks == {1 - arrived[0]}


def test_least_connections_spreads_what_is_in_progress(lab):
    """Ten requests at once over two backends: five each."""
    held = threading.Event()
    proxy, arrived = hold(lab, "least-connections", held)
    clients = [lab.client(proxy) for _ in range(10)]
    for number, client in enumerate(clients):
        client.send(request("GET", "/held"))
        wait_until(lambda: len(arrived) > number, "the request arrives")
    held.set()
    for client in clients:
        assert client.read_response().status == 200
    assert collections.Counter(arrived) == {0: 5, 1: 5}


def test_two_workers_serve_all(lab):
    """Each worker has its own turn; together they still reach every backend."""
    proxy = start(lab, "round-robin", workers=2)
    picks = [chosen(lab.client(proxy), 3) for _ in range(20)]
    assert set(sum(picks, [])) == {0, 1, 2}
