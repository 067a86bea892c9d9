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
