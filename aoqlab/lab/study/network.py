"""A first real network: LSQ against AOQ on handwritten digits, and the weights that the notebooks look at.

Small on purpose: it answers, in seconds, whether what the toy problems show is there in a network on real images.
"""

from __future__ import annotations

import dataclasses
import json
from collections.abc import Callable, Sequence
from pathlib import Path

import pandas as pd
import torch
from safetensors.torch import save_file

from ..findings import Finding, finding, paired
from ..shared import paths
from ..shared.files import write_atomic
from ..training import TrainConfig, train
from ..training.sweep import Outcome, sweep

NETWORK = "digits_cnn"
METHODS = ("lsq", "aoq")
# Activations stay in full precision: the methods differ in what they do to weights. A quarter of the recipe's steps.
SHORT = TrainConfig(
    arch=NETWORK,
    data="digits",
    bits=2,
    activation_bits=32,
    batch_size=128,
    epochs=20,
    start_epochs=20,
    eval_every=20,
    record_every=5,
)


def configurations(seeds: Sequence[int]) -> list[TrainConfig]:
    """Both methods on every seed, from the same full-precision start."""
    return [dataclasses.replace(SHORT, method=method, seed=seed) for seed in seeds for method in METHODS]


def compare(
    seeds: Sequence[int], *, jobs: int = -1, progress: Callable[[int], object] | None = None
) -> tuple[pd.DataFrame, pd.DataFrame]:
    """A row per run, and the tracker's history per layer; ``progress`` is called with 1 after each run."""
    outcomes = sweep(configurations(seeds), jobs=jobs, progress=progress)
    histories = [o.tables["history"].assign(method=o.config.method, seed=o.config.seed) for o in outcomes]
    return pd.DataFrame([_row(o) for o in outcomes]), pd.concat(histories, ignore_index=True)


def _row(outcome: Outcome) -> dict[str, float | int | str | None]:
    config, result = outcome.config, outcome.result
    history = outcome.tables["history"]
    weighted = history["oscillating_share"] * history["weights"]
    return {
        "method": config.method,
        "seed": config.seed,
        "bits": config.bits,
        "lr": config.lr,
        "accuracy": result["accuracy"],
        "accuracy_before_batch_norm": result["accuracy_before_batch_norm"],
        "accuracy_full_precision": result["accuracy_start"],
        "test_loss": result["test_loss"],
        **result["tracker"],
        "oscillating_share_mean": float(weighted.sum() / history["weights"].sum()),
    }


def findings(runs: pd.DataFrame) -> list[Finding]:
    """What the runs say, AOQ minus LSQ paired by seed, at the same learning rate."""
    aoq, lsq = (runs[runs["method"] == method].set_index("seed") for method in ("aoq", "lsq"))
    rate = aoq["lr"].iloc[0]
    differences = (
        ("1 LSQ explores less", "explored volume", "explored_volume", 1, "share"),
        ("1 LSQ seldom crosses", "crossings", "crossings_per_step", 1000, "per 1000 steps"),
        ("1 LSQ oscillates less", "mean oscillating share", "oscillating_share_mean", 1, "share"),
        ("2 AOQ classifies better", "test accuracy", "accuracy", 100, "points"),
    )
    return [
        finding(claim, "digits 2 bits", f"{what}, AOQ - LSQ, lr {rate:g}", paired(aoq, lsq, column) * scale, +1, unit)
        for claim, what, column, scale, unit in differences
    ]


def as_text(runs: pd.DataFrame) -> str:
    """Mean and standard deviation per method."""
    columns = ["accuracy", "accuracy_full_precision", "crossings_per_step", "oscillating_share_mean", "explored_volume"]
    grouped = runs.groupby("method")[columns].agg(["mean", "std"])
    cells = {c: grouped[c].apply(lambda row: f"{row['mean']:.4f} ± {row['std']:.4f}", axis=1) for c in columns}
    return pd.DataFrame(cells).assign(n=runs.groupby("method").size()).to_string()


def write_weights(seed: int = 0) -> Path:
    """Train the full-precision network by the recipe and write it to ``data/``, where ``models.create`` finds it."""
    config = TrainConfig(arch=NETWORK, data="digits", method="fp32", seed=seed, device="cpu", threads=1)
    result = train(config, keep=False, quiet=True)
    score = result.result["accuracy"]
    # One entry: the library writes several in any order, and the same network should be the same file.
    meta = {"training": json.dumps({"seed": seed, "accuracy": round(score, 4), "torch": str(torch.__version__)})}
    # The file format knows one memory order, which is not the one that the engine trains in.
    weights = {name: value.contiguous() for name, value in result.model.state_dict().items()}
    path = paths.data_dir() / f"{NETWORK}.safetensors"
    write_atomic(path, lambda file: save_file(weights, file, metadata=meta))
    print(f"wrote {path}: {score:.1%} of the test digits right, seed {seed}")
    return path
