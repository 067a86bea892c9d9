"""Every number in a sentence of docs/lecture.md is the code's; none of two digits is left out."""

import math
import re
from itertools import chain

from convchoice.analysis.published import PUBLISHED_TEST_IMAGES
from convchoice.analysis.statistics import wilson_interval
from convchoice.config.composition import compose_arm
from convchoice.config.study import read_study
from convchoice.config.validation import PROJECT_ROOT
from convchoice.networks.conv_arithmetic import Axis
from convchoice.networks.pooling import gaussian_weights
from lecture_network import convolutions, laid, layer, takes
from lecture_page import PROSE, cells, number_tables


def about_first_layers() -> list[str]:
    lecture = laid()
    first, second = layer(lecture, "block1.convolution"), layer(lecture, "block2.convolution")
    local, dense = (
        laid(f"model.first_layer={kind}").layers[0] for kind in ("locally_connected", "dense")
    )
    (_, height, width), (depth, side, _) = first.input_shape, first.output_shape
    patches, patch = side * side, 9 * first.input_shape[0]
    patches_2, patch_2 = math.prod(second.output_shape[1:]), 9 * second.input_shape[0]
    pixels, values = height * width, math.prod(first.output_shape)
    assert first.parameters == depth * (patch + 1)
    assert local.parameters == patches * first.parameters
    assert dense.parameters == pixels * values + values
    of_first = f"{patches} patches of {patch} numbers times {patch} × {depth} weights"
    of_second = (
        f"{patches_2} patches of {patch_2} numbers times {patch_2} × {second.output_shape[0]}"
    )
    return [
        f"the lecture's first convolution is {of_first}, its second {of_second}.",
        f"the same {side}×{side}×{depth} map of a {height}×{width} image",
        f"{first.parameters} = {depth} · ({patch} + 1), a weight for each of {patch} pixels",
        f"{local.parameters:,} = {patches} · {first.parameters}, ",
        f"the same at each of {side} · {side} positions",
        f"{dense.parameters:,} = {pixels} · {values:,} + {values:,}",
    ]


def about_the_example() -> list[str]:
    lecture = laid("arm=lecture", "scale=full")
    table = read_study(PROJECT_ROOT / "conf" / "study" / "lecture.yaml").printed
    accuracy, nll = table["test/accuracy"][0], table["test/nll"][0]
    images = PUBLISHED_TEST_IMAGES
    right = round(accuracy * images)
    wilson = wilson_interval(right, images)
    fields = [layer(lecture, f"block{block}.convolution").receptive_field for block in (1, 2, 3)]
    small, larger, largest = (side for field in fields if field for side in {*field})
    return [
        f"One output of the three convolutions sees {small}, {larger} and {largest} px",
        f"{lecture.parameters:,} parameters, {lecture.macs:,} MACs an image",
        f"Test loss {nll}, test accuracy {accuracy}: {images - right} errors in {images:,} images",
        f"a Wilson 95 % interval of {wilson.low:.4f} to {wilson.high:.4f}",
    ]


def about_slips() -> list[str]:
    lecture, unpooled = laid(), laid("downsample=none")
    hidden, larger = layer(lecture, "head.hidden"), layer(unpooled, "head.hidden")
    parameters, macs = unpooled.parameters / lecture.parameters, unpooled.macs / lecture.macs
    assert unpooled.parameters - lecture.parameters == larger.parameters - hidden.parameters
    assert convolutions(unpooled) == convolutions(lecture)
    flat, averaged = (
        [side for side in range(10, 60) if takes(head, side)]
        for head in ("flatten", "global_average")
    )
    assert (len(flat), averaged[-1]) == (4, 59)
    return [
        f"(8 + 2 + 1 + 3) / 4 = {(8 + 2 + 1 + 3) / 4}",
        f"takes {flat[0]} to {flat[-1]} px; with a global average, {averaged[0]} px and more",
        f"28 → {Axis(28, 3, 2).output} for f = 3, p = 0",
        f"{convolutions(lecture):,} with and without it",
        f"from {larger.input_shape[0]:,} inputs to {hidden.input_shape[0]}",
        f"{parameters:.1f} times the parameters and {macs:.1f} times the MACs",
    ]


def about_the_rest() -> list[str]:
    averaged = layer(laid("model.head=global_average"), "head.average").output_shape[0]
    canvas = compose_arm("small", "quick").config.data.canvas
    valid, same = Axis(5, 3, 1).output, Axis(5, 3, 1, 1, 1).output
    strided = laid("downsample=strided").layers[0].axes
    assert strided is not None
    matched = [laid(f"arm=kernel_{side}_matched").parameters for side in (1, 2, 4, 5, 7)]
    wanted = laid("arm=kernel_3").parameters
    apart = max(abs(parameters / wanted - 1) for parameters in matched)
    grey, coloured = (
        laid(f"data={name}").layers[0].input_shape[0] for name in ("mnist", "cifar10")
    )
    return [
        "The upper left output is (2 + 4 + 8) − (1 + 3 + 2) = 8.",  # worked in `test_lecture`
        f"as 3×3 has, within {math.ceil(100 * apart)} %",
        f"leaves {averaged} values whatever the size",
        f"leaves {valid}×{valid}, and with p = 1 it leaves {same}×{same}",
        f"own convolution on by {strided[0].stride}, on the grid",
        f"{gaussian_weights(4, 4, 1.0).numel()} equal weights would be {1 / 16} each",
        f"stand on a canvas of {canvas} px",
        f"Grey images have depth {grey}, coloured ones depth {coloured}",
    ]


QUOTED = ("the average of the lower left window is 3.25",)
"""What a slide says and is not so."""
NAMES = ("BST 261, Lecture 4", "2019", "float64")


def test_every_number_in_its_sentences_is_the_codes() -> None:
    rows = [row for head, rows in number_tables() for row in (head, *rows)]
    kept = [line for line in PROSE.splitlines() if cells(line) not in rows]
    text = re.sub(r"`[^`]*`", "", re.sub(r"\]\([^)]*\)", "]", "\n".join(kept)))
    parts = (about_first_layers(), about_the_example(), about_slips(), about_the_rest())
    for sentence in (*chain(*parts), *QUOTED, *NAMES):
        assert sentence in text
        text = text.replace(sentence, "")
    assert re.findall(r".{0,40}\d[\d,.]*\d.{0,40}", text) == []
