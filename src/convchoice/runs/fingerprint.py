"""The fingerprint of a run: one hash of its configuration, its data and the training code.

A complete run with an unchanged fingerprint is kept. Whether its files are intact is another
question, see `checksums`.
"""

import ast
import hashlib
import json
from collections.abc import Mapping
from importlib.metadata import version
from pathlib import Path
from typing import Any

from convchoice.config.identity import numeric_identity
from convchoice.config.schema import Config

# The modules whose code decides the numbers of a run; a test compares this with the imports.
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
    def visit_Expr(self, node: ast.Expr) -> ast.AST:
        return ast.Pass() if isinstance(node.value, ast.Constant) else node


def code_digest(folder: Path = Path(__file__).parents[1]) -> str:
    """SHA-256 of the numeric modules without comments, docstrings and layout."""
    digest = hashlib.sha256()
    for name in NUMERIC_MODULES:
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        tree = _WithoutDocstrings().visit(ast.parse(path.read_text(encoding="utf-8")))
        # Source code, because a dump of the tree differs between versions of Python.
        digest.update(ast.unparse(tree).encode())
    return digest.hexdigest()


def fingerprint(config: Config, dataset_digest: str, code: str) -> str:
    """SHA-256 of everything that decides the numbers of a run.

    Args:
        config: configuration of the run, with its seed.
        dataset_digest: SHA-256 of the data set's files.
        code: `code_digest()`.
    """
    return _fingerprint(numeric_identity(config), dataset_digest, code)


def arm_fingerprint(config: Config, dataset_digest: str, code: str) -> str:
    """Like `fingerprint` without the seed: the same for all runs of an arm."""
    settings = numeric_identity(config)
    del settings["seed"]
    return _fingerprint(settings, dataset_digest, code)


def _fingerprint(configuration: Mapping[str, Any], data: str, code: str) -> str:
    parts = {"configuration": configuration, "data": data, "code": code, "torch": version("torch")}
    return hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()
