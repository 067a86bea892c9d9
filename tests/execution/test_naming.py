"""Names of runs and sweeps, derived from what the command line sets."""

import pytest

from convchoice.config.composition import compose_values
from convchoice.errors import ConfigurationError
from convchoice.execution.naming import derived_name, run_config, sweep_name


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
    ],
)  # fmt: skip
def test_a_configuration_without_a_name_gets_one_from_its_overrides(
    overrides: list[str], swept: list[str], name: str
) -> None:
    assert derived_name(overrides, swept) == name


def test_a_sweep_is_named_after_its_swept_keys() -> None:
    assert sweep_name(["downsample", "conv.padding", "seed"]) == "downsample-padding"
    assert sweep_name(["seed"]) == sweep_name([]) == "seed"
    assert sweep_name(["hydra/launcher"]) == "launcher"


def test_an_arm_of_a_sweep_has_its_swept_values_in_its_name() -> None:
    composed = compose_values(["arm=max", "conv.padding=same"], "test")
    given = ["arm=max", "conv.padding=same", "seed=3"]
    assert run_config(composed, given).arm == "max"
    assert run_config(composed, given, ["conv.padding", "seed"]).arm == "max-same"
    assert run_config(compose_values([], "test"), []).arm == "default"
    with pytest.raises(ConfigurationError, match="-m seed=0,1,2"):
        run_config(composed, ["seeds=3"])
