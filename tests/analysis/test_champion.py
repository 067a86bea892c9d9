"""The champion of a study: by verdicts worked out by hand."""

import pytest

from convchoice.analysis.champion import champion
from made_up_results import made_up_comparison


@pytest.mark.parametrize(
    ("verdicts", "validation", "controls", "expected"),
    [
        ({}, {}, (), "base"),
        ({"a": ("base", "worse"), "b": ("base", "inconclusive")}, {}, (), "base"),
        ({"a": ("base", "better")}, {}, (), "a"),
        ({"a": ("base", "slightly better")}, {}, (), "a"),
        # Shown to be smaller than what matters.
        ({"a": ("base", "negligibly better")}, {}, (), "base"),
        # The best on validation images, in any order.
        ({"a": ("base", "better"), "b": ("base", "better")}, {"a": 0.97, "b": 0.98}, (), "b"),
        ({"a": ("base", "better"), "b": ("base", "better")}, None, (), "a"),
        # Better than a reference that is not itself ahead of the baseline.
        ({"b": ("a", "better"), "a": ("base", "worse")}, {}, (), "base"),
        # Ahead through another arm, which then is no candidate.
        ({"b": ("a", "better"), "a": ("base", "better")}, {"a": 0.99, "b": 0.98}, (), "b"),
        ({"a": ("base", "better")}, {}, ("a",), "base"),
    ],
)
def test_champion_follows_from_verdicts(
    verdicts: dict[str, tuple[str, str]],
    validation: dict[str, float] | None,
    controls: tuple[str, ...],
    expected: str,
) -> None:
    assert champion(made_up_comparison(verdicts, validation, controls)).arm == expected


def test_reason_names_contrast_and_choice() -> None:
    both = {"a": ("base", "better"), "b": ("base", "better")}
    reason = champion(made_up_comparison(both, {"a": 0.97, "b": 0.98})).reason
    assert reason == (
        "Yes: it does. b against base: better, +1.25 pp [+0.50, +2.00]. Of a and b, which are"
        " all ahead, it has the highest mean accuracy on validation images (98.00 %)."
    )
    assert champion(made_up_comparison(both, None)).reason.endswith("it is the first in the study.")
    unchanged = champion(made_up_comparison({"a": ("base", "worse")})).reason
    assert (
        unchanged == "Yes: it does. base is the baseline, and no other arm is shown to be better."
    )
