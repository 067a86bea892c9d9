"""What a search goes over, read off the command line in Hydra's own grammar.

arm=max,average                                              arms, searched each by itself
seed=0,1                                                     seeds of every trial
'optimizer.learning_rate=tag(log, interval(1e-4, 1e-2))'     a searched key
data.batch_size=32,64,128                                    another one
scale=quick                                                  set alike in every trial
"""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import ChoiceSweep, IntervalSweep, Override, RangeSweep
from hydra.errors import HydraException
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from convchoice.config.composition import options
from convchoice.errors import ConfigurationError, nearest, require

NEVER_SEARCHED = ("data", "evaluation", "tracking", "run_root", "trainer.workers")
BATCH_SIZE = "data.batch_size"


@dataclass(frozen=True)
class SearchSpace:
    """What is searched, and for which arms.

    Attributes:
        arms: names in `conf/arm`.
        seeds: of every trial.
        searched: the keys, and the values that each may take.
        fixed: overrides that every trial has.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    searched: Mapping[str, BaseDistribution]
    fixed: tuple[str, ...]


def read_space(arguments: Sequence[str]) -> SearchSpace:
    """Take a command line's overrides apart.

    Raises:
        ConfigurationError: for what is no override, an unknown arm, a key that must not be
            searched, an empty range, or where there is nothing to search.
    """
    try:
        parsed = OverridesParser.create().parse_overrides(list(arguments))
    except HydraException as error:
        first_line = str(error).splitlines()[0]
        raise ConfigurationError("command line", " ".join(arguments), first_line) from error
    by_key = {str(override.key_or_group): override for override in parsed}
    arms = _several(by_key.pop("arm", None))
    known = options("arm")
    require(bool(arms), "arm", None, "name the arms to tune.", "arm=max,average")
    for arm in arms:
        require(arm in known, "arm", arm, "there is no such arm.", nearest(str(arm), known))
    seeds = _several(by_key.pop("seed", None)) or [0]
    legal = all(isinstance(seed, int) and seed >= 0 for seed in seeds)
    require(legal, "seed", seeds, "must be whole numbers of at least 0.")
    searched = {
        key: _distribution(key, override)
        for key, override in by_key.items()
        if override.is_sweep_override()
    }
    require(
        bool(searched), "command line", " ".join(arguments), "nothing is searched.",
        "Give a key several values: 'optimizer.learning_rate=tag(log,interval(1e-4,1e-2))'",
    )  # fmt: skip
    fixed = tuple(str(by_key[key].input_line) for key in by_key if key not in searched)
    return SearchSpace(tuple(map(str, arms)), tuple(seeds), searched, fixed)


def _several(override: Override | None) -> list[Any]:
    """The values of a key that has one or several; none where it is not set."""
    if override is None:
        return []
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return [getattr(item, "text", item) for item in value.list]
    if isinstance(value, RangeSweep):
        return list(value.range())
    return [value]


def _distribution(key: str, override: Override) -> BaseDistribution:
    choosable = not any(key == name or key.startswith(f"{name}.") for name in NEVER_SEARCHED)
    require(
        choosable or key == BATCH_SIZE, key, override.input_line,
        "is nothing to tune: it says which images there are, or where and how a run is made.",
    )  # fmt: skip
    require(
        "." in key, key, override.input_line,
        "is a whole group of keys; arms that differ so are tuned each by itself.",
        "Name one key of it, or the arms: arm=…",
    )  # fmt: skip
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _interval(key, value)
    if isinstance(value, RangeSweep):
        found = list(value.range())
        return CategoricalDistribution(found)
    return CategoricalDistribution(_several(override))


def _interval(key: str, value: IntervalSweep) -> BaseDistribution:
    low, high = value.start, value.end
    legal = low is not None and high is not None and math.isfinite(low) and low < high
    require(legal, key, f"interval({low},{high})", "must go from a number to a larger one.")
    assert low is not None and high is not None  # noqa: S101, PT018 - for mypy
    log = "log" in value.tags
    require(
        not log or low > 0, key, f"interval({low},{high})", "must begin above 0 on a log scale."
    )
    if isinstance(low, int) and isinstance(high, int):
        return IntDistribution(low, high, log=log)
    return FloatDistribution(float(low), float(high), log=log)


def contains(distribution: BaseDistribution, value: Any) -> bool:
    """Whether a searched key may take a value."""
    if isinstance(distribution, CategoricalDistribution):
        return value in distribution.choices
    return bool(distribution.low <= value <= distribution.high)  # type: ignore[attr-defined]


def ends(distribution: BaseDistribution) -> list[Any]:
    """Values at the edge of what a key may take; all of them, where they can be counted."""
    if isinstance(distribution, CategoricalDistribution):
        return list(distribution.choices)
    return [distribution.low, distribution.high]  # type: ignore[attr-defined]
