"""The `compose` stage: `conf/` becomes one resolved YAML an arm, and one a study.

    python -m convchoice.compose --params params.yaml --output configs

DVC then caches by the composed result: a change in `conf/` that leaves an arm's file as it was
retrains nothing of that arm.
"""

import argparse
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convchoice.analysis.measure import known_direction
from convchoice.config.arm import Arm
from convchoice.config.composition import compose_arm, compose_new_arm, options
from convchoice.config.identity import numeric_identity
from convchoice.config.mapping import plain_values
from convchoice.config.schema import Curve
from convchoice.config.study import Study, new_arms_of, read_study
from convchoice.config.validation import CONF_DIR
from convchoice.config.yaml_files import read_yaml, yaml_text
from convchoice.errors import ConfigurationError, exit_codes, nearest, require
from convchoice.runs.manifest import write_output

STUDIES = "studies"
MNIST = {"name": "mnist", "root": "data/raw"}


@dataclass(frozen=True)
class Parameters:
    """What `params.yaml` asks for.

    Attributes:
        scale: an option of `conf/scale`.
        arms: names of files in `conf/arm`, or of arms that the studies bring along.
        studies: names of files in `conf/study`.
        reports: folder of the studies' reports.
        data: `name` and `root` (its folder) of each data set that the arms need.
    """

    scale: str
    arms: list[str]
    studies: list[str]
    reports: str = "reports"
    data: list[dict[str, str]] = field(default_factory=lambda: [dict(MNIST)])


def read_parameters(path: Path) -> Parameters:
    """The parameters of the pipeline.

    Raises:
        UserError: if the file cannot be read, or its lists are no lists of different names.
    """
    values = read_yaml(path)
    for key in ("arms", "studies"):
        names = values.get(key)
        legal = isinstance(names, list) and names and all(isinstance(name, str) for name in names)
        require(bool(legal), f"{path}: {key}", names, "must be a list of at least one name.")
        twice = sorted({name for name in names or [] if (names or []).count(name) > 1})
        require(not twice, f"{path}: {key}", twice, "each name may stand once.")
    reports = values.get("reports", "reports")
    require(
        isinstance(reports, str) and not Path(reports).is_absolute() and ".." not in reports,
        f"{path}: reports", reports, "must be a folder within the project.",
    )  # fmt: skip
    data = values.get("data", [dict(MNIST)])
    legal = isinstance(data, list) and all(
        isinstance(one, dict) and one.keys() == MNIST.keys() for one in data
    )
    require(legal, f"{path}: data", data, "must be a list of mappings of `name` and `root`.")
    return Parameters(
        str(values.get("scale")), list(values["arms"]), list(values["studies"]), reports, data
    )


def chosen_studies(parameters: Parameters, conf: Path = CONF_DIR) -> list[Study]:
    """The studies of the pipeline, each of whose arms the pipeline trains.

    Raises:
        ConfigurationError: for an unknown study, or an arm of it that is not in the list of arms.
        UserError: if a study's file is not legal.
    """
    known = options("study", conf)
    studies = []
    for name in parameters.studies:
        if name not in known:
            raise ConfigurationError(
                "studies", name, "there is no such study.", nearest(name, known)
            )
        study = read_study(conf / "study" / f"{name}.yaml")
        part, _, quantity = study.metric.partition("/")
        require(
            part in {"train", "val", "test"} and known_direction(quantity) is not None,
            f"conf/study/{name}.yaml: metric",
            study.metric,
            "is no metric of a run.",
            "Take test/accuracy, test/nll, or another accuracy, loss or nll.",
        )
        for arm in study.all_arms():
            if arm not in parameters.arms:
                raise ConfigurationError(
                    f"conf/study/{name}.yaml: arms", arm,
                    "is not among the arms that the pipeline trains.",
                    f"Let `make repro STUDY={name}` choose the arms, or add it to `arms` in"
                    f" params.yaml. {nearest(arm, parameters.arms)}",
                )  # fmt: skip
        studies.append(study)
    return studies


def composed_arms(
    parameters: Parameters, studies: Sequence[Study], conf: Path = CONF_DIR
) -> list[Arm]:
    """The arms of the pipeline, out of `conf/arm` or of the studies that bring them along.

    Raises:
        ConfigurationError: for an unknown arm, anything illegal in one, or a study over arms of
            different data sets.
        GeometryError: if a layer does not fit its input.
    """
    new = new_arms_of(studies)
    settings = {name: _curve_settings(name, studies) for name in parameters.arms}
    origins = {arm: f"conf/study/{study.name}.yaml" for study in studies for arm in study.new_arms}
    arms = [
        compose_new_arm(name, parameters.scale, [*new[name], *settings[name]], origins[name], conf)
        if name in new
        else compose_arm(name, parameters.scale, settings[name], conf)
        for name in parameters.arms
    ]
    by_name = {arm.name: arm for arm in arms}
    for study in studies:
        check_data(study, by_name)
        check_different(study, by_name)
    return arms


def data_of(arms: Iterable[Arm]) -> list[dict[str, str]]:
    """Name and folder of each data set that some arms train on, in the arms' order, each once."""
    found = {(arm.config.data.name.name, arm.config.data.root): None for arm in arms}
    return [{"name": name, "root": root} for name, root in found]


def _curve_settings(arm: str, studies: Sequence[Study]) -> list[str]:
    """Overrides that measure what the arm's studies want measured; none where they want nothing."""
    wanted = {curve for study in studies if arm in study.all_arms() for curve in study.curves}
    if not wanted:
        return []
    names = ",".join(curve.name for curve in Curve if curve in wanted)
    return ["evaluation=curves", f"evaluation.curves=[{names}]"]


def check_data(study: Study, arms: Mapping[str, Arm]) -> None:
    """Refuse a study whose arms are of different data sets, before any of them is trained.

    Raises:
        ConfigurationError: naming the first arm that is of another data set than the baseline.
    """
    ours = arms[study.baseline].config.data.name.name
    for arm in study.arms:
        theirs = arms[arm].config.data.name.name
        require(
            theirs == ours,
            f"conf/study/{study.name}.yaml: arms",
            arm,
            f"is of {theirs}, and the baseline {study.baseline} of {ours}: a difference between"
            " them would be one between data sets.",
            f"Ask the question of {theirs} in a study of its own.",
        )


def check_different(study: Study, arms: Mapping[str, Arm]) -> None:
    """Refuse a study of which two arms are the same but for their names.

    Raises:
        ConfigurationError: naming both.
    """
    known: dict[str, str] = {}
    for arm in study.all_arms():
        what = json.dumps(numeric_identity(arms[arm].config), sort_keys=True)
        first = known.setdefault(what, arm)
        require(
            first == arm,
            f"conf/study/{study.name}.yaml: arms",
            arm,
            f"is the same as {first}: they differ in nothing that decides a number.",
            "Leave one of the two out, or change what it sets.",
        )


def compose_stage(arguments: Sequence[str] | None = None) -> None:
    """Write the composed arms and studies.

    Raises:
        UserError: for anything illegal; nothing is written then.
    """
    parser = argparse.ArgumentParser(prog="python -m convchoice.compose")
    parser.add_argument(
        "--params", type=Path, required=True, help="YAML file with `scale`, `arms` and `studies`"
    )
    parser.add_argument("--output", type=Path, required=True, help="folder to write")
    given = parser.parse_args(arguments)
    parameters = read_parameters(given.params)
    studies = chosen_studies(parameters)
    arms = composed_arms(parameters, studies)
    for wanted in data_of(arms):
        require(
            wanted in parameters.data,
            f"{given.params}: data",
            parameters.data,
            f"lacks {wanted}, which an arm trains on.",
            "Let `make repro STUDY=…` choose, or add it.",
        )
    texts = {f"{arm.name}.yaml": arm.to_yaml() for arm in arms}
    for study in studies:
        texts[f"{STUDIES}/{study.name}.yaml"] = yaml_text(plain_values(study))
    write_output(given.output, texts)
    print(f"composed {len(arms)} arms and {len(studies)} studies at scale {parameters.scale}")


if __name__ == "__main__":
    with exit_codes():
        compose_stage()
