"""The fixtures that all tests against the real binary share."""
import pytest

from lib.lab import Lab


@pytest.fixture
def lab():
    """Everything a test starts, ended behind it."""
    here = Lab()
    yield here
    here.close()


@pytest.fixture(scope="module")
def shared():
    """The same for a whole module: for tests that only ask and do not disturb each other."""
    here = Lab()
    yield here
    here.close()
