"""Run folders are removed and replaced only if convchoice wrote them."""

from pathlib import Path

import pytest

from convchoice.errors import RunFolderError
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
from convchoice.train import main
from made_up_runs import make_run

FAILURE = {"reason": "the loss is nan", "fingerprint": "f" * 64}


def foreign(path: Path, name: str = "results.json") -> Path:
    path.mkdir(parents=True, exist_ok=True)
    (path / name).write_text("of another program", encoding="utf-8")
    return path / name


def test_training_refuses_to_replace_the_folder_of_another_program(
    tmp_path: Path,
    data_root: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """`train arm=mine run_root=exp` removed exp/mine/seed-0 and its siblings."""
    arguments = ["arm=mine", f"run_root={tmp_path / 'exp'}", f"data.root={data_root}"]
    limits = ["data.train_size=100", "trainer.max_epochs=1", "tracking=none"]
    monkeypatch.setattr("sys.argv", ["train", *arguments, *limits])
    for end in ("", ".partial", ".replaced"):
        path = foreign(tmp_path / "exp" / "mine" / f"seed-0{end}")
        with pytest.raises(SystemExit, match="2"):
            main()
        message = f"error: {path}: was not written by convchoice"
        assert message in capsys.readouterr().err
        assert path.read_text(encoding="utf-8") == "of another program"
        path.unlink()
        path.parent.rmdir()
    record = foreign(tmp_path / "exp" / "mine", "seed-0.failed")
    with pytest.raises(SystemExit, match="2"):
        main()
    assert f"error: {record}: " in capsys.readouterr().err
    assert record.exists()


@pytest.mark.parametrize("name", ["notes.txt", ".DS_Store", "weights.safetensors/part"])
def test_a_foreign_file_in_a_run_of_ours_is_kept(tmp_path: Path, name: str) -> None:
    folder = make_run(tmp_path, "max", 0)
    if "/" in name:
        (folder / "weights.safetensors").unlink()
    path = foreign((folder / name).parent, Path(name).name)
    for act in (check_replaceable, remove_run, lambda path: write_failure(path, FAILURE)):
        with pytest.raises(RunFolderError, match="was not written by convchoice"):
            act(folder)
    assert path.exists()
    assert (folder / "config.yaml").exists()
    assert not failed_path(folder).exists()


def test_known_names_prove_nothing(tmp_path: Path) -> None:
    """Other programs write a config.yaml and a metrics.json too."""
    folder = tmp_path / "max" / "seed-0"
    for name in ("config.yaml", "metrics.json", "environment.json", "fingerprint", "SHA256SUMS"):
        foreign(folder, name)
    with pytest.raises(RunFolderError, match=f"{folder}: was not written by convchoice"):
        check_replaceable(folder)


def test_a_link_is_not_followed(tmp_path: Path) -> None:
    target = make_run(tmp_path, "max", 0)
    link = tmp_path / "max" / "seed-1"
    link.symlink_to(target)
    with pytest.raises(RunFolderError, match="seed-1: was not written by convchoice"):
        remove_run(link)
    assert read_run(target)


@pytest.mark.parametrize("damaged", ["config.yaml", "environment.json", "SHA256SUMS", "none"])
def test_a_run_of_ours_is_removed_even_if_a_file_is_damaged(tmp_path: Path, damaged: str) -> None:
    folder = make_run(tmp_path, "max", 0, evaluated=damaged == "none")
    if damaged != "none":
        (folder / damaged).write_bytes(b"\xff")
    (folder / ".metrics.json.4711").touch()  # a killed process leaves it
    remove_run(folder)
    assert list(folder.parent.iterdir()) == []


def test_a_removal_that_was_killed_is_continued(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """After each number of removed files the rest is still proven to be ours."""
    removed = Path.unlink
    for count in range(1, len(CONTENT)):
        folder = make_run(tmp_path, "max", count)
        left = [count]

        def killed(path: Path, missing_ok: bool = False, left: list[int] = left) -> None:
            if left[0] == 0:
                raise KeyboardInterrupt
            left[0] -= 1
            removed(path, missing_ok=missing_ok)

        with monkeypatch.context() as patched:
            patched.setattr(Path, "unlink", killed)
            try:
                remove_run(folder)
            except KeyboardInterrupt:
                assert not folder.exists()
                assert replaced_path(folder).exists()
        remove_run(folder)
        assert not replaced_path(folder).exists() or not any(replaced_path(folder).iterdir())


def test_a_new_run_or_a_failure_replaces_the_previous_run_completely(tmp_path: Path) -> None:
    folder = make_run(tmp_path, "max", 0, errors=7)

    def fail_half_way() -> None:
        with written(folder) as partial:
            (partial / "metrics.json").touch()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        fail_half_way()
    assert read_run(folder).metrics["test/accuracy"] == 0.993
    make_run(tmp_path, "max", 0, errors=8)
    assert read_run(folder).metrics["test/accuracy"] == 0.992
    assert [path.name for path in folder.parent.iterdir()] == ["seed-0"]
    write_failure(folder, FAILURE)
    failure = read_failure(folder)
    assert failure is not None
    assert failure.items() > FAILURE.items()
    assert not folder.exists()


def test_the_mark_of_a_partial_folder(tmp_path: Path) -> None:
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
    with pytest.raises(RunFolderError, match="was not written by convchoice"):
        start_partial(folder)
    with pytest.raises(RunFolderError, match="was not written by convchoice"):
        finalise(folder)


def test_leftovers_are_removed_together_or_not_at_all(tmp_path: Path) -> None:
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
