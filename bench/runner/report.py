"""Medians, ratios, the targets, and the tables printed from them."""

import statistics

from runner import scenarios

METRIC = {"keepalive": "cpu_us_per_request", "bulk": "cpu_s_per_gb", "fresh": "cpu_us_per_request",
          "openloop": "p95", "spike": "p99", "overload": "p99", "drain": "drain_ms",
          "idle-memory": "bytes_per_connection", "rest-memory": "pss_mb",
          "idle-traffic": "cpu_us_per_request", "backends": "cpu_us_per_request",
          "access-log": "cpu_us_per_request", "resilience": "cpu_us_per_request",
          "probes": "cpu_percent", "reload": "reload_ms", "crash": "crash_ms"}

KEEPALIVE_LIMITS = {16: (0.86, 0.95), 64: (0.84, 0.96), 256: (0.70, 0.90), 1024: (0.60, 0.72)}
FLOOR_LIMIT = 1.10


def medians(results):
    """{scenario: {case key: {metric: median over the rounds}}} of the cases without an error."""
    out = {}
    for scenario, cases in results.items():
        out[scenario] = {}
        for key, entry in cases.items():
            if entry["rounds"] and not entry["error"]:
                names = entry["rounds"][0]
                out[scenario][key] = {name: statistics.median(r[name] for r in entry["rounds"])
                                      for name in names}
    return out


def family(scenario):
    """keepalive-64 -> keepalive; idle-memory stays."""
    return scenario if scenario in METRIC else scenario.rsplit("-", 1)[0]


class Checker:
    """Compares medians with the targets; a row without both numbers says so."""

    def __init__(self, table):
        self.table = table
        self.rows = []

    def value(self, scenario, key, metric=None):
        entry = self.table.get(scenario, {}).get(key)
        return entry.get(metric or METRIC[family(scenario)]) if entry else None

    def best(self, scenario, keys):
        values = [v for v in (self.value(scenario, k) for k in keys) if v is not None]
        return min(values) if values else None

    def add(self, name, measured, limit, unit=""):
        verdict = "-" if measured is None else ("pass" if measured <= limit else "FAIL")
        self.rows.append({"criterion": name, "measured": measured, "limit": limit, "unit": unit,
                          "verdict": verdict})

    def ratio(self, name, ours, theirs, limit):
        known = ours is not None and theirs
        self.add(name, ours / theirs if known else None, limit, "x")


def check_keepalive(check, subject):
    for count, (haproxy, nginx) in KEEPALIVE_LIMITS.items():
        scenario = f"keepalive-{count}"
        ours = check.value(scenario, subject)
        for peer, limit in (("haproxy", haproxy), ("nginx", nginx), ("floor", FLOOR_LIMIT)):
            check.ratio(f"{count} connections, CPU per request vs {peer}", ours,
                        check.value(scenario, peer), limit)


def check_bodies(check, subject):
    peers = ("haproxy", "haproxy+splice", "nginx")
    for size in ("64k", "1m", "10m"):
        scenario = f"bulk-{size}"
        check.ratio(f"bodies of {size.upper()}B, CPU s/GB vs the better peer",
                    check.value(scenario, subject), check.best(scenario, peers), 0.6)
    check.ratio("new connection each, CPU per request vs the better peer",
                check.value("fresh", subject), check.best("fresh", peers), 0.85)


def check_latency(check, subject):
    ours = check.value("openloop", subject, "p95")
    direct = check.value("openloop", "direct", "p95")
    added = (ours - direct) / 1e3 if ours is not None and direct is not None else None
    check.add("constant rate, added latency p95", added, 0.3, "ms")
    check.ratio("constant rate, p99 vs haproxy", check.value("openloop", subject, "p99"),
                check.value("openloop", "haproxy", "p99"), 1.0)


def check_overload(check, subject):
    """Goodput and the latency of what was let in (scenarios.overload)."""
    goodput = check.value("overload", f"{subject}/overload", "rps")
    check.ratio("overload, the origin's capacity vs goodput", scenarios.CAPACITY_RATE, goodput,
                1 / 0.9)
    check.ratio("overload, p99 of what is let in vs calm",
                check.value("overload", f"{subject}/overload"),
                check.value("overload", f"{subject}/calm"), 3.0)


def check_memory(check, subject, scale):
    check.add("idle connection, user memory", check.value("idle-memory", subject), 512, "bytes")
    check.ratio("100 active among idle ones vs alone, CPU per request",
                check.value("idle-traffic", f"{subject}/among-idle"),
                check.value("idle-traffic", f"{subject}/alone"), 1.10)
    check.ratio(f"{scale.backends} backends vs 3, CPU per request",
                check.value("backends", f"{subject}/{scale.backends}"),
                check.value("backends", f"{subject}/3"), 1.05)
    check.ratio("access log on vs off, CPU per request", check.value("access-log", "nextproxy/on"),
                check.value("access-log", "nextproxy/off"), 1.03)
    check.add("memory at rest, two workers", check.value("rest-memory", "nextproxy"), 32, "MB")


def check_resilience(check, subject, scale):
    for variant in ("on", "limits"):
        check.ratio(f"resilience {variant} vs off, CPU per request",
                    check.value("resilience", f"{subject}/{variant}"),
                    check.value("resilience", f"{subject}/off"), 1.03)
    check.add(f"{scale.backends} backends probed every 10 s, of one core",
              check.value("probes", subject), 1.0, "%")
    check.add(f"reload of {scale.backends} backends and as many routes",
              check.value("reload", subject), 50, "ms")
    check.add("... of which a worker has", check.value("reload", subject, "worker_ms"), 1.0, "ms")
    check.add("engine crashed, to the next answer", check.value("crash", subject), 100, "ms")


def check_all(table, scale, subject="nextproxy"):
    check = Checker(table)
    check_keepalive(check, subject)
    check_bodies(check, subject)
    check_latency(check, subject)
    check_overload(check, subject)
    check_memory(check, subject, scale)
    check_resilience(check, subject, scale)
    return check.rows


def format_number(value, unit=""):
    if value is None:
        return "-"
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 3 if unit == "x" else 2
    return f"{value:.{digits}f}"


COLUMNS = (("cpu_us_per_request", "CPU us/req"), ("user_share", "user"),
           ("cpu_s_per_gb", "CPU s/GB"), ("rps", "req/s"), ("p50", "p50 us"), ("p95", "p95 us"), ("p99", "p99 us"),
           ("refused", "refused"), ("drain_ms", "drain ms"), ("cut", "cut"),
           ("cpu_percent", "CPU %"), ("reload_ms", "reload ms"), ("worker_ms", "worker ms"),
           ("crash_ms", "crash ms"), ("bytes_per_connection", "bytes/conn"), ("pss_mb", "Pss MB"))


def print_medians(table, say):
    for scenario, cases in table.items():
        if not cases:
            continue
        present = [c for c in COLUMNS if any(c[0] in values for values in cases.values())]
        if not scenario.startswith("bulk"):
            present = [c for c in present if c[0] != "cpu_s_per_gb"]
        say(f"\n{scenario:<28}" + "".join(f"{title:>12}" for _, title in present))
        for key, values in cases.items():
            say(f"  {key:<26}" + "".join(f"{format_number(values.get(name)):>12}"
                                         for name, _ in present))


def print_checks(rows, say):
    say(f"\n{'criterion':<58}{'measured':>10}{'target':>10}  ")
    for row in rows:
        measured = format_number(row["measured"], row["unit"])
        say(f"{row['criterion']:<58}{measured:>10}{row['limit']:>9.4g}{row['unit'][:5]:<6}"
            f"{row['verdict']}")


def compare(old, new, say):
    """Prints what changed between two result files; the band is the spread of the old rounds."""
    say(f"{'scenario':<16}{'case':<26}{'metric':<22}{'old':>10}{'new':>10}{'change':>9}{'band':>8}")
    for scenario, cases in new["medians"].items():
        metric = METRIC[family(scenario)]
        for key, values in cases.items():
            before = old["medians"].get(scenario, {}).get(key, {}).get(metric)
            after = values.get(metric)
            if not before or after is None:
                continue
            rounds = [r[metric] for r in old["results"][scenario][key]["rounds"]]
            band = (max(rounds) - min(rounds)) / before * 100
            say(f"{scenario:<16}{key:<26}{metric:<22}{before:>10.3f}{after:>10.3f}"
                f"{(after / before - 1) * 100:>+8.1f}%{band:>7.1f}%")
