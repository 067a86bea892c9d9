"""What a sweep came to: the comparison and the report of its runs, made by the stages' commands."""

import shlex
import shutil
import statistics
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

from convchoice.execution.places import folder_of
from convchoice.execution.sweep_jobs import SweepJob
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import read_json

REPORT = "report"


@dataclass
class SweepResult:
    """The report of a sweep's whole runs.

    Attributes:
        folder: of the report; there is none where there was nothing to compare.
        studies: one for each data set.
        failed: commands that failed.
    """

    folder: Path
    studies: list[str] = field(default_factory=list)
    failed: list[str] = field(default_factory=list)

    def numbers(self) -> dict[str, float]:
        """The numbers of the comparisons, flat."""
        flat: dict[str, float] = {}
        for study in self.studies:
            path = self.folder / study / "metrics.json"
            flat |= read_json(path) if path.is_file() else {}
        return flat

    def files(self) -> list[Path]:
        """What a person would look at: results, pages, figures."""
        names = ("*/comparison.json", "README.md", "index.html", "figures/*.svg")
        return sorted(path for name in names for path in self.folder.glob(name))


def make_result(
    name: str, jobs: Sequence[SweepJob], folder: Path, baseline: str | None
) -> SweepResult:
    """Compare the arms of the runs that are whole, each data set's by themselves, and report.

    Args:
        name: of the sweep.
        jobs: whose runs are whole, in the sweep's order.
        folder: of the sweep; the report goes into its ``report``.
        baseline: the arm that the others are compared with; None takes the first.
    """
    result = SweepResult(folder / REPORT)
    shutil.rmtree(result.folder, ignore_errors=True)
    by_data: dict[str, list[SweepJob]] = {}
    for job in jobs:
        by_data.setdefault(job.config.data.name.name, []).append(job)
    for data, ours in by_data.items():
        arms = list(dict.fromkeys(str(job.config.arm) for job in ours))
        if len(arms) == 1:
            _say_mean(arms[0], ours)
            continue
        study = name if len(by_data) == 1 else f"{name}-{data}"
        command = [
            "convchoice.compare", *(str(folder_of(job.config)) for job in _arm_by_arm(ours, arms)),
            "--baseline", next((arm for arm in arms if arm == baseline), arms[0]),
            "--name", study, "--output", str(result.folder / study),
        ]  # fmt: skip
        if _done(command, result):
            result.studies.append(study)
    if result.studies:
        studies = ",".join(result.studies)
        _done(["convchoice.report", "--studies", studies, "--reports", str(result.folder)], result)
    return result


def _arm_by_arm(jobs: Sequence[SweepJob], arms: Sequence[str]) -> list[SweepJob]:
    return sorted(jobs, key=lambda job: (arms.index(str(job.config.arm)), job.config.seed))


def _say_mean(arm: str, jobs: Sequence[SweepJob]) -> None:
    """The one arm's mean: there is nothing to compare it with."""
    found = [read_run(folder_of(job.config)).metrics["test/accuracy"] for job in jobs]
    seeds = f"{len(found)} seeds" if len(found) > 1 else "1 seed"
    print(
        f"{arm}: mean test accuracy {statistics.fmean(found):.4f} over {seeds}"
        f" ({min(found):.4f} to {max(found):.4f}); there is no other arm to compare it with",
        flush=True,
    )


def _done(module_and_arguments: Sequence[str], result: SweepResult) -> bool:
    command = [sys.executable, "-m", *module_and_arguments]
    good = subprocess.run(command, check=False).returncode == 0
    if not good:
        result.failed.append(shlex.join(["python", *command[1:]]))
    return good
