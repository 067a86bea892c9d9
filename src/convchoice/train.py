"""The `train` stage, and the Hydra application that trains single runs and sweeps.

    python -m convchoice.train arm=max seed=3 trainer.max_epochs=2
    python -m convchoice.train -m downsample=max,average conv.padding=valid,same seed=0,1,2
    python -m convchoice.train --composed configs/max.yaml --output trained

The first two are Hydra's: each run is trained, evaluated and told to MLflow. The last is what
`dvc.yaml` calls: every seed of one composed arm, side by side, training only.
"""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from convchoice.errors import UserError, exit_codes
from convchoice.execution.bookkeeping import said_failures
from convchoice.execution.seeds import train_seeds
from convchoice.studies.arm import read_arm


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
    failures = train_seeds(arm.runs(), options.output)
    if failures:
        raise UserError(said_failures(failures, len(arm.seeds), "failed"))


def main() -> None:
    """Choose the door by the arguments."""
    with exit_codes():
        if any(argument.partition("=")[0] == "--composed" for argument in sys.argv):
            train_stage(sys.argv[1:])
        else:
            from convchoice.execution.sweep import application  # noqa: PLC0415 - Hydra only where it is used

            application()


if __name__ == "__main__":
    main()
