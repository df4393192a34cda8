import pytest
import torch
from torch import nn
from torch.nn import functional

from aoqlab.quantizers import AOQ, LSQ
from aoqlab.surgery import bit_shares, fold, quantize, quantized_layers, set_enabled
from aoqlab.surgery.shares import shares_text


class Mine(nn.Module):
    """A convolution that surgery cannot know."""

    def __init__(self):
        super().__init__()
        self.kernel = nn.Parameter(torch.randn(8, 4, 3, 3))

    def forward(self, x):
        return functional.conv2d(x, self.kernel)


class Language(nn.Module):
    def __init__(self):
        super().__init__()
        self.table = nn.Embedding(5, 8)
        self.attention = nn.MultiheadAttention(8, 2)
        self.memory = nn.LSTM(8, 8)
        self.first = nn.Linear(8, 8)
        self.head = nn.Linear(8, 5, bias=False)
        self.head.weight = self.table.weight


def test_shares_are_the_counts_by_hand():
    model = nn.Sequential(
        nn.Conv2d(3, 4, 1), nn.Conv2d(4, 4, 3, bias=False), Mine(), nn.Flatten(), nn.Linear(8 * 4 * 4, 2)
    )
    quantize(model, weights=LSQ(2, per_channel=True), activations=LSQ(2), sample=torch.randn(2, 3, 8, 8))
    parameters = {2: 144, 32: 12 + 4 + 288 + 256 + 2}
    multiply_adds = {2: 144 * 36, 32: 12 * 64 + 288 * 16 + 256}
    expected = {
        "parameters": {bits: n / sum(parameters.values()) for bits, n in parameters.items()},
        "multiply_adds": {bits: n / sum(multiply_adds.values()) for bits, n in multiply_adds.items()},
    }
    images = torch.randn(4, 3, 8, 8)
    assert bit_shares(model, images) == bit_shares(fold(model), images) == expected
    assert model.training
    set_enabled(model, weights=False)
    assert bit_shares(model, images) == {"parameters": {32: 1}, "multiply_adds": {32: 1}}


def test_nothing_is_left_over_where_everything_is_quantized():
    model = nn.Sequential(nn.Linear(4, 8, bias=False), nn.Linear(8, 2, bias=False))
    quantize(model, weights=AOQ(3), quantize_first_last=True)
    assert bit_shares(model) == {"parameters": {3: 1}, "multiply_adds": {3: 1}}
    assert bit_shares(model.half())["parameters"] == {3: 1}


class Sequence(nn.Module):
    """What torch computes in one call each: an LSTM, and attention."""

    def __init__(self):
        super().__init__()
        self.memory = nn.LSTM(8, 8, bias=False, batch_first=True)
        self.encoder = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True, bias=False)
        self.head = nn.Linear(8, 8, bias=False)

    def forward(self, x):
        y = self.head(self.encoder(self.memory(x)[0])).unsqueeze(1)
        return functional.scaled_dot_product_attention(y, y, y)


def test_products_inside_attention_and_recurrent_layers_are_counted():
    model = quantize(Sequence(), weights=LSQ(2), quantize_first_last=True)
    for p in model.parameters():
        p.requires_grad_(False)  # or torch would not take its fast path
    quantized = 5 * (8 * 16 + 16 * 8 + 8 * 8)
    recurrent, projections, attention = 5 * 8 * 8 * 8, 5 * 4 * 8 * 8, 2 * 2 * 5 * 5 * 8
    total = quantized + recurrent + projections + attention
    expected = {2: quantized / total, 32: 1 - quantized / total}
    assert bit_shares(model, torch.randn(3, 5, 8))["multiply_adds"] == pytest.approx(expected)


def test_the_line_of_shares():
    shares = {"parameters": {2: 0.107, 32: 0.893}, "multiply_adds": {32: 1.0}}
    assert shares_text(shares) == ("parameters: 10.7% at 2 bits, 89.3% at 32 bits; multiply-adds: 100.0% at 32 bits")


def test_a_network_that_does_not_run_is_named():
    with pytest.raises(ValueError, match=r"counted while Sequential runs, and it does not run.*sample= must be"):
        bit_shares(nn.Sequential(nn.Linear(4, 2)), torch.zeros(1, 5))


def test_every_parameter_of_two_dimensions_has_a_row():
    model = quantize(Language(), weights=LSQ(2, per_channel=True))
    table = quantized_layers(model).set_index("layer")
    assert table.index.tolist() == [
        *("attention.out_proj", "first", "head", "table.weight", "attention.in_proj_weight"),
        *("memory.weight_ih_l0", "memory.weight_hh_l0"),
    ]
    assert table.index[table.why_skipped == ""].tolist() == ["first"]
    reason = "not seen: a parameter of LSTM, which is no convolution or linear layer"
    assert table.loc["memory.weight_ih_l0"].tolist()[:3] == ["LSTM", "32x8", 256]
    assert table.why_skipped["memory.weight_ih_l0"] == reason


def test_computed_weights_have_one_row_and_further_ones_their_own():
    class Lora(nn.Linear):
        def __init__(self):
            super().__init__(4, 4)
            self.low = nn.Parameter(torch.randn(1, 4))

    with pytest.warns(FutureWarning):
        old = nn.utils.weight_norm(nn.Linear(4, 4))
    new = nn.utils.parametrizations.weight_norm(nn.Linear(4, 4))
    model = quantize(nn.Sequential(old, new, Lora(), nn.Linear(4, 4)), weights=LSQ(2))
    assert dict(zip(*(quantized_layers(model)[column] for column in ("layer", "why_skipped")), strict=True)) == {
        "0": "its parameters are computed from others",
        "1": "its parameters are computed from others",
        "2": "",
        "3": "last linear layer",
        "2.low": "not seen: a further parameter of Lora",
    }
