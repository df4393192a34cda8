"""Runs the study, keeps its results, draws its figures and prints what was found."""

from __future__ import annotations

import json
import shutil
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pandas as pd
from tqdm.auto import tqdm

from ..findings import Finding, as_text, table
from ..plots import use_style
from ..shared import paths
from ..shared.files import write_atomic, write_frame
from ..shared.provenance import provenance
from ..toy.landscape import run_landscape
from ..toy.landscape import sweep as landscape_sweep
from ..toy.regression import FULL, REDUCED, EnsembleResult, RegressionProblem
from . import network, pictures, samples, surface
from .landscape import landscape_findings

REDUCED_SEEDS = range(5)
FULL_SEEDS = range(10)
DIGITS_SEEDS = range(5)


def main() -> None:
    """Both toy problems at reduced size and the digits network; at most a minute on two cores."""
    started = time.perf_counter()
    use_style()
    rows = landscape_study() + regression_study("toy-reduced", REDUCED, REDUCED_SEEDS)
    rows += digits_study(DIGITS_SEEDS)
    _report("study", rows, time.perf_counter() - started)
    full = paths.results_dir() / "toy-full-findings.parquet"
    if full.is_file():
        info = json.loads((paths.results_dir() / "toy-full.json").read_text())
        print(f"\nFor comparison, the stored result at the paper's size ({_origin(info)}):\n")
        print(as_text(pd.read_parquet(full)))


def toy(full: bool = False) -> None:
    """Both toy problems; ``full`` at the paper's size (10,000 weights), about ten minutes on two cores."""
    started = time.perf_counter()
    use_style()
    name, problem, seeds = ("toy-full", FULL, FULL_SEEDS) if full else ("toy-reduced", REDUCED, REDUCED_SEEDS)
    print(f"{problem.n_weights:,} weights, {problem.n_samples:,} samples, {problem.steps:,} steps, {len(seeds)} seeds")
    rows = landscape_study() + regression_study(name, problem, seeds)
    _report(name, rows, time.perf_counter() - started)


def landscape_study() -> list[Finding]:
    """Figure 1: does oscillating reach the deep basin from more starts, over learning rates and shrink factors?"""
    result = run_landscape()
    ends = landscape_sweep()
    frames = {"paths": result.paths, "ends": result.ends, "sweep": ends}
    stored = [write_frame(frame, paths.results_dir() / f"landscape-{name}.parquet") for name, frame in frames.items()]
    pictures.draw_landscape(result, ends, stored)
    return landscape_findings(result, ends)


def regression_study(name: str, problem: RegressionProblem, seeds: Sequence[int]) -> list[Finding]:
    """The surface, seed by seed: a seed that is done is kept at once, so an interrupted study goes on where it was.

    Of the first seed, single weights are kept as well.
    """
    configurations = surface.configurations()
    settings = {"problem": asdict(problem), "configurations": [c.describe() for c in configurations]}
    partial = paths.results_dir() / f".{name}-partial"
    if partial.is_dir() and _read(partial / "settings.json") != json.loads(json.dumps(settings)):
        shutil.rmtree(partial)  # left by other settings
    write_atomic(partial / "settings.json", json.dumps(settings).encode())
    sampled = partial / "samples.parquet"
    runs, histories, computed = [], [], []
    with tqdm(total=len(seeds) * len(configurations) * problem.steps, desc="toy regression", unit_scale=True) as bar:
        for position, seed in enumerate(seeds):
            table_file, history_file, origin = (
                partial / f"{what}-{seed}" for what in ("runs.parquet", "history.parquet", "origin.json")
            )
            first = position == 0
            if origin.is_file() and (sampled.is_file() or not first):
                bar.update(len(configurations) * problem.steps)
            else:
                started = time.perf_counter()
                followed = samples.FOLLOWED if first else 0
                result = surface.sweep(problem, [seed], trajectories=followed, progress=bar.update)
                _write_parquet(result.runs, table_file)
                _write_parquet(result.history, history_file)
                seconds = round(time.perf_counter() - started, 1)
                made = {"seed": seed, "seconds": seconds, **provenance()}
                if first:
                    _write_samples(result, sampled, problem, made)
                write_atomic(origin, json.dumps(made).encode())
            runs.append(pd.read_parquet(table_file))
            history = pd.read_parquet(history_file).assign(seed=seed)
            history["run"] += position * len(configurations)
            histories.append(history)
            computed.append(_read(origin))
    all_runs = pd.concat(runs, ignore_index=True)
    names = all_runs[["method", "lr", "shrink_min", "step_init"]]
    history = pd.concat(histories, ignore_index=True).merge(names, left_on="run", right_index=True)
    folder = paths.results_dir()
    stored = write_frame(all_runs, folder / f"{name}-runs.parquet")
    stored_history = write_frame(history, folder / f"{name}-history.parquet")
    write_atomic(folder / f"{name}-samples.parquet", sampled.read_bytes())
    record = {"seeds": list(seeds), "problem": asdict(problem), "computed": computed, "analysed": provenance()}
    write_atomic(folder / f"{name}.json", (json.dumps(record, indent=2) + "\n").encode())
    shutil.rmtree(partial, ignore_errors=True)
    pictures.draw_regression(name, problem, all_runs, history, stored, stored_history)
    return surface.findings(all_runs, name.replace("-", " "), history)


def _write_samples(result: EnsembleResult, path: Path, problem: RegressionProblem, made: dict[str, Any]) -> None:
    about = {"problem": asdict(problem), "computed": made}
    write_atomic(path, lambda file: samples.write_samples(result, file, about))


def _write_parquet(frame: pd.DataFrame, path: Path) -> None:
    write_atomic(path, lambda file: frame.to_parquet(file, index=False))


def digits_study(seeds: Sequence[int]) -> list[Finding]:
    """LSQ against AOQ on the digits network, 2-bit weights, from the same start and at the same learning rate."""
    with tqdm(total=len(network.METHODS) * len(seeds), desc="digits network", unit="run") as bar:
        runs, history = network.compare(seeds, progress=bar.update)
    stored = write_frame(runs, paths.results_dir() / "digits-runs.parquet")
    write_frame(history, paths.results_dir() / "digits-history.parquet")
    pictures.draw_digits(runs, history, stored)
    return network.findings(runs)


def _report(name: str, rows: list[Finding], seconds: float) -> None:
    frame = table(rows)
    stored = write_frame(frame, paths.results_dir() / f"{name}-findings.parquet")
    print(f"\nWhat was found, in {seconds:.0f} s (1, 2: the paper's findings; agree: seeds or starts)\n")
    print(as_text(frame))
    if name == "study":
        runs = pd.read_parquet(paths.results_dir() / "digits-runs.parquet")
        print("\nDigits network, 2-bit weights, activations in full precision, mean ± standard deviation over seeds:\n")
        print(network.as_text(runs))
    print(f"\nTables: {_shown(stored.parent)}   figures: {_shown(paths.figures_dir())}")


def _shown(path: Path) -> str:
    root = paths.project_root()
    return str(path.relative_to(root)) + "/" if path.is_relative_to(root) else str(path)


def _read(file: Path) -> Any:
    return json.loads(file.read_text()) if file.is_file() else None


def _origin(record: dict[str, Any]) -> str:
    first = record["computed"][0]
    machine = f"{first['processor']}, {first['cores']} cores, torch {first['versions']['torch']}"
    return f"{first['created'][:10]}, {len(record['seeds'])} seeds, {machine}"
