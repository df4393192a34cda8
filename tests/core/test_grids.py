import math

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from aoqlab.arguments import check_bits
from aoqlab.grids import UniformGrid, check_finite, per_row

BITS = range(2, 9)
KINDS = ("mid-rise", "mid-tread")
DTYPES = (torch.float32, torch.float64, torch.bfloat16)
STEPS = (1.0, 0.1, 0.37, 7.3, 3e-5, 1e-12, 1e30)
GRIDS = [UniformGrid(bits, kind, signed) for bits in BITS for kind in KINDS for signed in (True, False)]


def name(grid):
    return f"{grid.bits}-{grid.kind}-{'signed' if grid.signed else 'unsigned'}"


def exact(tensor):
    """float64 holds every float32 and bfloat16."""
    return tensor.double().numpy()


def probes(points):
    """The points, their float neighbours, and every kind of extreme value."""
    info, inf = torch.finfo(points.dtype), torch.tensor(math.inf, dtype=points.dtype)
    smallest = torch.nextafter(torch.zeros_like(inf), inf)
    special = [0.0, -0.0, 1.0, info.tiny, info.max, math.inf, float(smallest)]
    special = torch.tensor([*special, *(-v for v in special)], dtype=points.dtype)
    return torch.cat([points, torch.nextafter(points, inf), torch.nextafter(points, -inf), special])


def count_at_or_below(thresholds, x):
    return (thresholds[None, :] <= x[:, None]).sum(1)


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("grid", GRIDS, ids=name)
def test_a_code_counts_the_thresholds_at_or_below(grid, dtype):
    for value in STEPS:
        step = torch.tensor(value, dtype=dtype)
        thresholds = grid.thresholds(step)
        x = probes(torch.cat([thresholds, grid.levels(step)]))
        np.testing.assert_array_equal(grid.encode(x, step), count_at_or_below(exact(thresholds), exact(x)))


@pytest.mark.parametrize("grid", GRIDS[1::3], ids=name)
def test_codes_are_exact_over_all_bfloat16_numbers(grid):
    every = torch.arange(-(2**15), 2**15, dtype=torch.int16).view(torch.bfloat16)
    every = every[~every.isnan()]
    for value in (1.0, 0.37):
        step = torch.tensor(value, dtype=torch.bfloat16)
        expected = np.searchsorted(exact(grid.thresholds(step)), exact(every), side="right")
        np.testing.assert_array_equal(grid.encode(every, step), expected)


@pytest.mark.parametrize("dtypes", [(a, b) for a in DTYPES for b in DTYPES if a != b], ids=str)
@pytest.mark.parametrize("grid", GRIDS[::3], ids=name)
def test_codes_are_exact_in_every_mixture_of_dtypes(grid, dtypes):
    step = torch.tensor(0.37, dtype=dtypes[1])
    thresholds = grid.thresholds(step)
    x = probes(thresholds.to(dtypes[0]))
    np.testing.assert_array_equal(grid.encode(x, step), count_at_or_below(exact(thresholds), exact(x)))


@pytest.mark.parametrize("dtype", DTYPES, ids=str)
@pytest.mark.parametrize("grid", GRIDS, ids=name)
def test_every_level_maps_to_itself_when_both_steps_are_equal(grid, dtype):
    if dtype == torch.bfloat16 and grid.bits == 8 and not grid.signed:
        pytest.skip("8 significant bits merge some of these levels")
    for value in STEPS:
        step = torch.tensor(value, dtype=dtype)
        levels, every_code = grid.levels(step), torch.arange(grid.n_levels, dtype=torch.uint8)
        assert torch.equal(grid.encode(levels, step), every_code)
        assert torch.equal(grid.decode(every_code, step), levels)


@pytest.mark.parametrize("grid", GRIDS, ids=name)
def test_thresholds_and_levels_follow_the_formula(grid):
    step, half = 0.37, 2 ** (grid.bits - 1) if grid.signed else 0
    rise = grid.kind == "mid-rise"
    levels = [step * (k + 0.5 if rise else k) for k in range(-half, 2**grid.bits - half)]
    thresholds = [step * (k if rise else k - 0.5) for k in range(-half + 1, 2**grid.bits - half)]
    tensor = torch.tensor(step, dtype=torch.float64)
    assert grid.levels(tensor).tolist() == levels
    assert grid.thresholds(tensor).tolist() == thresholds


@pytest.mark.parametrize("grid", GRIDS, ids=name)
def test_thresholds_are_between_neighbouring_levels(grid):
    step = torch.tensor(0.1)
    levels, thresholds = grid.levels(step), grid.thresholds(step)
    assert len(levels) == len(thresholds) + 1 == 2**grid.bits
    assert bool((levels[:-1] < thresholds).all() and (thresholds < levels[1:]).all())


def test_two_bits_are_the_published_grid():
    one, grid = torch.tensor(1.0), UniformGrid(2)
    assert grid.levels(one).tolist() == [-1.5, -0.5, 0.5, 1.5]
    assert grid.thresholds(one).tolist() == [-1.0, 0.0, 1.0]


@pytest.mark.parametrize("bits", BITS)
def test_equal_steps_are_the_plain_uniform_quantizer(bits):
    x = torch.linspace(-9, 9, 1447, dtype=torch.float64)  # steps of 1/2 divide without rounding
    step, low, high = torch.tensor(0.5, dtype=torch.float64), -(2 ** (bits - 1)), 2 ** (bits - 1) - 1
    plain = {
        "mid-rise": 0.5 * (torch.floor(x / 0.5).clamp(low, high) + 0.5),
        "mid-tread": 0.5 * torch.floor(x / 0.5 + 0.5).clamp(low, high),
    }
    for kind, expected in plain.items():
        grid = UniformGrid(bits, kind)
        assert torch.equal(grid.decode(grid.encode(x, step), step), expected)


@pytest.mark.parametrize("grid", GRIDS[:4], ids=name)
def test_nan_takes_the_lowest_code(grid):
    assert grid.encode(torch.tensor([math.nan, -math.nan]), torch.tensor(1.0)).tolist() == [0, 0]


def test_channels_are_quantized_row_by_row():
    grid, steps = UniformGrid(3), torch.tensor([0.1, 0.5, 2.0])
    x = torch.randn(3, 4, 5, generator=torch.Generator().manual_seed(0))
    rows = [grid.encode(row, step) for row, step in zip(x, steps, strict=True)]
    assert torch.equal(grid.encode(x, steps), torch.stack(rows))
    assert grid.thresholds(steps).shape == (3, 7) and grid.levels(steps).shape == (3, 8)
    assert torch.equal(grid.decode(grid.encode(x, steps), steps)[1], grid.decode(rows[1], steps[1]))


@pytest.mark.parametrize("shape", [(), (2,), (4, 3)])
def test_channels_that_do_not_fit_are_refused(shape):
    with pytest.raises(ValueError, match=r"3 channels do not fit .* init_from"):
        per_row(torch.ones(3), torch.ones(shape))


@pytest.mark.parametrize("bits", [1, 9, 0, -2, True, 2.5, 4.0, "4", None])
def test_bits_outside_two_to_eight_are_refused(bits, as_shipped):
    with pytest.raises(ValueError, match="bits must be an integer from 2 to 8, got"):
        check_bits(bits)


def test_an_unknown_grid_is_refused(as_shipped):
    with pytest.raises(ValueError, match="'mid-rise' or 'mid-tread', got 'middle'"):
        UniformGrid(2, "middle")


def test_check_finite_names_what_is_wrong():
    with pytest.raises(TypeError, match=r"weights must be a floating-point tensor, got torch.int64"):
        check_finite(torch.arange(3), "weights")
    with pytest.raises(ValueError, match=r"weights has no elements \(shape \(0, 3\)\)"):
        check_finite(torch.ones(0, 3), "weights")
    with pytest.raises(ValueError, match="weights holds 2 NaN or infinite values out of 3"):
        check_finite(torch.tensor([1.0, math.nan, -math.inf]), "weights")


grids = st.sampled_from(GRIDS)
steps = st.floats(2.0**-40, 2.0**100, width=32)
values = st.lists(st.floats(width=32, allow_nan=False), min_size=1, max_size=30)


@given(grids, steps, values)
def test_encoding_is_monotone_and_in_range(grid, step, numbers):
    codes = grid.encode(torch.tensor(sorted(numbers)), torch.tensor(step)).long()
    assert bool((codes.diff() >= 0).all())
    assert codes.min() >= 0 and codes.max() < 2**grid.bits


@given(grids, steps, values)
def test_quantizing_twice_changes_nothing(grid, step, numbers):
    s = torch.tensor(step)
    once = grid.decode(grid.encode(torch.tensor(numbers), s), s)
    assert torch.equal(grid.decode(grid.encode(once, s), s), once)


@given(grids, steps)
def test_levels_and_thresholds_ascend(grid, step):
    s = torch.tensor(step)
    assert bool((grid.levels(s).diff() > 0).all()) and bool((grid.thresholds(s).diff() > 0).all())
