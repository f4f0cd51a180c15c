"""What is measured: a scenario is a list of cases, which are run in turn, round after round."""

import dataclasses

KEEPALIVE_COUNTS = (16, 64, 256, 1024)
BULK_SIZES = {"64k": 65536, "1m": 1 << 20, "10m": 10 << 20}
PEERS = ("haproxy", "nginx")
# An origin that serves 16 requests at once, each for 8 ms: 2,000 a second.
CAPACITY = {"slots": 16, "service-us": 8000}
CAPACITY_RATE = 2000
OVERLOAD = 3
PROBED = {"healthCheck": {"enabled": True, "path": "/16"}}  # every 10 s
RESILIENCE = {
    "off": {"passiveCheck": {"enabled": False}, "proxy": {"retries": 0},
            "loadBalancing": {"maxEjectionPercent": 0, "panicThreshold": 0}},
    "on": {},
    "limits": {"reqActiveLength": 1000, "reqQueueLength": 1000, "shedding": {"enabled": True},
               "retry": {"hedge": {"enabled": True}}},
}


@dataclasses.dataclass
class Case:
    """One subject under one load. `variant` tells apart cases of one subject in one scenario."""

    subject: str
    load: dict
    variant: str = ""
    backends: int = 1
    options: dict = dataclasses.field(default_factory=dict)
    capacity: dict = dataclasses.field(default_factory=dict)  # the origin's options

    @property
    def key(self):
        return self.subject + (f"/{self.variant}" if self.variant else "")


@dataclasses.dataclass
class Scenario:
    name: str
    title: str
    cases: list
    kind: str = "traffic"  # or another of measure.RUNNERS


def keepalive(scale):
    for count in KEEPALIVE_COUNTS:
        load = {"connections": count, "body": 1024, "seconds": scale.seconds}
        yield Scenario(f"keepalive-{count}", f"{count} keep-alive connections, 1 KB", [
            Case(subject, load) for subject in ("nextproxy", "haproxy", "nginx", "floor")])


def bulk(scale):
    for name, size in BULK_SIZES.items():
        load = {"connections": 16 if size < 1 << 20 else 8, "body": size, "seconds": scale.seconds}
        subjects = ("nextproxy", "haproxy", "haproxy+splice", "nginx", "floor")
        yield Scenario(f"bulk-{name}", f"bodies of {name.upper()}B",
                       [Case(subject, load) for subject in subjects])


def fresh(scale):
    load = {"connections": 64, "body": 1024, "fresh": True, "seconds": scale.seconds}
    yield Scenario("fresh", "a new connection for each request",
                   [Case(subject, load) for subject in ("nextproxy",) + PEERS])


def openloop(scale):
    load = {"connections": 64, "body": 1024, "rate": scale.rate, "seconds": scale.seconds}
    subjects = ("direct", "nextproxy") + PEERS + ("floor",)
    yield Scenario("openloop", f"constant rate of {scale.rate} requests/s",
                   [Case(subject, load) for subject in subjects])


def spike(scale):
    """From nothing: every connection of it is new."""
    load = {"connections": 256, "body": 1024, "rate": scale.spike, "seconds": scale.seconds,
            "warmup": 0}
    yield Scenario("spike", f"from 0 to {scale.spike} requests/s and back",
                   [Case(subject, load) for subject in ("direct", "nextproxy") + PEERS])


def overload(scale):
    """Requests at a third of what the origin can do, and at three times as many. The proxy is to
    find the limit by itself, in the warm-up."""
    load = {"connections": 512, "body": 1024, "seconds": scale.seconds, "may-refuse": True,
            "warmup": 4 * scale.warmup}
    cases = [Case("nextproxy", {**load, "rate": rate}, variant, capacity=CAPACITY,
                  options={"settings": {"adaptive": {"enabled": True}}})
             for variant, rate in (("calm", CAPACITY_RATE // 3),
                                   ("overload", CAPACITY_RATE * OVERLOAD))]
    yield Scenario("overload", f"{OVERLOAD} times what the origin can do, adaptive limit", cases)


def drain(scale):
    load = {"connections": 256, "body": 1024, "seconds": scale.seconds}
    yield Scenario("drain", "a graceful stop under the load of 256 connections",
                   [Case(subject, load) for subject in ("nextproxy",) + PEERS], "drain")


def idle_memory(scale):
    load = {"connections": 0, "idle": scale.idle, "body": 1024, "seconds": scale.hold}
    yield Scenario("idle-memory", f"{scale.idle} idle keep-alive connections",
                   [Case(subject, load) for subject in ("nextproxy",) + PEERS], "idle-memory")


def idle_traffic(scale):
    cases = []
    for subject in ("nextproxy",) + PEERS:
        load = {"connections": 100, "body": 1024, "seconds": scale.seconds}
        cases.append(Case(subject, load, "alone"))
        cases.append(Case(subject, {**load, "idle": scale.idle}, "among-idle"))
    yield Scenario("idle-traffic", f"traffic on 100 connections, alone and with {scale.idle} open",
                   cases)


def backends(scale):
    cases = []
    for subject in ("nextproxy",) + PEERS + ("floor",):
        # Longer warm-up: each backend gets its connections before the measured window begins.
        load = {"connections": 64, "body": 1024, "seconds": scale.seconds, "warmup": scale.warmup}
        cases.append(Case(subject, load, "3", backends=3))
        cases.append(Case(subject, load, str(scale.backends), backends=scale.backends))
    yield Scenario("backends", f"{scale.backends} backends and three", cases)


def access_log(scale):
    load = {"connections": 64, "body": 1024, "seconds": scale.seconds}
    yield Scenario("access-log", "access log on and off", [
        Case("nextproxy", load, "off"),
        Case("nextproxy", load, "on", options={"access_log": True})])


def resilience(scale):
    """Nothing of it; what is on unless switched off, and checks; limits and hedging besides."""
    load = {"connections": 64, "body": 1024, "seconds": scale.seconds, "warmup": scale.warmup}
    yield Scenario("resilience", "health checks, retries, circuits and limits, off and on", [
        Case("nextproxy", load, variant, backends=3,
             options={"settings": settings} if variant == "off" else
             {"settings": settings, "backend": PROBED, "admin": True})
        for variant, settings in RESILIENCE.items()])


def probes(scale):
    settle, seconds = (0, scale.seconds) if scale.requests else (12, 10)
    yield Scenario("probes", f"{scale.backends} backends that are probed every 10 s, no traffic", [
        Case("nextproxy", {"body": 1024, "settle": settle, "seconds": seconds},
             backends=scale.backends, options={"backend": PROBED})], "probes")


def reload(scale):
    routes = [{"id": f"r{i}", "path": f"/r{i}", "backends": [f"b{i + 1}"]}
              for i in range(scale.backends)]
    settings = {"routes": routes, "reload": {"watch": False}}
    yield Scenario("reload", f"{scale.backends} backends and as many routes, all weights changed", [
        Case("nextproxy", {"body": 1024}, backends=scale.backends,
             options={"settings": settings, "admin": True})], "reload")


def crash(scale):
    yield Scenario("crash", "from SIGSEGV of the engine to the next answer", [
        Case("nextproxy", {"body": 1024})], "crash")


def rest_memory(scale):
    yield Scenario("rest-memory", "memory at rest, two workers", [
        Case("nextproxy", {"body": 1024}, options={"workers": 2})], "rest-memory")


ALL = {"keepalive": keepalive, "bulk": bulk, "fresh": fresh, "openloop": openloop,
       "spike": spike, "overload": overload, "drain": drain, "idle-memory": idle_memory,
       "idle-traffic": idle_traffic, "backends": backends, "access-log": access_log,
       "resilience": resilience, "probes": probes, "reload": reload, "crash": crash,
       "rest-memory": rest_memory}


@dataclasses.dataclass
class Scale:
    """How long and how much: the full benchmark, a quick look, or the smoke test."""

    rounds: int
    seconds: float
    warmup: float = 0.5
    rate: int = 10000
    spike: int = 20000
    idle: int = 10000
    hold: float = 1.5
    backends: int = 1000
    requests: int = 0  # > 0: as many requests instead of the seconds


def build(names, scale):
    scenarios = []
    for name in names:
        scenarios += ALL[name](scale)
    return scenarios
