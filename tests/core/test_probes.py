"""Probes against definitions written out, and against gradients known by hand."""

import math

import pytest
import torch

from aoqlab import AOQ, LSQ, LTQ
from aoqlab.quantizers.probes import gradient_table, quantization_error


def test_error_and_entropy_of_four_values():
    x = torch.tensor([-1.0, 0.25, 0.5, 2.0])
    numbers = quantization_error(x, torch.tensor([0, 1, 1, 2], dtype=torch.uint8), torch.tensor([-1.0, 0.5, 1.0]))
    assert numbers["mse"] == pytest.approx((0.25**2 + 1) / 4)
    assert numbers["sqnr_db"] == pytest.approx(10 * math.log10((1 + 0.0625 + 0.25 + 4) / (0.0625 + 1)))
    assert numbers["entropy_bits"] == pytest.approx(1.5)


@pytest.mark.parametrize("bits", [2, 4, 8])
def test_error_of_a_quantizer_is_that_of_its_own_output(bits):
    weights = torch.randn(8, 3, 3, 3, generator=torch.Generator().manual_seed(0))
    quantizer = AOQ(bits).init_from(weights)
    numbers = quantization_error(weights, quantizer.encode(weights), quantizer.levels())
    with torch.no_grad():
        assert numbers["mse"] == pytest.approx(float((quantizer(weights) - weights).square().mean()), rel=1e-5)
    assert 0 < numbers["entropy_bits"] <= bits


def test_levels_map_to_themselves_without_error():
    levels = torch.tensor([-1.0, 0.0, 2.0])
    numbers = quantization_error(levels, torch.arange(3), levels)
    assert numbers["mse"] == 0 and numbers["sqnr_db"] == math.inf
    assert numbers["entropy_bits"] == pytest.approx(math.log2(3))


def test_error_needs_a_code_for_every_value():
    with pytest.raises(ValueError, match="their codes"):
        quantization_error(torch.zeros(3), torch.zeros(2, dtype=torch.uint8), torch.zeros(4))


def test_gradients_on_three_numbers():
    """AOQ passes the gradient everywhere and d/ds_le is k + 1/2; LSQ stops it outside, d/ds is round(w/s) - w/s."""
    x = torch.tensor([-0.25, 0.75, 9.0])
    aoq = gradient_table(AOQ(2), x)
    assert aoq["value"].tolist() == [-0.5, 0.5, 1.5]
    assert aoq["d_x"].tolist() == [1, 1, 1]
    assert aoq["d_level_interval"].tolist() == [-0.5, 0.5, 1.5]
    lsq = gradient_table(LSQ(2, scale_gradient=False), x)
    assert lsq["value"].tolist() == [0, 1, 1]
    assert lsq["d_x"].tolist() == [1, 1, 0]
    assert lsq["d_step"].tolist() == [0.25, 0.25, 1]


def test_a_parameter_with_several_entries_has_a_column_each():
    table = gradient_table(LTQ(2), torch.tensor([0.4]))
    assert {"d_bin_widths[0]", "d_bin_widths[2]", "d_input_scale", "d_output_scale"} <= set(table.columns)
    assert table["d_x"].item() == pytest.approx(2)


def test_what_does_not_learn_has_no_column():
    frozen = AOQ(2)
    frozen.level_interval.requires_grad_(False)
    assert list(gradient_table(frozen, torch.tensor([0.4])).columns) == ["x", "value", "d_x"]
