"""The digits network that the notebooks look at: the committed weights, and the command that makes them."""

import json

import torch
from safetensors import safe_open

from aoqlab.lab import datasets, models
from aoqlab.lab.shared import paths
from aoqlab.lab.training.digits_weights import write_weights
from aoqlab.lab.training.evaluate import evaluate


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
    write_weights()
    assert "of the test digits right, seed 0" in capsys.readouterr().out
    again = models.create("digits_cnn", in_chans=1, image_size=8, pretrained=True).state_dict()
    assert again.keys() == committed.keys()
    # Rounding differs from machine to machine, and training spreads the difference; chance would give none alike.
    for name, value in committed.items():
        if value.ndim == 4:
            together = torch.corrcoef(torch.stack([value.flatten(), again[name].flatten()]))[0, 1]
            assert together > 0.8, name
