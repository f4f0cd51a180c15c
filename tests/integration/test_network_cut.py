"""The network between the proxy and a backend is cut, in each way that there is (issue, "To show").
The proxy and its backends are in namespaces of their own; clients come through a unix socket."""
import pytest

from lib.client import request
from lib.load import Load, wait_answers
from lib.logs import entries
from lib.network import CUTS, FAR, Line, NotPermitted, cut, mend
from lib.origin import answer, serve, wait_until
from lib.tunnel import enter, or_tunnel
from lib.wire import Closed

CHECK = {"enabled": True, "path": "/health", "interval": 200, "maxInterval": 200, "timeout": 1000,
         "healthyThreshold": 1, "unhealthyThreshold": 2}
# What a backend must have begun to say by then; a dead connection costs a request that much. More
# than a busy machine takes for an answer, else those that are well are given up, too.
PATIENCE = {"connect": 2000, "responseHead": 5000}


@pytest.fixture(name="line")
def a_line(lab):
    try:
        line = Line()
    except (NotPermitted, FileNotFoundError) as error:
        pytest.skip(f"network namespaces are not permitted here: {error}")
    yield line
    try:
        lab.close()
    finally:
        line.close()


class Counted:
    """What an origin answers; `requests` counts those of clients."""

    def __init__(self):
        self.requests = 0

    def __call__(self, seen):
        self.requests += seen.target != "/health"
        return answer("here")


def near_proxy(lab, line, *origins, **sections):
    """A proxy at the near end, which clients reach from anywhere."""
    return lab.proxy(*origins, listeners=[{"unixSocket": str(lab.directory / "proxy.sock")}],
                     how={"before": line.near.enter}, **sections)


def two_origins(lab, line, near, far):
    """What stands for one at each end; both are checked."""
    origins = (lab.origin(serve(near), sock=line.near.bound("127.0.0.1")),
               lab.origin(serve(far), sock=line.far.bound(FAR)))
    return [{"url": origin.url, "healthCheck": CHECK} for origin in origins]


def wait_health(proxy, level):
    """Waits until the last change of the far backend, b1, was of this level. How many there were is
    nobody's guess: it is used before its first probe is answered, and may be cut before, too."""
    wait_until(lambda: [entry["level"] for entry in entries(proxy, "health")
                        if entry["backendId"] == "b1"][-1:] == [level], f"{level} comes last")


@pytest.mark.parametrize("how", CUTS)
def test_cut_and_mended(lab, line, how):
    """Requests go to the other backend and no client sees anything; then both serve again."""
    near, far = Counted(), Counted()
    proxy = near_proxy(lab, line, *two_origins(lab, line, near, far), workers=2,
                       proxy={"retries": 3}, timeouts=PATIENCE)
    load = Load(proxy)
    wait_until(lambda: min(near.requests, far.requests) >= 50, "requests at both")
    cut(line, how)
    wait_health(proxy, "warn")
    wait_answers(load, 300)
    mend(line, how)
    wait_health(proxy, "info")
    goal = far.requests + 50
    wait_until(lambda: far.requests >= goal, "requests at both again")
    load.stop()
    assert not load.errors


def begun(lab, line, handler, **sections):
    """A client, and a proxy before a far origin alone."""
    proxy = near_proxy(lab, line, lab.origin(handler, sock=line.far.bound(FAR)), **sections)
    return proxy, lab.client(proxy)


def faults(proxy):
    return [entry["fault"] for entry in entries(proxy, log="access") if "fault" in entry]


@or_tunnel
def stalling(_, seen):
    """The beginning of a long answer, or an ordinary answer, by what is asked for."""
    if seen.target == "/long":
        return "HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\nbegun"
    return answer("here")


def test_a_response_that_never_goes_on(lab, line):
    """What has begun cannot be had from anybody else: the client sees that it was cut."""
    proxy, client = begun(lab, line, stalling, timeouts={"responseIdle": 300})
    client.send(request("GET", "/long"))
    client.read_until(b"begun")
    cut(line, "answers vanish")
    with pytest.raises(Closed):
        client.read_exactly(1)
    wait_until(lambda: faults(proxy) == ["response_stalled"], "its record")


def test_a_tunnel_that_never_goes_on(lab, line):
    proxy, client = begun(lab, line, stalling, timeouts={"tunnelIdle": 1500})
    enter(client)
    client.send(b"ping")
    assert client.read_exactly(4) == b"ping"
    cut(line, "down there")
    client.send(b"lost")
    with pytest.raises(Closed):
        client.read_exactly(1)
    wait_until(lambda: faults(proxy) == ["tunnel_idle"], "its record")


def test_a_request_that_is_not_idempotent(lab, line):
    """Nobody knows whether the backend has it: the client is told so, and it is sent once only."""
    origin = lab.origin(stalling, sock=line.far.bound(FAR))
    proxy = near_proxy(lab, line, origin, proxy={"retries": 3}, timeouts=PATIENCE)
    client = lab.client(proxy)
    assert client.get().status == 200
    cut(line, "answers vanish")
    assert client.ask(request("POST", body=b"once")).status == 504
    wait_until(lambda: faults(proxy) == ["response_timeout"], "its record")
    mend(line, "answers vanish")
    origin.wait_requests(2)
    assert [seen.method for seen in origin.requests] == ["GET", "POST"]


def test_idle_connections_that_died_are_not_in_the_way(lab, line):
    """The line is cut while nobody asks: each dead connection costs some patience, and no client an
    error."""
    near, far = Counted(), Counted()
    proxy = near_proxy(lab, line, *two_origins(lab, line, near, far), proxy={"retries": 3},
                       timeouts=PATIENCE)
    load = Load(proxy)
    wait_until(lambda: min(near.requests, far.requests) >= 20, "requests at both")
    load.stop()
    cut(line, "down there")
    load = Load(proxy)
    wait_answers(load, 200)
    load.stop()
    assert not load.errors
