"""Clients that ask all the time, while something happens to the proxy."""
import threading

from lib.client import Client, request
from lib.origin import answer, serve
from lib.wire import Closed

BODY = b"x" * 1000


def load_origin(lab):
    """An origin that gives its clients what they expect."""
    return lab.origin(serve(lambda seen: answer(BODY)))


class Load:
    """`count` clients, each of which asks one request after the other, either on connections that it
    keeps as long as it is let, or each on one of its own. What goes wrong is collected in `failed`
    (whatever it is) and `refused` (connections)."""

    def __init__(self, address, count=4, keep=True, body=BODY):
        self.address, self.keep, self.body = address, keep, body
        self.failed, self.refused = [], []
        self.done = 0
        self.over = threading.Event()
        self.threads = [threading.Thread(target=self.run) for _ in range(count)]
        for thread in self.threads:
            thread.start()

    def run(self):
        client = None
        while not self.over.is_set():
            try:
                client = client or Client(self.address)
                client = self.ask(client)
            except ConnectionRefusedError as error:
                self.refused.append(repr(error))
                client = None
            except (OSError, Closed, AssertionError) as error:
                self.failed.append(repr(error))
                client = self.drop(client)
        self.drop(client)

    def ask(self, client):
        """One request; returns the connection when it goes on."""
        client.send(request())
        response = client.read_response()
        assert response.status == 200 and response.body == self.body, response.head
        self.done += 1
        if self.keep and not response.has_token("Connection", "close"):
            return client
        return self.drop(client)

    @staticmethod
    def drop(client):
        if client:
            client.close()

    def stop(self):
        self.over.set()
        for thread in self.threads:
            thread.join()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()
