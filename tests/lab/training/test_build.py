"""What a run is built of: devices and precisions that are there, a network with quantizers in place."""

import copy

import pytest
import torch

from aoqlab.lab import datasets, methods, models
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training.build import quantized
from aoqlab.lab.training.devices import place_for
from aoqlab.surgery import weight_sites


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
@pytest.mark.parametrize(
    ("settings", "words"),
    [({"device": "cuda"}, "sees no GPU"), ({"mixed_precision": "fp16"}, "fp16 needs a GPU")],
)
def test_precision_and_device_that_are_not_there_are_refused(settings, words):
    with pytest.raises(ValueError, match=words):
        place_for(TrainConfig(**settings))


@pytest.fixture(scope="module")
def data():
    return datasets.load("digits")


def test_quantizers_are_put_on_a_copy_of_the_start(data):
    start = models.create("digits_cnn", num_classes=10, in_chans=1)
    before = copy.deepcopy(start.state_dict())
    model = quantized(start, TrainConfig(arch="digits_cnn"), methods.get("aoq"), data)
    assert model.training
    assert len(weight_sites(model)) > 0
    assert len(weight_sites(start)) == 0
    assert all(torch.equal(value, before[name]) for name, value in start.state_dict().items())


def test_full_precision_is_the_start_itself_again(data):
    start = models.create("digits_cnn", num_classes=10, in_chans=1)
    model = quantized(start, TrainConfig(arch="digits_cnn", method="fp32"), methods.get("fp32"), data)
    assert model is not start
    assert all(torch.equal(value, start.state_dict()[name]) for name, value in model.state_dict().items())
