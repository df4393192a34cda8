"""Surgery on networks of timm and on CIFAR ResNets, at small image sizes."""

import copy

import pytest
import torch
from timm.layers import Conv2dSame, ScaledStdConv2d, StdConv2d
from torch import nn

from aoqlab.lab import models
from aoqlab.lab.models import cifar_resnet
from aoqlab.quantizers import AOQ, LSQ, LTQ
from aoqlab.surgery import (
    activation_quantizers,
    bit_shares,
    fold,
    quantize,
    quantized_layers,
    quantizers_disabled,
    weight_sites,
)

# name: options, then the layers left alone and how many of each rule (LSQ) at an untrained start
TIMM = {
    "resnet18": ({}, {"conv1", "fc"}, {"unsigned": 19}),
    "mobilenetv2_100": ({}, {"conv_stem", "classifier"}, {"unsigned": 34, "signed": 17}),
    "deit_tiny_patch16_224": (
        {"img_size": 32},
        {"patch_embed.proj", "head"},
        {"signed": 24 + 12, "shifted": 12},
    ),
    "swin_tiny_patch4_window7_224": ({"img_size": 32}, {"patch_embed.proj", "head.fc"}, None),
}
EMBEDDINGS = ("cls_token", "pos_embed", "relative_position_bias_table")
IMAGES = torch.randn(4, 3, 32, 32, generator=torch.Generator().manual_seed(0))


@pytest.fixture(scope="module")
def timm_model():
    """Copies of an untrained network, built once."""
    built = {}

    def build(name):
        import timm

        if name not in built:
            options = {"drop_path_rate": 0.0, **TIMM[name][0]} if name in TIMM else {}
            torch.manual_seed(0)
            built[name] = timm.create_model(name, num_classes=10, **options)
        return copy.deepcopy(built[name])

    return build


def quantizable(model):
    return [p for name, p in model.named_parameters() if p.dim() > 1 and ".quantizer." not in name]


def train_step(model):
    optimizer = torch.optim.SGD(model.parameters(), lr=1e-3)
    out = model(IMAGES)
    nn.functional.cross_entropy(out, torch.arange(len(IMAGES))).backward()
    optimizer.step()
    return out.detach()


@pytest.mark.parametrize("name", TIMM)
def test_every_layer_of_a_timm_network(timm_model, name):
    model = quantize(timm_model(name), weights=AOQ(2), activations=LSQ(2), sample=IMAGES)
    table = quantized_layers(model)
    _, alone, rules = TIMM[name]
    layers = ~table.why_skipped.str.startswith("not seen")
    assert set(table.layer[layers & (table.why_skipped != "")]) == alone
    assert set(table.layer[~layers]) == {n for n, p in model.named_parameters() if n.endswith(EMBEDDINGS)}
    done = table[table.why_skipped == ""]
    assert set(done.weight_bits) == set(done.activation_bits) == {2}
    assert set(done.layer) == set(weight_sites(model)) == set(activation_quantizers(model))
    if rules is not None:
        assert done.activation_rule.value_counts().to_dict() == rules


@pytest.mark.parametrize("name", TIMM)
def test_a_timm_network_disabled_trained_and_folded(timm_model, name):
    plain, model = timm_model(name), quantize(timm_model(name), weights=AOQ(2), activations=LTQ(2), sample=IMAGES)
    with quantizers_disabled(model):
        assert torch.equal(train_step(plain), train_step(model))
    latents = {name: site.latent for name, site in weight_sites(model).items()}
    assert all(torch.equal(plain.get_submodule(n).weight, latent) for n, latent in latents.items())
    for p in model.parameters():
        p.grad = None
    assert torch.isfinite(train_step(model)).all()
    assert all(q.grad is not None for site in weight_sites(model).values() for q in (site.latent,))
    model.eval()
    with torch.no_grad():
        assert torch.equal(fold(model)(IMAGES), model(IMAGES))


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("resnet18", [f"layer{i}.0.downsample.0" for i in (2, 3, 4)]),
        ("skresnet18", [f"layer{i}.0.downsample.0" for i in (2, 3, 4)]),
        ("dla34", ["level2.project.0", "level3.tree1.project.0", "level4.tree1.project.0", "level5.project.0"]),
        ("resnetv2_18", [f"stages.{i}.blocks.0.downsample.conv" for i in (1, 2, 3)]),
    ],
)
def test_downsampling_of_timm_networks_stays_float(timm_model, name, found):
    model = quantize(timm_model(name), weights=AOQ(2), quantize_downsampling=False)
    table = quantized_layers(model)
    assert table.layer[table.why_skipped == "1x1 convolution of a shortcut"].tolist() == found


def test_layers_of_timm_that_standardise_their_weights_say_so(timm_model):
    model = nn.Sequential(*(nn.Conv2d(8, 8, 1), StdConv2d(8, 8, 3), ScaledStdConv2d(8, 8, 3), Conv2dSame(8, 8, 3)))
    assert list(weight_sites(quantize(model, weights=LSQ(2)))) == ["3"]


def test_weights_of_conditional_convolutions_have_a_row(timm_model):
    model = quantize(timm_model("tf_efficientnet_cc_b0_4e"), weights=LSQ(2))
    table = quantized_layers(model)
    assert set(table.kind[table.why_skipped.str.startswith("not seen")]) == {"CondConv2d"}
    assert table.weights.sum() == sum(p.numel() for p in quantizable(model))
    assert bit_shares(model)["parameters"][32] == pytest.approx(0.893, abs=1e-3)


@pytest.mark.parametrize("name", ["mobilenetv2_100", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224"])
def test_networks_without_such_shortcuts_say_so_and_do_not_change(timm_model, name):
    usual = quantize(timm_model(name), weights=LSQ(2))
    with pytest.warns(UserWarning, match="has no 1x1 convolution on a shortcut"):
        model = quantize(timm_model(name), weights=LSQ(2), quantize_downsampling=False)
    assert set(weight_sites(model)) == set(weight_sites(usual))


@pytest.mark.parametrize(("shortcut", "layers"), [("A", 18), ("B", 20)])
def test_cifar_resnet20(shortcut, layers):
    model = models.create("resnet20", shortcut=shortcut)
    plain = copy.deepcopy(model)
    quantize(model, weights=AOQ(2), activations=LTQ(2), sample=IMAGES)
    assert len(weight_sites(model)) == layers
    assert set(quantized_layers(model).activation_rule) == {"", "unsigned"}
    with quantizers_disabled(model):
        assert torch.equal(train_step(plain), train_step(model))
    assert torch.equal(fold(model.eval())(IMAGES), model(IMAGES))
    if shortcut == "B":
        without = quantize(models.create("resnet20"), weights=AOQ(2), quantize_downsampling=False)
        assert len(weight_sites(without)) == 18


def test_a_network_without_its_head_leaves_no_other_layer_alone(timm_model):
    model = timm_model("deit_tiny_patch16_224")
    model.reset_classifier(0)
    quantize(model, weights=AOQ(2))
    assert "blocks.11.mlp.fc2" in weight_sites(model)


@pytest.mark.parametrize("activations", [LTQ(2), LTQ(4), LSQ(3, signed=False)])
def test_a_relu_that_the_quantizer_behind_it_absorbs_changes_no_bit(monkeypatch, activations):
    torch.manual_seed(0)
    model, images = models.create("resnet20", num_classes=10, in_chans=3), torch.randn(4, 3, 16, 16)
    quantize(model, weights=AOQ(2), activations=activations, sample=images, recompute=1)

    def output_and_gradients():
        out = model(images)
        return [out, *torch.autograd.grad(out.square().sum(), list(model.parameters()))]

    absorbed = output_and_gradients()
    monkeypatch.setattr(cifar_resnet, "rectified", lambda x, reader: torch.relu(x))
    assert all(map(torch.equal, absorbed, output_and_gradients()))
