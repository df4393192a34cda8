"""Work in several processes: what comes back, and what happens when a process has grown."""

import os
import time

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
