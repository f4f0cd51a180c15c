"""Bodies of every size and framing, both ways (RFC 9112 sections 6 and 7)."""
import hashlib
import json
import threading

import pytest

from lib.client import chunked, request
from lib.origin import answer, echo

SIZES = [0, 1, 4095, 4096, 4097, 16383, 16384, 16385, 65535, 65536, 1 << 20, 10 << 20]


def content(size):
    """Bytes without a period that buffers could share."""
    block = hashlib.shake_256(str(size).encode()).digest(min(size, 65521))
    return (block * (size // max(1, len(block)) + 1))[:size]


def pieces(data, size):
    return [data[at:at + size] for at in range(0, len(data), size)]


def handler(connection):
    """/length/N and /chunked/N/PIECE answer with content(N); everything else is echoed."""
    while True:
        seen = connection.read_request()
        kind, _, rest = seen.target[1:].partition("/")
        if kind == "length":
            connection.send(answer(content(int(rest))))
        elif kind == "chunked":
            size, piece = map(int, rest.split("/"))
            connection.send("HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n",
                            chunked(*pieces(content(size), piece)))
        else:
            connection.send(echo(seen))


@pytest.fixture(name="proxy", scope="module")
def running(shared):
    return shared.proxy(shared.origin(handler))


def check_upload(client, data, response):
    seen = json.loads(response.body)
    assert (seen["length"], seen["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert json.loads(client.get("/after").body)["target"] == "/after"
    client.close()


@pytest.mark.parametrize("size", SIZES)
def test_upload_with_length(shared, proxy, size):
    """RFC 9112 section 6.2."""
    client, data = shared.client(proxy), content(size)
    check_upload(client, data, client.ask(request("POST", "/", body=data)))


@pytest.mark.parametrize("size", SIZES)
def test_upload_chunked(shared, proxy, size):
    """RFC 9112 section 7.1."""
    client, data = shared.client(proxy), content(size)
    client.send(request("POST", "/", "Transfer-Encoding: chunked"),
                chunked(*pieces(data, max(1, size // 7))))
    check_upload(client, data, client.read_response("POST"))


@pytest.mark.parametrize("size", SIZES)
def test_download_with_length(shared, proxy, size):
    """RFC 9112 section 6.2: the length is the origin's own."""
    client = shared.client(proxy)
    response = client.get(f"/length/{size}")
    assert response.get("Content-Length") == str(size)
    assert response.body == content(size)
    assert client.get("/after").status == 200
    client.close()


@pytest.mark.parametrize("piece", [1, 15, 4096, 100_000])
@pytest.mark.parametrize("size", [0, 1, 4097, 65536])
def test_download_chunked(shared, proxy, size, piece):
    """RFC 9112 section 7.1, with small and large chunks."""
    client = shared.client(proxy)
    response = client.get(f"/chunked/{size}/{piece}")
    assert response.framing == "chunked" and response.body == content(size)
    assert client.get("/after").status == 200
    client.close()


@pytest.mark.parametrize("size", [1 << 20, 10 << 20])
def test_download_large_chunked(shared, proxy, size):
    """RFC 9112 section 7.1."""
    client = shared.client(proxy)
    assert client.get(f"/chunked/{size}/50000").body == content(size)
    client.close()


def test_chunked_request_byte_by_byte(shared, proxy):
    """Chunk headers, data and the CRLFs may be split anywhere."""
    client, data = shared.client(proxy), content(60)
    for byte in request("POST", "/", "Transfer-Encoding: chunked") + chunked(*pieces(data, 17)):
        client.send(bytes([byte]))
    check_upload(client, data, client.read_response("POST"))


def test_chunk_extensions_are_ignored(shared, proxy):
    """RFC 9112 section 7.1.1: a recipient ignores extensions that it does not know."""
    client = shared.client(proxy)
    client.send(request("POST", "/", "Transfer-Encoding: chunked"),
                b'3;a=b\r\nabc\r\n2;quoted="x;\\"y"\r\nde\r\n000;last\r\n\r\n')
    check_upload(client, b"abcde", client.read_response("POST"))


def test_leading_zeros_and_both_cases_in_chunk_sizes(shared, proxy):
    """RFC 9112 section 7.1: a size is hexadecimal digits."""
    client, data = shared.client(proxy), content(0xaB)
    client.send(request("POST", "/", "Transfer-Encoding: chunked"),
                b"0000aB\r\n" + data + b"\r\n0\r\n\r\n")
    check_upload(client, data, client.read_response("POST"))


def test_chunked_in_any_case_is_chunked(shared, proxy):
    """RFC 9112 section 7: coding names are compared without case."""
    client = shared.client(proxy)
    client.send(request("POST", "/", "Transfer-Encoding: CHUNKED"), chunked(b"abc"))
    check_upload(client, b"abc", client.read_response("POST"))


def test_a_body_on_a_get_is_forwarded(shared, proxy):
    """RFC 9110 section 9.3.1: unusual, but framed like any other."""
    client = shared.client(proxy)
    check_upload(client, b"odd", client.ask(request("GET", "/", body=b"odd")))


def test_parallel_transfers_do_not_mix(shared, proxy):
    """Several large bodies both ways at once over one worker."""
    failures = []

    def transfer(size):
        try:
            client, data = shared.client(proxy), content(size)
            for _ in range(3):
                assert client.get(f"/length/{size}").body == data
                check = json.loads(client.ask(request("POST", "/", body=data)).body)
                assert check["sha256"] == hashlib.sha256(data).hexdigest()
            client.close()
        except Exception as error:  # pylint: disable=broad-except
            failures.append(repr(error)[:500])

    threads = [threading.Thread(target=transfer, args=(200_000 + n * 77_777,)) for n in range(12)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failures
