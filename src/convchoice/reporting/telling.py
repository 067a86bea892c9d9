"""What a tracking store is told of a study: its answer, its numbers, its result and its figures."""

from pathlib import Path

from convchoice.analysis import text
from convchoice.analysis.comparison_files import COMPARISON, flat_metrics
from convchoice.analysis.result import Comparison
from convchoice.analysis.sentences import answer
from convchoice.reporting.rendering import render
from convchoice.tracking.life import MlflowTracking

PAGE = "index.html"
FIGURES = "figures"


def note(comparison: Comparison) -> str:
    """A study in Markdown, for its page in MLflow: question, answer, a line a contrast."""
    measure = comparison.measure
    contrasts = [
        {
            "arm": item.arm,
            "partner": item.reference,
            "verdict": item.verdict,
            "difference": f"{text.difference(item, measure)} {measure.short_unit}",
            "interval": text.difference_interval(item, measure),
            "price": text.cost_ratio(item.cost_ratio),
        }
        for item in comparison.contrasts
    ]
    return render(
        "study_note.md.j2",
        {
            "question": comparison.study.question,
            "answer": answer(comparison),
            "contrasts": contrasts,
        },
    ).strip()


def tell_study(tracking: MlflowTracking, comparison: Comparison, reports: Path) -> None:
    """Log a study whose report exists."""
    name = comparison.study.name
    there = [
        reports / name / COMPARISON,
        *sorted((reports / FIGURES).glob(f"{name}-*.svg")),
        reports / PAGE,
    ]
    dataset = comparison.provenance.dataset
    tracking.study(
        name,
        str(dataset.title or dataset.name),
        flat_metrics(comparison),
        [path for path in there if path.is_file()],
        note(comparison),
    )
