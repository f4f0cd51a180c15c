"""Running the cases: a proxy for each, the load on them in alternating rounds."""

import contextlib
import json
import os
import signal
import subprocess
import tempfile
import time

from runner import events, machine, programs

RUN_SECONDS_SPARE = 120
# A round from which the hypervisor took more than this share of the processors is measured again.
STEAL_SHARE_MAX = 0.03
ROUND_TRIES = 3


class RunError(Exception):
    """The load generator failed or its responses were not what the origin sent."""


def load_command(tools, address, case, scale, watched):
    command = programs.pin(programs.GENERATOR_CPU) + [tools.load(), "--target", address]
    options = dict(case.load)
    if scale.requests:
        # Large bodies: not more than some 50 MB.
        requests = max(10, min(scale.requests, (50 << 20) // case.load["body"]))
        options.update(requests=requests, warmup=0)
        options.pop("seconds", None)
    for name, value in options.items():
        command.append(f"--{name}")
        if value is not True:
            command.append(str(value))
    for index, pid in enumerate(watched):
        command += ["--watch", f"proxy{index}={pid}"]
    return command


def summarize(result):
    """The numbers of one run that the report uses, beside what the generator printed."""
    watches = result["watch"].values()
    cpu_ns = sum(w["cpu_ns"] for w in watches)
    user = sum(w["user_ticks"] for w in watches)
    system = sum(w["system_ticks"] for w in watches)
    requests = max(result["requests"], 1)
    values = {"rps": result["rps"], "requests": result["requests"], "refused": result["refused"]}
    values.update({k: result["latency_us"][k] for k in ("p50", "p90", "p95", "p99", "p999", "max")})
    if cpu_ns:
        values["cpu_us_per_request"] = cpu_ns / 1e3 / requests
        values["cpu_s_per_gb"] = cpu_ns / 1e9 / max(result["bytes"] / 1e9, 1e-9)
        values["user_share"] = user / max(user + system, 1)
        values["switches_per_request"] = sum(w["switches"] for w in watches) / requests
    return values


def run_load(command):
    seconds = RUN_SECONDS_SPARE
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
                          timeout=seconds, check=False)
    if done.returncode not in (0, 2) or not done.stdout:
        raise RunError(done.stderr.strip()[-400:])
    result = json.loads(done.stdout.strip().splitlines()[-1])
    if not result["valid"]:
        kinds = {k: v for k, v in result["errors"].items() if v}
        raise RunError(f"wrong or missing responses: {kinds}, {result['requests']} good ones")
    return result


def run_traffic(tools, running, case, scale):
    program, address = running
    watched = program.pids() if program else []
    return summarize(run_load(load_command(tools, address, case, scale, watched)))


def warm_up(tools, address, scale):
    """Traffic that touches all the memory that traffic touches, so that growth after it is due to
    the connections alone."""
    command = programs.pin(programs.GENERATOR_CPU) + [
        tools.load(), "--target", address, "--connections", "256", "--warmup", "0",
        "--requests", str(scale.requests or 20000)]
    subprocess.run(command, stdout=subprocess.DEVNULL, timeout=60, check=True)
    time.sleep(0.3)


def run_idle_memory(tools, running, case, scale):
    program, address = running
    warm_up(tools, address, scale)
    before = programs.memory_bytes(program.pids())
    command = programs.pin(programs.GENERATOR_CPU) + [
        tools.load(), "--target", address, "--connections", "0", "--idle", str(case.load["idle"]),
        "--seconds", str(case.load["seconds"])]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as holder:
        if "idle_ready" not in holder.stdout.readline():
            holder.wait()
            raise RunError("the idle connections could not be opened")
        time.sleep(case.load["seconds"] / 3)
        after = programs.memory_bytes(program.pids())
        result = json.loads(holder.stdout.read().strip().splitlines()[-1])
    if not result["valid"]:
        raise RunError(f"idle connections were closed: {result['errors']}")
    return {"bytes_per_connection": (after - before) / case.load["idle"],
            "pss_before_mb": before / 1e6, "pss_after_mb": after / 1e6}


def run_rest_memory(tools, running, case, scale):
    program, _ = running
    time.sleep(0.5)
    return {"pss_mb": programs.memory_bytes(program.pids()) / 1e6}


# What ends each of them gracefully.
STOP_SIGNALS = {"nextproxy": signal.SIGTERM, "haproxy": signal.SIGUSR1, "nginx": signal.SIGQUIT}


def run_drain(tools, running, case, scale):
    """A graceful stop in the middle of a load: how long it took, and how many requests got no
    answer or half of one. New connections are refused from then on, which is no fault."""
    program, _ = running
    command = load_command(tools, running[1], case, scale, [])
    with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL,
                          text=True) as load:
        if scale.requests:  # few, and nobody knows how long they take: the stop comes behind them
            load.wait(RUN_SECONDS_SPARE)
        else:
            time.sleep(scale.warmup + case.load["seconds"] / 2)
        program.process.send_signal(STOP_SIGNALS[case.subject])
        began = time.monotonic()
        program.process.wait(RUN_SECONDS_SPARE)
        took = time.monotonic() - began
        result = json.loads(load.stdout.read().strip().splitlines()[-1])
    if not result["requests"]:
        raise RunError("no request was answered before the stop")
    return {"drain_ms": took * 1e3, "cut": result["errors"]["reset"] + result["errors"]["closed"]}


RUNNERS = {"traffic": run_traffic, "drain": run_drain, "idle-memory": run_idle_memory,
           "rest-memory": run_rest_memory, "probes": events.run_probes, "reload": events.run_reload,
           "crash": events.run_crash}


class Session:
    """The processes of one scenario: an origin for each number of backends and capacity, and the
    proxies."""

    def __init__(self, tools, stack):
        self.tools = tools
        self.stack = stack
        self.directory = stack.enter_context(tempfile.TemporaryDirectory(prefix="nextproxy-bench-"))
        # nginx started by root runs its worker as another user, who must be able to get in.
        os.chmod(self.directory, 0o755)
        self.origins = {}

    def origin(self, case):
        key = (case.backends, *case.capacity.items())
        if key not in self.origins:
            program, addresses = self.tools.origin(self.directory, case.backends, case.capacity)
            self.stack.enter_context(program)
            self.origins[key] = addresses
        return self.origins[key]

    def start(self, case, stack):
        """Starts the proxy of `case`; `stack` stops it. Returns it and its address."""
        addresses = self.origin(case)
        if case.subject == "direct":
            return None, addresses[0]
        directory = os.path.join(self.directory, case.key.replace("/", "-"))
        os.makedirs(directory, exist_ok=True)
        options = {**case.options, "body": case.load["body"]}
        program, address = self.tools.start(case.subject, addresses, directory, options)
        stack.enter_context(program)
        return program, address


def least_disturbed(measure, scale):
    """The values of the try from which the least time was stolen, whatever they are."""
    tries = []
    while len(tries) < (1 if scale.requests else ROUND_TRIES):
        began, stolen = time.monotonic(), machine.steal_seconds()
        values = measure()
        share = (machine.steal_seconds() - stolen) / os.cpu_count() / (time.monotonic() - began)
        tries.append({**values, "steal_share": share})
        if share <= STEAL_SHARE_MAX:
            break
    return min(tries, key=lambda values: values["steal_share"])


def run_scenario(tools, scenario, scale, say):
    """Returns {case key: {"rounds": [...], "error": text or None}}."""
    cases = [case for case in scenario.cases if tools.has(case.subject)]
    results = {case.key: {"rounds": [], "error": None} for case in cases}
    with contextlib.ExitStack() as stack:
        session = Session(tools, stack)
        running = {}
        for number in range(scale.rounds):
            # Rotated, so that no case is always the one after a certain other.
            turn = number % max(len(cases), 1)
            for case in cases[turn:] + cases[:turn]:
                run_case(session, scenario, case, scale, running, results[case.key])
    for key, entry in results.items():
        if entry["error"]:
            say(f"  {scenario.name}: {key}: {entry['error']}")
    return results


def run_case(session, scenario, case, scale, running, entry):
    """One round of one case. Traffic finds the proxy of the round before; memory is measured on a
    new one each time, because memory that was used once stays with the process."""
    if entry["error"]:
        return
    run = RUNNERS[scenario.kind]
    try:
        if scenario.kind == "traffic":
            if case.key not in running:
                running[case.key] = session.start(case, session.stack)
            values = least_disturbed(
                lambda: run(session.tools, running[case.key], case, scale), scale)
        else:
            with contextlib.ExitStack() as stack:
                values = run(session.tools, session.start(case, stack), case, scale)
        entry["rounds"].append(values)
    except (RunError, programs.StartError, subprocess.SubprocessError, OSError) as error:
        entry["error"] = f"round {len(entry['rounds']) + 1}: {error}"
