"""Expect: 100-continue (RFC 9110 section 10.1.1) and interim responses (section 15.2)."""
import threading

from lib.client import request
from lib.origin import answer, serve, wait_event

CONTINUE = "HTTP/1.1 100 Continue\r\n\r\n"
EXPECTING = request("POST", "/", "Expect: 100-continue", "Content-Length: 5")


def test_body_follows_the_100(lab):
    """The client waits for 100, the origin sends it, the body follows; exactly one 100 arrives."""
    def handler(connection):
        head = connection.read_request(body=False)
        assert head.get("Expect") == "100-continue"
        connection.send(CONTINUE)
        assert connection.read_exactly(5) == b"hello"
        connection.send(answer("done"))

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(EXPECTING)
    assert client.read_head().status == 100
    client.send(b"hello")
    response = client.read_response("POST")
    assert (response.status, response.body, response.interim) == (200, b"done", [])


def test_final_status_instead_of_100(lab):
    """RFC 9110 section 10.1.1: an origin may refuse before the body was sent."""
    def handler(connection):
        connection.read_request(body=False)
        connection.send(answer("no", "Connection: close", status="403 Forbidden"))
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(EXPECTING)
    response = client.read_response("POST")
    assert (response.status, response.body, response.interim) == (403, b"no", [])


def test_client_that_does_not_wait(lab):
    """RFC 9110 section 10.1.1: a client may send the body without a 100."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(EXPECTING, b"hello")
    assert client.read_response("POST").status == 200
    assert origin.requests[0].body == b"hello"
    assert client.get().status == 200


def test_unknown_expectation_is_refused(lab):
    """RFC 9110 section 10.1.1: 417."""
    origin = lab.origin()
    client = lab.client(lab.proxy(origin))
    client.send(request("POST", "/", "Expect: a-miracle", "Content-Length: 5"))
    assert client.read_response("POST").status == 417
    client.expect_end()
    assert not origin.received()


def test_http_1_0_client_gets_no_100(lab):
    """RFC 9110 section 10.1.1: the expectation of a 1.0 client is ignored; section 15.2: 1xx are
    not sent to it."""
    def handler(connection):
        connection.send(CONTINUE if connection.read_request() else "", answer("done"))

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Expect: 100-continue", body=b"hello", version="1.0"))
    response = client.read_response("POST")
    assert (response.status, response.interim) == (200, [])


def test_early_hints_arrive_before_the_answer_is_made(lab):
    """Issue, Forwarding: "1xx forwarded"; RFC 8297 section 2."""
    gate = threading.Event()

    def handler(connection):
        connection.read_request()
        connection.send("HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\n")
        wait_event(gate)
        connection.send(answer("page"))

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request())
    hints = client.read_head()
    assert (hints.status, hints.get("Link")) == (103, "</a.css>; rel=preload")
    gate.set()
    assert client.read_response().body == b"page"


def test_several_interim_responses_in_one_segment_with_the_final_one(lab):
    """RFC 9110 section 15.2: any number of 1xx may precede the final response."""
    hints = "HTTP/1.1 103 Early Hints\r\nX-N: %d\r\n\r\n"
    origin = lab.origin(serve(lambda seen: "HTTP/1.1 102 Processing\r\n\r\n" + hints % 1 + hints % 2
                              + answer("end").decode()))
    client = lab.client(lab.proxy(origin))
    for _ in range(3):
        response = client.get()
        assert [seen.status for seen in response.interim] == [102, 103, 103]
        assert [seen.get("X-N") for seen in response.interim] == [None, "1", "2"]
        assert response.body == b"end"
    assert len(origin.connections) == 1


def test_interim_responses_are_dropped_for_http_1_0(lab):
    """RFC 9110 section 15.2: no 1xx to a 1.0 client."""
    origin = lab.origin(serve(lambda seen: "HTTP/1.1 103 Early Hints\r\nX-N: 1\r\n\r\n"
                              + answer("end").decode()))
    response = lab.ask(lab.proxy(origin), request(version="1.0"))
    assert (response.status, response.interim, response.body) == (200, [], b"end")


def test_unasked_100_is_forwarded(lab):
    """RFC 9110 section 15.2: a proxy forwards 1xx unless it asked for them itself."""
    origin = lab.origin(serve(lambda seen: CONTINUE + answer("end").decode()))
    response = lab.client(lab.proxy(origin)).get()
    assert [seen.status for seen in response.interim] == [100]
    assert response.body == b"end"


def test_endless_interim_responses_do_not_hold_the_proxy(lab):
    """Everything is bounded: an origin that sends 1xx without end is a broken one, or it runs into
    the response head timeout; other clients are served meanwhile."""
    def handler(connection):
        if connection.read_request().target == "/endless":
            while True:
                connection.send("HTTP/1.1 103 Early Hints\r\n\r\n" * 100)
        connection.send(answer("fine"))

    proxy = lab.proxy(lab.origin(handler), timeouts={"responseHead": 20_000})
    client = lab.client(proxy)
    client.send(request("GET", "/endless"))
    client.read_head()
    assert lab.ask(proxy, request()).body == b"fine"
    client.close()
    assert lab.ask(proxy, request()).body == b"fine"
