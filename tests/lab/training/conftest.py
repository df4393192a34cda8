import pytest
import torch

from aoqlab.lab.training import TrainConfig


@pytest.fixture(autouse=True)
def project(tmp_path, monkeypatch, threads):
    """A project folder of its own, and one thread: these networks are too small for more."""
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    threads(1)
    return tmp_path


@pytest.fixture
def small():
    """Settings of a run that takes a second."""

    def make(**changes):
        settings = {
            "arch": "digits_cnn",
            "method": "aoq",
            "epochs": 2,
            "start_epochs": 1,
            "device": "cpu",
            "threads": 1,
        }
        return TrainConfig(**{**settings, **changes})

    return make


def same_tensors(a, b):
    return a.keys() == b.keys() and all(torch.equal(a[key], b[key]) for key in a)
