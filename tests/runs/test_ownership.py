"""Run folders are removed and replaced only if convchoice wrote them."""

from pathlib import Path

import pytest

from convchoice.commands.train import main
from convchoice.errors import RunFolderError, exit_codes
from convchoice.runs.ownership import (
    check_replaceable,
    finalise,
    mark_of,
    remove_leftovers,
    remove_run,
    replaced_path,
    start_partial,
    write_failure,
    written,
)
from convchoice.runs.run import read_run
from convchoice.runs.run_folder import CONTENT, failed_path, read_failure
from made_up_runs import make_run

FAILURE = {"reason": "the loss is nan", "fingerprint": "f" * 64}
NOT_OURS = "was not written by convchoice"


def foreign(path: Path, name: str = "results.json") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_text("of another program")
    return path / name


@pytest.mark.parametrize(
    "name", ["seed-0/a", "seed-0.partial/a", "seed-0.replaced/a", "seed-0.failed"]
)
def test_training_refuses_to_replace_the_files_of_another_program(
    tmp_path, capsys, monkeypatch, name
):
    path = tmp_path / "exp" / "mine" / name
    foreign(path.parent, path.name)
    arguments = ["arm=mine", "downsample=average", f"run_root={tmp_path / 'exp'}", "tracking=none"]
    monkeypatch.setattr("sys.argv", ["train", *arguments])
    with pytest.raises(SystemExit, match="2"), exit_codes():
        main()
    assert f"error: {path}: " in capsys.readouterr().err
    assert path.read_text() == "of another program"


@pytest.mark.parametrize("name", ["notes.txt", ".DS_Store", "weights.safetensors/part"])
def test_a_foreign_file_in_a_run_of_ours_is_kept(tmp_path, name):
    folder = make_run(tmp_path, "max", 0)
    if "/" in name:
        (folder / "weights.safetensors").unlink()
    path = foreign((folder / name).parent, Path(name).name)
    for act in (check_replaceable, remove_run, lambda path: write_failure(path, FAILURE)):
        with pytest.raises(RunFolderError, match=NOT_OURS):
            act(folder)
    assert path.exists()
    assert (folder / "config.yaml").exists()
    assert not failed_path(folder).exists()


def test_known_names_prove_nothing_and_a_link_is_not_followed(tmp_path):
    """Other programs write a config.yaml and a metrics.json too."""
    folder, link = tmp_path / "max" / "seed-0", tmp_path / "max" / "seed-1"
    for name in ("config.yaml", "metrics.json", "environment.json", "fingerprint", "SHA256SUMS"):
        foreign(folder, name)
    link.symlink_to(make_run(tmp_path, "max", 2))
    for path in (folder, link):
        with pytest.raises(RunFolderError, match=f"{path.name}: {NOT_OURS}"):
            remove_run(path)
    assert read_run(tmp_path / "max" / "seed-2")


@pytest.mark.parametrize("damaged", ["config.yaml", "environment.json", "SHA256SUMS", "none"])
def test_a_run_of_ours_is_removed_even_if_a_file_is_damaged(tmp_path, damaged):
    folder = make_run(tmp_path, "max", 0, evaluated=damaged == "none")
    if damaged != "none":
        (folder / damaged).write_bytes(b"\xff")
    (folder / ".metrics.json.4711").touch()  # a killed process leaves it,
    (folder / ".tmpWGQ4Hq").touch()  # as it does what safetensors was writing
    remove_run(folder)
    assert list(folder.parent.iterdir()) == []


@pytest.mark.parametrize("count", range(1, len(CONTENT)))
def test_a_removal_that_was_killed_is_continued(tmp_path, monkeypatch, count):
    """After each number of removed files the rest is still proven to be ours."""
    folder, removed, left = make_run(tmp_path, "max", 0), Path.unlink, iter(range(count))

    def killed(path: Path, missing_ok: bool = False) -> None:
        if next(left, None) is None:
            raise KeyboardInterrupt
        removed(path, missing_ok=missing_ok)

    with monkeypatch.context() as patched:
        patched.setattr(Path, "unlink", killed)
        try:
            remove_run(folder)
        except KeyboardInterrupt:
            assert not folder.exists()
            assert replaced_path(folder).exists()
    remove_run(folder)
    assert not replaced_path(folder).exists()


def test_a_new_run_or_a_failure_replaces_the_previous_run_completely(tmp_path):
    folder = make_run(tmp_path, "max", 0, errors=7)
    with pytest.raises(KeyboardInterrupt), written(folder) as partial:  # noqa: PT012
        (partial / "metrics.json").touch()
        raise KeyboardInterrupt
    assert read_run(folder).metrics["test/accuracy"] == 0.993
    make_run(tmp_path, "max", 0, errors=8)
    assert read_run(folder).metrics["test/accuracy"] == 0.992
    assert [path.name for path in folder.parent.iterdir()] == ["seed-0"]
    write_failure(folder, FAILURE)
    assert (read_failure(folder) or {}).items() > FAILURE.items()
    assert not folder.exists()


def test_the_mark_of_a_partial_folder(tmp_path):
    folder = tmp_path / "max" / "seed-0"
    assert mark_of(folder) is None
    partial = start_partial(folder, "first")
    assert mark_of(folder) == "first"
    (partial / "resume.ckpt").touch()
    start_partial(folder, "second")
    assert mark_of(folder) == "second"
    assert not (partial / "resume.ckpt").exists()
    (partial / "fingerprint").write_bytes(b"")  # killed while it was written
    start_partial(folder)
    foreign(partial, "fingerprint")
    for act in (start_partial, finalise):
        with pytest.raises(RunFolderError, match=NOT_OURS):
            act(folder)


def test_leftovers_are_removed_together_or_not_at_all(tmp_path):
    for seed in range(4):
        make_run(tmp_path, "max", seed)
    write_failure(tmp_path / "max" / "seed-4", FAILURE)
    start_partial(tmp_path / "max" / "seed-5")
    foreign(tmp_path / "max" / "seed-notes")
    path = foreign(tmp_path / "max" / "seed-6")
    with pytest.raises(RunFolderError, match=r"seed-6/results\.json: was not written"):
        remove_leftovers(tmp_path / "max", [0, 1])
    assert read_run(tmp_path / "max" / "seed-3")
    path.unlink()
    remove_leftovers(tmp_path / "max", [0, 1])
    names = sorted(path.name for path in (tmp_path / "max").iterdir())
    assert names == ["seed-0", "seed-1", "seed-notes"]
