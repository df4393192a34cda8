"""Colours and names: the same colour means the same method in every figure.

The hues come from Okabe and Ito's colour-blind-safe set, with one indigo added. Blues are methods that
search near where they start, warm colours are methods that oscillate on purpose.
"""

from __future__ import annotations

from collections.abc import Hashable, Iterable, Mapping
from numbers import Real
from types import MappingProxyType
from typing import Any

import matplotlib as mpl
import numpy as np
import pandas as pd
from matplotlib.colors import Colormap, LinearSegmentedColormap

from .. import methods
from .labels import format_number

# What figures show next to the registered methods.
_OTHERS = {
    "lossless": ("lossless", "#1A1A1A"),
    "ltq": ("LTQ", methods.color_of("n2uq")),
    "conventional": ("conventional", methods.color_of("lsq")),
    "oscillating": ("oscillating", methods.color_of("aoq")),
}
_LOOKS = {name: (methods.label_of(name), methods.color_of(name)) for name in methods.names()} | _OTHERS
# Drawn in this order; the others follow, ablations of AOQ first.
_FIRST = ("fp32", "lossless", "lsq", "aoq")
_ORDER = sorted(_LOOKS, key=lambda name: (_FIRST.index(name) if name in _FIRST else len(_FIRST), name))
METHOD_COLORS: Mapping[str, str] = MappingProxyType({name: _LOOKS[name][1] for name in _ORDER})

VARIANT_COLORS: Mapping[str, str] = MappingProxyType(
    {
        "lsq": METHOD_COLORS["lsq"],
        "aoq": METHOD_COLORS["aoq"],
        "aoq shrink_min=1": METHOD_COLORS["aoq-no-shrink"],
        "aoq no dampening": "#E8A0C8",
        "aoq shrink throughout": "#8A2BE2",
        "aoq dampening throughout": "#56B4E9",
        "aoq held levels": "#882255",
        "aoq coupled": METHOD_COLORS["aoq-coupled"],
        "aoq frozen weights": "#9A9A9A",
        "perturbed weights": "#141464",
    }
)
"""Variants that are next to each other in one picture, so none may look like another."""


def _method_key(name: str) -> str:
    key = str(name).strip().lower()
    if key not in METHOD_COLORS:
        raise ValueError(f"unknown method {name!r}: the palette knows {', '.join(METHOD_COLORS)}")
    return key


def method_color(name: str) -> str:
    """Return the colour of a method, as a hex string; upper and lower case are the same. Unknown: `ValueError`."""
    return METHOD_COLORS[_method_key(name)]


def method_label(name: str) -> str:
    """Return the name of a method as figures print it: `method_label("lsq") == "LSQ"`. Unknown: `ValueError`."""
    return _LOOKS[_method_key(name)][0]


# Viridis without its palest end, so that the highest level still contrasts with white paper.
_SHADES = mpl.colormaps["viridis"](np.linspace(0.0, 0.93, 256))
LEVEL_CMAP: Colormap = LinearSegmentedColormap.from_list("aoqlab_levels", _SHADES)


def level_colors(n: int) -> list[tuple[float, float, float, float]]:
    """Return one colour per level, lowest level first, evenly spaced on the sequential level map."""
    if n < 1:
        raise ValueError(f"level_colors needs at least one level, got n = {n}")
    positions = np.linspace(0.0, 1.0, n) if n > 1 else np.array([0.5])
    return [tuple(map(float, LEVEL_CMAP(position))) for position in positions]  # type: ignore[misc]


def hue_colors(values: Iterable[Hashable], palette: Mapping[Any, Any] | None = None) -> dict[Any, tuple[Any, str]]:
    """Return colour and printed name of every distinct value of a hue column, in drawing order.

    Numbers get the sequential map in ascending order, methods their own colour in the order of
    `METHOD_COLORS`; `palette` (value → colour) decides both colour and order where given. A name that
    neither knows and a missing value raise `ValueError`.
    """
    distinct: list[Any] = list(dict.fromkeys(values))
    if any(pd.isna(value) for value in distinct):
        raise ValueError("the hue column holds missing values; drop or name them first")
    numbers = bool(distinct) and all(isinstance(value, Real) for value in distinct)
    if palette is None and numbers:
        palette = dict(zip(sorted(distinct), level_colors(len(distinct)), strict=True))
    elif palette is None:
        order = list(METHOD_COLORS)
        methods = sorted(map(str, distinct), key=lambda method: order.index(_method_key(method)))
        palette = {method: method_color(method) for method in methods}
    unknown = [value for value in distinct if value not in palette]
    if unknown:
        raise ValueError(f"palette has no colour for {unknown}; it knows {list(palette)}")
    name: Any = format_number if numbers else variant_label
    return {value: (color, name(value)) for value, color in palette.items() if value in distinct}


def hued(
    frame: pd.DataFrame, hue: str, palette: Mapping[Any, Any] | None = None, *, count: str | None = None
) -> tuple[pd.DataFrame, dict[str, Any]]:
    """Return the frame with its hues' printed names as the column "name", and seaborn's arguments to draw by them.

    `count`: the column whose distinct values, per hue, the names count in brackets.
    """
    looks = hue_colors(frame[hue], palette)
    counts = frame.groupby(hue)[count].nunique() if count else {}
    names = {value: f"{name} (n = {counts[value]})" if count else name for value, (_, name) in looks.items()}
    colors = {names[value]: color for value, (color, _) in looks.items()}
    named = frame.assign(name=frame[hue].map(names)).reset_index(drop=True)  # seaborn asks for unique row labels
    return named, {"hue": "name", "hue_order": list(colors), "palette": colors}


_SYMBOLS = {"lr": r"$\eta$", "shrink_min": r"$\alpha_{\mathrm{min}}$", "step": "$s_0$"}


def variant_label(name: str) -> str:
    """Return a variant's name as figures print it: "aoq no dampening" is "AOQ, no dampening".

    A name that does not begin with a method is returned unchanged.
    """
    first, *rest = str(name).split() or [""]
    if first.lower() not in METHOD_COLORS:
        return str(name)
    words = " ".join(word for word in rest if "=" not in word)
    settings = [word.split("=", 1) for word in rest if "=" in word]
    parts = [method_label(first), words, *(f"{_SYMBOLS.get(key, key)} = {value}" for key, value in settings)]
    return ", ".join(part for part in parts if part)


def variant_palette(names: Iterable[str]) -> dict[str, str]:
    """Return variant → colour, in the order of `VARIANT_COLORS`; other variants have the colour of their method.

    `ValueError` where the first word of such a name is no method.
    """
    distinct = list(dict.fromkeys(names))
    others = {name: method_color(name.split()[0]) for name in distinct if name not in VARIANT_COLORS}
    return {name: color for name, color in VARIANT_COLORS.items() if name in distinct} | others
