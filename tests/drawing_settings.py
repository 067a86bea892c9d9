"""Configurations drawn at random: mostly legal, partly anything."""

import dataclasses
import math
import random
from collections.abc import Mapping
from enum import Enum
from typing import Any, get_args, get_type_hints

from convchoice.config.schema import PRECISIONS, Config

JUNK: tuple[Any, ...] = (
    None, True, False, 0, -1, 1, 2.5, 3.0, -0.0, 2**31, 10**30, -(10**30), 1e308, 1e-320,
    math.nan, math.inf, -math.inf, "", " ", "nan", "1e-3", "3", "a/b", "../../etc/passwd",
    "two words", "<script>alert(1)</script>", "`|*_[x](y)", "\x00", "\u202e", "🦆", "x" * 5000,
    "???", "${oc.env:HOME}", "${nothing.of.that.name}", "${", "${.}", "${arm}", [], [1], [0, -1],
    [3, 3], [3, 3, 3], [[3]], [None], ["max"], {}, {"a": 1}, {1: 2}, {None: None}, {"": ""},
)  # fmt: skip
LIKELY: Mapping[str, tuple[Any, ...]] = {
    "arm": ("mine", "max-3", "a.b=c"),
    "seed": (0, 1, 7),
    "seeds": (1, 4),
    "run_root": ("runs", "a folder"),
    "kernel_size": (1, 2, 3, 5, [3, 5], 29, 40),
    "stride": (1, 2, [1, 2], 5),
    "padding": ("valid", "same", "full", 0, 1, 2, [1, 2]),
    "window": (2, 3, 4, 30),
    "sigma": (0.5, 1.0),
    "pieces": (1, 2, 3),
    "filters": ([4], [4, 8], [32, 64, 64], [0], [4] * 9),
    "downsample_after": ([], [1], [1, 2], [2, 1], [9]),
    "hidden_units": (0, 8, 64),
    "precision": PRECISIONS,
    "train_size": (None, 100, 10**9),
    "validation_size": (None, 0, 100),
    "canvas": (None, 28, 32, 257),
    "permutation_seed": (None, 0),
    "batch_size": (1, 64),
    "learning_rate": (1e-3, 0.1),
    "max_epochs": (1, 5),
    "threads": (1, 2),
}


def _members(hint: Any) -> list[str]:
    kinds = [hint, *get_args(hint)]
    return [
        member.name
        for kind in kinds
        if isinstance(kind, type) and issubclass(kind, Enum)
        for member in kind
    ]


def drawn(schema: type, chance: random.Random, junk: float) -> dict[str, Any]:
    """A mapping for a schema; each value is anything at all with the probability `junk`."""
    values: dict[Any, Any] = {}
    hints = get_type_hints(schema)
    for item in dataclasses.fields(schema):
        if item.name == "scale" or chance.random() < 0.5:
            continue
        hint = hints[item.name]
        if chance.random() < junk:
            values[item.name] = chance.choice(JUNK)
        elif dataclasses.is_dataclass(hint):
            values[item.name] = drawn(hint, chance, junk)  # type: ignore[arg-type]
        elif members := _members(hint):
            one = chance.choice(members)
            values[item.name] = [one] if "list" in str(hint) else one
        elif item.name in LIKELY:
            values[item.name] = chance.choice(LIKELY[item.name])
    if chance.random() < junk / 4:
        values[chance.choice(["kernal_size", "", 1, None, "a.b", "lr"])] = chance.choice(JUNK)
    return values


def drawn_configuration(chance: random.Random) -> dict[str, Any]:
    """Values of a configuration, often with a single thing that is wrong."""
    values = drawn(Config, chance, chance.choice((0.0, 0.02, 0.1, 0.5)))
    values.setdefault("arm", "mine")
    return values
