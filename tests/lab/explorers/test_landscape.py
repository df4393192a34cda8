"""Walks, numbers and export of the landscape explorer; the browser's walks against the package's."""

import importlib.util
import json
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from aoqlab import ThreeStage
from aoqlab.lab.explorers.base.controls import portable
from aoqlab.lab.explorers.base.scripts import bundled
from aoqlab.lab.explorers.landscape_explorer.explorer import LEARNING_RATES, METHODS, SHRINKS, Landscape, landscape
from aoqlab.lab.plots.saving import load_figure_info
from aoqlab.lab.toy.basins import hull_area
from aoqlab.lab.toy.landscape import LandscapeProblem, run_landscape

WALKS = """
const { problem, oscillating, conventional, steps } = given.data, size = 3 * (steps + 1);
const factors = { conventional: doubles(conventional), oscillating: doubles(oscillating) };
const found = given.cases.map(([method, shrink, lr, start, step]) => {
  const from = method === "conventional" ? 0 : shrink * size;
  const own = walk(problem, factors[method].subarray(from, from + size), lr, start);
  const { value, area, crossings, count } = accountOf(problem, own);
  const at = [0, 1].map((i) => problem.spacing * own.positions[2 * step + i]);
  return { positions: [...own.positions], weights: [...own.weights], value: value[step], area: area[step],
    crossings: crossings[step], count: count[step], basin: basinOf(problem, ...at) };
});
console.log(JSON.stringify(found));
"""


def in_the_browser(explorer, cases):
    """What the script makes of cases [method, index of shrink_min, lr, start, step]."""
    playwright = importlib.util.find_spec("playwright")
    if playwright is None:
        pytest.skip("playwright, which brings a JavaScript engine, is not installed")
    node = Path(playwright.origin).parent / "driver" / "node"
    source = bundled(Landscape.script)
    given = {"data": dict(explorer.data), "cases": cases}
    reading = 'import { readFileSync } from "node:fs";\nconst given = JSON.parse(readFileSync(0, "utf8"));\n'
    command = [str(node), "--input-type=module", "-e", reading + source + WALKS]
    done = subprocess.run(
        command, input=json.dumps(given, default=portable), capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module")
def explorer():
    return landscape()


@pytest.fixture
def project(tmp_path, monkeypatch):
    monkeypatch.setenv("AOQLAB_ROOT", str(tmp_path))
    return tmp_path


@pytest.mark.parametrize("lr", [LEARNING_RATES[0], 0.2, LEARNING_RATES[-1]])
@pytest.mark.parametrize("schedule", [ThreeStage(), ThreeStage(staircase=7, shrink_until=0.4)])
def test_the_browser_walks_as_the_package_does(lr, schedule):
    explorer = landscape(schedule=schedule)
    starts = np.random.default_rng(3).choice(explorer.controls["w1"].values, (6, 2))
    for shrink in (0, SHRINKS.index(0.3), len(SHRINKS) - 1):
        chosen = replace(schedule, shrink_min=SHRINKS[shrink])
        paths = run_landscape(starts=starts, lr=lr, schedule=chosen).paths
        cases = [[method, shrink, lr, start.tolist(), 400] for method in METHODS for start in starts]
        found = in_the_browser(explorer, cases)
        runs = [paths[(paths["method"] == m) & (paths["start"] == s)] for m in METHODS for s in range(len(starts))]
        for run, own in zip(runs, found, strict=True):
            np.testing.assert_array_equal(np.array(own["positions"]).reshape(-1, 2) / 2, run[["q1", "q2"]])
            np.testing.assert_allclose(np.array(own["weights"]).reshape(-1, 2), run[["w1", "w2"]], rtol=0, atol=1e-9)


def seen(problem, path):
    """What a walk is at and has seen, counted from its places."""
    places = np.rint(path[["q1", "q2"]].to_numpy() / problem.spacing).astype(int)
    visited = np.zeros((2 * problem.reach + 1,) * 2, dtype=bool)
    visited[tuple((places + problem.reach).T)] = True
    last = path.iloc[-1]
    return {
        "value": pytest.approx(float(last["value"])),
        "basin": str(problem.basin(last[["q1", "q2"]].to_numpy(dtype=float))),
        "count": int(visited.sum()),
        "area": pytest.approx(float(problem.spacing**2 * hull_area(visited[None])[0])),
        "crossings": int(np.abs(np.diff(places, axis=0)).sum()),
    }


@pytest.mark.parametrize("step", [0, 1, 57, 230, 400])
def test_readouts_in_the_browser_agree_with_the_walks_of_the_package(explorer, step):
    state, paths = explorer.state, explorer.walks().paths
    start = [explorer.value("w1"), explorer.value("w2")]
    found = in_the_browser(explorer, [[method, state["shrink_min"], 0.2, start, step] for method in METHODS])
    for method, own in zip(METHODS, found, strict=True):
        expected = seen(explorer.problem, paths[(paths["method"] == method) & (paths["step"] <= step)])
        assert {name: own[name] for name in expected} == expected


def test_at_its_start_the_oscillating_walk_leaves_the_shallow_basin_and_the_other_does_not(explorer):
    basins = explorer.walks().ends.set_index("method")["basin"]
    assert basins.to_dict() == {"conventional": "shallow", "oscillating": "deep"}


def test_without_shrinking_and_dampening_both_walk_alike():
    explorer = landscape(steps=50, schedule=ThreeStage(dampening=0.0))
    explorer.set(shrink_min=1.0, lr=0.4)
    paths = explorer.walks().paths
    conventional, oscillating = (paths[paths["method"] == method] for method in METHODS)
    names = ["w1", "w2", "q1", "q2"]
    pd.testing.assert_frame_equal(
        conventional[names].reset_index(drop=True), oscillating[names].reset_index(drop=True), check_exact=True
    )


def test_the_answer_holds_the_walks_of_the_package(explorer):
    answer = explorer.answer_walk(explorer.state)
    paths = explorer.walks().paths
    for method in METHODS:
        own = paths[paths["method"] == method]
        weights = np.frombuffer(answer[f"{method}_weights"], "<f8").reshape(-1, 2)
        positions = np.frombuffer(answer[f"{method}_positions"], "<i4").reshape(-1, 2)
        np.testing.assert_array_equal(weights, own[["w1", "w2"]])
        np.testing.assert_array_equal(0.5 * positions, own[["q1", "q2"]])


@pytest.mark.parametrize("trace", ["latent", "quantized"])
@pytest.mark.parametrize("step", [0, 400])
def test_the_figure_shows_as_much_of_the_walk_as_the_state(explorer, step, trace):
    figure = explorer.figure(dict(explorer.state) | {"step": step, "trace": trace})
    artists = {artist.get_gid(): artist for artist in figure.axes[0].findobj() if artist.get_gid()}
    assert len(artists["path-oscillating"].get_xdata()) == step + 1
    assert {"hull-conventional", "hull-oscillating", "end-oscillating"} <= set(artists)


def test_export_records_problem_schedule_and_numbers(explorer, project):
    written = explorer.answer_export(explorer.state, "walk", readouts=["conventional: now: shallow basin"])
    assert set(written["files"]) == {"png", "svg", "pdf", "json"}
    parameters = load_figure_info(project / "figures" / "walk.json")["parameters"]
    assert parameters["shrink_min"] == 0.3
    assert parameters["steps"] == 400
    assert parameters["readouts"] == ["conventional: now: shallow basin"]


def test_stages_that_a_schedule_lacks_are_not_named():
    assert [name for *_, name in landscape(schedule=ThreeStage(shrink_until=0.0, dampen_from=1.0)).stages()] == [
        "widen"
    ]
    assert landscape(steps=100).stages() == [(0, 20, "shrink"), (20, 60, "widen"), (60, 100, "dampen")]


@pytest.mark.parametrize("steps", [0, -1, True, 2.5])
def test_steps_must_be_a_positive_integer(as_shipped, steps):
    with pytest.raises(ValueError, match="steps must be a whole number of at least 1"):
        landscape(steps=steps)


def test_another_problem_has_its_own_places_and_grid():
    problem = LandscapeProblem(spacing=0.25, extent=2.0)
    explorer = landscape(problem, steps=20)
    assert explorer.controls["w1"].values[0] == -2.0
    assert explorer.data["problem"]["reach"] == 8
    assert len(explorer.walks().paths) == 2 * 21
    assert "<script" in explorer.static_html()
