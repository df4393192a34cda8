"""``aoqlab lab`` as a user starts it: the address it prints and opens, its token, and who can reach it."""

import re
import shutil
import socket
import stat
import sys
import urllib.error
import urllib.request

import pytest

from .harness import ROOT, own_settings, running

# Configurations of Jupyter that would let everybody in.
OPEN = {
    "jupyter_server_config.py": (
        "c.IdentityProvider.token = c.ServerApp.token = ''\n"
        "c.ServerApp.allow_origin, c.ServerApp.allow_origin_pat, c.ServerApp.ip = '*', '.*', '0.0.0.0'\n"
        "c.ServerApp.allow_remote_access = c.ServerApp.disable_check_xsrf = True\n"
        "c.ServerApp.tornado_settings = {'headers': {'Access-Control-Allow-Origin': '*'}}\n"
    ),
    "jupyter_lab_config.json": '{"IdentityProvider": {"token": ""}, "ServerApp": {"allow_origin": "*", "ip": ""}}',
}


@pytest.fixture(scope="module")
def lab(checkout, tmp_path_factory):
    """A started ``aoqlab lab``; ``opened`` is the file in which its browser writes what it was given."""
    shutil.copy(ROOT / "notebooks" / "00_overview.ipynb", checkout / "notebooks")
    home = tmp_path_factory.mktemp("lab")
    browser = home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {home}/opened.new && mv {home}/opened.new {home}/opened\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    for name, text in OPEN.items():
        (home / "jupyter_config_dir").mkdir(exist_ok=True)
        (home / "jupyter_config_dir" / name).write_text(text)
    environment = own_settings(home) | {"JUPYTER_TOKEN": ""} | {"AOQLAB_ROOT": str(checkout), "BROWSER": str(browser)}
    command = [sys.executable, "-m", "aoqlab", "lab", "--allow-root", "--ServerApp.port=0"]
    with running(command, home / "server", environment) as server:
        server.opened = home / "opened"
        yield server


def printed(lab):
    return re.findall(r"http://(?:127\.0\.0\.1|localhost):\d+/lab/tree/\S+", lab.log.read_text())


def test_it_prints_the_address_of_the_overview_with_its_token(lab):
    assert printed(lab)
    for address in printed(lab):
        assert address.endswith(f":{lab.port}/lab/tree/00_overview.ipynb?token={lab.token}")
    assert len(lab.token) >= 32


def test_the_browser_opens_on_the_overview(lab, page):
    page.goto("about:blank")
    for _ in range(100):
        if lab.opened.exists():
            break
        page.wait_for_timeout(100)
    page.goto(lab.opened.read_text().strip())
    page.locator(".jp-NotebookPanel").get_by_role("heading").first.wait_for()
    assert page.url.startswith(f"{lab.url}lab/tree/00_overview.ipynb")
    assert "00_overview.ipynb" in page.title() or page.get_by_role("tab", name="00_overview.ipynb").count()


def test_who_lacks_the_token_gets_nothing(lab):
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(f"{lab.url}api/contents", timeout=60)
    assert refused.value.code == 403
    refused.value.close()
    with urllib.request.urlopen(f"{lab.url}lab", timeout=60) as answer:
        assert "/login?" in answer.url


def test_another_page_may_not_ask_it(lab):
    foreign = urllib.request.Request(f"{lab.url}login", headers={"Origin": "http://elsewhere.example"})
    with urllib.request.urlopen(foreign, timeout=60) as answer:  # a browser keeps such an answer from the page
        assert not [name for name in answer.headers if name.lower().startswith("access-control-allow")]
    renamed = urllib.request.Request(f"{lab.url}login", headers={"Host": "elsewhere.example"})
    with pytest.raises(urllib.error.HTTPError) as refused:
        urllib.request.urlopen(renamed, timeout=60)
    assert refused.value.code == 403
    refused.value.close()


def test_it_listens_on_this_machine_alone(lab):
    socket.create_connection(("127.0.0.1", lab.port), timeout=10).close()
    with pytest.raises(OSError):  # another address of this machine, which a server for everyone would answer at
        socket.create_connection(("127.0.0.2", lab.port), timeout=10).close()
