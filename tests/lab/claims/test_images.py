"""A part of a set of images: the same pixels, few of each class, made once."""

import numpy as np
import pytest
from PIL import Image

from aoqlab.lab import datasets
from aoqlab.lab.claims import images, running
from aoqlab.lab.claims.images import reduced


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """Two classes of noise, eight training and six test images each; the reduced set takes three and two."""
    monkeypatch.setattr(images, "TRAIN_PER_CLASS", 3)
    monkeypatch.setattr(images, "TEST_PER_CLASS", 2)
    rng = np.random.default_rng(0)
    for split, count in (("train", 8), ("test", 6)):
        for name in ("cat", "dog"):
            place = tmp_path / "pets" / split / name
            place.mkdir(parents=True)
            for number in range(count):
                Image.fromarray(rng.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(place / f"{number}.png")
    return tmp_path / "pets"


def pixels(split):
    return {
        (int(label), image.numpy().tobytes())
        for image, label in zip(split.images.pixels, split.images.labels, strict=True)
    }


def test_it_holds_the_same_pixels_and_few_of_each_class(folder, tmp_path):
    small = reduced(folder, tmp_path / "out")
    assert small.name == "pets-reduced"
    whole, part = datasets.load(folder), datasets.load(small)
    assert part.classes == whole.classes
    assert part.train.images.labels.bincount().tolist() == [3, 3]
    assert part.test.images.labels.bincount().tolist() == [2, 2]
    assert pixels(part.train) < pixels(whole.train)
    assert pixels(part.test) < pixels(whole.test)


def test_it_is_made_once_and_again_for_other_images(folder, tmp_path):
    small = reduced(folder, tmp_path / "out")
    (small / "seen").touch()
    assert (reduced(folder, tmp_path / "out") / "seen").is_file()
    Image.fromarray(np.zeros((8, 8, 3), dtype=np.uint8)).save(folder / "train" / "cat" / "0.png")
    assert not (reduced(folder, tmp_path / "out") / "seen").exists()


def test_half_a_copy_counts_as_none(folder, tmp_path):
    small = reduced(folder, tmp_path / "out")
    (small / images.DONE).unlink()
    (small / "train" / "cat" / "000000.png").unlink(missing_ok=True)
    again = reduced(folder, tmp_path / "out")
    assert len(list((again / "train" / "cat").glob("*.png"))) == 3


def test_the_budget_on_cpu_takes_a_part_of_the_images(folder, tmp_path):
    found = running._experiments("cpu", None, folder, tmp_path / "out")
    assert [e.data for e in found] == ["toy-full", "digits-resnet20", "pets-reduced-resnet20"]
    assert {v.config.data for v in found[-1].variants} == {str(tmp_path / "out" / "images" / "pets-reduced")}
    assert [e.data for e in running._experiments("cpu", ["toy-full"], None, tmp_path)] == ["toy-full"]


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="nowhere"):
        reduced(tmp_path / "nowhere", tmp_path)
