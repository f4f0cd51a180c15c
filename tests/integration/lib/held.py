"""A proxy in the middle of requests, whose origin answers them when the test says so."""
import threading

from lib.client import request
from lib.origin import answer, serve, wait_event


class Held:
    """Each of `clients` (`client` is the first) has asked; the origin has the requests, and answers
    them, as all that come later, once `gate` is set."""

    def __init__(self, lab, count=1, **sections):
        self.gate = threading.Event()
        self.origin = lab.origin(serve(self.answer))
        self.proxy = lab.proxy(self.origin, **sections)
        self.clients = [lab.client(self.proxy) for _ in range(count)]
        self.client = self.clients[0]
        for client in self.clients:
            client.send(request("GET", "/held"))
        self.origin.wait_requests(count)

    def answer(self, _):
        wait_event(self.gate)
        return answer("finished")

    def finish(self):
        """Opens the gate; returns the first client's response."""
        self.gate.set()
        responses = [client.read_response() for client in self.clients]
        assert [response.body for response in responses] == [b"finished"] * len(responses)
        return responses[0]
