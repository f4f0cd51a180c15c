"""Backends that fail in every way, at full load: as long as one of them is well, no client sees an
error of an idempotent request that may be tried again (issue, "To show")."""
import random

import pytest

from lib.faults import FAULTS, FaultyBackend
from lib.load import Load, wait_answers

# Frozen and hanging backends are given up after a while; each fault may cost as much. More than a
# busy machine takes for an answer, else the one that is well is given up, too.
PATIENCE = {"connect": 1500, "responseHead": 1500}


def backends_of(lab, count):
    return [lab.keep(FaultyBackend()) for _ in range(count)]


@pytest.mark.parametrize("fault", FAULTS)
def test_one_fault(lab, fault):
    """Two of three fail at once; then they are well again, those that can be."""
    backends = backends_of(lab, 3)
    proxy = lab.proxy(*backends, proxy={"retries": 3}, timeouts=PATIENCE, workers=2)
    load = Load(proxy)
    wait_answers(load, 200)
    for backend in backends[:2]:
        backend.fail(fault)
    wait_answers(load, 300)
    if fault != "killed":
        for backend in backends[:2]:
            backend.heal()
        wait_answers(load, 200)
    load.stop()
    assert not load.errors


def test_all_faults_at_once(lab):
    """One of each kind, which come and go; one backend stays well all the time."""
    kinds = [kind for kind in FAULTS if kind != "killed"]
    backends = backends_of(lab, len(kinds) + 2)
    proxy = lab.proxy(*backends, proxy={"retries": 10}, timeouts=PATIENCE, workers=2)
    load = Load(proxy)
    wait_answers(load, 200)
    backends[-1].fail("killed")
    choose = random.Random(7)
    for _ in range(20):
        index = choose.randrange(len(kinds))
        if backends[index].how == "well":
            backends[index].fail(choose.choice(kinds))
        else:
            backends[index].heal()
        wait_answers(load, 30)
    load.stop()
    assert not load.errors
