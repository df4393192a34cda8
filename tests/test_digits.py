"""The digits network and its committed weights."""

import pytest
import torch

from aoqlab import AOQ, LSQ, digits


@pytest.fixture(scope="module")
def net():
    return digits.load_pretrained()


def test_the_committed_network_reads_digits(net):
    _, _, images, labels = digits.load_digits()
    assert digits.accuracy(net, images, labels) > 0.97


@pytest.mark.parametrize("quantizer", [AOQ(2), AOQ(3, grid="mid-tread"), LSQ(4)], ids=str)
def test_a_quantized_copy_has_the_levels_and_leaves_the_original_alone(net, quantizer):
    before = {name: value.clone() for name, value in net.state_dict().items()}
    copied = digits.quantized_copy(net, quantizer)
    for name, value in net.state_dict().items():
        assert torch.equal(value, before[name])
        same = torch.equal(copied.state_dict()[name], value)
        assert same == (name not in {f"{layer}.weight" for layer in digits.LAYERS}), name
    for layer in digits.LAYERS:
        weight = net.get_submodule(layer).get_parameter("weight")
        fitted = quantizer.init_from(weight)
        assert torch.equal(copied.get_submodule(layer).get_parameter("weight"), fitted.decode(fitted.encode(weight)))


def test_a_missing_file_says_how_to_make_it(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"bash run\.sh digits"):
        digits.load_pretrained(tmp_path / "none.safetensors")


def test_a_damaged_file_says_how_to_make_it_again(tmp_path):
    broken = tmp_path / "broken.safetensors"
    broken.write_bytes(digits.weights_path().read_bytes()[:1000])
    with pytest.raises(ValueError, match=r"bash run\.sh digits"):
        digits.load_pretrained(broken)
