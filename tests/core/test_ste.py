import pytest
import torch

from aoqlab.grids import UniformGrid
from aoqlab.ste import encode, encode_flat

SHAPES = [(4, 3, 3, 3), (7,), (5, 1, 1, 1), (), (2, 6)]


def some(shape, seed, dtype):
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed), dtype=torch.float64).to(dtype)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16], ids=str)
@pytest.mark.parametrize(
    "grid", [UniformGrid(2), UniformGrid(3, "mid-tread"), UniformGrid(8, "mid-tread", False)], ids=str
)
@pytest.mark.parametrize("channels", [False, True], ids=["one step", "steps per channel"])
def test_many_tensors_are_encoded_as_one_by_one(dtype, grid, channels, path):
    xs = [some(shape, i, dtype) for i, shape in enumerate(SHAPES)]
    xs[0] = xs[0].to(memory_format=torch.channels_last)
    steps = [0.1 + some((len(x),) if channels and x.ndim else (), i, dtype).abs() for i, x in enumerate(xs)]
    expected = torch.cat([encode(x, step, grid).reshape(-1) for x, step in zip(xs, steps, strict=True)])
    for _ in range(2):
        assert torch.equal(encode_flat(xs, steps, grid), expected)


def test_channels_that_do_not_fit_are_refused(path):
    with pytest.raises(ValueError, match=r"per-channel steps of 2 channels do not fit a tensor of shape \(3, 4\)"):
        encode_flat([some((3, 4), 0, torch.float32)], [torch.ones(2)], UniformGrid(2))


@pytest.mark.parametrize("swapped", [False, True], ids=["thresholds", "levels"])
def test_one_step_may_be_per_channel_and_the_other_not(swapped, path):
    from aoqlab.ste import aoq_ste

    x, grid = some((3, 8), 0, torch.float32), UniformGrid(3)
    wide, single = torch.tensor([0.3, 0.5, 0.7]), torch.tensor(0.4)
    steps = (single, wide) if swapped else (wide, single)
    levels = steps[1].clone().requires_grad_()
    out = aoq_ste(x, steps[0], levels, grid)
    out.sum().backward()
    rows = [[s[c] if s.ndim else s for s in steps] for c in range(3)]
    apart = [(row[1].clone().requires_grad_(), x[c], row[0]) for c, row in enumerate(rows)]
    outs = [aoq_ste(row, threshold, level, grid) for level, row, threshold in apart]
    torch.stack(outs).sum().backward()
    assert torch.equal(out, torch.stack(outs))
    expected = torch.stack([level.grad for level, _, _ in apart])
    torch.testing.assert_close(levels.grad, expected if levels.ndim else expected.sum())
