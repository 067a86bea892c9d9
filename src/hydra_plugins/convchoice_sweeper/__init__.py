"""Hydra finds its plugins here: the sweeper that `conf/hydra/sweeper/convchoice.yaml` names.

Hydra imports this module at every start, so it imports little. The sweep itself is
`convchoice.execution.sweep`.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser
from hydra.plugins.sweeper import Sweeper
from hydra.types import HydraContext, TaskFunction
from omegaconf import DictConfig


class ConvchoiceSweeper(Sweeper):
    """Expands the command line as Hydra's basic sweeper does, and passes the jobs on.

    Args:
        params: what is swept beside the command line.
        only: jobs to run, as ``ARM/seed-N``; None runs all that are missing.
        baseline: the arm that the others are compared with; None takes the first.
    """

    def __init__(
        self,
        params: Mapping[str, str] | None,
        only: str | Sequence[str] | None,
        baseline: str | None,
    ) -> None:
        """Keep the configuration."""
        self.params = params or {}
        self.options = {"only": only, "baseline": baseline}

    def setup(
        self, *, hydra_context: HydraContext, task_function: TaskFunction, config: DictConfig
    ) -> None:
        """Keep what a sweep needs. No launcher is created: an executor runs the jobs."""
        self.loader = hydra_context.config_loader
        self.application: Any = task_function
        self.config = config

    def sweep(self, arguments: list[str]) -> None:
        """Expand the overrides of the command line into jobs."""
        from convchoice.commands.publish import publish_studies  # noqa: PLC0415 - only for a sweep

        given = [*(f"{key}={value}" for key, value in self.params.items()), *arguments]
        overrides = OverridesParser.create(self.loader).parse_overrides(given)
        batch = BasicSweeper.split_arguments(overrides, None)[0]
        self.application.sweep(
            self.config, self.loader, overrides, batch, self.options, publish_studies
        )
