"""A training to watch: menus, a button, and one picture that is drawn anew after every epoch.

In a notebook::

    live = LiveTraining(TrainConfig(arch="digits_cnn", epochs=30))
    display(live.widget)
    live.run()  # as the button does; Ctrl-C or the interrupt button ends it
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from html import escape
from typing import Any

import ipywidgets
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from matplotlib.ticker import MaxNLocator
from torch import Tensor

from ...quantizers import Quantizer
from .. import methods
from ..methods import Method
from ..plots import (
    crossings_over_time,
    draw_stages,
    level_histogram_over_time,
    method_color,
    method_label,
    weight_histogram,
)
from ..training import Result, TrainConfig, train
from ..training.config import FULL_PRECISION
from ..training.engine import Stopped, Trainer
from .widgets import FigureImage

MEASURES = {
    "train_loss": "training loss",
    "test_accuracy": "test accuracy",
    "crossings_per_step_in_epoch": "crossings per weight and step",
    "oscillating_share": "oscillating weights",
    "explored_volume": "explored log-volume",
}
"""Columns of the metrics that are drawn over epochs, and the titles of their panels."""

BINS = 120
_OTHER_RUN = "#8C8C8C"
_SUMMARY = (
    *("method", "bits", "arch", "seed", "epochs", "accuracy", "accuracy_start"),
    *("crossings_per_step", "explored_volume", "oscillating_share"),
)
_MARGINS = {"left": 0.05, "right": 0.95, "bottom": 0.085, "top": 0.865, "wspace": 0.24, "hspace": 0.47}


@dataclass(frozen=True)
class LayerWeights:
    """Histogram of a layer's weights before quantization, with the thresholds and levels of that moment.

    Of a quantizer with a step per channel everything is in units of that step, so that one picture holds all channels;
    only the two intervals are then means over channels, in units of the weights.
    """

    counts: np.ndarray
    edges: np.ndarray
    thresholds: np.ndarray
    levels: np.ndarray
    threshold_interval: float
    level_interval: float
    per_channel: bool


@dataclass(frozen=True)
class Moment:
    """What there is to draw at the end of an epoch; holds no tensors, so it can be kept."""

    label: str
    method: str
    epochs: int
    stages: Sequence[tuple[float, float, str]]
    """First and last epoch and name of each stage; empty for a method without."""
    metrics: pd.DataFrame
    """A row per epoch, from epoch 0, with the columns of :data:`MEASURES`."""
    levels: pd.DataFrame
    """Shares of the levels: columns ``epoch``, ``layer``, ``code``, ``share``."""
    weights: Sequence[Mapping[str, LayerWeights]]
    """Layers by name, one mapping for each epoch."""
    start_accuracy: float

    @property
    def layers(self) -> list[str]:
        return list(self.weights[-1])


def stage_spans(method: Method, epochs: int) -> list[tuple[float, float, str]]:
    """First and last epoch and name of every stage of a method's schedule; none without a schedule."""
    schedule = method.schedule
    if schedule is None:
        return []
    stops = (0.0, schedule.shrink_until, max(schedule.shrink_until, schedule.dampen_from), 1.0)
    spans = zip(stops[:-1], stops[1:], ("shrink", "widen", "dampen"), strict=True)
    return [(float(a * epochs), float(b * epochs), name) for a, b, name in spans if a < b]


def layer_weights(latent: Tensor, quantizer: Quantizer) -> LayerWeights:
    """Count the weights of a layer (any shape) for its picture."""
    weights, thresholds, levels = (
        x.detach().float().cpu().numpy() for x in (latent, quantizer.thresholds(), quantizer.levels())
    )
    threshold_interval, level_interval = float(np.diff(thresholds).mean()), float(np.diff(levels).mean())
    per_channel = levels.ndim == 2
    if per_channel:
        unit = np.diff(levels)[:, :1]
        weights = weights.reshape(len(unit), -1) / unit
        thresholds, levels = (thresholds / unit)[0], (levels / unit)[0]
    counts, edges = np.histogram(weights, bins=BINS)
    return LayerWeights(counts, edges, thresholds, levels, threshold_interval, level_interval, per_channel)


def moment_of(trainer: Trainer, start_accuracy: float, before: Moment | None = None) -> Moment:
    """What a trainer has measured so far. ``start_accuracy``: in full precision; ``before``: the epoch before."""
    config = trainer.config
    assert config.epochs and trainer.tracker is not None, "only quantized training has something to watch"
    # Before the first step no threshold was crossed; loss and accuracy are not known.
    start = {"epoch": 0, "oscillating_share": 0.0, "explored_volume": 0.0}
    metrics = pd.DataFrame([start, *trainer.metrics]).reindex(columns=["epoch", *MEASURES]).astype(float)
    levels = trainer.tracker.level_frame().rename(columns={"level": "code"})
    levels["epoch"] = levels["step"] / trainer.steps_per_epoch
    weights = {name: layer_weights(trainer.latents[name], q) for name, q in trainer.quantizers.items()}
    return Moment(
        label=f"{method_label(config.method)}, {config.bits} bits, {config.arch}, seed {config.seed}",
        method=config.method,
        epochs=config.epochs,
        stages=stage_spans(trainer.method, config.epochs),
        metrics=metrics,
        levels=levels,
        weights=[*(before.weights if before is not None else []), weights],
        start_accuracy=start_accuracy,
    )


def draw_training(figure: Figure, now: Moment, layer: str, before: Moment | None = None) -> str:
    """Draw a training on an empty figure, and an earlier one for comparison; returns the newest numbers as text.

    For all layers: loss, test accuracy (dotted: in full precision), crossings, oscillating share and explored
    log-volume. For ``layer``: the weights before quantization, cut at the thresholds of this moment; both intervals
    over time; the share of weights on each level over time. Raises ``ValueError`` for a layer that is not quantized.
    """
    if layer not in now.layers:
        raise ValueError(f"layer must be one of {', '.join(now.layers)}, got {layer!r}")
    moments = [now] if before is None else [before, now]
    colors = {moment.label: method_color(moment.method) for moment in moments}
    if before is not None and before.method == now.method:
        colors[before.label] = _OTHER_RUN
    table = pd.concat([moment.metrics.assign(run=moment.label) for moment in moments])
    epochs = max(moment.epochs for moment in moments)
    top, bottom = figure.subplots(2, 4, gridspec_kw=_MARGINS)
    for ax, (column, title) in zip((*top, bottom[0]), MEASURES.items(), strict=True):
        crossings_over_time(
            table, x="epoch", y=column, hue="run", seeds=False, stages=now.stages, palette=colors, legend=False, ax=ax
        )
        ax.set(xlim=(0, epochs), xlabel="", ylabel="")
        _title(ax, title)
    for ax in (top[2], top[3], bottom[0]):
        ax.set_ylim(bottom=0)
    top[1].axhline(now.start_accuracy, color=method_color(FULL_PRECISION), linestyle=":")
    top[1].set_ylim(None, 1.01)
    _draw_layer(list(bottom[1:]), now, layer, epochs)
    for ax in (*top, bottom[0], *bottom[2:]):
        ax.xaxis.set_major_locator(MaxNLocator(nbins=6, integer=True))
    for ax in (bottom[0], *bottom[2:]):
        ax.set_xlabel("epoch")
    figure.legend(
        handles=[
            *(Line2D([], [], color=colors[moment.label], label=moment.label) for moment in reversed(moments)),
            Line2D([], [], color=method_color(FULL_PRECISION), linestyle=":", label="full precision"),
        ],
        loc="upper left",
        bbox_to_anchor=(_MARGINS["left"] - 0.01, 1.0),
        ncols=3,
    )
    return numbers(now)


def numbers(now: Moment) -> str:
    """The newest row of the metrics in words."""
    row = now.metrics.iloc[-1]
    return (
        f"epoch {row['epoch']:.0f} of {now.epochs}: training loss {row['train_loss']:.3g}, "
        f"test accuracy {row['test_accuracy']:.1%} (full precision {now.start_accuracy:.1%}), "
        f"{row['crossings_per_step_in_epoch']:.2g} thresholds crossed per weight and step, "
        f"{row['oscillating_share']:.1%} of the weights oscillating, explored log-volume {row['explored_volume']:.1%}"
    )


def _draw_layer(axes: Sequence[Axes], now: Moment, layer: str, epochs: int) -> None:
    """Weights now, intervals and levels over time, of one layer."""
    weights = now.weights[-1][layer]
    weight_histogram(
        counts=weights.counts,
        edges=weights.edges,
        thresholds=weights.thresholds,
        levels=weights.levels,
        legend=False,
        ax=axes[0],
    )
    axes[0].set(ylabel="", xlabel="weight over its channel's step" if weights.per_channel else "weight $w$")
    _title(axes[0], f"{layer}: weights")
    series = pd.DataFrame(
        {
            "thresholds": [w[layer].threshold_interval for w in now.weights],
            "levels": [w[layer].level_interval for w in now.weights],
        },
        index=np.arange(1, len(now.weights) + 1),
    )
    draw_stages(axes[1], now.stages)
    axes[1].plot(series["levels"], color=method_color(now.method), label="of levels")
    axes[1].plot(series["thresholds"], "--", color="#4D4D4D", label="of thresholds")
    axes[1].set(xlim=(0, epochs), ylim=(0, 1.35 * series.to_numpy().max()))
    axes[1].legend(loc="upper right")
    _plain(axes[1])
    _title(axes[1], f"{layer}: intervals")
    shares = now.levels[now.levels["layer"] == layer]
    level_histogram_over_time(shares, x="epoch", level="code", stages=now.stages, ax=axes[2])
    axes[2].set(xlim=(0, epochs), ylabel="")
    _title(axes[2], f"{layer}: levels")


def _plain(ax: Axes) -> None:
    # A common power of ten would stand where the name of the first stage is.
    ax.ticklabel_format(axis="y", style="plain", useOffset=False)


def _title(ax: Axes, text: str) -> None:
    # Above the names of the stages, also where there are none: the titles of a row stand in line.
    ax.set_title(text, loc="left", pad=14)


class LiveTraining:
    """Menus for the next training, a button that starts it, and the picture of the training that runs.

    ``base`` holds everything that has no menu (data, epochs, ...) and what the menus show at first. Nothing is kept on
    disk. The full-precision start is trained once for each network and seed. ``results`` holds what came out of every
    training that ended, the newest last. Display ``widget``.
    """

    def __init__(
        self,
        base: TrainConfig,
        *,
        networks: Sequence[str] = ("digits_cnn", "resnet20"),
        size: tuple[float | int, float | int] = (11, 5.4),
    ) -> None:
        self.base = base
        self.results: list[Result] = []
        self._starts: dict[str, Result] = {}
        self._moments: list[Moment] = []  # the last of every training, and of the one that runs
        names = [name for name in methods.names() if name != FULL_PRECISION]
        self.network = _menu("network", {name: name for name in (base.arch, *networks)}, base.arch)
        self.method = _menu("method", {method_label(name): name for name in names}, base.method)
        self.bits = _menu("bits", {str(bits): bits for bits in range(2, 9)}, base.bits)
        self.seed = _menu("seed", {str(seed): seed for seed in sorted({*range(5), base.seed})}, base.seed)
        self.button = ipywidgets.Button(description="Train", icon="play", tooltip="Train with these settings")
        self.button.on_click(lambda _: self._clicked())
        self.layer = _menu("layer", {}, None)
        self.layer.observe(self._redraw, names="value")
        self.status = ipywidgets.HTML()
        self.picture = FigureImage(self._draw, size=size, dpi=120)
        row = ipywidgets.Layout(flex_flow="row wrap")
        menus = ipywidgets.HBox([self.network, self.method, self.bits, self.seed, self.button], layout=row)
        self.widget = ipywidgets.VBox([menus, self.layer, self.picture.widget, self.status])

    def chosen(self) -> TrainConfig:
        """The settings that the menus show."""
        network = self.network.value
        return dataclasses.replace(
            self.base,
            arch=network,
            method=self.method.value,
            bits=self.bits.value,
            seed=self.seed.value,
            # So small that a second thread only costs time.
            threads=1 if network == "digits_cnn" else self.base.threads,
        )

    def run(self) -> Result:
        """Train as :meth:`chosen` says and draw after every epoch. Raises what ``train`` raises."""
        config, begun = self.chosen(), time.perf_counter()
        what = f"{method_label(config.method)}, {config.bits} bits, {config.arch}, seed {config.seed}"
        self.button.disabled, moments = True, list(self._moments)
        try:
            start = self._start(config)
            accuracy = float(start.result["accuracy"])
            self._say(f"training {what} …")

            def follow(row: Mapping[str, Any], trainer: Trainer) -> None:
                now = moment_of(trainer, accuracy, self._moments[-1] if len(self._moments) > len(moments) else None)
                self._moments = [*moments, now]
                self._redraw()

            result = train(config, start=start.model, keep=False, quiet=True, on_epoch=follow)
        except BaseException as error:
            self._moments = moments
            self._say(f"{what}: not trained to the end: {error or type(error).__name__}", alert=True)
            raise
        finally:
            self.button.disabled = False
        self.results.append(result)
        self._say(
            f"{what}: {time.perf_counter() - begun:.0f} s; test accuracy {result.result['accuracy']:.1%} after batch "
            f"norm was measured anew, {result.result['accuracy_before_batch_norm']:.1%} before, full precision "
            f"{accuracy:.1%}"
        )
        return result

    def summary(self) -> pd.DataFrame:
        """A row for each of ``results``: settings, accuracies, and what the tracker counted over all quantized weights.

        Columns as in :func:`aoqlab.lab.training.stored.load`; ``oscillating_share_mean`` is the mean over epochs.
        """
        rows = []
        for one in self.results:
            values = {**one.config.to_dict(), **one.result, **one.result["tracker"]}
            share = float(one.tables["metrics"]["oscillating_share"].mean())
            rows.append({name: values[name] for name in _SUMMARY} | {"oscillating_share_mean": share})
        return pd.DataFrame(rows, columns=[*_SUMMARY, "oscillating_share_mean"])

    def _start(self, config: TrainConfig) -> Result:
        start = config.start()
        key = start.digest()
        if key not in self._starts:

            def follow(row: Mapping[str, Any], trainer: Trainer) -> None:
                self._say(f"full-precision start ({start.arch}): epoch {row['epoch']} of {trainer.config.epochs} …")

            self._starts[key] = train(start, keep=False, quiet=True, on_epoch=follow)
        return self._starts[key]

    def _clicked(self) -> None:
        with suppress(Exception, Stopped):  # the status says it: Jupyter hides what a button's callback raises
            self.run()

    def _redraw(self, _: Any = None) -> None:
        if not self._moments:
            return
        layers, wanted = tuple(self._moments[-1].layers), self.layer.value
        if layers != self.layer.options:
            self.layer.unobserve(self._redraw, names="value")
            self.layer.options = layers
            self.layer.value = wanted if wanted in layers else layers[-1]
            self.layer.observe(self._redraw, names="value")
        self.picture.redraw()

    def _draw(self, figure: Figure) -> str:
        *earlier, now = self._moments
        others = [moment for moment in earlier if moment.label != now.label]
        return draw_training(figure, now, self.layer.value, others[-1] if others else None)

    def _say(self, text: str, *, alert: bool = False) -> None:
        self.status.value = f'<span role="{"alert" if alert else "status"}">{escape(text, quote=False)}</span>'


def _menu(label: str, options: Mapping[str, Any], value: Any) -> ipywidgets.Dropdown:
    width = {"method": "16em", "network": "14em", "layer": "16em"}.get(label, "7em")
    return ipywidgets.Dropdown(
        options=list(options.items()),
        value=value,
        description=label,
        style={"description_width": "initial"},
        layout=ipywidgets.Layout(width=width),
    )
