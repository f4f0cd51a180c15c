"""The conformance runners stand on the integration tests' library."""
import pathlib
import sys

sys.path.insert(0, str(pathlib.Path(__file__).resolve().parents[1] / "integration"))

# pylint: disable-next=wrong-import-position,unused-import
from lib.fixtures import lab, pytest_runtest_makereport, shared  # noqa: E402,F401
