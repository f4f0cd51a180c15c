"""Disks that are no good: a file system that is easily full, where the kernel lets us have one, and a
disk that does not answer."""
import os
import subprocess

from lib.preload import build


class NotPermitted(Exception):
    """Mounting is not permitted here."""


class Disk:
    """A tmpfs of so many bytes on a directory."""

    def __init__(self, directory, size):
        self.directory = directory
        directory.mkdir(parents=True, exist_ok=True)
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none",
                                  str(directory)], capture_output=True, check=False)
        if mounted.returncode != 0:
            raise NotPermitted(mounted.stderr.decode().strip())

    @property
    def ballast(self):
        return self.directory / "ballast"

    def fill(self):
        """Nothing more goes onto it."""
        with open(self.ballast, "ab", buffering=0) as out:
            try:
                while True:
                    out.write(b"b" * 4096)
            except OSError:
                pass

    def empty(self):
        self.ballast.unlink(missing_ok=True)

    def room(self):
        status = os.statvfs(self.directory)
        return status.f_bavail * status.f_bsize

    def close(self):
        """Lazily: somebody may still be looking at a file."""
        subprocess.run(["umount", "-l", str(self.directory)], check=True)


class Hanging:
    """A disk that does not answer fsync(2) while it is held. `env` is the environment of a proxy that
    has its files there."""

    def __init__(self, directory):
        self.hold_file, self.held_file = directory / "hold", directory / "hold.held"
        self.env = {"LD_PRELOAD": str(build("hold_fsync", directory)),
                    "HOLD_FSYNC_FILE": str(self.hold_file)}

    def hold(self):
        self.hold_file.touch()

    @property
    def waited_for(self):
        """Somebody waits for it."""
        return self.held_file.exists()

    def release(self):
        self.hold_file.unlink()
        self.held_file.unlink(missing_ok=True)
