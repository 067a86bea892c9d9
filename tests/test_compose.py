"""The `compose` stage: what it writes, and the studies that it refuses before any training."""

import json
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice import CONF_DIR
from convchoice.commands.compose import chosen_studies, composed_arms, data_of, main
from convchoice.config.parameters import Parameters, read_parameters
from convchoice.config.schema import Config, Curve
from convchoice.config.study import read_study
from convchoice.config.validation import read_arm
from convchoice.errors import ConfigurationError, UserError
from convchoice.networks.plan import Kind, plan
from made_up_runs import compose_arm

PROJECT = CONF_DIR.parent


@pytest.fixture
def conf(tmp_path: Path) -> Path:
    """The project's configuration files, with the study `mine` alone."""
    target = tmp_path / "conf"
    target.mkdir()
    for path in CONF_DIR.iterdir():
        if path.name != "study":
            (target / path.name).symlink_to(path)
    (target / "study").mkdir()
    return target


def composed(conf: Path, **changes: Any) -> list[Config]:
    values = {
        "name": "mine", "question": "?", "source": "me", "baseline": "max",
        "arms": ["mine_too"], "new_arms": {"mine_too": ["arm=average"]},
    }  # fmt: skip
    text = yaml.safe_dump(values | changes)
    (conf / "study" / "mine.yaml").write_text(text)
    parameters = Parameters("quick", ["max", "mine_too"], ["mine"])
    return composed_arms(parameters, chosen_studies(parameters, conf), conf)


CLAIM = {"says": "a", "predicts": {"mine_too": "worse"}, "margin": 1}


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"new_arms": {"mine_too": ["arm=max"]}}, r"arms = 'mine_too': is the same as max: th"),
        ({"new_arms": {"mine_too": ["seeds=2", "conv.padding=0"]}}, "is the same as max"),
        # 5×5 kernels: 28 → 24, 12 → 8, 4, which is too small.
        ({"new_arms": {"mine_too": ["conv.kernel_size=5"]}}, r"block3\.convolution: a 5×5 window"),
        (
            {"new_arms": {"mine_too": ["arm=average", "seeds=0"]}},
            "no arm of the study has seeds at",
        ),
        (
            {"baseline": "mine_too", "arms": ["max"], "new_arms": {"mine_too": ["seeds=0"]}},
            "arms = 'mine_too': has no seeds at this scale, and other arms are compared with it",
        ),
        ({"new_arms": {"mine_too": ["data=kmnist"]}}, "'mine_too': trains on kmnist, and the ba"),
        ({"metric": "test/beauty"}, "metric = 'test/beauty': is no metric of a run"),
        ({"metric": "accuracy"}, "metric = 'accuracy': is no metric of a run"),
        ({"metric": "cost/macs"}, "metric = 'cost/macs': is no metric of a run"),
        ({"claims": [CLAIM | {"metric": "accuracy"}]}, r"claims\[0\]\.metric = 'accuracy': is no"),
        ({"arms": ["mine_too", "average"]}, "arms = 'average': is not among the arms"),
    ],
)
def test_a_study_that_cannot_be_compared_is_refused(conf, changes, message):
    with pytest.raises(UserError, match=message):
        composed(conf, **changes)


def test_layers_fit_the_images_of_the_data_set(conf):
    """5×5 kernels: 32 → 28, 14 → 10, 5 → 1."""
    assert [arm.arm for arm in composed(conf)] == ["max", "mine_too"]
    for data in (["data=cifar10"], ["data=kmnist", "data.canvas=32"]):
        planned = plan(compose_arm("max", "quick", [*data, "conv.kernel_size=5"]))
        assert planned.layers[0].input_shape == (3 if data == ["data=cifar10"] else 1, 32, 32)
        (flatten,) = [layer for layer in planned.layers if layer.kind is Kind.flatten]
        assert flatten.input_shape == (64, 1, 1)


def test_the_curves_of_a_study_are_evaluated_of_its_arms(conf):
    for arm in composed(conf, curves=["rotation", "shift"]):
        evaluation = arm.evaluation
        assert (evaluation.curves, evaluation.images) == ([Curve.shift, Curve.rotation], 1000)


def test_data_outside_the_folder_that_stages_depend_on_is_refused(conf: Path):
    arm = compose_arm("max", "quick")
    for root in ("/mnt/raw", "elsewhere", "data/../raw"):
        with pytest.raises(ConfigurationError, match=r"must be a folder in `data`, .* sweep"):
            data_of([replace(arm, data=replace(arm.data, root=root))])
    assert [folder.root for folder in data_of([arm, arm])] == ["data/raw"]


def test_an_unknown_study_is_refused():
    with pytest.raises(ConfigurationError, match=r"there is no such study\. Did you mean pooling"):
        chosen_studies(Parameters("quick", ["max"], ["poling"]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("arms: max\nstudies: [a]", r"arms = 'max': must be a list"),
        ("arms: [max]\nstudies: []", r"studies = \[\]: must be a list of at least one name"),
        ("arms: [max, max]\nstudies: [a]", r"arms = \['max'\]: each name may be there once"),
        ("arms: [max]\nstudies: [../a]", r"studies\[0\] = '\.\./a': a name is"),
        ("arms: [1.0e-3]\nstudies: [a]", r"arms\[0\] = 0\.001: must be text"),
        ("arms: [max]\nstudies: [a]\nreports: /etc", r"reports = '/etc': must be a folder within"),
        ("arms: [max]\nstudies: [a]\nreports: a/../../b", r"must be a folder within the project"),
        ("arms: [max]\nstudies: [a]\nreports: ${oc.env:HOME}", r"must be a folder within"),
        ("arms: [max]\nstudies: [a]\ndata: [{name: mnist, rot: x}]", r"rot = .*Did you mean root"),
        ("arms: [max]\nstudies: [a]\nstudy: a", r"study = 'a': there is no such key"),
    ],
)
def test_illegal_parameters_are_refused(tmp_path, text, message):
    path = tmp_path / "params.yaml"
    path.write_text(f"scale: quick\n{text}\n")
    with pytest.raises(ConfigurationError, match=message):
        read_parameters(path)


def test_the_stage_writes_one_file_per_arm_and_study_and_leaves_foreign_files(
    tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)  # definitions are recorded under the reports of this folder
    output = tmp_path / "configs"
    output.mkdir()
    (output / "thesis.txt").write_text("mine")
    arguments = ["--params", str(PROJECT / "params.yaml"), "--output", str(output)]
    main(arguments)
    parameters = read_parameters(PROJECT / "params.yaml")
    assert sorted(path.stem for path in (output / "arms").glob("*.yaml")) == sorted(parameters.arms)
    studies = [output / "studies" / f"{name}.yaml" for name in parameters.studies]
    assert [read_study(path).name for path in studies] == parameters.studies
    first = (output / "arms/max.yaml").read_bytes()
    assert read_arm(output / "arms/max.yaml") == compose_arm("max", "quick")
    main(arguments)
    assert (output / "arms/max.yaml").read_bytes() == first
    (output / "arms/max.yaml").write_text("mine")
    with pytest.raises(UserError, match=r"max\.yaml: was changed after convchoice wrote it"):
        main(arguments)
    assert (output / "thesis.txt").read_text() == "mine"
    assert json.loads((output / ".convchoice.json").read_text())["written_by"] == "convchoice"
