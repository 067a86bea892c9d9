"""How values and figures become HTML, SVG and Markdown.

Every value is escaped by the templates' environment: for HTML and SVG by Jinja's autoescaping, for
Markdown by `markdown` as Jinja's `finalize`. Control characters are replaced in all of them.

A figure is written inline for the page, with its colours as CSS variables, and as a file on white;
each replaces the stand-in colours of `plots.Ink`. Text stays text. The bytes depend on the figure
alone: there is no date and no random identifier.
"""

import io
import re
import textwrap
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from xml.etree import ElementTree as ET

import matplotlib as mpl
from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape
from matplotlib.figure import Figure

from convchoice.reporting.plots import INKS, TEXT

CONTROL_CHARACTERS = re.compile(
    "[\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069\ud800-\udfff\ufffe\uffff]"
)
"""Terminal escapes, changes of the writing direction, and what XML forbids."""
CODE_SPAN = re.compile(r"(?<!`)`([^`]+)`(?!`)")
MARKDOWN_SYNTAX = re.compile(r"([\\`*_{}\[\]|~$#!])")
INTERVAL = re.compile(r"(\[[+−]?[\d.]+, [+−]?[\d.]+\](?=$|[ ;,.)]))")
"""The one use of brackets that cannot become a link, and that is easier to read as it is."""
BLOCK_MARKER = re.compile(r"^(\d*)([-+=.)])(?=[-+=]*( |$))")
"""What makes a list, a line or a heading of the text behind it, or of the line before it."""

TITLE_CHARACTERS = 45
NUMBER = re.compile(r"-?\d+\.\d{3,}")
DROPPED = re.compile(r"(?s)<(metadata|style)\b.*?</\1>")
"""Elements that would hold for the whole page, or say nothing."""
INHERITED = re.compile(
    rf"font-size: 10px; |font-family: [^;]+; |; fill: {TEXT.stand_in}|image-rendering:.*"
)
"""Styles that the template sets for the whole figure."""


def printable(value: Any) -> Any:
    """A text with U+FFFD in place of each control character; other values unchanged."""
    if not isinstance(value, str) or not CONTROL_CHARACTERS.search(value):
        return value
    return type(value)(CONTROL_CHARACTERS.sub("\ufffd", value))


class Markdown(str):
    """Text that is Markdown already and is not escaped again."""

    __slots__ = ()


def markdown(value: object) -> Markdown:
    """A value as literal Markdown on one line; `Markdown` is returned unchanged."""
    return value if isinstance(value, Markdown) else Markdown(_literal(_one_line(str(value))))


def markdown_prose(text: str) -> Markdown:
    """Like `markdown`, with words between single backticks as code."""
    parts = CODE_SPAN.split(_one_line(text))
    return Markdown(
        "".join(f"`{part}`" if index % 2 else _literal(part) for index, part in enumerate(parts))
    )


def _one_line(text: str) -> str:
    return " ".join(str(printable(text)).split())


def _literal(text: str) -> str:
    without_tags = text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
    parts = INTERVAL.split(without_tags)
    escaped = "".join(
        part if index % 2 else MARKDOWN_SYNTAX.sub(r"\\\1", part)
        for index, part in enumerate(parts)
    )
    return BLOCK_MARKER.sub(r"\1\\\2", escaped)


def file_name(text: str) -> Markdown:
    """A slug, written into a link as it is."""
    return Markdown(slug(text))


def slug(text: str) -> str:
    """A text with ``-`` in place of all that a file's name or an identifier should not have."""
    return re.sub(r"[^A-Za-z0-9_-]+", "-", text)


def html_prose(text: object) -> Markup:
    """Escaped HTML with words between single backticks in `<code>` elements."""
    parts = CODE_SPAN.split(str(text))
    code = Markup("<code>{}</code>")
    return Markup("").join(
        code.format(part) if index % 2 else escape(part) for index, part in enumerate(parts)
    )


def minified_script(script: str) -> Markup:
    """A script of the package without indentation, empty lines and lines of comments."""
    uncommented = re.sub(r"(?ms)^ *(?:/\*.*?\*/|//[^\n]*)\n", "", script)
    return Markup(re.sub(r"(?m)^\s+", "", uncommented))  # noqa: S704 - holds no value


@cache
def environment(*, for_markdown: bool = False) -> Environment:
    """Jinja's environment for the templates of this package; every value is escaped."""
    made = Environment(
        loader=PackageLoader("convchoice.reporting", "templates"),
        autoescape=not for_markdown,  # noqa: S701 - `finalize` escapes for Markdown
        finalize=markdown if for_markdown else printable,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    made.filters["prose"] = markdown_prose if for_markdown else html_prose
    made.filters["file_name"] = file_name
    made.filters["minified"] = minified_script
    return made


def render(template: str, values: Mapping[str, Any]) -> str:
    """A template with its values; in a ``.md.j2`` they are escaped for Markdown."""
    made = environment(for_markdown=template.endswith(".md.j2"))
    return made.get_template(template).render(values)


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
    size: tuple[float, float]
    """Width and height of `inline`, points."""


def rendered(figure: Figure, name: str, title: str, caption: str, alt: str) -> RenderedFigure:
    """A figure in both renderings; call it within `plots.style`."""
    identifier, buffer = slug(name), io.StringIO()
    metadata = dict.fromkeys(("Date", "Creator", "Format", "Type"))
    with warnings.catch_warnings(), mpl.rc_context({"svg.hashsalt": identifier}):
        # Text stays text, and the reader's fonts may have what matplotlib's lacks.
        warnings.filterwarnings("ignore", "Glyph .* missing from font")
        figure.savefig(buffer, format="svg", transparent=True, metadata=metadata)
    width, height = (72 * inches for inches in figure.get_size_inches())
    in_page = in_file = _compact(buffer.getvalue())
    for ink in INKS:
        in_page = in_page.replace(ink.stand_in, ink.in_page)
        in_file = in_file.replace(ink.stand_in, ink.in_file)
    view = {
        "name": identifier, "title": title, "alt": alt, "width": width, "height": height,
        "lines": textwrap.wrap(title, TITLE_CHARACTERS),
    }  # fmt: skip
    inline, file = (
        render("figure.svg.j2", {**view, "drawing": Markup(drawing), "standalone": standalone})  # noqa: S704 - serialised by ElementTree, which escapes texts
        for drawing, standalone in ((in_page, False), (in_file, True))
    )
    return RenderedFigure(identifier, title, caption, alt, Markup(inline), file, (width, height))  # noqa: S704 - autoescaped


def _compact(svg: str) -> str:
    """The elements of matplotlib's SVG without namespaces, unused identifiers and long numbers."""
    root = ET.fromstring(printable(DROPPED.sub("", svg)))  # noqa: S314 - matplotlib's own output
    for element in root.iter():
        element.tag = element.tag.rpartition("}")[2]
        attributes = {name.rpartition("}")[2]: value for name, value in element.items()}
        if element.tag in {"g", "image"} and (name := attributes.pop("id", "")).startswith("arm-"):
            attributes["class"] = name
        element.attrib = {
            name: short for name, value in attributes.items() if (short := _short(name, value))
        }
        element.tail = None
        if element.tag != "text":
            element.text = None
    for group in root.iter("g"):
        _share_style(group)
    return "".join(ET.tostring(child, encoding="unicode") for child in root)


def _share_style(group: ET.Element) -> None:
    """Give the one style of a group's markers to the group: most of a figure are markers."""
    markers = group.findall("use")
    styles = {marker.get("style", "") for marker in markers}
    if len(markers) > 1 and len(styles) == 1 and not group.get("style"):
        group.set("style", styles.pop())
        for marker in markers:
            marker.attrib.pop("style", None)


def _short(name: str, value: str) -> str:
    if value.startswith("rotate(-0 "):
        return ""
    if name == "href":
        return value  # the bytes of an image
    if name == "style":
        return INHERITED.sub("", value).replace(": ", ":").replace("; ", ";")
    decimals = 4 if name == "transform" else 2  # a transform scales an image
    value = NUMBER.sub(lambda found: f"{float(found[0]):.{decimals}f}", value)
    return re.sub(r"\s*([MLCQzZ])\s*", r"\1", value).strip() if name == "d" else value
