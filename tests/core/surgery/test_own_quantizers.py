"""What a user writes as one class works in all of the small package."""

import copy

import pytest
import torch

from aoqlab import OscillationTracker, fold, quantize, quantized_layers
from aoqlab.quantizers import Freezing, Shifted
from aoqlab.surgery import activation_quantizers, weight_sites


@pytest.fixture(params=["MaxScaled", "PowersOfTwo"])
def weights(request, own_quantizers):
    return getattr(own_quantizers, request.param)(3)


@pytest.fixture
def net(mixed, images, weights, own_quantizers):
    return quantize(mixed, weights=weights, activations=own_quantizers.PACT(4), sample=images)


def test_weights_and_inputs_are_quantized(net, images, weights):
    for site in weight_sites(net).values():
        assert torch.equal(site.module.weight, site.quantizer.decode(site.codes()))
        assert len(site.module.weight.unique()) <= 8
    net(images).square().sum().backward()
    assert all(site.latent.grad.abs().sum() > 0 for site in weight_sites(net).values())
    assert all(q.alpha.grad is not None for q in net.modules() if hasattr(q, "alpha"))


def test_the_audit_names_them(net, weights):
    table = quantized_layers(net).set_index("layer").loc[["fc1", "fc2", "pointwise"]]
    assert set(table.weight_method) == {type(weights).__name__}
    assert list(table.activation_method) == ["Shifted(PACT)", "Shifted(PACT)", "PACT"]
    assert list(table.activation_rule) == ["shifted", "shifted", "unsigned"]


def test_the_same_network_is_built_by_rules(net, images, make, weights, own_quantizers):
    table = quantized_layers(net)
    rules = dict(zip(table.layer, table.activation_rule, strict=True))
    other = quantize(make(type(net)), weights=weights, activations=own_quantizers.PACT(4), rules=rules)
    other.load_state_dict(net.state_dict())
    assert torch.equal(other.eval()(images), net.eval()(images))


def test_folding_keeps_the_outputs(net, images):
    assert torch.equal(fold(net).eval()(images), net.eval()(images))


def test_recomputed_inputs_give_the_same_gradients(mixed, images, weights, own_quantizers):
    gradients = []
    for recompute in (0, 1):
        net = quantize(
            copy.deepcopy(mixed),
            weights=weights,
            activations=own_quantizers.PACT(4),
            sample=images,
            recompute=recompute,
        )
        net(images).square().sum().backward()
        gradients.append({name: p.grad for name, p in net.named_parameters()})
    assert gradients[0].keys() == gradients[1].keys()
    assert all(torch.equal(gradients[0][name], gradients[1][name]) for name in gradients[0])


def test_a_tracker_counts_their_codes(net):
    sites = weight_sites(net)
    tracker = OscillationTracker({name: site.latent.shape for name, site in sites.items()}, bits=3)
    tracker.update({name: site.codes() for name, site in sites.items()})
    for site in sites.values():
        site.latent.data.mul_(-1)
    tracker.update({name: site.codes() for name, site in sites.items()})
    assert tracker.summary()["changed_share"] > 0.5


def test_they_go_into_the_wrappers(weights, own_quantizers):
    x = torch.randn(4, 5)
    freezing = Freezing(weights).init_from(x)
    freezing.track(freezing.encode(x))
    freezing.freeze(torch.ones(4, 5), 0.5)
    assert torch.equal(freezing(-x), weights(x)) and freezing.learned_step is weights.learned_step
    assert freezing.unwrapped is weights
    shifted = Shifted(own_quantizers.PACT(4)).init_from(x)
    assert float(shifted.levels()[0]) == pytest.approx(float(x.min()))
    with pytest.raises(ValueError, match="Shifted needs LTQ"):
        Shifted(weights)


def test_what_is_not_promised_says_so(own_quantizers):
    quantizer = own_quantizers.PowersOfTwo(2)
    assert quantizer.grid is quantizer.threshold_step is None and not quantizer.absorbs_relu
    with pytest.raises(TypeError, match="bin centres, which PowersOfTwo does not have"):
        quantizer.bin_centres(torch.zeros(3))
    with pytest.raises(TypeError, match="PowersOfTwo cannot be spread over a range from 0"):
        quantizer.init_range(torch.tensor(1.0))


def test_a_uniform_grid_brings_bin_centres(own_quantizers):
    quantizer = own_quantizers.MaxScaled(2)  # levels -2, -1, 0, 1: their bins are centred on them
    assert quantizer.bin_centres(torch.tensor([-9.0, 0.4, 0.6])).tolist() == [-2, 0, 1]


def test_activation_quantizers_are_found(net, own_quantizers):
    inside = [q.inner if isinstance(q, Shifted) else q for q in activation_quantizers(net).values()]
    assert all(isinstance(q, own_quantizers.PACT) for q in inside)
