"""The page in headless Chromium: no error, no request, nothing cut, nothing active."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chromium import CHROMIUM, open_in_chromium
from convchoice.analysis.result import Comparison
from convchoice.report import write_report
from made_up_reports import HOSTILE, PADDED, RECORDED, renamed
from making import study_values

# A headless window is never narrower than 500 pixels, so the page stands in a frame as wide as a
# phone; the outer page then writes down what it measured.
MEASURE = """<!DOCTYPE html><meta charset="utf-8"><iframe id="frame" src="index.html"
style="width:WIDTHpx;height:800px;border:0"></iframe><script>
const frame = document.getElementById("frame"), errors = [];
frame.addEventListener("load", () => {
  const page = frame.contentDocument, root = page.documentElement, view = frame.contentWindow;
  const wide = [...page.body.querySelectorAll("*")].filter(element =>
    !element.closest(".scroll, svg") && element.getBoundingClientRect().right > WIDTH + 0.5);
  document.body.innerHTML = "<pre>" + JSON.stringify({
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
  }) + "</pre>";
});</script>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


NAME = "a_name_that_is_as_long_as_a_sweep_makes_it=0.001"


@pytest.fixture(scope="module")
def page(made: Any, published: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A report with every figure, long names, and a name that is markup."""
    study = study_values(arms=["average", NAME], source="https://example.org/" + "long/" * 30)
    errors = {"max": [10, 11, 12], "average": [15, 17, 16], NAME: [9, 9, 10]}
    options = {"max": RECORDED, "average": PADDED, NAME: RECORDED}
    pooling = renamed(made(errors, study, options), {"average": HOSTILE})
    reports = tmp_path_factory.mktemp("reports")
    write_report(reports, [pooling, published])
    return reports / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_requests_nothing(page: Path, tmp_path: Path, width: int):
    outer = page.with_name(f"measure{width}.html")
    outer.write_text(MEASURE.replace("WIDTH", str(width)), encoding="utf-8")
    done = open_in_chromium(outer, tmp_path / "profile")
    found = re.search(r"<pre>(\{.*?\})</pre>", done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:]
    measured = json.loads(found[1])
    assert measured["width"] == width
    assert measured["wide"] == []
    assert measured["scroll"] <= width
    assert measured["requests"] == []
    assert measured["figures"] == 18 + 7
    assert measured["cut"] == []
    assert measured["active"] == 0


def test_the_console_stays_empty(page: Path, tmp_path: Path):
    done = open_in_chromium(page, tmp_path / "profile")
    assert "How this was made" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
