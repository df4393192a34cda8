"""The layers behind an explorer, from a tensor, a network, a run, a checkpoint file."""

from __future__ import annotations

import math
import os
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ....quantizers import Quantizer
from ....surgery import weight_sites
from ... import methods, models
from ...models.checkpoints import read_weights
from ...shared.files import DamagedError, DamagedWarning, read_checked
from ...shared.store import tensors_of
from ...training import checkpoint as checkpoints
from ...training.checkpoint import CheckpointError
from ...training.folder import CONFIG, MODEL, RunFolder

_LATENT, _WEIGHT = ".parametrizations.weight.original", ".weight"
_QUANTIZER = ".parametrizations.weight.0.quantizer."

KINDS = ("aoq-mid-rise", "aoq-mid-tread", "lsq", "statsq")
"""The quantizers that the explorer of intervals offers."""

Weights = Tensor | np.ndarray | nn.Module | Mapping[str, Tensor] | str | os.PathLike[str]


@dataclass(frozen=True)
class Learned:
    """A layer's trained quantizer: intervals in units of the weights, means over channels."""

    kinds: tuple[str, ...]
    """The quantizer, one of ``KINDS``; or those it may be where a file says no more."""
    bits: int | None
    """``None`` where the file does not say."""
    threshold_interval: float
    level_interval: float
    shrink: float
    per_channel: bool


@dataclass(frozen=True)
class Layer:
    """Weights, which nothing changes, and the quantizer that was trained with them.

    ``None`` where there was none, or where its intervals are not finite.
    """

    weights: Tensor
    learned: Learned | None = None


def layers_of(source: Weights) -> tuple[str, dict[str, Layer]]:
    """Return the name of the source, and its layers: every weight of two dimensions or more, latent where quantized.

    A text is the name of a run, a run's folder, a checkpoint file or a network's name (its published weights), looked
    for in this order. Weights in memory are copied, because training may continue. Raises ``FileNotFoundError`` or
    ``ValueError`` with what is wrong, and ``TypeError``.
    """
    if isinstance(source, (Tensor, np.ndarray)):
        tensor = torch.as_tensor(source)
        return "weights", {"weights": Layer(_copied(tensor if tensor.is_floating_point() else tensor.float()))}
    if isinstance(source, nn.Module):
        known = {name: site.quantizer for name, site in weight_sites(source).items()}
        return type(source).__name__, _layers(source.state_dict(), known, copy=True)
    if isinstance(source, Mapping):
        return "weights", _layers(source, {}, copy=True)
    if isinstance(source, (str, os.PathLike)):
        return _stored(os.fspath(source))
    raise TypeError(f"intervals needs a tensor, an array, a network or the name of one, got {type(source).__name__}")


def _stored(name: str) -> tuple[str, dict[str, Layer]]:
    try:
        folder = RunFolder.named(name)
    except FileNotFoundError as error:
        if Path(name).is_file():
            return Path(name).stem, _layers(read_weights(name, finite=False), {})
        if name in models.names():
            sizes: dict[str, Any] = {"in_chans": 1, "image_size": 8} if name == "digits_cnn" else {}
            return name, _layers(models.create(name, pretrained=True, **sizes).state_dict(), {})
        raise FileNotFoundError(f"{name!r} is no run, no file and no network's name: {error}") from error
    settings = (folder.read(CONFIG) or {}).get("settings", {})
    state = _weights_of(folder)
    prototype = _prototype(settings)
    latent = [key.removesuffix(_LATENT) for key in state if key.endswith(_LATENT)]
    return folder.path.name, _layers(state, dict.fromkeys(latent, prototype) if prototype else {})


def _weights_of(folder: RunFolder) -> dict[str, Tensor]:
    """Return the weights of a run: at its end or, while it trains or where these are damaged, in a checkpoint."""
    damaged = ""
    for place in (folder.path / MODEL, *checkpoints.saved(folder.path)):
        try:
            if place.name == MODEL:
                return tensors_of(read_checked(place), place)
            return checkpoints.part("model", checkpoints.load(place).tensors)
        except FileNotFoundError:
            continue
        except (DamagedError, CheckpointError) as error:
            damaged = str(error)
            warnings.warn(f"{damaged}; looking for an older checkpoint", DamagedWarning, stacklevel=4)
    if damaged:
        raise DamagedError(damaged)
    raise FileNotFoundError(f"the run {folder.path.name!r} has no weights yet: it writes them after its first epoch")


def _prototype(settings: Mapping[str, Any]) -> Quantizer | None:
    """Return the quantizer that a run puts on weights; ``None`` where this version does not know its settings."""
    try:
        method = methods.get(settings["method"], **settings.get("method_options", {}))
        return method.weights(settings["bits"]) if method.weights else None
    except (KeyError, TypeError, ValueError):
        return None


def _copied(tensor: Tensor) -> Tensor:
    return tensor.detach().to("cpu", copy=True)


def _layers(state: Mapping[str, Tensor], known: Mapping[str, Quantizer], copy: bool = False) -> dict[str, Layer]:
    found = {}
    for key, tensor in state.items():
        suffix = _LATENT if key.endswith(_LATENT) else _WEIGHT
        if tensor.ndim >= 2 and tensor.is_floating_point() and key.endswith(suffix):
            name = key.removesuffix(suffix)
            weights = _copied(tensor) if copy else tensor.detach()
            found[name] = Layer(weights, _learned(state, name, known.get(name)))
    if not found:
        raise ValueError("there are no layers with weights of two dimensions or more")
    return found


def _learned(state: Mapping[str, Tensor], layer: str, quantizer: Quantizer | None) -> Learned | None:
    """Return what the tensors of a layer's quantizer say; only the quantizer knows its kind, bits and coupling."""
    own = {key.rpartition(".")[2]: value for key, value in state.items() if key.startswith(layer + _QUANTIZER)}
    if "threshold_interval" in own:
        threshold, level, shrink = own["threshold_interval"], own["level_interval"], float(own["shrink"])
        kinds: tuple[str, ...] = ("aoq-mid-rise", "aoq-mid-tread")
    elif "step" in own:
        threshold, level, shrink, kinds = own["step"], own["step"], 1.0, ("lsq", "statsq")
    else:
        return None
    if quantizer:
        inner = quantizer.unwrapped
        name = type(inner).__name__.lower()
        kinds = tuple(kind for kind in KINDS if inner.grid and kind in (name, f"{name}-{inner.grid.kind}"))
        threshold = level if inner.coupled else threshold
    means = float(threshold.mean()), float(level.mean())
    if not kinds or not all(map(math.isfinite, (*means, shrink))):
        return None
    bits = quantizer.bits if quantizer else None
    return Learned(kinds, bits, *means, shrink, threshold.numel() > 1)
