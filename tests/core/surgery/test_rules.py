import pytest
import torch
from torch import nn

from aoqlab.quantizers import AOQ, LSQ, LTQ, Shifted, StatsQ
from aoqlab.surgery import activation_quantizers, quantize, quantized_layers
from aoqlab.surgery.rules import build, rule_for


@pytest.mark.parametrize(
    ("low", "high", "lsq", "ltq"),
    [
        (0.0, 1.0, "unsigned", "unsigned"),
        (0.5, 1.0, "unsigned", "unsigned"),
        (-0.17, 3.0, "shifted", "shifted"),  # GELU
        (-0.2499, 1.0, "shifted", "shifted"),
        (-0.25, 1.0, "signed", "shifted"),
        (-3.0, 3.0, "signed", "shifted"),
        (-2.0, -1.0, "signed", "shifted"),
    ],
)
def test_the_rule(low, high, lsq, ltq):
    assert rule_for(low, high, LSQ(2)) == lsq
    assert rule_for(low, high, LTQ(2)) == ltq
    assert rule_for(low, high, AOQ(2)) == "as given"


@pytest.mark.parametrize("signed", [True, False])
def test_lsq_takes_the_sign_of_the_rule_and_keeps_its_settings(signed):
    prototype = LSQ(3, signed=signed, scale_gradient=False, batched=True)
    unsigned, negative, shifted = (build(prototype, rule) for rule in ("unsigned", "signed", "shifted"))
    assert (unsigned.grid.signed, negative.grid.signed, shifted.inner.grid.signed) == (False, True, False)
    assert all(q.bits == 3 for q in (unsigned, negative, shifted))
    assert not any(q.scale_gradient for q in (unsigned, negative, shifted.inner))
    assert all(q.batched for q in (unsigned, negative, shifted.inner))
    assert all(build(LSQ(3, signed=signed), rule).batched for rule in ("unsigned", "signed"))


def test_the_gradient_of_an_input_step_does_not_depend_on_how_the_batch_is_split(images):
    torch.manual_seed(0)
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 4, 3), nn.Flatten(), nn.LazyLinear(3)).double()
    images = images.double()
    net(images)
    quantize(net, weights=AOQ(2), activations=LSQ(2), sample=images, skip=[])
    steps = [step for quantizer in activation_quantizers(net).values() for step in quantizer.parameters()]
    found = []
    for parts in (1, 4):
        net.zero_grad()
        for part in images.chunk(parts):
            (net(part).square().mean() / parts).backward()
        found.append([step.grad.clone() for step in steps])
    assert steps
    torch.testing.assert_close(*found)


@pytest.mark.parametrize(
    ("prototype", "rules"),
    [
        (LSQ(2), {"fc1": "signed", "fc2": "shifted", "pointwise": "unsigned"}),
        (LTQ(2), {"fc1": "shifted", "fc2": "shifted", "pointwise": "unsigned"}),
    ],
)
def test_the_rule_is_chosen_per_layer_and_shown(mixed, images, prototype, rules):
    quantize(mixed, weights=AOQ(2), activations=prototype, sample=images)
    table = quantized_layers(mixed).set_index("layer")
    assert {name: table.activation_rule[name] for name in rules} == rules
    quantizers = activation_quantizers(mixed)
    assert list(quantizers) == list(rules)
    for name, rule in rules.items():
        assert isinstance(quantizers[name], Shifted) == (rule == "shifted")


def test_quantizers_are_initialised_from_what_arrives_in_the_float_network(mixed, images):
    arrived = []
    handle = mixed.fc2.register_forward_pre_hook(lambda _, args: arrived.append(args[0]))
    with torch.no_grad():
        mixed.eval()(images)
    handle.remove()
    quantize(mixed.train(), weights=AOQ(2), activations=LSQ(2), sample=images)
    expected = Shifted(LSQ(2, signed=False)).init_from(arrived[0]).state_dict()
    for name, value in activation_quantizers(mixed)["fc2"].state_dict().items():
        assert torch.equal(value, expected[name])


def test_the_sample_leaves_no_trace(resnet, images):
    resnet.layer1.eval()
    before = {name: value.clone() for name, value in resnet.state_dict().items()}
    modes = {name: m.training for name, m in resnet.named_modules()}
    state = torch.get_rng_state()
    quantize(resnet, weights=None, activations=LTQ(2), sample=images)
    assert torch.equal(torch.get_rng_state(), state)
    after = resnet.state_dict()
    assert all(torch.equal(after[name], value) for name, value in before.items())
    assert {name: m.training for name, m in resnet.named_modules() if name in modes} == modes
    assert not resnet.layer1[0].conv1.input_quantizer.training  # as the layer it belongs to
    assert all(p.grad is None for p in resnet.parameters())


def test_a_layer_called_twice_counts_all_its_calls():
    class Twice(nn.Module):
        def __init__(self):
            super().__init__()
            self.shared = nn.Linear(4, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.head(self.shared(x.abs()) + self.shared(-x.abs()))

    model = quantize(Twice(), weights=None, activations=LSQ(2), sample=torch.randn(8, 4))
    assert quantized_layers(model).activation_rule[0] == "signed"


def test_a_layer_that_never_runs_says_so(resnet, images):
    resnet.auxiliary = nn.Conv2d(8, 8, 1)
    quantize(resnet, weights=AOQ(2), activations=LSQ(2), sample=images)
    row = quantized_layers(resnet).set_index("layer").loc["auxiliary"]
    assert row.why_skipped == "input only: its forward did not run on the sample"
    assert row.weight_bits == 2
    assert row.activation_rule == ""


def test_inputs_passed_by_name_are_quantized_too():
    class ByName(nn.Module):
        def __init__(self):
            super().__init__()
            self.fc = nn.Linear(4, 4)
            self.head = nn.Linear(4, 2)

        def forward(self, x):
            return self.fc(input=x)

    x = torch.rand(8, 4)
    model = quantize(ByName(), weights=None, activations=LSQ(2), sample=x)
    q = activation_quantizers(model)["fc"]
    assert torch.equal(model(x), nn.functional.linear(q(x), model.fc.weight, model.fc.bias))


@pytest.mark.parametrize("prototype", [LSQ(2), LTQ(3)])
def test_rules_build_the_same_network_without_data(make, images, prototype):
    first = quantize(make(), weights=AOQ(2, per_channel=True), activations=prototype, sample=images)
    table = quantized_layers(first)
    rules = dict(zip(table.layer, table.activation_rule, strict=True))
    second = quantize(make(seed=5), weights=AOQ(2, per_channel=True), activations=prototype, rules=rules)
    second.load_state_dict(first.state_dict())
    assert quantized_layers(second).equals(table)
    assert torch.equal(first.eval()(images), second.eval()(images))


def test_other_quantizers_are_used_as_given(resnet, images):
    quantize(resnet, weights=None, activations=AOQ(2), sample=images)
    assert set(quantized_layers(resnet).activation_rule) == {"", "as given"}


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"activations": LTQ(2)}, "need sample="),
        ({"activations": LSQ(2, per_channel=True), "sample": torch.zeros(1, 3, 8, 8)}, "per channel"),
        ({"activations": StatsQ(2), "sample": torch.zeros(1, 3, 8, 8)}, "per channel"),
        ({"activations": LTQ(2), "sample": torch.full((1, 3, 8, 8), float("nan"))}, "'layer1.0.conv1'.*NaN"),
        ({"activations": LTQ(2), "sample": torch.zeros(0, 3, 8, 8)}, "empty input"),
        ({"activations": LTQ(2), "rules": {"layer1.0.conv1": "signed"}}, "LTQ has no form for rule 'signed'"),
        ({"activations": LTQ(2), "rules": {"layer1.0.conv1": "sigmed"}}, "must be one of unsigned, shifted"),
        ({"activations": LTQ(2), "rules": {"layer1.0.conv9": "unsigned"}}, "layer1.0.conv9.*near.*layer1.0.conv1"),
    ],
)
def test_errors_name_the_cause_and_change_nothing(resnet, options, message):
    before = list(resnet.state_dict())
    with pytest.raises(ValueError, match=message):
        quantize(resnet, weights=AOQ(2), **options)
    assert list(resnet.state_dict()) == before
    assert not any(m._forward_pre_hooks for m in resnet.modules())
    assert resnet.training
