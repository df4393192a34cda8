"""Which runs each budget makes, on which data: the settings of every variant.

Written down before any result, except for ranges: where a best setting was at an end, they reach further since, and the
middle learning rate on the reduced images is lower.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from fnmatch import fnmatch
from pathlib import Path
from typing import Any

from ...schedule import ThreeStage
from ..toy import surface
from ..toy.problem import FULL, REDUCED, RegressionProblem, RunConfig
from ..toy.surface import PUBLISHED_LR
from ..toy.wells import LandscapeProblem
from ..training import TrainConfig
from .claim import Kind
from .images import TEST_PER_CLASS, TRAIN_PER_CLASS
from .landscape_runs import VARIANTS as LANDSCAPE_VARIANTS

BUDGETS = ("quick", "cpu", "full")
"""By size."""
FIRST = "first"
"""What ``bash run.sh`` measures, on too few seeds for any verdict on the toy problem and the network."""
LEAST: dict[Kind, int] = {"landscape": 100, "toy": 10, "network": 5}
"""Seeds below which no verdict is given; on the landscape, starts."""

SHRINK_MINS = (1.0, 0.7, 0.5, 0.3, 0.2, 0.1)
"""How far the intervals shrink; 0.3 is published and is the variant "aoq", 1 is AOQ without its first stage.

On the toy problem AOQ is tuned over more of them; whether a moderate amount is best is asked of these."""
NO_SHRINK = "aoq shrink_min=1"
PERTURBATIONS = (0.002, 0.004, 0.008, 0.016, 0.032)
"""Noise on the weights of the control, in threshold intervals per step: a range around AOQ's own crossing rate."""
CHANGED: dict[str, dict[str, Any]] = {
    "aoq no dampening": {"dampening": 0.0},
    "aoq shrink throughout": {"shrink_until": 1.0},
    "aoq dampening throughout": {"dampen_from": 0.0},
    "aoq held levels": {"levels_learn": False},
    **{f"noise {r:g}": {"shrink_min": 1.0, "perturbation": r} for r in PERTURBATIONS},
}
"""AOQ with one part changed, and the perturbed control: what differs from the published schedule."""
STANDSTILL = 1e-12
"""A learning rate at which no weight moves: what the sweeping thresholds alone explore."""

SHORT_LR = 1e-2
"""Middle rate of networks that train for a few hundred steps, in which the published one hardly moves them."""
IMAGES_LR = 3e-3
"""And of those on the reduced images: at ``SHORT_LR`` every method did best at the lowest rate that was tried."""

LARGE_WITHOUT = ("noise *", "aoq * throughout", "aoq no dampening", "aoq held levels", "aoq shrink_min=0.[1257]")
"""Controls for which large networks have no time."""
IMAGES_WITHOUT = (*LARGE_WITHOUT, "aoq coupled", "aoq frozen weights")
"""And the reduced images on a CPU."""

RATES = (0.3, 1.0, 3.0)
"""Learning rates of networks, as multiples of the middle one."""
WIDE_RATES = (0.1, *RATES, 10.0)
"""And of the small network, for which there is time: of ``RATES`` some methods did best at the ends."""
FIRST_WITHOUT = (
    "noise *",
    "aoq frozen weights",
    "aoq no dampening",
    "aoq held levels",
    "aoq * throughout",
    "aoq coupled",
    "aoq shrink_min=0.*",
)
"""What ``bash run.sh`` leaves out on the small network."""
METHODS = ("lsq", "lsq+dampen", "lsq+freeze", "lsq+oscillate", "n2uq", "statsq", "aoq")
"""All that are compared in accuracy, each at every rate of its experiment."""


@dataclass(frozen=True)
class Variant:
    """One setting that is run on every seed."""

    name: str
    config: RunConfig | TrainConfig | None = None
    """``None`` on the landscape, whose runs are made all at once."""
    groups: frozenset[str] = frozenset()
    """What it is one of: "aoq grid", "lsq grid", "others grid" (tuned over), "shrink" (over shrink_min), "noise"."""


@dataclass(frozen=True)
class Experiment:
    """All variants on one data set."""

    data: str
    """Name in tables."""
    kind: Kind
    title: str
    """What the data are and how much was trained, for a reader."""
    seeds: int
    variants: tuple[Variant, ...]
    problem: RegressionProblem | LandscapeProblem | None = None


def experiments(budget: str, images: str | Path | None = None) -> list[Experiment]:
    """Return what a budget runs. ``images``: a folder of images (or cifar10, cifar100) for the larger two budgets.

    Raises ``ValueError`` for an unknown budget, and for images at the smaller two.
    """
    if budget not in (FIRST, *BUDGETS):
        raise ValueError(f"unknown budget {budget!r}; there are {', '.join((FIRST, *BUDGETS))}")
    if budget in (FIRST, "quick"):
        if images is not None:
            raise ValueError(f"budget {budget} has no time for images; take --budget cpu or full")
        return [_landscape(), _toy("toy-reduced", REDUCED, 2 if budget == FIRST else 10), _digits_cnn(budget == FIRST)]
    if budget == "cpu":
        found = [_toy("toy-full", FULL, 10), _digits_resnet()]
        return found + ([_reduced_images(str(images))] if images is not None else [])
    return [_toy("toy-full", FULL, 10), *(_full(arch, str(images or "cifar10")) for arch in FULL_NETWORKS)]


def _landscape() -> Experiment:
    title = "two quantized weights on a landscape of two basins (the paper's Figure 1), 400 steps"
    variants = tuple(Variant(name) for name in LANDSCAPE_VARIANTS)
    return Experiment("landscape", "landscape", title, 200, variants, LandscapeProblem())


def _toy(data: str, problem: RegressionProblem, seeds: int) -> Experiment:
    found: dict[str, Variant] = {}
    for name, config in surface.settings().items():
        groups = ["aoq grid"] if config.method == "aoq" else ["lsq grid", "others grid"]
        if config.lr == PUBLISHED_LR and config.method == "lsq":
            groups.append("lsq equal")
        elif config.lr == PUBLISHED_LR and config.schedule.shrink_min in SHRINK_MINS:
            groups += ["shrink", "noise"] if name == NO_SHRINK else ["shrink"]
        found[name] = Variant(name, config, frozenset(groups))
    for name, options in CHANGED.items():
        config = RunConfig("aoq", PUBLISHED_LR, schedule=ThreeStage(**options))
        found[name] = Variant(name, config, frozenset(["noise"] if name.startswith("noise") else []))
    found["aoq coupled"] = Variant("aoq coupled", RunConfig("aoq", PUBLISHED_LR, coupled=True))
    found["aoq frozen weights"] = Variant("aoq frozen weights", RunConfig("aoq", STANDSTILL))
    title = (
        f"toy regression: {problem.n_weights:,} weights, {problem.n_samples:,} samples, {problem.steps:,} steps of "
        f"batch {problem.batch_size}, {problem.bits} bits"
    )
    return Experiment(data, "toy", title, seeds, tuple(found.values()), problem)


def _network(
    data: str,
    title: str,
    seeds: int,
    base: TrainConfig,
    *,
    methods: tuple[str, ...] = METHODS,
    rates: tuple[float, ...] = RATES,
    without: tuple[str, ...] = (),
) -> Experiment:
    """Every method over the rates, and AOQ's parts changed one at a time at the middle rate (the recipe's).

    ``base.lr`` is the middle rate; variants that match a pattern in ``without`` are left out.
    """
    assert base.lr
    found: dict[str, Variant] = {}

    def add(name: str, config: TrainConfig, *groups: str) -> None:
        found[name] = Variant(name, config, frozenset(groups))

    for method in methods:
        for factor in rates:
            lr = base.lr * factor
            groups = ["aoq grid"] if method == "aoq" else ["others grid", f"{method} grid"]
            groups = groups if len(rates) > 1 else []  # nothing is tuned over one rate
            if lr == base.lr and method in ("aoq", "lsq"):
                groups.append("shrink" if method == "aoq" else "lsq equal")
            name = method if lr == base.lr else f"{method} lr={lr:.3g}"
            add(name, replace(base, method=method, lr=lr), *groups)
    for m in SHRINK_MINS:
        name = surface.name_of(RunConfig("aoq", PUBLISHED_LR, schedule=ThreeStage(shrink_min=m)))
        if name not in found:
            groups = ["shrink", "noise"] if name == NO_SHRINK else ["shrink"]
            add(name, replace(base, method="aoq", method_options={"shrink_min": m}), *groups)
    for name, options in CHANGED.items():
        groups = ["noise"] if name.startswith("noise") else []
        add(name, replace(base, method="aoq", method_options=options), *groups)
    add("aoq coupled", replace(base, method="aoq-coupled"))
    add("aoq frozen weights", replace(base, method="aoq", lr=STANDSTILL))
    kept = tuple(v for v in found.values() if not any(fnmatch(v.name, pattern) for pattern in without))
    return Experiment(data, "network", title, seeds, kept)


def _short(arch: str, data: str, epochs: int, batch_size: int, lr: float) -> TrainConfig:
    """Return a training of a few hundred steps, evaluated at its end."""
    base = TrainConfig(arch=arch, data=data, epochs=epochs, batch_size=batch_size, lr=lr)
    return replace(base, start_epochs=20, eval_every=epochs)


def _digits_cnn(first: bool) -> Experiment:
    title = (
        "three-layer convolutional network on scikit-learn's digits (8x8, 1,347 training images), 2-bit weights and "
        "activations, 20 epochs of batch 128 (200 steps)"
    )
    base = _short("digits_cnn", "digits", 20, 128, SHORT_LR)
    if first:
        return _network("digits-cnn", title, 2, base, methods=("lsq", "aoq"), rates=(1.0,), without=FIRST_WITHOUT)
    return _network("digits-cnn", title, 8, base, rates=WIDE_RATES)


def _digits_resnet() -> Experiment:
    title = (
        "ResNet-20 on scikit-learn's digits (8x8, 1,347 training images), 2-bit weights and activations, 10 epochs of "
        "batch 64 (210 steps)"
    )
    return _network("digits-resnet20", title, 5, _short("resnet20", "digits", 10, 64, SHORT_LR))


def _reduced_images(images: str) -> Experiment:
    name, base = Path(images).name, _short("resnet20", images, 5, 64, IMAGES_LR)
    title = (
        f"ResNet-20 on {name} ({TRAIN_PER_CLASS} training and {TEST_PER_CLASS} test images a class), 2-bit weights and "
        "activations, 5 epochs of batch 64"
    )
    methods = ("lsq", "n2uq", "statsq", "aoq")
    return _network(f"{name}-resnet20", title, 5, base, methods=methods, without=IMAGES_WITHOUT)


LARGER = 64
"""Pixels to which images are brought for networks that are made for 224."""
FULL_NETWORKS = ("resnet20", "mobilenetv2_100", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224")


def _full(arch: str, images: str) -> Experiment:
    """Return the published recipe; every method and control on ResNet-20, the main ones on the larger networks."""
    small = arch == "resnet20"
    base = TrainConfig(arch=arch, data=images, lr=PUBLISHED_LR, image_size=None if small else LARGER)
    size = "" if small else f" at {LARGER} pixels"
    title = f"{arch} on {Path(images).name}{size}, 2-bit weights and activations, the published recipe"
    options: dict[str, Any] = {} if small else {"methods": ("lsq", "lsq+dampen", "aoq"), "without": LARGE_WITHOUT}
    return _network(f"{Path(images).name}-{arch}", title, 5, base, **options)
