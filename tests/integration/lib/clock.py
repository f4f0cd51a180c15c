"""A wall clock of the proxy's own, which the tests set as they like."""
import struct
import time

from lib.preload import build as build_library

HOUR, DAY = 3600, 86400


def build(directory):
    """The library that is preloaded."""
    return build_library("shift_clock", directory)


class Clock:
    """`env` is the environment of a proxy that goes by this clock. It is in UTC."""

    def __init__(self, library, file):
        self.file, self.ahead = file, 0
        self.file.write_bytes(struct.pack("=q", 0))
        self.env = {"LD_PRELOAD": str(library), "SHIFT_CLOCK_FILE": str(file), "TZ": "UTC"}

    def step(self, seconds):
        self.ahead += seconds
        with open(self.file, "r+b") as out:
            out.write(struct.pack("=q", self.ahead * 10**9))

    def now(self):
        return time.time() + self.ahead
