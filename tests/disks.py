"""Small, full and forbidden places, made of real file systems and real rights."""

import os
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

NOBODY = 65534


@contextmanager
def mounted(place: Path, kibibytes: int) -> Iterator[Path]:
    """A file system of so many KiB in memory at `place`; skips where none can be mounted."""
    place.mkdir(parents=True)
    options = ["-t", "tmpfs", "-o", f"size={kibibytes}k", "tmpfs", str(place)]
    done = subprocess.run(["mount", *options], capture_output=True, text=True, check=False)
    if done.returncode != 0:
        pytest.skip(f"no small file system can be mounted here: {done.stderr.strip()}")
    try:
        yield place
    finally:
        subprocess.run(["umount", "--lazy", str(place)], check=True)


def fill(place: Path, leave: int = 0) -> Path:
    """Fill a file system but for some bytes; returns the file to delete to make room."""
    ballast = place / "ballast"
    ballast.touch()
    free = os.statvfs(place).f_bavail * os.statvfs(place).f_frsize
    ballast.write_bytes(b"x" * max(0, free - leave))
    return ballast


def make_read_only(place: Path) -> None:
    """Let nothing be written on a mounted file system any more."""
    subprocess.run(["mount", "-o", "remount,ro", str(place)], check=True)


def make_writable(place: Path) -> None:
    """Let a mounted file system be written again."""
    subprocess.run(["mount", "-o", "remount,rw", str(place)], check=True)


@contextmanager
def without_privileges() -> Iterator[None]:
    """Be nobody for a while, where this process is root, to whom nothing is forbidden."""
    root = os.geteuid() == 0
    if root:
        os.seteuid(NOBODY)
    try:
        yield
    finally:
        if root:
            os.seteuid(0)
