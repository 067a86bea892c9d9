"""Composition: the values are Hydra's own, every file under `conf/` composes, errors are clear."""

import pytest
import yaml

from convchoice import CONF_DIR
from convchoice.config.composition import ArmComposer, compose_values
from convchoice.config.options import options
from convchoice.config.validation import arm_text, config_from_mapping
from convchoice.errors import ConfigurationError
from made_up_runs import compose_arm

GROUPS = ("conv", "data", "downsample", "evaluation", "model", "optimizer", "tracking", "trainer")


@pytest.mark.parametrize("scale", ["quick", pytest.param("full", marks=pytest.mark.soak)])
def test_arms_are_what_hydra_composes(scale):
    """Of all arms; `ArmComposer` merges their files into compositions that they share."""
    composer = ArmComposer(scale)
    some = options("arm") if scale == "full" else options("arm")[::5]
    for name in some:
        expected = config_from_mapping(compose_values([f"scale={scale}", f"arm={name}"], "test"))
        assert composer.arm(name) == expected, name


@pytest.mark.parametrize(
    "overrides",
    [
        ["arm=gap_same_reflect", "downsample=average", "conv.kernel_size=[3,5]"],
        ["arm=local", "evaluation=curves", "evaluation.curves=[shift,scale]"],
        ["arm=max_300", "trainer.max_epochs=${scale.epochs_for.n1000}", "data=kmnist"],
        ["optimizer=adam", "optimizer.learning_rate=1e-2", "model={filters: [4, 8]}"],
        ["arm=weighted", "downsample.sigma=2", "model.downsample_after=[1]", "seeds=3"],
    ],
)  # fmt: skip
def test_overrides_have_the_same_effect_as_in_hydra(overrides):
    values = compose_values(["scale=quick", *overrides], "test")
    expected = config_from_mapping({**values, "arm": "mine"})
    assert ArmComposer("quick").new_arm("mine", overrides, "test") == expected


def test_every_option_of_every_group_composes():
    composer = ArmComposer("quick")
    for group in GROUPS:
        for option in options(group):
            wanted = {"folder": ["data.path=images"], "torchvision": ["data.dataset=SVHN"]}
            composer.arm("max", [f"{group}={option}", *wanted.get(option, [])])


@pytest.mark.parametrize("path", ["/home", " /home", "'/home'", "../images", "a/../../b", "'~/a'"])
def test_an_arm_takes_its_images_from_within_the_project(path):
    composer = ArmComposer("quick")
    for made in (composer.arm, lambda *rest: composer.new_arm(*rest, "mine.yaml")):
        with pytest.raises(ConfigurationError, match=r"data\.path = .* an arm takes its images"):
            made("max" if made == composer.arm else "own", ["data=folder", f"data.path={path}"])
    assert composer.arm("max", ["data=folder", "data.path=my/images"]).data.path == "my/images"


QUICK_MAX = """\
arm: max
seeds: 6
run_root: runs
data: {name: mnist, root: data/raw, fallback: digits, train_size: 6000, validation_size: null,
  validation_seed: 2019, subset_seed: null, order_seed: null, batch_size: 64, canvas: null,
  rotated: false, permutation_seed: null}
conv: {kernel_size: 3, padding: valid, padding_mode: zeros, stride: 1}
downsample: {operator: max, window: 2, stride: 2, padding: 0, kernel_size: 3, sigma: 1.0, pieces: 3}
model: {filters: [32, 64, 64], downsample_after: [1, 2], first_layer: convolution, activation: relu,
  head: flatten, hidden_units: 64, initialisation: glorot_uniform, weights_seed: null}
optimizer: {name: rmsprop, learning_rate: 0.001, rho: 0.9, epsilon: 1.0e-07, momentum: 0.0,
  weight_decay: 0.0}
trainer: {max_epochs: 2, precision: 32-true, accelerator: auto, deterministic: false,
  instructions: avx2, threads: 1, workers: null, seeds_together: null}
evaluation: {curves: [], images: null}
tracking: {store: mlflow, experiment: null, uri: null}
"""


def test_the_quick_maximum_arm_composes_to_exactly_this():
    text = yaml.safe_dump(yaml.safe_load(QUICK_MAX), sort_keys=False)  # a line each, in this order
    assert arm_text(compose_arm("max", "quick")) == text


@pytest.mark.parametrize(
    ("overrides", "message"),
    [
        (["conv.kernal_size=5"], r"line: conv\.kernal_size = .* Did you mean conv\.kernel_size\?"),
        (["kernel_sise=5"], r"kernel_sise = .*: .* Did you mean conv\.kernel_size\?"),
        (["seeed=1"], r"seeed = '1': there is no such key\. Did you mean seed\?"),
        (["trainr=default"], r"trainr = .* Did you mean trainer\?"),
        (["downsample=stride"], r"downsample = 'stride': there is no .*Did you mean strided\?"),
        (["scale=quik"], r"scale = 'quik': .*Did you mean quick\?"),
        (["launch=dask"], r"launch = 'dask': .*Legal: basic, joblib, ray, slurm\."),
        (["seed=abc"], r"line: seed = 'abc': must be a whole number\."),
        (
            ["model.head=flaten"],
            r"model\.head = 'flaten': must be one of .* Did you mean flatten\?",
        ),
        (["model.filters=[4,a]"], r"line: model\.filters\[0\] = 'a': must be a whole number"),
        (["model.filters=5"], r"model\.filters = '5': must be a list"),
        (["conv={kernal_size: 5}"], r"conv\.kernal_size = .*Did you mean conv\.kernel_size\?"),
        (
            ["network={_target_: my.Net}"],
            r"network\._target_ = .* sign: '\+network=\{_target_: …\}'",
        ),
        (
            ["optimizer.own._target_=torch.optim.SGD"],
            r"Add it with a plus sign: '\+optimizer\.own=",
        ),
        (["downsample=[4,4]"], r"downsample = '\[4,4\]': is no option\. Legal: all_conv, ave"),
        (["optimizer.learning_rate=???"], r"learning_rate = '\?\?\?': needs a value"),
        (["seed=[1"], r"command line = 'seed=\[1': .*needs two pairs of quotes"),
        (["conv@x=default"], r"command line = 'conv@x=default': cannot be composed"),
        (["conv={kernal_size: 5}", "seed=1"], r"conv\.kernal_size = '\{kernal_size: 5\}': there"),
        (["seed=1", "sed=2", "arm=max"], r"line: sed = '2': there is no such key\. Did you mean"),
        (["seed=[1", "arm=max"], r"command line = 'seed=\[1': "),
        (
            ["downsample=max,average", "seed=0"],
            r"^downsample = 'max,average': several values .* -m downsample=max,average …$",
        ),
        (["seed=range(3)"], r"^seed = 'range\(3\)': several .* train -m 'seed=range\(3\)' …$"),
        (["data=cifar100"], r"data = 'cifar100': .* Use data=torchvision data\.dataset=CIFAR100\."),
        (["data=MNIST"], r"Did you mean mnist\?"),
        (["conv.dilation=9"], r"conv\.dilation = '9': there is no such key\.$"),
        (["~nothing"], r"command line = '~nothing': cannot be composed"),
    ],
)
def test_a_misspelt_override_is_refused_with_the_nearest_word(overrides, message):
    with pytest.raises(ConfigurationError, match=message) as refused:
        compose_values(overrides, "command line")
    assert "\n" not in str(refused.value)


@pytest.mark.parametrize(
    ("name", "scale", "overrides", "message"),
    [
        ("averge", "quick", [], r"arm = 'averge': there is no such .* Did you mean average\?"),
        ("max", "huge", [], r"scale = 'huge': there is no such option\. Legal: demo, full, quick"),
        ("max", "quick", ["conv.padding=vlid"], r"must be one of valid, same, full"),
        ("max", "quick", ["seed=0,1"], r"= 'seed=0,1': must have the form KEY=VALUE"),
        ("max", "quick", ["~conv"], r"= '~conv': must have the form KEY=VALUE"),
        ("max", "quick", ["data.train_size=${oc.env:HOME}"], r"an arm refers only to keys"),
        ("max", "quick", ["data.train_size=${scale.nothing}"], r"nothing\}': cannot be resolved"),
    ],
)
def test_an_illegal_arm_is_refused(name, scale, overrides, message):
    with pytest.raises(ConfigurationError, match=message):
        compose_arm(name, scale, overrides)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("operator: maxx", r"downsample\.operator"),
        ("windw: 2", r"yaml: downsample\.windw: cannot be composed"),
        ("window: !!timestamp foo", "cannot be composed"),
        ("window: [", "cannot be composed"),
        ("defaults: [nowhere]", "nowhere"),
    ],
)
def test_an_illegal_option_of_a_group_is_refused(tmp_path, text, message):
    conf = tmp_path / "conf"
    (conf / "downsample").mkdir(parents=True)
    for path in CONF_DIR.iterdir():
        if path.name != "downsample":
            (conf / path.name).symlink_to(path)
    (conf / "downsample" / "max.yaml").write_text(text)
    with pytest.raises(ConfigurationError, match=message) as refused:
        compose_arm("max", "quick", conf=conf)
    assert "\n" not in str(refused.value)


def test_a_reference_of_the_wrong_type_is_refused_without_its_value(monkeypatch):
    monkeypatch.setenv("TOKEN", "a-value")
    with pytest.raises(ConfigurationError, match=r"size = '\$\{oc\.env:TOKEN\}': ca") as refused:
        compose_values(["data.train_size=${oc.env:TOKEN}"], "command line")
    assert "a-value" not in str(refused.value)
