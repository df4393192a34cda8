"""Train a network and watch it: a form, and the run explorer, which is drawn again after every epoch.

In a notebook::

    watched = training(TrainConfig(arch="digits_cnn", epochs=30))
    display(watched)
    watched.train(method="lsq")  # as the button does; Ctrl-C or the interrupt button ends it
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Mapping, Sequence
from contextlib import suppress
from typing import Any

import pandas as pd
import traitlets

from ... import methods
from ...plots import method_label
from ...training import Result, TrainConfig, train
from ...training.config import FULL_PRECISION
from ...training.engine import Stopped, Trainer
from ...training.run import tables_of
from ..base import Menu
from .explorer import NONE, Runs
from .sources import Source, sources

_SUMMARY = (
    *("method", "bits", "arch", "seed", "epochs", "accuracy", "accuracy_start"),
    *("crossings_per_step", "explored_volume", "oscillating_share"),
)


def training(base: TrainConfig | None = None, networks: Sequence[str] = ("digits_cnn", "resnet20")) -> Training:
    """Return a run explorer with a form that trains networks, next to the samples of the same network.

    ``base``: settings that have no menu (data, epochs, ...), and what the menus show at first; by default a small
    network on the digits. ``networks``: further choices of its menu.
    """
    return Training(base or TrainConfig(arch="digits_cnn", epochs=30), networks)


class Training(Runs):
    """Made by :func:`training`. Nothing is kept on disk; ``results`` has all trainings that ended, the newest last."""

    progress = traitlets.Dict().tag(sync=True)
    """``key`` of the run that is watched, ``running``, and ``text``: how far it is, or how it ended."""

    def __init__(self, base: TrainConfig, networks: Sequence[str]) -> None:
        self.base = base
        self.results: list[Result] = []
        self._starts: dict[str, Result] = {}
        self._begun = 0
        offered, _ = sources()
        alike = [key for key, run in offered.items() if run.sample and run.settings["arch"] == base.arch]
        alike.sort(key=lambda key: offered[key].settings["method"] != "lsq")
        quantized = {name: method_label(name) for name in methods.names() if name != FULL_PRECISION}
        seeds, bits = sorted({*range(5), base.seed}), range(2, 9)
        super().__init__(
            offered,
            alike[:2],
            form=[
                Menu("network", "network", {name: name for name in (base.arch, *networks)}, base.arch),
                Menu("method", "method", quantized, base.method),
                Menu("bits", "bits", {str(n): str(n) for n in bits}, str(base.bits)),
                Menu("seed", "seed", {str(seed): str(seed) for seed in seeds}, str(base.seed)),
            ],
            epochs=base.epochs or 1,
        )
        self._tell("", key="", running=False)

    def chosen(self, state: Mapping[str, Any] | None = None) -> TrainConfig:
        """Return the settings that the form shows."""
        network, method, bits, seed = (self.value(name, state) for name in ("network", "method", "bits", "seed"))
        # One thread for what is so small that a second one only costs time.
        threads = 1 if network == "digits_cnn" else self.base.threads
        return dataclasses.replace(
            self.base, arch=network, method=method, bits=int(bits), seed=int(seed), threads=threads
        )

    def train(self, **form: Any) -> Result:
        """Train as the form shows, after changes such as ``method="lsq"``. Raises what training raises.

        What was measured before an error or an interrupt stays in the explorer.
        """
        self.set(**{name: str(value) for name, value in form.items()})
        config, since = self.chosen(), time.perf_counter()
        self._begun += 1
        key = f"training {self._begun}"
        what = f"{method_label(config.method)}, {config.bits} bits, {config.arch}, seed {config.seed}"
        self._tell(f"{what}: begins …", key=key, running=True)
        try:
            start = self._start(config)
            accuracy = float(start.result["accuracy"])

            def follow(row: Mapping[str, Any], trainer: Trainer) -> None:
                tables, epoch = tables_of(trainer), row["epoch"]
                source = Source(key, trainer.config.to_dict(), lambda name: tables.get(name, pd.DataFrame()), accuracy)
                moved = {"first": key, "second": self._next_to(key, source)} if key not in self.offered else {}
                ended = epoch == trainer.config.epochs
                self.offer(key, source, **moved, **({"epoch": epoch} if moved or ended else {}))
                self._tell(f"{what}: epoch {epoch} of {trainer.config.epochs}; the kernel's interrupt button stops it")

            result = train(config, start=start.model, keep=False, quiet=True, on_epoch=follow)
        except BaseException as error:
            self._tell(f"{what}: not trained to the end: {error or type(error).__name__}", running=False)
            raise
        finally:
            self.renew_page()
        self.results.append(result)
        after, before = result.result["accuracy"], result.result["accuracy_before_batch_norm"]
        self._tell(
            f"{what}: {time.perf_counter() - since:.0f} s; test accuracy {after:.1%} with batch norm measured again, "
            f"{before:.1%} before, full precision {accuracy:.1%}",
            running=False,
        )
        return result

    def answer_train(self, state: Mapping[str, Any]) -> dict[str, Any]:
        """Train as a state's form shows; an interrupt is no error."""
        self.state = dict(state)
        with suppress(Stopped):
            self.train()
        return {}

    def summary(self) -> pd.DataFrame:
        """Return a row for each of ``results``: settings, accuracies, and counts over all quantized weights.

        Columns as in :func:`aoqlab.lab.training.stored.load`; ``oscillating_share_mean`` is the mean over epochs.
        """
        rows = []
        for one in self.results:
            values = {**one.config.to_dict(), **one.result, **one.result["tracker"]}
            share = float(one.tables["metrics"]["oscillating_share"].mean())
            rows.append({name: values[name] for name in _SUMMARY} | {"oscillating_share_mean": share})
        return pd.DataFrame(rows, columns=[*_SUMMARY, "oscillating_share_mean"])

    def _next_to(self, key: str, source: Source) -> str:
        """Choose the newest run of the same network that has other settings, samples last."""
        order = sorted(self.offered.items(), key=lambda item: not item[1].sample)
        others = [name for name, run in order if name != key and run.title != source.title]
        same = ("arch", "data")
        alike = [name for name in others if all(self.offered[name].settings[at] == source.settings[at] for at in same)]
        return alike[-1] if alike else NONE

    def _start(self, config: TrainConfig) -> Result:
        """Train the full-precision network to begin with, once for each network and seed."""
        start = config.start()
        key = start.digest()
        if key not in self._starts:

            def follow(row: Mapping[str, Any], trainer: Trainer) -> None:
                self._tell(f"full-precision start, {start.arch}: epoch {row['epoch']} of {trainer.config.epochs} …")

            self._starts[key] = train(start, keep=False, quiet=True, on_epoch=follow)
        return self._starts[key]

    def _tell(self, text: str, **changed: Any) -> None:
        self.progress = {**self.progress, **changed, "text": text}
