from pathlib import Path

import numpy as np
import pytest
from PIL import Image


@pytest.fixture(autouse=True)
def own_cache(tmp_path_factory, monkeypatch):
    """Nothing is kept in the user's cache."""
    folder = tmp_path_factory.mktemp("cache")
    monkeypatch.setenv("AOQLAB_CACHE", str(folder))
    monkeypatch.delenv("AOQLAB_DATA", raising=False)
    return folder


def _write_image(path, size=(12, 12), mode="RGB", seed=0):
    """An image of noise; size is (width, height) as Pillow has it."""
    channels = {"L": (), "RGB": (3,), "RGBA": (4,)}[mode]
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], *channels), dtype=np.uint8)
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(pixels).save(path)
    return path


def _write_tree(
    root, splits=("train", "val"), classes=("ant", "bee"), count=5, size=(12, 12), mode="RGB", suffix="png"
):
    """Folders of noise: root/split/class/0.png …; without splits root/class/0.png …"""
    seed = 0
    for split in splits or ("",):
        for name in classes:
            for number in range(count):
                _write_image(Path(root, split, name, f"{number}.{suffix}"), size, mode, seed)
                seed += 1
    return root


@pytest.fixture
def write_image():
    """Writes an image of noise."""
    return _write_image


@pytest.fixture
def write_tree():
    """Writes folders of noise."""
    return _write_tree
