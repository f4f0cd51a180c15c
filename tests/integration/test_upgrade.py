"""Upgrade (RFC 9110 section 7.8) and the tunnels behind a 101."""
import hashlib
import threading

import pytest

from lib.client import request
from lib.origin import answer, serve, wait_event, wait_until
from lib.tunnel import SWITCH, UPGRADE, echo_bytes, enter


def tunnel(lab, talk, first=b"", **sections):
    """A client in a tunnel to an origin that runs talk(connection) behind its 101."""
    def handler(connection):
        connection.read_request()
        connection.send(SWITCH, first)
        talk(connection)

    client = lab.client(lab.proxy(lab.origin(handler), **sections))
    return client, enter(client)


def test_heads_of_the_handshake(lab):
    """RFC 9110 section 7.8: Connection: upgrade and Upgrade are made anew on each hop."""
    client, response = tunnel(lab, echo_bytes)
    seen = lab.origins[0].requests[0]
    for message in (seen, response):
        assert message.has_token("Connection", "upgrade")
        assert message.get("Upgrade") == "websocket"
    assert seen.get("Sec-WebSocket-Key") == "dGhlIHNhbXBsZSBub25jZQ=="
    assert response.get("Sec-WebSocket-Accept") == "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
    client.close()


def test_bytes_both_ways(lab):
    """The tunnel changes nothing: any bytes, also such that look like HTTP."""
    client, _ = tunnel(lab, echo_bytes)
    for data in (b"\x00", bytes(range(256)), request(), b"0\r\n\r\n", b"x" * 100_000):
        client.send(data)
        assert client.read_exactly(len(data)) == data
    client.close()


def test_bytes_right_behind_the_101(lab):
    """What the origin sends in the same segment as its 101 belongs to the tunnel."""
    client, _ = tunnel(lab, lambda connection: connection.wait_closed(), first=b"welcome")
    assert client.read_exactly(7) == b"welcome"
    client.close()


def test_large_transfers_both_ways_at_once(lab):
    """Both directions are bounded and neither starves the other."""
    size = 5 << 20
    down, up = hashlib.shake_256(b"down").digest(size), hashlib.shake_256(b"up").digest(size)
    got = []

    def talk(connection):
        sender = threading.Thread(target=connection.send, args=(down,))
        sender.start()
        got.append(connection.read_exactly(size))
        sender.join()
        connection.send(b"end")

    client, _ = tunnel(lab, talk)
    sender = threading.Thread(target=client.send, args=(up,))
    sender.start()
    assert client.read_exactly(size) == down
    sender.join()
    assert client.read_exactly(3) == b"end"
    assert got[0] == up


def test_client_half_closes(lab):
    """Issue, Forwarding: "tunnels with half-close": the other direction goes on."""
    def talk(connection):
        data = connection.read_to_end(allow_reset=False)
        connection.send(b"got " + data)

    client, _ = tunnel(lab, talk)
    client.send(b"request")
    client.half_close()
    assert client.read_to_end(allow_reset=False) == b"got request"


def test_client_half_closes_and_reads_slowly(lab):
    """What does not fit into its socket is sent when there is room, nothing is lost; others are
    served meanwhile."""
    body = b"z" * 20_000_000

    def talk(connection):
        connection.read_to_end(allow_reset=False)
        connection.send(body)

    client, _ = tunnel(lab, talk)
    client.half_close()
    lab.origins[0].handler = serve(lambda seen: answer("fine"))
    for _ in range(50):
        assert lab.ask(lab.proxies[0], request()).body == b"fine"
    assert client.read_exactly(len(body)) == body
    client.expect_end(allow_reset=False)


def test_origin_half_closes(lab):
    """The same from the other side."""
    got = []

    def talk(connection):
        connection.send(b"last words")
        connection.half_close()
        got.append(connection.read_to_end(allow_reset=False))

    client, _ = tunnel(lab, talk)
    assert client.read_to_end(allow_reset=False) == b"last words"
    client.send(b"still talking")
    client.half_close()
    wait_event(lab.origins[0].connections[0].ended)
    assert got == [b"still talking"]


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_client_gone_ends_the_origin_side(lab, ending):
    """Neither end is left behind."""
    client, _ = tunnel(lab, echo_bytes)
    client.send(b"x")
    assert client.read_exactly(1) == b"x"
    getattr(client, ending)()
    wait_event(lab.origins[0].connections[0].ended, "the origin's side of the tunnel ends")


@pytest.mark.parametrize("ending", ["close", "reset"])
def test_origin_gone_ends_the_client_side(lab, ending):
    """Neither end is left behind; a reset is not made to look like an orderly end."""
    client, _ = tunnel(lab, lambda connection: getattr(connection, ending)())
    client.read_to_end()
    client.close()


def test_refused_upgrade_is_an_ordinary_exchange(lab):
    """RFC 9110 section 7.8: a server may ignore Upgrade; the connection stays HTTP/1.1."""
    client = lab.client(lab.proxy(lab.origin(serve(lambda seen: answer(seen.target)))))
    client.send(UPGRADE, request("GET", "/next"))
    assert client.read_response().body == b"/chat"
    assert client.read_response().body == b"/next"


def test_426_passes_with_its_upgrade_field(lab):
    """RFC 9110 section 15.5.22."""
    refusal = answer("no", "Connection: Upgrade", "Upgrade: foo/2", status="426 Upgrade Required")
    response = lab.client(lab.proxy(lab.origin(serve(lambda seen: refusal)))).get()
    assert response.status == 426


def test_upgrade_not_named_by_connection_is_not_forwarded(lab):
    """RFC 9110 section 7.8: without the connection option the field is for nobody behind us."""
    origin = lab.origin()
    assert lab.ask(lab.proxy(origin), request("GET", "/", "Upgrade: websocket")).status == 200
    assert origin.requests[0].get_all("Upgrade") == []


def test_upgrade_in_1_0_is_ignored(lab):
    """RFC 9110 section 7.8: Upgrade in a 1.0 request is ignored."""
    origin = lab.origin()
    response = lab.ask(lab.proxy(origin), request("GET", "/", "Connection: Upgrade",
                                                  "Upgrade: websocket", version="1.0"))
    assert response.status == 200
    assert origin.requests[0].get_all("Upgrade") == []


def test_101_that_nobody_asked_for(lab):
    """RFC 9110 section 15.2.2: without Upgrade in the request a 101 is garbage."""
    def handler(connection):
        connection.read_request()
        connection.send(SWITCH, b"LEAK")
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler)))
    response = client.get()
    assert response.status == 502
    assert b"LEAK" not in response.body
    wait_event(lab.origins[0].connections[0].ended)


def test_upgrade_of_a_request_with_a_body(lab):
    """RFC 9110 section 7.8: the body ends before the new protocol begins."""
    def handler(connection):
        assert connection.read_request().body == b"body"
        connection.send(SWITCH)
        echo_bytes(connection)

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Connection: Upgrade", "Upgrade: websocket", body=b"body"))
    assert client.read_response("POST").status == 101
    client.send(b"ping")
    assert client.read_exactly(4) == b"ping"
    client.close()


def test_tunnel_idle_timeout(lab):
    """Issue, Configuration: "separate timeouts (... tunnel idle ...)"."""
    client, _ = tunnel(lab, lambda connection: connection.wait_closed(),
                       timeouts={"tunnelIdle": 300})
    client.expect_end()
    wait_event(lab.origins[0].connections[0].ended)


def test_upstreams_of_tunnels_are_never_pooled(lab):
    """After the tunnel its connection is not HTTP any more."""
    client, _ = tunnel(lab, echo_bytes)
    client.send(b"x")
    client.read_exactly(1)
    client.close()
    origin = lab.origins[0]
    wait_event(origin.connections[0].ended)
    origin.handler = serve(lambda seen: answer("new"))
    assert lab.ask(lab.proxies[0], request()).body == b"new"
    wait_until(lambda: len(origin.connections) == 2, "a new connection")


def test_reader_that_stops_holds_only_its_own_tunnel(lab):
    """A tunnel whose client does not read is bounded; others go on."""
    def handler(connection):
        if connection.read_request().target != "/chat":
            connection.send(answer("fine"))
            return
        connection.send(SWITCH)
        while True:
            connection.send(b"y" * 65536)

    proxy = lab.proxy(lab.origin(handler))
    slow = lab.client(proxy, receive_bytes=4096)
    enter(slow)
    before = proxy.memory_kb()
    for _ in range(20):
        assert lab.ask(proxy, request()).body == b"fine"
    assert proxy.memory_kb() - before < 16_384
    slow.reset()
