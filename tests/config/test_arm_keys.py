"""An arm sets only keys that decide numbers: nothing that a study brings can leave the machine."""

import pytest

from convchoice.config.arm_keys import ARM_KEYS, check_new_arm, read_arm_file
from convchoice.config.study import study_from_mapping
from convchoice.errors import ConfigurationError, UserError
from made_up_runs import study_values


@pytest.mark.parametrize(
    "override",
    [
        "tracking.uri=http://somewhere", "tracking.experiment=x-${oc.env:TOKEN}", "tracking=none",
        "data.root=/home", "data.fallback=null", "run_root=elsewhere", "trainer.workers=9",
        "data.contents.classes=2",
        "seed=1", "scale=full", "scale.seeds=9", "launch=ray", "hydra/launcher=ray",
        "hydra.searchpath=[file:///tmp]", "hydra.run.dir=/tmp", "+conv.kernel_size=5",
        "++conv.kernel_size=5", "~conv.kernel_size", "conv@tracking=default",
        "downsample@_global_=max", "downsample=../tracking/none", "downsample=[max,average]",
        "arm=../tracking/none", "model.filters=['${oc.env:TOKEN}']",
        "optimizer.learning_rate=${oc.env:TOKEN}",
        "optimizer.learning_rate=${oc.decode:${oc.env:TOKEN}}",
        "optimizer.learning_rate=${hydra:runtime.cwd}", "optimizer.learning_rate='${oc.env:HOME}'",
        "data.train_size=${tracking.uri}", "data.train_size=${..seed}",
        "data.train_size=\\${seed}", "data.train_size=${scale.epochs}${now:%Y}", "conv", "=5", "",
    ],
)  # fmt: skip
def test_a_new_arm_sets_nothing_but_numbers(override):
    values = study_values(new_arms={"average": ["arm=max", override]})
    with pytest.raises(ConfigurationError, match=r"mine\.yaml: new_arms\.average = "):
        study_from_mapping(values, "mine.yaml")


def test_what_decides_numbers_may_be_set_and_the_refusal_names_it():
    check_new_arm([f"{key}=1" for key in ARM_KEYS], "mine.yaml")
    check_new_arm(["arm=max", "downsample='average'", "data=kmnist", "evaluation=curves"], "m.yaml")
    check_new_arm(["trainer.max_epochs=${scale.epochs_for.n300}", "seeds=${scale.seeds}"], "m.yaml")
    with pytest.raises(ConfigurationError, match=r"only keys that decide numbers\. .*: arm,"):
        check_new_arm(["tracking.uri=x"], "mine.yaml")
    with pytest.raises(ConfigurationError, match=r"Did you mean conv\.kernel_size\?"):
        check_new_arm(["conv.kernal_size=5"], "mine.yaml")


@pytest.mark.parametrize(
    "text",
    [
        "tracking: {uri: http://somewhere}",
        "data: {root: /home}",
        "run_root: elsewhere",
        "seed: 1",
        "hydra: {searchpath: ['file:///tmp']}",
        "trainer: {max_epochs: '${oc.env:TOKEN}'}",
        "model: {filters: [['${oc.env:TOKEN}']]}",
        "defaults: [override /tracking: none]",
        "defaults: [{override /hydra/launcher: ray}]",
        "defaults: [{override /downsample: ../tracking/none}]",
        "defaults: [{/conv@tracking: default}]",
        "defaults: ['${oc.env:TOKEN}']",
        "defaults: 3",
        "arm: {x: 1}",
        "arm: ${oc.env:TOKEN}",
        "# @package tracking\nuri: x",
        "\n #  @package   tracking\nconv: {stride: 1}",
        "# @package _global_.tracking\nconv: {stride: 1}",
    ],
)
def test_an_arms_file_sets_nothing_but_numbers(tmp_path, text):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError, match=r"conf/arm/mine\.yaml"):
        read_arm_file(path)
