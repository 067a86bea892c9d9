"""The page in headless Chromium: no error, no request, nothing cut, nothing active."""

from pathlib import Path
from typing import Any

import pytest

from chromium import browser, written_by
from convchoice.analysis.result import Comparison
from convchoice.report import write_report
from made_up_reports import HOSTILE, PADDED, RECORDED, renamed
from made_up_runs import study_values

MEASURE = """
frame.addEventListener("load", () => {
  const page = frame.contentDocument, root = page.documentElement, view = frame.contentWindow;
  const wide = [...page.body.querySelectorAll("*")].filter(element =>
    !element.closest(".scroll, svg") && element.getBoundingClientRect().right > WIDTH + 0.5);
  write({
    scroll: root.scrollWidth, width: view.innerWidth,
    wide: wide.map(element => element.tagName + "." + element.className),
    requests: view.performance.getEntriesByType("resource").map(entry => entry.name),
    figures: page.querySelectorAll("figure svg").length,
    cut: [...page.querySelectorAll("figure svg")].filter(svg => {
      const box = svg.getBoundingClientRect();
      return box.height < 60 || [...svg.querySelectorAll("text")].some(text => {
        const shown = text.getBoundingClientRect();
        return shown.left < box.left - 1 || shown.right > box.right + 1;
      });
    }).map(svg => svg.getAttribute("aria-labelledby")),
    active: page.querySelectorAll("[onload], svg svg").length,
  });
});"""

pytestmark = browser


NAME = "a_name_that_is_as_long_as_a_sweep_makes_it=0.001"


@pytest.fixture(scope="module")
def page(
    comparison_of: Any, published: Comparison, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A report with every figure, long names, and a name that is markup."""
    study = study_values(arms=["average", NAME], source="https://example.org/" + "long/" * 30)
    errors = {"max": [10, 11, 12], "average": [15, 17, 16], NAME: [9, 9, 10]}
    options = {"max": RECORDED, "average": PADDED, NAME: RECORDED}
    pooling = renamed(comparison_of(errors, study, options), {"average": HOSTILE})
    reports = tmp_path_factory.mktemp("reports")
    write_report(reports, [pooling, published])
    return reports / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_requests_nothing_and_logs_no_error(page: Path, tmp_path: Path, width: int):
    measured = written_by(MEASURE, page, width, tmp_path)
    assert measured.pop("scroll") <= width
    expected = {"width": width, "wide": [], "requests": [], "cut": [], "active": 0}
    assert measured == {**expected, "figures": 16 + 7}
