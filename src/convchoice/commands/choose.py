"""Choose what the pipeline runs: studies, their arms and data sets, and a scale.

    convchoice choose --study padding --scale full
    convchoice choose --study all
    convchoice choose --study path/to/my_study.yaml
    convchoice choose --survive pooling

Writes `params.yaml`, from which `dvc.yaml` takes its stages; `make repro STUDY=… SCALE=…` calls it
first. A study file from elsewhere is copied to `conf/study`. `--survive` names the studies whose
contrasts are repeated with other settings (`none`: no study). `--launch` is only checked, not
written, because results do not depend on it. Reports of the scale `quick` are in `reports`, those
of another scale in `reports/SCALE`.
"""

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from convchoice import CONF_DIR
from convchoice.commands import CommandParser, names_in
from convchoice.commands.compose import chosen_studies, composed_arms, data_of
from convchoice.config.field_types import plain_values
from convchoice.config.options import check_option, options, study_file
from convchoice.config.parameters import Parameters, read_parameters, reports_of
from convchoice.config.schema import Config
from convchoice.config.study import Study, read_study
from convchoice.config.yaml_files import yaml_line
from convchoice.errors import UserError, require
from convchoice.execution.launch import pipeline_executor
from convchoice.runs.output_files import replace_files

ALL = "all"
NONE = "none"
FIRST_LINE = "# What the pipeline runs."
TEMPLATE = f"""\
{FIRST_LINE} `make repro STUDY=<name, …, or all> SCALE=<name>` writes this file.
# scale: a file in conf/scale. quick: all of `make repro` within 10 minutes on 2 CPU cores.
scale: {{scale}}

# studies: files in conf/study; arms: theirs, files in conf/arm or `new_arms` of a study.
studies: {{studies}}
arms: {{arms}}

# data: the data sets of these arms.
data: {{data}}

# Folder of the reports.
reports: {{reports}}

# survive: those of the studies that are repeated with other settings (hours; see their `survive`).
survive: {{survive}}
"""


def study_files(wanted: str, conf: Path = CONF_DIR) -> list[Path]:
    """The files of the studies in a list of names and files, or of all.

    Raises:
        UserError: for an unknown name, or a file whose name another study in `conf/study` has.
    """
    folder, known = conf / "study", options("study", conf)
    names = known if wanted == ALL else names_in(wanted)
    files = []
    for name in names:
        file = study_file(name, conf)
        target = folder / f"{file.stem}.yaml"
        if file.exists() and target.exists() and file.read_bytes() != target.read_bytes():
            raise UserError(
                f"{file}: {target.relative_to(conf.parent)} is another study of that name. Rename"
                " yours (the file and its `name`), or change that file."
            )
        files.append(file)
    return list(dict.fromkeys(files))


def _surviving(wanted: str | None, present: Sequence[str], studies: Sequence[Study]) -> list[str]:
    """The studies that are repeated with other settings: those that are wanted, or as before."""
    by_name = {study.name: study for study in studies}
    if wanted is None:
        return [name for name in present if name in by_name]
    names = [] if wanted == NONE else names_in(wanted)
    for name in names:
        require(name in by_name, "--survive", name, f"must be among {', '.join(by_name)}.")
        settings = by_name[name].survive
        rule = f"study {name} names no settings. Add them to its file: survive: {{KEY: [VALUE, …]}}"
        require(bool(settings), "--survive", name, rule)
    return list(dict.fromkeys(names))


def chosen(
    wanted: str | None,
    scale: str | None,
    path: Path,
    conf: Path = CONF_DIR,
    survive: str | None = None,
) -> Parameters:
    """The content of a parameters file with other studies, another scale, or both.

    Everything is composed once, so that a mistake is reported before any file is written. Then a
    study's file from elsewhere is copied.

    Raises:
        UserError: for an unknown study or scale, anything illegal in the studies or their arms, or
            a file that `choose` did not write.
    """
    present = read_parameters(path)
    if not path.read_text(encoding="utf-8").startswith(FIRST_LINE):
        raise UserError(
            f"{path}: was not written by convchoice, so it is not replaced. Add the line"
            f" `{FIRST_LINE}` at its top to allow that."
        )
    files = [] if wanted is None else study_files(wanted, conf)
    studies = [read_study(file) for file in files] or chosen_studies(present, conf)
    needed = dict.fromkeys(arm for study in studies for arm in study.all_arms())
    arms = present.arms if wanted is None else list(needed)
    scale = scale or present.scale
    check_option("scale", scale, conf)
    parameters = Parameters(scale, arms, [study.name for study in studies], reports_of(scale))
    composed = composed_arms(parameters, studies, conf)
    surviving = _surviving(survive, present.survive, studies)
    for file in files:
        target = conf / "study" / f"{file.stem}.yaml"
        if not target.exists():
            with target.open("xb") as copy:  # never replaces a study
                copy.write(file.read_bytes())
            print(f"{file}: copied to {target.relative_to(conf.parent)}")
    runs, due = sum(arm.seeds for arm in composed), len([arm for arm in composed if arm.seeds])
    print(f"{path}: scale {scale}; studies: {len(studies)}, arms: {due}, runs: {runs}")
    return replace(parameters, data=data_of(composed), survive=surviving)


def parser() -> CommandParser:
    """The command line."""
    made = CommandParser("convchoice choose", __doc__)
    made.add_argument("--study", help="names or files, separated by commas, or `all`")
    made.add_argument("--scale", help="an option of conf/scale")
    made.add_argument("--survive", help="names of chosen studies, separated by commas, or `none`")
    made.add_argument("--launch", help="an option of conf/launch, and its settings")
    made.add_argument(
        "--params",
        type=Path,
        default=Path("params.yaml"),
        help="file to write (default: params.yaml)",
    )
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Write `params.yaml`, unless only a launcher is to be checked.

    Raises:
        UserError: for anything illegal; the file is unchanged then.
    """
    given = parser().parse_args(arguments)
    if given.launch is not None:
        pipeline_executor(given.launch, Config(), Path())
        if given.study is None and given.scale is None and given.survive is None:
            return
    parameters = chosen(given.study, given.scale, given.params, survive=given.survive)
    plain = plain_values(parameters)
    plain["data"] = [{k: v for k, v in each.items() if v is not None} for each in plain["data"]]
    values = {name: yaml_line(value) for name, value in plain.items()}
    replace_files(given.params.parent, {given.params.name: TEMPLATE.format(**values)})
