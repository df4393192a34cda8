"""A notebook in a real browser: JupyterLab runs it, a key moves a slider, the picture changes, Export writes files."""

import json
import os
import re
import shutil
import subprocess
import sys
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
NOTEBOOK = "01_quantizer.ipynb"
PATIENCE = 120_000  # milliseconds; only reached when something is wrong

sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
CHROMIUM = shutil.which("chromium", path=os.environ.get("PATH", "") + os.pathsep + "/usr/bin")
pytestmark = pytest.mark.skipif(
    CHROMIUM is None, reason="no chromium found; .ci/run installs it (apt-get install chromium)"
)

DIGEST = """async image => {
    const bytes = await (await fetch(image.src)).arrayBuffer();
    return Array.from(new Uint8Array(await crypto.subtle.digest('SHA-256', bytes))).join();
}"""


@pytest.fixture
def project(tmp_path):
    """A project of its own, so that what the notebook writes does not land in this checkout."""
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "data").mkdir()
    shutil.copy(ROOT / "notebooks" / NOTEBOOK, tmp_path / "notebooks")
    shutil.copy(ROOT / "data" / "digits_cnn.safetensors", tmp_path / "data")
    return tmp_path


@contextmanager
def jupyterlab(project):
    """JupyterLab on the project's notebooks, for this machine only and with its own settings; yields its address."""
    own = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
    own += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
    environment = os.environ | {name: str(project / "jupyter" / name.lower()) for name in own}
    environment |= {"AOQLAB_ROOT": str(project), "AOQLAB_QUICK": "1"}
    options = ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.open_browser=False", "--allow-root"]
    options += [f"--ServerApp.root_dir={project / 'notebooks'}", "--LabApp.extension_manager=readonly"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    log = project / "jupyter.log"
    with log.open("wb") as output:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=environment, cwd=project, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield address_of(server, Path(environment["JUPYTER_RUNTIME_DIR"]), log)
        finally:
            server.terminate()  # shuts its kernels down
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def address_of(server, runtime, log):
    """Address and token, from the file a server writes once it listens."""
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                info = json.loads(file.read_text())
            except ValueError:  # being written
                continue
            return f"{info['url']}lab/tree/{NOTEBOOK}?reset&token={info['token']}"
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@contextmanager
def browser_page():
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        page = browser.new_page(viewport={"width": 1400, "height": 1000})
        page.set_default_timeout(PATIENCE)
        yield page
        browser.close()


def run_all(page):
    page.locator(".jp-StatusBar-Widget, #jp-main-statusbar").get_by_text("| Idle").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
    # The answer is the last output.
    page.locator(".jp-OutputArea-output.jp-RenderedMarkdown").last.wait_for(state="attached")


def test_a_slider_moves_the_picture_and_export_writes_it(project):
    expect = sync_api.expect
    with jupyterlab(project) as address, browser_page() as page:
        page.goto(address)
        run_all(page)
        picture = page.locator("img.widget-image")
        readout = page.locator(".widget-html").filter(has_text="s_th =")
        slider = page.locator(".widget-hslider").filter(has_text="s_th").get_by_role("slider")
        slider.scroll_into_view_if_needed()
        before, source, text = picture.evaluate(DIGEST), picture.get_attribute("src"), readout.inner_text()

        slider.focus()
        for _ in range(4):
            page.keyboard.press("ArrowRight")
        expect(readout).not_to_have_text(text, timeout=PATIENCE)
        expect(readout).to_contain_text("s_th = 1.414 σ, s_le = 1.000 σ", timeout=PATIENCE)
        page.wait_for_function("([image, old]) => image.src !== old", arg=[picture.element_handle(), source])
        assert picture.evaluate(DIGEST) != before
        assert picture.evaluate("image => image.naturalWidth") > 500

        # By its text: the icon is part of the button's accessible name.
        page.get_by_role("button").filter(has_text=re.compile(r"^\s*Export\s*$")).click()
        expect(page.get_by_text("saved:").first).to_be_visible(timeout=PATIENCE)
        written = {file.name for file in (project / "figures").iterdir()}
        assert written == {f"quantizer-conv3-aoq-mid-rise-2bits.{form}" for form in ("png", "svg", "pdf", "json")}

        errors = page.locator('[data-mime-type="application/vnd.jupyter.error"], .jp-Notebook [role="alert"]')
        assert errors.all_inner_texts() == []
        assert page.locator('[data-mime-type="application/vnd.jupyter.stderr"]').all_inner_texts() == []
