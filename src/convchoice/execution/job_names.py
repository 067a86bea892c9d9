"""Names of runs and sweeps that were given none, derived from what the command line sets."""

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from convchoice.config.arm_keys import PATH, is_numeric
from convchoice.config.field_types import within
from convchoice.config.schema import Config
from convchoice.config.validation import arm_from_mapping
from convchoice.data.conversion import with_contents
from convchoice.errors import ConfigurationError
from convchoice.networks.geometry_suggestions import fitting_plan

AMBIGUOUS_VALUES = ("true", "false", "null", "none")
"""Values that mean nothing without their key."""
LIST = re.compile(r"\[\s*([\w.+-]+(?:\s*,\s*[\w.+-]+)*)\s*\]")


def is_named(override: str) -> bool:
    """Whether an override changes what a run is, and not where or how it is made."""
    key = override.lstrip("+~").partition("=")[0].replace("/", ".")
    return (is_numeric(key) or key == PATH) and not within(key, ("seed", "launch", "hydra"))


def derived_name(overrides: Sequence[str], swept: Sequence[str] = ()) -> str:
    """A name for a configuration that was given none.

    In a sweep the swept keys make the name, else all that was set: ``downsample=average
    conv.padding=same conv.kernel_size=[3,2]`` gives ``average-same-kernel_size=3x2``. A key is
    without its group, unless another one ends alike.
    """
    given = [part.lstrip("+~").partition("=")[::2] for part in filter(is_named, overrides)]
    chosen = [(key, value) for key, value in given if not swept or key in swept]
    short = _short_keys(key for key, _ in chosen)
    parts = []
    for key, value in chosen:
        word = re.sub(r"(\d)e\+", r"\1e", value.strip("'\""))  # a name may not hold a +
        if listed := LIST.fullmatch(word):
            word = re.sub(r"\s*,\s*", "x", listed[1])
        alone = word.isidentifier() and not listed and word.lower() not in AMBIGUOUS_VALUES
        parts.append(word if alone else f"{short[key]}={word}")
    return _legal(parts)


def sweep_name(swept: Sequence[str]) -> str:
    """The name of a sweep: the keys with several values, without seeds.

    ``downsample=max,average conv.padding=valid,same seed=0,1`` is ``downsample-padding``. The same
    keys in the same folder are the same sweep, continued, whatever their values.
    """
    return _legal(_short_keys(key for key in swept if key != "seed").values()) or "seed"


def _short_keys(keys: Iterable[str]) -> dict[str, str]:
    """The keys without their groups; whole, where others end alike."""
    short = {key: re.split(r"[./]", key)[-1] for key in keys}
    ends = Counter(short.values())
    return {key: end if ends[end] == 1 else key for key, end in short.items()}


def _legal(parts: Iterable[str]) -> str:
    return re.sub(r"[^\w.=]+", "-", "-".join(parts)).strip("-")


def job_name(config: Config) -> str:
    """A run as `hydra.sweeper.only` and messages name it."""
    return f"{config.arm}/seed-{config.seed}"


def run_config(
    composed: Mapping[str, Any], overrides: Sequence[str], swept: Sequence[str] = ()
) -> Config:
    """The checked configuration of one run, with a name that distinguishes it in its sweep.

    Args:
        composed: plain values of the composition.
        overrides: the run's own overrides.
        swept: keys that its sweep gives several values.

    Raises:
        ConfigurationError: for an illegal value or combination, or for `seeds`.
        GeometryError: if a layer does not fit its input.
    """
    for key, _, value in (override.lstrip("+").partition("=") for override in overrides):
        if key == "seeds":
            rule = "is the pipeline's number of seeds."
            raise ConfigurationError(key, value, rule, "Name the seeds of a sweep: -m seed=0,1,2")
    arm = composed.get("arm")
    derived = derived_name(overrides, swept) if swept or arm is None else ""
    name = "-".join(part for part in (arm, derived) if part) or "default"
    config = with_contents(arm_from_mapping({**composed, "arm": name}))
    fitting_plan(config)
    return config
