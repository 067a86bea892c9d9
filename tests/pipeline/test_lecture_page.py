"""docs/lecture.md keeps its word: its commands run, its studies, files and tests are there."""

import ast
import re
import shlex
from functools import cache

import pytest

from convchoice.config.arm import arm_from_mapping
from convchoice.config.composition import compose_values, options
from convchoice.config.study import read_study
from convchoice.config.validation import PROJECT_ROOT
from convchoice.errors import UserError
from convchoice.shapes import main as shapes
from lecture_page import FENCES, PAGE, PATH, PROSE, named, table_that_begins

STUDIES = (
    "pooling", "strides_vs_pooling", "padding", "filter_size", "locality", "sharing",
    "pooling_cost", "invariance", "lecture",
)  # fmt: skip
LINES = [
    (command.strip(), comment.strip())
    for language, body in FENCES
    if language == "bash"
    for command, _, comment in (line.partition("#") for line in body.splitlines())
]
COMMANDS = [command for command, _ in LINES] + [
    code
    for code in re.findall(r"`([^`]+)`", PROSE)
    if code.startswith(("python -m", "make repro")) and not re.search("[…<]", code)
]


def begins(start: str) -> list[str]:
    return sorted({command for command in COMMANDS if command.startswith(start)})


def test_its_commands_are_of_four_kinds() -> None:
    kinds = (
        "python -m convchoice.shapes", "python -m convchoice.train", "make repro STUDY=",
        "python -m pytest tests/",
    )  # fmt: skip
    assert all(begins(kind) for kind in kinds)
    assert set(COMMANDS) == {command for kind in kinds for command in begins(kind)}


@pytest.mark.parametrize(
    ("command", "comment"), [line for line in LINES if "convchoice.shapes" in line[0]]
)
def test_its_shapes_show_what_is_said_behind_them(
    command: str, comment: str, capsys: pytest.CaptureFixture[str]
) -> None:
    arguments = shlex.split(command)[3:]
    if comment.startswith("refused"):
        with pytest.raises(UserError):
            shapes(arguments)
        return
    shapes(arguments)
    shown = capsys.readouterr().out
    if comment.startswith("⌊"):
        assert comment in shown
    for said in re.findall(r"block\d\.\w+|\d+(?:[,.×]\d+)*", comment):
        assert re.search(rf"(?<![\d×])(?<!\d,){re.escape(said)}(?!\d|×|,\d)", shown), said
    for quoted in re.findall(r'"(\w+)"', comment):
        assert quoted in shown


@pytest.mark.parametrize("command", begins("python -m convchoice.train"))
def test_its_trainings_compose(command: str) -> None:
    composed = compose_values(shlex.split(command)[3:], command) | {"arm": "any"}
    assert arm_from_mapping(composed, command).config.evaluation.curves


def test_its_studies_are_the_nine_and_their_claims_stand_on_the_slides_that_it_names() -> None:
    head, rows = table_that_begins("study")
    assert tuple(named(row[0]) for row in rows) == STUDIES
    for name, claim, _, command, _ in rows:
        study = read_study(PROJECT_ROOT / "conf" / "study" / f"{named(name)}.yaml")
        slide = re.findall(r'\("(.+)"\)', claim)
        assert f'slide "{slide[0]}"' in study.source
        assert named(command) == f"make repro STUDY={study.name}"
    assert head[3] == "command"
    asked = {command.partition("=")[2].split()[0] for command in begins("make repro")}
    assert asked == set(STUDIES) <= set(options("study"))
    scales = re.search(r"`SCALE` says how much is computed: (.*?\.)", PAGE)
    assert scales is not None
    assert set(re.findall(r"`(\w+)`", scales[1])) == set(options("scale"))


@cache
def functions(file: str) -> frozenset[str]:
    tree = ast.parse((PROJECT_ROOT / file).read_text(encoding="utf-8"))
    return frozenset(node.name for node in tree.body if isinstance(node, ast.FunctionDef))


def slug(heading: str) -> str:
    return re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-")


def test_its_links_lead_somewhere() -> None:
    anchors = {slug(heading) for heading in re.findall(r"^#+ (.*)$", PROSE, re.MULTILINE)}
    targets = re.findall(r"\]\(([^)]+)\)", PROSE)
    assert len(targets) > 30
    for target in targets:
        if target.startswith("#"):
            assert target[1:] in anchors, target
        else:
            assert (PATH.parent / target).exists(), target


def test_the_names_behind_its_files_are_in_them() -> None:
    found = re.findall(r"\]\(([^)#]+)\) \((`\w+`(?:, `\w+`)*)\)", PROSE)
    assert len(found) == 5
    for target, names in found:
        text = (PATH.parent / target).read_text(encoding="utf-8")
        for name in re.findall(r"\w+", names):
            assert re.search(rf"^\s*(class|def) {name}\b", text, re.MULTILINE), name


def test_the_tests_that_it_names_are_there() -> None:
    nodes = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PROSE)
    assert len(nodes) > 15
    for file, name in nodes:
        assert name in functions(file), name


def test_each_slip_has_its_test() -> None:
    _, rows = table_that_begins("", "slide")
    assert [row[0] for row in rows] == [str(number) for number in range(1, 10)]
    tests = functions("tests/pipeline/test_lecture.py")
    for number, *_, test in rows:
        assert named(test) in tests
        assert named(test).startswith(f"test_slip_{number}_")
    assert {name.split("_")[2] for name in tests if name.startswith("test_slip")} == set(
        "123456789"
    )


def test_every_building_block_says_its_slide_and_what_holds_it() -> None:
    blocks = PAGE.partition("## Building blocks")[2].partition("## The Keras example")[0]
    sections = re.split(r"^### ", blocks, flags=re.MULTILINE)[1:]
    assert len(sections) == 12
    for section in sections:
        assert re.search(r'^Slides? "', section, re.MULTILINE), section[:40]
        assert "Held by [" in section
        assert "```bash\npython -m convchoice.shapes" in section
