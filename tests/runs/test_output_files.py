"""A folder of results holds what convchoice wrote there, and what its user keeps there."""

import json
from pathlib import Path

import pytest

from convchoice.errors import StorageError, UserError
from convchoice.runs.output_files import MANIFEST, read_manifest, write_output


def content(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_a_second_output_replaces_the_first_and_removes_what_it_no_longer_has(
    tmp_path: Path,
) -> None:
    write_output(tmp_path, {"README.md": "one", "figures/a.svg": "a", "figures/b.svg": "b"})
    (tmp_path / "figures" / "mine.svg").write_text("mine")
    write_output(tmp_path, {"README.md": "two", "figures/a.svg": "a"})
    assert content(tmp_path) == {
        "README.md": "two", "figures/a.svg": "a", "figures/mine.svg": "mine",
    }  # fmt: skip


def test_a_file_of_the_users_is_refused_before_anything_is_written(tmp_path: Path) -> None:
    (tmp_path / "metrics.json").write_text("mine")
    with pytest.raises(UserError, match=r"metrics\.json: was not written by convchoice"):
        write_output(tmp_path, {"comparison.json": "{}", "metrics.json": "{}"})
    assert content(tmp_path) == {"metrics.json": "mine"}


def test_a_file_that_the_user_changed_is_neither_replaced_nor_removed(tmp_path: Path) -> None:
    write_output(tmp_path, {"README.md": "one", "old.svg": "old"})
    (tmp_path / "README.md").write_text("one, with my notes")
    with pytest.raises(UserError, match=r"README\.md: was changed after convchoice wrote it"):
        write_output(tmp_path, {"README.md": "two"})
    (tmp_path / "README.md").unlink()
    (tmp_path / "old.svg").write_text("mine now")
    write_output(tmp_path, {"README.md": "two"})
    assert content(tmp_path) == {"README.md": "two", "old.svg": "mine now"}


@pytest.mark.parametrize(
    "name", ["../thesis.txt", "/etc/hostname", "a/../../thesis.txt", "..\\thesis.txt", ""]
)
def test_a_manifest_from_elsewhere_names_nothing_outside_its_folder(
    tmp_path: Path, name: str
) -> None:
    folder = tmp_path / "output"
    folder.mkdir()
    (tmp_path / "thesis.txt").write_text("mine")
    (folder / MANIFEST).write_text(json.dumps({"files": {name: ["0" * 64]}}))
    with pytest.raises(UserError, match="names a path outside"):
        write_output(folder, {"README.md": "one"})
    assert (tmp_path / "thesis.txt").read_text() == "mine"


@pytest.mark.parametrize("text", ["", "[]", "{", '{"files": 3}', "\xff", "[" * 100_000])
def test_a_damaged_manifest_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / MANIFEST).write_text(text, encoding="latin-1")
    with pytest.raises(UserError, match="cannot be read as a manifest"):
        write_output(tmp_path, {"README.md": "one"})


def test_a_linked_folder_is_not_ours(tmp_path: Path) -> None:
    mine, output = tmp_path / "mine", tmp_path / "output"
    write_output(output, {"figures/a.svg": "a"})
    (output / "figures").rename(mine)
    (output / "figures").symlink_to(mine)
    with pytest.raises(UserError, match=r"a\.svg"):
        write_output(output, {"figures/a.svg": "b"})
    assert (mine / "a.svg").read_text() == "a"


def test_a_process_killed_in_between_leaves_every_file_listed(tmp_path: Path) -> None:
    write_output(tmp_path, {"README.md": "one"})
    before = (tmp_path / MANIFEST).read_text()
    write_output(tmp_path, {"README.md": "two"})
    assert read_manifest(tmp_path).keys() == {"README.md"}
    files = json.loads(before)["files"]
    both = {"README.md": files["README.md"] + read_manifest(tmp_path)["README.md"]}
    (tmp_path / MANIFEST).write_text(json.dumps({"files": both}))  # killed before the last step
    write_output(tmp_path, {"README.md": "three"})
    assert content(tmp_path) == {"README.md": "three"}


def test_line_ends_converted_by_git_are_no_change(tmp_path: Path) -> None:
    write_output(tmp_path, {"README.md": "one\ntwo\n"})
    (tmp_path / "README.md").write_bytes(b"one\r\ntwo\r\n")
    write_output(tmp_path, {"README.md": "three\n"})
    assert content(tmp_path) == {"README.md": "three\n"}


def test_a_file_in_the_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "output").write_text("mine")
    with pytest.raises(StorageError, match="is not a folder"):
        write_output(tmp_path / "output", {"README.md": "one"})
