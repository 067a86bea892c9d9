"""The recorded commit: of a clone, of a changed clone, and without a repository."""

import subprocess
from pathlib import Path

from convchoice.runs.environment import RECORDED_PACKAGES, commit_state, describe


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    done = subprocess.run(
        ["git", "-C", str(folder), *identity, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.strip()


def repository(folder: Path) -> Path:
    folder.mkdir()
    git(folder, "init", "-q")
    (folder / "reports").mkdir()
    (folder / "reports" / "index.html").write_text("1", encoding="utf-8")
    (folder / "params.yaml").write_text("1", encoding="utf-8")
    (folder / "code.py").write_text("1", encoding="utf-8")
    git(folder, "add", ".")
    git(folder, "commit", "-qm", "begin")
    return folder


def test_a_clone_knows_its_commit_and_whether_it_was_changed(tmp_path: Path) -> None:
    folder = repository(tmp_path / "clone")
    commit = git(folder, "rev-parse", "HEAD")
    assert commit_state(folder) == (commit, False)
    (folder / "reports" / "index.html").write_text("2", encoding="utf-8")
    (folder / "params.yaml").write_text("2", encoding="utf-8")
    assert commit_state(folder) == (commit, False)
    (folder / "code.py").write_text("2", encoding="utf-8")
    assert commit_state(folder) == (commit, True)


def test_an_unpacked_archive_has_no_commit_even_inside_a_repository(tmp_path: Path) -> None:
    (tmp_path / "alone").mkdir()
    assert commit_state(tmp_path / "alone") == ("unknown", None)
    inside = repository(tmp_path / "clone") / "unpacked"
    inside.mkdir()
    assert commit_state(inside) == ("unknown", None)


def test_the_versions_that_decide_numbers_are_recorded() -> None:
    described = describe()
    assert set(described["versions"]) == set(RECORDED_PACKAGES)
    assert "unknown" not in described["versions"].values()
