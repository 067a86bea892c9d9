"""The `evaluate` stage: measure every seed of one arm on the test set.

python -m convchoice.evaluate --composed configs/max.yaml --trained trained --output runs
"""

import argparse
from collections.abc import Sequence
from pathlib import Path

from convchoice.config.arm import read_arm
from convchoice.config.schema import Config, TrackingConfig
from convchoice.errors import UserError, exit_codes
from convchoice.execution.bookkeeping import said_failures
from convchoice.execution.measurement import measure_runs
from convchoice.runs.failures import read_failure
from convchoice.runs.locks import in_turn
from convchoice.runs.ownership import remove_failure, write_failure
from convchoice.runs.run_folder import run_path


def _failed(config: Config, trained: Path, output: Path) -> bool:
    """Whether a run's training failed; then, and only then, that is recorded in the output too."""
    source, target = (run_path(root, str(config.arm), config.seed) for root in (trained, output))
    failure = read_failure(source)
    if failure is None:
        remove_failure(target)
        return False
    write_failure(target, failure)
    return True


def _publish(folder: Path, settings: TrackingConfig) -> None:
    from convchoice.tracking.publish import publish  # noqa: PLC0415 - decides no output

    publish(folder, settings)


def evaluate_stage(arguments: Sequence[str] | None = None) -> None:
    """Measure the runs of one composed arm.

    Raises:
        UserError: if a trained run is missing or cannot be measured.
    """
    parser = argparse.ArgumentParser(prog="python -m convchoice.evaluate")
    parser.add_argument("--composed", type=Path, required=True, help="composed YAML of one arm")
    parser.add_argument("--trained", type=Path, required=True, help="folder of trained arms")
    parser.add_argument("--output", type=Path, required=True, help="folder of run folders")
    options = parser.parse_args(arguments)
    arm = read_arm(options.composed)
    names = [f"{arm.name}/seed-{seed}" for seed in arm.seeds]
    with in_turn(options.output, names, "measuring"):
        whole = [
            config for config in arm.runs() if not _failed(config, options.trained, options.output)
        ]
        failures = measure_runs(
            whole,
            options.trained,
            options.output,
            on_complete=lambda folder: _publish(folder, arm.config.tracking),
        )
    if failures:
        raise UserError(said_failures(failures, len(arm.seeds), "could not be measured"))


if __name__ == "__main__":
    with exit_codes():
        evaluate_stage()
