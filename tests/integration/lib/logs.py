"""Reading the logs of a proxy that a Lab has started."""
import json


def entries(proxy, kind=None, log="log"):
    """What is in a log ("log" is the error log, "access" the other), oldest first; of one type when
    it is given. A line without its end is one that is being written: it is not there yet."""
    return [entry for path in sorted(proxy.logs.glob(f"{log}_*.log"))
            for entry in entries_of(path) if kind in (None, entry.get("type"))]


def entries_of(path):
    """What is in one file."""
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n")[:-1]]


def messages(proxy, kind):
    return [entry["message"] for entry in entries(proxy, kind)]
