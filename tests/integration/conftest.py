"""Fixtures of the integration tests."""
# pylint: disable-next=unused-import
from lib.fixtures import crashes, lab, pytest_runtest_makereport, shared  # noqa: F401
