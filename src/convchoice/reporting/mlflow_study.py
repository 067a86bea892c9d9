"""A study as MLflow shows it: numbers, result, figures, report, and a note in Markdown."""

import json
import re
import time
from pathlib import Path

from convchoice.analysis import sentences, text
from convchoice.analysis.comparison_files import COMPARISON, flat_metrics
from convchoice.analysis.result import Comparison
from convchoice.reporting.rendering import render
from convchoice.tracking.mlflow_entry import NOTE, SOURCE, Entry, Point, digest

PAGE = "index.html"
FIGURES = "figures"
ILLEGAL = re.compile(r"[^\w\-. :/]")
"""Characters that MLflow refuses in the name of a metric, such as the `=` of a sweep's arms."""


def study_entry(comparison: Comparison, reports: Path) -> Entry:
    """A study whose report exists; other numbers make another run."""
    name, dataset = comparison.study.name, comparison.provenance.dataset
    title = str(dataset.title or dataset.name)
    metrics = flat_metrics(comparison)
    comparison = comparison.labelled()
    view = {"comparison": comparison, "text": text, "answer": sentences.answer(comparison)}
    note = render("study_note.md.j2", view).strip()
    figures = sorted((reports / FIGURES).glob(f"{name}-*.svg"))
    files = [reports / name / COMPARISON, *figures, reports / PAGE]
    now = int(time.time() * 1000)
    return Entry(
        kind="study",
        id=digest("study", name, title, json.dumps(metrics, sort_keys=True)),
        name=f"study/{name}",
        start=now,
        end=now,
        # MLflow sorts charts by the first word, and these come last.
        points=[
            Point(f"verdict/{ILLEGAL.sub('_', key)}", value, 0, now)
            for key, value in metrics.items()
        ],
        tags={"study": name, "dataset": title, NOTE: note, SOURCE: "convchoice report"},
        files=[path for path in files if path.is_file()],
    )
