"""The tracker's tables on disk: pyarrow writes them, which the small package does without."""

import pandas as pd
import pytest
import torch

from aoqlab import OscillationTracker


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
