import copy
import math
import pickle

import pytest
import torch

from aoqlab import AOQ, LSQ
from aoqlab.quantizers import Freezing, StatsQ

INNER = {
    "lsq": LSQ,
    "lsq-channels": lambda bits: LSQ(bits, per_channel=True),
    "aoq": AOQ,
    "statsq": StatsQ,
}
every_inner = pytest.mark.parametrize("inner", INNER.values(), ids=INNER.keys())
SHAPE = (4, 3, 5)


def normal(*shape, seed=0, dtype=torch.float32):
    return torch.randn(*shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


def frozen(inner, share=0.5, bits=3):
    """Some weights frozen at the code they started with, and all weights elsewhere by now."""
    start = normal(*SHAPE)
    quantizer = Freezing(inner(bits)).init_from(start)
    quantizer.track(quantizer.encode(start))
    quantizer.freeze(torch.rand(SHAPE, generator=torch.Generator().manual_seed(1)), 1 - share)
    return quantizer, normal(*SHAPE, seed=2)


def test_the_running_mean_by_hand():
    quantizer, codes = Freezing(LSQ(2), momentum=0.25), ([0, 3], [1, 3], [3, 0])
    for row in codes:
        quantizer.track(torch.tensor(row, dtype=torch.uint8))
    means = [0.75 * (0.75 * a + 0.25 * b) + 0.25 * c for a, b, c in zip(*codes, strict=True)]
    assert quantizer.mean_code.tolist() == pytest.approx(means)
    quantizer.freeze(torch.tensor([0.2, 0.1]), 0.1)
    assert quantizer.frozen.tolist() == [True, False] and quantizer.frozen_codes.tolist() == [round(means[0]), 0]
    assert quantizer.frozen.double().mean() == 0.5


def test_once_frozen_always_frozen():
    quantizer = Freezing(LSQ(2), momentum=1.0)
    quantizer.track(torch.tensor([1, 1, 2], dtype=torch.uint8))
    quantizer.freeze(torch.tensor([1.0, 0.0, 0.0]), 0.5)
    quantizer.track(torch.tensor([3, 3, 0], dtype=torch.uint8))
    quantizer.freeze(torch.tensor([1.0, 1.0, 0.0]), 0.5)
    assert quantizer.frozen.tolist() == [True, True, False] and quantizer.frozen_codes.tolist() == [1, 3, 0]
    quantizer.freeze(torch.ones(3), math.inf)
    assert quantizer.frozen.tolist() == [True, True, False]


@every_inner
def test_frozen_weights_have_their_level_and_the_others_their_own(inner, path):
    quantizer, x = frozen(inner)
    out, codes = quantizer(x), quantizer.encode(x)
    expected = quantizer.inner(x)
    pinned = quantizer.inner.decode(quantizer.frozen_codes)
    assert torch.equal(out[quantizer.frozen], pinned[quantizer.frozen])
    assert torch.equal(out[~quantizer.frozen], expected[~quantizer.frozen])
    assert torch.equal(quantizer.decode(codes), out) and codes.dtype == torch.uint8
    assert not torch.equal(out, expected) and 0.2 < quantizer.frozen.double().mean() < 0.8


@every_inner
def test_no_gradient_reaches_a_frozen_weight(inner, path):
    quantizer, x = frozen(inner)
    grad, free = normal(*SHAPE, seed=3), x.clone().requires_grad_()
    quantizer.inner(free).backward(grad)
    x.requires_grad_()
    quantizer(x).backward(grad)
    assert not x.grad[quantizer.frozen].any()
    assert torch.equal(x.grad[~quantizer.frozen], free.grad[~quantizer.frozen])


def test_the_gradient_of_frozen_levels_goes_to_the_step(path):
    """LSQ by hand: d/ds = k where frozen; elsewhere k - v inside the grid and k outside."""
    quantizer, x = frozen(lambda bits: LSQ(bits, scale_gradient=False))
    grad = normal(*SHAPE, seed=3)
    quantizer(x).backward(grad)
    s, total = quantizer.inner.step.item(), 0.0
    rows = zip(x.flatten().tolist(), grad.flatten().tolist(), quantizer.frozen.flatten().tolist(), strict=True)
    for (w, g, held), code in zip(rows, quantizer.frozen_codes.flatten().tolist(), strict=True):
        k = code - 4 if held else min(max(math.floor(w / s + 0.5), -4), 3)
        total += g * (k - w / s if not held and -4 < w / s < 3 else k)
    assert quantizer.inner.step.grad.item() == pytest.approx(total, rel=1e-4)


@pytest.mark.parametrize("inner", [LSQ, lambda bits: LSQ(bits, per_channel=True)], ids=["layer", "channels"])
def test_the_gradient_scale_holds_for_frozen_levels_too(inner, path):
    quantizer, x = frozen(inner, share=1.0)
    quantizer(x).sum().backward()
    sharing = x.numel() // quantizer.inner.step.numel()
    positions = (quantizer.frozen_codes.float() - 4).flatten(1).sum(1)
    expected = positions if quantizer.inner.per_channel else positions.sum()
    torch.testing.assert_close(quantizer.inner.step.grad, expected / math.sqrt(sharing * 3))


@every_inner
def test_with_everything_frozen_nothing_depends_on_the_weights(inner, path):
    quantizer, x = frozen(inner, share=1.0)
    assert torch.equal(quantizer.encode(x), quantizer.frozen_codes)
    if not isinstance(quantizer.inner, StatsQ):  # whose levels do
        assert torch.equal(quantizer(x), quantizer(-x))


@every_inner
def test_checkpoints_and_copies_keep_what_is_frozen(inner):
    quantizer, x = frozen(inner)
    loaded = Freezing(inner(3))
    loaded.load_state_dict(quantizer.state_dict())
    for other in (loaded, copy.deepcopy(quantizer), pickle.loads(pickle.dumps(quantizer))):
        assert torch.equal(other(x), quantizer(x)) and torch.equal(other.mean_code, quantizer.mean_code)
        other.freeze(torch.ones(SHAPE), 0.5)
    assert not quantizer.frozen.all()


def test_a_checkpoint_of_another_shape_is_refused():
    quantizer = frozen(LSQ)[0]
    other = Freezing(LSQ(3))
    other.track(torch.zeros(7, dtype=torch.uint8))
    with pytest.raises(RuntimeError, match="size mismatch for mean_code"):
        other.load_state_dict(quantizer.state_dict())


def test_a_new_start_forgets_what_was_frozen():
    quantizer, x = frozen(LSQ)
    quantizer.init_from(x)
    assert not quantizer.frozen.numel() and torch.equal(quantizer(x), quantizer.inner(x))
    quantizer.track(torch.zeros(2, dtype=torch.uint8))  # of any shape


@pytest.mark.filterwarnings("ignore::DeprecationWarning")  # of Torch's own compiler
def test_traced_in_one_graph_is_eager(as_shipped, without_kernels):
    torch.compiler.reset()
    quantizer, x = frozen(LSQ)
    x.requires_grad_()
    with without_kernels():
        expected = torch.autograd.grad(quantizer(x).square().sum(), (x, quantizer.inner.step))
    traced = torch.compile(quantizer, fullgraph=True, backend="aot_eager")
    got = torch.autograd.grad(traced(x).square().sum(), (x, quantizer.inner.step))
    assert all(torch.equal(a, b) for a, b in zip(got, expected, strict=True))


def test_mistakes_are_named():
    quantizer = Freezing(LSQ(2))
    with pytest.raises(ValueError, match="call track"):
        quantizer.freeze(torch.ones(3), 0.1)
    quantizer.track(torch.zeros(3, dtype=torch.uint8))
    for call in (
        lambda: quantizer.track(torch.zeros(4, dtype=torch.uint8)),
        lambda: quantizer.freeze(torch.ones(4), 0.1),
        lambda: quantizer(torch.ones(4)),
        lambda: quantizer.encode(torch.ones(1)),
    ):
        with pytest.raises(ValueError, match=r"do not fit weights of shape \(3,\)"):
            call()
    with pytest.raises(ValueError, match=r"momentum must be in \(0, 1\], got 0"):
        Freezing(LSQ(2), momentum=0.0)
