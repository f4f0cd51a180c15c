"""responses.json through the running proxy: what an origin sends."""
import pytest
from vectors import load, message_bytes

from lib.client import request
from lib.origin import answer, serve
from lib.wire import Closed


def sending(case, in_pieces):
    """A handler whose first connection answers with the case's bytes, all others with "clean"."""
    data = message_bytes(case["response"])
    step = 1 if in_pieces else max(1, len(data))

    def handler(connection):
        if connection.index == 0:
            connection.read_request()
            for at in range(0, len(data), step):
                connection.send(data[at:at + step])
            if case["origin_closes"]:
                return
            if case["outcome"] != "ok":
                assert connection.wait_closed() == b"", "a broken connection was used again"
        serve(lambda seen: answer("clean"))(connection)
    return handler


def check_ok(client, case, method):
    response = client.read_response(method)
    assert response.status == case["status"]
    if "body" in case:
        assert response.body == message_bytes(case["body"])


def check_bad_gateway(client, case, method):
    response = client.read_response(method)
    assert response.status == case["status"] == 502
    assert response.get("Content-Type").startswith("application/json")
    assert b"hello" not in response.head + response.body


def check_cut_short(client, case, method):
    response = client.read_response(method, body=False)
    if response.status == 502 != case["status"]:
        return  # the fault was found before anything was sent
    assert response.status == case["status"]
    with pytest.raises(Closed) as end:
        client.read_body(response, int(response.get("Content-Length", "0")))
        assert response.framing == "chunked" or not response.body
    came = response.body if response.framing == "chunked" else end.value.rest
    assert message_bytes(case.get("body", "")).startswith(came)


CHECKS = {"ok": check_ok, "bad_gateway": check_bad_gateway, "cut_short": check_cut_short}


@pytest.mark.parametrize("in_pieces", [False, True], ids=["whole", "byte_by_byte"])
@pytest.mark.parametrize("case", **load("responses.json"))
def test_response(lab, case, in_pieces):
    """What the client is given; and whatever came, the next request has its own answer."""
    proxy = lab.proxy(lab.origin(sending(case, in_pieces)))
    client = lab.client(proxy)
    method = case.get("method", "GET")
    client.send(request(method, "/"))
    CHECKS[case["outcome"]](client, case, method)
    assert lab.ask(proxy, request()).body == b"clean"
