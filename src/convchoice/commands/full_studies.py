"""The studies that `convchoice full` computes: which have a result, and which runs are missing.

A result is kept while it is of the present study, and its runs of the present configuration, data,
code and torch. A file beside the result records that.
"""

import hashlib
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from convchoice.analysis.comparison_files import COMPARISON
from convchoice.config.study import Study, read_study
from convchoice.config.validation import read_arm, runs_of
from convchoice.execution.specification import missing_runs, specify
from convchoice.execution.within_time import Arm
from convchoice.runs.output_files import replace_files
from convchoice.runs.run import RunSpecification
from convchoice.runs.run_folder import read_failure

CONFIGS, RUNS, REPORTS = "configs", "runs", "reports"
INPUTS = "inputs.sha256"
"""Beside a result: SHA-256 of what it was made from."""


class Work:
    """The studies that are wanted, and what is complete of them.

    Args:
        output: folder of configurations, runs and results.
        wanted: names or files of studies, in this order.
    """

    def __init__(self, output: Path, wanted: Sequence[str]) -> None:
        """Read the configurations and look at the runs of studies without a present result."""
        self.output, self.configs = output, output / CONFIGS
        files = [self.configs / "studies" / f"{Path(name).stem}.yaml" for name in wanted]
        self.studies = [read_study(file) for file in files]
        names = dict.fromkeys(arm for study in self.studies for arm in study.all_arms())
        arms = [read_arm(self.configs / "arms" / f"{arm}.yaml") for arm in names]
        self.runs: dict[str, list[RunSpecification]] = {arm: [] for arm in names}
        for run in specify([run for arm in arms for run in runs_of(arm)], output / RUNS):
            self.runs[run.arm].append(run)
        self._inputs = {study.name: self._inputs_of(study) for study in self.studies}
        missing = {arm: _missing(self.runs[arm]) for arm in self.open_arms()}
        self.todo = [Arm(arm, tuple(runs)) for arm, runs in missing.items() if runs]
        self.complete = {arm for arm, runs in missing.items() if not runs}
        self._comparisons: dict[str, subprocess.Popen[bytes]] = {}

    def _inputs_of(self, study: Study) -> str:
        """SHA-256 of what decides a study's result: its definition, its runs, their evaluation."""
        digest = hashlib.sha256((self.configs / "studies" / f"{study.name}.yaml").read_bytes())
        for arm in study.all_arms():
            for run in self.runs[arm]:
                images = run.config.evaluation.images
                digest.update(
                    f"{run.key} {run.fingerprint} {run.evaluation_code} {images}\n".encode()
                )
        return digest.hexdigest()

    def has_result(self, study: Study) -> bool:
        """Whether the result of a study is written, from the present definition and runs."""
        folder = self.output / REPORTS / study.name
        if not (folder / COMPARISON).is_file() or not (folder / INPUTS).is_file():
            return False
        return (folder / INPUTS).read_text(encoding="utf-8") == self._inputs[study.name]

    def outdated(self) -> list[str]:
        """The names of the studies that have a result, but not a present one."""
        results = self.output / REPORTS
        found = [study for study in self.studies if (results / study.name / COMPARISON).is_file()]
        return [study.name for study in found if not self.has_result(study)]

    def open_arms(self) -> dict[str, list[str]]:
        """The names of the studies without a present result, by arm in their order."""
        arms: dict[str, list[str]] = {}
        for study in self.studies:
            for arm in () if self.has_result(study) else study.all_arms():
                arms.setdefault(arm, []).append(study.name)
        return arms

    def add_complete(self, arm: str) -> None:
        """Note that an arm is complete, and compare the studies that have waited for it."""
        self.complete.add(arm)
        self.compare([study for study in self.studies if arm in study.all_arms()])

    def compare(self, studies: Sequence[Study]) -> None:
        """Start to compare those of some studies whose arms are complete."""
        for study in studies:
            if self.has_result(study) or not self.complete.issuperset(study.all_arms()):
                continue
            command = [
                sys.executable, "-m", "convchoice", "compare", "--brief",
                "--study", self.configs / "studies" / f"{study.name}.yaml",
                "--definition", self.configs / "definitions" / f"{study.name}.json",
                "--configs", self.configs, "--runs", self.output / RUNS,
                "--output", self.output / REPORTS / study.name,
            ]  # fmt: skip
            (self.output / REPORTS / study.name / INPUTS).unlink(missing_ok=True)
            self._comparisons[study.name] = subprocess.Popen(list(map(str, command)))

    def finish(self, deadline: float) -> int:
        """Wait for the comparisons until a `time.monotonic()`, then end them; how many failed."""
        failed = 0
        for name, process in self._comparisons.items():
            try:
                process.wait(max(0.0, deadline - time.monotonic()))
            except subprocess.TimeoutExpired:
                print(f"{name}: no time was left for its comparison", flush=True)
                process.kill()
                process.wait()
            if process.returncode == 0:
                replace_files(self.output / REPORTS / name, {INPUTS: self._inputs[name]})
            failed += process.returncode != 0
        return failed


def _missing(runs: Sequence[RunSpecification]) -> list[RunSpecification]:
    """The runs that are neither complete nor known to diverge."""
    failures = {run.key: read_failure(run.folder) or {} for run in runs}
    return missing_runs([r for r in runs if failures[r.key].get("fingerprint") != r.fingerprint])
