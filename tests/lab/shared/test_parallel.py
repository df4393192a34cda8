"""Work in several processes: what comes back, and what happens when a process has grown."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from aoqlab.lab.shared.paths import project_root
from aoqlab.lab.shared.processes import side_by_side

KEPT = []


def square(x):
    return x * x


def grow(megabytes):
    KEPT.append(bytearray(os.urandom(1 << 20) * megabytes))
    time.sleep(1.1)  # joblib looks at the memory of a process once in a second at most
    return os.getpid()


@pytest.mark.parametrize("jobs", [1, 2])
def test_every_result_comes_back_under_its_name(jobs):
    assert dict(side_by_side(jobs, ((f"{x}", square, (x,)) for x in range(5)))) == {f"{x}": x * x for x in range(5)}


def project(_):
    return str(project_root())


def test_processes_that_stay_follow_the_caller_to_another_project(tmp_path, monkeypatch):
    for name in ("one", "other"):
        monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path / name))
        found = dict(side_by_side(2, ((k, project, (k,)) for k in range(4))))
        assert set(found.values()) == {str(tmp_path / name)}


def test_a_process_that_has_grown_is_replaced_and_the_work_continues():
    processes = dict(side_by_side(2, ((k, grow, (400,)) for k in range(6))))
    assert sorted(processes) == list(range(6))
    assert len(set(processes.values())) > 2


def sleep(path):
    path.write_text(str(os.getpid()))
    time.sleep(600)


ORPHANS = """
from pathlib import Path
from aoqlab.lab.shared.processes import side_by_side
from test_parallel import sleep
list(side_by_side(2, ((k, sleep, (Path(f"{k}"),)) for k in range(2))))
"""


def running(process):
    try:
        return "State:\tZ" not in Path(f"/proc/{process}/status").read_text()
    except OSError:
        return False


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="looks for processes where Linux lists them")
def test_processes_end_when_their_parent_is_killed(tmp_path):
    here = os.path.dirname(__file__)
    path = os.pathsep.join([here, os.environ.get("PYTHONPATH", "")])
    parent = subprocess.Popen([sys.executable, "-c", ORPHANS], cwd=tmp_path, env={**os.environ, "PYTHONPATH": path})
    while not all((tmp_path / k).is_file() and (tmp_path / k).read_text() for k in "01"):
        assert parent.poll() is None
        time.sleep(0.1)
    workers = [int((tmp_path / k).read_text()) for k in "01"]
    parent.send_signal(signal.SIGKILL)
    parent.wait()
    while any(map(running, workers)):
        time.sleep(0.1)
