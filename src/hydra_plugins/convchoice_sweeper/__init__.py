"""Hydra finds its plugins here: the sweeper that `conf/hydra/sweeper/whole.yaml` names.

Hydra imports this at every start, so it is a door and nothing more; what a sweep does is in
`convchoice.execution.sweep`.
"""

from collections.abc import Sequence
from typing import Any

from hydra._internal.core_plugins.basic_sweeper import BasicSweeper
from hydra.core.override_parser.overrides_parser import OverridesParser


class WholeSweeper(BasicSweeper):
    """Takes the command line apart as Hydra's basic sweeper does, and hands the jobs over.

    Args:
        max_batch_size: jobs that are sent out at once; None sends all.
        params: what is swept beside the command line.
        only: jobs to do, as ``ARM/seed-N``; None does all that are missing.
        baseline: the arm that the others are compared with; None takes the first.
    """

    def __init__(
        self,
        max_batch_size: int | None,
        params: dict[str, str] | None,
        only: str | Sequence[str] | None,
        baseline: str | None,
    ) -> None:
        """Keep what the configuration says."""
        super().__init__(max_batch_size, params)
        self.only = only
        self.baseline = baseline

    def sweep(self, arguments: list[str]) -> Any:
        """Carry the sweep out.

        Args:
            arguments: the command line's overrides.
        """
        # Only where a sweep is made:
        from convchoice.execution.sweep import Sweep  # noqa: PLC0415
        from convchoice.publish import publish_sweep  # noqa: PLC0415

        assert self.hydra_context and self.config and self.launcher  # noqa: S101, PT018 - for mypy
        loader = self.hydra_context.config_loader
        parser = OverridesParser.create(config_loader=loader)
        overrides = parser.parse_overrides([*self._parse_config(), *arguments])
        Sweep(
            swept=[str(item.key_or_group) for item in overrides if item.is_sweep_override()],
            batch=[job for part in self.split_arguments(overrides, None) for job in part],
            config=self.config,
            loader=loader,
            launcher=self.launcher,
            at_once=self.max_batch_size,
            only=self.only,
            baseline=self.baseline,
            publish_result=publish_sweep,
        ).carry_out()
