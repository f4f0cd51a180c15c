"""`nextproxy doctor`, the words for a kernel that refuses, and what kernel-reqs/ ships."""
import ctypes
import json
import os
import pathlib
import re
import resource
import shutil
import stat
import subprocess
import sys

import pytest

from lib import proxy as lib_proxy
from lib import under_seccomp
from lib.checks import checked, wait_event

ROOT = pathlib.Path(__file__).resolve().parents[2]
REQS = ROOT / "kernel-reqs"
PROFILE = REQS / "seccomp" / "nextproxy.json"
UNDER_SECCOMP = [sys.executable, under_seccomp.__file__]
RING_CALLS = ["io_uring_setup", "io_uring_enter", "io_uring_register"]
ALL, DEGRADED, CANNOT_RUN = 0, 1, 2
SECONDS = 30
# A sanitizer looks for leaks with ptrace, which the profile rightly denies.
UNDER_PROFILE = {"ASAN_OPTIONS": os.environ.get("ASAN_OPTIONS", "") + ":detect_leaks=0"}


def run(*command, env=None, preexec_fn=None):
    done = subprocess.run([*command], env={**os.environ, **(env or {})}, text=True,
                          stdin=subprocess.DEVNULL, capture_output=True, timeout=SECONDS,
                          check=False, preexec_fn=preexec_fn)
    if command[:2] == tuple(UNDER_SECCOMP) and done.returncode == under_seccomp.EXIT_NOT_PERMITTED:
        pytest.skip(done.stderr.strip())
    return done


def doctor(*arguments, before=(), **options):
    return run(*before, lib_proxy.BINARY, "doctor", *arguments, **options)


def report(**options):
    done = doctor("--json", **options)
    answer = json.loads(done.stdout)
    assert answer["exitStatus"] == done.returncode
    return answer


def states(answer):
    return {row["name"]: row["state"] for row in answer["features"]}


def verdicts(answer):
    return {row["name"]: row["verdict"] for row in answer["surroundings"]}


def features():
    """(name, optional) of each row of features.def."""
    text = (REQS / "features.def").read_text(encoding="utf-8")
    found = re.findall(r'^FEATURE_(REQUIRED|OPTIONAL)\(\w+, "(\w+)"', text, re.MULTILINE)
    return [(name, kind == "OPTIONAL") for kind, name in found]


OPTIONAL = [name for name, optional in features() if optional]
# What goes along when a capability is forced off.
BUILT_ON = {"single_issuer": {"defer_taskrun"}, "buffer_ring": {"multishot_recv", "bundle"}}


@pytest.fixture(name="here", scope="module")
def fixture_here():
    """The report of this machine, which must be able to run nextproxy."""
    answer = report()
    if answer["exitStatus"] == CANNOT_RUN:
        pytest.skip(f"nextproxy cannot run here: {answer['cause']}")
    return answer


@pytest.fixture(name="nothing_off", scope="module")
def fixture_nothing_off(here):
    """The same without anything that the test run itself has forced off."""
    return report(env={"NEXTPROXY_RING_DISABLE": ""}) if here else None


# --- This machine ---

def test_every_feature_is_reported(here):
    assert [(row["name"], not row["required"]) for row in here["features"]] == features()
    for row in here["features"]:
        assert row["state"] in ("ok", "missing", "forced off"), row
        assert row["why"] and row["without"] and re.fullmatch(r"\d+\.\d+", row["since"]), row
        assert (row["error"] is None) == (row["state"] != "missing"), row
        assert row["state"] == "ok" or not row["required"], row
    assert here["cause"] is None


def test_the_exit_status_follows_from_the_rows(here):
    whole = set(states(here).values()) == {"ok"} and "warning" not in verdicts(here).values()
    assert here["exitStatus"] == (ALL if whole else DEGRADED)
    assert here["verdict"] == ("all" if whole else "degraded")


def test_what_is_not_ok_has_a_cure(here):
    for row in here["surroundings"]:
        assert row["value"] and row["meaning"], row
        assert (row["cure"] is None) == (row["verdict"] == "ok"), row


def test_people_read_the_same(here):
    done = doctor()
    assert done.returncode == here["exitStatus"]
    for name, state in states(here).items():
        assert re.search(rf"^  {name} +{state} ", done.stdout, re.MULTILINE), name
    for name, verdict in verdicts(here).items():
        assert re.search(rf"^  {re.escape(name)} +{verdict} ", done.stdout, re.MULTILINE), name


# --- Forced off ---

@pytest.mark.parametrize("name", OPTIONAL)
def test_a_capability_can_be_forced_off(nothing_off, name):
    answer = report(env={"NEXTPROXY_RING_DISABLE": name})
    assert answer["exitStatus"] == DEGRADED
    off = {name} | BUILT_ON.get(name, set())
    for feature, state in states(nothing_off).items():
        expected = "forced off" if feature in off and state == "ok" else state
        assert states(answer)[feature] == expected, feature


def test_all_of_them_can_be_forced_off(here):
    answer = report(env={"NEXTPROXY_RING_DISABLE": ", ".join(OPTIONAL)})
    assert answer["exitStatus"] == DEGRADED
    assert "ok" not in {states(answer)[name] for name in OPTIONAL}


def test_an_unknown_capability_is_named():
    done = doctor(env={"NEXTPROXY_RING_DISABLE": "bundle,warp_drive,x"})
    assert done.returncode == CANNOT_RUN
    assert "'warp_drive'" in done.stderr
    assert all(name in done.stderr for name in OPTIONAL)


# --- Refused ---

@pytest.mark.parametrize("call", RING_CALLS)
@pytest.mark.parametrize("error", ["EPERM", "ENOSYS"])
def test_a_seccomp_filter_is_named(here, call, error):
    before = [*UNDER_SECCOMP, "--deny", f"{call}={error}"]
    done = doctor(before=before)
    assert done.returncode == CANNOT_RUN, done.stdout
    last = done.stdout.strip().splitlines()
    cause = next(line for line in last if line.startswith("cannot set up io_uring: "))
    assert error in cause and "seccomp filter" in cause
    assert "kernel-reqs/seccomp/nextproxy.json" in cause.split("; cure: ")[1]
    answer = report(before=before)
    assert answer["verdict"] == "cannot run" and answer["cause"] == cause
    assert verdicts(answer)["seccomp"] == "failure"
    assert "ok" not in {states(answer)[name] for name in OPTIONAL} or call != "io_uring_setup"


def test_too_few_descriptors_are_named(here):
    def limit():
        resource.setrlimit(resource.RLIMIT_NOFILE, (8, 8))
    done = doctor(preexec_fn=limit)
    assert done.returncode == CANNOT_RUN
    assert re.search(r"^RLIMIT_NOFILE is 8: .*; cure: .*LimitNOFILE=1048576", done.stdout, re.MULTILINE)
    answer = report(preexec_fn=limit)
    assert verdicts(answer)["RLIMIT_NOFILE"] == "failure"
    assert "missing" not in set(states(answer).values()) - set(states(here).values())


def test_too_little_locked_memory_is_named(here):
    def limit():
        drop_bounding_capability, ipc_lock = 24, 14
        ctypes.CDLL(None).prctl(drop_bounding_capability, ipc_lock, 0, 0, 0)
        resource.setrlimit(resource.RLIMIT_MEMLOCK, (65536, 65536))
    answer = report(preexec_fn=limit)
    assert answer["exitStatus"] in (DEGRADED, CANNOT_RUN)
    row = next(row for row in answer["surroundings"] if row["name"] == "RLIMIT_MEMLOCK")
    assert row["value"] == "65536" and row["verdict"] in ("warning", "failure")
    assert "LimitMEMLOCK=infinity" in row["cure"]


# --- What kernel-reqs/ ships ---

def test_the_profile_lets_everything_through_that_we_use(here):
    answer = report(before=[*UNDER_SECCOMP, "--profile", str(PROFILE)], env=UNDER_PROFILE)
    assert states(answer) == states(here)
    seccomp = next(row for row in answer["surroundings"] if row["name"] == "seccomp")
    assert (seccomp["value"], seccomp["verdict"]) == ("filter", "ok")


@pytest.fixture(name="under_profile")
def fixture_under_profile(here, lab, monkeypatch):
    """Proxies of the lab run under the profile, if this machine can run any."""
    assert here["cause"] is None
    wrapper = lab.directory / "under-the-profile"
    command = [*UNDER_SECCOMP, "--profile", str(PROFILE), lib_proxy.BINARY]
    wrapper.write_text("#!/bin/sh\nexec " + " ".join(f"'{word}'" for word in command) + ' "$@"\n')
    wrapper.chmod(wrapper.stat().st_mode | stat.S_IXUSR)
    run(*UNDER_SECCOMP, "--profile", str(PROFILE), shutil.which("true"))
    monkeypatch.setattr(lib_proxy, "BINARY", str(wrapper))


@pytest.mark.usefixtures("under_profile")
def test_the_proxy_serves_under_the_profile(lab):
    proxy = lab.proxy(lab.origin(), env=UNDER_PROFILE)
    response = lab.ask(proxy, b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n")
    assert response.status == 200


@pytest.mark.usefixtures("under_profile")
def test_programs_of_checks_run_under_the_profile(lab):
    check = checked(lab.origin(), type="script", command=["/bin/sh", "-c", "echo under it; exit 3"])
    lab.proxy(check, env=UNDER_PROFILE)
    assert wait_event(lab.proxies[-1], "warn")["message"].endswith("exit status 3: under it")


def test_the_profile_leaves_out_what_we_do_not_use():
    allowed = {name for rule in json.loads(PROFILE.read_text(encoding="utf-8"))["syscalls"]
               for name in rule["names"]}
    assert allowed >= set(RING_CALLS)
    assert not allowed & {"bpf", "clone3", "init_module", "kexec_load", "keyctl", "mount", "open_by_handle_at",
                          "perf_event_open", "pivot_root", "process_vm_readv", "process_vm_writev",
                          "ptrace", "reboot", "setns", "swapon", "unshare", "userfaultfd"}


def test_the_table_of_the_readme_is_up_to_date(tmp_path):
    generate = REQS / "generate"
    done = run(sys.executable, str(generate), "--check")
    assert done.returncode == 0, done.stderr
    shutil.copytree(REQS, tmp_path / "reqs")
    listed = tmp_path / "reqs" / "features.def"
    listed.write_text(listed.read_text(encoding="utf-8").replace('"6.10"', '"6.11"'), encoding="utf-8")
    stale = run(sys.executable, str(tmp_path / "reqs" / "generate"), "--check")
    assert stale.returncode == 1 and "out of date" in stale.stderr
    assert run(sys.executable, str(tmp_path / "reqs" / "generate")).returncode == 0
    assert run(sys.executable, str(tmp_path / "reqs" / "generate"), "--check").returncode == 0
    assert "| `bundle` | 6.11 |" in (tmp_path / "reqs" / "README.md").read_text(encoding="utf-8")
