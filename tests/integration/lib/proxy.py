"""Starts the real binary on a free port, watches it, and stops it by its pid."""
import contextlib
import json
import os
import pathlib
import itertools
import random
import re
import signal
import socket
import subprocess
import time

from lib.wire import WAIT_SECONDS

ROOT = pathlib.Path(__file__).resolve().parents[3]
BINARY = os.environ.get("NEXTPROXY_BIN", str(ROOT / "build" / "nextproxy"))
# A sanitizer's report, or one of our own assertions, on stderr fails the test that caused it.
BUG = r"ERROR: \w+Sanitizer|runtime error:|WARNING: ThreadSanitizer|assertion"
# The supervisor starts a crashed engine again, so that a test might not see it otherwise.
REPORT = re.compile(BUG + r"|The engine \(process", re.IGNORECASE)
REPORT_WITH_CRASHES = re.compile(BUG, re.IGNORECASE)
START_TRIES = 5


def sanitized():
    """Whether the binary is an AddressSanitizer build, whose memory is not as planned."""
    return b"__asan_init" in pathlib.Path(BINARY).read_bytes()


def ports_of_this_process():
    """Below the range that outgoing connections use, over and over from a place by chance. Each of
    the processes that run tests side by side has its own, as a port is free until somebody has it
    in earnest. With room behind each, for who needs several in a row."""
    worker = int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])
    count = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    own = range(10000 + worker * 22000 // count, 10000 + (worker + 1) * 22000 // count - 4, 4)
    begin = random.SystemRandom().randrange(len(own))
    return itertools.cycle([*own[begin:], *own[:begin]])


PORTS = ports_of_this_process()


def port_free():
    """A port nobody listens on, and that was given to nobody for a long while."""
    while True:
        port = next(PORTS)
        with socket.socket() as sock:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                sock.bind(("127.0.0.1", port))
            except OSError:
                continue
        return port


def connects(address):
    """Whether somebody accepts there."""
    family = socket.AF_UNIX if isinstance(address, str) else (
        socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
    with socket.socket(family) as sock:
        sock.settimeout(WAIT_SECONDS)
        try:
            sock.connect(address)
        except OSError:
            return False
    return True


def children(pid):
    """The processes that this one has started and not reaped."""
    return [int(child) for child in
            pathlib.Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]


def started(pid):
    """When a process began, in clock ticks since the machine did; 0 when it is gone."""
    try:
        stat = pathlib.Path(f"/proc/{pid}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return 0
    return int(stat.rpartition(")")[2].split()[19])


def run(*args, env=None, cwd=None, seconds=WAIT_SECONDS * 2):
    """Runs the binary to its end, for what does not stay: --check, --help and the like."""
    return subprocess.run([BINARY, *args], env={**os.environ, **(env or {})}, cwd=cwd, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=seconds,
                          check=False)


class Proxy:
    """A running proxy. `address` is where the first listener is; `stderr()` what it said."""

    def __init__(self, config, directory, env=None, **how):
        """`how`: `arguments` come behind the configuration; `before` are the words of a command that
        executes the proxy; both inherit `pass_fds`; `program` is another file than the built one."""
        self.arguments, self.before = how.pop("arguments", ()), how.pop("before", ())
        self.pass_fds, self.program = how.pop("pass_fds", ()), how.pop("program", BINARY)
        assert not how, how
        self.directory = pathlib.Path(directory)
        self.directory.mkdir(parents=True, exist_ok=True)
        self.env = {**os.environ, **(env or {})}
        self.stopped = False
        for last in reversed(range(START_TRIES)):
            self.config = self.with_listener(config)
            self.start()
            if self.wait_ready():
                return
            if last == 0 or not re.search("EADDRINUSE|address already in use|already in use",
                                          self.stderr(), re.IGNORECASE):
                raise AssertionError(f"the proxy did not start (exit status "
                                     f"{self.process.poll()}):\n{self.stderr()}")

    def with_listener(self, config):
        """A listener on a free port, unless the test brings its own or sets proxy.port; in a
        test's own listener a missing port is filled in."""
        if "port" in config.get("proxy", {}) and "listeners" not in config:
            self.address = ("127.0.0.1", config["proxy"]["port"])
            return config
        listeners = config.get("listeners", [{"address": "127.0.0.1"}])
        filled = []
        for listener in listeners:
            if "unixSocket" not in listener and "port" not in listener:
                listener = {**listener, "port": port_free()}
            filled.append(listener)
        first = filled[0]
        self.address = (first["unixSocket"] if "unixSocket" in first
                        else (first["address"], first["port"]))
        return {**config, "listeners": filled}

    def start(self):
        self.config_file = self.directory / "config.json"
        self.config_file.write_text(json.dumps(self.config, indent=2))
        self.stderr_file = self.directory / "stderr"
        with open(self.stderr_file, "wb") as errors, open(self.directory / "stdout", "wb") as out:
            self.process = subprocess.Popen(  # pylint: disable=consider-using-with
                [*self.before, self.program, "--config", str(self.config_file), *self.arguments],
                env=self.env, cwd=self.directory, stdin=subprocess.DEVNULL, stdout=out,
                stderr=errors, pass_fds=self.pass_fds, start_new_session=True)

    def wait_ready(self):
        deadline = time.monotonic() + WAIT_SECONDS * 2
        while self.process.poll() is None:
            if "nextproxy: serving on" in self.stderr() and connects(self.address):
                return True
            if time.monotonic() > deadline:
                self.kill()
                return False
            time.sleep(0.005)
        return False

    @property
    def pid(self):
        """Of the process that was started and that signals go to: the supervisor."""
        return self.process.pid

    @property
    def engine_pids(self):
        """Of the engines below it; the one that serves is the youngest."""
        return children(self.pid)

    @property
    def engine_pid(self):
        """Of the process that serves: without a supervisor the same. Behind a crash there is
        none for a moment."""
        if "--no-supervisor" in self.arguments:
            return self.pid
        deadline = time.monotonic() + WAIT_SECONDS
        while not (present := self.engine_pids):
            assert self.process.poll() is None and time.monotonic() < deadline, (
                f"there is no engine:\n{self.stderr()}")
            time.sleep(0.001)
        return max(present, key=lambda pid: (started(pid), pid))

    def stderr(self):
        return self.stderr_file.read_text(errors="replace")

    def signal(self, number=signal.SIGTERM):
        os.kill(self.pid, number)

    def wait_exit(self, seconds=WAIT_SECONDS * 2):
        """The exit status; the process is gone afterwards in any case."""
        try:
            status = self.process.wait(seconds)
        except subprocess.TimeoutExpired:
            self.kill()
            raise AssertionError(f"the proxy did not stop in {seconds} s") from None
        self.stopped = True
        assert not REPORT.search(self.stderr()), self.stderr()
        return status

    def stop(self):
        """A graceful stop, which must end well. Does nothing when the test did it itself."""
        if self.stopped:
            return
        assert self.process.poll() is None, (f"the proxy died on its own (exit status "
                                             f"{self.process.returncode}):\n{self.stderr()}")
        self.signal()
        status = self.wait_exit()
        assert status == 0, f"exit status {status} after SIGTERM:\n{self.stderr()}"

    def kill(self):
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self.pid, signal.SIGKILL)  # the session is ours: start_new_session
        self.process.wait()
        self.stopped = True

    # ---- What the kernel knows about it ----

    def fd_count(self):
        return len(os.listdir(f"/proc/{self.engine_pid}/fd"))

    def memory_kb(self, row="VmRSS", pid=None):
        """Resident memory now (VmRSS) or its peak (VmHWM), of the engine or another process."""
        status = pathlib.Path(f"/proc/{pid or self.engine_pid}/status").read_text()
        return int(re.search(rf"^{row}:\s*(\d+) kB$", status, re.MULTILINE)[1])
