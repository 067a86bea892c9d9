"""Legal values: every declared range accepts its bounds and refuses what lies beyond them."""

import math
from typing import Any

import pytest

from convchoice.config.legal_values import FOLDER, NAME, URI, between, check_values, each, is_size
from convchoice.config.pairs import once, pair_of, shown
from convchoice.config.schema import Config, DownsampleConfig, OptimizerConfig
from convchoice.config.validation import config_from_mapping
from convchoice.errors import ConfigurationError


def test_a_range_includes_its_bounds_and_never_nan() -> None:
    legal = between(1, 10)
    assert [legal.holds(value) for value in (0, 1, 10, 11, math.nan, math.inf)] == [
        False, True, True, False, False, False,
    ]  # fmt: skip
    assert each(legal).holds([1, 10])
    assert not each(legal).holds([1, 11])
    assert not each(legal).holds([1] * 1_001)


def test_defaults_are_legal_and_a_violation_is_named_by_its_dotted_key() -> None:
    check_values(Config())
    with pytest.raises(ConfigurationError, match=r"^downsample\.sigma = 0: must be at least"):
        check_values(Config(downsample=DownsampleConfig(sigma=0)))
    with pytest.raises(ConfigurationError, match=r"^optimizer\.rho = nan: must be at least 0 and"):
        check_values(Config(optimizer=OptimizerConfig(rho=math.nan)))


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("conv.kernel_size", 1_000_000), ("conv.stride", 2**31 - 1), ("conv.padding", 10**18),
        ("downsample.window", 2**31 - 1), ("downsample.stride", 2**62),
        ("downsample.sigma", 1e-200),
        ("downsample.kernel_size", 10**400), ("model.filters", [4, 10**12]),
        ("model.filters", [1] * 10**5), ("model.hidden_units", 10**400), ("seeds", 10**12),
        ("seed", 10**4000), ("data.batch_size", 10**30), ("data.canvas", 10**9),
        ("trainer.threads", 10**6), ("trainer.max_epochs", 10**9), ("trainer.workers", 0),
        ("trainer.seeds_together", 0), ("optimizer.learning_rate", 1e300),
        ("optimizer.learning_rate", math.inf), ("optimizer.learning_rate", math.nan),
        ("optimizer.learning_rate", 10**400), ("optimizer.learning_rate", 0.0),
        ("optimizer.epsilon", 1e-300), ("optimizer.weight_decay", math.inf),
        ("evaluation.images", 0),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused_at_once_in_a_short_message(name: str, value: Any) -> None:
    group, _, key = name.rpartition(".")
    with pytest.raises(ConfigurationError, match=rf"{name} = .*: ") as refused:
        config_from_mapping({group: {key: value}} if group else {key: value})
    assert len(str(refused.value)) < 400


def test_a_number_too_long_to_print_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"= <a number of about 5001 digits>: "):
        config_from_mapping({"seed": 10**5000})


@pytest.mark.parametrize("value", [1, 256, [1, 256], (3, 5)])
def test_a_size_is_one_number_or_two(value: Any) -> None:
    assert is_size(value, 1, 256)


@pytest.mark.parametrize(
    "value", [0, -1, 257, 3.0, True, "3", None, [], [3], [3, 0], [1, 2, 3], [3, True], {}, [[1], 2]]
)
def test_anything_else_is_no_size(value: Any) -> None:
    assert not is_size(value, 1, 256)


@pytest.mark.parametrize(
    ("canonical", "both", "text"),
    [(3, (3, 3), "3"), ([3, 5], (3, 5), "3×5"), (1_000, (1_000, 1_000), "1,000")],
)
def test_a_pair_has_one_canonical_form(canonical: Any, both: tuple[int, int], text: str) -> None:
    assert pair_of(canonical) == both
    assert once(both) == canonical
    assert shown(both) == text


@pytest.mark.parametrize("name", ["a", "1e-3", "max-3", "a.b=c", "x" * 100])
def test_a_name_is_legal(name: str) -> None:
    assert NAME.holds(name)


@pytest.mark.parametrize(
    "name",
    [
        "",
        ".",
        "..",
        "a/b",
        "../a",
        "a b",
        "a\n",
        "${a}",
        "-a",
        "<svg>",
        "x" * 101,
        "é",
        "a\0",
        None,
        3,
    ],
)
def test_any_other_name_is_refused(name: Any) -> None:
    assert not NAME.holds(name)


@pytest.mark.parametrize("path", ["", " ", "~/d", "~", "a\0b", "a\x1b[2J", "${oc.env:HOME}/x"])
def test_a_folder_is_a_plain_path(path: str) -> None:
    assert FOLDER.holds("data/raw")
    assert FOLDER.holds("/mnt/ä b/~x")
    assert not FOLDER.holds(path)


def test_a_tracking_uri_has_no_credentials() -> None:
    assert URI.holds("http://127.0.0.1:5000")
    with pytest.raises(ConfigurationError, match="must not hold credentials") as refused:
        URI.check("tracking.uri", "http://user:secretpw@host")
    assert "secretpw" not in str(refused.value)
