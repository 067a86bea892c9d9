"""Reading and writing a study's result: what is refused, and that only own files are replaced."""

import json
from pathlib import Path
from typing import Any

import pytest

from convchoice.analysis import comparison_files
from convchoice.analysis.comparison_files import (
    COMPARISON,
    FILES,
    comparison_text,
    headline_metrics,
    read_comparison,
    write_comparison,
)
from convchoice.commands.compare import main
from convchoice.errors import RunFolderError, UserError
from made_up_results import made_up_comparison


def test_written_result_is_read_back(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    result = made_up_comparison({"a": ("base", "slightly better")}, {"a": 0.9})
    write_comparison(tmp_path, result)
    read = read_comparison(tmp_path / COMPARISON)
    assert read.model_copy(update={"sha256": ""}) == result
    assert json.loads((tmp_path / "metrics.json").read_text()) == headline_metrics(result)
    monkeypatch.setattr(comparison_files, "MOST_BYTES", 100)
    with pytest.raises(RunFolderError, match="larger than 100 bytes"):
        read_comparison(tmp_path / COMPARISON)


def test_layout_does_not_count_but_numbers_do(tmp_path: Path):
    write_comparison(tmp_path, made_up_comparison({"a": ("base", "better")}))
    path = tmp_path / COMPARISON
    content = json.loads(path.read_text(encoding="utf-8"))
    path.write_text(json.dumps(dict(reversed(content.items()))), encoding="utf-8")
    read_comparison(path)
    content["contrasts"][0]["difference"]["mean"] += 0.001
    path.write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunFolderError, match=r"comparison\.json: was changed after it was written"):
        read_comparison(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "cannot be read"),
        ("[]", "must hold a mapping"),
        ("{}", "schema_version = None, and this version of convchoice reads 4"),
        ('{"schema_version": 2}', "schema_version = 2"),
        ('{"schema_version": 4}', "sha256 does not match"),
        ("[" * 100_000, "cannot be read"),
        ('{"schema_version": ' + "9" * 5_000 + "}", "cannot be read"),
    ],
)
def test_files_without_a_result_are_refused(tmp_path: Path, text: str, message: str):
    path = tmp_path / COMPARISON
    path.write_text(text, encoding="utf-8")
    with pytest.raises(RunFolderError) as caught:
        read_comparison(path)
    assert message in str(caught.value)
    assert len(str(caught.value)) < 1_000


def test_control_characters_are_not_written(tmp_path: Path):
    with pytest.raises(UserError):
        comparison_text(made_up_comparison({}, question="\x1b[2J"))


@pytest.mark.parametrize("name", FILES)
def test_foreign_files_are_refused_before_any_work(tmp_path: Path, refused: Any, name: str):
    (tmp_path / name).write_text("mine", encoding="utf-8")
    options = [str(tmp_path / "none.csv"), "--metric", "accuracy", "--output", str(tmp_path)]
    assert f"{tmp_path / name}: was not written by convchoice" in refused(main, options)
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (tmp_path / name).read_text(encoding="utf-8") == "mine"


HOSTILE = ['"><svg onload=alert(1)>', "\x1b[2J", "a\nb", "../../x", "", "a" * 101, "\u202eabc"]
SCORE = ("arms", "a", "scores", "test/accuracy", "mean")


@pytest.mark.parametrize(
    ("place", "value"),
    [
        *((("study", "name"), name) for name in HOSTILE),
        *((("contrasts", 0, "arm"), name) for name in HOSTILE),
        *((("arms", name), {}) for name in HOSTILE),
        (SCORE, float("inf")),
        (SCORE, 10**400),
        (SCORE, "high"),
        (("arms", "a", "configuration"), {"k": float("inf")}),
        (("arms", "a", "configuration"), {"k" * 100_000: "\x1b"}),
        (("arms", "a", "reference"), "gone"),
        (("arms", "a"), None),
        (("contrasts", 0, "difference", "p_t"), 1.5),
        (("contrasts", 0, "reference"), "gone"),
        (("measure", "unit"), "a\x1b[0m"),
        (("provenance", "dataset", "title"), "a\x00"),
        (("study", "margin"), 0),
        (("pictures",), {"0": {"shape": [10**9, 10**9], "pixels_base64": "AAAA"}}),
        (("unknown",), 1),
    ],
)  # fmt: skip
def test_hostile_names_and_values_are_refused(
    tmp_path: Path, place: tuple[Any, ...], value: object
):
    content = json.loads(comparison_text(made_up_comparison({"a": ("base", "better")})))
    *path, key = place
    block: Any = content
    for part in path:
        block = block[part]
    block[key] = block["a"] if value == {} else value
    content["sha256"] = comparison_files.digest_of(content)
    (tmp_path / COMPARISON).write_text(json.dumps(content), encoding="utf-8")
    with pytest.raises(RunFolderError) as caught:
        read_comparison(tmp_path / COMPARISON)
    message = str(caught.value)
    assert message.startswith(str(tmp_path / COMPARISON))
    assert len(message) < 500 + len(str(tmp_path))
    assert not {"\x1b", "\n"} & set(message)
