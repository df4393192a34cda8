import math

import pytest
import torch

from aoqlab import AOQ, LSQ
from aoqlab.quantizers import Shifted
from aoqlab.ste import MIN_STEP

CASES = [(bits, signed) for bits in range(2, 9) for signed in (True, False)]


def normal(*shape, seed=0):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)


def with_step(step, *arguments, **keywords):
    quantizer = LSQ(*arguments, **keywords).double()
    quantizer.step.data = torch.tensor(step, dtype=torch.float64)
    return quantizer


def by_hand(x, grad, s, bits, signed):
    """Values, d/dx, d/ds without the gradient scale: one weight after the other, from the paper."""
    q_n, q_p = (2 ** (bits - 1), 2 ** (bits - 1) - 1) if signed else (0, 2**bits - 1)
    values, x_grad, step_grad = [], [], 0.0
    for w, g in zip(x, grad, strict=True):
        v = w / s
        w_bar = math.floor(min(max(v, -q_n), q_p) + 0.5)
        values.append(s * w_bar)
        inside = -q_n < v < q_p
        x_grad.append(g if inside else 0.0)
        step_grad += g * ((w_bar - v) if inside else (-q_n if v <= -q_n else q_p))
    return values, x_grad, step_grad


@pytest.mark.parametrize(("bits", "signed"), CASES)
def test_values_and_gradients_by_hand(bits, signed, path):
    s = 6.0 / 2**bits
    quantizer = with_step(s, bits, signed=signed, scale_gradient=False)
    x, grad = normal(400).mul(2).requires_grad_(), normal(400, seed=1)
    out = quantizer(x)
    out.backward(grad)
    values, x_grad, step_grad = by_hand(x.tolist(), grad.tolist(), s, bits, signed)
    assert out.tolist() == values
    assert x.grad.tolist() == x_grad
    assert 0 < x_grad.count(0.0) < 400  # both sides of the clipping are in play
    assert quantizer.step.grad.item() == pytest.approx(step_grad, rel=1e-11)


@pytest.mark.parametrize(("bits", "signed"), CASES[::3])
def test_channel_gradients_by_hand(bits, signed, path):
    steps = [0.2, 0.5, 1.1]
    quantizer = with_step(steps, bits, signed=signed, per_channel=True, scale_gradient=False)
    x, grad = normal(3, 5, 8).requires_grad_(), normal(3, 5, 8, seed=1)
    out = quantizer(x)
    out.backward(grad)
    for c, s in enumerate(steps):
        row, g = x[c].flatten().tolist(), grad[c].flatten().tolist()
        values, x_grad, step_grad = by_hand(row, g, s, bits, signed)
        assert out[c].flatten().tolist() == values
        assert x.grad[c].flatten().tolist() == x_grad
        assert quantizer.step.grad[c].item() == pytest.approx(step_grad, rel=1e-11)


@pytest.mark.parametrize(
    ("x", "expected"),
    [
        (-2.5, (0.0, -2.0)),
        (-2.0, (0.0, -2.0)),
        (-1.75, (1.0, -0.25)),
        (0.5, (1.0, 0.5)),
        (1.0, (0.0, 1.0)),
        (9.0, (0.0, 1.0)),
    ],
)
def test_the_clip_bounds_end_the_gradient_and_give_it_to_the_step(x, expected, path):
    quantizer = with_step(1.0, 2, scale_gradient=False)
    w = torch.tensor(x, dtype=torch.float64, requires_grad=True)
    quantizer(w).backward()
    assert (w.grad.item(), quantizer.step.grad.item()) == expected


def test_the_documented_example_holds(path):
    x = torch.tensor([-3.0, 0.25, 0.75], requires_grad=True)
    for i, expected in enumerate([(-2.0, 0.0, -2.0), (0.0, 1.0, -0.25), (1.0, 1.0, 0.25)]):
        quantizer = LSQ(2, scale_gradient=False)
        out = quantizer(x)
        (x_grad,) = torch.autograd.grad(out[i], x, retain_graph=True)
        (step_grad,) = torch.autograd.grad(out[i], quantizer.step)
        assert (out[i].item(), x_grad[i].item(), step_grad.item()) == expected


@pytest.mark.parametrize(("bits", "signed"), CASES)
def test_the_gradient_scale_is_that_of_the_paper(bits, signed):
    q_p = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    x, gradients = normal(4, 25), []
    for scale in (True, False):
        quantizer = with_step(0.3, bits, signed=signed, scale_gradient=scale)
        quantizer(x).square().sum().backward()
        gradients.append(quantizer.step.grad.item())
    assert gradients[0] == pytest.approx(gradients[1] / math.sqrt(100 * q_p), rel=1e-12)


def test_the_gradient_scale_counts_the_weights_of_a_channel():
    x, gradients = normal(4, 25), []
    for scale in (True, False):
        quantizer = with_step([0.3] * 4, 2, per_channel=True, scale_gradient=scale)
        quantizer(x).square().sum().backward()
        gradients.append(quantizer.step.grad)
    torch.testing.assert_close(gradients[0], gradients[1] / math.sqrt(25))


@pytest.mark.parametrize(("bits", "signed"), CASES)
@pytest.mark.parametrize("learned", [False, True], ids=["forward", "decode_learned"])
def test_the_gradient_scale_of_a_batch_counts_the_features_of_one_sample(bits, signed, learned):
    q_p = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    x, gradients = normal(4, 5, 3, 3), []
    for settings in ({"batched": True}, {"scale_gradient": False}):
        quantizer = with_step(0.3, bits, signed=signed, **settings)
        out = quantizer.decode_learned(quantizer.encode(x)) if learned else quantizer(x)
        out.square().sum().backward()
        gradients.append(quantizer.step.grad.item())
    assert gradients[0] == pytest.approx(gradients[1] / math.sqrt(45 * q_p), rel=1e-12)


@pytest.mark.parametrize("make", [lambda lsq: lsq, Shifted], ids=["plain", "shifted"])
@pytest.mark.parametrize("shape", [(8, 6), (8, 3, 4, 4), (8,)])
def test_the_mean_of_two_halves_gradients_is_that_of_the_whole_batch(make, shape, path):
    quantizer, x = make(with_step(0.3, 3, signed=False, batched=True)).double(), normal(*shape)

    def step_gradient(part):
        loss = quantizer(part).square().flatten(1).sum(1).mean() if part.ndim > 1 else quantizer(part).square().mean()
        return torch.autograd.grad(loss, [p for name, p in quantizer.named_parameters() if name.endswith("step")])[0]

    halves = [step_gradient(part) for part in x.chunk(2)]
    assert torch.stack(halves).mean().item() == pytest.approx(step_gradient(x).item(), rel=1e-12)
    twice = step_gradient(torch.cat([x, x])).item()
    assert twice == pytest.approx(step_gradient(x).item(), rel=1e-12) != 0


@pytest.mark.parametrize("shape", [(), (0, 3), (4, 0)])
def test_a_batch_of_nothing_or_a_single_value_has_a_gradient_scale(shape):
    quantizer = LSQ(2, batched=True)
    quantizer(torch.ones(shape)).sum().backward()
    assert torch.isfinite(quantizer.step.grad)


def test_channels_and_batch_cannot_both_come_first():
    with pytest.raises(ValueError, match="give per_channel or batched, not both"):
        LSQ(2, per_channel=True, batched=True)


@pytest.mark.parametrize("bits", range(2, 9))
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
def test_values_match_aoq_with_equal_intervals(bits, dtype, path):
    lsq, aoq = LSQ(bits).to(dtype), AOQ(bits, "mid-tread").to(dtype)
    lsq.step.data.fill_(0.37)
    aoq.threshold_interval.fill_(0.37)
    aoq.level_interval.data.fill_(0.37)
    x = (normal(2000) * 2**bits / 4).to(dtype)
    assert torch.equal(lsq(x), aoq(x)) and torch.equal(lsq.encode(x), aoq.encode(x))


@pytest.mark.parametrize(("bits", "signed"), CASES)
def test_the_step_starts_at_the_published_value(bits, signed):
    x = normal(60)
    q_p = 2 ** (bits - 1) - 1 if signed else 2**bits - 1
    expected = 2 * sum(abs(v) for v in x.tolist()) / 60 / math.sqrt(q_p)
    assert LSQ(bits, signed).double().init_from(x).step.item() == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("shape", [(3,), (3, 7), (3, 2, 2, 2)])
def test_channel_steps_start_at_their_own_values(shape):
    x = normal(*shape)
    rows = torch.stack([LSQ(2).double().init_from(row).step for row in x])
    torch.testing.assert_close(LSQ(2, per_channel=True).double().init_from(x).step, rows)


@pytest.mark.parametrize("value", [0.0, -0.5])
def test_a_step_at_or_below_zero_acts_as_the_smallest_and_recovers(value, path):
    quantizer = with_step(value, 2, scale_gradient=False)
    out = quantizer(torch.tensor([1.0, 0.5], dtype=torch.float64))
    assert out.tolist() == [MIN_STEP, MIN_STEP]
    (-out.sum()).backward()
    torch.optim.SGD(quantizer.parameters(), lr=1.0).step()
    assert quantizer.step.item() == value + 2


def test_the_representation_says_what_it_is():
    assert repr(LSQ(3, signed=False)) == "LSQ(bits=3, signed=False, per_channel=False)"
    assert repr(LSQ(3, batched=True)) == "LSQ(bits=3, signed=True, per_channel=False, batched=True)"
