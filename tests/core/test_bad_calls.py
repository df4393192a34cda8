"""Calls with an argument of a wrong kind: each is refused in one sentence, by aoqlab and not from deep inside torch."""

import traceback
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

import aoqlab
from aoqlab import (
    AOQ,
    LSQ,
    LTQ,
    Freezing,
    OscillationTracker,
    Shifted,
    StatsQ,
    ThreeStage,
    UniformGrid,
    cosine_ramp,
    dampening_nagel,
    dampening_norm,
    fold,
    oscillation_penalty,
    quantize,
    quantized_layers,
    soft_cross_entropy,
)

WEIGHTS = torch.linspace(-1, 1, 32).view(4, 8)
NO_TENSORS = {"list": [1.0, 2.0], "none": None, "text": "x", "int": 3, "array": np.ones((3, 3)), "class": torch.Tensor}
NO_FLOATS = NO_TENSORS | {
    "sparse": torch.ones(3, 3).to_sparse(),
    "complex": torch.ones(3, 3, dtype=torch.complex64),
    "int tensor": torch.ones(3, 3, dtype=torch.int64),
    "bool tensor": torch.ones(3, 3, dtype=torch.bool),
}
NO_START = NO_FLOATS | {
    "meta": torch.empty(3, 3, device="meta"),
    "nan": torch.tensor([float("nan"), 1.0]),
    "inf": torch.tensor([float("inf"), 1.0]),
    "empty": torch.empty(0),
}
NO_CODES = NO_TENSORS | {
    "float": torch.ones(3),
    "too high": torch.tensor([7, 200]),
    "negative": torch.tensor([-1]),
    "bool": torch.tensor([True]),
    "complex": torch.ones(2, dtype=torch.complex64),
}
NO_BITS = {"0": 0, "1": 1, "9": 9, "text": "2", "float": 2.0, "none": None, "true": True, "tensor": torch.tensor(2)}
NO_FLAGS = {"text": "no", "int": 1, "none": None, "tensor": torch.tensor(True)}
NO_SHARES = {"negative": -0.1, "2": 2.0, "text": "0.5", "none": None, "nan": float("nan"), "list": [0.1], "true": True}
NO_COUNTS = {"0": 0, "negative": -1, "float": 1.5, "text": "1", "true": True, "list": [1]}
NO_QUANTIZERS = {"class": AOQ, "text": "lsq", "network": nn.Linear(2, 2), "int": 2}
NO_NETWORKS = {"none": None, "text": "net", "class": nn.Linear, "list": [nn.Linear(2, 2)], "tensor": WEIGHTS}
NO_SHAPES = {"none": None, "text": "3", "float": 3.0, "negative": (-1,), "empty": {}, "0": (0,), "texts": ("a",)}
NO_SHAPES |= {"int of a layer": {"a": 3}, "none of a layer": {"a": None}, "int name": {1: (3,)}}
MAKERS = {
    "AOQ": lambda: AOQ(2),
    "LSQ": lambda: LSQ(2),
    "LTQ": lambda: LTQ(2),
    "StatsQ": lambda: StatsQ(2),
    "Shifted": lambda: Shifted(LTQ(2)),
    "Freezing": lambda: Freezing(LSQ(2)),
}
FLAGS = {
    AOQ: ("per_channel", "coupled"),
    LSQ: ("signed", "per_channel", "scale_gradient", "batched"),
    StatsQ: ("per_channel",),
}


def network():
    return nn.Sequential(*(nn.Linear(8, 8) for _ in range(3)))


def quantized(**settings):
    return lambda: quantize(network(), **{"weights": AOQ(2)} | settings)


def of_quantizers():
    for name, make in MAKERS.items():
        for method, values in (("init_from", NO_START), ("encode", NO_FLOATS), ("forward", NO_FLOATS)):
            for what, value in values.items():
                yield (
                    f"{name}.{method}({what})",
                    lambda m=make, f=method, v=value: getattr(m().init_from(WEIGHTS), f)(v),
                )
        for what, value in NO_CODES.items():
            yield f"{name}.decode({what})", lambda m=make, v=value: m().init_from(WEIGHTS).decode(v)
    for kind in (AOQ, LSQ, LTQ, StatsQ, UniformGrid):
        for what, value in NO_BITS.items():
            yield f"{kind.__name__}(bits={what})", lambda k=kind, v=value: k(v)
    for kind, flags in FLAGS.items():
        for flag in flags:
            for what, value in NO_FLAGS.items():
                yield f"{kind.__name__}({flag}={what})", lambda k=kind, f=flag, v=value: k(2, **{f: v})
    for what, value in {"text": "middle", "none": None, "int": 3}.items():
        yield f"AOQ(grid={what})", lambda v=value: AOQ(2, grid=v)
    for what, value in (NO_QUANTIZERS | {"none": None}).items():
        yield f"Shifted({what})", lambda v=value: Shifted(v)
        yield f"Freezing({what})", lambda v=value: Freezing(v)
    for what, value in NO_SHARES.items():
        yield f"Freezing(momentum={what})", lambda v=value: Freezing(LSQ(2), momentum=v)


def of_surgery():
    for what, value in NO_QUANTIZERS.items():
        yield f"quantize(weights={what})", quantized(weights=value)
        yield f"quantize(activations={what})", quantized(activations=value, sample=WEIGHTS)
    yield "quantize(weights=unsigned)", quantized(weights=LTQ(2))
    for what, value in NO_NETWORKS.items():
        for function in (quantized_layers, fold, lambda model: quantize(model, weights=AOQ(2))):
            yield f"{function.__name__}({what})", lambda f=function, v=value: f(v)
    for what, value in {
        "text": "images",
        "list": [1],
        "int": 3,
        "shape": torch.ones(3),
        "ints": torch.ones(2, 8).int(),
    }.items():
        yield f"quantize(sample={what})", quantized(activations=LTQ(2), sample=value)
    for what, value in {"letters": "layer1", "int": 1, "unknown": ["nope"], "ints": [1]}.items():
        yield f"quantize(skip={what})", quantized(skip=value)
    for what, value in NO_SHARES.items():
        yield f"quantize(recompute={what})", quantized(activations=LTQ(2), sample=WEIGHTS, recompute=value)
    for flag in ("quantize_downsampling", "quantize_first_last"):
        for what, value in NO_FLAGS.items():
            yield f"quantize({flag}={what})", quantized(**{flag: value})


def of_trackers():
    for what, value in NO_BITS.items():
        yield f"tracker(bits={what})", lambda v=value: OscillationTracker((3,), v)
    for what, value in NO_SHAPES.items():
        yield f"tracker(shape={what})", lambda v=value: OscillationTracker(v, 2)
    for name, values in {
        "momentum": NO_SHARES,
        "oscillating_above": NO_SHARES,
        "record_every": NO_COUNTS,
        "count_configurations": NO_FLAGS,
    }.items():
        for what, value in values.items():
            yield f"tracker({name}={what})", lambda n=name, v=value: OscillationTracker((3,), 2, **{n: v})
    given = NO_CODES | {"shape": torch.zeros(4, dtype=torch.uint8), "sparse": torch.ones(3).long().to_sparse()}
    given |= {"other names": {"x": torch.zeros(3).byte()}, "list of a layer": {"weight": [0, 1, 2]}}
    given |= {"meta": torch.zeros(3, dtype=torch.uint8, device="meta")}
    for what, value in given.items():
        yield f"tracker.update({what})", lambda v=value: OscillationTracker((3,), 2).update(v)


def of_schedules_and_losses():
    for name in ("shrink_until", "shrink_min", "dampen_from", "dampening", "perturbation"):
        for what, value in NO_SHARES.items():
            if (what, name) not in {("2", "dampening"), ("2", "perturbation")}:
                yield f"ThreeStage({name}={what})", lambda n=name, v=value: ThreeStage(**{n: v})
    for what, value in NO_COUNTS.items():
        yield f"ThreeStage(staircase={what})", lambda v=value: ThreeStage(staircase=v)
    for what, value in NO_FLAGS.items():
        yield f"ThreeStage(levels_learn={what})", lambda v=value: ThreeStage(levels_learn=v)
    for what, value in NO_SHARES.items():
        yield f"stage at {what}", lambda v=value: ThreeStage()(v)
        yield f"ramp at {what}", lambda v=value: cosine_ramp(v, 1.0)
    for what, value in NO_FLOATS.items():
        if what != "list":  # of numbers, where a list of tensors is right
            yield f"norm of {what}", lambda v=value: dampening_norm([v], [WEIGHTS])
            yield f"norm to {what}", lambda v=value: dampening_norm([WEIGHTS], [v])
        yield f"nagel of {what}", lambda v=value: dampening_nagel(v, WEIGHTS, -1.0, 1.0)
        yield f"nagel to {what}", lambda v=value: dampening_nagel(WEIGHTS, v, -1.0, 1.0)
        yield f"penalty of {what}", lambda v=value: oscillation_penalty(v, WEIGHTS)
        yield f"penalty to {what}", lambda v=value: oscillation_penalty(WEIGHTS, v)
        yield f"student {what}", lambda v=value: soft_cross_entropy(v, WEIGHTS)
        yield f"teacher {what}", lambda v=value: soft_cross_entropy(WEIGHTS, v)
    yield "logits of two shapes", lambda: soft_cross_entropy(torch.ones(2, 3), torch.ones(2, 4))


CALLS = [call for table in (of_quantizers, of_surgery, of_trackers, of_schedules_and_losses) for call in table()]


def test_there_are_many():
    assert len(CALLS) >= 400 and len({name for name, _ in CALLS}) == len(CALLS)


@pytest.mark.parametrize("call", [call for _, call in CALLS], ids=[name for name, _ in CALLS])
def test_a_bad_call_is_refused_in_one_sentence(call, as_shipped):
    with pytest.raises((TypeError, ValueError)) as caught:
        call()
    told, where = str(caught.value), traceback.extract_tb(caught.tb)[-1].filename
    assert Path(where).is_relative_to(Path(aoqlab.__file__).parent), f"{told} (from {where})"
    assert "\n" not in told and len(told) < 300 and "has no attribute" not in told
