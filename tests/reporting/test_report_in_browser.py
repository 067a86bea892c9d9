"""The page in headless Chromium: no error, no request, no sideways scroll on a phone."""

import json
import re
from pathlib import Path

import pytest

from chromium import CHROMIUM, open_in_chromium
from convchoice.analysis.comparison_files import write_comparison
from convchoice.analysis.version_2 import from_version_2
from convchoice.report import main
from made_up_inside import made_up_inside
from making import LECTURE, Compared, curve_points, study_values

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
    empty: [...page.querySelectorAll("figure svg")].filter(svg =>
      svg.getBoundingClientRect().height < 60).length,
  }) + "</pre>";
});</script>"""

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]


@pytest.fixture
def page(tmp_path: Path, compared: Compared) -> Path:
    reports = tmp_path / "reports"
    long_names = ["average", "a_name_that_is_as_long_as_a_sweep_makes_it=0.001"]
    study = study_values(arms=long_names, source="https://example.org/" + "long/" * 30)
    errors = {"max": [10, 11, 12], long_names[0]: [15, 17, 16], long_names[1]: [9, 9, 10]}
    curves = curve_points(layers=("block1.convolution", "block1.downsample"))
    kept = {"epochs": 3, "curves": curves, "picture_shape": (28, 28), "inside": made_up_inside()}
    padded = {"conv": {"padding": "same"}}  # so that every figure of insides has its place
    options = dict.fromkeys(errors, kept) | {"average": {**kept, "config": padded}}
    write_comparison(reports / "pooling", from_version_2(compared(errors, study, options)))
    lecture = compared({"lecture": [5, 9]}, LECTURE, {"lecture": {"epochs": 5}})
    write_comparison(reports / "lecture", from_version_2(lecture))
    main(["--studies", "pooling,lecture", "--reports", str(reports)])
    return reports / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_and_asks_for_nothing(page: Path, tmp_path: Path, width: int):
    outer = page.with_name("measure.html")
    outer.write_text(MEASURE.replace("WIDTH", str(width)), encoding="utf-8")
    done = open_in_chromium(outer, tmp_path / "profile")
    found = re.search(r"<pre>(\{.*?\})</pre>", done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:]
    measured = json.loads(found[1])
    assert measured["width"] == width
    assert measured["wide"] == []
    assert measured["scroll"] <= width
    assert measured["requests"] == []
    assert measured["figures"] == 25
    assert measured["empty"] == 0


def test_the_page_has_nothing_to_say_on_the_console(page: Path, tmp_path: Path):
    done = open_in_chromium(page, tmp_path / "profile")
    assert "How this was made" in done.stdout
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
