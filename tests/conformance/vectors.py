"""Reads the vectors; README.md says what they mean."""
import json
import pathlib


def message_bytes(parts):
    """Latin-1 texts and repetitions, joined."""
    parts = [parts] if isinstance(parts, str) else parts
    return b"".join((part if isinstance(part, str) else part["repeat"] * part["times"])
                    .encode("latin-1") for part in parts)


def load(name):
    """The cases of a file, and their names for pytest."""
    cases = json.loads(pathlib.Path(__file__).with_name(name).read_text(encoding="utf-8"))
    return {"argvalues": cases, "ids": [case["name"] for case in cases]}
