"""The environment of a run: commit, versions, machine."""

import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from convchoice.config.paths import PROJECT_ROOT

RECORDED_PACKAGES = ("convchoice", "torch", "torchvision", "pytorch-lightning", "numpy")
UNKNOWN = "unknown"


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=30, check=True)
    except (OSError, subprocess.SubprocessError):
        return None
    return done.stdout.strip()


def commit_state(root: Path = PROJECT_ROOT) -> tuple[str, bool | None]:
    """The commit that is checked out, and whether tracked files differ from it.

    Files that the pipeline writes (`reports/`, `dvc.lock`) or `make repro STUDY=…` (`params.yaml`)
    do not count: no run reads them.

    Returns:
        ("unknown", None) without git, or where `root` is not the top of a git work tree (an
        archive that was unpacked inside another repository has not that repository's commit).
    """
    top = _git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return UNKNOWN, None
    written = (":!reports", ":!dvc.lock", ":!params.yaml")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *written)
    return _git(root, "rev-parse", "HEAD") or UNKNOWN, None if changes is None else bool(changes)


def describe(root: Path = PROJECT_ROOT) -> dict[str, Any]:
    """The part of `environment.json` that is the same for every run of a start."""
    commit, dirty = commit_state(root)
    versions = {
        name: next((found.version for found in distributions(name=name)), UNKNOWN)
        for name in RECORDED_PACKAGES
    }
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": versions,
    }
