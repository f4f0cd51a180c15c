"""The fixtures that all tests against the real binary share."""
import os
import time

import pytest

from lib import proxy
from lib.lab import Lab

LOGGED_SECONDS = 1.2  # what happened then is in the logs


@pytest.hookimpl(hookwrapper=True)
def pytest_runtest_makereport(item):
    """With a failure comes what the proxies have said."""
    outcome = yield
    report = outcome.get_result()
    if report.failed:
        time.sleep(LOGGED_SECONDS)
        for here in getattr(item, "funcargs", {}).values():
            if isinstance(here, Lab):
                report.sections += here.story()


@pytest.fixture
def lab():
    """Everything a test starts, ended behind it."""
    here = Lab()
    yield here
    here.close()


@pytest.fixture
def crashes(monkeypatch):
    """For tests that end engines by signals: a sanitizer leaves these alone, and nobody wonders."""
    options = os.environ.get("ASAN_OPTIONS", "")
    monkeypatch.setenv("ASAN_OPTIONS", f"{options}:handle_segv=0:handle_sigbus=0:handle_abort=0")
    monkeypatch.setattr(proxy, "REPORT", proxy.REPORT_WITH_CRASHES)


@pytest.fixture(scope="module")
def shared():
    """The same for a whole module: for tests that only ask and do not disturb each other."""
    here = Lab()
    yield here
    here.close()
