"""Which keys decide a run's numbers: the one list for fingerprints, comparisons and arms."""

from typing import Any

from convchoice.config.mapping import within
from convchoice.config.schema import Config
from convchoice.config.validation import config_to_mapping

NOT_NUMERIC = (
    "arm", "run_root", "tracking", "evaluation", "trainer.workers", "data.root", "data.fallback",
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
        del (plain[group] if group else plain)[key]
    return plain
