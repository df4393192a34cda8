"""What browser tests are made of: a Jupyter server, a Chromium, and an explorer's controls."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
import urllib.request
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace

import nbformat
import pytest

ROOT = Path(__file__).parent.parent.parent
SHOTS = ROOT / "figures" / "screenshots"  # ignored by git, for people to look at
PATIENCE = 240_000  # milliseconds; only reached when something is wrong
ARGUMENTS = ("--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu")
FORMS = ("png", "svg", "pdf", "json")

# Two frames: the first paints what was asked for, the second comes after it.
FRAMES = "() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(() => setTimeout(done))))"
GRAB = "root => [...root.querySelectorAll('canvas')].map(canvas => canvas.toDataURL()).join()"
FINISHED = r"""() => {
    if (document.querySelector('[data-mime-type="application/vnd.jupyter.error"]')) return true;
    const prompts = [...document.querySelectorAll('.jp-CodeCell .jp-InputArea-prompt')].map(node => node.textContent);
    return prompts.length > 0 && prompts.every(prompt => /\[\d+\]/.test(prompt));
}"""


def lacking(reason):
    """Ends a test for want of a browser: skipped where people work, failed where everything must be tested."""
    (pytest.fail if os.environ.get("CI") == "true" else pytest.skip)(reason)


def chromium_path(path=None):
    found = shutil.which("chromium", path=path or os.environ.get("PATH", "") + os.pathsep + "/usr/bin")
    if found is None:
        lacking("no chromium found; .ci/run installs it (apt-get install chromium)")
    return found


def own_settings(folder):
    """The environment of a Jupyter that neither reads nor writes what the user has set."""
    names = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
    names += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
    return os.environ | {name: str(folder / name.lower()) for name in names}


@contextmanager
def server(app, checkout):
    """``python -m app`` on the checkout's notebooks; yields its ``url``, ``token`` and ``request(path, method)``."""
    home = checkout / "jupyter" / app
    environment = own_settings(home) | {"AOQLAB_ROOT": str(checkout), "AOQLAB_QUICK": "1"}
    options = ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.open_browser=False", "--allow-root"]
    options += [f"--ServerApp.root_dir={checkout / 'notebooks'}", "--LabApp.extension_manager=readonly"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    options += ["--KernelManager.shutdown_wait_time=0.2"]  # then it is killed
    with running([sys.executable, "-m", app, *options], home, environment) as found:
        yield found


@contextmanager
def running(command, home, environment):
    """A Jupyter server until the end of the context; its output is in ``home / "log"``."""
    home.mkdir(parents=True)
    log = home / "log"
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, cwd=home, stdout=output, stderr=subprocess.STDOUT)
        try:
            info = _listening(process, Path(environment["JUPYTER_RUNTIME_DIR"]), log)

            def request(path, method="GET"):
                headers = {"Authorization": f"token {info['token']}"}
                asked = urllib.request.Request(info["url"] + path, method=method, headers=headers)
                with urllib.request.urlopen(asked, timeout=60) as answer:
                    return answer.read()

            yield SimpleNamespace(url=info["url"], token=info["token"], port=info["port"], log=log, request=request)
        finally:
            process.terminate()  # shuts its kernels down
            try:
                process.wait(30)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _listening(process, runtime, log):
    """What a server writes into a file of its own once it listens."""
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until and process.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                return json.loads(file.read_text())
            except ValueError:  # being written
                continue
        time.sleep(0.1)
    raise AssertionError(f"Jupyter did not start:\n{log.read_text()[-3000:]}")


def end_kernels(jupyter, path):
    for session in json.loads(jupyter.request("api/sessions")):
        if session["path"] == path.name:
            jupyter.request(f"api/sessions/{session['id']}", "DELETE")


def write_notebook(path, *cells):
    metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
    content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=metadata)
    nbformat.write(content, path)


def menu(page, name, item):
    page.get_by_role("menuitem", name=name, exact=True).click()
    page.locator(".lm-Menu-item:visible").filter(has_text=re.compile(f"^{item}")).first.click()


def run_all(page):
    """Run → Run All Cells, to the end."""
    page.locator("#jp-main-statusbar").get_by_text("| Idle").first.wait_for()
    menu(page, "Run", "Run All Cells")
    page.wait_for_function(FINISHED)


class Hand:
    """What a user does with one explorer, and sees of it."""

    def __init__(self, page, root):
        self.page, self.root = page, root

    def __call__(self, name):
        return self.root.locator(f"[data-name={name}]").locator("input, select").first

    def names(self):
        return self.root.locator("[data-name]").evaluate_all("rows => rows.map(row => row.dataset.name)")

    def sliders(self):
        return self.root.locator(".control.slider").evaluate_all("rows => rows.map(row => row.dataset.name)")

    def pictures(self):
        self.page.evaluate(FRAMES)
        return self.root.evaluate(GRAB)

    def numbers(self):
        self.page.evaluate(FRAMES)
        return re.sub(r"exact|from the summary.*", "", self.root.locator(".readouts").inner_text())

    def press(self, name, key="ArrowRight", times=1):
        self(name).focus()
        for _ in range(times):
            self.page.keyboard.press(key)

    def drag(self, name, start=0.3, end=0.6):
        self(name).scroll_into_view_if_needed()
        box = self(name).bounding_box()
        y = box["y"] + box["height"] / 2
        self.page.mouse.move(box["x"] + start * box["width"], y)
        self.page.mouse.down()
        self.page.mouse.move(box["x"] + end * box["width"], y, steps=6)
        self.page.mouse.up()

    def button(self, words):
        return self.root.get_by_role("button", name=re.compile(words))

    def alive(self):
        """Waits until the live explorer is there, which alone can export."""
        self.button("^Export$").wait_for()

    def changed(self, before, what):
        """Waits until the pictures are others than ``before``; returns them."""
        for _ in range(PATIENCE // 100):
            now = self.pictures()
            if now != before:
                return now
            self.page.wait_for_timeout(100)
        raise AssertionError(f"{what} left the pictures as they were")

    def move_everything(self, silent=()):
        """Every control by keyboard, then by mouse; all pictures change each time, except by ``silent`` controls."""
        for name in self.names():
            for way in (self.by_keyboard, self.by_mouse):
                before, value = self.pictures(), self._value(name)
                way(name)
                what = f"{name} {way.__name__.replace('_', ' ')}"
                assert self._value(name) != value, f"{what} did not move"
                if name not in silent:
                    self.changed(before, what)

    def _value(self, name):
        return self(name).evaluate("node => node.type === 'checkbox' ? node.checked : node.value")

    def _ends(self, name):
        """The place of a slider or menu, between 0 and 1."""
        return self(name).evaluate(
            "node => node.tagName === 'SELECT' ? node.selectedIndex / (node.length - 1) : node.value / node.max"
        )

    def by_keyboard(self, name):
        kind = self(name).evaluate("node => node.type")
        if kind == "checkbox":
            return self.press(name, "Space")
        last = self._ends(name) > 0.5
        if kind == "range":
            return self.press(name, "ArrowLeft" if last else "ArrowRight", 3)
        return self.press(name, "ArrowUp" if last else "ArrowDown")

    def by_mouse(self, name):
        kind = self(name).evaluate("node => node.type")
        if kind == "checkbox":
            self(name).click()
        elif kind == "range":
            here = self._ends(name)
            self.drag(name, 0.03 + 0.94 * here, 0.2 if here > 0.5 else 0.8)  # the knob stays within the bar
        else:  # the list that opens is the system's, beyond the page
            self(name).select_option(
                index=0 if self._ends(name) > 0.5 else self(name).evaluate("node => node.length - 1")
            )
