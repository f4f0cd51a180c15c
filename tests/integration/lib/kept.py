"""A proxy with a state file, and what is in it."""
import json
import time

from lib.admin import managed, status_of
from lib.logs import messages

CHECK = {"enabled": True, "interval": 100, "unhealthyThreshold": 1, "timeout": 1000}


def kept(lab, *origins, **sections):
    """A proxy with a state file at `proxy.state`."""
    state = lab.directory / "kept" / "state.json"
    state.parent.mkdir(exist_ok=True)
    proxy = managed(lab, *origins, state={"file": str(state)}, **sections)
    proxy.state = state
    return proxy


def again(proxy):
    """The same configuration, started anew."""
    proxy.stopped = False
    proxy.start()
    assert proxy.wait_ready(), proxy.stderr()


def restart(proxy):
    proxy.signal()
    assert proxy.wait_exit() == 0
    again(proxy)


def backends(lab, proxy):
    return {backend["id"]: backend for backend in status_of(lab, proxy)["backends"]}


def said(proxy, kind="state_file"):
    return messages(proxy, kind)


def document(proxy):
    try:
        return json.loads(proxy.state.read_text())
    except FileNotFoundError:
        return {}


def healths(state):
    return [entry["health"] for entry in state.get("backends", [])]


def of_another_boot(state):
    """Then only `savedAt` says how old it is."""
    return {**state, "clock": {**state["clock"], "boot": "another"}}


def rewrite(proxy, **members):
    """The state file as if it were saved now and said this of its only backend; when that was."""
    state = of_another_boot(document(proxy))
    state["savedAt"] = int(time.time() * 1000)
    state["backends"][0].update(members)
    proxy.state.write_text(json.dumps(state))
    return state["savedAt"]
