"""A folder of results holds what convchoice wrote there, and what its user keeps there."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from convchoice.errors import UserError
from convchoice.runs.output_files import MANIFEST, read_manifest, write_output


def content(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.is_file() and path.name != MANIFEST]
    return {path.relative_to(folder).as_posix(): path.read_text() for path in files}


def test_an_output_replaces_the_previous_one_and_nothing_of_the_users(tmp_path):
    write_output(tmp_path, {"README.md": "one\ntwo\n", "a/a.svg": "a", "a/b.svg": "b", "old": "o"})
    (tmp_path / "a" / "mine.svg").write_text("mine")
    (tmp_path / "old").write_text("mine now")
    (tmp_path / "README.md").write_bytes(b"one\r\ntwo\r\n")  # converted by git: no change
    write_output(tmp_path, {"README.md": "two", "a/a.svg": "a"})
    expected = {"README.md": "two", "a/a.svg": "a", "a/mine.svg": "mine", "old": "mine now"}
    assert content(tmp_path) == expected


def changed(folder: Path) -> None:
    (folder / "README.md").write_text("one, with my notes")


def unlisted(folder: Path) -> None:
    (folder / "metrics.json").write_text("mine")


def linked(folder: Path) -> None:
    (folder / "figures").rename(folder.parent / "mine")
    (folder / "figures").symlink_to(folder.parent / "mine")


def replaced_by_a_file(folder: Path) -> None:
    folder.rename(folder.with_name("elsewhere"))
    folder.write_text("mine")


def manifest(text: str) -> Callable[[Path], object]:
    return lambda folder: (folder / MANIFEST).write_text(text, encoding="latin-1")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (unlisted, r"metrics\.json: was not written by convchoice"),
        (changed, r"README\.md: was changed after convchoice wrote it"),
        (linked, r"a\.svg"),
        (replaced_by_a_file, "is not a folder"),
        *(
            (manifest(text), "cannot be read as a manifest")
            for text in ("", "[]", "{", '{"files": 3}', "\xff", "[" * 100_000)
        ),
        *(
            (manifest(json.dumps({"files": {name: ["0" * 64]}})), "names a path outside")
            for name in ("../thesis", "/etc/hostname", "a/../../thesis", "..\\thesis", "")
        ),
    ],
)
def test_what_is_not_ours_is_refused_before_anything_is_written(tmp_path, change, message):
    folder = tmp_path / "output"
    write_output(folder, {"README.md": "one", "figures/a.svg": "a"})
    (tmp_path / "thesis").write_text("mine")
    change(folder)
    before = content(tmp_path)
    with pytest.raises(UserError, match=message):
        write_output(folder, {"README.md": "2", "figures/a.svg": "b", "metrics.json": "{}"})
    assert content(tmp_path) == before


def test_a_process_killed_in_between_leaves_every_file_listed(tmp_path):
    write_output(tmp_path, {"README.md": "one"})
    before = (tmp_path / MANIFEST).read_text()
    write_output(tmp_path, {"README.md": "two"})
    assert read_manifest(tmp_path).keys() == {"README.md"}
    files = json.loads(before)["files"]
    both = {"README.md": files["README.md"] + read_manifest(tmp_path)["README.md"]}
    (tmp_path / MANIFEST).write_text(json.dumps({"files": both}))  # killed before the last step
    write_output(tmp_path, {"README.md": "three"})
    assert content(tmp_path) == {"README.md": "three"}
