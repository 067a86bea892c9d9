"""`dvc.yaml` says the truth: its dependencies are the imports, and its lists are complete.

Where imports changed on purpose: CONVCHOICE_WRITE_GOLDEN=1 pytest tests/test_stages.py
"""

import os
import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from convchoice.choose import arms_of
from convchoice.compose import read_parameters
from convchoice.configuration import CONF_DIR, PROJECT_ROOT
from convchoice.study import read_study
from imports import needed_modules


def write_dependencies() -> None:
    """Put each stage's modules, and no others, into `dvc.yaml`; all else stays as it is."""
    path = PROJECT_ROOT / "dvc.yaml"
    lines: list[str] = []
    stage = ""
    for line in path.read_text(encoding="utf-8").splitlines():
        if re.fullmatch(r"  \w+:", line):
            stage = line.strip(" :")
        if not MODULE.fullmatch(line.strip(" -")):
            lines.append(line)
        elif line.endswith("/__init__.py"):
            modules = sorted(needed_modules(stage))
            lines += [f"      - src/convchoice/{module}.py" for module in modules]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")


MODULE = re.compile(r"src/convchoice/(\w+)\.py")
if os.environ.get("CONVCHOICE_WRITE_GOLDEN"):
    write_dependencies()
PIPELINE: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "dvc.yaml").read_text(encoding="utf-8"))
STAGES: dict[str, Any] = PIPELINE["stages"]


def paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


def test_the_stages_are_the_designs_in_their_order() -> None:
    assert list(STAGES) == ["download", "compose", "train", "evaluate", "compare", "report"]


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_depends_on_exactly_the_modules_that_it_imports(stage: str) -> None:
    declared = {match[1] for path in STAGES[stage]["deps"] if (match := MODULE.fullmatch(path))}
    assert declared == needed_modules(stage)


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_runs_the_module_of_its_name_and_says_what_it_does(stage: str) -> None:
    assert STAGES[stage]["cmd"].startswith(f"python -m convchoice.{stage} ")
    assert len(STAGES[stage]["desc"]) > 20


@pytest.mark.parametrize("stage", list(STAGES))
def test_files_that_a_stage_depends_on_exist_or_are_made_by_another(stage: str) -> None:
    made = [path for other in STAGES.values() for kind in ("outs", "metrics", "plots")
            for path in paths(other.get(kind, []))]  # fmt: skip
    made += ["data", "runs", "compared/${scale}"]
    for path in STAGES[stage]["deps"]:
        path = path.replace("${item.data.name}", "mnist")  # noqa: PLW2901
        from_a_stage = any(path == out or path.startswith(f"{out}/") for out in made)
        assert from_a_stage or (PROJECT_ROOT / path).exists(), path


def test_the_report_depends_on_a_stamp_of_every_study_whichever_were_chosen() -> None:
    assert "compared/${scale}/${item.study}" in paths(STAGES["compare"]["outs"])
    assert "compared/${scale}" in STAGES["report"]["deps"]


def test_the_parameters_name_exactly_the_arms_of_their_studies() -> None:
    parameters = read_parameters(PROJECT_ROOT / "params.yaml")
    chosen = [read_study(CONF_DIR / "study" / f"{name}.yaml") for name in parameters.studies]
    assert parameters.arms == arms_of(chosen)


def test_metrics_and_plots_are_declared() -> None:
    compare = STAGES["compare"]
    assert any("metrics.json" in path for path in paths(compare["metrics"]))
    assert {Path(path).name for path in paths(compare["plots"])} == {
        "learning_curves.csv",
        "differences.csv",
    }
