"""An arm's seeds: what is kept, what is trained, what is removed, and one failure among others."""

import os
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.errors import ConfigurationError, UserError
from convchoice.execution import dealing, seeds
from convchoice.execution.measurement import measure_runs
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import WEIGHTS, run_path
from convchoice.runs.specification import RunSpecification


@pytest.fixture
def configs(data_root: Path) -> Callable[..., list[Config]]:
    def make(count: int, **changes: Any) -> list[Config]:
        values = {
            "arm": "tiny",
            "model": {"filters": [4, 4], "hidden_units": 8},
            "data": {"train_size": 100, "root": str(data_root)},
            "trainer": {"max_epochs": 1, "accelerator": "cpu"},
            "tracking": {"store": "none"},
        }
        one = config_from_mapping(values | changes)
        return [replace(one, seed=seed) for seed in range(count)]

    return make


def written(root: Path) -> dict[str, int]:
    return {
        path.parent.name: path.stat().st_mtime_ns for path in sorted(root.glob(f"*/*/{WEIGHTS}"))
    }


def test_seeds_that_stand_are_kept_missing_ones_trained_and_leftovers_removed(
    tmp_path: Path, configs: Callable[..., list[Config]], capsys: pytest.CaptureFixture[str]
) -> None:
    assert seeds.train_seeds(configs(2), tmp_path) == []
    first = written(tmp_path)
    assert set(first) == {"seed-0", "seed-1"}
    assert seeds.train_seeds(configs(3), tmp_path) == []
    second = written(tmp_path)
    assert set(second) == {"seed-0", "seed-1", "seed-2"}
    assert {seed: second[seed] for seed in first} == first
    assert seeds.train_seeds(configs(1), tmp_path) == []
    assert written(tmp_path) == {"seed-0": first["seed-0"]}
    said = capsys.readouterr().out
    assert "arm tiny: 3 seeds, 2 kept, 1 to train" in said
    assert "arm tiny: 1 seeds, 1 kept, 0 to train" in said


def test_another_configuration_or_a_damaged_folder_is_trained_again(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    seeds.train_seeds(configs(1), tmp_path)
    assert seeds.missing_runs(configs(1), tmp_path) == []
    changed = configs(1, optimizer={"learning_rate": 0.01})
    assert len(seeds.missing_runs(changed, tmp_path)) == 1
    (run_path(tmp_path, "tiny", 0) / "metrics.json").write_text("{", encoding="utf-8")
    assert len(seeds.missing_runs(configs(1), tmp_path)) == 1


def test_side_by_side_gives_the_same_numbers_as_one_after_the_other(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    both = configs(2)
    for folder, workers in (("alone", 1), ("beside", 2)):
        missing = seeds.missing_runs(both, tmp_path / folder)
        assert seeds.train_missing(missing, workers=workers) == []
    for seed in (0, 1):
        alone, beside = (
            read_run(run_path(tmp_path / folder, "tiny", seed)) for folder in ("alone", "beside")
        )
        assert (alone.path / WEIGHTS).read_bytes() == (beside.path / WEIGHTS).read_bytes()
        assert alone.metrics["val/loss"] == beside.metrics["val/loss"]


def test_a_failed_seed_is_reported_and_leaves_the_others_whole(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    well, bad = configs(2)
    bad = replace(bad, optimizer=replace(bad.optimizer, learning_rate=1e30))
    missing = seeds.missing_runs([well, bad], tmp_path)
    failures = seeds.train_missing(missing, workers=1)
    assert [(event.seed, "the loss is" in event.failure) for event in failures] == [(1, True)]
    assert set(written(tmp_path)) == {"seed-0"}


def test_measuring_makes_final_folders_and_names_what_is_missing(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    seeds.train_seeds(configs(1), tmp_path / "trained")
    complete: list[Path] = []
    failures = measure_runs(
        configs(2), tmp_path / "trained", tmp_path / "runs", workers=1, on_complete=complete.append
    )
    assert complete == [run_path(tmp_path / "runs", "tiny", 0)]
    assert read_run(run_path(tmp_path / "runs", "tiny", 0)).evaluated
    assert len(failures) == 1
    assert "seed-1: there is no such run folder" in failures[0].failure


def test_without_data_the_mend_is_said(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    nowhere = configs(1, data={"root": str(tmp_path / "nowhere")})
    with pytest.raises(UserError, match=r"python -m convchoice\.download"):
        seeds.train_seeds(nowhere, tmp_path)


def test_a_stand_in_that_is_forbidden_is_refused(configs: Callable[..., list[Config]]) -> None:
    one = configs(1)[0]
    strict = replace(one, data=replace(one.data, fallback=None))
    with pytest.raises(UserError, match=r"holds scikit-learn's digits .* not mnist"):
        seeds.missing_runs([strict], Path("anywhere"))


def test_workers_fill_the_cores_with_their_threads(
    configs: Callable[..., list[Config]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(dealing, "available_cores", lambda: 8)
    one = configs(1)[0]
    assert dealing.default_workers(one) == 8
    assert dealing.default_workers(replace(one, trainer=replace(one.trainer, threads=3))) == 2
    assert dealing.default_workers(replace(one, trainer=replace(one.trainer, threads=99))) == 1
    assert dealing.default_workers(replace(one, trainer=replace(one.trainer, workers=5))) == 5
    assert os.cpu_count()


def jobs_of(configs: list[Config]) -> list[RunSpecification]:
    return [RunSpecification(config, Path("raw"), Path("folder"), "f") for config in configs]


@pytest.mark.parametrize(
    ("gpu", "together", "precision", "sizes"),
    [
        (False, None, "32-true", [1] * 5),
        (True, None, "32-true", [5]),
        (True, None, "16-mixed", [1] * 5),
        (True, 2, "32-true", [2, 2, 1]),
        (False, 3, "32-true", [3, 2]),
    ],
)
def test_seeds_go_together_on_a_gpu_or_when_asked_to(
    configs: Callable[..., list[Config]],
    monkeypatch: pytest.MonkeyPatch,
    gpu: bool,
    together: int | None,
    precision: str,
    sizes: list[int],
) -> None:
    monkeypatch.setattr(dealing, "gpu_present", lambda: gpu)
    trainer = {"precision": precision, "seeds_together": together}
    groups = dealing.trained_together(jobs_of(configs(5, trainer=trainer)))
    assert [len(group.jobs) for group in groups] == sizes
    assert sorted(seed for group in groups for _, seed in group.runs) == list(range(5))


def test_runs_that_differ_in_more_than_their_seed_are_trained_apart(
    configs: Callable[..., list[Config]],
) -> None:
    trainer = {"seeds_together": 8, "accelerator": "cpu"}
    wide = {"model": {"filters": [8, 8], "hidden_units": 8}}
    mixed = configs(2, trainer=trainer) + configs(3, trainer=trainer, **wide)
    assert [len(group.jobs) for group in dealing.trained_together(jobs_of(mixed))] == [2, 3]


def test_an_arms_seeds_trained_together_are_sealed_one_by_one(
    tmp_path: Path, configs: Callable[..., list[Config]]
) -> None:
    trainer = {"seeds_together": 3, "accelerator": "cpu", "max_epochs": 1}
    missing = seeds.missing_runs(configs(3, trainer=trainer), tmp_path)
    assert seeds.train_missing(missing, workers=1) == []
    assert [read_run(item.folder).environment["seeds_together"] for item in missing] == [3] * 3


def test_float16_seeds_cannot_be_asked_to_go_together(
    configs: Callable[..., list[Config]],
) -> None:
    with pytest.raises(ConfigurationError, match=r"trainer\.seeds_together = 2: in 16-mixed"):
        configs(2, trainer={"precision": "16-mixed", "seeds_together": 2})
