"""The path of a request allocates nothing: everything it uses was planned at the start."""
import pathlib
import subprocess

import pytest
from lib.client import request
from lib.lab import Lab
from lib.origin import answer, serve, wait_until
from lib.proxy import sanitized

SHIM = pathlib.Path(__file__).resolve().parent / "lib" / "count_malloc.c"


@pytest.fixture(name="shim", scope="module")
def built_shim(tmp_path_factory):
    if sanitized():
        pytest.skip("a sanitizer has its own allocator")
    library = tmp_path_factory.mktemp("shim") / "count_malloc.so"
    subprocess.run(["cc", "-shared", "-fPIC", "-O1", "-o", str(library), str(SHIM)],
                   check=True)
    return library


def allocations(shim, requests):
    """How often a whole run allocates that serves so many requests of each kind."""
    with Lab() as lab:
        counted = lab.directory / "count"
        proxy = lab.proxy(lab.origin(serve(lambda seen: answer(seen.body or b"x" * 100_000))),
                          env={"LD_PRELOAD": str(shim), "COUNT_MALLOC_FILE": str(counted)},
                          how={"arguments": ["--no-supervisor"]})
        client = lab.client(proxy)
        for _ in range(requests):
            assert client.get().status == 200
            assert client.ask(request("POST", "/", "Transfer-Encoding: chunked")
                              + b"3\r\nabc\r\n0\r\nT: v\r\n\r\n").body == b"abc"
            assert lab.ask(proxy, request()).status == 200
        for piece in (b"GET / HT", b"TP/1.1\r\nHost: a\r\n\r\n"):
            client.send(piece)
        assert client.read_response("GET").status == 200
        lab.client(proxy).send(b"garbage\r\n\r\n")
        proxy.stop()
        return int(counted.read_text())


def test_more_requests_allocate_no_more(shim):
    """With both logs on, the number of allocations does not depend on the number of requests."""
    few = allocations(shim, 5)
    assert few > 0
    assert allocations(shim, 200) == few


def probe_allocations(shim, probes):
    """The same for a run with so many probes, good and bad ones."""
    with Lab() as lab:
        counted = lab.directory / "count"
        well = lab.origin(serve(lambda seen: answer()))
        odd = lab.origin(serve(lambda seen: b"garbage\r\n\r\n"))
        check = {"enabled": True, "interval": 100, "maxInterval": 100, "unhealthyThreshold": 1}
        backends = [{"url": origin.url, "healthCheck": {**check, **settings}}
                    for origin in (well, odd) for settings in ({}, {"path": "/x"}, {"type": "tcp"})]
        proxy = lab.proxy(*backends,
                          env={"LD_PRELOAD": str(shim), "COUNT_MALLOC_FILE": str(counted)},
                          how={"arguments": ["--no-supervisor"]})
        wait_until(lambda: min(len(well.connections), len(odd.connections)) >= probes, "probes")
        proxy.stop()
        return int(counted.read_text())


def test_more_probes_allocate_no_more(shim):
    """Health checks: the number of allocations does not depend on the number of probes."""
    few = probe_allocations(shim, 10)
    assert few > 0
    assert probe_allocations(shim, 60) == few
