"""The rules between keys, canonical forms, and what decides numbers."""

from fnmatch import fnmatch

import pytest

from convchoice.config.arm_keys import NOT_NUMERIC, numeric_identity
from convchoice.config.field_types import flattened, within
from convchoice.config.schema import Config
from convchoice.config.validation import DEFAULTS, arm_from_mapping, arm_text, config_from_mapping
from convchoice.errors import ConfigurationError
from made_up_runs import values_of

REFUSED = """
trainer.precision=16-mixed trainer.seeds_together=2 | seeds_together = 2: *loss scale of its own
data.train_size=5 | data.train_size = 5: must be at least 10: one image of
data.validation_size=60000 | validation_size = 60000: a stratified choice
data.canvas=28 | canvas = 28: must be larger than the 28 pixels of MNIST
data.name=cifar10 data.fallback=null data.canvas=30 | data.canvas = 30: *32 pixels of CIFAR-10's
data.name=kmnist | data.fallback = 'digits': *set data.fallback=null
data.name=folder data.fallback=null | data.path = None: name the folder of the images
data.name=folder data.path=images | data.fallback = 'digits': nothing can replace these images
data.name=torchvision data.fallback=null | data.dataset = None: there is no such *Legal: CIFAR100
data.name=torchvision data.fallback=null data.dataset=SVNH | there is no such *Did you mean SVHN?
data.name=torchvision data.fallback=null data.dataset=CIFAR10 | there is no such *Use data=cifar10.
data.name=torchvision data.fallback=null data.dataset=FashionMNIST | *Use data=fashion_mnist.
conv.padding=3 | at most the kernel size less 1 (2 for a kernel of 3), or
conv.kernel_size=[1,5] conv.padding=1 | padding = 1: * (0×4 for a kernel of 1×5)*padding=full
downsample.operator=weighted downsample.window=2 | window = 2: *exactly average*Use downsample=aver
downsample.operator=max_blur downsample.kernel_size=1 | kernel_size = 1: a blur*Use downsample=max
downsample.operator=maxout downsample.pieces=1 | pieces = 1: *exactly max pooling
downsample.padding=2 | may be at most half the window (1 for a window of 2)
downsample.operator=strided downsample.padding=1 | strided has no pooling window
model.filters=[] | model.filters = []: needs at least one block
model.downsample_after=[4] | blocks, which are numbered 1 to 3
model.downsample_after=[1,1] | must name blocks, * once each
evaluation.curves=[shift,shift] | names a curve twice
evaluation.images=9 | images = 9: has an effect only with evaluation.curves
data.permutation_seed=0 evaluation.curves=[shift,equivariance] | equivariance*need neighbouring
"""
WITHOUT_EFFECT = """
data.size=32 | data.size
data.path=images | data.path
data.dataset=SVHN | data.dataset
data.name=folder data.fallback=null data.path=images data.dataset=SVHN | data.dataset
downsample.operator=average model.downsample_after=[] | downsample.operator
downsample.operator=none downsample.window=5 | downsample.window
downsample.operator=none downsample.stride=1 | downsample.stride
downsample.window=5 model.downsample_after=[] | downsample.window
downsample.operator=none model.downsample_after=[1] | model.downsample_after
downsample.sigma=2.0 | downsample.sigma
downsample.operator=l2 downsample.kernel_size=5 | downsample.kernel_size
downsample.pieces=2 | downsample.pieces
conv.padding_mode=reflect | conv.padding_mode
conv.padding_mode=reflect conv.padding=0 | conv.padding_mode
conv.padding_mode=reflect conv.kernel_size=1 conv.padding=same | conv.padding_mode
optimizer.name=sgd optimizer.rho=0.5 | optimizer.rho
optimizer.name=adam optimizer.momentum=0.9 | optimizer.momentum
optimizer.name=sgd optimizer.epsilon=0.001 | optimizer.epsilon
"""


@pytest.mark.parametrize("case", [*REFUSED.splitlines()[1:], *WITHOUT_EFFECT.splitlines()[1:]])
def test_a_value_that_does_not_fit_the_others_or_has_no_effect_is_refused(case):
    settings, _, message = case.partition(" | ")
    if case in WITHOUT_EFFECT:
        message += " = *: has an effect only with"
    with pytest.raises(ConfigurationError) as refused:
        config_from_mapping(values_of(settings))
    assert fnmatch(str(refused.value), f"*{message.replace('[', '[[]')}*")


@pytest.mark.parametrize(
    "settings",
    [
        "conv.padding_mode=reflect conv.padding=1",
        "conv.padding_mode=reflect downsample.operator=conv_pool",
        "conv.padding_mode=reflect downsample.operator=depthwise downsample.padding=1",
        "downsample.operator=max_blur downsample.kernel_size=5",
        "downsample.operator=maxout downsample.pieces=2",
        "conv.kernel_size=[7,1] conv.padding=[6,0]",
    ],
)
def test_a_value_with_an_effect_is_accepted(settings):
    assert config_from_mapping(values_of(settings))


ONE = "downsample.operator=none model.filters=[4]"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("conv.kernel_size=5", "conv.kernel_size=[5,5]"),
        ("conv.stride=2", "conv.stride=[2,2]"),
        ("conv.padding=1", "conv.padding=[1,1]"),
        ("conv.padding=valid", "conv.padding=0"),
        ("conv.padding=valid", "conv.padding=[0,0]"),
        ("model.downsample_after=[1,2]", "model.downsample_after=[2,1]"),
        ("downsample.operator=none", "model.downsample_after=[]"),
        (ONE, f"{ONE} model.downsample_after=[]"),
    ],
)
def test_equal_configurations_have_one_form(one, other):
    first, second = (arm_from_mapping({"arm": "a", **values_of(each)}) for each in (one, other))
    assert first == second
    assert arm_text(first) == arm_text(second)


def test_names_folders_and_evaluation_decide_no_number():
    here = config_from_mapping(values_of("arm=a run_root=x tracking.store=none"))
    other = "arm=b trainer.workers=2 data.root=y data.fallback=null"
    other += " evaluation.curves=[rotation] evaluation.images=100"
    assert numeric_identity(here) == numeric_identity(config_from_mapping(values_of(other)))
    left_out = ("arm", "run_root", "tracking", "evaluation", "scale", "seeds", "code", *NOT_NUMERIC)
    left_out += ("data.dataset", "data.size", "data.contents")  # of MNIST, which has them not
    wanted = {key for key in DEFAULTS if not within(key, left_out)}
    assert set(flattened(numeric_identity(Config()))) == wanted
