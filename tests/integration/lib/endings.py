"""Connections that end oddly: in the midst of something, and in whatever way."""
from lib.client import chunked, request
from lib.wire import Closed

EARLY = request("GET", "/", "X-Fill: " + "f" * 9000) * 3  # more than an inbox holds

REQUESTS = [
    request(), request("HEAD"), request("GET", "/big"), request("GET", "/chunked"),
    request("GET", "/close"), request("GET", "/cut"), request("GET", "/garbage"),
    request("GET", "/reset"), request("GET", "/none") + EARLY, request("GET", "/early"),
    request("POST", "/", body=b"b" * 5000),
    request("POST", "/early", body=b"b" * 50_000),
    request("POST", "/", "Transfer-Encoding: chunked") + chunked(b"c" * 300, b"d" * 3000),
    request("POST", "/", "Transfer-Encoding: chunked") + b"zz\r\n",
    request("POST", "/", "Expect: 100-continue", body=b"e" * 100),
    request("GET", "/tunnel", "Connection: Upgrade", "Upgrade: test") + b"tunnel bytes",
    request("GET", "/", "Connection: close"), request(version="1.0"),
    b"GET / HTTP/1.1\r\nBad Name: x\r\n\r\n", b"\x16\x03\x01", request() * 20,
]


def end_oddly(lab, proxy, chance):
    """One connection that sends a random part of something and ends at a random moment."""
    client = lab.client(proxy)
    lab.clients.remove(client)
    client.sock.settimeout(5)  # some of what is waited for never comes
    try:
        data = chance.choice(REQUESTS)
        if chance.random() < 0.5:
            data = data[:chance.randrange(len(data) + 1)]
        client.send(data)
        moment = chance.random()
        if moment < 0.4:
            client.read_some() if moment < 0.2 and len(data) > 40 else None
        elif moment < 0.5:
            client.half_close()
            client.read_some()
    except (Closed, OSError, AssertionError):
        pass
    (client.reset if chance.random() < 0.5 else client.close)()
