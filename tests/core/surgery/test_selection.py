import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from aoqlab.quantizers import AOQ, LSQ
from aoqlab.surgery import quantize, quantized_layers, weight_sites
from aoqlab.surgery.shortcuts import shortcut_convolutions


def skipped(model):
    table = quantized_layers(model)
    return {row.layer: row.why_skipped for row in table.itertuples() if row.why_skipped}


def test_every_layer_but_the_first_and_last_is_quantized(resnet):
    quantize(resnet, weights=AOQ(2))
    assert list(weight_sites(resnet)) == [
        *("layer1.0.conv1", "layer1.0.conv2"),
        *("layer2.0.conv1", "layer2.0.conv2", "layer2.0.shortcut.0"),
    ]
    assert skipped(resnet) == {"conv1": "first convolution", "linear": "last linear layer"}


def test_first_and_last_can_be_quantized_too(resnet):
    quantize(resnet, weights=AOQ(2), quantize_first_last=True)
    assert {"conv1", "linear"} < set(weight_sites(resnet))
    assert not skipped(resnet)


def test_downsampling_really_stays_float(resnet, images):
    quantize(resnet, weights=AOQ(2), activations=LSQ(2), sample=images, quantize_downsampling=False)
    shortcut = resnet.layer2[0].shortcut[0]
    assert "layer2.0.shortcut.0" not in weight_sites(resnet)
    assert type(shortcut) is nn.Conv2d
    assert not shortcut._forward_pre_hooks
    assert skipped(resnet)["layer2.0.shortcut.0"] == "1x1 convolution of a shortcut"


class Computed(nn.Module):
    """Layers of unhelpful names, and what they compute."""

    def __init__(self, compute, **layers):
        super().__init__()
        self.compute = compute
        for name, layer in layers.items():
            self.add_module(name, layer)

    def forward(self, x):
        return self.compute(self, x)


def conv(inside, out, kernel=3, stride=1, **options):
    return nn.Conv2d(inside, out, kernel, stride, kernel // 2, **options)


COMPUTED = {
    "a shortcut by another name": (lambda m, x: m.a(x).relu() + m.b(x), {"a": conv(3, 8), "b": conv(3, 8, 1)}, {"b"}),
    "one that pools before": (
        lambda m, x: m.a(x) + m.b(nn.functional.avg_pool2d(x, 2)),
        {"a": conv(3, 8, 3, 2), "b": conv(3, 8, 1)},
        {"b"},
    ),
    "one behind a depthwise convolution, added in place to a view": (
        lambda m, x: m.a(x)[:, :8].add_(m.c(m.b(x))),
        {"a": conv(3, 9), "b": conv(3, 3, groups=3), "c": conv(3, 8, 1)},
        {"c"},
    ),
    "one that pools and keeps its channels": (
        lambda m, x: m.a(x) + m.b(nn.functional.avg_pool2d(x, 2)),
        {"a": conv(3, 3, 3, 2), "b": conv(3, 3, 1)},
        {"b"},
    ),
    "a projection to as many channels": (
        lambda m, x: m.b(m.a(x).relu()) + m.c(x),
        {"a": conv(3, 8), "b": conv(8, 3), "c": conv(3, 3, 1)},
        {"c"},
    ),
    "three branches, one for each kernel": (
        lambda m, x: m.c(x) + x + m.a(x),
        {"a": conv(3, 3), "c": conv(3, 3, 1)},
        set(),
    ),
    "branches of one kernel": (lambda m, x: m.c(x) + m.a(x), {"a": conv(3, 8, 1), "c": conv(3, 8, 1)}, set()),
    "the end of a dense block": (
        lambda m, x: m.c(torch.cat([x, y := m.a(x).relu()], 1)) + y + m.b(m.c(torch.cat([x, y], 1)) + y),
        {"a": conv(3, 3), "b": conv(3, 3), "c": conv(6, 3, 1)},
        set(),
    ),
    "a query": (
        lambda m, x: (
            torch.matmul(m.q(x), w := torch.ones(x.shape[-1], 8)) + torch.matmul(m.q(x), torch.matmul(m.k(x), w))
        ),
        {"q": conv(3, 3, 1), "k": conv(3, 3)},
        set(),
    ),
    "the end of a bottleneck": (
        lambda m, x: x + m.downsample(m.b(m.a(x)).relu()),
        {"a": conv(3, 8, 1), "b": conv(8, 8), "downsample": conv(8, 3, 1)},
        set(),
    ),
    "a linear bottleneck before a block": (
        lambda m, x: (y := m.b(m.a(x).relu())) + m.c(y),
        {"a": conv(3, 8), "b": conv(8, 3, 1), "c": conv(3, 3)},
        set(),
    ),
    "a stem called downsample": (
        lambda m, x: m.b(m.downsample(x)),
        {"downsample": conv(3, 8, 1, 2), "b": conv(8, 8)},
        set(),
    ),
    "branches side by side": (
        lambda m, x: torch.cat([m.a(x), m.b(x)], 1),
        {"a": conv(3, 8), "b": conv(3, 8, 1)},
        set(),
    ),
    "a gate": (
        lambda m, x: x + (y := m.a(x)) * m.c(m.b(y.mean((2, 3), keepdim=True)).relu()).sigmoid(),
        {"a": conv(3, 3), "b": conv(3, 2, 1), "c": conv(2, 3, 1)},
        set(),
    ),
}


@pytest.mark.parametrize("name", COMPUTED)
def test_shortcuts_are_found_by_what_they_compute(name):
    compute, layers, found = COMPUTED[name]
    model = Computed(compute, **layers)
    model.train()
    assert shortcut_convolutions(model) == shortcut_convolutions(model, torch.randn(4, 3, 8, 8)) == found
    assert model.training and all(p.grad is None for p in model.parameters())


class Standardised(nn.Conv2d):
    """As timm's StdConv2d: half of its channels may be small, and the network does not see it."""

    def forward(self, x):
        weight = self.weight.flatten(1)
        weight = (weight - weight.mean(1, True)) / weight.std(1, keepdim=True)
        return nn.functional.conv2d(x, weight.view_as(self.weight), self.bias, self.stride, self.padding)


class Cosine(nn.Linear):
    def forward(self, x):
        return nn.functional.linear(x, weight=nn.functional.normalize(self.weight))


class Padded(nn.Conv2d):
    def forward(self, x):
        return super().forward(nn.functional.pad(x, (1, 1, 1, 1)))


def test_a_layer_that_changes_its_weight_afterwards_is_left_alone():
    model = nn.Sequential(conv(3, 4), Standardised(4, 8, 3), Padded(8, 8, 3, dilation=2), Cosine(8, 8), nn.Linear(8, 2))
    quantize(model, weights=LSQ(2))
    assert list(weight_sites(model)) == ["2"]
    reason = "its forward changes the weight (such as standardisation) after a quantizer would round it"
    assert skipped(model)["1"] == skipped(model)["3"] == reason


def test_a_network_without_shortcuts_says_so():
    model = nn.Sequential(conv(3, 4), conv(4, 4, 1), conv(4, 4))
    with pytest.warns(UserWarning, match="quantize_downsampling=False changes nothing: Sequential has no 1x1"):
        quantize(model, weights=LSQ(2), quantize_downsampling=False)
    assert list(weight_sites(model)) == ["1", "2"]


def test_a_network_that_does_not_run_on_zeros_needs_a_sample():
    def compute(model, x):
        assert x.shape[-1] == 20, "I take 20 pixels"
        return model.a(x) + model.b(x)

    model = Computed(compute, a=conv(3, 4), b=conv(3, 4, 1))
    with pytest.raises(ValueError, match=r"I take 20 pixels.*give sample="):
        quantize(model, weights=LSQ(2), quantize_downsampling=False)
    assert not weight_sites(model)
    assert shortcut_convolutions(model, torch.zeros(2, 3, 20, 20)) == {"b"}


def test_patterns_skip_and_say_so(resnet):
    quantize(resnet, weights=AOQ(2), skip=["layer1.*", "*.conv2"])
    assert list(weight_sites(resnet)) == ["layer2.0.conv1", "layer2.0.shortcut.0"]
    assert skipped(resnet)["layer1.0.conv2"] == "skip pattern 'layer1.*'"
    assert skipped(resnet)["layer2.0.conv2"] == "skip pattern '*.conv2'"


def test_one_pattern_may_be_a_plain_string(resnet):
    quantize(resnet, weights=AOQ(2), skip="layer2*")
    assert list(weight_sites(resnet)) == ["layer1.0.conv1", "layer1.0.conv2"]


@pytest.mark.parametrize(("pattern", "near"), [("layer1", "layer1.0.conv1"), ("leyer2.0.conv1", "layer2.0.conv1")])
def test_a_pattern_without_a_layer_is_an_error_with_near_names(resnet, pattern, near):
    before = dict(resnet.state_dict())
    with pytest.raises(ValueError, match=f"{pattern}' matches no layer.*{near}"):
        quantize(resnet, weights=AOQ(2), skip=["*conv2", pattern])
    assert list(resnet.state_dict()) == list(before)


def test_attention_of_torch_is_left_alone_with_the_reason():
    model = nn.Sequential(nn.Linear(8, 8), nn.TransformerEncoderLayer(8, 2, 16, batch_first=True), nn.Linear(8, 4))
    quantize(model, weights=AOQ(2))
    assert skipped(model)["1.self_attn.out_proj"] == "inside nn.MultiheadAttention"
    assert list(weight_sites(model)) == ["0", "1.linear1", "1.linear2"]
    assert torch.isfinite(model(torch.randn(2, 3, 8))).all()


def test_layers_that_cannot_be_quantized_say_why():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1),
        nn.Conv2d(4, 4, 1),
        nn.ConvTranspose2d(4, 4, 1),
        parametrizations.weight_norm(nn.Conv2d(4, 4, 1)),
        nn.LazyConv2d(4, 1),
    )
    quantize(model, weights=AOQ(2))
    assert skipped(model) == {
        "0": "first convolution",
        "2": "transposed convolution",
        "3": "its parameters are computed from others",
        "4": "its weight has no shape yet",
    }


@pytest.mark.parametrize("kind", [nn.Conv1d, nn.Conv3d])
def test_all_dimensions_and_subclasses(kind):
    class Mine(kind):
        pass

    model = nn.Sequential(kind(2, 2, 1), kind(2, 4, 1), Mine(4, 2, 1))
    quantize(model, weights=LSQ(2, per_channel=True))
    assert list(weight_sites(model)) == ["1", "2"]
    assert quantized_layers(model).kind.tolist() == [kind.__name__, kind.__name__, "Mine"]
    assert isinstance(model[2], Mine)


def test_nothing_to_quantize_is_an_error():
    with pytest.raises(ValueError, match="no convolution and no linear layer"):
        quantize(nn.Sequential(nn.ReLU()), weights=AOQ(2))
    with pytest.raises(ValueError, match=r"nothing is left.*first convolution"):
        quantize(nn.Sequential(nn.Conv2d(3, 3, 1)), weights=AOQ(2))


def test_twice_is_an_error(resnet):
    quantize(resnet, weights=AOQ(2))
    with pytest.raises(ValueError, match="quantized already"):
        quantize(resnet, weights=AOQ(2))


def test_full_precision_is_said_in_the_table(resnet):
    quantize(resnet, weights=None)
    assert skipped(resnet)["layer1.0.conv1"] == "full precision"
    assert not weight_sites(resnet)


def test_a_bad_layer_is_named_and_nothing_changed(resnet, images):
    nn.init.zeros_(resnet.layer2[0].conv2.weight)
    before = list(resnet.state_dict())
    with pytest.raises(ValueError, match=r"'layer2.0.conv2' cannot be quantized.*standard deviation"):
        quantize(resnet, weights=AOQ(2), activations=LSQ(2), sample=images)
    assert list(resnet.state_dict()) == before
    assert not any(m._forward_pre_hooks for m in resnet.modules())
