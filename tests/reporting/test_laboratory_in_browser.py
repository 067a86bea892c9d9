"""The laboratory and predictions in headless Chromium, driven by events on two widths."""

from pathlib import Path

import pytest
import torch

from chromium import browser, found_in
from convchoice.analysis.result import Comparison
from convchoice.analysis.trained_networks import (
    NETWORKS,
    TrainedNetwork,
    TrainedNetworks,
    networks_text,
    trained_layers,
)
from convchoice.commands.report import write_report
from convchoice.config.schema import Config
from convchoice.config.validation import config_from_mapping
from convchoice.networks.network import Network
from convchoice.training.batches import scaled

pytestmark = browser

# The page is loaded twice: what the reader sets first is in the address then.
DRIVE = """
  const root = page.querySelector(".laboratory");
  const find = selector => root.querySelector(selector);
  // A timer: a headless browser draws no frame while nothing changes.
  const frames = () => wait(60);
  const says = () => all(".says b", root).map(each => each.textContent);
  const image = () => find(".sheet image").getAttribute("href");
  const state = () => ({
    says: says(), image: image(), turn: find("[name=turn]").value,
    arms: all("[name=left], [name=right]", root).map(each => each.value),
    closed: all(".closed").map(each => each.dataset.study ?? each.dataset.answers),
    hidden: all("#pooling > .answer, #pooling > details").every(each => !each.checkVisibility()),
    predicted: all("#pooling .prediction b").map(each => each.textContent),
    window: ["padding", "kernel"].map(name => page.querySelector(`#explorer [name=${name}]`).value),
    same: all("#explorer .same tr").map(row => all("th, td", row).map(cell => cell.textContent)),
  });
  if (loads === 1) {
    found.unnamed = unnamed(root);
    found.first = state();
    found.layers = all("[data-layers=left] .layer", root).map(each => each.textContent);
    found.marked = all(".layer.first b", root).map(each => each.textContent);
    look();
    // The pixels that a value of the last map depends on.
    const maps = all("[data-layers=left] .maps", root).at(-1);
    maps.dispatchEvent(new view.FocusEvent("focus"));
    for (const key of ["ArrowUp", "ArrowUp", "ArrowLeft", "ArrowLeft"]) press(maps, key);
    found.field = ["x", "y", "width", "height"].map(key => find(".sheet .mark").getAttribute(key));
    // Draw by pointer and by keys on an empty image.
    find("[data-do=clear]").click(); await frames();
    found.cleared = image();
    const sheet = find(".sheet"), box = sheet.getBoundingClientRect();
    sheet.setPointerCapture = () => {};
    sheet.dispatchEvent(new view.PointerEvent("pointerdown", { bubbles: true, pointerId: 1,
      buttons: 1, clientX: box.left + box.width / 2, clientY: box.top + box.height / 4 }));
    await frames();
    found.drawn = image() !== found.cleared;
    const before = image();
    press(sheet, "ArrowDown"); press(sheet, " "); await frames();
    found.by_keys = image() !== before;
    // Move there and back.
    const still = image();
    find("[data-move='0,1']").click(); await frames();
    found.moved = image() !== still;
    find("[data-move='0,-1']").click(); await frames();
    found.back = image() === still;
    input(find("[name=turn]"), 30);
    input(find("[name=left]"), "strided"); await frames();
    look();
    // The other explorer: Keras's, PyTorch's and Caffe's padding.
    for (const [name, value] of [["padding", "same"], ["kernel", 4], ["stride", 2]]) {
      input(page.querySelector(`#explorer [name=${name}]`), value);
    }
    // Predict all but one.
    page.querySelector("[name=predict]").click();
    const guesses = all("#pooling .prediction [data-guess=w]");
    guesses.slice(1).forEach(each => each.click());
    found.set = state();
    view.location.reload();
    return;
  }
  await frames();
  found.restored = state();
  page.querySelector("[name=predict]").click();
  const answer = page.querySelector("#pooling > .answer");
  found.off = [all(".closed").length, answer.checkVisibility()];"""


def config_of(operator: str) -> Config:
    model = {"filters": [4, 6]}
    return config_from_mapping(
        {"arm": "tiny", "model": model, "downsample": {"operator": operator}}
    )


@pytest.fixture(scope="module")
def page(comparison: Comparison, tmp_path_factory: pytest.TempPathFactory) -> Path:
    reports = tmp_path_factory.mktemp("reports")
    made = {}
    for arm in ("max", "average", "strided"):
        config = config_of(arm)
        tensors = {key: value.numpy() for key, value in Network(config).state_dict().items()}
        made[arm] = TrainedNetwork(
            seed=0, test_accuracy=0.9, train_images=100, epochs=1,
            layers=trained_layers(config, tensors),
        )  # fmt: skip
    folder = reports / comparison.study.name
    folder.mkdir()
    (folder / NETWORKS).write_text(networks_text(TrainedNetworks(networks=made)))
    write_report(reports, [comparison])
    return reports / "index.html"


@pytest.mark.parametrize("width", [390, 1280])
def test_two_networks_answer_and_the_address_keeps_what_is_set(page, comparison, tmp_path, width):
    found = found_in(DRIVE, page, width, tmp_path)
    assert found["unnamed"] == 0
    first = found["first"]
    assert first["arms"] == ["max", "average"]
    picture = next(iter(comparison.pictures.values())).pixels()
    for arm, shown in zip(first["arms"], first["says"], strict=True):
        network = Network(config_of(arm))
        with torch.no_grad():
            logits = network(scaled(torch.from_numpy(picture.copy())[None]))
        assert shown == str(logits.argmax().item())
    assert found["layers"][0].startswith("convolution 3×3, stride 1 4 × 26 × 26 changed 0 %")
    assert found["marked"] == ["max 2×2, stride 2", "average 2×2, stride 2"]
    # The last map is block 3's; a cell of its first row and column sees 10 + 8 pixels.
    assert found["field"][:2] == ["0", "0"]
    assert found["field"][2] == found["field"][3]
    assert [found[key] for key in ("drawn", "by_keys", "moved", "back")] == [True] * 4
    assert found["set"]["arms"] == ["strided", "average"]
    assert found["set"]["turn"] == "30"
    assert found["set"]["window"] == ["same", "4"]
    assert found["set"]["same"][1:] == [
        ["Keras, and the networks here", "1", "1", "14"],
        ['PyTorch, padding="same"', "refused", "", ""],
        ["Caffe, PyTorch, padding=2", "2", "2", "15"],
    ]
    assert found["set"]["predicted"] == ["", "worse"]
    assert found["set"]["closed"] == ["pooling", "pooling"]
    assert found["set"]["hidden"]
    assert found["restored"] == found["set"]
    assert found["off"] == [0, True]
