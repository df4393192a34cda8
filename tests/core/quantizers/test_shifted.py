import pytest
import torch

from aoqlab import AOQ, LSQ, LTQ
from aoqlab.quantizers import Shifted

INNER = {"lsq": lambda bits: LSQ(bits, signed=False), "ltq": LTQ}
every_inner = pytest.mark.parametrize("inner", INNER.values(), ids=INNER.keys())


def normal(*shape, seed=0, dtype=torch.float64):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def test_values_and_gradients_by_hand(path):
    """Step 1, shift 1, 2 bits: levels -1, 0, 1, 2; the grid of the step ends where x + 1 does: at -1 and 2."""
    quantizer = Shifted(LSQ(2, signed=False, scale_gradient=False)).double()
    quantizer.shift.data.fill_(1.0)
    x = torch.tensor([-4.0, -0.7, 0.2, 1.4, 5.0], dtype=torch.float64, requires_grad=True)
    out = quantizer(x)
    grad = torch.tensor([1.0, 2.0, 3.0, 4.0, 5.0], dtype=torch.float64)
    out.backward(grad)
    assert out.tolist() == [-1.0, -1.0, 0.0, 1.0, 2.0]
    assert x.grad.tolist() == [0.0, 2.0, 3.0, 4.0, 0.0]
    assert quantizer.shift.grad.item() == -(1.0 + 5.0)  # 0 inside the grid, -1 outside
    v = [0.3, 1.2, 2.4]
    inside = [2.0 * (0 - v[0]), 3.0 * (1 - v[1]), 4.0 * (2 - v[2])]
    assert quantizer.inner.step.grad.item() == pytest.approx(1.0 * 0 + sum(inside) + 5.0 * 3)


@every_inner
def test_it_is_the_inner_quantizer_of_shifted_values(inner, path):
    quantizer, x, grad = Shifted(inner(3)).double(), normal(50), normal(50, seed=1)
    quantizer.shift.data.fill_(0.8)
    moved, here = (x + 0.8).requires_grad_(), x.clone().requires_grad_()
    expected, got = quantizer.inner(moved), quantizer(here)
    slopes = torch.autograd.grad(expected, moved, grad)[0]
    assert torch.equal(got, expected - 0.8)
    got.backward(grad)
    assert torch.equal(here.grad, slopes)
    assert quantizer.shift.grad.item() == pytest.approx((slopes - grad).sum().item(), rel=1e-12)
    assert torch.equal(quantizer.thresholds(), quantizer.inner.thresholds() - 0.8)


@every_inner
def test_without_a_shift_it_is_the_inner_quantizer(inner, path):
    quantizer, x = Shifted(inner(4)), normal(60, dtype=torch.float32)
    assert torch.equal(quantizer(x), quantizer.inner(x))


@every_inner
@pytest.mark.parametrize("bits", [2, 4, 8])
def test_the_start_spans_the_values(inner, bits):
    x = torch.nn.functional.gelu(normal(40))
    quantizer = Shifted(inner(bits)).double().init_from(x)
    low = max(x.min(), x.mean() - 3 * x.std(correction=0)).item()
    high = min(x.max(), x.mean() + 3 * x.std(correction=0)).item()
    n = 2**bits - 1
    assert quantizer.levels().tolist() == pytest.approx([low + (high - low) * i / n for i in range(n + 1)], abs=1e-12)
    middles = [low + (high - low) * (i + 0.5) / n for i in range(n)]
    assert quantizer.thresholds().tolist() == pytest.approx(middles, abs=1e-12)
    inside = x.clamp(low, high)
    assert (quantizer(inside) - inside).abs().max().item() <= (high - low) / n / 2 * (1 + 1e-9)


def test_rare_values_do_not_widen_the_start():
    x = torch.cat([normal(10_000), torch.tensor([1e3], dtype=torch.float64)])
    levels = Shifted(LTQ(2)).double().init_from(x).levels()
    assert levels[0].item() == pytest.approx(x.min().item()) and levels[-1].item() < 40


@pytest.mark.parametrize("inner", [AOQ(2), LSQ(2)], ids=["kind", "signed"])
def test_other_inner_quantizers_are_refused(inner):
    with pytest.raises(ValueError, match="Shifted needs"):
        Shifted(inner)


@every_inner
def test_decoding_with_gradients_is_decoding(inner, path):
    quantizer, codes = Shifted(inner(2)).init_from(normal(30)), torch.tensor([0, 1, 2, 3], dtype=torch.uint8)
    out = quantizer.decode_learned(codes)
    assert torch.equal(out, quantizer.decode(codes))
    out.sum().backward()
    assert quantizer.shift.grad.item() == -4.0
    level = quantizer.inner.step.grad if isinstance(quantizer.inner, LSQ) else quantizer.inner.output_scale.grad
    unit = (4 * 3) ** -0.5 if isinstance(quantizer.inner, LSQ) else 2 / 3
    assert level.item() == pytest.approx(6 * unit)
