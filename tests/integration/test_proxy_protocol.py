"""PROXY protocol, versions 1 and 2, from listed networks (haproxy's proxy-protocol.txt)."""
import socket
import struct

import pytest

from lib.client import request
from lib.origin import wait_until

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
LISTENER = {"address": "127.0.0.1", "proxyProtocolFrom": ["127.0.0.0/8"]}


def version2(command, family, addresses, tlvs=b""):
    return SIGNATURE + struct.pack("!BBH", 0x20 | command, family,
                                   len(addresses) + len(tlvs)) + addresses + tlvs


V4 = socket.inet_aton("203.0.113.7") + socket.inet_aton("192.0.2.1") + struct.pack("!HH", 5555, 80)
V6 = (socket.inet_pton(socket.AF_INET6, "2001:db8::7")
      + socket.inet_pton(socket.AF_INET6, "2001:db8::1") + struct.pack("!HH", 5555, 80))

ACCEPTED = {
    "v1 TCP4": (b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\r\n", "203.0.113.7"),
    "v1 TCP6": (b"PROXY TCP6 2001:db8::7 2001:db8::1 5555 80\r\n", "2001:db8::7"),
    "v1 UNKNOWN": (b"PROXY UNKNOWN\r\n", "127.0.0.1"),
    "v1 UNKNOWN with more": (b"PROXY UNKNOWN ffff::1 ffff::2 1 2\r\n", "127.0.0.1"),
    "v2 TCP4": (version2(1, 0x11, V4), "203.0.113.7"),
    "v2 TCP6": (version2(1, 0x21, V6), "2001:db8::7"),
    "v2 with TLVs": (version2(1, 0x11, V4, b"\x04\x00\x03abc"), "203.0.113.7"),
    "v2 LOCAL": (version2(0, 0x00, b""), "127.0.0.1"),
    "v2 LOCAL with an address": (version2(0, 0x11, V4), "127.0.0.1"),
    "v2 UNSPEC": (version2(1, 0x00, b""), "127.0.0.1"),
}

REFUSED = {
    "v1 without CRLF": b"PROXY TCP4 203.0.113.7 192.0.2.1 5555 80\n",
    "v1 too long": b"PROXY TCP4 " + b"1" * 200 + b"\r\n",
    "v1 bad family": b"PROXY UDP4 203.0.113.7 192.0.2.1 5555 80\r\n",
    "v1 bad address": b"PROXY TCP4 203.0.113.777 192.0.2.1 5555 80\r\n",
    "v1 wrong family": b"PROXY TCP4 2001:db8::7 2001:db8::1 5555 80\r\n",
    "v1 bad port": b"PROXY TCP4 203.0.113.7 192.0.2.1 65536 80\r\n",
    "v1 fields missing": b"PROXY TCP4 203.0.113.7\r\n",
    "v1 lower case": b"proxy TCP4 203.0.113.7 192.0.2.1 5555 80\r\n",
    "v2 bad version": SIGNATURE + b"\x11\x11\x00\x0c" + V4,
    "v2 bad command": SIGNATURE + b"\x22\x11\x00\x0c" + V4,
    "v2 too short": SIGNATURE + b"\x21\x11\x00\x04" + V4[:4],
    "none": b"",
}


@pytest.fixture(name="proxy")
def running(lab):
    return lab.proxy(lab.origin(), listeners=[LISTENER])


@pytest.mark.parametrize("name", ACCEPTED)
def test_who_the_client_is(lab, proxy, name):
    """The header's source is the client, in forwarding fields as in logs."""
    header, address = ACCEPTED[name]
    client = lab.client(proxy)
    assert client.ask(header + request(), "GET").status == 200
    assert client.get().status == 200  # it comes once per connection
    for seen in lab.origins[0].requests:
        assert seen.get("X-Forwarded-For") == address
        assert seen.get("X-Real-IP") == address


@pytest.mark.parametrize("name", ["v1 TCP4", "v2 TCP6", "v2 with TLVs"])
def test_byte_by_byte(lab, proxy, name):
    """The header may arrive in pieces, the request right behind it."""
    header, address = ACCEPTED[name]
    client = lab.client(proxy)
    for byte in header + request():
        client.send(bytes([byte]))
    assert client.read_response().status == 200
    assert lab.origins[0].requests[0].get("X-Forwarded-For") == address


@pytest.mark.parametrize("name", REFUSED)
def test_bad_header_ends_the_connection(lab, proxy, name):
    """From a listed network a header is required; without a good one nothing is trusted."""
    client = lab.client(proxy)
    client.send(REFUSED[name] + request())
    rest = client.read_to_end()
    assert rest == b"" or rest.startswith(b"HTTP/1.1 400")
    assert not lab.origins[0].received()


def test_from_other_networks_it_is_not_accepted(lab):
    """Who is not listed can't choose its address: the header is no HTTP request."""
    proxy = lab.proxy(lab.origin(), listeners=[{**LISTENER, "proxyProtocolFrom": ["127.0.0.9/32"]}])
    client = lab.client(proxy, source="127.0.0.8")
    client.send(ACCEPTED["v1 TCP4"][0] + request())
    assert client.read_response().status == 400
    plain = lab.client(proxy, source="127.0.0.8")
    assert plain.get().status == 200
    assert lab.origins[0].requests[0].get("X-Forwarded-For") == "127.0.0.8"


def test_header_without_a_request(lab, proxy):
    """A load balancer's own check: header, then close. It is no request to anybody."""
    for _ in range(3):
        client = lab.client(proxy)
        client.send(ACCEPTED["v2 LOCAL"][0])
        client.close()
    assert lab.client(proxy).ask(ACCEPTED["v1 TCP4"][0] + request(), "GET").status == 200
    wait_until(lambda: len(lab.origins[0].requests) == 1, "one request")


def test_the_address_decides_ip_hash(lab):
    """Balancing sees the client, not the balancer before us."""
    origins = [lab.origin() for _ in range(3)]
    proxy = lab.proxy(*origins, listeners=[LISTENER], loadBalancing={"strategy": "ip-hash"})
    for last in range(1, 41):
        header = f"PROXY TCP4 198.51.100.{last} 192.0.2.1 5555 80\r\n".encode()
        client = lab.client(proxy)
        assert client.ask(header + request(), "GET").status == 200
        client.close()
    assert all(origin.requests for origin in origins)
