"""The digits network: the runs of the study, and the weights that the notebooks look at."""

import dataclasses
import json

import pandas as pd
import pytest
import torch
from safetensors import safe_open

from aoqlab.lab import datasets, models, study
from aoqlab.lab.shared import paths
from aoqlab.lab.study import network
from aoqlab.lab.training.evaluate import evaluate
from aoqlab.lab.training.sweep import Outcome


def test_both_methods_train_the_weights_alone_from_the_same_start():
    configs = network.configurations([0, 1])
    assert [(c.seed, c.method) for c in configs] == [(0, "lsq"), (0, "aoq"), (1, "lsq"), (1, "aoq")]
    assert {(c.bits, c.activation_bits, c.lr) for c in configs} == {(2, 32, None)}
    assert len({c.start().digest() for c in configs}) == 2


def test_a_row_has_the_mean_oscillating_share_over_weights_and_time(monkeypatch):
    history = pd.DataFrame({"weights": [10, 30], "oscillating_share": [0.4, 0.0]})
    result = {
        "accuracy": 0.9,
        "accuracy_before_batch_norm": 0.8,
        "accuracy_start": 0.95,
        "test_loss": 1.0,
        "tracker": {"crossings": 3.0},
    }

    def made_up(configs, **options):
        return [Outcome(dataclasses.replace(c, lr=0.001), result, {"history": history}) for c in configs]

    monkeypatch.setattr(network, "sweep", made_up)
    runs, histories = network.compare([5])
    assert list(runs["method"]) == ["lsq", "aoq"] and set(runs["seed"]) == {5}
    assert runs["oscillating_share_mean"].tolist() == pytest.approx([0.1, 0.1])
    assert runs["accuracy_full_precision"].tolist() == [0.95, 0.95]
    assert histories.groupby(["method", "seed"]).size().tolist() == [2, 2]


def test_the_committed_network_reads_digits():
    data = datasets.load("digits")
    net = models.create("digits_cnn", in_chans=data.in_chans, image_size=data.image_size, pretrained=True)
    _, accuracy = evaluate(net.eval(), data.test.batches(450))
    assert accuracy > 0.97
    with safe_open(paths.data_dir() / "digits_cnn.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["training"])["accuracy"] == round(accuracy, 4)


def test_the_command_makes_it_again(tmp_path, monkeypatch, capsys):
    committed = models.create("digits_cnn", in_chans=1, image_size=8, pretrained=True).state_dict()
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    study.digits()
    assert "of the test digits right, seed 0" in capsys.readouterr().out
    again = models.create("digits_cnn", in_chans=1, image_size=8, pretrained=True).state_dict()
    assert again.keys() == committed.keys()
    # Rounding differs from machine to machine, and training spreads the difference; chance would give none alike.
    for name, value in committed.items():
        if value.ndim == 4:
            together = torch.corrcoef(torch.stack([value.flatten(), again[name].flatten()]))[0, 1]
            assert together > 0.8, name
