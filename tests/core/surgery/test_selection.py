import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations

from aoqlab.quantizers import AOQ, LSQ
from aoqlab.surgery import quantize, quantized_layers, weight_sites
from aoqlab.surgery.layers import shortcut_convolutions


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


def test_a_layer_called_downsample_outside_of_a_block_is_quantized():
    class Stage(nn.Module):
        def __init__(self):
            super().__init__()
            self.stem = nn.Conv2d(3, 8, 3)
            self.body = nn.Conv2d(8, 8, 3)
            self.downsample = nn.Conv2d(8, 32, 1, 2)  # nothing next to it ends with 32 channels

    assert shortcut_convolutions(Stage()) == set()


def test_a_shortcut_that_pools_first_is_one():
    class PooledBlock(nn.Module):
        def __init__(self):
            super().__init__()
            self.conv = nn.Conv2d(8, 8, 3, 2, 1)
            self.downsample = nn.Sequential(nn.AvgPool2d(2), nn.Conv2d(8, 8, 1))

    assert shortcut_convolutions(PooledBlock()) == {"downsample.1"}


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
