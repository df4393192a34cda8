"""The pictures of the explorers in README.md: a still of each, and a film of the interval explorer.

They are taken in Chromium from pages without a kernel (:meth:`Explorer.static_html`). The clock of a page advances by a
frame's time between two frames of the film and is otherwise stopped, so that a slow machine takes the same film.
"""

from __future__ import annotations

import importlib
import io
import math
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
SLIDE = """([name, stop]) => {
    const input = document.querySelector(`[data-name=${name}] input`);
    input.focus();
    input.value = stop;
    input.dispatchEvent(new Event("input", { bubbles: true }));
}"""


class NoBrowser(RuntimeError):
    """Playwright or Chromium is missing; the message says which, and what brings it."""


@dataclass(frozen=True)
class Frame:
    """One frame of a film: where the pointer is, and what it has done since the previous frame."""

    control: str
    stop: int | None = None
    """Where the slider was moved to; ``None``: the pointer is only on its way."""
    near: float = 1.0
    """How far it has come from where it was, 0 to 1."""
    play: bool = False
    """Whether it is at the control's button Play, not at its thumb."""
    down: bool = False
    """Whether it presses what it is at."""
    passes: int = FRAME
    """Milliseconds that pass in the page before the picture is taken."""
    lasts: int = FRAME
    """Milliseconds for which the film shows it."""


def pictures(folder: str | None = None) -> int:
    """Take every picture into ``folder`` (default: ``figures/``), all or none; return the exit status."""
    try:
        with chromium() as browser:
            made = {f"explorers-{name}.png": still(browser, take(), **at) for name, (take, at) in STILLS.items()}
            explorer = digits_intervals()
            made[FILM] = film(browser, explorer, film_frames(explorer))
        where = Path(folder) if folder is not None else paths.figures_dir()
        for path in write_all_atomic({where / name: content for name, content in made.items()}):
            print(f"{path}  {path.stat().st_size / 1e3:,.0f} kB")
    except (NoBrowser, OSError) as error:
        print(f"aoqlab: {error}", file=sys.stderr)
        return 1
    return 0


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


def film_frames(explorer: Explorer) -> list[Frame]:
    """Bits change, thresholds slide, levels slide, and Play runs through the three stages."""
    sliders = {name: control for name, control in explorer.controls.items() if isinstance(control, Slider)}
    at = {name: explorer.state[name] for name in sliders}
    frames = [Frame("bits", at["bits"], lasts=10 * FRAME)]

    def slide(control: str, value: float | int, count: int, rest: int) -> None:
        begin, at[control] = at[control], sliders[control].meant(value)
        stops = [round(begin + part * (at[control] - begin)) for part in eased(count)]
        frames.extend(Frame(control, stop) for stop in stops[:-1])
        frames.append(Frame(control, stops[-1], lasts=(1 + rest) * FRAME))

    def approach(control: str, play: bool = False) -> None:
        frames.extend(Frame(control, near=near, play=play) for near in eased(5))

    for bits, rest in ((3, 6), (4, 8), (3, 3), (2, 5)):
        slide("bits", bits, 1, rest)
    approach("th")
    for value, count in ((0.5, 9), (1.5, 13), (1.0, 8)):
        slide("th", value, count, 2)
    approach("le")
    for value, count in ((0.5, 9), (1.4, 12), (1.0, 8)):
        slide("le", value, count, 2)
    approach("moment", play=True)
    player, last = sliders["moment"], len(sliders["moment"].values) - 1
    assert player.play is not None
    frames.append(Frame("moment", play=True, down=True, lasts=3 * FRAME))
    frames += [Frame("moment", play=True, passes=2 * player.play)] * math.ceil(last / 2)
    frames.append(Frame("moment", play=True, passes=2 * player.play, lasts=24 * FRAME))
    return frames


def eased(count: int) -> list[float]:
    """``count`` parts of a way, to 1, slow at both ends."""
    return [(1 - math.cos(math.pi * (k + 1) / count)) / 2 for k in range(count)]


@contextmanager
def chromium() -> Iterator[Browser]:
    """Open a browser without a window. Raise :class:`NoBrowser` where there is none."""
    try:
        sync_playwright = importlib.import_module("playwright.sync_api").sync_playwright
    except ImportError:
        raise NoBrowser("pictures are taken by Playwright, which is not installed: `pip install playwright`") from None
    with sync_playwright() as playwright:
        own = Path(playwright.chromium.executable_path)
        found = next(filter(None, map(shutil.which, CHROMIUMS)), str(own) if own.exists() else None)
        if found is None:
            raise NoBrowser("pictures are taken in Chromium, and there is none: `apt install chromium` or the like")
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


def film(browser: Browser, explorer: Explorer, frames: Sequence[Frame]) -> bytes:
    """Return an animated WebP of the explorer while the pointer does what the frames say."""
    with opened(browser, explorer, 1) as page:
        page.clock.pause_at(page.evaluate("Date.now()") + 1000)
        page.evaluate(POINTER)
        page.keyboard.press("Tab")  # as with a keyboard: what is moved shows its focus
        images, here = [], page.evaluate(PLACE, [frames[0].control, frames[0].play])
        for frame in frames:
            if frame.stop is not None:
                page.evaluate(SLIDE, [frame.control, frame.stop])
            there = page.evaluate(PLACE, [frame.control, frame.play])
            if frame.down:
                page.mouse.click(*there)
            now = [a + frame.near * (b - a) for a, b in zip(here, there, strict=True)]
            page.evaluate("([place, down]) => pointTo(place, down)", [now, frame.down])
            page.clock.run_for(frame.passes)
            images.append(_taken(page))
            here = there if frame.near == 1 else here
    return webp(images, [frame.lasts for frame in frames])


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
