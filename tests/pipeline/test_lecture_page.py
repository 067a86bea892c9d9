"""docs/lecture.md: its commands print its numbers, and its tables are recomputed."""

import re
import shlex
from collections.abc import Callable
from functools import cache

import pytest

import test_lecture
from convchoice import PROJECT_ROOT
from convchoice.commands.shapes import main as shapes
from convchoice.config.composition import compose_values
from convchoice.config.options import options
from convchoice.config.study import read_study
from convchoice.config.validation import config_from_mapping
from convchoice.errors import UserError
from convchoice.networks.plan import Kind, Plan, PlannedLayer, plan
from made_up_runs import compose_arm

PATH = PROJECT_ROOT / "docs" / "lecture.md"
PAGE = PATH.read_text()
PROSE = re.sub(r"```.*?```", "", PAGE, flags=re.DOTALL)
LINES = [
    (command.strip(), comment.strip())
    for body in re.findall(r"```bash\n(.*?)```", PAGE, re.DOTALL)
    for command, _, comment in (line.partition("#") for line in body.splitlines())
]
SHAPES = [line for line in LINES if line[0].startswith("convchoice shapes")]

Row = list[str]


def cells(line: str) -> Row:
    return [cell.strip() for cell in line.strip().strip("|").split("|")]


def tables() -> list[tuple[Row, list[Row]]]:
    """Head and rows of every table."""
    found = [table.splitlines() for table in re.findall(r"(?:^\|.*\n)+", PROSE, re.MULTILINE)]
    return [(cells(head), [cells(row) for row in rows]) for head, _, *rows in found]


def table(first_column: str) -> list[Row]:
    return next(rows for head, rows in tables() if head[0] == first_column)


@cache
def planned(*overrides: str) -> Plan:
    return plan(config_from_mapping(compose_values(overrides, "docs/lecture.md")))


def layer(of: Plan, name: str) -> PlannedLayer:
    return next(each for each in of.layers if each.name == name)


def windows(of: Plan) -> list[PlannedLayer]:
    return [each for each in of.layers if each.axes is not None or each.kind is Kind.dense_map]


def flattened(of: Plan) -> str:
    flat = [each for each in of.layers if each.kind is Kind.flatten]
    return f"{flat[0].output_shape[0]:,}" if flat else "–"


def convolutions(of: Plan) -> list[PlannedLayer]:
    return [each for each in of.layers if each.kind is Kind.convolution]


def padding(of: Plan) -> str:
    height, width = of.layers[0].axes or (None, None)
    assert height is not None
    assert height == width
    return f"{height.before} + {height.after}"


COLUMNS: dict[str, Callable[[Plan], str]] = {
    "sizes": lambda of: " → ".join(str(each.output_shape[1]) for each in windows(of)),
    "receptive field": lambda of: str((windows(of)[-1].receptive_field or (0, 0))[0]),
    "filters": lambda of: ", ".join(str(each.output_shape[0]) for each in convolutions(of)),
    "padding before + behind": padding,
    "flattened": flattened,
    "flattened or averaged": lambda of: f"{layer(of, 'head.hidden').input_shape[0]:,}",
    "parameters": lambda of: f"{of.parameters:,}",
    "MACs": lambda of: f"{of.macs:,}",
    "pooling operations": lambda of: f"{of.pooling_operations:,}",
    "first layer: parameters": lambda of: f"{of.layers[0].parameters:,}",
    "first layer: MACs": lambda of: f"{of.layers[0].macs:,}",
    "convolutions: parameters": lambda of: f"{sum(each.parameters for each in convolutions(of)):,}",
    "hidden layer: parameters": lambda of: f"{layer(of, 'head.hidden').parameters:,}",
}


@pytest.mark.parametrize(("command", "comment"), SHAPES)
def test_shapes_prints_the_numbers_in_the_comment(command, comment, capsys):
    arguments = shlex.split(command)[2:]
    if comment.startswith("refused"):
        with pytest.raises(UserError):
            shapes(arguments)
        return
    shapes(arguments)
    output = capsys.readouterr().out
    if comment.startswith("⌊"):
        assert comment in output
    for number in re.findall(r"block\d\.\w+|\d+(?:[,.×]\d+)*", comment):
        assert re.search(rf"(?<![\d×])(?<!\d,){re.escape(number)}(?!\d|×|,\d)", output), number


@pytest.mark.parametrize(
    ("head", "row"),
    [(head, row) for head, rows in tables() if head[0] == "override" for row in rows],
    ids=lambda value: value[0],
)
def test_a_row_of_an_override_is_the_plan_of_its_network(head, row):
    network = planned(*shlex.split(row[0].strip("`")))
    assert row[1:] == [COLUMNS[column](network) for column in head[1:]]


def test_the_keras_table_is_the_plan_of_the_recipe():
    rows = []
    for each in planned("arm=lecture", "scale=full").layers:
        depth, *sides = each.output_shape
        shape = "×".join(map(str, [*sides, depth])) if sides else str(depth)
        spatial = each.receptive_field is not None and each.jump is not None
        fields = [str((each.receptive_field or (0,))[0]), str((each.jump or (0,))[0])]
        costs = [f"{each.parameters:,}", f"{each.macs:,}"]
        rows.append([f"`{each.name}`", shape, *costs, *(fields if spatial else ["", ""])])
    assert [row[1:] for row in table("in Keras")] == rows


def test_the_recipe_and_the_published_epochs():
    config = compose_arm("lecture", "full")
    for key, value, _ in table("key"):
        group, name = key.strip("`").split(".")
        used = getattr(getattr(config, group), name)
        assert value.startswith("null" if used is None else str(getattr(used, "name", used)))
    published = read_study(PROJECT_ROOT / "conf" / "study" / "lecture.yaml").printed
    columns = (published["train/loss"], published["train/accuracy"], published["seconds"])
    for row, values in zip(table("epoch"), zip(*columns, strict=True), strict=True):
        assert [float(cell) for cell in row[1:]] == list(values)


def test_its_studies_are_the_shipped_ones_and_every_slip_has_a_test():
    studies = {row[0].strip("`"): row for row in table("study")}
    assert set(studies) <= set(options("study"))
    assert len(studies) == 9
    for name, row in studies.items():
        slide = re.findall(r'\("(.+)"\)', row[1])
        study = read_study(PROJECT_ROOT / "conf" / "study" / f"{name}.yaml")
        assert f'slide "{slide[0]}"' in study.source
        assert row[3] == f"`make repro STUDY={name}`"
    slips = [row[4].strip("`") for row in table("")]
    assert len(slips) == 9
    assert all(callable(getattr(test_lecture, slip)) for slip in slips)
