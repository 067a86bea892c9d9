"""Pages in headless Chromium, where there is one."""

import html
import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser")
FLAGS = (
    "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
    "--disable-background-networking", "--disable-component-update", "--disable-sync",
    "--allow-file-access-from-files", "--virtual-time-budget=3000", "--dump-dom",
    "--enable-logging=stderr",
)  # fmt: skip
browser = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="there is no chromium on this machine"),
]
# A headless window is never narrower than 500 pixels, so the page is in a frame as wide as a phone.
# A script that returns writes nothing: the page is loaded again.
OUTER = """<!DOCTYPE html><meta charset="utf-8"><iframe id="frame" src="PAGE"
style="width:WIDTHpx;height:900px;border:0"></iframe><script>
const frame = document.getElementById("frame"), found = {}, wide = new Set();
const wait = milliseconds => new Promise(done => setTimeout(done, milliseconds));
let loads = 0;
frame.addEventListener("load", async () => {
  const page = frame.contentDocument, view = frame.contentWindow;
  const all = (selector, inside = page) => [...inside.querySelectorAll(selector)];
  const look = () => all("*", page.body).filter(element =>
    !element.closest(".scroll, .contents, svg")
    && element.getBoundingClientRect().right > WIDTH + 0.5).forEach(element =>
    wide.add(element.tagName + "." + element.className));
  const input = (element, value) => {
    element.value = value;
    element.dispatchEvent(new view.Event("input", { bubbles: true }));
  };
  const press = (element, key) => element.dispatchEvent(
    new view.KeyboardEvent("keydown", { key, bubbles: true, cancelable: true }));
  const unnamed = inside => all("button, input, select", inside).filter(element =>
    !element.textContent && !element.labels?.length && !element.ariaLabel).length;
  loads += 1;
  try {
SCRIPT
  } catch (error) { found.error = String(error.stack); }
  look();
  const layout = { wide: [...wide], scrolls: page.documentElement.scrollWidth > WIDTH };
  const requests = view.performance.getEntriesByType("resource").map(entry => entry.name);
  document.body.innerHTML = "<pre></pre>";
  document.body.firstChild.textContent = JSON.stringify({ found, layout, requests });
});</script>"""


def open_in_chromium(address: str, profile: Path, *flags: str) -> subprocess.CompletedProcess[str]:
    """Open a page; its final elements are in stdout and its console's lines in stderr.

    Args:
        address: of the page.
        profile: an empty folder for the browser's own files.
        flags: more of Chromium's options.
    """
    command = [str(CHROMIUM), *FLAGS, *flags, f"--user-data-dir={profile}", address]
    return subprocess.run(command, capture_output=True, text=True, check=True, timeout=120)


def found_in(
    script: str, page: Path, width: int, folder: Path, *flags: str, ours: bool = True
) -> dict[str, Any]:
    """What a script puts into `found`; the console must stay empty.

    Args:
        script: uses the loaded page by the names of `OUTER`; WIDTH is replaced.
        page: to open.
        width: of the frame, pixels.
        folder: for the browser's own files.
        flags: more of Chromium's options.
        ours: whether it is a report: it makes no request, and no element is wider than the frame.
    """
    outer = page.with_name(f"outer-{width}.html")
    text = OUTER.replace("PAGE", page.name).replace("SCRIPT", script)
    outer.write_text(text.replace("WIDTH", str(width)))
    done = open_in_chromium(outer.as_uri(), folder / f"profile-{width}", *flags)
    logged = [line for line in done.stderr.splitlines() if "CONSOLE" in line]
    assert logged == [], logged
    written = json.loads(html.unescape(done.stdout.partition("<pre>")[2].partition("</pre>")[0]))
    found: dict[str, Any] = written.pop("found")
    assert "error" not in found, found["error"]
    if ours:
        assert written == {"layout": {"wide": [], "scrolls": False}, "requests": []}, written
    return found
