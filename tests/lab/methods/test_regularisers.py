import math

import pytest
import torch

from aoqlab.lab import methods
from aoqlab.lab.methods.aoq import StagedDampening
from aoqlab.lab.methods.lsq_dampen import RampedDampening
from aoqlab.lab.methods.lsq_oscillate import Oscillation
from aoqlab.losses import dampening_nagel, dampening_norm, oscillation_penalty
from aoqlab.quantizers import AOQ, LSQ, LTQ
from aoqlab.schedule import StageState, cosine_ramp

SHAPES = [(8, 4, 3, 3), (5, 7), (6, 1, 3, 3)]
DAMPEN = StageState("dampen", 0.3, True, 0.25)


def layers(make, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)
    weights = [2 * torch.randn(*s, generator=generator, dtype=dtype) for s in SHAPES]
    quantizers = [make().to(dtype).init_from(w) for w in weights]
    return [w.requires_grad_() for w in weights], quantizers


def gradients(loss, weights):
    return torch.autograd.grad(loss, weights)


def assert_same(got, expected, weights):
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
    torch.testing.assert_close(gradients(got, weights), gradients(expected, weights), rtol=1e-10, atol=1e-12)


@pytest.mark.parametrize("make", [lambda: AOQ(2), lambda: AOQ(3, per_channel=True), lambda: AOQ(2, coupled=True)])
def test_staged_dampening_is_the_published_norm(make, path):
    weights, quantizers = layers(make)
    centres = [q.bin_centres(w) for w, q in zip(weights, quantizers, strict=True)]
    for got in (StagedDampening()(weights, quantizers, 0.7, DAMPEN), 0.25 * dampening_norm(weights, centres)):
        assert_same(got, 0.25 * sum((w - c).norm() for w, c in zip(weights, centres, strict=True)), weights)


@pytest.mark.parametrize("state", [None, StageState("widen", 0.3, True, 0.0)])
def test_staged_dampening_is_off_outside_its_stage(state):
    assert StagedDampening()(*layers(lambda: AOQ(2)), 0.7, state) is None


def test_staged_dampening_needs_bins():
    with pytest.raises(TypeError, match="staged dampening needs bin centres, which LTQ does not have"):
        StagedDampening()(*layers(lambda: LTQ(2)), 0.7, DAMPEN)


@pytest.mark.parametrize("per_channel", [False, True])
@pytest.mark.parametrize("progress", [0.3, 0.6, 1.0])
def test_ramped_dampening_is_nagels_loss_per_kernel(progress, per_channel, path):
    weights, quantizers = layers(lambda: LSQ(2, per_channel=per_channel))
    got = RampedDampening(0.1, 0.25)(weights, quantizers, progress, None)
    ramp = cosine_ramp((progress - 0.25) / 0.75, 0.1)
    expected = sum(
        ramp * w.shape[0] / w.numel() * dampening_nagel(w, q(w), q.levels()[..., 0], q.levels()[..., -1])
        for w, q in zip(weights, quantizers, strict=True)
    )
    assert_same(got, expected, weights)


def test_ramped_dampening_by_hand():
    """Levels -2, -1, 0, 1; a kernel of four weights; at the end of training the weight is the final one."""
    w = torch.tensor([[0.3, -0.9, 4.0, -7.0]], dtype=torch.float64, requires_grad=True)
    loss = RampedDampening(0.5, 0.0)([w], [LSQ(2).double()], 1.0, None)
    loss.backward()
    assert loss.item() == pytest.approx(0.5 / 4 * (0.3**2 + 0.1**2))
    assert w.grad[0].tolist() == pytest.approx([0.5 / 4 * 2 * 0.3, 0.5 / 4 * 2 * 0.1, 0.0, 0.0])


def test_ramped_dampening_starts_at_nothing():
    regulariser = RampedDampening(0.1, 0.25)
    assert regulariser(*layers(lambda: LSQ(2)), 0.0, None) is None
    assert regulariser(*layers(lambda: LSQ(2)), 0.25, None) is None


@pytest.mark.parametrize("make", [lambda: LSQ(2), lambda: LSQ(3, per_channel=True), lambda: AOQ(2)])
def test_oscillation_is_the_mean_penalty_of_clipped_weights(make, path):
    weights, quantizers = layers(make)
    got = Oscillation(3.0)(weights, quantizers, 0.5, None)
    expected, slopes = 0.0, []
    for w, q in zip(weights, quantizers, strict=True):
        low, high = (q.levels()[..., i].reshape(-1, *[1] * (w.ndim - 1)) for i in (0, -1))
        clipped = w.clamp(low, high).detach().requires_grad_()
        loss = oscillation_penalty(clipped, q(w).detach()) * 3.0 / w.numel()
        slopes.append(torch.autograd.grad(loss, clipped)[0])
        expected += loss
    torch.testing.assert_close(got, expected.detach(), rtol=1e-12, atol=1e-12, check_device=False)
    torch.testing.assert_close(gradients(got, weights), tuple(slopes), rtol=1e-12, atol=1e-12)


def test_oscillation_by_hand():
    w = torch.tensor([0.3, -0.9, 4.0, -7.0], dtype=torch.float64, requires_grad=True)
    loss = Oscillation(2.0)([w], [LSQ(2).double()], 0.0, None)
    loss.backward()
    assert loss.item() == pytest.approx(2.0 / 4 * (0 - 0.3**2 + 1 - 0.9**2))
    assert w.grad.tolist() == pytest.approx([2.0 / 4 * 2 * -0.3, 2.0 / 4 * 2 * -0.1, 0.0, 0.0])
    assert Oscillation(0.0)([w], [LSQ(2).double()], 0.0, None) is None


@pytest.mark.parametrize("name", ["aoq", "lsq+dampen", "lsq+oscillate"])
def test_regularisers_leave_the_quantizers_alone(name):
    method = methods.get(name)
    weights, quantizers = layers(lambda: method.weights(2))
    state = method.schedule(0.9) if method.schedule else None
    method.regulariser(weights, quantizers, 0.9, state).backward()
    assert all(p.grad is None for q in quantizers for p in q.parameters())
    assert all(w.grad is not None and torch.isfinite(w.grad).all() for w in weights)


@pytest.mark.parametrize("name", ["aoq", "lsq+dampen", "lsq+oscillate"])
def test_diverged_weights_give_a_nan_loss_rather_than_an_error(name, path):
    method = methods.get(name)
    weights, quantizers = layers(lambda: method.weights(2))
    weights[1].data[0, 0] = math.nan
    state = method.schedule(0.9) if method.schedule else None
    assert method.regulariser(weights, quantizers, 0.9, state).isnan()


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Torch's own compiler
def test_traced_in_one_graph_is_eager(as_shipped, without_kernels):
    torch.compiler.reset()
    (weights, aoq), lsq = layers(lambda: AOQ(2)), layers(lambda: LSQ(2))[1]

    staged, ramped, oscillation = StagedDampening(), RampedDampening(0.1, 0.25), Oscillation(1.0)

    def loss(weights):  # one graph for all three: starting the compiler is what costs
        first, second = staged(weights, aoq, 0.9, DAMPEN), ramped(weights, lsq, 0.9, None)
        return first + 2 * second + 3 * oscillation(weights, lsq, 0.9, None)

    with without_kernels():
        expected = gradients(loss(weights), weights)
    got = gradients(torch.compile(loss, fullgraph=True, backend="aot_eager")(weights), weights)
    torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-12)
