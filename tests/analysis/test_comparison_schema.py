"""The page that documents `comparison.json` says what is written, no less and no more."""

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from convchoice.analysis.comparison import SCHEMA_VERSION
from convchoice.compare import main
from convchoice.runs.run_folder import read_json
from made_up_inside import made_up_inside
from making import Compared, curve_points

PAGE = Path(__file__).parents[2] / "docs" / "comparison.md"
ROW = re.compile(r"^\| `([^`]+)`( [†‡])? \|(.*)\|$", re.MULTILINE)
ERRORS = {"max": [10, 11, 12], "average": [30, 33, 31]}


def rows() -> dict[str, tuple[str, str]]:
    """Of each documented key its mark and its meaning."""
    found = ROW.findall(PAGE.read_text(encoding="utf-8"))
    return {key: (mark.strip(), meaning) for key, mark, meaning in found}


def paths(value: Any, path: str = "") -> Iterator[str]:
    """The paths of a comparison, names that vary and units replaced as the page does."""
    if isinstance(value, dict) and value:
        for key, item in value.items():
            name = "<arm>" if path == "arms" else re.sub(r"_percentage_points$", "_U", key)
            yield from paths(item, f"{path}.{name}" if path else name)
    elif isinstance(value, list) and value and isinstance(value[0], dict):
        for item in value:
            yield from paths(item, f"{path}[]")
    else:
        yield path


VARYING = {
    "arms.<arm>.configuration", "arms.<arm>.differs_from_partner", "arms.<arm>.curves",
    "contrasts[].curves", "failed", "made.versions", "partial.missing_seeds", "pictures",
}  # fmt: skip


def documented(path: str, keys: dict[str, tuple[str, str]]) -> bool:
    """Whether a path has a row, or is a part that the row of what it lies in names."""
    part = ""
    while path and path not in keys and path.removesuffix("[]") not in keys:
        path, _, part = path.rpartition(".")
    if not path:
        return False
    row = path if path in keys else path.removesuffix("[]")
    part = part.replace("_U", "_percentage_points")
    named = f"`{part}`" in keys[row][1] or "likewise" in keys[row][1]
    return not part or row in VARYING or named


def test_every_key_of_a_comparison_is_documented(compared: Compared):
    options = {
        arm: {
            "picture_shape": (4, 4),
            "curves": curve_points(),
            "epochs": 2,
            "inside": made_up_inside(),
        }
        for arm in ERRORS
    }
    comparison = compared(ERRORS, options=options)
    keys = rows()
    missing = {path for path in paths(comparison) if not documented(path, keys)}
    assert not missing


def test_every_documented_key_is_there(compared: Compared):
    kept = {"picture_shape": (4, 4), "epochs": 1, "inside": made_up_inside()}
    options = dict.fromkeys(ERRORS, kept)
    comparison = compared(ERRORS, options=options)
    there = {f"{path}." for path in paths(comparison)}
    for key in rows():
        found = any(re.match(re.escape(key) + r"(\.|\[\])", path) for path in there)
        assert found, key


def test_the_page_names_the_version():
    text = PAGE.read_text(encoding="utf-8")
    assert f"**Schema version {SCHEMA_VERSION}.**" in text
    assert re.search(rf"^\| {SCHEMA_VERSION} \|", text, re.MULTILINE)


def value_at(comparison: Any, key: str) -> list[Any]:
    """What stands at a documented key, once an arm or contrast."""
    found = [comparison]
    for part in key.split("."):
        name = part.removesuffix("[]")
        found = (
            [item for value in found for item in value.values()]
            if name == "<arm>"
            else [value[name] for value in found if value is not None]
        )
        if part.endswith("[]"):
            found = [item for value in found for item in value]
    return found


def test_what_a_table_does_not_know_is_marked(tmp_path: Path):
    path = tmp_path / "results.csv"
    lines = [f"{arm},{seed},{0.9 + seed / 100}" for arm in ("a", "b") for seed in range(3)]
    path.write_text("\n".join(["arm,seed,value", *lines]), encoding="utf-8")
    main([str(path), "--metric", "test/accuracy", "--output", str(tmp_path)])
    comparison = read_json(tmp_path / "comparison.json")
    for key, (mark, _) in rows().items():
        if key.endswith("_U"):
            continue
        found = value_at(comparison, key)
        if mark == "†":
            assert found, key
            assert all(value is None for value in found), key
        elif mark == "‡":
            assert found, key
            assert all(value is not None and not value for value in found), key
        elif key not in {"arms.<arm>.test/nll", "claim", "contrasts[].p_holm"}:
            empty = [value for value in found if value is None]
            assert not empty or key == "arms.<arm>.partner", key
