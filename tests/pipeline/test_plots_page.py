"""The page of `dvc plots show`: what it shows first, at the widths of a phone and a laptop."""

import pytest
from dvc_render.html import render_html
from dvc_render.image import ImageRenderer

from chromium import browser, written_by
from convchoice import PROJECT_ROOT

pytestmark = browser
FIGURES = ("lecture-confusion", "headline", "strides_vs_pooling-differences", "pooling-seeds")
SCRIPT = """frame.onload = () => {
  const page = frame.contentDocument;
  const cards = [...page.querySelectorAll("body > div")].map(each => {
    const box = each.getBoundingClientRect();
    return [each, box.top * 1e4 + box.left];
  });
  write({
    names: cards.sort((a, b) => a[1] - b[1]).map(([each]) => each.id),
    cut: [...page.querySelectorAll("p, img")].filter(
      each => each.getBoundingClientRect().right > WIDTH - 16).length,
  });
};"""


@pytest.mark.parametrize("width", [390, 1366])
def test_answers_are_first_and_nothing_is_cut(tmp_path, width):
    picture = PROJECT_ROOT / "reports/full/figures/headline.svg"
    (tmp_path / "picture.svg").write_bytes(picture.read_bytes())
    shown = [{"src": "picture.svg", "rev": "workspace"}]
    renderers = [ImageRenderer(shown, f"reports/figures/{name}.svg") for name in FIGURES]
    page = tmp_path / "index.html"
    render_html(renderers, page, PROJECT_ROOT / ".dvc/plots.html")
    found = written_by(SCRIPT, page, width, tmp_path)
    assert [name.split("_figures_")[1] for name in found["names"]] == [
        "headline_svg", "strides_vs_pooling-differences_svg", "pooling-seeds_svg",
        "lecture-confusion_svg",
    ]  # fmt: skip
    assert found["cut"] == 0
