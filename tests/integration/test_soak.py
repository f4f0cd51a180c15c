"""Everything that goes wrong and changes, for a while (issue, "To show"): backends that fail and come
back, a line that is cut, a disk that is full, a clock that is set, more clients than descriptors,
workers that stand still, clients that end oddly, reloads, upgrades and crashes of the engine; with
tunnels and downloads that last.

No request that may be tried again fails, and nothing is cut, with one exception: what an engine has
in progress when it is killed, which is one request of each client at most. In the middle half no
engine ends, and its memory and descriptors stay as they were; the supervisor's do all the time.

`make soak` takes ten minutes; as one of the integration tests it takes some seconds. SEED chooses
what happens."""
import json
import os

import pytest

from lib.clock import Clock, build
from lib.proxy import sanitized
from lib.soak import Soak, Surroundings

SEED = int(os.environ.get("SEED", "20261121"))
SECONDS = float(os.environ.get("SOAK_SECONDS", "8"))
CRASHES = 1 if SECONDS < 60 else 4  # the supervisor gives up after ten without a minute of peace
# Of what is touched late: log buffers, 6 MB of them, and more connections at once than before.
MEMORY_MARGIN_KB = 8192
DESCRIPTOR_MARGIN = 64  # idle upstreams and pipes, which are bounded

pytestmark = pytest.mark.usefixtures("crashes")


@pytest.fixture(name="around")
def surroundings(lab):
    clock = None if sanitized() else Clock(build(lab.directory), lab.directory / "clock")
    around = Surroundings(lab, clock)
    with around.inside():
        yield around
        try:
            lab.close()
        finally:
            around.close()


def grown(before, after, who):
    """Whether there is more than before."""
    return (after[f"{who}_fds"] > before[f"{who}_fds"] + DESCRIPTOR_MARGIN
            or after[f"{who}_kb"] > before[f"{who}_kb"] * 1.1 + MEMORY_MARGIN_KB)


def test_soak(lab, around):
    soak = Soak(lab, around, SEED)
    ends = [soak.upgrade, soak.crash] * CRASHES
    soak.run(SECONDS / 4, ends)
    figures = [soak.rest()]
    for _ in range(2):
        soak.run(SECONDS / 4)
        figures.append(soak.rest())
    soak.run(SECONDS / 4, ends)
    figures.append(soak.rest())
    soak.stop()
    print(json.dumps({"seed": SEED, "seconds": SECONDS, "answered": soak.load.answered,
                      "lost": soak.lost, "done": soak.done, "missing": around.missing,
                      "figures": figures}, indent=1))
    assert not grown(figures[0], figures[2], "engine")
    assert not grown(figures[0], figures[3], "supervisor")
