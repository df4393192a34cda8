from itertools import combinations

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_rgb

from aoqlab.lab.plots import (
    LEVEL_CMAP,
    METHOD_COLORS,
    VARIANT_COLORS,
    VERDICTS,
    level_colors,
    method_color,
    method_label,
    variant_label,
    variant_palette,
)
from aoqlab.lab.plots.labels import format_number
from aoqlab.lab.plots.palette import hue_colors, hued

# Methods that are one method under two names.
ALIASES = {frozenset({"ltq", "n2uq"}), frozenset({"lsq", "conventional"}), frozenset({"aoq", "oscillating"})}

# Machado, Oliveira and Fernandes (2009), severity 1, for linear RGB.
DEFICIENCIES = {
    "none": np.eye(3),
    "protanopia": [
        [0.152286, 1.052583, -0.204868],
        [0.114503, 0.786281, 0.099216],
        [-0.003882, -0.048116, 1.051998],
    ],
    "deuteranopia": [
        [0.367322, 0.860646, -0.227968],
        [0.280085, 0.672501, 0.047413],
        [-0.011820, 0.042940, 0.968881],
    ],
    "tritanopia": [
        [1.255528, -0.076749, -0.178779],
        [-0.078411, 0.930809, 0.147602],
        [0.004733, 0.691367, 0.303900],
    ],
}


def lab(color, deficiency):
    """CIELAB (D65) of a colour as seen with a colour vision deficiency."""
    rgb = np.asarray(to_rgb(color))
    linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
    seen = np.clip(np.asarray(DEFICIENCIES[deficiency]) @ linear, 0, 1)
    to_xyz = np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]])
    ratio = to_xyz @ seen / np.array([0.9505, 1.0, 1.089])
    f = np.where(ratio > (6 / 29) ** 3, np.cbrt(ratio), ratio / (3 * (6 / 29) ** 2) + 4 / 29)
    return np.array([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
def test_methods_stay_apart_for_every_eye(deficiency):
    for one, other in combinations(METHOD_COLORS, 2):
        if frozenset({one, other}) in ALIASES:
            assert METHOD_COLORS[one] == METHOD_COLORS[other]
            continue
        if METHOD_COLORS[one] == METHOD_COLORS[other]:
            pytest.fail(f"{one} and {other} share a colour")
        distance = np.linalg.norm(lab(METHOD_COLORS[one], deficiency) - lab(METHOD_COLORS[other], deficiency))
        assert distance > 10, f"{one} and {other} look alike with {deficiency}: {distance:.1f}"


@pytest.mark.parametrize("deficiency", DEFICIENCIES)
@pytest.mark.parametrize(
    "colors",
    [
        list(VARIANT_COLORS.values()),
        [look.color for look in VERDICTS.values()],
        [look.tint for look in VERDICTS.values()],
    ],
    ids=["variants", "verdicts", "tints"],
)
def test_neighbours_stay_apart_for_every_eye(colors, deficiency):
    for one, other in combinations(colors, 2):
        assert np.linalg.norm(lab(one, deficiency) - lab(other, deficiency)) > 8, f"{one} and {other} look alike"


@pytest.mark.parametrize(
    ("variant", "label"),
    [
        ("aoq", "AOQ"),
        ("aoq no dampening", "AOQ, no dampening"),
        ("aoq shrink_min=0.5 lr=0.003", r"AOQ, $\alpha_{\mathrm{min}}$ = 0.5, $\eta$ = 0.003"),
        ("lsq step=rule", "LSQ, $s_0$ = rule"),
        ("noise 0.002", "noise 0.002"),
        ("lossless", "lossless"),
    ],
)
def test_a_variant_is_named_after_its_method_and_what_differs(variant, label):
    assert variant_label(variant) == label


def test_an_unnamed_variant_has_the_colour_of_its_method():
    palette = variant_palette(["lsq lr=0.003", "aoq held levels", "aoq"])
    assert list(palette) == ["aoq", "aoq held levels", "lsq lr=0.003"]
    assert palette["lsq lr=0.003"] == METHOD_COLORS["lsq"]
    with pytest.raises(ValueError, match="dorefa"):
        variant_palette(["dorefa lr=1"])


def test_every_method_has_a_label():
    assert method_label("lsq") == "LSQ"
    assert all(method_label(name) for name in METHOD_COLORS)


def test_case_does_not_matter():
    assert method_color("AOQ") == method_color(" aoq ") == METHOD_COLORS["aoq"]


@pytest.mark.parametrize("function", [method_color, method_label])
def test_an_unknown_method_is_named_with_those_known(function):
    with pytest.raises(ValueError, match=r"'dorefa'.*lsq.*aoq"):
        function("dorefa")


def test_level_colors_run_from_dark_to_light():
    luminance = [np.dot(color[:3], [0.2126, 0.7152, 0.0722]) for color in level_colors(16)]
    assert (np.diff(luminance) > 0).all()
    assert level_colors(2) == [LEVEL_CMAP(0.0), LEVEL_CMAP(1.0)]
    assert len(level_colors(1)) == 1
    with pytest.raises(ValueError, match="at least one"):
        level_colors(0)


def test_hues_come_in_the_palettes_order():
    assert [name for _, name in hue_colors(["aoq", "lsq", "aoq", "fp32"]).values()] == [
        "full precision",
        "LSQ",
        "AOQ",
    ]
    assert list(hue_colors([1e-2, 1e-4, 1e-3])) == [1e-4, 1e-3, 1e-2]
    assert hue_colors(["ours"], {"ours": "red", "theirs": "blue"}) == {"ours": ("red", "ours")}


@pytest.mark.parametrize(
    ("values", "palette", "match"),
    [
        (["lsq", None], None, "missing"),
        ([1.0, float("nan")], None, "missing"),
        (["x"], {"y": "red"}, "no colour"),
    ],
)
def test_hues_without_colour_are_refused(values, palette, match):
    with pytest.raises(ValueError, match=match):
        hue_colors(values, palette)


@pytest.mark.parametrize(
    ("value", "text"),
    [(-0.0, "0"), (-1.5, "−1.5"), (0.1 + 0.2, "0.3"), (1e-5, "$10^{-5}$"), (3e-7, r"$3\times 10^{-7}$")],
)
def test_numbers_are_printed_short(value, text):
    assert format_number(value) == text


def test_thousands_keep_their_digits():
    assert format_number(1234) == "1234"
    assert format_number(99999) == "99999"


def test_hues_are_named_counted_and_coloured_for_seaborn():
    runs = pd.DataFrame({"method": ["aoq", "lsq", "aoq"], "seed": [0, 0, 1]})
    frame, hues = hued(runs, "method", count="seed")
    assert list(frame["name"]) == ["AOQ (n = 2)", "LSQ (n = 1)", "AOQ (n = 2)"]
    assert hues["hue_order"] == ["LSQ (n = 1)", "AOQ (n = 2)"]
    assert hues["palette"]["LSQ (n = 1)"] == METHOD_COLORS["lsq"]


def test_rows_may_have_labels_twice():
    runs = pd.DataFrame({"method": ["aoq", "lsq"], "seed": [0, 0]}, index=[3, 3])
    assert list(hued(runs, "method")[0].index) == [0, 1]
