"""The 2-D landscape against plain loops and hand-made cases."""

import itertools
import math

import numpy as np
import pandas as pd
import pytest
import torch
from scipy import stats
from scipy.spatial import ConvexHull

from aoqlab.lab.toy.basins import MEANS, hull_area, shares
from aoqlab.lab.toy.landscape import LandscapeProblem, Well, run_landscape, sweep, tuned
from aoqlab.schedule import ThreeStage

PROBLEM = LandscapeProblem()
SCHEDULE = ThreeStage(shrink_min=0.4, dampening=0.05)
GRID = np.stack(np.meshgrid(PROBLEM.levels, PROBLEM.levels, indexing="ij"), -1).reshape(-1, 2)


def f(w1, w2, exp=math.exp):
    """f of the default problem, written out."""
    shallow = exp(-((w1 + 0.7) ** 2 + (w2 - 0.7) ** 2) / (2 * 0.45**2))
    deep = 1.5 * exp(-((w1 - 0.7) ** 2 + (w2 + 0.7) ** 2) / (2 * 0.55**2))
    return 0.1 * (w1**2 + w2**2) - shallow - deep


def nearest(w, interval):
    """Position of one weight by counting thresholds."""
    return sum(w >= interval * (k + 0.5) for k in range(-3, 3)) - 3


def loop(start, steps, lr, schedule=None):
    """One run as a plain loop: latent weights and positions at every step."""
    w, track = list(start), []
    for t in range(steps + 1):
        p = t / steps
        alpha, widen, dampening = 1.0, 1.0, 0.0
        if schedule is not None:
            least = schedule.shrink_min
            if p <= schedule.shrink_until:
                alpha = widen = least + (1 - least) * (1 + math.cos(math.pi * p / schedule.shrink_until)) / 2
            else:
                alpha = least
            if schedule.shrink_until < p < schedule.dampen_from:
                part = (p - schedule.shrink_until) / (schedule.dampen_from - schedule.shrink_until)
                widen = least + (1 - least) * (1 - math.cos(math.pi * part)) / 2
            if p >= schedule.dampen_from:
                dampening = schedule.dampening
        k = [nearest(x, 0.5 * alpha) for x in w]
        track.append((*w, *k))
        q = [0.5 * widen * x for x in k]
        gradient = PROBLEM.gradient(np.array(q))
        away = [x - 0.5 * alpha * position for x, position in zip(w, k, strict=True)]
        norm = math.hypot(*away) or 1.0
        w = [x - lr * (g + dampening * a / norm) for x, g, a in zip(w, gradient, away, strict=True)]
    return np.array(track)


def test_value_is_the_formula():
    for point in GRID:
        assert PROBLEM.value(point) == pytest.approx(f(*point), rel=1e-12)


def test_gradient_is_exact():
    points = np.random.default_rng(0).uniform(-2, 2, (200, 2))
    w = torch.tensor(points, requires_grad=True)
    f(w[:, 0], w[:, 1], exp=torch.exp).sum().backward()
    np.testing.assert_allclose(PROBLEM.gradient(points), w.grad, rtol=1e-12, atol=1e-14)
    for axis in np.eye(2):
        slope = (PROBLEM.value(points + 1e-6 * axis) - PROBLEM.value(points - 1e-6 * axis)) / 2e-6
        np.testing.assert_allclose(PROBLEM.gradient(points) @ axis, slope, atol=1e-8)


def test_surface_has_a_row_per_w2():
    values, x, y = PROBLEM.surface(31)
    assert values.shape == (31, 31) and len(x) == len(y) == 31
    assert values[3, 20] == pytest.approx(f(x[20], y[3]))
    assert x[0] == pytest.approx(-1.75) and x[-1] == pytest.approx(1.75)


def test_the_default_basins_are_as_documented():
    value = dict(zip(map(tuple, GRID), PROBLEM.value(GRID), strict=True))
    minima = {}
    for (a, b), height in value.items():
        around = [(a + i, b + j) for i in (-0.5, 0, 0.5) for j in (-0.5, 0, 0.5)]
        if all(height <= value.get(point, math.inf) for point in around):
            minima[a, b] = round(height, 2)
    assert minima == {(-0.5, 0.5): -0.78, (0.5, -0.5): -1.27}
    # the lowest pass between them: the first height at which they are joined
    for ceiling in sorted(value.values()):
        reached, todo = set(), [(-0.5, 0.5)]
        while todo:
            a, b = todo.pop()
            if (a, b) in reached or value.get((a, b), math.inf) > ceiling:
                continue
            reached.add((a, b))
            todo += [(a + i, b + j) for i in (-0.5, 0, 0.5) for j in (-0.5, 0, 0.5)]
        if (0.5, -0.5) in reached:
            break
    assert ceiling == value[0.0, 0.0] and round(ceiling, 2) == -0.39


def test_both_wells_are_equally_curved():
    bottoms = np.array([[-0.7, 0.7], [0.7, -0.7]])
    curvature = [np.linalg.norm(PROBLEM.gradient(b + 1e-4) - PROBLEM.gradient(b - 1e-4)) / 2e-4 for b in bottoms]
    assert curvature[0] == pytest.approx(curvature[1], rel=0.05)


def test_basins_are_the_four_corners_around_each_well():
    basin = {name: GRID[PROBLEM.basin(GRID) == name] for name in ("deep", "shallow", "other")}
    assert {tuple(p) for p in basin["deep"]} == set(itertools.product((0.5, 1.0), (-1.0, -0.5)))
    assert {tuple(p) for p in basin["shallow"]} == set(itertools.product((-1.0, -0.5), (0.5, 1.0)))
    assert len(basin["other"]) == 41


def test_starts():
    disc = PROBLEM.starts("shallow", 500, seed=3)
    radius = np.hypot(*(disc - [-0.7, 0.7]).T)
    assert radius.max() <= 0.5 and (radius < 0.25).mean() == pytest.approx(0.25, abs=0.07)
    square = PROBLEM.starts("uniform", 500, seed=3)
    assert np.abs(square).max() <= 1.5 and np.abs(square.mean(0)).max() < 0.2
    np.testing.assert_array_equal(square, PROBLEM.starts("uniform", 500, seed=3))
    assert (square != PROBLEM.starts("uniform", 500, seed=4)).all()


@pytest.mark.parametrize("lr", [0.05, 0.2, 0.8])
@pytest.mark.parametrize("method", ["conventional", "oscillating"])
def test_every_run_is_the_plain_loop(method, lr):
    starts = PROBLEM.starts("uniform", 6)
    result = run_landscape(PROBLEM, starts=starts, steps=60, lr=lr, schedule=SCHEDULE)
    paths = result.paths[result.paths["method"] == method]
    for number, start in enumerate(starts):
        path = paths[paths["start"] == number]
        expected = loop(start, 60, lr, SCHEDULE if method == "oscillating" else None)
        np.testing.assert_array_equal(path["step"], range(61))
        np.testing.assert_allclose(path[["w1", "w2"]], expected[:, :2], rtol=1e-9, atol=1e-9)
        np.testing.assert_array_equal(path[["q1", "q2"]], 0.5 * expected[:, 2:])
        np.testing.assert_allclose(path["value"], [f(*q) for q in path[["q1", "q2"]].to_numpy()])


def test_a_weight_on_a_threshold_goes_up():
    paths = run_landscape(PROBLEM, starts=np.array([[0.25, -0.25], [9.0, -9.0]]), steps=1).paths
    first = paths[(paths["step"] == 0) & (paths["method"] == "conventional")]
    assert first[["q1", "q2"]].to_numpy().tolist() == [[0.5, 0.0], [1.5, -1.5]]


def test_without_shrinking_and_dampening_oscillating_is_conventional():
    schedule = ThreeStage(shrink_min=1.0, dampening=0.0)
    paths = run_landscape(starts="uniform", n_starts=40, steps=100, schedule=schedule).paths
    columns = ["start", "step", "w1", "w2", "q1", "q2", "value"]
    one, other = (paths.loc[paths["method"] == m, columns] for m in ("conventional", "oscillating"))
    pd.testing.assert_frame_equal(one.reset_index(drop=True), other.reset_index(drop=True), check_exact=True)


def test_a_shrunk_threshold_interval_is_a_larger_learning_rate():
    schedule = ThreeStage(shrink_until=0.0, dampen_from=0.0, shrink_min=0.5, dampening=0.0)
    starts = PROBLEM.starts("uniform", 20)
    shrunk = run_landscape(starts=starts, steps=80, lr=0.1, schedule=schedule).paths
    plain = run_landscape(starts=starts / 0.5, steps=80, lr=0.1 / 0.5).paths
    codes = [
        p.loc[p["method"] == m, ["q1", "q2"]].to_numpy() for p, m in ((shrunk, "oscillating"), (plain, "conventional"))
    ]
    np.testing.assert_array_equal(*codes)


def test_the_learning_rate_can_fall_to_zero():
    paths = run_landscape(starts="shallow", n_starts=5, steps=50, lr=0.4, lr_decay=True).paths
    run = paths[(paths["method"] == "conventional") & (paths["start"] == 2)]
    w, q = run[["w1", "w2"]].to_numpy(), run[["q1", "q2"]].to_numpy()
    for t in range(50):
        np.testing.assert_allclose(w[t] - w[t + 1], 0.4 * (1 - t / 50) * PROBLEM.gradient(q[t]), atol=1e-12)


def test_ends_are_what_the_paths_say():
    result = run_landscape(starts="uniform", n_starts=25, steps=80, lr=0.4)
    assert len(result.ends) == 50
    for _, end in result.ends.iterrows():
        path = result.paths[(result.paths["method"] == end["method"]) & (result.paths["start"] == end["start"])]
        q = path[["q1", "q2"]].to_numpy()
        assert end[["q1", "q2"]].tolist() == q[-1].tolist() and end["value"] == path["value"].iloc[-1]
        assert end["visited"] == len(np.unique(q, axis=0))
        assert end["crossings"] == np.abs(np.diff(q / 0.5, axis=0)).sum()
        assert end["late_crossings"] == np.abs(np.diff(q[72:] / 0.5, axis=0)).sum()
        assert end["basin"] == PROBLEM.basin(q[-1]) and end["found_deep"] == (end["basin"] == "deep")
        assert end["visited_deep"] == (PROBLEM.basin(q) == "deep").any()
        points = np.unique(q, axis=0)
        flat = np.linalg.matrix_rank(points - points[0]) < 2
        assert end["hull_area"] == pytest.approx(0.0 if flat else ConvexHull(points).volume)


def test_hull_area_of_all_sets_of_a_small_grid():
    points = np.array(list(itertools.product(range(3), range(3))))
    masks = np.array(list(itertools.product([False, True], repeat=9)))
    areas = hull_area(masks.reshape(-1, 3, 3))
    for mask, area in zip(masks, areas, strict=True):
        chosen = points[mask]
        flat = len(chosen) < 3 or np.linalg.matrix_rank(chosen - chosen[0]) < 2
        assert area == pytest.approx(0.0 if flat else ConvexHull(chosen).volume)


def test_hull_area_of_random_sets():
    masks = np.random.default_rng(0).random((200, 7, 7)) < 0.12
    for mask, area in zip(masks, hull_area(masks), strict=True):
        chosen = np.argwhere(mask)
        flat = len(chosen) < 3 or np.linalg.matrix_rank(chosen - chosen[0]) < 2
        assert area == pytest.approx(0.0 if flat else ConvexHull(chosen).volume)


def test_the_same_seed_gives_the_same_study():
    one, same, other = (run_landscape(n_starts=10, steps=40, seed=seed) for seed in (1, 1, 2))
    pd.testing.assert_frame_equal(one.paths, same.paths, check_exact=True)
    pd.testing.assert_frame_equal(one.summary(), same.summary(), check_exact=True)
    assert (one.paths[["w1", "w2"]] != other.paths[["w1", "w2"]]).any(axis=None)


def test_the_sweep_holds_each_single_run():
    ends = sweep(shrink_mins=(0.3, 0.7), lrs=(0.1, 0.4), n_starts=12, seed=5)
    assert len(ends) == 2 * 3 * 12
    for lr, shrink in itertools.product((0.1, 0.4), (0.3, 0.7)):
        single = run_landscape(n_starts=12, lr=lr, schedule=ThreeStage(shrink_min=shrink), seed=5).ends
        ours = ends[(ends["lr"] == lr) & ((ends["shrink_min"] == shrink) | ends["shrink_min"].isna())]
        pd.testing.assert_frame_equal(
            ours.sort_values(["method", "start"], ignore_index=True), single, check_exact=True
        )


def constructed(conventional, oscillating, lr=0.1, shrink_min=0.3):
    rows = [("conventional", math.nan, conventional), ("oscillating", shrink_min, oscillating)]
    tables = [
        pd.DataFrame({"method": m, "lr": lr, "shrink_min": s, "start": range(len(v)), "found_deep": v})
        for m, s, v in rows
    ]
    zeros = dict.fromkeys(MEANS, 0.0)
    return pd.concat(tables, ignore_index=True).assign(**zeros)


def test_the_share_has_wilsons_interval():
    table = shares(constructed([False] * 40, [True] * 10 + [False] * 30))
    z, n = stats.norm.ppf(0.975), 40
    for row, p in ((table.iloc[0], 0.0), (table.iloc[1], 0.25)):
        middle = (p + z * z / (2 * n)) / (1 + z * z / n)
        half = z / (1 + z * z / n) * math.sqrt(p * (1 - p) / n + z * z / (4 * n * n))
        assert row["n"] == n and row["share_deep"] == p
        assert (row["share_low"], row["share_high"]) == pytest.approx((middle - half, middle + half), abs=1e-12)


def test_shares_are_compared_at_the_same_learning_rate():
    ends = pd.concat([constructed([False] * 30, [True] * 30), constructed([True] * 30, [True] * 30, lr=0.2)])
    table = shares(ends.sample(frac=1, random_state=0)).set_index(["method", "lr"])["difference"]
    assert table["oscillating", 0.1] == 1.0
    assert table["oscillating", 0.2] == 0.0
    assert table["conventional"].isna().all()


def test_tuned_chooses_on_one_set_of_starts_and_scores_on_another():
    ends = sweep(shrink_mins=(0.2, 0.5), lrs=(0.1, 0.4), n_starts=30)
    table = shares(tuned(ends, n_starts=30))
    assert table["method"].tolist() == ["conventional", "oscillating"]
    means = ends[ends["method"] == "oscillating"].groupby(["lr", "shrink_min"])["found_deep"].mean()
    best = table.iloc[1]
    assert means[best["lr"], best["shrink_min"]] == means.max()
    fresh = sweep(shrink_mins=(best["shrink_min"],), lrs=(best["lr"], table["lr"].iloc[0]), n_starts=30, seed=1)
    found = fresh.groupby(["method", "lr"])["found_deep"].mean()
    assert best["share_deep"] == found["oscillating", best["lr"]]
    assert table["share_deep"].iloc[0] == found["conventional", table["lr"].iloc[0]]
    rates = np.geomspace(0.1, 2.0, 4)
    assert np.isclose(rates, table["lr"].iloc[0]).any()


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"spacing": 0.0}, "spacing must be positive"),
        ({"extent": math.inf}, "extent must be positive"),
        ({"extent": 1.6}, "multiple of spacing"),
        ({"bowl": -1.0}, "bowl must be"),
        ({"deep": Well((0.7, -0.7), 1.5, 0.0)}, "deep must have a positive"),
        ({"shallow": Well((-0.7, 0.7), math.nan, 0.4)}, "shallow must have a positive"),
        ({"shallow": Well((-1.7, 0.7), 1.0, 0.4)}, "center within"),
        ({"deep": Well((0.7, -0.7), 0.9, 0.5)}, "deeper than"),
        ({"deep": Well((-0.7, 0.1), 1.5, 0.5)}, "or more apart"),
    ],
)
def test_a_problem_that_makes_no_sense_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        LandscapeProblem(**change)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"steps": 0}, "steps must be"),
        ({"steps": 1.5}, "steps"),
        ({"lr": 0.0}, "learning rates must be"),
        ({"lr": math.nan}, "learning rates must be"),
        ({"starts": "deep"}, "starts"),
        ({"starts": np.zeros((3, 3))}, r"shape \(n, 2\)"),
        ({"starts": np.array([[0.0, math.nan]])}, "finite points"),
        ({"n_starts": 0}, "n must be"),
    ],
)
def test_a_run_that_makes_no_sense_is_refused(change, message):
    with pytest.raises((ValueError, TypeError), match=message):  # TypeError: annotations are enforced in tests
        run_landscape(**{"n_starts": 3, "steps": 5} | change)
