"""The README keeps its word: its commands exist, its figures are the report's, its length."""

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from convchoice.arm import arm_from_mapping
from convchoice.composition import compose_values
from convchoice.configuration import PROJECT_ROOT
from convchoice.shapes import main as shapes
from convchoice.study import study_from_mapping

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition(" #")[0].strip()
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
MODULES = sorted(set(re.findall(r"python -m convchoice\.(\w+)", README)))


def yaml_blocks() -> list[str]:
    return re.findall(r"```yaml\n(.*?)```", README, re.DOTALL)


def test_it_can_be_read_in_a_sitting() -> None:
    assert len(README.splitlines()) < 150


def test_every_make_target_that_it_names_is_there() -> None:
    makefile = (PROJECT_ROOT / "Makefile").read_text(encoding="utf-8")
    targets = set(re.findall(r"^([a-z-]+):", makefile, re.MULTILINE))
    named = set(re.findall(r"\bmake ([a-z]+)", README))
    assert {"repro", "test", "ui", "check", "help"} <= named
    assert named <= targets


@pytest.mark.parametrize("module", MODULES)
def test_every_module_that_it_runs_is_there(module: str) -> None:
    assert (PROJECT_ROOT / "src" / "convchoice" / f"{module}.py").is_file()


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "convchoice.train" in command]
)
def test_its_trainings_compose(command: str) -> None:
    overrides = [
        part if "," not in part else part.partition(",")[0]  # one job of a sweep
        for part in shlex.split(command)[3:]
        if part != "-m"
    ]
    arm_from_mapping(compose_values(overrides, command) | {"arm": "any"}, command)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "convchoice.shapes" in command]
)
def test_its_shapes_are_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    shapes(shlex.split(command)[3:])
    assert "parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "convchoice.compare" in command]
)
def test_its_comparisons_have_the_options_that_there_are(command: str) -> None:
    told = subprocess.run(
        [sys.executable, "-m", "convchoice.compare", "--help"],
        capture_output=True,
        text=True,
        check=True,
    )
    for option in re.findall(r"--\w+", command):
        assert option in told.stdout


def test_its_own_question_is_a_legal_arm_and_a_legal_study(tmp_path: Path) -> None:
    arm_text, study_text = yaml_blocks()
    study = study_from_mapping(yaml.safe_load(study_text), "edges.yaml")
    assert study.arms == [yaml.safe_load(arm_text)["arm"]]
    conf = tmp_path / "conf"
    for path in (PROJECT_ROOT / "conf").rglob("*.yaml"):
        copy = conf / path.relative_to(PROJECT_ROOT / "conf")
        copy.parent.mkdir(parents=True, exist_ok=True)
        copy.write_text(path.read_text(encoding="utf-8"), encoding="utf-8")
    (conf / "arm" / "max_same.yaml").write_text(arm_text, encoding="utf-8")
    composed = compose_values(["arm=max_same"], "README", conf)
    assert composed["conv"]["padding"] == "same"


def test_every_figure_of_its_tables_is_the_reports() -> None:
    """Compared with the committed report: a run of one's own replaces the file on disk."""
    shown = subprocess.run(
        ["git", "-C", str(PROJECT_ROOT), "show", "HEAD:reports/README.md"],
        capture_output=True,
        text=True,
        check=False,
    )
    if not (PROJECT_ROOT / ".git").exists():
        pytest.skip("this is no git clone: the committed report cannot be looked up")
    assert shown.returncode == 0, shown.stderr
    block = README.partition("<!-- results")[2].partition("<!-- end of results -->")[0]
    rows = [line for line in block.splitlines() if line.startswith("| ")]
    assert len(rows) > 5
    for row in rows:
        assert row in shown.stdout.splitlines()
