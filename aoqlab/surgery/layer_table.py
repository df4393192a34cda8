"""The table of layers: what surgery did to each, and why not more."""

from __future__ import annotations

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


def quantized_layers(model: nn.Module) -> pd.DataFrame:
    """Return one row per convolution and linear layer: what is quantized, how, and why not.

    Columns: ``layer`` (name), ``kind`` (class), ``shape`` (of the weight), ``weights`` (how many), ``weight_bits``,
    ``weight_method``, ``activation_bits``, ``activation_method`` (of the layer's input), ``activation_rule``
    ("unsigned", "shifted", "signed", "as given"), ``why_skipped`` (empty where nothing was). Bits are missing (``NA``),
    texts empty where there is no quantizer. Feed ``dict(zip(table.layer, table.activation_rule))`` to
    ``quantize(rules=...)`` to build the same network again without data.
    """
    import pandas as pd

    rows = []
    for name, layer in find_layers(model).items():
        note, switch = note_of(layer), weight_switch(layer)
        weight = latent_weight(layer) if switch is not None else layer.weight
        assert isinstance(weight, Tensor)
        shape = None if isinstance(weight, UninitializedParameter) else weight.shape
        weight_bits, weight_method = (note.folded_bits, note.folded) if note.folded else _cells(switch)
        rows.append(
            (
                name,
                parametrize.type_before_parametrizations(layer).__name__,
                "unknown" if shape is None else "x".join(map(str, shape)),
                0 if shape is None else shape.numel(),
                weight_bits,
                weight_method,
                *_cells(input_switch(layer)),
                note.rule,
                note.why_skipped,
            )
        )
    table = pd.DataFrame(rows, columns=list(COLUMNS))
    return table.astype({"weights": "int64", "weight_bits": "Int64", "activation_bits": "Int64"})
