"""The search space of `convchoice tune`, parsed from the command line in Hydra's grammar.

arm=max,average                                              arms, each searched separately
seed=0,1                                                     seeds of every trial
'optimizer.learning_rate=tag(log, interval(1e-4, 1e-2))'     a searched key
data.batch_size=32,64,128                                    another searched key
scale=quick                                                  set in every trial
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
from convchoice.config.identity import is_numeric
from convchoice.config.mapping import within
from convchoice.errors import ConfigurationError, nearest, require

BATCH_SIZE = "data.batch_size"


@dataclass(frozen=True)
class SearchSpace:
    """What is searched, and for which arms.

    Attributes:
        arms: names in `conf/arm`.
        seeds: of every trial.
        searched: the keys, and the values that each may take.
        fixed: overrides of every trial.
    """

    arms: tuple[str, ...]
    seeds: tuple[int, ...]
    searched: Mapping[str, BaseDistribution]
    fixed: tuple[str, ...]


def read_space(arguments: Sequence[str]) -> SearchSpace:
    """The search space of a command line.

    Raises:
        ConfigurationError: for an invalid override, an unknown arm, a key that must not be
            searched, an empty range, or if nothing is searched.
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
    """The values of a key; none if it is not set."""
    if override is None:
        return []
    value = override.value()
    if isinstance(value, ChoiceSweep):
        return [getattr(item, "text", item) for item in value.list]
    if isinstance(value, RangeSweep):
        return list(value.range())
    return [value]


def _distribution(key: str, override: Override) -> BaseDistribution:
    decides = is_numeric(key) and not within(key, ("data",))
    require(
        decides or key == BATCH_SIZE, key, override.input_line,
        "cannot be tuned: it chooses the images, or where and how a run is made.",
    )  # fmt: skip
    require(
        "." in key, key, override.input_line,
        "is a group of keys. Arms that differ in a group are tuned separately.",
        "Name one key of the group, or the arms: arm=…",
    )  # fmt: skip
    value = override.value()
    if isinstance(value, IntervalSweep):
        return _interval(key, value)
    if isinstance(value, RangeSweep):
        return CategoricalDistribution(list(value.range()))
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
