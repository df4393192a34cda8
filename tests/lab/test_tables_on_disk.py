"""Tables of the small package on disk: pyarrow writes them, which it does without itself."""

import pandas as pd
import pytest
import torch
from torch import nn

from aoqlab import AOQ, LTQ, OscillationTracker, quantize, quantized_layers


@pytest.mark.parametrize("updates", [0, 9])
def test_the_history_comes_back_from_disk(tmp_path, updates):
    tracker = OscillationTracker({"first": (2, 3), "last": (7,)}, 2, record_every=2)
    generator = torch.Generator().manual_seed(0)
    for _ in range(updates):
        codes = {name: torch.randint(0, 4, shape, generator=generator) for name, shape in tracker.shapes.items()}
        tracker.update(codes)
    history, levels = tracker.save_history(tmp_path / "new" / "folder")
    assert (history.name, levels.name) == ("history.parquet", "levels.parquet")
    pd.testing.assert_frame_equal(pd.read_parquet(history), tracker.history_frame())
    pd.testing.assert_frame_equal(pd.read_parquet(levels), tracker.level_frame())


def test_the_table_of_layers_comes_back_from_disk(tmp_path):
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 8), nn.ReLU(), nn.Linear(8, 2))
    table = quantized_layers(quantize(network, weights=AOQ(2), activations=LTQ(2), sample=torch.randn(16, 4)))
    table.to_parquet(tmp_path / "layers.parquet")
    assert pd.read_parquet(tmp_path / "layers.parquet").equals(table)
