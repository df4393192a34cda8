import math

import pytest
import torch

from aoqlab.quantizers import StatsQ

BITS = range(2, 9)


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def by_hand(row, bits):
    """One weight after the other: 2^b levels in the middle of equal cells that fill [-scale, scale], ends clipped."""
    scale = 2 * sum(abs(w) for w in row) / len(row)
    step = scale / 2 ** (bits - 1)
    return [step * (min(max(math.floor(w / step), -(2 ** (bits - 1))), 2 ** (bits - 1) - 1) + 0.5) for w in row]


@pytest.mark.parametrize("bits", BITS)
def test_values_by_hand(bits, path):
    w = normal(3, 40)
    out = StatsQ(bits).double().init_from(w)(w)
    for c in range(3):
        assert out[c].tolist() == pytest.approx(by_hand(w[c].tolist(), bits), rel=1e-12)
    whole = StatsQ(bits, per_channel=False).double()(w)
    assert whole.flatten().tolist() == pytest.approx(by_hand(w.flatten().tolist(), bits), rel=1e-12)


@pytest.mark.parametrize("bits", BITS)
def test_levels_match_n2uq(bits):
    """Evenly spaced over [-g, g], g = mean|w| (2^b - 1) / 2^(b-1), thresholds half-way: N2UQ's weight quantizer."""
    w = normal(2, 50)
    quantizer = StatsQ(bits).double().init_from(w)
    ends = w.abs().mean(1) * (2**bits - 1) / 2 ** (bits - 1)
    for c in range(2):
        even = torch.linspace(-ends[c].item(), ends[c].item(), 2**bits, dtype=torch.float64)
        torch.testing.assert_close(quantizer.levels()[c], even)
        middles = (even[1:] + even[:-1]) / 2
        torch.testing.assert_close(quantizer.thresholds()[c], middles, rtol=1e-12, atol=1e-12)


def test_the_gradient_is_one_everywhere_and_none_flows_through_the_scale(path):
    w, grad = normal(3, 20).requires_grad_(), normal(3, 20, seed=1)
    StatsQ(2).double().init_from(w)(w).backward(grad)
    assert torch.equal(w.grad, grad) and not list(StatsQ(2).parameters())


def test_the_scale_follows_the_weights(path):
    w = normal(3, 20)
    quantizer = StatsQ(3).double().init_from(w)
    first, codes = quantizer(w), quantizer.encode(w)
    assert torch.equal(quantizer(4 * w), 4 * first) and torch.equal(quantizer.encode(4 * w), codes)
    assert torch.equal(quantizer.decode(codes), 4 * first)  # the step is that of the last tensor


def test_the_start_does_not_matter(path):
    w = normal(3, 20)
    assert torch.equal(StatsQ(2).double().init_from(normal(3, 5, seed=1))(w), StatsQ(2).double().init_from(w)(w))


def test_a_channel_with_a_number_that_is_none_keeps_its_step(path):
    w = normal(3, 20)
    quantizer = StatsQ(2).double().init_from(w)
    before, spoiled = quantizer.step.clone(), w * 2
    spoiled[1, 0] = math.inf
    out = quantizer(spoiled)
    assert torch.equal(quantizer.step[1], before[1]) and torch.equal(quantizer.step[::2], 2 * before[::2])
    assert out[1, 0] == quantizer.levels()[1, -1]


def test_a_channel_of_zeros_stays_small_and_finite(path):
    w = normal(3, 20)
    quantizer = StatsQ(2).double().init_from(w)
    w[1] = 0
    out = quantizer(w)
    assert out[1].abs().max() < 1e-11 and torch.isfinite(out).all()


def test_a_step_kept_under_inference_mode_can_train(path):
    w = normal(3, 20).requires_grad_()
    quantizer = StatsQ(2).double().init_from(w)
    with torch.inference_mode():
        quantizer(w)
    quantizer(w).sum().backward()
    assert torch.equal(w.grad, torch.ones_like(w))


def test_the_representation_says_what_it_is():
    assert repr(StatsQ(3)) == "StatsQ(bits=3, per_channel=True)"
