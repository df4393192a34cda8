"""What a user sees of a running training, and how it is interrupted."""

import os
import signal

import pytest

from aoqlab.lab import datasets, methods, models
from aoqlab.lab.training import TrainConfig
from aoqlab.lab.training.build import quantized
from aoqlab.lab.training.reporting import audit_text, interruptible, postfix
from aoqlab.surgery import bit_shares, quantized_layers


def test_the_audit_lines_layers_up_and_says_why_one_is_left_out():
    model = models.create("digits_cnn", num_classes=10, in_chans=1)
    data = datasets.load("digits")
    model = quantized(model, TrainConfig(arch="digits_cnn"), methods.get("aoq"), data)
    assert audit_text(quantized_layers(model), bit_shares(model, data.train.sample(1, 0))).splitlines() == [
        "layer  shape      W  A  how",
        "-----  ---------  -  -  ------------------",
        "conv1  16x1x3x3   -  -  first convolution",
        "conv2  32x16x3x3  2  2  AOQ, LTQ, unsigned",
        "conv3  64x32x3x3  2  2  AOQ, LTQ, unsigned",
        "head   10x64      -  -  last linear layer",
        "parameters: 95.8% at 2 bits, 4.2% at 32 bits; multiply-adds: 93.7% at 2 bits, 6.3% at 32 bits",
    ]


@pytest.mark.parametrize(
    ("row", "text"),
    [
        ({"test_accuracy": None}, "epoch 3, loss 0.250"),
        ({"test_accuracy": 0.987, "stage": "widen"}, "epoch 3, loss 0.250, test 98.7%, widen"),
    ],
)
def test_the_words_behind_the_bar(row, text):
    assert postfix({"epoch": 3, "train_loss": 0.25, **row}) == text


def test_a_signal_is_noted_and_handlers_come_back():
    before = signal.getsignal(signal.SIGTERM)
    with interruptible() as interrupted:
        assert not interrupted()
        os.kill(os.getpid(), signal.SIGTERM)
        assert interrupted()
        assert signal.getsignal(signal.SIGTERM) is before  # a second one acts at once
    assert signal.getsignal(signal.SIGTERM) is before
