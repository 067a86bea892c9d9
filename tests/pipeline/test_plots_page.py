"""The page of `dvc plots show`: what it shows first, at the widths of a phone and a laptop."""

import pytest
from dvc_render.html import render_html
from dvc_render.image import ImageRenderer

from chromium import browser, found_in
from convchoice import PROJECT_ROOT

pytestmark = browser
FIGURES = ("lecture-confusion", "headline", "strides_vs_pooling-differences", "pooling-seeds")
SCRIPT = """
  const cards = all("body > div").map(each => {
    const box = each.getBoundingClientRect();
    return [each, box.top * 1e4 + box.left];
  });
  found.names = cards.sort((a, b) => a[1] - b[1]).map(([each]) => each.id);
  found.cut = all("p, img").filter(
    each => each.getBoundingClientRect().right > WIDTH - 16).length;"""


@pytest.mark.parametrize("width", [390, 1366])
def test_answers_are_first_and_nothing_is_cut(tmp_path, width):
    picture = PROJECT_ROOT / "reports/full/figures/headline.svg"
    (tmp_path / "picture.svg").write_bytes(picture.read_bytes())
    shown = [{"src": "picture.svg", "rev": "workspace"}]
    renderers = [ImageRenderer(shown, f"reports/figures/{name}.svg") for name in FIGURES]
    page = tmp_path / "index.html"
    render_html(renderers, page, PROJECT_ROOT / ".dvc/plots.html")
    found = found_in(SCRIPT, page, width, tmp_path, ours=False)
    assert [name.split("_figures_")[1] for name in found["names"]] == [
        "headline_svg", "strides_vs_pooling-differences_svg", "pooling-seeds_svg",
        "lecture-confusion_svg",
    ]  # fmt: skip
    assert found["cut"] == 0
