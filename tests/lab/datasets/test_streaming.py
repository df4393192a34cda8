"""Large images, read by worker processes: the same batches whatever was read before and however many workers read."""

import random

import numpy as np
import pytest
import torch
from PIL import Image

from aoqlab.lab import datasets
from aoqlab.lab.datasets import folder as folders
from aoqlab.lab.datasets import streaming
from aoqlab.lab.datasets.draws import seeded


@pytest.fixture
def photos(tmp_path, write_tree):
    write_tree(tmp_path / "photos", count=6, size=(90, 70), suffix="jpg")
    return tmp_path / "photos"


def read(data, epoch=0, **options):
    return list(data.train.batches(epoch, **{"seed": 0, "batch_size": 4, **options}))


def numpy_state():
    return np.random.get_state()[1].copy()  # noqa: NPY002 - the generator that transforms may use


def same(one, other):
    assert len(one) == len(other)
    return all(torch.equal(a, c) and torch.equal(b, d) for (a, b), (c, d) in zip(one, other, strict=True))


def test_large_images_stream(photos):
    data = datasets.load(photos, image_size=32, workers=0)
    assert isinstance(data.train.images, streaming.StreamedImages)
    assert (data.num_classes, data.in_chans, data.image_size, data.name) == (2, 3, 32, "photos")
    images, labels = read(data)[0]
    assert images.shape == (4, 3, 32, 32) and images.dtype == torch.float32 and labels.dtype == torch.int64
    assert images.is_contiguous(memory_format=torch.channels_last)
    assert [len(labels) for _, labels in data.test.batches(5)] == [5, 5, 2]
    assert torch.cat([labels for _, labels in data.test.batches(5)]).tolist() == [0] * 6 + [1] * 6


@pytest.mark.usefixtures("as_shipped")  # the checker of annotations draws from Python's generator
def test_batches_are_the_same_with_and_without_workers_and_global_generators_stay(photos):
    torch.manual_seed(7)
    states = random.getstate(), numpy_state(), torch.get_rng_state()
    alone = read(datasets.load(photos, image_size=24, workers=0), 3)
    assert same(alone, read(datasets.load(photos, image_size=24, workers=2), 3))
    assert random.getstate() == states[0]
    assert np.array_equal(numpy_state(), states[1]) and torch.equal(torch.get_rng_state(), states[2])


def test_seeds_and_epochs_differ_and_reading_leaves_no_trace(photos):
    data = datasets.load(photos, image_size=24, workers=0)
    first = read(data, 0)
    assert not same(first, read(data, 1)) and not same(first, read(data, 0, seed=1))
    assert same(first, read(data, 0))


def test_a_sample_is_the_first_batch_of_that_size_read_without_workers(photos, monkeypatch):
    images, _ = read(datasets.load(photos, image_size=24, workers=0), seed=3, batch_size=5, augment=False)[0]
    data = datasets.load(photos, image_size=24, workers=2)
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or original(path))
    assert torch.equal(data.train.sample(5, seed=3), images)
    assert len(opened) == 5  # all in this process, where they can be seen, and no more


@pytest.mark.parametrize(("processes", "expected"), [(None, 12), ("", 12), ("1", 12), ("5", 2), ("8", 1), ("99", 1)])
def test_the_cores_are_shared_by_the_processes_on_the_machine(processes, expected, photos, monkeypatch):
    monkeypatch.setattr(streaming.joblib, "cpu_count", lambda: 12)
    monkeypatch.delenv("LOCAL_WORLD_SIZE", raising=False)
    if processes is not None:
        monkeypatch.setenv("LOCAL_WORLD_SIZE", processes)
    data = datasets.load(photos, image_size=24)
    assert data.train.images.workers == data.test.images.workers == expected
    assert datasets.load(photos, image_size=24, workers=3).train.images.workers == 3


def test_the_fingerprint_is_that_of_the_files(photos):
    known = datasets.load(photos, image_size=24).fingerprint
    assert datasets.load(photos, image_size=32, workers=0).fingerprint == known
    (photos / "val" / "ant" / "0.jpg").unlink()
    assert datasets.load(photos, image_size=24).fingerprint != known


def test_starting_late_decodes_nothing_of_what_is_skipped(photos, monkeypatch):
    data = datasets.load(photos, image_size=24, workers=0)
    whole = read(data, 2)
    opened = []
    original = Image.open
    monkeypatch.setattr(Image, "open", lambda path: opened.append(path) or original(path))
    assert same(whole[2:], read(data, 2, start=2)) and len(opened) == 4
    assert read(data, 2, start=3) == []


def test_shares_of_two_ranks_joined_are_the_batch_of_one_process(photos):
    data = datasets.load(photos, image_size=24, workers=0)
    shares = [read(data, 1, rank=rank, world=2) for rank in (0, 1)]
    joined = [(torch.cat([a, c]), torch.cat([b, d])) for (a, b), (c, d) in zip(*shares, strict=True)]
    assert same(read(data, 1), joined)


def test_without_augmentation_images_match_the_test_split(tmp_path, write_tree):
    write_tree(tmp_path, ("train",), size=(80, 80))
    for name in ("ant", "bee"):
        (tmp_path / "val" / name).mkdir(parents=True)
        for file in (tmp_path / "train" / name).iterdir():
            (tmp_path / "val" / name / file.name).write_bytes(file.read_bytes())
    data = datasets.load(tmp_path, workers=0)  # 80 pixels, not resized
    train = torch.cat([images for images, _ in read(data, batch_size=10, augment=False)])
    test = torch.cat([images for images, _ in data.test.batches(10)])
    order = [int((test == image).flatten(1).all(1).nonzero()) for image in train]
    assert sorted(order) == list(range(10))


def test_normalised_with_the_statistics_of_imagenet(tmp_path, write_tree):
    write_tree(tmp_path, size=(80, 80))
    white = np.full((80, 80, 3), 255, dtype=np.uint8)
    Image.fromarray(white).save(tmp_path / "val" / "ant" / "0.png")
    data = datasets.load(tmp_path, image_size=24, workers=0)
    image = next(data.test.batches(1))[0][0]
    expected = [(1 - mean) / std for mean, std in zip(data.mean, data.std, strict=True)]
    assert torch.allclose(image[:, 0, 0], torch.tensor(expected), atol=1e-5)


def test_grey_photographs_among_colour_ones_are_read_as_colour(photos, write_image):
    write_image(photos / "val" / "ant" / "1.png", size=(70, 70), mode="L")
    data = datasets.load(photos, image_size=24, workers=0)
    assert data.in_chans == 3
    assert next(data.test.batches(3))[0].shape == (3, 3, 24, 24)


def test_grey_photographs_alone_have_one_channel(tmp_path, write_tree):
    data = datasets.load(write_tree(tmp_path, size=(70, 70), mode="L"), image_size=24, workers=0)
    assert data.in_chans == 1 and next(data.test.batches(3))[0].shape == (3, 1, 24, 24)


def test_large_images_of_mixed_size_need_a_size(photos, write_image):
    write_image(photos / "val" / "bee" / "2.jpg", size=(80, 60))
    with pytest.raises(ValueError, match=r"is 90x70 pixels, .*bee/2\.jpg is 80x60.*image_size=N"):
        datasets.load(photos)


def test_small_images_that_would_take_too_much_memory_stream(tmp_path, monkeypatch, write_image, write_tree):
    write_tree(tmp_path)
    write_image(tmp_path / "train" / "ant" / "0.png", size=(13, 17))
    monkeypatch.setattr(folders, "LIMIT", 1000)
    data = datasets.load(tmp_path, image_size=20, workers=0)
    assert isinstance(data.train.images, streaming.StreamedImages) and data.image_size == 20


def test_large_images_are_looked_at_once(photos, monkeypatch):
    first = datasets.load(photos, image_size=24, workers=0)
    monkeypatch.setattr(folders, "look_at_all", lambda *_, **__: pytest.fail("looked at again"))
    assert datasets.load(photos, image_size=32, workers=0).classes == first.classes


def test_a_file_that_vanishes_later_is_named(photos):
    data = datasets.load(photos, image_size=24, workers=0)
    (photos / "val" / "ant" / "0.jpg").unlink()
    with pytest.raises(ValueError, match=r"ant/0\.jpg can no longer be read"):
        next(data.test.batches(2))


def test_seeded_gives_back_every_generator_also_after_an_error():
    states = random.getstate(), torch.get_rng_state()
    draws = []
    for _ in range(2):
        with pytest.raises(KeyError), seeded(2**63 + 5):
            draws.append((random.random(), np.random.rand(), float(torch.rand(()))))  # noqa: NPY002
            raise KeyError
    assert draws[0] == draws[1]
    assert random.getstate() == states[0] and torch.equal(torch.get_rng_state(), states[1])
