"""What MLflow shows of a study: numbers, result, figures, report, and a note in Markdown."""

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Protocol

from convchoice.analysis import sentences, text
from convchoice.analysis.comparison_files import COMPARISON, flat_metrics
from convchoice.analysis.result import Comparison
from convchoice.reporting.rendering import render

PAGE = "index.html"
FIGURES = "figures"


class StudyLogger(Protocol):
    """What logs a study."""

    def study(
        self,
        name: str,
        dataset: str,
        numbers: Mapping[str, float],
        files: Iterable[Path],
        note: str,
    ) -> None:
        """Log a study: its name, data set, metrics, artifacts and note."""


def study_note(comparison: Comparison) -> str:
    """A study in Markdown: question, answer, a line a contrast."""
    view = {"comparison": comparison, "text": text, "answer": sentences.answer(comparison)}
    return render("study_note.md.j2", view).strip()


def log_study(logger: StudyLogger, comparison: Comparison, reports: Path) -> None:
    """Log a study whose report is in the folder `reports`."""
    name, dataset = comparison.study.name, comparison.provenance.dataset
    figures = sorted((reports / FIGURES).glob(f"{name}-*.svg"))
    files = [reports / name / COMPARISON, *figures, reports / PAGE]
    logger.study(
        name,
        str(dataset.title or dataset.name),
        flat_metrics(comparison),
        [path for path in files if path.is_file()],
        study_note(comparison),
    )
