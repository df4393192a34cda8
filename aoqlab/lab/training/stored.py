"""Read trainings as tables: your own in ``data/runs/`` and the samples in ``data/recorded/``."""

from __future__ import annotations

import json
import warnings
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from numpy.typing import ArrayLike, NDArray

from ..shared import paths
from ..shared.files import DamagedError, read_json, read_set, write_set
from ..shared.store import read_table
from .config import FULL_PRECISION, TrainConfig
from .folder import CONFIG, RESULT

TABLES = ("metrics", "history", "levels", "intervals", "layers", "transitions")
_RECORDS = ("history", "levels")  # a record every few steps; all other tables have at most one an epoch
_PLACES = ("data", "root", "checkpoint", "teacher_checkpoint")
# Results that every finished run has, so that the columns are the same before.
_RESULTS = ("accuracy", "accuracy_before_batch_norm", "accuracy_start", "test_loss", "train_loss", "steps", "seconds")


@dataclass(frozen=True)
class StoredRun:
    """One folder of ``data/runs/`` or ``data/recorded/``, read."""

    name: str
    config: dict[str, Any]
    """``config.json``: settings, commit, versions, hardware. Settings that it lacks have their defaults."""
    result: dict[str, Any]
    """``result.json``; empty before the end."""
    tables: dict[str, pd.DataFrame]

    @property
    def settings(self) -> dict[str, Any]:
        settings: dict[str, Any] = self.config["settings"]
        return settings

    def row(self) -> dict[str, Any]:
        """Return the run as one flat row: settings, how far it is, results, origin."""
        row = {"run": self.name, **{key: value for key, value in self.settings.items() if key != "name"}}
        row["method_options"] = json.dumps(self.settings["method_options"], sort_keys=True)
        row["skip"] = " ".join(self.settings["skip"])
        metrics = self.tables.get("metrics", ())
        row |= {"epochs_done": int(metrics["epoch"].iloc[-1]) if len(metrics) else 0, "finished": bool(self.result)}
        row |= dict.fromkeys(_RESULTS)
        row |= {key: value for key, value in self.result.items() if key not in ("tracker", "finished", "shares")}
        for key, value in self.result.get("tracker", {}).items():  # which counts steps too
            row[f"tracker_{key}" if key == "steps" else key] = value
        git, versions = self.config.get("git") or {}, self.config.get("versions") or {}
        row |= {"commit": git.get("commit"), "dirty": git.get("dirty"), "torch": versions.get("torch")}
        row |= {key: self.config.get(key) for key in ("created", "device", "threads")}
        return row | {"processor": self.config.get("gpu") or self.config.get("processor")}


def runs_dir() -> Path:
    """Return ``data/runs/``, where trainings are kept."""
    return paths.data_dir() / "runs"


def recorded_dir() -> Path:
    """Return ``data/recorded/``, the samples: folders of finished runs with small tables and no networks."""
    return paths.data_dir() / "recorded"


def names(folder: str | Path | None = None) -> list[str]:
    """Return the runs in ``folder`` (default ``data/runs/``), the newest last. Other folders do not count."""
    return _look(runs_dir() if folder is None else Path(folder))[0]


def _look(root: Path) -> tuple[list[str], dict[str, str]]:
    """Return the runs in a folder, the newest last, and those whose configuration cannot be read with the reason."""
    begun, damaged = {}, {}
    for file in root.glob(f"[!.]*/{CONFIG}"):
        try:
            config = read_json(file)
        except (OSError, DamagedError) as error:
            damaged[file.parent.name] = str(error)
            continue
        if isinstance(config.get("settings"), dict) and "digest" in config:
            begun[file.parent.name] = (str(config.get("created")), file.stat().st_mtime_ns)
    return sorted(begun, key=lambda name: (begun[name], name)), damaged


def read(folder: Path, tables: Sequence[str] = TABLES) -> StoredRun:
    """Read one run with some of its tables. Raises ``ValueError`` where it is damaged."""
    names = {table: f"{table}.parquet" for table in tables}
    try:
        files = read_set(folder, [CONFIG, RESULT, *names.values()])
        config = read_json(folder / CONFIG, files[CONFIG])
        result = read_json(folder / RESULT, files[RESULT]) if RESULT in files else {}
        found = {table: read_table(folder / file, files[file]) for table, file in names.items() if file in files}
        run = StoredRun(folder.name, {**config, "settings": _settings(config["settings"])}, result, found)
        run.row()
    except (OSError, ValueError, LookupError, TypeError, AttributeError) as error:
        raise ValueError(f"the run in {folder} cannot be read: {error}") from error
    return run


def _settings(stored: dict[str, Any]) -> dict[str, Any]:
    """Return stored settings, with defaults for settings of later versions; ``ValueError`` for impossible ones."""
    defaults = TrainConfig().to_dict()
    settings = {**defaults, **stored}
    for name, default in defaults.items():
        kind = (int, float) if isinstance(default, float) else type(default)
        if default is not None and not isinstance(settings[name], kind):
            raise ValueError(f"{name} is {settings[name]!r}; perhaps another version of aoqlab wrote it")
    TrainConfig.from_dict({name: settings[name] for name in defaults})
    return settings


def readable(root: Path, tables: Sequence[str] = TABLES) -> Iterator[StoredRun]:
    """Yield all runs in a folder that can be read, the newest last; warn of each of the others."""
    good, damaged = _look(root)
    for name, reason in damaged.items():
        warnings.warn(f"the run in {root / name} cannot be read: {reason}", stacklevel=3)
    for name in good:
        try:
            yield read(root / name, tables)
        except ValueError as error:
            warnings.warn(str(error), stacklevel=3)


def load(name: str | Iterable[str] | None = None, *, folder: str | Path | None = None) -> dict[str, pd.DataFrame]:
    """Return one run, several, or all (``None``) in ``folder`` (default ``data/runs/``) as tidy tables.

    ``runs``: a row per run with its settings (``method``, ``bits``, ``seed``, ...), ``epochs_done``, ``finished``,
    results (``accuracy``, ...; missing until it is finished), commit, versions and hardware. ``metrics``: a row per
    epoch. ``history``: a row per recorded step and layer. ``levels``: histograms over the levels. ``intervals``: how
    the step sizes moved, per epoch and layer. ``layers``: the audit. ``transitions``: how often weights of a layer went
    ``from`` a code ``to`` another, per epoch (also one that is not over). All but the first also carry ``run``,
    ``method`` and ``seed``; a table of which no run has a row is empty. Raises ``FileNotFoundError`` with the names
    there are, and ``ValueError`` where a run that was named is damaged; of all runs, a damaged one is left out with a
    warning.
    """
    root = runs_dir() if folder is None else Path(folder)
    if name is None:
        runs = list(readable(root))
    else:
        runs = [_named(root, one) for one in ([name] if isinstance(name, str) else dict.fromkeys(name))]
    tables = {"runs": pd.DataFrame([run.row() for run in runs]) if runs else pd.DataFrame(columns=["run"])}
    for table in TABLES:
        frames = []
        for run in runs:
            if len(own := run.tables.get(table, ())):
                frames.append(own.assign(method=run.settings["method"], seed=run.settings["seed"]))
                frames[-1].insert(0, "run", run.name)
        empty = pd.DataFrame(columns=["run", "method", "seed"])
        tables[table] = pd.concat(frames, ignore_index=True) if frames else empty
    return tables


def overview(folder: str | Path | None = None) -> pd.DataFrame:
    """Return a row per run in ``folder`` (default ``data/runs/``), the newest last: what it is and how far.

    Columns ``run``, ``method``, ``bits`` (missing in full precision), ``seed``, ``epochs_done``, ``epochs``,
    ``accuracy`` (on the test images at the end, or the newest there is) and ``finished``. Damaged runs are left out
    with a warning.
    """
    rows = []
    for run in readable(runs_dir() if folder is None else Path(folder), ["metrics"]):
        row, metrics = run.row(), run.tables.get("metrics")
        if row["method"] == FULL_PRECISION:
            row["bits"] = None
        if row["accuracy"] is None and metrics is not None:
            row["accuracy"] = metrics["test_accuracy"].dropna().iloc[-1:].max()
        rows.append(row)
    columns = ["run", "method", "bits", "seed", "epochs_done", "epochs", "accuracy", "finished"]
    return pd.DataFrame(rows, columns=columns).astype({"bits": "Int64", "accuracy": "float64"})


def epoch_records(steps: ArrayLike, ends: ArrayLike) -> NDArray[np.int64]:
    """Return for each of ``ends`` the index of the last record up to it; ``steps`` rise, and the first comes before."""
    return np.maximum(np.searchsorted(np.asarray(steps), np.asarray(ends), side="right") - 1, 0)


def pack(names: Sequence[str]) -> list[Path]:
    """Make samples of finished runs: copy their tables from ``data/runs/`` to ``data/recorded/``, under their names.

    A sample is a small folder of a run: :func:`load` reads it, and the run explorer shows it. Kept are settings,
    results, origin and all of :data:`TABLES`; of what the tracker recorded, the last record up to the end of each
    epoch; per layer, real numbers with seven digits. Files and folders in the settings become their names alone. A
    sample of the same name is replaced; all samples are written or none. Returns their folders. Raises
    ``FileNotFoundError``, ``NotWrittenError``, and ``ValueError`` where a run is damaged or not finished.
    """
    files: dict[Path, bytes | Callable[[Path], None]] = {}
    folders = [recorded_dir() / name for name in names]
    for folder in folders:
        run = _named(runs_dir(), folder.name)
        if not run.result:
            raise ValueError(f"the run {run.name!r} is not finished; `bash run.sh resume {run.name}` finishes it")
        short = {key: Path(run.settings[key]).name for key in _PLACES if run.settings.get(key)}
        config = {**run.config, "settings": {**run.settings, **short}}
        files[folder / CONFIG], files[folder / RESULT] = _json_bytes(config), _json_bytes(run.result)
        for table, frame in run.tables.items():
            if table in _RECORDS:
                frame = _at_epoch_ends(frame, run.tables["metrics"]["step"], run.settings["track_every"])
            if len(frame):
                files[folder / f"{table}.parquet"] = _small(frame if table == "metrics" else _seven_digits(frame))
    write_set(files)
    for folder in folders:
        for left_over in {folder / f"{table}.parquet" for table in TABLES} - set(files):
            left_over.unlink(missing_ok=True)
    return folders


def _named(root: Path, name: str) -> StoredRun:
    there, damaged = _look(root)
    if name in damaged:
        raise ValueError(f"the run in {root / name} cannot be read: {damaged[name]}")
    if name not in there:
        raise FileNotFoundError(f"there is no run {name!r} in {root}; there are: {', '.join(there) or 'none yet'}")
    return read(root / name)


def _json_bytes(content: Mapping[str, Any]) -> bytes:
    return (json.dumps(content, indent=1) + "\n").encode()


def _at_epoch_ends(frame: pd.DataFrame, ends: pd.Series, track_every: int) -> pd.DataFrame:
    """Select the rows of the last record up to the end of each epoch, and of the start."""
    steps = np.unique(frame["step"])
    when = np.minimum(steps * track_every, ends.iloc[-1])
    return frame[frame["step"].isin(steps[epoch_records(when, [0, *ends])])]


def _seven_digits(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({column: "float32" for column in frame if frame[column].dtype == "float64"})


def _small(frame: pd.DataFrame) -> Callable[[Path], None]:
    """Return a writer of the table in few bytes; statistics only help to skip parts of large files."""
    options: dict[str, Any] = {
        "use_byte_stream_split": [column for column in frame if frame[column].dtype.kind == "f"],
        "use_dictionary": [column for column in frame if frame[column].dtype.kind not in "fi"],
        "write_statistics": False,
        "store_schema": any(isinstance(dtype, pd.Int64Dtype) for dtype in frame.dtypes),  # otherwise they become reals
    }
    return lambda path: frame.to_parquet(path, index=False, compression="zstd", compression_level=22, **options)
