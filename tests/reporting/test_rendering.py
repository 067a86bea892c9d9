"""Escaping: whatever a value holds, a template's output has only the template's own markup."""

from collections.abc import Sequence
from html.parser import HTMLParser

import pytest
from hypothesis import given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from convchoice.reporting.rendering import environment, html_prose, markdown, markdown_prose, slug

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
PLAIN = {"paragraph_open", "paragraph_close", "inline", "text", "text_special"}
PARSER = MarkdownIt("commonmark").enable(["table", "strikethrough"])


def flattened(tokens: Sequence[Token]) -> list[Token]:
    return [each for token in tokens for each in (token, *flattened(token.children or []))]


def kinds(source: str) -> list[str]:
    return [token.type for token in flattened(PARSER.parse(source))]


@given(TEXT)
def test_a_value_in_markdown_is_text_alone(text: str) -> None:
    found = set(kinds(f"| head |\n| --- |\n| {markdown(text)} |\n\nAfter it."))
    assert found.isdisjoint({"html_inline", "html_block", "image", "code_inline", "fence"})
    assert "table_open" in found
    assert kinds(f"**{markdown(text)}.**").count("strong_open") <= 1
    assert set(kinds(f"a\n{markdown(text)}")) <= {*PLAIN, "softbreak"}
    assert set(kinds(markdown(text))) <= PLAIN


@given(TEXT, TEXT)
def test_prose_in_markdown_has_code_but_no_markup(first: str, second: str) -> None:
    found = flattened(PARSER.parse(f"Notes: {markdown_prose(first + second)}"))
    assert [token.type for token in found].count("paragraph_open") == 1
    assert {token.type for token in found}.isdisjoint(
        {"html_inline", "html_block", "image", "fence", "em_open", "strong_open"}
    )


def test_markdown_by_hand() -> None:
    assert markdown("a_b [c](d) | <e> & `f`\n#g") == (r"a\_b \[c\](d) \| &lt;e&gt; &amp; \`f\` \#g")
    assert markdown_prose("use `a_b` not c_d") == r"use `a_b` not c\_d"
    assert markdown_prose("one ` alone_") == r"one \` alone\_"
    assert markdown_prose("`a\n\n<b>` c") == "`a <b>` c"


@given(TEXT)
def test_a_value_in_html_is_text_alone(text: str) -> None:
    tags: list[str] = []

    class Parser(HTMLParser):
        def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
            tags.append(tag)
            assert [name for name, _ in attrs] in ([], ["id"])

    template = environment().from_string('<p id="{{ x }}">{{ x }}</p><p>{{ x | prose }}</p>')
    parser = Parser()
    parser.feed(template.render(x=text))
    parser.close()
    assert [tag for tag in tags if tag != "code"] == ["p", "p"]
    assert "code" not in tags or "`" in text


@pytest.mark.parametrize("for_markdown", [False, True])
def test_control_characters_are_replaced(*, for_markdown: bool) -> None:
    template = environment(for_markdown=for_markdown).from_string("{{ x }}{{ x | prose }}")
    written = template.render(x="a\x1b[0m\x07\u202eb`c\x9bd`")
    assert not set(written) & set("\x1b\x07\x9b\u202e")


def test_slug_and_prose_by_hand() -> None:
    assert slug('max "><svg>/../x=0.1_a') == "max-svg-x-0-1_a"
    assert html_prose("a `b<c>` & ``d``") == "a <code>b&lt;c&gt;</code> &amp; ``d``"
