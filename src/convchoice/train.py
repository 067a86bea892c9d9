"""The `train` stage, and the Hydra application that trains single runs and sweeps.

    python -m convchoice.train arm=max seed=3 trainer.max_epochs=2
    python -m convchoice.train -m downsample=max,average conv.padding=valid,same seed=0,1,2
    python -m convchoice.train --composed configs/max.yaml --output trained

The first two are Hydra's: each run is trained, evaluated and logged to MLflow. The last is what
`dvc.yaml` calls: every seed of one composed arm, side by side, training only; through a launcher
where `CONVCHOICE_LAUNCH` names one.
"""

import argparse
import os
import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from convchoice.config.arm import Arm, read_arm
from convchoice.config.schema import TrackingConfig
from convchoice.errors import UserError, exit_codes
from convchoice.execution.bookkeeping import said_failures
from convchoice.execution.seeds import train_seeds
from convchoice.execution.workers import LAUNCH, Carrier


def train_stage(arguments: Sequence[str]) -> None:
    """Train every seed of one composed arm that is not already there.

    Args:
        arguments: ``--composed FILE --output FOLDER``.

    Raises:
        UserError: if the arm cannot be read, or a run failed (the others are finished first).
    """
    parser = argparse.ArgumentParser(prog="python -m convchoice.train")
    parser.add_argument("--composed", type=Path, required=True, help="composed YAML of one arm")
    parser.add_argument("--output", type=Path, required=True, help="folder of trained arms")
    options = parser.parse_args(arguments)
    arm = read_arm(options.composed)
    failures = train_seeds(arm.runs(), options.output, _carrier(arm, options.output))
    if failures:
        failed = said_failures(failures, len(arm.seeds), "failed")
        raise UserError(f"{failed}\nThe others are whole and kept. Again: {_again(arguments)}")


def _carrier(arm: Arm, output: Path) -> Carrier | None:
    """Who trains: the launcher that the environment asks for; None for processes of this one."""
    if not os.environ.get(LAUNCH, "").strip():
        return None
    # Hydra, only where it is used
    from convchoice.execution.launch import asked_for  # noqa: PLC0415
    from convchoice.execution.launched import Launched  # noqa: PLC0415

    launch = asked_for()
    return None if launch is None else Launched(launch, arm.config, output)


def _again(arguments: Sequence[str]) -> str:
    """The command that does it once more, for whoever has started it: DVC, make or a person."""
    launch = os.environ.get(LAUNCH, "").strip()
    said = f"{LAUNCH}={shlex.quote(launch)} " if launch else ""
    if "DVC_STAGE" not in os.environ:
        return f"{said}{shlex.join(['python', '-m', 'convchoice.train', *arguments])}"
    made = f" LAUNCH={shlex.quote(launch)}" if launch else ""
    return f"{said}dvc repro, or make repro{made}"


def _publish(folder: Path, settings: TrackingConfig) -> None:
    from convchoice.tracking.publish import publish  # noqa: PLC0415 - decides no output

    publish(folder, settings)


def main() -> None:
    """Choose the door by the arguments."""
    with exit_codes():
        if any(argument.partition("=")[0] == "--composed" for argument in sys.argv):
            train_stage(sys.argv[1:])
        else:
            from convchoice.execution.application import application  # noqa: PLC0415 - Hydra only where it is used

            application(_publish)


if __name__ == "__main__":
    main()
