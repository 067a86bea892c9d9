"""Every file under `conf/` composes, and what cannot be composed is said plainly."""

from pathlib import Path

import pytest
import yaml

from convchoice.compose import (
    Parameters,
    check_data,
    chosen_studies,
    compose_stage,
    read_parameters,
)
from convchoice.config.arm import read_arm
from convchoice.config.composition import compose_arm, options
from convchoice.config.schema import Curve, Initialisation, OptimizerName
from convchoice.config.study import study_from_mapping
from convchoice.config.validation import CONF_DIR
from convchoice.errors import ConfigurationError, UserError
from convchoice.networks.plan import Kind, plan
from making import study_values

PROJECT = CONF_DIR.parent
GROUPS = ("conv", "data", "downsample", "evaluation", "model", "optimizer", "tracking", "trainer")


@pytest.mark.parametrize("scale", options("scale"))
@pytest.mark.parametrize("name", options("arm"))
def test_every_arm_composes_at_every_scale(name: str, scale: str) -> None:
    arm = compose_arm(name, scale)
    assert arm.name == name
    assert len(arm.runs()) == arm.config.seeds


@pytest.mark.parametrize(
    ("group", "option"), [(group, option) for group in GROUPS for option in options(group)]
)
def test_every_option_of_every_group_composes(group: str, option: str) -> None:
    if group == "downsample":
        compose_arm("max", "quick", [f"downsample={option}"])
    else:
        compose_arm("max", "quick", [f"{group}={option}"])


def test_the_quick_maximum_arm_composes_to_exactly_this() -> None:
    assert yaml.safe_load(compose_arm("max", "quick").to_yaml()) == {
        "arm": "max",
        "seeds": 6,
        "run_root": "runs",
        "data": {
            "name": "mnist",
            "root": "data/raw",
            "fallback": "digits",
            "train_size": 6000,
            "validation_size": None,
            "validation_seed": 2019,
            "batch_size": 64,
            "canvas": None,
            "rotated": False,
            "permutation_seed": None,
        },
        "conv": {"kernel_size": 3, "padding": "valid", "padding_mode": "zeros", "stride": 1},
        "downsample": {
            "operator": "max",
            "window": 2,
            "stride": 2,
            "padding": 0,
            "kernel_size": 3,
            "sigma": 1.0,
            "pieces": 3,
        },
        "model": {
            "filters": [32, 64, 64],
            "downsample_after": [1, 2],
            "first_layer": "convolution",
            "activation": "relu",
            "head": "flatten",
            "hidden_units": 64,
            "initialisation": "glorot_uniform",
        },
        "optimizer": {
            "name": "rmsprop",
            "learning_rate": 0.001,
            "rho": 0.9,
            "epsilon": 1e-7,
            "momentum": 0.0,
            "weight_decay": 0.0,
        },
        "trainer": {
            "max_epochs": 2,
            "precision": "32-true",
            "accelerator": "auto",
            "deterministic": False,
            "threads": 1,
            "workers": None,
            "seeds_together": None,
        },
        "evaluation": {"curves": [], "images": None},
        "tracking": {"store": "mlflow", "experiment": None, "uri": None},
    }


@pytest.mark.parametrize(("scale", "images"), [("quick", 1000), ("full", None)])
def test_all_curves_are_measured_on_as_many_images_as_the_scale_says(
    scale: str, images: int | None
) -> None:
    evaluation = compose_arm("max", scale, ["evaluation=curves"]).config.evaluation
    assert evaluation.curves == list(Curve)
    assert evaluation.images == images


def test_the_lecture_recipe_is_the_lectures() -> None:
    config = compose_arm("lecture", "full").config
    assert config.data.train_size is None  # all 60,000
    assert config.data.validation_size == 0
    assert config.data.batch_size == 64
    assert config.trainer.max_epochs == 5
    assert config.seeds == 30
    assert config.model.initialisation is Initialisation.glorot_uniform
    rmsprop = config.optimizer
    assert rmsprop.name is OptimizerName.rmsprop
    assert (rmsprop.learning_rate, rmsprop.rho, rmsprop.epsilon) == (1e-3, 0.9, 1e-7)
    assert plan(config).parameters == 93_322


@pytest.mark.parametrize(
    ("name", "scale", "overrides", "message"),
    [
        (
            "averge",
            "quick",
            [],
            r"arm = 'averge': there is no such option\. Did you mean average\?",
        ),
        ("max", "huge", [], r"scale = 'huge': there is no such option\. Legal: full, quick, red"),
        ("max", "quick", ["conv.kernal_size=3"], "kernal_size"),
        ("max", "quick", ["conv.padding=vlid"], r"expected one of \[valid, same, full\]"),
        ("max", "quick", ["conv.kernel_size=7"], "block3.convolution: a 7×7 window"),
        ("max", "quick", ["downsample=nothing"], "nothing"),
    ],
)
def test_what_cannot_be_composed_is_said(
    name: str, scale: str, overrides: list[str], message: str
) -> None:
    with pytest.raises(UserError, match=message):
        compose_arm(name, scale, overrides)


def test_a_study_whose_arm_the_pipeline_does_not_train_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"arms = 'weighted': is not among the arms"):
        chosen_studies(
            Parameters("quick", ["max", "average", "max_4x4", "average_4x4"], ["pooling"])
        )
    with pytest.raises(ConfigurationError, match=r"there is no such study\. Did you mean pooling"):
        chosen_studies(Parameters("quick", ["max"], ["poling"]))


def test_a_study_over_two_data_sets_is_refused_before_anything_is_trained() -> None:
    study = study_from_mapping(study_values(), "test")
    mnist = compose_arm("max", "quick")
    kmnist = compose_arm("average", "quick", ["data=kmnist"])
    assert kmnist.config.data.root == "data/kmnist"
    with pytest.raises(ConfigurationError, match=r"arms = 'average': is of kmnist, and the base"):
        check_data(study, {"max": mnist, "average": kmnist})
    check_data(study, {"max": mnist, "average": compose_arm("average", "quick")})


def test_layers_are_laid_on_the_datas_own_shape() -> None:
    """5×5 kernels: 28 → 24, 12 → 8, 4, which is too small; 32 → 28, 14 → 10, 5 → 1."""
    kernel = "conv.kernel_size=5"
    with pytest.raises(UserError, match=r"block3\.convolution: a 5×5 window"):
        compose_arm("max", "quick", ["data=kmnist", kernel])
    for data in (["data=cifar10"], ["data=kmnist", "data.canvas=32"]):
        planned = plan(compose_arm("max", "quick", [*data, kernel]).config)
        assert planned.layers[0].input_shape == (3 if data == ["data=cifar10"] else 1, 32, 32)
        (flatten,) = [layer for layer in planned.layers if layer.kind is Kind.flatten]
        assert flatten.input_shape == (64, 1, 1)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("scale: quick\narms: max\nstudies: [pooling]", "arms = 'max': must be a list"),
        ("scale: quick\narms: [max]\nstudies: []", r"studies = \[\]: must be a list"),
        ("scale: quick\narms: [max, max]\nstudies: [pooling]", "each name may stand once"),
    ],
)
def test_parameters_that_are_no_lists_of_names_are_refused(
    tmp_path: Path, text: str, message: str
) -> None:
    (tmp_path / "params.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(ConfigurationError, match=message):
        read_parameters(tmp_path / "params.yaml")


def test_the_stage_writes_one_file_an_arm_and_one_a_study(tmp_path: Path) -> None:
    output = tmp_path / "configs"
    compose_stage(["--params", str(PROJECT / "params.yaml"), "--output", str(output)])
    chosen = read_parameters(PROJECT / "params.yaml")
    assert sorted(path.stem for path in output.glob("*.yaml")) == sorted(chosen.arms)
    written = sorted(path.stem for path in (output / "studies").glob("*.yaml"))
    assert written == sorted(chosen.studies)
    first = (output / "max.yaml").read_bytes()
    assert read_arm(output / "max.yaml").config == compose_arm("max", "quick").config
    compose_stage(["--params", str(PROJECT / "params.yaml"), "--output", str(output)])
    assert (output / "max.yaml").read_bytes() == first


def test_the_pipeline_runs_shipped_arms_and_studies() -> None:
    params = yaml.safe_load((PROJECT / "params.yaml").read_text(encoding="utf-8"))
    assert set(params["arms"]) <= set(options("arm"))
    assert set(params["studies"]) <= set(options("study"))


def test_a_file_that_the_stage_did_not_write_is_left(tmp_path: Path) -> None:
    output = tmp_path / "configs"
    output.mkdir()
    (output / "thesis.txt").write_text("mine", encoding="utf-8")
    arguments = ["--params", str(PROJECT / "params.yaml"), "--output", str(output)]
    compose_stage(arguments)
    (output / "max.yaml").write_text("mine", encoding="utf-8")
    with pytest.raises(UserError, match=r"max\.yaml: was changed after convchoice wrote it"):
        compose_stage(arguments)
    assert (output / "thesis.txt").read_text(encoding="utf-8") == "mine"
    assert (output / "max.yaml").read_text(encoding="utf-8") == "mine"


def test_a_missing_value_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"optimizer\.learning_rate"):
        compose_arm("max", "quick", ["optimizer.learning_rate=???"])
