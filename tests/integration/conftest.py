"""Fixtures of the integration tests."""
from lib.fixtures import crashes, lab, shared  # noqa: F401  pylint: disable=unused-import
