"""The summary's numbers against the package's own, computed by the script that runs in the browser."""

import numpy as np
import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from aoqlab import AOQ, LSQ
from aoqlab.lab.explorers.interval_explorer import weight_summary
from aoqlab.lab.explorers.interval_explorer.weight_summary import NoWeights, summarise
from aoqlab.quantizers.probes import quantization_error

READ = """
const summary = await unpacked(given.message);
const grid = Object.fromEntries(Object.entries(given.grid).map(([k, v]) => [k, Float64Array.from(v)]));
const { occupancy, ...rest } = readoutsOf(summary, grid, given.options);
return { ...rest, occupancy: [...occupancy], size: summary.size };
"""
SHAPES = {
    "normal": lambda n, g: torch.randn(n, generator=g),
    "uniform": lambda n, g: torch.rand(n, generator=g) - 0.3,
    "heavy tails": lambda n, g: torch.randn(n, generator=g) / torch.rand(n, generator=g).clamp_min(1e-4).sqrt(),
    "pruned": lambda n, g: torch.randn(n, generator=g) * (torch.rand(n, generator=g) > 0.6),
    "half precision": lambda n, g: torch.randn(n, generator=g).half(),
    "clipped": lambda n, g: torch.randn(n, generator=g).clamp(-1, 1),
    "already quantized": lambda n, g: torch.round(torch.randn(n, generator=g) * 2) / 2,
}


def share_near(x, thresholds, distance):
    """Share of values at most ``distance`` from the nearest threshold: every distance computed."""
    away = (x.detach().double().flatten()[:, None] - thresholds.detach().double()).abs()
    return float((away.min(1).values <= distance).double().mean())


def weights_of(shape, n, seed=0):
    return SHAPES[shape](n, torch.Generator().manual_seed(seed)) * 0.05


def grid_of(quantizer):
    step = (quantizer.threshold_step if isinstance(quantizer, AOQ) else quantizer.step).detach()
    grids = {"thresholds": quantizer.thresholds(), "levels": quantizer.levels(), "centres": quantizer.grid.levels(step)}
    return {name: values.double().tolist() for name, values in grids.items()}


@pytest.fixture(scope="module")
def large():
    """Summaries of a million weights each, made once."""
    made = {}

    def get(shape, n):
        if (shape, n) not in made:
            weights = weights_of(shape, n).float()
            made[shape, n] = weights, summarise(weights)
        return made[shape, n]

    return get


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    shape=st.sampled_from(list(SHAPES)),
    n=st.sampled_from([2, 997, 600_000, 1_000_000]),
    bits=st.integers(2, 8),
    kind=st.sampled_from(["mid-rise", "mid-tread", "lsq"]),
    threshold=st.floats(0.3, 3),
    level=st.floats(0.3, 3),
    shrink=st.floats(0.2, 1),
    near=st.sampled_from([0.05, 0.1, 0.5]),
)
def test_numbers_of_the_summary_agree_with_the_package(
    javascript, large, shape, n, bits, kind, threshold, level, shrink, near
):
    weights, short = large(shape, n)
    start = (short.sigma or 1.0) / 2 ** (bits - 2)
    if kind == "lsq":
        quantizer = LSQ(bits)
        quantizer.step.data.fill_(start * threshold)
    else:
        quantizer = AOQ(bits, grid=kind)
        quantizer.threshold_interval.fill_(start * threshold)
        quantizer.level_interval.data.fill_(start * level)
        quantizer.shrink.fill_(shrink)
    cuts = quantizer.thresholds().double()
    distance, move = near * float(cuts[1] - cuts[0]), 0.3 * start
    options = {"near": distance, "move": move}
    found = javascript(READ, {"message": short.message(), "grid": grid_of(quantizer), "options": options})

    codes = quantizer.encode(weights)
    exact = quantization_error(weights, codes, quantizer.levels())
    assert found["mse"] == pytest.approx(exact["mse"], rel=1e-3, abs=1e-12 * short.sigma**2)
    if exact["mse"] > 1e-9 * short.sigma**2:
        assert 10 ** (found["sqnr"] / 10) == pytest.approx(10 ** (exact["sqnr_db"] / 10), rel=1e-3)
    assert found["entropy"] == pytest.approx(exact["entropy_bits"], rel=1e-3, abs=1e-6)
    assert found["near"] == pytest.approx(share_near(weights, cuts, distance), rel=1e-3, abs=1e-6)
    assert abs(found["near"] - share_near(weights, cuts, distance)) <= found["bound"]["near"] + 1e-9
    wide = weights.double()
    crossed = torch.bucketize(wide + move, cuts, right=True) - torch.bucketize(wide - move, cuts, right=True)
    assert found["crossings"] == pytest.approx(float(crossed.double().mean()) / 2, rel=1e-3, abs=1e-6)
    # The bound that is shown holds.
    shares = torch.bincount(codes.flatten().long(), minlength=2**bits).double() / n
    off = (torch.tensor(found["occupancy"], dtype=torch.double) - shares).abs().max()
    assert float(off) <= found["bound"]["misplaced"] + 1e-9
    assert abs(found["mse"] - exact["mse"]) <= found["bound"]["mse"] + 1e-9 * short.sigma**2


@pytest.mark.parametrize("pull", [0.3, 0.8])
@pytest.mark.parametrize("bits", [2, 5])
def test_weights_pulled_to_the_middle_of_their_bin_give_the_numbers_of_pulled_weights(javascript, large, pull, bits):
    weights, short = large("normal", 1_000_000)
    quantizer = AOQ(bits).init_from(weights)
    quantizer.level_interval.data.mul_(1.3)
    cuts = quantizer.thresholds().double()
    options = {"pull": pull, "near": 0.4 * float(cuts[1] - cuts[0]), "move": 0.45 * float(cuts[1] - cuts[0])}
    found = javascript(READ, {"message": short.message(), "grid": grid_of(quantizer), "options": options})
    moved = (weights + pull * (quantizer.bin_centres(weights) - weights)).double()
    exact = quantization_error(moved, quantizer.encode(weights), quantizer.levels())
    assert found["mse"] == pytest.approx(exact["mse"], rel=1e-3)
    assert found["near"] == pytest.approx(share_near(moved, cuts, options["near"]), rel=1e-3, abs=1e-6)
    crossed = torch.bucketize(moved + options["move"], cuts, right=True)
    crossed -= torch.bucketize(moved - options["move"], cuts, right=True)
    assert found["crossings"] == pytest.approx(float(crossed.double().mean()) / 2, rel=1e-3, abs=1e-6)


@pytest.mark.parametrize("shape", list(SHAPES))
def test_every_finite_weight_is_counted_once(shape, large):
    weights, short = large(shape, 1_000_000)
    assert int(short.counts.sum()) == short.size == weights.numel()
    precision = 2.0 ** (short.dropped - 23) if short.dropped else 1e-9
    assert short.sigma == pytest.approx(float(weights.double().std()), rel=precision)
    assert short.mean_size == pytest.approx(float(weights.double().abs().mean()), rel=precision)


def keys_of(weights):
    """Whole numbers in the order of the weights."""
    signed = weights.numpy().view(np.int32).astype(np.int64)
    return np.where(signed < 0, -(signed & 0x7FFFFFFF) - 1, signed) + 2**31


@pytest.mark.parametrize("shape", list(SHAPES))
def test_cells_are_the_leading_bits_of_weights_and_as_fine_as_there_is_room_for(shape, large):
    weights, short = large(shape, 1_000_000)
    keys = keys_of(weights + 0.0)
    cells, counts = np.unique(keys >> short.dropped, return_counts=True)
    assert np.array_equal(short.cells, cells) and np.array_equal(short.counts, counts)
    assert short.dropped == 0 or len(np.unique(keys >> (short.dropped - 1))) > weight_summary.DISTINCT
    values = torch.from_numpy(short.values[np.searchsorted(cells, keys >> short.dropped)])
    assert ((values - weights).abs() <= 2.0 ** (short.dropped - 24) * weights.abs() + 1e-30).all()
    assert short.dropped or torch.equal(values, weights)


@pytest.mark.parametrize("shape", ["half precision", "already quantized"])
def test_weights_of_few_different_values_are_kept_exactly(shape, large):
    assert large(shape, 1_000_000)[1].dropped == 0


def test_summaries_are_compact(large):
    sent = large("normal", 1_000_000)[1].message()
    assert sum(len(value) for value in sent.values() if isinstance(value, bytes)) < 400_000


@pytest.mark.parametrize("bad", [float("nan"), float("inf"), -float("inf")])
def test_weights_that_are_not_finite_are_left_out_and_counted(bad):
    weights = torch.randn(500_000, generator=torch.Generator().manual_seed(0))
    spoilt = torch.cat([weights, torch.full((7,), bad)])
    ours, clean = summarise(spoilt), summarise(weights)
    assert (ours.left_out, ours.size, ours.sigma) == (7, clean.size, clean.sigma)
    with pytest.raises(NoWeights, match="none of the 3 weights is finite"):
        summarise(torch.full((3,), bad))


def test_memory_is_bounded_by_chunks(monkeypatch):
    weights = torch.randn(200_000, generator=torch.Generator().manual_seed(1))
    whole = summarise(weights)
    monkeypatch.setattr(weight_summary, "CHUNK", 10_000)
    for distinct in (10**6, 10**4):
        monkeypatch.setattr(weight_summary, "DISTINCT", distinct)
        parts = summarise(weights)
        assert parts.dropped > 0 or np.array_equal(whole.cells, parts.cells)
        cells, counts = np.unique(whole.cells >> parts.dropped, return_inverse=True)
        assert np.array_equal(parts.cells, cells)
        assert np.array_equal(parts.counts, np.bincount(counts, weights=whole.counts))
