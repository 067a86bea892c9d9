"""Which arm wins a study: by verdicts worked out by hand."""

from typing import Any

import pytest

from convchoice.analysis.champion import champion
from making import Compared, study_values


def comparison(
    verdicts: dict[str, tuple[str, str]],
    validation: dict[str, float] | None = None,
    controls: tuple[str, ...] = (),
) -> dict[str, Any]:
    """A comparison with nothing in it but what a champion follows from.

    Args:
        verdicts: by arm, the partner and the verdict.
        validation: accuracy at the last epoch by arm; None for no validation images.
        controls: arms that are no rivals.
    """
    curves = {
        arm: {} if validation is None else {"val/accuracy": {"mean": [0.1, validation.get(arm, 0)]}}
        for arm in ("base", *verdicts)
    }
    return {
        "study": {"baseline": "base", "controls": list(controls), "metric": "test/accuracy"},
        "measure": {
            "metric": "test/accuracy",
            "label": "test accuracy",
            "unit": "percentage points",
            "short_unit": "pp",
            "scale": 100.0,
            "higher_is_better": True,
            "decimals": 2,
        },
        "claim": {"sentence": "The claim holds."},
        "arms": {arm: {"learning_curves": curve} for arm, curve in curves.items()},
        "contrasts": [
            {
                "arm": arm,
                "partner": partner,
                "verdict": verdict,
                "difference_percentage_points": 1.25,
                "interval_95_percentage_points": [0.5, 2.0],
            }
            for arm, (partner, verdict) in verdicts.items()
        ],
    }


@pytest.mark.parametrize(
    ("verdicts", "validation", "controls", "winner"),
    [
        ({}, {}, (), "base"),
        ({"a": ("base", "worse"), "b": ("base", "inconclusive")}, {}, (), "base"),
        ({"a": ("base", "better")}, {}, (), "a"),
        ({"a": ("base", "slightly better")}, {}, (), "a"),
        # Shown to be smaller than what matters.
        ({"a": ("base", "negligibly better")}, {}, (), "base"),
        # The best on validation images, whichever stands first.
        ({"a": ("base", "better"), "b": ("base", "better")}, {"a": 0.97, "b": 0.98}, (), "b"),
        ({"a": ("base", "better"), "b": ("base", "better")}, None, (), "a"),
        # Better than a like-for-like partner that is not ahead itself proves nothing.
        ({"b": ("a", "better"), "a": ("base", "worse")}, {}, (), "base"),
        # At second hand; the one that was overtaken is out, whatever its validation accuracy.
        ({"b": ("a", "better"), "a": ("base", "better")}, {"a": 0.99, "b": 0.98}, (), "b"),
        ({"a": ("base", "better")}, {}, ("a",), "base"),
    ],
)
def test_the_winner_follows_from_the_verdicts(
    verdicts: dict[str, tuple[str, str]],
    validation: dict[str, float] | None,
    controls: tuple[str, ...],
    winner: str,
) -> None:
    assert champion(comparison(verdicts, validation, controls)).arm == winner


def test_the_reason_says_what_it_beat_and_how_it_was_chosen() -> None:
    both = {"a": ("base", "better"), "b": ("base", "better")}
    reason = champion(comparison(both, {"a": 0.97, "b": 0.98})).reason
    assert reason == (
        "The claim holds. b against base: better, +1.25 pp [+0.50, +2.00]. Of a and b, which are"
        " all ahead, it has the highest mean accuracy on validation images (98.00 %)."
    )
    assert champion(comparison(both, None)).reason.endswith("it stands first in the study.")
    stays = champion(comparison({"a": ("base", "worse")})).reason
    assert stays == "The claim holds. base is the baseline, and no rival is shown to be better."


def test_a_real_comparison_has_a_champion(compared: Compared) -> None:
    made = compared({"max": [100, 102, 101], "average": [10, 11, 12]}, study_values())
    crowned = champion(made)
    assert crowned.arm == "average"
    assert "average against max: better" in crowned.reason
    assert champion(compared({"max": [10], "average": [10]})).arm == "max"
