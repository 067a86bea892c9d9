"""Paired differences over common seeds: estimate, intervals, tests, verdicts, and the claim."""

from collections.abc import Mapping, Sequence

import numpy as np

from convchoice.analysis import statistics
from convchoice.analysis.measure import Measure
from convchoice.analysis.result import Claim, ClaimPair, Contrast, Difference, LeftOutSeeds
from convchoice.analysis.sentences import claim_sentence, seed_notes
from convchoice.analysis.verdict import Verdict, claim_verdict_of, verdict_of
from convchoice.config.study import Study, margin_points
from convchoice.errors import UserError

ANALYSIS_SEED = 2019
"""Seed of all resampling: equal inputs give equal results."""

Scores = Mapping[str, Mapping[int, float]]
"""Values of one arm by metric and seed."""


def difference(ours: Sequence[float], theirs: Sequence[float], measure: Measure) -> Difference:
    """Arm minus reference with the same seed."""
    # Subtracting two decimals adds digits; without them equal differences are equal.
    values = np.round((np.asarray(ours) - np.asarray(theirs)) * measure.scale, 12)
    mean, deviation = statistics.mean_and_deviation(values)
    return Difference(
        unit=measure.unit,
        mean=mean,
        standard_deviation=deviation,
        interval_95=statistics.mean_interval(values, 0.95),
        interval_90=statistics.mean_interval(values, 0.90),
        values=values.tolist(),
        p_t=statistics.paired_t_p(values),
        p_sign_flip=statistics.sign_flip_p(values, np.random.default_rng(ANALYSIS_SEED)),
    )


def with_holm(found: Sequence[Contrast], name: str) -> list[Contrast]:
    """The contrasts with Holm's p, over the study, of one of their differences."""
    differences = [getattr(each, name) for each in found]
    adjusted = statistics.holm([each and each.p_t for each in differences])
    return [
        each.model_copy(update={name: item and item.model_copy(update={"p_holm": p})})
        for each, item, p in zip(found, differences, adjusted, strict=True)
    ]


def contrast(
    study: Study, arm: str, reference: str, measure: Measure, scores: Mapping[str, Scores]
) -> Contrast:
    """An arm against a reference in the study's metric, over the seeds that both have.

    Raises:
        UserError: if the two have no seed in common.
    """
    ours, theirs = scores[arm][study.metric], scores[reference][study.metric]
    seeds = sorted(ours.keys() & theirs.keys())
    if not seeds:
        raise UserError(
            f"study {study.name}: {arm} (seeds {sorted(ours)}) and {reference} (seeds"
            f" {sorted(theirs)}) have no seed in common, so they cannot be paired."
        )
    found = difference([ours[seed] for seed in seeds], [theirs[seed] for seed in seeds], measure)
    margin = margin_points(study.margin, float(np.mean([theirs[seed] for seed in seeds])))
    intervals, higher = (found.interval_95, found.interval_90), measure.higher_is_better
    verdict = verdict_of(*intervals, margin, higher_is_better=higher)
    deviation = found.standard_deviation
    needed = None if deviation is None else statistics.seeds_needed(deviation, margin)
    left_out = (sorted(ours.keys() - theirs.keys()), sorted(theirs.keys() - ours.keys()))
    return Contrast(
        arm=arm,
        reference=reference,
        seeds=seeds,
        left_out_seeds=LeftOutSeeds(arm=left_out[0], reference=left_out[1]),
        difference=found,
        margin=margin,
        verdict=verdict,
        seeds_needed=needed,
        seed_notes=seed_notes(len(seeds), needed, verdict),
    )


def claim_pairs(study: Study) -> list[tuple[str, str]]:
    """The comparisons that the claim needs, as (arm claimed to be better, opponent).

    The claim's arm is compared with each arm that has it as reference. An arm with another
    reference (`study.against`) is compared with that one: with ``average_4x4`` against
    ``max_4x4``, "max is better" is tested within the 4×4 window. Controls are no opponents.
    """
    references = {study.references(arm)[0] for arm in study.arms}
    pairs = []
    for arm in study.arms:
        if arm == study.claim_arm:
            pairs.append((arm, study.references(arm)[0]))
        elif study.claim_arm in references and arm not in {*references, *study.controls}:
            pairs.append((study.references(arm)[0], arm))
    return pairs


def claim_of(study: Study, found: Sequence[Contrast]) -> Claim | None:
    """The outcome of a study's claim; None if it claims nothing of one arm."""
    words = {(item.arm, item.reference): item.verdict for item in found}
    words |= {(reference, arm): verdict.mirrored for (arm, reference), verdict in words.items()}
    # A pair that could not be compared because an arm failed shows nothing.
    verdicts = {pair: words.get(pair, Verdict.inconclusive) for pair in claim_pairs(study)}
    if not verdicts:
        return None
    return Claim(
        arm=study.claim_arm,
        pairs=[ClaimPair(arm=a, opponent=b, verdict=word) for (a, b), word in verdicts.items()],
        verdict=claim_verdict_of(list(verdicts.values())),
        sentence=claim_sentence(verdicts),
    )
