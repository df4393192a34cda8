import pytest
import torch

from aoqlab.lab import datasets, models
from aoqlab.lab.models import factory


def test_names_holds_everything_once():
    names = models.names()
    assert names[:6] == ["resnet20", "resnet32", "resnet44", "resnet56", "resnet110", "digits_cnn"]
    assert {"resnet18", "mobilenetv2_100", "deit_tiny_patch16_224", "swin_tiny_patch4_window7_224"} < set(names)
    assert len(names) == len(set(names))


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("resnet21", "resnet20"),
        ("ResNet-20", "resnet20"),
        ("digits", "digits_cnn"),
        ("deit_tiny", "deit_tiny_patch16_224"),
        ("mobilenet_v2_100", "mobilenetv2_100"),
        ("swin_tiny_patch4_window7_225", "swin_tiny_patch4_window7_224"),
    ],
)
def test_a_mistyped_name_gets_near_ones(name, near):
    with pytest.raises(ValueError, match=f"no network is called '{name}'; did you mean .*{near}[,?]"):
        models.create(name)


@pytest.mark.parametrize("name", ["", "§", "../../etc/passwd", "hf-hub:timm/resnet18", "local-dir:/tmp", "a.b.c"])
def test_a_strange_name_is_the_same_error(name):
    with pytest.raises(ValueError, match="no network is called"):
        models.create(name)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"num_classes": 1}, "num_classes must be at least 2, got 1"),
        ({"in_chans": 0}, "in_chans must be at least 1, got 0"),
        ({"image_size": 0}, "image_size must be at least 1, got 0"),
        ({"pretrained": True, "checkpoint": "a.pth"}, "pretrained or checkpoint, not both"),
        ({"new_head": True}, "new_head replaces the last layer of a checkpoint"),
        ({"pretrained": True}, "no weights of resnet20 are published.*--checkpoint FILE"),
    ],
)
def test_arguments_that_cannot_be_are_errors(options, message):
    with pytest.raises(ValueError, match=message):
        models.create("resnet20", **options)


@pytest.mark.parametrize("name", ["resnet18", "digits_cnn"])
def test_the_shortcut_option_is_not_ignored(name):
    with pytest.raises(ValueError, match=f"shortcut='A' is for resnet20.*got {name}"):
        models.create(name, shortcut="A")


def test_an_unknown_shortcut_is_an_error(as_shipped):
    with pytest.raises(ValueError, match="shortcut must be 'A' or 'B', got 'C'"):
        models.create("resnet20", shortcut="C")


def test_the_digits_network_takes_its_committed_weights():
    net = models.create("digits_cnn", in_chans=1, image_size=8, pretrained=True).eval()
    images, labels = next(datasets.load("digits").test.batches(450))
    with torch.no_grad():
        assert float((net(images).argmax(1) == labels).double().mean()) > 0.97


@pytest.mark.parametrize("name", ["resnet20", "digits_cnn", "test_resnet"])
def test_weights_repeat_with_the_seed(name):
    made = []
    for _ in range(2):
        torch.manual_seed(3)
        made.append(models.create(name).state_dict())
    assert all(torch.equal(value, made[1][key]) for key, value in made[0].items())


def test_cifar_networks_do_not_load_timm(monkeypatch):
    def loaded(*_):
        raise AssertionError("timm takes seconds to import")

    monkeypatch.setattr(factory.timm_models, "exists", loaded)
    for name in ("resnet20", "digits_cnn"):
        assert models.create(name, in_chans=1).training
