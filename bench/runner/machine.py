"""What a result must say about where it comes from."""

import os
import pathlib
import platform
import resource
import subprocess

from runner import namespace

ROOT = pathlib.Path(__file__).resolve().parent.parent.parent


def output(*command):
    try:
        done = subprocess.run(command, cwd=ROOT, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              text=True, timeout=20, check=False)
        return done.stdout.strip() if done.returncode == 0 else ""
    except OSError:
        return ""


def cpu_model():
    for line in pathlib.Path("/proc/cpuinfo").read_text().splitlines():
        if line.startswith("model name"):
            return line.split(":", 1)[1].strip()
    return platform.machine()


def steal_seconds():
    """Time that the hypervisor gave to others: a machine with much of it measures badly."""
    ticks = int(pathlib.Path("/proc/stat").read_text().split()[8])
    return ticks / os.sysconf("SC_CLK_TCK")


def raise_limits(files):
    """Raises the limit on open files for us and the programs; returns what it is now."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft < files:
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (files, max(files, hard)))
        except (ValueError, OSError):
            resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]


def describe(tools, build):
    flags = pathlib.Path(build) / "flags"
    first_line = lambda text: text.splitlines()[0] if text else ""
    return {
        "commit": output("git", "rev-parse", "HEAD"),
        "modified": bool(output("git", "status", "--porcelain", "--", "src", "include")),
        "kernel": platform.release(),
        "cpu": cpu_model(),
        "cpus": os.cpu_count(),
        "flags": flags.read_text().strip() if flags.exists() else "",
        "load_average": os.getloadavg()[0],
        "congestion_control": namespace.congestion_control(),
        "haproxy": first_line(output(tools.paths["haproxy"], "-v")) if tools.has("haproxy") else "",
        "nginx": first_line(output(tools.paths["nginx"], "-v")) if tools.has("nginx") else "",
    }
