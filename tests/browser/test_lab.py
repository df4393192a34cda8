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


@pytest.fixture(scope="module")
def lab(checkout, tmp_path_factory):
    """A started ``aoqlab lab``; ``opened`` is the file in which its browser writes what it was given."""
    shutil.copy(ROOT / "notebooks" / "00_overview.ipynb", checkout / "notebooks")
    home = tmp_path_factory.mktemp("lab")
    browser = home / "browser"
    browser.write_text(f'#!/bin/sh\necho "$1" > {home}/opened.new && mv {home}/opened.new {home}/opened\n')
    browser.chmod(browser.stat().st_mode | stat.S_IXUSR)
    environment = own_settings(home) | {"AOQLAB_ROOT": str(checkout), "BROWSER": str(browser)}
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


def test_it_listens_on_this_machine_alone(lab):
    socket.create_connection(("127.0.0.1", lab.port), timeout=10).close()
    with pytest.raises(OSError):  # another address of this machine, which a server for everyone would answer at
        socket.create_connection(("127.0.0.2", lab.port), timeout=10).close()
