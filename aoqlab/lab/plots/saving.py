"""Figures on disk: three pictures and a record of what they were made from."""

from __future__ import annotations

import hashlib
import io
import json
import re
from collections.abc import Iterable, Mapping, Sequence, Set
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import matplotlib as mpl
from matplotlib.figure import Figure

from ..shared.files import DamagedError, complete, read_json, write_all_atomic
from ..shared.paths import figures_dir, project_root
from ..shared.provenance import provenance

# Creation dates and random ids would make the same figure a different file every time.
_METADATA: Mapping[str, dict[str, Any]] = {"png": {}, "svg": {"Date": None}, "pdf": {"CreationDate": None}}
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*")
_SIDECAR_VERSION = 1


def save_figure(
    fig: Figure,
    name: str,
    *,
    parameters: Mapping[Any, Any] | None = None,
    seeds: Iterable[Any] | None = None,
    data: str | Path | Sequence[str | Path] | None = None,
    folder: str | Path | None = None,
    formats: Sequence[str] = ("png", "svg", "pdf"),
    dpi: float | int = 300,
) -> dict[str, Path]:
    """Write a figure as PNG, SVG and PDF with a JSON sidecar, whole or not at all; return format → path.

    The sidecar holds `parameters` (numbers, texts, paths, arrays, dataclasses, nested as you like),
    `seeds`, the files `data` that the figure was drawn from with their SHA-256, the versions of the
    packages, Python and platform, the git commit, whether the package's source differs from it, the time
    (UTC), and size and SHA-256 of every picture. `folder` defaults to the project's `figures/`. The same
    figure gives the same pictures, byte by byte; only the sidecar is dated.

    Everything is rendered and recorded before the first byte is written, so an error leaves older files
    unchanged. Text stays text in SVG and PDF. `name`: letters, digits, "-", "_" and ".", no extension. Bad
    names and formats raise `ValueError`, a missing data file `FileNotFoundError`, a parameter that JSON
    cannot hold `TypeError`, a failed drawing `RuntimeError`, a full disk `NotWrittenError` (an `OSError`).
    """
    if not _NAME.fullmatch(name) or Path(name).suffix.lower() in (".png", ".svg", ".pdf", ".json"):
        words = 'a figure name has letters, digits, "-", "_" and ".", starts with a letter or digit'
        raise ValueError(f"{words}, and has no extension; got {name!r}")
    chosen = list(dict.fromkeys(formats))
    unknown = [form for form in chosen if form not in _METADATA]
    if unknown or not chosen:
        raise ValueError(f"formats must be some of {list(_METADATA)}, got {list(formats)}")
    where = Path(folder) if folder is not None else figures_dir()
    paths = {form: where / f"{name}.{form}" for form in (*chosen, "json")}
    record = {
        "sidecar_version": _SIDECAR_VERSION,
        "name": name,
        "parameters": _recorded(dict(parameters or {}), "parameters"),
        "seeds": None if seeds is None else _recorded(list(seeds), "seeds"),
        "data": [_data_record(Path(path)) for path in ([data] if isinstance(data, (str, Path)) else data or [])],
        **provenance(),
    }
    pictures = {paths[form]: _render(fig, name, form, dpi) for form in chosen}
    record["files"] = {
        path.name: {"bytes": len(picture), "sha256": hashlib.sha256(picture).hexdigest()}
        for path, picture in pictures.items()
    }
    sidecar = (json.dumps(record, indent=2, ensure_ascii=False, allow_nan=False) + "\n").encode()
    # The sidecar comes first: it holds the digests of its pictures, so that all switch at once.
    write_all_atomic({paths["json"]: sidecar, **pictures})
    return paths


def load_figure_info(name_or_path: str | Path, folder: str | Path | None = None) -> dict[str, Any]:
    """Return the record that `save_figure` wrote next to a figure.

    Given the figure's name (looked up in `folder`, by default the project's `figures/`), or the path of one
    of its pictures or of the sidecar. None there: `FileNotFoundError`; cut short, not such a record, or with
    pictures that are not those it was written with: `ValueError`.
    """
    given = Path(name_or_path)
    if given.suffix.lstrip(".") in (*_METADATA, "json"):
        given = given.with_suffix("")
    base = Path(folder) if folder is not None else figures_dir()
    where = given.parent if given.parent != Path() or given.is_absolute() else base
    path = where / f"{given.name}.json"
    if not path.is_file():
        saved = ", ".join(sorted(found.stem for found in where.glob("*.json")))
        raise FileNotFoundError(f"no figure record {path}; saved there: {saved or 'none'}")
    complete(where)  # what a killed process was writing
    record = read_json(path)
    if record.get("sidecar_version") != _SIDECAR_VERSION:
        raise ValueError(f"{path} is no figure record of version {_SIDECAR_VERSION}")
    for name, about in record["files"].items():
        picture = where / name
        if picture.is_file() and hashlib.sha256(picture.read_bytes()).hexdigest() != about["sha256"]:
            raise DamagedError(f"{picture} is not the picture that {path} was written with; save the figure again")
    return record


def _render(fig: Figure, name: str, form: str, dpi: float | int) -> bytes:
    buffer = io.BytesIO()
    settings: Any = {"svg.hashsalt": "aoqlab", "svg.fonttype": "none", "pdf.fonttype": 42}
    try:
        with mpl.rc_context(settings):
            fig.savefig(buffer, format=form, dpi=dpi, metadata=_METADATA[form])
    except Exception as error:
        raise RuntimeError(f"figure {name!r} could not be drawn as {form}: {error}; nothing was written") from error
    return buffer.getvalue()


def _data_record(path: Path) -> dict[str, Any]:
    with path.open("rb") as file:
        digest = hashlib.file_digest(file, "sha256").hexdigest()
    whole = path.resolve()
    # Outside the project only the name is kept: the place of a home folder says nothing about the figure.
    root = project_root().resolve()
    inside = whole.is_relative_to(root)
    return {"path": whole.relative_to(root).as_posix() if inside else path.name, "sha256": digest}


def _recorded(value: Any, place: str) -> Any:
    """Return `value` as JSON holds it: arrays as lists, dataclasses as objects, NaN and infinities as texts."""
    try:
        return json.loads(json.dumps(value, default=_plain), parse_constant=str, object_pairs_hook=_object)
    except (TypeError, ValueError, RecursionError) as error:
        raise TypeError(f"{place} cannot be recorded: {error}") from None


def _plain(value: Any) -> Any:
    """Return what JSON has no form for as something nearer to it."""
    if isinstance(value, Path):
        return value.as_posix()
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    if isinstance(value, Mapping):
        return dict(value)
    if isinstance(value, Set):
        return sorted(value, key=repr)
    if hasattr(value, "tolist"):  # arrays, tensors, series and their scalars, without importing what they belong to
        return value.tolist()
    if isinstance(value, range):
        return list(value)
    raise TypeError(f"JSON has no form for an object of type {type(value).__name__}: {value!r}")


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """Return the object that these members make; two keys may be one as texts, such as 1 and "1"."""
    if len(dict(pairs)) < len(pairs):
        raise TypeError(f"it has keys that are equal as texts: {sorted(key for key, _ in pairs)}")
    return dict(pairs)
