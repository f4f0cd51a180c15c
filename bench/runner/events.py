"""What happens to a running proxy beside its traffic: probes, reloads, a crash."""

import json
import os
import pathlib
import signal
import socket
import time

from runner import programs

ANSWER_SECONDS_MAX = 20
RELOADS = 10


def http(sock, method, path):
    """One request on a connection of its own; its status and body, b"" when nothing came."""
    with sock:
        sock.settimeout(ANSWER_SECONDS_MAX)
        sock.sendall(f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
                     "Content-Length: 0\r\n\r\n".encode())
        answer = b""
        while True:
            piece = sock.recv(65536)
            if not piece:
                break
            answer += piece
    head, _, body = answer.partition(b"\r\n\r\n")
    return head[9:12], body


def tasks(pid):
    return sorted(pathlib.Path(f"/proc/{pid}/task").iterdir(), key=lambda task: int(task.name))


def engine_of(program):
    supervisor, engine = program.pids()
    return engine


def run_probes(tools, running, case, scale):
    """All that the process does without traffic is counted as the probes' cost, for a whole
    interval, behind the first probes, of which there are more."""
    program, _ = running
    engine = engine_of(program)
    time.sleep(case.load["settle"])
    before, began = programs.cpu_seconds(tasks(engine)), time.monotonic()
    time.sleep(case.load["seconds"])
    used, took = programs.cpu_seconds(tasks(engine)) - before, time.monotonic() - began
    return {"cpu_percent": used / took * 100}


def reload_once(directory, config, weight):
    """Asks for it over the management API; how long the verdict took, in seconds."""
    for backend in config["backends"]:
        backend["weight"] = weight
    (directory / "nextproxy.json").write_text(json.dumps(config, indent=2))
    began = time.monotonic()
    admin = socket.socket(socket.AF_UNIX)
    admin.connect(str(directory / "admin.sock"))
    status, body = http(admin, "POST", "/reload")
    took = time.monotonic() - began
    if status != b"200" or b'"reloaded"' not in body:
        raise programs.StartError(f"not reloaded: {body[-400:].decode(errors='replace')}")
    return took


def run_reload(tools, running, case, scale):
    """The control thread reads, a worker goes over to what it has made: there is no traffic, so
    what the worker's thread uses is the time in which it would have served nobody."""
    program, _ = running
    directory = program.log_path.parent
    config = json.loads((directory / "nextproxy.json").read_text())
    workers = tasks(engine_of(program))[1:]
    reload_once(directory, config, 2)  # the first one touches memory that was never used
    before = programs.cpu_seconds(workers)
    took = [reload_once(directory, config, 1 + number % 2) for number in range(RELOADS)]
    return {"reload_ms": sum(took) / RELOADS * 1e3,
            "worker_ms": (programs.cpu_seconds(workers) - before) / RELOADS * 1e3}


def run_crash(tools, running, case, scale):
    """The connection waits in the socket, which the supervisor holds: nobody is refused."""
    program, address = running
    host, port = address.split(":")
    engine = engine_of(program)
    began = time.monotonic()
    os.kill(engine, signal.SIGSEGV)
    while True:
        try:
            status, _ = http(socket.create_connection((host, int(port)), 5), "GET", "/16")
        except (ConnectionResetError, BrokenPipeError):  # the old engine had accepted it
            continue
        if status == b"200":
            break
        if time.monotonic() - began > ANSWER_SECONDS_MAX:
            raise programs.StartError("no answer after the crash")
    return {"crash_ms": (time.monotonic() - began) * 1e3}
