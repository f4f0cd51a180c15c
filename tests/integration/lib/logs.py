"""Reading the error log of a proxy that a Lab has started."""
import json


def entries(proxy, kind=None):
    """What is in the error log, oldest first; of one type when it is given."""
    found = []
    for path in sorted(proxy.logs.glob("log_*.log")):
        for line in path.read_text().splitlines():
            entry = json.loads(line)
            if kind in (None, entry["type"]):
                found.append(entry)
    return found


def messages(proxy, kind):
    return [entry["message"] for entry in entries(proxy, kind)]
