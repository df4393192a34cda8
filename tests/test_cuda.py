"""The same results on a GPU, where there is one: quantizers, tracker and the toy ensemble in eager code."""

import pytest
import torch

from aoqlab import AOQ, LSQ, LTQ, OscillationTracker, ThreeStage
from aoqlab.toy.regression import RegressionProblem, RunConfig, run_ensemble

pytestmark = pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a CUDA device")


@pytest.mark.parametrize(
    "make", [lambda: AOQ(2), lambda: AOQ(4, "mid-tread", per_channel=True), lambda: LSQ(3), lambda: LTQ(2)]
)
def test_quantizers_give_the_values_and_gradients_of_the_cpu(make):
    x, results = torch.randn(32, 50, generator=torch.Generator().manual_seed(0)), []
    for device in ("cpu", "cuda"):
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
    trackers = [OscillationTracker((500,), 2, record_every=10).to(device) for device in ("cpu", "cuda")]
    for codes in walk:
        for tracker in trackers:
            tracker.update(codes.to(tracker.current.device))
    assert trackers[0].summary() == pytest.approx(trackers[1].summary())
    for name, value in trackers[0].state_dict().items():
        assert torch.equal(value, trackers[1].state_dict()[name].cpu()), name


def test_the_ensemble_trains_the_trajectory_of_the_cpu():
    problem = RegressionProblem(n_weights=70, n_samples=40, batch_size=8, epochs=8)
    configs = [RunConfig("lsq", lr=1e-2), RunConfig("aoq", lr=1e-2, schedule=ThreeStage(dampening=0.5))]
    cpu, cuda = (run_ensemble(configs, [0], problem, device=d, dtype=torch.float64) for d in ("cpu", "cuda"))
    for column in ("loss", "step_final", "crossings", "explored_volume"):
        assert cpu.runs[column].tolist() == pytest.approx(cuda.runs[column].tolist(), rel=1e-9), column
