"""The nine studies: what their arms hold equal, read from the composed configurations."""

from functools import cache

import pytest
import yaml

from convchoice import CONF_DIR
from convchoice.config.arm_keys import numeric_identity
from convchoice.config.composition import ArmComposer
from convchoice.config.field_types import flattened
from convchoice.config.options import options
from convchoice.config.schema import Config
from convchoice.config.study import Study, read_study
from convchoice.networks.plan import Kind, Plan, plan

LECTURES = {
    "pooling", "strides_vs_pooling", "padding", "filter_size", "locality", "sharing",
    "pooling_cost", "invariance", "lecture",
}  # fmt: skip
SIZES = (300, 1000, 3000, 10000, 60000)


@cache
def composer(scale: str) -> ArmComposer:
    return ArmComposer(scale)


@cache
def arm(name: str, scale: str = "full") -> Config:
    return composer(scale).arm(name)


@cache
def planned(name: str) -> Plan:
    return plan(arm(name))


def study(name: str) -> Study:
    return read_study(CONF_DIR / "study" / f"{name}.yaml")


def differing(first: str, second: str) -> set[str]:
    """Keys of what decides the numbers in which two arms differ."""
    one, other = (flattened(numeric_identity(arm(name))) for name in (first, second))
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def test_the_lectures_studies_are_all_there():
    assert set(options("study")) >= LECTURES
    for name in options("study"):
        assert set(study(name).all_arms()) <= set(options("arm"))
        lecture = study(name).source.startswith("BST 261 (2019), Lecture 4, slide ")
        assert (name not in LECTURES) or (lecture and study(name).margin == "10% of errors")


@pytest.mark.parametrize("scale", options("scale"))
def test_every_arm_composes_and_differs_in_something_that_decides_its_numbers(scale):
    seen: dict[str, str] = {}
    for name in options("arm"):
        identity = yaml.safe_dump(numeric_identity(arm(name, scale)) | {"seeds": 0})
        assert seen.setdefault(identity, name) == name


def test_the_poolings_share_the_recipe_the_grid_and_the_parameters():
    for other in [*study("pooling").arms, *study("strides_vs_pooling").arms]:
        keys = {key for key in differing("max", other) if not key.startswith("downsample.")}
        assert not keys, other
        last = next(layer for layer in planned(other).layers if layer.kind is Kind.flatten)
        assert last.input_shape == (64, 3, 3)
    for name in ("max", *study("pooling").arms, "strided"):
        assert planned(name).parameters == 93_322, name


def test_controls_have_the_parameters_of_what_they_control():
    assert planned("conv_pool").parameters == planned("all_conv").parameters == 139_498
    assert planned("max_wide").parameters == pytest.approx(139_498, rel=0.001)
    for suffix in ("", "_rotated"):
        for name, filters in (
            ("small", [16, 32, 32]), ("small_maxout", [48, 96, 32]), ("small_filters", [48, 96, 32])
        ):  # fmt: skip
            layers = planned(f"{name}{suffix}").layers
            learned = [each.output_shape[0] for each in layers if each.kind is Kind.convolution]
            assert learned == filters
            assert differing(name, f"{name}{suffix}") <= {"data.rotated"}


def test_padding_changes_the_border_alone():
    for name in study("padding").all_arms():
        assert differing("gap", name) <= {"conv.padding", "conv.padding_mode"}
        assert planned(name).parameters == 60_554


def test_filter_sizes_share_every_grid_and_the_matched_ones_the_parameters():
    grids = [layer.output_shape[1:] for layer in planned("kernel_3").layers]
    for name in study("filter_size").all_arms():
        assert differing("kernel_3", name) <= {"conv.kernel_size", "model.filters"}
        assert [layer.output_shape[1:] for layer in planned(name).layers] == grids
        if name.endswith("_matched"):
            wanted = planned("kernel_3").parameters
            assert planned(name).parameters == pytest.approx(wanted, rel=0.01), name


@pytest.mark.parametrize("name", ["local", "dense_first"])
def test_the_first_layers_differ_in_their_sharing_alone(name):
    assert planned(name).layers[0].output_shape == (32, 26, 26)
    assert differing("max", name) <= {"model.first_layer"}


def test_a_permuted_arm_differs_from_its_reference_in_the_permutation_alone():
    ours = study("locality")
    seeds = set()
    for name in ("max_permuted", "local_permuted", "dense_permuted"):
        assert differing(*ours.references(name), name) == {"data.permutation_seed"}
        seeds.add(arm(name).data.permutation_seed)
    assert len(seeds) == 1


def test_at_each_size_the_first_layer_alone_differs():
    ours = study("sharing")
    for size in SIZES:
        for name in (f"local_{size}", f"dense_{size}"):
            assert ours.references(name) == [f"max_{size}"]
            assert differing(f"max_{size}", name) == {"model.first_layer"}
        data = arm(f"max_{size}").data
        assert (data.train_size, data.validation_size) == (size, 0)
    for scale in options("scale"):  # smaller sets are passed more often
        passes = [arm(f"max_{size}", scale).trainer.max_epochs for size in SIZES]
        assert passes == sorted(passes, reverse=True)


def test_pooling_saves_parameters_in_a_flatten_head_alone():
    assert planned("unpooled").parameters == 2_038_922
    assert planned("unpooled_gap").parameters == planned("gap").parameters == 60_554
    for first, second in (("max", "unpooled"), ("gap", "unpooled_gap")):
        assert all(key.startswith("downsample.") for key in differing(first, second))
