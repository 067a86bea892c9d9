"""The explorer in headless Chromium, driven by events on two widths."""

from pathlib import Path

import pytest

from chromium import browser, found_in
from convchoice.analysis.result import Comparison
from convchoice.commands.report import write_report

pytestmark = browser

# The outer page sets the controls by events, as a user would. After each step it looks for elements
# that are wider than the screen.
DRIVE = """
  const root = page.getElementById("explorer"), find = selector => root.querySelector(selector);
  const set = (name, value) => { input(find(`[name="${name}"]`), value); look(); };
  const key = name => press(find(".output svg"), name);
  const scene = text => {
    all("button", root).find(button => button.textContent === text).click();
    look();
  };
  const result = () => find(".result").textContent;
  const place = () => find("[name=place]").getAttribute("aria-valuetext");
  const sizes = () => all(".sizes b", root).map(element => element.textContent);
  found.unnamed = unnamed(root);
  found.motion = [find("[name=speed]").value,
    view.getComputedStyle(find(".mark")).transitionDuration !== "0s"];
  found.scenes = [];
  for (const button of all(".scenes", root)[0].children) {
    button.click();
    look();
    found.scenes.push([find(".refusal").hidden, result() !== "", sizes().length]);
  }
  scene("By hand");
  key("Home");
  found.home = place();
  ["ArrowLeft", "ArrowUp", "ArrowDown", "ArrowDown", "ArrowRight"].forEach(key);
  found.arrows = place();
  key("End");
  found.end = place();
  found.size = sizes();
  // A pointer in the middle of an output's cell, then an edited weight.
  const map = find(".output svg"), box = map.getBoundingClientRect(), cell = box.height / 9;
  const event = new view.PointerEvent("pointerdown", { bubbles: true, pointerId: 1, buttons: 1,
    clientX: box.left + (box.width - 8 * cell) / 2 + 2.5 * cell,
    clientY: box.top + 7.5 * cell });
  map.setPointerCapture = () => {};
  map.dispatchEvent(event);
  found.clicked = place();
  found.sum = result();
  found.cells = all(".patch td", root).map(cell => cell.querySelector("b").textContent);
  const weight = find(".patch input");
  input(weight, "2");
  found.edited = result();
  found.filter = find("[name=filter]").value;
  input(weight, "x");
  found.no_number = [weight.getAttribute("aria-invalid"), result()];
  set("operator", "max"); set("kernel", 4); set("operator", "convolution");
  found.kept = all(".patch input", root).map(box => Number(box.value));
  // Invalid settings, and the suggestions for them.
  set("height", 2); set("padding", "valid"); set("kernel", 5);
  found.refusal = find(".refusal p").textContent;
  found.inert = find(".stage").inert;
  found.suggestions = all(".refusal button", root).map(button => button.textContent);
  scene("padding same");
  found.corrected = [find(".refusal").hidden, find(".stage").inert, ...sizes()];
  set("kernel", "");
  found.nothing = find(".refusal p").textContent;
  set("kernel", 3);
  // Play, then stop.
  scene("Max pooling");
  key("Home");
  set("speed", 30);
  find(".play").click();
  const at = () => Number(find("[name=place]").value), from = at();
  await wait(500);
  found.played = [at() > from + 5, find(".play").textContent];
  find(".play").click();
  const stopped = at();
  await wait(300);
  found.stopped = [at() === stopped, find(".play").textContent];"""


@pytest.fixture(scope="module")
def page(published: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = tmp_path_factory.mktemp("reports")
    write_report(reports, [published])
    return reports / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_controls_keys_and_pointer(page, tmp_path, width):
    found = found_in(DRIVE, page, width, tmp_path)
    assert found["motion"] == ["12", True]
    assert found["unnamed"] == 0
    assert found["scenes"] == [[True, True, 2]] * 7
    assert found["home"] == "row 1 of 9, column 1 of 8: 0"
    assert found["arrows"].startswith("row 3 of 9, column 2 of 8: ")
    assert found["end"].startswith("row 9 of 9, column 8 of 8: ")
    assert found["size"] == ["⌊(9 + 2 − 3)/1⌋ + 1 = 9", "⌊(8 + 2 − 3)/1⌋ + 1 = 8"]
    assert found["clicked"].startswith("row 8 of 9, column 3 of 8: ")
    pixels = [int(pixel) for pixel in found["cells"]]
    outline = 8 * pixels[4] - (sum(pixels) - pixels[4])
    assert found["sum"].endswith(f"= {outline}")
    assert found["clicked"].endswith(f": {outline}")
    assert found["edited"].endswith(f"= {outline + 3 * pixels[0]}")
    assert found["filter"] == "custom"
    assert found["no_number"] == ["true", found["edited"]]
    assert found["kept"] == [2, -1, -1, -1, 8, -1, -1, -1, -1]
    assert found["refusal"] == (
        "A 5×5 window does not fit its 2×8 input along the height: ⌊(2 + 0 − 5)/1⌋ + 1 = -2, and a"
        " size must be at least 1."
    )
    assert found["inert"] is True
    assert found["suggestions"] == ["window 2×2", "padding same", "input height 5", "input 8×8"]
    assert found["corrected"] == [
        True, False, "⌊(2 + 4 − 5)/1⌋ + 1 = 2", "⌊(8 + 4 − 5)/1⌋ + 1 = 8",
    ]  # fmt: skip
    assert found["nothing"] == "window = nothing: must be a whole number from 1 to 7."
    assert found["played"] == [True, "Pause"]
    assert found["stopped"] == [True, "Play"]


def test_reduced_motion_is_respected(page, tmp_path):
    calm = found_in(DRIVE, page, 1280, tmp_path, "--force-prefers-reduced-motion")
    assert calm["motion"] == ["1", False]
