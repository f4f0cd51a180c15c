"""Backends with active checks, and what the error log says of their health."""
from lib.logs import entries
from lib.origin import answer, wait_until

# Short, but for the timeout, which strikes only where a test is about it.
CHECK = {"enabled": True, "path": "/health", "interval": 100, "timeout": 30_000,
         "healthyThreshold": 2, "unhealthyThreshold": 3}


def checked(origin, **settings):
    url = origin if isinstance(origin, str) else origin.url
    return {"url": url, "healthCheck": {**CHECK, **settings}}


class Patient:
    """What an origin says to probes and to requests, to be changed by the test."""

    def __init__(self, name="up"):
        self.name, self.status, self.probes, self.requests = name, "200 OK", [], []

    def __call__(self, seen):
        if seen.target.startswith("/health"):
            self.probes.append(seen)
            return answer("", status=self.status)
        self.requests.append(seen)
        return answer(self.name)


def events(proxy, level=None):
    """The health events of the error log, oldest first."""
    return [entry for entry in entries(proxy, "health") if level in (None, entry["level"])]


def wait_event(proxy, level, count=1):
    """The newest event of that level, when there are so many."""
    wait_until(lambda: len(events(proxy, level)) >= count, f"{count} health events: {level}")
    return events(proxy, level)[-1]


def wait_down(lab, *origins, **sections):
    """A proxy, and the event that says why its (first) backend went down."""
    proxy = lab.proxy(*origins, **sections)
    return proxy, wait_event(proxy, "warn")


def wait_more(items, count=3):
    """Until that many more are there than now."""
    before = len(items)
    wait_until(lambda: len(items) >= before + count, f"{count} more")
