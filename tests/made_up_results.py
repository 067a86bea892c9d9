"""Small typed results for tests of what is made from them."""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis.arm import ArmResult
from convchoice.analysis.contrast import Contrast, Difference, Family, RobustDifference
from convchoice.analysis.curves import Band, LearningCurves
from convchoice.analysis.measure import Sample, measure_of
from convchoice.analysis.provenance import Dataset, Provenance
from convchoice.analysis.result import Claim, Comparison, StudyDefinition
from convchoice.analysis.result_types import Interval
from convchoice.analysis.verdict import Answer, Verdict


def made_up_contrast(arm: str, reference: str, verdict: str) -> Contrast:
    """A contrast of 1.25 ± 0.75 with a verdict, whatever its numbers."""
    interval = Interval(0.5, 2.0)
    difference = Difference(
        unit="percentage points", mean=1.25, standard_deviation=0.1, interval_95=interval,
        values=[1.25, 1.25], p_t=0.5, p_sign_flip=0.5,
    )  # fmt: skip
    return Contrast(
        arm=arm, reference=reference, seeds=[0, 1], difference=difference, interval=interval,
        p=0.5, in_family=True, margin=0.1, verdict=Verdict(verdict), seeds_needed=None,
        robust=RobustDifference(mean=1.25, interval=interval, verdict=Verdict(verdict)),
    )  # fmt: skip


def made_up_arm(reference: str | None, validation: float | None) -> ArmResult:
    """An arm of two seeds; its validation accuracy at the last epoch, None for no such images."""
    bands = {}
    if validation is not None:
        unknown: list[float | None] = [None, None]
        bands["val/accuracy"] = Band(mean=[0.1, validation], low=unknown, high=unknown)
    return ArmResult(
        seeds=[0, 1],
        reference=reference,
        scores={"test/accuracy": Sample(mean=0.5, interval_95=None, values=[0.5, 0.5])},
        learning_curves=LearningCurves(epochs=[1, 2], bands=bands),
    )


def made_up_comparison(
    verdicts: Mapping[str, tuple[str, str]],
    validation: Mapping[str, float] | None = None,
    controls: Sequence[str] = (),
    *,
    claim: str | None = "Yes: it does.",
    **changes: Any,
) -> Comparison:
    """A result with nothing in it but verdicts.

    Args:
        verdicts: by arm, the reference and the verdict.
        validation: accuracy at the last epoch by arm; None for no validation images.
        controls: arms with a confounder.
        claim: the answer to its one claim; None for no claim.
        changes: fields of the study's definition.
    """
    references = {"base": None, **{arm: reference for arm, (reference, _) in verdicts.items()}}
    study = {
        "name": "study", "question": "Which is better?",
        "source": "a test", "baseline": "base", "arms": list(verdicts),
        "controls": list(controls), "metric": "test/accuracy", "margin": 0.1,
        **changes,
    }  # fmt: skip
    measure = measure_of("test/accuracy")
    holds = {"says": "a is better.", "measure": measure, "parts": [], "answer": Answer.yes}
    return Comparison(
        study=StudyDefinition.model_validate(study),
        measure=measure,
        arms={
            arm: made_up_arm(reference, None if validation is None else validation.get(arm, 0.0))
            for arm, reference in references.items()
        },
        contrasts=[made_up_contrast(arm, *each) for arm, each in verdicts.items()],
        family=Family(contrasts=len(verdicts), method="Bonferroni", level=0.05, looks=[2]),
        claims=[Claim.model_validate({**holds, "sentence": claim})] if claim else [],
        provenance=Provenance(runs=2, dataset=Dataset(name="mnist")),
    )
