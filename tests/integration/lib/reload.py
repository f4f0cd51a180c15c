"""Changing the configuration of a running proxy."""
import json
import signal

from lib.logs import entries
from lib.origin import wait_until


def reload_entries(proxy):
    """The messages of the error log about reloading, oldest first."""
    return [(entry["level"], entry["message"]) for entry in entries(proxy, "reload")]


def verdicts(proxy):
    """One message for each reload: what became of it."""
    return [message for _, message in reload_entries(proxy)
            if message.startswith(("Reloaded", "Not reloaded"))]


def write_config(proxy, text):
    """As editors and deployments do it: a new file takes the place of the old one."""
    new = proxy.config_file.with_suffix(".new")
    new.write_text(text)
    new.rename(proxy.config_file)


def reload(proxy, **sections):
    """Changes these sections of the configuration and reloads; returns what became of it."""
    proxy.config = {**proxy.config, **sections}
    return reload_text(proxy, json.dumps(proxy.config, indent=2))


def reload_text(proxy, text):
    """The same with a whole file."""
    before = len(verdicts(proxy))
    write_config(proxy, text)
    proxy.signal(signal.SIGHUP)
    wait_until(lambda: len(verdicts(proxy)) > before, "the reload")
    return verdicts(proxy)[-1]
