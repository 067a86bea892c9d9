"""The answer to each claim of a study, from its contrasts' verdicts and intervals alone."""

from collections.abc import Mapping, Sequence
from dataclasses import replace

from convchoice.analysis import text
from convchoice.analysis.contrast import Contrast, Scores, contrasts_of
from convchoice.analysis.introspection import measured
from convchoice.analysis.literature_values import published_answer
from convchoice.analysis.measure import Measure, measure_of
from convchoice.analysis.result import Claim, ClaimPart, Comparison
from convchoice.analysis.training_length import short_training
from convchoice.analysis.verdict import Answer, Outcome, Verdict, answer_of, outcome_of
from convchoice.config.study import Prediction, Study
from convchoice.runs.run import Run

FEW = 3
"""Contrasts of a claim that its answer describes one by one."""
MOST_NAMES = 4
"""Arms of one outcome that an answer names."""
SIMILAR = 1.2
"""A ratio of costs up to this is not mentioned."""
RELATIONS = {
    Prediction.better: "better than",
    Prediction.worse: "worse than",
    Prediction.equivalent: "no different from",
    Prediction.not_better: "not better than",
    Prediction.not_worse: "not worse than",
    Prediction.raised: "above",
    Prediction.lowered: "below",
}


def claims_of(
    study: Study, comparison: Comparison, own: Mapping[int, Sequence[Contrast]]
) -> list[Claim]:
    """The answer to each claim.

    Args:
        study: as it was asked.
        comparison: its result without claims.
        own: contrasts in the metric of each claim that has one of its own, by the claim's index.
    """
    costs = {(each.arm, each.reference): each.cost_ratio for each in comparison.contrasts}
    found, left_out = [], set(comparison.left_out)
    for index, claim in enumerate(study.claims):
        measure, contrasts = comparison.measure, comparison.contrasts
        if claim.metric is not None:
            measure, contrasts = measure_of(claim.metric), list(own.get(index, []))
        by_pair = {(each.arm, each.reference): each for each in contrasts}
        parts = [
            _part(pair, prediction, by_pair.get(pair), costs.get(pair, {}), measure)
            for pair, prediction in study.predicted(claim).items()
            if left_out.isdisjoint(pair)
        ]
        if claim.predicts and not parts:
            answer, rest = Answer.undecided, "its arms are left out at this scale."
        elif parts:
            answer = answer_of([part.outcome for part in parts])
            rest = parts_sentence(parts, measure, comparison.study.labels)
        else:
            answer, rest = published_answer(comparison.published)
        trained = parts and not measure.metric.startswith("cost/")
        length = short_training(comparison) if trained else ""
        opening = f"{answer}, after {length}" if length else answer
        sentence = f"{opening}: {rest}"
        found.append(
            Claim(says=claim.says, measure=measure, parts=parts, answer=answer, sentence=sentence)
        )
    return found


def own_contrasts(study: Study, runs: Mapping[str, Mapping[int, Run]]) -> dict[int, list[Contrast]]:
    """The contrasts of each claim with a metric of its own, by the claim's index.

    They are a family of their own. A claim whose metric a run lacks is left out.

    Args:
        study: as it was asked.
        runs: by arm and seed; arms that failed are missing.
    """
    found = {}
    for index, claim in enumerate(study.claims):
        pairs = [pair for pair in study.predicted(claim) if set(pair) <= runs.keys()]
        if claim.metric is None or claim.margin is None or not pairs:
            continue
        against = {arm: [other for each, other in pairs if each == arm] for arm, _ in pairs}
        asked = replace(
            study, arms=list(against), against=against, metric=claim.metric, margin=claim.margin
        )
        scores: dict[str, Scores] = {}
        for arm in dict.fromkeys(name for pair in pairs for name in pair):
            values = {seed: measured(run, claim.metric) for seed, run in runs[arm].items()}
            known = {seed: value for seed, value in values.items() if value is not None}
            scores[arm] = {claim.metric: known}
        if all(each[claim.metric] for each in scores.values()):
            found[index], _ = contrasts_of(asked, measure_of(claim.metric), scores)
    return found


def _part(
    pair: tuple[str, str],
    prediction: Prediction,
    contrast: Contrast | None,
    cost_ratio: Mapping[str, float | None],
    measure: Measure,
) -> ClaimPart:
    """One contrast of a claim; one that could not be compared shows nothing."""
    verdict = contrast.verdict if contrast else Verdict.inconclusive
    quality = prediction.of_quality(higher_is_better=measure.higher_is_better)
    return ClaimPart(
        arm=pair[0],
        reference=pair[1],
        predicted=prediction,
        verdict=verdict,
        outcome=outcome_of(verdict, quality),
        mean=contrast.difference.mean if contrast else None,
        interval=contrast.interval if contrast else None,
        margin=contrast.margin if contrast else None,
        cost_ratio=dict(cost_ratio),
    )


# Sentences


def parts_sentence(parts: Sequence[ClaimPart], measure: Measure, labels: Mapping[str, str]) -> str:
    """What a claim's contrasts show, in words: each of a few, or how many of many."""
    if len(parts) > FEW:
        return f"{_many(parts, measure, labels)}{_compute(parts, measure, labels)}."
    clauses = [_one(part, measure, labels) + _compute([part], measure, labels) for part in parts]
    return f"{'; '.join(clauses)}."


def _amount(value: float, measure: Measure) -> str:
    """A value with its unit, without its sign: ``0.14 points``."""
    return text.number(abs(value), measure.decimals) + _unit(measure)


def _unit(measure: Measure) -> str:
    """The unit of a difference behind its number; may be empty."""
    unit = "points" if measure.unit == "percentage points" else measure.unit
    return f" {unit}" if unit else ""


def _times(ratio: float) -> str:
    return f"{ratio:.1f}" if ratio < 100 else f"{ratio:,.0f}"  # noqa: PLR2004 - three digits


def _one(part: ClaimPart, measure: Measure, labels: Mapping[str, str]) -> str:
    """One contrast in words: its direction, its size, and whether that is below the margin."""
    arm, reference = (labels.get(name, name) for name in (part.arm, part.reference))
    if part.mean is None or part.margin is None:
        return f"{arm} and {reference} were not compared, because a value is missing"
    ratio = part.cost_ratio.get(measure.metric.removeprefix("cost/"))
    if measure.metric.startswith("cost/") and ratio is not None:
        times = "as many" if ratio == 1 else f"{_times(ratio)} times as many"
        return f"{arm} has {times} {measure.label} as {reference}"
    scored = measure.metric.partition("/")[0] != "use"
    subject, other = (arm, reference) if scored else (f"{measure.label} with {arm}", reference)
    margin = _amount(part.margin, measure)
    if part.verdict is Verdict.inconclusive:
        bounds = (
            text.interval(part.interval, measure.decimals, with_signs=True)
            if part.interval
            else "without an interval"
        )
        size = text.signed(part.mean, measure.decimals) + _unit(measure)
        return f"{subject} is not shown to differ from {other}, {size} {bounds}"
    if part.verdict is Verdict.equivalent:
        return f"{subject} is no different from {other} within the margin of {margin}"
    above = "above" if part.mean > 0 else "below"
    relation = f"{part.verdict.finding} than" if scored else above
    size = f"{subject} is {relation} {other} by {_amount(part.mean, measure)}"
    if part.verdict.startswith("negligibly"):
        return f"{size}, less than the margin of {margin}"
    ends = sorted(abs(bound) for bound in part.interval or ())
    return f"{size} {text.interval(ends, measure.decimals)}"


def _many(parts: Sequence[ClaimPart], measure: Measure, labels: Mapping[str, str]) -> str:
    """Each of a few contrasts that are shown, as predicted or otherwise; how many of more."""
    references = list(dict.fromkeys(labels.get(part.reference, part.reference) for part in parts))
    one, total = len(references) == 1, len(parts)
    noun = "arms" if len({part.arm for part in parts}) == total else "comparisons"
    alike = len({part.predicted for part in parts}) == 1

    def other(count: int) -> str:
        return references[0] if one else "its reference" if count == 1 else "their references"

    def predicted(count: int) -> str:
        return f"{RELATIONS[parts[0].predicted]} {other(count)}" if alike else "as predicted"

    shown, otherwise, undecided = (
        [part for part in parts if part.outcome is outcome] for outcome in Outcome
    )
    clauses = []
    if not shown:
        clauses.append(f"none of {total} {noun} is shown to be {predicted(1)}")
    elif len(shown) > FEW:
        which = f"all {total}" if len(shown) == total else f"{len(shown)} of {total}"
        sizes = _sizes(shown, measure) if alike else ""
        clauses.append(f"{which} {noun} are {predicted(total)}{sizes}")
    else:
        clauses += [_one(part, measure, labels) for part in shown]
    if shown and len(otherwise) > FEW:
        clauses.append(f"{len(otherwise)} are not")
    elif len(otherwise) <= FEW:
        clauses += [_one(part, measure, labels) for part in otherwise]
    if undecided:
        names = list(dict.fromkeys(labels.get(part.arm, part.arm) for part in undecided))
        subject = text.listed(names) if len(names) <= MOST_NAMES else f"{len(undecided)} {noun}"
        verb = "is" if len(undecided) == 1 else "are"
        unclear = any(part.verdict is not Verdict.inconclusive for part in undecided)
        what = "undecided" if unclear else f"not shown to differ from {other(len(undecided))}"
        clauses.append(f"{subject} {verb} {what}")
    return "; ".join(clauses)


def _sizes(shown: Sequence[ClaimPart], measure: Measure) -> str:
    """The smallest and the largest difference, and how many are smaller than the margin."""
    sizes = sorted(abs(part.mean) for part in shown if part.mean is not None)
    margins = {part.margin for part in shown if part.margin is not None}
    small = [part for part in shown if part.verdict.startswith("negligibly")]
    ends = dict.fromkeys(text.number(size, measure.decimals) for size in (sizes[0], sizes[-1]))
    found = f", by {' to '.join(ends)}{_unit(measure)}"
    if small and len(margins) == 1:
        count = "each" if len(small) == len(shown) else f"{len(small)} of them"
        found += f", {count} by less than the margin of {_amount(margins.pop(), measure)}"
    return found


def _compute(parts: Sequence[ClaimPart], measure: Measure, labels: Mapping[str, str]) -> str:
    """The multiply-accumulates that go with a difference in a score, if they differ, too."""
    compared = [part.cost_ratio.get("macs") for part in parts if part.mean is not None]
    ratios = [ratio for ratio in compared if ratio is not None]
    if measure.metric.partition("/")[0] in {"cost", "use"} or not ratios:
        return ""
    if all(1 / SIMILAR <= ratio <= SIMILAR for ratio in ratios):
        return ""
    names, noun = {part.arm for part in parts}, "arms"
    if max(ratios) < 1:
        ratios = [1 / ratio for ratio in ratios]
        names, noun = {part.reference for part in parts}, "references"
    [*_, name] = names
    subject = labels.get(name, name) if len(names) == 1 else f"the {noun}"
    ends = dict.fromkeys(_times(ratio) for ratio in (min(ratios), max(ratios)))
    return f" ({subject}: {' to '.join(ends)} times the multiply-accumulates)"
