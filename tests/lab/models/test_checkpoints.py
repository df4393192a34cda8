import argparse
import pickle
import re
import zipfile

import pytest
import torch
from safetensors.torch import save_file

from aoqlab.lab import models
from aoqlab.lab.models import CifarResNet, read_weights


@pytest.fixture
def net():
    torch.manual_seed(0)
    return CifarResNet(20, shortcut="A")


def published(net):
    """As the widely used option-A checkpoints: trained on several GPUs, with the best accuracy in the file."""
    return {"state_dict": {f"module.{name}": value for name, value in net.state_dict().items()}, "best_prec1": 91.73}


def assert_same(net, other):
    wanted = net.state_dict()
    assert wanted.keys() == other.state_dict().keys()
    assert all(torch.equal(value, wanted[name]) for name, value in other.state_dict().items())


@pytest.mark.parametrize("suffix", ["th", "pth", "pt"])
@pytest.mark.parametrize("new_format", [True, False])
def test_a_published_checkpoint_loads(tmp_path, net, suffix, new_format):
    file = tmp_path / f"resnet20.{suffix}"
    torch.save(published(net), file, _use_new_zipfile_serialization=new_format)
    loaded = models.create("resnet20", shortcut="A", checkpoint=file)
    assert_same(net, loaded)
    images = torch.randn(2, 3, 32, 32)
    assert torch.equal(net.eval()(images), loaded.eval()(images))


def test_one_saved_on_a_gpu_by_an_old_torch_loads_without_a_gpu(tmp_path, net):
    content = published(net)
    content["state_dict"] = {n: v for n, v in content["state_dict"].items() if "num_batches_tracked" not in n}
    torch.save(content, tmp_path / "cpu.th", _use_new_zipfile_serialization=False)
    old = (tmp_path / "cpu.th").read_bytes()
    assert b"X\x03\x00\x00\x00cpu" in old and b"torch\nFloatStorage" in old
    cuda = old.replace(b"X\x03\x00\x00\x00cpu", b"X\x06\x00\x00\x00cuda:0")
    (tmp_path / "cuda.th").write_bytes(cuda.replace(b"torch\nFloatStorage", b"torch.cuda\nFloatStorage"))
    assert_same(net, models.create("resnet20", shortcut="A", checkpoint=tmp_path / "cuda.th"))


@pytest.mark.parametrize(
    "wrap",
    [
        lambda s: s,
        lambda s: {"model": s, "epoch": 3},
        lambda s: {"model": {"state_dict": s}},
        lambda s: {"model_state_dict": {f"_orig_mod.module.{n}": v for n, v in s.items()}, "optimizer": {}},
        lambda s: {"net": {f"module._orig_mod.{n}": v for n, v in s.items()}},
        lambda s: {"state_dict": {f"model.{n}": v for n, v in s.items()}},
    ],
)
def test_wrappers_and_prefixes_come_off(tmp_path, net, wrap):
    torch.save(wrap(net.state_dict()), tmp_path / "a.pt")
    assert_same(net, models.create("resnet20", shortcut="A", checkpoint=tmp_path / "a.pt"))


@pytest.mark.parametrize("name", ["a.safetensors", "a.pth"])
def test_safetensors_load_whatever_the_suffix(tmp_path, net, name):
    save_file({f"module.{n}": v for n, v in net.state_dict().items()}, tmp_path / name)
    assert_same(net, models.create("resnet20", shortcut="A", checkpoint=tmp_path / name))


def test_so_does_a_torch_file_called_safetensors(tmp_path, net):
    torch.save(net.state_dict(), tmp_path / "a.safetensors")
    assert_same(net, models.create("resnet20", shortcut="A", checkpoint=str(tmp_path / "a.safetensors")))


@pytest.mark.parametrize(("found", "asked"), [("A", "B"), ("B", "A")])
def test_the_other_shortcut_is_one_clear_error(tmp_path, found, asked):
    torch.save(published(CifarResNet(20, shortcut=found)), tmp_path / "a.th")
    with pytest.raises(ValueError, match=f"a.th has shortcuts of option {found}.*use shortcut='{found}'"):
        models.create("resnet20", shortcut=asked, checkpoint=tmp_path / "a.th")


def test_a_deeper_network_names_the_first_few_keys(tmp_path):
    torch.save(CifarResNet(32).state_dict(), tmp_path / "a.th")
    with pytest.raises(ValueError) as caught:
        models.create("resnet20", checkpoint=tmp_path / "a.th")
    message = str(caught.value)
    assert "a.th" in message and "unexpected: layer1.3.conv1.weight" in message and "and 69 more" in message
    assert len(message) < 500 and "missing" not in message
    torch.save(CifarResNet(20).state_dict(), tmp_path / "a.th")
    with pytest.raises(ValueError, match=r"missing: layer1.3.conv1.weight, .* and 57 more; name the network"):
        models.create("resnet32", checkpoint=tmp_path / "a.th")


def test_another_number_of_channels_names_the_layer(tmp_path):
    torch.save(CifarResNet(20).state_dict(), tmp_path / "a.th")
    with pytest.raises(ValueError, match=re.escape("conv1.weight is (16, 3, 3, 3) and should be (16, 1, 3, 3)")):
        models.create("resnet20", in_chans=1, checkpoint=tmp_path / "a.th")


@pytest.mark.parametrize("name", ["resnet20", "digits_cnn", "test_resnet", "deit_tiny_distilled_patch16_224"])
def test_other_classes_are_an_error_or_get_a_new_head(tmp_path, name):
    old = models.create(name, num_classes=100)
    torch.save(old.state_dict(), tmp_path / "a.pth")
    with pytest.raises(
        ValueError, match=r"a.pth tells 100 classes apart, the network 10; set num_classes=100, or new_"
    ):
        models.create(name, num_classes=10, checkpoint=tmp_path / "a.pth")
    torch.manual_seed(1)
    net = models.create(name, num_classes=10, checkpoint=tmp_path / "a.pth", new_head=True)
    torch.manual_seed(1)
    fresh = models.create(name, num_classes=10).state_dict()
    heads = ("linear.", "head.", "head_dist.", "fc.")
    for key, value in net.state_dict().items():
        assert torch.equal(value, fresh[key] if key.startswith(heads) else old.state_dict()[key]), key


def test_a_network_stays_unchanged_if_its_checkpoint_does_not_fit():
    from aoqlab.lab.models.checkpoints import load_weights

    net, other = CifarResNet(20), CifarResNet(32)
    before = {name: value.clone() for name, value in net.state_dict().items()}
    with pytest.raises(ValueError, match="does not fit"):
        load_weights(net, other.state_dict(), "a.th", ["linear"])
    assert all(torch.equal(value, before[name]) for name, value in net.state_dict().items())


class Trap:
    """Pickled, it is a call of its choice."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


@pytest.mark.parametrize("save", ["torch", "torch, old format", "pickle"])
@pytest.mark.parametrize("suffix", ["pth", "safetensors"])
def test_loading_never_executes_code(tmp_path, net, save, suffix):
    file, proof = tmp_path / f"a.{suffix}", tmp_path / "proof"
    content = published(net) | {"extra": Trap(proof)}
    if save == "pickle":
        file.write_bytes(pickle.dumps({"extra": Trap(proof)}))
    else:
        torch.save(content, file, _use_new_zipfile_serialization=save == "torch")
    with pytest.raises(ValueError, match=f"a.{suffix} .*not loaded, since unpickling it could run code"):
        models.create("resnet20", shortcut="A", checkpoint=file)
    assert not proof.exists()


def test_the_trap_works(tmp_path):
    pickle.loads(pickle.dumps(Trap(tmp_path / "proof"))).close()
    assert (tmp_path / "proof").exists()


@pytest.mark.parametrize("extra", [argparse.Namespace(lr=1), CifarResNet(20)])
def test_python_objects_next_to_the_weights_are_refused_by_name(tmp_path, net, extra):
    torch.save(published(net) | {"args": extra}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=f"a.pth holds a Python object .*{type(extra).__name__}.*save its tensors"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("kind", ["zip", "old", "safetensors"])
def test_a_truncated_checkpoint_is_one_clear_error(tmp_path, kind):
    whole, file = tmp_path / "whole", tmp_path / "cut.pth"
    state = {"a.weight": torch.randn(40, 40), "a.bias": torch.randn(40)}
    if kind == "safetensors":
        save_file(state, whole)
    else:
        torch.save({"state_dict": state}, whole, _use_new_zipfile_serialization=kind == "zip")
    content = whole.read_bytes()
    for length in {*range(0, len(content), 97), *range(40), *range(len(content) - 40, len(content))}:
        file.write_bytes(content[:length])
        # a cut inside the name of torch's own rebuilding function leaves the name of an unknown one
        with pytest.raises(ValueError, match=r"cut.pth (is damaged or no checkpoint \(.+\); fetch|holds .*\(torch\._)"):
            read_weights(file)


@pytest.mark.parametrize("suffix", ["th", "pth", "safetensors"])
@pytest.mark.parametrize(
    "content", [b"", b"hello", b"<!DOCTYPE html><html>", b"PK\x03\x04junk", b"\x89PNG\r\n", b"\x80\x04."]
)
def test_what_is_no_checkpoint_says_so(tmp_path, content, suffix):
    (tmp_path / f"a.{suffix}").write_bytes(content)
    with pytest.raises(ValueError, match=f"a.{suffix} is damaged or no checkpoint"):
        read_weights(tmp_path / f"a.{suffix}")


@pytest.mark.parametrize("content", [{}, {"epoch": 3}, [1, 2], torch.ones(3), {"state_dict": {}}, 5])
def test_a_file_without_named_weights_says_so(tmp_path, content):
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a.pth holds no named weights .*give one that holds a state_dict"):
        read_weights(tmp_path / "a.pth")


def test_a_file_that_holds_itself_says_so_too(tmp_path):
    content = {}
    content["model"] = content
    torch.save(content, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a.pth holds no named weights"):
        read_weights(tmp_path / "a.pth")


def test_something_else_among_the_weights_is_named(tmp_path):
    torch.save({"a": torch.ones(3), "b": 3}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a.pth has 'b' of type int among its weights"):
        read_weights(tmp_path / "a.pth")


@pytest.mark.parametrize("bad", [float("nan"), float("inf")])
def test_weights_that_are_no_numbers_are_refused(tmp_path, bad):
    torch.save({"a": torch.ones(3), "b": torch.tensor([0.0, bad])}, tmp_path / "a.pth")
    with pytest.raises(ValueError, match=r"a.pth has NaN or infinity in b"):
        read_weights(tmp_path / "a.pth")
    read = read_weights(tmp_path / "a.pth", finite=False)["b"]
    torch.testing.assert_close(read, torch.tensor([0.0, bad]), equal_nan=True)


def test_a_missing_file_and_a_folder_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"no.th does not exist"):
        read_weights(tmp_path / "no.th")
    with pytest.raises(FileNotFoundError, match=r"is a folder"):
        models.create("resnet20", checkpoint=tmp_path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: torch.zeros(1).expand(10**6, 10**6), "repeats fewer numbers"),
        (lambda: torch.zeros(1, 10).expand(10**5, 10), "repeats fewer numbers"),
        (lambda: torch.zeros(3, device="meta"), "a meta tensor"),
        (lambda: torch.eye(3).to_sparse(), "a sparse or nested tensor"),
        (lambda: torch.eye(3).to_sparse_csr(), "a sparse or nested tensor"),
        (lambda: torch.nested.nested_tensor([torch.ones(2), torch.ones(3)]), "a sparse or nested tensor"),
        (lambda: torch.quantize_per_tensor(torch.randn(3), 0.1, 0, torch.qint8), "a quantized tensor"),
        (lambda: torch.zeros(3, dtype=torch.complex64), "a complex tensor"),
    ],
)
@pytest.mark.parametrize("finite", [True, False])
def test_a_tensor_without_numbers_of_its_own_is_refused_by_name(tmp_path, make, said, finite):
    file = tmp_path / "odd.pth"
    torch.save({"good": torch.ones(2), "odd": make()}, file)
    with pytest.raises(ValueError, match=f"odd.pth has in odd {said}|odd.pth has in odd a tensor .*{said}"):
        read_weights(file, finite=finite)


def test_a_small_file_that_becomes_a_large_one_is_refused_before_it_is_unpacked(tmp_path, monkeypatch):
    torch.save({"w": torch.zeros(10**6)}, tmp_path / "whole.pth")
    with zipfile.ZipFile(tmp_path / "whole.pth") as whole, zipfile.ZipFile(tmp_path / "bomb.pth", "w") as bomb:
        for name in whole.namelist():
            bomb.writestr(name, whole.read(name), zipfile.ZIP_DEFLATED)
    assert read_weights(tmp_path / "whole.pth")["w"].numel() == 10**6
    monkeypatch.setattr(torch, "load", lambda *_, **__: pytest.fail("unpacked"))
    with pytest.raises(ValueError, match=r"bomb.pth is damaged or no checkpoint \([\d,]+ bytes would unpack to 4,0"):
        read_weights(tmp_path / "bomb.pth")


def test_averaged_networks_load(tmp_path, net):
    averaged = torch.optim.swa_utils.AveragedModel(net)
    for number, content in enumerate([averaged.state_dict(), {"model_ema": averaged.state_dict(), "epoch": 3}]):
        torch.save(content, tmp_path / f"{number}.pth")
        assert_same(net, models.create("resnet20", shortcut="A", checkpoint=tmp_path / f"{number}.pth"))
