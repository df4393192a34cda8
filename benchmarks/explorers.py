"""Key press to changed picture in JupyterLab and Chromium: explorers against the naive matplotlib redraw, in one run.

``bash run.sh bench explorers``. A key moves a slider; the clock runs from the key's own time stamp until the frame
with the changed picture has been drawn. Explorers and the rival take turns, so that a busy machine slows both. Frames
come at most every 16.7 ms. With ``--big`` (5 GB of memory, some minutes): the interval explorer with 100 million
weights next to the one with a million, without the rival, whose kernel would be busy with them.
"""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat
from playwright.sync_api import Locator, Page

from aoqlab.lab.explorers.pictures import chromium

STEPS = 60
RIVAL_STEPS = 12
INTERVALS = """
import torch
from aoqlab.lab.explorers import intervals
torch.manual_seed(0)
weights = torch.randn({n}) * 0.05
explorer = intervals(weights)
explorer.set(bits=8)
explorer
"""
RUNS = """
from aoqlab.lab.explorers import runs
explorer = runs()
explorer.set(epoch=12)
explorer
"""
MILLION = "intervals, 10^6 weights, 8 bits"
EXPLORERS = {
    # name → cell, the control that is moved, and the goals for median and p95 in milliseconds
    MILLION: (INTERVALS.format(n=10**6), "th", "20, 50"),
    "toy, eight panels": ("from aoqlab.lab.explorers import toy\ntoy()", "shrink_min", ""),
    "landscape, two walks of 400 steps": ("from aoqlab.lab.explorers import landscape\nlandscape()", "shrink_min", ""),
    "runs, two of 20 layers": (RUNS, "epoch", "120, -"),
}
BIG = {MILLION: EXPLORERS[MILLION], "intervals, 10^8 weights, 8 bits": (INTERVALS.format(n=10**8), "th", "20, 50")}
RIVAL = """
import matplotlib.pyplot as plt, numpy as np
from aoqlab import AOQ
from ipywidgets import IntSlider, Output, VBox
flat, slider, out = weights.numpy(), IntSlider(value=50, max=100), Output()
slider.add_class("rival-slider"), out.add_class("rival")
quantizer = AOQ(8).init_from(weights)

def draw(change):
    out.clear_output(wait=True)
    with out:
        quantizer.threshold_interval.fill_(float(weights.std()) / 64 * (0.5 + slider.value / 100))
        plt.hist(flat, bins=400)
        for threshold in quantizer.thresholds():
            plt.axvline(float(threshold), linewidth=0.5)
        plt.show()

slider.observe(draw, names="value")
draw(None)
VBox([slider, out])
"""
# Resolves to the milliseconds between the next key and the end of the frame in which the picture has changed.
WATCH = """kind => {
    const before = document.querySelector(".rival img")?.src, clear = CanvasRenderingContext2D.prototype.clearRect;
    window.result = null;
    window.addEventListener("keydown", event => {
        const done = () => {
            const channel = new MessageChannel();  // its message comes after the frame has been drawn
            channel.port1.onmessage = () => { window.result = performance.now() - event.timeStamp; };
            channel.port2.postMessage(0);
        };
        if (kind === "explorer") {
            CanvasRenderingContext2D.prototype.clearRect = function (...box) {
                CanvasRenderingContext2D.prototype.clearRect = clear;
                done();
                clear.apply(this, box);
            };
            return;
        }
        const look = () => {
            const image = document.querySelector(".rival img");
            if (image && image.src !== before && image.complete) done(); else requestAnimationFrame(look);
        };
        requestAnimationFrame(look);
    }, { once: true, capture: true });
}"""
PIXELS = "root => [...root.querySelectorAll('canvas')].map(canvas => canvas.toDataURL()).join()"


def main() -> None:
    big = sys.argv[1:] == ["--big"]
    explorers = BIG if big else EXPLORERS
    with tempfile.TemporaryDirectory() as folder, chromium() as browser:
        cells = [cell for cell, *_ in explorers.values()] + ([] if big else [RIVAL])
        address, server = serve(Path(folder), cells)
        try:
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(600_000)
            page.goto(address)
            page.locator("#jp-main-statusbar").get_by_text("| Idle").first.wait_for()
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            roots = {name: page.locator(".aoq").nth(place) for place, name in enumerate(explorers)}
            for root in roots.values():
                root.locator(".readouts b").first.wait_for()
            sliders = {name: root.locator(f"[data-name={explorers[name][1]}] input") for name, root in roots.items()}
            rival = page.locator(".rival-slider").get_by_role("slider")
            if not big:
                page.locator(".rival img").wait_for()
            show(
                measure(page, roots, sliders, None if big else rival), {name: own[2] for name, own in explorers.items()}
            )
        finally:
            server.terminate()
            server.wait()


def measure(
    page: Page, roots: dict[str, Locator], sliders: dict[str, Locator], rival: Locator | None
) -> dict[str, list[float]]:
    """Milliseconds of every move."""
    times: dict[str, list[float]] = {name: [] for name in (*roots, *(["naive"] if rival else []))}
    turns = STEPS // RIVAL_STEPS
    for turn in range(RIVAL_STEPS + 1):  # the first turn is not counted
        for name, root in roots.items():
            for step in range(turns):
                before = root.evaluate(PIXELS)
                taken = press(page, sliders[name], "ArrowRight" if (turn + step) % 2 else "ArrowLeft", "explorer")
                assert root.evaluate(PIXELS) != before, f"{name}: the picture did not change"
                times[name] += [taken] if turn else []
                page.wait_for_timeout(40)
        if rival:
            taken = press(page, rival, "ArrowRight" if turn % 2 else "ArrowLeft", "rival")
            times["naive"] += [taken] if turn else []
            page.wait_for_timeout(300)
    return times


def press(page: Page, slider: Locator, key: str, kind: str) -> float:
    slider.focus()
    page.evaluate(WATCH, kind)
    page.keyboard.press(key)
    page.wait_for_function("window.result !== null")
    return float(page.evaluate("window.result"))


def show(times: dict[str, list[float]], goals: dict[str, str]) -> None:
    naive = statistics.median(times["naive"]) if "naive" in times else None
    print(f"{'key to changed picture, ms':<36}{'median':>8}{'p95':>8}{'n':>5}  {'goal':<8}{'naive / this':>14}")
    for name, values in times.items():
        p95, middle = statistics.quantiles(values, n=20)[-1], statistics.median(values)
        label = "naive matplotlib redraw (inline)" if name == "naive" else name
        ratio = f"{naive / middle:>14.1f}" if naive else ""
        print(f"{label:<36}{middle:>8.1f}{p95:>8.1f}{len(values):>5}  {goals.get(name, ''):<8}{ratio}")


def serve(root: Path, cells: list[str]) -> tuple[str, subprocess.Popen[bytes]]:
    """JupyterLab on a notebook of these cells, for this machine alone and with settings of its own."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells])
    notebook.metadata["kernelspec"] = {"name": "python3", "display_name": "Python 3", "language": "python"}
    nbformat.write(notebook, root / "latency.ipynb")
    names = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
    names += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
    environment = os.environ | {name: str(root / name.lower()) for name in names}
    options = ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.open_browser=False", "--allow-root"]
    options += [f"--ServerApp.root_dir={root}", "--LabApp.extension_manager=readonly"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    command = [sys.executable, "-m", "jupyterlab", *options]
    server = subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    for _ in range(600):
        for file in (root / "jupyter_runtime_dir").glob("jpserver-*.json"):
            try:
                info = json.loads(file.read_text())
            except ValueError:  # being written
                continue
            return f"{info['url']}lab/tree/latency.ipynb?reset&token={info['token']}", server
        time.sleep(0.1)
    server.kill()
    raise RuntimeError("JupyterLab did not start")


if __name__ == "__main__":
    main()
