"""Key press to changed picture in JupyterLab and Chromium: explorers against the naive matplotlib redraw, in one run.

``python benchmarks/explorers.py``. A key moves a slider; the clock runs from the key's own time stamp until the frame
with the changed picture has been drawn. Explorers and the rival take turns, so that a busy machine slows both. Frames
come at most every 16.7 ms.
"""

from __future__ import annotations

import json
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import nbformat
from playwright.sync_api import Page, sync_playwright

STEPS = 60
RIVAL_STEPS = 12
EXPLORERS = {
    # name → cell, and the control that is moved
    "intervals, 10^6 weights, 8 bits": (
        "import torch\n"
        "from aoqlab.explorers import intervals\n"
        "torch.manual_seed(0)\n"
        "weights = torch.randn(1_000_000) * 0.05\n"
        "explorer = intervals(weights)\n"
        "explorer.set(bits=8)\n"
        "explorer",
        "th",
    ),
}
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
PIXELS = """() => [...document.querySelectorAll('.aoq')].map(
    root => [...root.querySelectorAll('canvas')].map(canvas => canvas.toDataURL()).join())"""


def main() -> None:
    with tempfile.TemporaryDirectory() as folder, sync_playwright() as playwright:
        root = Path(folder)
        address, server = serve(root, [cell for cell, _ in EXPLORERS.values()] + [RIVAL])
        try:
            arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
            browser = playwright.chromium.launch(executable_path=shutil.which("chromium"), args=arguments)
            page = browser.new_page(viewport={"width": 1400, "height": 1000})
            page.set_default_timeout(120_000)
            page.goto(address)
            page.locator("#jp-main-statusbar").get_by_text("| Idle").first.wait_for()
            page.get_by_role("menuitem", name="Run", exact=True).click()
            page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
            page.locator(".rival img").wait_for()
            page.locator(".aoq").nth(len(EXPLORERS) - 1).locator(".readouts b").first.wait_for()
            show(measure(page))
            browser.close()
        finally:
            server.terminate()
            server.wait()


def measure(page: Page) -> dict[str, list[float]]:
    times: dict[str, list[float]] = {name: [] for name in (*EXPLORERS, "naive")}
    turns = STEPS // RIVAL_STEPS
    for turn in range(RIVAL_STEPS + 1):  # the first turn is not counted
        for place, (name, (_, control)) in enumerate(EXPLORERS.items()):
            slider = page.locator(".aoq").nth(place).locator(f"[data-name={control}] input")
            for step in range(turns):
                before = page.evaluate(PIXELS)[place]
                key = "ArrowRight" if (turn + step) % 2 else "ArrowLeft"
                taken = press(page, slider, key, "explorer")
                assert page.evaluate(PIXELS)[place] != before, f"{name}: the picture did not change"
                times[name] += [taken] if turn else []
                page.wait_for_timeout(40)
        slider = page.locator(".rival-slider").get_by_role("slider")
        taken = press(page, slider, "ArrowRight" if turn % 2 else "ArrowLeft", "rival")
        times["naive"] += [taken] if turn else []
        page.wait_for_timeout(300)
    return times


def press(page: Page, slider: Any, key: str, kind: str) -> float:
    slider.focus()
    page.evaluate(WATCH, kind)
    page.keyboard.press(key)
    page.wait_for_function("window.result !== null")
    return float(page.evaluate("window.result"))


def show(times: dict[str, list[float]]) -> None:
    naive = statistics.median(times["naive"])
    print(f"{'key to changed picture, ms':<40}{'median':>8}{'p95':>8}{'n':>5}{'  naive / this':>15}")
    for name, values in times.items():
        p95 = statistics.quantiles(values, n=20)[-1]
        middle = statistics.median(values)
        label = "naive matplotlib redraw (inline)" if name == "naive" else name
        print(f"{label:<40}{middle:>8.1f}{p95:>8.1f}{len(values):>5}{naive / middle:>15.1f}")


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
