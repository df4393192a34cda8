"""The settings of the toy regression's surface: one grid for claims, figures, explorer and notebook."""

from __future__ import annotations

from ...schedule import ThreeStage
from .problem import RunConfig

PUBLISHED_LR = 1e-3
PUBLISHED_SHRINK = 0.3
LEARNING_RATES = (1e-4, 3e-4, 1e-3, 3e-3, 1e-2, 3e-2, 5e-2, 0.1, 0.2, 0.3)
"""From too slow to too fast for both methods, so that neither has its best at the end of the range."""
# Both methods are tuned over equally many settings: eleven interval sizes at every learning rate.
SHRINK_MINS = (1.0, 0.85, 0.7, 0.6, 0.5, 0.4, 0.3, 0.2, 0.15, 0.1, 0.05)
FIRST_STEPS = (0.1, 0.2, 0.3, 0.5, 0.7, 1.0, 1.4, None, 2.0, 2.8, 4.0)
"""LSQ's initial steps; ``None`` is its own rule, ``2 mean|w| / sqrt(Q_P)``, about 1.7 here."""


def settings() -> dict[str, RunConfig]:
    """Return all settings by name: AOQ over shrink_min, LSQ over its initial step, at every learning rate.

    The published setting of each method is called as the method, "aoq" and "lsq".
    """
    schedules = [ThreeStage(shrink_min=m) for m in SHRINK_MINS]
    configs = []
    for lr in LEARNING_RATES:
        configs += [RunConfig("aoq", lr, schedule=schedule) for schedule in schedules]
        configs += [RunConfig("lsq", lr, step_init=step) for step in FIRST_STEPS]
    return {name_of(config): config for config in configs}


def name_of(config: RunConfig) -> str:
    """Return the name of a setting, such as ``aoq shrink_min=0.5 lr=0.01``; what is published is left out."""
    words: list[str] = [config.method]
    if config.method == "aoq" and config.schedule.shrink_min != PUBLISHED_SHRINK:
        words.append(f"shrink_min={config.schedule.shrink_min:g}")
    if config.step_init is not None:
        words.append(f"step={config.step_init:g}")
    return " ".join(words if config.lr == PUBLISHED_LR else [*words, f"lr={config.lr:g}"])
