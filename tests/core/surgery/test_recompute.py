"""Quantized inputs are computed again in the backward pass: same values to the bit, less memory."""

import copy
import gc
import weakref

import pytest
import torch
from torch import nn
from torch.profiler import ProfilerActivity, profile
from torch.utils.checkpoint import checkpoint

from aoqlab.quantizers import AOQ, LSQ, LTQ
from aoqlab.surgery import quantize, set_enabled
from aoqlab.surgery.inputs import HOOKS, attach, rectified


def peak_bytes(model, images):
    """Largest amount of memory that one training step holds beyond what it found."""

    def step():
        model.zero_grad(set_to_none=True)
        nn.functional.cross_entropy(model(images), torch.zeros(len(images), dtype=torch.long)).backward()

    step()
    model.zero_grad(set_to_none=True)
    with profile(activities=[ProfilerActivity.CPU], profile_memory=True) as found:
        step()
    live = most = 0
    for event in found.profiler.kineto_results.events():
        if event.name() == "[memory]":
            live += event.nbytes()
            most = max(most, live)
    return most


def gradients(model, images):
    out = model(images)
    return out, torch.autograd.grad(out.square().sum(), [p for p in model.parameters() if p.requires_grad])


@pytest.mark.parametrize("activations", [LTQ(2), LSQ(4)])
@pytest.mark.parametrize("kind", ["resnet", "mixed"])
def test_every_gradient_is_the_same_to_the_bit(request, images, path, kind, activations):
    model = request.getfixturevalue(kind)
    kept = quantize(copy.deepcopy(model), weights=AOQ(2), activations=activations, sample=images, recompute=0)
    again = quantize(model, weights=AOQ(2), activations=activations, sample=images, recompute=1)
    for a, b in zip(gradients(kept, images), gradients(again, images), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


@pytest.mark.parametrize("activations", [LTQ(2), LSQ(2)])
@pytest.mark.parametrize("kind", ["resnet", "mixed"])
def test_peak_memory_is_at_most_1_3_times_that_of_the_float_network(request, kind, activations):
    model, images = request.getfixturevalue(kind), torch.randn(32, 3, 16, 16)
    most = peak_bytes(model, images)

    def peak(**options):
        quantizers = {"weights": AOQ(2), "activations": activations, "sample": images}
        return peak_bytes(quantize(copy.deepcopy(model), **quantizers, **options), images)

    assert peak() <= 1.3 * most
    assert peak(recompute=1) < peak() < peak(recompute=0)


@pytest.mark.parametrize(("share", "again"), [(0, 0), (0.25, 2), (0.5, 4), (1, 8)])
def test_the_share_of_layers_is_spread_evenly(share, again):
    model = quantize(
        nn.Sequential(*(nn.Linear(4, 4) for _ in range(10))),
        weights=None,
        activations=LSQ(2),
        sample=torch.randn(8, 4),
        recompute=share,
    )
    chosen = [layer.input_quantizer.recompute for layer in model[1:9]]
    assert sum(chosen) == again
    assert abs(sum(chosen[:4]) - again / 2) <= 1


@pytest.mark.parametrize("share", [-0.1, 1.5, float("nan")])
def test_a_share_that_is_none_is_refused(share):
    with pytest.raises(ValueError, match=r"in \[0, 1\], got"):
        quantize(nn.Linear(4, 4), weights=None, activations=LSQ(2), recompute=share)


def test_backward_twice(mixed, images):
    quantize(mixed, weights=AOQ(2), activations=LTQ(2), sample=images, recompute=1)
    loss = mixed(images).square().sum()
    parameters = list(mixed.parameters())
    first = torch.autograd.grad(loss, parameters, retain_graph=True, allow_unused=True)
    second = torch.autograd.grad(loss, parameters, allow_unused=True)
    assert all(a is b or torch.equal(a, b) for a, b in zip(first, second, strict=True))


@pytest.mark.parametrize("changed", ["parameter", "input"])
def test_changes_before_backward_are_refused_as_by_autograd(changed):
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 2))
    x = torch.rand(8, 4)
    quantize(model, weights=None, activations=LSQ(2), sample=x, recompute=1)
    loss = model(x).sum()
    with torch.no_grad():
        (model[0].input_quantizer.quantizer.step if changed == "parameter" else x).mul_(2)
    with pytest.raises(RuntimeError, match=r"modified (between|by an inplace)"):
        loss.backward()


def test_nothing_is_prepared_where_nothing_is_kept(resnet, images):
    quantize(resnet, weights=AOQ(2), activations=LTQ(2), sample=images, recompute=1)
    seen = []
    conv = resnet.layer1[0].conv1
    conv.register_forward_pre_hook(lambda _, args: seen.append(hasattr(args[0], HOOKS)))
    resnet(images)
    with torch.no_grad():
        resnet(images)
    with torch.autograd.graph.saved_tensors_hooks(lambda t: t, lambda t: t):  # whoever asks first decides
        resnet(images).sum().backward()
    assert seen == [True, False, False]


def test_gradient_checkpointing_around_layers_gives_the_same(resnet, images):
    quantize(resnet, weights=AOQ(2), activations=LTQ(2), sample=images, recompute=1)
    body = resnet.layer2
    x = torch.rand(4, 8, 8, 8, requires_grad=True)
    direct = torch.autograd.grad(copy.deepcopy(body)(x).square().sum(), x)[0]
    out = checkpoint(body, x, use_reentrant=False)
    assert torch.equal(torch.autograd.grad(out.square().sum(), x)[0], direct)


def test_the_graph_is_freed_after_backward(resnet, images):
    quantize(resnet, weights=AOQ(2), activations=LTQ(2), sample=images, recompute=1)
    inputs, recipes = [], []

    def listen(_, args):
        inputs.append(weakref.ref(args[0]))
        recipes.append(weakref.ref(getattr(args[0], HOOKS).pack_hook.__self__))

    resnet.layer1[0].conv2.register_forward_pre_hook(listen)
    gc.disable()
    try:
        loss = resnet(images).sum()
        assert inputs[0]() is None  # already before the backward pass
        assert recipes[0]() is not None
        loss.backward()
        assert recipes[0]() is None  # no reference cycle keeps it
    finally:
        gc.enable()


def test_a_failing_layer_leaves_nothing_behind(resnet, images):
    quantize(resnet, weights=AOQ(2), activations=LTQ(2), sample=images, recompute=1)
    with pytest.raises(RuntimeError):
        resnet.layer1[0].conv1(torch.rand(1, 5, 8, 8))
    with torch.autograd.graph.disable_saved_tensors_hooks("refused where hooks are left"):
        pass
    resnet(images).sum().backward()


@pytest.mark.parametrize("dtype", [torch.float64, torch.bfloat16])
def test_other_dtypes(resnet, images, dtype):
    resnet, images = resnet.to(dtype), images.to(dtype)
    kept = quantize(copy.deepcopy(resnet), weights=AOQ(2), activations=LTQ(2), sample=images, recompute=0)
    quantize(resnet, weights=AOQ(2), activations=LTQ(2), sample=images, recompute=1)
    for a, b in zip(gradients(kept, images), gradients(resnet, images), strict=True):
        assert all(torch.equal(x, y) for x, y in zip(a, b, strict=True))


def test_autocast(resnet, images):
    kept = quantize(copy.deepcopy(resnet), weights=AOQ(2), activations=LTQ(2), sample=images, recompute=0)
    quantize(resnet, weights=AOQ(2), activations=LTQ(2), sample=images, recompute=1)
    found = []
    for model in (kept, resnet):
        with torch.autocast("cpu", torch.bfloat16):
            out = model(images)
        found.append(torch.autograd.grad(out.float().square().sum(), list(model.parameters())))
    assert all(torch.equal(x, y) for x, y in zip(*found, strict=True))


def test_a_relu_stays_where_no_quantizer_absorbs_it():
    x, layer = torch.tensor([-1.0, 2.0]), nn.Conv2d(1, 1, 1)
    expected = torch.relu(x)
    assert torch.equal(rectified(x, layer), expected)
    attach(layer, LSQ(2), recompute=False)  # signed: values below zero have levels of their own
    assert torch.equal(rectified(x, layer), expected)
    absorbing = nn.Conv2d(1, 1, 1)
    attach(absorbing, LTQ(2), recompute=False)
    assert rectified(x, absorbing) is x
    set_enabled(absorbing, activations=False)
    assert torch.equal(rectified(x, absorbing), expected)
