import json
import subprocess
import sys

import pytest

from aoqlab.lab.training.folder import CONFIG, RunBusyError, RunExistsError, RunFolder


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    return tmp_path


def record(name):
    return {"settings": {"name": name}}


def test_a_new_folder_has_its_configuration_from_the_first_moment(project):
    folder = RunFolder.create("mine", "other", record)
    assert folder.path == project / "data" / "runs" / "mine"
    assert json.loads((folder.path / CONFIG).read_text()) == record("mine")
    assert not list((project / "data" / "runs").glob(".*"))


def test_a_name_is_given_once():
    RunFolder.create("mine", "other", record).release()
    with pytest.raises(RunExistsError, match=r"--resume.*another --name"):
        RunFolder.create("mine", "other", record)


def test_without_a_name_a_number_is_added():
    made = [RunFolder.create(None, "auto", record).path.name for _ in range(3)]
    assert made == ["auto", "auto-2", "auto-3"]


def test_a_failure_leaves_nothing_behind(project):
    def fails(name):
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        RunFolder.create("mine", "other", fails)
    assert list((project / "data" / "runs").iterdir()) == []


def test_many_processes_that_want_one_name_get_as_many_folders(project):
    code = (
        "from aoqlab.lab.training.folder import RunFolder\n"
        "print(RunFolder.create(None, 'auto', lambda n: {'settings': {'name': n}}).path.name)"
    )
    running = [subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True) for _ in range(4)]
    assert sorted(p.communicate()[0].strip() for p in running) == ["auto", "auto-2", "auto-3", "auto-4"]


def test_one_process_at_a_time_holds_a_folder():
    first = RunFolder.create("mine", "other", record)
    second = RunFolder.named("mine")
    with pytest.raises(RunBusyError, match="another process is training"):
        second.hold()
    first.release()
    second.hold()
    second.release()


def test_an_unknown_name_lists_the_known_ones():
    RunFolder.create("mine", "other", record).release()
    with pytest.raises(FileNotFoundError, match="'yours'; there are: mine"):
        RunFolder.named("yours")
