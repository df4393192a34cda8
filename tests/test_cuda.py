"""The same results on a GPU, where there is one: quantizers, tracker, the toy ensemble, training."""

import math

import pandas as pd
import pytest
import torch

from aoqlab import AOQ, LSQ, LTQ, OscillationTracker, ThreeStage
from aoqlab.lab.toy.regression import RegressionProblem, RunConfig, run_ensemble
from aoqlab.lab.training import TrainConfig, resume, train
from aoqlab.ste import _ltq_backward

DEVICE = "cuda"
pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(
    "make", [lambda: AOQ(2), lambda: AOQ(4, "mid-tread", per_channel=True), lambda: LSQ(3), lambda: LTQ(2)]
)
def test_quantizers_give_the_values_and_gradients_of_the_cpu(make):
    x, results = torch.randn(32, 50, generator=torch.Generator().manual_seed(0)), []
    for device in ("cpu", DEVICE):
        own = x.to(device).requires_grad_()
        quantizer = make().init_from(own)  # moves to the device of what it is made from
        value = quantizer(own)
        gradients = torch.autograd.grad(value.square().sum(), [own, *quantizer.parameters()])
        results.append([quantizer.encode(own).cpu(), value.detach().cpu(), *(g.cpu() for g in gradients)])
    assert torch.equal(results[0][0], results[1][0])
    for cpu, cuda in zip(results[0][1:], results[1][1:], strict=True):
        torch.testing.assert_close(cpu, cuda, rtol=1e-4, atol=1e-4)


def test_the_tracker_counts_what_it_counts_on_the_cpu():
    walk = torch.randint(0, 4, (30, 500), generator=torch.Generator().manual_seed(0), dtype=torch.uint8)
    trackers = [OscillationTracker((500,), 2, record_every=10).to(device) for device in ("cpu", DEVICE)]
    for step, codes in enumerate(walk):
        for tracker in trackers:
            tracker.update(codes.to(tracker.current.device))
            if step % 12 == 11:
                tracker.close_period()
    pd.testing.assert_frame_equal(*(tracker.transition_frame() for tracker in trackers))
    assert trackers[0].summary() == pytest.approx(trackers[1].summary())
    for name, value in trackers[0].state_dict().items():
        assert torch.equal(value, trackers[1].state_dict()[name].cpu()), name


def test_the_ensemble_trains_the_trajectory_of_the_cpu():
    problem = RegressionProblem(n_weights=70, n_samples=40, batch_size=8, epochs=8)
    configs = [RunConfig("lsq", lr=1e-2), RunConfig("aoq", lr=1e-2, schedule=ThreeStage(dampening=0.5))]
    cpu, cuda = (run_ensemble(configs, [0], problem, device=d, dtype=torch.float64) for d in ("cpu", DEVICE))
    for column in ("loss", "step_final", "crossings", "explored_volume"):
        assert cpu.runs[column].tolist() == pytest.approx(cuda.runs[column].tolist(), rel=1e-9), column


@pytest.mark.parametrize("bits", [2, 4, 8])
@pytest.mark.parametrize("count", [1000, 2_000_000])
def test_the_sums_behind_the_gradients_of_ltq_match_the_cpu_in_float64(bits, count):
    generator, n = torch.Generator().manual_seed(bits), 2**bits - 1
    x, grad = 2.2 * torch.rand(count, generator=generator), 0.5 + torch.rand(count, generator=generator)
    parameters = torch.full((n,), 2 / n), torch.tensor(1.0), torch.tensor(2.0)
    exact = _ltq_backward(*(t.double() for t in (x, grad, *parameters)))
    found = _ltq_backward(*(t.to(DEVICE) for t in (x, grad, *parameters)))
    for name, a, b in zip(("bin widths", "input scale", "output scale"), exact[1:], found[1:], strict=True):
        assert b.device.type == DEVICE and b.dtype == torch.float32
        assert (a - b.cpu()).abs().max() < 2e-6 * a.abs().max(), name


@pytest.fixture
def settings(tmp_path, monkeypatch):
    """Settings of a run of seconds, in a project folder of its own."""
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    return {"arch": "digits_cnn", "epochs": 5, "start_epochs": 5, "device": DEVICE, "mixed_precision": "auto"}


# Torch's compiler warns of much that is not ours, but it must not fail.
compiling = pytest.mark.filterwarnings("ignore", "error:torch.compile failed")


@compiling
@pytest.mark.parametrize("method", ["aoq", "lsq+freeze", "statsq"])
def test_a_network_trains(method, settings, as_shipped):
    result = train(TrainConfig(**settings, method=method, name="run"), quiet=True)
    metrics = result.tables["metrics"]
    assert len(metrics) == 5 and all(math.isfinite(loss) for loss in [*metrics["train_loss"], *metrics["test_loss"]])
    assert metrics["train_loss"].iloc[-1] < metrics["train_loss"].iloc[0]
    assert result.result["tracker"]["crossings"] > 0 and (result.tables["history"]["crossings"] >= 0).all()
    assert all(p.device.type == DEVICE and bool(p.isfinite().all()) for p in result.model.parameters())
    assert result.result["accuracy"] > 0.5


@compiling
@pytest.mark.parametrize("method", ["aoq", "lsq+freeze"])
def test_a_run_stopped_in_the_middle_resumes_to_the_same_number_of_steps(method, settings, as_shipped):
    whole = train(TrainConfig(**settings, method=method, compile="no", name="whole"), quiet=True)

    def stop(row, trainer):
        if row["epoch"] == 3:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(TrainConfig(**settings, method=method, compile="no", name="stopped"), quiet=True, on_epoch=stop)
    epochs = []
    resumed = resume("stopped", quiet=True, on_epoch=lambda row, trainer: epochs.append(row["epoch"]))
    assert epochs == [4, 5]  # not from the start
    assert resumed.result["steps"] == whole.result["steps"]
    assert resumed.result["tracker"]["steps"] == whole.result["tracker"]["steps"]
    assert resumed.tables["metrics"]["step"].tolist() == whole.tables["metrics"]["step"].tolist()
    assert resumed.tables["history"]["step"].tolist() == whole.tables["history"]["step"].tolist()
