"""Choose what the pipeline runs: studies, and with them their arms, and a scale.

    python -m convchoice.choose --study padding --scale full
    python -m convchoice.choose --study all
    python -m convchoice.choose --study path/to/my_study.yaml

Writes `params.yaml`, from which `dvc.yaml` takes its stages; `make repro STUDY=… SCALE=…` calls it
first. `--launch` is only looked at, so that a slip of the pen is told before anything is done; it
goes into no file, for where runs are trained is no part of them. A study's file from elsewhere is
taken up into `conf/study`. Reports of the scale `quick` lie in `reports`, those of another scale in
a folder of its name there.
"""

import argparse
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from convchoice.compose import Parameters, chosen_studies, composed_arms, data_of, read_parameters
from convchoice.config.composition import options
from convchoice.config.study import Study, read_study
from convchoice.config.validation import CONF_DIR, check_name
from convchoice.config.yaml_files import yaml_line
from convchoice.errors import ConfigurationError, UserError, exit_codes, nearest
from convchoice.execution.launch import read_launch
from convchoice.runs.atomic_write import replace_files

ALL = "all"
USUAL_SCALE = "quick"
FIRST_LINE = "# What the pipeline runs."
TEMPLATE = f"""\
{FIRST_LINE} `make repro STUDY=<name, …, or all> SCALE=<name>` writes this file.
# scale: a file in conf/scale. quick: all of `make repro` within 10 minutes on 2 CPU cores.
scale: {{scale}}

# studies: files in conf/study; arms: theirs, files in conf/arm or brought along by a study.
studies: {{studies}}
arms: {{arms}}

# data: what these arms train on.
data: {{data}}

# Where the reports go.
reports: {{reports}}
"""


def new_name(path: Path, conf: Path = CONF_DIR) -> str:
    """The name of a study in a file from elsewhere, which no other study in `conf/study` has.

    Raises:
        UserError: if the file is no legal study, or another study has its name.
    """
    study = read_study(path)
    target = conf / "study" / f"{study.name}.yaml"
    if target.exists() and target.read_bytes() != path.read_bytes():
        raise UserError(
            f"{path}: {target.relative_to(conf.parent)} is another study of that name."
            " Give yours another name (its file's and its `name`), or change that file."
        )
    return study.name


def take_up(path: Path, conf: Path = CONF_DIR) -> None:
    """Copy a study's file into `conf/study`, unless it lies there already."""
    target = conf / "study" / f"{path.stem}.yaml"
    if not target.exists():
        with target.open("xb") as file:  # never replaces a study
            file.write(path.read_bytes())
        print(f"{path}: taken up as {target.relative_to(conf.parent)}")


def named_studies(wanted: str, conf: Path = CONF_DIR) -> dict[str, Path]:
    """Names and files of the studies that a list of names and files asks for, or of all there are.

    Raises:
        UserError: for an unknown name, or a file that is no legal study.
    """
    known = {name: conf / "study" / f"{name}.yaml" for name in options("study", conf)}
    if wanted == ALL:
        return known
    named = {}
    for part in (part.strip() for part in wanted.split(",")):
        if part.endswith((".yaml", ".yml")):
            named[new_name(Path(part), conf)] = Path(part)
        elif part in known:
            named[part] = known[part]
        else:
            raise ConfigurationError(
                "STUDY", part, "there is no such study.",
                f"{nearest(part, list(known))} A study of your own: STUDY=path/to/it.yaml",
            )  # fmt: skip
    return named


def arms_of(studies: Sequence[Study]) -> list[str]:
    """The studies' arms in order, each once."""
    return list(dict.fromkeys(arm for study in studies for arm in study.all_arms()))


def chosen(wanted: str | None, scale: str | None, path: Path, conf: Path = CONF_DIR) -> Parameters:
    """What the pipeline is to run: as it stands in the file, but for what is asked for.

    Raises:
        UserError: for an unknown study or scale, or anything illegal in the studies or their arms.
    """
    now = read_parameters(path)
    if not path.read_text(encoding="utf-8").startswith(FIRST_LINE):
        raise UserError(
            f"{path}: was not written by convchoice, so it is not replaced. Begin the file with"
            f" the line `{FIRST_LINE}` if it may be."
        )
    named = {} if wanted is None else named_studies(wanted, conf)
    studies = [read_study(file) for file in named.values()] or chosen_studies(now, conf)
    names = [study.name for study in studies]
    arms = now.arms if wanted is None else arms_of(studies)
    scale = scale or now.scale
    check_name("SCALE", scale)
    reports = "reports" if scale == USUAL_SCALE else f"reports/{scale}"
    parameters = Parameters(scale, arms, names, reports)
    # All of it is composed once here, so that a mistake is told before any file is written.
    composed = composed_arms(parameters, studies, conf)
    parameters = replace(parameters, data=data_of(composed))
    for file in named.values():
        take_up(file, conf)
    runs = sum(len(arm.seeds) for arm in composed)
    print(f"{path}: scale {scale}, {len(names)} studies, {len(arms)} arms, {runs} runs")
    return parameters


def choose(arguments: Sequence[str] | None = None) -> None:
    """Write `params.yaml`, unless only a launcher is to be looked at.

    Raises:
        UserError: for anything illegal; the file is left as it was then.
    """
    parser = argparse.ArgumentParser(prog="python -m convchoice.choose")
    parser.add_argument("--study", help="names or files, with commas between, or `all`")
    parser.add_argument("--scale", help="an option of conf/scale")
    parser.add_argument("--launch", help="an option of conf/launch, and settings of it")
    parser.add_argument("--params", type=Path, default=Path("params.yaml"), help="file to write")
    given = parser.parse_args(arguments)
    if given.launch is not None:
        read_launch(given.launch)
        if given.study is None and given.scale is None:
            return
    parameters = chosen(given.study, given.scale, given.params)

    text = TEMPLATE.format(
        scale=yaml_line(parameters.scale),
        studies=yaml_line(parameters.studies),
        arms=yaml_line(parameters.arms),
        data=yaml_line(parameters.data),
        reports=yaml_line(parameters.reports),
    )
    replace_files(given.params.parent, {given.params.name: text})


if __name__ == "__main__":
    with exit_codes():
        choose()
