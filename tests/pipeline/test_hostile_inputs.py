"""Hostile names, keys and values in every kind of file that may come from elsewhere.

Each draw replaces one part of a legal file by a hostile value and reads it. The file is accepted or
refused with a `UserError`. The message is short and has no control character, nothing that was read
contains the value of an environment variable, and no file is written.
"""

import copy
import hashlib
import json
import random
from collections.abc import Callable, Iterator
from functools import partial
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest
import yaml
from jinja2 import TemplateError

from convchoice import CONF_DIR, PROJECT_ROOT
from convchoice.analysis.comparison_files import COMPARISON, read_comparison
from convchoice.analysis.input_table import Columns, read_source, results_table
from convchoice.commands.summary import study_table
from convchoice.config.arm_keys import read_arm_file
from convchoice.config.parameters import read_parameters
from convchoice.config.study import read_study
from convchoice.config.validation import arm_text, read_arm
from convchoice.errors import UserError
from convchoice.networks.geometry_suggestions import fitting_plan
from convchoice.reporting.page import page_view
from convchoice.reporting.rendering import render
from made_up_runs import compose_arm

SECRET = "s3cret-token-value"  # noqa: S105 - what no message may show
DRAWS = [pytest.param(200, id="200"), pytest.param(5_000, marks=pytest.mark.soak, id="5000")]
TEXTS = (
    '"><svg onload=alert(1)>', "<script>alert(1)</script>", "</script><script>alert(1)</script>",
    "javascript:alert(1)", "`code\n\n<img src=x onerror=alert(1)>`", "[a](javascript:alert(1))",
    "${oc.env:CONVCHOICE_TEST_SECRET}", "${oc.env:HOME}", "${hydra:runtime.cwd}", "${arm}", "${",
    "${oc.decode:${oc.env:CONVCHOICE_TEST_SECRET}}", "${${arm}}", "???", "../../etc/passwd",
    "/etc/passwd", "~/.ssh/id_rsa", "a/b", "a\\b", "..", ".", "", " ", "\x1b[2J\x1b[31mred",
    "\x1b]0;title\x07", "\x00", "\r\nSet-Cookie: a=b", "\u202etxt.exe", "\ud800", "a" * 100_000,
    "http://user:pa55word@localhost/x", "tracking.uri=http://localhost:1",
    "tracking.experiment=x-${oc.env:CONVCHOICE_TEST_SECRET}", "data.root=/tmp", "run_root=/tmp",
    "hydra.run.dir=/tmp", "+hydra.job.env_set.A=${oc.env:CONVCHOICE_TEST_SECRET}", "~data",
    "1e-3", "nan", "-0", "0x10", "{{ config }}", "{% for x in y %}", "$(touch owned)",
    "`touch owned`", "network={_target_: os.system, command: touch owned}",
    "optimizer.own={_target_: os.system}", "network={_target_: pathlib.Path}",
)  # fmt: skip
VALUES: tuple[Any, ...] = (
    *TEXTS, None, True, False, 0, -1, 2**63, 10**400, 1e308, -1e308, float("nan"), float("inf"),
    1e-320, [], {}, [[]], {"a": {}}, [None], {"": ""}, {1: 2}, ["max"] * 3, list(range(10_000)),
)  # fmt: skip
RAW = (
    "!!timestamp foo", '!!int ""', '!!float ""', "!!bool x", "!!python/object/apply:os.system [id]",
    "!!python/name:os.system", "!!binary '?'", "!!set {a, b}", "!!omap [a: 1]", "2026-13-45",
    "1" * 5_000, "&a [*a]", "*missing", "[" * 3_000, "{a: 1, a: 2}", "? [a]\n: b", "\t", "%YAML 9",
    "0o9", "1_000", "12:34:56", "'" + "b" * 1_000_000 + "'",
)  # fmt: skip
MARK = "RAW-YAML-HERE"
CELLS = ("9" * 5_000, '"', "arm", "metric", "\ufeff", "a,b", "\r", "0,", "\n", "x" * 200_000)
"""Further hostile cells of a table."""


@pytest.fixture(autouse=True)
def secret(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CONVCHOICE_TEST_SECRET", SECRET)


def places(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Every place of a nested value, itself included."""
    yield path
    if isinstance(value, dict | list):
        for key in value if isinstance(value, dict) else range(len(value)):
            yield from places(value[key], (*path, key))


def changed(document: Any, source: random.Random, values: tuple[Any, ...]) -> Any:
    """The document with one value or key replaced, or one key added."""
    document = copy.deepcopy(document)
    *path, last = source.choice([place for place in places(document) if place])
    inside = document
    for key in path:
        inside = inside[key]
    hostile = source.choice(values)
    kind = source.random()
    if isinstance(inside, dict) and kind < 0.2:
        inside[source.choice(TEXTS)] = inside.pop(last)
    elif isinstance(inside, dict) and kind < 0.3:
        inside[source.choice(TEXTS)] = hostile
    else:
        inside[last] = hostile
    return document


def yaml_file(path: Path, document: Any, source: random.Random) -> None:
    """Write a changed document, one time in four by text that no YAML library writes."""
    if source.random() < 0.25:
        text = yaml.safe_dump(changed(document, source, (MARK,)), allow_unicode=True)
        text = text.replace(MARK, source.choice(RAW))
    else:
        text = yaml.safe_dump(changed(document, source, VALUES), allow_unicode=False)
    path.write_text(text, encoding="utf-8", errors="surrogatepass")


def read(reader: Callable[[], Any], capsys: pytest.CaptureFixture[str]) -> Any:
    """What a reader returns, or None if it refuses the file with a short, printable message."""
    try:
        result = reader()
    except UserError as error:
        message = str(error)
        result = None
        assert len(message) < 3_000, message[:500]
        assert all(each.isprintable() or each == "\n" for each in message), repr(message)[:500]
    else:
        message = ""
    output = capsys.readouterr()
    for text in (message, repr(result), output.out, output.err):
        assert SECRET not in text
        assert "pa55word" not in text or result is not None
        assert "\x1b" not in text
    return result


def studies() -> list[dict[str, Any]]:
    """The shipped studies, and one with an arm of its own."""
    paths = sorted((CONF_DIR / "study").glob("*.yaml"))
    found = [yaml.safe_load(path.read_text()) for path in paths]
    new_arms = {found[0]["arms"][0]: ["conv.kernel_size=5", "arm=max"]}
    return [*found, found[0] | {"new_arms": new_arms}]


def arms() -> list[dict[str, Any]]:
    return [yaml.safe_load(arm_text(compose_arm("max", "quick")))]


def arm_files() -> list[dict[str, Any]]:
    return [{"arm": "max", "seeds": 3, "defaults": [{"override /downsample": "max"}]}]


def parameters() -> list[dict[str, Any]]:
    return [yaml.safe_load((PROJECT_ROOT / "params.yaml").read_text())]


def read_and_plan(path: Path) -> Any:
    """A composed arm; a legal one comes back the same from the file that `compose` writes."""
    arm = read_arm(path)
    fitting_plan(arm)
    path.write_text(arm_text(arm))
    assert read_arm(path) == arm
    return arm


READERS = [
    (read_study, studies), (read_and_plan, arms), (read_arm_file, arm_files),
    (read_parameters, parameters),
]  # fmt: skip


@pytest.mark.parametrize("draws", DRAWS)
@pytest.mark.parametrize(("reader", "legal"), READERS)
def test_hostile_yaml_is_inert(reader, legal, draws, tmp_path, capsys):
    source, documents = random.Random(1), legal()
    for _ in range(draws):
        document = source.choice(documents)
        path = tmp_path / f"{document.get('name', 'max')}.yaml"
        yaml_file(path, document, source)
        read(partial(reader, path), capsys)
        path.unlink()
        assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("draws", DRAWS)
def test_a_hostile_table_is_inert(draws, tmp_path, capsys):
    source = random.Random(4)
    path = tmp_path / "results.csv"
    for _ in range(draws):
        rows = [["arm", "seed", "value"], *(["a", f"{n}", f"0.{n + 1}"] for n in range(3))]
        for _ in range(source.randrange(1, 4)):
            cell = str(source.choice((*VALUES, *CELLS)))
            rows[source.randrange(4)][source.randrange(3)] = cell
        text = "\n".join(",".join(row) for row in rows)
        path.write_text(text, encoding="utf-8", errors="surrogatepass", newline="")
        table = read(lambda: results_table([read_source(path)], Columns()), capsys)
        assert table is None or "<" not in "".join(table.values)
        document = json.dumps(rows[1] + rows[2], ensure_ascii=False)
        path.write_text(document, encoding="utf-8", errors="surrogatepass")
    assert list(tmp_path.iterdir()) == [path]


class Markup(HTMLParser):
    """The elements of a page, each with the names of its attributes."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.elements: set[tuple[str, tuple[str, ...]]] = set()
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.add((tag, tuple(sorted(name for name, _ in attrs))))


@pytest.mark.parametrize("draws", DRAWS)
def test_a_hostile_result_and_its_page_are_inert(draws, tmp_path, capsys):
    source = random.Random(5)
    original = PROJECT_ROOT / "reports" / "full" / "lecture" / COMPARISON
    document = json.loads(original.read_text())
    path = tmp_path / COMPARISON

    def page(comparison: Any) -> str:
        return render("index.html.j2", {**page_view([comparison], [[]]), "folder": "figures"})

    legal = Markup(page(read_comparison(original))).elements
    accepted = 0
    for _ in range(draws):
        content = changed(document, source, VALUES)
        rest = {key: value for key, value in content.items() if key != "sha256"}
        sha256 = hashlib.sha256(json.dumps(rest, sort_keys=True).encode()).hexdigest()
        path.write_text(json.dumps(rest | {"sha256": sha256}))
        comparison = read(partial(read_comparison, path), capsys)
        if comparison is None:
            continue
        assert "<" not in "".join([comparison.study.name, *comparison.arms])
        study_table(comparison)
        if accepted > draws // 20:
            continue
        accepted += 1
        try:
            shown = page(comparison)
        except (LookupError, TypeError, ValueError, ArithmeticError, TemplateError):
            continue  # parts contradict each other: `convchoice report` refuses that
        assert Markup(shown).elements <= legal
        assert not any(char in shown for char in "\x1b\x00\u202e")
    assert accepted > draws // 50
    assert list(tmp_path.iterdir()) == [path]
