"""Responses that begin while the request body is still on its way (RFC 9112 section 9.3, 9.5)."""
import threading

from lib.client import chunked, request
from lib.origin import answer, serve, wait_event
from lib.wire import Closed


def test_answer_before_the_body_ended_then_the_body_goes_on(lab):
    """Issue, Forwarding: "early responses while the request body is still arriving"."""
    got = []

    def handler(connection):
        connection.read_request(body=False)
        connection.send(answer("early"))
        got.append(connection.read_exactly(10))
        connection.send(answer(connection.read_request().target))

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Content-Length: 10"), b"01234")
    assert client.read_response("POST").body == b"early"
    try:
        client.send(b"56789")
        assert client.get("/next").body == b"/next"
        assert got == [b"0123456789"]
    except (Closed, OSError):  # RFC 9112 section 9.6 lets a server end it there instead
        assert [seen.target for seen in lab.origins[0].requests] == ["/"]


def test_refusal_that_closes_at_once(lab):
    """An origin refuses an upload without reading it; the client sees its words, not ours."""
    def handler(connection):
        connection.read_request(body=False)
        connection.send(answer("too much", "Connection: close", status="413 Content Too Large"))
        connection.half_close()
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Content-Length: 100000000"), b"x" * 10_000)
    response = client.read_response("POST")
    assert (response.status, response.body) == (413, b"too much")


def test_refusal_while_the_client_keeps_sending(lab):
    """The same with a client that pushes a body that never fits; it must not hang."""
    def handler(connection):
        connection.read_request(body=False)
        connection.send(answer("stop", "Connection: close", status="403 Forbidden"))
        connection.half_close()
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Content-Length: 50000000"))
    stop = threading.Event()

    def push():
        try:
            while not stop.is_set():
                client.send(b"x" * 65536)
        except OSError:
            pass

    pusher = threading.Thread(target=push)
    pusher.start()
    try:
        response = client.read_response("POST")
        assert (response.status, response.body) == (403, b"stop")
    finally:
        stop.set()
        client.close()
        pusher.join()


def test_full_duplex_echo(lab):
    """Both relays run at once: every chunk comes back before the next is sent."""
    def handler(connection):
        connection.read_request(body=False)
        connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
        while chunk := connection.read_chunk():
            connection.send(b"%x\r\n%s\r\n" % (len(chunk), chunk))
        connection.read_trailers()
        connection.send(b"0\r\n\r\n")
        serve(lambda seen: answer("again"))(connection)

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("POST", "/", "Transfer-Encoding: chunked"))
    assert client.read_response("POST", body=False).framing == "chunked"
    for number in range(20):
        piece = b"%d" % number * (number * 100 + 1)
        client.send(b"%x\r\n%s\r\n" % (len(piece), piece))
        got = b""
        while len(got) < len(piece):
            got += client.read_chunk()
        assert got == piece
    client.send(chunked())
    assert client.read_chunk() == b"" and client.read_trailers() == []
    assert client.get().body == b"again"


def test_early_answer_is_complete_before_the_body_is(lab):
    """A long response in full while the upload stands still."""
    gate = threading.Event()

    def handler(connection):
        connection.read_request(body=False)
        connection.send(answer(b"r" * 300_000))
        wait_event(gate)
        connection.wait_closed()

    client = lab.client(lab.proxy(lab.origin(handler)))
    client.send(request("PUT", "/", "Transfer-Encoding: chunked"), b"3\r\nabc\r\n")
    assert client.read_response("PUT").body == b"r" * 300_000
    gate.set()
    client.close()


def test_unread_body_never_becomes_a_request(lab):
    """Whatever happens to an upload that nobody reads, its bytes are not the next request."""
    def handler(connection):
        connection.read_request(body=False)
        connection.send(answer("early", "Connection: close"))
        connection.half_close()
        connection.wait_closed()

    origin = lab.origin(handler)
    client = lab.client(lab.proxy(origin))
    smuggled = request("GET", "/smuggled")
    client.send(request("POST", "/", f"Content-Length: {len(smuggled)}"))
    assert client.read_response("POST").body == b"early"
    try:
        client.send(smuggled)
        client.read_to_end()
    except OSError:
        pass
    assert [seen.target for seen in origin.requests] == ["/"]
