"""One contrast as a page says it: difference, verdict, checks, price, and a small drawing.

Every word and number comes from the comparison. Pure functions: no files, no HTML.
"""

from collections.abc import Mapping
from typing import Any

from convchoice.analysis import old_text as wording
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.old_text import measure_in

BAR_WIDTH = 132
"""Width of a card's small interval drawing, in its own units."""


def tone(verdict: str) -> str:
    """A verdict's tone: good, bad, even or open."""
    last = verdict.rsplit(maxsplit=1)[-1]
    return {"better": "good", "worse": "bad", "equivalent": "even"}.get(last, "open")


def _bar(
    contrast: Mapping[str, Any], measure: Measure, margin: float, reach: float
) -> dict[str, float]:
    """Horizontal places of a contrast's marks in its card's drawing."""

    def place(value: float) -> float:
        return round(BAR_WIDTH * (0.5 + 0.46 * value / reach), 2)

    middle = contrast[measure.key("difference")]
    low, high = contrast[measure.key("interval_95")] or (middle, middle)
    return {
        "band": place(-margin),
        "band_width": round(place(margin) - place(-margin), 2),
        "zero": place(0),
        "low": place(low),
        "high": place(high),
        "middle": place(middle),
    }


def reach_of(comparison: Mapping[str, Any]) -> float:
    """The largest distance from 0 that a study's drawings must hold."""
    measure = measure_in(comparison)
    values: list[float] = [comparison["study"]["margin"]]
    for contrast in comparison["contrasts"]:
        values += contrast[measure.key("interval_95")] or [contrast[measure.key("difference")]]
    return max(abs(value) for value in values)


def _nll_view(block: Mapping[str, Any] | None) -> dict[str, str]:
    """The same difference in negative log-likelihood; dashes where it is not known."""
    names = ("nll_difference", "nll_interval", "nll_p_holm")
    if block is None:
        return dict.fromkeys(names, wording.NONE)
    nll = measure_of("test/nll")
    values = (
        wording.difference(block, nll),
        wording.difference_interval(block, nll),
        wording.p_value(block["p_holm"]),
    )
    return dict(zip(names, values, strict=True))


def _one_pair_view(contrast: Mapping[str, Any]) -> dict[str, str] | None:
    """McNemar's test, shown where one pair of runs is all there is; else None."""
    found = contrast["mcnemar"]
    if found is None or contrast["n"] > 1:
        return None
    return {
        "seed": str(found["seed"]),
        "only_arm_right": wording.whole(found["only_arm_right"]),
        "only_partner_right": wording.whole(found["only_partner_right"]),
        "p": wording.p_value(found["p"]),
    }


def contrast_view(
    contrast: Mapping[str, Any], comparison: Mapping[str, Any], reach: float
) -> dict[str, Any]:
    """One contrast as text."""
    measure = measure_in(comparison)
    left_out = sum(len(seeds) for seeds in contrast["left_out_seeds"].values())
    return {
        "arm": contrast["arm"],
        "partner": contrast["partner"],
        "n": contrast["n"],
        "left_out": f"{left_out} left out" if left_out else "",
        "difference": wording.difference(contrast, measure),
        "interval": wording.difference_interval(contrast, measure),
        "unit": measure.short_unit,
        "verdict": contrast["verdict"],
        "tone": tone(contrast["verdict"]),
        "p_t": wording.p_value(contrast["p_t"]),
        "p_holm": wording.p_value(contrast["p_holm"]),
        "p_sign_flip": wording.p_value(contrast["p_sign_flip"]),
        "new_digits": wording.interval(
            contrast["new_digits"] and contrast["new_digits"]["interval_95_percentage_points"],
            2,
            with_signs=True,
        ),
        **_nll_view(contrast["nll"]),
        "one_pair": _one_pair_view(contrast),
        "seeds_needed": wording.whole(contrast["seeds_needed"]),
        "price": wording.price(contrast),
        "bar": _bar(contrast, measure, comparison["study"]["margin"], reach),
    }
