"""The conformance runners stand on the integration tests' library."""
import pathlib
import sys

import pytest

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

from lib.lab import Lab  # noqa: E402  pylint: disable=wrong-import-position


@pytest.fixture
def lab():
    """Everything a test starts, ended behind it."""
    here = Lab()
    yield here
    here.close()


@pytest.fixture(scope="module")
def shared():
    """The same for a whole module."""
    here = Lab()
    yield here
    here.close()
