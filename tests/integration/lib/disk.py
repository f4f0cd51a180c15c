"""A file system that is easily full, where the kernel lets us have one."""
import os
import subprocess


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
