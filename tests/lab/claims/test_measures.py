import itertools

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats

from aoqlab.lab.claims.measures import interval_scalars, normalised, over_layers, overlap, scalars
from aoqlab.tracker import OscillationTracker
from aoqlab.tracker.step_sizes import movement

STATISTICS = ("movement", "detrended_movement", "reversal_rate", "lag1_correlation")


def history(rates, *, oscillating=None, explored=None, interval=None, back=None):
    """A normalised history with equally spaced records; the first has no rate. ``back``: half of the crossings."""
    n = len(rates)
    frame = pd.DataFrame({"progress": np.linspace(0, 1, n + 1), "crossings": [np.nan, *rates]})
    frame["oscillations"] = frame["crossings"] / 2 if back is None else [np.nan, *back]
    frame["oscillating_share"] = np.zeros(n + 1) if oscillating is None else oscillating
    frame["explored_volume"] = np.zeros(n + 1) if explored is None else explored
    if interval is not None:
        frame["level_interval"] = interval
    return frame


def blocks(rows, **columns):
    """(progress at the end, steps) per block; all statistics 0 unless named."""
    frame = pd.DataFrame(rows, columns=["progress", "steps"])
    return frame.assign(**dict.fromkeys(STATISTICS, 0.0)).assign(**columns)


# From trackers to a history


def tracked(shapes, steps, *, seed=0):
    rng = np.random.default_rng(seed)
    tracker = OscillationTracker(shapes, bits=2, record_every=5)
    stored = []
    for _ in range(steps + 1):
        codes = {name: torch.from_numpy(rng.integers(0, 4, shape).astype(np.uint8)) for name, shape in shapes.items()}
        tracker.update(codes)
        stored.append(np.concatenate([codes[name].numpy().ravel() for name in shapes]).astype(int))
    return tracker.history_frame(), np.array(stored)


def turns(codes):
    """How often a weight's code changed in the direction opposite to its last change."""
    moves = [step for step in np.diff(codes) if step]
    return sum(a * b < 0 for a, b in itertools.pairwise(moves))


def test_layers_together_are_one_layer_with_all_weights():
    """Brute force on the stored codes of layers of different size."""
    frame, codes = tracked({"small": (3,), "large": (5, 8)}, 20)
    found = over_layers(frame).set_index("step")
    assert found.index.tolist() == [0, 5, 10, 15, 20]
    for step in found.index:
        until = codes[: step + 1]
        visited = [len(set(weight)) for weight in until.T]
        crossed = np.abs(np.diff(until, axis=0)).sum(0)
        expected = {
            "crossings_total": crossed.mean(),
            "oscillations_total": np.mean([turns(weight) for weight in until.T]),
            "changed_share": (crossed > 0).mean(),
            "hamming_share": (until[-1] != until[0]).mean(),
            "explored_volume": np.log2(visited).sum() / (43 * 2),
        }
        assert found.loc[step, list(expected)].to_dict() == pytest.approx(expected)


def test_oscillating_weights_are_counted_over_all_layers():
    frame = pd.DataFrame({"step": [0, 0], "weights": [1, 3], "crossings": [2, 2], "oscillating_share": [1.0, 0.2]})
    frame = frame.assign(oscillations=1, explored_volume=0.0, hamming_share=0.0, changed_share=0.0)
    assert over_layers(frame)["oscillating_share"].tolist() == [pytest.approx((1 + 3 * 0.2) / 4)]
    assert over_layers(frame)["crossings_total"].tolist() == [1.0]


def test_the_rate_is_that_of_the_stored_codes():
    frame, codes = tracked({"only": (7,)}, 20)
    found = normalised(over_layers(frame), 40)
    crossed = np.abs(np.diff(codes, axis=0)).mean(1)
    assert found["progress"].tolist() == [0, 0.125, 0.25, 0.375, 0.5]
    assert np.isnan(found["crossings"][0])
    assert found["crossings"][1:].tolist() == pytest.approx([1000 * crossed[i : i + 5].mean() for i in range(0, 20, 5)])


def test_rates_of_unequal_records_are_per_step():
    frame = pd.DataFrame({"step": [0, 10, 12], "crossings_total": [0.0, 0.1, 0.2], "oscillations_total": [0, 0, 0.1]})
    frame = frame.assign(oscillating_share=0.0, explored_volume=0.0, hamming_share=0.0, changed_share=0.0)
    found = normalised(frame.assign(loss=3.0, level_interval=1.0, other=5.0), 12)
    assert found["crossings"][1:].tolist() == pytest.approx([10, 50])
    assert found["oscillations"][1:].tolist() == pytest.approx([0, 50])
    assert {"loss", "level_interval"} <= set(found)
    assert "other" not in found
    assert not {"loss", "level_interval"} & set(normalised(frame, 12))


# From a history to numbers


def test_the_windows_match_the_stages():
    found = scalars(history([8, 6, 1, 2, 3, 6, 0, 0, 5, 7], back=[1, 2, 9, 9, 9, 9, 0, 0, 1, 3]))
    assert found["oscillations_shrink"] == pytest.approx(1.5)
    assert found["oscillations_dampen"] == pytest.approx(1)
    assert found["crossings_shrink"] == pytest.approx(7)
    assert found["crossings_widen"] == pytest.approx(3)
    assert found["crossings_dampen"] == pytest.approx(3)


@pytest.mark.parametrize("records", [5, 10, 25, 40, 100, 250])
def test_windows_make_up_the_whole(records):
    """Rates in the windows, weighted by their lengths, are the rate over the run, where records end at 0.2 and 0.6."""
    rates = np.random.default_rng(records).random(records)
    found = scalars(history(rates))
    whole = 0.2 * found["crossings_shrink"] + 0.4 * found["crossings_widen"] + 0.4 * found["crossings_dampen"]
    assert whole == pytest.approx(rates.mean())


def test_records_count_by_the_progress_they_cover():
    frame = history([1, 1, 1]).assign(progress=[0, 0.05, 0.2, 1.0], crossings=[np.nan, 8.0, 4.0, 0.0])
    assert scalars(frame)["crossings_shrink"] == pytest.approx((8 * 0.05 + 4 * 0.15) / 0.2)


def test_a_window_without_a_record_has_no_rate():
    found = scalars(history([1.0]))
    assert np.isnan([found["crossings_shrink"], found["crossings_widen"]]).all()
    assert found["crossings_dampen"] == 1


def test_a_run_without_tracker_has_no_numbers():
    missing = np.full(11, np.nan)
    found = scalars(history([np.nan] * 10, oscillating=missing, explored=missing, interval=missing))
    assert np.isnan(list(found.values())).all()


def test_shares_are_compared_at_the_borders_of_stages():
    share = np.array([9, 1, 2, 3, 4, 5, 8, 5, 4, 3, 1]) / 10
    found = scalars(history([0] * 10, oscillating=share, explored=np.arange(11) ** 2 / 100))
    assert found["oscillating"] == pytest.approx(share[1:].mean())  # the start cannot oscillate yet
    assert found["oscillating_calmed"] == pytest.approx(0.1 - 0.8)
    assert found["explored_after"] == pytest.approx(1 - 0.04)


def test_widening_is_judged_inside_its_window_alone():
    rates = np.array([50, 1, 50, 1, *range(8, 0, -1), *[50, 1] * 4], dtype=float)
    interval = np.concatenate([np.full(5, 1.0), np.linspace(1.1, 1.8, 8), np.full(8, 0.1)])
    found = scalars(history(rates, interval=interval))
    assert found["widen_correlation"] == pytest.approx(-1)
    assert found["widen_calmed"] == pytest.approx((2 + 1) / 2 - (8 + 7) / 2)
    assert found["widen_growth"] == pytest.approx(0.8)


def test_the_correlation_is_spearmans():
    rng = np.random.default_rng(0)
    rates, interval = rng.random(40), rng.random(41)
    found = scalars(history(rates, interval=interval))["widen_correlation"]
    # Of records 9 to 24 of 40, and rate i is that of record i + 1.
    expected = stats.pearsonr(stats.rankdata(interval[9:25]), stats.rankdata(rates[8:24])).statistic
    assert found == pytest.approx(expected)


@pytest.mark.parametrize("constant", ["rates", "interval"])
def test_what_does_not_vary_has_no_correlation(constant):
    varying = np.arange(1.0, 22.0)
    rates = np.ones(20) if constant == "rates" else varying[1:]
    interval = np.ones(21) if constant == "interval" else varying
    assert np.isnan(scalars(history(rates, interval=interval))["widen_correlation"])


def test_no_level_interval_no_widening():
    found = scalars(history(range(20)))
    assert np.isnan([found["widen_correlation"], found["widen_growth"]]).all()
    assert np.isfinite(found["widen_calmed"])


# Step sizes


def test_only_blocks_that_begin_after_the_shrink_stage_count():
    frame = blocks([(0.1, 10), (0.2, 10), (0.3, 10), (1.0, 70)], reversal_rate=[9, 9, 0.5, 0.1])
    assert interval_scalars(frame)["reversal_rate"] == pytest.approx((0.5 * 10 + 0.1 * 70) / 80)


def test_a_block_across_the_border_does_not_count():
    frame = blocks([(0.25, 1), (0.5, 1), (0.75, 1), (1.0, 1)], lag1_correlation=[9, 1, 2, 3])
    assert interval_scalars(frame)["lag1_correlation"] == pytest.approx(2)


def test_layers_count_by_their_weights():
    rows = [(p, 50) for p in (0.5, 1.0) for _ in range(2)]
    frame = blocks(rows, weights=[100, 300] * 2, reversal_rate=[9, 9, 0.1, 0.5])
    assert interval_scalars(frame)["reversal_rate"] == pytest.approx(0.4)


@pytest.mark.parametrize("per_block", [10, 40])
def test_movement_is_the_total_variation_per_1000_steps_whatever_the_blocks(per_block):
    """Brute force on the trajectory: a step size that goes to and fro around 1."""
    total = 400
    series = torch.tensor([1.0, 1.01] * (total // 2) + [1.0], dtype=torch.float64)
    rows = []
    for end in range(per_block, total + 1, per_block):
        found = movement(series[end - per_block : end + 1, None])
        rows.append({"progress": end / total, "steps": per_block, **{k: float(found[k][0]) for k in STATISTICS}})
    found = interval_scalars(pd.DataFrame(rows))
    late = series[80:]
    expected = 1000 * float(late.diff().abs().sum() / late.mean()) / (total - 80)
    assert found["movement"] == pytest.approx(expected, rel=1e-3)
    assert found["detrended_movement"] == pytest.approx(expected, rel=1e-3)
    assert found["reversal_rate"] == 1


def test_a_steady_widening_moves_but_not_beyond_its_trend():
    rows = []
    for end in range(50, 501, 50):
        found = movement(torch.linspace(1 + (end - 50) / 500, 1 + end / 500, 51, dtype=torch.float64)[:, None])
        rows.append({"progress": end / 500, "steps": 50, **{k: float(found[k][0]) for k in STATISTICS}})
    found = interval_scalars(pd.DataFrame(rows))
    assert found["movement"] > 1
    assert found["detrended_movement"] == pytest.approx(0, abs=1e-9)


def test_no_learned_step_size_no_movement():
    assert np.isnan(list(interval_scalars(pd.DataFrame()).values())).all()
    assert np.isnan(list(interval_scalars(blocks([(1.0, 100)])).values())).all()  # it begins before 0.2


def test_a_block_without_a_number_does_not_count_as_calm():
    found = interval_scalars(blocks([(0.5, 1), (0.75, 1), (1.0, 1)], movement=[1.0, np.nan, 1.0]))
    assert np.isnan(found["movement"])
    assert found["reversal_rate"] == 0


# Figure 2


def brute_force_overlap(weights, codes, bins):
    order = np.sort(weights)
    cells = [set(cell) for cell in np.array_split(order, bins)]
    groups = [weights[codes == code] for code in sorted(set(codes))]
    shares = [[np.mean([w in cell for w in group]) for cell in cells] for group in groups]
    pairs = [sum(min(a, b) for a, b in zip(p, q, strict=True)) for p, q in itertools.combinations(shares, 2)]
    return np.mean(pairs)


def test_overlap_is_the_sum_over_cells_of_equal_count():
    rng = np.random.default_rng(0)
    weights = rng.normal(size=400)
    codes = (weights + rng.normal(size=400) > 0).astype(int) + (weights + rng.normal(size=400) > 0)
    assert overlap(weights, codes, bins=8) == pytest.approx(brute_force_overlap(weights, codes, 8))


def test_slices_side_by_side_do_not_overlap():
    weights = np.linspace(-1, 1, 400)
    assert overlap(weights, np.arange(400) // 100) == 0


def test_interleaved_levels_overlap_fully():
    weights = np.linspace(-1, 1, 400)
    assert overlap(weights, np.arange(400) % 2, bins=20) == pytest.approx(1)


def test_overlap_does_not_depend_on_scale_or_names_of_levels():
    rng = np.random.default_rng(1)
    weights, codes = rng.normal(size=2000), rng.integers(0, 4, 2000)
    assert overlap(7 * weights**3, 3 - codes) == pytest.approx(overlap(weights, codes))


def test_unrelated_levels_overlap_by_the_documented_amount():
    """1 - sqrt(bins / (pi n)) with n weights a level, on samples of the same distribution."""
    rng = np.random.default_rng(2)
    found = [overlap(rng.normal(size=8000), rng.permutation(np.arange(8000) % 4)) for _ in range(20)]
    assert np.mean(found) == pytest.approx(1 - np.sqrt(40 / (np.pi * 2000)), abs=0.01)


def test_levels_with_fewer_weights_than_bins_say_nothing():
    weights, codes = np.linspace(-1, 1, 405), np.arange(405) % 2
    codes[:5] = 3
    assert overlap(weights, codes) == pytest.approx(overlap(weights[5:], codes[5:]), abs=0.05)
    assert np.isnan(overlap(weights, np.zeros(405, dtype=int)))
    assert np.isnan(overlap(weights[:30], codes[5:35]))
