"""A comparison of other people's results: the same statistics and the same JSON, from a table.

What only run folders know (costs, answers, curves, configurations) is None or empty there; see
`docs/comparison.md`. Never imports torch.
"""

import math
from typing import Any

from convchoice.analysis import arm_result, provenance
from convchoice.analysis.comparison import (
    RATIOS,
    SCORES,
    claim_block,
    common_seeds,
    missing_seeds,
)
from convchoice.analysis.measure import Measure, known_direction, measure_of
from convchoice.analysis.paired_result import adjust, differences_of, verdict_block
from convchoice.analysis.result import Comparison
from convchoice.analysis.results_table import ResultsTable, Values
from convchoice.analysis.version_2 import from_version_2
from convchoice.config.mapping import plain_values
from convchoice.config.study import Study
from convchoice.errors import UserError


def table_measure(metric: str, *, higher_is_better: bool | None, margin: float) -> Measure:
    """How the values of a table are counted.

    An accuracy (or consistency) is a fraction of 1 and its differences are percentage points, as
    in run folders; everything else keeps its own unit, written as finely as the margin needs.

    Args:
        metric: its name.
        higher_is_better: None where the name says it.
        margin: δ, in the unit of differences.

    Raises:
        UserError: if neither the name nor the caller says which way the metric gets better.
    """
    named = known_direction(metric)
    if higher_is_better is None and named is None:
        raise UserError(
            f"--metric {metric}: this name does not say which way it gets better."
            " Say it: --higher-is-better or --lower-is-better."
        )
    changes: dict[str, object] = {
        "higher_is_better": named if higher_is_better is None else higher_is_better
    }
    if named is None:
        changes["decimals"] = min(20, max(0, 1 - math.floor(math.log10(margin))))
    return measure_of(metric).model_copy(update=changes)


def check_values(values: Values, measure: Measure, origin: str) -> None:
    """Refuse accuracies that are no fractions.

    Raises:
        UserError: naming the arm and seed of the first one.
    """
    if measure.unit != "percentage points":
        return
    for arm, by_seed in values.items():
        for seed, value in by_seed.items():
            if not 0 <= value <= 1:
                raise UserError(
                    f"{origin}: arm {arm}, seed {seed}, column value: {value}: {measure.metric} is"
                    " a fraction of 1. Divide percentages by 100, or name the metric otherwise,"
                    " such as --metric percent_correct --higher-is-better --margin 0.1."
                )


def _spread(values: Values | None, arm: str) -> dict[str, Any] | None:
    if values is None or arm not in values:
        return None
    by_seed = values[arm]
    return arm_result.spread([by_seed[seed] for seed in sorted(by_seed)])


def _arm(study: Study, arm: str, values: Values, table: ResultsTable) -> dict[str, Any]:
    costs: dict[str, Any] = dict.fromkeys(arm_result.FIXED_COSTS)
    for name in arm_result.MEASURED_COSTS:
        costs |= {f"{name}_mean": None, f"{name}_values": None}
    return {
        "n": len(values[arm]),
        "seeds": sorted(values[arm]),
        "partner": study.partner(arm) if arm in study.arms else None,
        "configuration": {},
        "differs_from_partner": {},
        **{metric: _spread(table.metrics.get(metric), arm) for metric in SCORES},
        study.metric: _spread(values, arm),
        "costs": costs,
        "learning_curves": {"epoch": [], **dict.fromkeys(arm_result.CURVES)},
        "errors_by_digit": None,
        "confusion": None,
        "curves": [],
        "inside": None,
    }


def _contrast(study: Study, arm: str, values: Values, measure: Measure) -> dict[str, Any]:
    head = common_seeds(study, arm, {name: list(found) for name, found in values.items()})
    ours, theirs = (
        [values[name][seed] for seed in head["seeds"]] for name in (arm, head["partner"])
    )
    return {
        **head,
        **verdict_block(differences_of(ours, theirs, measure), measure, study.margin),
        "nll": None,
        "new_digits": None,
        "mcnemar": None,
        "errors_by_digit": None,
        "confusion_difference": None,
        "flips": None,
        "price": {f"{name.removesuffix('_mean')}_ratio": None for name in RATIOS},
        "curves": [],
    }


def compare_table(
    study: Study, table: ResultsTable, values: Values, measure: Measure
) -> Comparison:
    """A study's result from a table.

    Args:
        study: the question.
        table: where the values are from.
        values: of the study's metric.
        measure: how they are counted.

    Raises:
        UserError: for an arm that the table does not have, an accuracy that is no fraction, or a
            contrast without common seeds.
    """
    for arm in study.all_arms():
        if arm not in values:
            raise UserError(f"{table.title}: has no arm {arm}; there are {', '.join(values)}.")
    check_values(values, measure, table.title)
    contrasts = [_contrast(study, arm, values, measure) for arm in study.arms]
    adjust(contrasts)
    missing = missing_seeds({arm: list(values[arm]) for arm in study.all_arms()})
    made = provenance.made_of_table(
        table.files, table.digest, sum(len(values[arm]) for arm in study.all_arms())
    )
    result = {
        "study": plain_values(study),
        "measure": measure.model_dump(),
        "arms": {arm: _arm(study, arm, values, table) for arm in study.all_arms()},
        "contrasts": contrasts,
        "claim": claim_block(study, contrasts),
        "pictures": {},
        "printed": None,
        "failed": {},
        "partial": {"is_partial": bool(missing), "missing_seeds": missing},
        "made": made,
        "cautions": provenance.partial_caution(missing),
    }
    return from_version_2(arm_result.rounded(result))
