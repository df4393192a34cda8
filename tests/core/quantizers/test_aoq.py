import math

import numpy as np
import pytest
import torch
from torch.autograd import gradcheck

from aoqlab import AOQ, ThreeStage
from aoqlab.grids import UniformGrid
from aoqlab.ste import MIN_STEP, aoq_ste

BITS = range(2, 9)
KINDS = ("mid-rise", "mid-tread")
CASES = [(bits, kind) for bits in BITS for kind in KINDS]


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def decoupled(bits, kind, dtype=torch.float64, s_th=0.4, s_le=0.7, alpha=0.6):
    quantizer = AOQ(bits, kind).to(dtype)
    quantizer.threshold_interval.fill_(s_th)
    quantizer.level_interval.data.fill_(s_le)
    quantizer.shrink.fill_(alpha)
    return quantizer


def by_hand(x, grad, s_th, s_le, alpha, bits, kind):
    """Values, d/dx, d/ds_le: one weight after the other, straight from the formulas."""
    half = 2 ** (bits - 1)
    threshold_shift, level_shift = (0.0, 0.5) if kind == "mid-rise" else (-0.5, 0.0)
    values, level_grad = [], 0.0
    for w, g in zip(x, grad, strict=True):
        passed = sum(alpha * s_th * (k + threshold_shift) <= w for k in range(-half + 1, half))
        k = -half + passed
        values.append(alpha * s_le * (k + level_shift))
        level_grad += g * alpha * (k + level_shift)
    return values, list(grad), level_grad


@pytest.mark.parametrize(("bits", "kind"), CASES)
def test_values_and_gradients_by_hand(bits, kind, path):
    quantizer = decoupled(bits, kind)
    x, grad = normal(300).mul(5).requires_grad_(), normal(300, seed=1)
    out = quantizer(x)
    out.backward(grad)
    values, x_grad, level_grad = by_hand(x.tolist(), grad.tolist(), 0.4, 0.7, 0.6, bits, kind)
    assert out.tolist() == values
    assert x.grad.tolist() == x_grad
    assert quantizer.level_interval.grad.item() == pytest.approx(level_grad, rel=1e-12)


@pytest.mark.parametrize(("bits", "kind"), CASES[::3])
def test_channel_gradients_by_hand(bits, kind, path):
    quantizer = AOQ(bits, kind, per_channel=True).double()
    quantizer.init_from(normal(3, 40))
    s_th, s_le = [0.3, 0.5, 0.8], [0.9, 0.2, 0.6]
    quantizer.threshold_interval.copy_(torch.tensor(s_th))
    quantizer.level_interval.data.copy_(torch.tensor(s_le))
    quantizer.shrink.fill_(0.5)
    s_th, s_le = quantizer.threshold_interval.tolist(), quantizer.level_interval.tolist()
    x, grad = normal(3, 4, 10).requires_grad_(), normal(3, 4, 10, seed=1)
    out = quantizer(x)
    out.backward(grad)
    for c in range(3):
        row, g = x[c].flatten().tolist(), grad[c].flatten().tolist()
        values, _, level_grad = by_hand(row, g, s_th[c], s_le[c], 0.5, bits, kind)
        assert out[c].flatten().tolist() == values
        assert quantizer.level_interval.grad[c].item() == pytest.approx(level_grad, rel=1e-12)


@pytest.mark.parametrize("kind", KINDS)
def test_float32_gradients_agree_with_float64(kind, path):
    x, grad = normal(5000), normal(5000, seed=1)
    single, double = decoupled(4, kind, torch.float32), decoupled(4, kind)
    single(x.float()).backward(grad.float())
    double(x.float().double()).backward(grad.float().double())
    assert single.level_interval.grad.item() == pytest.approx(double.level_interval.grad.item(), rel=1e-4)


@pytest.mark.parametrize(("bits", "kind"), CASES[::4])
def test_the_level_interval_has_a_true_derivative(bits, kind, path):
    x, alpha, grid = normal(20), 0.6, UniformGrid(bits, kind)
    threshold = torch.tensor(0.3, dtype=torch.float64)
    interval = torch.tensor(0.7, dtype=torch.float64, requires_grad=True)
    assert gradcheck(lambda s_le: aoq_ste(x, threshold, alpha * s_le, grid), interval)


def test_the_documented_example_holds(path):
    x = torch.tensor([-3.0, 0.2, 1.0], requires_grad=True)
    for i, (value, slope) in enumerate([(-1.5, -1.5), (0.5, 0.5), (1.5, 1.5)]):
        quantizer = AOQ(2)
        out = quantizer(x)
        (x_grad,) = torch.autograd.grad(out[i], x, retain_graph=True)
        (level_grad,) = torch.autograd.grad(out[i], quantizer.level_interval)
        assert (out[i].item(), x_grad[i].item(), level_grad.item()) == (value, 1.0, slope)


def test_the_shrink_factor_scales_the_gradient_of_the_level_interval(path):
    gradients = []
    for alpha in (1.0, 0.5):
        quantizer = decoupled(2, "mid-rise", s_th=1.0 / alpha, alpha=alpha)  # the same thresholds, the same codes
        quantizer(normal(50)).sum().backward()
        gradients.append(quantizer.level_interval.grad.item())
    assert gradients[1] == pytest.approx(0.5 * gradients[0], rel=1e-15)


def test_weights_far_outside_the_grid_get_the_whole_gradient(path):
    x = torch.tensor([1e30, -1e30, math.inf, -math.inf], requires_grad=True)
    AOQ(2)(x).backward(torch.tensor([1.0, 2.0, 3.0, 4.0]))
    assert x.grad.tolist() == [1.0, 2.0, 3.0, 4.0]


def test_the_thresholds_get_no_gradient():
    quantizer = AOQ(2)
    assert [name for name, _ in quantizer.named_parameters()] == ["level_interval"]
    assert quantizer(normal(5, dtype=torch.float32)).requires_grad
    assert not quantizer.threshold_interval.requires_grad


def test_levels_that_do_not_learn_get_no_gradient(path):
    quantizer, x = AOQ(2), normal(9, dtype=torch.float32).requires_grad_()
    quantizer.set_stage(ThreeStage()(0.1))
    quantizer(x).sum().backward()
    assert quantizer.level_interval.grad is None and x.grad.tolist() == [1.0] * 9


def test_stages_set_the_factor_and_what_learns():
    quantizer = AOQ(2)
    for progress, shrink, learns in ((0.0, 1.0, False), (0.4, 0.3, True), (0.8, 0.3, True)):
        quantizer.set_stage(ThreeStage()(progress))
        assert quantizer.shrink.item() == np.float32(shrink)
        assert quantizer.level_interval.requires_grad is learns
        assert quantizer.levels().tolist() == (quantizer.shrink * torch.tensor([-1.5, -0.5, 0.5, 1.5])).tolist()


@pytest.mark.parametrize("bits", BITS)
def test_intervals_start_at_the_published_share_of_sigma(bits):
    w = normal(4, 50) * 0.02
    quantizer = AOQ(bits).double().init_from(w)
    numbers = w.flatten().tolist()
    mean = sum(numbers) / 200
    sigma = math.sqrt(sum((v - mean) ** 2 for v in numbers) / 199)
    assert quantizer.threshold_interval.item() == pytest.approx(sigma / 2 ** (bits - 2), rel=1e-12)
    assert torch.equal(quantizer.threshold_interval, quantizer.level_interval)


def test_channel_intervals_start_at_their_own_sigma():
    w = normal(3, 5, 2, 2)
    quantizer = AOQ(3, per_channel=True).double().init_from(w)
    rows = [AOQ(3).double().init_from(row).threshold_interval for row in w]
    torch.testing.assert_close(quantizer.threshold_interval, torch.stack(rows))


def test_a_constant_channel_takes_the_mean_of_the_others():
    w = normal(3, 8)
    w[1] = 0.25
    steps = AOQ(2, per_channel=True).double().init_from(w).threshold_interval
    assert steps[1].item() == pytest.approx((steps[0] + steps[2]).item() / 2)


def test_channels_of_one_weight_share_their_sigma():
    w = normal(6)
    quantizer = AOQ(2, per_channel=True).double().init_from(w)
    assert quantizer.threshold_interval.tolist() == pytest.approx([w.std().item()] * 6)


@pytest.mark.parametrize("bits", BITS)
def test_levels_and_thresholds_follow_the_formula(bits):
    quantizer, half = decoupled(bits, "mid-rise", s_th=0.4, s_le=0.7, alpha=0.6), 2 ** (bits - 1)
    assert quantizer.thresholds().tolist() == [0.6 * 0.4 * k for k in range(-half + 1, half)]
    assert quantizer.levels().tolist() == [0.6 * 0.7 * (k + 0.5) for k in range(-half, half)]
    assert not quantizer.levels().requires_grad


@pytest.mark.parametrize(("threshold_shape", "level_shape"), [((), (3,)), ((3,), ())])
def test_one_side_may_be_per_channel_and_the_other_not(threshold_shape, level_shape, path):
    x, grid = normal(3, 4, 2, 2).to(memory_format=torch.channels_last), UniformGrid(2)
    thresholds = torch.tensor([0.5, 1.0, 2.0], dtype=torch.float64)[: 3 if threshold_shape else 1]
    levels = torch.tensor([0.3, 0.6, 0.9], dtype=torch.float64)[: 3 if level_shape else 1]
    thresholds, levels = thresholds.reshape(threshold_shape), levels.reshape(level_shape).requires_grad_()
    out = aoq_ste(x, thresholds, levels, grid)
    grad = normal(3, 4, 2, 2, seed=1)
    out.backward(grad)
    t, s = thresholds.expand(3), levels.detach().expand(3)
    rows = [
        by_hand(
            x[c].flatten().tolist(),
            grad[c].flatten().tolist(),
            *(float(t[c]), float(s[c]), 1.0, 2, "mid-rise"),
        )
        for c in range(3)
    ]
    assert out.flatten(1).tolist() == [row[0] for row in rows]
    expected = [row[2] for row in rows] if level_shape else sum(row[2] for row in rows)
    assert levels.grad.tolist() == pytest.approx(expected)


@pytest.mark.parametrize("value", [0.0, -1.0])
def test_an_interval_at_or_below_zero_acts_as_the_smallest_and_recovers(value, path):
    quantizer = decoupled(2, "mid-rise", s_le=value, alpha=1.0)
    out = quantizer(torch.tensor([1.0, 2.0, -0.3], dtype=torch.float64))
    assert out.tolist() == [1.5 * MIN_STEP, 1.5 * MIN_STEP, -0.5 * MIN_STEP]
    (-out.sum()).backward()
    torch.optim.SGD(quantizer.parameters(), lr=1.0).step()
    assert quantizer.level_interval.item() == value + 2.5


def test_bin_centres_use_the_thresholds_and_forward_uses_the_levels():
    quantizer, x = decoupled(3, "mid-tread", s_th=0.5, s_le=2.0, alpha=0.5), normal(40)
    codes = quantizer.encode(x).long() - 4
    assert torch.equal(quantizer.bin_centres(x), 0.25 * codes.double())
    assert torch.equal(quantizer(x), 1.0 * codes.double())


def test_the_representation_says_what_it_is():
    assert repr(AOQ(3, "mid-tread")) == "AOQ(bits=3, grid='mid-tread', per_channel=False)"


def test_coupled_thresholds_follow_the_learned_levels(path):
    quantizer = AOQ(2, coupled=True).double().init_from(normal(50))
    quantizer.set_stage(ThreeStage()(0.5))
    quantizer.level_interval.data.fill_(2.0)
    assert torch.equal(quantizer.threshold_step, quantizer.level_step.detach())
    assert not quantizer.threshold_step.requires_grad
    x, grad, alpha = normal(200).mul(2).requires_grad_(), normal(200, seed=1), quantizer.shrink.item()
    out = quantizer(x)
    out.backward(grad)
    values, x_grad, level_grad = by_hand(x.tolist(), grad.tolist(), 2.0, 2.0, alpha, 2, "mid-rise")
    assert out.tolist() == values and x.grad.tolist() == x_grad
    assert quantizer.level_interval.grad.item() == pytest.approx(level_grad, rel=1e-12)
    assert torch.equal(quantizer.bin_centres(x), out)


def test_coupled_and_not_are_the_same_before_levels_learn():
    x = normal(60)
    one, two = AOQ(3).double().init_from(x), AOQ(3, coupled=True).double().init_from(x)
    for quantizer in (one, two):
        quantizer.set_stage(ThreeStage()(0.15))
    assert torch.equal(one(x), two(x)) and torch.equal(one.thresholds(), two.thresholds())
    assert repr(two) == "AOQ(bits=3, grid='mid-rise', per_channel=False, coupled=True)"
