"""One JupyterLab and one browser for all explorers, and a JavaScript engine for what they compute."""

import importlib.util
import json
import os
import shutil
import subprocess
import sys
import time
import urllib.request
from pathlib import Path

import nbformat
import pytest

from aoqlab.explorers.pages import portable, source_of

PATIENCE = 120_000  # milliseconds; only reached when something is wrong
CHROMIUM = shutil.which("chromium", path=os.environ.get("PATH", "") + os.pathsep + "/usr/bin")


@pytest.fixture(scope="session")
def javascript():
    """Calls ``function(*arguments)`` of explorers' scripts in the engine that Playwright brings; returns JSON."""
    playwright = importlib.util.find_spec("playwright")
    if playwright is None:
        pytest.skip("playwright is not installed")
    node = Path(playwright.origin).parent / "driver" / "node"
    source = "globalThis.document = globalThis.matchMedia = undefined;\n" + source_of(("summary.js",))
    loop = """
    import { createInterface } from "node:readline";
    for await (const line of createInterface({ input: process.stdin })) {
      const [body, given] = JSON.parse(line);
      try {
        const made = new Function("unpacked", "readoutsOf", "number", "ticks", `return async (given) => {${body}}`);
        const value = await made(unpacked, readoutsOf, number, ticks)(given);
        const plain = (_, v) => (ArrayBuffer.isView(v) ? [...v] : v === Infinity ? "Infinity" : v);
        console.log(JSON.stringify({ value }, plain));
      } catch (error) { console.log(JSON.stringify({ error: String(error.stack) })); }
    }"""
    command = [str(node), "--input-type=module", "-e", source + loop]
    process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)

    def call(body, given):
        process.stdin.write(json.dumps([body, portable(given)]) + "\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        assert "error" not in answer, answer["error"]
        return answer["value"]

    yield call
    process.stdin.close()
    process.wait(30)
    process.stdout.close()


@pytest.fixture(scope="session")
def project(tmp_path_factory):
    """A project of its own, so that what explorers write does not land in this checkout."""
    folder = tmp_path_factory.mktemp("project")
    (folder / "notebooks").mkdir()
    (folder / "data").mkdir()
    (folder / "figures").mkdir()
    root = Path(__file__).parent.parent.parent
    shutil.copy(root / "data" / "digits_cnn.safetensors", folder / "data")
    return folder


@pytest.fixture(scope="session")
def jupyter(project):
    """The address of a JupyterLab on the project's notebooks, and its token."""
    own = ["JUPYTER_CONFIG_DIR", "JUPYTER_DATA_DIR", "JUPYTER_RUNTIME_DIR", "IPYTHONDIR"]
    own += ["JUPYTERLAB_SETTINGS_DIR", "JUPYTERLAB_WORKSPACES_DIR"]
    environment = os.environ | {name: str(project / "jupyter" / name.lower()) for name in own}
    environment |= {"AOQLAB_ROOT": str(project), "AOQLAB_QUICK": "1"}
    options = ["--ServerApp.ip=127.0.0.1", "--ServerApp.port=0", "--ServerApp.open_browser=False", "--allow-root"]
    options += [f"--ServerApp.root_dir={project / 'notebooks'}", "--LabApp.extension_manager=readonly"]
    options += ["--LabApp.check_for_updates_class=jupyterlab.NeverCheckForUpdate"]
    with (project / "jupyter.log").open("wb") as output:
        command = [sys.executable, "-m", "jupyterlab", *options]
        server = subprocess.Popen(command, env=environment, cwd=project, stdout=output, stderr=subprocess.STDOUT)
        try:
            yield _address(server, Path(environment["JUPYTER_RUNTIME_DIR"]), project / "jupyter.log")
        finally:
            server.terminate()  # shuts its kernels down
            try:
                server.wait(30)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()


def _address(server, runtime, log):
    until = time.monotonic() + PATIENCE / 1000
    while time.monotonic() < until and server.poll() is None:
        for file in runtime.glob("jpserver-*.json"):
            try:
                info = json.loads(file.read_text())
            except ValueError:  # being written
                continue
            return info["url"], info["token"]
        time.sleep(0.1)
    raise AssertionError(f"JupyterLab did not start:\n{log.read_text()[-3000:]}")


@pytest.fixture(scope="session")
def chromium():
    sync_api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        reason = "no chromium found; .ci/run installs it (apt-get install chromium)"
        if os.environ.get("CI") == "true":
            pytest.fail(reason)
        pytest.skip(reason)
    arguments = ["--no-sandbox", "--disable-dev-shm-usage", "--disable-gpu"]
    with sync_api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=arguments)
        yield browser
        browser.close()


@pytest.fixture
def page(chromium):
    """A page that keeps what went wrong in it; a test ends with no errors in the console."""
    context = chromium.new_context(viewport={"width": 1400, "height": 1000}, accept_downloads=True)
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    page.troubles = []
    page.on("console", lambda message: message.type == "error" and page.troubles.append(message.text))
    page.on("pageerror", lambda error: page.troubles.append(str(error)))
    yield page
    context.close()


@pytest.fixture
def notebook(jupyter, project, page):
    """Opens a notebook of the given cells in JupyterLab and runs all of them; its kernel ends with the test."""
    address, token = jupyter
    opened = []

    def open_notebook(name, *cells):
        path = project / "notebooks" / f"{name}.ipynb"
        metadata = {"kernelspec": {"name": "python3", "display_name": "Python 3", "language": "python"}}
        content = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(cell) for cell in cells], metadata=metadata)
        nbformat.write(content, path)
        page.goto(f"{address}lab/tree/{path.name}?reset&token={token}")
        opened.append(path)
        run_all(page)
        return path

    yield open_notebook
    for session in json.loads(_request(address, token, "api/sessions")):
        _request(address, token, f"api/sessions/{session['id']}", "DELETE")


def _request(address, token, path, method="GET"):
    request = urllib.request.Request(f"{address}{path}", method=method, headers={"Authorization": f"token {token}"})
    with urllib.request.urlopen(request, timeout=60) as answer:
        return answer.read()


def run_all(page):
    page.locator("#jp-main-statusbar").get_by_text("| Idle").first.wait_for()
    page.get_by_role("menuitem", name="Run", exact=True).click()
    page.get_by_role("menuitem", name="Run All Cells", exact=True).click()
