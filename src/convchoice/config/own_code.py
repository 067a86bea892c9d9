"""Code of one's own that a configuration names by `_target_`, as Hydra's `instantiate` does.

``network: {_target_: my_net.Net, width: 32}`` is `my_net.Net(width=32)`. A module is a file or
package in ``conf/code``, or an installed package. A configuration may come from somebody else, so a
target is imported only if a file of one's own ``conf/`` names it, if it is torch's, or with
``--allow-code``. Here nothing is imported but by `built`.
"""

import ast
import hashlib
import importlib
import json
import math
import os
import re
import sys
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from convchoice import ALLOW_CODE, CONF_DIR, PROJECT_ROOT
from convchoice.config.schema import Config
from convchoice.errors import UserError, require

TARGET = "_target_"
FIELDS = ("network", "optimizer.own")
"""Keys of a configuration that may name code."""
FOLDER = PROJECT_ROOT / "conf" / "code"
DOTTED = re.compile(r"[A-Za-z_]\w{0,99}(\.[A-Za-z_]\w{0,99}){1,9}")
NAMED = re.compile(rf"{TARGET}\W{{1,5}}([\w.]+)")
TORCH = "torch"
TORCHS = ("torch.nn.", "torch.optim.")
OF_TORCH = ("torch.nn.modules.module.Module", "torch.optim.optimizer.Optimizer")
"""Torch's own layers and optimisers need no trust."""


def nested(value: Any) -> Iterator[Any]:
    """A value, and every value inside its mappings and lists."""
    yield value
    inner = value.values() if isinstance(value, Mapping) else value
    for each in inner if isinstance(value, Mapping | list) else ():
        yield from nested(each)


def targets(values: Any) -> list[str]:
    """Every target in nested values."""
    mappings = (each for each in nested(values) if isinstance(each, Mapping))
    return [str(each[TARGET]) for each in mappings if TARGET in each]


def check_trusted(target: str) -> None:
    """Raise `UserError` unless a target may be imported."""
    if target.startswith(TORCHS) or os.environ.get(ALLOW_CODE):
        return
    files = (path for path in CONF_DIR.rglob("*.yaml") if path.is_file())
    if not any(target in NAMED.findall(path.read_text(encoding="utf-8")) for path in files):
        raise UserError(
            f"{target}: a configuration names this code, and no file of {CONF_DIR} does. If you"
            " trust whoever wrote it, run the command again with --allow-code."
        )


def _add_folder() -> None:
    if str(FOLDER) not in sys.path:
        sys.path.append(str(FOLDER))


def _files(module: str) -> list[tuple[str, Path]]:
    """The source files of a top-level module, each with its name; imports nothing."""
    _add_folder()
    if module == "__main__":
        rule = "a class of a script is not found by other processes."
        raise UserError(f"{module}: {rule} Put it into a module in {FOLDER}.")
    spec = find_spec(module)
    if spec is None:
        raise UserError(
            f"{module}: there is no such module. Put {module}.py into {FOLDER}, or install it."
        )
    roots = [Path(root) for root in spec.submodule_search_locations or ()]
    found = [(path.relative_to(root.parent), path) for root in roots for path in root.rglob("*.py")]
    if not roots and spec.origin and Path(spec.origin).is_file():
        found = [(Path(Path(spec.origin).name), Path(spec.origin))]
    return sorted((name.as_posix(), path) for name, path in found)


def _imported(path: Path) -> Iterator[str]:
    """The top-level modules in ``conf/code`` that a file imports."""
    for node in ast.walk(ast.parse(path.read_bytes())):
        names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
        if isinstance(node, ast.ImportFrom) and node.module and not node.level:
            names = [node.module]
        for name in (name.partition(".")[0] for name in names):
            if (FOLDER / name).is_dir() or (FOLDER / f"{name}.py").is_file():
                yield name


def code_files(config: Config) -> dict[str, str]:
    """SHA-256 of each file of the code that a configuration names, and of what that imports.

    Torch is left out: its version is in every fingerprint.

    Raises:
        UserError: for a module that is not there, or that is no Python.
    """
    named = targets([config.network, config.optimizer.own])
    waiting = list(dict.fromkeys(target.partition(".")[0] for target in named))
    digests: dict[str, str] = {}
    for module in waiting:  # grows
        for name, path in () if module == TORCH else _files(module):
            digests[name] = hashlib.sha256(path.read_bytes()).hexdigest()
            try:
                waiting += [other for other in _imported(path) if other not in waiting]
            except (SyntaxError, ValueError) as error:
                raise UserError(f"{path}: cannot be read as Python: {error}") from error
    return digests


def code_digest(config: Config) -> str:
    """One digest of `code_files`; empty where a configuration names no code but torch's."""
    files = code_files(config)
    return hashlib.sha256(json.dumps(files, sort_keys=True).encode()).hexdigest() if files else ""


def built(values: Mapping[str, Any], *arguments: Any) -> Any:
    """What a target returns for its arguments; nested targets are built first.

    Raises:
        UserError: for a target that is not trusted or not there, or that fails.
    """
    target = str(values[TARGET])
    module, _, name = target.rpartition(".")
    check_trusted(target)
    _add_folder()
    keywords = {key: _value(value) for key, value in values.items() if key != TARGET}
    try:
        arguments += tuple(keywords.pop("_args_", ()))
        found = getattr(importlib.import_module(module), name)
        bases = getattr(found, "__mro__", ())
        plain = any(f"{base.__module__}.{base.__name__}" in OF_TORCH for base in bases)
        require(
            plain or not target.startswith(TORCHS), TARGET, target, "is no such class of torch."
        )
        return found(*arguments, **keywords)
    except UserError:
        raise
    except Exception as error:
        shown = ", ".join(f"{key}={value!r}" for key, value in keywords.items())[:200]
        raise UserError(f"{target}({shown}): {type(error).__name__}: {error}") from error


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        inner = {key: _value(item) for key, item in value.items()}
        return built(value) if TARGET in value else inner
    return [_value(item) for item in value] if isinstance(value, list) else value


def check_named(config: Config) -> Iterator[tuple[str, str]]:
    """The rules of keys that name code: the key that breaks one, and the rule."""
    for key, values in zip(FIELDS, (config.network, config.optimizer.own), strict=True):
        if values and TARGET not in values:
            example = f"{{{TARGET}: my_net.Net, width: 32}}"
            yield key, f"must name a class by {TARGET}, such as {example}."
        if any(isinstance(each, float) and not math.isfinite(each) for each in nested(values)):
            yield key, "must hold finite numbers."
        for target in targets(values):
            if not DOTTED.fullmatch(target):
                yield key, f"{TARGET} must be MODULE.NAME, such as my_net.Net, not {target[:50]!r}."


def check_code(config: Config) -> None:
    """Raise `UserError` if the code is another than the one that a configuration was made with."""
    require(
        config.code in {"", code_digest(config)}, "code", config.code,
        "the code that the configuration names has changed since.",
        "Train the arm again: make repro, or the command that trained it.",
    )  # fmt: skip
