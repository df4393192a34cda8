"""The pictures of the explorers in README.md: a still of each, and a film of the interval explorer.

They are taken in Chromium from pages without a kernel (:meth:`Explorer.static_html`). The clock of a page advances by a
frame's time between two frames of the film and is otherwise stopped, so that a slow machine takes the same film.
"""

from __future__ import annotations

import importlib
import io
import math
import shutil
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeAlias

from PIL import Image

from ..shared import paths
from ..shared.files import write_all_atomic
from . import Explorer, Slider, intervals, landscape, runs, toy

Browser: TypeAlias = Any  # these two are Playwright's, which the package does not depend on
Page: TypeAlias = Any

CHROMIUMS = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable")
WIDTH = 1000
"""Of every explorer in its page, and of the film, in pixels."""
SHARPNESS = 1.5  # pixels of a still per pixel of the page
FRAME = 50  # milliseconds from frame to frame of the film
FILM = "explorers-intervals-film.webp"

# An arrow over the page, and a ring at its tip while the button of the mouse is down.
POINTER = """() => {
    const arrow = document.createElement("div");
    arrow.innerHTML = `<svg width="46" height="46" viewBox="-14 -14 32 32" style="display: block">
        <circle r="8" fill="#1976d2" fill-opacity="0.3"/><path d="M0 0V13.6L3.3 10.6 5.4 15.6 7.9 14.5 5.8 9.7H10Z"
        fill="#111" stroke="#fff" stroke-width="1.1" stroke-linejoin="round"/></svg>`;
    Object.assign(arrow.style, { position: "fixed", left: "-20px", top: "-20px", zIndex: 9, pointerEvents: "none" });
    document.body.append(arrow);
    window.pointTo = ([x, y], down) => {
        arrow.style.transform = `translate(${x}px, ${y}px)`;
        arrow.querySelector("circle").style.display = down ? "" : "none";
    };
}"""
# The middle of a slider's thumb, which is 16 pixels wide, or of its button Play.
PLACE = """([name, play]) => {
    const box = document.querySelector(`[data-name=${name}] ${play ? "button" : "input"}`);
    const { left, top, width, height } = box.getBoundingClientRect();
    return [left + (play ? width / 2 : 8 + (box.value / box.max) * (width - 16)), top + height / 2];
}"""
STOP = "name => Number(document.querySelector(`[data-name=${name}] input`).value)"
SLIDE = """([name, stop]) => {
    const input = document.querySelector(`[data-name=${name}] input`);
    input.focus();
    input.value = stop;
    input.dispatchEvent(new Event("input", { bubbles: true }));
}"""


def pictures(folder: str | None = None) -> None:
    """Take every picture into ``folder`` (default: ``figures/``), all or none."""
    with chromium() as browser:
        made = {f"explorers-{name}.png": still(browser, take(), **at) for name, (take, at) in STILLS.items()}
        made[FILM] = film(browser, digits_intervals())
    where = Path(folder) if folder is not None else paths.figures_dir()
    for path in write_all_atomic({where / name: content for name, content in made.items()}):
        print(f"{path}  {path.stat().st_size / 1e3:,.0f} kB")


def digits_intervals() -> Explorer:
    """Explore the third convolution of the digits network that ships with the project."""
    return intervals("digits_cnn", "conv3")


STILLS: dict[str, tuple[Callable[[], Explorer], dict[str, Any]]] = {
    "intervals": (digits_intervals, {"bits": 3, "start": "free", "th": 0.6, "le": 0.45}),
    "toy": (lambda: toy("toy-full"), {}),
    "landscape": (landscape, {}),
    "runs": (runs, {"epoch": 9}),
}
"""Name of a picture → the explorer, and what its controls are set to."""


def eased(count: int) -> list[float]:
    """``count`` parts of a way, to 1, slow at both ends."""
    return [(1 - math.cos(math.pi * (k + 1) / count)) / 2 for k in range(count)]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Open a browser without a window. Raise ``RuntimeError`` where there is none."""
    try:
        sync_playwright = importlib.import_module("playwright.sync_api").sync_playwright
    except ImportError:
        raise RuntimeError(
            "pictures are taken by Playwright, which is not installed: `pip install playwright`"
        ) from None
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = next(filter(None, map(shutil.which, CHROMIUMS)), str(own) if own.exists() else None)
        if found is None:
            raise RuntimeError("pictures are taken in Chromium, and there is none: `apt install chromium` or the like")
        browser = playwright.chromium.launch(executable_path=found, args=["--disable-gpu"])
        try:
            yield browser
        finally:
            browser.close()


def still(browser: Browser, explorer: Explorer, **settings: Any) -> bytes:
    """Return a PNG of the explorer with its controls at ``settings``."""
    explorer.set(**settings)
    with opened(browser, explorer, SHARPNESS) as page:
        page.wait_for_timeout(300)  # sizes have settled
        return png(_taken(page))


class Film:
    """Frames of a page whose clock advances only while they are taken, with a pointer over it."""

    def __init__(self, page: Page, begins_at: str) -> None:
        self.page, self.images, self.lasts = page, list[Image.Image](), list[int]()
        page.clock.pause_at(page.evaluate("Date.now()") + 1000)
        page.evaluate(POINTER)
        page.keyboard.press("Tab")  # as with a keyboard: what is moved shows its focus
        self.at = page.evaluate(PLACE, [begins_at, False])

    def take(self, *, pressed: bool = False, passes: int = FRAME, lasts: int = FRAME) -> None:
        """Take a frame after ``passes`` milliseconds of the page; the film shows it for ``lasts``."""
        self.page.evaluate("([place, pressed]) => pointTo(place, pressed)", [self.at, pressed])
        self.page.clock.run_for(passes)
        self.images.append(_taken(self.page))
        self.lasts.append(lasts)

    def approach(self, control: str, play: bool = False) -> None:
        """Move the pointer to the thumb of a slider, or to its button Play."""
        begin, end = self.at, self.page.evaluate(PLACE, [control, play])
        for near in eased(5):
            self.at = [a + near * (b - a) for a, b in zip(begin, end, strict=True)]
            self.take()

    def slide(self, slider: Slider, value: float | int, count: int, rest: int) -> None:
        """Move a slider to a value in ``count`` frames, of which the last one lasts ``rest`` frames longer."""
        begin, end = self.page.evaluate(STOP, slider.name), slider.meant(value)
        for k, part in enumerate(eased(count), start=1):
            self.page.evaluate(SLIDE, [slider.name, round(begin + part * (end - begin))])
            self.at = self.page.evaluate(PLACE, [slider.name, False])
            self.take(lasts=(1 + rest) * FRAME if k == count else FRAME)

    def play(self, slider: Slider) -> None:
        """Press Play and wait until the slider has come to its end."""
        assert slider.play is not None
        self.page.mouse.click(*self.at)
        self.take(pressed=True, lasts=3 * FRAME)
        for _ in range(math.ceil((len(slider.values) - 1) / 2)):
            self.take(passes=2 * slider.play)
        self.take(passes=2 * slider.play, lasts=24 * FRAME)


def film(browser: Browser, explorer: Explorer) -> bytes:
    """Return an animated WebP: bits change, thresholds slide, levels slide, Play runs through the three stages."""
    sliders = {name: control for name, control in explorer.controls.items() if isinstance(control, Slider)}
    with opened(browser, explorer, 1) as page:
        taken = Film(page, "bits")
        taken.take(lasts=10 * FRAME)
        for bits, rest in ((3, 6), (4, 8), (3, 3), (2, 5)):
            taken.slide(sliders["bits"], bits, 1, rest)
        taken.approach("th")
        for value, count in ((0.5, 9), (1.5, 13), (1.0, 8)):
            taken.slide(sliders["th"], value, count, 2)
        taken.approach("le")
        for value, count in ((0.5, 9), (1.4, 12), (1.0, 8)):
            taken.slide(sliders["le"], value, count, 2)
        taken.approach("moment", play=True)
        taken.play(sliders["moment"])
    return webp(taken.images, taken.lasts)


@contextmanager
def opened(browser: Browser, explorer: Explorer, sharpness: float) -> Iterator[Page]:
    """Open the explorer as a page of its own, from disk."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "page.html"
        head = '<!DOCTYPE html><meta charset="utf-8"><body style="margin: 0; background: #fff">'
        file.write_text(head + explorer.static_html(), encoding="utf-8")
        size = {"width": WIDTH, "height": 1000}
        page = browser.new_page(viewport=size, device_scale_factor=sharpness, color_scheme="light")
        page.clock.install()
        page.goto(file.as_uri())
        page.locator(".aoq .readouts b").first.wait_for()
        yield page
        page.close()


def _taken(page: Page) -> Image.Image:
    return Image.open(io.BytesIO(page.locator(".aoq").screenshot())).convert("RGB")


def png(image: Image.Image) -> bytes:
    """Return a PNG of 256 colours, which is more than text and a map of colours need."""
    buffer = io.BytesIO()
    image.quantize(256, dither=Image.Dither.NONE).save(buffer, "PNG", optimize=True)
    return buffer.getvalue()


def webp(images: Sequence[Image.Image], lasts: Sequence[int]) -> bytes:
    """Return an endless animation; ``lasts`` in milliseconds.

    Frames that equal the one before make it last longer; all get the height of the highest, white below.
    """
    height = max(image.height for image in images)
    shown: list[Image.Image] = []
    times: list[int] = []
    for image, time in zip(images, lasts, strict=True):
        whole = Image.new("RGB", (image.width, height), "white")
        whole.paste(image)
        if shown and shown[-1].tobytes() == whole.tobytes():
            times[-1] += time
        else:
            shown.append(whole)
            times.append(time)
    buffer = io.BytesIO()
    # Lossless is smaller here than any other way: between two frames most of the page does not change.
    settings: dict[str, Any] = {"lossless": True, "quality": 60, "method": 4, "loop": 0, "duration": times}
    shown[0].save(buffer, "WEBP", save_all=True, append_images=shown[1:], **settings)
    return buffer.getvalue()
