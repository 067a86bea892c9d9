"""A sweep's jobs: all of them checked first, each composed as seldom as can be."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from convchoice.errors import ConfigurationError, UserError
from convchoice.execution.sweep_jobs import (
    SweepJob,
    checked_jobs,
    chosen_jobs,
    jobs_to_do,
    refuse_foreign_runs,
)
from convchoice.execution.sweep_journal import BEGUN, DONE, FAILED, Journal, Watch
from making import make_run


class Composition:
    """Stands for Hydra's: the overrides as nested values, counted."""

    def __init__(self, **fixed: Any) -> None:
        self.fixed = fixed
        self.calls = 0

    def __call__(self, overrides: Sequence[str]) -> dict[str, Any]:
        self.calls += 1
        values: dict[str, Any] = {**self.fixed}
        for override in overrides:
            key, _, value = override.partition("=")
            group, _, name = key.rpartition(".")
            place = values.setdefault(group, {}) if group else values
            place[name] = int(value) if value.isdecimal() else value
        return values


def batch(*kernels: int, seeds: Sequence[int] = (0, 1, 2)) -> list[list[str]]:
    return [[f"conv.kernel_size={kernel}", f"seed={seed}"] for kernel in kernels for seed in seeds]


SWEPT = ["conv.kernel_size", "seed"]


def test_jobs_that_differ_in_their_seed_alone_are_composed_once() -> None:
    composed = Composition()
    jobs = checked_jobs(batch(3, 2), SWEPT, composed)
    assert composed.calls == 2
    assert [job.name for job in jobs] == [
        f"kernel_size={kernel}/seed-{seed}" for kernel in (3, 2) for seed in range(3)
    ]
    assert jobs[-1].key == ("kernel_size=2", 2)
    assert jobs[-1].config.conv.kernel_size == 2


def test_where_an_override_refers_to_another_key_every_job_is_composed() -> None:
    composed = Composition()
    overrides = [[*one, "run_root=of_${seed}"] for one in batch(3)]
    checked_jobs(overrides, SWEPT, composed)
    assert composed.calls == 3


def test_every_illegal_job_is_named_and_each_reason_said_once() -> None:
    with pytest.raises(UserError) as caught:
        checked_jobs(batch(3, 9, 0, seeds=(0, 1)), SWEPT, Composition())
    said = str(caught.value)
    assert said.startswith("4 of 6 jobs are not legal; nothing was trained.\n")
    assert [line for line in said.splitlines() if line.startswith("  conv")] == [
        f"  conv.kernel_size={kernel} seed={seed}" for kernel in (9, 0) for seed in (0, 1)
    ]
    assert said.count("a 9×9 window does not fit") == 1


def test_jobs_that_would_replace_one_another_are_refused() -> None:
    overrides = [["evaluation.images=5"], ["evaluation.images=6"]]
    composed = Composition(arm="max", evaluation={"curves": ["shift"]})
    with pytest.raises(UserError, match="would replace one another") as caught:
        checked_jobs(overrides, ["evaluation.images"], composed)
    assert "  evaluation.images=5\n  evaluation.images=6\n    all these would be" in str(
        caught.value
    )


def test_a_value_that_is_named_twice_is_refused() -> None:
    with pytest.raises(UserError, match="Name each value of a key once") as caught:
        checked_jobs(batch(3, seeds=(0, 1, 0)), SWEPT, Composition())
    assert str(caught.value).count("  conv.kernel_size=3 seed=0\n") == 2


def test_only_jobs_that_there_are_can_be_chosen() -> None:
    jobs = checked_jobs(batch(3, 2), SWEPT, Composition())
    assert chosen_jobs(jobs, None) == jobs
    assert chosen_jobs(jobs, "kernel_size=2/seed-1") == [jobs[4]]
    assert chosen_jobs(jobs, ["kernel_size=2/seed-1", "kernel_size=3/seed-0"]) == [jobs[0], jobs[4]]
    with pytest.raises(ConfigurationError, match="this sweep has no such job"):
        chosen_jobs(jobs, "kernel_size=5/seed-1")


def test_what_is_not_there_is_to_do_and_a_foreign_run_is_never_replaced(
    tmp_path: Path, data_root: Path
) -> None:
    composed = Composition(run_root=str(tmp_path), data={"root": str(data_root)})
    jobs: list[SweepJob] = checked_jobs(batch(3, seeds=(0, 1)), SWEPT, composed)
    assert jobs_to_do(jobs) == jobs
    refuse_foreign_runs(jobs)
    make_run(tmp_path, "kernel_size=3", 1, config={"conv": {"kernel_size": 2}})
    with pytest.raises(ConfigurationError, match=r"differs in conv\.kernel_size \(2 there, 3 here"):
        refuse_foreign_runs(jobs)


def test_a_jobs_file_says_how_it_ended_or_that_it_was_lost(tmp_path: Path) -> None:
    journal = Journal(tmp_path)
    key = ("max", 3)
    assert (journal.state(key), journal.reason(key)) == ("", "it never began")
    journal.note(key, BEGUN)
    assert journal.state(key) == BEGUN
    assert "lost before its end" in journal.reason(key)
    journal.note(key, FAILED, "no luck", "a traceback")
    assert (journal.state(key), journal.reason(key)) == (FAILED, "no luck")
    journal.note(key, DONE)
    assert journal.state(key) == DONE
    (tmp_path / "jobs" / "max.seed-3.json").write_text("{", encoding="utf-8")
    assert journal.state(key) == BEGUN
    journal.forget(key)
    journal.forget(key)
    assert journal.state(key) == ""


def test_the_watch_counts_what_has_ended(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    journal = Journal(tmp_path)
    keys = [("max", seed) for seed in range(3)]
    watch = Watch(journal, keys, kept=2)
    watch.look()
    assert capsys.readouterr().out == ""
    journal.note(keys[0], DONE)
    journal.note(keys[1], BEGUN)
    watch.look()
    watch.look()
    said = capsys.readouterr().out
    assert said.startswith("sweep: 3 of 5 jobs done, 2 left, about ")
    assert said.count("\n") == 1
    with watch:
        journal.note(keys[1], FAILED, "why")
        journal.note(keys[2], DONE)
    assert "sweep: 5 of 5 jobs done (1 failed)\n" in capsys.readouterr().out
