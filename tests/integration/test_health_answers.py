"""Active health checks: what a response's body has to contain, and the fields of a probe."""
import pytest

from lib.checks import Patient, checked, wait_down, wait_event
from lib.origin import answer, serve, wait_until
from lib.reload import reload
from lib.settings import backends_of

LIMIT = 65536  # as much of a body is looked at


def speaks(*pieces, end=False):
    """A handler that answers with these pieces, then waits for the end of the connection, or ends it."""
    def handler(connection):
        connection.read_request()
        for piece in pieces:
            connection.send(piece)
        if not end:
            connection.wait_closed()
    return handler


def single_bytes(message):
    return [bytes([byte]) for byte in message]


def chunked(*pieces, last=b"0\r\n\r\n"):
    return b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n" + b"".join(
        b"%x\r\n%s\r\n" % (len(piece), piece) for piece in pieces) + last


def endless(body):
    return b"HTTP/1.1 200 OK\r\n\r\n" + body


# ---- What the body contains ----

@pytest.mark.parametrize("pieces", [
    [answer("all is well here")],
    single_bytes(answer("wewell")),
    [chunked(b"all is w", b"e", b"ll")],
    single_bytes(chunked(b"wewe", b"ll")),
    [chunked(b"well", last=b"")],  # what follows is not waited for
    [endless(b"all is well")],
    [b"HTTP/1.1 103 Early Hints\r\n\r\n" + answer("well")],
    [answer(b"." * (LIMIT - 4) + b"well" + b"." * LIMIT)],
], ids=["whole", "bytes", "chunks", "bytes of chunks", "half", "endless", "interim", "far"])
def test_a_body_that_contains_it(lab, pieces):
    proxy = lab.proxy(checked(lab.origin(speaks(*pieces)), body="well"))
    assert wait_event(proxy, "info")["backendId"] == "b0"


@pytest.mark.parametrize("pieces,end", [
    ([answer("all is not wel")], False),
    ([answer("")], False),
    ([answer(b"", status="204 No Content")], False),
    ([chunked(b"we", b"not", b"ll")], False),
    ([chunked(b"4")], False),
    ([endless(b"wel")], True),
    ([answer(b"." * (LIMIT - 3) + b"well")], False),
    ([chunked(b"." * LIMIT, b"well")], False),
    ([endless(b"." * LIMIT + b"well")], False),
], ids=["length", "empty", "no content", "chunks", "chunk's length", "closed", "too far", "chunks too far", "endless"])
def test_a_body_that_does_not(lab, pieces, end):
    _, event = wait_down(lab, checked(lab.origin(speaks(*pieces, end=end)), body="well"))
    assert event["error"] == "body"
    assert "a body that does not contain healthCheck.body" in event["message"]


@pytest.mark.parametrize("piece,end,error", [
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nno\r\n", False, "bad_response"),
    (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n", False, "bad_response"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\n", False, "bad_response"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nwel", True, "closed"),
    (chunked(b"wel", last=b""), True, "closed"),
    (b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nwel", False, "timeout"),
    (answer("well", status="404 Not Found"), False, "status 404"),
])
def test_what_else_may_be_wrong(lab, piece, end, error):
    timeout = {"timeout": 300} if error == "timeout" else {}
    _, event = wait_down(lab, checked(lab.origin(speaks(piece, end=end)), body="well",
                                      unhealthyThreshold=1, **timeout))
    assert event["error"] == error


def test_a_body_that_drips_is_cut_off_by_the_timeout(lab):
    def handler(connection):
        connection.read_request()
        connection.send(endless(b""))
        while not connection.origin.closing.wait(0.01):
            connection.send(b".")

    _, event = wait_down(lab, checked(lab.origin(handler), body="well", timeout=200, unhealthyThreshold=1))
    assert event["error"] == "timeout"


def test_without_body_it_is_not_waited_for(lab):
    half = b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\n"
    proxy = lab.proxy(checked(lab.origin(speaks(half))))
    assert wait_event(proxy, "info")["backendId"] == "b0"


def test_a_reload_asks_for_another_body(lab):
    """Nothing else of the check is another one."""
    origin = lab.origin(serve(lambda seen: answer("well")))
    proxy = lab.proxy(checked(origin, body="well"))
    wait_event(proxy, "info")
    reload(proxy, backends=backends_of([checked(origin, body="better")]))
    assert wait_event(proxy, "warn")["error"] == "body"


def test_other_bodies_are_other_questions(lab):
    """The same path of the same backend: one finds what it looks for, one does not."""
    origin = lab.origin(serve(lambda seen: answer("well")))
    proxy = lab.proxy(checked(origin, body="well"), checked(origin, body="ill"))
    assert wait_event(proxy, "info")["backendId"] == "b0"
    assert wait_event(proxy, "warn")["backendId"] == "b1"


# ---- The fields of a probe ----

def test_fields_arrive(lab):
    patient = Patient()
    origin = lab.origin(serve(patient))
    lab.proxy(checked(origin, headers={"Authorization": "Bearer abc", "X-Empty": "", "accept": "text/plain"}))
    wait_until(lambda: patient.probes, "a probe")
    probe = patient.probes[0]
    assert probe.get_all("Authorization") == ["Bearer abc"]
    assert probe.get_all("X-Empty") == [""]
    assert probe.get_all("Accept") == ["text/plain"]
    assert probe.get_all("User-Agent") == ["nextproxy-health-check"]
    assert probe.get_all("Host") == [f"127.0.0.1:{origin.address[1]}"]
    assert probe.get_all("Connection") == ["close"]


def test_host_is_one_of_them(lab):
    patient = Patient()
    lab.proxy(checked(lab.origin(serve(patient)), headers={"host": "app.example:81", "User-Agent": "me"}))
    wait_until(lambda: patient.probes, "a probe")
    assert patient.probes[0].get_all("Host") == ["app.example:81"]
    assert patient.probes[0].get_all("User-Agent") == ["me"]


def test_as_many_as_there_is_room_for(lab):
    """The longest path, host and fields at once."""
    patient = Patient()
    headers = {f"X-{n:02}": "v" * 120 for n in range(32)}
    lab.proxy(checked(lab.origin(serve(patient)), path="/health" + "x" * 1017, host="h" * 255, headers=headers))
    wait_until(lambda: patient.probes, "a probe")
    assert all(patient.probes[0].get(name) == value for name, value in headers.items())


def test_other_fields_are_other_questions(lab):
    patient = Patient()
    origin = lab.origin(serve(patient))
    lab.proxy(checked(origin, headers={"X-Which": "one"}), checked(origin, headers={"X-Which": "two"}))
    wait_until(lambda: {probe.get("X-Which") for probe in patient.probes} == {"one", "two"}, "both")
