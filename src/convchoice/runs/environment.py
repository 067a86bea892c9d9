"""The environment of a run: commit, versions, machine."""

import platform
import subprocess
from importlib.metadata import distributions
from pathlib import Path
from typing import Any

from convchoice.config.validation import PROJECT_ROOT

RECORDED_PACKAGES = ("convchoice", "torch", "torchvision", "pytorch-lightning", "numpy")
UNKNOWN = "unknown"


def package_versions() -> dict[str, str]:
    """Versions of the packages that decide the numbers of a run."""
    installed = {name: list(distributions(name=name)) for name in RECORDED_PACKAGES}
    return {name: found[0].version if found else UNKNOWN for name, found in installed.items()}


def _git(root: Path, *arguments: str) -> str | None:
    command = ["git", "-C", str(root), *arguments]
    try:
        return subprocess.check_output(
            command, text=True, timeout=30, stderr=subprocess.DEVNULL
        ).strip()
    except (OSError, subprocess.SubprocessError):
        return None


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
    commit = _git(root, "rev-parse", "HEAD")
    written = (":!reports", ":!dvc.lock", ":!params.yaml")
    changes = _git(root, "status", "--porcelain", "--untracked-files=no", "--", *written)
    return commit or UNKNOWN, None if changes is None else bool(changes)


def describe(root: Path = PROJECT_ROOT) -> dict[str, Any]:
    """The part of `environment.json` that is the same for every run of a start."""
    commit, dirty = commit_state(root)
    return {
        "commit": commit,
        "dirty": dirty,
        "python": platform.python_version(),
        "platform": platform.platform(),
        "versions": package_versions(),
    }
