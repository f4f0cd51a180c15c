"""Tunnels behind a 101 (RFC 9110 section 7.8): both ends of the handshake."""
from lib.client import request

UPGRADE = request("GET", "/chat", "Connection: Upgrade", "Upgrade: websocket",
                  "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version: 13")
SWITCH = ("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
          "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n")


def echo_bytes(connection):
    while True:
        connection.send(connection.read_some())


def echo_tunnel(connection):
    """An origin's handler."""
    connection.read_request()
    connection.send(SWITCH)
    echo_bytes(connection)


def or_tunnel(respond):
    """An origin's handler: a tunnel for who asks for one, what `respond` says for all others."""
    def handler(connection):
        while True:
            seen = connection.read_request()
            if seen.get("Upgrade"):
                connection.send(SWITCH)
                echo_bytes(connection)
            connection.send(respond(connection, seen))
    return handler


def enter(client):
    """Has a tunnel made for the client; returns the response."""
    client.send(UPGRADE)
    response = client.read_response()
    assert response.status == 101
    return response
