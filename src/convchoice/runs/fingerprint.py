"""Whether a finished run still stands: its configuration, data and training code in one hash."""

import ast
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convchoice.config.identity import numeric_identity
from convchoice.config.schema import Config

# The modules whose code decides a run's numbers; a test holds this against the imports.
NUMERIC_MODULES = (
    "data.dataset",
    "data.preparation",
    "training.batches",
    "training.lightning_module",
    "training.data_module",
    "training.callbacks",
    "training.stacked_seeds",
    "training.train",
    "networks.initialisation",
    "networks.layers",
    "networks.network",
    "networks.pooling",
    "config.datasets",
    "config.pairs",
    "networks.conv_arithmetic",
    "networks.plan",
)


class _WithoutDocstrings(ast.NodeTransformer):
    """Replaces every expression that is only a text, docstrings above all, by nothing."""

    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else node


def code_digest(folder: Path = Path(__file__).parents[1]) -> str:
    """SHA-256 of the numeric modules' code; comments, docstrings and layout do not count."""
    digest = hashlib.sha256()
    for name in NUMERIC_MODULES:
        tree = ast.parse(
            folder.joinpath(*name.split(".")).with_suffix(".py").read_text(encoding="utf-8")
        )
        # Source again, not a dump of the tree, which differs between versions of Python.
        digest.update(ast.unparse(_WithoutDocstrings().visit(tree)).encode())
    return digest.hexdigest()


def fingerprint(config: Config, dataset_digest: str, code: str) -> str:
    """SHA-256 over everything that decides the run's numbers.

    Args:
        config: the run's configuration, its seed included.
        dataset_digest: of the files that are there.
        code: `code_digest()`, computed once a start.
    """
    return _fingerprint(numeric_identity(config), dataset_digest, code)


def arm_fingerprint(config: Config, dataset_digest: str, code: str) -> str:
    """Like `fingerprint` without the seed: the same for all runs that make up an arm."""
    settings = numeric_identity(config)
    del settings["seed"]
    return _fingerprint(settings, dataset_digest, code)


def _fingerprint(settings: Mapping[str, Any], dataset_digest: str, code: str) -> str:
    parts = {
        "configuration": settings,
        "data": dataset_digest,
        "code": code,
        "torch": version("torch"),
    }
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
