"""Numbers as text."""

import pytest

from convchoice.analysis import text


@pytest.mark.parametrize(
    ("written", "expected"),
    [
        (text.signed(-0.1234, 2), "−0.12"),
        (text.signed(0.1234, 2), "+0.12"),
        (text.signed(-0.001, 2), "0.00"),
        (text.percent(0.99215), "99.22"),
        (text.interval(None, 2), "–"),
        (text.interval([-0.1, 0.25], 2, with_signs=True), "[−0.10, +0.25]"),
        (text.whole(93322), "93,322"),
        (text.short(2_794_240), "2.79M"),
        (text.short(12), "12"),
        (text.short(None), "–"),
        (text.memory(1_572_864), "1.5 MiB"),
        (text.memory(3 * 2**30), "3 GiB"),
        (text.duration(8.26), "8.3 s"),
        (text.duration(59.97), "1 min 00 s"),
        (text.duration(250), "4 min 10 s"),
        (text.duration(7_500), "2 h 05 min"),
        (text.p_value(0.0004), "< 0.001"),
        (text.p_value(0.0321), "0.032"),
        (text.ratio(1.0), "same"),
        (text.ratio(0.25), "×0.25"),
        (text.seeds([7, 0, 1, 2, 4]), "0–2, 4, 7"),
    ],
)
def test_numbers_as_text(written: str, expected: str):
    assert written == expected


def test_cost_ratio_lists_what_differs_first() -> None:
    ratios = {"parameters": 1.0, "macs": 0.25, "memory_bytes": 1.0}
    assert text.cost_ratio(ratios) == ("×0.25 multiply-accumulates, same parameters and memory")
    assert text.cost_ratio({}) == "–"
