"""The dependencies of each stage in `dvc.yaml` are its imports, and its lists are complete.

A stage depends on packages, on its command and on top-level modules. With a line for each module,
DVC, which reads the lock file in every command, took most of a `dvc repro` with nothing to do.

After a change of imports: CONVCHOICE_WRITE_GOLDEN=1 pytest tests/pipeline/test_stages.py
"""

import os
import re
import shlex
from typing import Any

import pytest
import yaml

from convchoice import CONF_DIR, PROJECT_ROOT
from convchoice.config.parameters import read_parameters
from convchoice.config.study import read_study
from imports import needed_modules, package_of


def write_dependencies() -> None:
    """Write the code that each stage depends on to `dvc.yaml`."""
    path = PROJECT_ROOT / "dvc.yaml"
    lines: list[str] = []
    stage = ""
    for line in path.read_text().splitlines():
        if re.fullmatch(r"  \w+:", line):
            stage = line.strip(" :")
        if not CODE.fullmatch(line.strip(" -")):
            lines.append(line)
        elif line.endswith("/__init__.py"):
            lines += [f"      - {path}" for path in code_of(stage)]
    path.write_text("\n".join(lines) + "\n")


def code_of(stage: str) -> list[str]:
    """The top-level modules, commands and packages that a stage imports.

    Without tracking and the argument parser, which decide no output.
    """
    needed = needed_modules(f"commands.{stage}", without="tracking")
    alone = sorted(name for name in needed if package_of(name) in {"", "commands"})
    packages = sorted({package_of(name) for name in needed} - {"", "commands"})
    files = [f"{name.replace('.', '/')}.py" for name in alone]
    return [f"src/convchoice/{name}" for name in (*files, *packages)]


CODE = re.compile(r"src/convchoice/(commands/)?\w+(\.py)?")
if os.environ.get("CONVCHOICE_WRITE_GOLDEN"):
    write_dependencies()
PIPELINE: dict[str, Any] = yaml.safe_load((PROJECT_ROOT / "dvc.yaml").read_text())
STAGES: dict[str, Any] = PIPELINE["stages"]


def paths(entries: list[Any]) -> list[str]:
    return [next(iter(entry)) if isinstance(entry, dict) else entry for entry in entries]


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_stage_depends_on_exactly_the_code_that_it_imports_and_on_what_exists(stage):
    assert STAGES[stage]["cmd"].startswith(f"convchoice {stage} ")
    assert [path for path in STAGES[stage]["deps"] if CODE.fullmatch(path)] == code_of(stage)
    made = [path for other in STAGES.values() for kind in ("outs", "metrics", "plots")
            for path in paths(other.get(kind, []))]  # fmt: skip
    made += ["data", "runs", "compared/${scale}"]
    for path in STAGES[stage]["deps"]:
        path = path.replace("${item.data.source}", "conf/data/mnist.yaml")  # noqa: PLW2901
        from_a_stage = any(path == out or path.startswith(f"{out}/") for out in made)
        assert from_a_stage or (PROJECT_ROOT / path).exists(), path


def test_outputs_metrics_and_plots_are_declared():
    assert "__pycache__/" in (PROJECT_ROOT / ".dvcignore").read_text().split()
    # Another scale leaves the runs of this one, and a sweep's runs are never removed or cached.
    assert STAGES["train"]["outs"] == [{"trained/${scale}": {"persist": True}}]
    assert STAGES["evaluate"]["outs"] == [{"runs": {"cache": False, "persist": True}}]
    assert "compared/${scale}/${item.study}" in paths(STAGES["compare"]["outs"])
    assert "compared/${scale}" in STAGES["report"]["deps"]  # whichever studies were chosen
    assert paths(STAGES["compare"]["metrics"]) == ["${reports}/${item.study}/metrics.json"]
    assert paths(STAGES["report"]["plots"]) == ["${reports}/figures"]


def test_the_parameters_name_exactly_the_arms_of_their_studies():
    parameters = read_parameters(PROJECT_ROOT / "params.yaml")
    studies = [read_study(CONF_DIR / "study" / f"{name}.yaml") for name in parameters.studies]
    arms = [arm for study in studies for arm in study.all_arms()]
    assert parameters.arms == list(dict.fromkeys(arms))


@pytest.mark.parametrize("stage", list(STAGES))
def test_a_folder_with_a_blank_is_one_word_of_a_command(stage):
    words = []
    for folder in ("reports", "my reports"):
        command = re.sub(r"\$\{(reports|item\.data\.root)\}", folder, STAGES[stage]["cmd"])
        words.append(len(shlex.split(command)))
    assert words[0] == words[1]
