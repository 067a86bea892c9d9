"""Hydra finds its plugins here: the sweeper that `conf/hydra/sweeper/convchoice.yaml` names.

Hydra imports this module at every start, so it imports little. The sweep itself is
`convchoice.execution.sweep`.
"""

from collections.abc import Mapping, Sequence
from math import prod
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.core.override_parser.types import Override
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig

from convchoice.errors import require


def zipped(overrides: Sequence[Override], keys: Sequence[str]) -> list[list[str]]:
    """The lines of overrides in which some keys have their first values, their second ones, ….

    Raises:
        ConfigurationError: unless each key has several values, and all equally many.
    """
    values = {
        item.get_key_element(): list(item.sweep_string_iterator())
        for item in overrides
        if item.get_key_element() in keys and item.is_sweep_override()
    }
    counts = {key: len(values.get(key, [])) for key in keys}
    rule = f"each key needs as many values as the others, and several; found {counts}."
    legal = all(counts.values()) and len(set(counts.values())) <= 1
    require(legal, "hydra.sweeper.zip", list(keys), rule)
    return [
        [
            f"{key}={values[key][index]}" if (key := item.get_key_element()) in values
            else str(item.input_line)
            for item in overrides
        ]
        for index in range(max(counts.values(), default=1))
    ]  # fmt: skip


def _publish_studies(*given: Any) -> None:
    from convchoice.commands.publish import publish_studies  # noqa: PLC0415 - imports matplotlib

    publish_studies(*given)


class ConvchoiceSweeper(Sweeper):
    """Expands the command line as Hydra's basic sweeper does, and passes the jobs on.

    Args:
        params: what is swept beside the command line.
        only: jobs to run, as ``ARM/seed-N``; None runs all that are missing.
        baseline: the arm that the others are compared with; None takes the first.
        zip: keys whose first values go together, their second values, and so on.
    """

    def __init__(
        self,
        params: Mapping[str, str] | None,
        only: str | Sequence[str] | None,
        baseline: str | None,
        zip: Sequence[str] | None,  # noqa: A002 - the key of the configuration
    ) -> None:
        """Keep the configuration."""
        self.params, self.zipped = params or {}, zip or []
        self.options = {"only": only, "baseline": baseline}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what a sweep needs. No launcher is created: an executor runs the jobs."""
        self.loader = hydra_context.config_loader
        self.application: Any = task_function
        self.config = config

    def _check_options(self) -> None:
        legal = isinstance(self.params, Mapping)
        require(legal, "hydra.sweeper.params", self.params, "must map keys to their values.")
        legal = not isinstance(self.zipped, str) and isinstance(self.zipped, Sequence)
        require(legal, "hydra.sweeper.zip", self.zipped, "must be a list of keys.")
        only = self.options["only"]
        legal = only is None or isinstance(only, str | Sequence)
        require(legal, "hydra.sweeper.only", only, "must be ARM/seed-N, or a list of such names.")

    def sweep(self, arguments: list[str]) -> None:
        """Expand the overrides of the command line into jobs."""
        from convchoice.config.composition import (  # noqa: PLC0415 - only of a sweep
            MOST_VALUES,
            given_values,
            value_text,
        )

        self._check_options()
        given = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        parser = OverridesParser.create(self.loader)
        overrides = parser.parse_overrides(given)
        for each in overrides:
            rule, fix = "an interval is no list of values.", "To search it: convchoice tune"
            key = each.get_key_element()
            require(not each.is_interval_sweep(), key, value_text(each), rule, fix)
        counts = {
            each.get_key_element(): len(given_values(each))
            for each in overrides
            if each.is_discrete_sweep()
        }
        jobs = prod(number for key, number in counts.items() if key not in self.zipped[1:])
        require(jobs <= MOST_VALUES, "sweep", jobs, f"must be at most {MOST_VALUES:,} jobs.")
        batch = [
            job
            for line in zipped(overrides, self.zipped)
            for job in BasicSweeper.split_arguments(parser.parse_overrides(line), None)[0]
        ]
        self.application.sweep(
            self.config, self.loader, overrides, batch, self.options, _publish_studies
        )
