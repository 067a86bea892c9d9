"""What changes the fingerprint of a run, and the commit and versions that are recorded with it."""

import subprocess
from pathlib import Path

from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.runs.fingerprint import (
    NUMERIC_MODULES,
    RECORDED_PACKAGES,
    code_digest,
    commit_state,
    environment,
    fingerprint,
)


def test_configuration_seed_data_and_code_each_count():
    base, other_seed = Config(), config_from_mapping({"seed": 1})
    changed = {
        fingerprint(base, "data", "code"),
        fingerprint(base, "data", "code", of_arm=True),
        fingerprint(other_seed, "data", "code"),
        fingerprint(config_from_mapping({"conv": {"stride": 2}}), "data", "code"),
        fingerprint(base, "other data", "code"),
        fingerprint(base, "data", "other code"),
    }
    assert len(changed) == 6
    assert fingerprint(other_seed, "data", "code", of_arm=True) in changed


def write_modules(folder: Path, text: str) -> str:
    for name in NUMERIC_MODULES:
        path = folder.joinpath(*name.split(".")).with_suffix(".py")
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
    return code_digest(folder=folder)


def test_comments_docstrings_and_layout_do_not_count_and_code_does(tmp_path):
    plain = write_modules(
        tmp_path, 'SIDE = 8\n"""Pixels."""\ndef f(x):\n    "f"\n    return 2 * x\n'
    )
    same = 'SIDE = 8\n"""In pixels."""\n\n# why\ndef f(x):\n    """2x."""\n    return (2 *\n  x)\n'
    assert write_modules(tmp_path, same) == plain
    assert write_modules(tmp_path, same.replace("(2 *", "(3 *")) != plain


def git(folder: Path, *arguments: str) -> str:
    identity = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
    command = ["git", "-C", str(folder), *identity, *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip()


def test_the_commit_is_that_of_a_clone_and_whether_it_was_changed(tmp_path, monkeypatch, capsys):
    assert commit_state(tmp_path) == ("unknown", None)
    (tmp_path / "reports").mkdir()
    files = [tmp_path / name for name in ("reports/index.html", "params.yaml", "code.py")]
    for path in files:
        path.write_text("1")
    for command in (("init", "-q"), ("add", "."), ("commit", "-qm", "begin")):
        git(tmp_path, *command)
    commit = git(tmp_path, "rev-parse", "HEAD")
    for path, changed in zip(files, (False, False, True), strict=True):
        assert commit_state(tmp_path) == (commit, False)
        path.write_text("2")
        assert commit_state(tmp_path) == (commit, changed)
    monkeypatch.setenv("GIT_TEST_ASSUME_DIFFERENT_OWNER", "1")
    assert commit_state(tmp_path) == ("unknown", None)
    assert f"git config --global --add safe.directory {tmp_path}" in capsys.readouterr().err
    monkeypatch.delenv("GIT_TEST_ASSUME_DIFFERENT_OWNER")
    # An archive that was unpacked inside the repository.
    assert commit_state(tmp_path / "reports") == ("unknown", None)


def test_the_versions_that_decide_numbers_are_recorded():
    versions = environment()["versions"]
    assert set(versions) == set(RECORDED_PACKAGES)
    assert "unknown" not in versions.values()
