"""The README keeps its word: its commands exist, its figures are the report's, its length."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from convchoice import PROJECT_ROOT
from convchoice.choose import chosen
from convchoice.cli import VERBS
from convchoice.compare import main as compare
from convchoice.compose import chosen_studies, composed_arms
from convchoice.config.composition import compose_values
from convchoice.config.validation import arm_from_mapping, arm_text, read_arm
from convchoice.evaluate import evaluate_stage
from convchoice.report import main as report
from convchoice.shapes import main as shapes
from convchoice.train import train_stage
from small_data import store_digits

README = (PROJECT_ROOT / "README.md").read_text(encoding="utf-8")
COMMANDS = [
    line.partition(" #")[0].strip().replace("python -m convchoice.", "convchoice ")
    for block in re.findall(r"```bash\n(.*?)```", README, re.DOTALL)
    for line in block.splitlines()
    if line.strip()
]
COMMAND_VERBS = sorted(
    {command.split()[1] for command in COMMANDS if command.startswith("convchoice ")}
)


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


def test_every_verb_in_it_exists() -> None:
    assert COMMAND_VERBS
    assert set(COMMAND_VERBS) <= {*VERBS, "--help"}


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "convchoice train" in command]
)
def test_its_trainings_compose(command: str) -> None:
    overrides = [
        part if "," not in part else part.partition(",")[0]  # one job of a sweep
        for part in shlex.split(command)[2:]
        if part != "-m"
    ]
    arm_from_mapping(compose_values(overrides, command) | {"arm": "any"}, command)


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "convchoice shapes" in command]
)
def test_its_shapes_are_shown(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    shapes(shlex.split(command)[2:])
    assert "parameters" in capsys.readouterr().out


@pytest.mark.parametrize(
    "command", [command for command in COMMANDS if "convchoice compare" in command]
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


def test_its_own_question_is_one_file_and_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Chosen, composed, trained, measured, compared and reported, on a few digits."""
    (text,) = yaml_blocks()
    own = tmp_path / text.partition("\n")[0].removeprefix("# ")
    own.write_text(text, encoding="utf-8")
    conf = Path(shutil.copytree(PROJECT_ROOT / "conf", tmp_path / "conf"))
    params = Path(shutil.copyfile(PROJECT_ROOT / "params.yaml", tmp_path / "params.yaml"))
    parameters = chosen(str(own), None, params, conf)
    (study,) = chosen_studies(parameters, conf)
    arms = composed_arms(parameters, [study], conf)
    assert [arm.arm for arm in arms] == ["max", "max_same", "average", "average_same"]
    store_digits(tmp_path / "raw")
    trained, runs, configs = (tmp_path / name for name in ("trained", "runs", "configs"))
    configs.mkdir()
    small = {
        "seeds": 2,
        "data": {"train_size": 200, "root": str(tmp_path / "raw")},
        "model": {"filters": [4, 4, 4], "hidden_units": 8},
        "trainer": {"max_epochs": 1, "accelerator": "cpu"},
        "evaluation": {"images": 50},
        "tracking": {"store": "none"},
    }
    for composed in arms:
        values = yaml.safe_load(arm_text(composed))
        values = {k: {**v, **small[k]} if k in small and isinstance(v, dict) else v
                  for k, v in (values | {"seeds": 2}).items()}  # fmt: skip
        (configs / f"{composed.arm}.yaml").write_text(yaml.safe_dump(values), encoding="utf-8")
        arm = read_arm(configs / f"{composed.arm}.yaml")
        train_stage(configs / f"{arm.arm}.yaml", trained, "")
        evaluate_stage(configs / f"{arm.arm}.yaml", trained, runs)
    reports = tmp_path / "reports"
    monkeypatch.setattr("sys.argv", ["compare"])
    compare([
        "--study", str(conf / "study" / own.name), "--runs", str(runs),
        "--configs", str(configs), "--output", str(reports / "edges"),
    ])  # fmt: skip
    report(["--studies", "edges", "--reports", str(reports)])
    assert "average_same" in capsys.readouterr().out
    page = (reports / "index.html").read_text(encoding="utf-8")
    assert study.question in page
    assert "shift" in page


def committed(path: str) -> str:
    """A committed file: a run of one's own replaces the one on disk."""
    if not (PROJECT_ROOT / ".git").exists():
        pytest.skip("this is no git clone: the committed report cannot be looked up")
    shown = subprocess.run(
        ["git", "-C", str(PROJECT_ROOT), "show", f"HEAD:{path}"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout


def test_every_row_of_its_results_is_in_the_report_at_full_training() -> None:
    report = committed("reports/full/README.md")
    block = README.partition("<!-- results")[2].partition("<!-- end of results -->")[0]
    rows = [line for line in block.splitlines() if line.startswith("| ")]
    assert len(rows) > 8
    for row in rows:
        assert row in report.splitlines()
    mean, interval, below, equal, above = re.search(
        r"([\d.]+) % (\[[^]]*\]); (\d+) runs lie below .* (\d+) equals it, (\d+) lie above", README
    ).groups()
    assert f"| lecture | 30 | {mean} {interval} |" in report
    assert f"{below} are below it, {equal} equal and {above} above" in report
