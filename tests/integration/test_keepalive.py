"""Persistent connections on both sides (RFC 9112 section 9.3) and reuse of upstreams."""
from lib.client import request
from lib.origin import answer, serve, wait_until


def index_of_connection(connection):
    """Answers every request with the number of the origin's connection that it came on."""
    while True:
        connection.read_request()
        connection.send(answer(str(connection.index)))


def test_many_requests_use_one_connection_on_both_sides(lab):
    """Issue, Forwarding: "keep-alive both sides"."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    for number in range(50):
        assert client.get(f"/{number}").status == 200
    assert len(origin.connections) == 1
    assert [seen.target for seen in origin.requests] == [f"/{n}" for n in range(50)]


def test_clients_share_an_idle_upstream(lab):
    """Issue, Upstreams: "idle connections pooled per worker"."""
    origin = lab.origin()
    proxy = lab.proxy(origin)
    for _ in range(10):
        assert lab.ask(proxy, request()).status == 200
    assert len(origin.connections) == 1


def test_client_that_closes_is_told_so_and_the_upstream_is_kept(lab):
    """RFC 9112 section 9.6: a server that is told `close` says it too, and closes."""
    origin = lab.origin()
    proxy = lab.proxy(origin)
    client = lab.client(proxy)
    assert client.get("/", "Connection: close").has_token("Connection", "close")
    client.expect_end(allow_reset=False)
    assert lab.ask(proxy, request()).status == 200
    assert len(origin.connections) == 1
    assert not origin.requests[0].has_token("Connection", "close")


def test_close_in_any_spelling_and_place(lab):
    """RFC 9110 section 7.6.1: connection options are a list, compared without case."""
    proxy = lab.proxy(lab.origin())
    for lines in (["Connection: CLOSE"], ["Connection: foo, ,Close"],
                  ["Connection: foo", "Connection: close"]):
        client = lab.client(proxy)
        assert client.get("/", *lines).status == 200
        client.expect_end(allow_reset=False)


def test_origin_that_closes_does_not_close_the_client(lab):
    """RFC 9110 section 7.6.1: `Connection: close` is about one hop."""
    def one_each(connection):
        connection.read_request()
        connection.send(answer("one", "Connection: close"))

    origin = lab.origin(one_each)
    client = lab.client(lab.proxy(origin))
    for _ in range(5):
        response = client.get()
        assert response.body == b"one"
        assert not response.has_token("Connection", "close")
    assert len(origin.connections) == 5


def test_concurrent_exchanges_do_not_share_an_upstream(lab):
    """RFC 9112 section 9.3: one exchange at a time on a connection that is not pipelined."""
    arrived = []

    def held(seen):
        arrived.append(seen)
        wait_until(lambda: len(arrived) >= 3, "all requests at the origin at once")
        return answer(seen.target)

    origin = lab.origin(serve(held))
    proxy = lab.proxy(origin)
    clients = [lab.client(proxy) for _ in range(3)]
    for number, client in enumerate(clients):
        client.send(request("GET", f"/{number}"))
    for number, client in enumerate(clients):
        assert client.read_response().body == f"/{number}".encode()
    assert len(origin.connections) == 3


def test_empty_line_before_a_request_is_skipped(lab):
    """RFC 9112 section 2.2: a server should ignore one empty line before the request line."""
    client = lab.client(lab.proxy(lab.origin()))
    assert client.ask(b"\r\n" + request(), "GET").status == 200
    assert client.ask(b"\r\n" + request(), "GET").status == 200


def test_error_answers_of_the_proxy_keep_a_healthy_connection(lab):
    """A failed backend is no fault of the client's connection (RFC 9112 section 9.3)."""
    origin = lab.origin(lambda connection: connection.read_request() and connection.close())
    client = lab.client(lab.proxy(origin))
    assert client.get().status == 502
    origin.handler = index_of_connection
    assert client.get().status == 200
