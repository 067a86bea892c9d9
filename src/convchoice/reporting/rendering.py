"""The templates' environment: how values become HTML, SVG and Markdown.

Every value is escaped by the environment: for HTML and SVG by Jinja's autoescaping, for Markdown by
`markdown` as Jinja's `finalize`. Control characters are replaced in all of them. Owns escaping;
knows nothing about studies.
"""

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup, escape

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
