"""Which keys decide a run's numbers, and so which keys an arm may set.

Fingerprints, comparisons and arms share this one list. A study may come from somebody else, and its
`new_arms` are overrides. So that such a file can neither send data to a server nor choose a folder
outside the project, an arm sets no other key (but the folder of its images), uses no other group of
`conf/`, and refers to nothing but numbers: no environment variable, no resolver.
"""

import re
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

from convchoice.config.field_types import flattened, is_name, within
from convchoice.config.own_code import FIELDS
from convchoice.config.schema import Config
from convchoice.config.validation import DEFAULTS, config_to_mapping
from convchoice.config.yaml_files import read_yaml
from convchoice.errors import nearest, require

NOT_NUMERIC = (
    "arm", "run_root", "tracking", "evaluation", "trainer.workers", "data.root", "data.fallback",
    "data.path",
)  # fmt: skip
"""Keys, and groups of keys, that decide no number of a training: names, folders, tracking, the
number of processes, and what is evaluated afterwards."""
SEEDS = ("seed", "seeds")
"""Keys that differ between the runs of one arm."""


def is_numeric(key: str) -> bool:
    """Whether a key, by its dotted name, decides a number of a training."""
    return not within(key, NOT_NUMERIC)


def numeric_identity(config: Config) -> dict[str, Any]:
    """The part of a run's configuration that decides what is trained, its seed included.

    Two runs with equal identities, data and code have equal weights. All other keys may change
    without making a trained run out of date.
    """
    plain = config_to_mapping(config)
    for name in NOT_NUMERIC:
        group, _, key = name.rpartition(".")
        (plain[group] if group else plain).pop(key, None)
    return plain


GROUPS = ("arm", "conv", "data", "downsample", "evaluation", "model", "optimizer", "trainer")
PATH = "data.path"
REFERENCE = re.compile(r"\$\{([a-z_0-9.]+)\}")

ARM_KEYS = tuple(
    key
    for key in DEFAULTS
    if not within(key, ("seed", "scale", "data.contents"))
    and (is_numeric(key) or within(key, ("evaluation", PATH)))
)
"""Dotted names of the keys that an arm may set."""


def check_new_arm(overrides: Iterable[str], origin: str) -> None:
    """Check the overrides of an arm in a study's `new_arms`, `KEY=VALUE` or `GROUP=OPTION`.

    Raises:
        ConfigurationError: for a key, a group or a reference that an arm may not use.
    """
    for override in overrides:
        key, _, value = override.partition("=")
        _check_key(key, override, origin, (*GROUPS, *ARM_KEYS), FIELDS)
        if key in GROUPS:
            _check_option(value.strip("'\""), override, origin)
        check_references(value, origin)


def read_arm_file(path: Path) -> tuple[dict[str, str], dict[str, Any]]:
    """Read and check an arm's file in `conf/arm`.

    Returns:
        The options that it chooses by group, and the values that it sets on top of them.

    Raises:
        ConfigurationError: for a key, a group or a reference that an arm may not use.
        UserError: if the file cannot be read.
    """
    values, origin = read_yaml(path), f"conf/arm/{path.name}"
    packages = re.findall(r"^\s*#\s*@\s*(.*?)\s*$", path.read_text(encoding="utf-8"), re.MULTILINE)
    legal = all(re.fullmatch(r"package\s+_global_", package) for package in packages)
    require(legal, origin, packages, "its only package is `# @package _global_`.")
    name, defaults = values.get("arm"), values.pop("defaults", [])
    rule = f"must be the file's own name, {path.stem}; one that looks like a number in quotes."
    require(name == path.stem, f"{origin}: arm", name, rule)
    require(isinstance(defaults, list), f"{origin}: defaults", defaults, "must be a list.")
    choices = dict(_choice(entry, f"{origin}: defaults") for entry in defaults if entry != "_self_")
    for key, value in flattened({**values, "arm": {}}).items():
        _check_key(key, key, origin, ARM_KEYS, FIELDS)
        check_references(str(value), f"{origin}: {key}")
    return choices, values


def _choice(entry: object, origin: str) -> tuple[str, str]:
    """The group and the option of a default ``override /GROUP: OPTION``; others are refused."""
    [(key, option)] = entry.items() if isinstance(entry, dict) and len(entry) == 1 else [("", "")]
    keyword, _, group = str(key).partition(" /")
    legal = keyword == "override" and isinstance(option, str)
    require(legal, origin, entry, "must have the form `override /GROUP: OPTION`.")
    _check_key(group, group, origin, GROUPS[1:])
    _check_option(option, option, origin)
    return group, option


def _check_key(
    key: str, given: str, origin: str, legal: Sequence[str], groups: Sequence[str] = ()
) -> None:
    """Refuse a key that is neither legal nor within a group whose keys are somebody's own."""
    rule = "an arm sets only keys that decide numbers."
    require(key in legal or within(key, groups), origin, given, rule, nearest(key, legal))


def _check_option(option: str, given: str, origin: str) -> None:
    rule = "a file in a folder of conf/ is chosen by its name, such as downsample=average."
    require(is_name(option), origin, given, rule)


def check_references(text: str, origin: str) -> None:
    """Raise `ConfigurationError` unless all references are to `ARM_KEYS` and the scale's values."""
    rest = text
    for reference in REFERENCE.finditer(text):
        if reference[1] in ARM_KEYS or within(reference[1], ("scale",)):
            rest = rest.replace(reference[0], "")
    rule = "an arm refers only to keys that it may set and to scale.<key>, as ${scale.epochs}."
    require("$" not in rest, origin, text, rule)
