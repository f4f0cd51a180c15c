"""Starts that are meant to fail."""
import ctypes
import json
import os
import subprocess

from lib.proxy import BINARY
from lib.wire import WAIT_SECONDS

PR_CAPBSET_DROP = 24
DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, NET_BIND_SERVICE = 1, 2, 3, 10


def without_privileges():
    """Root without the rights that make it root: permission bits and low ports count for it."""
    for capability in (DAC_OVERRIDE, DAC_READ_SEARCH, FOWNER, NET_BIND_SERVICE):
        ctypes.CDLL(None).prctl(PR_CAPBSET_DROP, capability, 0, 0, 0)


def start(folder, listener, env=None, logging=None, **how):
    """A start that is meant to fail: the process, and the entries of its error log. `before` are the
    words of a command that executes it, `after` more arguments, `pass_fds` what it inherits."""
    log = {"enabled": True, "directory": str(folder / "logs"), "filePattern": "x.log"}
    file = folder / "config.json"
    file.write_text(json.dumps({
        "listeners": [listener], "backends": [{"url": "http://127.0.0.1:1"}], "workers": 2,
        "admin": {"enabled": False},
        "logging": {"errorLog": {**log, "level": "error", **(logging or {})},
                    "accessLog": {**log, "enabled": False}}}))
    done = subprocess.run(
        [*how.get("before", ()), BINARY, "--config", str(file), *how.get("after", ())],
        env={**os.environ, **(env or {})}, stdin=subprocess.DEVNULL, text=True,
        capture_output=True, timeout=WAIT_SECONDS * 2, check=False,
        preexec_fn=without_privileges, pass_fds=how.get("pass_fds", ()))
    logs = sorted((folder / "logs").glob("*.log"))
    return done, [json.loads(line) for log in logs for line in log.read_text().splitlines()]
