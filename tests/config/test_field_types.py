"""Plain values become typed ones; each refusal names key, value, rule and fix in one line."""

import math
from typing import Any

import pytest

from convchoice.config.field_types import (
    canonical,
    from_mapping,
    is_folder,
    is_name,
    once,
    pair_of,
    shown,
)
from convchoice.config.schema import Config
from convchoice.config.study import Study
from convchoice.errors import ConfigurationError


def nested(key: str, value: Any) -> dict[str, Any]:
    first, _, rest = key.partition(".")
    return {first: nested(rest, value) if rest else value}


IN_ITSELF: list[Any] = []
IN_ITSELF.append(IN_ITSELF)


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("learning_rate", 1, r"learning_rate = 1: there is no such key\. Legal: arm"),
        ("conv.kernal_size", 3, r"kernal_size = 3: there is no .* Did you mean kernel_size\?"),
        ("conv", 3, r"test: conv = 3: must be a mapping of keys"),
        ("model.\n", [3], r"model\.'\\n' = \[3\]: there is no such key"),
        ("a\x1b[2J", 2, r"test: 'a\\x1b\[2J' = "),
        ("k" * 10**6, 2, r"there is no such key"),
        ("seed", "abc", r"test: seed = 'abc': must be a whole number\."),
        ("seed", True, r"seed = True: must be a whole number"),
        ("trainer.max_epochs", 2.5, r"trainer\.max_epochs = 2\.5: must be a whole number"),
        ("trainer.deterministic", 2, r"deterministic = 2: must be true or false"),
        ("trainer.precision", 32, r"precision = 32: must be text\. Put it in quotes"),
        ("model.filters", [2.5], r"model\.filters\[0\] = 2\.5: must be a whole number"),
        ("model.filters", "${arm}", r"model\.filters = '\$\{arm\}': must be a list"),
        ("model.filters", {"a": 1}, r"model\.filters = .*: must be a list"),
        ("model.filters", IN_ITSELF, r"filters\[0\] = .*: must be a whole number"),
        ("model.first_layer", "densse", r"of convolution, .*, dense\. Did you mean dense\?"),
        ("data.name", ["mnist"], r"data\.name = \['mnist'\]: must be one of mnist, fash"),
        ("optimizer.learning_rate", "???", r"learning_rate = '\?\?\?': must be a number"),
        ("optimizer.learning_rate", "nan", r"learning_rate = 'nan': must be a number"),
        ("optimizer.learning_rate", True, r"learning_rate = True: must be a number"),
        ("evaluation.curves", [["shift"]], r"curves\[0\] = \['shift'\]: must be one of"),
        ("scale.epochs_for", [1], r"scale\.epochs_for = \[1\]: must be a mapping"),
        ("run_root", "", r"run_root = '': must be the path of a folder"),
        ("arm", "../elsewhere", r"arm = '\.\./elsewhere': a name is 1 to 100 letters"),
        ("tracking.experiment", " ", r"tracking\.experiment = ' ': must be text"),
        (
            "trainer.precision",
            "bf16-mix",
            r"of auto, 32-true, tf32, bf16-mixed, 16-mixed, 64-true\.",
        ),
        ("conv.padding", "smae", r"of valid, same, full, .* Did you mean same\?"),
        ("conv.padding", -1, r"conv\.padding = -1: must be one of"),
        ("conv.kernel_size", "large", r"kernel_size = 'large': must be a whole number .*\[height"),
    ],
)
def test_a_wrong_value_is_refused_by_name(key, value, message):
    with pytest.raises(ConfigurationError, match=message) as refused:
        from_mapping(Config, nested(key, value), "test")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("conv.kernel_size", 257), ("conv.stride", 2**31 - 1), ("conv.padding", 10**18),
        ("downsample.window", 257), ("downsample.stride", 2**62), ("downsample.sigma", 1e-200),
        ("downsample.kernel_size", 10**400), ("downsample.sigma", 0),
        ("model.filters", [4, 10**12]), ("model.filters", [1] * 1_001),
        ("model.hidden_units", 10**400), ("seeds", 10_001), ("seed", 2**31), ("seed", -1),
        ("data.batch_size", 10**30), ("data.canvas", 257), ("trainer.threads", 10**6),
        ("trainer.max_epochs", 10**9), ("trainer.workers", 0), ("trainer.seeds_together", 0),
        ("optimizer.learning_rate", 1e300), ("optimizer.learning_rate", math.inf),
        ("optimizer.learning_rate", math.nan), ("optimizer.learning_rate", 10**400),
        ("optimizer.learning_rate", 0.0), ("optimizer.epsilon", 1e-300), ("optimizer.rho", 1.0),
        ("optimizer.rho", math.nan), ("optimizer.weight_decay", math.inf), ("evaluation.images", 0),
        ("model.downsample_after", [0]),
    ],
)  # fmt: skip
def test_a_number_out_of_range_is_refused_at_once_in_a_short_message(key, value):
    with pytest.raises(ConfigurationError, match=rf"^{key}.* = .*: ") as refused:
        from_mapping(Config, nested(key, value), "")
    assert len(str(refused.value)) < 400


def test_no_mapping_and_a_missing_key_are_named():
    for schema, values, message in (
        (Config, [], r"^test = \[\]: must be a mapping"),
        (Config, {1: 2}, r"test: \[1\] = .*: is not a legal name"),
        (Study, {"name": "a"}, r"test: question = None: is missing"),
        (Config, nested("tracking.uri", "http://u:secretpw@host"), "must not hold credentials"),
    ):
        with pytest.raises(ConfigurationError, match=message) as refused:
            from_mapping(schema, values, "test")
        assert "secretpw" not in str(refused.value)
    from_mapping(Config, nested("tracking.uri", "http://127.0.0.1:5000"), "")


@pytest.mark.parametrize(
    ("given", "both", "text"),
    [(3, (3, 3), "3"), ([3, 5], (3, 5), "3×5"), ((5, 5), (5, 5), "5"), (256, (256, 256), "256")],
)
def test_a_size_has_one_canonical_form(given, both, text):
    value = canonical(given, 1, 256)
    assert (pair_of(value), once(both), shown(both)) == (both, value, text)


@pytest.mark.parametrize(
    "value", [0, -1, 257, 3.0, True, "3", None, [], [3], [3, 0], [1, 2, 3], [3, True], {}, [[1], 2]]
)
def test_anything_else_is_no_size(value):
    with pytest.raises(ValueError, match=r"whole number from 1 to 256, or \[height, width\]"):
        canonical(value, 1, 256)


def test_names_and_folders():
    assert all(map(is_name, ["a", "1e-3", "max-3", "a.b=c", "x" * 100]))
    no_names = ["", ".", "..", "a/b", "a b", "a\n", "${a}", "-a", "<svg>", "x" * 101, "é", "a\0", 3]
    assert not any(map(is_name, no_names))
    assert all(map(is_folder, ["data/raw", "/mnt/ä b/~x"]))
    assert not any(
        map(is_folder, ["", " ", "~/d", "~", "a\0b", "a\x1b[2J", "${oc.env:HOME}/x", "s3://b/x"])
    )


@pytest.mark.parametrize("key", ["run_root", "data.root", "data.path"])
def test_a_folder_at_a_link_that_leads_to_itself_is_refused(key, tmp_path):
    (tmp_path / "loop").symlink_to("loop")
    rule = f"{key} = .*: a symbolic link in this path leads to itself. Remove it, or choose another"
    for path in (tmp_path / "loop", tmp_path / "loop" / "x"):
        with pytest.raises(ConfigurationError, match=rule):
            from_mapping(Config, nested(key, str(path)), "")
