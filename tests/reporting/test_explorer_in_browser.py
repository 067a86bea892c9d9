"""The explorer driven in headless Chromium: what it shows, by keys and pointer, on any width."""

import json
import re
from pathlib import Path
from typing import Any

import pytest

from chromium import CHROMIUM, open_in_chromium
from convchoice.analysis.comparison_files import write_comparison
from convchoice.report import main
from making import Compare

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]

# The page stands in a frame as wide as a phone, and the outer page sets its controls as a person
# would: by events. After each step it looks for whatever is wider than the screen.
DRIVE = """<!DOCTYPE html><meta charset="utf-8"><iframe id="frame" src="index.html"
style="width:WIDTHpx;height:900px;border:0"></iframe><script>
const frame = document.getElementById("frame");
const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));
frame.addEventListener("load", async () => {
  const page = frame.contentDocument, view = frame.contentWindow, wide = new Set();
  const find = selector => page.querySelector(`#explorer ${selector}`);
  const all = selector => [...page.querySelectorAll(`#explorer ${selector}`)];
  const look = () => all("*").filter(element => !element.closest("svg")
    && element.getBoundingClientRect().right > WIDTH + 0.5).forEach(element =>
    wide.add(element.tagName + "." + element.className));
  const set = (name, value) => {
    const element = find(`[name="${name}"]`);
    element.value = value;
    element.dispatchEvent(new view.Event("input", { bubbles: true }));
    look();
  };
  const press = key => find(".output svg").dispatchEvent(
    new view.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const scene = text => {
    all("button").find(button => button.textContent === text).click();
    look();
  };
  const result = () => find(".result").textContent;
  const place = () => find("[name=place]").getAttribute("aria-valuetext");
  const sizes = () => all(".sizes b").map(element => element.textContent);
  const told = {};
  try {
    told.controls_without_a_name = all("button, input, select").filter(element =>
      !element.textContent && !element.labels?.length && !element.ariaLabel).length;
    told.speed = find("[name=speed]").value;
    told.transition = view.getComputedStyle(find(".mark")).transitionDuration;
    told.scenes = [];
    for (const button of all(".scenes")[0].children) {
      button.click();
      look();
      told.scenes.push([find(".refusal").hidden, result() !== "", sizes().length]);
    }
    scene("By hand");
    press("Home");
    told.home = place();
    for (const key of ["ArrowLeft", "ArrowUp", "ArrowDown", "ArrowDown", "ArrowRight"]) press(key);
    told.after_arrows = place();
    press("End");
    told.end = place();
    told.size = sizes();
    // A pointer in the middle of an output's cell, then a weight written over.
    const map = find(".output svg"), box = map.getBoundingClientRect(), cell = box.height / 9;
    const event = new view.PointerEvent("pointerdown", { bubbles: true, pointerId: 1, buttons: 1,
      clientX: box.left + (box.width - 8 * cell) / 2 + 2.5 * cell,
      clientY: box.top + 7.5 * cell });
    map.setPointerCapture = () => {};
    map.dispatchEvent(event);
    told.clicked = place();
    told.sum = result();
    told.cells = all(".patch td").map(cell => cell.querySelector("b").textContent);
    const weight = find(".patch input");
    weight.value = "2";
    weight.dispatchEvent(new view.Event("input", { bubbles: true }));
    told.rewritten = result();
    told.filter = find("[name=filter]").value;
    weight.value = "x";
    weight.dispatchEvent(new view.Event("input", { bubbles: true }));
    told.no_number = [weight.getAttribute("aria-invalid"), result()];
    set("operator", "max"); set("kernel", 4); set("operator", "convolution");
    told.kept = all(".patch input").map(box => Number(box.value));
    // What cannot be laid out, and the way out of it.
    set("height", 2); set("padding", "valid"); set("kernel", 5);
    told.refused = find(".refusal p").textContent;
    told.inert = find(".stage").inert;
    const mends = all(".refusal button").map(button => button.textContent);
    told.mends = mends;
    scene("padding same");
    told.mended = [find(".refusal").hidden, find(".stage").inert, ...sizes()];
    set("kernel", "");
    told.nothing = find(".refusal p").textContent;
    set("kernel", 3);
    // Every operator at every window, in every padding that it offers.
    set("height", 28); set("width", 17);
    told.laid = 0;
    for (const operator of ["convolution", "max", "average", "weighted", "l2"]) {
      set("operator", operator);
      const paddings = [...find("[name=padding]").options].map(option => option.value);
      for (const kernel of [1, 2, 3, 4, 5, 6, 7]) {
        for (const padding of paddings) {
          set("kernel", kernel); set("padding", padding);
          const wrong = /NaN|undefined/.test(find(".sums").textContent);
          if (find(".refusal").hidden && !wrong) told.laid += 1;
        }
      }
    }
    // Playing goes on by itself, and stops when asked.
    scene("Max pooling");
    press("Home");
    set("speed", 30);
    find(".play").click();
    const from = Number(find("[name=place]").value);
    await wait(500);
    told.played = Number(find("[name=place]").value) - from;
    told.label = find(".play").textContent;
    find(".play").click();
    const stopped = Number(find("[name=place]").value);
    await wait(300);
    told.stopped = Number(find("[name=place]").value) === stopped && find(".play").textContent;
  } catch (error) { told.error = String(error.stack); }
  look();
  told.wide = [...wide];
  told.scroll = page.documentElement.scrollWidth;
  told.requests = view.performance.getEntriesByType("resource").map(entry => entry.name);
  document.body.innerHTML = "<pre></pre>";
  document.body.firstChild.textContent = JSON.stringify(told);
});</script>"""


@pytest.fixture
def page(tmp_path: Path, comparison_of: Compare) -> Path:
    reports = tmp_path / "reports"
    write_comparison(reports / "pooling", comparison_of({"max": [10, 11], "average": [15, 17]}))
    main(["--studies", "pooling", "--reports", str(reports)])
    return reports / "index.html"


def driven(page: Path, folder: Path, width: int, *flags: str) -> dict[str, Any]:
    outer = page.with_name("drive.html")
    outer.write_text(DRIVE.replace("WIDTH", str(width)), encoding="utf-8")
    done = open_in_chromium(outer, folder / f"profile-{width}", *flags)
    assert [line for line in done.stderr.splitlines() if "CONSOLE" in line] == []
    found = re.search(r"<pre>(.*?)</pre>", done.stdout, re.DOTALL)
    assert found is not None, done.stdout[-2000:]
    told: dict[str, Any] = json.loads(found[1].replace("&lt;", "<").replace("&amp;", "&"))
    assert "error" not in told, told["error"]
    return told


@pytest.mark.parametrize("width", [390, 1280])
def test_the_explorer_shows_what_is_asked_for(page: Path, tmp_path: Path, width: int) -> None:
    told = driven(page, tmp_path, width)
    assert told["wide"] == []
    assert told["scroll"] <= width
    assert told["requests"] == []
    assert told["controls_without_a_name"] == 0
    assert told["scenes"] == [[True, True, 2]] * 7
    assert told["home"] == "row 1 of 9, column 1 of 8: 0"
    assert told["after_arrows"].startswith("row 3 of 9, column 2 of 8: ")
    assert told["end"].startswith("row 9 of 9, column 8 of 8: ")
    assert told["size"] == ["⌊(9 + 2 − 3)/1⌋ + 1 = 9", "⌊(8 + 2 − 3)/1⌋ + 1 = 8"]
    assert told["clicked"].startswith("row 8 of 9, column 3 of 8: ")
    pixels = [int(pixel) for pixel in told["cells"]]
    outline = 8 * pixels[4] - (sum(pixels) - pixels[4])
    assert told["sum"].endswith(f"= {outline}")
    assert told["clicked"].endswith(f": {outline}")
    assert told["rewritten"].endswith(f"= {outline + 3 * pixels[0]}")
    assert told["filter"] == "your own"
    assert told["no_number"] == ["true", told["rewritten"]]
    assert told["kept"] == [2, -1, -1, -1, 8, -1, -1, -1, -1]
    assert told["refused"] == (
        "A 5×5 window does not fit its 2×8 input along the height: ⌊(2 + 0 − 5)/1⌋ + 1 = -2, and a"
        " size must be at least 1."
    )
    assert told["inert"] is True
    assert told["mends"] == ["window 2×2", "padding same", "input height 5", "input 8×8"]
    assert told["mended"] == [
        True, False, "⌊(2 + 4 − 5)/1⌋ + 1 = 2", "⌊(8 + 4 − 5)/1⌋ + 1 = 8",
    ]  # fmt: skip
    assert told["nothing"] == "window = nothing: must be a whole number from 1 to 7."
    # A convolution: 4 paddings, but 1 pixel is too much for 1×1. The windows: 2 paddings each, but
    # not 1 pixel for 1×1; and weighted ones from 3×3.
    assert told["laid"] == (4 * 7 - 1) + 3 * (2 * 7 - 1) + 2 * 5
    assert told["played"] > 5
    assert told["label"] == "Pause"
    assert told["stopped"] == "Play"


def test_who_wants_less_motion_gets_less(page: Path, tmp_path: Path) -> None:
    told = driven(page, tmp_path, 1280)
    assert told["speed"] == "12"
    assert told["transition"] != "0s"
    calm = driven(page, tmp_path / "calm", 1280, "--force-prefers-reduced-motion")
    assert calm["speed"] == "1"
    assert calm["transition"] == "0s"


def test_the_explorer_is_a_small_part_of_the_page(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    part = re.search(r'<section class="study" id="try-it".*?</section>', text, re.DOTALL)
    styles = re.search(r":root \{ --mark:.*?</style>", text, re.DOTALL)
    assert part is not None
    assert styles is not None
    assert len((part[0] + styles[0]).encode()) < 40_000
