"""The fingerprint of a run, and what is recorded with it: commit, versions and machine.

A complete run with an unchanged fingerprint is kept. Whether its files are intact is another
question, see `run_folder`.
"""

import ast
import hashlib
import json
import platform
import subprocess
import sys
from collections.abc import Sequence
from functools import cache
from importlib.metadata import distributions, version
from pathlib import Path
from typing import Any

from convchoice import SOURCE
from convchoice.config.arm_keys import numeric_identity
from convchoice.config.schema import Config

# The modules whose code decides the numbers of a run; a test compares this with the imports.
NUMERIC_MODULES = (
    "data.dataset",
    "data.preparation",
    "data.split",
    "training.batches",
    "training.cuda_graph",
    "training.lightning_module",
    "training.environment_variables",
    "training.exact_sqrt",
    "training.callbacks",
    "training.train",
    "networks.initialisation",
    "networks.layers",
    "networks.network",
    "networks.own_network",
    "networks.stacked_networks",
    "networks.triton_kernels",
    "config.own_code",
    "config.datasets",
    "networks.conv_arithmetic",
    "networks.plan",
)
# Those that decide, besides, the numbers of an evaluation.
EVALUATION_MODULES = (
    "evaluation.equivariance",
    "evaluation.evaluate",
    "evaluation.image_transforms",
    "evaluation.introspection",
    "evaluation.robustness_curves",
    "networks.receptive_field",
    "runs.evaluation_files",
    "training.device",
)
EVALUATION_CODE = "evaluation_code"
"""Key in the environment of an evaluated run: `code_digest` of these modules."""
RECORDED_PACKAGES = ("convchoice", "torch", "torchvision", "pytorch-lightning", "numpy")
UNKNOWN = "unknown"
_version = cache(version)
"""Of a package; reading it takes milliseconds, and a sweep has thousands of runs."""


class _WithoutDocstrings(ast.NodeTransformer):
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else node


def code_digest(
    modules: Sequence[str] = NUMERIC_MODULES, folder: Path = Path(__file__).parents[1]
) -> str:
    """SHA-256 of modules without comments, docstrings and layout."""
    digest = hashlib.sha256()
    for name in modules:
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        tree = _WithoutDocstrings().visit(ast.parse(path.read_text(encoding="utf-8")))
        # Source code, because a dump of the tree differs between versions of Python.
        digest.update(ast.unparse(tree).encode())
    return digest.hexdigest()


def fingerprint(config: Config, data: str, code: str, *, of_arm: bool = False) -> str:
    """SHA-256 of everything that decides the numbers of a run.

    Args:
        config: configuration of the run.
        data: SHA-256 of the data set's files.
        code: `code_digest()`.
        of_arm: leave the seed out, so that all runs of an arm have the same.
    """
    settings = numeric_identity(config)
    if of_arm:
        del settings["seed"]
    parts = {"configuration": settings, "data": data, "code": code, "torch": _version("torch")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def git(root: Path, *arguments: str) -> str | None:
    """What git prints in a folder; None if it is missing or fails."""
    command = ["git", "-C", str(root), *arguments]
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=30, check=True,
            encoding="utf-8", errors="surrogateescape",  # whatever the locale is
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as error:
        if "dubious ownership" in (getattr(error, "stderr", None) or ""):
            fix = f"Allow it: git config --global --add safe.directory {root}"
            what = "git does not read a folder of another user, so the commit is not recorded."
            print(f"{root}: {what} {fix}", file=sys.stderr)
        return None
    return done.stdout.strip()


def commit_state(root: Path = SOURCE) -> tuple[str, bool | None]:
    """The commit that is checked out, and whether tracked files differ from it.

    Files that the pipeline writes (`reports/`, `dvc.lock`) or `make repro STUDY=…` (`params.yaml`)
    do not count: no run reads them.

    Returns:
        ("unknown", None) without git, or where `root` is not the top of a git work tree (an
        archive that was unpacked inside another repository has not that repository's commit).
    """
    top = git(root, "rev-parse", "--show-toplevel")
    if top is None or Path(top).resolve() != root.resolve():
        return UNKNOWN, None
    written = (":!reports", ":!dvc.lock", ":!params.yaml")
    changes = git(root, "status", "--porcelain", "--untracked-files=no", "--", *written)
    return git(root, "rev-parse", "HEAD") or UNKNOWN, None if changes is None else bool(changes)


def environment() -> dict[str, Any]:
    """The part of `environment.json` that is the same for every run of a start."""
    commit, dirty = commit_state()
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
