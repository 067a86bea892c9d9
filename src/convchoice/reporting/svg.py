"""A matplotlib figure as SVG: inline for a page, with its colours, and as a file on white.

Matplotlib draws with the stand-in colours of `drawing.Ink`; each rendering replaces them, by CSS
variables or by plain colours. Text stays text. The bytes depend on the figure alone: there is no
date and no random identifier.
"""

import base64
import io
import re
import textwrap
import warnings
from dataclasses import dataclass
from xml.etree import ElementTree as ET

import matplotlib as mpl
import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from convchoice.reporting.drawing import INKS, TEXT
from convchoice.reporting.rendering import printable, render, slug

TITLE_CHARACTERS = 45
TITLE_LINE_POINTS = 17
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
PNG = "data:image/png;base64,"
PALETTE_COLOURS = 256
NUMBER = re.compile(r"-?\d+\.\d{3,}")
DROPPED = re.compile(r"(?s)<(metadata|style)\b.*?</\1>")
"""Elements that would hold for the whole page, or say nothing."""
INHERITED = re.compile(
    rf"font-size: 10px; |font-family: [^;]+; |; fill: {TEXT.stand_in}|image-rendering:.*"
)
"""Styles that the template sets for the whole figure."""


@dataclass(frozen=True)
class RenderedFigure:
    """A finished figure."""

    name: str
    """Unique in a report: letters, digits, ``-`` and ``_``."""
    title: str
    """What the figure shows."""
    caption: str
    """How to read it, with n."""
    alt: str
    """Its numbers in words, for readers who do not see it."""
    inline: Markup
    """An ``<svg>`` element for a page, without background and title."""
    file: str
    """An SVG file on white, with the title."""


def rendered(figure: Figure, name: str, title: str, caption: str, alt: str) -> RenderedFigure:
    """A figure in both renderings; call it within `drawing.style`."""
    identifier, buffer = slug(name), io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": identifier}):
        # Text stays text, and the reader's fonts may have what matplotlib's lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    drawing = _compact(buffer.getvalue())
    width, height = (72 * inches for inches in figure.get_size_inches())
    lines = textwrap.wrap(title, TITLE_CHARACTERS)
    head = TITLE_LINE_POINTS * len(lines) + 14
    view = {
        "name": identifier, "title": title, "alt": alt, "lines": lines, "ink": TEXT.in_file,
        "fonts": FONTS, "line_height": TITLE_LINE_POINTS, "head": head, "width": width,
        "height": height, "total": height + head + 8,
    }  # fmt: skip
    in_page, in_file = drawing, drawing
    for ink in INKS:
        in_page = in_page.replace(ink.stand_in, ink.in_page)
        in_file = in_file.replace(ink.stand_in, ink.in_file)
    inline = render("figure.svg.j2", {**view, "drawing": Markup(in_page), "standalone": False})  # noqa: S704 - serialised by ElementTree, which escapes texts
    file = render("figure.svg.j2", {**view, "drawing": Markup(in_file), "standalone": True})  # noqa: S704 - likewise
    return RenderedFigure(identifier, title, caption, alt, Markup(inline), file)  # noqa: S704 - autoescaped


def _compact(svg: str) -> str:
    """The elements of matplotlib's SVG without namespaces, unused identifiers and long numbers."""
    root = ET.fromstring(printable(DROPPED.sub("", svg)))  # noqa: S314 - matplotlib's own output
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.items()}
        if element.tag in {"g", "image"}:
            attributes.pop("id", None)
        element.attrib = {
            name: short for name, value in attributes.items() if (short := _short(name, value))
        }
        element.tail = None
        if element.tag != "text":
            element.text = None
    return "".join(ET.tostring(child, encoding="unicode") for child in root)


def _short(name: str, value: str) -> str:
    if value.startswith("rotate(-0 "):
        return ""
    if value.startswith(PNG):
        return _with_palette(value)
    if name == "style":
        return INHERITED.sub("", value).replace(": ", ":").replace("; ", ";")
    decimals = 4 if name == "transform" else 2  # a transform scales an image
    value = NUMBER.sub(lambda found: f"{float(found[0]):.{decimals}f}", value)
    return re.sub(r"\s*([MLCQzZ])\s*", r"\1", value).strip() if name == "d" else value


def _with_palette(uri: str) -> str:
    """The same pixels in a palette, where they have few colours enough."""
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(PNG)))).convert("RGBA")
    pixels = np.asarray(image)
    palette, indices = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(palette) > PALETTE_COLOURS:
        return uri
    indexed = Image.fromarray(indices.reshape(pixels.shape[:2]).astype(np.uint8))
    indexed.putpalette(palette[:, :3].tobytes())
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", optimize=True, transparency=palette[:, 3].tobytes())
    return PNG + base64.b64encode(buffer.getvalue()).decode("ascii")
