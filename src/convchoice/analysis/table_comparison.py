"""A study's result from a table of values: the same statistics without what run folders record."""

import math

from convchoice.analysis import arms, contrasts, provenance
from convchoice.analysis.comparison import SCORES, missing_seeds, result_of
from convchoice.analysis.measure import Measure, known_direction, measure_of
from convchoice.analysis.result import Comparison, Dataset, Provenance, Table
from convchoice.analysis.result_arm import ArmResult
from convchoice.analysis.results_table import ResultsTable, Values
from convchoice.config.study import Study
from convchoice.errors import UserError

MOST_DECIMALS = 12


def table_measure(metric: str, *, higher_is_better: bool | None, margin: float) -> Measure:
    """How the values of a table are counted.

    An accuracy or consistency is a fraction of 1 and its differences are percentage points, as in
    run folders. Other metrics keep their own unit, with the decimals that the margin needs.

    Args:
        metric: its name.
        higher_is_better: None if the name tells.
        margin: δ, in the unit of differences.

    Raises:
        UserError: if neither the name nor the caller tells which direction is better.
    """
    named = known_direction(metric)
    direction = named if higher_is_better is None else higher_is_better
    if direction is None:
        raise UserError(
            f"--metric {metric}: the name does not tell which direction is better."
            " Add --higher-is-better or --lower-is-better."
        )
    measure = measure_of(metric)
    decimals = measure.decimals
    if named is None:
        decimals = min(MOST_DECIMALS, max(0, 1 - math.floor(math.log10(margin))))
    return measure.model_copy(update={"higher_is_better": direction, "decimals": decimals})


def check_values(values: Values, measure: Measure, origin: str) -> None:
    """Refuse accuracies that are not fractions of 1.

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
                    " a fraction of 1. Divide percentages by 100, or use another name, such as"
                    " --metric percent_correct --higher-is-better --margin 0.1."
                )


def _arm(study: Study, arm: str, values: Values, table: ResultsTable) -> ArmResult:
    known = {metric: table.metrics.get(metric, {}) for metric in SCORES} | {study.metric: values}
    return ArmResult(
        seeds=sorted(values[arm]),
        reference=study.reference(arm) if arm in study.arms else None,
        scores={
            metric: arms.sample([found[arm][seed] for seed in sorted(found[arm])])
            for metric, found in known.items()
            if arm in found
        },
    )


def compare_table(
    study: Study, table: ResultsTable, values: Values, measure: Measure
) -> Comparison:
    """A study's result from a table.

    Args:
        study: the question.
        table: origin of the values.
        values: of the study's metric.
        measure: how they are counted.

    Raises:
        UserError: for an arm that the table lacks, an accuracy that is not a fraction, or a
            contrast without common seeds.
    """
    for arm in study.all_arms():
        if arm not in values:
            raise UserError(f"{table.title}: has no arm {arm}; it has {', '.join(values)}.")
    check_values(values, measure, table.title)
    found = []
    for arm in study.arms:
        pair = contrasts.pairing(study, arm, {name: list(each) for name, each in values.items()})
        ours, theirs = (
            [values[name][seed] for seed in pair.seeds] for name in (arm, pair.reference)
        )
        difference = contrasts.difference(ours, theirs, measure)
        found.append(contrasts.contrast(pair, difference, measure, study.margin))
    missing = missing_seeds({arm: list(values[arm]) for arm in study.all_arms()})
    return result_of(
        study,
        found,
        measure=measure,
        arms={arm: _arm(study, arm, values, table) for arm in study.all_arms()},
        missing_seeds=missing,
        provenance=Provenance(
            runs=sum(len(values[arm]) for arm in study.all_arms()),
            dataset=Dataset(title=f"the table {table.title}"),
            table=Table(files=list(table.files), digest=table.digest),
        ),
        cautions=provenance.partial_caution(missing),
    )
