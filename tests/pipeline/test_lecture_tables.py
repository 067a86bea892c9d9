"""Every table of numbers in docs/lecture.md, made anew from the code and compared cell by cell."""

import inspect
import re
import shlex
from collections.abc import Callable

import pytest
import torch
from torch.nn import functional

from convchoice.config.composition import compose_arm
from convchoice.config.datasets import MNIST
from convchoice.config.schema import ConvConfig, Operator, Padding
from convchoice.config.study import read_study
from convchoice.config.validation import PROJECT_ROOT, config_from_mapping
from convchoice.evaluation.equivariance import equivariance_curve
from convchoice.networks.conv_arithmetic import Axis, convolution_axes
from convchoice.networks.network import Network
from convchoice.networks.plan import Kind, Plan, PlannedLayer, plan
from convchoice.networks.pooling import gaussian_weights, pooling
from convchoice.networks.receptive_field import spatial_layers
from lecture_network import convolutions, laid, layer, takes
from lecture_page import (
    FENCES,
    PAGE,
    WORDED,
    Row,
    Table,
    cells,
    named,
    number_tables,
    table_that_begins,
    tables,
)

IMAGE = [[2, 3, 1, 9], [4, 7, 3, 5], [8, 2, 2, 2], [1, 3, 4, 5]]
"""Of the slide "Pooling"."""


# --- tables that begin with an override ------------------------------------------------------


def windows(of: Plan) -> list[PlannedLayer]:
    return [each for each in of.layers if each.axes is not None or each.kind is Kind.dense_map]


def sizes(of: Plan) -> str:
    return " → ".join(str(each.output_shape[1]) for each in windows(of))


def flattened(of: Plan) -> str:
    flat = [each for each in of.layers if each.kind is Kind.flatten]
    return f"{flat[0].output_shape[0]:,}" if flat else "–"


def filters(of: Plan) -> str:
    return ", ".join(
        str(each.output_shape[0]) for each in of.layers if each.kind is Kind.convolution
    )


def padding(of: Plan) -> str:
    axes = of.layers[0].axes
    assert axes is not None
    assert axes[0] == axes[1]
    return f"{axes[0].before} + {axes[0].after}"


def sees(of: Plan) -> str:
    field = windows(of)[-1].receptive_field
    assert field is not None
    assert field[0] == field[1]
    return str(field[0])


COLUMNS: dict[str, Callable[[Plan], str]] = {
    "sizes": sizes,
    "sees": sees,
    "filters": filters,
    "padding before + behind": padding,
    "flattened": flattened,
    "flattened or averaged": lambda of: f"{layer(of, 'head.hidden').input_shape[0]:,}",
    "parameters": lambda of: f"{of.parameters:,}",
    "MACs": lambda of: f"{of.macs:,}",
    "pooling operations": lambda of: f"{of.pooling_operations:,}",
    "first layer: parameters": lambda of: f"{of.layers[0].parameters:,}",
    "first layer: MACs": lambda of: f"{of.layers[0].macs:,}",
    "convolutions: parameters": lambda of: f"{convolutions(of):,}",
    "hidden layer: parameters": lambda of: f"{layer(of, 'head.hidden').parameters:,}",
}


def overridden(head: Row, rows: list[Row]) -> list[Row]:
    return [
        [row[0], *(COLUMNS[column](laid(*shlex.split(named(row[0])))) for column in head[1:])]
        for row in rows
    ]


# --- the other tables ------------------------------------------------------------------------


def followed_shifts(rows: list[Row]) -> list[Row]:
    """Of which shifts each layer's error away from borders is 0, on noise and random weights."""
    network = Network(config_from_mapping({})).eval()
    source = torch.Generator().manual_seed(0)
    images = torch.randint(0, 256, (4, 28, 28), dtype=torch.uint8, generator=source)
    exact: dict[str, list[str]] = {}
    jumps = {}
    for point in equivariance_curve(network, images, torch.zeros(4, dtype=torch.int64)):
        if point.kind == "translation" and point.value in range(1, 5):
            assert point.error_interior is not None
            jumps[point.layer] = str(point.jump_pixels)
            follows = point.error_interior <= 1e-12
            exact.setdefault(point.layer, []).extend([f"{point.value:g}"] if follows else [])
    listed = [
        each.name for each in spatial_layers(network.plan.layers) if each.kind is not Kind.detector
    ]
    assert [named(row[0]) for row in rows] == listed
    return [[f"`{name}`", jumps[name], ", ".join(exact[name])] for name in listed]


def other_sizes(rows: list[Row]) -> list[Row]:
    made = []
    for side, *_ in rows:
        of = plan(config_from_mapping({}), (1, int(side), int(side)))
        fits = [takes(head, int(side)) for head in ("flatten", "global_average")]
        made.append([side, sizes(of), flattened(of), *("yes" if fit else "no" for fit in fits)])
    return made


def uses(axis: Axis, pixel: int) -> int:
    """How many positions of a kernel lie on a pixel, along one axis."""
    starts = (place * axis.stride - axis.before for place in range(axis.output))
    return sum(start <= pixel < start + axis.kernel for start in starts)


def padded(rows: list[Row]) -> list[Row]:
    made = []
    for row in rows:
        axis, _ = convolution_axes((5, 5), ConvConfig(3, Padding[named(row[0])]))
        assert axis.before == axis.after
        border, middle = uses(axis, 0), uses(axis, 2)
        used = [border * border, border * middle, middle * middle]
        made.append([row[0], str(axis.before), f"{axis.output}×{axis.output}", *map(str, used)])
    return made


def outputs(rows: list[Row]) -> list[Row]:
    made = []
    for row in rows:
        size, kernel, pad, stride = map(int, row[:4])
        made.append([*row[:4], str(Axis(size, kernel, stride, pad, pad).output)])
    return made


def pooled_image(rows: list[Row]) -> list[Row]:
    image = torch.tensor(IMAGE, dtype=torch.float64)
    axes = (Axis(4, 2, 2), Axis(4, 2, 2))
    answers = [
        pooling(operator, axes)(image[None, None])[0, 0].flatten().tolist()
        for operator in (Operator.max, Operator.average)
    ]
    made = []
    for place, name in enumerate(("upper left", "upper right", "lower left", "lower right")):
        top, left = place // 2 * 2, place % 2 * 2
        pixels = image[top : top + 2, left : left + 2].flatten().tolist()
        told = sorted(map(int, cells(rows[place][1])[0].split(",")))
        assert told == sorted(pixels)
        made.append([name, rows[place][1], *(f"{each[place]:g}" for each in answers)])
    return made


def weights(rows: list[Row]) -> list[Row]:
    grid = gaussian_weights(4, 4, 1.0)
    assert torch.equal(grid, grid.T)
    places = {"inner": (1, 1), "edge": (0, 1), "corner": (0, 0)}
    made = []
    for name, (row, column) in places.items():
        count = int(torch.isclose(grid, grid[row, column]).sum())
        squared = (row - 1.5) ** 2 + (column - 1.5) ** 2
        made.append([name, str(count), f"{squared:g}", f"{grid[row, column]:.4f}"])
    return made


def keras(rows: list[Row]) -> list[Row]:
    of = laid("arm=lecture", "scale=full")
    made = []
    for row, each in zip(rows, of.layers, strict=True):
        depth, *sides = each.output_shape
        shape = "×".join(map(str, [*sides, depth])) if sides else str(depth)
        spatial = each.receptive_field is not None and each.jump is not None
        seen = [str(each.receptive_field[0]), str(each.jump[0])] if spatial else ["", ""]  # type: ignore[index]
        made.append(
            [row[0], f"`{each.name}`", shape, f"{each.parameters:,}", f"{each.macs:,}", *seen]
        )
        check_keras_call(named(row[0]), each)
    return made


def check_keras_call(call: str, ours: PlannedLayer) -> None:
    """Keras's layer and its numbers are those of ours."""
    kinds = {
        "Conv2D": Kind.convolution, "activation": Kind.detector, "MaxPooling2D": Kind.pooling,
        "Flatten": Kind.flatten, "Dense": Kind.dense,
    }  # fmt: skip
    assert kinds[re.split(r"[(=]", call)[0]] is ours.kind
    numbers = [int(number) for number in re.findall(r"(?<!\w)\d+", call)]
    kernel = [axis.kernel for axis in ours.axes or ()]
    filters_ = [ours.output_shape[0]] if ours.kind in {Kind.convolution, Kind.dense} else []
    assert numbers == [*filters_, *kernel]


def recipe(rows: list[Row]) -> list[Row]:
    config = compose_arm("lecture", "full").config
    theirs = inspect.signature(torch.optim.RMSprop).parameters
    defaults = {"learning_rate": "lr", "rho": "alpha", "epsilon": "eps"}
    made = []
    for row in rows:
        group, key = named(row[0]).split(".")
        value = getattr(getattr(config, group), key)
        told = (
            f"null (all {MNIST.train_size:,})"
            if value is None
            else getattr(value, "name", str(value))
        )
        default = str(theirs[defaults[key]].default) if key in defaults else ""
        made.append([row[0], told, default])
    return made


def printed(rows: list[Row]) -> list[Row]:
    table = read_study(PROJECT_ROOT / "conf" / "study" / "lecture.yaml").printed
    columns = (table["train/loss"], table["train/accuracy"], table["seconds"])
    return [
        [str(epoch), f"{loss:.4f}", f"{accuracy:.4f}", f"{seconds:g}"]
        for epoch, (loss, accuracy, seconds) in enumerate(zip(*columns, strict=True), start=1)
    ]


OTHERS: dict[str, Callable[[list[Row]], list[Row]]] = {
    "layer": followed_shifts,
    "image, px": other_sizes,
    "padding": padded,
    "n": outputs,
    "window": pooled_image,
    "pixels": weights,
    "in Keras": keras,
    "key": recipe,
    "epoch": printed,
}
NUMBERS = number_tables()


@pytest.mark.parametrize("table", NUMBERS, ids=lambda table: f"{table[0][0]}: {table[1][0][0]}")
def test_every_cell_of_its_tables_is_what_the_code_makes(table: Table) -> None:
    head, rows = table
    made = overridden(head, rows) if head[0] == "override" else OTHERS[head[0]](rows)
    assert rows == made


def test_all_its_tables_are_read() -> None:
    assert {head[0] for head, _ in NUMBERS} == {"override", *OTHERS}
    assert len(tables()) == len(NUMBERS) + len(WORDED)
    assert sum(line.startswith("|--") for line in PAGE.splitlines()) == len(tables())


def test_the_uses_of_slip_7_are_the_tables() -> None:
    _, rows = table_that_begins("padding")
    none, same, full = (", ".join(row[3:]) for row in rows)
    slip = f"{none} times at p = 0; {same} at p = 1; {full} at full padding alone"
    assert f"corner, edge, centre are used {slip}" in PAGE


def test_its_worked_convolution_is_convolved() -> None:
    body = next(body for _, body in FENCES if "∗" in body)
    numbers = [
        [int(number) for number in re.findall(r"-?\d+", line.replace("−", "-"))]
        for line in body.splitlines()
    ]
    assert [row[:4] for row in numbers] == IMAGE
    image, kernel, response = (
        torch.tensor(values, dtype=torch.float64)[None, None]
        for values in (IMAGE, [row[4:7] for row in numbers[1:]], [row[7:] for row in numbers[1:3]])
    )
    assert torch.equal(functional.conv2d(image, kernel), response)
