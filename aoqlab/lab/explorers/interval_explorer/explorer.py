"""The interval explorer: slide thresholds and levels over the weights of a layer and see what is lost.

In a notebook: ``intervals(weights)``, ``intervals(net)``, ``intervals("name of a run")``, ``intervals("file.pth")``.
"""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from torch import Tensor

from ....arguments import MAX_BITS, MIN_BITS
from ....quantizers import AOQ, LSQ, StatsQ, UniformQuantizer
from ....schedule import ThreeStage
from ....ste import MIN_STEP
from ...plots import LEVEL_CMAP
from ..base import Check, Explorer, Menu, Slider
from . import choices
from .figure import drawn
from .layers import Layer, Weights, layers_of
from .weight_summary import NoWeights, Summary, summarise

MOMENTS = 100
"""Stops of the slider over training."""
STATIC = 3_000_000
"""Bytes of weights that an exported page carries at most; other layers need a kernel."""


def intervals(source: Weights, layer: str | None = None, *, schedule: ThreeStage | None = None) -> Intervals:
    """Explore thresholds and levels over weights: of a tensor, a network, a file, or the name of a run or network.

    Weights and trained intervals are copied, so later training does not change them.
    ``layer``: the one to begin with (default: the first quantized one, otherwise the largest). ``schedule``: the stages
    that Play runs through. A layer without finite weights shows a sentence. Raises ``FileNotFoundError`` or
    ``ValueError`` where there is no such source or layer.
    """
    name, layers = layers_of(source)
    if layer is not None and layer not in layers:
        raise ValueError(f"there is no layer {layer!r}; there are {', '.join(layers)}")
    quantized = [key for key, value in layers.items() if value.learned]
    first = layer or (quantized[0] if quantized else max(layers, key=lambda key: layers[key].weights.numel()))
    return Intervals(name, layers, first, schedule or ThreeStage())


class Intervals(Explorer):
    """Made by :func:`intervals`."""

    script = Path(__file__).with_name("explorer.js")

    def __init__(self, name: str, layers: Mapping[str, Layer], layer: str, schedule: ThreeStage) -> None:
        self.name, self.layers = name, dict(layers)
        self._summaries: dict[str, Summary] = {}
        self.moments = [None, *choices.moments_of(schedule, MOMENTS)]
        learned = layers[layer].learned
        bits = learned.bits if learned and learned.bits else MIN_BITS
        kind = learned.kinds[0] if learned else "aoq-mid-rise"
        one = choices.RATIOS.index(1.0)
        super().__init__(
            f"Intervals: {name}",
            [
                Menu("layer", "layer", {key: f"{key} ({own.weights.numel():,})" for key, own in layers.items()}, layer),
                Menu("quantizer", "quantizer", choices.QUANTIZERS, kind),
                Slider("bits", "bits b", range(MIN_BITS, MAX_BITS + 1), start=bits - MIN_BITS),
                Menu("start", "intervals", choices.STARTS, "learned" if learned else "own"),
                Slider("th", "thresholds sₜₕ/σ", choices.RATIOS, shown=choices.ratio_text, start=one),
                Slider("le", "levels sₗₑ/σ", choices.RATIOS, shown=choices.ratio_text, start=one),
                Check("locked", "lock sₗₑ to sₜₕ"),
                Slider("alpha", "shrink α", choices.SHRINKS, shown="{:.2f}".format, start=len(choices.SHRINKS) - 1),
                Slider("near", "near: within", choices.NEAR, shown="{:g} of a bin".format),
                Slider("move", "step of a weight", choices.MOVES, shown="{:g} σ".format, start=3),
                Slider("moment", "training", self.moments, shown=choices.moment_text, play=60, step=5),
            ],
            data={
                "layers": {key: {"learned": choices.described(own.learned)} for key, own in layers.items()},
                "summaries": {layer: self._message(layer)},
                "quantizers": choices.grids(),
                "colors": [to_hex(LEVEL_CMAP(place)) for place in np.linspace(0, 1, 33)],
                "minStep": MIN_STEP,
            },
        )

    def summary(self, layer: str) -> Summary:
        """Return the summary of a layer, made once. Raise ``NoWeights``, a ``ValueError``, without finite weights."""
        if layer not in self._summaries:
            self._summaries[layer] = summarise(self.layers[layer].weights)
        return self._summaries[layer]

    def _message(self, layer: str) -> dict[str, Any]:
        try:
            summary = self.summary(layer)
        except NoWeights as error:
            return {"sentence": str(error)}
        return {
            **summary.message(),
            "unit": choices.unit_of(summary),
            "unitName": choices.unit_name(summary),
            "view": choices.view_of(summary),
            "starts": choices.starts_of(summary),
            "sentence": choices.sentence_of(summary),
        }

    def implied(self, places: Mapping[str, Any]) -> dict[str, Any]:
        state: dict[str, Any] = {**self.state, **places}
        moves: dict[str, Any] = {}
        learned, start = self.layers[state["layer"]].learned, places.get("start", self.state["start"])
        if start == "learned" and {"start", "layer"} & places.keys() and learned is not None:
            moves["quantizer"] = state["quantizer"] if state["quantizer"] in learned.kinds else learned.kinds[0]
            moves["bits"] = state["bits"] if learned.bits is None else learned.bits - MIN_BITS
        if places.get("start") == "learned" and self.settled({**state, **moves, **places})["start"] != "learned":
            raise ValueError(f"no finite intervals were trained with {state['layer']} by such a quantizer")
        if "start" in places:
            moves["locked"] = state["locked"] and start == "free"
        elif {"th", "le"} & places.keys() or (places.get("locked") and start == "learned"):
            moves |= {"start": "free", **self._stops(state)}
        if state["locked"] and len({"th", "le"} & places.keys()) == 1:
            moves["th"] = moves["le"] = places.get("th", places.get("le"))
        if "alpha" in places:
            moves["moment"] = 0
        elif places.get("moment") == 0 and self.state["moment"]:
            moves["alpha"] = len(choices.SHRINKS) - 1  # training has not begun
        return moves

    def settled(self, state: dict[str, Any]) -> dict[str, Any]:
        """Use trained intervals for the trained quantizer alone."""
        learned, bits = self.layers[state["layer"]].learned, self.value("bits", state)
        fits = learned and state["quantizer"] in learned.kinds and learned.bits in (None, bits)
        return state if fits or state["start"] != "learned" else {**state, "start": "own"}

    def _stops(self, state: dict[str, Any]) -> dict[str, int]:
        """Return the stops nearest to both intervals; none without finite weights."""
        try:
            summary = self.summary(state["layer"])
        except NoWeights:
            return {}
        held = self._intervals(self.settled(state), summary)
        return {
            name: choices.nearest(value / choices.unit_of(summary))
            for name, value in zip(("th", "le"), held, strict=True)
        }

    def static_data(self) -> dict[str, Any]:
        """Return layers in their order, the present one first, until they fill ``STATIC``; the others need a kernel."""
        summaries: dict[str, Any] = {}
        room = STATIC
        for layer in dict.fromkeys([self.state["layer"], *self.layers]):
            if 4 * self.layers[layer].weights.numel() > 64 * max(room, 1) and summaries:
                continue
            message = self._message(layer)
            size = sum(len(value) for value in message.values() if isinstance(value, bytes))
            if size <= room or not summaries:
                summaries[layer] = message
                room -= size
        return {**self.data, "summaries": summaries}

    def answer_layer(self, state: Mapping[str, Any], layer: str) -> dict[str, Any]:
        """Return the summary of another layer."""
        return self._message(layer)

    def quantizer(self, state: Mapping[str, Any] | None = None) -> UniformQuantizer:
        """Return the package's quantizer as a state has it. Raise ``ValueError`` without finite weights."""
        state = self.state if state is None else state
        kind, bits = state["quantizer"], self.value("bits", state)
        threshold, level = self._intervals(state, self.summary(state["layer"]))
        if kind in ("lsq", "statsq"):
            coupled = LSQ(bits) if kind == "lsq" else StatsQ(bits, per_channel=False)
            coupled.step.data.fill_(threshold)
            return coupled
        aoq = AOQ(bits, grid=choices.GRIDS[kind].kind)
        moment = self.moments[state["moment"]]
        aoq.threshold_interval.fill_(threshold)
        aoq.level_interval.data.fill_(level)
        aoq.shrink.fill_(moment["shrink"] if moment else self.value("alpha", state))
        if moment and moment["learned"]:
            best = best_level(aoq, *self._weights(aoq, state))
            aoq.level_interval.data.fill_((1 - moment["learned"]) * level + moment["learned"] * best)
        return aoq

    def figure(self, state: Mapping[str, Any]) -> Figure:
        quantizer, view = self.quantizer(state), choices.view_of(self.summary(state["layer"]))
        return drawn(quantizer, *self._weights(quantizer, state), view, state["quantizer"].split("-")[0])

    def record(self, state: Mapping[str, Any]) -> dict[str, Any]:
        quantizer = self.quantizer(state)
        steps = {name: float(getattr(quantizer, name).detach()) for name in ("threshold_step", "level_step")}
        whole = {"source": self.name, **super().record(state)["parameters"]}
        whole["unit"] = choices.unit_of(self.summary(state["layer"]))
        return {"parameters": {**whole, **steps, "quantizer_object": str(quantizer)}}

    def _intervals(self, state: Mapping[str, Any], summary: Summary) -> tuple[float, float]:
        """Return s_th and s_le in units of the weights, before shrinking."""
        kind, bits, learned = state["quantizer"], self.value("bits", state), self.layers[state["layer"]].learned
        if kind != "statsq" and state["start"] == "learned" and learned is not None:
            return learned.threshold_interval * learned.shrink, learned.level_interval * learned.shrink
        if kind == "statsq" or state["start"] != "free":
            return (choices.starts_of(summary)[kind][bits - MIN_BITS],) * 2
        threshold = self.value("th", state) * choices.unit_of(summary)
        same = kind == "lsq" or state["locked"]
        return threshold, threshold if same else self.value("le", state) * choices.unit_of(summary)

    def _weights(self, quantizer: UniformQuantizer, state: Mapping[str, Any]) -> tuple[Tensor, Tensor]:
        """Return the different weights, pulled to the middles of their bins as far as the moment says, and counts."""
        summary, moment = self.summary(state["layer"]), self.moments[state["moment"]]
        values = torch.from_numpy(summary.values)
        if moment and moment["pull"] and not quantizer.coupled:
            values = values + moment["pull"] * (quantizer.bin_centres(values) - values)
        return values, torch.from_numpy(summary.counts).double()


def best_level(quantizer: AOQ, values: Tensor, counts: Tensor) -> float:
    """Return the level interval of least squared error at these thresholds, to which levels go that learn from it."""
    places = quantizer.grid.levels(torch.tensor(1.0)).double()[quantizer.encode(values).long()]
    return float(places @ (counts * values)) / max(float(places.square() @ counts) * float(quantizer.shrink), 1e-300)
