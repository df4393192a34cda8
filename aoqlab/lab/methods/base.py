"""What a training method is: a frozen declaration that the training engine reads. Needs no torch."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from functools import partial
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from ...schedule import StageState, ThreeStage, cosine_ramp

if TYPE_CHECKING:
    from torch import Tensor

    from ...quantizers import Quantizer

LR_GROUPS = {"weights": 1.0, "weight_quantizers": 1.0, "activation_quantizers": 0.1}
"""Factor on the learning rate of each parameter group, as in the published recipe of AOQ."""


@runtime_checkable
class Regulariser(Protocol):
    """A term of the loss that looks at the weights alone. Called once per training step."""

    def __call__(
        self, latents: list[Tensor], quantizers: list[Quantizer], progress: float, state: StageState | None
    ) -> Tensor | None:
        """Return the term, of shape (), already multiplied by its weight; None where it is switched off.

        ``latents``: the weights before quantization, one tensor per layer, with the ``quantizers`` of these layers;
        ``progress``: done share of training in [0, 1]; ``state``: the method's schedule at that moment, if it has one.
        """


def on_grid(latents: list[Tensor], quantizers: list[Quantizer]) -> tuple[list[Tensor], list[Tensor], list[Tensor]]:
    """Return per layer the quantized weights, the lowest and the highest level."""
    import torch

    with torch.no_grad():
        quantized = [q(w) for w, q in zip(latents, quantizers, strict=True)]
    levels = [q.levels() for q in quantizers]
    return quantized, [own[..., 0] for own in levels], [own[..., -1] for own in levels]


def check_strength(name: str, value: float | int) -> None:
    """Raise ``ValueError`` where a factor is negative or not finite."""
    if not 0 <= value < math.inf:
        raise ValueError(f"{name} must be finite and not negative, got {value}")


@dataclass(frozen=True)
class FreezeSchedule:
    """The oscillation frequency above which weights are frozen, over training progress p in [0, 1].

    No freezing (infinity) while ``p < begin``; then ``end + (start - end) (1 + cos(pi t)) / 2`` with
    ``t = (p - begin) / (1 - begin)``: half a cosine from ``start`` down to ``end``, per step. Raises ``ValueError`` for
    values out of range.
    """

    start: float | int
    end: float | int
    begin: float | int

    def __post_init__(self) -> None:
        for name in ("start", "end"):
            if not 0 < getattr(self, name) <= 1:
                raise ValueError(f"{name} must be a frequency in (0, 1], got {getattr(self, name)}")
        if not 0 <= self.begin < 1:
            raise ValueError(f"begin must be in [0, 1), got {self.begin}")

    def __call__(self, progress: float) -> float:
        """Return the frequency above which a weight is frozen at ``progress``."""
        if progress < self.begin:
            return math.inf
        return self.start + cosine_ramp((progress - self.begin) / (1 - self.begin), float(self.end - self.start))


@dataclass(frozen=True)
class Method:
    """A way to train: which quantizers, which schedule, which regulariser, which learning rates.

    :func:`aoqlab.lab.methods.get` fills in ``name``, ``summary`` and the ``options`` that it made the method from.
    ``weights`` and ``activations`` make a prototype quantizer for a number of bits (copied for each layer); None leaves
    them in full precision. ``schedule`` drives ``set_stage`` of the quantizers that have it. With ``freezing`` the
    weight quantizers are :class:`aoqlab.quantizers.Freezing`, and after each update of the tracker the engine calls
    their ``track(codes)`` and ``freeze(frequency, freezing(progress))``. ``lr_scale``: factor on the learning
    rate of the groups ``weights`` (all ordinary parameters), ``weight_quantizers`` and ``activation_quantizers``.
    Raises ``ValueError`` for other groups or factors.
    """

    name: str = ""
    summary: str = ""
    weights: Callable[[int], Quantizer] | None = None
    activations: Callable[[int], Quantizer] | None = None
    schedule: ThreeStage | None = None
    regulariser: Regulariser | None = None
    freezing: FreezeSchedule | None = None
    lr_scale: Mapping[str, float | int] = field(default_factory=lambda: dict(LR_GROUPS))
    options: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if set(self.lr_scale) != set(LR_GROUPS):
            raise ValueError(f"lr_scale must have the groups {', '.join(LR_GROUPS)}, got {', '.join(self.lr_scale)}")
        for group, factor in self.lr_scale.items():
            check_strength(f"lr_scale[{group!r}]", factor)

    def describe(self) -> dict[str, Any]:
        """Return all that defines it, as JSON can hold it; ``get(name, **options)`` makes the same method."""
        return {
            "name": self.name,
            "summary": self.summary,
            "options": {**self.options},
            "weights": _represent(self.weights),
            "activations": _represent(self.activations),
            "schedule": asdict(self.schedule) if self.schedule else None,
            "regulariser": repr(self.regulariser) if self.regulariser else None,
            "freezing": asdict(self.freezing) if self.freezing else None,
            "lr_scale": {**self.lr_scale},
        }


def _represent(make: Callable[[int], Quantizer] | None) -> str | None:
    """Return the repr of the prototype in one line, without its number of bits."""
    if make is None:
        return None
    return " ".join(repr(make(2)).replace("bits=2", "bits=b").split()).replace("( ", "(").replace(" )", ")")


def activation_quantizer(kind: str) -> Callable[[int], Quantizer] | None:
    """Return the maker of the prototype: ``"ltq"`` (N2UQ), ``"lsq"`` (unsigned LSQ) or ``"none"`` (full precision).

    Layers whose inputs can be negative get a shifted or signed form of it when a model is quantized. Raises
    ``ValueError`` for anything else.
    """
    from ...quantizers import LSQ, LTQ

    makers: dict[str, Callable[[int], Quantizer] | None] = {
        "ltq": LTQ,
        "lsq": partial(LSQ, signed=False, batched=True),
        "none": None,
    }
    if kind not in makers:
        raise ValueError(f"activations must be one of {', '.join(makers)}, got {kind!r}")
    return makers[kind]
