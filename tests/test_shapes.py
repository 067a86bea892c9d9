"""The shape table of `convchoice shapes` and its JSON."""

import json
import re
from typing import Any

import pytest

from convchoice.commands.shapes import main
from convchoice.config.options import options
from convchoice.errors import ConfigurationError


@pytest.fixture(autouse=True)
def no_terminal_width(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("COLUMNS", raising=False)


def json_of(overrides: list[str], capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    main([*overrides, "--json"])
    values: dict[str, Any] = json.loads(capsys.readouterr().out)
    return values


def test_table_contains_formulas_sizes_and_sums(capsys):
    main([])
    table = capsys.readouterr().out
    assert "⌊(28 + 0 − 3)/1⌋ + 1 = 26" in table
    assert "26×26×32 → 13×13×32" in table
    assert "93,322 parameters, 2,794,240 multiply-accumulates and 28,032 pooling" in table


@pytest.mark.parametrize("columns", [80, 180])
@pytest.mark.parametrize(
    "overrides",
    [
        *([f"downsample={option}"] for option in options("downsample")),
        ["model.first_layer=dense", "downsample=maxout", "conv.padding=same", "conv.stride=[1,2]"],
        ["conv.kernel_size=255", "conv.padding=full"],
    ],
    ids=str,
)
def test_no_number_is_cut_on_any_terminal(overrides, columns, capsys, monkeypatch):
    monkeypatch.setenv("COLUMNS", str(columns))
    values = json_of(overrides, capsys)
    main(overrides)
    table = capsys.readouterr().out
    if "255" not in str(overrides):
        assert max(len(line.rstrip()) for line in table.splitlines()) <= columns
    assert "…" not in table
    words = table.replace(";", " ").split()
    for layer in values["layers"]:
        assert layer["name"] in words
        for key in ("parameters", "macs", "pooling_operations"):
            assert not layer[key] or f"{layer[key]:,}" in words
        assert all(formula in table for formula in layer["formula"].split("; "))
    for key in ("parameters", "macs", "pooling_operations"):
        assert f"{values['totals'][key]:,}" in words


@pytest.mark.parametrize("value", ["max,average", "glob(m*)"])
def test_several_networks_are_refused(value):
    message = f"downsample = '{value}': is several values. convchoice shapes prints one network"
    with pytest.raises(ConfigurationError, match=re.escape(message)):
        main([f"downsample={value}"])


def test_height_and_width_are_shown_once_if_they_agree(capsys):
    overrides = ["conv.kernel_size=[5,3]", "conv.stride=[2,1]", "model.filters=[32]"]
    overrides += ["model.downsample_after=[]"]
    main(overrides)
    assert "5×3 px" in capsys.readouterr().out
    first, *_, last = json_of(overrides, capsys)["layers"]
    assert (first["receptive_field"], first["jump"]) == ([5, 3], [2, 1])
    assert first["label"] == "convolution 5×3, stride 2×1"
    assert first["formula"] == "⌊(28 + 0 − 5)/2⌋ + 1 = 12; ⌊(28 + 0 − 3)/1⌋ + 1 = 26"
    assert first["activation_bytes"] == 12 * 26 * 32 * 4 * 64
    assert (last["receptive_field"], last["jump"]) == (None, None)


def test_outputs_of_a_dense_layer_see_all(capsys):
    main(["model.first_layer=dense"])
    line = capsys.readouterr().out.splitlines()[2]
    assert " ".join(line.split()) == (
        "block1.dense dense 21,632 28×28×1 → 26×26×32 16,981,120 16,959,488 all – 5.28"
    )
