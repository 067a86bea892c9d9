"""A published table beside our distribution: where does one printed run fall among ours?

Only for a study with `printed` values. Compares what is comparable and says what is not.
"""

from collections.abc import Mapping, Sequence
from typing import Any

from convchoice.analysis.arm_result import sample, spread
from convchoice.analysis.statistics import wilson_interval
from convchoice.config.study import Study
from convchoice.runs.run import Run

PRINTED_DATASET = "mnist"
PRINTED_TEST_IMAGES = 10_000
"""Size of the test set behind a printed test accuracy: MNIST's."""


def place(printed: float, ours: Sequence[float]) -> dict[str, Any]:
    """Where a printed value falls among ours.

    Returns:
        How many of ours are ``below``, ``equal`` and ``above``; ``percentile`` is the share below
        plus half of the share equal, times 100.
    """
    below = sum(value < printed for value in ours)
    equal = sum(value == printed for value in ours)
    return {
        "below": below,
        "equal": equal,
        "above": len(ours) - below - equal,
        "percentile": 100 * (below + equal / 2) / len(ours),
    }


def _row(metric: str, epoch: int | None, printed: float, ours: Sequence[float]) -> dict[str, Any]:
    return {
        "metric": metric,
        "epoch": epoch,
        "printed": printed,
        "ours": spread(ours),
        "place": place(printed, ours),
    }


def _note(printed_epochs: int, our_epochs: int, dataset: Mapping[str, Any]) -> str:
    """What of the printed table does not compare with ours, and why; empty if all does."""
    if dataset["name"] != PRINTED_DATASET:
        return (
            f"Ours were trained on {dataset['title'] or dataset['name']}, the printed run on"
            f" {PRINTED_DATASET.upper()}: no value of the two compares, and none is ranked."
        )
    if our_epochs < printed_epochs:
        rows = "row 1" if our_epochs == 1 else f"rows 1 to {our_epochs}"
        return (
            f"Ours were trained for {our_epochs} of the printed {printed_epochs} epochs, so only"
            f" {rows} of the table can be compared. The printed test values were taken after"
            f" {printed_epochs} epochs: ours, taken after {our_epochs}, are not comparable with"
            " them."
        )
    if our_epochs > printed_epochs:
        return (
            f"Ours were trained for {our_epochs} epochs and the printed run for {printed_epochs}:"
            " the rows compare, the test values do not."
        )
    return ""


def printed_beside_ours(
    study: Study, runs: Sequence[Run], dataset: Mapping[str, Any]
) -> dict[str, Any]:
    """The printed table and our distribution, row by row.

    Args:
        study: with `printed` values: ``test/*`` were taken once at the end, all others each epoch.
        runs: of the baseline.
        dataset: of all runs.

    Returns:
        ``epochs`` (printed, ours), ``comparable_epochs``, ``rows`` (an epoch of a metric each),
        ``final`` (``test/*``, each with ``comparable``), ``wilson_95`` of the printed test
        accuracy, and a ``note`` on what does not compare.
    """
    per_epoch = {key: row for key, row in study.printed.items() if not key.startswith("test/")}
    at_the_end = {key: row[-1] for key, row in study.printed.items() if key.startswith("test/")}
    ours = len(runs[0].history)
    printed_epochs = max((len(row) for row in per_epoch.values()), default=ours)
    same_data = dataset["name"] == PRINTED_DATASET
    comparable = min(ours, printed_epochs) if same_data else 0
    rows = [
        _row(metric, epoch, printed, [run.history[epoch - 1][metric] for run in runs])
        for metric, table in per_epoch.items()
        if all(metric in row for run in runs for row in run.history)
        for epoch, printed in enumerate(table[:comparable], start=1)
    ]
    final = []
    for metric, printed in at_the_end.items():
        row = _row(metric, None, printed, sample(runs, metric))
        row["comparable"] = same_data and ours == printed_epochs
        if not row["comparable"]:
            row["place"] = None
        final.append(row)
    accuracy = at_the_end.get("test/accuracy")
    wilson = None
    if accuracy is not None:
        right = round(accuracy * PRINTED_TEST_IMAGES)
        interval = wilson_interval(right, PRINTED_TEST_IMAGES)
        wilson = {
            "errors": PRINTED_TEST_IMAGES - right,
            "images": PRINTED_TEST_IMAGES,
            "interval": [interval.low, interval.high],
        }
    return {
        "epochs": {"printed": printed_epochs, "ours": ours},
        "comparable_epochs": comparable,
        "rows": rows,
        "final": final,
        "wilson_95": wilson,
        "note": _note(printed_epochs, ours, dataset),
    }
