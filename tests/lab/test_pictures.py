import importlib.util
import io
import itertools
import json
import os
import shutil
import subprocess
import sys
from contextlib import contextmanager, nullcontext
from pathlib import Path
from types import SimpleNamespace

import pytest
from PIL import Image

from aoqlab.lab.cli import commands as cli
from aoqlab.lab.explorers import pictures
from aoqlab.lab.explorers.pictures import FILM, STILLS, digits_intervals, eased

FIGURES = Path(__file__).parents[2] / "figures"


@pytest.fixture(scope="module")
def explorer():
    return digits_intervals()


class Stage:
    """A page that only notes what is done to it."""

    def __init__(self, explorer):
        self.stops = {name: explorer.state[name] for name in explorer.controls}
        self.moved, self.passed, self.clicks = {}, [], 0
        self.keyboard = SimpleNamespace(press=lambda key: None)
        self.mouse = SimpleNamespace(click=self.click)
        self.clock = SimpleNamespace(pause_at=lambda time: None, run_for=self.passed.append)

    def click(self, x, y):
        self.clicks += 1
        self.passed.clear()

    def evaluate(self, script, given=None):
        if script == pictures.SLIDE:
            self.moved.setdefault(given[0], []).append(given[1])
            self.stops[given[0]] = given[1]
        if script == pictures.STOP:
            return self.stops[given]
        return {pictures.PLACE: [0.0, 0.0], "Date.now()": 0}.get(script)


@pytest.fixture
def filmed(monkeypatch, explorer):
    """What happens on the stage of the film, and how long each frame lasts."""
    stage = Stage(explorer)
    monkeypatch.setattr(pictures, "opened", lambda *_: nullcontext(stage))
    monkeypatch.setattr(pictures, "_taken", lambda page: image("white"))
    monkeypatch.setattr(pictures, "webp", lambda images, lasts: repr(lasts).encode())
    return stage, json.loads(pictures.film(None, explorer))


@pytest.fixture
def drawn(monkeypatch, explorer):
    """A browser that is none, and pictures that are a few bytes."""

    @contextmanager
    def chromium():
        yield None

    monkeypatch.setattr(pictures, "chromium", chromium)
    monkeypatch.setattr(pictures, "STILLS", {"one": (lambda: None, {"a": 1}), "other": (lambda: None, {})})
    monkeypatch.setattr(pictures, "digits_intervals", lambda: explorer)
    monkeypatch.setattr(pictures, "still", lambda browser, explorer, **settings: repr(settings).encode())
    monkeypatch.setattr(pictures, "film", lambda browser, explorer: b"film")


def image(color, size=(40, 30)):
    return Image.new("RGB", size, color)


def opened(source):
    """A picture from a file or from bytes; no file stays open."""
    return Image.open(io.BytesIO(source if isinstance(source, bytes) else source.read_bytes()))


def test_the_film_lasts_six_to_ten_seconds(filmed):
    assert 6_000 <= sum(filmed[1]) <= 10_000


def test_thresholds_levels_and_bits_move_to_stops_there_are_and_back(explorer, filmed):
    moved = filmed[0].moved
    assert moved.keys() == {"th", "le", "bits"}
    for name, stops in moved.items():
        assert len(set(stops)) > 2 and set(stops) <= set(range(len(explorer.controls[name].values)))
        assert stops[-1] == explorer.state[name]


def test_play_is_pressed_once_and_has_the_time_to_reach_the_end(explorer, filmed):
    stage, slider = filmed[0], explorer.controls["moment"]
    assert stage.clicks == 1
    assert sum(stage.passed) >= slider.play * (len(slider.values) - 1)


@pytest.mark.parametrize("count", [1, 2, 9])
def test_an_eased_way_rises_to_its_end(count):
    parts = eased(count)
    assert len(parts) == count
    assert parts == sorted(parts)
    assert parts[0] > 0
    assert parts[-1] == 1


def test_equal_frames_become_one_that_lasts_as_long():
    made = pictures.webp([image("red"), image("red"), image("blue", (40, 50))], [50, 70, 30])
    film = opened(made)
    assert (film.n_frames, film.size, film.info["loop"]) == (2, (40, 50), 0)
    film.load()
    assert film.info["duration"] == 120
    assert film.convert("RGB").getpixel((0, 49)) == (255, 255, 255)
    film.seek(1)
    film.load()
    assert film.info["duration"] == 30
    assert film.convert("RGB").getpixel((0, 49)) == (0, 0, 255)


def test_a_still_is_a_small_png_that_looks_as_before():
    made = pictures.png(image("red"))
    assert opened(made).convert("RGB").getpixel((5, 5)) == (255, 0, 0)
    assert len(made) < 1000


def test_all_pictures_are_written_where_they_are_wanted(drawn, tmp_path, capsys):
    assert cli.main(["pictures", "--folder", str(tmp_path)]) == 0
    found = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    assert found == {"explorers-one.png": b"{'a': 1}", "explorers-other.png": b"{}", FILM: b"film"}
    told = capsys.readouterr().out
    assert all(name in told for name in found)


def test_without_a_folder_they_go_to_the_figures(drawn, monkeypatch, tmp_path):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    pictures.pictures()
    assert (tmp_path / "figures" / FILM).read_bytes() == b"film"


def test_where_one_picture_fails_none_is_written(drawn, monkeypatch, tmp_path, capsys):
    def film(*_):
        raise FileNotFoundError("there is no network 'digits_cnn'")

    monkeypatch.setattr(pictures, "film", film)
    assert cli.main(["pictures", "--folder", str(tmp_path)]) == 2
    assert list(tmp_path.iterdir()) == []
    assert capsys.readouterr().err == "aoqlab: there is no network 'digits_cnn'\n"


def test_a_folder_that_cannot_be_written_is_one_sentence(drawn, tmp_path, capsys):
    (tmp_path / "file").write_text("")
    assert cli.main(["pictures", "--folder", str(tmp_path / "file" / "folder")]) == 1
    assert "not written" in capsys.readouterr().err


def test_without_playwright_one_sentence_says_so(monkeypatch, tmp_path, capsys):
    monkeypatch.setitem(sys.modules, "playwright.sync_api", None)
    assert cli.main(["pictures", "--folder", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "Playwright, which is not installed: `pip install playwright`" in error
    assert error.count("\n") == 1
    assert list(tmp_path.iterdir()) == []


def test_without_chromium_one_sentence_says_so(monkeypatch, tmp_path, capsys):
    @contextmanager
    def sync_playwright():
        yield SimpleNamespace(chromium=SimpleNamespace(executable_path=str(tmp_path / "none")))

    monkeypatch.setitem(sys.modules, "playwright.sync_api", SimpleNamespace(sync_playwright=sync_playwright))
    monkeypatch.setattr(shutil, "which", lambda _: None)
    assert cli.main(["pictures", "--folder", str(tmp_path)]) == 1
    error = capsys.readouterr().err
    assert "Chromium, and there is none: `apt install chromium`" in error
    assert error.count("\n") == 1


def test_the_command_loads_playwright_only_when_it_runs():
    code = "import sys, aoqlab.lab.explorers.pictures; print([n for n in sys.modules if n.startswith('playwright')])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_the_pictures_in_readme_are_all_there_and_small():
    stills = [FIGURES / f"explorers-{name}.png" for name in STILLS]
    assert sum(path.stat().st_size for path in stills) < 1_500_000
    for path in stills:
        assert opened(path).width == pictures.WIDTH * pictures.SHARPNESS
    assert (FIGURES / FILM).stat().st_size < 3_000_000
    film = opened(FIGURES / FILM)
    assert film.n_frames > 50
    assert film.width == pictures.WIDTH
    assert film.info["loop"] == 0


TAKE = """
import sys
from pathlib import Path
from aoqlab.lab.explorers.pictures import FRAME, Film, chromium, digits_intervals, opened, still, webp

folder, explorer = Path(sys.argv[1]), digits_intervals()
with chromium() as browser:
    with opened(browser, explorer, 1) as page:
        film = Film(page, "th")
        film.take()
        film.slide(explorer.controls["th"], 0.5, 1, 0)
        film.approach("moment", play=True)
        page.mouse.click(*film.at)
        film.take(pressed=True)
        film.take(passes=600)
    (folder / "film.webp").write_bytes(webp(film.images, film.lasts))
    (folder / "still.png").write_bytes(still(browser, explorer, bits=4))
"""


@pytest.fixture
def chromium_there():
    """Skips where pictures cannot be taken, except where all tests are to run."""
    missing = None
    if importlib.util.find_spec("playwright") is None:
        missing = "playwright is not installed"
    elif not any(map(shutil.which, pictures.CHROMIUMS)):
        missing = "no chromium found; .ci/run installs it (apt-get install chromium)"
    if missing and os.environ.get("CI") == "true":
        pytest.fail(missing)
    if missing:
        pytest.skip(missing)


def test_a_film_taken_in_chromium_shows_the_pointer_and_play(chromium_there, tmp_path):
    # In a process of its own: another Playwright may be running in this one.
    command = [sys.executable, "-c", TAKE, str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=240, check=False)
    assert done.returncode == 0, done.stderr
    film = opened(tmp_path / "film.webp")
    assert film.n_frames == 9
    shots = []
    for k in range(9):
        film.seek(k)
        shots.append(film.convert("RGB"))
    assert all(before.tobytes() != after.tobytes() for before, after in itertools.pairwise(shots))
    # Ten stops of Play have passed by the page's own clock, whatever the time by that of this machine.
    assert shots[-1].crop((0, 240, *shots[-1].size)).tobytes() != shots[-2].crop((0, 240, *shots[-2].size)).tobytes()
    still = opened(tmp_path / "still.png")
    assert still.width == pictures.WIDTH * pictures.SHARPNESS
    assert still.height > 800
