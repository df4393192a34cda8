"""The runs that ship in ``data/recorded/``: what they are, and how they are made again."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pandas as pd
from tqdm.auto import tqdm

from . import findings, methods
from .shared import documents, paths
from .shared.processes import side_by_side
from .training import Result, TrainConfig, resume, start_of, train
from .training import stored as runs
from .training.folder import RunExistsError

NAME = "recorded-{plan}-{method}-{bits}bit-seed{seed}"


@dataclass(frozen=True)
class Plan:
    """A set of runs to record."""

    note: str
    """What was run and how it differs from the published recipe; kept with the tables."""
    configs: Callable[[str], list[TrainConfig]]
    """From the folder of the images (or the name of the data) to the runs."""
    data: str | None = None
    """The data set, where the plan has one of its own."""


def _digits(data: str) -> list[TrainConfig]:
    base = TrainConfig(arch="resnet20", data=data, epochs=30, start_epochs=20)
    return [dataclasses.replace(base, method=method, seed=seed) for seed in range(5) for method in methods.names()]


def _cifar_reduced(data: str) -> list[TrainConfig]:
    base = TrainConfig(arch="resnet20", data=data, batch_size=128, epochs=16, start_epochs=16)
    return [
        dataclasses.replace(base, method=method, seed=seed) for seed in range(3) for method in ("fp32", "lsq", "aoq")
    ]


def _cifar(data: str) -> list[TrainConfig]:
    base = TrainConfig(arch="resnet20", data=data)
    at_two = ("fp32", "lsq", "lsq+dampen", "aoq", "aoq-no-shrink", "aoq-no-dampen", "aoq-coupled")
    others = tuple(name for name in at_two if name != "fp32")
    runs_of_two = [dataclasses.replace(base, method=m, seed=seed) for seed in range(5) for m in at_two]
    return runs_of_two + [dataclasses.replace(base, method=m, bits=bits) for bits in (3, 4) for m in others]


MEASURES = {
    "test accuracy, %": ("accuracy", 100, 1),
    "crossings per weight and 1000 steps": ("crossings_per_step", 1000, 2),
    "oscillating at the end, %": ("oscillating_share", 100, 2),
    "explored volume": ("explored_volume", 1, 3),
}
"""Columns of the tables in docs/training.md: name → column of the runs, factor, decimals."""
PART = "recorded"
"""Of docs/training.md, see :mod:`aoqlab.lab.shared.documents`."""

PLANS = {
    "digits": Plan(
        "ResNet-20 on scikit-learn's digits (8x8, 1,347 training images), all methods at 2 bits for weights and "
        "activations, 5 seeds, 30 epochs of batch 64 from a full-precision start (fp32) of 20 epochs (the published "
        "recipe is 250 epochs of CIFAR-10, batch 256).",
        _digits,
        "digits",
    ),
    "cifar10-jpeg-reduced": Plan(
        "ResNet-20 on 4,000 training and 2,000 test images of CIFAR-10 (JPEG copy: accuracies compare with each other "
        "only; the first 400 and 200 files of each class by name), full precision, LSQ and AOQ at 2 bits, 3 seeds, 16 "
        "epochs of batch 128 from a start of 16 epochs. "
        "The published recipe has 50,000 images, 250 epochs of batch 256.",
        _cifar_reduced,
    ),
    "cifar10-jpeg": Plan(
        "ResNet-20 on CIFAR-10 (JPEG copy: accuracies compare with each other only), the published recipe of 250 "
        "epochs; 5 seeds at 2 bits, 1 seed at 3 and 4 bits.",
        _cifar,
    ),
}


def record(plan: str, data: str | None = None, jobs: int = 1) -> Path:
    """Make the runs of a plan, keep their tables in ``data/recorded/<plan>/`` and tell docs/training.md.

    Every run is a folder in ``data/runs/``, so that an interrupted recording goes on where it was. ``jobs`` runs are
    made at a time, each with one thread when there are several. Raises ``ValueError`` for an unknown plan and where the
    plan needs a folder of images.
    """
    if plan not in PLANS:
        raise ValueError(f"unknown plan {plan!r}; there are {', '.join(PLANS)}")
    chosen = PLANS[plan]
    source = data or chosen.data
    if source is None:
        raise ValueError(f"plan {plan} needs images: --data FOLDER, with train/ and test/ inside")
    threads = 1 if jobs != 1 else None
    configs = [
        dataclasses.replace(c, threads=threads, name=NAME.format(plan=plan, method=c.method, bits=c.bits, seed=c.seed))
        for c in chosen.configs(source)
    ]
    # Those of one seed share a start: the first of each seed makes it before the others want it.
    first = {(c.seed, c.arch): c for c in reversed(configs)}
    ordered = [*first.values(), *(c for c in configs if c not in first.values())]
    made = side_by_side(jobs, ((c.name, _make, (c,)) for c in ordered))
    for _ in tqdm(made, total=len(ordered), desc=plan, unit="run"):
        pass
    folder = runs.record(plan, [_result(c) for c in configs], chosen.note)
    page = paths.project_root() / "docs" / "training.md"
    if page.is_file() and documents.marks(PART)[0] in page.read_text(encoding="utf-8"):
        documents.update(page, PART, readme_text())
    return folder


def readme_text() -> str:
    """What docs/training.md says of all recordings: settings, a row per method, AOQ against LSQ; Markdown."""
    return "\n\n".join(_described(name) for name in runs.recorded_names())


def _described(name: str) -> str:
    tables, info = runs.load_recorded(name)
    own = tables["runs"]
    rows = [f"| method | {' | '.join(MEASURES)} | n |", "| --- " * (2 + len(MEASURES)) + "|"]
    for (method, bits), found in own.groupby(["method", "bits"]):
        cells = [_spread(found[column] * scale, digits) for column, scale, digits in MEASURES.values()]
        at = f" ({bits} bits)" if own["bits"].nunique() > 1 and method != "fp32" else ""
        rows.append(f"| {method}{at} | {' | '.join(cells)} | {len(found)} |")
    machine = f"{', '.join(info['processors'])}, {info['cores']} cores, torch {info['versions']['torch']}"
    lines = [f"**{name}** ({machine}, {info['created'][:10]}): {info['note']}", "", *rows]
    two = {m: found.set_index("seed") for m, found in own[own["bits"] == 2].groupby("method")}
    if {"aoq", "lsq"} <= two.keys() and len(two["aoq"]) > 1:
        difference = 100 * findings.paired(two["aoq"], two["lsq"], "accuracy")
        low, high = findings.bootstrap_interval(difference)
        lines += ["", f"Accuracy of AOQ minus LSQ, paired by seed: {difference.mean():+.1f} points, 95% interval "]
        lines[-1] += f"[{low:+.1f}, {high:+.1f}], n = {len(difference)}."
    return "\n".join(lines)


def _spread(values: pd.Series, digits: int) -> str:
    if values.isna().all():
        return "-"
    return f"{values.mean():.{digits}f}" + (f" ± {values.std():.{digits}f}" if len(values) > 1 else "")


def _make(config: TrainConfig) -> None:
    _result(config)


def _result(config: TrainConfig) -> Result:
    """Train, or go on, or read what is finished; full precision is the start that the other methods have."""
    if config.full_precision:
        config = start_of(dataclasses.replace(config, method="lsq", name=None))
    assert config.name
    try:
        return train(config, quiet=True)
    except RunExistsError:
        return resume(config.name, quiet=True)
