import copy

import pytest
import torch
from torch.nn.utils import parametrize

from aoqlab import digits
from aoqlab.schedule import ThreeStage


@pytest.fixture(scope="module")
def start():
    return digits.train_full_precision(0, epochs=4)


def test_the_split_is_fixed_and_disjoint():
    first, second = digits.load_digits(), digits.load_digits()
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))
    train, labels, test, test_labels = first
    assert len(test) == len(test_labels) == digits.TEST_SIZE
    assert len(train) + len(test) == 1797
    assert train.shape[1:] == (1, 8, 8)
    assert (float(train.min()), float(train.max())) == (0, 1)
    assert labels.unique().tolist() == list(range(10))


def test_full_precision_learns(start):
    _, _, images, labels = digits.load_digits()
    assert digits.accuracy(start, images, labels) > 0.85


@pytest.mark.parametrize("method", ["lsq", "aoq"])
def test_a_quantized_run_reports_accuracy_and_exploration_and_leaves_the_start_alone(start, method):
    before = copy.deepcopy(start.state_dict())
    numbers, tracker = digits.train_quantized(start, method, 0, epochs=3)
    assert all(torch.equal(before[name], value) for name, value in start.state_dict().items())
    assert not any(parametrize.is_parametrized(m) for m in start.modules())
    assert 0.3 < numbers["accuracy"] <= 1
    assert numbers["steps"] == 3 * 10 + 1
    assert set(tracker.shapes) == set(digits.LAYERS)
    assert numbers["weights"] == sum(start.get_submodule(n).weight.numel() for n in digits.LAYERS)
    assert numbers["crossings"] > 0
    assert 0 < numbers["explored_volume"] < 1
    assert tracker.history_frame()["step"].max() == 30


def test_the_same_seed_gives_the_same_run(start, threads):
    threads(1)
    one, two = (digits.train_quantized(start, "aoq", 1, epochs=2)[0] for _ in range(2))
    assert one == two


def test_a_stronger_shrink_sends_more_weights_across_thresholds(start):
    changed = [
        digits.train_quantized(start, "aoq", 0, epochs=4, schedule=ThreeStage(shrink_min=m))[0]["changed_share"]
        for m in (1.0, 0.2)
    ]
    assert changed[1] > changed[0]


def test_batch_norm_statistics_become_those_of_the_images():
    images, *_ = digits.load_digits()
    net = digits.DigitsNet()
    digits.reestimate_batch_norm(net, images[:256])
    expected = net.conv1(images[:256]).mean((0, 2, 3))
    torch.testing.assert_close(net.norm1.running_mean, expected, rtol=1e-4, atol=1e-6)
    assert net.norm1.momentum == 0.1


def test_comparing_runs_both_methods_on_every_seed():
    done = []
    runs, history = digits.compare([0, 1], full_precision_epochs=2, epochs=2, progress=done.append)
    pairs = list(zip(runs["seed"], runs["method"], strict=True))
    assert pairs == [(0, "lsq"), (0, "aoq"), (1, "lsq"), (1, "aoq")]
    assert sum(done) == 4
    assert set(history["layer"]) == set(digits.LAYERS)


def test_an_unknown_method_is_refused(start, as_shipped):
    with pytest.raises(ValueError, match="'lsq' or 'aoq'"):
        digits.train_quantized(start, "magic", 0)


def test_a_diverging_run_stops_with_the_step_it_diverged_at(start):
    broken = copy.deepcopy(start)
    broken.head.weight.data.fill_(float("nan"))
    with pytest.raises(FloatingPointError, match="step 0"):
        digits.train_quantized(broken, "lsq", 0, epochs=1)


def test_the_command_writes_a_network_that_loads(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    digits.main(seed=3)
    assert "test accuracy" in capsys.readouterr().out
    assert (tmp_path / "data" / digits.WEIGHTS_FILE).is_file()
    assert not digits.load_pretrained().training
