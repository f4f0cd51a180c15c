"""After ten thousand odd endings everything is back at the start (issue, Tests: leak checks)."""
import os
import random
import threading

from lib.client import chunked, request
from lib.endings import end_oddly
from lib.origin import answer, wait_until
from lib.wire import Closed

SEED = int(os.environ.get("SEED", "20260113"))
ENDINGS = 10_000
THREADS = 8
SWITCH = "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: test\r\n\r\n"
ANSWERS = {
    "/big": lambda: answer(b"x" * 200_000),
    "/chunked": lambda: (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
                         + chunked(b"y" * 9)),
    "/cut": lambda: b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\nshort",
    "/garbage": lambda: b"garbage\r\n\r\n",
    "/early": lambda: answer("early"),
}
ENDED = {"/close", "/cut", "/garbage"}


def handler(connection):
    while True:
        seen = connection.read_request(body=False)
        if seen.target == "/reset":
            connection.reset()
            return
        if seen.target == "/none":
            connection.wait_closed()
        if seen.target == "/tunnel":
            connection.send(SWITCH)
            connection.wait_closed()
        if seen.target != "/early":
            connection.read_body(seen, int(seen.get("Content-Length", "0")))
        connection.send(ANSWERS.get(seen.target, answer)())
        connection.requests.clear()
        if seen.target in ENDED or seen.target == "/early":
            return


def run_endings(lab, proxy, count):
    """The endings over a few threads, each with its part of the seed."""
    failures = []

    def work(number):
        chance = random.Random(SEED * 1000 + number)
        try:
            for _ in range(count // THREADS):
                end_oddly(lab, proxy, chance)
        except Exception as error:  # pylint: disable=broad-except
            failures.append(repr(error))

    threads = [threading.Thread(target=work, args=(number,)) for number in range(THREADS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures


def settle(lab, proxy):
    """A few ordinary requests, all of which must be answered, but for those that a busy machine has
    let come too late."""
    def answered():
        try:
            response = lab.ask(proxy, request())
        except Closed:
            return False
        assert response.status in (200, 408) and (response.status == 408 or not response.body)
        return response.status == 200
    for _ in range(20):
        wait_until(answered, "an ordinary answer")
    wait_until(lambda: sockets_of(proxy) <= 2, "client and upstream connections are gone")


def sockets_of(proxy):
    """Connections of the proxy that are open on its side, listeners aside."""
    inodes = set()
    for fd in os.listdir(f"/proc/{proxy.engine_pid}/fd"):
        try:
            link = os.readlink(f"/proc/{proxy.engine_pid}/fd/{fd}")
        except OSError:
            continue
        if link.startswith("socket:["):
            inodes.add(link[8:-1])
    with open(f"/proc/{proxy.engine_pid}/net/tcp", encoding="ascii") as table:
        rows = [line.split() for line in table.readlines()[1:]]
    return sum(row[9] in inodes and row[3] != "0A" for row in rows)


def test_ten_thousand_odd_endings(lab):
    """Sockets, descriptors and memory return to where they were; the seed is printed on failure."""
    proxy = lab.proxy(lab.origin(handler), upstream={"idleConnections": 2},
                      timeouts={"requestHead": 100, "requestBodyIdle": 100, "keepAlive": 100,
                                "tunnelIdle": 100},
                      routes=[{"path": "/none", "timeouts": {"responseHead": 100}}],
                      logging={"errorLog": {"enabled": False}, "accessLog": {"enabled": False}})
    print(f"SEED={SEED}")
    run_endings(lab, proxy, ENDINGS // 10)
    settle(lab, proxy)
    descriptors, memory_kb = proxy.fd_count(), proxy.memory_kb()
    run_endings(lab, proxy, ENDINGS)
    settle(lab, proxy)
    assert proxy.fd_count() <= descriptors + 2
    assert proxy.memory_kb() - memory_kb < 8192
