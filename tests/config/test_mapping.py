"""Plain values become typed ones; the message of each refusal names key, value, rule and fix."""

from typing import Any

import pytest

from convchoice.config.mapping import flattened, from_mapping, key_types, plain_values
from convchoice.config.schema import Config, Dataset, OptimizerConfig, PaddingMode, ScaleConfig
from convchoice.config.study import Study
from convchoice.errors import ConfigurationError


def nested_in_itself() -> list[Any]:
    values: list[Any] = []
    values.append(values)
    return values


@pytest.mark.parametrize(
    ("values", "message"),
    [
        (
            {"learning_rate": 1},
            r"test: learning_rate = 1: there is no such key\. Legal: arm",
        ),
        (
            {"conv": {"kernal_size": 3}},
            r"test: conv\.kernal_size = 3: there is no such key\. Did you mean kernel_size\?",
        ),
        ({"conv": 3}, r"test: conv = 3: must be a mapping of keys: kernel_size, padding"),
        ({"model": {"": [3]}}, r"model\.'' = \[3\]|model\.'' = '': is not a legal name of a key"),
        ({1: 2}, r"test: 1 = 1: is not a legal name"),
        ({"a\x1b[2J": 2}, r"test: 'a\\x1b\[2J' = "),
        ({"k" * 10**6: 2}, r"is not a legal name"),
        ({"seed": "abc"}, r"test: seed = 'abc': must be a whole number\."),
        ({"seed": True}, r"seed = True: must be a whole number"),
        ({"trainer": {"max_epochs": 2.5}}, r"trainer\.max_epochs = 2\.5: must be a whole number"),
        ({"trainer": {"deterministic": 2}}, r"deterministic = 2: must be true or false"),
        ({"trainer": {"precision": 32}}, r"precision = 32: must be text\. Put it in quotes"),
        ({"model": {"filters": [2.5]}}, r"model\.filters\[0\] = 2\.5: must be a whole number"),
        ({"model": {"filters": "${arm}"}}, r"model\.filters = '\$\{arm\}': must be a list"),
        ({"model": {"filters": {"a": 1}}}, r"model\.filters = .*: must be a list"),
        ({"model": {"filters": nested_in_itself()}}, r"filters\[0\] = .*: must be a whole number"),
        (
            {"model": {"first_layer": "densse"}},
            r"first_layer = 'densse': must be one of convolution, .*\. Did you mean dense\?",
        ),
        ({"data": {"name": ["mnist"]}}, r"data\.name = \['mnist'\]: must be one of mnist, fash"),
        ({"optimizer": {"learning_rate": "???"}}, r"learning_rate = '\?\?\?': must be a number"),
        ({"optimizer": {"learning_rate": "nan"}}, r"learning_rate = 'nan': must be a number"),
        ({"optimizer": {"learning_rate": 10**400}}, r"learning_rate = .*: must be a finite number"),
        ({"evaluation": {"curves": [["shift"]]}}, r"curves\[0\] = \['shift'\]: must be one of"),
        ({"scale": {"epochs_for": [1]}}, r"scale\.epochs_for = \[1\]: must be a mapping"),
        ({"scale": {"epochs_for": {"n1": "x"}}}, r"epochs_for\.n1 = 'x': must be a whole number"),
    ],
)
def test_a_wrong_value_is_refused_by_name(values: dict[Any, Any], message: str) -> None:
    with pytest.raises(ConfigurationError, match=message) as refused:
        from_mapping(Config, values, "test")
    assert str(refused.value).isprintable()
    assert len(str(refused.value)) < 500


def test_no_mapping_at_all_is_refused() -> None:
    with pytest.raises(ConfigurationError, match=r"^test = \[\]: must be a mapping"):
        from_mapping(Config, [], "test")


def test_a_missing_key_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"test: question = None: is missing"):
        from_mapping(Study, {"name": "a"}, "test")


def test_types_are_converted_and_references_stay_text() -> None:
    config = from_mapping(
        Config,
        {
            "run_root": "${oc.env:HOME}",
            "data": {"name": "kmnist", "fallback": None},
            "conv": {"padding_mode": PaddingMode.reflect},
            "optimizer": {"learning_rate": "1e-3", "weight_decay": 1},
            "scale": {"epochs_for": {"n300": 4}},
        },
        "test",
    )
    assert config.run_root == "${oc.env:HOME}"
    assert (config.data.name, config.data.fallback) == (Dataset.kmnist, None)
    assert config.optimizer == OptimizerConfig(learning_rate=0.001, weight_decay=1.0)
    assert isinstance(config.optimizer.weight_decay, float)
    assert config.scale == ScaleConfig(epochs_for={"n300": 4})
    plain = plain_values(config)
    assert plain_values(from_mapping(Config, plain, "test")) == plain


def test_keys_have_dotted_names() -> None:
    assert key_types(Config)["trainer.max_epochs"] is int
    assert flattened({"a": {"b": 1, "c": {"d": [2]}}, "e": {}}) == {"a.b": 1, "a.c.d": [2]}
