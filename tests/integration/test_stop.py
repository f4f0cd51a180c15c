"""Graceful stop (issue, Forwarding: "SIGTERM stops accepting, finishes exchanges ...")."""
import select
import signal
import threading

import pytest

from lib.client import request
from lib.engine import wait_refusing
from lib.held import Held
from lib.origin import answer, serve, wait_event, wait_until
from lib.tunnel import echo_tunnel, enter


def test_stop_without_connections(lab):
    """Exit 0; twice over with both signals."""
    for number in (signal.SIGTERM, signal.SIGINT):
        proxy = lab.proxy(lab.origin(), workers=2)
        proxy.signal(number)
        assert proxy.wait_exit() == 0


def test_idle_connections_are_closed(lab):
    """Keep-alive clients and those that never asked, soon; idle upstreams at once."""
    origin = lab.origin()
    proxy = lab.proxy(origin, timeouts={"drain": 60_000})
    used, unused = lab.client(proxy), lab.client(proxy)
    assert used.get().status == 200
    proxy.signal()
    used.expect_end(allow_reset=False)
    unused.expect_end(allow_reset=False)
    wait_event(origin.connections[0].ended)
    assert proxy.wait_exit() == 0


def test_exchange_in_progress_is_finished(lab):
    """The answer comes whole, says Connection: close, and then the connection ends."""
    held = Held(lab, timeouts={"drain": 60_000})
    held.proxy.signal()
    wait_refusing(held.proxy)
    assert held.proxy.process.poll() is None
    assert held.finish().has_token("Connection", "close")
    held.client.expect_end(allow_reset=False)
    assert held.proxy.wait_exit() == 0


def test_a_slow_answer_has_its_time_in_a_stop(lab):
    """timeouts.perTry is for when somebody else may be asked: in a stop nobody is any more."""
    held = Held(lab, timeouts={"drain": 60_000, "perTry": 300, "responseHead": 30_000})
    held.proxy.signal()
    wait_refusing(held.proxy)
    assert not select.select([held.client.sock], [], [], 1)[0], "it is answered before its time"
    assert held.finish().status == 200
    assert held.proxy.wait_exit() == 0


@pytest.mark.parametrize("framing", ["length", "chunked"])
def test_bodies_in_progress_are_finished(lab, framing):
    """A response that streams and an upload that arrives go on to their ends."""
    gate = threading.Event()

    def handler(connection):
        if connection.read_request(body=False).target == "/upload":
            assert connection.read_exactly(10) == b"0123456789"
            connection.send(answer("stored"))
            return
        connection.send("HTTP/1.1 200 OK\r\n" + ("Content-Length: 200000\r\n\r\n" if framing ==
                        "length" else "Transfer-Encoding: chunked\r\n\r\n30d40\r\n"))
        connection.send(b"a" * 100_000)
        wait_event(gate)
        connection.send(b"a" * 100_000, "" if framing == "length" else "\r\n0\r\n\r\n")

    origin = lab.origin(handler)
    proxy = lab.proxy(origin, timeouts={"drain": 60_000})
    down, up = lab.client(proxy), lab.client(proxy)
    down.send(request())
    head = down.read_response(body=False)
    up.send(request("PUT", "/upload", "Content-Length: 10"), b"01234")
    wait_until(lambda: len(origin.connections) == 2, "the upload begins")
    proxy.signal()
    wait_refusing(proxy)
    up.send(b"56789")
    assert up.read_response("PUT").body == b"stored"
    gate.set()
    down.read_body(head, 200_000)
    assert head.body == b"a" * 200_000
    assert proxy.wait_exit() == 0


def test_request_that_is_half_there_is_finished(lab):
    """A head that was begun before the stop is either served or closed, and does not hold it."""
    proxy = lab.proxy(lab.origin(serve(lambda seen: answer("served"))),
                      timeouts={"drain": 60_000, "requestHead": 1000})
    client = lab.client(proxy)
    assert client.get().status == 200
    client.send("GET / HTTP/1.1\r\nHost: a\r\n")
    proxy.signal()
    wait_refusing(proxy)
    assert proxy.wait_exit() == 0


def test_drain_timeout_ends_what_does_not_end(lab):
    """Setting timeouts.drain: an exchange that never ends does not hold the stop for ever."""
    held = Held(lab, timeouts={"drain": 300})
    held.proxy.signal()
    held.client.read_to_end()
    assert held.proxy.wait_exit() == 0
    held.gate.set()


def test_tunnels_get_the_drain_time(lab):
    """A tunnel goes on during the drain and is ended behind it."""
    proxy = lab.proxy(lab.origin(echo_tunnel), timeouts={"drain": 5000})
    client = lab.client(proxy)
    enter(client)
    proxy.signal()
    wait_refusing(proxy)
    client.send(b"still here")
    assert client.read_exactly(10) == b"still here"
    client.expect_end()
    assert proxy.wait_exit() == 0


def test_tunnel_that_ends_by_itself_ends_the_drain(lab):
    """The stop waits for what runs, not for the clock."""
    proxy = lab.proxy(lab.origin(echo_tunnel), timeouts={"drain": 600_000})
    client = lab.client(proxy)
    enter(client)
    proxy.signal()
    wait_refusing(proxy)
    client.close()
    assert proxy.wait_exit() == 0


def test_second_signal_stops_at_once(lab):
    """Issue: "a second signal stops at once", whatever still runs."""
    held = Held(lab, timeouts={"drain": 600_000})
    held.proxy.signal()
    wait_refusing(held.proxy)
    held.proxy.signal()
    held.proxy.wait_exit()
    held.client.read_to_end()
    held.gate.set()


def test_no_request_is_lost_in_a_stop_under_load(lab):
    """In the middle of traffic: every client gets all of its answers, the last of which says that
    it is, and only then the end. A request that was on its way to an idle connection counts."""
    proxy = lab.proxy(lab.origin(serve(lambda seen: answer("x" * 1000))), workers=2,
                      timeouts={"drain": 600_000, "drainIdle": 60_000})
    ends = []

    def ask_until_told():
        client = lab.client(proxy)
        try:
            while client.ask(request()).get("Connection") != "close":
                pass
            client.expect_end(allow_reset=False)
            ends.append("told")
        except Exception as end:  # pylint: disable=broad-except
            ends.append(repr(end))

    threads = [threading.Thread(target=ask_until_told) for _ in range(8)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(lab.origins[0].requests) > 500, "traffic flows")
    proxy.signal()
    for thread in threads:
        thread.join()
    assert proxy.wait_exit() == 0
    assert ends == ["told"] * 8
