"""The jobs of a sweep: named, checked before the first, and composed as rarely as possible."""

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from convchoice.config.composition import compose_values
from convchoice.errors import ConfigurationError, UserError
from convchoice.execution.job_names import derived_name, job_name, run_config, sweep_name
from convchoice.execution.sweep import Sweep, checked_configs
from own_images import write_images


class Composition:
    """Stands for Hydra's: the overrides as nested values, counted."""

    def __init__(self, **fixed: Any) -> None:
        self.fixed = fixed
        self.calls = 0

    def __call__(self, overrides: Sequence[str]) -> dict[str, Any]:
        self.calls += 1
        values: dict[str, Any] = {**self.fixed}
        for override in overrides:
            key, _, value = override.replace("${seed}", "0").partition("=")
            group, _, name = key.rpartition(".")
            place = values.setdefault(group, {}) if group else values
            place[name] = int(value) if value.isdecimal() else value
        return values


def batch(*kernels: int, seeds: Sequence[int] = (0, 1, 2)) -> list[list[str]]:
    return [[f"conv.kernel_size={kernel}", f"seed={seed}"] for kernel in kernels for seed in seeds]


SWEPT = ["conv.kernel_size", "seed"]


def test_jobs_that_differ_only_in_their_seed_are_composed_once():
    compose = Composition()
    configs = checked_configs(batch(3, 2), SWEPT, compose)
    assert compose.calls == 2
    assert [job_name(config) for config in configs] == [
        f"kernel_size={kernel}/seed-{seed}" for kernel in (3, 2) for seed in range(3)
    ]
    assert (configs[-1].seed, configs[-1].conv.kernel_size) == (2, 2)
    referring = Composition()
    checked_configs([[*one, "run_root=of_${seed}"] for one in batch(3)], SWEPT, referring)
    assert referring.calls == 3


def test_every_illegal_job_is_named_and_each_reason_given_once():
    with pytest.raises(UserError) as caught:
        checked_configs(batch(3, 9, 0, seeds=(0, 1)), SWEPT, Composition())
    text = str(caught.value)
    assert text.startswith("4 of 6 jobs are not legal; nothing was trained.\n")
    assert [line for line in text.splitlines() if line.startswith("  conv")] == [
        f"  conv.kernel_size={kernel} seed={seed}" for kernel in (9, 0) for seed in (0, 1)
    ]
    assert text.count("a 9×9 window does not fit") == 1


def test_images_that_cannot_be_used_are_read_once_for_all_jobs(tmp_path, capsys):
    write_images(tmp_path, {"train": 4, "test": 2})
    (tmp_path / "train" / "dog" / "0.png").write_text("no image")
    paths = {"path": str(tmp_path), "root": str(tmp_path / "data")}
    compose = Composition(data={"name": "folder", "fallback": None, **paths})
    with pytest.raises(UserError, match=r"^no job can start; nothing was trained\.\n.*0\.png: c"):
        checked_configs(batch(3, 2), SWEPT, compose)
    assert capsys.readouterr().err.count("converting") == 1


def test_jobs_that_would_replace_one_another_are_refused():
    overrides = [["evaluation.images=5"], ["evaluation.images=6"]]
    compose = Composition(arm="max", evaluation={"curves": ["shift"]})
    with pytest.raises(UserError, match="would replace one another") as caught:
        checked_configs(overrides, ["evaluation.images"], compose)
    assert "  evaluation.images=5\n  evaluation.images=6\n    all of these" in str(caught.value)
    with pytest.raises(UserError, match="Name each value of a key once"):
        checked_configs(batch(3, seeds=(0, 1, 0)), SWEPT, Composition())


def test_jobs_that_train_the_same_network_are_refused():
    jobs = [[f"arm={arm}", f"seed={seed}"] for arm in ("max", "mine") for seed in (0, 1)]
    with pytest.raises(UserError, match="jobs are the same; nothing was trained") as caught:
        checked_configs(jobs, ["arm", "seed"], Composition())
    assert str(caught.value).splitlines()[1:4] == [
        "  arm=max seed=0", "  arm=mine seed=0",
        "    all of these are max/seed-0: nothing else that decides a number differs.",
    ]  # fmt: skip


def test_only_existing_jobs_and_baselines_can_be_chosen():
    configs = checked_configs(batch(3, 2), SWEPT, Composition())
    sweep = Sweep("kernel_size", configs, ["convchoice"])
    assert sweep.chosen() == configs
    one = replace(sweep, only="kernel_size=2/seed-1", baseline="kernel_size=2")
    assert one.chosen() == [configs[4]]
    two = ["kernel_size=2/seed-1", "kernel_size=3/seed-0"]
    assert replace(sweep, only=two).chosen() == [configs[0], configs[4]]
    with pytest.raises(ConfigurationError, match="this sweep has no such job"):
        replace(sweep, only="kernel_size=5/seed-1").chosen()
    with pytest.raises(ConfigurationError, match="this sweep has no such arm"):
        replace(sweep, baseline="x").chosen()


@pytest.mark.parametrize(
    ("overrides", "swept", "name"),
    [
        ([], [], ""),
        (["seed=3", "run_root=x", "tracking=none", "launch=ray", "hydra/launcher=ray"], [], ""),
        (["evaluation=curves", "evaluation.curves=[shift]", "evaluation.images=9"], [], ""),
        (["downsample=average", "conv.padding=same", "seed=1"], [], "average-same"),
        (["downsample=max", "conv.kernel_size=5"], [], "max-kernel_size=5"),
        (["model.filters=[8,16]"], [], "filters=8x16"),
        (["conv.kernel_size=[3,2]", "downsample=max"], [], "kernel_size=3x2-max"),
        (["+x='a b'", "optimizer.learning_rate=1e-3"], [], "x=a-b-learning_rate=1e-3"),
        (["downsample=none", "data.rotated=true"], [], "downsample=none-rotated=true"),
        (["optimizer.learning_rate=1e+30"], ["optimizer.learning_rate"], "learning_rate=1e30"),
        # Hydra writes a swept truth value with a capital.
        (["data=kmnist", "data.rotated=True"], ["data", "data.rotated"], "kmnist-rotated=True"),
        (["downsample=max", "conv.padding=same", "data.train_size=9"], ["conv.padding"], "same"),
        (
            ["conv.kernel_size=2", "downsample.kernel_size=3", "conv.stride=2"], [],
            "conv.kernel_size=2-downsample.kernel_size=3-stride=2",
        ),
        (
            ["conv.kernel_size=2", "downsample.kernel_size=3"], ["conv.kernel_size"],
            "kernel_size=2",
        ),
    ],
)  # fmt: skip
def test_a_configuration_without_a_name_gets_one_from_its_overrides(overrides, swept, name):
    assert derived_name(overrides, swept) == name


def test_a_sweep_is_named_after_its_swept_keys():
    assert sweep_name(["downsample", "conv.padding", "seed"]) == "downsample-padding"
    assert sweep_name(["seed"]) == sweep_name([]) == "seed"
    alike = ["conv.kernel_size", "downsample.kernel_size", "conv.padding"]
    assert sweep_name(alike) == "conv.kernel_size-downsample.kernel_size-padding"
    assert sweep_name(["hydra/launcher"]) == "launcher"


def test_an_arm_of_a_sweep_has_its_swept_values_in_its_name():
    composed = compose_values(["arm=max", "conv.padding=same"], "test")
    given = ["arm=max", "conv.padding=same", "seed=3"]
    assert run_config(composed, given).arm == "max"
    assert run_config(composed, given, ["conv.padding", "seed"]).arm == "max-same"
    assert run_config(compose_values([], "test"), []).arm == "default"
    with pytest.raises(ConfigurationError, match="-m seed=0,1,2"):
        run_config(composed, ["seeds=3"])
