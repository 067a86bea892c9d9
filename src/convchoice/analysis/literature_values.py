"""Published results of one run compared with the baseline's runs: values, and the answer."""

from collections.abc import Sequence

from pydantic import Field

from convchoice.analysis import text
from convchoice.analysis.arm import values_of
from convchoice.analysis.measure import Sample, sample
from convchoice.analysis.provenance import Dataset
from convchoice.analysis.result_types import Count, Interval, Model
from convchoice.analysis.statistics import SIGNIFICANCE, wilson_interval
from convchoice.analysis.verdict import Answer
from convchoice.config.study import Study
from convchoice.runs.events import count
from convchoice.runs.run import Run

PUBLISHED_DATASET = "mnist"
PUBLISHED_TEST_IMAGES = 10_000
"""Size of the test set of a published test accuracy: MNIST's."""


class Rank(Model):
    """Where a published value lies among the runs."""

    below: Count = Field(description="Runs below the published value.")
    equal: Count = Field(description="Runs equal to it.")
    above: Count = Field(description="Runs above it.")
    percentile: float = Field(description="100 × (share below + half of the share equal).")


class PublishedValue(Model):
    """One published value and the baseline's runs."""

    metric: str = Field(description="The metric.")
    epoch: int | None = Field(description="Epoch, from 1; null after the last one.")
    published: float = Field(description="The published value.")
    ours: Sample = Field(description="The baseline's runs.")
    rank: Rank | None = Field(description="Null where the two are not comparable.")

    @property
    def comparable(self) -> bool:
        """Whether both were trained on the same data for the same number of epochs."""
        return self.rank is not None


class WilsonInterval(Model):
    """Wilson's 95 % interval of a published test accuracy."""

    errors: Count = Field(description="Wrong predictions.")
    images: Count = Field(description="Test images.")
    interval: Interval = Field(description="Interval of the accuracy, fractions of 1.")


class PublishedResults(Model):
    """Published values of one run compared with the baseline's runs."""

    published_epochs: Count = Field(description="Epochs of the published run.")
    our_epochs: Count = Field(description="Epochs of the baseline's runs.")
    comparable_epochs: Count = Field(description="Epochs with both; 0 if on other data.")
    by_epoch: list[PublishedValue] = Field(description="A value an epoch of each metric.")
    final: list[PublishedValue] = Field(description="Values of the test set.")
    wilson_95: WilsonInterval | None = Field(description="Of the published test accuracy.")
    note: str = Field(description="What is not comparable and why; may be empty.")


def _value(
    metric: str, epoch: int | None, published: float, ours: Sequence[float], *, comparable: bool
) -> PublishedValue:
    below = sum(value < published for value in ours)
    equal = sum(value == published for value in ours)
    rank = Rank(
        below=below,
        equal=equal,
        above=len(ours) - below - equal,
        percentile=100 * (below + equal / 2) / len(ours),
    )
    return PublishedValue(
        metric=metric,
        epoch=epoch,
        published=published,
        ours=sample(ours, metric),
        rank=rank if comparable else None,
    )


def _note(published_epochs: int, our_epochs: int, dataset: Dataset) -> str:
    """What is not comparable and why; empty if everything is."""
    if dataset.name != PUBLISHED_DATASET:
        return (
            f"Our runs were trained on {dataset.title or dataset.name}, the published run on"
            f" {PUBLISHED_DATASET.upper()}: their values are not comparable."
        )
    if our_epochs < published_epochs:
        rows = "row 1" if our_epochs == 1 else f"rows 1 to {our_epochs}"
        return (
            f"Our runs were trained for {our_epochs} of the {published_epochs} published epochs,"
            f" so only {rows} of the table can be compared. The published test values, taken after"
            f" {published_epochs} epochs, are not comparable with ours, taken after {our_epochs}."
        )
    if our_epochs > published_epochs:
        return (
            f"Our runs were trained for {our_epochs} epochs and the published run for"
            f" {published_epochs}: values by epoch are comparable, the test values are not."
        )
    return ""


def published_results(
    study: Study, runs: Sequence[Run], dataset: Dataset
) -> PublishedResults | None:
    """The published values and ours; None if the study has none.

    Args:
        study: ``test/*`` of its published values were taken once at the end, others each epoch.
        runs: of the baseline.
        dataset: of all runs.
    """
    if not study.printed:
        return None
    by_epoch = {key: row for key, row in study.printed.items() if not key.startswith("test/")}
    final = {key: row[-1] for key, row in study.printed.items() if key.startswith("test/")}
    ours = len(runs[0].history)
    published_epochs = max((len(row) for row in by_epoch.values()), default=ours)
    same_data = dataset.name == PUBLISHED_DATASET
    comparable = min(ours, published_epochs) if same_data else 0
    recorded = [key for key in by_epoch if all(key in row for run in runs for row in run.history)]
    rows = [
        _value(key, epoch, value, [run.history[epoch - 1][key] for run in runs], comparable=True)
        for key in recorded
        for epoch, value in enumerate(by_epoch[key][:comparable], start=1)
    ]
    same = same_data and ours == published_epochs
    wilson = None
    if accuracy := final.get("test/accuracy"):
        correct = round(accuracy * PUBLISHED_TEST_IMAGES)
        wilson = WilsonInterval(
            errors=PUBLISHED_TEST_IMAGES - correct,
            images=PUBLISHED_TEST_IMAGES,
            interval=wilson_interval(correct, PUBLISHED_TEST_IMAGES),
        )
    return PublishedResults(
        published_epochs=published_epochs,
        our_epochs=ours,
        comparable_epochs=comparable,
        by_epoch=rows,
        final=[
            _value(key, None, value, values_of(runs, key), comparable=same)
            for key, value in final.items()
        ],
        wilson_95=wilson,
        note=_note(published_epochs, ours, dataset),
    )


# Published values


def _final_answer(published: float, ours: Sequence[float], rank: Rank) -> tuple[Answer, str]:
    """Outside the range of n runs is another run like them in at most 2 of n + 1 cases."""
    n = len(ours)
    runs = f"our {count(n, 'run')}"
    subject = f"the published test accuracy of {text.percent(published)} %"
    span = " to ".join(dict.fromkeys(map(text.percent, (min(ours), max(ours))))) + " %"
    if not min(ours) <= published <= max(ours):
        side = "above" if published > max(ours) else "below"
        answer = Answer.undecided if 2 / (n + 1) > SIGNIFICANCE else Answer.no
        return answer, (
            f"{subject} is {side} {runs}, {span}. One more run like ours would be above or below"
            f" all of them in 2 of {n + 1} cases."
        )
    verb = "is" if rank.below == 1 else "are"
    return Answer.yes, (
        f"{subject} is within the range of {runs}: {rank.below} {verb} below it, {rank.equal} equal"
        f" and {rank.above} above (range {span})."
    )


def published_answer(published: PublishedResults | None) -> tuple[Answer, str]:
    """Where a published run lies among ours, and what is not comparable."""
    if published is None:
        return Answer.undecided, "no published value could be compared."
    for row in published.final:
        if row.metric == "test/accuracy" and row.rank is not None:
            answer, sentence = _final_answer(row.published, row.ours.values, row.rank)
            return answer, f"{sentence} {published.note}".strip()
    parts = [published.note]
    if rows := [row for row in published.by_epoch if row.metric == "train/accuracy"]:
        row, bounds = rows[-1], rows[-1].ours.interval_95
        within = "" if bounds is None else f" {text.percent_interval(bounds)}"
        parts.insert(
            0,
            f"after epoch {row.epoch} the published training accuracy is"
            f" {text.percent(row.published)} % and ours {text.percent(row.ours.mean)} %{within}.",
        )
    return Answer.undecided, " ".join(parts).strip()
