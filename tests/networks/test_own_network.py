"""A network and an optimiser of one's own: sizes by hand, seeds, stacking, evaluation, trust."""

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file

from convchoice import ALLOW_CODE, CONF_DIR
from convchoice.config import own_code
from convchoice.config.composition import ArmComposer
from convchoice.config.schema import Config
from convchoice.config.study import study_from_mapping
from convchoice.config.validation import arm_from_mapping, config_from_mapping
from convchoice.errors import UserError
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.networks.own_network import network_of
from convchoice.runs.events import RunStarted
from convchoice.runs.fingerprint import fingerprint
from convchoice.runs.ownership import finalise
from convchoice.runs.run import RunSpecification, read_run
from convchoice.runs.run_folder import WEIGHTS, partial_path
from convchoice.training.environment_variables import AVX2
from convchoice.training.lightning_module import can_stack
from made_up_runs import study_values
from small_runs import SMALL, evaluate_run, events_of

NET = """
from torch import nn
from their_parts import last

class Net(nn.Module):
    def __init__(self, width=4, norm=False, classes=10):
        super().__init__()
        self.conv = nn.Conv2d(1, width, 3)
        self.norm = nn.BatchNorm2d(width) if norm else nn.Identity()
        self.out = last(width, classes)

    def forward(self, images):
        return self.out(self.norm(self.conv(images)).relu().mean((2, 3)))
"""
PARTS = "from torch import nn\n\ndef last(width, classes):\n    return nn.Linear(width, classes)\n"
HOSTILE = "import pathlib, os\npathlib.Path(os.environ['OWNED']).touch()\n"
OWN = {"_target_": "their_net.Net", "width": 4}
ADAMW = {"own": {"_target_": "torch.optim.AdamW", "lr": 0.01}}


@pytest.fixture
def conf(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder conf with code, and an arm that names it."""
    folder = Path(shutil.copytree(CONF_DIR, tmp_path / "conf"))
    (folder / "code").mkdir(exist_ok=True)
    for name, text in {"net": NET, "parts": PARTS, "hostile": HOSTILE}.items():
        (folder / "code" / f"their_{name}.py").write_text(text, encoding="utf-8")
    arm = "# @package _global_\narm: mine\nnetwork: {_target_: their_net.Net, width: 4}\n"
    (folder / "arm" / "mine.yaml").write_text(arm, encoding="utf-8")
    monkeypatch.setattr(own_code, "CONF_DIR", folder)
    monkeypatch.setattr(own_code, "FOLDER", folder / "code")
    monkeypatch.setattr(sys, "path", [*sys.path])
    monkeypatch.delenv(ALLOW_CODE, raising=False)
    yield folder
    for name in [name for name in sys.modules if name.startswith("their_")]:
        del sys.modules[name]


def job(root: Path, data_root: Path, seed: int = 0, **network: Any) -> RunSpecification:
    values = {key: value for key, value in SMALL.items() if key != "model"}
    values |= {"network": OWN | network, "optimizer": ADAMW, "seed": seed}
    trainer = {"max_epochs": 2, "accelerator": "cpu", "precision": "64-true"}
    config = arm_from_mapping(values | {"trainer": trainer})
    folder = root / "tiny" / f"seed-{seed}"
    return RunSpecification(config, data_root, folder, "fingerprint", {"commit": "unknown"})


def config_of(**network: Any) -> Config:
    return arm_from_mapping({"arm": "mine", "network": OWN | network})


@pytest.mark.usefixtures("conf")
def test_plan_by_hand() -> None:
    plan = fitting_plan(config_of(width=5))
    sizes = {each.name: (each.input_shape, each.output_shape) for each in plan.layers}
    maps = (5, 26, 26)
    assert sizes == {"conv": ((1, 28, 28), maps), "norm": (maps, maps), "out": ((5,), (10,))}
    assert [each.parameters for each in plan.layers] == [5 * 9 + 5, 0, 60]
    assert [each.macs for each in plan.layers] == [5 * 9 * 26 * 26, 0, 50]
    assert plan.activation_bytes(1) == 4 * (2 * 5 * 26 * 26 + 10)


@pytest.mark.usefixtures("conf")
def test_initial_weights_follow_from_the_seed_alone() -> None:
    state = torch.random.get_rng_state()
    first, again = (network_of(config_of()).state_dict() for _ in range(2))
    assert torch.equal(torch.random.get_rng_state(), state)
    other = network_of(arm_from_mapping({"arm": "a", "network": OWN, "seed": 1})).state_dict()
    assert all(torch.equal(first[name], again[name]) for name in first)
    assert not torch.equal(first["own.conv.weight"], other["own.conv.weight"])


@pytest.mark.usefixtures("conf")
@pytest.mark.parametrize("norm", [False, True])
def test_seeds_together_have_the_weights_that_they_have_alone(
    tmp_path: Path, data_root: Path, *, norm: bool
) -> None:
    together = [job(tmp_path / "together", data_root, seed, norm=norm) for seed in (0, 2)]
    assert can_stack(together[0].config) is not norm  # batch normalisation cannot be stacked
    events = events_of(together)
    assert [event.seed for event in events if isinstance(event, RunStarted)] == [0, 2]
    for run in together:
        alone = job(tmp_path / "alone", data_root, run.seed, norm=norm)
        events_of([alone])
        ours, theirs = (load_file(partial_path(each.folder) / WEIGHTS) for each in (run, alone))
        assert ours.keys() == theirs.keys()
        for name, values in theirs.items():
            torch.testing.assert_close(ours[name], values, rtol=1e-9, atol=1e-12)


def test_seeds_together_compute_with_the_instructions_of_their_configuration(
    tmp_path: Path, data_root: Path
) -> None:
    """Trying whether a module can be stacked computes, in a process that has chosen no others."""
    layers = (
        "{_target_: torch.nn.Flatten},"
        " {_target_: torch.nn.Linear, in_features: 784, out_features: 10}"
    )
    command = [
        sys.executable, "-m", "convchoice", "train", "-m",
        f"+network={{_target_: torch.nn.Sequential, _args_: [{layers}]}}", "arm=mine", "seed=0,1",
        "trainer.seeds_together=2", "trainer.max_epochs=1", "data.train_size=100", "tracking=none",
        f"data.root={data_root}",
    ]  # fmt: skip
    environment = {key: value for key, value in os.environ.items() if key not in AVX2}
    done = subprocess.run(
        command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    run = read_run(tmp_path / "runs" / "mine" / "seed-1")
    assert run.environment["seeds_together"] == 2
    assert run.config["network"]["_target_"] == "torch.nn.Sequential"


def test_run_is_evaluated_and_lists_its_code(conf: Path, tmp_path: Path, data_root: Path) -> None:
    run = job(tmp_path / "trained", data_root, norm=True)
    events_of([run])
    finalise(run.folder)
    done = RunSpecification(run.config, data_root, tmp_path / "tiny" / "seed-0", trained=run.folder)
    evaluate_run(done)
    found = read_run(done.folder)
    assert found.inside() is None
    assert 0 <= found.metrics["test/accuracy"] <= 1
    assert found.metrics["cost/parameters"] == 4 * 9 + 4 + 8 + 50
    assert list(found.environment["code"]) == ["their_net.py", "their_parts.py"]
    (conf / "code" / "their_parts.py").write_text(f"{PARTS}# changed\n", encoding="utf-8")
    with pytest.raises(UserError, match="the code that the configuration names has changed since"):
        evaluate_run(done)


def test_changed_code_is_another_fingerprint(conf: Path) -> None:
    before = config_of()
    (conf / "code" / "their_parts.py").write_text(f"{PARTS}# changed\n", encoding="utf-8")
    first, second = (fingerprint(each, "data", "code") for each in (before, config_of()))
    assert first != second


def test_an_arm_or_a_study_of_ones_own_conf_may_name_code(conf: Path) -> None:
    composer = ArmComposer("quick", conf)
    assert composer.arm("mine").network == OWN
    wide = "network={_target_: their_net.Net, width: 6}"
    new = {"wide": [wide, "optimizer.own={_target_: torch.optim.AdamW, lr: 0.01}"]}
    study = study_from_mapping(study_values(arms=["wide"], new_arms=new), "study")
    arm = composer.new_arm("wide", study.new_arms["wide"], "study")
    assert (arm.network["width"], arm.optimizer.own["lr"]) == (6, 0.01)
    assert fitting_plan(arm).parameters == 6 * 10 + 70


def test_code_that_a_file_from_elsewhere_names_is_not_imported(
    conf: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    owned = tmp_path / "owned"
    monkeypatch.setenv("OWNED", str(owned))
    config = arm_from_mapping({"arm": "a", "network": {"_target_": "their_hostile.Net"}})
    nested = config_of(width={"_target_": "their_hostile.Net"})
    for each in (config, nested):
        with pytest.raises(UserError, match="run the command again with --allow-code"):
            network_of(each)
    assert not owned.exists()
    monkeypatch.setenv(ALLOW_CODE, "1")
    with pytest.raises(UserError, match="has no attribute 'Net'"):
        network_of(config)
    assert owned.exists()


@pytest.mark.usefixtures("conf")
@pytest.mark.parametrize(
    ("network", "message"),
    [
        ({"_target_": "os.system", "command": "touch owned"}, "--allow-code"),
        ({"_target_": "torch.hub.load"}, "--allow-code"),
        ({"_target_": "torch.nn.init.ones_"}, "is no such class of torch"),
        ({"_target_": "torch.nn.Parameter"}, "is no such class of torch"),
        ({"_target_": "torch.nn.Nothing"}, "has no attribute 'Nothing'"),
        (
            {"_target_": "torch.nn.Flatten"},
            r"gives \(2, 784\) for two images; logits are \(2, 10\)",
        ),
        ({"_target_": "torch.nn.Linear"}, "missing 2 required positional arguments"),
        ({"_target_": "torch.optim.SGD", "params": []}, "optimizer got an empty parameter list"),
        (OWN | {"classes": 3}, r"gives \(2, 3\) for two images"),
        (OWN | {"depth": 3}, "unexpected keyword argument 'depth'"),
        ({"_target_": "their_nothing.Net"}, "there is no such module. Put their_nothing.py into"),
        ({"_target_": "__main__.Net"}, "a class of a script is not found by other processes"),
        ({"_target_": "Net"}, "must be MODULE.NAME"),
        ({"width": 4}, "must name a class by _target_"),
        ({"_target_": "torch.nn.Flatten", "_args_": 5}, "'int' object is not iterable"),
        (OWN | {"width": [1, float("inf")]}, "must hold finite numbers"),
    ],
)
def test_what_cannot_be_built_is_refused(network: dict[str, Any], message: str) -> None:
    with pytest.raises(UserError, match=message):
        network_of(arm_from_mapping({"arm": "a", "network": network}))


@pytest.mark.parametrize(
    "values",
    [
        {"network": OWN, "conv": {"kernel_size": 5}},
        {"network": OWN, "model": {"hidden_units": 3}},
        {"optimizer": ADAMW | {"learning_rate": 0.1}},
    ],
)
def test_a_key_in_whose_place_the_code_is_has_no_effect(values: dict[str, Any]) -> None:
    with pytest.raises(UserError, match="has an effect only with"):
        config_from_mapping(values)
