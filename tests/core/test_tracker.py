import copy
import io
import math
import pickle
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from aoqlab import OscillationTracker
from aoqlab.tracker import STATISTICS, bytes_per_weight, counting, eager
from aoqlab.tracker.eager import count_all

BITS = range(2, 9)
LAYERS = {"first": (2, 3, 2), "scalar": (1,), "last": (7,)}


def walk(n, bits, steps, seed=0, move=0.4):
    """Random trajectory (steps, n): every weight moves by 1 or 2 levels now and then, and sometimes jumps anywhere."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 2**bits, n)
    rows = [codes]
    for _ in range(steps - 1):
        step = rng.integers(-2, 3, n) * (rng.random(n) < move)
        codes = np.clip(codes + step, 0, 2**bits - 1)
        jump = rng.random(n) < 0.05
        codes = np.where(jump, rng.integers(0, 2**bits, n), codes)
        rows.append(codes)
    return np.stack(rows)


def brute_weight(path, bits, momentum=0.01):
    """Every statistic of one weight from its codes over time, by definition."""
    crossings, oscillations, frequency, previous = 0, 0, 0.0, 0
    for before, now in pairwise(path):
        change = now - before
        crossings += abs(change)
        oscillates = change != 0 and previous != 0 and (change > 0) != (previous > 0)
        oscillations += oscillates
        frequency = momentum * oscillates + (1 - momentum) * frequency
        previous = change if change else previous
    visited = set(path) if bits <= 4 else set(range(min(path), max(path) + 1))
    return {
        "crossings": crossings,
        "oscillations": oscillations,
        "frequency": frequency,
        "visited": sum(1 << level for level in visited),
        "levels_visited": len(visited),
        "initial": path[0],
        "current": path[-1],
    }


def brute_layer(codes, bits, momentum=0.01, above=0.005):
    """Every statistic of one layer, from its trajectory (steps, n), by definition."""
    steps, n = codes.shape
    weights = [brute_weight([int(c) for c in codes[:, i]], bits, momentum) for i in range(n)]
    distances = [sum(int(a != b) for a, b in zip(row, codes[0], strict=True)) for row in codes]
    crossings, oscillations = sum(w["crossings"] for w in weights), sum(w["oscillations"] for w in weights)
    moves = max(1, steps - 1)
    return {
        "weights": n,
        "crossings": crossings,
        "crossings_per_step": crossings / n / moves,
        "oscillations": oscillations,
        "oscillations_per_step": oscillations / n / moves,
        "oscillating_share": sum(w["frequency"] > above for w in weights) / n,
        "changed_share": sum(w["crossings"] > 0 for w in weights) / n,
        "hamming": distances[-1],
        "hamming_share": distances[-1] / n,
        "hamming_max_share": max(distances) / n,
        "levels_visited": sum(w["levels_visited"] for w in weights) / n,
        "explored_volume": sum(math.log2(w["levels_visited"]) for w in weights) / (n * bits),
        "distinct_configurations": len({tuple(row) for row in codes}),
    }


def brute_transitions(codes, bits):
    table = np.zeros((2**bits, 2**bits), int)
    for before, now in pairwise(codes):
        for a, b in zip(before, now, strict=True):
            table[a, b] += a != b
    return table


def split(codes, layers):
    """The columns of a trajectory, by layer."""
    sizes = [math.prod(shape) for shape in layers.values()]
    return dict(zip(layers, np.split(codes, np.cumsum(sizes)[:-1], axis=-1), strict=True))


def feed(tracker, codes, layers=None):
    for row in codes:
        if layers is None:
            tracker.update(torch.tensor(row, dtype=torch.uint8))
        else:
            parts = split(row, layers).items()
            tracker.update({k: torch.tensor(v, dtype=torch.uint8).view(layers[k]) for k, v in parts})
    return tracker


def fed(bits, codes, **keywords):
    return feed(OscillationTracker(LAYERS, bits, **keywords), codes, LAYERS)


def size_of(layers):
    return sum(math.prod(shape) for shape in layers.values())


def same_state(one, other):
    a, b = one.state_dict(), other.state_dict()
    return a.keys() == b.keys() and all(torch.equal(a[k], b[k]) for k in a)


# ---- every statistic against its definition --------------------------------------------------------------------------


@pytest.mark.parametrize("bits", BITS)
def test_every_weight_is_counted_by_definition(bits, path):
    codes = walk(size_of(LAYERS), bits, 40, seed=bits)
    tracker = fed(bits, codes)
    for name, part in split(codes, LAYERS).items():
        expected = [brute_weight([int(c) for c in part[:, i]], bits) for i in range(part.shape[1])]
        exact = ["crossings", "oscillations", "levels_visited", "initial", "current"]
        for statistic in exact + ["visited"] * (bits <= 4):
            found = getattr(tracker, statistic)[name]
            assert found.shape == LAYERS[name]
            numbers = [int(v) % 2**16 if statistic == "visited" else int(v) for v in found.flatten()]
            assert numbers == [w[statistic] for w in expected], statistic
        frequency = tracker.frequency[name]
        np.testing.assert_allclose(frequency.flatten(), [w["frequency"] for w in expected], rtol=1e-5, atol=1e-9)


@pytest.mark.parametrize("bits", BITS)
def test_every_layer_is_counted_by_definition(bits, path):
    codes = walk(size_of(LAYERS), bits, 40, seed=bits)
    frame = fed(bits, codes).to_frame().set_index("layer")
    assert list(frame.columns) == ["steps", *STATISTICS, "distinct_configurations"]
    assert (frame["steps"] == 40).all()
    for name, part in split(codes, LAYERS).items():
        for statistic, expected in brute_layer(part, bits).items():
            assert frame.loc[name, statistic] == pytest.approx(expected, rel=1e-6), (name, statistic)


@pytest.mark.parametrize("bits", BITS)
def test_the_summary_is_that_of_all_weights(bits, path):
    codes = walk(size_of(LAYERS), bits, 40, seed=bits)
    summary, expected = fed(bits, codes).summary(), brute_layer(codes, bits)
    layers = [brute_layer(part, bits) for part in split(codes, LAYERS).values()]
    farthest = sum(layer["hamming_max_share"] * layer["weights"] for layer in layers) / codes.shape[1]
    expected |= {"steps": 40, "hamming_max_share": farthest}
    assert summary == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("bits", [2, 4, 5, 8])
def test_histograms_and_transitions_are_counted_by_definition(bits, path):
    codes = walk(size_of(LAYERS), bits, 40, seed=bits)
    tracker = fed(bits, codes)
    for layer, part in enumerate(split(codes, LAYERS).values()):
        assert tracker.level_histogram[layer].tolist() == np.bincount(part[-1], minlength=2**bits).tolist()
        assert tracker.transitions[layer].tolist() == brute_transitions(part, bits).tolist()


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("ends", [[], [20], [1, 6, 6, 17], [7, 20]])
def test_the_table_of_transitions_has_every_pair_of_every_period_and_no_other(bits, ends):
    codes = walk(size_of(LAYERS), bits, 20)
    tracker, fed_to = OscillationTracker(LAYERS, bits), 0
    for end in ends:
        feed(tracker, codes[fed_to:end], LAYERS)
        tracker.close_period()
        fed_to = end
        again = OscillationTracker(LAYERS, bits)  # also by way of a checkpoint
        again.load_state_dict(tracker.state_dict())
        tracker = again
    feed(tracker, codes[fed_to:], LAYERS)
    expected = [
        (period, name, a, b, count)
        for period, (start, end) in enumerate(pairwise([1, *ends, 20]), 1)
        for name, part in split(codes[max(0, start - 1) : end], LAYERS).items()
        for (a, b), count in np.ndenumerate(brute_transitions(part, bits))
        if count
    ]
    table = tracker.transition_frame()
    assert list(table.itertuples(index=False, name=None)) == expected
    assert list(table) == ["period", "layer", "from", "to", "count"]
    assert table.drop(columns="layer").dtypes.eq("int64").all()


def test_where_nothing_moved_the_table_of_transitions_is_empty():
    table = feed(OscillationTracker((6,), 2), np.zeros((5, 6), int)).transition_frame()
    assert len(table) == 0 and table.drop(columns="layer").dtypes.eq("int64").all()


@settings(max_examples=25)
@given(st.data())
def test_any_trajectory_is_counted_by_definition(without_kernels, data):
    bits = data.draw(st.sampled_from(BITS))
    shapes = data.draw(st.lists(st.sampled_from([(1,), (2,), (3, 2), ()]), min_size=1, max_size=4))
    layers = {f"layer {i}": shape for i, shape in enumerate(shapes)}
    code = st.integers(0, 2**bits - 1)
    row = st.lists(code, min_size=size_of(layers), max_size=size_of(layers))
    codes = np.array(data.draw(st.lists(row, min_size=1, max_size=12)))
    tracker = feed(OscillationTracker(layers, bits), codes, layers)
    frame = tracker.to_frame().set_index("layer")
    for name, part in split(codes, layers).items():
        for statistic, expected in brute_layer(part, bits).items():
            assert frame.loc[name, statistic] == pytest.approx(expected, rel=1e-6), (name, statistic)
    assert tracker.distinct_configurations()[1] == len({tuple(row) for row in codes})
    with without_kernels():
        assert same_state(tracker, feed(OscillationTracker(layers, bits), codes, layers))


def test_turning_back_oscillates_and_continuing_does_not():
    tracker = feed(OscillationTracker((1,), 3), [[0], [1], [2], [2], [1], [1], [3], [3]])
    assert (tracker.crossings.item(), tracker.oscillations.item()) == (5, 2)
    # two oscillations, the second after two more steps, then one step of rest
    assert tracker.frequency.item() == pytest.approx((0.01 * 0.99**2 + 0.01) * 0.99)


def test_above_four_bits_all_between_the_lowest_and_highest_count_as_visited():
    jump = [[0], [15], [0]]
    assert feed(OscillationTracker((1,), 4), jump).levels_visited.item() == 2
    tracker = feed(OscillationTracker((1,), 5), jump)
    assert tracker.levels_visited.item() == 16
    with pytest.raises(ValueError, match="kept up to 4 bits, not at 5"):
        _ = tracker.visited


def test_frequencies_decay_to_zero_and_keep_their_direction():
    tracker = feed(OscillationTracker((2,), 2, momentum=0.5), [[0, 0], [1, 1], [0, 1]])
    feed(tracker, [[0, 1]] * 1100)
    assert tracker.frequency.tolist() == [0.0, 0.0]
    feed(tracker, [[1, 0]])  # both turn back: the first was going down, the second up
    assert tracker.oscillations.tolist() == [2, 1]
    assert tracker.frequency.tolist() == [0.5, 0.5]


@pytest.mark.parametrize("momentum", [0.3, 1.0])
def test_the_momentum_is_that_of_the_formula(momentum, path):
    codes = walk(30, 2, 40)
    tracker = feed(OscillationTracker((30,), 2, momentum=momentum), codes)
    expected = [brute_weight([int(c) for c in codes[:, i]], 2, momentum)["frequency"] for i in range(30)]
    np.testing.assert_allclose(tracker.frequency, expected, rtol=1e-5, atol=1e-7)


def test_a_whole_number_as_momentum_is_as_good_as_a_float(as_shipped, path):
    codes = walk(20, 2, 10)
    whole, real = (feed(OscillationTracker((20,), 2, momentum=m), codes) for m in (1, 1.0))
    assert same_state(whole, real) and whole.frequency.max() == 1


def test_oscillating_above_is_the_limit_of_the_share():
    codes = walk(200, 2, 30)
    frequencies = [brute_weight([int(c) for c in codes[:, i]], 2)["frequency"] for i in range(200)]
    tracker = feed(OscillationTracker((200,), 2, oscillating_above=0.03), codes)
    share = sum(f > 0.03 for f in frequencies) / 200
    assert 0 < share < 1 and tracker.summary()["oscillating_share"] == share


# ---- two paths, many layers ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", BITS)
def test_native_and_eager_end_with_the_same_bytes(bits, kernels, without_kernels):
    codes = walk(size_of(LAYERS), bits, 50, seed=1)
    native = fed(bits, codes, record_every=7)
    with without_kernels():
        eager = fed(bits, codes, record_every=7)
    assert same_state(native, eager)


@pytest.mark.parametrize("bits", BITS)
def test_counting_without_looking_which_weights_moved_ends_with_the_same_bytes(bits, without_kernels, monkeypatch):
    codes = walk(size_of(LAYERS), bits, 50, seed=1)
    with without_kernels():
        sparse = fed(bits, codes, record_every=7)
        monkeypatch.setattr(counting, "count_moved", count_all)  # as on a GPU
        assert same_state(sparse, fed(bits, codes, record_every=7))


@pytest.mark.parametrize("bits", [2, 6])
def test_the_number_of_threads_changes_nothing(bits, threads, kernels):
    layers = {"a": (100_001,), "b": (1,), "c": (99_999,), "d": (70_000,)}
    codes = walk(size_of(layers), bits, 5)
    results = []
    for count in (1, 3, 4):
        threads(count)
        results.append(feed(OscillationTracker(layers, bits), codes, layers))
    assert same_state(results[0], results[1]) and same_state(results[0], results[2])


@pytest.mark.parametrize("bits", [2, 5])
def test_many_layers_are_as_many_trackers(bits, path):
    rng = np.random.default_rng(0)
    layers = {f"layer{i}": (int(size),) for i, size in enumerate(rng.integers(1, 40, 500))}
    codes = walk(size_of(layers), bits, 8)
    together = feed(OscillationTracker(layers, bits), codes, layers).to_frame().set_index("layer")
    for name, part in list(split(codes, layers).items())[::23]:
        alone = feed(OscillationTracker(layers[name], bits), part).to_frame().drop(columns="layer")
        pd.testing.assert_series_equal(together.loc[name], alone.loc[0], check_names=False)


def test_configurations_of_all_layers_count_together():
    layers = {"a": (1,), "b": (1,)}
    tracker = feed(OscillationTracker(layers, 2), [[0, 0], [0, 1], [1, 0], [1, 1], [0, 0]], layers)
    per_layer, total = tracker.distinct_configurations()
    assert per_layer.tolist() == [2, 2] and total == 4


def test_configurations_are_counted_past_every_growth_of_the_table():
    codes = walk(12, 2, 1500, move=0.02)
    tracker = feed(OscillationTracker((12,), 2), codes)
    assert tracker.distinct_configurations()[1] == len({tuple(row) for row in codes})


def test_configurations_can_be_left_out():
    tracker = feed(OscillationTracker((3,), 2, count_configurations=False), walk(3, 2, 5))
    assert "distinct_configurations" not in tracker.summary()
    assert "distinct_configurations" not in tracker.to_frame() and not len(tracker._configurations)


@pytest.mark.parametrize("bits", [2, 5])
def test_without_configurations_nothing_is_hashed_and_everything_else_counts_the_same(
    bits, path, without_kernels, monkeypatch
):
    codes = walk(size_of(LAYERS), bits, 30)
    with_them, without = (fed(bits, codes, record_every=7, count_configurations=c) for c in (True, False))
    a, b = with_them.state_dict(), without.state_dict()
    hashes = {"_hash", "_configurations"}
    assert all(torch.equal(a[k], b[k]) for k in a.keys() - hashes) and a.keys() == b.keys()
    assert a["_hash"].all() and not b["_hash"].any()
    with without_kernels():
        monkeypatch.setattr(eager, "splitmix", lambda z: pytest.fail("hashed"))
        monkeypatch.setattr(counting, "splitmix", lambda z: pytest.fail("hashed"))
        assert same_state(without, fed(bits, codes, record_every=7, count_configurations=False))
        monkeypatch.setattr(counting, "count_moved", count_all)
        assert same_state(without, fed(bits, codes, record_every=7, count_configurations=False))


# ---- history ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 5])
def test_the_history_is_the_statistics_at_its_cadence(bits, path):
    codes = walk(size_of(LAYERS), bits, 23)
    history = fed(bits, codes, record_every=5).history_frame()
    assert history["step"].unique().tolist() == [0, 5, 10, 15, 20]
    for step, rows in history.groupby("step"):
        frame = fed(bits, codes[: step + 1]).to_frame()
        expected = frame.drop(columns=["steps", "distinct_configurations"])
        pd.testing.assert_frame_equal(rows.drop(columns="step").reset_index(drop=True), expected)


def test_the_level_frame_is_the_histograms_at_its_cadence():
    codes = walk(size_of(LAYERS), 3, 11)
    frame = fed(3, codes, record_every=4).level_frame()
    assert list(frame.columns) == ["step", "layer", "level", "count", "share"]
    assert len(frame) == 3 * len(LAYERS) * 8
    for row in frame.itertuples():
        now = split(codes[row.step], LAYERS)[row.layer]
        assert row.count == (now == row.level).sum() and row.share == row.count / len(now)


def test_without_pyarrow_saving_says_what_it_needs_and_leaves_nothing(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        ImportError, match=r"^save_history writes parquet files, which needs pyarrow: pip install pyarrow$"
    ):
        fed(2, walk(size_of(LAYERS), 2, 9), record_every=2).save_history(tmp_path)
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_that_saw_nothing_reports_nothing():
    tracker = OscillationTracker(LAYERS, 2, record_every=1)
    summary = tracker.summary()
    assert summary["weights"] == size_of(LAYERS)
    assert all(value == 0 for name, value in summary.items() if name != "weights")
    assert len(tracker.to_frame()) == 3
    assert tracker.history_frame().empty and tracker.level_frame().empty


# ---- a life as a module ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bits", [2, 4, 5, 8])
def test_a_resumed_run_ends_with_the_same_bytes(bits, path):
    codes = walk(size_of(LAYERS), bits, 40)
    whole, first = fed(bits, codes, record_every=7), fed(bits, codes[:22], record_every=7)
    stream = io.BytesIO()
    torch.save(first.state_dict(), stream)
    stream.seek(0)
    resumed = OscillationTracker(LAYERS, bits, record_every=7)
    resumed.load_state_dict(torch.load(stream, weights_only=True))
    feed(resumed, codes[22:], LAYERS)
    assert same_state(resumed, whole)
    assert resumed.summary() == whole.summary()
    pd.testing.assert_frame_equal(resumed.history_frame(), whole.history_frame())


def test_taking_a_checkpoint_does_not_disturb_the_run():
    codes = walk(size_of(LAYERS), 2, 20)
    quiet, watched = fed(2, codes), OscillationTracker(LAYERS, 2)
    for row in codes:
        feed(watched, [row], LAYERS).state_dict()
    assert same_state(quiet, watched)


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda t: pickle.loads(pickle.dumps(t))], ids=["deepcopy", "pickle"])
def test_a_copy_continues_on_its_own(copied):
    codes = walk(size_of(LAYERS), 2, 20)
    tracker = fed(2, codes[:10])
    other = feed(copied(tracker), codes[10:], LAYERS)
    assert same_state(other, fed(2, codes)) and same_state(tracker, fed(2, codes[:10]))


def test_a_checkpoint_of_other_layers_is_refused():
    with pytest.raises(RuntimeError, match="size mismatch"):
        OscillationTracker((5,), 2).load_state_dict(fed(2, walk(size_of(LAYERS), 2, 3)).state_dict())


@pytest.mark.parametrize("bits", [2, 4, 6])
@pytest.mark.parametrize(
    "name, value",
    [
        ("_current", 255),
        ("_initial", 64),
        ("_highest", 64),
        ("_visited", 16),
        ("steps", -1),
        ("_crossings", -1),
        ("_oscillations", -5),
        ("_hamming", -1),
        ("level_histogram", -1),
        ("transitions", -2),
        ("_record_steps", -1),
        ("_record_levels", -1),
        ("_periods", -1),
        ("_period_transitions", 10**6),
    ],
)
def test_a_state_that_no_tracker_has_is_refused_and_changes_nothing(name, value, bits):
    codes = walk(size_of(LAYERS), bits, 12)
    tracker, other = fed(bits, codes, record_every=3), fed(bits, codes[:5], record_every=3)
    tracker.close_period()
    state = tracker.state_dict()
    if name not in state or (name == "_visited" and bits == 4):
        pytest.skip("at this number of bits there is no such buffer, or every value is one of it")
    state[name] = torch.full_like(state[name], value)
    before = copy.deepcopy(other)
    with pytest.raises(ValueError, match=f"damaged tracker state: {name}"):
        other.load_state_dict(state)
    assert same_state(other, before)


def test_states_of_another_type_or_of_uneven_tables_are_refused():
    tracker = fed(2, walk(size_of(LAYERS), 2, 12), record_every=3)
    state = tracker.state_dict()
    with pytest.raises(ValueError, match=r"_current is torch\.float32, not torch\.uint8"):
        OscillationTracker(LAYERS, 2).load_state_dict(state | {"_current": state["_current"].float()})
    with pytest.raises(ValueError, match=r"the tables of the history have \[3, 4\] rows"):
        OscillationTracker(LAYERS, 2).load_state_dict(state | {"_record_steps": state["_record_steps"][1:]})


def test_evaluation_counts_nothing():
    codes = walk(size_of(LAYERS), 2, 10)
    tracker = fed(2, codes[:5], record_every=1)
    before = copy.deepcopy(tracker)
    feed(tracker.eval(), codes[5:], LAYERS)
    assert same_state(tracker, before)
    feed(tracker.train(), codes[5:], LAYERS)
    assert same_state(tracker, fed(2, codes, record_every=1))


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float64], ids=str)
@pytest.mark.parametrize("bits", [2, 5])
def test_changing_the_dtype_leaves_the_counts_alone(bits, dtype):
    codes = walk(size_of(LAYERS), bits, 20)
    tracker = fed(bits, codes[:10], record_every=3)
    module = torch.nn.ModuleDict({"tracker": tracker}).to(dtype)
    feed(module["tracker"], codes[10:], LAYERS)
    assert same_state(tracker, fed(bits, codes, record_every=3))


@pytest.mark.parametrize("bits", BITS)
def test_a_weight_costs_at_most_sixteen_bytes(bits):
    n = 1_000_000
    tracker = OscillationTracker((n,), bits)
    assert bytes_per_weight(tracker) <= 16
    tables = {"level_histogram", "transitions"}
    everything = sum(b.numel() * b.element_size() for k, b in tracker.named_buffers() if k not in tables)
    assert everything <= 16 * n + 100


def test_codes_may_be_integers_of_any_size():
    codes = walk(6, 2, 10)
    expected = feed(OscillationTracker((6,), 2), codes)
    for dtype in (torch.int8, torch.int16, torch.int32, torch.int64):
        tracker = OscillationTracker((6,), 2)
        for row in codes:
            tracker.update(torch.tensor(row, dtype=dtype))
        assert same_state(tracker, expected)


def test_codes_may_have_any_layout(path):
    codes = torch.tensor(walk(24, 2, 10), dtype=torch.uint8).view(10, 2, 3, 4)
    plain, turned = OscillationTracker((2, 3, 4), 2), OscillationTracker((4, 3, 2), 2)
    for row in codes:
        plain.update(row)
        turned.update(row.permute(2, 1, 0))
    assert torch.equal(turned.crossings.permute(2, 1, 0), plain.crossings)
    assert torch.equal(turned.transitions, plain.transitions)


def test_the_codes_given_are_not_kept():
    row = torch.tensor([0, 1, 2], dtype=torch.uint8)
    tracker = OscillationTracker((3,), 2)
    tracker.update(row)
    row.fill_(3)
    assert tracker.current.tolist() == tracker.initial.tolist() == [0, 1, 2]
    tracker.update(row)
    assert row.tolist() == [3, 3, 3] and tracker.crossings.tolist() == [3, 2, 1]


def test_flat_codes_match_all_layers():
    codes = walk(size_of(LAYERS), 2, 10)
    tracker = OscillationTracker(LAYERS, 2)
    for row in codes:
        tracker.update_flat(torch.tensor(row, dtype=torch.uint8))
    assert same_state(tracker, fed(2, codes))


# ---- mistakes --------------------------------------------------------------------------------------------------------


def uint8(*shape):
    return torch.zeros(shape, dtype=torch.uint8)


GOOD = {name: uint8(*shape) for name, shape in LAYERS.items()}
MISTAKES = {
    "shape": (GOOD | {"last": uint8(8)}, r"layer 'last' needs integer codes of shape \(7,\), got torch.uint8 \(8,\)"),
    "transposed": (GOOD | {"first": uint8(2, 2, 3)}, r"'first' needs integer codes of shape \(2, 3, 2\)"),
    "float": (GOOD | {"scalar": torch.zeros(1)}, r"'scalar' needs integer codes of shape \(1,\), got torch.float32"),
    "missing": ({k: v for k, v in GOOD.items() if k != "first"}, r"missing \['first'\], unknown \[\]"),
    "unknown": (GOOD | {"new": uint8(1)}, r"missing \[\], unknown \['new'\]"),
    "tensor": (uint8(20), r"missing \['first', 'last', 'scalar'\]"),
    "too high": (GOOD | {"last": uint8(7) + 4}, r"layers \['last'\] have codes outside 0 ... 3"),
    "negative": (GOOD | {"last": torch.full((7,), -1)}, r"layers \['last'\] have codes outside 0 ... 3"),
    "wrapped": (GOOD | {"last": torch.full((7,), 256)}, r"layers \['last'\] have codes outside 0 ... 3"),
}


@pytest.mark.parametrize("mistake", MISTAKES.values(), ids=MISTAKES.keys())
def test_mistakes_are_named_and_leave_the_counts_untouched(mistake):
    codes, message = mistake
    tracker = fed(2, walk(size_of(LAYERS), 2, 5), record_every=1)
    before = copy.deepcopy(tracker)
    with pytest.raises(ValueError, match=message):
        tracker.update(codes)
    assert same_state(tracker, before)


@pytest.mark.parametrize(
    "codes", [uint8(19), uint8(4, 5), torch.zeros(20, dtype=torch.int64)], ids=["few", "2-d", "int64"]
)
def test_flat_codes_that_do_not_fit_are_refused(codes):
    tracker = fed(2, walk(size_of(LAYERS), 2, 5))
    with pytest.raises(ValueError, match=r"update_flat needs uint8 codes of shape \(20,\)"):
        tracker.update_flat(codes)


def test_eight_bits_take_every_uint8_code_and_no_other():
    tracker = OscillationTracker((2,), 8)
    tracker.update(torch.tensor([0, 255], dtype=torch.uint8))
    with pytest.raises(ValueError, match=r"codes outside 0 \.\.\. 255"):
        tracker.update(torch.tensor([0, 256]))


@pytest.mark.parametrize(
    ("keywords", "message"),
    [
        ({"bits": 9}, "bits must be an integer from 2 to 8, got 9"),
        ({"bits": True}, "bits must be an integer from 2 to 8, got True"),
        ({"shape": {}}, "every layer needs at least one weight"),
        ({"shape": (3, 0)}, "every layer needs at least one weight"),
        ({"momentum": 0.0}, r"momentum must be in \(0, 1\], got 0.0"),
        ({"momentum": math.nan}, r"momentum must be in \(0, 1\], got nan"),
        ({"record_every": 0}, "record_every must be a whole number of at least 1, or None, got 0"),
        ({"record_every": 2.5}, "record_every must be a whole number of at least 1, or None, got 2.5"),
    ],
)
def test_arguments_out_of_range_are_refused(keywords, message, as_shipped):
    with pytest.raises(ValueError, match=message):
        OscillationTracker(**{"shape": (3,), "bits": 2} | keywords)


def test_the_representation_says_what_it_is():
    assert repr(fed(2, walk(20, 2, 3))) == "OscillationTracker(bits=2, layers=3, weights=20, steps=3)"
