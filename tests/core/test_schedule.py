import math
import subprocess
import sys
from dataclasses import FrozenInstanceError, replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from aoqlab import StageState, ThreeStage, cosine_ramp


def test_the_published_staircase_is_reproduced():
    published = ThreeStage(staircase=50)
    for epoch in range(250):
        refreshed = min(epoch - epoch % 5, 50)
        expected = 0.65 + 0.35 * math.cos(2 * math.pi * refreshed / 100)
        assert abs(published(epoch / 250).shrink - expected) <= 1e-15, epoch


def test_the_published_stages_start_at_their_epochs():
    published = ThreeStage(staircase=50)
    states = [published(epoch / 250) for epoch in range(251)]
    assert [s.stage for s in states] == ["shrink"] * 51 + ["widen"] * 99 + ["dampen"] * 101
    assert [s.levels_learn for s in states] == [False] * 51 + [True] * 200
    assert [s.dampening for s in states] == [0.0] * 150 + [0.01] * 101


@pytest.mark.parametrize(
    ("progress", "expected"),
    [
        (0.0, StageState("shrink", 1.0, False, 0.0)),
        (0.1, StageState("shrink", 0.65, False, 0.0)),
        (0.2, StageState("shrink", 0.3, False, 0.0)),
        (0.4, StageState("widen", 0.3, True, 0.0)),
        (0.6, StageState("dampen", 0.3, True, 0.01)),
        (1.0, StageState("dampen", 0.3, True, 0.01)),
    ],
)
def test_values_by_hand(progress, expected):
    state = ThreeStage()(progress)
    assert state.shrink == pytest.approx(expected.shrink, abs=1e-15)
    assert replace(state, shrink=expected.shrink) == expected


@given(st.floats(0, 1), st.floats(0.01, 1), st.floats(0.01, 1))
def test_the_factor_is_half_a_cosine(progress, until, smallest):
    state = ThreeStage(shrink_until=until, shrink_min=smallest)(progress)
    t = min(progress / until, 1.0)
    closed = smallest + (1 - smallest) * (1 + math.cos(math.pi * t)) / 2
    assert state.shrink == pytest.approx(closed, abs=1e-15)


@given(st.lists(st.floats(0, 1), min_size=2), st.integers(1, 300) | st.none())
def test_the_factor_never_rises_and_stays_in_range(moments, staircase):
    factors = [ThreeStage(staircase=staircase)(p).shrink for p in sorted(moments)]
    assert all(a >= b for a, b in pairwise(factors))
    assert all(0.3 <= f <= 1 for f in factors)


@pytest.mark.parametrize("stairs", [7, 50, 250])
def test_a_staircase_has_its_number_of_refreshes(stairs):
    schedule = ThreeStage(shrink_until=1.0, staircase=stairs)
    assert len({schedule(i / 5000).shrink for i in range(5000)}) == stairs


@pytest.mark.parametrize("epochs", [30, 100, 250, 300])
def test_a_stair_per_epoch_is_the_smooth_curve(epochs):
    smooth, stairs = ThreeStage(shrink_until=1.0), ThreeStage(shrink_until=1.0, staircase=epochs)
    for epoch in range(epochs + 1):  # 29 / 100 * 100 is a little less than 29
        assert stairs(epoch / epochs).shrink == pytest.approx(smooth(epoch / epochs).shrink, abs=1e-14)


def test_without_shrink_the_factor_stays_one():
    assert {ThreeStage(shrink_min=1.0)(i / 100).shrink for i in range(101)} == {1.0}


def test_without_a_shrink_stage_the_levels_learn_at_once():
    assert ThreeStage(shrink_until=0.0)(0.0) == StageState("widen", 0.3, True, 0.0)


def test_without_dampening_its_weight_is_zero():
    assert {ThreeStage(dampening=0.0)(i / 100).dampening for i in range(101)} == {0}


@given(st.floats(0, 1))
def test_held_levels_never_learn_and_nothing_else_changes(progress):
    assert ThreeStage(levels_learn=False)(progress) == replace(ThreeStage()(progress), levels_learn=False)


@given(st.floats(0, 1))
def test_the_perturbation_lasts_as_long_as_the_shrink_stage_and_changes_nothing_else(progress):
    plain = ThreeStage()(progress)
    noise = 0.02 if plain.stage == "shrink" else 0.0
    assert ThreeStage(perturbation=0.02)(progress) == replace(plain, perturbation=noise)


def test_without_a_shrink_stage_there_is_no_perturbation():
    assert {ThreeStage(shrink_until=0.0, perturbation=1.0)(i / 100).perturbation for i in range(101)} == {0}


def test_shrinking_throughout_reaches_the_minimum_at_the_end():
    throughout = ThreeStage(shrink_until=1.0)
    assert [throughout(p).stage for p in (0.0, 0.5, 1.0)] == ["shrink"] * 3
    assert throughout(1.0).shrink == pytest.approx(0.3, abs=1e-15)


def test_dampening_from_the_start_does_not_end_the_shrink_stage():
    assert ThreeStage(dampen_from=0.0)(0.0) == StageState("shrink", 1.0, False, 0.01)


@pytest.mark.parametrize(
    ("argument", "value"),
    [
        ("shrink_until", -0.1),
        ("shrink_until", 1.1),
        ("dampen_from", math.nan),
        ("dampen_from", 2.0),
        ("shrink_min", 0.0),
        ("shrink_min", 1.5),
        ("shrink_min", math.nan),
        ("dampening", -1.0),
        ("dampening", math.inf),
        ("perturbation", -0.1),
        ("perturbation", math.inf),
        ("perturbation", math.nan),
        ("staircase", 0),
        ("staircase", 2.5),
        ("staircase", True),
    ],
)
def test_values_out_of_range_are_refused_by_name(argument, value, as_shipped):
    with pytest.raises(ValueError, match=f"{argument} must be .*got {value}"):
        ThreeStage(**{argument: value})


@pytest.mark.parametrize("progress", [-0.01, 1.01, math.nan, math.inf])
def test_progress_outside_zero_to_one_is_refused(progress):
    with pytest.raises(ValueError, match=r"progress must be in \[0, 1\]"):
        ThreeStage()(progress)
    with pytest.raises(ValueError, match=r"progress must be in \[0, 1\]"):
        cosine_ramp(progress, 1.0)


def test_whole_numbers_are_as_good_as_floats(as_shipped):
    assert ThreeStage(0, 1, 1, 0)(1) == ThreeStage(0.0, 1.0, 1.0, 0.0)(1.0)


def test_a_schedule_cannot_be_changed():
    with pytest.raises(FrozenInstanceError):
        ThreeStage().shrink_min = 0.5


def test_the_ramp_rises_from_zero_to_its_final_weight():
    assert [cosine_ramp(p, 0.2) for p in (0.0, 0.5, 1.0)] == pytest.approx([0.0, 0.1, 0.2], abs=1e-16)


def test_the_module_does_not_import_torch():
    code = "import sys, aoqlab.schedule; sys.exit('torch' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], timeout=60).returncode == 0
