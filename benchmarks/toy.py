"""The toy ensemble against the plain loop, per run and training step, on the paper's problem with trackers on.

``bash run.sh bench toy`` (add ``64`` for the whole ensemble of 64 runs of 20,000 steps)
"""

from __future__ import annotations

import sys
import time
from pathlib import Path

from aoqlab import ThreeStage
from aoqlab.lab.toy.regression import FULL, RegressionProblem, RunConfig, make_data, run_ensemble

sys.path.insert(0, str(Path(__file__).parent))
from toy_loop import train

LOOP_STEPS = 300


def ensemble_of_64() -> tuple[list[RunConfig], list[int]]:
    """Sixteen settings on four seeds."""
    aoq = [RunConfig("aoq", schedule=ThreeStage(shrink_min=m)) for m in (1, 0.85, 0.7, 0.5, 0.4, 0.3, 0.2, 0.1)]
    lsq = [RunConfig("lsq", step_init=s) for s in (0.1, 0.3, 0.5, 0.7, 1.0, 1.4, 2.0, 4.0)]
    return aoq + lsq, [0, 1, 2, 3]


def main() -> None:
    whole = "64" in sys.argv[1:]
    configs, seeds = ensemble_of_64()
    problem = FULL if whole else RegressionProblem(epochs=20)
    data = make_data(problem, 0)
    loop = {}
    for method in ("lsq", "aoq"):
        train(problem, data, RunConfig(method), 20)  # warm-up
        start = time.perf_counter()
        train(problem, data, RunConfig(method), LOOP_STEPS)
        loop[method] = (time.perf_counter() - start) / LOOP_STEPS
    start = time.perf_counter()
    run_ensemble(configs, seeds, problem)
    seconds = time.perf_counter() - start
    runs = len(configs) * len(seeds)
    ours, rival = seconds / runs / problem.steps, (loop["lsq"] + loop["aoq"]) / 2
    print(f"{runs} runs of {problem.n_weights:,} weights, {problem.steps:,} steps each, data and records included")
    print(f"ensemble: {seconds:.1f} s, {ours * 1e6:.1f} µs per run and step")
    print(f"plain loop: LSQ {loop['lsq'] * 1e6:.0f} µs, AOQ {loop['aoq'] * 1e6:.0f} µs per step, trackers on")
    print(f"ratio: {rival / ours:.1f} times less per run than the plain loop")
    print(f"64 runs of {FULL.steps:,} steps at this rate: {64 * FULL.steps * ours:.1f} s")


if __name__ == "__main__":
    main()
