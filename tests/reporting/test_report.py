"""The report: golden Markdown, one self-contained page, escaping, refusals, determinism."""

import json
import os
import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from markdown_it import MarkdownIt

from convchoice.analysis.comparison_files import write_comparison
from convchoice.analysis.version_2 import from_version_2
from convchoice.report import main, write_report
from convchoice.reporting.page import badge, page_view
from made_up_inside import made_up_inside
from making import DIGITS, LECTURE, MNIST, Compared, curve_points, study_values

GOLDEN = Path(__file__).parents[1] / "golden" / "README.md"
EVIL = "<script>alert(1)</script> [x](y) a|b *c* `d` $e$ &amp;"
ERRORS = {"max": [10, 11, 12], "average": [15, 17, 16]}


def save(reports: Path, comparison: dict[str, Any]) -> None:
    write_comparison(reports / comparison["study"]["name"], from_version_2(comparison))


@pytest.fixture
def reports(tmp_path: Path, compared: Compared) -> Path:
    """Two studies' results: one with a contrast, one with a printed table."""
    folder = tmp_path / "reports"
    options = {"average": {"config": {"downsample": {"operator": "average"}}}}
    save(folder, compared(ERRORS, options=options))
    save(folder, compared({"lecture": [20, 21]}, LECTURE, {"lecture": {"validation": False}}))
    return folder


def make(reports: Path, studies: str = "pooling,lecture") -> tuple[str, str]:
    main(["--studies", studies, "--reports", str(reports)])
    page = (reports / "index.html").read_text(encoding="utf-8")
    return page, (reports / "README.md").read_text(encoding="utf-8")


def test_markdown_is_the_golden_one(reports: Path):
    _, markdown = make(reports)
    if os.environ.get("CONVCHOICE_WRITE_GOLDEN"):
        GOLDEN.write_text(markdown, encoding="utf-8")
    assert markdown == GOLDEN.read_text(encoding="utf-8")


def test_a_study_names_its_data_set_and_its_classes(tmp_path: Path, compared: Compared):
    names = ["T-shirt/top", *(f"garment {number}" for number in range(1, 10))]
    fashion = {
        **MNIST,
        "name": "fashion_mnist",
        "title": "Fashion-MNIST (70,000 articles of clothing)",
        "class_names": names,
    }
    folder = tmp_path / "reports"
    save(folder, compared(ERRORS, options={arm: {"dataset": fashion} for arm in ERRORS}))
    page, markdown = make(folder, "pooling")
    for text in (page, markdown):
        assert "Data: Fashion-MNIST (70,000 articles of clothing)" in text
    for name in names:
        assert f'<th scope="col" class="n">{name}</th>' in page


def test_markdown_names_figures_that_are_there(reports: Path):
    _, markdown = make(reports)
    figures = re.findall(r"\]\((figures/[^)]+)\)", markdown)
    assert len(figures) == 9
    assert all((reports / figure).is_file() for figure in figures)


def test_the_same_comparisons_give_the_same_bytes_and_old_figures_go(reports: Path):
    first = make(reports)
    (reports / "figures" / "mine.svg").touch()
    assert make(reports) == first
    make(reports, "lecture")
    left = {path.name.partition("-")[0] for path in (reports / "figures").iterdir()}
    assert left == {"lecture", "mine.svg"}


class Page(HTMLParser):
    """Collects what a page would fetch, its ids, its links and its nesting."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.fetched: list[str] = []
        self.tags: list[str] = []
        self.open: list[str] = []
        self.attributes: list[tuple[str, str]] = []
        self.feed(text)
        self.close()

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        for name, value in attributes:
            self.attributes.append((tag, name))
            if name == "id":
                self.ids.append(value or "")
            if name in {"src", "href", "data", "srcset", "action"}:
                self.fetched.append(value or "")

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def test_the_page_fetches_nothing(reports: Path):
    text, _ = make(reports)
    page = Page(text)
    assert page.open == []
    assert all(target.startswith(("#", "data:")) for target in page.fetched)
    assert "http:" not in text
    assert "https:" not in text
    assert "@import" not in text
    assert not re.findall(r"url\((?!#)", text)
    assert not {"iframe", "img", "object"} & set(page.tags)
    # The digits and the explorer, both written out in the page: neither asks for anything.
    assert page.tags.count("script") == 2
    assert not re.findall(r"fetch|XMLHttp|WebSocket|Beacon|EventSource|import\b", scripts(text))


def scripts(page: str) -> str:
    """What stands in a page's scripts."""
    return "".join(re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))


def test_every_link_and_label_has_its_target(reports: Path):
    text, _ = make(reports)
    page = Page(text)
    assert len(page.ids) == len(set(page.ids))
    targets = [target[1:] for target in page.fetched if target.startswith("#")]
    labels = " ".join(re.findall(r'aria-labelledby="([^"]+)"', text)).split()
    assert set(targets) | set(labels) <= set(page.ids)


def test_the_page_opens_on_the_answers(reports: Path):
    text, _ = make(reports)
    body = re.sub(r"<[^>]+>", " ", text[text.index("<main>") :])
    answer = "The claim holds: max is better than average."
    assert body.index(answer) < body.index("Scores")
    for told in ("−0.50", "[−0.75, −0.25]", "worse", "same parameters", "±0.10 pp"):
        assert told in body


def test_texts_of_a_study_are_escaped_in_both(tmp_path: Path, compared: Compared):
    texts = dict.fromkeys(("question", "claim", "source", "notes"), EVIL)
    environment = {"device_name": EVIL, "commit": EVIL, "versions": {"torch": EVIL}}
    options = {arm: {"environment": environment} for arm in ERRORS}
    save(tmp_path, compared(ERRORS, study_values(**texts), options))
    page, markdown = make(tmp_path, "pooling")
    assert "<script>alert" not in page
    assert Page(page).tags.count("script") == 2
    assert "alert" not in scripts(page)
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in page
    assert "<script" not in markdown
    assert r"&lt;script&gt;alert(1)&lt;/script&gt; \[x\](y) a\|b \*c\* \`d\` \$e\$" in markdown


HOSTILE = '"><svg onload=alert(1)>'


def test_names_that_hold_markup_add_no_element_and_no_attribute(tmp_path: Path, compared: Compared):
    kept = {"picture_shape": (28, 28), "epochs": 2, "curves": curve_points(),
            "inside": made_up_inside()}  # fmt: skip
    names = [f"class {number}" for number in range(10)]
    dataset = {"dataset": {**MNIST, "class_names": names}}
    plain = compared(ERRORS, options=dict.fromkeys(ERRORS, kept | dataset))
    altered = json.dumps(plain)
    for name in ('"average"', '"class 3"', '"block1.detector"', '"a CPU"'):
        altered = altered.replace(name, json.dumps(HOSTILE))
    markup = []
    for folder, comparison in ((tmp_path / "a", plain), (tmp_path / "b", json.loads(altered))):
        write_report(folder, [comparison])
        page = (folder / "index.html").read_text(encoding="utf-8")
        files = [path.read_text(encoding="utf-8") for path in (folder / "figures").iterdir()]
        assert all(ET.fromstring(file).tag.endswith("svg") for file in files)  # noqa: S314
        found = [Page(text) for text in (page, *files)]
        markup.append({(tag, name) for each in found for tag, name in each.attributes})
        assert found[0].tags.count("script") == 2
        assert len(set(found[0].ids)) == len(found[0].ids)
        markdown = (folder / "README.md").read_text(encoding="utf-8")
        tokens = MarkdownIt("commonmark").parse(markdown)
        raw = [token.content for token in tokens if token.type == "html_block"]
        assert raw == ["<!-- Generated by `convchoice report`; edits are lost. -->\n"]
        assert not any(
            child.type == "html_inline" for token in tokens for child in token.children or []
        )
    assert markup[0] == markup[1]


def test_files_of_others_are_neither_replaced_nor_removed(
    reports: Path, capsys: pytest.CaptureFixture[str]
):
    (reports / "README.md").write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        make(reports)
    assert f"{reports / 'README.md'}: was not written by convchoice" in capsys.readouterr().err
    assert not (reports / "index.html").exists()
    (reports / "README.md").unlink()
    (reports / "figures").mkdir()
    (reports / "figures" / "lecture-seeds.svg").write_text("mine", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        make(reports)
    assert "lecture-seeds.svg: was not written by convchoice" in capsys.readouterr().err
    assert (reports / "figures" / "lecture-seeds.svg").read_text(encoding="utf-8") == "mine"


def test_the_fallback_data_set_is_said_before_everything(tmp_path: Path, compared: Compared):
    options = {arm: {"dataset": DIGITS} for arm in ERRORS}
    save(tmp_path, compared({"max": [3, 4], "average": [14, 15]}, options=options))
    page, markdown = make(tmp_path, "pooling")
    main_part = page[page.index("<main>") :]
    assert 'class="banner strong"' in main_part
    assert main_part.index("make retry") < main_part.index('class="card"')
    assert "claim holds on digits" in main_part
    assert markdown.index("> **No source of MNIST answered") < markdown.index("## ")


def test_small_scale_and_too_few_seeds_are_said_on_the_page(reports: Path):
    page, markdown = make(reports)
    for text in (page, markdown):
        assert "Small scale: 1 epoch over 55,000 training images, 3 seeds an arm." in text
        assert "3 seeds can never reject at 0.05 by a sign-flip test: that takes 6." in text


def test_a_clean_study_has_no_banner(tmp_path: Path, compared: Compared):
    options = {arm: {"epochs": 5} for arm in ERRORS}
    save(tmp_path, compared({"max": [10] * 6, "average": [12] * 6}, options=options))
    page, _ = make(tmp_path, "pooling")
    assert 'class="banner' not in page


@pytest.mark.parametrize(
    ("errors", "epochs", "text"),
    [
        ([5, 9], 5, "within our runs"),
        ([9, 10], 5, "outside our runs"),
        ([9, 10], 2, "2 of 5 epochs compared"),
    ],
)
def test_badge_of_a_printed_study(compared: Compared, errors: list[int], epochs: int, text: str):
    found = badge(compared({"lecture": errors}, LECTURE, {"lecture": {"epochs": epochs}}))
    assert found is not None
    assert found["text"] == text


def test_a_study_without_a_claim_has_no_badge(compared: Compared):
    comparison = compared(ERRORS, study_values(claim_arm=None))
    assert badge(comparison) is None
    [study] = page_view([comparison], [[]])["studies"]
    assert study["answer"] == "average against max: worse."


def test_one_pair_of_runs_is_shown_image_by_image(tmp_path: Path, compared: Compared):
    save(tmp_path, compared({"max": [10], "average": [40]}))
    page, _ = make(tmp_path, "pooling")
    assert "One pair of runs, image by image" in page
    assert "That takes more seeds" in page or "that takes more seeds" in page


def test_more_seeds_need_no_single_pair(reports: Path):
    page, _ = make(reports)
    assert "One pair of runs, image by image" not in page


def test_pictures_that_nobody_kept_are_said(reports: Path, tmp_path: Path, compared: Compared):
    page, markdown = make(reports)
    told = "average: no pictures of the images that flip were kept by these runs."
    assert told in page
    assert told in markdown
    kept = {arm: {"picture_shape": (28, 28)} for arm in ERRORS}
    save(tmp_path / "kept", compared(ERRORS, options=kept))
    page, markdown = make(tmp_path / "kept", "pooling")
    assert told not in page
    assert "pooling-flips-average" in page
    assert "figures/pooling-flips-average.svg" in markdown


def test_the_log_likelihood_stands_beside_the_accuracy(reports: Path):
    page, _ = make(reports)
    body = page[page.index("looked at otherwise") :]
    assert "its p, Holm" in body
    assert "+0.0100" in body  # 5 errors more at 0.002 nats each


def test_left_out_seeds_are_said(tmp_path: Path, compared: Compared):
    save(tmp_path, compared({"max": [10, 11, 12], "average": [15, 17]}))
    page, markdown = make(tmp_path, "pooling")
    assert "1 left out" in page
    assert "average without seeds 2" in page
    assert "average without seeds 2" in markdown


def test_it_says_where_the_report_is_and_how_to_see_the_tables(
    reports: Path, capsys: pytest.CaptureFixture[str]
):
    make(reports)
    lines = capsys.readouterr().out.splitlines()
    assert lines == [
        "The report:",
        f"  {reports / 'index.html'}",
        f"  {reports / 'README.md'}",
        "The tables: python -m convchoice.summary",
    ]


def test_studies_may_be_named_by_the_parameters_file(
    reports: Path, capsys: pytest.CaptureFixture[str]
):
    parameters = reports / "params.yaml"
    parameters.write_text("scale: quick\nstudies: [lecture]\n", encoding="utf-8")
    main(["--params", str(parameters), "--reports", str(reports)])
    page = (reports / "index.html").read_text(encoding="utf-8")
    assert 'id="lecture"' in page
    assert 'id="pooling"' not in page
    parameters.write_text("studies: pooling\n", encoding="utf-8")
    with pytest.raises(SystemExit, match="2"):
        main(["--params", str(parameters), "--reports", str(reports)])
    assert "params.yaml: studies = 'pooling': must be a list" in capsys.readouterr().err


def test_another_study_s_result_is_refused(reports: Path, capsys: pytest.CaptureFixture[str]):
    (reports / "pooling").rename(reports / "padding")
    before = sorted(reports.parent.rglob("*"))
    with pytest.raises(SystemExit, match="2"):
        make(reports, "padding")
    assert "study.name = 'pooling', but its folder is padding" in capsys.readouterr().err
    assert sorted(reports.parent.rglob("*")) == before


@pytest.mark.parametrize(
    ("studies", "message"),
    [("../reports/pooling", "a name is"), (",", "at least one study"), ("a b", "a name is")],
)
def test_what_is_no_study_name_is_refused(
    reports: Path, capsys: pytest.CaptureFixture[str], studies: str, message: str
):
    with pytest.raises(SystemExit, match="2"):
        make(reports, studies)
    assert message in capsys.readouterr().err
