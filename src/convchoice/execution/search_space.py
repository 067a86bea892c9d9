"""The search space of `convchoice tune`, parsed from the command line in Hydra's grammar.

arm=max,average                                              arms, each searched separately
seed=0,1                                                     seeds of every trial
'optimizer.learning_rate=tag(log, interval(1e-4, 1e-2))'     a searched key
data.batch_size=32,64,128                                    another searched key
scale=quick                                                  set in every trial
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from hydra.core.override_parser.types import IntervalSweep, Override, RangeSweep
from optuna.distributions import (
    BaseDistribution,
    CategoricalDistribution,
    FloatDistribution,
    IntDistribution,
)

from convchoice.config.arm_keys import is_numeric
from convchoice.config.composition import check_option, given_values, parsed
from convchoice.config.field_types import within
from convchoice.errors import ConfigurationError, require

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
    by_key = {str(each.key_or_group): each for each in parsed(arguments, "command line")}
    arms = _values(by_key.pop("arm", None))
    require(bool(arms), "arm", None, "name the arms to tune.", "arm=max,average")
    for arm in arms:
        check_option("arm", str(arm))
    seeds = _values(by_key.pop("seed", None)) or [0]
    legal = all(isinstance(seed, int) and seed >= 0 for seed in seeds)
    require(legal, "seed", seeds, "must be whole numbers of at least 0.")
    swept = {key: each for key, each in by_key.items() if each.is_sweep_override()}
    fix = "Give a key several values: 'optimizer.learning_rate=tag(log,interval(1e-4,1e-2))'"
    require(bool(swept), "command line", " ".join(arguments), "nothing is searched.", fix)
    searched = {key: _distribution(key, each) for key, each in swept.items()}
    fixed = tuple(str(each.input_line) for key, each in by_key.items() if key not in swept)
    return SearchSpace(tuple(map(str, arms)), tuple(seeds), searched, fixed)


def _values(override: Override | None) -> list[Any]:
    if override is None:
        return []
    value = override.value()
    return list(value.range()) if isinstance(value, RangeSweep) else given_values(override)


def _distribution(key: str, override: Override) -> BaseDistribution:
    given, value = override.input_line, override.value()
    decides = key == BATCH_SIZE or (is_numeric(key) and not within(key, ("data",)))
    rule = "cannot be tuned: it chooses the images, or where and how a run is made."
    require(decides, key, given, rule)
    rule = "is a group of keys. Arms that differ in a group are tuned separately."
    require("." in key, key, given, rule, "Name one key of the group, or the arms: arm=…")
    if not isinstance(value, IntervalSweep):
        return CategoricalDistribution(_values(override))
    low: Any = value.start
    high: Any = value.end
    log = "log" in value.tags
    try:
        if isinstance(low, int) and isinstance(high, int):
            return IntDistribution(low, high, log=log)
        return FloatDistribution(low, high, log=log)
    except (TypeError, ValueError) as error:
        raise ConfigurationError(key, given, f"cannot be searched: {error}") from error
