"""The nine studies: what their arms hold equal, read from the composed configurations."""

import math
from functools import cache
from typing import Any

import pytest
import yaml

from convchoice import CONF_DIR
from convchoice.config.arm_keys import numeric_identity
from convchoice.config.composition import ArmComposer, options
from convchoice.config.field_types import flattened
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


def flat_inputs(name: str) -> int:
    """Inputs of the first dense layer of the head."""
    return math.prod(
        next(layer for layer in planned(name).layers if layer.kind is Kind.flatten).output_shape
    )


def differing(first: str, second: str) -> set[str]:
    """Keys of what decides the numbers in which two arms differ."""
    one, other = (flattened(numeric_identity(arm(name))) for name in (first, second))
    return {key for key in one.keys() | other.keys() if one.get(key) != other.get(key)}


def test_the_lectures_studies_are_all_there() -> None:
    assert set(options("study")) >= LECTURES
    for name in options("study"):
        assert set(study(name).all_arms()) <= set(options("arm"))


@pytest.mark.parametrize("name", sorted(LECTURES))
def test_a_study_says_whose_claim_it_is_and_brings_no_arm_of_its_own(name: str) -> None:
    ours = study(name)
    assert ours.source.startswith("BST 261 (2019), Lecture 4, slide ")
    assert ours.question.endswith("?")
    assert ours.margin == "10% of errors"


@pytest.mark.parametrize("scale", options("scale"))
def test_every_arm_composes_and_differs_in_something_that_decides_its_numbers(scale: str) -> None:
    seen: dict[str, str] = {}
    for name in options("arm"):
        identity = yaml.safe_dump(numeric_identity(arm(name, scale)) | {"seeds": 0})
        assert seen.setdefault(identity, name) == name


@pytest.mark.parametrize("name", ["pooling", "strides_vs_pooling"])
def test_the_poolings_share_the_recipe_the_grid_and_576_inputs(name: str) -> None:
    for other in study(name).arms:
        keys = {key for key in differing("max", other) if not key.startswith("downsample.")}
        assert not keys, other
        assert flat_inputs(other) == 576
        last = next(layer for layer in planned(other).layers if layer.kind is Kind.flatten)
        assert last.input_shape == (64, 3, 3)


def test_operators_without_weights_have_the_lectures_parameters() -> None:
    for name in ("max", *study("pooling").arms, "strided"):
        assert planned(name).parameters == 93_322, name


def test_the_controls_of_all_conv_have_its_parameters() -> None:
    assert planned("conv_pool").parameters == planned("all_conv").parameters == 139_498
    assert planned("max_wide").parameters == pytest.approx(139_498, rel=0.001)
    assert study("strides_vs_pooling").pairs() == [
        ("strided", "max"),
        ("all_conv", "max"),
        ("all_conv", "conv_pool"),
        ("conv_pool", "max"),
    ]


def test_padding_changes_the_border_alone() -> None:
    for name in study("padding").all_arms():
        assert differing("gap", name) <= {"conv.padding", "conv.padding_mode"}
        assert planned(name).parameters == 60_554


def test_filter_sizes_share_every_grid_and_the_matched_ones_the_parameters() -> None:
    grids = [layer.output_shape[1:] for layer in planned("kernel_3").layers]
    for name in study("filter_size").all_arms():
        assert differing("kernel_3", name) <= {"conv.kernel_size", "model.filters"}
        assert flat_inputs(name) == 3136
        assert [layer.output_shape[1:] for layer in planned(name).layers] == grids
        if name.endswith("_matched"):
            wanted = planned("kernel_3").parameters
            assert planned(name).parameters == pytest.approx(wanted, rel=0.01), name


@pytest.mark.parametrize(
    ("name", "parameters"), [("max", 320), ("local", 216_320), ("dense_first", 16_981_120)]
)
def test_the_first_layers_differ_in_their_sharing_alone(name: str, parameters: int) -> None:
    first = planned(name).layers[0]
    assert first.parameters == parameters
    assert first.output_shape == (32, 26, 26)
    assert differing("max", name) <= {"model.first_layer"}
    rest, wanted = planned(name).layers[1:], planned("max").layers[1:]
    assert [layer.parameters for layer in rest] == [layer.parameters for layer in wanted]


def test_a_permuted_arm_differs_from_its_reference_in_the_permutation_alone() -> None:
    ours = study("locality")
    seeds = set()
    for name in ("max_permuted", "local_permuted", "dense_permuted"):
        assert differing(*ours.references(name), name) == {"data.permutation_seed"}
        seeds.add(arm(name).data.permutation_seed)
    assert len(seeds) == 1


@pytest.mark.parametrize("size", SIZES)
def test_at_each_size_the_first_layer_alone_differs(size: int) -> None:
    ours = study("sharing")
    for kind in ("local", "dense"):
        name = f"{kind}_{size}"
        assert ours.references(name) == [f"max_{size}"]
        assert differing(f"max_{size}", name) == {"model.first_layer"}
    data = arm(f"max_{size}").data
    assert (data.train_size, data.validation_size) == (size, 0)


def test_smaller_sets_are_passed_more_often() -> None:
    for scale in options("scale"):
        passes = [arm(f"max_{size}", scale).trainer.max_epochs for size in SIZES]
        assert passes == sorted(passes, reverse=True)


def test_pooling_saves_parameters_in_a_flatten_head_alone() -> None:
    assert planned("unpooled").parameters == 2_038_922
    assert planned("unpooled_gap").parameters == planned("gap").parameters == 60_554
    convolutions: dict[str, Any] = {
        name: [layer.parameters for layer in planned(name).layers if layer.kind is Kind.convolution]
        for name in ("max", "unpooled")
    }
    assert convolutions["max"] == convolutions["unpooled"] == [320, 18_496, 36_928]
    assert planned("unpooled").macs > 10 * planned("max").macs
    for first, second in (("max", "unpooled"), ("gap", "unpooled_gap")):
        assert all(key.startswith("downsample.") for key in differing(first, second))


@pytest.mark.parametrize("suffix", ["", "_rotated"])
def test_maxout_and_its_control_learn_the_same_number_of_filters(suffix: str) -> None:
    def learned(name: str) -> list[int]:
        layers = planned(f"{name}{suffix}").layers
        return [layer.output_shape[0] for layer in layers if layer.kind is Kind.convolution]

    assert learned("small_maxout") == learned("small_filters") == [48, 96, 32]
    assert learned("small") == [16, 32, 32]
    for name in ("small", "small_maxout", "small_filters"):
        assert arm(f"{name}{suffix}").data.canvas == 40
        if suffix:
            assert differing(name, f"{name}{suffix}") == {"data.rotated"}


def test_the_claim_of_invariance_is_put_to_maxout_not_to_its_controls() -> None:
    ours = study("invariance")
    assert set(ours.controls) == {"small_filters", "small_filters_rotated", "small_rotated"}
    assert [curve.name for curve in ours.curves] == ["shift", "rotation", "scale"]
