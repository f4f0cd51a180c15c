"""Targets of the Makefile that people and images use: kernel-check, install, and what
Dockerfile.alpine builds from."""
import json
import os
import pathlib
import re
import shutil
import subprocess

import pytest

from lib.proxy import BINARY, ROOT

# Whatever build this is, it is there already: make shall not build another one.
BUILT = ["MAKE=true", f"PROGRAM={BINARY}"]
BUILD_SECONDS_MAX = 600
# A make above us exports what it was given; the make below is to begin anew.
MAKE_VARIABLES = {"MAKEFLAGS", "MAKELEVEL", "MFLAGS", "DESTDIR", "PREFIX", "JSON", "BUILD", "CC", "OPT",
                  "EXTRA_LDFLAGS", "SANITIZE", "LTO", "WERROR", "ONLY", "RESULTS", "SUITE_PREFIX"}


def make(*words, cwd=ROOT, env=None, seconds=300):
    clean = {name: value for name, value in os.environ.items()
             if name not in MAKE_VARIABLES}
    return subprocess.run(["make", "--no-print-directory", *words], cwd=cwd,
                          env={**clean, **(env or {})}, stdin=subprocess.DEVNULL, text=True,
                          capture_output=True, timeout=seconds, check=False)


# --- make kernel-check ---

@pytest.mark.parametrize("off", ["", "bundle", "warp_drive"])
def test_kernel_check(off):
    """The doctor's table, and its status in words; make turns every failure into its own 2."""
    env = {"NEXTPROXY_RING_DISABLE": off}
    doctor = subprocess.run([BINARY, "doctor"], env={**os.environ, **env}, capture_output=True,
                            text=True, check=False)
    assert off == "" or doctor.returncode == (1 if off == "bundle" else 2)
    done = make("kernel-check", *BUILT, env=env)
    assert done.stdout == doctor.stdout
    assert f"exit status {doctor.returncode} of `{BINARY} doctor`" in done.stderr
    assert done.returncode == (0 if doctor.returncode == 0 else 2)
    assert ("make itself says 2" in done.stderr) == (doctor.returncode != 0)


def test_kernel_check_for_programs():
    """JSON=1: nothing but JSON on stdout, with the exact status in it."""
    done = make("kernel-check", "JSON=1", *BUILT, env={"NEXTPROXY_RING_DISABLE": "bundle"})
    report = json.loads(done.stdout)
    assert report["exitStatus"] in (1, 2)
    assert f"exit status {report['exitStatus']} of" in done.stderr
    assert done.returncode == 2


# --- make install, in the tree that the image is built from ---

def dockerfile():
    """The lines of Dockerfile.alpine, continued ones joined, split in words; comments dropped."""
    text = (ROOT / "Dockerfile.alpine").read_text().replace("\\\n", " ")
    return [line.split() for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture(name="image", scope="module")
def fixture_image(tmp_path_factory):
    """What the build stage makes: its COPY lines, then its `make install`, on this system."""
    folder = tmp_path_factory.mktemp("image")
    tree, image = folder / "tree", folder / "image"
    tree.mkdir()
    for words in dockerfile():
        if words[0] != "COPY" or words[1].startswith("--from"):
            continue
        for source in words[1:-1]:
            if (ROOT / source).is_dir():
                shutil.copytree(ROOT / source, tree / words[-1])
            else:
                shutil.copy2(ROOT / source, tree / words[-1])
    command = next(words for words in dockerfile() if words[:2] == ["RUN", "make"])
    arguments = [word.replace("DESTDIR=/image", f"DESTDIR={image}")
                 for word in command[2:command.index("&&")]]
    done = make(*arguments, "OPT=-O0", cwd=tree, seconds=BUILD_SECONDS_MAX)
    assert done.returncode == 0, done.stdout + done.stderr
    return image


def test_the_image_builds_from_what_is_copied(image):
    """A file that the build needs and the Dockerfile does not copy, or that the second stage
    copies and the first does not make, is found here and not by whoever builds the image."""
    copied = [words for words in dockerfile()
              if words[0] == "COPY" and words[1] == "--from=build"]
    assert copied
    for words in copied:
        assert (image / words[2].removeprefix("/image/")).exists(), words
    config = next(words for words in dockerfile() if words[0] == "CMD")
    path = json.loads(" ".join(config[1:]))[1]
    done = subprocess.run([image / "usr/bin/nextproxy", "--config", str(image) + path, "--check"],
                          capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_install_lays_out_everything(image):
    """Issue: "`make install` (PREFIX, DESTDIR) lays out binary, sample config, man page and systemd
    unit"; no placeholder is left in them, and they name the installed paths."""
    version = subprocess.run([image / "usr/bin/nextproxy", "--version"], capture_output=True,
                             text=True, check=True).stdout
    page = (image / "usr/share/man/man8/nextproxy.8").read_text()
    unit = (image / "usr/lib/systemd/system/nextproxy.service").read_text()
    assert not re.search(r"@[A-Z]+@", page + unit)
    assert re.search(r'"(nextproxy \S+)"', page)[1] == version.splitlines()[0]
    assert "ExecStart=/usr/bin/nextproxy --config /etc/nextproxy/config.json\n" in unit
    for path in ("etc/nextproxy/config.json", "usr/share/nextproxy/config.json"):
        assert (image / path).read_text() == (ROOT / "config.json").read_text()
        assert (image / path).stat().st_mode & 0o777 == 0o644
    assert (image / "usr/bin/nextproxy").stat().st_mode & 0o777 == 0o755


def test_every_option_is_in_the_manual():
    """The page names every option and command that --help names."""
    page = (ROOT / "packaging" / "nextproxy.8.in").read_text().replace("\\-", "-")
    text = subprocess.run([BINARY, "--help"], capture_output=True, text=True, check=True).stdout
    words = set(re.findall(r"^  (\S+)", text, re.MULTILINE)) | set(re.findall(r"--[a-z-]+", text))
    for word in words:
        assert word in page, word


def test_install_keeps_a_configuration(tmp_path):
    """An upgrade must not replace what the operator wrote; uninstalling leaves it, too."""
    config = tmp_path / "etc" / "nextproxy" / "config.json"
    config.parent.mkdir(parents=True)
    config.write_text('{"mine": true}')
    where = [f"DESTDIR={tmp_path}", "PREFIX=/usr"]
    # -o: the program is there already, and needs no look at what it is made from.
    done = make("-o", BINARY, "install", *BUILT, *where)
    assert done.returncode == 0, done.stderr
    assert config.read_text() == '{"mine": true}'
    assert make("uninstall", *where).returncode == 0
    left = sorted(str(path.relative_to(tmp_path)) for path in pathlib.Path(tmp_path).rglob("*")
                  if path.is_file())
    assert left == ["etc/nextproxy/config.json"]
