"""Starting and stopping the programs of a run. Every process is stopped by its own handle."""

import json
import os
import pathlib
import resource
import shutil
import signal
import socket
import subprocess
import time

BENCH = pathlib.Path(__file__).resolve().parent.parent
START_SECONDS_MAX = 15
GENERATOR_CPU = 0
PROXY_CPU = 1


class StartError(Exception):
    """A program did not start; the text says which and what it printed."""


def pin(cpu):
    """The command prefix that keeps a program on `cpu`, where there is more than one."""
    allowed = os.sched_getaffinity(0)
    return ["taskset", "-c", str(cpu)] if cpu in allowed and len(allowed) > 1 else []


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


def process_tree(pid):
    """`pid` and all its descendants."""
    pids = [pid]
    for parent in pids:
        for task in pathlib.Path(f"/proc/{parent}/task").glob("*/children"):
            try:
                pids += [int(child) for child in task.read_text().split()]
            except OSError:
                pass
    return pids


def memory_bytes(pids):
    """Proportional set size of the processes: what they really occupy, shared pages shared out."""
    total = 0
    for pid in pids:
        for line in pathlib.Path(f"/proc/{pid}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += int(line.split()[1]) * 1024
    return total


class Program:
    """A running program; a context manager."""

    def __init__(self, name, command, directory, stdout=None):
        self.name = name
        self.log_path = pathlib.Path(directory) / f"{name}.log"
        self.log = open(self.log_path, "wb")
        self.process = subprocess.Popen(
            command, cwd=directory, stdin=subprocess.DEVNULL, stdout=stdout or self.log,
            stderr=self.log)

    def fail(self, why):
        self.stop()
        raise StartError(f"{self.name} {why}: {self.log_path.read_text(errors='replace')[-600:]}")

    def wait_for_port(self, port):
        deadline = time.monotonic() + START_SECONDS_MAX
        while time.monotonic() < deadline:
            if self.process.poll() is not None:
                self.fail(f"ended with status {self.process.returncode}")
            try:
                socket.create_connection(("127.0.0.1", port), timeout=1).close()
                return
            except OSError:
                time.sleep(0.02)
        self.fail("does not listen")

    def wait_for_line(self, words):
        """Waits until it has said so."""
        deadline = time.monotonic() + START_SECONDS_MAX
        while words not in self.log_path.read_bytes():
            if time.monotonic() > deadline or self.process.poll() is not None:
                self.fail("does not serve")
            time.sleep(0.02)

    def pids(self):
        return process_tree(self.process.pid)

    def stop(self):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
            try:
                self.process.wait(5)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()
        if self.process.stdout:
            self.process.stdout.close()
        self.log.close()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.stop()


def start_listener(name, command, directory):
    """Starts origin or floor, which print where they listen; returns it and its addresses."""
    program = Program(name, command, directory, stdout=subprocess.PIPE)
    addresses = []
    for line in program.process.stdout:
        text = line.decode().strip()
        if text == "ready":
            return program, addresses
        addresses.append(text.split()[1])
    program.fail("did not start")


def reply_bytes(address, body_bytes):
    """How long the origin's reply is, head and body: the floor cannot find that out by itself."""
    host, port = address.split(":")
    with socket.create_connection((host, int(port)), timeout=5) as client:
        client.sendall(f"GET /{body_bytes} HTTP/1.1\r\nHost: {address}\r\n\r\n".encode())
        head = b""
        while b"\r\n\r\n" not in head:
            head += client.recv(4096)
    return head.index(b"\r\n\r\n") + 4 + body_bytes


def fill(template, values):
    """The template with its @NAME@s; those about limits come from the limit this process has."""
    text = (BENCH / "peers" / template).read_text()
    files = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    limits = {"FILES": files, "CONNECTIONS": min(30000, files * 3 // 4), "NAME": "@NAME@"}
    for key, value in {**values, **limits}.items():
        text = text.replace(f"@{key}@", str(value))
    return text


def cpu_seconds(tasks):
    """What threads have used so far, exact to the nanosecond; `tasks` are their directories."""
    return sum(int((task / "schedstat").read_text().split()[0]) for task in tasks) / 1e9


def merge(settings, more):
    """`more` over `settings`, section by section."""
    merged = dict(settings)
    for name, value in more.items():
        both = isinstance(value, dict) and isinstance(settings.get(name), dict)
        merged[name] = merge(settings[name], value) if both else value
    return merged


class Tools:
    """The built programs and the peers found on this machine."""

    def __init__(self, build, nextproxy=None):
        self.directory = pathlib.Path(build).resolve() / "bench"
        binary = pathlib.Path(nextproxy or pathlib.Path(build) / "nextproxy").resolve()
        path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
        self.paths = {
            "nextproxy": str(binary) if os.access(binary, os.X_OK) else None,
            "haproxy": shutil.which("haproxy", path=path),
            "nginx": shutil.which("nginx", path=path),
            "floor": str(self.directory / "floor"),
        }

    def load(self):
        return str(self.directory / "load")

    def origin(self, directory, count, capacity):
        command = pin(GENERATOR_CPU) + [str(self.directory / "origin"), "--count", str(count)]
        for name, value in capacity.items():
            command += [f"--{name}", str(value)]
        return start_listener("origin", command, directory)

    def has(self, subject):
        return subject == "direct" or self.paths[subject.split("+")[0]] is not None

    def start(self, subject, addresses, directory, options):
        """Starts `subject` in front of `addresses`; returns the program and its address."""
        name = subject.split("+")[0]
        starters = {"floor": self.start_floor, "haproxy": self.start_haproxy,
                    "nginx": self.start_nginx, "nextproxy": self.start_nextproxy}
        return starters[name](subject, addresses, directory, options)

    def start_floor(self, subject, addresses, directory, options):
        command = pin(PROXY_CPU) + [self.paths["floor"]]
        for address in addresses:
            command += ["--upstream", address]
        if options["body"] <= 2048:
            command += ["--reply-bytes", str(reply_bytes(addresses[0], options["body"]))]
        else:
            command += ["--buffer-bytes", "65536", "--buffers", "512", "--publish", "512"]
        program, listening = start_listener(subject, command + options.get("floor", []), directory)
        return program, listening[0]

    def run_on_port(self, subject, command, directory, port):
        program = Program(subject, pin(PROXY_CPU) + command, directory)
        program.wait_for_port(port)
        return program, f"127.0.0.1:{port}"

    def start_haproxy(self, subject, addresses, directory, options):
        port = free_port()
        splice = "+splice" in subject
        servers = "\n    ".join(f"server s{i} {a}" for i, a in enumerate(addresses))
        config = pathlib.Path(directory) / f"{subject}.cfg"
        config.write_text(fill("haproxy.cfg.in", {
            "PORT": port, "SERVERS": servers,
            # Pipes for spliced bodies; without "option splice-auto" none is used.
            "SPLICE_GLOBAL": "maxpipes 2048" if splice else "",
            "SPLICE_DEFAULTS": "option splice-auto" if splice else ""}))
        return self.run_on_port(subject, [self.paths["haproxy"], "-db", "-f", str(config)],
                                directory, port)

    def start_nginx(self, subject, addresses, directory, options):
        port = free_port()
        servers = "\n        ".join(f"server {a};" for a in addresses)
        config = pathlib.Path(directory) / f"{subject}.conf"
        config.write_text(fill("nginx.conf.in", {
            "PORT": port, "SERVERS": servers, "DIRECTORY": directory}))
        return self.run_on_port(subject, [self.paths["nginx"], "-c", str(config), "-e",
                                          f"{directory}/error.log"], directory, port)

    def start_nextproxy(self, subject, addresses, directory, options):
        port = free_port()
        servers = ",\n    ".join(
            json.dumps({"id": f"b{i + 1}", "url": f"http://{a}", **options.get("backend", {})})
            for i, a in enumerate(addresses))
        config = pathlib.Path(directory) / f"{subject}.json"
        settings = json.loads(fill("nextproxy.json.in", {
            "PORT": port, "SERVERS": servers, "DIRECTORY": directory,
            "WORKERS": options.get("workers", 1),
            "ACCESS_LOG": "true" if options.get("access_log") else "false"}))
        if options.get("admin"):
            settings["admin"] = {"unixSocket": f"{directory}/admin.sock"}
        config.write_text(json.dumps(merge(settings, options.get("settings", {})), indent=2))
        program, address = self.run_on_port(
            subject, [self.paths["nextproxy"], "--config", str(config)], directory, port)
        program.wait_for_line(b"serving on")
        return program, address
