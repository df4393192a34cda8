import copy

import pytest
import torch
from torch import nn
from torch.nn import functional as F

from aoqlab.lab.models import CifarResNet, DigitsNet
from aoqlab.lab.models.cifar_resnet import PaddedShortcut


def count(net):
    return sum(p.numel() for p in net.parameters())


def by_hand(state, images, strided_shortcut):
    """ResNet-20 in eval mode, from the named tensors alone."""

    def norm(x, name):
        parts = (state[f"{name}.{part}"] for part in ("running_mean", "running_var", "weight", "bias"))
        return F.batch_norm(x, *parts)

    x = F.relu(norm(F.conv2d(images, state["conv1.weight"], padding=1), "bn1"))
    for stage in (1, 2, 3):
        for block in range(3):
            name, stride = f"layer{stage}.{block}", 2 if stage > 1 and block == 0 else 1
            y = F.conv2d(x, state[f"{name}.conv1.weight"], stride=stride, padding=1)
            y = F.conv2d(F.relu(norm(y, f"{name}.bn1")), state[f"{name}.conv2.weight"], padding=1)
            x = F.relu(norm(y, f"{name}.bn2") + (x if stride == 1 else strided_shortcut(x, name)))
    return x.mean((2, 3)) @ state["linear.weight"].T + state["linear.bias"]


def zeros_around(x, name):
    more = torch.zeros(len(x), x.shape[1] // 2, *x.shape[2:])
    return torch.cat([more, x, more], 1)[:, :, 0::2, 0::2]


@pytest.mark.parametrize(
    ("depth", "millions"), [(20, 0.27), (32, 0.46), (44, 0.66), (56, 0.85), (110, 1.7)]
)  # He et al. 2016, table 6, option A
def test_parameters_are_as_many_as_published(depth, millions):
    assert count(CifarResNet(depth, shortcut="A")) / 1e6 == pytest.approx(millions, abs=0.04 if depth == 110 else 0.006)


def test_option_b_adds_two_1x1_convolutions_with_batch_norm():
    extra = 16 * 32 + 2 * 32 + 32 * 64 + 2 * 64
    assert count(CifarResNet(20)) == count(CifarResNet(20, shortcut="A")) + extra == 272_474
    names = set(CifarResNet(20).state_dict()) - set(CifarResNet(20, shortcut="A").state_dict())
    assert {name.rsplit(".", 1)[0] for name in names} == {f"layer{s}.0.shortcut.{i}" for s in (2, 3) for i in (0, 1)}


def test_weighted_layers_are_as_many_as_the_name_says():
    for depth in (20, 32, 44, 56, 110):
        layers = [m for m in CifarResNet(depth, shortcut="A").modules() if isinstance(m, nn.Conv2d | nn.Linear)]
        assert len(layers) == depth


@pytest.mark.parametrize("size", [8, 9, 32])
def test_option_a_computes_what_the_formula_says(size):
    torch.manual_seed(0)
    net = CifarResNet(20, shortcut="A").eval()
    images = torch.randn(2, 3, size, size)
    torch.testing.assert_close(net(images), by_hand(net.state_dict(), images, zeros_around))


def test_option_b_computes_what_the_formula_says():
    torch.manual_seed(0)
    net = CifarResNet(20)
    net(torch.randn(8, 3, 32, 32))  # running statistics unlike those at the start
    state, images = net.eval().state_dict(), torch.randn(2, 3, 32, 32)

    def convolved(x, name):
        y = F.conv2d(x, state[f"{name}.shortcut.0.weight"], stride=2)
        mean, variance, weight, bias = (
            state[f"{name}.shortcut.1.{part}"] for part in ("running_mean", "running_var", "weight", "bias")
        )
        return F.batch_norm(y, mean, variance, weight, bias)

    torch.testing.assert_close(net(images), by_hand(state, images, convolved))


def test_the_padded_shortcut_on_numbers():
    x = torch.arange(1.0, 10.0).reshape(1, 1, 3, 3).repeat(1, 2, 1, 1)
    out = PaddedShortcut(4)(x)
    assert out[0, [0, 3]].abs().sum() == 0
    assert out[0, 1].tolist() == out[0, 2].tolist() == [[1, 3], [7, 9]]


def test_weights_start_as_he_normal_and_repeat_with_the_seed():
    def made(seed):
        torch.manual_seed(seed)
        return CifarResNet(56)

    first, again, other = made(1), made(1), made(2)
    for name, value in first.state_dict().items():
        assert torch.equal(value, again.state_dict()[name])
    assert not torch.equal(first.conv1.weight, other.conv1.weight)
    for name, module in first.named_modules():
        if isinstance(module, nn.Conv2d | nn.Linear) and module.weight.numel() > 4000:
            expected = (2 / module.weight[0].numel()) ** 0.5
            assert module.weight.std().item() == pytest.approx(expected, rel=0.05), name
            assert abs(module.weight.mean().item()) < 0.05 * expected


@pytest.mark.parametrize("shortcut", ["A", "B"])
@pytest.mark.parametrize(("channels", "size"), [(1, 8), (3, 32)])
def test_every_parameter_gets_a_gradient(shortcut, channels, size):
    net = CifarResNet(20, num_classes=7, in_chans=channels, shortcut=shortcut)
    logits = net(torch.randn(4, channels, size, size))
    assert logits.shape == (4, 7)
    F.cross_entropy(logits, torch.arange(4)).backward()
    assert all(p.grad is not None and p.grad.isfinite().all() for p in net.parameters())
    copy.deepcopy(net)


@pytest.mark.parametrize("depth", [0, 2, 18, 21, -4])
def test_an_impossible_depth_is_an_error(depth):
    with pytest.raises(ValueError, match=f"6k \\+ 2.*got {depth}"):
        CifarResNet(depth)


def test_the_digits_network_takes_other_images_and_classes_too():
    assert DigitsNet()(torch.rand(2, 1, 8, 8)).shape == (2, 10)
    assert DigitsNet(3, 2)(torch.rand(2, 2, 20, 16)).shape == (2, 3)
