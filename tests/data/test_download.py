"""The stage `download`, as a person or DVC starts it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from convchoice import download
from convchoice.config.known_datasets import FILE_NAMES
from convchoice.data import dataset as datasets
from convchoice.data import sources
from convchoice.errors import UserError

REPOSITORY = Path(__file__).resolve().parents[2]
REAL_MNIST = Path(os.environ.get(sources.MIRROR_VARIABLE) or REPOSITORY.parent / "shared" / "mnist")

needs_mnist = pytest.mark.skipif(
    not all((REAL_MNIST / name).is_file() for name in FILE_NAMES),
    reason=f"MNIST's files are not in {REAL_MNIST}; set MNIST_MIRROR to a folder that holds them",
)


@pytest.fixture(autouse=True)
def no_sources(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sources, "PUBLIC_MIRRORS", {})
    monkeypatch.delenv(sources.MIRROR_VARIABLE, raising=False)
    monkeypatch.delenv(download.FALLBACK_VARIABLE, raising=False)


def run(*arguments: str, cwd: Path, **variables: str) -> subprocess.CompletedProcess[str]:
    """The stage as its own process."""
    command = [sys.executable, "-m", "convchoice.download", *arguments]
    return subprocess.run(
        command,
        cwd=cwd,
        env=os.environ | variables,
        capture_output=True,
        text=True,
        check=False,
    )


def test_the_last_line_says_what_is_there(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    download.main([])
    digest = datasets.load(Path("data/raw")).digest
    assert capsys.readouterr().out == (
        "scikit-learn's digits (1,797 handwritten digits): 1,297 training and 500 test images,"
        f" SHA-256 {digest[:12]}…, in data/raw/digits\n"
    )


def test_the_fallback_can_be_turned_off(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no source gave MNIST"):
        download.main(["--root", str(tmp_path / "raw"), "--fallback", "none"])


@pytest.mark.parametrize(("variable", "argument"), [("none", "digits"), ("digits", "none")])
def test_the_variable_sets_the_default_and_the_argument_wins(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, variable: str, argument: str
) -> None:
    monkeypatch.setenv(download.FALLBACK_VARIABLE, variable)
    assert download.default_fallback() == variable
    root = str(tmp_path / "raw")
    for arguments, fallback in (([], variable), (["--fallback", argument], argument)):
        if fallback == "none":
            with pytest.raises(UserError, match="no source gave MNIST"):
                download.main(["--root", root, *arguments])
        else:
            download.main(["--root", root, *arguments])
            assert datasets.load(tmp_path / "raw").name == "digits"


def test_a_variable_that_is_no_choice_ends_with_status_2(tmp_path: Path) -> None:
    finished = run(cwd=tmp_path, **{download.FALLBACK_VARIABLE: "letters"})
    assert finished.returncode == 2
    assert finished.stderr == ("error: CONVCHOICE_FALLBACK=letters: must be one of digits, none.\n")
    assert list(tmp_path.iterdir()) == []


@needs_mnist
def test_mnist_takes_the_fallback_s_place(tmp_path: Path) -> None:
    root = tmp_path / "data" / "raw"
    download.main(["--root", str(root)])
    assert datasets.load(root).name == "digits"
    finished = run(cwd=tmp_path, **{sources.MIRROR_VARIABLE: str(REAL_MNIST.resolve())})
    assert finished.returncode == 0, finished.stderr
    assert finished.stdout == (
        "MNIST (70,000 handwritten digits): 60,000 training and 10,000 test images,"
        " SHA-256 1380708c2768…, in data/raw/mnist\n"
    )
    assert sorted(path.name for path in root.iterdir()) == ["mnist", "provenance.json"]


@needs_mnist
def test_two_processes_at_once_end_with_one_data_set(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "convchoice.download"]
    environment = os.environ | {sources.MIRROR_VARIABLE: str(REAL_MNIST.resolve())}
    both = [
        subprocess.Popen(command, cwd=tmp_path, env=environment, stderr=subprocess.DEVNULL)
        for _ in range(2)
    ]
    assert [process.wait() for process in both] == [0, 0]
    root = tmp_path / "data" / "raw"
    datasets.load(root).verify()
    assert sorted(path.name for path in root.iterdir()) == ["mnist", "provenance.json"]


@pytest.mark.parametrize(("written", "choice"), [("null", "none"), ("digits", "digits")])
def test_the_configuration_file_says_what_to_fall_back_to(
    tmp_path: Path, written: str, choice: str
) -> None:
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "mnist.yaml").write_text(f"fallback: {written}\n", encoding="utf-8")
    assert download.default_fallback(tmp_path) == choice
