"""The `compose` stage: `conf/` becomes one resolved YAML an arm, and one a study.

    python -m convchoice.compose --scale quick --output configs

DVC then caches by the composed result: a change in `conf/` that leaves an arm's file as it was
retrains nothing of that arm.
"""

import argparse
import dataclasses
import shutil
from collections.abc import Sequence
from pathlib import Path

import yaml

from convchoice.composition import compose_arm, options
from convchoice.configuration import CONF_DIR, nearest
from convchoice.errors import ConfigurationError, exit_codes
from convchoice.study import Study, read_study

STUDIES = "studies"


def chosen_studies(names: Sequence[str], conf: Path = CONF_DIR) -> list[Study]:
    """The studies of these names, each of whose arms there is an overlay for.

    Raises:
        ConfigurationError: for an unknown study or arm.
        UserError: if a study's file is not legal.
    """
    known = options("study", conf)
    arms = options("arm", conf)
    studies = []
    for name in names:
        if name not in known:
            raise ConfigurationError("study", name, "there is no such study.", nearest(name, known))
        study = read_study(conf / "study" / f"{name}.yaml")
        for arm in study.all_arms():
            if arm not in arms:
                raise ConfigurationError(
                    f"conf/study/{name}.yaml: arms", arm,
                    f"there is no conf/arm/{arm}.yaml.", nearest(arm, arms),
                )  # fmt: skip
        studies.append(study)
    return studies


def compose_stage(arguments: Sequence[str] | None = None) -> None:
    """Write the composed arms and studies.

    Raises:
        UserError: for anything illegal; nothing is written then.
    """
    parser = argparse.ArgumentParser(prog="python -m convchoice.compose")
    parser.add_argument("--scale", required=True, help="an option of conf/scale")
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    options_given = parser.parse_args(arguments)
    studies = chosen_studies(options("study"))
    names = options("arm")
    arms = [compose_arm(name, options_given.scale) for name in names]
    output: Path = options_given.output
    shutil.rmtree(output, ignore_errors=True)
    (output / STUDIES).mkdir(parents=True)
    for arm in arms:
        (output / f"{arm.name}.yaml").write_text(arm.to_yaml(), encoding="utf-8")
    for study in studies:
        text = yaml.safe_dump(dataclasses.asdict(study), sort_keys=False, allow_unicode=True)
        (output / STUDIES / f"{study.name}.yaml").write_text(text, encoding="utf-8")
    print(f"composed {len(arms)} arms and {len(studies)} studies at scale {options_given.scale}")


if __name__ == "__main__":
    with exit_codes():
        compose_stage()
