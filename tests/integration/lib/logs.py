"""Reading the logs of a proxy that a Lab has started."""
import json

from lib.origin import wait_until


def entries(proxy, kind=None, log="log"):
    """What is in a log ("log" is the error log, "access" the other), oldest first; of one type when
    it is given. A line without its end is one that is being written: it is not there yet."""
    return [entry for path in sorted(proxy.logs.glob(f"{log}_*.log"))
            for entry in entries_of(path) if kind in (None, entry.get("type"))]


def entries_of(path):
    """What is in one file: each line must be one JSON object."""
    found = [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]
    assert all(isinstance(entry, dict) for entry in found), path
    return found


def messages(proxy, kind):
    return [entry["message"] for entry in entries(proxy, kind)]


def access(proxy, count):
    """The access entries, once there are that many (issue: entry to file within a second)."""
    wait_until(lambda: len(entries(proxy, log="access")) >= count, f"{count} access entries")
    found = entries(proxy, log="access")
    assert len(found) == count
    return found
