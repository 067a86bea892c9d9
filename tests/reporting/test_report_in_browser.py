"""The page in headless Chromium: nothing cut, no request; folds, arms and files of figures work."""

from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest

from chromium import browser, found_in
from convchoice.analysis.comparison_files import read_comparison
from convchoice.analysis.result import Comparison
from convchoice.commands.compare import main as compare
from convchoice.commands.report import write_report
from made_up_reports import HOSTILE, PADDED, RECORDED, renamed
from made_up_runs import study_values

MEASURE = """
  found.figures = all("figure svg").length;
  found.cut = all("figure svg").filter(svg => {
    const box = svg.getBoundingClientRect();
    return box.height < 60 || all("text", svg).some(text => {
      const shown = text.getBoundingClientRect();
      return shown.left < box.left - 1 || shown.right > box.right + 1
        || shown.top < box.top - 1 || shown.bottom > box.bottom + 1;
    });
  }).map(svg => svg.getAttribute("aria-labelledby"));
  found.active = all("[onload], svg svg").length;"""

USE = """
  const parts = all("details.part");
  const open = () => parts.filter(part => part.open).length;
  const study = page.getElementById("pooling");
  const drawn = all(".drawing svg", study);
  const painted = svg => svg.checkVisibility({ contentVisibilityAuto: true });
  Object.assign(found, { first: open(), painted_before: drawn.filter(painted).length });
  const click = (selector, inside = page) => inside.querySelector(selector).click();
  click("[data-fold=closed]"); found.folded = open();
  view.dispatchEvent(new view.Event("beforeprint")); found.printed = parts.length - open();
  view.dispatchEvent(new view.Event("afterprint")); found.after_print = open();
  click("[data-fold=open]"); found.unfolded = parts.length - open();
  drawn[3].scrollIntoView(); await wait(300);
  for (let n = 0; n < 20 && !page.querySelector("[aria-current]"); n++) await wait(100);
  found.painted_when_seen = painted(drawn[3]);
  found.current = all("[aria-current]").map(link => link.hash);
  const top = page.querySelector(".contents").getBoundingClientRect().top;
  found.list_stays = top >= 0 && top < 100;
  const off = () => all("figure .arm-2", study).filter(each =>
    view.getComputedStyle(each).display === "none").length;
  click(".switches input[value=arm-2]"); found.off = off() > 20;
  // Files are caught where the page hands them to the browser.
  const saved = [];
  view.Blob = function ([text]) { found.svg = text; };
  view.URL.createObjectURL = () => "#";
  view.HTMLCanvasElement.prototype.toBlob = function (done) {
    found.png = [this.width, this.height];
    found.png_is_drawn = this.toDataURL().length > 10_000;
    done();
  };
  view.HTMLAnchorElement.prototype.click = function () { saved.push(this.download); };
  const figure = study.querySelector("figure[data-name=pooling-learning-curves]");
  click("[data-save=svg]", figure); click("[data-save=png]", figure); await wait(500);
  found.saved = saved;
  click(".switches input[value=arm-2]"); found.on = off();
  view.print = () => {
    const sheet = page.querySelector(".sheet svg");
    found.sheet = [page.title, sheet.querySelectorAll("text").length > 5,
      page.body.className, page.querySelector("body > style").textContent];
  };
  click("[data-save=pdf]", figure);
  view.dispatchEvent(new view.Event("afterprint"));
  found.sheets_left = all(".sheet, body > style").length;"""

pytestmark = browser


NAME = "a_name_that_is_as_long_as_a_sweep_makes_it=0.001"


@pytest.fixture(scope="module")
def page(
    comparison_of: Any, published: Comparison, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A report with every figure, long names, and a name that is markup."""
    study = study_values(arms=["average", NAME], source="https://example.org/" + "long/" * 30)
    errors = {"max": [10, 11, 12], "average": [14, 16, 15], NAME: [9, 9, 10]}
    options = {"max": RECORDED, "average": PADDED, NAME: RECORDED}
    pooling = renamed(comparison_of(errors, study, options), {"average": HOSTILE})
    reports = tmp_path_factory.mktemp("reports")
    write_report(reports, [pooling, published])
    return reports / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_the_page_fits_requests_nothing_and_logs_no_error(page, tmp_path, width):
    found = found_in(MEASURE, page, width, tmp_path)
    assert found == {"figures": 16 + 7, "cut": [], "active": 0}


def test_the_page_of_a_table_works_without_the_explorer(tmp_path):
    table, reports = tmp_path / "f1.csv", tmp_path / "reports"
    rows = [f"{arm},{seed},0.{8 * seed + 10}" for arm in ("old", "n_e-w") for seed in range(3)]
    table.write_text("\n".join(["arm,seed,f1", *rows]), encoding="utf-8")
    options = ["--value", "f1", "--margin", "0.01", "--higher-is-better"]
    compare([str(table), *options, "--output", str(reports / "f1")])
    write_report(reports, [read_comparison(reports / "f1" / "comparison.json")])
    found = found_in(MEASURE, reports / "index.html", 390, tmp_path)
    assert found == {"figures": 2, "cut": [], "active": 0}


@pytest.mark.parametrize("width", [390, 1280])
def test_folds_arms_and_files_of_figures(page, tmp_path, width):
    found = found_in(USE, page, width, tmp_path)
    assert 0 < found.pop("first") < 16
    assert found.pop("painted_before") == 0
    svg = ET.fromstring(found.pop("svg"))  # noqa: S314 - made by the page
    texts = [each.text for each in svg.iter("{http://www.w3.org/2000/svg}text")]
    assert texts[0] == "Training loss and validation accuracy by"
    every = ET.tostring(svg, encoding="unicode")
    assert "var(" not in every
    assert "#0072b2" in every
    hidden = [each for each in svg.iter() if each.get("class") == "arm-2"]
    assert {each.get("display") for each in hidden} == {"none"}
    size = [float(each) for each in svg.get("viewBox", "").split()[2:]]
    assert found.pop("png") == [round(4 * each) for each in size]
    assert found == {
        "folded": 0, "printed": 0, "after_print": 0, "unfolded": 0, "off": True, "on": 0,
        "painted_when_seen": True, "current": ["#pooling"], "list_stays": True,
        "saved": ["pooling-learning-curves.svg", "pooling-learning-curves.png"],
        "png_is_drawn": True,
        "sheet": ["pooling-learning-curves", True, "one-figure",
                  f"@page {{ size: {size[0]:g}pt {size[1]:g}pt; margin: 0; }}"],
        "sheets_left": 0,
    }  # fmt: skip
