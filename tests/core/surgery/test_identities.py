"""Exact identities, all at zero tolerance."""

import copy

import pytest
import torch
from torch import nn

from aoqlab.quantizers import AOQ, LSQ, LTQ, Freezing, StatsQ
from aoqlab.ste import MIN_STEP
from aoqlab.surgery import (
    activation_quantizers,
    fold,
    quantize,
    quantized_layers,
    quantizers_disabled,
    set_enabled,
)
from aoqlab.surgery import weight_sites as sites_of

WEIGHTS = {
    "aoq": lambda: AOQ(2),
    "aoq-per-channel": lambda: AOQ(3, per_channel=True),
    "lsq": lambda: LSQ(2),
    "statsq": lambda: StatsQ(2),
    "freezing": lambda: Freezing(LSQ(3)),
}
ACTIVATIONS = {"ltq": lambda: LTQ(2), "lsq": lambda: LSQ(4), "none": lambda: None}

weights = pytest.mark.parametrize("weights", WEIGHTS)
activations = pytest.mark.parametrize("activations", ACTIVATIONS)


def operate(model, images, weights="aoq", activations="ltq", **options):
    return quantize(model, weights=WEIGHTS[weights](), activations=ACTIVATIONS[activations](), sample=images, **options)


def step(model, images, optimizer=torch.optim.Adam, lr=1e-2):
    optimizer = optimizer(model.parameters(), lr=lr)
    out = model(images)
    nn.functional.cross_entropy(out, torch.arange(len(images))).backward()
    optimizer.step()
    optimizer.zero_grad()
    return out.detach()


def latent_state(model):
    """Parameters and buffers under the names of the float network, quantizers left out."""
    names = {n.replace("parametrizations.weight.original", "weight"): v for n, v in model.state_dict().items()}
    return {n: v for n, v in names.items() if ".parametrizations." not in n and ".input_quantizer." not in n}


@weights
@activations
def test_disabled_quantizers_are_the_float_network_also_after_a_step(make, images, path, weights, activations):
    plain, operated = make(), operate(make(), images, weights, activations)
    with quantizers_disabled(operated):
        for _ in range(2):
            assert torch.equal(step(plain, images), step(operated, images))
    float_state, latent = plain.state_dict(), latent_state(operated)
    assert float_state.keys() == latent.keys()
    assert all(torch.equal(value, latent[name]) for name, value in float_state.items())


def test_enabled_quantizers_are_not(make, images):
    assert not torch.equal(make()(images), operate(make(), images)(images))


def test_disabled_gives_back_the_same_tensors(resnet, images):
    operate(resnet, images)
    site = next(iter(sites_of(resnet).values()))
    with quantizers_disabled(resnet):
        assert site.module.weight is site.latent


def test_the_context_restores_what_was_there(resnet, images):
    operate(resnet, images)
    set_enabled(resnet, weights=False)
    kept = quantized_layers(resnet)
    with pytest.raises(KeyError), quantizers_disabled(resnet):
        raise KeyError
    assert quantized_layers(resnet).equals(kept)
    assert kept.weight_method[1] == "AOQ, disabled"
    assert kept.activation_method[1] == "LTQ"


@weights
@activations
def test_folded_computes_the_same_outputs(resnet, images, path, weights, activations):
    operate(resnet, images, weights, activations)
    step(resnet, images)
    for net in (resnet.eval(), resnet.train()):
        folded = fold(net)
        assert torch.equal(folded(images), copy.deepcopy(net)(images))


@weights
def test_folded_weights_are_levels_of_codes_in_plain_layers(resnet, images, path, weights):
    operate(resnet, images, weights)
    step(resnet, images)
    folded = fold(resnet)
    assert not sites_of(folded)
    for name, site in sites_of(resnet).items():
        layer, codes, levels = folded.get_submodule(name), site.codes(), site.quantizer.levels()
        assert type(layer) is nn.Conv2d
        assert isinstance(layer._parameters["weight"], nn.Parameter)
        rows = codes.flatten(1).long()
        values = levels[rows] if levels.ndim == 1 else levels.gather(1, rows)
        assert torch.equal(layer.weight, values.view_as(layer.weight))
        assert torch.equal(layer.weight, site.module.weight)  # what the network computes with
        # Nothing is lost: the codes are still there to be read off.
        table = levels.expand(len(rows), -1).contiguous()
        again = torch.searchsorted(table, layer.weight.detach().flatten(1).contiguous())
        assert torch.equal(again, rows)


def test_folded_without_activations_has_the_state_of_the_float_network(make, images):
    folded = fold(operate(make(), images, activations="none"))
    plain = make()
    plain.load_state_dict(folded.state_dict())
    assert torch.equal(plain.eval()(images), folded.eval()(images))
    assert quantized_layers(folded).weight_method[1] == "AOQ, folded"
    assert quantized_layers(folded).weight_bits[1] == 2


def test_fold_leaves_the_model_alone_and_keeps_disabled_weights_float(resnet, images):
    operate(resnet, images)
    before = {n: v.clone() for n, v in resnet.state_dict().items()}
    set_enabled(resnet, weights=False)
    folded = fold(resnet)
    assert torch.equal(folded.eval()(images), resnet.eval()(images))
    assert torch.equal(folded.layer1[0].conv1.weight, before["layer1.0.conv1.parametrizations.weight.original"])
    assert all(torch.equal(v, before[n]) for n, v in resnet.state_dict().items() if "running" not in n)
    assert len(sites_of(resnet)) == 5


def test_a_weight_shared_by_two_layers_folds_into_two():
    model = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4), nn.Linear(4, 2))
    model[1].weight = model[0].weight
    quantize(model, weights=LSQ(2))
    assert sites_of(model)["0"].latent is sites_of(model)["1"].latent
    with torch.no_grad():
        sites_of(model)["1"].quantizer.step.mul_(2)
    x = torch.randn(3, 4)
    assert torch.equal(fold(model)(x), model(x))


@pytest.mark.parametrize("recompute", [0, 0.5, 1])
def test_copies_are_independent_and_equal(resnet, images, recompute):
    operate(resnet, images, recompute=recompute)
    twin = copy.deepcopy(resnet)
    assert torch.equal(step(resnet, images), step(twin, images))
    assert all(torch.equal(a, b) for a, b in zip(resnet.parameters(), twin.parameters(), strict=True))
    step(twin, images)
    assert not torch.equal(resnet(images), twin(images))
    assert quantized_layers(twin).equals(quantized_layers(resnet))


@weights
@pytest.mark.parametrize("activations", ["ltq", "lsq"])
def test_no_step_reaches_zero_whatever_the_learning_rate(resnet, images, path, weights, activations):
    operate(resnet, images, weights, activations)
    quantizers = [s.quantizer for s in sites_of(resnet).values()] + list(activation_quantizers(resnet).values())
    learned = [p for q in quantizers for p in q.parameters()]
    assert all(p.requires_grad for p in learned)
    optimizer = torch.optim.SGD(learned, lr=1e9)
    sum(p.sum() for p in learned).backward()  # downhill is down, for all of them
    optimizer.step()
    assert all(float(p.detach().max()) < 0 for p in learned)
    out = resnet(images)
    assert torch.isfinite(out).all()
    for q in quantizers:
        assert bool((q.levels().diff() >= 0).all())
        gaps = q.levels().double() - q.levels().double().min()  # a shift of -1e9 swallows steps of 1e-12
        assert bool((gaps >= 0).all())
        if not hasattr(q, "shift"):
            assert bool((q.levels().diff() >= MIN_STEP / 2**8).all())
            assert bool((q.thresholds().diff() > 0).all())
    out.sum().backward()
    assert all(p.grad is None or bool(torch.isfinite(p.grad).all()) for p in resnet.parameters())
