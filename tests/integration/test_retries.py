"""Retries on other backends (issue: "`retries` on other backends for connect failures and
timeouts"), and what is answered when none is left."""
import pytest

from lib.blackhole import BlackHole, Refused
from lib.client import request


@pytest.mark.parametrize("method", ["GET", "POST"])
def test_all_requests_succeed_while_one_of_two_is_down(lab, method):
    """Nothing was sent to the backend that refused, so even a POST may go elsewhere."""
    origin = lab.origin()
    proxy = lab.proxy(lab.keep(Refused()), origin, proxy={"retries": 1})
    client = lab.client(proxy)
    for _ in range(20):
        assert client.ask(request(method, "/", body=b"payload")).status == 200
    assert len(origin.requests) == 20
    assert all(seen.body == b"payload" for seen in origin.requests)


def test_streamed_upload_goes_to_the_other_backend_whole(lab):
    """A body that is still arriving when the first backend refuses is not lost."""
    origin = lab.origin()
    proxy = lab.proxy(lab.keep(Refused()), origin, proxy={"retries": 1})
    body = bytes(range(256)) * 4096
    for _ in range(4):
        assert lab.ask(proxy, request("PUT", "/", body=body)).status == 200
    assert [seen.body == body for seen in origin.requests] == [True] * 4


def test_two_of_three_down(lab):
    """As many further backends are tried as `retries` says, each only once."""
    origin = lab.origin()
    proxy = lab.proxy(lab.keep(Refused()), lab.keep(Refused()), origin, proxy={"retries": 2})
    for _ in range(10):
        assert lab.ask(proxy, request()).status == 200


def test_no_retries(lab):
    """`retries: 0`: the failure is the client's to see."""
    origin = lab.origin()
    proxy = lab.proxy(lab.keep(Refused()), origin, proxy={"retries": 0},
                      passiveCheck={"enabled": False})
    statuses = [lab.ask(proxy, request()).status for _ in range(10)]
    assert set(statuses) <= {200, 502, 503}
    assert statuses.count(200) == len(origin.requests) == 5


def test_all_down(lab):
    """None left: the client is told, on a connection that goes on."""
    proxy = lab.proxy(lab.keep(Refused()), lab.keep(Refused()), proxy={"retries": 5})
    client = lab.client(proxy)
    for _ in range(5):
        assert client.get().status in (502, 503)


def test_backend_that_comes_back(lab):
    """A refused connect is no verdict for ever: with nothing else it is tried again."""
    origin = lab.origin()
    proxy = lab.proxy(origin)
    assert lab.ask(proxy, request()).status == 200
    address = origin.address
    origin.close()
    assert lab.ask(proxy, request()).status in (502, 503)
    lab.origin(address=address)
    assert lab.ask(proxy, request()).status == 200


def test_connect_timeout_is_retried_elsewhere(lab):
    """A backend that never answers the SYN costs its timeout, not the request."""
    origin = lab.origin()
    proxy = lab.proxy(lab.keep(BlackHole()), origin, proxy={"retries": 1},
                      timeouts={"connect": 150})
    for _ in range(4):
        assert lab.ask(proxy, request("POST", "/", body=b"x")).status == 200
    assert len(origin.requests) == 4


def test_connect_timeout_with_nothing_else(lab):
    """RFC 9110 section 15.6.5: 504."""
    proxy = lab.proxy(lab.keep(BlackHole()), timeouts={"connect": 150})
    assert lab.client(proxy).get().status == 504
