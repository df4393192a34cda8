"""AOQ with one part taken away at a time. Each differs from ``aoq`` in that part alone."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import replace
from functools import partial
from typing import Any

from .aoq import aoq
from .base import Method
from .registry import Factory, register


def options_of_aoq(*, without: tuple[str, ...] = ()) -> Callable[[Factory], Factory]:
    """Give a function of ``**options`` the signature of ``aoq``, less some of its options (a decorator)."""

    def show(factory: Factory) -> Factory:
        kept = [parameter for name, parameter in inspect.signature(aoq).parameters.items() if name not in without]
        factory.__signature__ = inspect.Signature(kept)  # type: ignore[attr-defined]
        return factory

    return show


@register(label="AOQ, no shrink", color="#442507")
@options_of_aoq(without=("shrink_min", "staircase"))
def aoq_no_shrink(**options: Any) -> Method:
    """AOQ without its first stage: intervals never shrink.

    ``shrink_min = 1``, so alpha stays 1; the levels still learn only from ``shrink_until`` on. Source: an ablation of
    Xie et al., ICCV 2025, chosen here.
    """
    return aoq(shrink_min=1.0, **options)


@register(label="AOQ, no dampening", color="#E0BCB7")
@options_of_aoq(without=("dampening",))
def aoq_no_dampen(**options: Any) -> Method:
    """AOQ without its last stage: nothing dampens the oscillation.

    ``dampening = 0``; from ``dampen_from`` on the stage bears its name but acts as the second. Source: an ablation of
    Xie et al., ICCV 2025, chosen here.
    """
    return aoq(dampening=0.0, **options)


@register(label="AOQ, coupled", color="#7C5735")
@options_of_aoq()
def aoq_coupled(**options: Any) -> Method:
    """AOQ with one interval: the learned one also places the thresholds.

    Thresholds ``alpha s_le k`` follow the learned ``s_le``, with the gradients of ``aoq``. Source: an ablation of Xie
    et al., ICCV 2025, chosen here.
    """
    from ...quantizers import AOQ

    whole = aoq(**options)
    assert isinstance(whole.weights, partial)
    return replace(whole, weights=partial(AOQ, **whole.weights.keywords, coupled=True))
