"""Finished and unfinished trainings as tables: what ``data/runs/`` and ``data/recorded/`` hold."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import pandas as pd
import torch

from ..shared import paths
from ..shared.files import write_all_atomic
from ..shared.provenance import provenance
from . import Result, TrainConfig
from .folder import CONFIG, RESULT

TABLES = ("metrics", "history", "levels", "intervals", "layers", "transitions")
INFO = "info.json"

# Results that every run has in the end, so that tables have the same columns before.
_RESULTS = ("accuracy", "accuracy_before_batch_norm", "accuracy_start", "test_loss", "train_loss", "steps", "seconds")
# Tables with a row per step and layer; the others are small, and written as they are.
_LARGE = ("history", "levels", "intervals")


def names(folder: str | Path | None = None) -> list[str]:
    """The runs in ``folder`` (``data/runs/``), the newest last. Folders that are no runs do not count."""
    root = _root(folder)
    found = [path.parent for path in root.glob(f"*/{CONFIG}") if not path.parent.name.startswith(".")]
    begun = {path.name: (path / CONFIG).stat().st_mtime_ns for path in found if _record(path) is not None}
    return sorted(begun, key=lambda name: (begun[name], name))


def load(name: str | Iterable[str] | None = None, *, folder: str | Path | None = None) -> dict[str, pd.DataFrame]:
    """One run, several, or all (``None``) in ``folder`` (``data/runs/``) as tidy tables, each with a column ``run``.

    ``runs``: a row per run with its settings (``method``, ``bits``, ``seed``, ...), ``epochs_done``, ``finished``,
    results (``accuracy``, ...; missing until it is finished), commit, versions and hardware. ``metrics``: a row per
    epoch. ``history``: a row per recorded step and layer. ``levels``: histograms over the levels. ``intervals``: how
    the step sizes moved, per epoch and layer. ``layers``: the audit. ``transitions``: how often weights of a layer went
    ``from`` a code ``to`` another, per epoch (also one that is not over). All but the first also carry ``method`` and
    ``seed``; a table of which no run has a row is empty. Raises ``FileNotFoundError`` with the names there are.
    """
    root = _root(folder)
    there = names(root)
    wanted = there if name is None else [name] if isinstance(name, str) else list(dict.fromkeys(name))
    for one in wanted:
        if one not in there:
            raise FileNotFoundError(f"there is no run {one!r} in {root}; there are: {', '.join(there) or 'none yet'}")
    rows, parts = [], []
    for one in wanted:
        record, result = _record(root / one) or {}, _json(root / one / RESULT)
        files = {table: root / one / f"{table}.parquet" for table in TABLES}
        tables = {table: pd.read_parquet(file) for table, file in files.items() if file.is_file()}
        rows.append(_row(one, record["settings"], result, tables, record))
        parts.append((one, record["settings"], tables))
    return _together(rows, parts)


def overview(folder: str | Path | None = None) -> pd.DataFrame:
    """A row per run, the newest last: what it is and how far.

    Columns ``run``, ``method``, ``bits`` (missing in full precision), ``seed``, ``epochs_done``, ``epochs``,
    ``accuracy`` (on the test images at the end, or the newest there is) and ``finished``.
    """
    root = _root(folder)
    rows = []
    for name in names(root):
        record, result, file = _record(root / name) or {}, _json(root / name / RESULT), root / name / "metrics.parquet"
        config = TrainConfig.from_dict(record["settings"])
        metrics = pd.read_parquet(file, columns=["epoch", "test_accuracy"]) if file.is_file() else None
        seen = [] if metrics is None else metrics["test_accuracy"].dropna().tolist()[-1:]
        rows.append(
            {
                "run": name,
                "method": config.method,
                "bits": None if config.full_precision else config.bits,
                "seed": config.seed,
                "epochs_done": _epochs(metrics),
                "epochs": config.epochs,
                "accuracy": result["accuracy"] if result else (seen[0] if seen else None),
                "finished": bool(result),
            }
        )
    columns = ["run", "method", "bits", "seed", "epochs_done", "epochs", "accuracy", "finished"]
    return pd.DataFrame(rows, columns=columns).astype({"bits": "Int64", "accuracy": "float64"})


def record(name: str, results: Sequence[Result], note: str) -> Path:
    """Keep the tables of several finished runs in ``data/recorded/<name>/``; replaces what was recorded by that name.

    Parquet files that :func:`load_recorded` reads, and ``info.json`` with all that running them again takes: ``note``
    (a sentence: what was run and how it differs from the published recipe), the settings of each run, seconds,
    versions, hardware and commit. Statistics per step are kept to seven digits. Raises ``NotWrittenError``, and
    ``ValueError`` where there is nothing to record.
    """
    if not results:
        raise ValueError(f"there are no results to record under {name!r}")
    folder, here = recorded_dir() / name, provenance()
    rows: list[dict[str, Any]] = []
    parts: list[tuple[str, dict[str, Any], Mapping[str, pd.DataFrame]]] = []
    for result in results:
        run = _unused(result.config.name or result.config.default_name(), [row["run"] for row in rows])
        settings = _portable(result.config.to_dict())
        stored = None if result.folder is None else _record(result.folder)
        rows.append(_row(run, settings, result.result, result.tables, stored or _made_here(result.config, here)))
        parts.append((run, settings, result.tables))
    tables = {table: frame for table, frame in _together(rows, parts).items() if len(frame)}
    info = {
        "note": note,
        "seconds": sum(row["seconds"] for row in rows),
        **here,
        "processors": sorted({str(row["processor"]) for row in rows}),
        "settings": {run: settings for run, settings, _ in parts},
    }
    files: dict[Path, Any] = {
        folder / f"{table}.parquet": _parquet(_shortened(frame) if table in _LARGE else frame)
        for table, frame in tables.items()
    }
    files[folder / INFO] = (json.dumps(info, indent=1) + "\n").encode()
    write_all_atomic(files)
    for left_over in set(folder.glob("*.parquet")) - set(files):
        left_over.unlink()
    return folder


def _portable(settings: dict[str, Any]) -> dict[str, Any]:
    """Settings whose files and folders have their names alone: where they lay means nothing elsewhere."""
    places = ("data", "root", "checkpoint", "teacher_checkpoint")
    return {**settings, **{key: Path(settings[key]).name for key in places if settings.get(key)}}


def load_recorded(name: str) -> tuple[dict[str, pd.DataFrame], dict[str, Any]]:
    """Tables of recorded runs as :func:`load` gives them, and the ``info`` that says what they are.

    Raises ``FileNotFoundError`` with the names there are.
    """
    folder = recorded_dir() / name
    if not (folder / INFO).is_file():
        there = ", ".join(recorded_names())
        raise FileNotFoundError(f"nothing was recorded under {name!r}; there are: {there or 'none yet'}")
    files = {table: folder / f"{table}.parquet" for table in ("runs", *TABLES)}
    tables = {t: pd.read_parquet(file) if file.is_file() else _empty() for t, file in files.items()}
    return tables, _json(folder / INFO)


def recorded_names() -> list[str]:
    """What :func:`load_recorded` can load."""
    return sorted(path.parent.name for path in recorded_dir().glob(f"*/{INFO}"))


def recorded_dir() -> Path:
    """``data/recorded/``."""
    return paths.data_dir() / "recorded"


def _root(folder: str | Path | None) -> Path:
    return paths.data_dir() / "runs" if folder is None else Path(folder)


def _json(file: Path) -> dict[str, Any]:
    """Its content; nothing where there is no such file or none that holds a JSON object."""
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, NotADirectoryError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _record(folder: Path) -> dict[str, Any] | None:
    """The ``config.json`` of a run; ``None`` for that of anything else."""
    content = _json(folder / CONFIG)
    return content if isinstance(content.get("settings"), dict) and "digest" in content else None


def _row(
    run: str,
    settings: Mapping[str, Any],
    result: Mapping[str, Any],
    tables: Mapping[str, pd.DataFrame],
    record: Mapping[str, Any],
) -> dict[str, Any]:
    """One run as one flat row: settings, how far it is, results, origin."""
    row = {"run": run, **{key: value for key, value in settings.items() if key != "name"}}
    row["method_options"] = json.dumps(settings["method_options"], sort_keys=True)
    row["skip"] = " ".join(settings["skip"])
    row |= {"epochs_done": _epochs(tables.get("metrics")), "finished": bool(result)}
    row |= dict.fromkeys(_RESULTS) | {k: v for k, v in result.items() if k not in ("tracker", "finished")}
    for key, value in result.get("tracker", {}).items():  # which counts steps too
        row[f"tracker_{key}" if key == "steps" else key] = value
    git = record.get("git") or {}
    return row | {
        "created": record.get("created"),
        "commit": git.get("commit"),
        "dirty": git.get("dirty"),
        "torch": record.get("versions", {}).get("torch"),
        "processor": record.get("gpu") or record.get("processor"),
        "device": record.get("device"),
        "threads": record.get("threads"),
    }


def _made_here(config: TrainConfig, here: Mapping[str, Any]) -> dict[str, Any]:
    """What the ``config.json`` of a run that has none would say of its origin."""
    on_gpu = config.device.startswith("cuda") or (config.device == "auto" and torch.cuda.is_available())
    gpu = torch.cuda.get_device_name() if on_gpu else None
    threads = config.threads or torch.get_num_threads()
    return {**here, "gpu": gpu, "device": "cuda" if on_gpu else "cpu", "threads": threads}


def _together(
    rows: Sequence[Mapping[str, Any]], parts: Sequence[tuple[str, Mapping[str, Any], Mapping[str, pd.DataFrame]]]
) -> dict[str, pd.DataFrame]:
    """All runs in the tables that :func:`load` describes."""
    tables = {"runs": pd.DataFrame(rows) if rows else pd.DataFrame(columns=["run"])}
    for table in TABLES:
        frames = []
        for run, settings, own in parts:
            if table in own and len(own[table]):
                frame = own[table].assign(method=settings["method"], seed=settings["seed"])
                frame.insert(0, "run", run)
                frames.append(frame)
        tables[table] = pd.concat(frames, ignore_index=True) if frames else _empty()
    return tables


def _empty() -> pd.DataFrame:
    return pd.DataFrame(columns=["run", "method", "seed"])


def _epochs(metrics: pd.DataFrame | None) -> int:
    return 0 if metrics is None or metrics.empty else int(metrics["epoch"].iloc[-1])


def _unused(name: str, taken: Sequence[str]) -> str:
    """``name``, with a number if it is taken."""
    numbered = (f"{name}-{number}" for number in range(2, len(taken) + 2))
    return next(free for free in (name, *numbered) if free not in taken)


def _shortened(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.astype({column: "float32" for column in frame.columns if frame[column].dtype == "float64"})


def _parquet(frame: pd.DataFrame) -> Callable[[Path], None]:
    # statistics of columns would let readers skip row groups, of which there is one
    return lambda path: frame.to_parquet(path, index=False, compression="zstd", write_statistics=False)
