"""Escaping and SVG: whatever a value holds, the output has only the template's own markup."""

import re
from collections.abc import Sequence
from html.parser import HTMLParser
from xml.etree import ElementTree as ET

import matplotlib as mpl
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from convchoice.reporting.page import figures_of
from convchoice.reporting.plots import INKS, WIDTH_INCHES, panels, style
from convchoice.reporting.rendering import (
    environment,
    html_prose,
    markdown,
    markdown_prose,
    minified_script,
    rendered,
    slug,
)

HOSTILE = (
    '"><svg onload=alert(1)>',
    "`a\n\n<b>` c",  # a code span over an empty line
    "```<img src=x onerror=alert(1)>`",
    "[x](javascript:alert(1)) ![x](y) <http://x> | a \\| b",
    "</script><script>alert(1)</script>",
    "# a\n- b\n> c\n\n    d\n[x]: http://y",
    "\x1b[31mred\x9b\u202e",
)
MARKUP = st.text("`\\<>[]()!|*_~#-&; \n\tab\x1b\u202e\"'=:$", max_size=40)
TEXT = st.one_of(MARKUP, st.sampled_from(HOSTILE), st.text(max_size=20))
CONTROL = set("\x1b\x07\x9b\u202e")
PLAIN = {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])
SPACE = "{http://www.w3.org/2000/svg}"


def flattened(tokens: Sequence[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *flattened(token.children or []))]


def kinds(source: str) -> list[str]:
    return [token.type for token in flattened(PARSER.parse(source))]


@given(TEXT)
def test_a_value_in_markdown_is_text_alone(text):
    found = set(kinds(f"| head |\n| --- |\n| {markdown(text)} |\n\nAfter it."))
    assert found.isdisjoint({"html_inline", "html_block", "image", "code_inline", "fence"})
    assert "table_open" in found
    assert kinds(f"**{markdown(text)}.**").count("strong_open") <= 1
    assert set(kinds(f"a\n{markdown(text)}")) <= {*PLAIN, "softbreak"}
    assert set(kinds(markdown(text))) <= PLAIN
    template = environment(for_markdown=True).from_string("{{ x }}{{ x | prose }}")
    assert not set(template.render(x=text)) & CONTROL


@given(TEXT, TEXT)
def test_prose_in_markdown_has_code_but_no_markup(first, second):
    found = kinds(f"Notes: {markdown_prose(first + second)}")
    assert found.count("paragraph_open") == 1
    assert set(found).isdisjoint(
        {"html_inline", "html_block", "image", "fence", "em_open", "strong_open"}
    )


@given(TEXT)
def test_a_value_in_html_is_text_alone(text):
    tags: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert [name for name, _ in attrs] in ([], ["id"])

    template = environment().from_string('<p id="{{ x }}">{{ x }}</p><p>{{ x | prose }}</p>')
    parser, written = Parser(), template.render(x=text)
    assert not set(written) & CONTROL
    parser.feed(written)

    parser.close()
    assert [tag for tag in tags if tag != "code"] == ["p", "p"]
    assert "code" not in tags or "`" in text


def test_escaped_texts_by_hand():
    assert markdown("a_b [c](d) | <e> & `f`\n#g") == (r"a\_b \[c\](d) \| &lt;e&gt; &amp; \`f\` \#g")
    assert markdown_prose("use `a_b` not c_d") == r"use `a_b` not c\_d"
    assert markdown_prose("`a\n\n<b>` c") == "`a <b>` c"
    assert html_prose("a `b<c>` & ``d``") == "a <code>b&lt;c&gt;</code> &amp; ``d``"
    assert slug('max "><svg>/../x=0.1_a') == "max-svg-x-0-1_a"
    script = '/* One.\n\nTwo. */\n"use strict";\n  // three\n  let four = 4; // 5\n    go(four);\n'
    assert minified_script(script) == '"use strict";\nlet four = 4; // 5\ngo(four);\n'


# SVG


def test_every_figure_has_title_and_description_its_colours_and_unique_identifiers(figures):
    identifiers: list[str] = []
    for figure in figures.values():
        root = ET.fromstring(figure.file)  # noqa: S314 - made by this test
        assert (root.findtext(f"{SPACE}title"), root.findtext(f"{SPACE}desc")) == (
            figure.title, figure.alt,
        )  # fmt: skip
        assert root.get("viewBox", "").startswith(f"0 0 {72 * WIDTH_INCHES:g} ")
        shown = "".join(text.text or "" for text in root.findall(f"{SPACE}text"))
        assert shown.replace(" ", "") == figure.title.replace(" ", "")
        assert not re.search(r"var\(|currentColor", figure.file)
        assert not [ink for ink in INKS if ink.stand_in in figure.inline + figure.file]
        assert "#000000" not in figure.inline  # invisible in the dark
        assert "http" not in re.sub(r"base64,[^\"]+", "", figure.inline)
        found = re.findall(r'\bid="([^"]+)"', figure.inline)
        assert set(re.findall(r'(?:url\(#|href="#)([^")]+)', figure.inline)) <= set(found)
        identifiers += found
    assert len(identifiers) == len(set(identifiers))


def test_texts_of_a_figure_are_text_whatever_they_hold():
    text = '<b>$x_1$</b> & "q"\u202e'
    with style():
        figure, [axes] = panels(1, 2.0)
        axes.set_xlabel(text)
        made = rendered(figure, 'a/"><b>', "title", "caption", f"alt {text}")
    root = ET.fromstring(made.file)  # noqa: S314 - made by this test
    assert '<b>$x_1$</b> & "q"\ufffd' in [each.text for each in root.iter(f"{SPACE}text")]
    assert root.findtext(f"{SPACE}desc") == 'alt <b>$x_1$</b> & "q"\ufffd'
    assert "<b>" not in made.inline
    assert made.name == "a-b-"


def test_the_same_result_gives_the_same_bytes_whatever_matplotlibs_settings(comparison, figures):
    with mpl.rc_context({"font.size": 30, "svg.hashsalt": "another", "xtick.major.pad": 40}):
        assert figures_of(comparison) == list(figures.values())
