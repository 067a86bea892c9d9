"""What a tracking store is told of a study: its answer, its numbers, its result and its figures."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from convchoice.analysis import text as wording
from convchoice.analysis.measure import measure_in
from convchoice.reporting.rendering import render
from convchoice.runs.run_folder import read_json
from convchoice.tracking.life import MlflowTracking

PAGE = "index.html"
FIGURES = "figures"


def note(comparison: Mapping[str, Any]) -> str:
    """A study in Markdown, for its page in MLflow: question, answer, a line a contrast."""
    measure = measure_in(comparison)
    contrasts = [
        {
            "arm": item["arm"],
            "partner": item["partner"],
            "verdict": item["verdict"],
            "difference": f"{wording.difference(item, measure)} {measure.short_unit}",
            "interval": wording.difference_interval(item, measure),
            "price": wording.price(item),
        }
        for item in comparison["contrasts"]
    ]
    return render(
        "study_note.md.j2",
        {
            "question": comparison["study"]["question"],
            "answer": wording.answer(comparison),
            "contrasts": contrasts,
        },
    ).strip()


def tell_study(tracking: MlflowTracking, comparison: Mapping[str, Any], reports: Path) -> None:
    """Tell of a study whose report is there.

    Raises:
        UserError: if its numbers cannot be read.
    """
    name = comparison["study"]["name"]
    there = [
        reports / name / "comparison.json",
        *sorted((reports / FIGURES).glob(f"{name}-*.svg")),
        reports / PAGE,
    ]
    dataset = comparison["made"]["dataset"]
    tracking.study(
        name,
        str(dataset["title"] or dataset["name"]),
        read_json(reports / name / "metrics.json"),
        [path for path in there if path.is_file()],
        note(comparison),
    )
