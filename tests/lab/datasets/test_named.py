"""Data sets by name: digits, and CIFAR from files of the published layout."""

import hashlib
import pickle
import socket
import urllib.error

import numpy as np
import pytest
import torch

from aoqlab.lab import datasets
from aoqlab.lab.datasets import memory


def test_digits_are_split_as_ever():
    from sklearn.datasets import load_digits

    bunch = load_digits()
    order = np.random.default_rng(0).permutation(1797)
    data = datasets.load("digits")
    for split, rows in ((data.test, order[:450]), (data.train, order[450:])):
        assert np.array_equal(split.images.pixels[..., 0].numpy(), bunch.images[rows] * 15)
        assert np.array_equal(split.images.labels.numpy(), bunch.target[rows])
    assert (data.num_classes, data.in_chans, data.image_size) == (10, 1, 8)
    assert (len(data.train), len(data.test), data.train.images.padding) == (1347, 450, 1)
    assert data.classes == tuple("0123456789")


@pytest.mark.parametrize("size", [None, 16])
def test_the_fingerprint_of_digits_is_a_constant(size):
    assert datasets.load("digits", image_size=size).fingerprint == "digits-1"  # runs keep it, so it never changes


def test_digits_are_never_flipped():
    assert not datasets.load("digits").train.images.flip


@pytest.mark.parametrize("size", [16, 32])
def test_another_size_is_made_once(size):
    data = datasets.load("digits", image_size=size)
    images, _ = next(data.test.batches(7))
    assert images.shape == (7, 1, size, size) and data.image_size == size
    assert data.train.images.pixels.shape[1] == size and data.train.images.padding == size // 8


def test_images_too_many_to_be_kept_resized_are_resized_in_the_batch(monkeypatch):
    once = datasets.load("digits", image_size=16)
    monkeypatch.setattr(memory, "LIMIT", 1000)
    late = datasets.load("digits", image_size=16)
    assert late.train.images.pixels.shape[1] == 8 and late.image_size == 16
    (one, labels), (other, same_labels) = next(once.test.batches(50)), next(late.test.batches(50))
    assert one.shape == other.shape and torch.equal(labels, same_labels)
    assert other.is_contiguous(memory_format=torch.channels_last)
    # the statistics differ a little, and pixels resized once are rounded to bytes
    assert ((one * once.std[0] + once.mean[0]) - (other * late.std[0] + late.mean[0])).abs().max() < 0.003
    assert next(late.train.batches(0, seed=0, batch_size=4))[0].shape == (4, 1, 16, 16)


class _OldDtype:
    """Pickles as the dtype in the published files, which NumPy now warns of."""

    def __reduce__(self):
        return np.dtype, ("u1", 0, 1)


@pytest.fixture
def cifar(tmp_path, monkeypatch):
    """Files as published, a few images each; torchvision is told their checksums."""
    from torchvision import datasets as published

    def lay(kind, classes, label):
        source = getattr(published, kind)
        folder = tmp_path / source.base_folder
        folder.mkdir()

        def put(name, content):
            (folder / name).write_bytes(pickle.dumps(content, protocol=2))
            return [name, hashlib.md5((folder / name).read_bytes()).hexdigest()]

        def batch(seed, count):
            generator = np.random.default_rng(seed)
            data = generator.integers(0, 256, (count, 3072), dtype=np.uint8)
            return {"data": data, label: [i % classes for i in range(count)], "dtype": _OldDtype()}

        parts = [put(name, batch(i, 30)) for i, (name, _) in enumerate(source.train_list)]
        monkeypatch.setattr(source, "train_list", parts)
        monkeypatch.setattr(source, "test_list", [put(source.test_list[0][0], batch(9, 20))])
        name, md5 = put(source.meta["filename"], {source.meta["key"]: [f"class {i}" for i in range(classes)]})
        monkeypatch.setattr(source, "meta", {**source.meta, "filename": name, "md5": md5})
        return folder

    return lay


@pytest.mark.parametrize(
    "name, kind, classes, label, count",
    [("cifar10", "CIFAR10", 10, "labels", 150), ("cifar100", "CIFAR100", 100, "fine_labels", 30)],
)
def test_cifar_is_read_from_the_published_files(cifar, tmp_path, name, kind, classes, label, count, monkeypatch):
    cifar(kind, classes, label)
    monkeypatch.setenv("AOQLAB_DATA", str(tmp_path))
    data = datasets.load(name)
    assert (data.num_classes, data.in_chans, data.image_size, data.name) == (classes, 3, 32, name)
    assert (len(data.train), len(data.test), data.train.images.padding, data.train.images.flip) == (count, 20, 4, True)
    expected = np.random.default_rng(9).integers(0, 256, (20, 3, 32, 32), dtype=np.uint8)
    assert np.array_equal(data.test.images.pixels.permute(0, 3, 1, 2).numpy(), expected)
    assert data.test.images.labels.tolist() == [i % classes for i in range(20)]


def test_missing_cifar_says_what_to_do(tmp_path):
    with pytest.raises(
        FileNotFoundError, match=r"cifar10 is not in .*--download, or unpack https.*cifar-10-batches-py"
    ):
        datasets.load("cifar10", root=tmp_path)


def test_damaged_cifar_says_so(cifar, tmp_path):
    folder = cifar("CIFAR10", 10, "labels")
    (folder / "test_batch").write_bytes(b"x")
    with pytest.raises(FileNotFoundError, match=r"damaged; pass --download"):
        datasets.load("cifar10", root=tmp_path)


def test_a_download_without_network_says_what_to_do(tmp_path, monkeypatch):
    def offline(*_, **__):
        raise urllib.error.URLError(socket.gaierror("no network"))

    monkeypatch.setattr("urllib.request.urlopen", offline)
    with pytest.raises(ConnectionError, match=r"could not be downloaded .*no network.*unpack https"):
        datasets.load("cifar10", root=tmp_path, download=True)


def test_an_unknown_name_lists_near_ones(tmp_path):
    with pytest.raises(ValueError, match=r"no data set is called 'digit'.*did you mean digits"):
        datasets.load("digit", root=tmp_path)
    (tmp_path / "flowers").mkdir()
    with pytest.raises(ValueError, match=r"did you mean flowers\? Known: digits, cifar10, cifar100"):
        datasets.load("flower", root=tmp_path)
    with pytest.raises(ValueError, match="is empty"):
        datasets.load("")


@pytest.mark.parametrize("size", [0, -3])
def test_an_impossible_size_is_refused(size):
    with pytest.raises(ValueError, match="image_size must be at least 1"):
        datasets.load("digits", image_size=size)
