"""A real nginx as the origin."""
import gzip
import hashlib
import os

import pytest

from lib import nginx
from lib.client import request

pytestmark = pytest.mark.skipif(nginx.PROGRAM is None, reason="nginx is not installed")
TEXT = "The quick brown fox jumps over the lazy dog.\n" * 2000
LARGE = hashlib.shake_256(b"large").digest(20 << 20)


@pytest.fixture(name="proxy", scope="module")
def running(shared):
    os.chmod(shared.directory, 0o755)
    origin = shared.keep(nginx.Nginx(shared.directory / "nginx"))
    (origin.files / "text.txt").write_text(TEXT)
    (origin.files / "large.bin").write_bytes(LARGE)
    (origin.files / "empty.bin").write_bytes(b"")
    return shared.proxy(origin)


@pytest.fixture(name="client")
def connected(shared, proxy):
    client = shared.client(proxy)
    yield client
    client.close()


def test_files(client):
    """Large, small and empty files over one connection."""
    assert client.get("/large.bin").body == LARGE
    assert client.get("/text.txt").body == TEXT.encode()
    assert client.get("/empty.bin").body == b""
    assert client.get("/missing").status == 404


def test_gzip_chunked(client):
    """Compressed on the fly, so chunked; the coding is end to end."""
    for _ in range(3):
        response = client.get("/text.txt", "Accept-Encoding: gzip")
        assert response.get("Content-Encoding") == "gzip"
        assert response.framing == "chunked"
        assert gzip.decompress(response.body) == TEXT.encode()


def test_ranges_and_conditions(client):
    """206, 304 and 416 pass with their fields."""
    part = client.get("/large.bin", "Range: bytes=1000000-1000099")
    assert (part.status, part.body) == (206, LARGE[1_000_000:1_000_100])
    assert part.get("Content-Range") == f"bytes 1000000-1000099/{len(LARGE)}"
    tag = client.get("/text.txt").get("ETag")
    assert client.get("/text.txt", f"If-None-Match: {tag}").status == 304
    assert client.get("/text.txt", "Range: bytes=99999999-").status == 416
    assert client.get("/text.txt").status == 200


def test_head_and_no_content(client):
    """Responses without bodies between others."""
    head = client.ask(request("HEAD", "/large.bin"))
    assert head.get("Content-Length") == str(len(LARGE))
    assert client.get("/nothing").status == 204
    assert client.get("/moved").get("Location").endswith("/elsewhere")
    assert client.get("/empty.bin").status == 200


def test_what_nginx_sees(client):
    """nginx accepts what we send, and it says what it should."""
    assert client.get("/say").body == b"GET test.example 127.0.0.1"
    assert client.ask(request("POST", "/say", body=b"x" * 300_000)).body.startswith(b"POST ")


def test_origin_that_closes_every_time(client):
    """keepalive_timeout 0: a connection per request, and the client does not notice."""
    for _ in range(10):
        assert client.get("/old/text.txt").body == TEXT.encode()


def test_origin_that_closes_without_a_word(client):
    """return 444 ends the connection: 502, and the next request works."""
    assert client.get("/abrupt").status == 502
    assert client.get("/empty.bin").status == 200


def test_http_1_0_client(shared, proxy):
    """A chunked answer becomes a body that ends with the connection."""
    response = shared.ask(proxy, request("GET", "/text.txt", "Accept-Encoding: gzip",
                                         version="1.0"))
    assert response.framing in ("close", "length")
    body = response.body
    assert (gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body) == TEXT.encode()
