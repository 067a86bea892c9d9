"""A study's contrasts over a grid of settings."""

from itertools import product
from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis.multiplicity import simultaneous
from convchoice.analysis.sentences import sentence_of, survival_lines, where
from convchoice.analysis.survival import Survival, survival
from convchoice.config.study import study_from_mapping
from convchoice.execution.grid import settings_of
from convchoice.runs.run import Run, read_run
from made_up_runs import make_run, study_values

GRID = {"trainer.max_epochs": [2, 4, 8], "optimizer.name": ["adam", "sgd"]}


@pytest.mark.parametrize(
    ("inside", "expected"),
    [
        ([(2, "adam"), (2, "sgd")], ", all with epochs 2"),
        ([(2, "adam"), (4, "sgd")], ", all with epochs ≤ 4"),
        ([(4, "adam"), (8, "adam")], ", all with epochs ≥ 4 and name adam"),
        ([(2, "sgd"), (8, "sgd")], ", all with name sgd"),
        ([(2, "sgd"), (4, "sgd")], ", all with epochs ≤ 4 and name sgd"),
        ([(2, "sgd"), (4, "adam"), (8, "adam")], ""),
        ([(2, "sgd")], ""),  # one setting is no rule
    ],
)
def test_what_settings_have_in_common(inside: list[tuple[Any, Any]], expected: str) -> None:
    assert where(GRID, [dict(zip(GRID, values, strict=True)) for values in inside]) == expected


@pytest.mark.parametrize(
    ("words", "sentence"),
    [
        (
            ["better", "better", "equivalent", "worse", "inconclusive", "inconclusive"],
            (
                "a beats b in 2 of 6 settings, all with epochs 2; b beats a in 1; they are"
                " equivalent in 1; they are not shown to differ in 2, all with epochs 8."
            ),
        ),
        (["equivalent"] * 6, "a and b are equivalent in 6 of 6 settings."),
        (["inconclusive"] * 6, "a and b are not shown to differ in 6 of 6 settings."),
    ],
)
def test_the_sentence_counts_every_finding(words: list[str], sentence: str) -> None:
    assert sentence_of("a", "b", words, GRID, settings_of(GRID)) == sentence


ERRORS = {  # by number of epochs, of 1,000 images: three seeds of each arm
    2: {"max": [10, 11, 12], "average": [30, 31, 33]},
    4: {"max": [9, 10, 11], "average": [9, 12, 10]},
}
VALIDATION = {2: {"max": 0.98, "average": 0.91}, 4: {"max": 0.97, "average": 0.95}}


def survived(
    root: Path,
    seeds: int,
    earlier: Survival | None = None,
    diverged: tuple[str, int] | None = None,
) -> Survival:
    """The grid with the first seeds of each arm; seed 0 of an arm and a length may be missing."""
    settings = settings_of({"trainer.max_epochs": [2, 4]})
    runs: dict[str, list[list[Run]]] = {"max": [], "average": []}
    for setting, arm in product(settings, runs):
        epochs = setting["trainer.max_epochs"]
        metrics = {"val/accuracy": VALIDATION[epochs][arm]}
        folder = root / f"{seeds}-{epochs}"
        found = [
            read_run(make_run(folder, arm, seed, errors=errors, metrics=metrics))
            for seed, errors in enumerate(ERRORS[epochs][arm][:seeds])
            if seed or diverged != (arm, epochs)
        ]
        runs[arm].append(found)
    study = study_from_mapping(study_values(survive={"trainer.max_epochs": [2, 4]}), "test")
    return survival(study, settings, runs, seeds, earlier)


@pytest.fixture
def found(tmp_path: Path) -> Survival:
    return survived(tmp_path, 3)


def test_cells_by_hand(found: Survival) -> None:
    [contrast] = found.contrasts
    first, second = contrast.cells
    assert first.mean == pytest.approx(-(20 + 20 + 21) / 3 / 10)
    assert second.mean == pytest.approx(-(0 + 2 - 1) / 3 / 10)
    expected = simultaneous([[-2.0, -2.0, -2.1], [0.0, -0.2, 0.1]], flips=False)
    assert [first.interval, second.interval] == [pytest.approx(each.interval) for each in expected]
    assert (first.verdict, second.verdict) == ("worse", "inconclusive")
    assert (first.margin, found.seeds, contrast.family.looks) == (0.1, 3, [3])
    [line] = survival_lines(found)
    assert line == (
        "After 1 epoch of 55,000 images: max beats average in 1 of 2 settings; they are not shown"
        " to differ in 1."
    )


def test_more_seeds_after_a_look_have_wider_intervals(tmp_path: Path, found: Survival) -> None:
    [alone], first = found.contrasts, survived(tmp_path, 2)
    [extended] = survived(tmp_path / "again", 3, first).contrasts
    assert (extended.family.looks, extended.family.extended) == ([2, 3], True)
    assert alone.cells[0].interval is not None
    assert extended.cells[0].interval is not None
    assert extended.cells[0].interval.low < alone.cells[0].interval.low
    other = first.model_copy(update={"settings": [{"trainer.max_epochs": 2}]})
    [fresh] = survived(tmp_path / "fresh", 3, other).contrasts
    assert fresh == alone  # the earlier result is of another grid


def test_each_arm_is_tuned_by_its_own_validation_accuracy(found: Survival) -> None:
    tuned = found.contrasts[0].tuned
    assert tuned is not None
    # max is best with 2 epochs, average with 4: errors 10 11 12 against 9 12 10.
    assert (tuned.arm_setting, tuned.reference_setting) == (1, 0)
    assert tuned.mean == pytest.approx((1 - 1 + 2) / 3 / 10)


def test_a_setting_with_which_a_seed_diverged_is_not_chosen(tmp_path: Path) -> None:
    [best] = survived(tmp_path / "best", 3).contrasts
    [other] = survived(tmp_path / "other", 3, diverged=("max", 2)).contrasts
    assert best.tuned is not None
    assert other.tuned is not None
    assert (best.tuned.reference_setting, other.tuned.reference_setting) == (0, 1)


def test_the_values_are_in_the_result(found: Survival) -> None:
    errors = {arm: [ERRORS[epochs][arm] for epochs in (2, 4)] for arm in ("max", "average")}
    assert found.values == {
        arm: [{seed: 1 - n / 1000 for seed, n in enumerate(each)} for each in by_setting]
        for arm, by_setting in errors.items()
    }
    assert found.validation["average"] == [
        dict.fromkeys(range(3), 0.91),
        dict.fromkeys(range(3), 0.95),
    ]


def test_the_result_survives_its_file(found: Survival) -> None:
    assert Survival.model_validate_json(found.model_dump_json()) == found
