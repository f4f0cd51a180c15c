"""requests.json through the running proxy: what a client sends."""
import pytest
from vectors import load, message_bytes

from lib.client import request
from lib.origin import answer, serve


@pytest.fixture(name="proxy", scope="module")
def running(shared):
    return shared.proxy(shared.origin(serve(lambda seen: answer(""))))


def whole(client, data):
    client.send(data)


def byte_by_byte(client, data):
    """The proxy may refuse before all of it was sent."""
    try:
        for at in range(len(data)):
            client.send(data[at:at + 1])
    except OSError:
        pass


@pytest.mark.parametrize("send", [whole, byte_by_byte])
@pytest.mark.parametrize("case", **load("requests.json"))
def test_request(shared, proxy, case, send):
    """Each answer in order, then the close or a further request; the origin saw exactly those that
    were answered 200, complete."""
    origin = shared.origins[0]
    before = len(origin.requests)
    statuses = case["status"] if isinstance(case["status"], list) else [case["status"]]
    data = message_bytes(case["request"])
    client = shared.client(proxy)
    shared.clients.remove(client)
    send(client, data)
    method = "HEAD" if data.startswith(b"HEAD ") else "GET"
    assert [client.read_response(method).status for _ in statuses] == statuses
    if case["closes"]:
        client.expect_end()
    else:
        assert client.ask(request("GET", "/further")).status == 200
    client.close()
    seen = [one for one in origin.requests[before:] if one.target != "/further"]
    assert len(seen) == statuses.count(200)
    if "payload" in case:
        assert seen[0].body == message_bytes(case["payload"])
