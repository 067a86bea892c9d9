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

import numpy as np
from markupsafe import Markup
from matplotlib.figure import Figure
from PIL import Image

from convchoice.reporting.drawing import INKS, TEXT, Ink
from convchoice.reporting.rendering import printable, render, slug

TITLE_CHARACTERS = 45
TITLE_LINE_POINTS = 17
FONTS = "system-ui, -apple-system, 'Segoe UI', Roboto, 'Liberation Sans', sans-serif"
PNG = "data:image/png;base64,"
PALETTE_COLOURS = 256
REFERENCE = re.compile(r"^(?:url\()?#([\w.-]+)\)?$")
NUMBER = re.compile(r"-?\d+\.\d{3,}")
SHARED_STYLES = {"font-family", "stroke-linejoin", "image-rendering"}
"""Styles that the template sets for a figure's root."""
TEXT_STYLES = {"font-size:10px", f"fill:{TEXT.stand_in}"}
"""Likewise for texts."""


@dataclass(frozen=True)
class RenderedFigure:
    """A finished figure."""

    name: str
    """Unique in a report: letters, digits, ``-`` and ``_``."""
    title: str
    """What the figure shows, as a finding."""
    caption: str
    """How to read it, with n."""
    alt: str
    """Its content in words, for readers who do not see it."""
    inline: Markup
    """An ``<svg>`` element for a page, without background and title."""
    file: str
    """An SVG file on white, with the title."""


def rendered(figure: Figure, name: str, title: str, caption: str, alt: str) -> RenderedFigure:
    """A figure in both renderings; call it within `drawing.style`."""
    buffer = io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings():
        # Text stays text, and the reader's fonts may have what matplotlib's lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    root = ET.fromstring(printable(buffer.getvalue()))  # noqa: S314 - matplotlib's own output
    identifier = slug(name)
    width, height = (float(number) for number in root.attrib["viewBox"].split()[2:])
    drawing = _drawing(root, identifier)
    lines = textwrap.wrap(title, TITLE_CHARACTERS)
    values = {
        "name": identifier,
        "title": title,
        "alt": alt,
        "width": f"{width:g}",
        "height": f"{height:g}",
        "head": (head := TITLE_LINE_POINTS * len(lines) + 14),
        "total": f"{(total := height + head + 8):g}",
        "pixels": (f"{1.5 * width:g}", f"{1.5 * total:g}"),
        "lines": [(TITLE_LINE_POINTS * (index + 1), line) for index, line in enumerate(lines)],
        "ink": TEXT.in_file,
        "fonts": FONTS,
    }
    inline = {**values, "drawing": _coloured(drawing, {ink: ink.in_page for ink in INKS})}
    file = {**values, "drawing": _coloured(drawing, {ink: ink.in_file for ink in INKS})}
    return RenderedFigure(
        name=identifier,
        title=title,
        caption=caption,
        alt=alt,
        inline=Markup(render("figure.svg.j2", {**inline, "standalone": False})),  # noqa: S704 - autoescaped
        file=render("figure.svg.j2", {**file, "standalone": True}),
    )


def _coloured(drawing: str, colours: dict[Ink, str]) -> Markup:
    for ink, colour in colours.items():
        drawing = drawing.replace(ink.stand_in, colour)
    return Markup(drawing)  # noqa: S704 - serialised by ElementTree, which escapes texts


def _drawing(root: ET.Element, name: str) -> str:
    """The elements of matplotlib's SVG, shortened, with identifiers of the figure's own."""
    used = {
        found[1]
        for element in root.iter()
        for value in element.attrib.values()
        if (found := REFERENCE.search(value))
    }
    numbers = {identifier: f"{name}-{index}" for index, identifier in enumerate(sorted(used))}
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {key.rpartition("}")[2]: value for key, value in element.attrib.items()}
        element.attrib = {
            key: short
            for key, value in attributes.items()
            if key != "id" or value in numbers
            if (short := _attribute(element.tag, key, value, numbers))
        }
        if element.tag != "text":
            element.text = None
        element.tail = None
    for group in root.iter("g"):
        _share_style(group)
    _remove_empty(root)
    return "".join(ET.tostring(child, encoding="unicode") for child in root)


def _share_style(group: ET.Element) -> None:
    """Move the style of a series' markers to their group, where all have the same."""
    styles = {child.get("style") for child in group if child.tag == "use"}
    if len(group) > 1 and len(styles) == 1 and all(child.tag == "use" for child in group):
        group.set("style", styles.pop() or "")
        for child in group:
            child.attrib.pop("style", None)


def _attribute(tag: str, name: str, value: str, identifiers: dict[str, str]) -> str:
    """An attribute's value with two decimals and the identifiers of this figure; may be empty."""
    if name == "id":
        return identifiers[value]
    if value.startswith(PNG):
        return _smaller_png(value)
    if found := REFERENCE.search(value):
        value = value.replace(found[1], identifiers[found[1]])
    if name == "style":
        styles = [each.replace(": ", ":") for each in value.split("; ")]
        kept = [each for each in styles if each.partition(":")[0] not in SHARED_STYLES]
        return ";".join(each for each in kept if tag != "text" or each not in TEXT_STYLES)
    if value.startswith("rotate(-0 "):
        return ""
    decimals = 4 if name == "transform" else 2  # a transform scales an image
    value = NUMBER.sub(
        lambda number: f"{float(number[0]):.{decimals}f}".rstrip("0").rstrip("."), value
    )
    return re.sub(r"\s*([MLCQzZ])\s*", r"\1", value).strip() if name == "d" else value


def _remove_empty(parent: ET.Element) -> None:
    """Remove metadata, invisible elements and groups without attributes or without content."""
    for child in list(parent):
        _remove_empty(child)
        place = list(parent).index(child)
        invisible = child.tag == "path" and child.get("style") == "fill:none"
        if child.tag in {"metadata", "style"} or invisible or (child.tag == "g" and not len(child)):
            parent.remove(child)
        elif child.tag == "g" and not child.attrib:
            parent.remove(child)
            for offset, grandchild in enumerate(child):
                parent.insert(place + offset, grandchild)


def _smaller_png(uri: str) -> str:
    """The same pixels in a palette, where they have few colours enough."""
    image = Image.open(io.BytesIO(base64.b64decode(uri.removeprefix(PNG)))).convert("RGBA")
    pixels = np.asarray(image)
    palette, indices = np.unique(pixels.reshape(-1, 4), axis=0, return_inverse=True)
    if len(palette) > PALETTE_COLOURS:
        return uri
    indexed = Image.fromarray(indices.reshape(pixels.shape[:2]).astype(np.uint8))
    indexed.putpalette(palette[:, :3].tobytes())
    opacity = palette[:, 3].tobytes()
    buffer = io.BytesIO()
    indexed.save(buffer, "PNG", optimize=True, transparency=opacity)
    return PNG + base64.b64encode(buffer.getvalue()).decode("ascii")
