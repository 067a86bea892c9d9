"""The `compose` stage: turn `conf/` into one resolved YAML file per arm, and one per study.

    convchoice compose --params params.yaml --output configs

DVC caches by these files: a change in `conf/` that leaves an arm's file unchanged retrains nothing.
"""

import json
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from convchoice import CONF_DIR
from convchoice.analysis.measure import OTHERS, is_score
from convchoice.analysis.study_definition import record_definition
from convchoice.commands import CommandParser
from convchoice.config.arm_keys import numeric_identity
from convchoice.config.composition import ArmComposer
from convchoice.config.field_types import plain_values
from convchoice.config.options import options
from convchoice.config.parameters import DataFolder, Parameters, read_parameters
from convchoice.config.schema import Config, Curve
from convchoice.config.study import Study, new_arms_of, read_study
from convchoice.config.validation import arm_text
from convchoice.config.yaml_files import yaml_text
from convchoice.data.conversion import with_contents
from convchoice.errors import nearest, require
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.runs.output_files import write_output
from convchoice.runs.run_folder import json_text

STUDIES = "studies"
DEFINITIONS = "definitions"


def chosen_studies(parameters: Parameters, conf: Path = CONF_DIR) -> list[Study]:
    """The studies of the pipeline, whose arms it trains.

    Raises:
        ConfigurationError: for an unknown study, a metric that runs do not have, or an arm that is
            not in the list of arms.
        UserError: if a study's file is not legal.
    """
    known = options("study", conf)
    studies = []
    for name in parameters.studies:
        require(name in known, "studies", name, "there is no such study.", nearest(name, known))
        study, origin = read_study(conf / "study" / f"{name}.yaml"), f"conf/study/{name}.yaml"
        scored = "Use test/accuracy, test/nll, or another accuracy, loss or nll"
        require(
            is_score(study.metric), f"{origin}: metric", study.metric, "is no metric of a run.",
            f"{scored}.",
        )  # fmt: skip
        for index, metric in enumerate(claim.metric for claim in study.claims):
            legal = metric is None or is_score(metric) or metric in OTHERS
            rule, fix = "is no metric of a run.", f"{scored}, or {', '.join(OTHERS)}."
            require(legal, f"{origin}: claims[{index}].metric", metric, rule, fix)
        for arm in study.all_arms():
            require(
                arm in parameters.arms, f"{origin}: arms", arm,
                "is not among the arms that the pipeline trains.",
                f"Run `make repro STUDY={name}`, which chooses the arms, or add it to `arms` in"
                f" params.yaml. {nearest(arm, parameters.arms)}",
            )  # fmt: skip
        studies.append(study)
    return studies


def composed_arms(
    parameters: Parameters, studies: Sequence[Study], conf: Path = CONF_DIR
) -> list[Config]:
    """The arms of the pipeline, from `conf/arm` or from the studies' `new_arms`.

    Raises:
        ConfigurationError: for an unknown arm, anything illegal in one, or a study of arms that
            cannot be compared.
        GeometryError: if a layer does not fit its input.
    """
    new, composer = new_arms_of(studies), ArmComposer(parameters.scale, conf)
    origins = {arm: f"conf/study/{study.name}.yaml" for study in studies for arm in study.new_arms}
    arms = {}
    for name in parameters.arms:
        wanted = {curve for study in studies if name in study.all_arms() for curve in study.curves}
        names = ",".join(curve.name for curve in Curve if curve in wanted)
        curves = ["evaluation=curves", f"evaluation.curves=[{names}]"] if wanted else []
        if name in new:
            arms[name] = composer.new_arm(name, [*new[name], *curves], origins[name])
        else:
            arms[name] = composer.arm(name, curves)
        arms[name] = with_contents(arms[name])
        fitting_plan(arms[name])
    for study in studies:
        check_comparable(study, arms)
    return list(arms.values())


def data_of(arms: Iterable[Config]) -> list[DataFolder]:
    """The data sets of some arms, in the arms' order, each once.

    Raises:
        ConfigurationError: for one outside the folder `data`, on which the stages depend.
    """
    folders = dict.fromkeys(DataFolder.of(arm.data) for arm in arms)
    for each in folders:
        inside = Path(each.root).parts[:1] == ("data",) and ".." not in Path(each.root).parts
        rule = "must be a folder in `data`, on which the stages of dvc.yaml depend."
        fix = "A sweep (convchoice train -m) takes any folder."
        require(inside, f"conf/data/{each.name.name}.yaml: root", each.root, rule, fix)
    return list(folders)


def check_comparable(study: Study, arms: Mapping[str, Config]) -> None:
    """Refuse a study whose arms train on different data sets, or are equal except for their names.

    Raises:
        ConfigurationError: naming the two arms; or if the scale leaves out a reference.
    """
    field_name, known = f"conf/study/{study.name}.yaml: arms", dict[str, str]()
    pairs = [pair for pair in study.pairs() if arms[pair[0]].seeds]
    fix = "Give it seeds at this scale (conf/scale), or leave out what is compared with it too."
    for reference in [other for _, other in pairs] or [study.baseline]:
        rule = "has no seeds at this scale, and other arms are compared with it."
        require(arms[reference].seeds > 0, field_name, reference, rule, fix)
    rule = "no arm of the study has seeds at this scale, so nothing can be compared."
    require(bool(pairs or not study.arms), field_name, study.arms, rule)
    ours = DataFolder.of(arms[study.baseline].data)
    for arm in study.all_arms():
        config = arms[arm]
        theirs = DataFolder.of(config.data)
        require(
            theirs == ours, field_name, arm,
            f"trains on {theirs.short}, and the baseline {study.baseline} on {ours.short}: their"
            " difference would be one between data sets.",
            f"Make a study of its own for {theirs.short}.",
        )  # fmt: skip
        first = known.setdefault(json.dumps(numeric_identity(config), sort_keys=True), arm)
        require(
            first == arm, field_name, arm,
            f"is the same as {first}: they differ in nothing that decides a number.",
            "Leave one of the two out, or change what it sets.",
        )  # fmt: skip


def composed_texts(
    parameters: Parameters, studies: Sequence[Study], arms: Sequence[Config]
) -> dict[str, str]:
    """The composed files by name; each study's definition is recorded in the reports' folder."""
    reports = Path(parameters.reports)
    reports = reports.parent if reports.name == parameters.scale else reports  # of all scales
    texts = {f"arms/{arm.arm}.yaml": arm_text(arm) for arm in arms}
    for study in studies:
        texts[f"{STUDIES}/{study.name}.yaml"] = yaml_text(plain_values(study))
        record = record_definition(reports, study, CONF_DIR / "study" / f"{study.name}.yaml")
        planned = min(arm.seeds for arm in arms if arm.seeds and arm.arm in study.all_arms())
        record = record.before(planned)  # a result does not make itself out of date
        texts[f"{DEFINITIONS}/{study.name}.json"] = json_text(record.model_dump(exclude={"final"}))
    return texts


def parser() -> CommandParser:
    """The command line."""
    made, content = CommandParser("convchoice compose", __doc__), "`scale`, `arms` and `studies`"
    made.add_argument("--params", type=Path, required=True, help=f"YAML file with {content}")
    made.add_argument("--output", type=Path, required=True, help="folder to write")
    return made


def main(arguments: Sequence[str] | None = None) -> None:
    """Write the composed arms and studies.

    Raises:
        UserError: for anything illegal; nothing is written then.
    """
    given = parser().parse_args(arguments)
    parameters = read_parameters(given.params)
    studies = chosen_studies(parameters)
    arms = composed_arms(parameters, studies)
    for needed in data_of(arms):
        require(
            needed in parameters.data, f"{given.params}: data", plain_values(parameters.data),
            f"lacks {plain_values(needed)}, on which an arm trains.",
            "Run `make repro STUDY=…`, which chooses the data, or add it.",
        )  # fmt: skip
    texts = composed_texts(parameters, studies, arms)
    write_output(given.output, texts)
    print(f"composed at scale {parameters.scale}; arms: {len(arms)}, studies: {len(studies)}")
