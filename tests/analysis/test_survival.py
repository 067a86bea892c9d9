"""A study's contrasts over a grid of settings, by hand."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis.multiplicity import simultaneous
from convchoice.analysis.provenance import provenance_of_runs
from convchoice.analysis.survival import Survival, sentence_of, survival, where
from convchoice.config.study import study_from_mapping
from convchoice.execution.grid import settings_of
from convchoice.runs.run import Run, read_run
from made_up_runs import make_run, study_values

GRID = {"trainer.max_epochs": [2, 4, 8], "optimizer.name": ["adam", "sgd"]}


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ([(2, "adam"), (2, "sgd")], ", all with trainer.max_epochs = 2"),
        ([(2, "adam"), (4, "sgd")], ", all with trainer.max_epochs ≤ 4"),
        ([(4, "adam"), (8, "adam")], ", all with trainer.max_epochs ≥ 4"),
        ([(2, "sgd"), (8, "sgd")], ", all with optimizer.name = sgd"),
        ([(2, "sgd"), (4, "adam"), (8, "adam")], ""),
        ([(2, "sgd")], ""),  # one setting is no rule
    ],
)
def test_what_settings_have_in_common(inside: list[tuple[Any, Any]], expected: str) -> None:
    assert where(GRID, [dict(zip(GRID, values, strict=True)) for values in inside]) == expected


def test_the_sentence_counts_every_finding() -> None:
    settings = settings_of(GRID)
    words = ["better", "better", "equivalent", "worse", "inconclusive", "inconclusive"]
    assert sentence_of("a", "b", words, GRID, settings) == (
        "a against b, 6 settings: better in 2, all with trainer.max_epochs = 2; worse in 1;"
        " equivalent in 1; inconclusive in 2, all with trainer.max_epochs = 8."
    )


ERRORS = {  # by number of epochs, of 1,000 images: three seeds of each arm
    2: {"max": [10, 11, 12], "average": [30, 31, 33]},
    4: {"max": [9, 10, 11], "average": [9, 12, 10]},
}
VALIDATION = {2: {"max": 0.98, "average": 0.91}, 4: {"max": 0.97, "average": 0.95}}


@pytest.fixture
def found(tmp_path: Path) -> Survival:
    def runs_of(arm: str, setting: Mapping[str, Any]) -> Sequence[Run]:
        epochs = setting["trainer.max_epochs"]
        validation = VALIDATION[epochs][arm]
        metrics = {"val/accuracy": validation}
        return [
            read_run(make_run(tmp_path / str(epochs), arm, seed, errors=errors, metrics=metrics))
            for seed, errors in enumerate(ERRORS[epochs][arm])
        ]

    grid = {"trainer.max_epochs": [2, 4]}
    study = study_from_mapping(study_values(survive=grid), "test")
    return survival(study, grid, settings_of(grid), runs_of, provenance_of_runs)


def test_cells_by_hand(found: Survival) -> None:
    [contrast] = found.contrasts
    first, second = contrast.cells
    assert first.mean == pytest.approx(-(20 + 20 + 21) / 3 / 10)
    assert second.mean == pytest.approx(-(0 + 2 - 1) / 3 / 10)
    expected = simultaneous([[-2.0, -2.0, -2.1], [0.0, -0.2, 0.1]], flips=False)
    assert [first.interval, second.interval] == [pytest.approx(each.interval) for each in expected]
    assert (first.verdict, second.verdict) == ("worse", "inconclusive")
    assert contrast.sentence == "average against max, 2 settings: worse in 1; inconclusive in 1."


def test_each_arm_is_tuned_by_its_own_validation_accuracy(found: Survival) -> None:
    tuned = found.contrasts[0].tuned
    assert tuned is not None
    # max is best with 2 epochs, average with 4: errors 10 11 12 against 9 12 10.
    assert (tuned.arm_setting, tuned.reference_setting) == (1, 0)
    assert tuned.mean == pytest.approx((1 - 1 + 2) / 3 / 10)


def test_the_result_survives_its_file(found: Survival) -> None:
    assert Survival.model_validate_json(found.model_dump_json()) == found
