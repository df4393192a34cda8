"""The interval explorer: slide thresholds and levels over the weights of a layer and see what is lost.

In a notebook: ``intervals(weights)``, ``intervals(net)``, ``intervals("name of a run")``, ``intervals("file.pth")``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from torch import Tensor

from ....grids import MAX_BITS, MIN_BITS
from ....quantizers import AOQ, LSQ, StatsQ, UniformQuantizer
from ....schedule import ThreeStage
from ....ste import MIN_STEP
from ...plots import LEVEL_CMAP
from ..base import Check, Explorer, Menu, Slider
from .choices import (
    MOVES,
    NEAR,
    QUANTIZERS,
    RATIOS,
    SHRINKS,
    STARTS,
    described,
    grids,
    moment_text,
    moments_of,
    nearest,
    ratio_text,
    sentence_of,
    starts_of,
    unit_name,
    unit_of,
    view_of,
)
from .exact_numbers import best_level, exact_numbers
from .figure import drawn
from .layers import Layer, Weights, layers_of
from .weight_summary import NoWeights, Summary, summarise

MOMENTS = 100
"""Stops of the slider over training."""
PIECE = 1 << 17
"""Weights that are counted at a time: what is computed on the way stays within a few megabytes."""
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

    script = "explorer.js"

    def __init__(self, name: str, layers: Mapping[str, Layer], layer: str, schedule: ThreeStage) -> None:
        self.name, self.layers = name, dict(layers)
        self._summaries: dict[str, Summary | str] = {}
        self.moments = [None, *moments_of(schedule, MOMENTS)]
        learned = layers[layer].learned
        bits = learned.bits if learned and learned.bits else MIN_BITS
        kind = learned.kinds[0] if learned else "aoq-mid-rise"
        one = RATIOS.index(1.0)
        super().__init__(
            f"Intervals: {name}",
            [
                Menu(
                    "layer",
                    "layer",
                    {key: f"{key} ({value.weights.numel():,})" for key, value in layers.items()},
                    layer,
                ),
                Menu("quantizer", "quantizer", QUANTIZERS, kind),
                Slider("bits", "bits b", range(MIN_BITS, MAX_BITS + 1), index=bits - MIN_BITS),
                Menu(
                    "start",
                    "intervals",
                    STARTS,
                    "learned" if learned else "own",
                ),
                Slider("th", "thresholds sₜₕ/σ", RATIOS, shown=ratio_text, index=one),
                Slider("le", "levels sₗₑ/σ", RATIOS, shown=ratio_text, index=one),
                Check("locked", "lock sₗₑ to sₜₕ"),
                Slider("alpha", "shrink α", SHRINKS, shown="{:.2f}".format, index=len(SHRINKS) - 1),
                Slider("near", "near: within", NEAR, shown="{:g} of a bin".format, index=0),
                Slider("move", "step of a weight", MOVES, shown="{:g} σ".format, index=3),
                Slider("moment", "training", self.moments, shown=moment_text, play=60, step=5),
            ],
            data={
                "layers": {key: described(value) for key, value in layers.items()},
                "summaries": {},
                "quantizers": grids(),
                "colors": [to_hex(LEVEL_CMAP(place)) for place in np.linspace(0, 1, 33)],
                "minStep": MIN_STEP,
            },
        )
        self._show(layer)

    def summary(self, layer: str) -> Summary | str:
        """Return the summary of a layer, made once; or the sentence that says why there is none."""
        if layer not in self._summaries:
            try:
                self._summaries[layer] = summarise(self.layers[layer].weights)
            except NoWeights as error:
                self._summaries[layer] = str(error)
        return self._summaries[layer]

    def _message(self, layer: str) -> dict[str, Any]:
        summary = self.summary(layer)
        if isinstance(summary, str):
            return {"sentence": summary}
        return {
            **summary.message(),
            "unit": unit_of(summary),
            "unitName": unit_name(summary),
            "view": view_of(summary),
            "starts": starts_of(summary),
        } | {"sentence": sentence_of(summary)}

    def _show(self, layer: str) -> None:
        """Make a layer part of what the browser draws from."""
        if layer not in self.data["summaries"]:
            self.data = {**self.data, "summaries": {**self.data["summaries"], layer: self._message(layer)}}

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
            moves["alpha"] = len(SHRINKS) - 1  # training has not begun
        return moves

    def settled(self, state: dict[str, Any]) -> dict[str, Any]:
        """Use trained intervals for the trained quantizer alone."""
        learned, bits = self.layers[state["layer"]].learned, self.value("bits", state)
        if state["start"] == "learned" and not (learned and learned.fits(state["quantizer"], bits)):
            state["start"] = "own"
        return state

    def _stops(self, state: Mapping[str, Any]) -> dict[str, int]:
        """Return the stops nearest to both intervals; none without finite weights."""
        summary = self.summary(state["layer"])
        if isinstance(summary, str):
            return {}
        held = self._intervals(self.settled(dict(state)), summary)
        return {name: nearest(value / unit_of(summary)) for name, value in zip(("th", "le"), held, strict=True)}

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
        summary = self._finite(state)
        kind, bits = state["quantizer"], self.value("bits", state)
        threshold, level = self._intervals(state, summary)
        if kind == "statsq":
            quantizer = StatsQ(bits, per_channel=False)
            quantizer.step.fill_(threshold)
            return quantizer
        if kind == "lsq":
            lsq = LSQ(bits)
            lsq.step.data.fill_(threshold)
            return lsq
        aoq = AOQ(bits, grid="mid-tread" if kind == "aoq-mid-tread" else "mid-rise")
        moment = self.moments[state["moment"]]
        aoq.threshold_interval.fill_(threshold)
        aoq.level_interval.data.fill_(level)
        aoq.shrink.fill_(moment["shrink"] if moment else self.value("alpha", state))
        if moment and moment["learned"]:
            best = best_level(aoq, self._parts(aoq, state))
            aoq.level_interval.data.fill_((1 - moment["learned"]) * level + moment["learned"] * best)
        return aoq

    def readouts(self, state: Mapping[str, Any] | None = None) -> dict[str, Any]:
        """Return exact numbers of a state; ``mse`` and ``power`` (mean square) in squared units of the weights.

        ``sqnr`` in dB, ``None`` where there is no noise or no signal (``power`` 0); ``entropy`` in bits; ``near``:
        share of weights at most the chosen part of a bin from a threshold; ``crossings``: thresholds crossed per weight
        when every weight moves by the chosen step, up or down with equal chance, ``mean(code(w + d) - code(w - d)) /
        2``; ``occupancy``: share of weights per level.
        """
        state = self.state if state is None else state
        quantizer = self.quantizer(state)
        near = self.value("near", state) * max(float(quantizer.threshold_step), MIN_STEP)
        move = self.value("move", state) * unit_of(self._finite(state))
        return exact_numbers(quantizer, self._parts(quantizer, state), near, move)

    def figure(self, state: Mapping[str, Any]) -> Figure:
        quantizer, summary = self.quantizer(state), self._finite(state)
        method = state["quantizer"].split("-")[0]
        return drawn(quantizer, self._parts(quantizer, state), view_of(summary), method)

    def record(self, state: Mapping[str, Any]) -> dict[str, Any]:
        quantizer = self.quantizer(state)
        steps = {name: float(getattr(quantizer, name).detach()) for name in ("threshold_step", "level_step")}
        settings = {name: self.value(name, state) for name in self.controls if name in self._acting(state)}
        found = {key: value for key, value in self.readouts(state).items() if key != "occupancy"}
        whole = {"source": self.name, **settings, "unit": unit_of(self._finite(state)), **steps}
        return {"parameters": {**whole, "quantizer_object": str(quantizer), "readouts": found}}

    def _acting(self, state: Mapping[str, Any]) -> set[str]:
        """Return the controls on which the numbers of a state depend."""
        own = self.data["quantizers"][state["quantizer"]]
        free = own["slides"] and state["start"] == "free"
        stage = {"moment"} if state["moment"] else {"alpha"}
        return (
            {"layer", "quantizer", "bits", "near", "move"}
            | ({"start"} if own["slides"] else set())
            | ({"th"} if free else set())
            | ({"locked"} if free and own["decoupled"] else set())
            | ({"le"} if free and own["decoupled"] and not state["locked"] else set())
            | (stage if own["decoupled"] else set())
        )

    def _finite(self, state: Mapping[str, Any]) -> Summary:
        summary = self.summary(state["layer"])
        if isinstance(summary, str):
            raise ValueError(summary)
        return summary

    def _intervals(self, state: Mapping[str, Any], summary: Summary) -> tuple[float, float]:
        """Return s_th and s_le in units of the weights, before shrinking."""
        kind, bits, learned = state["quantizer"], self.value("bits", state), self.layers[state["layer"]].learned
        if kind != "statsq" and state["start"] == "learned" and learned is not None:
            return learned.threshold_interval * learned.shrink, learned.level_interval * learned.shrink
        if kind == "statsq" or state["start"] != "free":
            return (starts_of(summary)[kind][bits - MIN_BITS],) * 2
        threshold = self.value("th", state) * unit_of(summary)
        same = kind == "lsq" or state["locked"]
        return threshold, threshold if same else self.value("le", state) * unit_of(summary)

    def _parts(self, quantizer: UniformQuantizer, state: Mapping[str, Any]) -> Iterator[Tensor]:
        """Yield the finite weights in pieces, pulled to the middles of their bins as far as the moment says."""
        moment = self.moments[state["moment"]]
        pull = moment["pull"] if moment else 0.0
        for part in self.layers[state["layer"]].weights.detach().reshape(-1).split(PIECE):
            part = part.to("cpu", torch.float32)
            part = part[torch.isfinite(part)]
            yield part + pull * (quantizer.bin_centres(part) - part) if pull and not quantizer.coupled else part
