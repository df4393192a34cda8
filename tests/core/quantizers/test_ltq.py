import math

import pytest
import torch
from torch.autograd import gradcheck

from aoqlab import LTQ
from aoqlab.ste import MIN_BIN_WIDTH, _sums_per_bin, ltq_gste

BITS = range(2, 9)


def uniform(*shape, seed=0, low=0.0, high=1.0):
    numbers = torch.rand(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
    return low + (high - low) * numbers


def uneven(bits, dtype=torch.float64, u=0.8, v=1.7):
    quantizer = LTQ(bits).to(dtype)
    n = 2**bits - 1
    quantizer.bin_widths.data.copy_(uniform(n, seed=bits, low=0.5 / n, high=3.0 / n))
    quantizer.input_scale.data.fill_(u)
    quantizer.output_scale.data.fill_(v)
    return quantizer


def by_hand(x, grad, a, u, v):
    """Values, d/dx, d/da, d/du, d/dv: one value after the other, straight from the formulas."""
    n = len(a)
    delta = 2 / n
    edges = [0.0]
    for width in a:
        edges.append(edges[-1] + width)
    values, x_grad, a_grad, u_grad, v_grad = [], [], [0.0] * n, 0.0, 0.0
    for value, g in zip(x, grad, strict=True):
        z = u * value
        code = sum(z > edges[i] + a[i] / 2 for i in range(n))
        values.append(v * delta * code)
        v_grad += g * delta * code
        inside = [i for i in range(n) if edges[i] < z <= edges[i + 1]]
        x_grad.append(g * u * v * delta / a[inside[0]] if inside else 0.0)
        for i in inside:
            u_grad += g * v * delta / a[i] * value
            a_grad[i] -= g * v * (z - edges[i]) * delta / a[i] ** 2  # its own width scales the ramp
            for j in range(i):
                a_grad[j] -= g * v * delta / a[i]  # an earlier width shifts it
    return values, x_grad, a_grad, u_grad, v_grad


def check_against_hand(quantizer, x, grad, tolerance):
    out = quantizer(x)
    out.backward(grad)
    parameters = quantizer.bin_widths, quantizer.input_scale, quantizer.output_scale
    values, x_grad, a_grad, u_grad, v_grad = by_hand(x.tolist(), grad.tolist(), *(p.tolist() for p in parameters))
    assert out.tolist() == pytest.approx(values, rel=tolerance)
    assert x.grad.tolist() == pytest.approx(x_grad, rel=tolerance)
    size = max(abs(g) for g in a_grad)
    assert quantizer.bin_widths.grad.tolist() == pytest.approx(a_grad, rel=tolerance, abs=tolerance * size)
    assert quantizer.input_scale.grad.item() == pytest.approx(u_grad, rel=tolerance)
    assert quantizer.output_scale.grad.item() == pytest.approx(v_grad, rel=tolerance)


@pytest.mark.parametrize("bits", BITS)
def test_values_and_gradients_by_hand(bits, path):
    x, grad = uniform(150, low=-1.0, high=4.0).requires_grad_(), uniform(150, seed=1, low=-1.0)
    check_against_hand(uneven(bits), x, grad, 1e-11)


@pytest.mark.parametrize("bits", [2, 3, 4, 5, 8])
def test_float32_values_and_gradients_by_hand(bits, path):
    x = uniform(150, low=-1.0, high=4.0).float().requires_grad_()
    check_against_hand(uneven(bits, torch.float32), x, uniform(150, seed=1, low=-1.0).float(), 2e-4)


@pytest.mark.parametrize("j", range(3))
def test_a_width_moves_its_own_bin_and_every_later_one(j, path):
    x = torch.tensor([0.25, 1.0, 2.25], dtype=torch.float64)  # one value in every bin: edges 0, 0.5, 1.5, 3
    quantizer = LTQ(2).double()
    quantizer.bin_widths.data = torch.tensor([0.5, 1.0, 1.5], dtype=torch.float64)
    quantizer(x)[j].backward()
    widths, delta, v = [0.5, 1.0, 1.5], 2 / 3, 2.0
    own = -v * delta * (x[j].item() - sum(widths[:j])) / widths[j] ** 2
    expected = [-v * delta / widths[j]] * j + [own] + [0.0] * (2 - j)
    assert quantizer.bin_widths.grad.tolist() == pytest.approx(expected, rel=1e-14)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("bits", [2, 3, 4, 5])
def test_a_value_on_an_edge_belongs_to_the_bin_below(bits, dtype, path):
    n, quantizer = 2**bits - 1, LTQ(bits).to(dtype)
    quantizer.bin_widths.data = (1 + torch.arange(n).remainder(5)).to(dtype) / 8  # every edge is a float
    x = torch.cat([torch.zeros(1), quantizer.bin_widths.detach().cumsum(0)]).to(dtype).requires_grad_()
    quantizer(x).sum().backward()
    assert x.grad.tolist() == pytest.approx([0.0] + [2 * 2 / n / a for a in quantizer.bin_widths.tolist()])


def test_values_outside_the_ramp_move_nothing_but_the_output_scale(path):
    quantizer, x = LTQ(3).double(), torch.tensor([-5.0, 0.0, 9.0, math.inf, -math.inf], dtype=torch.float64)
    x.requires_grad_()
    quantizer(x).sum().backward()
    assert x.grad.tolist() == [0.0] * 5 and quantizer.bin_widths.grad.tolist() == [0.0] * 7
    assert quantizer.input_scale.grad.item() == 0
    assert quantizer.output_scale.grad.item() == 4.0  # two values at the top of the ramp, each 2


@pytest.mark.parametrize("bits", [2, 4, 6])
def test_the_output_scale_has_a_true_derivative(bits, path):
    quantizer, x = uneven(bits), uniform(30, high=3.0)
    a, u, v = (p.detach() for p in quantizer.parameters())
    assert gradcheck(lambda scale: ltq_gste(x, a, u, scale), v.clone().requires_grad_())


def ramp(x, a, u, v):
    """The piecewise linear function whose derivative the estimator takes."""
    edges = torch.cat([a.new_zeros(1), a.cumsum(0)])
    parts = ((u * x[:, None] - edges[:-1]) / a).clamp(0, 1)
    return v * 2 / len(a) * parts.sum(1)


@pytest.mark.parametrize("bits", [2, 3, 6])
def test_gradients_match_the_ramp(bits, path):
    quantizer, grad = uneven(bits), uniform(200, seed=1, low=-1.0)
    x = uniform(200, low=-1.0, high=4.0).requires_grad_()
    a, u = quantizer.bin_widths, quantizer.input_scale
    quantizer(x).backward(grad)
    expected = torch.autograd.grad(ramp(x, a, u, quantizer.output_scale.detach()), (x, a, u), grad)
    for got, want in zip((x.grad, a.grad, u.grad), expected, strict=True):
        torch.testing.assert_close(got, want, rtol=1e-10, atol=1e-10)


@pytest.mark.parametrize("bits", [2, 5])
def test_sums_over_many_values_keep_the_digits_of_float32(bits, path):
    # Each bin gets so many terms of about one size that a single float32 total would lose four of its digits.
    exact, x, grad = uneven(bits), uniform(1_000_003, high=2.0).float(), uniform(1_000_003, seed=1, low=0.5).float()
    gradients = []
    for quantizer in (exact, uneven(bits, torch.float32)):
        quantizer(x.to(quantizer.bin_widths.dtype)).backward(grad.to(quantizer.bin_widths.dtype))
        gradients.append(torch.cat([p.grad.reshape(-1).double() for p in quantizer.parameters()]))
    assert (gradients[1] - gradients[0]).abs().max() < 2e-6 * gradients[0].abs().max()


@pytest.mark.parametrize("count", [1, 7, 8192, 10_001])
def test_sums_per_bin_match_a_loop(count):
    bins = torch.randint(0, 5, (count,), generator=torch.Generator().manual_seed(count), dtype=torch.int32)
    values = uniform(count, low=-1.0), uniform(count, seed=1)
    found = _sums_per_bin(bins, 5, *values)
    for sums, of in zip(found, values, strict=True):
        torch.testing.assert_close(sums, torch.stack([of[bins == i].sum() for i in range(5)]))


def test_nothing_has_gradients_of_zero(path):
    quantizer = LTQ(2)
    quantizer(torch.empty(0, 3, requires_grad=True)).sum().backward()
    assert all(not p.grad.any() for p in quantizer.parameters())


def test_the_documented_example_holds(path):
    x = torch.tensor([-0.5, 0.4, 1.2, 2.5], requires_grad=True)
    out = LTQ(2)(x)
    out.sum().backward()
    torch.testing.assert_close(out, torch.tensor([0.0, 4 / 3, 8 / 3, 4.0]))
    torch.testing.assert_close(x.grad, torch.tensor([0.0, 2.0, 2.0, 0.0]))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize("bits", BITS)
def test_a_code_counts_the_thresholds_strictly_below(bits, dtype, path):
    quantizer = uneven(bits, dtype, u=1.0)
    thresholds = quantizer.thresholds()
    points = thresholds.to(dtype)
    inf = torch.tensor(math.inf, dtype=dtype)
    smallest = torch.nextafter(torch.zeros_like(inf), inf)
    special = torch.tensor([0.0, -0.0, math.inf, -math.inf, float(smallest), torch.finfo(dtype).max, -1.0]).to(dtype)
    x = torch.cat([points, torch.nextafter(points, inf), torch.nextafter(points, -inf), special])
    expected = [sum(t < value for t in thresholds.tolist()) for value in x.tolist()]
    assert quantizer.encode(x).tolist() == expected
    assert torch.equal(quantizer(x), quantizer.decode(quantizer.encode(x)))


@pytest.mark.parametrize(
    "dtypes",
    [(torch.float64, torch.float32), (torch.float32, torch.bfloat16), (torch.bfloat16, torch.float32)],
    ids=str,
)
def test_inputs_and_parameters_may_differ_in_dtype(dtypes):
    quantizer = uneven(3, dtypes[1], u=1.0)
    x = uniform(200, low=-1.0, high=4.0).to(dtypes[0]).requires_grad_()
    out = quantizer(x)
    out.sum().backward()
    expected = [sum(t < value for t in quantizer.thresholds().tolist()) for value in x.tolist()]
    assert quantizer.encode(x).tolist() == expected
    assert out.dtype == x.grad.dtype == dtypes[0] and quantizer.bin_widths.grad.dtype == dtypes[1]


@pytest.mark.parametrize("bits", BITS)
def test_the_start_is_the_published_one(bits):
    n, quantizer = 2**bits - 1, uneven(bits).init_from(uniform(10))
    for q in (LTQ(bits), quantizer):
        assert q.bin_widths.tolist() == pytest.approx([2 / n] * n) and len(q.bin_widths) == n
        assert (q.input_scale.item(), q.output_scale.item()) == (1.0, 2.0)


@pytest.mark.parametrize("bits", BITS)
def test_levels_are_evenly_spaced_from_zero_to_twice_the_output_scale(bits):
    quantizer, n = uneven(bits), 2**bits - 1
    assert quantizer.levels().tolist() == pytest.approx([1.7 * 2 / n * i for i in range(n + 1)], rel=1e-14)


def test_a_width_at_or_below_zero_acts_as_the_smallest_and_recovers(path):
    quantizer = LTQ(2).double()
    quantizer.bin_widths.data = torch.tensor([0.5, -1.0, 0.5], dtype=torch.float64)
    assert quantizer.thresholds().tolist() == pytest.approx([0.25, 0.5 + MIN_BIN_WIDTH / 2, 0.75 + MIN_BIN_WIDTH])
    (quantizer(torch.tensor([0.75], dtype=torch.float64))).sum().backward()
    gradient = quantizer.bin_widths.grad[1].item()
    assert gradient == pytest.approx(-2.0 * (2 / 3) / 0.5)  # it shifts the last bin
    torch.optim.SGD(quantizer.parameters(), lr=1.0).step()
    assert quantizer.bin_widths[1].item() == pytest.approx(-1.0 - gradient)


@pytest.mark.parametrize("name", ["input_scale", "output_scale"])
def test_a_scale_below_zero_still_gets_a_gradient(name, path):
    quantizer = LTQ(2).double()
    getattr(quantizer, name).data.fill_(-1.0)
    quantizer(torch.tensor([1e11, 1.0], dtype=torch.float64)).sum().backward()
    assert getattr(quantizer, name).grad.item() > 0


def test_the_representation_says_what_it_is():
    assert repr(LTQ(3)) == "LTQ(bits=3)"
