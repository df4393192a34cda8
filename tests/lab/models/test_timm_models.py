import copy
import socket
import time
import urllib.error

import pytest
import torch
from safetensors.torch import save_file

from aoqlab.lab import models
from aoqlab.lab.models import timm_models


@pytest.mark.parametrize(
    ("name", "size", "channels"),
    [
        ("resnet18", 32, 3),
        ("mobilenetv2_100", 32, 3),
        ("deit_tiny_patch16_224", 32, 1),
        ("deit_tiny_patch16_224", 64, 3),
        ("swin_tiny_patch4_window7_224", 32, 3),
        ("swin_tiny_patch4_window7_224", 64, 1),
        ("resnet18.tv_in1k", 64, 1),
    ],
)
def test_a_classifier_learns_from_small_images(name, size, channels):
    net = models.create(name, num_classes=7, in_chans=channels, image_size=size)
    assert net.training
    logits = net(torch.randn(2, channels, size, size))
    assert logits.shape == (2, 7)
    logits.square().sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_an_image_too_small_is_one_clear_error():
    with pytest.raises(ValueError, match=r"inception_v3 does not work on 32x32 images .*choose another image_size"):
        models.create("inception_v3")
    with pytest.raises(ValueError, match=r"deit_tiny_patch16_224 .* 8x8 images"):
        models.create("deit_tiny_patch16_224", image_size=8)


def test_an_unknown_tag_lists_the_known_ones():
    with pytest.raises(ValueError, match=r"resnet18 has no published weights 'nope'; choose from .*resnet18.tv_in1k"):
        models.create("resnet18.nope", pretrained=True)


def test_weights_that_were_never_published_are_an_error():
    with pytest.raises(ValueError, match=r"no weights of seresnet18 are published; .*--checkpoint FILE"):
        models.create("seresnet18", pretrained=True)


@pytest.fixture
def no_network(monkeypatch):
    """A machine whose every look-up fails at once, with an empty cache."""

    def fail(*_, **__):
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", fail)


@pytest.mark.parametrize("name", ["resnet18", "deit_tiny_patch16_224"])
def test_without_network_one_clear_error_comes_at_once(name, no_network, monkeypatch, tmp_path):
    from huggingface_hub import constants

    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    monkeypatch.setattr(time, "sleep", lambda seconds: pytest.fail(f"it waits {seconds} s to try again"))
    before = constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()
    with pytest.raises(ConnectionError) as caught:
        models.create(name, pretrained=True)
    assert f"the weights of {name} could not be downloaded from https://" in str(caught.value)
    assert "--checkpoint FILE" in str(caught.value) and "\n" not in str(caught.value)
    assert (constants.HF_HUB_OFFLINE, socket.getdefaulttimeout()) == before


@pytest.mark.parametrize("online", [False, True])
def test_weights_in_the_cache_need_no_network(online, no_network, monkeypatch, tmp_path):
    from huggingface_hub import constants
    from timm.models import get_pretrained_cfg

    torch.manual_seed(0)
    kept = models.create("test_resnet", num_classes=1000, image_size=64)
    repository = get_pretrained_cfg("test_resnet").hf_hub_id
    folder = tmp_path / f"models--{repository.replace('/', '--')}"
    (folder / "refs").mkdir(parents=True)
    (folder / "refs" / "main").write_text("0" * 40)
    (folder / "snapshots" / ("0" * 40)).mkdir(parents=True)
    save_file(kept.state_dict(), folder / "snapshots" / ("0" * 40) / "model.safetensors")
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path))
    if not online:
        monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    whole = models.create("test_resnet", num_classes=1000, pretrained=True)
    assert all(torch.equal(value, whole.state_dict()[name]) for name, value in kept.state_dict().items())
    ours = models.create("test_resnet", num_classes=5, in_chans=1, pretrained=True)
    assert ours(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert torch.equal(ours.state_dict()["layer1.0.conv1.weight"], kept.state_dict()["layer1.0.conv1.weight"])


def test_an_answer_of_any_kind_is_a_network(monkeypatch):
    def answer(code):
        def open_(*_, **__):
            raise urllib.error.HTTPError("https://a.b", code, "no", {}, None)

        return open_

    monkeypatch.setattr(timm_models.urllib.request, "urlopen", answer(403))
    assert timm_models._unreachable("https://a.b") == ""


@pytest.mark.parametrize("address", ["https://127.0.0.1:9", "nonsense", "https://[::bad"])
def test_a_server_that_is_not_there_is_told(address):
    assert timm_models._unreachable(address)


def test_a_file_for_larger_colour_images_is_converted(tmp_path):
    torch.manual_seed(0)
    large = models.create("deit_tiny_patch16_224", num_classes=5, image_size=64)
    torch.save({"model": large.state_dict()}, tmp_path / "a.pth")
    net = models.create("deit_tiny_patch16_224", num_classes=5, in_chans=1, checkpoint=tmp_path / "a.pth")
    assert net(torch.randn(2, 1, 32, 32)).shape == (2, 5)
    assert torch.equal(net.state_dict()["head.weight"], large.state_dict()["head.weight"])
    assert torch.equal(net.state_dict()["blocks.3.attn.qkv.weight"], large.state_dict()["blocks.3.attn.qkv.weight"])
    torch.testing.assert_close(
        net.state_dict()["patch_embed.proj.weight"],
        large.state_dict()["patch_embed.proj.weight"].sum(1, keepdim=True),
    )
    assert net.pretrained_cfg.get("state_dict") is None
    copy.deepcopy(net)


def test_the_same_file_comes_back_bit_for_bit(tmp_path):
    net = models.create("test_vit", num_classes=5, image_size=32)
    save_file(net.state_dict(), tmp_path / "a.safetensors")
    again = models.create("test_vit", num_classes=5, image_size=32, checkpoint=tmp_path / "a.safetensors")
    assert all(torch.equal(value, again.state_dict()[name]) for name, value in net.state_dict().items())


def test_a_file_of_another_network_names_the_first_few_keys(tmp_path):
    torch.save(models.create("resnet20").state_dict(), tmp_path / "a.pth")
    for name, key in (("test_resnet", "layer1.0.conv3.weight|conv1.0.weight|fc.weight"), ("test_vit", "cls_token")):
        with pytest.raises(
            ValueError, match=rf"a.pth does not fit {name}: missing: .*({key}).* more; unexpected: .* more"
        ):
            models.create(name, checkpoint=tmp_path / "a.pth")
        with pytest.raises(ValueError, match=rf"a.pth does not fit {name}"):
            models.create(name, checkpoint=tmp_path / "a.pth", new_head=True)
