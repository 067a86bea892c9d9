"""Results compared with those of git's last commit."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convchoice.analysis.comparison_files import COMPARISON, write_comparison
from convchoice.cli import main as command
from convchoice.commands.check import main
from convchoice.errors import UserError
from made_up_runs import Compare

ERRORS = {"max": [10, 11], "average": [12, 14]}
PARAMS = "scale: quick\narms: [max]\nstudies: [pooling]\nreports: reports\n"


@pytest.fixture
def project(tmp_path: Path, comparison_of: Compare, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A git work tree whose last commit has a result."""
    write_comparison(tmp_path / "reports" / "pooling", comparison_of(ERRORS))
    (tmp_path / "params.yaml").write_text(PARAMS)
    commit(tmp_path)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def commit(folder: Path) -> None:
    git = ["git", "-C", str(folder), "-c", "user.name=a", "-c", "user.email=a@b"]
    for arguments in (["init", "-q"], ["add", "reports"], ["commit", "-q", "-m", "results"]):
        subprocess.run([*git, *arguments], check=True)


def test_the_same_numbers_are_identical(project, capsys):
    main([])
    main(["--params", "params.yaml"])
    assert capsys.readouterr().out == (
        "Identical to the published results: 4 runs, every digit.\n" * 2
    )


def test_the_locale_does_not_count(project):
    """Git writes UTF-8."""
    assert "−" in (project / "reports" / "pooling" / COMPARISON).read_text("utf-8")
    ascii_alone = {"PYTHONUTF8": "0", "LC_ALL": "C", "PYTHONCOERCECLOCALE": "0"}
    line = [sys.executable, "-m", "convchoice", "check"]
    done = subprocess.run(line, env=os.environ | ascii_alone, capture_output=True, check=False)
    assert done.stdout.startswith(b"Identical to the published results: 4 runs"), done.stderr


def test_each_run_that_differs_is_named_with_the_likely_reason(project, comparison_of, capsys):
    native = {"average": {"environment": {"instructions": "native"}}}
    other = comparison_of({"max": [10, 11], "average": [12, 15, 13]}, options=native)
    write_comparison(project / "reports" / "pooling", other)
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        command(["check", "reports"])
    assert ended.value.code == 1
    assert capsys.readouterr().out == (
        "pooling: differs from the published results\n"
        "  average seed 1: accuracy 0.985, published 0.986, nll 0.05, published 0.048\n"
        "  average seed 2: only here\n"
        "  Likely because of:\n"
        "    instructions avx2 and native, published avx2\n"
        "2 of 5 runs differ from the published results.\n"
    )
    main(["--params", "params.yaml"])  # at the end of make repro: not a failure
    assert capsys.readouterr().out == (
        "2 of 5 runs differ from the published results. Which, and why: convchoice check\n"
    )


def test_a_result_that_is_not_in_git(project, comparison_of, capsys):
    write_comparison(project / "reports" / "mine", comparison_of(ERRORS))
    capsys.readouterr()
    main([])
    assert capsys.readouterr().out == (
        "mine: not published\nIdentical to the published results: 4 runs, every digit.\n"
    )
    (project / "reports").rename(project / "others")
    (project / "params.yaml").write_text(PARAMS.replace(": reports", ": others"))
    main(["--params", "params.yaml"])
    assert not capsys.readouterr().out
    with pytest.raises(UserError, match="git's last commit has none of these results"):
        main(["others"])


def test_a_published_result_that_is_none(project):
    path = project / "reports" / "pooling" / COMPARISON
    text = path.read_text()
    path.write_text("{}")
    commit(project)
    path.write_text(text)
    with pytest.raises(UserError, match="the one in git's last commit cannot be read"):
        main([])
