"""The runs of a published study: plain files beside its result, from which it is recomputed.

    study.yaml        the study, planned seeds, failed trainings, each arm's configuration
    runs.csv          a row a run: its metrics, and the environment that it was made in
    histories.csv     a row a run and epoch
    predictions.csv   a row a run: its wrong predictions, as image:class with blanks between
    test_labels.txt   the true class of each test image: a digit each, or numbers and blanks
    run_curves.csv    a row a run and point of its curves

What a result has besides, pictures and what is inside the networks, is taken over from the earlier
result.
"""

import csv
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from convchoice.analysis.arm import effective_configuration
from convchoice.analysis.comparison_files import COMPARISON, csv_text, read_content
from convchoice.analysis.introspection import measured
from convchoice.analysis.measure import EDGE_USE
from convchoice.analysis.result import Comparison, DefinitionHistory
from convchoice.config.field_types import flattened, plain_values
from convchoice.config.study import Study, study_from_mapping
from convchoice.config.yaml_files import read_yaml, yaml_text
from convchoice.runs.evaluation_files import COLUMNS, CurvePoint, points_of_rows
from convchoice.runs.run import Run, reading
from convchoice.runs.run_folder import run_path

STUDY = "study.yaml"
RUNS = "runs.csv"
HISTORIES = "histories.csv"
PREDICTIONS = "predictions.csv"
LABELS = "test_labels.txt"
CURVES = "run_curves.csv"
FILES = (STUDY, RUNS, HISTORIES, PREDICTIONS, LABELS, CURVES)
FIX = "Restore the file."
IDENTITY = ("arm", "seed")
NOT_ENVIRONMENT = ("fingerprint", "arm_fingerprint", "evaluation_code")
"""Keys of `environment.json` that are of no use to a reader."""
Labels = NDArray[np.unsignedinteger[Any]]


@dataclass(frozen=True)
class PublishedRun(Run):
    """A run that is read from the files of a published study; it has no folder.

    Configuration and environment have dotted keys instead of groups.
    """

    predicted: tuple[Labels, Labels]
    points: list[CurvePoint]

    @property
    def evaluated(self) -> bool:
        """Whether the run has test metrics."""
        return "test/accuracy" in self.metrics

    def classes(self) -> tuple[Labels, Labels]:
        """The predicted and the true class of each test image, (N,) each."""
        return self.predicted

    def curves(self) -> list[CurvePoint]:
        """The points of the curves."""
        return self.points


# Writing


def _cell(value: Any) -> str:
    """Text as it is, nothing for None, JSON for everything else."""
    if value is None or isinstance(value, str):
        return value or ""
    return json.dumps(value, ensure_ascii=False)


def _table(rows: Sequence[Mapping[str, Any]], columns: Iterable[str] = IDENTITY) -> str:
    """Rows as CSV; columns are those given and any other in the order in which rows have them."""
    names = list(dict.fromkeys([*columns, *(key for row in rows for key in row)]))
    return csv_text(names, ([_cell(row.get(name)) for name in names] for row in rows))


def _errors(classes: Labels, labels: Labels) -> str:
    return " ".join(f"{image}:{classes[image]}" for image in np.flatnonzero(classes != labels))


def _labels_text(labels: Labels) -> str:
    """A digit a label; with classes of two digits a blank after each."""
    wide = labels.max(initial=0) >= 10  # noqa: PLR2004 - decimal
    return "".join(f"{label} " if wide else f"{label}" for label in labels) + "\n"


@dataclass(frozen=True)
class PublishedStudy:
    """A study and the runs that answer it.

    Attributes:
        study: the question.
        planned: seeds by arm; None if they were not planned.
        failed: why runs failed in training, by arm and seed.
        runs: evaluated runs by arm.
        history: when the study was defined; None if that is not recorded.
    """

    study: Study
    planned: Mapping[str, int] | None
    failed: Mapping[str, Mapping[int, str]]
    runs: Mapping[str, Sequence[Run]]
    history: DefinitionHistory | None = None

    def texts(self) -> dict[str, str]:
        """The content of each file by its name."""
        definition = {
            "study": plain_values(self.study),
            "planned_seeds": self.planned,
            "failed": self.failed,
            "definition": None if self.history is None else self.history.model_dump(mode="json"),
            "configurations": {
                arm: effective_configuration(runs[0]) for arm, runs in self.runs.items() if runs
            },
        }
        rows, histories, predictions, points, labels = [], [], [], [], ""
        for run in (run for runs in self.runs.values() for run in runs):
            identity = {"arm": run.arm, "seed": run.seed}
            environment = flattened(run.environment)
            kept = {key: value for key, value in environment.items() if key not in NOT_ENVIRONMENT}
            edge = measured(run, EDGE_USE)
            of_pixels = {} if edge is None else {EDGE_USE: edge}
            rows.append(identity | run.metrics | of_pixels | kept)
            histories += [identity | row | {"epoch": int(row["epoch"])} for row in run.history]
            points += [identity | vars(each) | {"curve": each.curve.name} for each in run.curves()]
            classes, truth = run.classes()
            predictions.append(identity | {"errors": _errors(classes, truth)})
            labels = _labels_text(truth)
        return {
            STUDY: yaml_text(definition),
            RUNS: _table(rows),
            HISTORIES: _table(histories),
            PREDICTIONS: _table(predictions, [*IDENTITY, "errors"]),
            LABELS: labels,
            CURVES: _table(points, [*IDENTITY, *COLUMNS]),
        }


# Reading


def _value(cell: str) -> Any:
    """What `_cell` wrote; text that looks like a number, true, false or a list is read as one."""
    if not cell:
        return None
    coded = cell in {"true", "false"} or cell.startswith("[") or cell.isdecimal()
    return json.loads(cell) if coded else cell


def _numbers(row: Mapping[str, str]) -> dict[str, float]:
    found = {key: json.loads(cell) for key, cell in row.items() if cell}
    if not all(map(math.isfinite, found.values())):
        raise ValueError(row)
    return found


def _rows(path: Path) -> dict[tuple[str, int], list[dict[str, str]]]:
    """The rows of a table by arm and seed, without these."""
    found: dict[tuple[str, int], list[dict[str, str]]] = {}
    with path.open(newline="", encoding="utf-8") as file:
        for row in csv.DictReader(file, strict=True):
            found.setdefault((row.pop("arm"), int(row.pop("seed"))), []).append(row)
    return found


def _classes(errors: str, labels: Labels) -> Labels:
    """The predicted class of each test image, (N,)."""
    classes = labels.copy()
    for error in errors.split():
        image, predicted = error.split(":")
        classes[int(image)] = int(predicted)
    return classes


def is_published(folder: Path) -> bool:
    """Whether a folder holds the runs of a published study."""
    return (folder / STUDY).is_file() and (folder / RUNS).is_file()


def read_published(folder: Path) -> PublishedStudy:
    """The published study in a folder.

    Raises:
        UserError: if the study is not legal.
        RunFolderError: if a file is missing or damaged.
    """
    definition = read_yaml(folder / STUDY)
    study = study_from_mapping(definition.get("study") or {}, str(folder / STUDY))
    runs: dict[str, list[Run]] = {}
    with reading(folder, "the runs of a published study", FIX):
        written = (folder / LABELS).read_text().strip("\n")
        labels = np.array(written.split() if " " in written else list(written), dtype=np.uint16)
        histories, predictions, curves = (
            _rows(folder / name) for name in (HISTORIES, PREDICTIONS, CURVES)
        )
        for (arm, seed), [cells] in _rows(folder / RUNS).items():
            environment = {key: _value(cell) for key, cell in cells.items() if "/" not in key}
            [errors] = [row["errors"] for row in predictions[arm, seed]]
            run = PublishedRun(
                path=run_path(folder, arm, seed),
                config={"arm": arm, "seed": seed, **definition["configurations"][arm]},
                history=[_numbers(row) for row in histories[arm, seed]],
                metrics=_numbers({key: cell for key, cell in cells.items() if "/" in key}),
                environment=environment,
                checksums={},
                predicted=(_classes(errors, labels), labels),
                points=points_of_rows(curves.get((arm, seed), [])),
            )
            runs.setdefault(arm, []).append(run)
        planned, history = definition["planned_seeds"], definition.get("definition")
        defined = history and DefinitionHistory.model_validate(history)
        return PublishedStudy(study, planned, definition["failed"], runs, defined)


# The earlier result


def with_earlier(result: Comparison, folder: Path) -> Comparison:
    """A recomputed result with the pictures and introspections of the result in its folder.

    `provenance.taken_over` names the keys.

    Raises:
        RunFolderError: if the earlier result is damaged.
    """
    path = folder / COMPARISON
    if not path.exists():
        return result
    content, taken = result.model_dump(mode="json"), set[str]()
    with reading(path, "a result of these runs", FIX):
        earlier = read_content(path)  # may be of an earlier schema
        parts = [("pictures", content, earlier)]
        for arm, ours in content["arms"].items():
            parts.append(("introspection", ours, earlier["arms"].get(arm, {})))
        for key, ours, theirs in parts:
            if theirs.get(key):
                ours[key] = theirs[key]
                taken.add(key)
        content["provenance"]["taken_over"] = sorted(taken)
        return Comparison.model_validate(content)
