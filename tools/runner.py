#!/usr/bin/python3
"""Runs test suites and counts their cases.

    runner.py --results DIR programs SUITE PROGRAM...     programs that report in TAP
    runner.py --results DIR pytest SUITE PATH -- ARGS...  a pytest folder
    runner.py --results DIR matrix SUITE FEATURES PATHS... -- ARGS...
                                                          pytest once for each optional capability in
                                                          FEATURES, forced off, and once without all
    runner.py --results DIR fuzz SUITE --seconds N --build DIR NAME...
    runner.py --results DIR command SUITE -- COMMAND...   a command that is one case
    runner.py --results DIR step STEP -- COMMAND...       a step of `make test`: runs suites, or is one case
    runner.py --results DIR summary                       prints "NNN passed, N failed" (and DIR/total)

Every suite leaves DIR/SUITE.json with its counts; `summary` adds them up.
"""
import argparse
import concurrent.futures
import json
import os
import pathlib
import re
import shutil
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree

# A hung test must not hang the run; nothing here takes a tenth of this when it works.
PROGRAM_SECONDS_MAX = 600
PYTEST_SECONDS_MAX = 1800
SKIP_STATUS = 77
FEATURE_OPTIONAL = re.compile(r'^FEATURE_OPTIONAL\(\w+, "(\w+)"', re.MULTILINE)
TAP_LINE = re.compile(r"^(not ok|ok)\b(.*)$", re.MULTILINE)
TAP_SKIP = re.compile(r"#\s*skip", re.IGNORECASE)


class Counts:
    """Cases of one suite."""

    def __init__(self, passed=0, failed=0, skipped=0):
        self.passed, self.failed, self.skipped = passed, failed, skipped

    def add(self, other):
        self.passed += other.passed
        self.failed += other.failed
        self.skipped += other.skipped

    def __str__(self):
        text = f"{self.passed} passed, {self.failed} failed"
        return text + (f", {self.skipped} skipped" if self.skipped else "")


def counts_file(results, suite):
    return results / f"{suite}.json"


def counts_save(results, suite, counts):
    results.mkdir(parents=True, exist_ok=True)
    counts_file(results, suite).write_text(json.dumps(vars(counts)) + "\n")


def counts_load_all(results):
    return {path.stem: Counts(**json.loads(path.read_text()))
            for path in sorted(results.glob("*.json"))}


def suite_finish(results, suite, counts):
    """Records and prints the counts; the exit status says whether all is well."""
    counts_save(results, suite, counts)
    print(f"{suite}: {counts}", flush=True)
    return 1 if counts.failed else 0


def tap_count(text):
    """Counts the TAP result lines in a program's output."""
    counts = Counts()
    for verdict, rest in TAP_LINE.findall(text):
        if TAP_SKIP.search(rest):
            counts.skipped += 1
        elif verdict == "ok":
            counts.passed += 1
        else:
            counts.failed += 1
    return counts


RUNNING = set()  # the process groups that were started and have not ended


def groups_end():
    for group in list(RUNNING):
        try:
            os.killpg(group, signal.SIGTERM)
        except ProcessLookupError:
            pass


def group_run(command, seconds_max, **options):
    """Runs a command in a process group of its own, so that one that hangs goes with its children.

    Returns the exit status (None: took too long) and what it printed, if that was asked for.
    """
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, start_new_session=True,
                          **options) as process:
        RUNNING.add(process.pid)
        try:
            output, _ = process.communicate(timeout=seconds_max)
            return process.returncode, output
        except subprocess.TimeoutExpired:
            os.killpg(process.pid, signal.SIGKILL)
            return None, process.communicate()[0]
        except KeyboardInterrupt:
            groups_end()
            raise
        finally:
            RUNNING.discard(process.pid)


def program_run(command, seconds_max=PROGRAM_SECONDS_MAX):
    """Runs a test program; returns its exit status (None: took too long) and all it printed."""
    env = dict(os.environ, CMOCKA_MESSAGE_OUTPUT="TAP")
    status, output = group_run(command, seconds_max, env=env, stdout=subprocess.PIPE,
                               stderr=subprocess.STDOUT)
    return status, output.decode(errors="replace")


def program_counts(status, output):
    """The verdict of one program: its TAP lines, and one more failure when it died or hung."""
    counts = tap_count(output)
    if status == SKIP_STATUS:
        counts.skipped += 1
    elif status != 0 and counts.failed == 0:
        counts.failed += 1
    elif status == 0 and counts.passed + counts.failed + counts.skipped == 0:
        counts.passed += 1
    return counts


def run_each(args, run):
    """Calls run(name) for each of args.rest, args.jobs at once; it returns counts and a text."""
    total = Counts()
    with concurrent.futures.ThreadPoolExecutor(max(args.jobs, 1)) as pool:
        try:
            for counts, text in pool.map(run, args.rest):
                total.add(counts)
                print(text, flush=True)
        except KeyboardInterrupt:
            pool.shutdown(wait=False, cancel_futures=True)
            groups_end()
            raise
    return suite_finish(args.results, args.suite, total)


def one_program(program):
    started = time.monotonic()
    status, output = program_run([program])
    counts = program_counts(status, output)
    name = "/".join(pathlib.Path(program).parts[-2:])
    text = f"  {name}: {counts} ({time.monotonic() - started:.1f} s)"
    if counts.failed:
        text += f"\n{output}\n  {program}: "
        text += "took too long" if status is None else f"exit status {status}"
    return counts, text


def run_programs(args):
    return run_each(args, one_program)


def junit_count(path):
    """Counts a pytest run from its JUnit file, where an error in a fixture is a failure too."""
    counts = Counts()
    for suite in ElementTree.parse(path).getroot().iter("testsuite"):
        bad = int(suite.get("failures", 0)) + int(suite.get("errors", 0))
        skipped = int(suite.get("skipped", 0))
        counts.add(Counts(int(suite.get("tests", 0)) - bad - skipped, bad, skipped))
    return counts


def pytest_suite(args, suite, arguments, extra_env=None):
    """Runs pytest and records what it counted."""
    args.results.mkdir(parents=True, exist_ok=True)
    report = args.results / f"{suite}.xml"
    report.unlink(missing_ok=True)
    parallel = ["-n", str(args.jobs)] if args.jobs else []
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "-ra",
               f"--junitxml={report}", *parallel, *arguments]
    env = dict(os.environ, PYTHONDONTWRITEBYTECODE="1", **(extra_env or {}))
    status, _ = group_run(command, PYTEST_SECONDS_MAX, env=env)
    counts = junit_count(report) if report.exists() else Counts()
    if status != 0 and counts.failed == 0:
        counts.failed = 1
    return suite_finish(args.results, suite, counts)


def run_pytest(args):
    return pytest_suite(args, args.suite, args.rest)


def run_matrix(args):
    """The way an older kernel would run: the same tests without each optional capability, and
    without all of them."""
    features = FEATURE_OPTIONAL.findall(pathlib.Path(args.rest[0]).read_text(encoding="utf-8"))
    if not features:
        print(f"{args.suite}: no optional capability in {args.rest[0]}")
        return 1
    without = {**{name: name for name in features}, "everything": ",".join(features)}
    status = 0
    for name, disabled in without.items():
        print(f"  without {name}", flush=True)
        status |= pytest_suite(args, f"{args.suite}-{name}", args.rest[1:],
                               {"NEXTPROXY_RING_DISABLE": disabled})
    return status


def fuzz_corpus_copy(build, name):
    """libFuzzer writes what it finds into the corpus: it gets a copy, the tree stays clean."""
    copy = build / "corpus" / name
    copy.mkdir(parents=True, exist_ok=True)
    source = pathlib.Path("tests/fuzz/corpus") / name
    if source.is_dir():
        shutil.copytree(source, copy, dirs_exist_ok=True)
    return copy


def fuzz_target(args, name):
    """Replays the regression inputs of a target, then lets it look for new ones."""
    binary = args.build / "bin" / f"fuzz_{name}"
    findings = args.build / "findings" / name
    findings.mkdir(parents=True, exist_ok=True)
    regression = pathlib.Path("tests/fuzz/regression") / name
    inputs = sorted(str(p) for p in regression.iterdir() if p.is_file()) if regression.is_dir() else []
    runs = []
    if inputs:
        runs.append((f"{name} regression", [str(binary), *inputs]))
    command = [str(binary), f"-max_total_time={args.seconds}", "-timeout=60", "-rss_limit_mb=2048",
               "-print_final_stats=1", f"-artifact_prefix={findings}/"]
    for dictionary in (pathlib.Path(f"tests/fuzz/{name}.dict"), pathlib.Path("tests/fuzz/http.dict")):
        if dictionary.exists():
            command.append(f"-dict={dictionary}")
            break
    runs.append((f"{name} smoke", command + [str(fuzz_corpus_copy(args.build, name))]))
    counts = Counts()
    lines = []
    for title, run in runs:
        status, output = program_run(run, args.seconds + 120)
        executed = re.search(r"number_of_executed_units:\s*(\d+)", output)
        lines.append(f"  {title}: {'ok' if status == 0 else 'FAILED'}"
                     + (f", {executed.group(1)} inputs" if executed else ""))
        if status == 0:
            counts.passed += 1
        else:
            counts.failed += 1
            lines.append(output[-8000:])
    return counts, "\n".join(lines)


def run_fuzz(args):
    return run_each(args, lambda name: fuzz_target(args, name))


def run_command(args):
    """A command whose exit status is the verdict of one case."""
    status = subprocess.run(args.rest, check=False, close_fds=False).returncode
    return suite_finish(args.results, args.suite, Counts(int(status == 0), int(status != 0)))


def run_step(args):
    """One step of `make test`. Steps that record suites are counted there; others are one case."""
    before = counts_load_all(args.results)
    print(f"== {args.suite}", flush=True)
    started = time.monotonic()
    # A step is mostly a make of its own, which needs the job server's descriptors.
    status = subprocess.run(args.rest, check=False, close_fds=False).returncode
    after = counts_load_all(args.results)
    recorded = [counts for suite, counts in after.items() if suite not in before]
    if status != 0 and not any(counts.failed for counts in recorded):
        counts_save(args.results, f"step-{args.suite}", Counts(failed=1))
    elif status == 0 and not recorded:
        counts_save(args.results, f"step-{args.suite}", Counts(passed=1))
    print(f"== {args.suite}: {'ok' if status == 0 else 'FAILED'}"
          f" ({time.monotonic() - started:.0f} s)", flush=True)
    return status


def run_summary(args):
    total = Counts()
    for suite, counts in counts_load_all(args.results).items():
        print(f"  {suite.removeprefix('step-'):24} {counts}")
        total.add(counts)
    print(total, flush=True)
    (args.results / "total").write_text(f"{total}\n")
    return 1 if total.failed or not total.passed else 0


COMMANDS = {"programs": run_programs, "pytest": run_pytest, "matrix": run_matrix, "fuzz": run_fuzz, "command": run_command, "step": run_step,
            "summary": run_summary}


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--results", type=pathlib.Path, required=True)
    parser.add_argument("command", choices=COMMANDS)
    parser.add_argument("suite", nargs="?")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--jobs", type=int, default=0, help="how many at once; 0 = one, and no pytest-xdist")
    parser.add_argument("--build", type=pathlib.Path)
    argv = sys.argv[1:]
    tail = []
    if "--" in argv:
        split = argv.index("--")
        argv, tail = argv[:split], argv[split + 1:]
    args, rest = parser.parse_known_args(argv)
    args.rest = rest + tail
    return COMMANDS[args.command](args)


if __name__ == "__main__":
    sys.exit(main())
