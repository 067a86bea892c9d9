"""The shape table, for people and for programs."""

import json

import pytest

from convchoice.errors import UserError
from convchoice.shapes import main


def test_the_table_shows_formulas_sizes_and_sums(capsys: pytest.CaptureFixture[str]) -> None:
    main([])
    shown = capsys.readouterr().out
    assert "⌊(28 + 0 − 3)/1⌋ + 1 = 26" in shown
    assert "26×26×32 → 13×13×32" in shown
    assert "93,322 parameters, 2,794,240 multiply-accumulates and 28,032 pooling" in shown


def test_programs_get_the_same_as_json(capsys: pytest.CaptureFixture[str]) -> None:
    main(["downsample=strided", "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["totals"]["parameters"] == 93_322
    assert told["layers"][0]["receptive_field"] == 3
    assert told["layers"][0]["formula"] == "⌊(28 − 1 − 3)/2⌋ + 1 = 13"
    assert told["layers"][0]["output_shape"] == [32, 13, 13]


@pytest.mark.parametrize(
    ("overrides", "first", "parameters"),
    [
        # 3·3·3·32 + 32 more weights a channel; 30, 15, 13, 6, 4: 1,024 inputs of the hidden layer.
        (["data=cifar10"], "⌊(32 + 0 − 3)/1⌋ + 1 = 30", 93_322 + 2 * 288 + (1024 - 576) * 64),
        # 46, 23, 21, 10, 8: 4,096 inputs of the hidden layer.
        (["data.canvas=48"], "⌊(48 + 0 − 3)/1⌋ + 1 = 46", 93_322 + (4096 - 576) * 64),
        (["data=fashion_mnist"], "⌊(28 + 0 − 3)/1⌋ + 1 = 26", 93_322),
    ],
)
def test_sizes_follow_the_data(
    capsys: pytest.CaptureFixture[str], overrides: list[str], first: str, parameters: int
) -> None:
    main([*overrides, "--json"])
    told = json.loads(capsys.readouterr().out)
    assert told["layers"][0]["formula"] == first
    assert told["totals"]["parameters"] == parameters


@pytest.mark.parametrize(
    ("override", "message"),
    [
        ("downsample=strid", "Could not find 'downsample/strid' Available options"),
        ("conv.kernal_size=3", "Key 'kernal_size' not in 'ConvConfig'"),
        ("conv.kernel_size=9", "block3.convolution: a 9×9 window does not fit its 1×1 input"),
        ("nonsense", "Error parsing override 'nonsense'"),
    ],
)
def test_what_cannot_be_built_is_said(override: str, message: str) -> None:
    with pytest.raises(UserError, match=message):
        main([override])
