"""The command `report`: golden Markdown, a self-contained page, escaping, refusals, own files."""

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
from convchoice.analysis.result import Comparison
from convchoice.commands.report import main, write_report
from convchoice.errors import RunFolderError
from convchoice.reporting.page import (
    Badge,
    badges,
    banners,
    cost_cells,
    figures_of,
    page_view,
    study_view,
)
from convchoice.reporting.rendering import render
from made_up_reports import HOSTILE, RECORDED, renamed
from made_up_results import made_up_comparison
from made_up_runs import DIGITS, LECTURE, MNIST, study_values

GOLDEN = Path(__file__).parents[1] / "golden" / "README.md"
ERRORS = {"max": [10, 11, 12], "average": [15, 17, 16]}
RAW = {"html_block", "html_inline"}


@pytest.fixture(scope="module")
def results(comparison_of: Any) -> list[Comparison]:
    """Two studies' results: one with a contrast, one with published values."""
    options = {"average": {"config": {"downsample": {"operator": "average"}}}}
    lecture = {"lecture": {"validation": False}}
    return [
        comparison_of(ERRORS, None, options),
        comparison_of({"lecture": [20, 21]}, LECTURE, lecture),
    ]


@pytest.fixture
def reports(tmp_path: Path, results: list[Comparison]) -> Path:
    """A folder with these results."""
    for comparison in results:
        write_comparison(tmp_path / "reports" / comparison.study.name, comparison)
    return tmp_path / "reports"


def texts(reports: Path) -> tuple[str, str]:
    """The page and the Markdown file."""
    first, second = (reports / name for name in ("index.html", "README.md"))
    return first.read_text(), second.read_text()


def report(reports: Path, studies: str = "pooling,lecture") -> tuple[str, str]:
    main(["--studies", studies, "--reports", str(reports)])
    return texts(reports)


def written(folder: Path, comparison: Comparison) -> tuple[str, str]:
    write_report(folder, [comparison])
    return texts(folder)


class Page(HTMLParser):
    """A page's tags, attributes, ids and targets; checks its nesting."""

    VOID = frozenset({"meta", "link", "br", "hr", "img", "input"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[str] = []
        self.open: list[str] = []
        self.found: list[tuple[str, str, str]] = []
        self.feed(text)
        self.close()
        self.attributes = [(tag, name) for tag, name, _ in self.found]
        self.ids = [value for _, name, value in self.found if name == "id"]
        fetching = {"src", "href", "data", "srcset", "action"}
        self.fetched = [value for _, name, value in self.found if name in fetching]

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        if tag not in self.VOID:
            self.open.append(tag)
        self.found += [(tag, name, value or "") for name, value in attributes]

    def handle_startendtag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        self.handle_starttag(tag, attributes)
        if tag not in self.VOID:
            self.open.pop()

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag


def scripts(page: str) -> str:
    return "".join(re.findall(r"<script[^>]*>(.*?)</script>", page, re.DOTALL))


def raw_html(markdown: str) -> list[str]:
    tokens = MarkdownIt("commonmark").parse(markdown)
    every = [each for token in tokens for each in (token, *(token.children or []))]
    return [token.content for token in every if token.type in RAW]


# Content


def test_the_markdown_is_the_golden_one_and_its_figures_exist(reports):
    _, markdown = report(reports)
    if os.environ.get("CONVCHOICE_WRITE_GOLDEN"):
        GOLDEN.write_text(markdown)
    assert markdown == GOLDEN.read_text()
    figures = re.findall(r"\]\((figures/[^)]+)\)", markdown)
    assert len(figures) == 6
    assert all((reports / figure).is_file() for figure in figures)


def test_the_page_needs_no_network_and_its_links_have_targets(reports):
    text, _ = report(reports)
    page = Page(text)
    assert page.open == []
    assert all(target.startswith(("#", "data:")) for target in page.fetched)
    assert not re.findall(r"https?:|@import|url\((?!#)", text)
    assert not {"iframe", "img", "object"} & set(page.tags)
    assert (
        page.tags.count("script") == 4
    )  # the explorer's digits and code, the page's before and after
    assert not re.findall(r"fetch|XMLHttp|WebSocket|Beacon|EventSource|import\b", scripts(text))
    assert len(page.ids) == len(set(page.ids))
    targets = [target[1:] for target in page.fetched if target.startswith("#")]
    labels = " ".join(re.findall(r'aria-labelledby="([^"]+)"', text)).split()
    assert set(targets) | set(labels) <= set(page.ids)


def test_the_page_opens_on_the_answers(reports):
    text, _ = report(reports)
    body = re.sub(r"<[^>]+>", " ", text[text.index("<main>") :])
    answer = r"✓ Yes\s+After 1 epoch of 55,000 images: average is worse than max"
    assert re.search(answer, body).start() < body.index("Scores")
    for shown in (
        "−0.50", "[−0.75, −0.25]", "worse", "same parameters", "±0.10 pp", "trimmed mean",
        "+0.0100",  # 5 errors more at 0.002 nats each
        "Short training: 1 epoch of 55,000 images, 3 seeds an arm.",
        "With 3 seeds a sign-flip test cannot reject at 0.05: it needs 6 or more.",
        "Published results and ours", "downsample.operator",
    ):  # fmt: skip
        assert shown in body, shown
    assert "One pair of runs" not in body


def test_single_pairs_left_out_seeds_and_class_names_are_shown(comparison_of, tmp_path):
    names = ["T-shirt/top", *(f"garment {number}" for number in range(1, 10))]
    fashion = {**MNIST, "title": "Fashion-MNIST (70,000 articles)", "class_names": names}
    options = {arm: {"dataset": fashion} for arm in ERRORS}
    page, markdown = written(
        tmp_path / "a", comparison_of({"max": [10], "average": [40]}, None, options)
    )
    assert "One pair of runs, image by image" in page
    for name in names:
        assert f'<th scope="col">{name}</th>' in page
    assert "Data: Fashion-MNIST (70,000 articles)" in page
    assert "Data: Fashion-MNIST (70,000 articles)" in markdown
    page, _ = written(tmp_path / "b", comparison_of({"max": [10, 11, 12], "average": [15, 17]}))
    assert "1 left out" in page


# Escaping


def test_a_result_that_contradicts_itself_is_one_error(comparison, tmp_path):
    dataset = comparison.provenance.dataset.model_copy(update={"class_names": ["one"]})
    provenance = comparison.provenance.model_copy(update={"dataset": dataset})
    broken = comparison.model_copy(update={"provenance": provenance})
    with pytest.raises(RunFolderError, match=r"pooling/comparison\.json: parts of the result"):
        write_report(tmp_path, [broken])
    assert list(tmp_path.iterdir()) == []


def test_names_with_markup_add_no_element_and_no_attribute(comparison, figures, tmp_path):
    names = dict.fromkeys(("average", "block1.detector", "a CPU"), HOSTILE)
    view = page_view([comparison], [list(figures.values())])
    plain = [render("index.html.j2", {**view, "folder": "figures"})]
    plain += [figure.file for figure in figures.values()]
    page, markdown = written(tmp_path, renamed(comparison, names))
    files = [path.read_text() for path in (tmp_path / "figures").iterdir()]
    assert all(ET.fromstring(file).tag.endswith("svg") for file in files)  # noqa: S314
    expected, found = ([Page(text) for text in texts] for texts in (plain, [page, *files]))
    assert {pair for each in found for pair in each.attributes} == {
        pair for each in expected for pair in each.attributes
    }
    assert found[0].tags.count("script") == 4
    assert len(set(found[0].ids)) == len(found[0].ids)
    [comment] = raw_html(markdown)
    assert comment.startswith("<!-- Generated by")


# Files


def test_the_same_results_give_the_same_bytes_and_old_figures_are_removed(reports):
    first = report(reports)
    (reports / "figures" / "mine.svg").touch()
    assert report(reports) == first
    report(reports, "lecture")
    left = {path.name.partition("-")[0] for path in (reports / "figures").iterdir()}
    assert left == {"lecture", "mine.svg"}


@pytest.mark.parametrize("name", ["README.md", "index.html", "figures/lecture-seeds.svg"])
def test_files_of_others_are_not_replaced(reports, refused, name):
    mine = reports / name
    mine.parent.mkdir(exist_ok=True)
    mine.write_text("mine")
    before = sorted(reports.rglob("*"))
    assert f"{mine}: was not written by convchoice" in refused(report, reports)
    assert mine.read_text() == "mine"
    assert sorted(reports.rglob("*")) == before


# Command line


def test_the_parameters_file_names_the_studies(reports, capsys, refused):
    parameters = reports / "params.yaml"
    parameters.write_text("scale: quick\narms: [lecture]\nstudies: [lecture]\n")
    main(["--params", str(parameters), "--reports", str(reports)])
    page, _ = texts(reports)
    # The study that was not chosen keeps its place, below.
    assert -1 < page.find('id="lecture"') < page.find('id="pooling"')
    lines = capsys.readouterr().out.splitlines()
    assert f"  {reports / 'index.html'}" in lines
    assert lines[-1] == f"The tables: convchoice summary {reports}"
    change_a_number(reports / "pooling")
    main(["--params", str(parameters), "--reports", str(reports)])
    assert 'id="pooling"' not in texts(reports)[0]
    left_out = f"left out of the report: {reports / 'pooling' / 'comparison.json'}: was changed"
    assert left_out in capsys.readouterr().out
    parameters.write_text("scale: quick\narms: [max]\nstudies: pooling\n")
    options = ["--params", str(parameters), "--reports", str(reports)]
    assert "params.yaml: studies = 'pooling': must be a list" in refused(main, options)


def rename(folder: Path) -> None:
    folder.rename(folder.with_name("padding"))


def change_a_number(folder: Path) -> None:
    path = folder / "comparison.json"
    values = json.loads(path.read_text())
    values["arms"]["max"]["scores"]["test/accuracy"]["mean"] += 0.001
    path.write_text(json.dumps(values))


@pytest.mark.parametrize(
    ("studies", "change", "message"),
    [
        ("../reports/pooling", Path.exists, "a name is"),
        (",", Path.exists, "at least one study"),
        ("pooling,padding", Path.exists, "there is no such file"),
        ("padding", rename, "study.name = 'pooling', but its folder is padding"),
        ("pooling", change_a_number, "comparison.json: was changed after it was written"),
    ],
)
def test_studies_without_a_sound_result_are_refused(reports, refused, studies, change, message):
    change(reports / "pooling")
    assert message in refused(report, reports, studies)
    assert not (reports / "index.html").exists()


PAIR = {"max": [10, 11], "average": [30, 33]}


def test_people_read_labels_in_the_place_of_names(comparison_of):
    study = study_values(
        labels={"max": "largest", "average": "mean value"}, descriptions={"average": "A mean."}
    )
    comparison = comparison_of(PAIR, study)
    view = study_view(comparison)
    assert list(view["comparison"].arms) == ["largest", "mean value"]
    assert view["described"] == [("mean value", "average", "A mean.")]
    [contrast] = view["comparison"].contrasts
    assert (contrast.arm, contrast.reference) == ("mean value", "largest")
    texts = " ".join(f"{each.alt} {each.caption}" for each in figures_of(comparison))
    assert "mean value − largest" in texts
    assert "average" not in texts
    assert view["comparison"].labelled() == view["comparison"]


def test_badges_and_banners_name_the_fallback_and_its_studies(comparison_of):
    comparison = comparison_of(PAIR, None, {arm: {"dataset": DIGITS} for arm in PAIR})
    assert badges(comparison) == [Badge("Yes on digits", "✓", "yes")]
    assert badges(made_up_comparison({"a": ("base", "worse")}, claim=None)) == []
    for studies, named in (([comparison], ""), ([comparison, made_up_comparison({})], "pooling")):
        [banner] = [each for each in banners(studies) if each.strong]
        assert banner.text.startswith("No source of MNIST answered")
        assert banner.studies == named


def test_other_images_are_no_digits(tmp_path, comparison, comparison_of):
    pets = {**MNIST, "name": "pets", "title": "pets (8 images of 2 classes)"}
    options = {arm: {**RECORDED, "dataset": pets} for arm in PAIR}
    other = comparison_of(PAIR, None, options)
    titles = [{each.title for each in figures_of(item)} for item in (comparison, other)]
    for title in ("shifted {}", "rotated {}", "larger and smaller {}"):
        assert f"Accuracy on {title.format('digits')}" in titles[0] - titles[1]
        assert f"Accuracy on {title.format('images')}" in titles[1] - titles[0]
    page, _ = written(tmp_path / "mine", other)
    assert not re.search("digit|try-it", page)
    both = page_view([other, comparison], [[], []])
    assert both["explorer"]  # of the study with digits


def test_costs_and_ratios(comparison):
    cells = cost_cells(comparison.arms["average"], comparison.contrasts_of("average")[0])
    assert cells[:3] == [("93,322", "same"), ("698,560", "×0.25"), ("29,000", "")]
    assert cost_cells(comparison.arms["max"], None)[0] == ("93,322", "")
