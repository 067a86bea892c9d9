"""SVG of a figure: colours, identifiers, texts, images, the same bytes each time."""

import base64
import io
import re
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
from PIL import Image

from convchoice.analysis.result import Comparison
from convchoice.reporting.drawing import INKS, SERIES, WIDTH_INCHES, new_figure, style
from convchoice.reporting.figures import figures_of
from convchoice.reporting.svg import PNG, RenderedFigure, rendered

SPACE = "{http://www.w3.org/2000/svg}"
Figures = dict[str, RenderedFigure]


def drawn(text: str = "a text", name: str = "name") -> RenderedFigure:
    with style():
        figure = new_figure(2.0)
        axes = figure.subplots()
        axes.plot([0, 1, 2], [0, 1, 0], "o-", color=SERIES[0])
        axes.set_xlabel(text)
        return rendered(figure, name, f"title {text}", "caption", f"alt {text}")


def test_a_file_has_title_description_and_a_white_ground(figures: Figures):
    for figure in figures.values():
        root = ET.fromstring(figure.file)  # noqa: S314 - made by this test
        assert root.findtext(f"{SPACE}title") == figure.title
        assert root.findtext(f"{SPACE}desc") == figure.alt
        rect = root.find(f"{SPACE}rect")
        assert rect is not None
        assert rect.get("fill") == "#ffffff"
        assert "var(" not in figure.file
        assert "currentColor" not in figure.file
        assert root.get("viewBox", "").startswith(f"0 0 {72 * WIDTH_INCHES:g} ")
        shown = "".join(text.text or "" for text in root.findall(f"{SPACE}text"))
        assert shown.replace(" ", "") == figure.title.replace(" ", "")


def test_identifiers_are_unique_in_a_page_and_every_reference_has_one(figures: Figures):
    every: list[str] = []
    for figure in figures.values():
        found = re.findall(r'\bid="([^"]+)"', figure.inline)
        used = re.findall(r'(?:url\(#|href="#)([^")]+)', figure.inline)
        assert set(used) <= set(found)
        every += found
    assert len(every) == len(set(every))


def test_stand_in_colours_are_replaced(figures: Figures):
    for figure in figures.values():
        for ink in INKS:
            assert ink.stand_in not in figure.inline
            assert ink.stand_in not in figure.file
        assert "#000000" not in figure.inline  # invisible in the dark
        assert "http" not in re.sub(r"base64,[^\"]+", "", figure.inline)


def test_texts_are_text_whatever_they_hold():
    figure = drawn('<b>$x_1$</b> & "q"\u202e', 'a/"><b>')
    root = ET.fromstring(figure.file)  # noqa: S314 - made by this test
    texts = [each.text for each in root.iter(f"{SPACE}text")]
    assert '<b>$x_1$</b> & "q"\ufffd' in texts
    assert root.findtext(f"{SPACE}desc") == 'alt <b>$x_1$</b> & "q"\ufffd'
    assert "<b>" not in figure.inline
    assert figure.name == "a-b-"


def test_the_same_result_gives_the_same_bytes(comparison: Comparison, figures: Figures):
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": "another", "xtick.major.pad": 40}):
        again = figures_of(comparison)
    assert again == list(figures.values())


def test_images_keep_their_pixels():
    pixels = np.random.default_rng(0).integers(0, 4, (9, 9, 4)).astype(np.uint8) * 85
    with style():
        figure = new_figure(2.0)
        figure.set_layout_engine("none")
        axes = figure.add_axes((0, 0, 1, 1))
        axes.imshow(pixels, interpolation="none")
        made = rendered(figure, "name", "title", "caption", "alt")
    [uri] = re.findall(rf'href="{PNG}([^"]+)"', made.file)
    image = Image.open(io.BytesIO(base64.b64decode(uri)))
    assert image.mode == "P"
    found = np.asarray(image.convert("RGBA"))
    opaque = pixels[..., 3] > 0
    assert (found[opaque] == pixels[opaque]).all() or (found[::-1][opaque] == pixels[opaque]).all()
