"""The table of layers: what surgery did to each, and why not more."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from torch import Tensor, nn
from torch.nn.parameter import UninitializedParameter
from torch.nn.utils import parametrize

from ..quantizers import Quantizer
from .attached import Switch, input_switch, latent_weight, weight_switch
from .layers import find_layers

if TYPE_CHECKING:
    import pandas as pd

NOTE = "surgery_note"
COLUMNS = (
    "layer",
    "kind",
    "shape",
    "weights",
    "weight_bits",
    "weight_method",
    "activation_bits",
    "activation_method",
    "activation_rule",
    "why_skipped",
)


@dataclass(frozen=True)
class Note:
    """What a layer remembers of the surgery in addition to its quantizers; copied with it."""

    rule: str = ""
    why_skipped: str = ""
    folded: str = ""
    folded_bits: int | None = None


def note_of(layer: nn.Module) -> Note:
    """Return the note of a layer; a layer that was never quantized gets a note that says so."""
    note = getattr(layer, NOTE, None)
    return note if isinstance(note, Note) else Note(why_skipped="never quantized")


def method_of(quantizer: Quantizer) -> str:
    """Describe a quantizer in words: its class, what it wraps, whether it has a step per channel."""
    name = type(quantizer).__name__
    for inner in quantizer.children():
        if isinstance(inner, Quantizer):
            return f"{name}({method_of(inner)})"
    return f"{name} per channel" if quantizer.per_channel else name


def _cells(switch: Switch | None) -> tuple[int | None, str]:
    if switch is None:
        return None, ""
    return switch.quantizer.bits, method_of(switch.quantizer) + ("" if switch.enabled else ", disabled")


def layer_weight(layer: nn.Module) -> Tensor:
    """Return the float weight of a convolution or linear layer, without running a quantizer."""
    weight = latent_weight(layer) if weight_switch(layer) is not None else layer.weight
    assert isinstance(weight, Tensor)
    return weight


def _size(weight: Tensor) -> tuple[str, int]:
    """Return the shape in words, and how many weights there are."""
    if isinstance(weight, UninitializedParameter):
        return "unknown", 0
    return "x".join(map(str, weight.shape)), weight.numel()


def _unseen(model: nn.Module, layers: dict[str, nn.Module]) -> Iterator[tuple[str, nn.Module, nn.Parameter]]:
    """Yield name, owner and value of each parameter of two or more dimensions that is no weight in ``layers``."""
    known = set()
    for m in model.modules():
        if isinstance(m, Switch):
            known |= set(m.modules())
        elif m in layers.values() and parametrize.is_parametrized(m):
            known |= set(m.parametrizations.modules())  # type: ignore[union-attr]
    for name, module in model.named_modules():
        own = dict(module.named_parameters(recurse=False))
        if module in known or ("weight" not in own and module in layers.values() and weight_switch(module) is None):
            continue
        for parameter_name, p in own.items():
            of_layer = parameter_name == "weight" and module in layers.values()
            if not of_layer and not isinstance(p, UninitializedParameter) and p.dim() > 1:
                yield f"{name}.{parameter_name}".lstrip("."), module, p


def quantized_layers(model: nn.Module) -> pd.DataFrame:
    """Return one row per convolution and linear layer: what is quantized, how, and why not.

    A row for each further parameter of two or more dimensions follows, such as an embedding or the weights of a layer
    that is no ``nn.Conv2d``: surgery does not see what is computed with it, so it stays float.

    Columns: ``layer`` (name), ``kind`` (class), ``shape`` (of the weight), ``weights`` (how many), ``weight_bits``,
    ``weight_method``, ``activation_bits``, ``activation_method`` (of the layer's input), ``activation_rule``
    ("unsigned", "shifted", "signed", "as given"), ``why_skipped`` (empty where nothing was). Bits are missing (``NA``),
    texts empty where there is no quantizer. Feed ``dict(zip(table.layer, table.activation_rule))`` to
    ``quantize(rules=...)`` to build the same network again without data.
    """
    import pandas as pd

    rows: list[tuple[object, ...]] = []
    layers = find_layers(model)
    for name, layer in layers.items():
        note, switch = note_of(layer), weight_switch(layer)
        weight_bits, weight_method = (note.folded_bits, note.folded) if note.folded else _cells(switch)
        rows.append(
            (
                name,
                parametrize.type_before_parametrizations(layer).__name__,
                *_size(layer_weight(layer)),
                weight_bits,
                weight_method,
                *_cells(input_switch(layer)),
                note.rule,
                note.why_skipped,
            )
        )
    for name, owner, p in _unseen(model, layers):
        kind = parametrize.type_before_parametrizations(owner).__name__
        why = f"not seen: a parameter of {kind}, which is no convolution or linear layer"
        if owner in layers.values():
            why = f"not seen: a further parameter of {kind}"
        rows.append((name, kind, *_size(p), None, "", None, "", "", why))
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"weights": "int64", "weight_bits": "Int64", "activation_bits": "Int64"})
