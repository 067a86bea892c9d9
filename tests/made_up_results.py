"""Small typed results for tests of what is made from them."""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis.measure import measure_of
from convchoice.analysis.model import Interval
from convchoice.analysis.result import (
    Claim,
    ClaimPair,
    Comparison,
    Contrast,
    Dataset,
    Difference,
    Provenance,
    StudyDefinition,
)
from convchoice.analysis.result_arm import ArmResult, Band, LearningCurves, Sample
from convchoice.analysis.verdict import ClaimVerdict, Verdict


def made_up_contrast(
    arm: str, reference: str, verdict: str, mean: float = 1.25, half_width: float = 0.75
) -> Contrast:
    """A contrast with a verdict, whatever its numbers."""
    interval = Interval(mean - half_width, mean + half_width)
    return Contrast(
        arm=arm,
        reference=reference,
        seeds=[0, 1],
        difference=Difference(
            unit="percentage points",
            mean=mean,
            standard_deviation=0.1,
            interval_95=interval,
            interval_90=interval,
            values=[mean, mean],
            p_t=0.5,
            p_sign_flip=0.5,
            p_holm=0.5,
        ),
        verdict=Verdict(verdict),
        seeds_needed=None,
    )


def made_up_comparison(
    verdicts: Mapping[str, tuple[str, str]],
    validation: Mapping[str, float] | None = None,
    controls: Sequence[str] = (),
    *,
    claim: str | None = "The claim holds.",
    **changes: Any,
) -> Comparison:
    """A result with nothing in it but verdicts.

    Args:
        verdicts: by arm, the reference and the verdict.
        validation: accuracy at the last epoch by arm; None for no validation images.
        controls: arms with a confounder.
        claim: the claim's sentence; None for no claim.
        changes: fields of the study's definition.
    """
    arms = {
        arm: ArmResult(
            seeds=[0, 1],
            reference=reference,
            scores={"test/accuracy": Sample(mean=0.5, interval_95=None, values=[0.5, 0.5])},
            learning_curves=LearningCurves(
                epochs=[1, 2],
                bands={}
                if validation is None
                else {
                    "val/accuracy": Band(
                        mean=[0.1, validation.get(arm, 0.0)], low=[None, None], high=[None, None]
                    )
                },
            ),
        )
        for arm, reference in {
            "base": None,
            **{arm: each[0] for arm, each in verdicts.items()},
        }.items()
    }
    study = {
        "name": "study",
        "question": "Which is better?",
        "claim": "a is better.",
        "source": "a test",
        "baseline": "base",
        "arms": list(verdicts),
        "controls": list(controls),
        "metric": "test/accuracy",
        "margin": 0.1,
        **changes,
    }
    return Comparison(
        study=StudyDefinition.model_validate(study),
        measure=measure_of("test/accuracy"),
        arms=arms,
        contrasts=[made_up_contrast(arm, *each) for arm, each in verdicts.items()],
        claim=claim
        and Claim(
            arm="base",
            pairs=[ClaimPair(arm="base", opponent="base", verdict=Verdict.better)],
            verdict=ClaimVerdict.holds,
            sentence=claim,
        ),
        provenance=Provenance(runs=2, dataset=Dataset(name="mnist")),
    )
